"""From IAM's answers to the report: judge a page of users, join the pages, say it in words.

Pure: plain data in, plain data out. The shapes are those of the files under `scans/<scan_id>/`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from chalicelib.age import AgeRule, Verdict, format_instant, parse_instant
from chalicelib.policy import ScanPolicy

SCHEMA_VERSION = 1
_ROOT_USER = "the root user: IAM does not list it among an account's users"
_ACTIVE = "Active"
_FINDINGS = (Verdict.EXPIRED, Verdict.DUE_SOON)
_NO_OUTCOME = "the scan got no outcome for this user"


class InvalidEvidenceError(Exception):
    """Pages that do not make up one whole scan; a report from them could look clean and be wrong."""


class Finding(TypedDict):
    """An expired or due-soon key."""

    user_name: str
    access_key_id: str
    status: str
    created_at: str
    age_days: int
    overdue_at: str
    verdict: str


class Unchecked(TypedDict):
    """A user of whom IAM would not say."""

    user_name: str
    cause: str


class Coverage(TypedDict):
    """How many users and keys the scan saw, and what became of them."""

    users_listed: int
    users_checked: int
    users_not_found: int
    users_unchecked: int
    keys_judged: int
    keys_inactive_skipped: int


class Totals(TypedDict):
    """Judged keys by verdict."""

    expired: int
    due_soon: int
    ok: int


class JudgedKey(TypedDict):
    """A key as IAM described it, with its verdict: null for an inactive one passed over."""

    access_key_id: str
    status: str
    created_at: str
    verdict: str | None


class UserEvidence(TypedDict):
    """One user's outcome."""

    user_name: str
    outcome: Literal["checked", "not_found", "unchecked"]
    keys: NotRequired[list[JudgedKey]]
    cause: NotRequired[str]


class Page(TypedDict):
    """`pages/<number>.json`: a page of users, judged; the evidence that a report is joined from."""

    schema_version: int
    scan_id: str
    account_id: str
    as_of: str
    policy: dict[str, Any]
    page: int
    coverage: Coverage
    totals: Totals
    findings: list[Finding]
    users: list[UserEvidence]


class Report(TypedDict):
    """`report.json`."""

    schema_version: int
    scan_id: str
    account_id: str
    as_of: str
    policy: dict[str, Any]
    coverage: Coverage
    totals: Totals
    findings: list[Finding]
    unchecked: list[Unchecked]
    not_found: list[str]
    not_covered: list[str]  # in words


class Summary(TypedDict):
    """The part of a report that fits everywhere, whatever the account's size."""

    scan_id: str
    account_id: str
    as_of: str
    complete: bool
    coverage: Coverage
    totals: Totals


@dataclass(frozen=True)
class ScanTerms:
    """What is the same for every page of a scan."""

    scan_id: str
    account_id: str
    as_of: datetime
    policy: ScanPolicy


def judge_page(terms: ScanTerms, number: int, listed: list[str], outcomes: Iterable[Mapping[str, Any]]) -> Page:
    """Judge one page of users.

    `listed` are the user names that were asked for, `outcomes` what came back for each:
    `{"user_name", "outcome", "keys": [{"access_key_id", "status", "created_at"}], "cause"}`.
    A user without an outcome, or with a key that cannot be judged, is unchecked; InvalidEvidenceError
    for an outcome that nobody asked for or that came twice.
    """
    rule = terms.policy.rule(terms.as_of)
    coming = _outcomes_by_user(listed, outcomes)
    users = [_judge_user(name, coming.get(name), rule, terms.policy.include_inactive) for name in listed]
    keys = [(user["user_name"], key) for user in users for key in user.get("keys", ())]
    by_outcome = Counter(user["outcome"] for user in users)
    by_verdict = Counter(key["verdict"] for _, key in keys)
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": terms.scan_id,
        "account_id": terms.account_id,
        "as_of": format_instant(terms.as_of),
        "policy": terms.policy.to_json(),
        "page": number,
        "coverage": {
            "users_listed": len(listed),
            "users_checked": by_outcome["checked"],
            "users_not_found": by_outcome["not_found"],
            "users_unchecked": by_outcome["unchecked"],
            "keys_judged": len(keys) - by_verdict[None],
            "keys_inactive_skipped": by_verdict[None],
        },
        "totals": {
            "expired": by_verdict[Verdict.EXPIRED],
            "due_soon": by_verdict[Verdict.DUE_SOON],
            "ok": by_verdict[Verdict.OK],
        },
        "findings": [_finding(user_name, key, rule) for user_name, key in keys if key["verdict"] in _FINDINGS],
        "users": users,
    }


def join_pages(pages: Iterable[Page]) -> Report:
    """Join all pages of a scan, in order, into its report; InvalidEvidenceError if they do not fit together."""
    report: Report | None = None
    seen: set[str] = set()
    for number, page in enumerate(pages, start=1):
        if report is None:
            report = _empty_report(page)
        _check_page(report, page, number)
        _add_page(report, page, seen)
    if report is None:
        raise InvalidEvidenceError("the scan has no page")
    report["findings"].sort(key=_oldest_first)
    return report


def summarize(report: Report) -> Summary:
    """Return the counts of a report and whether every user was accounted for."""
    return {
        "scan_id": report["scan_id"],
        "account_id": report["account_id"],
        "as_of": report["as_of"],
        "complete": report["coverage"]["users_unchecked"] == 0,
        "coverage": report["coverage"],
        "totals": report["totals"],
    }


def _outcomes_by_user(listed: list[str], outcomes: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    asked = set(listed)
    if len(asked) < len(listed):
        raise InvalidEvidenceError("a user was listed twice on one page")
    by_user: dict[str, Mapping[str, Any]] = {}
    for outcome in outcomes:
        user_name = outcome["user_name"]
        if user_name not in asked or user_name in by_user:
            raise InvalidEvidenceError("an outcome came for a user who was not asked for, or came twice")
        by_user[user_name] = outcome
    return by_user


def _judge_user(
    user_name: str, outcome: Mapping[str, Any] | None, rule: AgeRule, include_inactive: bool
) -> UserEvidence:
    if outcome is None:
        return {"user_name": user_name, "outcome": "unchecked", "cause": _NO_OUTCOME}
    if outcome["outcome"] == "not_found":
        return {"user_name": user_name, "outcome": "not_found"}
    if outcome["outcome"] != "checked":
        return {"user_name": user_name, "outcome": "unchecked", "cause": str(outcome.get("cause", _NO_OUTCOME))}
    try:
        keys = [_judge_key(key, rule, include_inactive) for key in outcome["keys"]]
    except (KeyError, TypeError, ValueError) as error:
        cause = f"IAM described a key in a way that cannot be judged: {error!r}"
        return {"user_name": user_name, "outcome": "unchecked", "cause": cause}
    return {"user_name": user_name, "outcome": "checked", "keys": keys}


def _judge_key(key: Mapping[str, Any], rule: AgeRule, include_inactive: bool) -> JudgedKey:
    created_at = parse_instant(key["created_at"])
    judged = include_inactive or key["status"] == _ACTIVE
    return {
        "access_key_id": key["access_key_id"],
        "status": key["status"],
        "created_at": format_instant(created_at),
        "verdict": rule.verdict(created_at).value if judged else None,
    }


def _finding(user_name: str, key: JudgedKey, rule: AgeRule) -> Finding:
    created_at = parse_instant(key["created_at"])
    return {
        "user_name": user_name,
        "access_key_id": key["access_key_id"],
        "status": key["status"],
        "created_at": key["created_at"],
        "age_days": rule.age_days(created_at),
        "overdue_at": format_instant(rule.overdue_at(created_at)),
        "verdict": str(key["verdict"]),
    }


def _empty_report(page: Page) -> Report:
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": page["scan_id"],
        "account_id": page["account_id"],
        "as_of": page["as_of"],
        "policy": page["policy"],
        "coverage": {
            "users_listed": 0,
            "users_checked": 0,
            "users_not_found": 0,
            "users_unchecked": 0,
            "keys_judged": 0,
            "keys_inactive_skipped": 0,
        },
        "totals": {"expired": 0, "due_soon": 0, "ok": 0},
        "findings": [],
        "unchecked": [],
        "not_found": [],
        "not_covered": [_ROOT_USER, *_users_left_out(page["policy"])],
    }


def _users_left_out(policy: Mapping[str, Any]) -> list[str]:
    return ["all users but those that the scan policy names"] if "users" in policy else []


def _check_page(report: Report, page: Page, number: int) -> None:
    if page["page"] != number:
        raise InvalidEvidenceError(f"page {page['page']} stands in the place of page {number}")
    for field in ("schema_version", "scan_id", "account_id", "as_of", "policy"):
        if page.get(field) != report.get(field):
            raise InvalidEvidenceError(f"page {number} has another {field} than page 1")


def _add_page(report: Report, page: Page, seen: set[str]) -> None:
    for user in page["users"]:
        if user["user_name"] in seen:
            raise InvalidEvidenceError(f"page {page['page']} lists a user who is on an earlier page")
        seen.add(user["user_name"])
        if user["outcome"] == "unchecked":
            report["unchecked"].append({"user_name": user["user_name"], "cause": user["cause"]})
        elif user["outcome"] == "not_found":
            report["not_found"].append(user["user_name"])
    _add_counts(report["coverage"], page["coverage"])
    _add_counts(report["totals"], page["totals"])
    report["findings"].extend(page["findings"])


def _add_counts(counts: Coverage | Totals, more: Coverage | Totals) -> None:
    for name in counts:
        counts[name] += more[name]  # type: ignore[literal-required]  # both are of one type, and all its fields int


def _oldest_first(finding: Finding) -> tuple[datetime, str, str]:
    return parse_instant(finding["created_at"]), finding["user_name"], finding["access_key_id"]

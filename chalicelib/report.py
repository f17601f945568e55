"""From IAM's answers to the report: judge a page of users, join the pages.

Pure: plain data in, plain data out, in the shapes of `chalicelib.shapes`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from chalicelib.age import AgeRule, Verdict, format_instant, parse_instant
from chalicelib.policy import ScanPolicy
from chalicelib.shapes import (
    AgeBin,
    ChangeCounts,
    Changes,
    Coverage,
    Finding,
    JudgedKey,
    Page,
    Report,
    Summary,
    Totals,
    UserEvidence,
)

SCHEMA_VERSION = 1
_ROOT_USER = "the root user: IAM does not list it among an account's users"
ACTIVE = "Active"
_FINDINGS = (Verdict.EXPIRED, Verdict.DUE_SOON)
_NO_OUTCOME = "the scan got no outcome for this user"
_BINS_TO_THE_LIMIT = 6  # of the histogram, and as many after it


class InvalidEvidenceError(Exception):
    """Pages that do not make up one whole scan; a report from them could look clean and be wrong."""


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
    ages: Counter[int] = Counter()
    for number, page in enumerate(pages, start=1):
        if report is None:
            report = _empty_report(page)
        _check_page(report, page, number)
        _add_page(report, page, seen)
        _count_ages(ages, page)
    if report is None:
        raise InvalidEvidenceError("the scan has no page")
    report["findings"].sort(key=_oldest_first)
    report["age_histogram"] = _histogram(ages, report["policy"]["max_age_days"])
    return report


def scan_kind(policy: Mapping[str, Any]) -> Literal["full", "users", "as_of"]:
    """Say what a scan speaks for: everybody now, the users that its policy names, or another instant."""
    if "as_of" in policy:
        return "as_of"
    return "users" if "users" in policy else "full"


def summarize(report: Report) -> Summary:
    """Return the counts of a report and whether every user was accounted for."""
    return {
        "scan_id": report["scan_id"],
        "account_id": report["account_id"],
        "as_of": report["as_of"],
        "complete": report["coverage"]["users_unchecked"] == 0,
        "coverage": report["coverage"],
        "totals": report["totals"],
        "changes": _count_changes(report.get("changes")),
    }


def report_locations(folder: str) -> dict[str, str]:
    """Say where a report's renderings are, given its scan's folder as a URI that ends in a slash."""
    return {kind: f"{folder}report.{kind}" for kind in ("json", "csv", "html")}


def _count_changes(changes: Changes | None) -> ChangeCounts | None:
    if changes is None:
        return None
    return {
        "since": changes["since"],
        "new": len(changes["new"]),
        "still_expired": len(changes["still_expired"]),
        "resolved": len(changes["resolved"]),
        "unknown": len(changes["unknown"]),
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
    judged = include_inactive or key["status"] == ACTIVE
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
        "scan_kind": scan_kind(page["policy"]),
        "age_histogram": [],
        "changes": None,
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


def _count_ages(ages: Counter[int], page: Page) -> None:
    """Count judged keys by age in days, rounded up: a key of exactly 90 days is not older than 90."""
    as_of = parse_instant(page["as_of"])
    for user in page["users"]:
        for key in user.get("keys", ()):
            if key["verdict"] is not None:
                ages[-((parse_instant(key["created_at"]) - as_of) // timedelta(days=1))] += 1


def _histogram(ages: Counter[int], max_age_days: int) -> list[AgeBin]:
    """Sort ages into bins of equal width, but for the first and the endless last; the limit is between two."""
    width = -(-max_age_days // _BINS_TO_THE_LIMIT)
    limits = [max_age_days + step * width for step in range(-_BINS_TO_THE_LIMIT, _BINS_TO_THE_LIMIT + 1)]
    limits = [0, *(limit for limit in limits if limit > 0)]
    bins: list[AgeBin] = [{"from_days": low, "to_days": high, "keys": 0} for low, high in pairwise(limits)]
    bins.append({"from_days": limits[-1], "to_days": None, "keys": 0})
    for age, keys in ages.items():
        bins[max(0, bisect_left(limits, age) - 1)]["keys"] += keys
    return bins


def _add_counts(counts: Coverage | Totals, more: Coverage | Totals) -> None:
    for name in counts:
        counts[name] += more[name]  # type: ignore[literal-required]  # both are of one type, and all its fields int


def _oldest_first(finding: Finding) -> tuple[datetime, str, str]:
    return parse_instant(finding["created_at"]), finding["user_name"], finding["access_key_id"]

"""What there is to say of an account's access keys, to systems that keep a finding for each. Pure.

A key is spoken of only where this scan saw it, or saw that it is gone; of all others, such a system keeps what it has.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from chalicelib.documents import Page, Report
from chalicelib.key_documents import ACTIVE, Finding, JudgedKey
from chalicelib.report.changes import may_be_unused
from chalicelib.telling_documents import SentFinding

Status = Literal["FAILED", "WARNING", "PASSED"]

PRODUCT = "iam-key-age"
_INFORMATIONAL = "INFORMATIONAL"
_UNTIL_THEN = "There is nothing to do until the exemption ends."
_FIND_OUT = "Its use is not known: find out what uses it before you deactivate it."
_STATUSES: Mapping[str, Status] = {"expired": "FAILED", "unused": "FAILED", "due_soon": "WARNING", "exempt": "PASSED"}
_TITLES = {
    "expired": "is overdue",
    "unused": "is unused",
    "due_soon": "is due soon",
    "exempt": "is exempt",
    "ok": "is in time",
    "inactive": "is not active",
    "deleted": "was deleted",
}


@dataclass(frozen=True)
class Evidence:
    """What a scan saw of an account's users, by name, and of their keys, by access key id."""

    outcomes: Mapping[str, str]
    keys: Mapping[str, tuple[str, JudgedKey]]  # with the user's name


def read_evidence(pages: Iterable[Page]) -> Evidence:
    """Read the pages of a scan."""
    outcomes: dict[str, str] = {}
    keys: dict[str, tuple[str, JudgedKey]] = {}
    for page in pages:
        for user in page["users"]:
            outcomes[user["user_name"]] = user["outcome"]
            keys |= {key["access_key_id"]: (user["user_name"], key) for key in user.get("keys", ())}
    return Evidence(outcomes, keys)


def finding_id(account_id: str, access_key_id: str) -> str:
    """Return the id of a key's finding: a renamed user's key keeps it."""
    return f"{PRODUCT}/{account_id}/{access_key_id}"


@dataclass(frozen=True)
class KeyState:
    """What there is to say of a key."""

    account_id: str
    access_key_id: str
    user_name: str
    created_at: str
    verdict: str  # one of a key, or inactive, or deleted
    status: Status
    severity: str  # a label of Security Hub's
    says: str  # about the key, in a sentence
    to_do: str  # in a sentence
    key_status: str | None  # null for a key that is gone
    requirements: tuple[str, ...] = ()  # clauses that it violates, or meets
    source_url: str = ""
    fields: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def is_gone(self) -> bool:
        """Return whether the key is no longer there."""
        return self.verdict == "deleted"

    @property
    def title(self) -> str:
        """Return the title of its finding."""
        return f"An access key of IAM user {self.user_name} {_TITLES[self.verdict]}"

    @property
    def description(self) -> str:
        """Return whose it is, what it is found for, and what to do."""
        whose = f"The access key {self.access_key_id} of IAM user {self.user_name} in account {self.account_id}"
        return f"{whose} was created on {self.created_at[:10]}. {self.says} {self.to_do}"


def states_of(report: Report, evidence: Evidence, had: Mapping[str, SentFinding]) -> Iterator[KeyState]:
    """Yield what there is to say of each key that is found or exempt, and of those that are known from before."""
    found = [*report["findings"], *report["exempt"]]
    yield from (state_of(finding, report) for finding in found)
    resolved, unknown = _compared_keys(report)
    for access_key_id in sorted(had.keys() - {finding["access_key_id"] for finding in found}):
        seen = evidence.keys.get(access_key_id)
        if seen:
            yield from _no_finding(*seen, report)
        elif access_key_id in resolved or (
            access_key_id not in unknown and _is_gone(had[access_key_id]["user_name"], evidence)
        ):
            yield _gone(access_key_id, had[access_key_id], report)


def _compared_keys(report: Report) -> tuple[set[str], set[str]]:
    """Return the keys that the comparison with the last full scan calls resolved, and those that it calls unknown."""
    if (changes := report["changes"]) is None:
        return set(), set()
    resolved = {key["access_key_id"] for key in (*changes["resolved"], *changes["resolved_early"])}
    unknown = {key["access_key_id"] for key in (*changes["unknown"], *changes["unknown_early"])}
    return resolved, unknown


def _is_gone(user_name: str, evidence: Evidence) -> bool:
    """Return whether a key that no user has is gone: its user may be one, renamed, who could not be checked."""
    outcome = evidence.outcomes.get(user_name)
    return outcome == "checked" or (outcome is None and set(evidence.outcomes.values()) <= {"checked"})


def state_of(finding: Finding, report: Report) -> KeyState:
    """Return what there is to say of a key that a report has as a finding, or as exempt."""
    verdict, exemption = finding["verdict"], finding["exemption"]
    status, says = _STATUSES[verdict], _in_words(finding, report)
    if exemption and exemption["why_not"]:
        says += f" Not exempt: {exemption['why_not']}."
    requirements = finding["controls"] if status == "FAILED" else []  # which an exempt key, too, does not meet
    if status == "WARNING":
        requirements = _clauses(report, "expired")
    return KeyState(
        account_id=report["account_id"],
        access_key_id=finding["access_key_id"],
        user_name=finding["user_name"],
        created_at=finding["created_at"],
        verdict=verdict,
        status=status,
        severity=_INFORMATIONAL if status == "PASSED" else finding["severity"].upper(),
        says=says,
        to_do=_UNTIL_THEN if status == "PASSED" else finding["advice_in_words"] or _FIND_OUT,
        key_status=finding["status"],
        requirements=tuple(requirements),
        source_url=finding["console_url"],
        fields={
            "severity": finding["severity"],
            "owner": finding["owner"] if finding["owner_known"] else None,
            "overdue-at": finding["overdue_at"],
            "advice": finding["advice"],
            "safe-to-deactivate": _yes_or_no(finding["safe_to_deactivate"]),
            "can-administer": _yes_or_no(finding["can_administer"]),
            "quarantined-by": finding["quarantined_by"],
            "exempt-from": finding.get("exempt_from"),
            "exempt-until": exemption and exemption["until"],
            "exempt-reason": exemption and exemption["reason"],
            "not-exempt-because": exemption and exemption["why_not"],
        },
    )


def _in_words(finding: Finding, report: Report) -> str:
    until, policy = finding["overdue_at"][:10], report["policy"]
    if finding["verdict"] == "exempt":
        exemption = finding["exemption"]
        ends = f" until {exemption['until']}: {exemption['reason']}" if exemption else ""
        was = {"expired": "overdue", "due_soon": "due soon"}.get(finding.get("exempt_from", ""), "unused")
        return f"It would be {was}, and is exempt{ends}."
    return {
        "expired": f"It has been overdue since {until}: keys have to be replaced after {policy['max_age_days']} days.",
        "unused": f"It was not used for more than {policy.get('max_unused_days')} days.",
        "due_soon": f"It is in time until {until}, and overdue after that.",
    }[finding["verdict"]]


def _no_finding(user_name: str, key: JudgedKey, report: Report) -> Iterator[KeyState]:
    """Yield that a key is no finding any more; nothing of an active one that was not judged."""
    if may_be_unused(key, report):
        return
    if key["verdict"] == "ok":
        verdict, says, to_do = "ok", "It is neither overdue nor due soon.", "There is nothing to do."
    elif key["verdict"] is None and key["status"] != ACTIVE:
        verdict, says, to_do = "inactive", "It cannot be used: it is not active.", "Delete it if nothing has missed it."
    else:
        return
    yield KeyState(
        account_id=report["account_id"],
        access_key_id=key["access_key_id"],
        user_name=user_name,
        created_at=key["created_at"],
        verdict=verdict,
        status="PASSED",
        severity=_INFORMATIONAL,
        says=says,
        to_do=to_do,
        key_status=key["status"],
        requirements=(*_clauses(report, "expired"), *_clauses(report, "unused")),
    )


def _gone(access_key_id: str, had: SentFinding, report: Report) -> KeyState:
    return KeyState(
        account_id=report["account_id"],
        access_key_id=access_key_id,
        user_name=had["user_name"],
        created_at=had["key_created_at"],
        verdict="deleted",
        status=had["status"],
        severity=had["severity"],
        says="It no longer exists.",
        to_do="There is nothing to do.",
        key_status=None,
    )


def _clauses(report: Report, kind: str) -> list[str]:
    """Return the clauses about a kind of finding that the report is evidence for, as a finding's `controls`."""
    rows = [row for row in report["controls"] if row["kind"] == kind]
    return [" ".join(filter(None, (row["benchmark"], row["version"], row["control"]))) for row in rows]


def _yes_or_no(value: object) -> str | None:
    return ("true" if value else "false") if isinstance(value, bool) else None

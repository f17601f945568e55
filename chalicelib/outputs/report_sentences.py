"""The sentences that report.html and report.csv alone use. Pure."""

from collections.abc import Collection, Iterator

from chalicelib.documents import Quarantined, Report
from chalicelib.key_documents import Finding, LeaveKeys, OtherKey
from chalicelib.outputs.sentences import (
    administrator_lines,
    became_safe_lines,
    counted,
    reactivated_lines,
    why_advised,
    why_not_exempt,
)

QUARANTINE_MEANS = (
    "AWS found credentials compromised or exposed in public, and attached a policy to their user that denies some"
    " actions; the keys still work for all others."
)


def alias_lines(report: Report) -> Iterator[str]:
    """Yield that the account's alias is unknown, and why."""
    for unknown in report["account_unknown"]:
        if unknown["part"] == "alias":
            yield f"The account's alias is unknown: {unknown['cause'].rstrip('.')}."


def _why_severe(finding: Finding) -> Iterator[str]:
    """Yield why a finding is more severe than its verdict alone, or may be, where the advice does not say it."""
    severity, can_administer = finding["severity"], finding["can_administer"]
    yield from administrator_lines(finding)
    if severity == "high" and can_administer is not True and finding["advice"] is None:  # so it is because of this
        yield "Not used for 90 days." if finding["last_used"] else "Never used in 90 days."
    if severity in ("medium", "low") and "unknown" in (can_administer, finding["quarantined_by"]):
        yield "The user's permissions are unknown."


def other_key_in_words(key: OtherKey) -> str:
    """Return how old another key of a user is, whether it can be used, its last use and its description."""
    last_used = key["last_used"]
    if isinstance(last_used, dict):
        used = f"last used {last_used['at'][:10]}, {last_used['service']}, {last_used['region']}"
    else:
        used = "last use unknown" if last_used else "no use on record"
    description = "" if key["description"] is None else f": {key['description']}"
    return f"{key['status']}, {counted(key['age_days'], 'day')} old, {used}{description}"


def other_tags(finding: Finding) -> Iterator[str]:
    """Yield the user's tags in a line, without the one that names the owner; nothing where there are no others."""
    tags = {} if finding["tags"] == "unknown" else finding["tags"]
    if others := [f"{name}: {value}" for name, value in tags.items() if value != finding["owner"]]:
        yield "; ".join(others)


def leave_keys_in_words(leave_keys: LeaveKeys) -> str:
    """Return what a key seems to be used for, and what to have instead."""
    return f"{leave_keys['use']}: {leave_keys['instead']}"


def keys_in_words(user: Quarantined) -> str:
    """Return the keys of a quarantined user, each with its status."""
    keys = user["access_keys"]
    if keys == "unknown":
        return "unknown: the user could not be checked"
    return ", ".join(f"{key['access_key_id']} {key['status']}" for key in keys) or "none"


def about_finding(finding: Finding, reactivated: Collection[str], became_safe: Collection[str]) -> str:
    """Return why a key is as severe as it is, what to do with it and why, and what the last full scan had otherwise."""
    lines = [*_why_severe(finding), why_advised(finding), *why_not_exempt(finding)]
    lines.extend(reactivated_lines(finding, reactivated))
    lines.extend(became_safe_lines(finding, became_safe))
    return " ".join(lines)

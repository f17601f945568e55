"""The sentences that report.html and report.csv alone use. Pure."""

from collections.abc import Iterator

from chalicelib.documents import Changes, Finding, LeaveKeys, OtherKey, Quarantined, Report, SeenFrom
from chalicelib.outputs.sentences import counted, reactivated_lines, why_advised, why_not_exempt

# "Do NOT remove this policy. Instead, please follow the instructions specified in the support case":
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html
QUARANTINE_MEANS = (
    "AWS found credentials compromised or exposed in public, and attached a policy to their user that denies some"
    " actions; the keys still work for all others."
)
QUARANTINE_ADVICE = (
    "Deactivate or rotate all keys of the user at once, look in CloudTrail for what they were used for, and follow the"
    " support case that AWS opened; leave the policy attached until then."
)
QUARANTINE_PAGE = "https://docs.aws.amazon.com/guardduty/latest/ug/compromised-creds.html"


def account_in_words(report: Report) -> str:
    """Return the account by its alias and id, or by its id alone."""
    alias = report["account_alias"]
    return f"{alias} ({report['account_id']})" if alias else report["account_id"]


def account_lines(report: Report) -> Iterator[str]:
    """Yield what could not be read of the account, and why."""
    parts = {"alias": "The account's alias is", "users": "The paths, tags and permissions of users are"}
    for unknown in report["account_unknown"]:
        yield f"{parts[unknown['part']]} unknown: {unknown['cause'].rstrip('.')}."


def _why_severe(finding: Finding) -> Iterator[str]:
    """Yield why a finding is more severe than its verdict alone, or may be, where the advice does not say it."""
    severity, administers = finding["severity"], finding["can_administer"]
    if severity == "critical":
        yield "AWS quarantined this user because a key of theirs leaked: see above what to do first."
    if administers is True:
        yield f"Administrator by {finding['administers_by']}."
    elif severity == "high" and finding["advice"] is None:  # no administrator's, so it is because of this
        yield "Not used for 90 days." if finding["last_used"] else "Never used in 90 days."
    if severity in ("medium", "low") and "unknown" in (administers, finding["quarantined_by"]):
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


def about_finding(finding: Finding, changes: Changes | None) -> str:
    """Return why a key is as severe as it is, what to do with it and why, and what the last full scan had otherwise."""
    lines = [*_why_severe(finding), why_advised(finding), *why_not_exempt(finding)]
    if changes:
        lines.extend(reactivated_lines(finding, changes["reactivated"]))
        if finding["access_key_id"] in changes["became_safe"]:
            lines.append("At the last full scan it was not safe to deactivate.")
    return " ".join(lines)


def seen_from_in_words(seen: SeenFrom) -> list[str]:
    """Return who uses a key by CloudTrail's events, or why that is not known."""
    return [f"{seen['status']} {seen['cause'] or ''}"]

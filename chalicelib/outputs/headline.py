"""What a report leads with: the verdict in sentences, the most severe first. Pure."""

from collections.abc import Iterator, Sequence

from chalicelib.documents import Report
from chalicelib.outputs.sentences import (
    ROOT_ADVICE,
    account_name,
    counted,
    first_of,
    is_or_are,
    names_users,
    why_none_is_judged,
)
from chalicelib.report.summary import Gap, has_root_access_keys, is_of_the_past, judges_no_key

# "Do NOT remove this policy. Instead, please follow the instructions specified in the support case":
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html
QUARANTINE_ADVICE = (
    "Deactivate the keys of a quarantined user at once, look in CloudTrail for what they were used for, and"
    " follow the support case that AWS opened; detach the policy only once that is closed"
)
QUARANTINE_PAGE = "https://docs.aws.amazon.com/guardduty/latest/ug/compromised-creds.html"


def headline(report: Report, gaps: Sequence[Gap], around_names: str = "") -> Iterator[str]:
    """Yield the verdict in a sentence or few: what is most severe first, then what is new."""
    yield from _quarantine(report, around_names)
    if has_root_access_keys(report):
        whose = f"The root user of AWS account {account_name(report)}"
        yield f"{whose} has access keys (Security Hub IAM.4): {ROOT_ADVICE}."
    yield from _changes(report)
    if names_users(report) and report["not_found"]:
        yield f"IAM has no user named {first_of(report['not_found'], around_names)}."
    yield from _verdict(report)
    yield from (f"INCOMPLETE: {_gap_in_words(gap)}." for gap in gaps)


def _quarantine(report: Report, around_names: str) -> Iterator[str]:
    if users := report["quarantined"]:
        names = first_of([user["user_name"] for user in users], around_names)
        who = f"the user {names}" if len(users) == 1 else f"{len(users)} users ({names})"
        policies = " and ".join(sorted({user["policy"] for user in users}))
        yield f"AWS has quarantined {who} with {policies}, because credentials were compromised or exposed in public."
        yield f"{QUARANTINE_ADVICE}: {QUARANTINE_PAGE}"


def _changes(report: Report) -> Iterator[str]:
    changes = report["changes"]
    if changes and changes["since"]:
        new = len(changes["new"])
        yield f"{_none_or(new, 'overdue access key')} {is_or_are(new)} new since the last full scan."
        if again := len(changes["reactivated"]):
            keys, was, them = counted(again, "overdue key"), *(("was", "it") if again == 1 else ("were", "them"))
            yield f"{keys} that {was} inactive then {is_or_are(again)} active again: find out who activated {them}."
    if changes and changes["unknown"] and not report["unchecked"]:
        gone = len(changes["unknown"])
        was = "key that was" if gone == 1 else "keys that were"
        out_of_sight = f"{is_or_are(gone)} out of sight: a user was deleted or renamed meanwhile"
        yield f"{gone} {was} overdue {out_of_sight}. Scan again."


def _verdict(report: Report) -> Iterator[str]:
    totals, policy = report["totals"], report["policy"]
    where = f"AWS account {account_name(report)}"
    where = f"of the users named in the scan policy, {where}" if names_users(report) else f"in {where}"
    when = f" as of {report['as_of']}" if "as_of" in policy else ""
    yield _expired_keys(report, where, when)
    if totals["unused"]:
        unused = counted(totals["unused"], "other access key" if totals["expired"] else "access key")
        tense = "was" if totals["unused"] == 1 else "were"
        yield f"{unused} {tense} not used for more than {counted(policy['max_unused_days'], 'day')}."
    if totals["due_soon"] and not totals["expired"]:
        keys, time = counted(totals["due_soon"], "access key"), counted(policy["warn_days"], "day")
        yield f"{keys} will be overdue within {time}."


def _expired_keys(report: Report, where: str, when: str) -> str:
    coverage, expired = report["coverage"], report["totals"]["expired"]
    if coverage["users_unchecked"] and not coverage["users_checked"]:
        return f"Nothing is known of the access keys {where}: no user could be checked."
    if judges_no_key(report):
        return f"No access key {where} could be judged as of {report['as_of']}: {why_none_is_judged(coverage)}."
    of_users = " of an IAM user" if has_root_access_keys(report) and not expired else ""
    keys = _none_or(expired, "access key") + of_users
    checked = "" if expired else _of_which_keys(report)
    age = counted(report["policy"]["max_age_days"], "day")
    exempt = sum(finding.get("exempt_from") == "expired" for finding in report["exempt"])
    besides = f", not counting {counted(exempt, 'exempt key')}" if exempt else ""
    return f"{keys}{checked} {where} {is_or_are(expired)} older than {age}{when}{besides}."


def _of_which_keys(report: Report) -> str:
    if report["coverage"]["users_unchecked"]:
        return " that could be checked"
    return " that still exists" if is_of_the_past(report) else ""


def _gap_in_words(gap: Gap) -> str:
    words = {
        "users_unchecked": f"{counted(gap.number, 'user')} could not be checked and may have overdue keys",
        "root_unknown": "it is unknown whether the root user has access keys",
        "account_unknown": f"tags or permissions of {counted(gap.number, 'user')} are unknown, and so is whether they"
        " are exempt, or quarantined by AWS",
        "last_use_unknown": f"the last use of {counted(gap.number, 'key')} is unknown",
    }
    return words[gap.kind]


def _none_or(number: int, noun: str) -> str:
    return counted(number, noun) if number else f"No {noun}"

"""What a report leads with: the verdict in sentences, the most severe first. Pure."""

from collections.abc import Iterator, Sequence

from chalicelib.documents import Quarantined
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.organization_sentences import Label, account_label, accounts_scanned
from chalicelib.outputs.sentences import (
    ROOT_ADVICE,
    account_name,
    counted,
    first_of,
    is_or_are,
    names_users,
    since_when,
    why_none_is_judged,
)
from chalicelib.report.counts import Counts, count, count_lost
from chalicelib.report.summary import Gap, is_of_the_past, judges_no_key

# "Do NOT remove this policy. Instead, please follow the instructions specified in the support case":
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html
QUARANTINE_ADVICE = (
    "Deactivate the keys of a quarantined user at once, look in CloudTrail for what they were used for, and"
    " follow the support case that AWS opened; detach the policy only once that is closed"
)
QUARANTINE_PAGE = "https://docs.aws.amazon.com/guardduty/latest/ug/compromised-creds.html"


def headline(
    report: AnyReport, gaps: Sequence[Gap], around_names: str = "", label: Label = account_label
) -> Iterator[str]:
    """Yield the verdict in a sentence or few: what is most severe first, then what is new."""
    counts = count(report)
    yield from _quarantine(report, counts, around_names, label)
    yield from _root(report, counts, label)
    yield from _reminder(report, counts) or _changes(report, counts)
    yield from _accounts_lost(report)
    if "accounts" not in report and names_users(report) and report["not_found"]:
        yield f"IAM has no user named {first_of([_around(name, around_names) for name in report['not_found']])}."
    yield from _verdict(report, counts)
    yield from (f"INCOMPLETE: {_gap_in_words(gap, of_many='accounts' in report)}." for gap in gaps)


def _around(name: str, around: str) -> str:
    return f"{around}{name}{around}"


def _quarantine(report: AnyReport, counts: Counts, around_names: str, label: Label) -> Iterator[str]:
    if number := counts.quarantined:
        if "accounts" in report:
            users: Sequence[Quarantined] = report["quarantined_users"]
            where = [f" in {label(user)}" for user in report["quarantined_users"]]
        else:
            users, where = report["quarantined"], [""] * number
        named = [_around(user["user_name"], around_names) + place for user, place in zip(users, where, strict=True)]
        names = first_of(named, number)
        who = f"the user {names}" if number == 1 else f"{number} users ({names})"
        policies = " and ".join(sorted({user["policy"] for user in users}))
        yield f"AWS has quarantined {who} with {policies}, because credentials were compromised or exposed in public."
        yield f"{QUARANTINE_ADVICE}: {QUARANTINE_PAGE}"


def _root(report: AnyReport, counts: Counts, label: Label) -> Iterator[str]:
    if not counts.root_access_keys:
        return
    if "accounts" in report:
        labels = [label(row) for row in report["accounts"] if row["root_access_keys"]]
    else:
        labels = [account_name(report)]
    whose, has = f"The root user of AWS account {labels[0]}", "has"
    if counts.root_access_keys > 1:
        whose, has = f"The root users of {counts.root_access_keys} AWS accounts, {first_of(labels)},", "have"
    yield f"{whose} {has} access keys (Security Hub IAM.4): {ROOT_ADVICE}."


def _changes(report: AnyReport, counts: Counts) -> Iterator[str]:
    changes = counts.changes
    if changes and changes["since"]:
        new = changes["new"]
        yield f"{_none_or(new, 'overdue access key')} {is_or_are(new)} new since {since_when(report)}."
        if again := changes["reactivated"]:
            keys, was, them = counted(again, "overdue key"), *(("was", "it") if again == 1 else ("were", "them"))
            yield f"{keys} that {was} inactive then {is_or_are(again)} active again: find out who activated {them}."
    if changes and changes["unknown"] and not counts.users["users_unchecked"]:
        gone = changes["unknown"]
        was = "key that was" if gone == 1 else "keys that were"
        out_of_sight = f"{is_or_are(gone)} out of sight: a user was deleted or renamed meanwhile"
        yield f"{gone} {was} overdue {out_of_sight}. Scan again."


def _reminder(report: AnyReport, counts: Counts) -> list[str]:
    """Return that the message is a reminder, of what, and when the last one was sent; nothing where it is none."""
    if not report["changes"] or "reminds_of" not in report["changes"]:
        return []
    keys = {"overdue": counts.totals["expired"], "unused": counts.totals["unused"]}
    still = [f"{counted(number, 'key')} {is_or_are(number)} still {how}" for how, number in keys.items() if number]
    if root := counts.root_access_keys:
        still.append(
            "the root user still has access keys" if root == 1 else f"{root} root users still have access keys"
        )
    on = report["changes"]["reminds_of"][:10]
    return [f"Reminder: nothing is new since the last message, on {on}, but {', and '.join(still)}."]


def _accounts_lost(report: AnyReport) -> Iterator[str]:
    if "accounts" in report and report["changes"] and (lost := count_lost(report["changes"])):
        which = f"{counted(lost, 'account')} of the last scan {is_or_are(lost)} gone or not active"
        yield f"{which}: nothing is known of {'its' if lost == 1 else 'their'} keys any more."


def _verdict(report: AnyReport, counts: Counts) -> Iterator[str]:
    totals, policy = counts.totals, report["policy"]
    if "accounts" in report:
        where = counted(accounts_scanned(report["coverage"]), "AWS account")
    else:
        where = f"AWS account {account_name(report)}"
    where = f"of the users named in the scan policy, {where}" if names_users(report) else f"in {where}"
    when = f" as of {report['as_of']}" if "as_of" in policy else ""
    yield _expired_keys(report, counts, where, when)
    if totals["unused"]:
        unused = counted(totals["unused"], "other access key" if totals["expired"] else "access key")
        tense = "was" if totals["unused"] == 1 else "were"
        yield f"{unused} {tense} not used for more than {counted(policy['max_unused_days'], 'day')}."
    if totals["due_soon"] and not totals["expired"]:
        keys, time = counted(totals["due_soon"], "access key"), counted(policy["warn_days"], "day")
        yield f"{keys} will be overdue within {time}."


def _expired_keys(report: AnyReport, counts: Counts, where: str, when: str) -> str:
    expired = counts.totals["expired"]
    if counts.accounts and not counts.accounts["accounts_scanned"]:
        return f"Nothing is known of the access keys {where}: no account could be scanned."
    if counts.users["users_unchecked"] and not counts.users["users_checked"]:
        return f"Nothing is known of the access keys {where}: no user could be checked."
    if judges_no_key(report):
        return f"No access key {where} could be judged as of {report['as_of']}: {why_none_is_judged(counts.users)}."
    of_users = " of an IAM user" if counts.root_access_keys and not expired else ""
    keys = _none_or(expired, "access key") + of_users
    checked = "" if expired else _of_which_keys(report, counts)
    age = counted(report["policy"]["max_age_days"], "day")
    besides = f", not counting {counted(counts.exempt_overdue, 'exempt key')}" if counts.exempt_overdue else ""
    return f"{keys}{checked} {where} {is_or_are(expired)} older than {age}{when}{besides}."


def _of_which_keys(report: AnyReport, counts: Counts) -> str:
    if counts.users["users_unchecked"] or (counts.accounts and counts.accounts["accounts_unchecked"]):
        return " that could be checked"
    return " that still exists" if is_of_the_past(report) else ""


def _gap_in_words(gap: Gap, *, of_many: bool) -> str:
    root = "the root user has access keys"
    if of_many:
        root = f"the root users of {gap.number} accounts have access keys" if gap.number > 1 else f"{root} in 1 account"
    words = {
        "accounts_unchecked": f"{counted(gap.number, 'account')} could not be scanned and may have overdue keys",
        "no_account_active": f"no account could be scanned, because none of {gap.number} is active",
        "users_unchecked": f"{counted(gap.number, 'user')} could not be checked and may have overdue keys",
        "root_unknown": f"it is unknown whether {root}",
        "account_unknown": f"tags or permissions of {counted(gap.number, 'user')} are unknown, and so is whether they"
        " are exempt, or quarantined by AWS",
        "last_use_unknown": f"the last use of {counted(gap.number, 'key')} is unknown",
    }
    return words[gap.kind]


def _none_or(number: int, noun: str) -> str:
    return counted(number, noun) if number else f"No {noun}"

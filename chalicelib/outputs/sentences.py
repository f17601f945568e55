"""The sentences about a report and its keys that every output uses. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.deactivation_documents import BY_ITSELF
from chalicelib.documents import AdviceCounts, Coverage, Report, Unchecked
from chalicelib.evaluation.details import RECORD_BEGAN, precedes_record
from chalicelib.key_documents import Finding, ResolvedKey
from chalicelib.organization_documents import AnyReport
from chalicelib.report.counts import count
from chalicelib.report.summary import Gap, is_complete, is_of_the_past, judges_no_key

_HOW_RESOLVED = {
    "rotated": "rotated",
    "deactivated": "deactivated",
    "deleted": "deleted",
    "exempted": "exempt now",
    "no_longer_matching": "not overdue, or skipped, by this scan's policy",
}
_FIRST_NAMES = 3
ROOT_ADVICE = "sign in as the root user and delete them under Security credentials"
_ADVICE = {"deactivate": "Deactivate", "finish_rotation": "Finish rotating", "rotate": "Rotate", "delete": "Delete"}
_TO_DO = {
    "deactivate": "deactivate",
    "finish_rotation": "finish the rotation of",
    "rotate": "rotate",
    "delete": "delete",
    "none": "look into",
}


def account_name(report: Report) -> str:
    """Return the account's id, with its alias where it has one: "acme-prod (123456789012)"."""
    alias, account_id = report["account_alias"], report["account_id"]
    return f"{alias} ({account_id})" if alias else account_id


def since_when(report: AnyReport) -> str:
    """Return what a scan is compared with: of an organization, accounts may have been scanned apart meanwhile."""
    return "each account's last report" if "accounts" in report else "the last full scan"


def why_none_is_judged(coverage: Coverage) -> str:
    """Return why a scan that found keys judged none of them."""
    inactive = " or is inactive" if coverage["keys_inactive_skipped"] else ""
    return f"each one was created later{inactive}"


def no_finding_line(report: AnyReport) -> str:
    """Return that there is nothing to act on, as far as keys could be judged."""
    if judges_no_key(report):
        return f"No key could be judged: {why_none_is_judged(count(report).users)}."
    judged = " that still exists" if is_of_the_past(report) else ""
    judged = judged if is_complete(report) else " that could be judged"
    unused = ", unused" if "max_unused_days" in report["policy"] else ""
    return f"No key{judged} is overdue{unused} or due soon."


def next_steps(gaps: Sequence[Gap]) -> Iterator[str]:
    """Yield what to do for a complete report, where this one is not."""
    kept = {
        "accounts_unchecked": "kept accounts from being scanned",
        "no_account_active": "left no account to scan",
        "users_unchecked": "kept users from being checked",
    }
    for gap in gaps[:1]:
        yield f"Fix what {kept.get(gap.kind, 'the report is incomplete without')}, then scan again."


def to_do_line(report: AnyReport) -> Iterator[str]:
    """Yield the overdue and the unused keys counted by what to do with them; nothing where there are none."""
    counts = count(report)
    yield from to_do_counted(counts.to_do, counts.safe_to_finish)


def to_do_counted(to_do: AdviceCounts, safe_to_finish: int) -> Iterator[str]:
    """Yield what to do with how many keys; nothing of none."""
    numbers: Mapping[str, Any] = to_do
    parts = {action: f"{_TO_DO[action]} {number}" for action, number in numbers.items() if number}
    if safe_to_finish:
        parts["finish_rotation"] += f" ({safe_to_finish} safe to deactivate now)"
    if parts:
        yield f"What to do: {', '.join(parts.values())}."


def coverage_line(coverage: Coverage) -> str:
    """Return the answer to "did it check everybody?" in one sum."""
    return (
        f"Users: {coverage['users_listed']} listed = {coverage['users_checked']} checked"
        f" + {coverage['users_not_found']} not found + {coverage['users_unchecked']} unchecked."
    )


def keys_line(report: AnyReport) -> str:
    """Return what became of the keys in one sum."""
    coverage, totals = count(report).users, report["totals"]
    unused = f" + {totals['unused']} unused" if "max_unused_days" in report["policy"] else ""
    exempt = f" + {totals['exempt']} exempt" if totals["exempt"] else ""
    more = f"{unused}{exempt} + {totals['due_soon']} due soon + {totals['ok']} ok"
    rest = f"; {coverage['keys_inactive_skipped']} inactive skipped"
    later = "".join(f"; {words}, not judged" for words in created_later(report))
    return f"Keys: {coverage['keys_judged']} judged = {totals['expired']} overdue{more}{rest}{later}."


def created_later(report: AnyReport) -> Iterator[str]:
    """Yield how many keys are not judged because they were created after the scan's instant, where there are any."""
    if later := count(report).users["keys_not_yet_created"]:
        yield f"{later} created after {to_the_second(report['as_of'])}"


def root_lines(report: Report) -> Iterator[str]:
    """Yield that the root user has no access keys, or why that is unknown; the headline has the rest."""
    if report["root"] and report["root"]["verdict"] == "ok":
        yield "Root user: no access keys."
    if report["root"] and report["root"]["cause"] is not None:
        yield f"Root user: unknown. {report['root']['cause']}"


def account_lines(report: Report) -> Iterator[str]:
    """Yield why the users' tags and permissions are unknown, where they are."""
    for unknown in report["account_unknown"]:
        if unknown["part"] == "users":
            yield f"Tags and permissions of users: unknown. {unknown['cause']}"


def details_unknown(report: Report) -> list[Unchecked]:
    """Return the users of whom details are unknown for another reason than one that holds for all users."""
    of_all = {unknown["cause"] for unknown in report["account_unknown"] if unknown["part"] == "users"}
    return [user for user in report["details_unknown"] if user["cause"] not in of_all]


def details_lines(report: Report) -> Iterator[str]:
    """Yield how many users have incomplete details."""
    if unknown := details_unknown(report):
        users = counted(len(unknown), "user")
        yield f"Details: the last use, the tags or the permissions of {users} could not be read."


def severity_line(report: AnyReport) -> Iterator[str]:
    """Yield the findings counted by severity; nothing where none is severe and all are alike."""
    severities = report["severities"]
    counts = [f"{number} {severity}" for severity, number in severities.items() if number]
    if len(counts) > 1 or severities["critical"] or severities["high"]:
        yield f"Severity: {', '.join(counts)}."


def two_active_keys_line(report: AnyReport) -> Iterator[str]:
    """Yield how many users have two active keys, where there are any; report.html names them."""
    if users := count(report).two_active_keys:
        yield f"{counted(users, 'user')} {'has' if users == 1 else 'have'} two active keys."


def changes_lines(report: AnyReport) -> Iterator[str]:
    """Yield what changed since the last full scan, or why that is unknown; nothing unless this is a full scan."""
    changes: Any = count(report).changes
    if changes and changes["since"]:
        counts = {"new": "new", "still_expired": "still overdue", "resolved": "resolved"}
        counts |= {"unknown": "unknown"} if changes["unknown"] else {}
        counts |= {"new_unused": "newly unused"} if changes["new_unused"] else {}
        counted_changes = ", ".join(f"{changes[kind]} {words}" for kind, words in counts.items())
        since = since_when(report) if "accounts" in report else to_the_second(changes["since"]["as_of"])
        yield f"Since {since}: {counted_changes}."
        if safe := changes["became_safe"]:
            yield f"{counted(safe, 'key')} became safe to deactivate since {since_when(report)}."
    yield from report["changes"]["notes"] if report["changes"] else ()


def owners_line(report: AnyReport) -> Iterator[str]:
    """Yield of how many keys no owner can be notified, where the stage notifies owners and there are any."""
    if (owners := report.get("notices")) and (number := owners["keys_without_address"]):
        keys = f"{counted(number, 'key')} {'has' if number == 1 else 'have'} no owner who can be notified"
        domains = f", or not one address in {' or '.join(owners['domains'])}" if owners["by"] == "ses" else ""
        yield f"{keys}: no owner tag{domains} (owner_notified in report.csv)."


def advice_label(finding: Finding) -> str:
    """Return in a word or two what to do with a key."""
    return _ADVICE.get(finding["advice"] or "", "Look into")


def why_advised(finding: Finding) -> str:
    """Return in a sentence what to do with a key and why."""
    if finding["tags"] == "unknown" and finding["last_used"] != "unknown" and not finding["advice"]:
        return "Its user's tags are not known, so it may be exempt: find out before you deactivate it."
    return finding["advice_in_words"] or "Its use is not known: find out before you deactivate it."


def severity_label(finding: Finding) -> str:
    """Return "Critical" or "High" for a key to look at before the others; "" for those."""
    return finding["severity"].capitalize() if finding["severity"] in ("critical", "high") else ""


def administrator_lines(finding: Finding) -> Iterator[str]:
    """Yield by which policy the user of a key is an administrator, unless the key is only due soon."""
    if severity_label(finding) and finding["administers_by"]:
        yield f"Administrator by {finding['administers_by']}."


def age_in_words(finding: Finding, *, brief: bool = False) -> str:
    """Return how old a key is, until when it is or was in time, and whose it is: nothing of no owner where `brief`."""
    tenses = {"expired": f", {overdue_since(finding)}"}
    tenses["exempt"] = f", would be {verdict_label(finding.get('exempt_from', ''))}"
    tenses["due_soon"] = f", in time until {finding['overdue_at'][:10]}"
    owner = f", owner {finding['owner']}" if finding["owner"] else "" if brief else ", no owner tag"
    owner = owner if finding["owner_known"] else ""
    return f"{counted(finding['age_days'], 'day')} old{tenses.get(finding['verdict'], '')}{owner}"


def overdue_since(finding: Finding) -> str:
    """Return since when an overdue key is that."""
    return f"overdue since {finding['overdue_at'][:10]}"


def description_lines(finding: Finding) -> Iterator[str]:
    """Yield what the IAM console has as the key's description, where it has one."""
    if finding["description"] is not None:
        yield f"Description: {finding['description']}"


def last_use_in_words(finding: Finding) -> str:
    """Return when, for what and where a key was used last."""
    last_used = finding["last_used"]
    if isinstance(last_used, dict):
        return f"{last_used['at'][:10]}, {last_used['service']}, {last_used['region']}"
    return last_used or no_use_in_words(finding)


def no_use_in_words(finding: Finding) -> str:
    """Return what IAM's record says of a key without a last use: the record began on a date."""
    return f"none on record since {RECORD_BEGAN:%Y-%m-%d}" if precedes_record(finding["created_at"]) else "never"


def reactivated_lines(finding: Finding, reactivated: Collection[str]) -> Iterator[str]:
    """Yield that a key was inactive at the last full scan, where it was."""
    if finding["access_key_id"] in reactivated:
        yield "Active again: this key was inactive at the last full scan."


def became_safe_lines(finding: Finding, became_safe: Collection[str]) -> Iterator[str]:
    """Yield that a key was not safe to deactivate at the last full scan, where it is now."""
    if finding["access_key_id"] in became_safe:
        yield "Became safe to deactivate since the last full scan."


def leave_keys_lines(finding: Finding) -> Iterator[str]:
    """Yield what to use instead of the key, where something speaks for it; the report has AWS's page.

    Nothing of SMTP passwords, of which the advice speaks already.
    """
    if finding["leave_keys"] and "SMTP" not in (finding["advice_in_words"] or ""):
        yield f"Instead of a key: {finding['leave_keys']['instead']}"


def why_not_exempt(finding: Finding) -> Iterator[str]:
    """Yield why a user's exemption does not exempt the key, where one was tried."""
    exemption = finding["exemption"]
    if exemption and exemption["why_not"]:
        yield f"Not exempt: {exemption['why_not']}."


def how_resolved(key: ResolvedKey) -> str:
    """Return why a key is no longer overdue."""
    return _HOW_RESOLVED[key["how"]]


def resolved_by(key: ResolvedKey) -> Iterator[str]:
    """Yield who deactivated a resolved key, where iam-key-age did."""
    if "action_id" in key:
        by = key.get("by", BY_ITSELF)
        yield f"by iam-key-age, {BY_ITSELF if by == BY_ITSELF else f'approved by {by}'}"


def verdict_label(verdict: str) -> str:
    """Return a verdict as people read it: keys do not expire by themselves."""
    return "overdue" if verdict == "expired" else verdict.replace("_", " ")


def names_users(report: AnyReport) -> bool:
    """Return whether a report is of named users only."""
    return "users" in report["policy"]


def to_the_second(instant: str) -> str:
    """Return an instant as people read it, without fractions of a second."""
    return f"{instant[:19]}Z"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 key", "2 keys"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_of(names: Sequence[str], number: int | None = None) -> str:
    """Return the first three names, and how many more there are; `number` where not all are given."""
    shown = ", ".join(names[:_FIRST_NAMES])
    more = (len(names) if number is None else number) - _FIRST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def is_or_are(number: int) -> str:
    """Return the verb for a number of things."""
    return "is" if number <= 1 else "are"

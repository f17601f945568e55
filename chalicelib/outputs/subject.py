"""The subject of a message, which is all that a text message (SMS) says. Pure."""

from chalicelib.documents import Report
from chalicelib.outputs.sentences import account_name, counted, names_users
from chalicelib.report.summary import Gap, find_gaps, has_root_access_keys, is_of_the_past, judges_no_key

_MAX_SUBJECT = 100  # that SNS refuses: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html


def subject(report: Report) -> str:
    """Return the subject: the first wording, longest first, that is under 100 ASCII characters.

    Each begins with what is most severe, and says how many keys are overdue and whether the report is complete.
    """
    account_id, name = report["account_id"], account_name(report)
    (lead, lead_in_short, most_severe), unused = _lead(report), _unused(report)
    keys, complete, in_short = _found(report, "overdue key"), _how_complete(report), _how_complete(report, short=True)
    ways = (
        f"{lead}{_found(report, 'overdue access key')}{unused} in AWS account {name}{complete}",
        f"{lead}{keys}{unused} in account {name}{complete}",
        *([f"{lead_in_short}{keys}{unused} in {name}{in_short}"] if report["account_alias"] else []),
        f"{lead}{keys}{unused} in account {account_id}{complete}",
        f"{lead}{keys} in account {account_id}{in_short}",
        f"{lead_in_short}{keys} in {account_id}{in_short}",
        f"{most_severe}{keys} in {account_id}{in_short}",
    )
    shortest = f"{most_severe}{_found(report)} in {account_id}{in_short.replace(' named users', ' users')}"
    return next((way for way in ways if len(way) < _MAX_SUBJECT), shortest)


def _lead(report: Report) -> tuple[str, str, str]:
    """Return what is most severe, in three wordings: the last is of the most severe thing alone."""
    quarantined, root = len(report["quarantined"]), has_root_access_keys(report)
    if quarantined:
        users, short = f"{counted(quarantined, 'user')} quarantined, ", f"{quarantined} quarantined, "
        return (f"{users}root access key, ", f"{short}root key, ", short) if root else (users, short, short)
    if root:
        return "Root access key, ", "Root key, ", "Root key, "
    of_administrators = sum(
        finding["can_administer"] is True and finding["severity"] == "high" for finding in report["findings"]
    )
    if of_administrators:
        short = f"{counted(of_administrators, 'admin key')}, "
        return f"{counted(of_administrators, 'administrator key')}, ", short, short
    return "", "", ""


def _found(report: Report, noun: str = "") -> str:
    number, changes = report["totals"]["expired"], report["changes"]
    expired = counted(number, noun) if noun else f"{number} overdue"
    return f"{len(changes['new'])} new of {expired}" if changes and changes["since"] else expired


def _unused(report: Report) -> str:
    return f", {report['totals']['unused']} unused" if report["totals"]["unused"] else ""


def _gap(gap: Gap, users_listed: int, *, short: bool) -> str:
    words = {
        "users_unchecked": (
            f"{gap.number} of {users_listed} users unchecked",
            f"{gap.number} of {users_listed} unchecked",
        ),
        "root_unknown": ("root user unchecked", "root unchecked"),
        "account_unknown": (
            f"tags or permissions of {counted(gap.number, 'user')} unknown",
            f"tags of {gap.number} unknown",
        ),
        "last_use_unknown": (f"last use of {counted(gap.number, 'key')} unknown", f"{gap.number} last uses unknown"),
    }
    return words[gap.kind][short]


def _how_complete(report: Report, *, short: bool = False) -> str:
    coverage, totals = report["coverage"], report["totals"]
    when = f" at {report['as_of'][:10]}" if "as_of" in report["policy"] else ""
    for gap in find_gaps(report)[:1]:
        return f"{when} - INCOMPLETE: {_gap(gap, coverage['users_listed'], short=short)}"
    if totals["due_soon"] and not totals["expired"]:
        return f"{when}, {totals['due_soon']} due soon"
    if judges_no_key(report):
        return f"{when} - NO KEY JUDGED: {coverage['keys_not_yet_created']} created later"
    named = names_users(report)
    users = counted(coverage["users_listed"], "named user" if named else "user")
    missing = f", {coverage['users_not_found']} not found" if named and coverage["users_not_found"] else ""
    # A scan of the past is not complete: it does not see what was deleted since.
    what = "current keys of" if is_of_the_past(report) else "complete:"
    return f"{when} ({what} {users}{missing})"

"""The subject of a message, which is all that a text message (SMS) says. Pure."""

from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.organization_sentences import accounts_scanned
from chalicelib.outputs.plan_sentences import due_in_short
from chalicelib.outputs.sentences import account_name, counted, names_users
from chalicelib.report.counts import Counts, count
from chalicelib.report.summary import Gap, find_gaps, is_of_the_past, judges_no_key

_MAX_SUBJECT = 100  # that SNS refuses: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html


def subject(report: AnyReport) -> str:
    """Return the subject: the first wording that is under 100 ASCII characters."""
    reminders = [f"Reminder: {one[:1].lower()}{one[1:]}" for one in wordings(report)] if _reminds(report) else []
    return first_fitting(*reminders, *wordings(report))


def first_fitting(*wordings: str) -> str:
    """Return the first wording that SNS takes as a subject, or the last one."""
    return next((wording for wording in wordings if len(wording) < _MAX_SUBJECT), wordings[-1])


def wordings(report: AnyReport) -> tuple[str, ...]:
    """Return a report in a line, in several wordings, the longest first.

    Each begins with what is most severe, and says how many keys are overdue, whether the report is complete, and how
    many keys somebody has to approve or will be deactivated.
    """
    counts = count(report)._replace(changes=None) if _reminds(report) else count(report)  # none is new
    places = _places(report)
    (lead, lead_in_short, most_severe), (plan, plan_in_short) = _lead(counts), due_in_short(report)
    unused = _unused(counts) + plan
    keys, complete = _found(counts, "overdue key"), _how_complete(report, counts)
    in_short = _how_complete(report, counts, short=True)
    overdue, bare = f"{counts.totals['expired']} overdue", " - INCOMPLETE" if find_gaps(report) else in_short
    return (
        f"{lead}{_found(counts, 'overdue access key')}{unused} in {places[0]}{complete}",
        f"{lead}{keys}{unused} in {places[1]}{complete}",
        *([f"{lead_in_short}{keys}{unused} in {places[2]}{in_short}"] if places[2] != places[4] else []),
        f"{lead}{keys}{unused} in {places[3]}{complete}",
        f"{lead}{keys}{plan_in_short} in {places[3]}{in_short}",
        f"{lead_in_short}{keys}{plan_in_short} in {places[4]}{in_short}",
        f"{most_severe}{keys}{plan_in_short} in {places[4]}{in_short}",
        f"{most_severe}{_found(counts)}{plan_in_short} in {places[4]}{in_short.replace(' named users', ' users')}",
        *(f"{most_severe}{overdue}{plan_in_short} in {places[4]}{how}" for how in (in_short, bare) if plan),
        f"{overdue} in {places[4]}{in_short.replace(' named users', ' users')}",
    )


def _reminds(report: AnyReport) -> bool:
    return report["changes"] is not None and report["changes"]["reminder"]


def _places(report: AnyReport) -> tuple[str, ...]:
    """Return where the keys are, in five wordings, the longest first."""
    if "accounts" in report:
        return (counted(accounts_scanned(report["coverage"]), "account"),) * 5
    account_id, name = report["account_id"], account_name(report)
    return f"AWS account {name}", f"account {name}", name, f"account {account_id}", account_id


def _lead(counts: Counts) -> tuple[str, str, str]:
    """Return what is most severe, in three wordings: the last is of the most severe thing alone."""
    quarantined, root = counts.quarantined, counts.root_access_keys
    of_root = (f"{root} root access keys, ", f"{root} root keys, ") if root > 1 else ("root access key, ", "root key, ")
    if quarantined:
        users, short = f"{counted(quarantined, 'user')} quarantined, ", f"{quarantined} quarantined, "
        return (f"{users}{of_root[0]}", f"{short}{of_root[1]}", short) if root else (users, short, short)
    if root:
        long, short = (words[0].upper() + words[1:] for words in of_root)
        return long, short, short
    if counts.administrator_keys:
        short = f"{counted(counts.administrator_keys, 'admin key')}, "
        return f"{counted(counts.administrator_keys, 'administrator key')}, ", short, short
    return "", "", ""


def _found(counts: Counts, noun: str = "") -> str:
    number, changes = counts.totals["expired"], counts.changes
    expired = counted(number, noun) if noun else f"{number} overdue"
    return f"{changes['new']} new of {expired}" if changes and changes["since"] else expired


def _unused(counts: Counts) -> str:
    return f", {counts.totals['unused']} unused" if counts.totals["unused"] else ""


def _gap(gap: Gap, counts: Counts, *, short: bool) -> str:
    accounts, listed = counted(gap.number, "account"), counts.users["users_listed"]
    root = f"root users of {accounts} unchecked" if counts.accounts else "root user unchecked"
    words = {
        "accounts_unchecked": (f"{accounts} unchecked", f"{accounts} unchecked"),
        "no_account_active": ("no account active", "no account active"),
        "users_unchecked": (f"{gap.number} of {listed} users unchecked", f"{gap.number} of {listed} unchecked"),
        "root_unknown": (root, f"{gap.number} root unchecked" if counts.accounts else "root unchecked"),
        "account_unknown": (
            f"tags or permissions of {counted(gap.number, 'user')} unknown",
            f"tags of {gap.number} unknown",
        ),
        "last_use_unknown": (f"last use of {counted(gap.number, 'key')} unknown", f"{gap.number} last uses unknown"),
    }
    return words[gap.kind][short]


def _how_complete(report: AnyReport, counts: Counts, *, short: bool = False) -> str:
    coverage, totals = counts.users, counts.totals
    when = f" at {report['as_of'][:10]}" if "as_of" in report["policy"] else ""
    for gap in find_gaps(report)[:1]:
        return f"{when} - INCOMPLETE: {_gap(gap, counts, short=short)}"
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

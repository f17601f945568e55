"""The message that people get: a report in plain text, for e-mail. Pure."""

import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from chalicelib.documents import ExpiredKey, Finding, Report, ResolvedKey, Unchecked
from chalicelib.outputs.description import describe_report
from chalicelib.outputs.links import defuse_addresses, defuse_links
from chalicelib.outputs.sentences import (
    advice_label,
    age_in_words,
    counted,
    description_lines,
    how_resolved,
    names_users,
    reactivated_lines,
    to_the_second,
    why_advised,
    why_not_exempt,
)
from chalicelib.report.summary import Gap, find_gaps, has_root_access_keys, is_of_the_past, judges_no_key

# SNS takes 256 KiB, which the JSON and chat copies share; nobody reads more than this by mail.
MAX_MESSAGE_BYTES = 69_000
_MAX_WIDTH = 79
_MAX_SUBJECT = 100
_MAX_LIST_BYTES = 8_000  # of unchecked users and other lists, so that they leave room for the expired keys
_MAX_CAUSES_BYTES = 2_000  # of why details are unknown: mostly the same for all
_INDENT = "  "
_MANY = 50  # keys
_Item = TypeVar("_Item")


class Message(NamedTuple):
    """An SNS message: a subject of under 100 ASCII characters, and plain text of under 80 columns."""

    subject: str
    text: str


def compose_message(report: Report, folder: str, list_due_soon: bool = False) -> Message:
    """Return the mail: what is new, the verdict, what to do, how complete it is, and the keys, oldest first.

    `folder` is where the scan's files are, as an s3:// URI.
    """
    described = describe_report(report)
    head = [
        *_wrapped(described.verdict_lines),
        "",
        *_wrapped([*described.count_lines, *described.not_covered]),
        *(f"Not found:   {name}" for name in described.not_found),
    ]
    foot = ["", *_how_to(report), *_where(folder), f"As of:   {to_the_second(report['as_of'])}"]
    unchecked = _section("UNCHECKED", report["unchecked"], _unchecked_lines, _MAX_LIST_BYTES)
    due_soon = _section("DUE SOON", _of_verdict(report, "due_soon"), _key_lines, _MAX_LIST_BYTES)
    without = _section("LAST USE OR TAGS UNKNOWN", report["details_unknown"], _unchecked_lines, _MAX_CAUSES_BYTES)
    rest = [
        *_section("UNUSED, oldest first", _of_verdict(report, "unused"), _key_lines, _MAX_LIST_BYTES),
        *_rest_of_changes(report),
        *(due_soon if list_due_soon else ()),
        *_section("EXEMPT, not counted as overdue", report["exempt"], _exempt_lines, _MAX_LIST_BYTES),
        *without,
    ]
    room = MAX_MESSAGE_BYTES - sum(map(_size, (head, foot, unchecked, rest)))
    first, then = _expired_keys(report, room)
    return Message(subject(report), "\n".join([*head, *first, *unchecked, *then, *rest, *foot]) + "\n")


def subject(report: Report) -> str:
    """Return the subject: the first of four wordings, longest first, that is under 100 ASCII characters."""
    account_id, complete, expired = report["account_id"], _how_complete(report), _found(report, "overdue key")
    root, unused = ("Root access key, ", "Root key, ") if has_root_access_keys(report) else ("", ""), _unused(report)
    shorter = complete.replace("users unchecked", "unchecked").replace("last use", "use")
    ways = (
        f"{root[0]}{_found(report, 'overdue access key')}{unused} in AWS account {account_id}{complete}",
        f"{root[0]}{expired}{unused} in account {account_id}{complete}",
        f"{root[0]}{expired} in account {account_id}{shorter}",
    )
    shortest = f"{root[1]}{expired} in {account_id}{shorter}"
    return next((way for way in ways if len(way) < _MAX_SUBJECT), shortest)


def _found(report: Report, noun: str) -> str:
    expired, changes = counted(report["totals"]["expired"], noun), report["changes"]
    return f"{len(changes['new'])} new of {expired}" if changes and changes["since"] else expired


def _unused(report: Report) -> str:
    return f", {report['totals']['unused']} unused" if report["totals"]["unused"] else ""


def _gap(gap: Gap, users_listed: int) -> str:
    words = {
        "users_unchecked": f"{gap.number} of {users_listed} users unchecked",
        "root_unknown": "root user unchecked",
        "last_use_unknown": f"last use of {counted(gap.number, 'key')} unknown",
    }
    return words[gap.kind]


def _how_complete(report: Report) -> str:
    coverage, totals = report["coverage"], report["totals"]
    when = f" at {report['as_of'][:10]}" if "as_of" in report["policy"] else ""
    for gap in find_gaps(report)[:1]:
        return f"{when} - INCOMPLETE: {_gap(gap, coverage['users_listed'])}"
    if totals["due_soon"] and not totals["expired"]:
        return f"{when}, {totals['due_soon']} due soon"
    if judges_no_key(report):
        return f"{when} - NO KEY JUDGED: {coverage['keys_not_yet_created']} created later"
    users = counted(coverage["users_listed"], "named user" if names_users(report) else "user")
    missing = (
        f", {coverage['users_not_found']} not found" if names_users(report) and coverage["users_not_found"] else ""
    )
    # A scan of the past is not complete: it does not see what was deleted since.
    what = "current keys of" if is_of_the_past(report) else "complete:"
    return f"{when} ({what} {users}{missing})"


def _expired_keys(report: Report, room: int) -> tuple[list[str], list[str]]:
    """Return the overdue keys in `room` bytes: those to lead with, and those to come later."""
    expired = _of_verdict(report, "expired")
    changes = report["changes"]
    if not changes or not changes["since"]:
        return [], _section("OVERDUE, oldest first", expired, _key_lines, room)
    new_ids = {key["access_key_id"] for key in changes["new"]}
    new = [finding for finding in expired if finding["access_key_id"] in new_ids]
    still = [finding for finding in expired if finding["access_key_id"] not in new_ids]
    key_lines = partial(_key_lines, reactivated=changes["reactivated"])
    later = _section("STILL OVERDUE, oldest first", still, key_lines, room // 2)
    return _section("NEW, oldest first", new, key_lines, room - _size(later)), later


def _rest_of_changes(report: Report) -> Iterator[str]:
    if changes := report["changes"]:
        yield from _section("RESOLVED", changes["resolved"], _resolved_lines, _MAX_LIST_BYTES)
        yield from _section("OVERDUE LAST TIME, OUT OF SIGHT NOW", changes["unknown"], _unknown_lines, _MAX_LIST_BYTES)


def _of_verdict(report: Report, verdict: str) -> list[Finding]:
    return [finding for finding in report["findings"] if finding["verdict"] == verdict]


def _how_to(report: Report) -> Iterator[str]:
    if report["findings"]:
        yield "How to rotate a key: create its successor, move what uses the key to it,"
        yield "deactivate the key (--status Active undoes that), and delete it when nothing"
        yield "has missed it:"
        yield f"{_INDENT}aws iam create-access-key --user-name USER"
        yield f"{_INDENT}aws iam update-access-key --status Inactive \\"
        yield f"{_INDENT}    --user-name USER --access-key-id KEY"
        yield f"{_INDENT}aws iam delete-access-key --user-name USER --access-key-id KEY"
        yield ""
    if report["unchecked"]:
        yield "What to do about unchecked users: fix the cause shown above, then scan again."
        yield ""


def _where(folder: str) -> Iterator[str]:
    bucket, _, path = folder.removeprefix("s3://").partition("/")
    yield "Report:  report.html, report.csv and report.json, in S3. To fetch them:"
    yield f"{_INDENT}aws s3 cp --recursive --exclude 'pages/*' \\"
    yield f"{_INDENT}    s3://{bucket}/\\"
    yield f"{path} ."  # from the first column, so that the shell joins it with the bucket


def _section(
    title: str, items: Sequence[_Item], lines_of: Callable[[Sequence[_Item]], Iterable[str]], room: int
) -> list[str]:
    """Return a titled list of as many lines as fit in `room` bytes, saying how many were left out."""
    if not items:
        return []
    section = ["", f"{title}:"]
    more = f"{_INDENT}and {len(items)} more in the report."
    used = _size([*section, more])
    for shown, line in enumerate(lines_of(items)):
        used += _size([line])
        if used > room:
            return [*section, f"{_INDENT}and {len(items) - shown} more in the report."]
        section.append(line)
    return section


def _key_lines(findings: Sequence[Finding], reactivated: Collection[str] = ()) -> Iterator[str]:
    for finding in findings:
        key = _with_user(f"{_INDENT}{advice_label(finding)} {finding['access_key_id']},", finding["user_name"], " ")
        age = defuse_links(age_in_words(finding))
        if len(findings) > _MANY and finding["last_used"] == "unknown" and not finding["advice"]:
            about = [f"{age}, use unknown"]  # short, for there may be thousands
        else:
            about = [age, why_advised(finding)]
        lines = [*map(defuse_links, description_lines(finding)), *about, *map(defuse_links, why_not_exempt(finding))]
        lines += reactivated_lines(finding, reactivated)
        yield "\n".join([key, *_wrapped(lines, indent=_INDENT * 3)])


def _exempt_lines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        exemption = finding["exemption"] or {"until": None, "reason": None}
        line = f"{_INDENT}{finding['access_key_id']:<20}  until {exemption['until']}"
        about = [*description_lines(finding), age_in_words(finding), f"Reason: {exemption['reason']}"]
        about_it = _wrapped(map(defuse_links, about), indent=_INDENT * 3)
        yield "\n".join([_with_user(line, finding["user_name"]), *about_it])


def _resolved_lines(keys: Sequence[ResolvedKey]) -> Iterator[str]:
    for key in keys:
        yield _with_user(f"{_INDENT}{key['access_key_id']:<20}  {how_resolved(key):<11}", key["user_name"])


def _unknown_lines(keys: Sequence[ExpiredKey]) -> Iterator[str]:
    for key in keys:
        line = f"{_INDENT}{key['access_key_id']:<20}  overdue since {key['overdue_at'][:10]}"
        yield _with_user(line, key["user_name"])


def _unchecked_lines(users: Sequence[Unchecked]) -> Iterator[str]:
    for user in users:
        cause = _wrapped([defuse_addresses(user["cause"])], indent=_INDENT * 3)
        yield "\n".join([f"{_INDENT}{user['user_name']}", *cause])


def _with_user(line: str, user_name: str, between: str = "  ") -> str:
    one = f"{line}{between}{user_name}"
    return one if len(one) <= _MAX_WIDTH else f"{line}\n{_INDENT * 3}{user_name}"


def _wrapped(sentences: Iterable[str], indent: str = "") -> Iterator[str]:
    hanging = indent or _INDENT
    for sentence in sentences:
        one_line = " ".join(sentence.split())  # whatever a tag or a cause has for blanks
        yield from textwrap.wrap(
            one_line, _MAX_WIDTH, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False
        )


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)

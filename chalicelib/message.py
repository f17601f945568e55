"""The message that people get: a report in plain text, for e-mail. Pure."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from chalicelib.shapes import Coverage, ExpiredKey, Finding, Report, ResolvedKey, Unchecked

# Of the 256 KiB that SNS takes, the copies for programs want some; nobody reads more than this by mail.
MAX_MESSAGE_BYTES = 60_000
_MAX_WIDTH = 79
_MAX_SUBJECT = 100
_MAX_LIST_BYTES = 8_000  # of unchecked users and other lists, so that they leave room for the expired keys
_INDENT = "  "
_HOW_RESOLVED = {
    "rotated": "rotated",
    "deactivated": "deactivated",
    "deleted": "deleted",
    "no_longer_matching": "not too old, or passed over, by this scan's policy",
}
_Item = TypeVar("_Item")


class Message(NamedTuple):
    """An SNS message: a subject of under 100 ASCII characters, and plain text of under 80 columns."""

    subject: str
    text: str


def compose_message(report: Report, folder: str, list_due_soon: bool = False) -> Message:
    """Say a report in words: what is new, the verdict, how complete it is, the oldest keys, and what to do.

    `folder` is where the scan's files are, as an s3:// URI.
    """
    head = [
        *_wrapped(headline(report)),
        "",
        *_wrapped([coverage_line(report["coverage"]), keys_line(report), *changes_lines(report)]),
        *_wrapped(f"Not covered: {what}." for what in report["not_covered"]),
        *(f"Not found:   {name}" for name in report["not_found"] if _names_users(report)),
    ]
    foot = ["", *_what_to_do(report), *_where(folder), f"As of:   {to_the_second(report['as_of'])}"]
    unchecked = _section("UNCHECKED", report["unchecked"], _unchecked_lines, _MAX_LIST_BYTES)
    rest = [*_rest_of_changes(report), *(_due_soon(report) if list_due_soon else ())]
    room = MAX_MESSAGE_BYTES - sum(map(_size, (head, foot, unchecked, rest)))
    first, then = _expired_keys(report, room)
    return Message(subject(report), "\n".join([*head, *first, *unchecked, *then, *rest, *foot]) + "\n")


def subject(report: Report) -> str:
    """Say a report in under 100 ASCII characters, in the longest of three ways that fits."""
    account_id, complete = report["account_id"], _how_complete(report)
    short = f"{_found(report, 'expired key')} in account {account_id}"
    shortest = f"{short}{complete.replace('users unchecked', 'unchecked')}"
    ways = (f"{_found(report, 'expired access key')} in AWS account {account_id}{complete}", f"{short}{complete}")
    return next((way for way in ways if len(way) < _MAX_SUBJECT), shortest)


def headline(report: Report) -> Iterator[str]:
    """Say the verdict in a sentence or few, what is new first."""
    expired, limit = report["totals"]["expired"], counted(report["policy"]["max_age_days"], "day")
    changes = report["changes"]
    if changes and changes["since"]:
        new = len(changes["new"])
        yield f"{_none_or(new, 'expired access key')} {_is(new)} new since the last full scan."
    keys = _none_or(expired, "access key")
    where = f"of the users named in the scan policy, AWS account {report['account_id']}"
    where = where if _names_users(report) else f"in AWS account {report['account_id']}"
    when = f" as of {report['as_of']}" if "as_of" in report["policy"] else ""
    yield f"{keys} {where} {_is(expired)} older than {limit}{when}."
    if (due_soon := report["totals"]["due_soon"]) and not expired:
        yield f"{counted(due_soon, 'access key')} will be within {counted(report['policy']['warn_days'], 'day')}."
    if unchecked := report["coverage"]["users_unchecked"]:
        yield f"INCOMPLETE: {counted(unchecked, 'user')} could not be checked and may have more."


def coverage_line(coverage: Coverage) -> str:
    """Answer "did it check everybody?" in one sum."""
    return (
        f"Users: {coverage['users_listed']} listed = {coverage['users_checked']} checked"
        f" + {coverage['users_not_found']} not found + {coverage['users_unchecked']} unchecked."
    )


def keys_line(report: Report) -> str:
    """Say what became of the keys in one sum."""
    coverage, totals = report["coverage"], report["totals"]
    return (
        f"Keys: {coverage['keys_judged']} judged = {totals['expired']} expired + {totals['due_soon']} due soon"
        f" + {totals['ok']} ok; {coverage['keys_inactive_skipped']} inactive passed over."
    )


def changes_lines(report: Report) -> Iterator[str]:
    """Count what changed since the last full scan, or say why that cannot be told; nothing unless a full scan."""
    if changes := report["changes"]:
        if changes["since"]:
            counts = {"new": "new", "still_expired": "still expired", "resolved": "resolved"}
            counts |= {"unknown": "unknown"} if changes["unknown"] else {}
            told = ", ".join(f"{len(changes[kind])} {words}" for kind, words in counts.items())  # type: ignore[literal-required]
            yield f"Since {to_the_second(changes['since']['as_of'])}: {told}."
        yield from changes["notes"]


def how_resolved(key: ResolvedKey) -> str:
    """Say in words why a key is not expired any more."""
    return _HOW_RESOLVED[key["how"]]


def to_the_second(instant: str) -> str:
    """Write an instant as people read it, without fractions of a second."""
    return f"{instant[:19]}Z"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: "1 key", "2 keys"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _found(report: Report, noun: str) -> str:
    expired, changes = counted(report["totals"]["expired"], noun), report["changes"]
    return f"{len(changes['new'])} new of {expired}" if changes and changes["since"] else expired


def _how_complete(report: Report) -> str:
    coverage, totals = report["coverage"], report["totals"]
    when = f" at {report['as_of'][:10]}" if "as_of" in report["policy"] else ""
    if coverage["users_unchecked"]:
        return f"{when} - INCOMPLETE: {coverage['users_unchecked']} of {coverage['users_listed']} users unchecked"
    if totals["due_soon"] and not totals["expired"]:
        return f"{when}, {totals['due_soon']} due soon"
    if not _names_users(report):
        return f"{when} (complete: {counted(coverage['users_listed'], 'user')})"
    missing = f", {coverage['users_not_found']} not found" if coverage["users_not_found"] else ""
    return f"{when} (complete: {counted(coverage['users_listed'], 'named user')}{missing})"


def _names_users(report: Report) -> bool:
    return "users" in report["policy"]


def _none_or(number: int, noun: str) -> str:
    return counted(number, noun) if number else f"No {noun}"


def _is(number: int) -> str:
    return "is" if number <= 1 else "are"


def _expired_keys(report: Report, room: int) -> tuple[list[str], list[str]]:
    """List the expired keys in `room` bytes: those to lead with, and those to come later."""
    expired = [finding for finding in report["findings"] if finding["verdict"] == "expired"]
    changes = report["changes"]
    if not changes or not changes["since"]:
        return [], _section("EXPIRED, oldest first", expired, _key_lines, room)
    new_ids = {key["access_key_id"] for key in changes["new"]}
    new = [finding for finding in expired if finding["access_key_id"] in new_ids]
    still = [finding for finding in expired if finding["access_key_id"] not in new_ids]
    later = _section("STILL EXPIRED, oldest first", still, _key_lines, room // 2)
    return _section("NEW, oldest first", new, _key_lines, room - _size(later)), later


def _rest_of_changes(report: Report) -> Iterator[str]:
    if changes := report["changes"]:
        yield from _section("RESOLVED", changes["resolved"], _resolved_lines, _MAX_LIST_BYTES)
        yield from _section("EXPIRED THEN, OUT OF SIGHT NOW", changes["unknown"], _unknown_lines, _MAX_LIST_BYTES)


def _due_soon(report: Report) -> list[str]:
    due_soon = [finding for finding in report["findings"] if finding["verdict"] == "due_soon"]
    return _section("DUE SOON", due_soon, _key_lines, _MAX_LIST_BYTES)


def _what_to_do(report: Report) -> Iterator[str]:
    totals = report["totals"]
    if totals["expired"] or totals["due_soon"]:
        which = "an expired key" if totals["expired"] else "a key due soon"
        yield f"What to do with {which}: create its successor, move what uses it to the"
        yield "successor, then deactivate it, and delete it when nothing has missed it:"
        yield f"{_INDENT}aws iam update-access-key --status Inactive \\"
        yield f"{_INDENT}    --user-name USER --access-key-id KEY"
        yield ""
    if report["unchecked"]:
        yield "What to do with unchecked users: mend the cause above, then scan again."
        yield ""


def _where(folder: str) -> Iterator[str]:
    bucket, _, path = folder.removeprefix("s3://").partition("/")
    yield "Report:  report.html, report.csv and report.json in the S3 bucket"
    yield f"         {bucket}"
    yield "         under"
    yield f"         {path}"


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


def _key_lines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        age = counted(finding["age_days"], "day")
        tense = "overdue since" if finding["verdict"] == "expired" else "in time until"
        line = f"{_INDENT}{finding['access_key_id']:<20}  {age:>9} old, {tense} {finding['overdue_at'][:10]}"
        yield _with_user(line, finding["user_name"])


def _resolved_lines(keys: Sequence[ResolvedKey]) -> Iterator[str]:
    for key in keys:
        yield _with_user(f"{_INDENT}{key['access_key_id']:<20}  {how_resolved(key):<11}", key["user_name"])


def _unknown_lines(keys: Sequence[ExpiredKey]) -> Iterator[str]:
    for key in keys:
        line = f"{_INDENT}{key['access_key_id']:<20}  overdue since {key['overdue_at'][:10]}"
        yield _with_user(line, key["user_name"])


def _unchecked_lines(users: Sequence[Unchecked]) -> Iterator[str]:
    for user in users:
        cause = _wrapped([" ".join(user["cause"].split())], indent=_INDENT * 3)
        yield "\n".join([f"{_INDENT}{user['user_name']}", *cause])


def _with_user(line: str, user_name: str) -> str:
    one = f"{line}  {user_name}"
    return one if len(one) <= _MAX_WIDTH else f"{line}\n{_INDENT * 3}{user_name}"


def _wrapped(sentences: Iterable[str], indent: str = "") -> Iterator[str]:
    hanging = indent or _INDENT
    for sentence in sentences:
        yield from textwrap.wrap(
            sentence, _MAX_WIDTH, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False
        )


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)

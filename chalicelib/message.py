"""The message that people get: a report in plain text, for e-mail. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chalicelib.report import Coverage, Finding, Report, Unchecked

# SNS takes 256 KiB and bills each 64 KB as a message of its own; nobody reads more than this by mail.
MAX_MESSAGE_BYTES = 60_000
_MAX_WIDTH = 79
_MAX_UNCHECKED_BYTES = 10_000  # so that many unchecked users leave room for the expired keys
_INDENT = "  "


class Message(NamedTuple):
    """An SNS message: a subject of under 100 ASCII characters, and plain text."""

    subject: str
    text: str


def compose_message(report: Report, report_location: str) -> Message:
    """Say a report in words: the verdict, how complete it is, the oldest keys, and what to do."""
    expired = [finding for finding in report["findings"] if finding["verdict"] == "expired"]
    head = [
        *_headline(report),
        "",
        coverage_line(report["coverage"]),
        _keys_line(report),
        *(f"Not covered: {what}." for what in report["not_covered"]),
        *(f"Not found: {name}, whom the scan policy names." for name in report["not_found"] if _names_users(report)),
    ]
    foot = [
        "",
        *_what_to_do(report),
        f"Report: {report_location}",
        f"Scan:   {report['scan_id']}",
        f"As of:  {report['as_of']}",
    ]
    unchecked = _section(
        "UNCHECKED", report["unchecked"], map(_unchecked_line, report["unchecked"]), _MAX_UNCHECKED_BYTES
    )
    room = MAX_MESSAGE_BYTES - _size(head) - _size(unchecked) - _size(foot)
    keys = _section("EXPIRED, oldest first", expired, _key_lines(expired), room)
    return Message(_subject(report), "\n".join([*head, *unchecked, *keys, *foot]) + "\n")


def coverage_line(coverage: Coverage) -> str:
    """Answer "did it check everybody?" in one sum."""
    return (
        f"Users: {coverage['users_listed']} listed = {coverage['users_checked']} checked"
        f" + {coverage['users_not_found']} not found + {coverage['users_unchecked']} unchecked."
    )


def _keys_line(report: Report) -> str:
    coverage, totals = report["coverage"], report["totals"]
    return (
        f"Keys: {coverage['keys_judged']} judged = {totals['expired']} expired + {totals['due_soon']} due soon"
        f" + {totals['ok']} ok; {coverage['keys_inactive_skipped']} inactive passed over."
    )


def _subject(report: Report) -> str:
    coverage = report["coverage"]
    found = f"{counted(report['totals']['expired'], 'expired access key')} in AWS account {report['account_id']}"
    if coverage["users_unchecked"]:
        return f"{found} - INCOMPLETE: {coverage['users_unchecked']} of {coverage['users_listed']} users unchecked"
    if not _names_users(report):
        return f"{found} (complete: {counted(coverage['users_listed'], 'user')})"
    missing = f", {coverage['users_not_found']} not found" if coverage["users_not_found"] else ""
    return f"{found} (complete: {counted(coverage['users_listed'], 'named user')}{missing})"


def _headline(report: Report) -> Iterator[str]:
    expired, limit = report["totals"]["expired"], counted(report["policy"]["max_age_days"], "day")
    keys = counted(expired, "access key") if expired else "No access key"
    where = f"of the users named in the scan policy, AWS account {report['account_id']}"
    where = where if _names_users(report) else f"in AWS account {report['account_id']}"
    when = f" as of {report['as_of']}" if "as_of" in report["policy"] else ""
    yield f"{keys} {where} {'is' if expired <= 1 else 'are'} older than {limit}{when}."
    if unchecked := report["coverage"]["users_unchecked"]:
        yield f"INCOMPLETE: {counted(unchecked, 'user')} could not be checked and may have more."


def _names_users(report: Report) -> bool:
    return "users" in report["policy"]


def _what_to_do(report: Report) -> Iterator[str]:
    if report["totals"]["expired"]:
        yield "What to do with an expired key: create its successor, move what uses it to the"
        yield "successor, then deactivate it, and delete it when nothing has missed it:"
        yield f"{_INDENT}aws iam update-access-key --status Inactive \\"
        yield f"{_INDENT}    --user-name USER --access-key-id KEY"
        yield ""
    if report["unchecked"]:
        yield "What to do with unchecked users: mend the cause above, then scan again."
        yield ""


def _section(title: str, items: list[Finding] | list[Unchecked], lines: Iterable[str], room: int) -> list[str]:
    """Return a titled list of as many lines as fit in `room` bytes, saying how many were left out."""
    if not items:
        return []
    section = ["", f"{title}:"]
    more = f"{_INDENT}and {len(items)} more in the report."
    used = _size([*section, more])
    for shown, line in enumerate(lines):
        used += _size([line])
        if used > room:
            return [*section, f"{_INDENT}and {len(items) - shown} more in the report."]
        section.append(line)
    return section


def _key_lines(findings: list[Finding]) -> Iterator[str]:
    for finding in findings:
        age = counted(finding["age_days"], "day")
        line = f"{_INDENT}{finding['access_key_id']:<20}  {age:>9} old, overdue since {finding['overdue_at'][:10]}"
        user = f"  {finding['user_name']}"
        yield line + user if len(line + user) <= _MAX_WIDTH else f"{line}\n{_INDENT}    {finding['user_name']}"


def _unchecked_line(unchecked: Unchecked) -> str:
    return f"{_INDENT}{unchecked['user_name']}\n{_INDENT}    {' '.join(unchecked['cause'].split())}"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: "1 key", "2 keys"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _size(lines: list[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)

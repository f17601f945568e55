"""The message that people get: a report in plain text, for e-mail. Pure."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from chalicelib.documents import Changes, Quarantined, Report, Unchecked
from chalicelib.key_documents import ExpiredKey, Finding, ResolvedKey
from chalicelib.outputs.description import describe_report
from chalicelib.outputs.links import defuse_addresses, defuse_links
from chalicelib.outputs.sentences import (
    administrator_lines,
    advice_label,
    age_in_words,
    became_safe_lines,
    description_lines,
    details_unknown,
    how_resolved,
    leave_keys_lines,
    reactivated_lines,
    severity_label,
    to_the_second,
    why_advised,
    why_not_exempt,
)
from chalicelib.outputs.subject import subject
from chalicelib.outputs.usage_sentences import seen_from_in_words

# SNS takes 256 KiB, which the JSON and chat copies share; nobody reads more than this by mail.
MAX_MESSAGE_BYTES = 69_000
_MAX_WIDTH = 79
_MAX_LIST_BYTES = 8_000  # of unchecked users and other lists, so that they leave room for the expired keys
_MAX_CAUSES_BYTES = 2_000  # of why details are unknown: mostly the same for all
_INDENT = "  "
_MANY = 50  # keys
_FEW = 20  # keys, of which the mail says more
_ORDER = "most severe first, then oldest"
_Item = TypeVar("_Item")


class Message(NamedTuple):
    """An SNS message: a subject of under 100 ASCII characters, and plain text of under 80 columns."""

    subject: str
    text: str


def compose_message(report: Report, folder: str, list_due_soon: bool = False) -> Message:
    """Return the mail: what is most severe, what is new, the verdict, what to do, how complete it is, and the keys.

    `folder` is where the scan's files are, as an s3:// URI.
    """
    described = describe_report(report)
    listed = [finding for finding in report["findings"] if list_due_soon or finding["verdict"] != "due_soon"]
    key_lines = partial(_key_lines, changes=report["changes"], in_full=len(listed) <= _FEW)
    head = [
        *_wrapped(described.verdict_lines),
        "",
        *_wrapped([*map(defuse_addresses, described.count_lines), *described.not_covered]),
        *(f"Not found:   {name}" for name in described.not_found),
        *_section("QUARANTINED BY AWS", report["quarantined"], _quarantined_lines, _MAX_LIST_BYTES),
    ]
    foot = ["", *_how_to(report), *_where(folder), f"As of:   {to_the_second(report['as_of'])}"]
    unchecked = _section("UNCHECKED", report["unchecked"], _unchecked_lines, _MAX_LIST_BYTES)
    due_soon = _section(f"DUE SOON, {_ORDER}", _of_verdict(report, "due_soon"), key_lines, _MAX_LIST_BYTES)
    rest = [
        *_section(f"UNUSED, {_ORDER}", _of_verdict(report, "unused"), key_lines, _MAX_LIST_BYTES),
        *_rest_of_changes(report),
        *(due_soon if list_due_soon else ()),
        *_section("EXEMPT, not counted as overdue", report["exempt"], _exempt_lines, _MAX_LIST_BYTES),
        *_section(
            "LAST USE, TAGS OR PERMISSIONS UNKNOWN", details_unknown(report), _unchecked_lines, _MAX_CAUSES_BYTES
        ),
    ]
    room = MAX_MESSAGE_BYTES - sum(map(_size, (head, foot, unchecked, rest)))
    first, then = _expired_keys(report, key_lines, room)
    return Message(subject(report), "\n".join([*head, *first, *unchecked, *then, *rest, *foot]) + "\n")


def _expired_keys(
    report: Report, key_lines: Callable[[Sequence[Finding]], Iterable[str]], room: int
) -> tuple[list[str], list[str]]:
    """Return the overdue keys in `room` bytes: those to lead with, and those to come later."""
    expired = _of_verdict(report, "expired")
    changes = report["changes"]
    if not changes or not changes["since"]:
        return [], _section(f"OVERDUE, {_ORDER}", expired, key_lines, room)
    new_ids = {key["access_key_id"] for key in changes["new"]}
    new = [finding for finding in expired if finding["access_key_id"] in new_ids]
    still = [finding for finding in expired if finding["access_key_id"] not in new_ids]
    later = _section(f"STILL OVERDUE, {_ORDER}", still, key_lines, room // 2)
    return _section(f"NEW, {_ORDER}", new, key_lines, room - _size(later)), later


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


def _key_lines(findings: Sequence[Finding], changes: Changes | None, *, in_full: bool) -> Iterator[str]:
    for finding in findings:
        key = _with_user(f"{_INDENT}{advice_label(finding)} {finding['access_key_id']},", finding["user_name"], " ")
        if len(findings) > _MANY and finding["last_used"] == "unknown" and not finding["advice"]:
            age, why = f"{age_in_words(finding, brief=True)}, use unknown", []  # short, for there may be thousands
        else:
            age, why = age_in_words(finding), [why_advised(finding)]
        severe = severity_label(finding)
        said_by_people = [
            *description_lines(finding),
            f"{severe}, {age}" if severe else age,
            *administrator_lines(finding),
        ]
        lines = [
            *map(defuse_links, said_by_people),
            *became_safe_lines(finding, changes),
            *why,
            *map(defuse_links, why_not_exempt(finding)),
            *reactivated_lines(finding, changes["reactivated"] if changes else ()),
            *(map(defuse_links, _seen_lines(finding)) if in_full else ()),
            *(leave_keys_lines(finding) if in_full else ()),
        ]
        yield "\n".join([key, *_wrapped(lines, indent=_INDENT * 3)])


def _seen_lines(finding: Finding) -> list[str]:
    """Return what uses the key, where CloudTrail said so. Addresses are personal data and stay in the report."""
    seen = finding["seen_from"]
    return seen_from_in_words({**seen, "addresses": []})[:1] if seen and seen["status"] == "seen" else []


def _quarantined_lines(users: Sequence[Quarantined]) -> Iterator[str]:
    for user in users:
        owner = [f"Owner {defuse_links(user['owner'])}"] if user["owner"] and user["owner_known"] else []
        keys = user["access_keys"]
        if keys == "unknown":
            about = ["Its access keys are unknown: the user could not be checked."]
        else:
            about = [f"{key['access_key_id']}  {key['status']}" for key in keys] or ["No access keys."]
        yield "\n".join([f"{_INDENT}{user['user_name']}", *_wrapped([*owner, *about], indent=_INDENT * 3)])


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

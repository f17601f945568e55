"""What mails are laid out by, and the lists that those of an account and of an organization have. Pure."""

import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from chalicelib.documents import Quarantined
from chalicelib.key_documents import Finding
from chalicelib.outputs.links import defuse_links
from chalicelib.outputs.sentences import (
    administrator_lines,
    advice_label,
    age_in_words,
    became_safe_lines,
    description_lines,
    leave_keys_lines,
    reactivated_lines,
    severity_label,
    why_advised,
    why_not_exempt,
)
from chalicelib.outputs.usage_sentences import seen_from_in_words

# SNS takes 256 KiB, which the JSON and chat copies share; nobody reads more than this by mail.
MAX_MESSAGE_BYTES = 69_000
MAX_LIST_BYTES = 8_000  # of unchecked users and other lists, so that they leave room for the expired keys
INDENT = "  "
ORDER = "most severe first, then oldest"
MAX_WIDTH = 79
FEW = 20  # keys, of which the mail says more
_MANY = 50  # keys
_MAY_BREAK = "\0"
_Item = TypeVar("_Item")


class Message(NamedTuple):
    """An SNS message: a subject of under 100 ASCII characters, and plain text of under 80 columns."""

    subject: str
    text: str


def section(
    title: str,
    items: Sequence[_Item],
    lines_of: Callable[[Sequence[_Item]], Iterable[str]],
    room: int,
    number: int | None = None,
) -> list[str]:
    """Return a titled list of as many lines as fit in `room` bytes, saying how many were left out.

    `number` is how many items there are, where these are the first of more.
    """
    if not items:
        return []
    lines, number = ["", f"{title}:"], len(items) if number is None else number
    used = size([*lines, _more(number)])
    for line in lines_of(items):
        used += size([line])
        if used > room:
            break
        lines.append(line)
    left_out = number - len(lines) + 2
    return [*lines, _more(left_out)] if left_out else lines


def _more(number: int) -> str:
    return f"{INDENT}and {number} more in the report."


def key_lines(  # noqa: PLR0913  # each is what reports of accounts and of organizations differ in
    findings: Sequence[Finding],
    reactivated: Collection[str],
    became_safe: Collection[str],
    *,
    in_full: bool,
    account: Callable[[Any], Iterable[str]] = lambda _finding: (),
    planned: Callable[[Finding], Iterable[str]] = lambda _finding: (),
) -> Iterator[str]:
    """Yield the lines of each key; `account` says which account it is of, `planned` when it is to be deactivated."""
    for finding in findings:
        key = with_user(f"{INDENT}{advice_label(finding)} {finding['access_key_id']},", finding["user_name"], " ")
        if len(findings) > _MANY and finding["last_used"] == "unknown" and not finding["advice"]:
            age, why = f"{age_in_words(finding, brief=True)}, use unknown", []  # short, for there may be thousands
        else:
            age, why = age_in_words(finding), [why_advised(finding), *map(defuse_links, planned(finding))]
        severe = severity_label(finding)
        said_by_people = [
            *account(finding),
            *description_lines(finding),
            f"{severe}, {age}" if severe else age,
            *administrator_lines(finding),
        ]
        lines = [
            *map(defuse_links, said_by_people),
            *became_safe_lines(finding, became_safe),
            *why,
            *map(defuse_links, why_not_exempt(finding)),
            *reactivated_lines(finding, reactivated),
            *(map(defuse_links, _seen_lines(finding)) if in_full else ()),
            *(leave_keys_lines(finding) if in_full else ()),
        ]
        yield "\n".join([key, *wrapped(lines, INDENT * 3)])


def _seen_lines(finding: Finding) -> list[str]:
    """Return what uses the key, where CloudTrail said so. Addresses are personal data and stay in the report."""
    seen = finding["seen_from"]
    return seen_from_in_words({**seen, "addresses": []})[:1] if seen and seen["status"] == "seen" else []


def quarantined_lines(
    users: Sequence[Quarantined], account: Callable[[Any], Iterable[str]] = lambda _user: ()
) -> Iterator[str]:
    """Yield the lines of each quarantined user, with their keys."""
    for user in users:
        owner = [f"Owner {defuse_links(user['owner'])}"] if user["owner"] and user["owner_known"] else []
        keys = user["access_keys"]
        if keys == "unknown":
            about = ["Its access keys are unknown: the user could not be checked."]
        else:
            about = [f"{key['access_key_id']}  {key['status']}" for key in keys] or ["No access keys."]
        yield "\n".join([f"{INDENT}{user['user_name']}", *wrapped([*account(user), *owner, *about], indent=INDENT * 3)])


def how_to_rotate(user: str = "USER", key: str = "KEY") -> Iterator[str]:
    """Yield how to rotate a key: this one, or any."""
    of_user, of_key = f"--user-name {user}", f"--access-key-id {key}"
    yield "How to rotate a key: create its successor, move what uses the key to it,"
    yield "deactivate the key (--status Active undoes that), and delete it when nothing"
    yield "has missed it:"
    yield from _command("aws iam create-access-key", of_user)
    yield from _command("aws iam update-access-key --status Inactive", of_user, of_key)
    yield from _command("aws iam delete-access-key", of_user, of_key)
    yield ""


def _command(command: str, *options: str) -> Iterator[str]:
    """Yield a command in as few lines as it fits in: all in one, the options in another, or a line each."""
    for parts in ([" ".join([command, *options])], [command, " ".join(options)], [command, *options]):
        lines = f" \\\n{INDENT * 3}".join([f"{INDENT}{parts[0]}", *parts[1:]]).split("\n")
        if max(map(len, lines)) <= MAX_WIDTH:
            break
    yield from lines


def where(folder: str, exclude: str = "pages/*") -> Iterator[str]:
    """Yield where the report is and how to fetch it."""
    bucket, _, path = folder.removeprefix("s3://").partition("/")
    yield "Report:  report.html, report.csv and report.json, in S3. To fetch them:"
    yield f"{INDENT}aws s3 cp --recursive --exclude '{exclude}' \\"
    yield f"{INDENT}    s3://{bucket}/\\"
    yield f"{path} ."  # from the first column, so that the shell joins it with the bucket


def awscurl_lines(path: str, *options: str) -> Iterator[str]:
    """Yield how to send a request with awscurl; `options` are lines of more options."""
    yield f"{INDENT}awscurl --service execute-api -X POST \\"
    yield " \\\n".join([f'{INDENT * 3}"${{ENDPOINT_URL}}{path[1:]}"', *options])


def with_user(line: str, user_name: str, between: str = "  ") -> str:
    """Return a line with a user's name at its end, or on the next line where that is too long."""
    one = f"{line}{between}{user_name}"
    return one if len(one) <= MAX_WIDTH else f"{line}\n{INDENT * 3}{user_name}"


def wrapped(sentences: Iterable[str], indent: str = "") -> Iterator[str]:
    """Yield sentences in lines, each sentence beginning with a new one.

    An ARN that is longer than a line goes on after a slash, and not in the middle of an account id or a name.
    """
    hanging = indent or INDENT
    longer = re.compile(rf"\S{{{MAX_WIDTH - len(hanging) + 1},}}")
    for sentence in sentences:
        one_line = " ".join(sentence.split())  # whatever a tag or a cause has for blanks
        one_line = longer.sub(lambda word: word[0].replace("/", f"/{_MAY_BREAK} "), one_line)
        for line in textwrap.wrap(
            one_line, MAX_WIDTH, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False
        ):
            yield line.replace(f"{_MAY_BREAK} ", "").replace(_MAY_BREAK, "")


def size(lines: Iterable[str]) -> int:
    """Return how many bytes lines take."""
    return sum(len(line.encode()) + 1 for line in lines)

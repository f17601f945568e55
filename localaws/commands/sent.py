"""What a scan sent besides the message to the topic: to owners, a bus, Security Hub; shown and as files."""

import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from chalicelib.outputs.sentences import counted
from localaws.commands.printing import print_heading, print_wrapped
from localaws.scan_run import ScanResult

NOTICES = "notices"
EVENTS, FINDINGS = "events.json", "security-hub.json"
# What is written of a scan, and by which words it is known to be a scan's.
MARKS = {
    f"{NOTICES}/*.txt": "\nSubject: ",
    f"{NOTICES}/*.html": "<!-- To: ",
    EVENTS: '"detail-type"',
    FINDINGS: '"AwsAccountId"',
}
_LONGEST_NAME = 100
_MOST_NAMED = 8


class _Notice(NamedTuple):
    """A notice to an owner, by SES or by the second topic."""

    to: str
    owner: str  # who would get it but for NoticesTestTo
    subject: str
    text: str
    html: str = ""


def sent_files(result: ScanResult) -> dict[str, bytes]:
    """Return what a scan sent to others, by the names of the files that are to have it."""
    files = {name: content.encode() for name, content in _notice_files(result)}
    for name, documents in ((EVENTS, result.events), (FINDINGS, result.findings)):
        if documents:
            files[name] = f"{json.dumps(documents, indent=2, ensure_ascii=False)}\n".encode()
    return files


def show_sent(console: Console, result: ScanResult) -> None:
    """Show the first notice to an owner whole, and to how many others there is one."""
    notices = _notices(result)
    if not notices:
        return
    first, others = notices[0], len(notices) - 1
    print_heading(console, f"The notice to an owner, {_whose(first)}")
    console.print(Text(f"Subject: {first.subject}", style="bold"), soft_wrap=True)
    console.print(Text(f"\n{first.text}"), soft_wrap=True)
    if others:
        print_wrapped(console, f"{counted(others, 'other notice')} went to {_in_words(notices[1:])}.\n")


def show_counts(console: Console, result: ScanResult) -> None:
    """Print how many events and findings arrived."""
    if result.events:
        types = Counter(event["detail-type"].removeprefix("IAM Access Key ") for event in result.events)
        print_wrapped(console, f"{counted(len(result.events), 'event')} on the bus: {_counted_each(types)}.")
    if result.findings:
        states = Counter(_state(finding) for finding in result.findings)
        print_wrapped(console, f"Security Hub has {counted(len(result.findings), 'finding')}: {_counted_each(states)}.")


def show_notices_kept(console: Console, folder: Path, result: ScanResult) -> None:
    """Print where the notices to owners are."""
    if notices := _notices(result):
        print_wrapped(console, f"The notices to owners are in {folder / NOTICES}/: {_in_words(notices)}.")


def _in_words(notices: Sequence[_Notice]) -> str:
    owners = list(dict.fromkeys(map(_whose, notices)))
    more = len(owners) - _MOST_NAMED
    return ", ".join(owners[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _whose(notice: _Notice) -> str:
    return notice.owner if notice.owner == notice.to else f"{notice.to} (a test, for {notice.owner})"


def _state(finding: Mapping[str, Any]) -> str:
    archived = finding.get("RecordState") == "ARCHIVED"
    return "archived" if archived else str(finding.get("Compliance", {}).get("Status", "without a status"))


def _counted_each(counts: "Counter[str]") -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _notices(result: ScanResult) -> list[_Notice]:
    by_mail = [
        _Notice(mail["To"], _owner_of(mail), mail["Subject"], mail["text"], mail["html"]) for mail in result.notices
    ]
    published = ((sent["MessageAttributes"]["owner"]["Value"], sent) for sent in result.published_notices)
    return by_mail + [_Notice(owner, owner, sent.get("Subject", ""), sent["Message"]) for owner, sent in published]


def _owner_of(mail: Mapping[str, str]) -> str:
    """Return whom a mail is for: in a test its subject begins with that."""
    test = re.match(r"\[Test, for ([^]]+)\] ", mail["Subject"])
    return test[1] if test else mail["To"]


def _notice_files(result: ScanResult) -> Iterator[tuple[str, str]]:
    """Yield the files of the notices, named after the owners: a second one of a name gets a number."""
    taken: Counter[str] = Counter()
    for notice in _notices(result):
        name = _file_name(notice.owner)
        taken[name.lower()] += 1  # for file systems to which these are the same
        number = taken[name.lower()]
        path = f"{NOTICES}/{name}" + (f"-{number}" if number > 1 else "")
        yield f"{path}.txt", f"To: {notice.to}\nSubject: {notice.subject}\n\n{notice.text}\n"
        if notice.html:
            about = html.escape(f"To: {notice.to}, Subject: {notice.subject}")
            yield f"{path}.html", f"<!-- {about} -->\n{notice.html}\n"


def _file_name(owner: str) -> str:
    """Return an owner's name for a file, of letters that any file system takes."""
    return re.sub(r"[^A-Za-z0-9@+_.-]|(?<![A-Za-z0-9])[.]", "_", owner)[:_LONGEST_NAME] if owner else "_"

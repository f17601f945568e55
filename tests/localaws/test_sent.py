"""What `scan` shows and keeps of what a scan sent besides the message to the topic."""

import io
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from localaws.commands.console import show_kept, show_result
from localaws.commands.scan_output import OutputError, ScanOutput
from localaws.commands.sent import sent_files
from localaws.scan_run import ScanResult

EVENTS = [{"detail-type": f"IAM Access Key {kind}"} for kind in ("Overdue", "Scan Completed", "Overdue")]
FINDINGS = [
    {"AwsAccountId": "1", "RecordState": "ACTIVE", "Compliance": {"Status": "FAILED"}},
    {"AwsAccountId": "1", "RecordState": "ARCHIVED", "Compliance": {"Status": "FAILED"}},
]
REPORT = {"report.json": b'{"scan_id": "1"}'}


def notice(to: str, subject: str = "1 key of yours", text: str = "Rotate it.", html: str = "<p>Rotate it.</p>") -> Any:
    return {"To": to, "From": "keys@example.com", "Subject": subject, "text": text, "html": html}


def result(*notices: dict[str, str], files: dict[str, bytes] | None = None, **more: Any) -> ScanResult:
    return ScanResult("scan-1", "SUCCEEDED", None, files or {}, [], [], {}, notices=list(notices), **more)


def shown(show: Callable[[Console], None]) -> str:
    written = io.StringIO()
    show(Console(file=written, width=100))
    return written.getvalue()


def test_one_owners_notice_is_shown_whole_and_the_others_are_named() -> None:
    screen = shown(
        lambda console: show_result(
            console, result(notice("dana@example.com"), notice("bob@example.com", text="Not shown."))
        )
    )

    assert "dana@example.com" in screen
    assert "Subject: 1 key of yours\n\nRotate it.\n" in screen
    assert "1 other notice went to bob@example.com." in screen
    assert "Not shown." not in screen
    assert "<p>" not in screen


def test_no_more_than_eight_other_owners_are_named() -> None:
    notices = [notice(f"user{number}@example.com") for number in range(11)]

    screen = shown(lambda console: show_result(console, result(*notices)))

    assert "10 other notices went to user1@example.com" in screen
    assert "user8@example.com and 2 more." in " ".join(screen.split())


def test_without_notices_events_and_findings_nothing_is_said_of_them() -> None:
    assert sent_files(result()) == {}
    assert shown(lambda console: show_result(console, result())).strip() == ""


def test_notices_events_and_findings_are_kept_as_files(tmp_path: Path) -> None:
    scan = result(notice("dana@example.com"), files=REPORT, events=EVENTS, findings=FINDINGS)
    output = ScanOutput(tmp_path / "out", None, report_alone=False)

    output.prepare()
    assert list(output.write(scan)) == []

    kept = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    notices = {"notices/dana@example.com.txt", "notices/dana@example.com.html"}
    assert kept == {"report.json", "events.json", "security-hub.json", *notices}
    assert (tmp_path / "out/notices/dana@example.com.txt").read_text() == (
        "To: dana@example.com\nSubject: 1 key of yours\n\nRotate it.\n"
    )
    assert "<p>Rotate it.</p>" in (tmp_path / "out/notices/dana@example.com.html").read_text()
    for path in (tmp_path / "out/notices").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "out/notices").stat().st_mode) == 0o700


def test_those_of_an_earlier_scan_are_replaced(tmp_path: Path) -> None:
    output = ScanOutput(tmp_path, None, report_alone=False)
    list(output.write(result(notice("dana@example.com"), files=REPORT, events=EVENTS, findings=FINDINGS)))

    output.prepare()
    assert list(output.write(result(notice("bob@example.com", html=""), files=REPORT))) == []

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bob@example.com.txt", "notices", "report.json"]


def test_those_of_an_earlier_scan_are_moved_aside_by_one_without_a_report(tmp_path: Path) -> None:
    output = ScanOutput(tmp_path, None, report_alone=False)
    list(output.write(result(notice("dana@example.com"), files=REPORT, events=EVENTS)))

    output.prepare()
    [said] = output.write(result())

    assert "has the files of an earlier scan" in said
    assert (tmp_path / "earlier-scan/notices/dana@example.com.txt").exists()
    assert (tmp_path / "earlier-scan/events.json").exists()
    assert not (tmp_path / "notices").exists()


@pytest.mark.parametrize("name", ["notices/todo.txt", "notices/todo.html", "events.json", "security-hub.json"])
def test_files_of_these_names_that_are_not_of_a_scan_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "notices").mkdir()
    (tmp_path / name).write_text("buy milk")

    with pytest.raises(OutputError) as refused:
        ScanOutput(tmp_path, None, report_alone=False).prepare()

    assert name in str(refused.value)
    assert "is not of a scan" in str(refused.value)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("dana@example.com", "dana@example.com"),
        ("../../etc/passwd@example.com", "______etc_passwd@example.com"),
        (".hidden@example.com", "_hidden@example.com"),
        ("a b|c@example.com", "a_b_c@example.com"),
        ("équipe web", "_quipe_web"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_file_is_named_after_the_owner_in_safe_letters(owner: str, name: str) -> None:
    assert [*sent_files(result(notice(owner)))] == [f"notices/{name}.txt", f"notices/{name}.html"]


def test_two_notices_for_one_file_get_one_each() -> None:
    kept = sent_files(result(notice("me@example.com", "for a"), notice("me@example.com", "for b"), notice("a!@x.com")))

    assert [name for name in kept if name.endswith(".txt")] == [
        "notices/me@example.com.txt",
        "notices/me@example.com-2.txt",
        "notices/a_@x.com.txt",
    ]


def test_a_test_is_named_after_the_owner_whom_it_is_for() -> None:
    scan = result(
        notice("me@example.com", "[Test, for ops@example.com] 1 key"),
        notice("me@example.com", "[Test, for web@example.com] 2 keys"),
    )

    screen = shown(lambda console: show_result(console, scan))

    assert "The notice to an owner, me@example.com (a test, for ops@example.com)" in screen
    assert "1 other notice went to me@example.com (a test, for web@example.com)." in screen
    assert [name for name in sent_files(scan) if name.endswith(".txt")] == [
        "notices/ops@example.com.txt",
        "notices/web@example.com.txt",
    ]
    assert sent_files(scan)["notices/web@example.com.txt"].startswith(b"To: me@example.com\nSubject: [Test, for web@")


def test_an_empty_line_is_between_two_messages() -> None:
    first, second = ({"Subject": name, "Message": f"{name} ends."} for name in ("One", "Two"))

    lines = shown(lambda console: show_result(console, replace(result(), mail=[first, second]))).splitlines()

    assert lines[lines.index("One ends.") + 1].strip() == ""
    assert "Subject: Two" in lines


def test_a_subject_cannot_end_the_comment_that_has_it() -> None:
    kept = sent_files(result(notice("a@example.com", subject="--><script>")))

    assert kept["notices/a@example.com.html"].startswith(
        b"<!-- To: a@example.com, Subject: --&gt;&lt;script&gt; -->\n<p>"
    )


def test_what_was_published_to_the_second_topic_is_a_notice_too() -> None:
    published = {"Subject": "Keys", "Message": "Rotate.", "MessageAttributes": {"owner": {"Value": "team web"}}}
    scan = replace(result(), published_notices=[published])

    assert sent_files(scan) == {"notices/team_web.txt": b"To: team web\nSubject: Keys\n\nRotate.\n"}


def test_where_notices_are_kept_is_said() -> None:
    scan = result(notice("dana@example.com"), files=REPORT, events=EVENTS)

    screen = " ".join(shown(lambda console: show_kept(console, Path("out"), scan)).split())

    assert "Kept in out/: events.json, notices/, report.json" in screen
    assert "The notices to owners are in out/notices/: dana@example.com." in screen

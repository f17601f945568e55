"""Results on any terminal and any disk: other encodings, few columns, a closed pipe, nothing left to write on."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from deploy.package import PackagingError
from deploy.terminal import cannot_be_written
from localaws.commands.console import show_kept, show_result
from localaws.commands.failures import require_room
from localaws.commands.printing import print_wrapped
from localaws.commands.scan_output import ScanOutput
from localaws.environment import PROJECT
from localaws.scan_run import LocalAwsError, ScanResult
from tests.support.forked import localaws_command
from tests.support.scanner import Scanner, user

LONG_NAME = "a.name.of.sixty-four.characters-which.is.what.IAM.takes.at.most1"
ACCOUNT = {
    "users": [
        {"user_name": "ann", "tags": {"owner": "Łukasz Ünal 部門"}, "access_keys": [{"age_days": 100}]},
        {"user_name": LONG_NAME, "access_keys": [{"age_days": 400}]},
    ]
}
FULL = Path("/dev/full")
needs_a_full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def account_file(folder: Path) -> str:
    path = folder / "account.json"
    path.write_text(json.dumps(ACCOUNT))
    return str(path)


def scan(
    *arguments: str, shell: str = "", forked: bool = True, **environment: str
) -> "subprocess.CompletedProcess[bytes]":
    """Scan; `shell` is what follows the command, for bash."""
    localaws = localaws_command() if forked else [sys.executable, "-m", "localaws"]
    command = ["bash", "-c", f'"$@" {shell}', "-", *localaws, "scan", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, timeout=120, check=False)


# What the encoding of the output lacks.


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_what_the_terminal_cannot_show_is_replaced_and_the_files_stay_utf_8(tmp_path: Path, encoding: str) -> None:
    forked = encoding == "cp1252"  # by both ways
    out = str(tmp_path / "out")
    done = scan("--account", account_file(tmp_path), "--out", out, forked=forked, PYTHONIOENCODING=encoding)

    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode(encoding)
    assert f"owner ?ukasz {'Ü' if encoding == 'cp1252' else '?'}nal ??" in shown
    assert "1/2" not in shown.splitlines()[0]
    assert "2/2" in shown.splitlines()[0]
    assert "Verdict" in shown or "overdue, 100 days" in shown
    assert "Łukasz Ünal 部門" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_json_loses_nothing_in_an_encoding_that_lacks_its_characters(tmp_path: Path) -> None:
    done = scan("--account", account_file(tmp_path), "--json", PYTHONIOENCODING="ascii")

    findings = json.loads(done.stdout)["findings"]
    assert {finding["owner"] for finding in findings} == {None, "Łukasz Ünal 部門"}
    assert b"owner ?ukasz ?nal ??" in done.stderr
    assert b"Traceback" not in done.stderr


PRINTS = """
import sys
import zipfile
from deploy import terminal
terminal.prepare()
for _ in range(int(sys.argv[1])):
    print("Łukasz", "x" * 1000)
print("done", file=sys.stderr)
sys.exit(terminal.finish(0))
"""


@pytest.mark.parametrize(
    ("lines", "shell", "status", "says"),
    [
        (1, "> /dev/null", 0, "done\n"),
        (1, "| cat > /dev/null", 0, "done\n"),
        (100, "| head -1 > /dev/null", 1, "done\n"),
        (1, "| true", None, "done\n"),
        (1, ">&-", 0, "done\n"),
        (1, ">&- 2>&-", 0, ""),
        (1, "2> /dev/full > /dev/null", 0, ""),
        (1, "> /dev/full", 1, "done\nstandard output: cannot be written: No space left on device\n"),
        (100, "> /dev/full", 1, "done\nstandard output: cannot be written: No space left on device\n"),
        (100, "> /dev/full 2> /dev/full", 1, ""),
    ],
)
@needs_a_full_device
def test_output_that_goes_nowhere_is_one_line_or_none(lines: int, shell: str, status: int | None, says: str) -> None:
    command = f'set -o pipefail; "$@" {shell}'

    done = subprocess.run(
        ["bash", "-c", command, "-", sys.executable, "-c", PRINTS, str(lines)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status or status is None
    assert done.stderr == says


@needs_a_full_device
@pytest.mark.parametrize("options", [["--json"], []])
def test_a_scan_whose_output_cannot_be_written_keeps_its_files_and_says_it_in_one_line(
    tmp_path: Path, options: list[str]
) -> None:
    done = scan("--account", account_file(tmp_path), "--out", str(tmp_path / "out"), *options, shell="> /dev/full")

    assert done.returncode == 1
    *shown, last = done.stderr.decode().splitlines()
    assert last == "localaws: standard output: cannot be written: No space left on device"
    assert any(line.startswith("Subject: 2 overdue access keys") for line in shown) == bool(options)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["totals"]["expired"] == 2


def test_a_reader_that_has_read_enough_gets_no_traceback_and_the_files_are_kept(tmp_path: Path) -> None:
    done = scan("--account", account_file(tmp_path), "--out", str(tmp_path / "out"), shell="| head -1")

    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
    assert (tmp_path / "out" / "report.html").exists()


# Few columns.


@pytest.fixture(scope="module")
def result(scanner: Scanner) -> ScanResult:
    people = [user(LONG_NAME, "2026-01-01T00:00:00Z"), user("bob", "2026-02-01T00:00:00Z")]
    return scanner.scan(people, users=[LONG_NAME, "bob", "nobody.of.this.name"])


def shown(result: ScanResult, columns: int) -> str:
    console = Console(file=io.StringIO(), width=columns)
    show_result(console, result)
    show_kept(console, Path("/a/folder/of/a/name/that/is/longer/than/any/narrow/terminal"), result)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("columns", [120, 100, 80, 40, 30, 20, 1])
def test_no_key_id_no_user_name_and_no_path_is_cut_on_any_terminal(result: ScanResult, columns: int) -> None:
    text = shown(result, columns)

    findings = text.partition("as of" if columns > 40 else "2026-11-22T08:00:00Z")[2]
    assert len(result.report["findings"]) == 2
    for finding in result.report["findings"]:
        assert finding["access_key_id"] in findings
        assert finding["user_name"] in findings
    assert "nobody.of.this.name" in findings
    assert "/a/folder/of/a/name/that/is/longer/than/any/narrow/terminal/report.html" in findings
    assert "…" not in findings


def test_the_findings_are_a_table_where_there_is_room_and_a_few_lines_each_where_there_is_none(
    result: ScanResult,
) -> None:
    [first, _] = result.report["findings"]

    assert "Verdict" in shown(result, 140)
    narrow = shown(result, 40)
    assert "Verdict" not in narrow
    assert (
        f"\n{first['access_key_id']}\n{first['user_name']}\noverdue, {first['age_days']} days, {first['severity']}\n"
        in narrow
    )


def test_the_table_has_the_severity_where_there_is_room_for_it_too(result: ScanResult) -> None:
    heads = [line for width in range(100, 150) for line in shown(result, width).splitlines() if " Verdict " in line]

    assert ["Severity" in head for head in heads] == sorted("Severity" in head for head in heads)
    assert {"Severity" in head for head in heads} == {True, False}


def test_lines_are_wrapped_between_words() -> None:
    console = Console(file=io.StringIO(), width=20)

    print_wrapped(console, "a line that is longer-than the terminal is wide\n  and [another] :one:")

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "a line that is",
        "longer-than the",
        "terminal is wide",
        "  and [another]",
        ":one:",
    ]


# A full disk.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_by_the_file_after_the_result_is_shown(tmp_path: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * 28_000)
    done = scan("--account", account_file(tmp_path), "--out", str(small_disk / "out"), "--stats", str(small_disk / "s"))

    assert done.returncode == 1
    assert b"Subject: 2 overdue access keys" in done.stdout
    assert LONG_NAME.encode() in done.stdout
    assert b"Kept in" not in done.stdout
    first, *_ = done.stderr.decode().splitlines()
    assert first.startswith(f"localaws: {small_disk}/out/")
    assert first.endswith(": cannot be written: No space left on device")
    assert b"Traceback" not in done.stderr
    assert not Path(first.removeprefix("localaws: ").partition(": ")[0]).exists()  # rather than half of it


@needs_a_full_device
def test_stats_that_cannot_be_written_are_named_and_a_device_is_not_removed(tmp_path: Path) -> None:
    device = tmp_path / "stats.json"
    device.symlink_to(FULL)
    result = ScanResult("id", "SUCCEEDED", None, {"report.json": b"{}"}, [], [], {"calls": {}})

    told = list(ScanOutput(tmp_path / "out", device, report_alone=False).write(result))

    assert told == [f"{device}: cannot be written: No space left on device"]
    assert (tmp_path / "out" / "report.json").read_bytes() == b"{}"
    assert FULL.exists()
    assert device.is_symlink()


def test_a_full_temporary_folder_is_named(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))

    with pytest.raises(LocalAwsError, match=f"{small_disk}: No space left on device: 4[01] kB are free"):
        require_room()


@pytest.mark.parametrize("kilobytes", [40, 300, 900, 1300])
def test_a_disk_that_becomes_full_while_packaging_is_named(small_disk: Path, kilobytes: int) -> None:
    command = ["mount", "-o", f"remount,size={kilobytes}k", str(small_disk)]
    subprocess.run(command, check=True)
    command = [sys.executable, "-m", "deploy", "package"]

    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(small_disk)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(str(small_disk))
    assert line.endswith(": cannot be written: No space left on device")


def test_packages_that_cannot_be_kept_are_named_and_end_nothing(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deploy import package

    monkeypatch.setattr(package, "_PACKAGES", small_disk)

    assert package.package(tmp_path / "project", "dev").exists()
    error = capsys.readouterr().err
    assert f"{small_disk}/" in error
    assert ": cannot be written: No space left on device; the next run fetches the packages again\n" in error
    assert all(zipfile.is_zipfile(path) and path.suffix == ".whl" for path in small_disk.iterdir())  # each one whole


def test_build_that_cannot_be_written_is_named(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy import package

    monkeypatch.setattr(package, "BUILD", small_disk)

    with pytest.raises(PackagingError, match=f"{small_disk}/.*: cannot be written: No space left on device"):
        package.build("dev", "us-east-1")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device"), "/tmp/x: cannot be written: No space left on device"),
        (OSError(13, "Permission denied", "/y"), "/y: cannot be written: Permission denied"),
        (OSError(28, "No space left on device", "/from", None, "/to"), "/to: cannot be written: No space left on de"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_by_the_error_or_by_us(error: OSError, says: str) -> None:
    assert cannot_be_written(error, "/tmp/x").startswith(says)

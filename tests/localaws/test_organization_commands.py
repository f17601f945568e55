"""The commands on an account file of an organization, run as a person runs them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localaws.commands.scan_output import OutputError, ScanOutput
from localaws.environment import PROJECT
from localaws.scan_run import ScanResult
from tests.localaws.test_command_line import account_file, localaws
from tests.support.organizations import OWN, account_id, member
from tests.support.scanner import aged

FIRST, REFUSED, GONE = account_id(1), account_id(2), account_id(9)
BEFORE = {"name": "acme", "users": [], "accounts": [member(1, aged("ann", 70)), member(9, aged("poc", 100))]}
NOW = {
    "name": "acme",
    "users": [aged("ops", 400)],
    "accounts": [member(1, aged("ann", 100)), member(2, reader_role=False), member(3, state="SUSPENDED")],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """An account file of now, one of before, and a folder for what a scan keeps."""
    folders = [tmp_path_factory.mktemp(name) for name in ("now", "before", "out")]
    return account_file(folders[0], NOW), account_file(folders[1], BEFORE), folders[2]


@pytest.fixture(scope="module")
def scanned(files: tuple[str, str, Path]) -> "subprocess.CompletedProcess[str]":
    """A scan after one of what the organization was before, and one of its accounts again, into the same folder."""
    now, before, folder = files
    stats = str(folder / "stats.json")
    done = localaws("scan", "--account", now, "--previous", before, "--out", str(folder), "--stats", stats)
    assert done.returncode == 0, done.stderr
    return done


def test_make_demo_organization_ends_in_a_page_for_a_head_of_security() -> None:
    command = ["make", "demo-organization"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)

    folder = PROJECT / "out" / "demo-organization"
    found = "1 quarantined, root key, 4 new of 23 overdue keys in 18 accounts - INCOMPLETE: 1 account unchecked"
    assert done.returncode == 0, done.stderr
    assert "19/19" in done.stdout
    assert f"Subject: {found}" in done.stdout
    assert "Accounts: 20 listed = 18 scanned + 1 unchecked + 1 not active." in done.stdout.rpartition("The accounts")[2]
    assert "Open out/demo-organization/report.html in a browser" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if not line.startswith("Subject:")) <= 80
    assert "\n  make deploy STAGE=dev EMAIL=you@... PARAMETERS='Accounts=organization'\n" in done.stdout
    assert "docs/organization.md" in done.stdout.rpartition("What next:")[2]
    assert "machine-learning" in (folder / "report.html").read_text()
    assert len(list((folder / "accounts").glob("*/report.html"))) == 18


def test_a_scan_shows_accounts_and_keeps_every_file(
    scanned: "subprocess.CompletedProcess[str]", files: tuple[str, str, Path]
) -> None:
    folder, shown = files[2], " ".join(scanned.stdout.split())
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    of_account = ("account.json", "pages/0001.json", "report.csv", "report.html", "report.json")
    assert "3/3" in scanned.stdout  # accounts that are scanned
    assert "Since" in shown
    assert "2 new, 0 still overdue, 0 resolved." in shown
    assert "No longer among the accounts: 1 account, member-9 (200000000009)." in shown
    assert f"member-2 ({REFUSED}): STS refused the role iam-key-age-reader" in shown
    assert "1 overdue, 1 of them new." in shown.rpartition(f"member-1 ({FIRST}): ")[2]
    assert kept == {
        *("accounts.json", "accounts-to-scan.json", "baselines.json", "stats.json"),
        *("report.csv", "report.html", "report.json", f"unchecked/{REFUSED}.json"),
        *(f"accounts/{one}/{name}" for one in (OWN, FIRST) for name in of_account),
    }


def test_the_stats_are_of_all_accounts_and_of_the_children_too(
    scanned: "subprocess.CompletedProcess[str]", files: tuple[str, str, Path]
) -> None:
    stats = json.loads((files[2] / "stats.json").read_text())

    assert scanned.returncode == 0
    assert stats["calls"]["sts:AssumeRole"] == stats["child_executions"] == 3
    assert stats["calls"]["iam:ListUsers"] == 2
    # The parent's eleven states, and of each child its start and its state.
    assert stats["state_transitions"] == 11 + 2 * 3


def test_files_of_accounts_that_are_no_longer_scanned_go_and_others_stay(
    scanned: "subprocess.CompletedProcess[str]", files: tuple[str, str, Path]
) -> None:
    now, _, folder = files
    (folder / "notes.txt").write_text("mine")
    policy = json.dumps({"accounts": [FIRST]})

    done = localaws("scan", "--account", now, "--out", str(folder), "--policy", policy, "--json")

    assert (scanned.returncode, done.returncode) == (0, 0), done.stderr
    assert json.loads(done.stdout)["scan_kind"] == "accounts"
    assert "1/1" in done.stderr
    assert [path.name for path in (folder / "accounts").iterdir()] == [FIRST]
    assert not (folder / "unchecked").exists()
    assert not (folder / "pages").exists()
    assert (folder / "notes.txt").read_text() == "mine"


def test_parameters_may_leave_the_organization_alone_and_faults_name_what_is_not_there(
    files: tuple[str, str, Path],
) -> None:
    faults = json.dumps({"accounts": {GONE: {}, FIRST: {"iam": {"deny": ["nobody"]}}}})

    done = localaws("scan", "--account", files[0], "--parameters", "Accounts=", "--faults", faults, "--json")

    said = " ".join(done.stderr.split())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["account_id"] == OWN
    assert "accounts" not in json.loads(done.stdout)
    assert f"--faults: accounts: the account file has no account {GONE}" in said
    assert f"--faults: accounts.{FIRST}.iam.deny: the account has no user nobody" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--policy", '{"accounts": ["1"]}'],
            'accounts[0]: "1" is not accepted; it takes 1 to 100 account ids of 12 digits',
        ),
        (["--policy", '{"wait_seconds": 5}'], "--policy: takes no wait_seconds: the command waits for the scan's end"),
        (
            ["--policy", json.dumps({"accounts": [FIRST]}), "--previous", "NOW"],
            "--previous: full scans alone are compared",
        ),
        (["--previous", "ALONE"], "--previous: takes one of an organization, as the account to scan is"),
    ],
)
def test_what_cannot_be_scanned_is_refused(
    files: tuple[str, str, Path], tmp_path: Path, arguments: list[str], says: str
) -> None:
    named = {"NOW": files[0], "ALONE": account_file(tmp_path, {"users": []})}

    done = localaws("scan", "--account", files[0], *(named.get(one, one) for one in arguments))

    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


@pytest.mark.parametrize("name", ["accounts.json", f"accounts/{FIRST}/report.json", f"unchecked/{FIRST}.json"])
def test_a_file_that_is_not_of_a_scan_is_left_alone(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")

    with pytest.raises(OutputError, match="is not of a scan; choose another folder"):
        ScanOutput(tmp_path, None, False).prepare()

    assert mine.read_text() == "mine"


def test_a_scan_without_a_report_moves_the_files_of_an_earlier_one_aside(tmp_path: Path) -> None:
    output = ScanOutput(tmp_path, None, False)
    of_account = f"accounts/{FIRST}/report.json"
    output.prepare()
    assert not list(output.write(result({"report.json": b'{"scan_id": 1}', of_account: b'{"scan_id": 1}'})))

    said = list(output.write(result({f"accounts/{FIRST}/account.json": b'{"scan_id": 2}'})))

    assert len(said) == 1
    assert (tmp_path / "earlier-scan" / of_account).exists()
    assert not (tmp_path / "report.json").exists()
    assert (tmp_path / "accounts" / FIRST / "account.json").exists()


def result(files: dict[str, bytes]) -> ScanResult:
    more: dict[str, Any] = {"messages": [], "mail": [], "stats": {}}
    return ScanResult(scan_id="scan-1", status="SUCCEEDED", error=None, files=files, **more)

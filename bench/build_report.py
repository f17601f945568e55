"""What BuildReport takes for an account of any size: memory, seconds, and the sizes of what it makes.

`python -m bench.build_report` prints a table; `python -m bench.build_report KEYS` one size's numbers as JSON.
The worst names and tags are used: 64 and 256 characters; half of the keys are new since the last full scan.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.accounts import account_facts
from bench.tables import print_table
from chalicelib.deactivation_settings import DeactivationSettings
from chalicelib.documents import AccountFacts
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.evaluation.plan import add_plan
from chalicelib.evaluation.tags import REASON_TAG, UNTIL_TAG
from chalicelib.instants import format_instant
from chalicelib.policy import ScanPolicy
from chalicelib.report.changes import join_and_compare

SIZES = (100, 1_000, 10_000)
_AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
_USERS_A_PAGE = 100
_TAGS = {UNTIL_TAG: "2026-01-01", REASON_TAG: "r" * 256, "owner": "o" * 256}
_FOLDER = "s3://reports/scans/scan-1/"


def write_evidence(folder: Path, keys: int, used_days_ago: int = 3) -> None:
    """Write the pages of a scan in which every user has two expired keys, and the report of the scan before."""
    users = [f"{'n' * 59}{number:05}" for number in range(keys // 2)]
    account = account_facts(users, _TAGS)
    (folder / "account.json").write_text(json.dumps(account))
    pages = []
    for number, start in enumerate(range(0, len(users), _USERS_A_PAGE), start=1):
        names = users[start : start + _USERS_A_PAGE]
        outcomes = [_outcome(name, (91, 200), used_days_ago) for name in names]
        pages.append(evaluate_page(_terms("scan-1", account), number, names, outcomes))
        (folder / f"{number:04}.json").write_text(json.dumps(pages[-1], indent=1))
    day_before = _terms("scan-0", account, _AS_OF - timedelta(days=1))
    before = []
    for page in pages:
        names = [user["user_name"] for user in page["users"]]
        outcomes = [_outcome(name, (200, 300), used_days_ago) for name in names]
        before.append(evaluate_page(day_before, page["page"], names, outcomes))
    last: Any = join_and_compare(before, lambda: None, account)
    still = [{**key, "reported_since": format_instant(_AS_OF - timedelta(days=30))} for key in last["changes"]["new"]]
    last["changes"] |= {"new": [], "still_expired": still}
    (folder / "last.json").write_text(json.dumps(last, indent=1))


def measure(folder: Path, deactivation: DeactivationSettings | None = None) -> dict[str, float]:
    """Do in this process what BuildReport does, with files in the place of S3; return what it took."""
    import boto3

    from chalicelib.outputs.reports import RENDERERS
    from chalicelib.outputs.sns import compose_notification

    boto3.client("s3", region_name="us-east-1")  # takes its memory as in the function
    began = time.perf_counter()
    account = json.loads((folder / "account.json").read_text())
    report = join_and_compare(_pages(folder), lambda: json.loads((folder / "last.json").read_text()), account)
    if deactivation:
        add_plan(report, deactivation, ScanPolicy().to_json(), {}, {})
    planned = report["plan"]["held"] if "plan" in report else 0
    taken: dict[str, float] = {
        "findings": len(report["findings"]),
        "planned": planned,
        "join_seconds": time.perf_counter() - began,
    }
    for kind, render in RENDERERS.items():
        began = time.perf_counter()
        taken[f"{kind}_bytes"] = _keep(render(report), folder / f"report.{kind}")
        taken[f"{kind}_seconds"] = time.perf_counter() - began
    notification = compose_notification(report, _FOLDER)
    taken["message_bytes"] = len(notification["message"].encode())
    taken["answer_bytes"] = len(json.dumps(notification).encode())
    taken["peak_mb"] = peak_mb()
    return taken


def run(keys: int, *, planned: bool = False, folder: Path | None = None) -> dict[str, float]:
    """Measure in a process of its own, which leaves the report in a folder, if one is given.

    `planned` is with idle keys, each of which is in the plan.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as made:
            return run(keys, planned=planned, folder=Path(made))
    write_evidence(folder, keys, used_days_ago=150 if planned else 3)
    command = [sys.executable, "-m", "bench.build_report", "in", str(folder), *(["planned"] if planned else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # this file
    taken: dict[str, float] = json.loads(done.stdout)
    return taken


def _terms(scan_id: str, account: AccountFacts, as_of: datetime = _AS_OF) -> ScanContext:
    return ScanContext(scan_id, "123456789012", as_of, ScanPolicy(), account)


def _outcome(name: str, ages: tuple[int, int], used_days_ago: int) -> dict[str, Any]:
    keys = [
        {
            "access_key_id": f"AKIA{name[-5:]}{age:011}",
            "status": "Active",
            "created_at": format_instant(_AS_OF - timedelta(days=age)),
        }
        for age in ages
    ]
    used_at = format_instant(_AS_OF - timedelta(days=used_days_ago))
    last_used = {"at": used_at, "service": "dynamodb", "region": "ap-southeast-2"}
    details = {"last_used": [last_used] * len(keys), "cause": ""}
    return {"user_name": name, "outcome": "checked", "keys": keys, "details": details}


def _pages(folder: Path) -> Iterator[Any]:
    for path in sorted(folder.glob("[0-9]*.json")):
        yield json.loads(path.read_text())


def _keep(content: Iterator[str], path: Path) -> int:
    with path.open("wb") as file:
        for text in content:
            file.write(text.encode())
        return file.tell()


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss counts what a parent had, before exec
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024


def _print_table() -> None:
    rows = []
    for keys in SIZES:
        taken = run(keys)
        rendered = (f"{taken[f'{kind}_seconds']:.2f} s, {taken[f'{kind}_bytes'] / 1e6:.2f} MB" for kind in _KINDS)
        message = f"{taken['message_bytes']:,} bytes, {taken['message_bytes'] / (256 * 1024):.0%}"
        peak = f"{taken['peak_mb']:.0f} MB"
        rows.append([f"{taken['findings']:,}", peak, f"{taken['join_seconds']:.2f} s", *rendered, message])
    rendered_as = [f"report.{kind}" for kind in _KINDS]
    header = ["findings", "peak memory", "join and compare", *rendered_as, "message, of 256 KiB"]
    print_table("Building the report", "python -m bench.build_report", header, rows)


_KINDS = ("csv", "html", "json")
_ACTIONS: dict[int, Callable[[], None]] = {
    1: _print_table,
    2: lambda: print(json.dumps(run(int(sys.argv[1])))),  # noqa: T201
    3: lambda: print(json.dumps(measure(Path(sys.argv[2])))),  # noqa: T201
    4: lambda: print(json.dumps(measure(Path(sys.argv[2]), DeactivationSettings("apply")))),  # noqa: T201
}

if __name__ == "__main__":
    _ACTIONS[len(sys.argv)]()

"""What BuildOrganizationReport takes for an organization of any size: memory, seconds, and the sizes of what it makes.

`python -m bench.organization_report` prints a table; `python -m bench.organization_report in FOLDER` measures one
folder of accounts' reports in this process. The worst names and tags are used, and the function itself is called, with
files in the place of S3.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.build_report import peak_mb, write_evidence
from bench.tables import print_table
from chalicelib.documents import REPORT_FORMATS
from chalicelib.report.changes import join_and_compare

CASES = ((100, 40, 40), (1_000, 40, 40), (1_000, 30, 10_000))  # accounts, keys of each, keys of the largest
_SCAN = "scans/scan-1"
_STARTED_AT = "2026-11-22T08:00:00Z"


def write_reports(folder: Path, accounts: int, keys: int, most_keys: int) -> dict[str, Any]:
    """Write what a scan has before its report is built: a report an account; return the function's event."""
    listed: list[dict[str, Any]] = []
    for number in range(accounts):
        name = f"account-{number:05}".ljust(50, "x")
        account_id = f"{200_000_000_000 + number}"
        listed.append({"account_id": account_id, "name": name, "state": "ACTIVE", "cause": None})
    small, large = _report_text(keys), _report_text(most_keys)
    for account in listed:
        path = folder / _SCAN / "accounts" / account["account_id"] / "report.json"
        path.parent.mkdir(parents=True)
        text = large if account is listed[-1] else small
        path.write_text(text.replace("123456789012", account["account_id"]))
    document = {"schema_version": 1, "scan_id": "scan-1", "requested": None, "accounts": listed, "excluded": []}
    more = {"last_scan": {"scan_id": "scan-0", "as_of": "2026-11-21T08:00:00Z"}, "gone": [], "notes": []}
    (folder / _SCAN / "accounts.json").write_text(json.dumps({**document, **more}))
    arn = "arn:aws:states:us-east-1:123456789012:execution:iam-key-age-prod-organization:scan-1"
    policy = json.loads(small)["policy"]
    return {"scan_id": "scan-1", "execution_arn": arn, "started_at": _STARTED_AT, "policy": policy}


def _report_text(keys: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_evidence(folder, keys)
        pages = (json.loads(path.read_text()) for path in sorted(folder.glob("[0-9]*.json")))
        account = json.loads((folder / "account.json").read_text())
        report = join_and_compare(pages, lambda: json.loads((folder / "last.json").read_text()), account)
        return json.dumps(report, indent=1)


class _Files:
    """A client of S3 whose objects are files."""

    exceptions = SimpleNamespace(NoSuchKey=FileNotFoundError)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        return {"Body": io.BytesIO((self._folder / Key).read_bytes()), "LastModified": datetime.now(UTC)}

    def put_object(self, *, Key: str, Body: Any, **_: object) -> None:  # noqa: N803  # as boto3 has it
        with (self._folder / Key).open("wb") as file:
            for part in [Body] if isinstance(Body, bytes) else Body:
                file.write(part)


def measure(folder: Path) -> dict[str, float]:
    """Call the function in this process; return what it took."""
    import boto3

    import app
    from chalicelib.aws import clients

    os.environ |= {"REPORTS_BUCKET": "reports", "STAGE": "prod", "AWS_DEFAULT_REGION": "us-east-1"}
    boto3.client("s3")  # takes its memory as in the function
    files: Any = _Files(folder)
    clients.s3 = lambda: files  # type: ignore[assignment]
    event = json.loads((folder / "event.json").read_text())
    began = time.perf_counter()
    with redirect_stdout(io.StringIO()):  # its metrics
        answer = app.build_organization_report({"scan": event}, None)
    taken: dict[str, float] = {"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}
    taken["findings"] = sum(answer["summary"]["severities"].values())
    taken["message_bytes"] = len(answer["message"].encode())
    taken["besides_bytes"] = len(json.dumps({**answer, "message": ""}).encode())
    return taken | {f"{kind}_bytes": (folder / _SCAN / f"report.{kind}").stat().st_size for kind in REPORT_FORMATS}


def run(accounts: int, keys: int, most_keys: int) -> dict[str, float]:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        event = write_reports(Path(folder), accounts, keys, most_keys)
        (Path(folder) / "event.json").write_text(json.dumps(event))
        command = [sys.executable, "-m", "bench.organization_report", "in", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # this file
    taken: dict[str, float] = json.loads(done.stdout)
    return taken


def _print_table() -> None:
    rows = []
    for case in CASES:
        taken = run(*case)
        sizes = [f"{taken[f'{kind}_bytes'] / 1e6:.1f} MB" for kind in REPORT_FORMATS]
        message = f"{taken['message_bytes']:,} + {taken['besides_bytes']:,} bytes"
        measured = [f"{taken['findings']:,}", f"{taken['peak_mb']:.0f} MB", f"{taken['seconds']:.1f} s"]
        rows.append([f"{case[0]:,}", f"{case[2]:,}", *measured, *sizes, message])
    header = ["accounts", "keys of the largest", "findings", "peak memory", "time"]
    header += [f"report.{kind}" for kind in REPORT_FORMATS]
    title, command = "Building an organization's report", "python -m bench.organization_report"
    print_table(title, command, [*header, "message + the rest of the answer"], rows)


def main() -> int:
    """Print the table, or the numbers of a folder."""
    if sys.argv[1:2] == ["in"]:
        print(json.dumps(measure(Path(sys.argv[2]))))  # noqa: T201
    else:
        _print_table()
    return 0


if __name__ == "__main__":
    sys.exit(main())

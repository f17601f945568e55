"""What a scan asks of IAM, beside the least that live data allows and beside Cloud Custodian and Prowler.

`python -m bench.peers`: all on one account and one local endpoint, each tool installed from PyPI into a virtual
environment of its own under bench/. A tool that cannot be installed is skipped with a word.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.accounts import everyday_account, young_account
from bench.scans import iam_calls, whole
from bench.tables import print_table
from chalicelib.age import AgeRule, Verdict
from localaws.accounts.account_file import Account
from localaws.clients import GUEST, REGION
from localaws.environment import LocalAws

USERS = 2_000
_BENCH = Path(__file__).parent
_INSTALL_SECONDS = 400
_RUN_SECONDS = 300
_CUSTODIAN_POLICY = {
    "policies": [
        {
            "name": "old-keys",
            "resource": "aws.iam-user",
            "filters": [
                {"type": "access-key", "key": "Status", "value": "Active"},
                {
                    "type": "access-key",
                    "match-operator": "and",
                    "key": "CreateDate",
                    "value_type": "age",
                    "value": 90,
                    "op": "greater-than",
                },
            ],
        }
    ]
}


@dataclass(frozen=True)
class Peer:
    """A tool from PyPI: how it is run with a folder of its own, and how many it flagged there."""

    name: str
    requirement: str
    command: str
    arguments: Callable[[Path], list[str]]
    flagged: Callable[[Path], str]


def main() -> None:
    """Measure all; print the table."""
    least = -(-USERS // 100) + USERS
    account = everyday_account(USERS)
    rows = [["the minimum for live data", f"{least:,}", "", f"{_old_keys(account):,} keys, by the rule", ""]]
    with LocalAws(account) as aws:
        result = whole(aws.scan("{}"))
        flagged = f"{result.report['totals']['expired']:,} keys, with last use and owner"
        rows.append(_row("iam-key-age", iam_calls(result), flagged, result.stats["seconds"]))
        rows.extend(_measure(peer, aws) for peer in PEERS)
    with LocalAws(young_account(USERS)) as aws:
        young = whole(aws.scan("{}"))
        rows.append(_row("iam-key-age, where no key is old", iam_calls(young), "0 keys", young.stats["seconds"]))
    header = [f"{USERS:,} users, {sum(len(user.access_keys) for user in account.users):,} keys", "IAM calls"]
    note = "Twelve of the calls above the minimum are of the account, once: users, groups and policies, alias, root."
    print_table("Calls", "python -m bench.peers", [*header, "times the minimum", "flagged", "seconds"], rows, note)


def _custodian_arguments(folder: Path) -> list[str]:
    policy = folder / "policy.json"
    policy.write_text(json.dumps(_CUSTODIAN_POLICY))
    return ["run", "-s", str(folder / "out"), "--cache-period", "0", str(policy)]


def _custodian_flagged(folder: Path) -> str:
    return f"{len(json.loads((folder / 'out' / 'old-keys' / 'resources.json').read_text())):,} users"


def _prowler_arguments(folder: Path) -> list[str]:
    check = ["--checks", "iam_rotate_access_key_90_days", "--output-directory", str(folder), "-M", "csv", "--no-banner"]
    return ["aws", *check]


def _prowler_flagged(folder: Path) -> str:
    [report] = folder.glob("prowler-output-*.csv")
    with report.open() as file:
        return f"{sum(row['STATUS'] == 'FAIL' for row in csv.DictReader(file, delimiter=';')):,} keys"


PEERS = (
    Peer("Cloud Custodian 0.9.53", "c7n==0.9.53", "custodian", _custodian_arguments, _custodian_flagged),
    Peer("Prowler 5.46.0", "prowler==5.46.0", "prowler", _prowler_arguments, _prowler_flagged),
)


def _measure(peer: Peer, aws: LocalAws) -> list[str]:
    binaries = _install(peer)
    if binaries is None:
        return [peer.name, "skipped: it could not be installed", "", "", ""]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": f"{binaries}:{os.defpath}",
            "HOME": folder,
            "AWS_ENDPOINT_URL": aws.endpoint_url,
            "AWS_ACCESS_KEY_ID": GUEST,
            "AWS_SECRET_ACCESS_KEY": "unused",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
        aws.forget_calls()
        began = time.monotonic()
        try:
            _run(
                [str(binaries / peer.command), *peer.arguments(Path(folder))], environment, binaries.parent / "log.txt"
            )
            seconds = time.monotonic() - began
            asked = sum(count for call, count in aws.calls().items() if call.startswith("iam:"))
            flagged = peer.flagged(Path(folder))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return [peer.name, f"skipped: it gave no report: {error}", "", "", ""]
    return _row(peer.name, asked, flagged, seconds)


def _run(command: list[str], environment: dict[str, str], log_file: Path) -> None:
    with log_file.open("w") as log:  # Prowler's exit status 3 is for what it found
        subprocess.run(command, env=environment, stdout=log, stderr=log, check=False, timeout=_RUN_SECONDS)  # noqa: S603


def _install(peer: Peer) -> Path | None:
    """Install a tool; return where its commands are, None where that does not work."""
    venv = _BENCH / f".venv-{peer.command}"
    done = venv / peer.requirement
    if done.exists():
        return venv / "bin"
    shutil.rmtree(venv, ignore_errors=True)
    print(f"Installing {peer.requirement} into {venv.relative_to(_BENCH.parent)} …", file=sys.stderr, flush=True)  # noqa: T201
    try:
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)  # noqa: S603
        pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", peer.requirement]
        subprocess.run(pip, check=True, timeout=_INSTALL_SECONDS, stderr=subprocess.DEVNULL)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        print(f"{peer.requirement}: {error}", file=sys.stderr)  # noqa: T201
        return None
    done.touch()
    return venv / "bin"


def _old_keys(account: Account) -> int:
    now = datetime.now(UTC)
    rule = AgeRule(now, 90, 14)
    keys = [key for user in account.users for key in user.access_keys if key.status == "Active"]
    return sum(rule.verdict(key.created(now)) == Verdict.EXPIRED for key in keys)


def _row(name: str, asked: int, flagged: str, seconds: float) -> list[str]:
    least = -(-USERS // 100) + USERS
    return [name, f"{asked:,}", f"{asked / least:.2f}", flagged, f"{seconds:.1f}"]


if __name__ == "__main__":
    main()

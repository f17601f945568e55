"""What scanning one account of an organization takes: calls, memory, and the seconds after the last call.

`python -m bench.scan_account` prints a table; `python -m bench.scan_account USERS` one size's numbers as JSON. Each
user has two overdue keys, a name of 64 characters and an owner of 256; the last report has as many findings. IAM's
answers are parsed by botocore from XML, as in the function, and come from this process.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.build_report import peak_mb
from bench.tables import print_table

SIZES = (50, 500, 5_000)
_ACCOUNT = "123456789012"
_LISTED_AT_ONCE, _DESCRIBED_AT_ONCE = 1_000, 200
# Assumed, because a local run cannot measure them.
SECONDS_A_CALL, CALLS_AT_A_TIME = 0.15, 4
VCPUS = 1_024 / 1_769  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_SETTINGS = {
    "REPORTS_BUCKET": "reports",
    "READER_ROLE_NAME": "iam-key-age-reader",
    "EXTERNAL_ID": "iam-key-age",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
}
_SCAN = {
    "execution_arn": "arn:aws:states:us-east-1:999999999999:execution:x:scan",
    "policy": {"max_age_days": 90, "warn_days": 14, "include_inactive": False},
}


def measure(users: int, folder: Path) -> dict[str, float]:
    """Scan the account twice in this process, the second time with the first report to compare with."""
    os.environ.update(_SETTINGS)
    from chalicelib.aws import account_scan, bucket, members
    from chalicelib.evaluation.usage import Clock
    from chalicelib.outputs.reports import RENDERERS

    calls: Counter[str] = Counter()
    written: dict[str, float] = {}

    def create_client(service: str, *_: object, **__: object) -> Any:
        return _client(service, users, calls)

    def put(key: str, body: Any, *_: object) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else body.read())
        written[path.name] = time.process_time()

    def get(key: str, *_: object) -> bytes | None:
        path = folder / key
        return path.read_bytes() if path.exists() else None

    members._client = create_client  # noqa: SLF001
    bucket.put, bucket.get = put, get  # type: ignore[assignment]
    clock = Clock(time.monotonic, time.sleep, lambda: 900.0)
    for number, last in ((1, None), (2, "scan-1")):
        calls.clear()
        scan = {**_SCAN, "scan_id": f"scan-{number}", "started_at": f"2026-11-2{number}T08:00:00Z"}
        event = {"scan": scan, "account": {"account_id": _ACCOUNT, "name": "web", "last_scan_id": last}}
        began = time.process_time()
        account_scan.scan_account(event, RENDERERS, clock)
    last_page = f"{-(-users // 100):04}.json"
    report = json.loads((folder / f"scans/scan-2/accounts/{_ACCOUNT}/report.json").read_text())
    return {
        "calls": calls.total(),
        "findings": len(report["findings"]),
        "still_expired": len(report["changes"]["still_expired"]),
        "cpu_reading": written[last_page] - began,
        "cpu_rest": written["report.json"] - written[last_page],
        "peak_mb": peak_mb(),
    }


def _client(service: str, users: int, calls: Counter[str]) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from botocore.config import Config

    client: Any = boto3.client(service, "us-east-1", config=Config(signature_version=UNSIGNED))  # type: ignore[call-overload]

    def answer(request: Any, **_: object) -> Any:
        sent = request.body if isinstance(request.body, str) else request.body.decode()
        parameters = dict(pair.split("=") for pair in sent.split("&"))
        calls[parameters["Action"]] += 1
        return AWSResponse(request.url, 200, HTTPHeaders(), _Raw(_answer(parameters, users)))

    client.meta.events.register(f"before-send.{service}", answer)
    return client


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Any:
        yield self._body


def _answer(parameters: dict[str, str], users: int) -> bytes:
    operation = parameters["Action"]
    start = int(parameters.get("Marker", "0"))
    given = {
        "AssumeRole": "<Credentials><AccessKeyId>ASIA000000000000</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        "<SessionToken>t</SessionToken></Credentials>",
        "GetCallerIdentity": f"<Account>{_ACCOUNT}</Account>",
        "GetAccountSummary": "<SummaryMap/>",
        "ListAccountAliases": "<AccountAliases/><IsTruncated>false</IsTruncated>",
        "GetAccessKeyLastUsed": "<AccessKeyLastUsed><LastUsedDate>2026-11-20T00:00:00Z</LastUsedDate><ServiceName>s3"
        "</ServiceName><Region>eu-west-1</Region></AccessKeyLastUsed>",
    }
    if operation == "ListUsers":
        result = _page("Users", [f"<UserName>{_name(one)}</UserName>" for one in range(users)], start, _LISTED_AT_ONCE)
    elif operation == "GetAccountAuthorizationDetails":
        owner = f"<Tags><member><Key>owner</Key><Value>{'o' * 256}</Value></member></Tags>"
        described = [f"<UserName>{_name(one)}</UserName><Path>/</Path>{owner}" for one in range(users)]
        result = _page("UserDetailList", described, start, _DESCRIBED_AT_ONCE)
    elif operation == "ListAccessKeys":
        number = parameters["UserName"][-5:]
        keys = [
            f"<AccessKeyId>AKIA{number}{year:07}</AccessKeyId><Status>Active</Status>"
            f"<CreateDate>{year}-01-01T00:00:00Z</CreateDate>"
            for year in (2024, 2025)
        ]
        result = _page("AccessKeyMetadata", keys, 0, 2)
    else:
        result = given[operation]
    return f"<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>".encode()


def _page(field: str, items: list[str], start: int, at_once: int) -> str:
    members = "".join(f"<member>{item}</member>" for item in items[start : start + at_once])
    more = f"<IsTruncated>true</IsTruncated><Marker>{start + at_once}</Marker>"
    return f"<{field}>{members}</{field}>{more if start + at_once < len(items) else '<IsTruncated>false</IsTruncated>'}"


def _name(number: int) -> str:
    return f"{'n' * 59}{number:05}"


def main() -> None:
    """Measure each size in a process of its own."""
    rows = []
    for users in SIZES:
        command = [sys.executable, "-m", "bench.scan_account", str(users)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # this file
        taken = json.loads(done.stdout.splitlines()[-1])
        if (taken["findings"], taken["still_expired"]) != (2 * users, 2 * users):
            raise AssertionError("keys are missing")
        reading = max(taken["calls"] * SECONDS_A_CALL / CALLS_AT_A_TIME, taken["cpu_reading"] / VCPUS)
        rows.append(
            [
                f"{users:,}",
                f"{taken['calls']:,}",
                f"{taken['peak_mb']:.0f} MB",
                f"{taken['cpu_reading']:.1f}",
                f"{taken['cpu_rest']:.1f}",
                f"{reading:.0f}",
                f"{taken['cpu_rest'] / VCPUS:.0f}",
            ]
        )
    header = [
        *("users", "calls", "peak memory", "CPU seconds to read", "to join and render"),
        *("modelled seconds to read", "to join and render"),
    ]
    print_table("Scanning an account", "python -m bench.scan_account", header, rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as place:
            print(json.dumps(measure(int(sys.argv[1]), Path(place))))  # noqa: T201
    else:
        main()

"""Step Functions, S3 and Lambda in memory, as far as the API asks them: to do what a running AWS does at no request."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import md5
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from chalice.test import Client, HTTPResponse

from chalicelib.aws import clients
from chalicelib.documents import Coverage
from chalicelib.report.counts import zeros
from tests.support.organization_reports import baselines, joined
from tests.support.reports import key, report_of, user

OWN, WEB, DATA = "123456789012", "111122223333", "444455556666"
_ARN = f"arn:aws:states:eu-central-1:{OWN}:stateMachine:"
MACHINE, ORGANIZATION_MACHINE = f"{_ARN}iam-key-age-prod", f"{_ARN}iam-key-age-prod-organization"
SETTINGS = {
    "STATE_MACHINE_ARN": MACHINE,
    "ORGANIZATION_STATE_MACHINE_ARN": ORGANIZATION_MACHINE,
    "SCAN_ACCOUNT_FUNCTION": "iam-key-age-prod-ScanAccount-1",
    "ACCOUNTS": "organization",
    "EXCLUDED_ACCOUNTS": "999988887777",
    "REPORTS_BUCKET": "reports",
}


def refusal(code: str, status: int = 400, message: str = "no") -> ClientError:
    error: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, "Operation")


class _RefusedError(ClientError):
    def __init__(self) -> None:
        status = 404 if type(self).__name__ == "NoSuchKey" else 400
        error: Any = {"Error": {"Code": type(self).__name__}, "ResponseMetadata": {"HTTPStatusCode": status}}
        super().__init__(error, "Operation")


def _refusals(*names: str) -> Any:
    return SimpleNamespace(ClientError=ClientError, **{name: type(name, (_RefusedError,), {}) for name in names})


class States:
    """Step Functions: executions run until `end` says otherwise."""

    exceptions = _refusals(
        "ExecutionAlreadyExists", "ExecutionDoesNotExist", "InvalidArn", "InvalidToken", "ValidationException"
    )

    def __init__(self) -> None:
        self.executions: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: A002, N803  # as boto3 has it
        arn = stateMachineArn.replace(":stateMachine:", ":execution:") + f":{name}"
        before = self.executions.get(arn)
        if before and (before["status"] != "RUNNING" or before["input"] != input):
            raise self.exceptions.ExecutionAlreadyExists
        began = {"startDate": datetime.now(UTC), "status": "RUNNING", "name": name, "executionArn": arn}
        return self.executions.setdefault(arn, {**began, "input": input, "machine": stateMachineArn})

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        self.asked.append(executionArn)
        if executionArn not in self.executions:
            raise self.exceptions.ExecutionDoesNotExist
        return self.executions[executionArn]

    def list_executions(self, *, stateMachineArn: str, maxResults: int, **more: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        status = more.get("statusFilter")
        found = [
            {name: value for name, value in one.items() if name != "input"}
            for one in reversed(self.executions.values())
            if one["machine"] == stateMachineArn and status in (None, one["status"])
        ]
        return {"executions": found[:maxResults]}

    def end(self, scan_id: str, status: str = "SUCCEEDED") -> None:
        for execution in self.executions.values():
            if execution["name"] == scan_id:
                execution.update(status=status, stopDate=datetime.now(UTC))

    def of(self, machine: str) -> list[str]:
        return [one["name"] for one in self.executions.values() if one["machine"] == machine]


class Bucket:
    """S3: one bucket."""

    exceptions = _refusals("NoSuchKey")

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: dict[str, datetime] = {}
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def put_object(self, *, Key: str, Body: Any, **conditions: Any) -> dict[str, str]:  # noqa: N803  # as boto3 has it
        if "IfNoneMatch" in conditions and Key in self.objects:
            raise refusal("PreconditionFailed", 412)
        if "IfMatch" in conditions and Key not in self.objects:
            raise self.exceptions.NoSuchKey
        if conditions.get("IfMatch", self._etag(Key)) != self._etag(Key):
            raise refusal("PreconditionFailed", 412)
        self._write(Key, Body if isinstance(Body, bytes) else Body.read())
        return {"ETag": self._etag(Key)}

    def _etag(self, key: str) -> str:
        return f'"{md5(self.objects.get(key, b""), usedforsecurity=False).hexdigest()}"'

    def _write(self, key: str, body: bytes) -> None:
        self.objects[key] = body
        self.written[key] = self.clock().replace(microsecond=0)

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        if Key not in self.objects:
            raise self.exceptions.NoSuchKey
        body = io.BytesIO(self.objects[Key])
        return {"Body": body, "LastModified": self.written[Key], "ETag": self._etag(Key)}

    def head_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        if Key not in self.objects:
            raise refusal("404", 404)
        return {"LastModified": self.written[Key]}

    def generate_presigned_url(self, *_: Any, Params: dict[str, str], **__: Any) -> str:  # noqa: N803  # as boto3 has it
        return f"https://reports/{Params['Key']}"

    def list_objects_v2(
        self,
        *,
        Prefix: str,  # noqa: N803  # as boto3 has it
        Delimiter: str = "",  # noqa: N803  # as well
        StartAfter: str = "",  # noqa: N803  # as well
        **_: Any,
    ) -> dict[str, Any]:
        found = (key for key in sorted(self.objects) if key.startswith(Prefix) and key > StartAfter)
        below = [key.removeprefix(Prefix) for key in found]
        folders = {f"{Prefix}{key.split('/')[0]}/" for key in below if Delimiter and "/" in key}
        files = [key for key in below if not (Delimiter and "/" in key)]
        contents = [{"Key": Prefix + key, "LastModified": self.written[Prefix + key]} for key in files]
        return {"CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)], "Contents": contents}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda **given: (self.list_objects_v2(**one) for one in (given,)))

    def keep(self, key: str, document: object) -> None:
        self._write(key, json.dumps(document).encode())


class Functions:
    """Lambda: calls of scan_account, which `does` answers; None is no answer in time."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.waits: list[int] = []
        self.does: Callable[[dict[str, Any]], Any] = lambda _: None

    def client(self, seconds: int) -> Any:
        self.waits.append(seconds)
        return self

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        assert FunctionName == SETTINGS["SCAN_ACCOUNT_FUNCTION"]
        self.events.append(json.loads(Payload))
        answer = self.does(self.events[-1])
        if answer is None:
            raise ReadTimeoutError(endpoint_url="https://lambda.eu-central-1.amazonaws.com")
        if isinstance(answer, Exception):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorType" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


class FakeScans:
    """All three, and a stage that scans its organization."""

    def __init__(self) -> None:
        self.states, self.bucket, self.functions = States(), Bucket(), Functions()

    def know(self, *account_ids: str) -> None:
        """Let the last scan of the organization have scanned these accounts."""
        last = baselines()
        scanned = {"accounts": last["scan_id"], "instants": last["as_of"], "names": None}
        of_accounts = {field: dict.fromkeys(account_ids, value) for field, value in scanned.items()}
        self.bucket.keep("organization/latest.json", {"scan_id": last["scan_id"]})
        self.bucket.keep(f"scans/{last['scan_id']}/baselines.json", {**last, **of_accounts})

    def files(self, scan_id: str) -> list[str]:
        return [
            key.removeprefix(f"scans/{scan_id}/") for key in self.bucket.objects if key.startswith(f"scans/{scan_id}/")
        ]


def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScans]:
    """Put them in the place of the clients."""
    fake = FakeScans()
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(clients, "step_functions", lambda: fake.states)
    monkeypatch.setattr(clients, "s3", lambda: fake.bucket)
    monkeypatch.setattr(clients, "functions", fake.functions.client)
    yield fake


class Api:
    """A client of the API whose requests are signed by nobody: Chalice's does not look."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def post(self, body: dict[str, Any] | None = None, key: str = "") -> HTTPResponse:
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        return self.client.http.post("/scan", headers=headers, body=json.dumps(body or {}).encode())

    def get(self, path: str) -> HTTPResponse:
        return self.client.http.get(f"/scan{path}")


def account_report(scan_id: str, account_id: str, *outcomes: dict[str, Any], **policy: Any) -> dict[str, Any]:
    report: Any = report_of(*outcomes or [user("alice", key("AKIA1", 100))], scan_id=scan_id, **policy)
    return {**report, "account_id": account_id}


def organization_report(scan_id: str, rows: list[dict[str, Any]], findings: list[dict[str, Any]]) -> dict[str, Any]:
    outcomes = [row["outcome"] for row in rows]
    coverage = {
        "accounts_listed": len(rows),
        "accounts_scanned": outcomes.count("scanned"),
        "accounts_unchecked": outcomes.count("unchecked"),
        "accounts_not_active": outcomes.count("not_active"),
        "accounts_incomplete": 0,
        "accounts_excluded": 0,
    }
    one: Any = report_of(scan_id=scan_id)
    same = ("schema_version", "scan_id", "as_of", "started_at", "policy", "totals", "severities", "advice", "controls")
    return {
        **joined([]),
        **{field: one[field] for field in same},
        "account_id": OWN,
        "coverage": coverage,
        "users": one["coverage"],
        "accounts": rows,
        "findings": findings,
        "findings_left_out": 7,
        "changes": None,
    }


def row(account_id: str, outcome: str = "scanned", cause: str | None = None) -> dict[str, Any]:
    coverage = zeros(Coverage) if outcome == "scanned" else None
    named = {"account_id": account_id, "account_name": f"team-{account_id[:3]}"}
    return {**named, "outcome": outcome, "cause": cause, "coverage": coverage}


def ended_scan(fake: FakeScans, scan_id: str = "organization-2026-11-22T080000Z-abcd00") -> str:
    """A scan of the organization that has ended: WEB has a key of alice, DATA one of bob, a third one is unchecked."""
    fake.states.start_execution(stateMachineArn=ORGANIZATION_MACHINE, name=scan_id, input="{}")
    fake.states.end(scan_id)
    web = account_report(scan_id, WEB)
    data = account_report(scan_id, DATA, user("bob", key("AKIA2", 400)))
    findings = [
        {**finding, "account_id": report["account_id"], "account_name": "x", "change": None}
        for report in (data, web)
        for finding in report["findings"]
    ]
    rows = [row("555566667777", "unchecked", "STS refused"), row(WEB), row(DATA), row("777788889999", "not_active")]
    fake.bucket.keep(f"scans/{scan_id}/report.json", organization_report(scan_id, rows, findings))
    for report in (web, data):
        fake.bucket.keep(f"scans/{scan_id}/accounts/{report['account_id']}/report.json", report)
    unchecked = {"account_id": "555566667777", "cause": "STS refused"}
    fake.bucket.keep(f"scans/{scan_id}/unchecked/555566667777.json", unchecked)
    fake.bucket.keep(f"scans/{scan_id}/accounts-to-scan.json", rows[:3])
    return scan_id

"""Full scans with plans of deactivations, kept on an AWS in memory, and a client of the API that says who calls."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from chalice import local
from chalice.test import Client, HTTPResponse

import app
from chalicelib.deactivation_documents import Action
from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from chalicelib.evaluation.plan import add_plan
from chalicelib.instants import format_instant
from chalicelib.policy import ScanPolicy
from tests.support.fake_scans import MACHINE, OWN, FakeScans, installed
from tests.support.reports import AS_OF, key, report_of, user

DEACTIVATION_MACHINE = f"{MACHINE}-deactivation"
ANN, BEN = (f"arn:aws:sts::{OWN}:assumed-role/approver/{name}" for name in ("ann", "ben"))
ALICE, BOB, VAULT = (f"AKIA{name:X<16}" for name in ("ALICE", "BOB", "VAULT"))  # of vault, it is protected
SCAN = "scheduled-2026-11-22T080000Z-0123456789ab"
LATER = "scheduled-2026-11-23T080000Z-0123456789ab"
ACTION = f"{OWN}-{ALICE}-1"
PLAN, APPROVE = f"/scan/{SCAN}/plan", f"/scan/{SCAN}/plan/approve"
APPLY = DeactivationSettings("apply", weekdays=WEEKDAYS)
OUTCOMES = (
    user("alice", key(ALICE, 400, used="never")),
    user("bob", key(BOB, 300, used=200)),
    user("vault", key(VAULT, 500, used="never"), tags={"iam-key-age:never-deactivate": "it pays people"}),
    user("erin", key("AKIAERIN", 3)),
)
_LONG_AGO = format_instant(AS_OF - timedelta(days=30))


class Api:
    """A client of the API, and whose signature API Gateway tells of."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.caller: str | None = ANN

    def get(self, path: str) -> HTTPResponse:
        return self.client.http.get(path)

    def approve(self, *key_ids: str, scan_id: str = SCAN, **more: Any) -> HTTPResponse:
        return self.post(f"/scan/{scan_id}/plan/approve", json.dumps({"access_key_ids": list(key_ids), **more}))

    def undo(self, action_id: str) -> HTTPResponse:
        return self.post(f"/actions/{action_id}/undo")

    def post(self, path: str, body: str = "") -> HTTPResponse:
        headers = {"Content-Type": "application/json"} if body else {}
        return self.client.http.post(path, headers=headers, body=body.encode())


def message(answer: Any) -> str:
    """Return what an answer of the API says."""
    return str(answer.json_body["Message"])


def told_by_gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A client of the API whose caller is told as API Gateway does."""
    create_event = local.LambdaEventConverter.create_lambda_event

    def create_event_of_caller(*request: Any, **named: Any) -> dict[str, Any]:
        event: dict[str, Any] = create_event(*request, **named)
        if api.caller is not None:
            event["requestContext"]["identity"]["userArn"] = api.caller
        return event

    monkeypatch.setattr(local.LambdaEventConverter, "create_lambda_event", create_event_of_caller)
    with Client(app.app) as client:
        api = Api(client)
        yield api


def stage_that_deactivates(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScans]:
    """A stage that scans its own account, and may deactivate its keys on any day."""
    for fake in installed(monkeypatch):
        for name in ("ACCOUNTS", "EXCLUDED_ACCOUNTS", "ORGANIZATION_STATE_MACHINE_ARN", "SCAN_ACCOUNT_FUNCTION"):
            monkeypatch.delenv(name)
        may_deactivate(monkeypatch)
        yield fake


def may_deactivate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEACTIVATION", "apply")
    monkeypatch.setenv("DEACTIVATION_WEEKDAYS", ",".join(WEEKDAYS))
    monkeypatch.setenv("DEACTIVATION_STATE_MACHINE_ARN", DEACTIVATION_MACHINE)


def planned_report(
    scan_id: str = SCAN, settings: DeactivationSettings = APPLY, outcomes: Any = OUTCOMES, account_id: str = OWN
) -> Any:
    """The report of a full scan by which the keys of alice and bob are due: people were told of them long ago."""
    report = report_of(*outcomes, scan_id=scan_id)
    report["account_id"] = account_id
    told: Any = {key_id: {"told_since": _LONG_AGO, "due_since": None} for key_id in (ALICE, BOB)}
    add_plan(report, settings, ScanPolicy().to_json(), told, {})
    return report


def keep_scan(fake: FakeScans, report: Any, *, is_last: bool = True, kept_at: datetime = AS_OF) -> None:
    """Keep a scan of the own account that has ended."""
    scan_id = report["scan_id"]
    fake.states.start_execution(stateMachineArn=MACHINE, name=scan_id, input="{}")
    fake.states.end(scan_id)
    fake.bucket.keep(f"scans/{scan_id}/report.json", report)
    if is_last:
        fake.bucket.keep("latest.json", {"scan_id": scan_id, "as_of": report["as_of"]})
        fake.bucket.written["latest.json"] = kept_at


def started(fake: FakeScans) -> dict[str, Any]:
    """The inputs of the executions of the deactivation machine, by name."""
    machine = DEACTIVATION_MACHINE
    executions = fake.states.executions.values()
    return {one["name"]: json.loads(one["input"]) for one in executions if one["machine"] == machine}


def action(key_id: str = ALICE, attempt: int = 1, **more: Any) -> Action:
    at = format_instant(AS_OF)
    kept: Action = {
        "schema_version": 1,
        "action_id": f"{OWN}-{key_id}-{attempt}",
        "account_id": OWN,
        "user_name": "alice",
        "access_key_id": key_id,
        "scan_id": SCAN,
        "approved_by": ANN,
        "approved_at": at,
        "why": "It has not been used for 90 days.",
        "state_before": {"status": "Active", "created_at": _LONG_AGO, "last_used": None},
        "execution_arn": f"{DEACTIVATION_MACHINE.replace(':stateMachine:', ':execution:')}:deactivate-{SCAN}",
        "intended_at": at,
        "state": "done",
        "ended_at": at,
        "cause": None,
        "undo": None,
    }
    return {**kept, **more}  # type: ignore[typeddict-item]  # fields of it


def undone(state: str) -> dict[str, Any]:
    at = format_instant(AS_OF)
    ended_at = None if state == "intended" else at
    return {"by": BEN, "at": at, "execution_arn": "arn", "state": state, "ended_at": ended_at, "cause": None}


def keep_action(fake: FakeScans, kept: Action) -> None:
    account_id, rest = kept["action_id"].split("-", 1)
    folder = f"actions/{account_id}/{rest}"
    fake.bucket.keep(f"{folder}/00-intent.json", {**kept, "state": "intended", "ended_at": None, "undo": None})
    if kept["state"] != "intended":
        fake.bucket.keep(f"{folder}/00-outcome.json", {**kept, "undo": None})
    if kept["undo"]:
        fake.bucket.keep(f"{folder}/01-{'intent' if kept['undo']['state'] == 'intended' else 'outcome'}.json", kept)

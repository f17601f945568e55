"""What somebody who may do one thing must not be able to do with it: docs/security.md says who may what."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.aws.executions import failure_in_words
from chalicelib.settings import InvalidSettingError, parse_max_scans_at_once
from tests.scan.test_on_demand import stop_all
from tests.support.scanner import Scanner, invoke, user
from tests.support.serving import Served, start

OLD = "2026-08-24T07:59:59Z"


@pytest.fixture(scope="module")
def slow() -> Iterator[Served]:
    """The demo account, on an IAM that takes longer than a test."""
    running = start("--faults", '{"iam": {"latency_ms": 4000}}')
    yield running
    running.stop()


@pytest.fixture
def busy(slow: Served) -> Iterator[Served]:
    """It with nothing running, before and after."""
    yield slow
    stop_all(slow)


def schedule_event(event_id: str) -> dict[str, Any]:
    event = {"time": "2026-11-20T08:00:00Z", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    return event | {"id": event_id, "account": "123456789012", "region": "us-east-1", "resources": [], "version": "0"}


def test_a_scheduled_scan_cannot_be_taken_in_advance(scanner: Scanner) -> None:
    """Whoever may start executions took the names that the schedule suggests, with a policy that finds nothing."""
    scanner.seed([user("alice", OLD)])
    states, machine = scanner.aws.client("stepfunctions"), scanner.aws.outputs()["StateMachineArn"]
    blind = json.dumps({"max_age_days": 3650})
    taken = ["scheduled-2026-11-20T080000Z", "scheduled-2026-11-20T080000Z-000000000000"]
    for name in taken:
        states.start_execution(stateMachineArn=machine, name=name, input=blind)

    answer = invoke(scanner, "ScheduledScan", schedule_event("6a7e8feb-b491-4cf7-a9f1-bf3703467718"))

    assert answer["scan_id"] not in taken
    execution = states.describe_execution(
        executionArn=f"{machine.replace('stateMachine', 'execution')}:{answer['scan_id']}"
    )
    assert json.loads(execution["input"])["max_age_days"] == 90


def test_two_events_of_one_time_are_two_scans_and_one_event_is_one(scanner: Scanner) -> None:
    scanner.seed([])

    ids = [invoke(scanner, "ScheduledScan", schedule_event(event_id))["scan_id"] for event_id in ("a", "b", "a")]

    assert ids[0] == ids[2] != ids[1]


def test_no_more_scans_run_at_once_than_the_stage_lets(busy: Served) -> None:
    """Whoever varies the policy starts a scan each time, and all of them share the account's rate of IAM calls."""
    statuses = [busy.post({"users": [f"user-{number}"]}).status_code for number in range(5)]

    refused = [
        busy.post({"users": ["bob"]}),
        busy.post({"as_of": "2027-01-01T00:00:00Z"}),
        busy.post({"max_age_days": 45}),
        busy.post({"users": ["bob"]}, Idempotency_Key="k1"),
    ]

    assert statuses == [202] * 5
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json() == {
            "Code": "ServiceUnavailableError",
            "Message": "5 scans run already, and this stage starts no other beyond 5 (MaxScansAtOnce)",
        }
    assert len(busy.get(status="RUNNING").json()["scans"]) == 5


def test_the_schedule_is_never_refused(busy: Served) -> None:
    for number in range(5):
        assert busy.post({"users": [f"user-{number}"]}).status_code == 202
    functions = busy.client("lambda")
    name = next(
        one["FunctionName"] for one in functions.list_functions()["Functions"] if "ScheduledScan" in one["FunctionName"]
    )

    answer = functions.invoke(FunctionName=name, Payload=json.dumps(schedule_event("e")))

    assert "FunctionError" not in answer
    assert len(busy.get(status="RUNNING").json()["scans"]) == 6


@pytest.mark.parametrize("text", ["", "0", "41", "-1", "5.0", "five", "٥"])
def test_a_bound_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"MAX_SCANS_AT_ONCE: .* it takes an integer from 1 to 40"):
        parse_max_scans_at_once(text)


@pytest.mark.parametrize("policy", [{"users": ["carol", "carol"]}, {"user": "carol"}, {"max_age_days": "carol"}])
def test_no_user_of_a_refused_policy_reaches_a_log(scanner: Scanner, policy: dict[str, Any]) -> None:
    states, machine = scanner.aws.client("stepfunctions"), scanner.aws.outputs()["StateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, input=json.dumps(policy))["executionArn"]
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.1)

    assert execution["error"] == "InvalidPolicyError"
    assert "carol" not in execution["cause"]
    assert "carol" not in scanner.aws.log_tail(1_000)


@pytest.mark.parametrize(
    "cause",
    [
        '{"errorMessage": {"a": 1}}',
        '{"errorMessage": ["a"]}',
        '{"errorMessage": 7}',
        '{"errorMessage": null}',
        '{"a"' + ":{" * 50_000,
        "{",
    ],
)
def test_an_odd_cause_of_an_execution_is_passed_over(cause: str) -> None:
    assert failure_in_words({"status": "FAILED", "error": "Odd", "cause": cause}) == "Odd"

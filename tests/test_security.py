"""What somebody who may do one thing must not be able to do with it: docs/security.md says who may what."""

import json
from typing import Any

from tests.conftest import Scanner, user
from tests.test_workflow import invoke

OLD = "2026-08-24T07:59:59Z"


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

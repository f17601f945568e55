"""RedriveExecution on the local AWS: what goes on, from where, and what does not."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from localaws.clients import REGION
from localaws.environment import LocalAws
from tests.support.executions import ended
from tests.support.organizations import OWN

NAME = "redriven"
MACHINE = f"arn:aws:states:{REGION}:{OWN}:stateMachine:{NAME}"
ROLE = f"arn:aws:iam::{OWN}:role/test"
DEFINITION = {
    "QueryLanguage": "JSONata",
    "TimeoutSeconds": 600,
    "StartAt": "Remember",
    "States": {
        "Remember": {
            "Type": "Pass",
            "Assign": {"begun": "{% $millis() %}", "seen": []},
            "Output": {"user": "{% $states.input.user %}"},
            "Next": "GetUser",
        },
        "GetUser": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:iam:getUser",
            "Arguments": {"UserName": "{% $states.input.user %}"},
            "Retry": [{"ErrorEquals": ["Iam.NoSuchEntityException"], "IntervalSeconds": 1, "MaxAttempts": 1}],
            "Assign": {"seen": "{% [$append($seen, $states.result.User.UserName)] %}"},
            "Output": {"begun": "{% $begun %}"},
            "Next": "Pause",
        },
        "Pause": {"Type": "Wait", "Seconds": "{% $states.context.Execution.Input.pause %}", "Next": "Tell"},
        "Tell": {
            "Type": "Succeed",
            "Output": {
                "begun": "{% $begun = $states.input.begun %}",
                "seen": "{% $seen %}",
                "redrives": "{% ( $n := $states.context.Execution.RedriveCount; $exists($n) ? $n : 'none' ) %}",
            },
        },
    },
}


@pytest.fixture(scope="module")
def states(aws: LocalAws) -> Iterator[Any]:
    client = aws.client("stepfunctions")
    client.create_state_machine(name=NAME, definition=json.dumps(DEFINITION), roleArn=ROLE)
    yield client
    client.delete_state_machine(stateMachineArn=MACHINE)


@pytest.fixture
def user(aws: LocalAws) -> Iterator[str]:
    """The name of a user who is there from when a test makes it."""
    name = f"user-{uuid.uuid4()}"
    yield name
    iam = aws.client("iam")
    if name in [one["UserName"] for one in iam.list_users()["Users"]]:
        iam.delete_user(UserName=name)


def start(states: Any, user: str, pause: int = 0) -> str:
    given = json.dumps({"user": user, "pause": pause})
    return str(states.start_execution(stateMachineArn=MACHINE, name=str(uuid.uuid4()), input=given)["executionArn"])


def history(states: Any, arn: str) -> list[str]:
    events = states.get_execution_history(executionArn=arn)["events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    return [event["type"] for event in events]


def refusal(states: Any, arn: str) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        states.redrive_execution(executionArn=arn)
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def test_a_failed_execution_goes_on_where_it_failed(aws: LocalAws, states: Any, user: str) -> None:
    arn = start(states, user)
    failed = ended(aws, arn)
    aws.client("iam").create_user(UserName=user)

    redriven = states.redrive_execution(executionArn=arn)
    succeeded = ended(aws, arn)

    assert (failed["status"], failed["error"], failed["redriveCount"]) == ("FAILED", "Iam.NoSuchEntityException", 0)
    assert failed["redriveStatus"] == "REDRIVABLE"
    assert succeeded["status"] == "SUCCEEDED"
    assert json.loads(succeeded["output"]) == {"begun": True, "seen": [user], "redrives": 1}
    assert (succeeded["redriveCount"], succeeded["redriveDate"]) == (1, redriven["redriveDate"])
    assert "error" not in succeeded
    events = history(states, arn)
    assert events.count("ExecutionRedriven") == events.count("PassStateEntered") == 1
    assert [event for event in events if event.startswith("Execution")] == [
        "ExecutionStarted",
        "ExecutionFailed",
        "ExecutionRedriven",
        "ExecutionSucceeded",
    ]


def test_an_execution_that_was_not_redriven_has_no_count_in_its_context(aws: LocalAws, states: Any, user: str) -> None:
    aws.client("iam").create_user(UserName=user)

    execution = ended(aws, start(states, user))

    assert json.loads(execution["output"])["redrives"] == "none"


def test_a_redrive_tries_as_often_as_the_state_says_and_may_fail_again(aws: LocalAws, states: Any, user: str) -> None:
    arn = start(states, user)
    ended(aws, arn)
    before = history(states, arn).count("TaskFailed")

    states.redrive_execution(executionArn=arn)
    again = ended(aws, arn)

    assert (again["status"], again["redriveCount"]) == ("FAILED", 1)
    assert (before, history(states, arn).count("TaskFailed")) == (2, 4)
    states.redrive_execution(executionArn=arn)
    assert ended(aws, arn)["redriveCount"] == 2


def test_a_stopped_execution_goes_on_where_it_was_stopped(aws: LocalAws, states: Any, user: str) -> None:
    aws.client("iam").create_user(UserName=user)
    arn = start(states, user, pause=3)
    while "WaitStateEntered" not in history(states, arn):
        time.sleep(0.05)

    states.stop_execution(executionArn=arn)
    stopped = ended(aws, arn)
    states.redrive_execution(executionArn=arn)
    succeeded = ended(aws, arn)

    assert stopped["status"] == "ABORTED"
    assert json.loads(succeeded["output"]) == {"begun": True, "seen": [user], "redrives": 1}
    assert history(states, arn).count("TaskStateEntered") == 1


def test_what_succeeded_or_still_runs_is_not_redriven(aws: LocalAws, states: Any, user: str) -> None:
    aws.client("iam").create_user(UserName=user)
    arn = start(states, user, pause=3)

    running = refusal(states, arn)
    succeeded = ended(aws, arn)

    assert running == ("ExecutionNotRedrivable", "Execution is RUNNING and cannot be redriven")
    assert refusal(states, arn) == ("ExecutionNotRedrivable", "Execution is SUCCEEDED and cannot be redriven")
    assert succeeded["redriveStatus"] == "NOT_REDRIVABLE"
    assert succeeded["redriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"


def test_nothing_is_redriven_fourteen_days_after_its_end(aws: LocalAws, states: Any, user: str) -> None:
    arn = start(states, user)
    ended(aws, arn)
    execution: Any = stepfunctions_parser_backends[OWN][REGION].describe_execution(arn)
    execution.stop_date -= timedelta(days=14)

    assert refusal(states, arn) == ("ExecutionNotRedrivable", "Execution redrivable period exceeded")


def test_an_unknown_execution_is_not_redriven(states: Any) -> None:
    code, _ = refusal(states, MACHINE.replace(":stateMachine:", ":execution:") + ":unknown")

    assert code == "ExecutionDoesNotExist"


def test_a_request_that_is_sent_again_redrives_once(aws: LocalAws, states: Any, user: str) -> None:
    arn = start(states, user)
    ended(aws, arn)

    dates = [states.redrive_execution(executionArn=arn, clientToken="once") for _ in range(2)]

    assert dates[0]["redriveDate"] == dates[1]["redriveDate"]
    assert ended(aws, arn)["redriveCount"] == 1

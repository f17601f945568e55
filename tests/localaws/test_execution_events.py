"""What reaches a topic of how an execution ended, by whichever rule of EventBridge."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from localaws.clients import REGION
from localaws.environment import LocalAws
from tests.support.executions import ended
from tests.support.organizations import OWN

NAME = "told-of"
MACHINE = f"arn:aws:states:{REGION}:{OWN}:stateMachine:{NAME}"
FAILS = {"QueryLanguage": "JSONata", "StartAt": "Fail", "States": {"Fail": {"Type": "Fail", "Error": "Wanted"}}}


@pytest.fixture
def fails(aws: LocalAws) -> Iterator[str]:
    """The ARN of a state machine that fails."""
    states = aws.client("stepfunctions")
    states.create_state_machine(name=NAME, definition=json.dumps(FAILS), roleArn=f"arn:aws:iam::{OWN}:role/test")
    aws.messages()  # those of an earlier test
    yield MACHINE
    states.delete_state_machine(stateMachineArn=MACHINE)
    aws.client("events").remove_targets(Rule=NAME, Ids=["topic"])
    aws.client("events").delete_rule(Name=NAME)


def told(aws: LocalAws, machine: str, pattern: dict[str, Any], state: str = "ENABLED", **target: Any) -> list[Any]:
    """Return the messages of the topic once an execution has failed, by a rule with this pattern and target."""
    events = aws.client("events")
    events.put_rule(Name=NAME, EventPattern=json.dumps({"source": ["aws.states"], **pattern}), State=state)
    topic = {"Id": "topic", "Arn": aws.outputs()["NotificationsTopicArn"], **target}
    events.put_targets(Rule=NAME, Targets=[topic])
    ended(aws, aws.client("stepfunctions").start_execution(stateMachineArn=machine, name="once")["executionArn"])
    return [json.loads(message["Message"]) for message in aws.messages()]


def test_without_an_input_of_its_own_a_target_gets_the_event(aws: LocalAws, fails: str) -> None:
    [event] = told(aws, fails, {"detail": {"status": ["FAILED", "ABORTED"], "stateMachineArn": [fails]}})

    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert event["detail"]["executionArn"] == fails.replace(":stateMachine:", ":execution:") + ":once"
    assert (event["detail"]["status"], event["detail"]["error"]) == ("FAILED", "Wanted")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"Input": '{"look": "there"}'}, {"look": "there"}),
        ({"InputPath": "$.detail.name"}, "once"),
        (
            {"InputTransformer": {"InputPathsMap": {"how": "$.detail.status"}, "InputTemplate": '{"ended": "<how>"}'}},
            {"ended": "FAILED"},
        ),
    ],
)
def test_a_target_gets_what_it_asks_for(aws: LocalAws, fails: str, target: dict[str, Any], message: Any) -> None:
    assert told(aws, fails, {"detail": {"stateMachineArn": [{"prefix": fails}]}}, **target) == [message]


@pytest.mark.parametrize(
    ("pattern", "state"),
    [
        ({"detail": {"status": ["FAILED"]}}, "DISABLED"),
        ({"detail": {"status": ["SUCCEEDED", "TIMED_OUT"]}}, "ENABLED"),
        ({"detail": {"stateMachineArn": [f"{MACHINE}-another"]}}, "ENABLED"),
    ],
)
def test_a_rule_that_is_off_or_does_not_match_says_nothing(
    aws: LocalAws, fails: str, pattern: dict[str, Any], state: str
) -> None:
    assert told(aws, fails, pattern, state) == []

"""How a task starts an execution on the local AWS, and by which names it fails."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from localaws.clients import REGION
from localaws.environment import LocalAws
from localaws.faults import Faults, parse_faults
from tests.support.executions import ended
from tests.support.organizations import OWN

ROLE = f"arn:aws:iam::{OWN}:role/test"
STARTED, STARTING = (f"arn:aws:states:{REGION}:{OWN}:stateMachine:{name}" for name in ("started", "starting"))
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::states:startExecution",
    "Arguments": "{% $states.input %}",
    "End": True,
}
WAIT = {"Type": "Wait", "Seconds": "{% $states.input.seconds %}", "Output": "{% $states.input %}", "End": True}


@pytest.fixture(scope="module")
def machines(aws: LocalAws) -> Iterator[LocalAws]:
    states = aws.client("stepfunctions")
    for arn, state in ((STARTED, WAIT), (STARTING, TASK)):
        definition = {"QueryLanguage": "JSONata", "StartAt": "Only", "States": {"Only": state}}
        states.create_state_machine(name=arn.rpartition(":")[2], definition=json.dumps(definition), roleArn=ROLE)
    yield aws
    for arn in (STARTED, STARTING):
        states.delete_state_machine(stateMachineArn=arn)


def start(aws: LocalAws, **arguments: Any) -> dict[str, Any]:
    started = aws.client("stepfunctions").start_execution(stateMachineArn=STARTING, input=json.dumps(arguments))
    return ended(aws, started["executionArn"])


def test_a_task_starts_an_execution_by_its_name_with_an_object_as_input(machines: LocalAws) -> None:
    name = str(uuid.uuid4())

    execution = start(machines, StateMachineArn=STARTED, Name=name, Input={"seconds": 0, "text": "é"})

    arn = json.loads(execution["output"])["ExecutionArn"]
    assert arn == f"arn:aws:states:{REGION}:{OWN}:execution:started:{name}"
    assert json.loads(ended(machines, arn)["output"]) == {"seconds": 0, "text": "é"}


def test_the_same_execution_is_started_once_while_it_runs(machines: LocalAws) -> None:
    given = {"StateMachineArn": STARTED, "Name": str(uuid.uuid4()), "Input": {"seconds": 3}}

    first, second = start(machines, **given), start(machines, **given)

    assert json.loads(first["output"])["ExecutionArn"] == json.loads(second["output"])["ExecutionArn"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"Input": {"seconds": 0, "another": True}}, "StepFunctions.ExecutionAlreadyExistsException"),
        ({}, "StepFunctions.ExecutionAlreadyExistsException"),
        ({"StateMachineArn": f"{STARTED}-unknown"}, "StepFunctions.StateMachineDoesNotExistException"),
        ({"Name": "no name"}, "StepFunctions.InvalidNameException"),
    ],
)
def test_errors_have_the_names_of_the_integration(machines: LocalAws, changed: dict[str, Any], error: str) -> None:
    given = {"StateMachineArn": STARTED, "Name": str(uuid.uuid4()), "Input": {"seconds": 0}}
    ended(machines, json.loads(start(machines, **given)["output"])["ExecutionArn"])

    execution = start(machines, **{**given, **changed})

    assert (execution["status"], execution["error"]) == ("FAILED", error)


@pytest.mark.parametrize("faults", [{"throttle": 1}, {"fail": 1}, {"deny": True}])
def test_an_error_that_the_model_lacks_has_the_name_of_all(machines: LocalAws, faults: dict[str, Any]) -> None:
    machines.inject(parse_faults(json.dumps({"states": faults})))
    try:
        execution = start(machines, StateMachineArn=STARTED, Input={"seconds": 0})
    finally:
        machines.inject(Faults())

    assert (execution["status"], execution["error"]) == ("FAILED", "StepFunctions.AWSStepFunctionsException")

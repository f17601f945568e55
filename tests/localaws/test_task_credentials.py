"""As whom a task with `Credentials` calls on the local AWS, and how it fails where nobody lets it."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from localaws.environment import LocalAws
from localaws.faults import Faults, parse_faults
from tests.support.executions import ended
from tests.support.organizations import OWN, account_id, deployed, make_role, member, organization
from tests.support.scanner import OLD, user

FIRST, SECOND, SUSPENDED = account_id(1), account_id(2), account_id(3)
ACCOUNTS = organization(
    member(1, user("alice", OLD)), member(2, user("bob", OLD), user("carol", OLD)), member(3, state="SUSPENDED")
)
NAME = "calls-as-others"
MACHINE = f"arn:aws:states:us-east-1:{OWN}:stateMachine:{NAME}"
OWN_ROLE = f"arn:aws:iam::{OWN}:role/{NAME}"
LISTS_USERS = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}
GETS_USERS = {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*"}
DEFINITION = {
    "QueryLanguage": "JSONata",
    "StartAt": "ListUsers",
    "States": {
        "ListUsers": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:iam:listUsers",
            "Credentials": {"RoleArn": "{% $states.input.role %}"},
            "Arguments": {},
            "Output": "{% [$states.result.Users.UserName] %}",
            "Next": "WhoAmI",
        },
        "WhoAmI": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sts:getCallerIdentity",
            "Credentials": {"RoleArn": "{% $states.context.Execution.Input.role %}"},
            "Arguments": {},
            "Output": {"users": "{% $states.input %}", "arn": "{% $states.result.Arn %}"},
            "End": True,
        },
    },
}


def role_arn(of: str, name: str = "called-as") -> str:
    return f"arn:aws:iam::{of}:role/{name}"


@pytest.fixture(scope="module")
def members(aws: LocalAws) -> Iterator[LocalAws]:
    """A machine whose role may assume `called-as` and `another`, and accounts with roles of different trust."""
    may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [role_arn("*"), role_arn("*", "another")]}
    with deployed(aws, ACCOUNTS):
        make_role(aws, OWN, NAME, {"Service": "states.amazonaws.com"}, may)
        by_machine = {"StringEquals": {"sts:ExternalId": MACHINE}}
        for of in (FIRST, SUSPENDED):
            make_role(aws, of, "called-as", {"AWS": OWN_ROLE}, LISTS_USERS, **by_machine)
        make_role(aws, FIRST, "not-allowed", {"AWS": OWN_ROLE}, LISTS_USERS, **by_machine)
        make_role(aws, FIRST, "another", {"AWS": OWN_ROLE}, LISTS_USERS, StringEquals={"sts:ExternalId": "another"})
        make_role(aws, SECOND, "called-as", {"AWS": OWN_ROLE}, GETS_USERS, **by_machine)
        make_role(aws, SECOND, "another", {"AWS": role_arn(OWN, "somebody-else")}, LISTS_USERS)
        states = aws.client("stepfunctions")
        states.create_state_machine(name=NAME, definition=json.dumps(DEFINITION), roleArn=OWN_ROLE)
        yield aws
        states.delete_state_machine(stateMachineArn=MACHINE)


def execute(aws: LocalAws, role: str) -> dict[str, Any]:
    started = aws.client("stepfunctions").start_execution(
        stateMachineArn=MACHINE, name=str(uuid.uuid4()), input=json.dumps({"role": role})
    )
    return ended(aws, started["executionArn"])


def test_a_task_calls_as_the_role_of_its_credentials_and_in_its_account(members: LocalAws) -> None:
    members.forget_calls()

    output = json.loads(execute(members, role_arn(FIRST))["output"])

    assert output == {"users": ["alice"], "arn": f"arn:aws:sts::{FIRST}:assumed-role/called-as/{NAME}"}
    assert members.gate.calls_by_account() == {
        FIRST: {"iam:ListUsers": 1, "sts:AssumeRole": 1, "sts:GetCallerIdentity": 1}
    }


@pytest.mark.parametrize(
    "role",
    [
        pytest.param(role_arn(FIRST, "missing"), id="no-such-role"),
        pytest.param(role_arn(account_id(99)), id="no-such-account"),
        pytest.param(role_arn(FIRST, "not-allowed"), id="not-by-the-machines-role"),
        pytest.param(role_arn(FIRST, "another"), id="another-external-id"),
        pytest.param(role_arn(SECOND, "another"), id="trusts-another-role"),
        pytest.param(role_arn(SUSPENDED), id="suspended"),
    ],
)
def test_a_role_that_cannot_be_assumed_fails_the_task(members: LocalAws, role: str) -> None:
    execution = execute(members, role)

    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    assert execution["cause"] == f"The role {OWN_ROLE} is not authorized to assume the task state's role, {role}."


def test_what_the_role_may_not_iam_refuses(members: LocalAws) -> None:
    execution = execute(members, role_arn(SECOND))

    assert (execution["status"], execution["error"]) == ("FAILED", "Iam.IamException")
    assert execution["cause"].startswith(
        f"User: arn:aws:sts::{SECOND}:assumed-role/called-as/{NAME} is not authorized to perform: iam:ListUsers"
    )


@pytest.mark.parametrize(
    ("faults", "error", "cause"),
    [
        ({"sts": {"deny": True}}, "States.TaskFailed", "is not authorized to assume the task state's role"),
        ({"sts": {"throttle": 1}}, "States.TaskFailed", "Rate exceeded"),
        ({"sts": {"session_seconds": 0}}, "Iam.IamException", "The security token included in the request is expired"),
        ({"closes_after": 1}, "Iam.IamException", "The security token included in the request is invalid"),
    ],
)
def test_faults_of_an_account_reach_its_tasks(members: LocalAws, faults: Any, error: str, cause: str) -> None:
    members.inject(parse_faults(json.dumps({"accounts": {FIRST: faults}})))
    try:
        execution = execute(members, role_arn(FIRST))
    finally:
        members.inject(Faults())

    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert cause in execution["cause"]

"""Who may change which access key on the local AWS, what IAM refuses, and what goes wrong if it is made to."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.environment import LocalAws
from localaws.faults import Faults, parse_faults
from tests.support.executions import ended
from tests.support.organizations import (
    OWN,
    account_id,
    assume,
    client_of,
    deployed,
    make_role,
    member,
    organization,
)

THERE, ELSEWHERE = account_id(1), account_id(2)
KEYS = {name: f"AKIA{name.upper():0>16}" for name in ("alice", "bob", "carol", "dave", "eve")}
CREATED = "2026-01-01T00:00:00Z"
NAME = "changes-keys"
MACHINE = f"arn:aws:states:us-east-1:{OWN}:stateMachine:{NAME}"
OWN_ROLE = f"arn:aws:iam::{OWN}:role/{NAME}"
READS = {"Effect": "Allow", "Action": ["iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:GetUser"]}
READS_ALL = {**READS, "Resource": f"arn:aws:iam::{THERE}:user/*"}
CHANGES = {"Effect": "Allow", "Action": "iam:UpdateAccessKey", "Resource": f"arn:aws:iam::{THERE}:user/people/*"}
NEVER = {
    "Effect": "Deny",
    "Action": "iam:UpdateAccessKey",
    "Resource": "*",
    "Condition": {"Null": {"aws:ResourceTag/iam-key-age:never-deactivate": "false"}},
}
TAGGED = {**CHANGES, "Condition": {"StringEquals": {"aws:ResourceTag/iam-key-age:may-deactivate": "true"}}}
CAUGHT = {"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Refused"}
DEFINITION = {
    "QueryLanguage": "JSONata",
    "StartAt": "Change",
    "States": {
        "Change": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:iam:updateAccessKey",
            "Credentials": {"RoleArn": f"arn:aws:iam::{THERE}:role/changes"},
            "Arguments": "{% $states.input %}",
            "TimeoutSeconds": 20,
            "Catch": [CAUGHT],
            "Output": {},
            "End": True,
        },
        "Refused": {"Type": "Succeed"},
    },
}


def user(name: str, path: str = "/people/", **tags: str) -> dict[str, Any]:
    keys = [{"access_key_id": KEYS[name], "created_at": CREATED}]
    return {
        "user_name": name,
        "path": path,
        "tags": {f"iam-key-age:{tag}": value for tag, value in tags.items()},
        "access_keys": keys,
    }


@pytest.fixture(scope="module")
def accounts(aws: LocalAws) -> Iterator[LocalAws]:
    """An account with roles that may change its keys, and a machine that assumes one of them."""
    protected = {"Never-Deactivate": ""}
    members = [
        member(1, user("alice", **{"may-deactivate": "true"}), user("bob", **protected), user("carol", path="/jobs/")),
        member(2, user("dave")),
    ]
    anybody = {"AWS": f"arn:aws:iam::{OWN}:root"}
    may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    with deployed(aws, organization(*members)):
        make_role(aws, OWN, NAME, {"Service": "states.amazonaws.com"}, may)
        make_role(aws, THERE, "changes", anybody, READS_ALL, CHANGES, NEVER)
        make_role(aws, THERE, "changes-tagged", anybody, READS_ALL, TAGGED, NEVER)
        make_role(aws, THERE, "changes-any", anybody, {"Effect": "Allow", "Action": "iam:*", "Resource": "*"})
        states = aws.client("stepfunctions")
        states.create_state_machine(name=NAME, definition=json.dumps(DEFINITION), roleArn=OWN_ROLE)
        yield aws
        states.delete_state_machine(stateMachineArn=MACHINE)


@pytest.fixture(autouse=True)
def all_active(accounts: LocalAws) -> Iterator[None]:
    yield
    accounts.inject(Faults())
    for name in ("alice", "bob", "carol"):
        accounts.client("iam", THERE).update_access_key(UserName=name, AccessKeyId=KEYS[name], Status="Active")


def session(aws: LocalAws, role: str) -> Any:
    return client_of(aws, "iam", assume(aws.client("sts"), THERE, role))


def key_of(aws: LocalAws, name: str, of: str = THERE) -> dict[str, Any]:
    [key] = aws.client("iam", of).list_access_keys(UserName=name)["AccessKeyMetadata"]
    return dict(key)


def refusal(iam: Any, name: str, **more: str) -> tuple[str, str]:
    """Return with which code and words IAM refuses to deactivate the key of a user."""
    with pytest.raises(ClientError) as refused:
        iam.update_access_key(**{"UserName": name, "AccessKeyId": KEYS[name], "Status": "Inactive", **more})
    return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]


def change(aws: LocalAws, name: str) -> dict[str, Any]:
    """Let the machine deactivate the key of a user; return its output: nothing, or the error."""
    given = {"UserName": name, "AccessKeyId": KEYS[name], "Status": "Inactive"}
    started = aws.client("stepfunctions").start_execution(
        stateMachineArn=MACHINE, name=str(uuid.uuid4()), input=json.dumps(given)
    )
    return dict(json.loads(ended(aws, started["executionArn"])["output"]))


def test_a_key_keeps_its_age_when_its_status_changes(accounts: LocalAws) -> None:
    before = key_of(accounts, "alice")

    assert change(accounts, "alice") == {}

    after = key_of(accounts, "alice")
    assert (before["Status"], after["Status"]) == ("Active", "Inactive")
    assert before["CreateDate"] == after["CreateDate"]


def test_get_user_answers_with_the_tags_and_the_path(accounts: LocalAws) -> None:
    described = session(accounts, "changes").get_user(UserName="alice")["User"]

    assert described["Path"] == "/people/"
    assert described["Tags"] == [{"Key": "iam-key-age:may-deactivate", "Value": "true"}]


@pytest.mark.parametrize(
    ("role", "name", "why"),
    [
        ("changes", "bob", "with an explicit deny in an identity-based policy"),
        ("changes-tagged", "bob", "with an explicit deny in an identity-based policy"),
        ("changes", "carol", "because no identity-based policy allows the iam:UpdateAccessKey action"),
        ("changes-tagged", "carol", "because no identity-based policy allows the iam:UpdateAccessKey action"),
    ],
)
def test_iam_decides_by_the_path_and_the_tags_of_the_user(accounts: LocalAws, role: str, name: str, why: str) -> None:
    code, words = refusal(session(accounts, role), name)

    who = f"arn:aws:sts::{THERE}:assumed-role/{role}/iam-key-age"
    assert code == "AccessDenied"
    assert words == f"User: {who} is not authorized to perform: iam:UpdateAccessKey on resource: user {name} {why}"
    assert key_of(accounts, name)["Status"] == "Active"


def test_a_tag_decides_as_soon_as_it_is_there_and_until_it_is_taken_away(accounts: LocalAws) -> None:
    administrator, tag = accounts.client("iam", THERE), "IAM-key-age:never-deactivate"

    administrator.tag_user(UserName="alice", Tags=[{"Key": tag, "Value": ""}])
    code, _ = refusal(session(accounts, "changes"), "alice")
    administrator.untag_user(UserName="alice", TagKeys=[tag])
    session(accounts, "changes-tagged").update_access_key(
        UserName="alice", AccessKeyId=KEYS["alice"], Status="Inactive"
    )

    assert code == "AccessDenied"
    assert key_of(accounts, "alice")["Status"] == "Inactive"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"UserName": "nobody"}, "NoSuchEntity", "The user with name nobody cannot be found."),
        ({"AccessKeyId": KEYS["eve"]}, "NoSuchEntity", f"The Access Key with id {KEYS['eve']} cannot be found"),
        ({"AccessKeyId": KEYS["carol"]}, "NoSuchEntity", f"The Access Key with id {KEYS['carol']} cannot be found"),
        ({"AccessKeyId": KEYS["dave"]}, "NoSuchEntity", f"The Access Key with id {KEYS['dave']} cannot be found"),
        ({"Status": "inactive"}, "ValidationError", "Member must satisfy enum value set: [Active, Inactive, Expired]"),
    ],
)
def test_iam_refuses_what_it_does_not_know(accounts: LocalAws, given: Any, code: str, words: str) -> None:
    iam = session(accounts, "changes-any")

    refused, why = refusal(iam, "alice", **given)

    assert (refused, words in why) == (code, True), why
    assert key_of(accounts, "alice")["Status"] == key_of(accounts, "carol")["Status"] == "Active"
    assert key_of(accounts, "dave", ELSEWHERE)["Status"] == "Active"


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("update_access_key", {"AccessKeyId": KEYS["alice"], "Status": "Inactive"}),
        ("list_access_keys", {}),
        ("get_user", {}),
    ],
)
def test_a_role_has_to_name_the_user(accounts: LocalAws, operation: str, given: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="Must specify userName when calling with non-User credentials"):
        getattr(session(accounts, "changes-any"), operation)(**given)

    assert key_of(accounts, "alice")["Status"] == "Active"


def test_iam_does_not_know_the_last_use_of_another_accounts_key(accounts: LocalAws) -> None:
    with pytest.raises(ClientError, match="NoSuchEntity"):
        session(accounts, "changes").get_access_key_last_used(AccessKeyId=KEYS["dave"])


@pytest.mark.parametrize(
    ("faults", "error", "cause", "status"),
    [
        ({"deny": True}, "Iam.IamException", "with an explicit deny in a service control policy", "Active"),
        ({"throttle": 1}, "Iam.IamException", "Rate exceeded", "Active"),
        ({"time_out": 1}, "States.Timeout", "", "Active"),
        ({"lose": 1}, "States.Timeout", "", "Inactive"),
    ],
)
def test_a_change_fails_as_it_is_made_to(accounts: LocalAws, faults: Any, error: str, cause: str, status: str) -> None:
    accounts.inject(parse_faults(json.dumps({"accounts": {THERE: {"iam": {"update_access_key": faults}}}})))

    output = change(accounts, "alice")

    assert (output["Error"], cause in output["Cause"]) == (error, True)
    assert key_of(accounts, "alice")["Status"] == status


def test_only_the_first_changes_fail_and_others_accounts_do_not(accounts: LocalAws) -> None:
    once = {"iam": {"update_access_key": {"time_out": 1}}}
    accounts.inject(parse_faults(json.dumps({"accounts": {THERE: once, ELSEWHERE: once}})))

    outputs = [change(accounts, "alice") for _ in range(2)]

    assert [output.get("Error") for output in outputs] == ["States.Timeout", None]


def test_a_refusal_of_iam_has_its_name_in_a_state_machine(accounts: LocalAws) -> None:
    accounts.client("iam", THERE).create_user(UserName="eve", Path="/people/")
    try:
        output = change(accounts, "eve")
    finally:
        accounts.client("iam", THERE).delete_user(UserName="eve")

    assert output["Error"] == "Iam.NoSuchEntityException"
    assert output["Cause"].startswith(f"The Access Key with id {KEYS['eve']} cannot be found")

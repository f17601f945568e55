"""Keys of an organization's accounts deactivated and activated again, whole, each by the role in its own account."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from localaws.clients import CALLER_OF_THE_API, REGION
from localaws.environment import STACK, LocalAws
from localaws.faults import Faults, parse_faults
from localaws.moto_patches.wiring import Wiring
from localaws.scan_run import ScanResult
from localaws.sigv4 import SignedBy
from tests.support.deactivation import SETTINGS, Deactivation, Execution, key, key_id, skip_waits, user
from tests.support.organizations import OWN, account_id, deployed, member, organization

DEACTIVATOR = "iam-key-age-deactivator"
SOUND, WITHOUT_ROLE, OF_ANOTHER, CLOSED = (account_id(number) for number in (1, 2, 3, 4))
USED = user("used", key("used", used=0.5))
ACCOUNTS = organization(
    member(1, user("alice", path="/people/"), user("bob"), user("carol"), USED),
    member(2, user("erin")),
    member(3, user("frank")),
    member(4, user("grace"), user("heidi")),
    users=[user("ivan")],
)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stack(aws: LocalAws) -> Iterator[Deactivation]:
    """An organization in which the deactivator role is missing in one account, and trusts another machine in one."""
    with deployed(aws, ACCOUNTS, **SETTINGS):
        aws.client("cloudformation", WITHOUT_ROLE).update_stack(
            StackName=f"reader-of-{STACK}",
            UsePreviousTemplate=True,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in {"ScanningAccountId": OWN, "StackName": STACK, "Deactivation": "off"}.items()
            ],
        )
        iam = aws.client("iam", OF_ANOTHER)
        trust = iam.get_role(RoleName=DEACTIVATOR)["Role"]["AssumeRolePolicyDocument"]
        another = json.dumps(trust).replace("local-deactivation", "prod-deactivation")
        iam.update_assume_role_policy(RoleName=DEACTIVATOR, PolicyDocument=another)
        deactivation = Deactivation(aws)
        yield deactivation
        deactivation.forget()


@pytest.fixture(scope="module")
def plan(stack: Deactivation) -> ScanResult:
    """A full scan of the organization, while all accounts are active."""
    return stack.aws.scan("{}")


@pytest.fixture(autouse=True)
def as_before(
    stack: Deactivation,
    plan: ScanResult,  # noqa: ARG001  # the scan comes first
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    skip_waits(monkeypatch)
    closed = stack.aws.gate.closed
    yield
    stack.aws.gate.closed = closed
    stack.aws.inject(Faults())


def call(aws: LocalAws, method: str, path: str, body: Any = None) -> requests.Response:
    signed = SignedBy(*CALLER_OF_THE_API, REGION)
    return requests.request(method, f"{aws.api_url}{path}", json=body, auth=signed, timeout=30)


def status(aws: LocalAws, name: str, of: str) -> str:
    [one] = aws.client("iam", of).list_access_keys(UserName=name)["AccessKeyMetadata"]
    return str(one["Status"])


def record(aws: LocalAws, name: str, of: str) -> dict[str, Any] | None:
    """Return the first action of a user's key as the API has it, None for none."""
    found = call(aws, "GET", f"/actions/{of}-{key_id(name)}-1")
    return dict(found.json()) if found.status_code == requests.codes.ok else None


def apply(stack: Deactivation, plan: ScanResult, *names: str) -> Execution:
    """Deactivate the keys of these users, whatever was approved before."""
    return stack.ended(stack.start(scan_id=plan.scan_id, access_key_ids=[key_id(name) for name in names]))


def test_the_plan_has_the_keys_of_all_accounts_by_their_accounts(plan: ScanResult) -> None:
    due = {
        (finding["account_id"], finding["user_name"])
        for finding in plan.report["findings"]
        if "plan" in finding and not finding["plan"]["holds"]
    }

    assert (plan.status, plan.report["plan"]["mode"]) == ("SUCCEEDED", "apply")
    assert due == {
        (one.account_id, who.user_name)
        for one in ACCOUNTS.all_accounts()
        for who in one.users
        if who.user_name != "used"
    }


def test_an_approved_key_of_a_member_is_deactivated_by_the_role_there_and_activated_again(
    stack: Deactivation, plan: ScanResult
) -> None:
    aws = stack.aws
    aws.forget_calls()

    approved = call(aws, "POST", f"/scan/{plan.scan_id}/plan/approve", {"access_key_ids": [key_id("alice")]})
    execution = stack.ended(approved.json()["execution_arn"])

    assert approved.status_code == requests.codes.accepted, approved.text
    assert (execution.status, execution.result[0]) == ("SUCCEEDED", "done")
    assert [status(aws, name, SOUND) for name in ("alice", "bob", "used")] == ["Inactive", "Active", "Active"]
    assert aws.gate.calls_by_account()[SOUND] == {
        "iam:GetAccessKeyLastUsed": 1,
        "iam:GetUser": 1,
        "iam:ListAccessKeys": 1,
        "iam:UpdateAccessKey": 1,
        "sts:AssumeRole": 1,
    }
    assert "iam:UpdateAccessKey" not in aws.gate.calls_by_account()[OWN]
    action = record(aws, "alice", SOUND)
    assert action
    assert (action["state"], action["account_id"], action["user_name"]) == ("done", SOUND, "alice")
    assert action["approved_by"] == approved.json()["approved_by"]

    undone = call(aws, "POST", f"/actions/{action['action_id']}/undo")
    again = stack.ended(undone.json()["execution_arn"])

    assert (again.status, again.result[0]) == ("SUCCEEDED", "done")
    assert status(aws, "alice", SOUND) == "Active"
    assert (record(aws, "alice", SOUND) or {})["undo"]["state"] == "done"


def test_a_key_of_the_management_account_is_deactivated_by_the_role_there(
    stack: Deactivation, plan: ScanResult
) -> None:
    execution = apply(stack, plan, "ivan")

    assert (execution.status, execution.result[0]) == ("SUCCEEDED", "done")
    assert status(stack.aws, "ivan", OWN) == "Inactive"


@pytest.mark.parametrize(("name", "of"), [("erin", WITHOUT_ROLE), ("frank", OF_ANOTHER)])
def test_a_key_is_left_alone_where_the_role_is_missing_or_trusts_another_machine(
    stack: Deactivation, plan: ScanResult, name: str, of: str
) -> None:
    execution = apply(stack, plan, name)

    result, why = execution.result
    assert (execution.status, result) == ("SUCCEEDED", "held")
    assert "is not authorized to assume the task state's role" in why
    assert f"arn:aws:iam::{of}:role/{DEACTIVATOR}" in why
    assert status(stack.aws, name, of) == "Active"
    assert record(stack.aws, name, of) is None


def test_a_key_is_left_alone_where_the_account_was_closed_since_the_scan(stack: Deactivation, plan: ScanResult) -> None:
    stack.aws.gate.closed |= {CLOSED}

    execution = apply(stack, plan, "grace")

    result, why = execution.result
    assert (execution.status, result) == ("SUCCEEDED", "held")
    assert "is not authorized to assume the task state's role" in why
    assert status(stack.aws, "grace", CLOSED) == "Active"
    assert record(stack.aws, "grace", CLOSED) is None


def test_one_account_that_refuses_keeps_no_other_from_its_turn(stack: Deactivation, plan: ScanResult) -> None:
    execution = apply(stack, plan, "erin", "bob", "frank")

    assert [(one["user_name"], one["result"]) for one in execution.results] == [
        ("erin", "held"),
        ("bob", "done"),
        ("frank", "held"),
    ]
    assert status(stack.aws, "bob", SOUND) == "Inactive"


def test_iam_itself_refuses_a_user_who_is_protected_right_after_the_check(
    stack: Deactivation, plan: ScanResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke, iam = Wiring.current.invoke, stack.aws.client("iam", SOUND)

    def protect_once_checked(function: Any, event: str) -> tuple[str, bool]:
        answer = invoke(function, event)
        if json.loads(event).get("step") == "check":
            iam.tag_user(UserName="carol", Tags=[{"Key": "iam-key-age:never-deactivate", "Value": ""}])
        return answer

    monkeypatch.setattr(Wiring.current, "invoke", protect_once_checked)
    execution = apply(stack, plan, "carol")

    result, why = execution.result
    assert (execution.status, result) == ("SUCCEEDED", "failed")
    assert f"arn:aws:sts::{SOUND}:assumed-role/{DEACTIVATOR}/" in why
    assert "with an explicit deny in an identity-based policy" in why
    assert status(stack.aws, "carol", SOUND) == "Active"
    assert (record(stack.aws, "carol", SOUND) or {})["state"] == "failed"


def test_nothing_is_done_where_the_account_was_closed_after_the_check(stack: Deactivation, plan: ScanResult) -> None:
    # ListAccessKeys, GetAccessKeyLastUsed and GetUser, after AssumeRole
    stack.aws.inject(parse_faults(json.dumps({"accounts": {CLOSED: {"closes_after": 4}}})))

    execution = apply(stack, plan, "heidi")

    assert execution.status == "SUCCEEDED"
    assert execution.result[0] in ("failed", "unknown")
    assert "The security token included in the request is invalid" in execution.result[1]
    assert status(stack.aws, "heidi", CLOSED) == "Active"
    assert (record(stack.aws, "heidi", CLOSED) or {})["state"] == execution.result[0]

"""What the roles of a stack may by Deactivation and DeactivationApproval, and who may change a key of whom."""

import json
import re
from typing import Any

import pytest

from deploy.template import read_resources
from tests.stack.deactivation_tables import (
    ACTION,
    DEACTIVATION_LOG_STREAM,
    DEACTIVATION_MACHINE,
    NEW_ROLES,
    OWN_DEACTIVATOR,
    calls,
    may,
)
from tests.stack.role_tables import DELIVERY, LOGS, TRACES_OF_STEP_FUNCTIONS, allowed, documents_of, unused
from tests.stack.test_deactivation import APPLIED_IN, DEACTIVATION_TASKS
from tests.stack.test_member_role import KNOWN as OF_MEMBER
from tests.stack.test_template import STACK, actions
from tests.stack.test_template_security import ACCOUNT, OTHER_ACCOUNT, STATES
from tests.support.cloudformation import exists, resolve
from tests.support.iam_policies import allows
from tests.support.member_stackset import ROLE

MEMBER_TEMPLATE = read_resources(ROLE)
MODES = [(mode, approval) for mode in ("off", "plan", "apply") for approval in ("required", "none")]
NOT_IN_TABLES = {"ApiGatewayRole", "DeactivatorRole"}  # of AWS's own policy; with conditions, and below


def known(accounts: str, mode: str, approval: str = "required") -> dict[str, str]:
    parameters = {"Accounts": accounts, "Deactivation": mode, "DeactivationApproval": approval}
    return {**STACK, **parameters, "UsageEvidence": "on", "ApiGatewayLogsRole": "create"}


def roles(whole: dict[str, Any], parameters: dict[str, str]) -> set[str]:
    """The roles that the stack has by its parameters."""
    parts = {name: part for name, part in whole["Resources"].items() if part["Type"] == "AWS::IAM::Role"}
    return {name for name, part in parts.items() if exists(whole, part, parameters)}


def documents(whole: dict[str, Any], role: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
    more = {"DeactivatorRole.Arn": OWN_DEACTIVATOR, "DeactivationUserPath": "/", "DeactivationScope": "all"}
    return documents_of(whole, role, **{**more, **parameters})


@pytest.mark.parametrize("accounts", ["", "organization"])
@pytest.mark.parametrize(("mode", "approval"), MODES)
def test_each_role_may_call_what_it_is_for_and_nothing_else(
    whole: dict[str, Any], accounts: str, mode: str, approval: str
) -> None:
    parameters = known(accounts, mode, approval)
    there = roles(whole, parameters) - NOT_IN_TABLES

    assert bool(there & NEW_ROLES) is (mode == "apply")
    for role in there:
        of_role, wanted = documents(whole, role, parameters), may(role, accounts, mode, approval)
        assert allowed(of_role, calls(role, accounts)) == wanted, role
        assert unused(of_role, wanted) == [], role


@pytest.mark.parametrize("accounts", ["", "organization"])
def test_a_stack_that_only_plans_has_the_roles_and_the_permissions_of_one_that_does_not(
    whole: dict[str, Any], accounts: str
) -> None:
    off, plan = known(accounts, "off"), known(accounts, "plan", "none")

    assert roles(whole, plan) == roles(whole, off)
    for role in roles(whole, off) - NOT_IN_TABLES:
        assert documents(whole, role, plan) == documents(whole, role, off)


@pytest.mark.parametrize("accounts", ["", "organization"])
@pytest.mark.parametrize(("mode", "approval"), MODES)
def test_one_role_alone_can_write_to_iam_and_only_where_the_stack_deactivates_in_its_own_account(
    whole: dict[str, Any], accounts: str, mode: str, approval: str
) -> None:
    parameters = known(accounts, mode, approval)

    granted = {
        role: {
            action
            for document in documents(whole, role, parameters)
            for statement in document["Statement"]
            for action in actions(statement)
            if statement["Effect"] == "Allow" and not re.match(r"(?!iam:|\*)|iam:(Get|List)", action)
        }
        for role in roles(whole, parameters) - {"ApiGatewayRole"}
    }

    here = mode == "apply" and not accounts
    assert {role: some for role, some in granted.items() if some} == (
        {"DeactivatorRole": {"iam:UpdateAccessKey"}} if here else {}
    )


def test_no_function_and_no_state_machine_can_assume_a_deactivator_but_the_one_of_deactivations(
    whole: dict[str, Any],
) -> None:
    for accounts in ("", "organization"):
        parameters = known(accounts, "apply", "none")
        [wanted] = {arn for action, arn in may("ApplyPlansRole", accounts, "apply", "none") if "Assume" in action}
        able = [
            role
            for role in roles(whole, parameters) - NOT_IN_TABLES
            if allowed(documents(whole, role, parameters), [("sts:AssumeRole", wanted)])
        ]
        assert able == ["ApplyPlansRole"]


# The role that changes keys: the stack's own, and that of an account of an organization.


def deactivator(whole: dict[str, Any], where: str, **parameters: str) -> dict[str, Any]:
    template, names = (whole, known("", "apply")) if where == "stack" else (MEMBER_TEMPLATE, OF_MEMBER)
    own = {"ApplyPlansRole.Arn": MACHINES_ROLE, "AWS::Region": "eu-central-1", "RolePath": "/security/"}
    defaults = {"DeactivationScope": "all", "DeactivationUserPath": "/", "PermissionsBoundaryArn": ""}
    of_member = {"ScannerRegion": "eu-central-1", "DeactivatorRoleName": "iam-key-age-deactivator"}
    more = {**own, **defaults, **of_member, **parameters}
    properties: dict[str, Any] = resolve(
        template, template["Resources"]["DeactivatorRole"]["Properties"], {**names, "AWS::AccountId": ACCOUNT, **more}
    )
    return properties


MACHINES_ROLE = f"arn:aws:iam::{ACCOUNT}:role/iam-key-age-prod-ApplyPlansRole-1A2B3C4D5E6F"
WHERE = pytest.mark.parametrize("where", ["stack", "member"])
PROTECTED, ALLOWED = "aws:ResourceTag/iam-key-age:never-deactivate", "aws:ResourceTag/iam-key-age:may-deactivate"


@WHERE
@pytest.mark.parametrize(
    ("parameters", "user", "changes"),
    [  # a user by path and name, as in the ARN, and the tags
        ({}, ("alice", {}), True),
        ({}, ("a/path/bob", {}), True),
        ({}, ("alice", {PROTECTED: "true"}), False),
        ({}, ("alice", {PROTECTED: ""}), False),
        ({}, ("alice", {PROTECTED.replace("iam-key", "IAM-Key"): "no"}), False),  # IAM knows no case in a tag's name
        ({}, ("alice", {f"{PROTECTED}-other": "true"}), True),
        ({"DeactivationUserPath": "/people/"}, ("people/alice", {}), True),
        ({"DeactivationUserPath": "/people/"}, ("people/berlin/alice", {}), True),
        ({"DeactivationUserPath": "/people/"}, ("alice", {}), False),
        ({"DeactivationUserPath": "/people/"}, ("people", {}), False),
        ({"DeactivationUserPath": "/people/"}, ("peoples/alice", {}), False),
        ({"DeactivationUserPath": "/people/"}, ("other/people/alice", {}), False),
        ({"DeactivationUserPath": "/people/"}, ("people/alice", {PROTECTED: "x"}), False),
        ({"DeactivationScope": "tagged"}, ("alice", {}), False),
        ({"DeactivationScope": "tagged"}, ("alice", {ALLOWED: "true"}), True),
        ({"DeactivationScope": "tagged"}, ("alice", {ALLOWED: "True"}), False),
        ({"DeactivationScope": "tagged"}, ("alice", {ALLOWED: "false"}), False),
        ({"DeactivationScope": "tagged"}, ("alice", {ALLOWED: "true", PROTECTED: "x"}), False),
        ({"DeactivationScope": "all"}, ("alice", {ALLOWED: "false"}), True),
    ],
)
def test_a_key_can_be_changed_by_its_users_path_and_tags(
    whole: dict[str, Any], where: str, parameters: dict[str, str], user: tuple[str, dict[str, str]], changes: bool
) -> None:
    [policy] = deactivator(whole, where, **parameters)["Policies"]
    arn, tags = f"arn:aws:iam::{ACCOUNT}:user/{user[0]}", user[1]

    assert allows(policy["PolicyDocument"], "iam:UpdateAccessKey", arn, **tags) is changes
    for action in ("ListAccessKeys", "GetAccessKeyLastUsed", "GetUser"):  # whoever is held is asked about, too
        assert allows(policy["PolicyDocument"], f"iam:{action}", arn, **tags)


@WHERE
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        *((f"iam:{action}AccessKey", f"arn:aws:iam::{ACCOUNT}:user/alice") for action in ("Create", "Delete")),
        *((f"iam:{action}User", f"arn:aws:iam::{ACCOUNT}:user/alice") for action in ("Update", "Delete", "Tag")),
        *(("iam:UntagUser", f"arn:aws:iam::{ACCOUNT}:user/alice"), ("iam:ListUsers", "*")),
        ("iam:UpdateAccessKey", f"arn:aws:iam::{OTHER_ACCOUNT}:user/alice"),
        ("iam:UpdateAccessKey", f"arn:aws:iam::{ACCOUNT}:role/alice"),
        ("iam:UpdateAccessKey", f"arn:aws:iam::{ACCOUNT}:root"),
        ("sts:AssumeRole", OWN_DEACTIVATOR),
        ("s3:GetObject", ACTION),
    ],
)
def test_the_role_that_changes_keys_can_do_nothing_else(
    whole: dict[str, Any], where: str, action: str, resource: str
) -> None:
    [policy] = deactivator(whole, where)["Policies"]

    assert not allows(policy["PolicyDocument"], action, resource)


def trusts(whole: dict[str, Any], where: str, principal: str, external_id: str | None, **parameters: str) -> bool:
    context = {"aws__PrincipalArn": principal} | ({} if external_id is None else {"sts__ExternalId": external_id})
    trust = deactivator(whole, where, **parameters)["AssumeRolePolicyDocument"]
    return allows(trust, "sts:AssumeRole", principal=principal, **context)


@WHERE
@pytest.mark.parametrize(
    ("principal", "external_id", "trusted"),
    [
        (MACHINES_ROLE, DEACTIVATION_MACHINE, True),
        (MACHINES_ROLE, None, False),
        (MACHINES_ROLE, "iam-key-age", False),
        (MACHINES_ROLE, DEACTIVATION_MACHINE.removesuffix("-deactivation"), False),
        (MACHINES_ROLE, DEACTIVATION_MACHINE.replace("eu-central-1", "us-east-1"), False),
        (MACHINES_ROLE, DEACTIVATION_MACHINE.replace(ACCOUNT, OTHER_ACCOUNT), False),
        (MACHINES_ROLE, f"{DEACTIVATION_MACHINE}/label", False),
        (MACHINES_ROLE.replace(ACCOUNT, OTHER_ACCOUNT), DEACTIVATION_MACHINE, False),
        (MACHINES_ROLE.replace("ApplyPlans", "ScanAccount"), DEACTIVATION_MACHINE, False),
        (MACHINES_ROLE.replace("ApplyPlans", "CheckDeactivation"), DEACTIVATION_MACHINE, False),
        (MACHINES_ROLE.replace("ApplyPlans", "ApiHandler"), DEACTIVATION_MACHINE, False),
        (MACHINES_ROLE.replace("prod", "dev"), DEACTIVATION_MACHINE, False),
        (MACHINES_ROLE.replace("role/", "role/team/"), DEACTIVATION_MACHINE, False),
        (f"{MACHINES_ROLE}/admin", DEACTIVATION_MACHINE, False),
        (f"arn:aws:iam::{ACCOUNT}:user/admin", DEACTIVATION_MACHINE, False),
        (f"arn:aws:iam::{ACCOUNT}:root", DEACTIVATION_MACHINE, False),
    ],
)
def test_the_role_that_changes_keys_trusts_the_machine_of_deactivations_alone(
    whole: dict[str, Any], where: str, principal: str, external_id: str | None, trusted: bool
) -> None:
    assert trusts(whole, where, principal, external_id) is trusted


def test_the_member_trusts_the_machine_of_the_scanners_region_which_is_its_own_unless_it_is_given(
    whole: dict[str, Any],
) -> None:
    there = DEACTIVATION_MACHINE.replace("eu-central-1", "us-gov-west-1")

    assert trusts(whole, "member", MACHINES_ROLE, there, ScannerRegion="us-gov-west-1")
    assert not trusts(whole, "member", MACHINES_ROLE, DEACTIVATION_MACHINE, ScannerRegion="us-gov-west-1")
    assert trusts(whole, "member", MACHINES_ROLE, DEACTIVATION_MACHINE, ScannerRegion="")


def test_the_role_in_a_member_account_may_what_the_stacks_own_may(whole: dict[str, Any]) -> None:
    own = whole["Resources"]["DeactivatorRole"]["Properties"]
    [member] = MEMBER_TEMPLATE["Resources"]["DeactivatorRole"]["Properties"]["Policies"]

    assert own["Policies"] == [member]
    assert MEMBER_TEMPLATE["Conditions"]["DeactivatesTaggedOnly"] == whole["Conditions"]["DeactivatesTaggedOnly"]


@pytest.mark.parametrize(("wanted", "there"), [("off", False), ("apply", True)])
def test_a_member_account_has_the_role_only_where_the_stage_deactivates(wanted: str, there: bool) -> None:
    part = MEMBER_TEMPLATE["Resources"]["DeactivatorRole"]

    assert MEMBER_TEMPLATE["Parameters"]["Deactivation"]["Default"] == "off"
    assert exists(MEMBER_TEMPLATE, part, {"Deactivation": wanted}) is there
    assert MEMBER_TEMPLATE["Outputs"]["DeactivatorRoleArn"]["Condition"] == part["Condition"]


@WHERE
def test_the_role_that_changes_keys_has_the_boundary_that_the_account_asks_for(
    whole: dict[str, Any], where: str
) -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"

    assert "PermissionsBoundary" not in deactivator(whole, where)
    assert deactivator(whole, where, PermissionsBoundaryArn=boundary)["PermissionsBoundary"] == boundary
    assert deactivator(whole, where).get("Path", "") == ("/security/" if where == "stack" else "")


# The function, and the role of the state machine.


def test_a_record_can_be_written_once(whole: dict[str, Any]) -> None:
    own, *_ = documents(whole, "CheckDeactivationRole", known("", "apply"))

    assert allows(own, "s3:PutObject", ACTION, **{"s3__if-none-match": "*"})
    assert not allows(own, "s3:PutObject", ACTION)


@pytest.mark.parametrize(
    ("source", "account", "trusted"),
    [
        ("stateMachine:iam-key-age-prod-deactivation", ACCOUNT, True),
        ("stateMachine:iam-key-age-prod-deactivation", OTHER_ACCOUNT, False),
        ("stateMachine:iam-key-age-prod", ACCOUNT, False),
        ("stateMachine:iam-key-age-prod-organization", ACCOUNT, False),
        ("stateMachine:iam-key-age-prod-deactivation/label", ACCOUNT, False),
        ("stateMachine:iam-key-age-prod-deactivation-other", ACCOUNT, False),
    ],
)
def test_step_functions_assumes_the_machines_role_for_it_alone(
    whole: dict[str, Any], source: str, account: str, trusted: bool
) -> None:
    role = whole["Resources"]["ApplyPlansRole"]["Properties"]
    document = resolve(whole, role["AssumeRolePolicyDocument"], STACK)
    context = {"aws__SourceAccount": account, "aws__SourceArn": f"{STATES}:{source}"}

    assert allows(document, "sts:AssumeRole", principal="states.amazonaws.com", **context) is trusted
    assert not allows(document, "sts:AssumeRole", principal="lambda.amazonaws.com", **context)


@pytest.mark.parametrize("event_bus", ["", "default"])
@pytest.mark.parametrize("accounts", ["", "organization"])
def test_the_roles_grant_what_the_machines_tasks_call(whole: dict[str, Any], accounts: str, event_bus: str) -> None:
    by_deactivator, by_machine = set[str](), {"sts:AssumeRole"}
    for task in DEACTIVATION_TASKS.values():
        service, operation = task["Resource"].split(":")[-2:]
        action = f"{service}:{operation[0].upper()}{operation[1:]}".replace("lambda:Invoke", "lambda:InvokeFunction")
        (by_deactivator if "Credentials" in task else by_machine).add(action)
    [policy] = deactivator(whole, "stack")["Policies"]
    of_machine = documents(whole, "ApplyPlansRole", {**known(accounts, "apply"), "EventBus": event_bus})

    granted = {action for document in of_machine for one in document["Statement"] for action in actions(one)}
    of_observing = LOGS | DELIVERY | TRACES_OF_STEP_FUNCTIONS | {"kms:Decrypt", "kms:GenerateDataKey"}

    assert set().union(*map(actions, policy["PolicyDocument"]["Statement"])) == by_deactivator
    assert granted - of_observing == by_machine - (set() if event_bus else {"events:PutEvents"})


def test_a_star_for_the_resource_is_only_where_aws_has_no_resource_or_refuses(whole: dict[str, Any]) -> None:
    with_star = {
        statement["Sid"]
        for role in NEW_ROLES
        for document in documents(whole, role, known("", "apply"))
        for statement in document["Statement"]
        if statement["Resource"] == "*"
    }

    assert with_star == {"WriteTraces", "ConfigureLogDelivery", "SpareProtectedUsers"}


@pytest.mark.parametrize("stage", ["prod", "x" * 25])
def test_no_name_that_a_policy_names_is_cut_by_cloudformation(whole: dict[str, Any], stage: str) -> None:
    """It ends a name that it makes up with 12 characters, and cuts one of more than 64."""
    parameters = {**APPLIED_IN[""], "AWS::StackName": f"iam-key-age-{stage}"}
    function = resolve(whole, whole["Resources"]["CheckDeactivation"]["Properties"]["FunctionName"], parameters)
    group = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/{function}:log-stream:x"
    of_machine = DEACTIVATION_LOG_STREAM.replace("prod", stage)

    assert len(function) <= 64
    assert allowed(documents(whole, "CheckDeactivationRole", parameters), [("logs:PutLogEvents", group)])
    assert allowed(documents(whole, "ApplyPlansRole", parameters), [("logs:PutLogEvents", of_machine)])
    assert len(f"iam-key-age-{'x' * 23}-ApplyPlansRole-1A2B3C4D5E6F") <= 64  # the longest stage of an organization


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("accounts", ["", "organization"])
def test_every_arn_in_a_policy_is_of_the_partition(whole: dict[str, Any], partition: str, accounts: str) -> None:
    arns = {f"{name}.Arn": f"arn:{partition}:x:::{name}" for name in whole["Resources"]}
    of_it = {"AWS::Partition": partition, "KmsKeyArn": f"arn:{partition}:kms:::key/x"}
    parameters = {**known(accounts, "apply", "none"), **arns, **of_it, "NotificationsTopic": f"arn:{partition}:x"}

    for role in roles(whole, parameters) & NEW_ROLES:
        text = json.dumps(documents(whole, role, parameters))
        assert set(re.findall(r"arn:([\w-]+):", text)) == {partition}, role

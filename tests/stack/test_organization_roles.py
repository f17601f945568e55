"""What the roles of a stack that scans an organization may call, and whom they trust."""

import json
import re
from typing import Any

import pytest

from tests.stack.role_tables import (
    CALLS,
    CALLS_FOR_ORGANIZATION,
    MAY,
    MAY_FOR_ORGANIZATION,
    NEW_ROLES,
    OF_ORGANIZATION,
    allowed,
    documents_of,
    unused,
)
from tests.stack.test_template import OF_ORGANIZATION as STACK
from tests.stack.test_template import ORGANIZATION_TASKS, actions
from tests.stack.test_template_security import ACCOUNT, OTHER_ACCOUNT, STATES
from tests.support.cloudformation import resolve
from tests.support.iam_policies import allows


def documents(whole: dict[str, Any], role: str) -> list[dict[str, Any]]:
    return documents_of(whole, role, Accounts="organization")


@pytest.mark.parametrize("role", MAY_FOR_ORGANIZATION)
def test_a_role_may_call_what_it_is_for_and_nothing_else(whole: dict[str, Any], role: str) -> None:
    assert allowed(documents(whole, role), CALLS_FOR_ORGANIZATION) == MAY.get(role, set()) | MAY_FOR_ORGANIZATION[role]


@pytest.mark.parametrize("role", MAY_FOR_ORGANIZATION)
def test_every_statement_of_the_roles_is_in_the_table(whole: dict[str, Any], role: str) -> None:
    assert unused(documents(whole, role), MAY.get(role, set()) | MAY_FOR_ORGANIZATION[role]) == []


@pytest.mark.parametrize("role", sorted(MAY.keys() - MAY_FOR_ORGANIZATION.keys()))
def test_every_other_role_may_what_it_may_without_an_organization(
    whole: dict[str, Any], template: dict[str, Any], role: str
) -> None:
    assert documents(whole, role) == documents_of(template, role)
    assert allowed(documents(whole, role), CALLS) == MAY[role]


@pytest.mark.parametrize("accounts", ["111122223333", "s3://reports/organization/accounts.txt"])
def test_organizations_may_be_asked_only_where_the_stack_scans_a_whole_organization(
    whole: dict[str, Any], accounts: str
) -> None:
    wanted = MAY_FOR_ORGANIZATION["ListAccountsRole"] - {("organizations:ListAccounts", "*")}

    of_role = documents_of(whole, "ListAccountsRole", Accounts=accounts)

    assert allowed(of_role, CALLS_FOR_ORGANIZATION) == wanted


@pytest.mark.parametrize("function", OF_ORGANIZATION)
def test_each_function_has_a_role_of_its_own(whole: dict[str, Any], function: str) -> None:
    parts = whole["Resources"]

    assert parts[function]["Properties"]["Role"] == {"Fn::GetAtt": [f"{function}Role", "Arn"]}
    assert "ManagedPolicyArns" not in parts[f"{function}Role"]["Properties"]
    assert parts[f"{function}Role"]["Properties"]["Path"] == {"Ref": "RolePath"}
    assert "PermissionsBoundary" in parts[f"{function}Role"]["Properties"]


def test_a_star_for_the_resource_is_only_where_aws_has_no_resource(whole: dict[str, Any]) -> None:
    with_star = {
        statement["Sid"]
        for role in NEW_ROLES
        for document in documents(whole, role)
        for statement in document["Statement"]
        if statement["Resource"] == "*"
    }

    assert with_star == {"ListAccounts", "WriteTraces", "ConfigureLogDelivery"}


def test_the_log_group_that_a_functions_role_names_is_the_functions(whole: dict[str, Any]) -> None:
    """CloudFormation ends a name that it makes up, and cuts one of more than 64 characters."""
    for function in OF_ORGANIZATION:
        part = whole["Resources"][function]["Properties"]
        name = resolve(whole, part.get("FunctionName", ""), STACK) or f"iam-key-age-prod-{function}-1A2B3C4D5E6F"
        longest = resolve(
            whole,
            part.get("FunctionName", f"iam-key-age-{'x' * 25}-{function}-1A2B3C4D5E6F"),
            {**STACK, "AWS::StackName": f"iam-key-age-{'x' * 25}"},
        )
        group = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/{name}:log-stream:x"

        assert allowed(documents(whole, f"{function}Role"), [("logs:PutLogEvents", group)])
        assert len(longest) <= 64


def test_the_state_machines_role_grants_what_its_tasks_call(whole: dict[str, Any]) -> None:
    called = {"lambda:InvokeFunction", "s3:GetObject"}  # the second is of the map's ItemReader
    for task in ORGANIZATION_TASKS.values():
        if match := re.search(r"aws-sdk:(\w+):(\w)(\w+)$", task["Resource"]):
            called.add(f"{match[1]}:{match[2].upper()}{match[3]}")
    of_the_map = {f"states:{action}Execution" for action in ("Start", "Describe", "Redrive")}

    own, *_ = documents(whole, "OrganizationScanRole")
    granted = set().union(*map(actions, own["Statement"]))

    assert {one for one in granted if not one.startswith(("logs:", "xray:"))} == called | of_the_map


@pytest.mark.parametrize(
    ("source", "account", "trusts"),
    [
        ("stateMachine:iam-key-age-prod-organization", ACCOUNT, True),
        ("stateMachine:iam-key-age-prod-organization/label", ACCOUNT, True),
        ("stateMachine:iam-key-age-prod-organization", OTHER_ACCOUNT, False),
        ("stateMachine:iam-key-age-prod", ACCOUNT, False),
        ("stateMachine:iam-key-age-prod-organization-other", ACCOUNT, False),
    ],
)
def test_step_functions_assumes_the_machines_role_for_it_and_its_children_alone(
    whole: dict[str, Any], source: str, account: str, trusts: bool
) -> None:
    role = whole["Resources"]["OrganizationScanRole"]["Properties"]
    document = resolve(whole, role["AssumeRolePolicyDocument"], STACK)
    context = {"aws__SourceAccount": account, "aws__SourceArn": f"{STATES}:{source}"}

    assert allows(document, "sts:AssumeRole", principal="states.amazonaws.com", **context) is trusts
    assert not allows(document, "sts:AssumeRole", principal="lambda.amazonaws.com", **context)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_every_arn_in_a_policy_is_of_the_partition(whole: dict[str, Any], partition: str) -> None:
    arns = {f"{name}.Arn": f"arn:{partition}:x:::{name}" for name in whole["Resources"]}
    known = {"AWS::Partition": partition, "Accounts": "organization", "KmsKeyArn": f"arn:{partition}:kms:::key/x"}
    for role in NEW_ROLES:
        text = json.dumps(documents_of(whole, role, **{**arns, **known, "NotificationsTopic": f"arn:{partition}:x"}))
        assert set(re.findall(r"arn:([\w-]+):", text)) == {partition}, role

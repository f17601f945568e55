"""What the roles of the stack may call, where the account has a key or a permissions boundary, too."""

import json
import re
from collections import defaultdict
from typing import Any

import pytest

from tests.stack.role_tables import (
    CALLS,
    DELIVERY,
    LOGS,
    MAY,
    OF_ALL_USERS,
    OF_CLOUDTRAIL,
    OF_NAMED_USERS,
    ON,
    TRACES,
    TRACES_OF_STEP_FUNCTIONS,
    allowed,
    documents_of,
    unused,
)
from tests.stack.test_template import STACK, TASKS, actions, transformed_by_sam
from tests.stack.test_template_parameters import KEY
from tests.support.cloudformation import resolve


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def resources(statement: dict[str, Any]) -> list[Any]:
    return statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]


@pytest.mark.parametrize(
    ("function", "role", "granted"),
    [
        ("ScheduledScan", "ScheduledScanRole", {"states:StartExecution"}),
        (
            "APIHandler",
            "ApiHandlerRole",
            {
                "states:StartExecution",
                "states:ListExecutions",
                "states:DescribeExecution",
                "s3:GetObject",
                "s3:ListBucket",
            },
        ),
        ("ReadPolicy", "ReadPolicyRole", set()),
        ("ReadAccount", "ReadAccountRole", {"s3:PutObject", *OF_ALL_USERS, *OF_NAMED_USERS}),
        ("ValidateKeys", "ValidateKeysRole", {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}),
        (
            "LookUpUsage",
            "LookUpUsageRole",
            {"cloudtrail:LookupEvents", "s3:GetObject", "s3:PutObject", "s3:ListBucket"},
        ),
        ("BuildReport", "BuildReportRole", {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}),
    ],
)
def test_each_function_has_a_role_of_its_own_with_what_its_code_calls(
    template: dict[str, Any], function: str, role: str, granted: set[str]
) -> None:
    properties = template["Resources"][role]["Properties"]

    assert template["Resources"][function]["Properties"]["Role"] == {"Fn::GetAtt": [role, "Arn"]}
    assert set().union(*map(actions, statements(properties))) == granted | LOGS | TRACES
    assert "ManagedPolicyArns" not in properties
    for statement in statements(properties):
        assert ("*" in resources(statement)) is (actions(statement) in (TRACES, OF_ALL_USERS, OF_CLOUDTRAIL))
        if actions(statement) == LOGS:
            assert f"/${{AWS::StackName}}-{function}-*" in json.dumps(statement["Resource"])


def test_the_state_machines_role_grants_what_its_tasks_call(template: dict[str, Any]) -> None:
    parts = template["Resources"]
    by_sid = {one["Sid"]: one for one in statements(parts["ScanStateMachineRole"]["Properties"])}
    assert parts["ScanStateMachine"]["Properties"]["Role"] == {"Fn::GetAtt": ["ScanStateMachineRole", "Arn"]}

    called = {"lambda:InvokeFunction"}
    for task in TASKS.values():
        if match := re.search(r"aws-sdk:(\w+):(\w)(\w+)$", task["Resource"]):
            called.add(f"{match[1]}:{match[2].upper()}{match[3]}")
    of_the_map = {f"states:{action}Execution" for action in ("Start", "Describe", "Redrive")}

    of_observing = LOGS | DELIVERY | TRACES_OF_STEP_FUNCTIONS
    assert set().union(*map(actions, by_sid.values())) == called | of_the_map | of_observing
    assert [sid for sid, statement in by_sid.items() if "*" in resources(statement)] == [
        "ListUsers",
        "ConfigureLogDelivery",
        "WriteTraces",
    ]
    assert actions(by_sid["ConfigureLogDelivery"]) == DELIVERY
    assert set(actions(by_sid["ListUsers"])) == {"iam:ListUsers"}
    assert by_sid["InvokeFunctions"]["Resource"] == [
        {"Fn::GetAtt": ["ReadPolicy", "Arn"]},
        {"Fn::GetAtt": ["ReadAccount", "Arn"]},
        {"Fn::GetAtt": ["ValidateKeys", "Arn"]},
        {"Fn::GetAtt": ["BuildReport", "Arn"]},
        {"Fn::If": ["AsksCloudTrail", {"Fn::GetAtt": ["LookUpUsage", "Arn"]}, {"Ref": "AWS::NoValue"}]},
    ]


@pytest.mark.parametrize(("boundary", "bounded"), [("", None), ("arn:aws:iam::123456789012:policy/boundary", True)])
def test_every_role_has_the_path_and_the_boundary_that_the_account_asks_for(
    template: dict[str, Any], boundary: str, bounded: bool | None
) -> None:
    document = transformed_by_sam(template)
    roles = [part["Properties"] for part in document["Resources"].values() if part["Type"] == "AWS::IAM::Role"]

    assert len(roles) == 9  # of seven functions, of the state machine, of API Gateway's logs
    for role in roles:
        assert role["Path"] == {"Ref": "RolePath"}
        [condition, arn, nothing] = role["PermissionsBoundary"]["Fn::If"]
        assert condition == "HasPermissionsBoundary"
        assert (arn, nothing) == ({"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"})
    [equal] = template["Conditions"]["HasPermissionsBoundary"]["Fn::Not"]
    one, other = resolve(template, equal["Fn::Equals"], {**STACK, "PermissionsBoundaryArn": boundary})
    assert (one != other or None) is bounded


@pytest.mark.parametrize("key", ["", KEY])
def test_a_key_of_the_account_encrypts_reports_messages_and_logs(template: dict[str, Any], key: str) -> None:
    known = {**STACK, "KmsKeyArn": key, "LogRetentionDays": "90"}
    known |= {name: name for name in template["Resources"]}

    def properties(name: str) -> Any:
        return resolve(template, template["Resources"][name]["Properties"], {**known, "ReportRetentionDays": "400"})

    [rule] = properties("ReportsBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == (
        {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY} if key else {"SSEAlgorithm": "AES256"}
    )
    assert properties("NotificationsTopic").get("KmsMasterKeyId", "") == key
    groups = [name for name, part in template["Resources"].items() if part["Type"] == "AWS::Logs::LogGroup"]
    assert {properties(name).get("KmsKeyId", "") for name in groups} == {key}


def test_who_reads_and_writes_with_the_key_may_use_it_and_no_other(template: dict[str, Any]) -> None:
    allowed: dict[str, set[str]] = defaultdict(set)
    for name in ("ReadingWithTheKey", "WritingWithTheKey"):
        resource = template["Resources"][name]
        [statement] = resource["Properties"]["PolicyDocument"]["Statement"]
        assert resource["Condition"] == "HasKmsKey"
        assert statement["Resource"] == {"Ref": "KmsKeyArn"}
        for role in resolve(
            template, resource["Properties"]["Roles"], {**ON, **{name: name for name in template["Resources"]}}
        ):
            allowed[role] |= actions(statement)

    both = {"kms:Decrypt", "kms:GenerateDataKey"}
    assert allowed == {
        "ApiHandlerRole": {"kms:Decrypt"},
        "ReadAccountRole": {"kms:GenerateDataKey"},  # it puts a file as a whole, and reads none
        "ValidateKeysRole": both,
        "LookUpUsageRole": both,
        "BuildReportRole": both,
        "ScanStateMachineRole": both,  # for the topic, and latest.json
    }
    assert "ScanStateMachineRole" in transformed_by_sam(template)["Resources"]


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_every_arn_in_a_policy_is_of_the_partition(template: dict[str, Any], partition: str) -> None:
    known = {**ON, "AWS::Partition": partition, "ReportsBucket.Arn": f"arn:{partition}:s3:::reports"}
    known |= {f"{name}.Arn": f"arn:{partition}:x:::{name}" for name in template["Resources"]} | {
        "NotificationsTopic": f"arn:{partition}:sns:::topic",
        "RolePath": "/",
        "PermissionsBoundaryArn": "",
        "AWS::NoValue": "",
    }
    policies = [
        policy["PolicyDocument"]
        for part in template["Resources"].values()
        if part["Type"] == "AWS::IAM::Role"
        for policy in part["Properties"].get("Policies", [])
    ]

    named = [
        arn
        for policy in policies
        for statement in policy["Statement"]
        for arn in resources({**statement, "Resource": resolve(template, statement["Resource"], known)})
    ]

    assert len(named) > 20
    assert {arn.split(":")[1] for arn in named if arn != "*"} == {partition}


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_call_what_it_is_for_and_nothing_else(template: dict[str, Any], role: str) -> None:
    assert allowed(documents_of(template, role), CALLS) == MAY[role]


def test_every_statement_of_every_role_is_in_the_table(template: dict[str, Any]) -> None:
    made = transformed_by_sam(template)["Resources"]
    roles = {name: part["Properties"] for name, part in made.items() if part["Type"] == "AWS::IAM::Role"}
    of_aws = {name: str(role["ManagedPolicyArns"]) for name, role in roles.items() if role.get("ManagedPolicyArns")}
    assert roles.keys() == MAY.keys() | {"ApiGatewayRole"}
    assert of_aws.keys() == {"ApiGatewayRole"}
    assert "AmazonAPIGatewayPushToCloudWatchLogs" in of_aws["ApiGatewayRole"]
    assert "Policies" not in roles["ApiGatewayRole"]
    for role, calls in MAY.items():
        assert unused(documents_of(template, role), calls) == []


def test_without_usage_evidence_no_resource_and_no_permission_is_for_cloudtrail(template: dict[str, Any]) -> None:
    made = transformed_by_sam(template)
    of_usage = {name for name, part in made["Resources"].items() if part.get("Condition") == "AsksCloudTrail"}

    assert template["Parameters"]["UsageEvidence"]["Default"] == "off"
    assert (
        of_usage
        == {"LookUpUsage", "LookUpUsageRole", "LookUpUsageLogs"}
        == {one for one in made["Resources"] if "LookUp" in one}
    )
    for role in MAY.keys() - of_usage:
        granted = json.dumps(documents_of(template, role, usage_evidence="off"))
        assert not {word for word in ("cloudtrail", "usage.json", "LookUpUsage") if word in granted}, role
    substitutions = template["Resources"]["ScanStateMachine"]["Properties"]["DefinitionSubstitutions"]
    known = {**STACK, "UsageEvidence": "off"}
    assert resolve(template, substitutions["LookUpUsageArn"], known) == "off"

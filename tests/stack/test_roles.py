"""What the roles of the stack may call, where the account has a key or a permissions boundary, too."""

import json
import re
from collections import defaultdict
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from localaws.environment import PROJECT
from tests.stack.test_template import STACK, TASKS, actions, transformed_by_sam
from tests.stack.test_template_parameters import KEY
from tests.support.cloudformation import resolve
from tests.support.iam_policies import allows


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def resources(statement: dict[str, Any]) -> list[Any]:
    return statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]


LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}  # the group is the stack's
TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}  # for which there is no resource
OF_CLOUDTRAIL = {"cloudtrail:LookupEvents"}  # nor for this
# https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
TRACES_OF_STEP_FUNCTIONS = TRACES | {"xray:GetSamplingRules", "xray:GetSamplingTargets"}
# With LOGS, https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
DELIVERY = {
    *(f"logs:{action}LogDelivery" for action in ("Create", "Get", "Update", "Delete")),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
}

# IAM has no resource for these three.
OF_ALL_USERS = {"iam:GetAccountSummary", "iam:GetAccountAuthorizationDetails", "iam:ListAccountAliases"}
OF_USERS = {
    *("iam:ListUserTags", "iam:GetUser", "iam:ListGroupsForUser"),
    *("iam:ListAttachedUserPolicies", "iam:ListUserPolicies", "iam:GetUserPolicy"),
}
OF_GROUPS = {"iam:ListAttachedGroupPolicies", "iam:ListGroupPolicies", "iam:GetGroupPolicy"}
OF_POLICIES = {"iam:GetPolicy", "iam:GetPolicyVersion"}
OF_NAMED_USERS = OF_USERS | OF_GROUPS | OF_POLICIES


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
    known = {**STACK, "KmsKeyArn": key, "AWS::NoValue": "nothing", "LogRetentionDays": "90"}
    known |= {name: name for name in template["Resources"]}

    def properties(name: str) -> Any:
        return resolve(template, template["Resources"][name]["Properties"], {**known, "ReportRetentionDays": "400"})

    [rule] = properties("ReportsBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == (
        {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY} if key else {"SSEAlgorithm": "AES256"}
    )
    assert properties("NotificationsTopic")["KmsMasterKeyId"] == (key or "nothing")
    groups = [name for name, part in template["Resources"].items() if part["Type"] == "AWS::Logs::LogGroup"]
    assert {properties(name)["KmsKeyId"] for name in groups} == {key or "nothing"}


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


ON = {**STACK, "UsageEvidence": "on"}
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:iam-key-age-prod:some-scan"
CHILD = "arn:aws:states:eu-central-1:123456789012:execution:iam-key-age-prod/a-label:a-child"
BUCKET = "arn:aws:s3:::reports"


TOPIC = "arn:aws:sns:eu-central-1:123456789012:topic"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function"
LOG_STREAM = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/iam-key-age-prod-{}-X:log-stream:2026/11/22"
SCAN_LOG_STREAM = (
    "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/states/iam-key-age-prod:log-stream:states/x"
)
PAGE, REPORTS = (
    f"{BUCKET}/scans/some-scan/pages/0001.json",
    [f"{BUCKET}/scans/some-scan/report.{kind}" for kind in ("json", "csv", "html")],
)
ACCOUNT = f"{BUCKET}/scans/some-scan/account.json"
IAM, OF_AWS = "arn:aws:iam::123456789012", "arn:aws:iam::aws"
CALLED = ("ReadPolicy", "ReadAccount", "ValidateKeys", "LookUpUsage", "BuildReport")
USAGE = f"{BUCKET}/scans/some-scan/usage.json"
READ_A_PAGE_OR_A_REPORT = {("s3:GetObject", one) for one in (PAGE, *REPORTS)} | {("s3:ListBucket", BUCKET)}
READ_AND_WRITE_WITH_THE_KEY = {("kms:Decrypt", KEY), ("kms:GenerateDataKey", KEY)}
MAY: dict[str, set[tuple[str, str]]] = {
    "ScheduledScanRole": {("states:StartExecution", MACHINE)},
    "ApiHandlerRole": {
        ("states:StartExecution", MACHINE),
        ("states:ListExecutions", MACHINE),
        ("states:DescribeExecution", EXECUTION),
        *READ_A_PAGE_OR_A_REPORT,
        ("kms:Decrypt", KEY),
    },
    "ReadPolicyRole": set(),
    "ReadAccountRole": {
        *((action, "*") for action in OF_ALL_USERS),
        *((action, f"{IAM}:user/{user}") for action in OF_USERS for user in ("alice", "a/path/bob")),
        *((action, f"{IAM}:group/{group}") for action in OF_GROUPS for group in ("admins", "a/path/admins")),
        *((action, policy) for action in OF_POLICIES for policy in (f"{IAM}:policy/own", f"{OF_AWS}:policy/aws")),
        ("s3:PutObject", ACCOUNT),
        ("kms:GenerateDataKey", KEY),
    },
    "ValidateKeysRole": {
        ("s3:PutObject", PAGE),
        ("s3:GetObject", ACCOUNT),
        ("s3:ListBucket", BUCKET),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "LookUpUsageRole": {
        ("cloudtrail:LookupEvents", "*"),
        ("s3:GetObject", PAGE),
        ("s3:PutObject", USAGE),
        ("s3:ListBucket", BUCKET),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "BuildReportRole": {
        ("s3:GetObject", USAGE),
        *(("s3:PutObject", report) for report in REPORTS),
        *(READ_A_PAGE_OR_A_REPORT - {("s3:GetObject", report) for report in REPORTS[1:]}),
        ("s3:GetObject", ACCOUNT),
        ("s3:GetObject", f"{BUCKET}/latest.json"),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "ScanStateMachineRole": {
        *(("lambda:InvokeFunction", f"{FUNCTION}:{name}") for name in CALLED),
        ("iam:ListUsers", "*"),
        *(
            (f"iam:{action}", f"arn:aws:iam::123456789012:user/{user}")
            for action in ("ListAccessKeys", "GetAccessKeyLastUsed")
            for user in ("alice", "a/path/bob")
        ),
        ("sns:Publish", TOPIC),
        ("s3:PutObject", f"{BUCKET}/latest.json"),
        ("states:StartExecution", MACHINE),
        ("states:DescribeExecution", EXECUTION),
        ("states:RedriveExecution", CHILD),
        *READ_AND_WRITE_WITH_THE_KEY,
        *((action, SCAN_LOG_STREAM) for action in LOGS),
        *((action, "*") for action in DELIVERY | TRACES_OF_STEP_FUNCTIONS),
    },
}
for _function in ("ScheduledScan", "APIHandler", *CALLED):
    MAY[f"{_function}Role".replace("APIHandler", "ApiHandler")] |= {
        *((action, LOG_STREAM.format(_function)) for action in LOGS),
        *((action, "*") for action in TRACES),
    }
OF_ANOTHER = {
    ("states:StartExecution", f"{MACHINE}-other"),
    ("states:StartExecution", MACHINE.replace("123456789012", "210987654321")),
    ("states:ListExecutions", MACHINE.replace("eu-central-1", "us-east-1")),
    ("states:DescribeExecution", EXECUTION.replace("prod:", "dev:")),
    ("states:RedriveExecution", CHILD.replace("prod/", "prod-other/")),
    ("states:RedriveExecution", CHILD.replace("123456789012", "210987654321")),
    ("s3:GetObject", f"{BUCKET}/other/report.json"),
    ("s3:GetObject", "arn:aws:s3:::other/scans/some-scan/report.json"),
    ("s3:PutObject", "arn:aws:s3:::other/scans/some-scan/pages/0001.json"),
    ("s3:PutObject", "arn:aws:s3:::other/latest.json"),
    ("s3:PutObject", f"{BUCKET}/latest.json.other"),
    ("s3:ListBucket", "arn:aws:s3:::other"),
    ("sns:Publish", f"{TOPIC}-other"),
    ("lambda:InvokeFunction", f"{FUNCTION}:ScheduledScan"),
    ("iam:ListAccessKeys", "arn:aws:iam::210987654321:user/alice"),
    ("iam:ListUserTags", "arn:aws:iam::123456789012:role/alice"),
    ("iam:GetUser", "arn:aws:iam::210987654321:user/alice"),
    ("iam:GetPolicy", "arn:aws:iam::210987654321:policy/own"),
    ("iam:GetGroupPolicy", "arn:aws:iam::210987654321:group/admins"),
    ("kms:Decrypt", f"{KEY}0"),
    ("logs:PutLogEvents", LOG_STREAM.format("Other")),
    ("logs:PutLogEvents", LOG_STREAM.format("ReadPolicy").replace("prod", "dev")),
    ("logs:PutLogEvents", SCAN_LOG_STREAM.replace("prod", "prod-other")),
}
OF_NO_USE = {
    *((f"iam:{action}AccessKey", "arn:aws:iam::123456789012:user/alice") for action in ("Create", "Update", "Delete")),
    ("iam:AttachUserPolicy", "arn:aws:iam::123456789012:user/alice"),
    ("iam:SimulatePrincipalPolicy", "arn:aws:iam::123456789012:user/alice"),
    ("iam:TagUser", "arn:aws:iam::123456789012:user/alice"),
    ("iam:GetCredentialReport", "*"),
    *((f"cloudtrail:{action}", "*") for action in ("StopLogging", "DeleteTrail", "GetTrail", "ListTrails")),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/x"),
    ("sts:AssumeRole", "arn:aws:iam::123456789012:role/x"),
    *((f"states:{action}", EXECUTION) for action in ("RedriveExecution", "GetExecutionHistory", "StopExecution")),
    ("states:StopExecution", CHILD),
    *((f"states:{action}StateMachine", MACHINE) for action in ("Update", "Delete", "Describe")),
    *((f"s3:{action}", REPORTS[0]) for action in ("DeleteObject", "DeleteObjectVersion", "PutObjectAcl")),
    *((f"s3:{action}", BUCKET) for action in ("DeleteBucket", "PutBucketPolicy", "PutLifecycleConfiguration")),
    ("sns:Subscribe", TOPIC),
    ("lambda:UpdateFunctionCode", f"{FUNCTION}:ReadPolicy"),
    ("logs:DeleteLogGroup", LOG_STREAM.format("ReadPolicy")),
    ("logs:GetLogEvents", LOG_STREAM.format("ReadPolicy")),
    ("kms:Encrypt", KEY),
    ("kms:ScheduleKeyDeletion", KEY),
    ("xray:GetTraceSummaries", "*"),
}
CALLS = sorted(set().union(*MAY.values()) | OF_ANOTHER | OF_NO_USE)


def documents_of(template: dict[str, Any], role: str, usage_evidence: str = "on") -> list[dict[str, Any]]:
    """The policies of a role with their names resolved, where the stack has a key of the account's own."""
    parts = template["Resources"]
    known = {**STACK, "KmsKeyArn": KEY, "ReportsBucket.Arn": BUCKET, "NotificationsTopic": TOPIC}
    known |= {f"{name}.Arn": f"{FUNCTION}:{name}" for name in CALLED}
    known |= {"UsageEvidence": usage_evidence, **{name: name for name in parts if name.endswith("Role")}}
    own = [policy["PolicyDocument"] for policy in parts[role]["Properties"]["Policies"]]
    beside = [
        part["Properties"]["PolicyDocument"]
        for part in parts.values()
        if part["Type"] == "AWS::IAM::Policy" and role in resolve(template, part["Properties"]["Roles"], known)
    ]
    documents: list[dict[str, Any]] = resolve(template, own + beside, known)
    return documents


# Of AmazonAPIGatewayPushToCloudWatchLogs, which one role has.
OF_AWS_FOR_THE_LOGS_OF_APIS = LOGS | {
    "logs:CreateLogGroup",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:GetLogEvents",
    "logs:FilterLogEvents",
}


BOUNDARY: dict[str, Any] = json.loads((PROJECT / "docs" / "permissions-boundary.json").read_text())
IN_THE_STACK = {
    BUCKET: "arn:aws:s3:::iam-key-age-prod-reportsbucket-x",
    TOPIC: TOPIC.replace("topic", "iam-key-age-prod-NotificationsTopic-X"),
    f"{FUNCTION}:": f"{FUNCTION}:iam-key-age-prod-",
}


def bounded(role: str, action: str, resource: str, path: str = "/", account: str = "123456789012") -> bool:
    """Whether the example of a permissions boundary lets a role of the stack make a call, by its resources' names."""
    for stands_for, name in IN_THE_STACK.items():
        resource = resource.replace(stands_for, name)
    arn = f"arn:aws:iam::123456789012:role{path}iam-key-age-prod-{role}-X"
    return allows(BOUNDARY, action, resource, aws__PrincipalArn=arn, s3__ResourceAccount=account)


@pytest.mark.parametrize("path", ["/", "/security/", "/a/b/"])
@pytest.mark.parametrize("role", MAY)
def test_the_example_of_a_permissions_boundary_allows_what_a_role_may(role: str, path: str) -> None:
    assert [call for call in MAY[role] if not bounded(role, *call, path)] == []


def test_the_example_of_a_permissions_boundary_has_no_action_that_no_role_uses() -> None:
    called = {action for calls in MAY.values() for action, _ in calls}
    assert set().union(*map(actions, BOUNDARY["Statement"])) == called | OF_AWS_FOR_THE_LOGS_OF_APIS
    for action in OF_AWS_FOR_THE_LOGS_OF_APIS:
        assert bounded("ApiGatewayRole", action, "arn:aws:logs:eu-central-1:123456789012:log-group:of-another-api:x")


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", "arn:aws:s3:::iam-key-age-artifacts-123456789012-eu-central-1/a"),
        ("s3:PutObject", "arn:aws:s3:::iam-key-age-artifacts-123456789012-eu-central-1/a"),
        ("s3:ListBucket", "arn:aws:s3:::iam-key-age-artifacts-123456789012-eu-central-1"),
        ("s3:ListBucket", "arn:aws:s3:::other-reportsbucket-x"),
        ("logs:PutLogEvents", LOG_STREAM.format("x").replace("iam-key-age-prod", "other")),
        ("logs:PutLogEvents", SCAN_LOG_STREAM.replace("iam-key-age-prod", "other")),
        ("logs:PutLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/cloudtrail:log-stream:x"),
        ("logs:GetLogEvents", LOG_STREAM.format("APIHandler")),
        ("logs:FilterLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/apigateway/iam-key-age-prod:x"),
        ("logs:CreateLogGroup", "arn:aws:logs:eu-central-1:123456789012:log-group:other"),
        *sorted((action, resource) for action, resource in OF_NO_USE if not action.startswith("states:Redrive")),
    ],
)
@pytest.mark.parametrize("role", MAY)
def test_the_example_of_a_permissions_boundary_refuses_every_role_what_is_not_the_stacks(
    role: str, action: str, resource: str
) -> None:
    assert not bounded(role, action, resource)


def test_the_example_of_a_permissions_boundary_lets_the_state_machine_alone_arrange_the_delivery_of_logs() -> None:
    for action in DELIVERY:
        assert [role for role in MAY if bounded(role, action, "*")] == ["ScanStateMachineRole"]


def test_the_example_of_a_permissions_boundary_knows_no_bucket_of_another_account() -> None:
    """A bucket's ARN has no account; one of the name of a stack that is gone may be anybody's."""
    for action in ("s3:GetObject", "s3:PutObject", "s3:ListBucket"):
        assert bounded("BuildReportRole", action, f"{BUCKET}/latest.json")
        assert not bounded("BuildReportRole", action, f"{BUCKET}/latest.json", account="210987654321")


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_call_what_it_is_for_and_nothing_else(template: dict[str, Any], role: str) -> None:
    policies = [IAMPolicy(json.dumps(document)) for document in documents_of(template, role)]

    allowed = {
        call
        for call in CALLS
        if PermissionResult.PERMITTED in {policy.is_action_permitted(*call) for policy in policies}
    }

    assert allowed == MAY[role]


def test_every_statement_of_every_role_is_in_the_table(template: dict[str, Any]) -> None:
    made = transformed_by_sam(template)["Resources"]
    roles = {name: part["Properties"] for name, part in made.items() if part["Type"] == "AWS::IAM::Role"}
    of_aws = {name: str(role["ManagedPolicyArns"]) for name, role in roles.items() if role.get("ManagedPolicyArns")}
    assert roles.keys() == MAY.keys() | {"ApiGatewayRole"}
    assert of_aws.keys() == {"ApiGatewayRole"}
    assert "AmazonAPIGatewayPushToCloudWatchLogs" in of_aws["ApiGatewayRole"]
    assert "Policies" not in roles["ApiGatewayRole"]
    for role, calls in MAY.items():
        for document in documents_of(template, role):
            for statement in document["Statement"]:
                of_it = IAMPolicy(json.dumps({**document, "Statement": [statement]}))
                used = {
                    action
                    for action, resource in calls
                    if of_it.is_action_permitted(action, resource) == PermissionResult.PERMITTED
                }
                assert used == actions(statement), statement["Sid"]


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

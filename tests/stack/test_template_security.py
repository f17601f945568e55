"""What the stack does against mistakes and attacks: who may use what, what is logged, and how long data lives."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.settings import MOST_AT_ONCE, parse_max_scans_at_once
from localaws.environment import PROJECT
from tests.stack.test_template import STACK, actions, transformed_by_sam
from tests.support.cloudformation import resolve
from tests.support.iam_policies import allows

ACCOUNT = STACK["AWS::AccountId"]
STATES = f"arn:aws:states:eu-central-1:{ACCOUNT}"
OTHER_ACCOUNT = "210987654321"
KEY_POLICY: dict[str, Any] = json.loads((PROJECT / "docs" / "kms-key-policy.json").read_text())
# https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
TO_PUBLISH = ("kms:Decrypt", "kms:GenerateDataKey")
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
TO_ENCRYPT_LOGS = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey", "kms:DescribeKey")


def properties(template: dict[str, Any], name: str, **known: str) -> Any:
    resource = template["Resources"][name]["Properties"]
    return resolve(template, resource, {**STACK, "KmsKeyArn": "", "AWS::NoValue": "", **known})


# Scans on demand.


def test_how_many_scans_run_at_once_is_a_parameter_of_the_api_that_it_takes_at_both_ends(
    template: dict[str, Any],
) -> None:
    parameter = template["Parameters"]["MaxScansAtOnce"]
    variables = template["Resources"]["APIHandler"]["Properties"]["Environment"]["Variables"]

    assert variables["MAX_SCANS_AT_ONCE"] == {"Ref": "MaxScansAtOnce"}
    assert (parameter["MinValue"], parameter["Default"], parameter["MaxValue"]) == (1, 5, MOST_AT_ONCE)
    for value in (parameter["MinValue"], parameter["Default"], parameter["MaxValue"]):
        assert parse_max_scans_at_once(str(value)) == value
    for name in ("ScheduledScan", "ReadPolicy"):  # the schedule is never refused
        assert "MAX_SCANS_AT_ONCE" not in template["Resources"][name]["Properties"]["Environment"]["Variables"]


# Roles.


def trusted(template: dict[str, Any], service: str, **context: str) -> bool:
    role = template["Resources"]["ScanStateMachineRole"]["Properties"]
    document = resolve(template, role["AssumeRolePolicyDocument"], STACK)
    return allows(document, "sts:AssumeRole", principal=service, **context)


@pytest.mark.parametrize("source", ["stateMachine:iam-key-age-prod", "stateMachine:iam-key-age-prod/label"])
def test_step_functions_assumes_the_state_machines_role_for_it_and_its_children(
    template: dict[str, Any], source: str
) -> None:
    context = {"aws__SourceAccount": ACCOUNT, "aws__SourceArn": f"{STATES}:{source}"}

    assert trusted(template, "states.amazonaws.com", **context)
    assert not trusted(template, "lambda.amazonaws.com", **context)
    assert not trusted(template, "states.amazonaws.com")


@pytest.mark.parametrize(
    ("account", "source"),
    [
        (OTHER_ACCOUNT, f"{STATES}:stateMachine:iam-key-age-prod"),
        (ACCOUNT, f"{STATES.replace(ACCOUNT, OTHER_ACCOUNT)}:stateMachine:iam-key-age-prod"),
        (ACCOUNT, f"{STATES}:stateMachine:iam-key-age-prod-other"),
        (ACCOUNT, f"{STATES}:stateMachine:other"),
        (ACCOUNT, f"{STATES}:stateMachine:other/iam-key-age-prod"),
        (ACCOUNT, f"{STATES.replace('eu-central-1', 'us-east-1')}:stateMachine:iam-key-age-prod"),
    ],
)
def test_no_other_account_and_no_other_state_machine_gets_the_role(
    template: dict[str, Any], account: str, source: str
) -> None:
    assert not trusted(template, "states.amazonaws.com", aws__SourceAccount=account, aws__SourceArn=source)


# The key of an account.


def test_each_service_may_do_with_the_key_what_it_needs_and_in_a_statement_of_its_own() -> None:
    services = [one["Principal"].get("Service") for one in KEY_POLICY["Statement"]]
    assert services == [None, "events.amazonaws.com", "cloudwatch.amazonaws.com", "logs.eu-central-1.amazonaws.com"]
    alarm = {
        "aws__SourceAccount": ACCOUNT,
        "aws__SourceArn": f"arn:aws:cloudwatch:eu-central-1:{ACCOUNT}:alarm:iam-key-age-prod-no-scan",
    }
    for action in TO_PUBLISH:
        assert allows(KEY_POLICY, action, principal="events.amazonaws.com")  # which gives no condition's context
        assert allows(KEY_POLICY, action, principal="cloudwatch.amazonaws.com", **alarm)
    for service in services[1:3]:
        for action in ("kms:Encrypt", "kms:CreateGrant", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"):
            assert not allows(KEY_POLICY, action, principal=service, **alarm)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"aws__SourceAccount": ACCOUNT},
        {
            "aws__SourceAccount": OTHER_ACCOUNT,
            "aws__SourceArn": f"arn:aws:cloudwatch:eu-central-1:{OTHER_ACCOUNT}:alarm:iam-key-age-prod-no-scan",
        },
        {
            "aws__SourceAccount": ACCOUNT,
            "aws__SourceArn": f"arn:aws:cloudwatch:eu-central-1:{ACCOUNT}:alarm:other",
        },
    ],
)
def test_alarms_of_another_account_or_stack_cannot_use_the_key(context: dict[str, str]) -> None:
    for action in TO_PUBLISH:
        assert not allows(KEY_POLICY, action, principal="cloudwatch.amazonaws.com", **context)


def encrypts(group: str) -> set[bool]:
    """Whether CloudWatch Logs may do with the key what a group wants."""
    return {
        allows(
            KEY_POLICY,
            action,
            principal="logs.eu-central-1.amazonaws.com",
            **{"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:eu-central-1:{group}"},
        )
        for action in TO_ENCRYPT_LOGS
    }


def test_the_key_encrypts_every_log_group_of_the_stack_and_none_of_others(template: dict[str, Any]) -> None:
    known = {"LogRetentionDays": "365", "RestAPI": "abc123"}
    parts = template["Resources"]
    known |= {name: f"iam-key-age-prod-{name}-X" for name in parts if f"{name}Logs" in parts}
    groups = [name for name, part in template["Resources"].items() if part["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == 10

    for name in groups:
        group = properties(template, name, **known)["LogGroupName"]
        assert encrypts(f"{ACCOUNT}:log-group:{group}") == {True}, group
        assert encrypts(f"{OTHER_ACCOUNT}:log-group:{group}") == {False}, group
    for other in ("/aws/lambda/other", "/aws/vendedlogs/states/other", "/aws/cloudtrail/iam-key-age-x", "other"):
        assert encrypts(f"{ACCOUNT}:log-group:{other}") == {False}, other


# Logs.


def test_the_state_machine_logs_errors_without_inputs_and_outputs_to_a_group_of_its_own(
    template: dict[str, Any],
) -> None:
    made = transformed_by_sam(template)["Resources"]["ScanStateMachine"]["Properties"]
    logging = made["LoggingConfiguration"]

    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)
    assert logging["Destinations"] == [{"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["ScanLogs", "Arn"]}}}]
    group = properties(template, "ScanLogs", LogRetentionDays="365")
    assert group["LogGroupName"] == "/aws/vendedlogs/states/iam-key-age-prod"
    assert made["RoleArn"] == {"Fn::GetAtt": ["ScanStateMachineRole", "Arn"]}


def test_the_api_logs_its_errors_without_bodies_and_not_for_good(template: dict[str, Any]) -> None:
    api = template["Resources"]["RestAPI"]["Properties"]

    assert len(api["MethodSettings"]) == 2
    for setting in api["MethodSettings"]:  # one of a method takes the place of the general one
        assert (setting["LoggingLevel"], setting["DataTraceEnabled"]) == ("ERROR", False)
    group = properties(template, "ApiExecutionLogs", LogRetentionDays="365", RestAPI="abc123")
    assert group["LogGroupName"] == f"API-Gateway-Execution-Logs_abc123/{api['StageName']}"
    assert group["RetentionInDays"] == "365"
    stages = json.loads((PROJECT / ".chalice" / "config.json").read_text())["stages"].values()
    assert {stage["api_gateway_stage"] for stage in stages} == {api["StageName"]}


def test_logs_are_kept_for_as_long_as_security_hub_asks_by_default(template: dict[str, Any]) -> None:
    assert template["Parameters"]["LogRetentionDays"]["Default"] == 365  # CloudWatch.16


def test_the_access_log_and_the_functions_log_share_an_id_that_no_client_can_set(template: dict[str, Any]) -> None:
    line = json.loads(template["Resources"]["RestAPI"]["Properties"]["AccessLogSetting"]["Format"])
    function = (PROJECT / "chalicelib" / "api" / "routing.py").read_text()

    assert line["extended_request_id"] == "$context.extendedRequestId"
    assert '"extended_request_id": request.context.get("extendedRequestId")' in function


# How long data lives.


def gone_after(template: dict[str, Any], retention: int) -> list[timedelta]:
    """How long versions live at the longest, by the rules of the bucket: one that expires, and one overwritten then.

    S3 counts days "to the next day at midnight UTC":
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
    """
    rules = properties(template, "ReportsBucket", ReportRetentionDays=str(retention))["LifecycleConfiguration"]["Rules"]
    assert all(rule["Status"] == "Enabled" and "TagFilters" not in rule for rule in rules)
    expiring = {rule["Prefix"]: int(rule["ExpirationInDays"]) for rule in rules if "ExpirationInDays" in rule}
    assert expiring.keys() == {"scans/", "latest.json"}  # records of deactivations, where there are any, do not expire
    [current] = set(expiring.values())
    assert not [rule for rule in rules if "NoncurrentVersionExpiration" in rule and "Prefix" in rule]
    [noncurrent] = [
        int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
        for rule in rules
        if "NoncurrentVersionExpiration" in rule
    ]

    def counted(since: datetime, days: int) -> datetime:
        return (since + timedelta(days=days + 1)).replace(hour=0, minute=0, second=0)

    made = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds) for seconds in (0, 1, 86399)]
    expired = [(one, counted(one, current)) for one in made]
    overwritten = [(one, at - timedelta(seconds=1)) for one, at in expired]
    return [counted(at, noncurrent) - one for one, at in expired + overwritten]


@pytest.mark.parametrize("retention", [1, 400, 3650])
def test_a_report_is_gone_30_days_after_its_retention_whatever_became_of_it(
    template: dict[str, Any], retention: int
) -> None:
    assert max(gone_after(template, retention)) <= timedelta(days=retention + 30 + 2)  # to midnight, twice


def test_what_is_said_of_retention_is_what_the_bucket_does(template: dict[str, Any]) -> None:
    rules = template["Resources"]["ReportsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    [days] = [
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules if "NoncurrentVersionExpiration" in rule
    ]

    assert f"{days} days more" in template["Parameters"]["ReportRetentionDays"]["Description"]
    for page in ("deploy.md", "runbook.md"):
        assert f"{days} days" in (PROJECT / "docs" / page).read_text()


def test_markers_of_what_was_deleted_go_and_no_rule_has_what_s3_refuses(template: dict[str, Any]) -> None:
    rules = template["Resources"]["ReportsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]

    assert [rule.get("ExpiredObjectDeleteMarker") for rule in rules] == [None, None, True]
    for rule in rules:  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleExpiration.html
        assert not {"ExpirationInDays", "ExpiredObjectDeleteMarker"} <= rule.keys()


def test_no_statement_of_a_role_can_delete_or_end_what_is_kept(template: dict[str, Any]) -> None:
    for part in transformed_by_sam(template)["Resources"].values():
        if part["Type"] in {"AWS::IAM::Role", "AWS::IAM::Policy"}:
            policies = part["Properties"].get("Policies", [part["Properties"]])
            documents = [one["PolicyDocument"] for one in policies if "PolicyDocument" in one]
            granted = {action for document in documents for one in document["Statement"] for action in actions(one)}
            assert not {action for action in granted if "Delete" in action} - {"logs:DeleteLogDelivery"}
            assert not {action for action in granted if "Lifecycle" in action or action.endswith("*")}


# What the docs say.


def controls() -> dict[str, str]:
    """The controls of Security Hub in docs/deploy.md, and whether each is met."""
    page = (PROJECT / "docs" / "deploy.md").read_text().partition("### Security Hub on this stack")[2]
    return dict(re.findall(r"^\| ([\w., ]+?) \| (\w+|with `\w+`) \|", page, re.MULTILINE))


WITH_THE_KEY = ("ReadingWithTheKey", "WritingWithTheKey")  # no other statement has an action of KMS


def test_each_control_that_is_said_to_be_met_is(template: dict[str, Any]) -> None:
    parts = template["Resources"]
    api, bucket = parts["RestAPI"]["Properties"], properties(template, "ReportsBucket", ReportRetentionDays="400")
    functions = [part["Properties"] for part in parts.values() if part["Type"] == "AWS::Serverless::Function"]
    alarms = [part["Properties"] for part in parts.values() if part["Type"] == "AWS::CloudWatch::Alarm"]
    routes = [method for path in api["DefinitionBody"]["paths"].values() for method in path.values()]
    met = {
        "APIGateway.1": all(setting["LoggingLevel"] == "ERROR" for setting in api["MethodSettings"]),
        "APIGateway.3": api["TracingEnabled"],
        "APIGateway.5": "CacheClusterEnabled" not in api,
        "APIGateway.8": all(method["security"] == [{"sigv4": []}] for method in routes if "security" in method),
        "APIGateway.9": "AccessLogSetting" in api,
        "CloudWatch.15": all(alarm["AlarmActions"] for alarm in alarms),
        "CloudWatch.17": all(alarm.get("ActionsEnabled", True) for alarm in alarms),
        "KMS.2": [parts[name]["Properties"]["PolicyDocument"]["Statement"][0]["Resource"] for name in WITH_THE_KEY]
        == [{"Ref": "KmsKeyArn"}] * 2,
        "CloudWatch.16": template["Parameters"]["LogRetentionDays"]["Default"] >= 365,
        "Lambda.1": all(
            part["Properties"]["Principal"] in {"events.amazonaws.com", "apigateway.amazonaws.com"}
            for part in parts.values()
            if part["Type"] == "AWS::Lambda::Permission"
        ),
        "Lambda.2": all(function["Runtime"] >= "python3.11" for function in functions),
        "Lambda.7": all(function["Tracing"] == "Active" for function in functions),
        "S3.1": all(bucket["PublicAccessBlockConfiguration"].values()),
        "S3.5": "ReportsBucketPolicy" in parts,
        "S3.10": bool(bucket["LifecycleConfiguration"]["Rules"]),
        "S3.12": bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}],
        "S3.14": bucket["VersioningConfiguration"]["Status"] == "Enabled",
        "SNS.4": all(
            one["Effect"] == "Deny" or "Service" in one["Principal"]
            for one in parts["NotificationsTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        ),
        "StepFunctions.1": parts["ScanStateMachine"]["Properties"]["Logging"]["Level"] == "ERROR",
    }

    said = {names.split()[0].rstrip(","): words for names, words in controls().items()}
    assert {name for name, words in said.items() if words == "yes"} == set(met)
    assert all(met.values()), met


def test_the_topic_takes_no_subscription_by_plain_http(template: dict[str, Any]) -> None:
    policy = template["Resources"]["NotificationsTopicPolicy"]["Properties"]["PolicyDocument"]

    [denied] = [each for each in policy["Statement"] if each["Action"] == "sns:Subscribe"]

    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert denied["Condition"] == {"StringEquals": {"sns:Protocol": "http"}}  # key of AWS's: SNS condition keys

"""The packaged template: one stack, with what each part needs and no more."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from moto.events.models import EventPattern
from moto.iam.access_control import IAMPolicy, PermissionResult
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from chalicelib import evidence
from chalicelib.details import MAX_EXEMPT_DAYS_LIMIT, REASON_TAG, UNTIL_TAG, TagSettings, parse_tag_settings
from chalicelib.metrics import metrics_line
from chalicelib.notification import HttpsFormat, NotifyOn
from chalicelib.openapi import openapi_document
from chalicelib.policy import MAX_AGE_DAYS_LIMIT, POLICY_RULES, ScanPolicy, parse_stage_defaults
from localaws.harness import PROJECT
from localaws.mail import transformed
from tests.cloudformation import resolve
from tests.lint_definition import problems
from tests.reports import AS_OF, report_of, user

DEFINITION: dict[str, Any] = json.loads((PROJECT / "statemachine" / "scan.asl.json").read_text())
PERMANENT_ERRORS = {"Iam.NoSuchEntityException"}
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html and
# https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
ENGINE_ERRORS = {"States.ALL", "States.Timeout", "Lambda.Unknown", "Sandbox.Timedout"}
LAMBDA_ERRORS = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
}


def states(definition: dict[str, Any] = DEFINITION) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state, those inside of maps too."""
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


TASKS = {name: state for name, state in states() if state["Type"] == "Task"}


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def actions(statement: dict[str, Any]) -> set[str]:
    return {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])


def resources(statement: dict[str, Any]) -> list[Any]:
    return statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]


LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}  # the group is the stack's
TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}  # for which there is no resource


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
        ("ValidateKeys", "ValidateKeysRole", {"s3:PutObject"}),
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
        assert ("*" in resources(statement)) is (actions(statement) == TRACES)
        if actions(statement) == LOGS:
            assert f"/${{AWS::StackName}}-{function}-*" in json.dumps(statement["Resource"])


def test_the_state_machines_role_grants_what_its_tasks_call(template: dict[str, Any]) -> None:
    [policy] = template["Resources"]["ScanStateMachine"]["Properties"]["Policies"]
    by_sid = {statement["Sid"]: statement for statement in policy["Statement"]}

    called = {"lambda:InvokeFunction"}
    for task in TASKS.values():
        if match := re.search(r"aws-sdk:(\w+):(\w)(\w+)$", task["Resource"]):
            called.add(f"{match[1]}:{match[2].upper()}{match[3]}")
    of_the_map = {f"states:{action}Execution" for action in ("Start", "Describe", "Stop")}

    assert set().union(*map(actions, policy["Statement"])) == called | of_the_map
    assert [sid for sid, statement in by_sid.items() if "*" in resources(statement)] == [
        "ListingUsersAndTheAccountTakesNoResource"
    ]
    assert set(actions(by_sid["ListingUsersAndTheAccountTakesNoResource"])) == {
        "iam:ListUsers",
        "iam:GetAccountSummary",
    }
    assert by_sid["InvokeItsFunctions"]["Resource"] == [
        {"Fn::GetAtt": ["ReadPolicy", "Arn"]},
        {"Fn::GetAtt": ["ValidateKeys", "Arn"]},
        {"Fn::GetAtt": ["BuildReport", "Arn"]},
    ]


def test_the_definition_is_the_file_in_the_repo_and_its_substitutions_resolve(
    template: dict[str, Any], packaged: Path
) -> None:
    properties = template["Resources"]["ScanStateMachine"]["Properties"]
    definition = (packaged.parent / properties["DefinitionUri"]).read_text()

    assert json.loads(definition) == DEFINITION
    assert set(re.findall(r"\$\{(\w+)\}", definition)) == set(properties["DefinitionSubstitutions"])
    for value in properties["DefinitionSubstitutions"].values():
        name = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
        assert name == "AWS::Partition" or name in {*template["Resources"], *template["Parameters"]}


def test_no_function_that_the_machine_calls_refers_to_the_machine(template: dict[str, Any]) -> None:
    for function in ("ReadPolicy", "ValidateKeys", "BuildReport"):
        assert "ScanStateMachine" not in json.dumps(template["Resources"][function])


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_time_out_and_retries(name: str) -> None:
    again = [
        *TASKS[name].get("Retry", []),
        *(catch for catch in TASKS[name].get("Catch", []) if catch["Next"].endswith("TryAgain?")),
    ]

    assert TASKS[name]["TimeoutSeconds"] > 0
    assert "States.Timeout" in {error for handler in again for error in handler["ErrorEquals"]}


def known_errors() -> set[str]:
    known = ENGINE_ERRORS | LAMBDA_ERRORS | {evidence.EvidenceUnavailableError.__name__}
    session = botocore.session.get_session()
    for name in ("Iam", "S3", "Sns"):
        known |= {f"{name}.{name}Exception", f"{name}.SdkClientException"}
        for shape in session.get_service_model(
            name.lower()
        ).error_shapes:  # as the AWS SDK for Java names them: KMSThrottling… is KmsThrottling…
            error = re.sub(r"^KMS", "Kms", shape.name)
            known.add(f"{name}.{error}" if error.endswith("Exception") else f"{name}.{error}Exception")
    return known


@pytest.mark.parametrize("name", TASKS)
def test_the_errors_that_a_task_retries_and_catches_exist(name: str) -> None:
    handlers = [*TASKS[name].get("Retry", []), *TASKS[name].get("Catch", [])]

    named = {error for handler in handlers for error in handler["ErrorEquals"]}

    assert named <= known_errors()


def test_no_task_retries_everything_or_an_error_that_stays() -> None:
    for task in TASKS.values():
        retried = {error for retry in task.get("Retry", []) for error in retry["ErrorEquals"]}
        assert not retried & {"States.ALL", "States.TaskFailed", "InvalidPolicyError", "InvalidEvidenceError"}
        assert not retried & PERMANENT_ERRORS


def test_the_children_use_no_variable_from_outside_which_a_distributed_map_cannot_see() -> None:
    children = DEFINITION["States"]["CheckUsers"]["ItemProcessor"]
    assigning = [
        part for _, state in states(children) for part in (state, *state.get("Catch", []), *state.get("Choices", []))
    ]
    assigned = {name for part in assigning for name in part.get("Assign", {})}
    assigned |= set(re.findall(r"function\(\$(\w+)\)", json.dumps(children)))

    used = set(re.findall(r"\$([A-Za-z]\w*)(?!\w*\()", json.dumps(children)))

    assert used - assigned == {"states"}


def test_the_api_wants_a_signature_on_every_method_and_has_no_cors(template: dict[str, Any]) -> None:
    body = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    methods = {(path, method): operation for path, item in body["paths"].items() for method, operation in item.items()}

    described = openapi_document()["paths"]
    assert set(methods) == {(path, method) for path, item in described.items() for method in item}
    assert all(operation["security"] == [{"sigv4": []}] for operation in methods.values())
    assert body["securityDefinitions"]["sigv4"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert not {method for _, method in methods} - {"get", "post"}  # CORS would want OPTIONS


def test_the_api_is_throttled_and_says_who_called_in_its_only_stage(template: dict[str, Any]) -> None:
    resources = transformed_by_sam(template)["Resources"].values()
    [stage] = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::ApiGateway::Stage"]
    [deployment] = [
        resource["Properties"] for resource in resources if resource["Type"] == "AWS::ApiGateway::Deployment"
    ]

    limits = {
        (setting["HttpMethod"], setting["ResourcePath"]): (
            setting["ThrottlingRateLimit"],
            setting["ThrottlingBurstLimit"],
        )
        for setting in stage["MethodSettings"]
    }
    assert limits == {("*", "/*"): (10, 50), ("POST", "/~1scan"): (2, 50)}  # ~1 is CloudFormation's slash
    assert "StageName" not in deployment  # of a second stage
    logs = template["Resources"]["ApiAccessLogs"]["Properties"]
    where = resolve(template, stage["AccessLogSetting"]["DestinationArn"], {**STACK, "ApiAccessLogs": "GROUP"})
    assert where == "arn:aws:logs:eu-central-1:123456789012:log-group:GROUP"
    assert resolve(template, logs["LogGroupName"], STACK) == "/aws/apigateway/iam-key-age-prod"
    line = json.loads(stage["AccessLogSetting"]["Format"])
    assert {"$context.requestId", "$context.status", "$context.identity.caller"} <= set(line.values())
    assert "$context.path" not in line.values()  # which could have anything in it


def test_the_api_the_functions_and_the_state_machine_are_traced(template: dict[str, Any]) -> None:
    functions = [part for part in template["Resources"].values() if part["Type"] == "AWS::Serverless::Function"]

    assert template["Resources"]["RestAPI"]["Properties"]["TracingEnabled"] is True
    assert [function["Properties"]["Tracing"] for function in functions] == ["Active"] * 5
    assert template["Resources"]["ScanStateMachine"]["Properties"]["Tracing"] == {"Enabled": True}
    role = transformed_by_sam(template)["Resources"]["ScanStateMachineRole"]["Properties"]
    assert ["XRay" in arn or "Xray" in arn for arn in role["ManagedPolicyArns"]] == [True]


@pytest.mark.parametrize(("logs_role", "variable"), [("present", "present"), ("create", "ACCOUNT")])
def test_the_stage_waits_for_the_role_of_api_gateways_logs_where_the_stack_makes_it(
    template: dict[str, Any], logs_role: str, variable: str
) -> None:
    variables = template["Resources"]["RestAPI"]["Properties"]["Variables"]

    known = {**STACK, "ApiGatewayLogsRole": logs_role, "ApiGatewayAccount": "ACCOUNT"}
    assert resolve(template, variables, known) == {"logsRole": variable}
    for name in ("ApiGatewayAccount", "ApiGatewayRole"):
        resource = template["Resources"][name]
        assert resource["Condition"] == "CreatesApiGatewayLogsRole"
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_the_example_of_a_resource_policy_becomes_the_apis_as_the_docs_say(packaged: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(packaged.parent.parent, project, ignore=shutil.ignore_patterns("build"))
    example = shutil.copy(PROJECT / "docs" / "api-resource-policy.json", project / ".chalice")
    config = json.loads((project / ".chalice" / "config.json").read_text())
    config["stages"]["dev"]["api_gateway_policy_file"] = "api-resource-policy.json"
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    command = [f"{Path(sys.executable).parent}/chalice", "package", "--stage", "dev", "build"]

    subprocess.run(command, cwd=project, env={**os.environ, "AWS_DEFAULT_REGION": "eu-central-1"}, check=True)

    api = json.loads((project / "build" / "sam.json").read_text())["Resources"]["RestAPI"]["Properties"]
    policy = api["DefinitionBody"]["x-amazon-apigateway-policy"]
    assert policy == json.loads(Path(example).read_text())
    routes = {f"execute-api:/api/GET{path.replace('{scan_id}', '*')}" for path in openapi_document()["paths"]}
    [deny, allow] = policy["Statement"]
    assert (deny["Effect"], deny["Resource"]) == ("Deny", "execute-api:/*")
    assert all(any(fnmatch.fnmatch(route, pattern) for pattern in allow["Resource"]) for route in routes)
    assert not any(fnmatch.fnmatch("execute-api:/api/POST/scan", pattern) for pattern in allow["Resource"])


def test_every_parameter_is_in_a_group_of_the_console_with_a_default_and_a_description(
    template: dict[str, Any],
) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]

    assert sorted(grouped) == sorted(template["Parameters"])
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert "Default" in parameter, name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & parameter.keys(), name


def test_every_log_group_is_kept_for_the_days_of_the_parameter(template: dict[str, Any]) -> None:
    groups = {name: part for name, part in template["Resources"].items() if part["Type"] == "AWS::Logs::LogGroup"}
    functions = {name for name, part in template["Resources"].items() if part["Type"] == "AWS::Serverless::Function"}

    assert groups.keys() == {f"{name}Logs" for name in functions} | {"ApiAccessLogs"}
    assert all(part["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for part in groups.values())
    for name in functions:
        assert groups[f"{name}Logs"]["Properties"]["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/${{{name}}}"}


@pytest.mark.parametrize(("boundary", "bounded"), [("", None), ("arn:aws:iam::123456789012:policy/boundary", True)])
def test_every_role_has_the_path_and_the_boundary_that_the_account_asks_for(
    template: dict[str, Any], boundary: str, bounded: bool | None
) -> None:
    document = transformed_by_sam(template)
    roles = [part["Properties"] for part in document["Resources"].values() if part["Type"] == "AWS::IAM::Role"]

    assert len(roles) == 7  # of five functions, of the state machine, of API Gateway's logs
    for role in roles:
        assert role["Path"] == {"Ref": "RolePath"}
        [condition, arn, nothing] = role["PermissionsBoundary"]["Fn::If"]
        assert condition == "HasPermissionsBoundary"
        assert (arn, nothing) == ({"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"})
    [equal] = template["Conditions"]["HasPermissionsBoundary"]["Fn::Not"]
    one, other = resolve(template, equal["Fn::Equals"], {**STACK, "PermissionsBoundaryArn": boundary})
    assert (one != other or None) is bounded


KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


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
    allowed: dict[str, set[str]] = {}
    for name in ("ReadingWithTheKey", "WritingWithTheKey"):
        resource = template["Resources"][name]
        [statement] = resource["Properties"]["PolicyDocument"]["Statement"]
        assert resource["Condition"] == "HasKmsKey"
        assert statement["Resource"] == {"Ref": "KmsKeyArn"}
        allowed |= {role["Ref"]: actions(statement) for role in resource["Properties"]["Roles"]}

    both = {"kms:Decrypt", "kms:GenerateDataKey"}
    assert allowed == {
        "ApiHandlerRole": {"kms:Decrypt"},
        "ValidateKeysRole": both,
        "BuildReportRole": both,
        "ScanStateMachineRole": both,  # for the topic, and latest.json
    }
    assert "ScanStateMachineRole" in transformed_by_sam(template)["Resources"]


def test_the_example_of_a_key_policy_lets_the_three_services_use_it() -> None:
    policy = json.loads((PROJECT / "docs" / "kms-key-policy.json").read_text())

    [_, telling, logging] = policy["Statement"]
    assert telling["Principal"]["Service"] == ["events.amazonaws.com", "cloudwatch.amazonaws.com"]
    assert telling["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    [pattern] = logging["Condition"]["ArnLike"].values()
    for group in ("/aws/lambda/iam-key-age-prod-APIHandler-X", "/aws/apigateway/iam-key-age-prod"):
        assert fnmatch.fnmatch(f"arn:aws:logs:eu-central-1:123456789012:log-group:{group}", pattern)


# Of parameters with a pattern: what they take, the ends among them, and what is just outside.
PATTERNS = {
    "KmsKeyArn": (["", KEY, KEY.replace("aws", "aws-us-gov")], ["alias/aws/sns", KEY.replace("key/", "alias/"), "x"]),
    "NotificationEmail": (["", "a@b.co", f"{'a' * 64}@{'b' * 100}.co"], ["a", "a b@c.de", "a@b"]),
    "PermissionsBoundaryArn": (
        ["", "arn:aws-cn:iam::123456789012:policy/a/b", "arn:aws:iam::aws:policy/x"],
        ["x", "arn:aws:iam::123456789012:role/x", "arn:aws:iam::123:policy/x"],
    ),
    "RolePath": (["/", "/security/", f"/{'a' * 510}/"], ["", "security", "/security", f"/{'a' * 511}/"]),
    "OwnerTags": (
        ["a", "owner,Owner,email", "a:b/c=d+e@f.g-h_i", ",".join(letter * 40 for letter in "abcdefghij")],
        ["", "it's", "a,", ",a", "a b", "a\nb", "a%}", "x" * 41, ",".join("abcdefghijk")],
    ),
    "MaxAgeDays": (["", "1", str(MAX_AGE_DAYS_LIMIT)], ["-1", "01", "1.5", "90 ", "x"]),
    "WarnDays": (["", "0", str(MAX_AGE_DAYS_LIMIT - 1)], ["-1", "00", "1.5", "x"]),
    "MaxUnusedDays": (["", "1", str(MAX_AGE_DAYS_LIMIT)], ["-1", "01", "1.5", "x"]),
    "ScanSchedule": (
        [
            "",
            "cron(0 8 * * ? *)",
            "cron(0/30 6-8 ? * MON,FRI#1 2026)",
            "cron(0 8 L * ? *)",
            "rate(1 minute)",
            "rate(12 hours)",
        ],
        [
            "x",
            "rate(1 days)",
            "rate(2 day)",
            "cron(0 8 * * * *)",
            "cron(0 8 ? * ? *)",
            "cron()",
            "cron(0 8 * * ?)",
            "0 8 * * ? *",
            "rate(0 days)",
            "rate(1)",
            "rate(1 weeks)",
            "at(2026-11-22T08:00)",
        ],
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_parameter_takes_what_it_says(template: dict[str, Any], name: str) -> None:
    pattern = template["Parameters"][name]["AllowedPattern"]
    good, bad = PATTERNS[name]

    assert [text for text in good if not re.fullmatch(pattern, text)] == []
    assert [text for text in bad if re.fullmatch(pattern, text)] == []


@pytest.mark.parametrize("name", ["MaxAgeDays", "WarnDays", "MaxUnusedDays"])
def test_a_parameter_takes_the_days_that_the_scan_policy_takes(template: dict[str, Any], name: str) -> None:
    pattern = template["Parameters"][name]["AllowedPattern"]
    rule = POLICY_RULES[re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()]

    taken = [days for days in range(11_000) if re.fullmatch(pattern, str(days))]

    assert taken == list(range(rule["minimum"], rule["maximum"] + 1))


def ends(name: str, parameter: dict[str, Any]) -> list[str]:
    """The values at a parameter's ends: the first and the last, and of few to choose from, all."""
    if "AllowedPattern" in parameter:
        return PATTERNS[name][0]
    if "AllowedValues" in parameter:
        return [str(value) for value in parameter["AllowedValues"]]
    return [str(parameter["MinValue"]), str(parameter["MaxValue"])]


def linted(template: dict[str, Any], folder: Path, given: list[dict[str, str]]) -> str:
    """What cfn-lint says of the stack with each of these sets of values, in a Region of each of three partitions.

    It resolves no parameter in a template of SAM's: so this is what CloudFormation gets, after the transform.
    """
    path = folder / "plain.json"
    path.write_text(json.dumps(transformed_by_sam(template)))
    command = [f"{Path(sys.executable).parent}/cfn-lint", "--regions", "eu-central-1", "cn-north-1", "us-gov-west-1"]
    command.append("--deployment-files")
    for number, parameters in enumerate(given):
        document = {"template-file-path": str(path), "parameters": parameters, "tags": {}}
        command.append(f"{number}.json")
        (folder / command[-1]).write_text(json.dumps(document))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stdout == ""), done.stderr
    return done.stdout


def test_the_stack_keeps_to_cfn_lint_with_every_parameter_at_each_of_its_ends(
    template: dict[str, Any], tmp_path: Path
) -> None:
    values = {name: ends(name, parameter) for name, parameter in template["Parameters"].items()}
    sets = max(map(len, values.values()))

    given = [{name: of_it[number % len(of_it)] for name, of_it in values.items()} for number in range(sets)]

    assert linted(template, tmp_path, given) == ""
    outside = linted(template, tmp_path, [{"RolePath": "x", "ScanSchedule": "x", "LogRetentionDays": "2"}])
    for says in ("'RolePath'} does not match", "'ScanSchedule'} has to be either", "'2' is not one of"):
        assert says in outside  # it does look


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_every_arn_in_a_policy_is_of_the_partition(template: dict[str, Any], partition: str) -> None:
    known = {**STACK, "AWS::Partition": partition, "ReportsBucket.Arn": f"arn:{partition}:s3:::reports"}
    known |= {f"{name}.Arn": f"arn:{partition}:x:::{name}" for name in template["Resources"]} | {
        "NotificationsTopic": f"arn:{partition}:sns:::topic",
        "RolePath": "/",
        "PermissionsBoundaryArn": "",
        "AWS::NoValue": "",
    }
    policies = [
        *template["Resources"]["ScanStateMachine"]["Properties"]["Policies"],
        *(
            policy["PolicyDocument"]
            for part in template["Resources"].values()
            if part["Type"] == "AWS::IAM::Role"
            for policy in part["Properties"].get("Policies", [])
        ),
    ]

    named = [
        arn
        for policy in policies
        for statement in policy["Statement"]
        for arn in resources({**statement, "Resource": resolve(template, statement["Resource"], known)})
    ]

    assert len(named) > 20
    assert {arn.split(":")[1] for arn in named if arn != "*"} == {partition}


def test_no_partition_is_written_into_the_template(template: dict[str, Any]) -> None:
    text = json.dumps(template) + json.dumps(DEFINITION)

    assert "arn:aws:" not in text


MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:iam-key-age-prod:some-scan"
BUCKET = "arn:aws:s3:::reports"


TOPIC = "arn:aws:sns:eu-central-1:123456789012:topic"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function"
LOG_STREAM = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/iam-key-age-prod-{}-X:log-stream:2026/11/22"
PAGE, REPORTS = (
    f"{BUCKET}/scans/some-scan/pages/0001.json",
    [f"{BUCKET}/scans/some-scan/report.{kind}" for kind in ("json", "csv", "html")],
)
READ_A_PAGE_OR_A_REPORT = {("s3:GetObject", one) for one in (PAGE, *REPORTS)} | {("s3:ListBucket", BUCKET)}
WRITE_WITH_THE_KEY = {("kms:Decrypt", KEY), ("kms:GenerateDataKey", KEY)}
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
    "ValidateKeysRole": {("s3:PutObject", PAGE), *WRITE_WITH_THE_KEY},
    "BuildReportRole": {
        *(("s3:PutObject", report) for report in REPORTS),
        *(READ_A_PAGE_OR_A_REPORT - {("s3:GetObject", report) for report in REPORTS[1:]}),
        ("s3:GetObject", f"{BUCKET}/latest.json"),
        *WRITE_WITH_THE_KEY,
    },
    "ScanStateMachineRole": {
        *(("lambda:InvokeFunction", f"{FUNCTION}:{name}") for name in ("ReadPolicy", "ValidateKeys", "BuildReport")),
        ("iam:ListUsers", "*"),
        ("iam:GetAccountSummary", "*"),
        *(
            (f"iam:{action}", f"arn:aws:iam::123456789012:user/{user}")
            for action in ("ListAccessKeys", "GetAccessKeyLastUsed", "ListUserTags")
            for user in ("alice", "a/path/bob")
        ),
        ("sns:Publish", TOPIC),
        ("s3:PutObject", f"{BUCKET}/latest.json"),
        ("states:StartExecution", MACHINE),
        ("states:DescribeExecution", EXECUTION),
        ("states:StopExecution", EXECUTION),
        *WRITE_WITH_THE_KEY,
    },
}
for _function in ("ScheduledScan", "APIHandler", "ReadPolicy", "ValidateKeys", "BuildReport"):
    MAY[f"{_function}Role".replace("APIHandler", "ApiHandler")] |= {
        *((action, LOG_STREAM.format(_function)) for action in LOGS),
        *((action, "*") for action in TRACES),
    }
OF_ANOTHER = {
    ("states:StartExecution", f"{MACHINE}-other"),
    ("states:StartExecution", MACHINE.replace("123456789012", "210987654321")),
    ("states:ListExecutions", MACHINE.replace("eu-central-1", "us-east-1")),
    ("states:DescribeExecution", EXECUTION.replace("prod:", "dev:")),
    ("states:StopExecution", EXECUTION.replace("prod:", "dev:")),
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
    ("kms:Decrypt", f"{KEY}0"),
    ("logs:PutLogEvents", LOG_STREAM.format("Other")),
    ("logs:PutLogEvents", LOG_STREAM.format("ReadPolicy").replace("prod", "dev")),
}
OF_NO_USE = {
    *((f"iam:{action}AccessKey", "arn:aws:iam::123456789012:user/alice") for action in ("Create", "Update", "Delete")),
    ("iam:TagUser", "arn:aws:iam::123456789012:user/alice"),
    ("iam:GetCredentialReport", "*"),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/x"),
    ("sts:AssumeRole", "arn:aws:iam::123456789012:role/x"),
    *((f"states:{action}", EXECUTION) for action in ("RedriveExecution", "GetExecutionHistory")),
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


def documents_of(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """The policies of a role with their names resolved, where the stack has a key of the account's own."""
    parts = template["Resources"]
    known = {**STACK, "KmsKeyArn": KEY, "ReportsBucket.Arn": BUCKET, "NotificationsTopic": TOPIC}
    known |= {f"{name}.Arn": f"{FUNCTION}:{name}" for name in ("ReadPolicy", "ValidateKeys", "BuildReport")}
    if role == "ScanStateMachineRole":
        own = parts["ScanStateMachine"]["Properties"]["Policies"]
    else:
        own = [policy["PolicyDocument"] for policy in parts[role]["Properties"]["Policies"]]
    beside = [
        part["Properties"]["PolicyDocument"]
        for part in parts.values()
        if part["Type"] == "AWS::IAM::Policy" and {"Ref": role} in part["Properties"]["Roles"]
    ]
    documents: list[dict[str, Any]] = resolve(template, own + beside, known)
    return documents


# Of AWS's policies that two roles have: AWSXrayWriteOnlyAccess and AmazonAPIGatewayPushToCloudWatchLogs.
OF_AWS_FOR_TRACES = TRACES | {
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:GetSamplingStatisticSummaries",
}
OF_AWS_FOR_THE_LOGS_OF_APIS = LOGS | {
    "logs:CreateLogGroup",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:GetLogEvents",
    "logs:FilterLogEvents",
}


def test_the_example_of_a_permissions_boundary_allows_what_the_roles_may_and_nothing_else() -> None:
    boundary = IAMPolicy((PROJECT / "docs" / "permissions-boundary.json").read_text())
    named = {
        BUCKET: "arn:aws:s3:::iam-key-age-prod-reportsbucket-x",
        TOPIC: TOPIC.replace("topic", "iam-key-age-prod-NotificationsTopic-X"),
        f"{FUNCTION}:": f"{FUNCTION}:iam-key-age-prod-",
    }

    def permitted(action: str, resource: str) -> bool:
        for stands_for, name in named.items():
            resource = resource.replace(stands_for, name)
        return bool(boundary.is_action_permitted(action, resource) == PermissionResult.PERMITTED)

    assert [call for calls in MAY.values() for call in calls if not permitted(*call)] == []
    called = {action for calls in MAY.values() for action, _ in calls}
    statements = json.loads((PROJECT / "docs" / "permissions-boundary.json").read_text())["Statement"]
    assert set().union(*map(actions, statements)) == called | OF_AWS_FOR_TRACES | OF_AWS_FOR_THE_LOGS_OF_APIS
    wide = {statement["Sid"] for statement in statements if "*" in resources(statement)}
    assert wide == {"ReadUsersAndTheirKeys", "WriteTraces", "LetApiGatewayWriteLogsWhereTheStackMakesItsRole"}


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
    assert of_aws.keys() == {"ApiGatewayRole", "ScanStateMachineRole"}
    assert "AmazonAPIGatewayPushToCloudWatchLogs" in of_aws["ApiGatewayRole"]
    assert "Xray" in of_aws["ScanStateMachineRole"]
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


def transformed_by_sam(template: dict[str, Any]) -> dict[str, Any]:
    """What CloudFormation's Serverless transform makes of the template."""
    document = json.loads(json.dumps(template))
    for name, resource in document["Resources"].items():
        for field in ("CodeUri", "DefinitionUri"):
            if isinstance(resource.get("Properties", {}).get(field), str):
                resource["Properties"][field] = f"s3://bucket/{name}"
    session = boto3.session.Session(region_name=STACK["AWS::Region"])
    return dict(Translator({}, Parser(), boto_session=session).translate(document, {}))


@pytest.mark.parametrize("schedule", ["", "cron(15 6 ? * MON *)"])
def test_the_schedule_is_daily_at_eight_or_what_the_parameter_says(template: dict[str, Any], schedule: str) -> None:
    document = transformed_by_sam(template)
    known = {**STACK, "ScanSchedule": schedule, "ScheduledScan": "NAME", "ScheduledScan.Arn": "ARN"}
    rules = [
        (part.get("Condition"), resolve(document, part["Properties"], known))
        for part in document["Resources"].values()
        if part["Type"] == "AWS::Events::Rule" and "ScheduleExpression" in part["Properties"]
    ]

    holds = {None: True, "HasScanSchedule": bool(schedule)}
    enabled = [
        rule["ScheduleExpression"] for condition, rule in rules if holds[condition] and rule.get("State") != "DISABLED"
    ]
    assert enabled == [schedule or "cron(0 8 * * ? *)"]
    assert [rule["Targets"][0]["Arn"] for _, rule in rules] == ["ARN", "ARN"]
    permissions = [part for part in document["Resources"].values() if part["Type"] == "AWS::Lambda::Permission"]
    by_a_rule = [part for part in permissions if part["Properties"]["Principal"] == "events.amazonaws.com"]
    assert [part.get("Condition") for part in by_a_rule] == [condition for condition, _ in rules]


def test_the_thresholds_are_parameters_of_each_function_that_reads_them(template: dict[str, Any]) -> None:
    defaults = {name: parameter["Default"] for name, parameter in template["Parameters"].items()}
    given = {"MaxAgeDays": "120", "WarnDays": "60", "IncludeInactive": "true", "MaxUnusedDays": "45"}

    for name in ("ScheduledScan", "APIHandler", "ReadPolicy", "ValidateKeys"):
        variables = template["Resources"][name]["Properties"]["Environment"]["Variables"]
        known = {**STACK, **defaults, "ReportsBucket": "reports"}

        assert parse_stage_defaults(resolve(template, variables, known)) == ScanPolicy()
        assert parse_stage_defaults(resolve(template, variables, {**known, **given})) == ScanPolicy(120, 60, True, 45)


def test_the_bucket_is_private_encrypted_versioned_and_stays(template: dict[str, Any]) -> None:
    bucket = template["Resources"]["ReportsBucket"]
    [deny] = template["Resources"]["ReportsBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
    assert bucket["Properties"]["BucketEncryption"]
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_email_subscription_is_there_only_with_an_address(template: dict[str, Any]) -> None:
    subscription = template["Resources"]["NotificationEmailSubscription"]

    assert subscription["Condition"] == "HasNotificationEmail"
    assert template["Parameters"]["NotificationEmail"]["Default"] == ""


def test_the_zip_holds_the_app_and_chalices_runtime_only(packaged: Path) -> None:
    archive = packaged.parent / "deployment.zip"
    with zipfile.ZipFile(archive) as zipped:
        folders = {name.partition("/")[0] for name in zipped.namelist()}

    packages = {folder for folder in folders if not folder.endswith(".dist-info")}
    assert packages == {"app.py", "chalicelib", "chalice", "jinja2", "markupsafe"}
    assert archive.stat().st_size < 1_000_000


def test_importing_the_app_imports_neither_boto3_nor_jinja2() -> None:
    program = (
        "import sys, app; print([name for name in sys.modules if name.startswith(('boto', 'jinja2', 'markupsafe'))])"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


STACK = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "iam-key-age-prod",
    "ScanStateMachine": "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod",
    "NotificationsTopic": "arn:aws:sns:eu-central-1:123456789012:topic",
    "AlarmAfterHours": "26",
}


# In the form of the events that Step Functions' guide shows, with a scan's own names:
# https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
EVENTS: list[dict[str, Any]] = json.loads((PROJECT / "tests" / "golden" / "status-changes.json").read_text())


def told(template: dict[str, Any], event: Any, **stack: str) -> Any:
    """What the rule makes of a Step Functions event: None where it does not match."""
    properties = template["Resources"]["FailedScanRule"]["Properties"]
    rule = resolve(template, properties, {**STACK, "HttpsFormat": "json", **stack})
    [target] = rule["Targets"]
    assert target["Arn"] == STACK["NotificationsTopic"]
    pattern = EventPattern(None, rule["EventPattern"])
    return json.loads(transformed(target, event)) if pattern.matches_event(event) else None


@pytest.mark.parametrize(
    ("event", "tells"),
    [(event, event["detail"]["status"] in {"FAILED", "TIMED_OUT", "ABORTED"}) for event in EVENTS],
    ids=[event["detail"]["status"] for event in EVENTS],
)
def test_executions_that_fail_time_out_or_are_stopped_are_told_and_no_others(
    template: dict[str, Any], event: dict[str, Any], tells: bool
) -> None:
    text = told(template, event)

    assert text == (
        "iam-key-age: scan scheduled-2026-11-22T080000Z of AWS account 123456789012 ended"
        f" {event['detail']['status']}: take nothing for clean. What to do: see why at"
        " https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/"
        "arn:aws:states:eu-central-1:123456789012:execution:iam-key-age-prod:scheduled-2026-11-22T080000Z"
        " - mend it, then start another scan, or redrive the execution there."
        if tells
        else None
    )


def test_another_state_machines_failure_is_not_told(template: dict[str, Any]) -> None:
    event = json.loads(json.dumps(EVENTS[2]).replace("stateMachine:iam-key-age-prod", "stateMachine:other"))

    assert told(template, event) is None


def test_chat_is_told_of_a_failure_in_its_own_form(template: dict[str, Any]) -> None:
    chat = told(template, EVENTS[2], HttpsFormat="chat")

    assert (chat["version"], chat["source"], chat["content"]["textType"]) == ("1.0", "custom", "client-markdown")
    assert chat["content"]["title"] == "IAM key scan FAILED in AWS account 123456789012"
    assert "https://eu-central-1.console.aws.amazon.com/states/" in chat["content"]["nextSteps"][0]


@pytest.mark.parametrize(
    ("partition", "domain"),
    [
        ("aws-iso", "console.aws.amazon.com"),
        ("aws-cn", "console.amazonaws.cn"),
        ("aws-us-gov", "console.amazonaws-us-gov.com"),
    ],
)
def test_the_link_is_the_partitions_own(template: dict[str, Any], partition: str, domain: str) -> None:
    assert f"https://eu-central-1.{domain}/states/" in told(template, EVENTS[2], **{"AWS::Partition": partition})


@pytest.mark.parametrize("name", ["NoScanAlarm", "NoFullScanAlarm"])
def test_an_alarm_fires_when_no_scan_has_succeeded_for_longer_than_the_schedule_allows(
    template: dict[str, Any], name: str
) -> None:
    alarm = resolve(template, template["Resources"][name]["Properties"], STACK)
    [scans, filled] = alarm["Metrics"]
    longest = template["Parameters"]["AlarmAfterHours"]

    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"
    assert (filled["Expression"], filled["ReturnData"], scans["ReturnData"]) == ("FILL(scans, 0)", True, False)
    assert scans["MetricStat"]["Period"] * int(alarm["EvaluationPeriods"]) == 26 * 3600
    assert alarm["DatapointsToAlarm"] == alarm["EvaluationPeriods"]
    assert alarm["AlarmActions"] == alarm["OKActions"] == [STACK["NotificationsTopic"]]
    assert longest["MaxValue"] * scans["MetricStat"]["Period"] <= 604_800  # what CloudWatch takes
    assert 24 < longest["Default"] <= 24 + 2  # the schedule's day and a scan's longest time


def test_the_alarms_count_scans_that_succeeded_and_full_scans_by_what_they_write(template: dict[str, Any]) -> None:
    counted = {}
    for name in ("NoScanAlarm", "NoFullScanAlarm"):
        alarm = resolve(template, template["Resources"][name]["Properties"], STACK)
        counted[name] = alarm["Metrics"][0]["MetricStat"]
    metrics = json.loads(metrics_line(report_of(user("alice")), "prod", AS_OF))
    [directive] = metrics["_aws"]["CloudWatchMetrics"]
    [names] = directive["Dimensions"]

    assert counted["NoScanAlarm"]["Stat"] == "Sum"
    assert counted["NoScanAlarm"]["Metric"] == {
        "Namespace": "AWS/States",
        "MetricName": "ExecutionsSucceeded",
        "Dimensions": [{"Name": "StateMachineArn", "Value": STACK["ScanStateMachine"]}],
    }
    written = counted["NoFullScanAlarm"]
    assert written["Stat"] == "SampleCount"
    assert written["Metric"]["Namespace"] == directive["Namespace"]
    assert written["Metric"]["MetricName"] in [metric["Name"] for metric in directive["Metrics"]]
    assert {dimension["Name"]: dimension["Value"] for dimension in written["Metric"]["Dimensions"]} == {
        name: metrics[name] for name in names
    }


def test_the_topic_takes_messages_from_eventbridge_and_from_the_alarms(template: dict[str, Any]) -> None:
    policy = template["Resources"]["NotificationsTopicPolicy"]["Properties"]

    [*allowing, deny] = policy["PolicyDocument"]["Statement"]
    allowed = {statement["Principal"]["Service"]: statement.get("Condition") for statement in allowing}

    assert policy["Topics"] == [{"Ref": "NotificationsTopic"}]
    alarms = [{"Fn::GetAtt": [name, "Arn"]} for name in ("NoScanAlarm", "NoFullScanAlarm")]
    assert allowed == {
        "events.amazonaws.com": None,  # EventBridge never fulfils one
        "cloudwatch.amazonaws.com": {"ArnEquals": {"aws:SourceArn": alarms}},
    }
    for statement in (*allowing, deny):
        assert statement["Effect"] == ("Deny" if statement == deny else "Allow")
        assert statement["Action"] == "sns:Publish"
        assert statement["Resource"] == {"Ref": "NotificationsTopic"}
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_dashboard_draws_the_metrics_that_a_scan_writes(template: dict[str, Any]) -> None:
    properties = resolve(template, template["Resources"]["Dashboard"]["Properties"], STACK)
    written = json.loads(metrics_line(report_of(user("alice")), "prod", AS_OF))

    widgets = json.loads(properties["DashboardBody"])["widgets"]

    drawn = [metric for widget in widgets for metric in widget["properties"].get("metrics", [])]
    ours = {metric[1] for metric in drawn if metric[0] == "iam-key-age"}
    assert ours == {metric["Name"] for metric in written["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert all(metric[2:6] == ["Stage", "prod", "ScanKind", "full"] for metric in drawn if metric[0] == "iam-key-age")
    names = [
        resolve(template, template["Resources"][name]["Properties"]["AlarmName"], STACK)
        for name in ("NoScanAlarm", "NoFullScanAlarm")
    ]
    assert [name for widget in widgets for name in widget["properties"].get("alarms", [])] == [
        f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{name}" for name in names
    ]


@pytest.mark.parametrize(("stack", "stage"), [("iam-key-age-prod", "prod"), ("another-name", "another-name")])
def test_the_stage_is_the_end_of_the_stacks_name(template: dict[str, Any], stack: str, stage: str) -> None:
    variables = template["Resources"]["BuildReport"]["Properties"]["Environment"]["Variables"]

    assert resolve(template, variables["STAGE"], {**STACK, "AWS::StackName": stack}) == stage


def test_the_choices_of_the_parameters_are_those_that_the_code_knows(template: dict[str, Any]) -> None:
    parameters = template["Parameters"]

    assert parameters["NotifyOn"]["AllowedValues"] == list(NotifyOn)
    assert parameters["NotifyOn"]["Default"] == "findings"
    assert parameters["HttpsFormat"]["AllowedValues"] == list(HttpsFormat)
    assert parameters["HttpsFormat"]["Default"] == "json"


def test_the_tags_of_the_owner_are_a_parameter_that_cannot_break_out_of_the_definition(
    template: dict[str, Any],
) -> None:
    parameter = template["Parameters"]["OwnerTags"]

    assert parameter["Default"] == ",".join(TagSettings().owner_tags)
    for names in PATTERNS["OwnerTags"][0]:
        parse_tag_settings({"OWNER_TAGS": names})


def test_the_functions_and_the_definition_get_the_same_tags(template: dict[str, Any]) -> None:
    variables = template["Resources"]["ValidateKeys"]["Properties"]["Environment"]["Variables"]
    substitutions = template["Resources"]["ScanStateMachine"]["Properties"]["DefinitionSubstitutions"]
    days = template["Parameters"]["MaxExemptDays"]

    assert variables["OWNER_TAGS"] == substitutions["OwnerTags"] == {"Ref": "OwnerTags"}
    assert variables["MAX_EXEMPT_DAYS"] == {"Ref": "MaxExemptDays"}
    assert (days["Default"], days["MinValue"], days["MaxValue"]) == (366, 1, MAX_EXEMPT_DAYS_LIMIT)
    assert UNTIL_TAG in json.dumps(DEFINITION)
    assert REASON_TAG in json.dumps(DEFINITION)


def test_statelint_finds_nothing_but_the_listed_extensions() -> None:
    assert problems() == []


def test_how_many_children_ask_at_a_time_is_a_parameter_up_to_all_of_a_page(template: dict[str, Any]) -> None:
    parameter = template["Parameters"]["IamConcurrency"]
    check_users = DEFINITION["States"]["CheckUsers"]
    a_child = int(re.findall(r"\$partition\(\$listed, (\d+)\)", check_users["Items"])[0])
    a_page = DEFINITION["States"]["BeginScan"]["Assign"]["listUsersRequest"]["MaxItems"]

    assert check_users["MaxConcurrency"] == "{% $number('${IamConcurrency}') %}"
    assert (parameter["MinValue"], parameter["Default"], parameter["MaxValue"]) == (1, 2, a_page // a_child)


def test_a_child_that_begins_nothing_new_has_time_to_end() -> None:
    child = DEFINITION["States"]["CheckUsers"]["ItemProcessor"]["States"]
    seconds = int(re.findall(r"\$millis\(\) \+ (\d+)", child["BeginChild"]["Assign"]["giveUpAt"])[0]) / 1000
    of_a_user = child["EachUser"]["ItemProcessor"]["States"]
    longest_call = max(state.get("TimeoutSeconds", 0) for state in of_a_user.values())
    longest_wait = int(re.findall(r"\$min\(\[(\d+),", of_a_user["WaitForIam"]["Seconds"])[0])

    assert seconds + longest_wait + longest_call < 0.75 * 300

"""The packaged template: one stack, with what each part needs and no more."""

import fnmatch
import importlib
import itertools
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from chalicelib import aws
from chalicelib.api.openapi import openapi_document
from chalicelib.aws import errors
from localaws.environment import PROJECT
from tests.support.cloudformation import prerequisites, resolve
from tests.support.lint_definition import DEFINITIONS, problems

DEFINITION: dict[str, Any] = json.loads((PROJECT / "statemachine" / "scan.asl.json").read_text())
OF_ORGANIZATION_SCAN: dict[str, Any] = json.loads((PROJECT / "statemachine" / "organization.asl.json").read_text())
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
CHOICES = {name: state for name, state in states() if state["Type"] == "Choice"}
ORGANIZATION_TASKS = {name: state for name, state in states(OF_ORGANIZATION_SCAN) if state["Type"] == "Task"}
# In one table: Notify and KeepAsLatest are in both definitions.
ALL_TASKS = TASKS | {f"{name} of the organization": state for name, state in ORGANIZATION_TASKS.items()}


def errors_tried_again(task: dict[str, Any]) -> set[str]:
    """Return the errors of a task's Retry, and those that the question its catchers lead to sends back to the task."""
    questions = [CHOICES[catch["Next"]] for catch in task.get("Catch", []) if catch["Next"].endswith("TryAgain?")]
    conditions = [question["Choices"][0]["Condition"] for question in questions]
    asked = {error for condition in conditions for error in re.findall(r"'([A-Z]\w+\.\w+)'", condition)}
    return asked | {error for retry in task.get("Retry", []) for error in retry["ErrorEquals"]}


def actions(statement: dict[str, Any]) -> set[str]:
    return {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])


def test_the_template_has_only_sections_that_sam_documents(whole: dict[str, Any]) -> None:
    # https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy.html
    documented = "AWSTemplateFormatVersion Transform Globals Description Metadata Parameters Mappings Conditions"

    assert whole.keys() <= {*documented.split(), "Resources", "Outputs"}


def test_the_definition_is_the_file_in_the_repo_and_its_substitutions_resolve(
    template: dict[str, Any], packaged: Path
) -> None:
    properties = template["Resources"]["ScanStateMachine"]["Properties"]
    definition = (packaged.parent / properties["DefinitionUri"]).read_text()

    assert json.loads(definition) == DEFINITION
    assert set(re.findall(r"\$\{(\w+)\}", definition)) == set(properties["DefinitionSubstitutions"])
    for given in properties["DefinitionSubstitutions"].values():
        if given == "off":
            continue
        value = given["Fn::If"][1] if "Fn::If" in given else given
        name = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
        assert name == "AWS::Partition" or name in {*template["Resources"], *template["Parameters"]}


def test_no_function_that_the_machine_calls_refers_to_the_machine(template: dict[str, Any]) -> None:
    for function in ("ReadPolicy", "ValidateKeys", "LookUpUsage", "BuildReport"):
        assert "ScanStateMachine" not in json.dumps(template["Resources"][function])


@pytest.mark.parametrize("name", ALL_TASKS)
def test_every_task_has_a_time_out_and_retries(name: str) -> None:
    assert ALL_TASKS[name]["TimeoutSeconds"] > 0
    assert "States.Timeout" in errors_tried_again(ALL_TASKS[name])


def known_errors() -> set[str]:
    for module in pkgutil.iter_modules(aws.__path__, f"{aws.__name__}."):  # an error of one service is beside its calls
        importlib.import_module(module.name)
    known = ENGINE_ERRORS | LAMBDA_ERRORS | {error.__name__ for error in errors.UnavailableError.__subclasses__()}
    session = botocore.session.get_session()
    # StepFunctions is of an optimized integration, whose error of any kind bears the name of the older SDK's.
    for name, of_any_kind in {"Iam": "Iam", "S3": "S3", "Sns": "Sns", "StepFunctions": "AWSStepFunctions"}.items():
        known |= {f"{name}.{of_any_kind}Exception", f"{name}.SdkClientException"}
        for shape in session.get_service_model(
            name.lower()
        ).error_shapes:  # as the AWS SDK for Java names them: KMSThrottling… is KmsThrottling…
            error = re.sub(r"^KMS", "Kms", shape.name)
            known.add(f"{name}.{error}" if error.endswith("Exception") else f"{name}.{error}Exception")
    return known


@pytest.mark.parametrize("name", ALL_TASKS)
def test_the_errors_that_a_task_retries_and_catches_exist(name: str) -> None:
    handlers = [*ALL_TASKS[name].get("Retry", []), *ALL_TASKS[name].get("Catch", [])]

    named = {error for handler in handlers for error in handler["ErrorEquals"]}

    assert named | errors_tried_again(ALL_TASKS[name]) <= known_errors()


def test_no_task_retries_everything_or_an_error_that_stays() -> None:
    for task in ALL_TASKS.values():
        retried = errors_tried_again(task)
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
    assert limits == {("*", "/*"): (10, 50), ("POST", "/~1scan"): (2, 10)}  # ~1 is CloudFormation's slash
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
    assert [function["Properties"]["Tracing"] for function in functions] == ["Active"] * 7
    assert template["Resources"]["ScanStateMachine"]["Properties"]["Tracing"] == {"Enabled": True}


@pytest.mark.parametrize(("logs_role", "variable"), [("present", "present"), ("create", "ACCOUNT")])
def test_the_stage_waits_for_the_role_of_api_gateways_logs_where_the_stack_makes_it(
    template: dict[str, Any], logs_role: str, variable: str
) -> None:
    variables = template["Resources"]["RestAPI"]["Properties"]["Variables"]

    known = {**STACK, "ApiGatewayLogsRole": logs_role, "ApiGatewayAccount": "ACCOUNT", "ApiExecutionLogs": "GROUP"}
    assert resolve(template, variables, known) == {"logsRole": variable, "executionLogs": "GROUP"}
    for name in ("ApiGatewayAccount", "ApiGatewayRole"):
        resource = template["Resources"][name]
        assert resource["Condition"] == "CreatesApiGatewayLogsRole"
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("others", [False, True])
def test_an_api_is_there_before_api_gateways_role_is_set_and_the_role_before_a_stage_that_logs(
    template: dict[str, Any], others: bool
) -> None:
    document = transformed_by_sam(template)
    conditions = {name: name == "CreatesApiGatewayLogsRole" or others for name in document["Conditions"]}

    before = prerequisites(document, conditions)

    of_type = {part["Type"]: name for name, part in document["Resources"].items()}
    assert of_type["AWS::ApiGateway::RestApi"] in before["ApiGatewayAccount"]
    assert before[of_type["AWS::ApiGateway::Stage"]] >= {"ApiGatewayAccount", of_type["AWS::ApiGateway::Deployment"]}


def test_no_resource_has_to_be_there_before_itself_whatever_conditions_hold(template: dict[str, Any]) -> None:
    document = transformed_by_sam(template)
    names = list(document["Conditions"])

    for holds in itertools.product([False, True], repeat=len(names)):
        before = prerequisites(document, dict(zip(names, holds, strict=True)))
        assert {*TopologicalSorter(before).static_order()} == before.keys()  # it raises CycleError for a cycle

    document["Resources"]["RestAPI"]["DependsOn"] = "ApiGatewayAccount"
    with pytest.raises(CycleError):
        TopologicalSorter(prerequisites(document, dict.fromkeys(names, True))).prepare()


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
    routes = {
        method: [
            f"execute-api:/api/{method}{re.sub('{.*?}', '*', path)}" for path, item in paths if method.lower() in item
        ]
        for paths in [openapi_document()["paths"].items()]
        for method in ("GET", "POST")
    }
    [deny, allow] = policy["Statement"]
    assert (deny["Effect"], deny["Resource"]) == ("Deny", "execute-api:/*")
    assert all(any(fnmatch.fnmatch(route, pattern) for pattern in allow["Resource"]) for route in routes["GET"])
    assert len(routes["POST"]) >= 3
    assert not [route for route in routes["POST"] for one in allow["Resource"] if fnmatch.fnmatch(route, one)]


def test_every_log_group_is_kept_for_the_days_of_the_parameter(template: dict[str, Any]) -> None:
    groups = {name: part for name, part in template["Resources"].items() if part["Type"] == "AWS::Logs::LogGroup"}
    functions = {name for name, part in template["Resources"].items() if part["Type"] == "AWS::Serverless::Function"}

    others = {"ApiAccessLogs", "ApiExecutionLogs", "ScanLogs"}
    assert groups.keys() == {f"{name}Logs" for name in functions} | others
    assert all(part["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for part in groups.values())
    for name in functions:
        assert groups[f"{name}Logs"]["Properties"]["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/${{{name}}}"}


def test_no_partition_is_written_into_the_template(template: dict[str, Any]) -> None:
    text = json.dumps(template) + json.dumps(DEFINITION)

    assert "arn:aws:" not in text


def transformed_by_sam(template: dict[str, Any]) -> dict[str, Any]:
    """What CloudFormation's Serverless transform makes of the template."""
    document = json.loads(json.dumps(template))
    for name, resource in document["Resources"].items():
        for field in ("CodeUri", "DefinitionUri"):
            if isinstance(resource.get("Properties", {}).get(field), str):
                resource["Properties"][field] = f"s3://bucket/{name}"
    session = boto3.session.Session(region_name=STACK["AWS::Region"])
    return dict(Translator({}, Parser(), boto_session=session).translate(document, {}))


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
    "OrganizationStateMachine": "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod-organization",
    "AlarmAfterHours": "26",
    "Accounts": "",
    "Deactivation": "off",
    "DeactivationApproval": "required",
    "RemindDays": "",
    "OwnerNotices": "off",
    "NoticesTestTo": "",
    "EventBus": "",
    "SecurityHub": "off",
    "OcsfReport": "off",
}
OF_ORGANIZATION = {**STACK, "Accounts": "organization"}


@pytest.mark.parametrize(("stack", "stage"), [("iam-key-age-prod", "prod"), ("another-name", "another-name")])
def test_the_stage_is_the_end_of_the_stacks_name(template: dict[str, Any], stack: str, stage: str) -> None:
    variables = template["Resources"]["BuildReport"]["Properties"]["Environment"]["Variables"]

    assert resolve(template, variables["STAGE"], {**STACK, "AWS::StackName": stack}) == stage


def test_statelint_finds_nothing_but_the_listed_extensions() -> None:
    assert [problem for definition in DEFINITIONS for problem in problems(definition)] == []


def test_how_many_children_ask_at_a_time_is_a_parameter_up_to_all_of_a_page(template: dict[str, Any]) -> None:
    parameter = template["Parameters"]["IamConcurrency"]
    check_users = DEFINITION["States"]["CheckUsers"]
    a_child = int(re.findall(r"\$partition\(\$listed, (\d+)\)", check_users["Items"])[0])
    a_page = DEFINITION["States"]["BeginScan"]["Assign"]["listUsersRequest"]["MaxItems"]

    assert check_users["MaxConcurrency"] == "{% $number('${IamConcurrency}') %}"
    assert (parameter["MinValue"], parameter["Default"], parameter["MaxValue"]) == (1, 2, a_page // a_child)


def test_a_child_that_begins_nothing_new_has_time_to_end_and_the_runbook_says_how_long_it_outlives_a_scan() -> None:
    child = DEFINITION["States"]["CheckUsers"]["ItemProcessor"]["States"]
    seconds = int(re.findall(r"\$millis\(\) \+ (\d+)", child["BeginChild"]["Assign"]["giveUpAt"])[0]) / 1000
    of_a_user = child["EachUser"]["ItemProcessor"]["States"]
    longest_call = max(state.get("TimeoutSeconds", 0) for state in of_a_user.values())
    longest_wait = int(re.findall(r"\$min\(\[(\d+),", of_a_user["WaitForIam"]["Seconds"])[0])

    assert seconds + longest_wait + longest_call < 0.75 * 300
    runbook = " ".join((PROJECT / "docs" / "runbook.md").read_text().split())
    assert seconds + longest_wait + longest_call < 3.5 * 60
    assert "call IAM for up to three and a half minutes more, and never longer than the five" in runbook

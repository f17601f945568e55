"""The second way to deploy: `chalice deploy`, and beside it `make deploy-statemachine`, with the real commands."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import telling_settings
from chalicelib.settings import InvalidSettingError
from deploy import parameters, template
from deploy.companion import (
    _OF_THE_COMPANION,
    FUNCTIONS,
    OF_ONE_STACK,
    CompanionError,
    check_way,
    companion_template,
    environment_of,
    read_deployed,
)
from deploy.parameters import read_parameters
from deploy.sessions import sign_in
from deploy.settings import SETTINGS
from localaws.environment import PROJECT
from tests.stack.test_template import actions
from tests.support.cloudformation import resolve
from tests.support.serving import Served, start

WHOLE = template.read_resources(PROJECT / template.RESOURCES)
RESOURCES = template.without_conditions(WHOLE, *OF_ONE_STACK)
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function"
DEPLOYED = {
    **{name: {"lambda_arn": f"{FUNCTION}:{name}"} for name in FUNCTIONS.values()},
    **{f"{name}_role": {"role_name": f"iam-key-age-dev-{name}"} for name in FUNCTIONS.values()},
    "rest_api": {"rest_api_id": "abc123"},
    "scheduled_scan-event": {"rule_name": "iam-key-age-dev-scheduled_scan-event"},
}
COMPANION = companion_template(WHOLE, DEPLOYED)


def test_the_companion_has_all_but_the_functions_and_the_api() -> None:
    types = {part["Type"] for part in COMPANION["Resources"].values()}

    assert "AWS::Serverless::StateMachine" in types
    assert _OF_THE_COMPANION in COMPANION["Resources"].keys() - RESOURCES["Resources"].keys()
    assert not {"AWS::Serverless::Function", "AWS::Serverless::Api"} & types
    roles = [name for name, part in COMPANION["Resources"].items() if part["Type"] == "AWS::IAM::Role"]
    assert roles == ["ScanStateMachineRole"]
    kept = {name for name, part in RESOURCES["Resources"].items() if "Type" in part}
    gone = kept - COMPANION["Resources"].keys()
    of_the_api = {"ApiAccessLogs", "ApiExecutionLogs", "ApiGatewayRole", "ApiGatewayAccount"}
    assert gone == of_the_api | {f"{name}Logs" for name in FUNCTIONS}
    assert RESOURCES["Parameters"].keys() - COMPANION["Parameters"].keys() == {
        *SETTINGS,
        *parameters.OF_ONE_STACK,
        "ApiGatewayLogsRole",
    }


@pytest.mark.parametrize(
    ("name", "does"),
    [
        *(("Accounts", "scans an organization"), ("ExternalId", "scans an organization")),
        *(("Deactivation", "plans deactivations"), ("DeactivatorRoleName", "plans deactivations")),
        *(("OwnerNotices", "sends owners notices"), ("MaxNoticesPerScan", "sends owners notices")),
        *(("EventBus", "sends events"), ("SecurityHub", "puts findings into Security Hub")),
    ],
)
def test_what_the_companion_has_not_is_refused_in_one_line_that_says_which_way_takes_it(name: str, does: str) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        read_parameters(COMPANION["Parameters"], [f"{name}=apply"])

    assert str(refusal.value) == (
        f'PARAMETERS: "{name}=apply" is not accepted; it takes parameters of the companion stack: a stage that {does}'
        " takes `make deploy`"
    )


def test_the_companion_has_nothing_of_deactivations() -> None:
    assert "eactivat" not in json.dumps([COMPANION["Parameters"], COMPANION["Resources"], COMPANION["Outputs"]])


def test_the_companion_has_nothing_of_events_notices_and_findings() -> None:
    text = json.dumps([COMPANION["Parameters"], COMPANION["Resources"], COMPANION["Outputs"], COMPANION["Conditions"]])

    for word in ("SendEvents", "NotifyOwners", "ImportFindings", "EventBus", "OwnerNotices", "SecurityHub", "notices/"):
        # The names of the definition's substitutions stay, with nothing to call.
        assert word not in text.replace(f'"{word}Arn": "off"', ""), word


@pytest.mark.parametrize("remind_days", ["", "7"])
@pytest.mark.parametrize("ocsf", ["off", "on"])
def test_a_setting_that_is_off_is_empty_so_that_it_takes_the_place_of_the_last_one(
    remind_days: str, ocsf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = COMPANION["Outputs"]["EnvironmentOfBuildReport"]["Value"]["Fn::Base64"]
    defaults = {name: str(of["Default"]) for name, of in COMPANION["Parameters"].items()}
    known = {**defaults, "ReportsBucket": "reports", "AWS::StackName": "iam-key-age-dev"}

    text = resolve(COMPANION, value, {**known, "RemindDays": remind_days, "OcsfReport": ocsf})
    variables = environment_of("BuildReport", {"EnvironmentOfBuildReport": base64.b64encode(text.encode()).decode()})

    assert variables["REMIND_DAYS"] == remind_days
    assert variables["OCSF_REPORT"] == ("on" if ocsf == "on" else "")
    for name in ("REMIND_DAYS", "OCSF_REPORT"):
        monkeypatch.setenv(name, variables[name])
    assert telling_settings.remind_days() == (7 if remind_days else None)
    assert telling_settings.writes_ocsf() is (ocsf == "on")
    assert telling_settings.parse_owner_rule(variables) is None


def test_nothing_in_the_companion_refers_to_what_is_not_in_it() -> None:
    text = json.dumps(COMPANION)

    for name in (*FUNCTIONS, *(f"{name}Role" for name in FUNCTIONS), "ApiHandlerRole"):
        for reference in ({"Ref": name}, {"Fn::GetAtt": [name, "Arn"]}):
            assert json.dumps(reference) not in text
        assert f"${{{name}" not in text
    groups = COMPANION["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    named = [name for group in groups for name in group["Parameters"]]
    assert sorted(named) == sorted(COMPANION["Parameters"])
    for name in COMPANION["Parameters"]:
        assert json.dumps({"Ref": name}) in text


def test_each_role_of_chalices_may_what_the_role_of_the_one_stack_may() -> None:
    for name in FUNCTIONS:
        role = f"{name}Role".replace("APIHandler", "ApiHandler")
        [policy] = RESOURCES["Resources"][role]["Properties"]["Policies"]
        mine = json.loads(
            (PROJECT / ".chalice" / f"logs-and-traces-{FUNCTIONS[name].replace('_', '-')}.json").read_text()
        )
        may = set().union(*map(actions, mine["Statement"]))
        wanted = [one for one in policy["PolicyDocument"]["Statement"] if not may & actions(one)]
        beside = COMPANION["Resources"].get(f"{role}Policy", {"Properties": {"PolicyDocument": {"Statement": []}}})

        assert beside["Properties"]["PolicyDocument"]["Statement"] == wanted
        if wanted:
            assert beside["Properties"]["Roles"] == [f"iam-key-age-dev-{FUNCTIONS[name]}"]
            assert beside["Properties"]["PolicyName"] == f"{role}Policy-abc123"


def test_a_role_that_the_one_stack_makes_by_a_condition_has_its_policy_by_the_same() -> None:
    by_condition = {
        role: RESOURCES["Resources"][role].get("Condition")
        for role in (f"{name}Role".replace("APIHandler", "ApiHandler") for name in FUNCTIONS)
        if f"{role}Policy" in COMPANION["Resources"]
    }

    assert by_condition["LookUpUsageRole"] == "AsksCloudTrail"
    for role, condition in by_condition.items():
        assert COMPANION["Resources"][f"{role}Policy"].get("Condition") == condition


def test_the_companion_keeps_to_cfn_lint(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    shutil.copytree(PROJECT / "statemachine", tmp_path / "statemachine")
    path = tmp_path / "build" / "companion.json"
    path.write_text(json.dumps(COMPANION))

    command = [f"{Path(sys.executable).parent}/cfn-lint", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_a_functions_variables_are_read_as_they_were_put_together() -> None:
    outputs = {"EnvironmentOfValidateKeys": "OWNER_TAGS=owner,a=b|REPORTS_BUCKET=bucket"}

    assert environment_of("ValidateKeys", outputs) == {"OWNER_TAGS": "owner,a=b", "REPORTS_BUCKET": "bucket"}
    assert environment_of("ReadPolicy", outputs) == {}


def test_a_tags_name_of_any_script_comes_back_from_the_companions_outputs() -> None:
    """CloudFormation gives back ? for what is not ASCII in an output, so the template has the variables in Base64."""
    text = "OWNER_TAGS=Équipe,部門|REPORTS_BUCKET=bucket"
    outputs = {"EnvironmentOfValidateKeys": base64.b64encode(text.encode()).decode()}

    assert environment_of("ValidateKeys", outputs) == {"OWNER_TAGS": "Équipe,部門", "REPORTS_BUCKET": "bucket"}


# With the real commands, in a copy of the project.


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    running = start()
    yield running
    running.stop()


def run(served: Served, project_copy: Path, *command: str, status: int = 0) -> str:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        command,
        cwd=project_copy,
        env={**mine, **served.settings},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
    return done.stdout + done.stderr


def ask(served: Served, method: str, path: str, **parameters: str) -> Any:
    """Invoke the function of the API as API Gateway does; return its status and its answer."""
    event = {
        "requestContext": {"httpMethod": method, "resourcePath": path, "path": path, "identity": {}},
        "headers": {},
        "pathParameters": parameters,
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "body": None,
    }
    answer = served.client("lambda").invoke(FunctionName="iam-key-age-dev", Payload=json.dumps(event))
    payload = json.loads(answer["Payload"].read())
    return payload["statusCode"], json.loads(payload["body"])


def test_chalice_deploy_and_the_companion_scan_and_are_removed(served: Served, project_copy: Path) -> None:
    chalice = str(project_copy / ".venv" / "bin" / "chalice")
    before = run(served, project_copy, "make", "deploy-statemachine", "STAGE=dev", status=1)
    assert ".chalice/deployed/dev.json does not have all functions: run chalice deploy --stage dev first" in before

    config = project_copy / ".chalice" / "config.json"
    before_it = config.read_text()
    config.write_text(json.dumps({**json.loads(before_it), "environment_variables": {"MAX_AGE_DAYS": "60"}}))
    assert "Rest API URL: https://" in run(served, project_copy, chalice, "deploy", "--stage", "dev")
    status, answer = ask(served, "POST", "/scan")
    assert (status, answer["Code"]) == (503, "ServiceUnavailableError")
    assert "make deploy-statemachine" in answer["Message"]

    assert "a stage keeps to one way" in run(served, project_copy, "make", "deploy", "STAGE=dev", status=1)

    refused = run(served, project_copy, "make", "deploy-statemachine", "PARAMETERS=MaxAgeDays=60", status=1)
    assert "it is the setting MAX_AGE_DAYS in .chalice/config.json" in refused
    given = ["EMAIL=security@example.com", "PARAMETERS=OwnerTags=team"]
    told = run(served, project_copy, "make", "deploy-statemachine", "STAGE=dev", *given)
    assert "StateMachineArn\tarn:aws:states:us-east-1:123456789012:stateMachine:iam-key-age-dev" in told
    assert re.search(r"\nEndpointURL\thttps://\S+/api/\n", told)
    assert re.search(r"Next scan: \d{4}-\d\d-\d\d 08:00 UTC, by cron\(0 8 \* \* \? \*\)\.", told)
    assert "EnvironmentOf" not in told
    scan_and_look(served)
    reads = served.client("lambda").get_function_configuration(FunctionName="iam-key-age-dev-read_policy")
    assert reads["Environment"]["Variables"]["MAX_AGE_DAYS"] == "60"  # of the configuration, still
    accounts = served.client("lambda").get_function_configuration(FunctionName="iam-key-age-dev-read_account")
    assert accounts["Environment"]["Variables"]["OWNER_TAGS"] == "team"

    record = project_copy / ".chalice" / "deployed" / "dev.json"
    elsewhere = record.rename(record.with_suffix(".elsewhere"))  # as in another clone
    assert "a stage keeps to one way" in run(served, project_copy, "make", "deploy", "STAGE=dev", status=1)
    elsewhere.rename(record)
    run(served, project_copy, chalice, "deploy", "--stage", "dev")  # which knows nothing of the companion's variables
    run(served, project_copy, "make", "deploy-statemachine", "STAGE=dev")
    scan_and_look(served)

    run(served, project_copy, "make", "destroy", "STAGE=dev")
    run(served, project_copy, chalice, "delete", "--stage", "dev")
    machines = served.client("stepfunctions").list_state_machines()["stateMachines"]
    assert [machine["name"] for machine in machines] == ["iam-key-age-local"]
    again = run(served, project_copy, "make", "deploy-statemachine", "STAGE=dev", status=1)
    assert "does not have all functions: run chalice deploy --stage dev first" in again
    assert "Traceback" not in again
    stays = run(served, project_copy, "make", "deploy", "STAGE=dev", status=1)
    assert "`make deploy` takes it as MaxAgeDays in .chalice/parameters-dev.json" in stays
    config.write_text(before_it)
    run(served, project_copy, "make", "deploy", "STAGE=dev")
    run(served, project_copy, "make", "destroy", "STAGE=dev")


def scan_and_look(served: Served) -> None:
    status, started = ask(served, "POST", "/scan")
    assert status == 202, started
    while (scan := ask(served, "GET", "/scan/{scan_id}", scan_id=started["scan_id"])[1])["status"] == "RUNNING":
        time.sleep(0.2)
    assert (scan["status"], scan["error"]) == ("SUCCEEDED", None)
    assert scan["summary"]["coverage"]["users_listed"] == 250


def test_a_stage_of_the_one_stack_is_not_taken_over(served: Served, project_copy: Path) -> None:
    file = project_copy / ".chalice" / "parameters-prod.json"
    file.write_text('{"MaxAgeDays": 60}')
    told = run(served, project_copy, "make", "deploy", "STAGE=prod")
    file.unlink()
    assert 'Keys will be judged by {"max_age_days": 60,' in told  # as the stage's file has it
    [stack] = served.client("cloudformation").describe_stacks(StackName="iam-key-age-prod")["Stacks"]
    assert {"ParameterKey": "MaxAgeDays", "ParameterValue": "60"} in stack["Parameters"]

    refused = run(served, project_copy, "make", "deploy-statemachine", "STAGE=prod", status=1)

    assert "The stage prod was deployed by make deploy, and a stage keeps to one way" in refused
    record = record_of(project_copy, "prod")  # as `chalice deploy --stage prod` leaves it, which looks at no stack
    for target in ("deploy", "deploy-statemachine"):
        both = run(served, project_copy, "make", target, "STAGE=prod", status=1)
        assert "The stage prod is deployed in both ways, and a stage keeps to one: make destroy STAGE=prod, or" in both
    record.unlink()
    run(served, project_copy, "make", "destroy", "STAGE=prod")
    assert "There is no stack iam-key-age-prod in us-east-1" in run(
        served, project_copy, "make", "destroy", "STAGE=prod", status=1
    )
    assert "Which one? make destroy STAGE=" in run(served, project_copy, "make", "destroy", status=1)


def record_of(project: Path, stage: str) -> Path:
    """Record that Chalice deployed a stage."""
    path = project / ".chalice" / "deployed" / f"{stage}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"resources": [{"name": name, **values} for name, values in DEPLOYED.items()]}))
    return path


def test_a_record_without_the_schedule_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    record = record_of(tmp_path, "qa")
    read_deployed(tmp_path, "qa")
    resources = [one for one in json.loads(record.read_text())["resources"] if one["name"] != "scheduled_scan-event"]
    record.write_text(json.dumps({"resources": resources}))

    with pytest.raises(CompanionError, match="run chalice deploy --stage qa first"):
        read_deployed(tmp_path, "qa")


def test_functions_of_another_region_are_not_accompanied(
    served: Served, project_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_of(project_copy, "qa")
    for name, value in served.settings.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(CompanionError, match="Chalice deployed qa into eu-central-1 of account 123456789012: use the"):
        check_way(sign_in(), project_copy, "qa", "companion")

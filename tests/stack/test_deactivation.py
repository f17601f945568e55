"""What a stack has by its parameter Deactivation: nothing with off, settings with plan, a state machine with apply."""

import itertools
import json
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

import pytest

from chalicelib.deactivation_settings import DeactivationSettings, parse_deactivation_settings
from chalicelib.settings import InvalidSettingError
from deploy.companion import OF_ONE_STACK
from localaws.environment import PROJECT
from tests.stack.test_alarms import EVENTS, told
from tests.stack.test_template import DEFINITION as OF_SCAN
from tests.stack.test_template import (
    OF_ORGANIZATION_SCAN,
    ORGANIZATION_TASKS,
    STACK,
    TASKS,
    states,
    transformed_by_sam,
)
from tests.stack.test_template_parameters import KEY, PATTERNS, ends
from tests.stack.test_template_security import encrypts
from tests.support.cloudformation import exists, prerequisites, resolve

# Conditions of what is no deactivation: whom else a scan notifies.
OF_TELLING = (
    *("NotifiesOwners", "NotifiesBySes", "NotifiesBySns", "TestsNotices"),
    *("SendsEvents", "SendsToDefaultBus", "SendsDeactivationEvents", "ImportsFindings", "NotifiesOthers"),
)
DEFINITION: dict[str, Any] = json.loads((PROJECT / "statemachine" / "deactivation.asl.json").read_text())
DEACTIVATION_TASKS = {name: state for name, state in states(DEFINITION) if state["Type"] == "Task"}
APPLIED_IN = {
    accounts: {**STACK, "Accounts": accounts, "Deactivation": "apply", "UsageEvidence": "off"}
    for accounts in ("", "organization")
}
VARIABLES = {
    "Deactivation": "DEACTIVATION",
    "DeactivationApproval": "DEACTIVATION_APPROVAL",
    "DeactivateAfterDays": "DEACTIVATE_AFTER_DAYS",
    "DeactivationWeekdays": "DEACTIVATION_WEEKDAYS",
    "MaxDeactivationsPerScan": "MAX_DEACTIVATIONS_PER_SCAN",
    "DeactivationScope": "DEACTIVATION_SCOPE",
    "DeactivationUserPath": "DEACTIVATION_USER_PATH",
}


def test_a_stack_with_deactivation_off_has_nothing_of_it(template: dict[str, Any]) -> None:
    made = transformed_by_sam(template)
    routes = made["Resources"].pop("RestAPI")  # the same for all: those of plans answer that there are none

    text = json.dumps({section: made[section] for section in ("Conditions", "Resources", "Outputs")})

    assert template["Parameters"]["Deactivation"]["Default"] == "off"
    assert [word for word in ("eactivat", "EACTIVAT", "UpdateAccessKey", "actions/") if word in text] == []
    assert "eactivat" not in json.dumps(routes["Properties"].get("Policies", ""))


def test_the_view_of_a_stack_with_deactivation_off_is_what_its_parameters_make_of_it(whole: dict[str, Any]) -> None:
    off, applied = {**STACK, "Deactivation": "off"}, APPLIED_IN[""]
    holding = {name for name in OF_ONE_STACK if exists(whole, {"Condition": name}, off)}
    everything = {**applied, "Accounts": "organization", "DeactivationApproval": "none"}

    assert holding == set()
    here = {"PlansDeactivationsHere", "DeactivatesHere", "DeactivatesHereByItself"}
    assert {name for name in OF_ONE_STACK if exists(whole, {"Condition": name}, everything)} == (
        {*OF_ONE_STACK} - here - {*OF_TELLING}
    )
    assert {name for name in OF_ONE_STACK if exists(whole, {"Condition": name}, {**off, "Deactivation": "plan"})} == {
        *("PlansDeactivations", "PlansDeactivationsHere")
    }


def test_what_is_of_deactivations_is_there_only_where_keys_are_deactivated(whole: dict[str, Any]) -> None:
    made = transformed_by_sam(whole)["Resources"]

    conditional = {name: part["Condition"] for name, part in made.items() if "eactivat" in part.get("Condition", "")}

    assert conditional.pop("DeactivatorRole") == "DeactivatesHere"
    assert conditional == dict.fromkeys(
        [
            *("CheckDeactivation", "CheckDeactivationRole", "CheckDeactivationLogs"),
            *("DeactivationStateMachine", "ApplyPlansRole", "AssumingDeactivatorRoles", "DeactivationLogs"),
            "FailedDeactivationRule",
        ],
        "Deactivates",
    )
    assert whole["Outputs"]["DeactivationStateMachineArn"]["Condition"] == "Deactivates"


# The parameters.


def test_the_defaults_of_the_parameters_are_those_of_the_settings(whole: dict[str, Any]) -> None:
    defaults = {variable: str(whole["Parameters"][name]["Default"]) for name, variable in VARIABLES.items()}

    assert parse_deactivation_settings(defaults) is None
    for mode in ("plan", "apply"):
        settings = parse_deactivation_settings({**defaults, "DEACTIVATION": mode})
        assert settings == parse_deactivation_settings({"DEACTIVATION": mode})
        assert settings == DeactivationSettings(mode=mode)


@pytest.mark.parametrize("name", VARIABLES)
def test_the_functions_take_what_the_parameter_takes(whole: dict[str, Any], name: str) -> None:
    parameter = whole["Parameters"][name]
    bad = PATTERNS[name][1] if "AllowedPattern" in parameter else ["x", "", "-1", "1000"]

    for text in ends(name, parameter):
        parse_deactivation_settings({"DEACTIVATION": "apply", VARIABLES[name]: text})
    for text in bad:
        with pytest.raises(InvalidSettingError):
            parse_deactivation_settings({"DEACTIVATION": "apply", VARIABLES[name]: text})


@pytest.mark.parametrize("accounts", ["", "organization"])
@pytest.mark.parametrize("approval", ["required", "none"])
@pytest.mark.parametrize("mode", ["off", "plan", "apply"])
def test_each_function_gets_the_settings_that_it_reads(
    whole: dict[str, Any], accounts: str, approval: str, mode: str
) -> None:
    defaults = {name: str(parameter["Default"]) for name, parameter in whole["Parameters"].items()}
    parameters = {"Accounts": accounts, "Deactivation": mode, "DeactivationApproval": approval}
    known = {**STACK, **defaults, "ReportsBucket": "reports", "ScanAccount.Arn": "ARN", **parameters}
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod-deactivation"

    given: dict[str, dict[str, str]] = {}
    for name, part in whole["Resources"].items():
        if part["Type"] == "AWS::Serverless::Function" and exists(whole, part, known):
            variables = resolve(whole, part["Properties"]["Environment"]["Variables"], known)
            given[name] = {name: value for name, value in variables.items() if "DEACTIVAT" in name}

    settings = {variable: known[name] for name, variable in VARIABLES.items()}
    of_api = {name: value for name, value in settings.items() if name != "DEACTIVATION_USER_PATH"}
    arn = {"DEACTIVATION_STATE_MACHINE_ARN": machine}
    by_itself = arn if mode == "apply" and approval == "none" else {}
    wanted = {"APIHandler": {**of_api, **(arn if mode == "apply" else {})}, "BuildReport": {**settings, **by_itself}}
    if accounts:
        wanted |= {"ScanAccount": settings, "BuildOrganizationReport": {**settings, **by_itself}}
        wanted["BuildReport"] = {name: value for name, value in settings.items() if name != "DEACTIVATION"}
        assert (
            parse_deactivation_settings(given["BuildReport"]) is None
        )  # a plan of this account alone would count for nothing
    if mode == "apply":
        wanted["CheckDeactivation"] = settings
    assert {name: some for name, some in given.items() if some} == ({} if mode == "off" else wanted)


def test_the_check_knows_whether_reports_are_of_an_organization(whole: dict[str, Any]) -> None:
    accounts = whole["Resources"]["CheckDeactivation"]["Properties"]["Environment"]["Variables"]["ACCOUNTS"]

    assert resolve(whole, accounts, APPLIED_IN["organization"]) == "organization"
    assert resolve(whole, [accounts], APPLIED_IN[""]) == []


# The state machine.


@pytest.mark.parametrize(
    ("accounts", "role"), [("", "ARN"), ("organization", "arn:aws:iam::ACCOUNT_ID:role/iam-key-age-deactivator")]
)
def test_the_definition_is_the_file_in_the_repo_and_its_substitutions_resolve(
    whole: dict[str, Any], accounts: str, role: str
) -> None:
    machine = whole["Resources"]["DeactivationStateMachine"]["Properties"]
    arns = {"CheckDeactivation.Arn": "ARN", "DeactivatorRole.Arn": "ARN"}
    known = {**APPLIED_IN[accounts], **arns, "DeactivatorRoleName": "iam-key-age-deactivator"}

    given = resolve(whole, machine["DefinitionSubstitutions"], known)

    assert machine["DefinitionUri"] == "../statemachine/deactivation.asl.json"
    assert given.keys() == set(re.findall(r"\$\{(\w+)\}", json.dumps(DEFINITION)))
    assert given["DeactivatorRoleArn"] == role
    assert resolve(whole, machine["Name"], STACK) == "iam-key-age-prod-deactivation"
    assert (machine["Type"], machine["Tracing"]) == ("STANDARD", {"Enabled": True})
    assert (machine["Logging"]["Level"], machine["Logging"]["IncludeExecutionData"]) == ("ERROR", False)


def strings(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for item in part.values() if isinstance(part, dict) else part:
            yield from strings(item)


def test_no_expression_has_a_substitution_that_may_have_a_quote_in_it() -> None:
    """A role's path may have any quote, and one would end the text within the expression."""
    within = {
        name
        for definition in (OF_SCAN, OF_ORGANIZATION_SCAN, DEFINITION)
        for text in strings(definition)
        if text.startswith("{%")
        for name in re.findall(r"\$\{(\w+)\}", text)
    }

    of_functions = {"LookUpUsageArn", "SendEventsArn", "ImportFindingsArn", "NotifyOwnersArn"}
    assert within <= {"IamConcurrency", "AccountConcurrency", "HttpsFormat"} | of_functions
    assert DEFINITION["States"]["BeginDeactivation"]["Assign"]["deactivatorRole"] == "${DeactivatorRoleArn}"


def test_no_function_that_the_machine_calls_refers_to_it(whole: dict[str, Any]) -> None:
    assert "StateMachine" not in json.dumps(whole["Resources"]["CheckDeactivation"])


def test_a_task_waits_a_little_longer_than_its_function_runs(whole: dict[str, Any]) -> None:
    runs = whole["Resources"]["CheckDeactivation"]["Properties"]["Timeout"]
    calls = [task for task in DEACTIVATION_TASKS.values() if task["Resource"].endswith("lambda:invoke")]

    assert len(calls) == 4
    assert {task["TimeoutSeconds"] for task in calls} == {runs + 10}


def test_every_call_of_iam_is_by_the_deactivator_role_and_none_deletes() -> None:
    of_iam = {name: task for name, task in DEACTIVATION_TASKS.items() if ":iam:" in task["Resource"]}

    assert len(of_iam) >= 6
    assert all(task["Credentials"] == {"RoleArn": "{% $role %}"} for task in of_iam.values())
    assert not [name for name, task in DEACTIVATION_TASKS.items() if "Credentials" in task and name not in of_iam]
    for tasks in (TASKS, ORGANIZATION_TASKS, DEACTIVATION_TASKS):
        assert not [name for name, task in tasks.items() if "delete" in task["Resource"].lower()]
    changing = {name: task["Arguments"]["Status"] for name, task in of_iam.items() if "update" in task["Resource"]}
    assert changing == {"Deactivate": "Inactive", "ActivateAgain": "Active"}  # literals: IAM has no condition for it


@pytest.mark.parametrize("accounts", ["", "organization"])
def test_no_resource_has_to_be_there_before_itself(whole: dict[str, Any], accounts: str) -> None:
    document = transformed_by_sam(whole)
    for mode, approval in itertools.product(("off", "plan", "apply"), ("required", "none")):
        parameters = {"Accounts": accounts, "Deactivation": mode, "DeactivationApproval": approval}
        known = {**APPLIED_IN[accounts], **parameters, "ApiGatewayLogsRole": "create", "UsageEvidence": "on"}
        known |= {"DeactivationScope": "tagged", "HttpsFormat": "chat", "NotificationEmail": "a@b.co"}
        known |= {"KmsKeyArn": KEY, "PermissionsBoundaryArn": "arn"}
        holding = {name: exists(document, {"Condition": name}, known) for name in document["Conditions"]}

        before = prerequisites(document, holding)

        assert {*TopologicalSorter(before).static_order()} == before.keys()  # it raises CycleError for a cycle


def test_what_is_of_deactivations_is_bounded_traced_and_logs_as_the_rest_does(whole: dict[str, Any]) -> None:
    made = transformed_by_sam(whole)["Resources"]
    parts = [part for name, part in made.items() if part["Type"] == "AWS::IAM::Role" and name != "ApiGatewayRole"]
    logs = {"LogRetentionDays": "365", "KmsKeyArn": KEY, "CheckDeactivation": "iam-key-age-prod-CheckDeactivation"}

    for part in parts:
        assert part["Properties"]["Path"] == {"Ref": "RolePath"}
        assert part["Properties"]["PermissionsBoundary"]["Fn::If"][0] == "HasPermissionsBoundary"
    assert made["CheckDeactivation"]["Properties"]["TracingConfig"] == {"Mode": "Active"}
    for name, group in {
        "CheckDeactivationLogs": "/aws/lambda/iam-key-age-prod-CheckDeactivation",
        "DeactivationLogs": "/aws/vendedlogs/states/iam-key-age-prod-deactivation",
    }.items():
        properties = resolve(whole, whole["Resources"][name]["Properties"], {**APPLIED_IN[""], **logs})
        assert properties == {"LogGroupName": group, "RetentionInDays": "365", "KmsKeyId": KEY}
        assert encrypts(f"123456789012:log-group:{group}") == {True}


# What tells people, and how long records live.


def failed(machine: str, name: str) -> dict[str, Any]:
    event = json.dumps(EVENTS[2]).replace("stateMachine:iam-key-age-prod", f"stateMachine:{machine}")
    was = EVENTS[2]["detail"]["name"]
    of_event: dict[str, Any] = json.loads(
        event.replace("execution:iam-key-age-prod:", f"execution:{machine}:").replace(was, name)
    )
    return of_event


DEACTIVATION_FAILED = failed("iam-key-age-prod-deactivation", "deactivate-scheduled-2026-11-22T080000Z")


def test_a_deactivation_that_fails_is_told_in_words_of_its_own_and_once(whole: dict[str, Any]) -> None:
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod-deactivation"
    stack = {"DeactivationStateMachine": machine, "Accounts": "organization"}

    text = told(whole, DEACTIVATION_FAILED, rule="FailedDeactivationRule", **stack)

    assert text == (
        "iam-key-age: deactivate-scheduled-2026-11-22T080000Z of the stack in AWS account 123456789012 ended FAILED."
        " What it changed is on record: GET /actions. What to do: see why at"
        " https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/"
        "arn:aws:states:eu-central-1:123456789012:execution:iam-key-age-prod-deactivation:"
        "deactivate-scheduled-2026-11-22T080000Z"
        " - fix the cause, then redrive the execution there: no key is changed twice. Or leave a deactivation"
        " (deactivate-...): the next full scan plans anew. Or send the request of an undo (undo-...) again, or run"
        " aws iam update-access-key --status Active."
    )
    assert told(whole, DEACTIVATION_FAILED, **stack) is None  # as a scan whose results are unknown
    for other in (EVENTS[2], failed("iam-key-age-prod-organization", "x"), failed("other-deactivation", "x")):
        assert told(whole, other, rule="FailedDeactivationRule", **stack) is None


@pytest.mark.parametrize("form", ["json", "chat"])
def test_an_undo_that_fails_is_told_as_one_with_what_to_do(whole: dict[str, Any], form: str) -> None:
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod-deactivation"
    undo = failed("iam-key-age-prod-deactivation", "undo-0123456789abcdef0123-1")

    said = told(whole, undo, rule="FailedDeactivationRule", DeactivationStateMachine=machine, HttpsFormat=form)
    text = said if form == "json" else json.dumps(said["content"])

    assert "undo-0123456789abcdef0123-1" in text
    assert "send the request of an undo" in text
    assert "aws iam update-access-key --status Active" in text
    assert not re.search(r"(?i)\bdeactivation undo|deactivation of|(?<!the stack) in AWS account", text)


def test_chat_is_told_of_a_deactivation_that_fails_in_its_own_form(whole: dict[str, Any]) -> None:
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod-deactivation"

    chat = told(
        whole,
        DEACTIVATION_FAILED,
        rule="FailedDeactivationRule",
        DeactivationStateMachine=machine,
        HttpsFormat="chat",
    )

    assert (chat["version"], chat["source"], chat["content"]["textType"]) == ("1.0", "custom", "client-markdown")
    assert chat["content"]["title"] == "Change of IAM access keys FAILED, by the stack in AWS account 123456789012"
    assert chat["content"]["description"].startswith("`deactivate-scheduled-2026-11-22T080000Z` ended FAILED.")
    assert "https://eu-central-1.console.aws.amazon.com/states/" in chat["content"]["nextSteps"][0]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_each_way_to_fail_is_told(whole: dict[str, Any], status: str) -> None:
    rule = whole["Resources"]["FailedDeactivationRule"]["Properties"]["EventPattern"]

    assert status in rule["detail"]["status"]


@pytest.mark.parametrize("accounts", ["", "organization"])
@pytest.mark.parametrize("mode", ["off", "plan", "apply"])
def test_reports_expire_and_what_is_on_record_of_keys_does_not(whole: dict[str, Any], accounts: str, mode: str) -> None:
    known = {**STACK, "Accounts": accounts, "Deactivation": mode, "ReportRetentionDays": "400", "KmsKeyArn": ""}
    bucket = resolve(whole, whole["Resources"]["ReportsBucket"]["Properties"], known)
    expiring = [rule["Prefix"] for rule in bucket["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in rule]

    for kept, expires in {
        "scans/a/report.json": True,
        "latest.json": True,
        "organization/latest.json": bool(accounts),
        "organization/accounts.txt": False,
        "actions/123456789012/AKIAIOSFODNN7EXAMPLE-1/00-outcome.json": False,
    }.items():
        assert any(kept.startswith(prefix) for prefix in expiring) is expires, kept


def test_nothing_of_the_code_deletes_a_key_or_changes_one() -> None:
    source = "".join(path.read_text() for path in [PROJECT / "app.py", *(PROJECT / "chalicelib").rglob("*.py")])

    assert "get_access_key_last_used" in source  # it is the source
    assert not re.search(r"\b(update|delete|create)_access_key\(|\b(Delete|Create)AccessKey\b", source)

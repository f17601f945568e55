"""What a stack has where its parameter Accounts is set, and not where that is empty."""

import json
import re
from typing import Any

import pytest
from jsonata import Jsonata

from chalicelib.organization_settings import parse_organization_settings, parse_reader_settings
from chalicelib.settings import InvalidSettingError
from localaws.environment import PROJECT
from tests.stack.test_alarms import EVENTS, told
from tests.stack.test_template import (
    OF_ORGANIZATION,
    OF_ORGANIZATION_SCAN,
    ORGANIZATION_TASKS,
    STACK,
    states,
    transformed_by_sam,
)
from tests.stack.test_template_parameters import PATTERNS
from tests.support.cloudformation import resolve

FUNCTIONS = ("ListAccounts", "ScanAccount", "BuildOrganizationReport")
ALARMS = ("NoScanAlarm", "NoFullScanAlarm", "UncheckedAccountsAlarm")


def properties(whole: dict[str, Any], name: str, **more: str) -> Any:
    return resolve(whole, whole["Resources"][name]["Properties"], {**OF_ORGANIZATION, **more})


def test_a_stack_without_accounts_has_nothing_of_an_organization(template: dict[str, Any]) -> None:
    made = transformed_by_sam(template)
    routes = made["Resources"].pop("RestAPI")  # the same for all: that of accounts answers that there are none

    text = json.dumps({section: made[section] for section in ("Conditions", "Resources", "Outputs")})

    assert template["Parameters"]["Accounts"]["Default"] == ""
    words = ("rganization", "ACCOUNTS", "Accounts", "accounts/", "ReaderRole", "ExternalId", "ScanAccount", "unchecked")
    assert [word for word in words if word in text] == []
    assert "ScansOrganization" not in json.dumps(routes)


def test_what_is_of_an_organization_is_there_only_where_accounts_is_set(whole: dict[str, Any]) -> None:
    made = transformed_by_sam(whole)["Resources"]

    conditional = {name for name, part in made.items() if part.get("Condition") == "ScansOrganization"}

    assert conditional == {
        *(f"{name}{part}" for name in FUNCTIONS for part in ("", "Role", "Logs")),
        *("OrganizationStateMachine", "OrganizationScanRole", "OrganizationScanLogs", "UncheckedAccountsAlarm"),
    }
    assert whole["Outputs"]["OrganizationStateMachineArn"]["Condition"] == "ScansOrganization"


# The parameters.


@pytest.mark.parametrize("name", ["Accounts", "ExcludedAccounts", "ReaderRoleName", "ExternalId"])
def test_the_functions_take_what_the_parameter_takes(name: str) -> None:
    variable = re.sub("(?<=[a-z])(?=[A-Z])", "_", name).upper()
    given = {"READER_ROLE_NAME": "reader", "EXTERNAL_ID": "external", "ACCOUNTS": "organization"}
    parse = parse_reader_settings if name in ("ReaderRoleName", "ExternalId") else parse_organization_settings
    good, bad = PATTERNS[name]

    for text in good:
        is_one_account_often = len(text) > len("123456789012,") and text.startswith("123456789012,")
        bucket = text.removeprefix("s3://").partition("/")[0]
        if not is_one_account_often:  # which the pattern cannot see, and the deployment refuses
            parse({**given, variable: text, "REPORTS_BUCKET": bucket})
    for text in bad:
        if text or name not in ("Accounts", "ExcludedAccounts"):
            with pytest.raises(InvalidSettingError):
                parse({**given, variable: text, "REPORTS_BUCKET": "reports"})


def test_each_function_gets_what_it_reads(whole: dict[str, Any]) -> None:
    def variables(function: str) -> set[str]:
        of_it = resolve(
            whole,
            whole["Resources"][function]["Properties"]["Environment"]["Variables"],
            OF_ORGANIZATION
            | {name: str(parameter["Default"]) for name, parameter in whole["Parameters"].items()}
            | {"Accounts": "organization", "ReportsBucket": "reports", "ScanAccount.Arn": "ARN"},
        )
        return set(of_it)

    thresholds = {"MAX_AGE_DAYS", "WARN_DAYS", "MAX_UNUSED_DAYS", "INCLUDE_INACTIVE"}
    bucket, which = "REPORTS_BUCKET", {"ACCOUNTS", "EXCLUDED_ACCOUNTS"}
    tags, reader = {"OWNER_TAGS", "MAX_EXEMPT_DAYS"}, {"READER_ROLE_NAME", "EXTERNAL_ID", "USAGE_EVIDENCE"}
    machines = {"STATE_MACHINE_ARN", "ORGANIZATION_STATE_MACHINE_ARN"}
    assert variables("ListAccounts") == {bucket, *which, *thresholds}
    assert variables("ScanAccount") == {bucket, *tags, *reader, *thresholds}
    assert variables("BuildOrganizationReport") == {bucket, "NOTIFY_ON", "HTTPS_FORMAT", "STAGE", *thresholds}
    assert variables("ScheduledScan") == {*machines, *thresholds}
    assert variables("APIHandler") >= {*machines, *which, "SCAN_ACCOUNT_FUNCTION"}


# The state machine.


def test_the_definition_is_the_file_in_the_repo_and_its_substitutions_resolve(whole: dict[str, Any]) -> None:
    machine = whole["Resources"]["OrganizationStateMachine"]["Properties"]
    substitutions = set(re.findall(r"\$\{(\w+)\}", json.dumps(OF_ORGANIZATION_SCAN)))

    assert machine["DefinitionUri"] == "../statemachine/organization.asl.json"
    assert substitutions == set(machine["DefinitionSubstitutions"])
    assert resolve(whole, machine["Name"], OF_ORGANIZATION) == "iam-key-age-prod-organization"
    assert machine["Type"] == "STANDARD"
    assert machine["Tracing"] == {"Enabled": True}
    assert (machine["Logging"]["Level"], machine["Logging"]["IncludeExecutionData"]) == ("ERROR", False)


def test_no_function_that_the_machine_calls_refers_to_it(whole: dict[str, Any]) -> None:
    for function in FUNCTIONS:
        assert "StateMachine" not in json.dumps(whole["Resources"][function])


def test_a_task_waits_a_little_longer_than_its_function_runs(whole: dict[str, Any]) -> None:
    for function in FUNCTIONS:
        runs = whole["Resources"][function]["Properties"]["Timeout"]
        assert ORGANIZATION_TASKS[function]["TimeoutSeconds"] == runs + 10


def test_the_children_are_standard_because_an_account_takes_longer_than_express_ones_live() -> None:
    children = OF_ORGANIZATION_SCAN["States"]["ScanAccounts"]

    assert children["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert children["ItemReader"].keys() == {"Resource", "ReaderConfig", "Arguments"}
    assert children["ToleratedFailurePercentage"] == 100
    assert children["Output"] == {}
    assert [state["Output"] for _, state in states(children["ItemProcessor"])] == [{}, {}]


def test_the_children_use_no_variable_from_outside_which_a_distributed_map_cannot_see() -> None:
    children = json.dumps(OF_ORGANIZATION_SCAN["States"]["ScanAccounts"]["ItemProcessor"])

    used = set(re.findall(r"\$([A-Za-z]\w*)(?!\w*\()", children))

    assert used == {"states", "cause", "message"}  # the last two are an expression's own


def test_how_many_accounts_are_read_at_a_time_is_a_parameter_up_to_what_one_map_can_start(
    whole: dict[str, Any],
) -> None:
    parameter = whole["Parameters"]["AccountConcurrency"]

    assert OF_ORGANIZATION_SCAN["States"]["ScanAccounts"]["MaxConcurrency"] == "{% $number('${AccountConcurrency}') %}"
    assert (parameter["MinValue"], parameter["Default"], parameter["MaxValue"]) == (1, 10, 40)


def test_a_thousand_accounts_of_the_longest_kind_end_before_the_scan_is_timed_out_from_a_concurrency_of_11() -> None:
    longest = ORGANIZATION_TASKS["ScanAccount"]["TimeoutSeconds"]

    assert 1_000 * longest / 11 < OF_ORGANIZATION_SCAN["TimeoutSeconds"] < 1_000 * longest / 10


def kept_cause(error: dict[str, str]) -> str:
    """What the state machine keeps of an error of ScanAccount, evaluated by JSONata."""
    [catch] = ORGANIZATION_TASKS["ScanAccount"]["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    expression = Jsonata(catch["Output"]["cause"].removeprefix("{%").removesuffix("%}").strip())
    expression.register_lambda("parse", json.loads)
    variables = expression.create_frame()
    variables.bind("states", {"errorOutput": error})
    return str(expression.evaluate(None, variables))


def raised(message: str, **more: Any) -> str:
    """How Lambda tells the error of a function in Python."""
    return json.dumps({"errorMessage": message, "errorType": "ValueError", "requestId": "1", **more})


TRACE = {"stackTrace": ['  File "/var/task/app.py", line 1, in scan_account\n    raise ValueError\n'] * 9}
CUT = raised('a "quoted" text', **TRACE)
LONG = raised("x" * 400)


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (raised("S3 does not answer", **TRACE), "S3 does not answer"),
        (raised("two\nlines, a \\ and “quotes”"), "two\nlines, a \\ and “quotes”"),
        (json.dumps({"errorMessage": "“é”"}, ensure_ascii=False), "“é”"),
        (json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": "timed out"}), "timed out"),
        (raised("").replace(" ", ""), ""),
        *((CUT[:length], 'a "quoted" text'[: max(0, length - 18)]) for length in (18, 19)),
        (CUT[:21], "a "),  # within the escaped quote
        (CUT[: len(CUT) // 2], 'a "quoted" text'),
        ('{"errorMessage": "\\u20', ""),
        ("no JSON at all", "no JSON at all"),
        ("{", "{"),
        ("", ""),
    ],
)
def test_the_cause_of_a_function_that_failed_is_what_it_said_without_its_stack_trace(cause: str, says: str) -> None:
    kept = kept_cause({"Error": "ValueError", "Cause": cause})

    assert kept == f"The function ScanAccount failed: ValueError: {says}"
    assert "File" not in kept


def test_a_cause_is_no_longer_than_300_characters_and_may_be_missing() -> None:
    assert len(kept_cause({"Error": "ValueError", "Cause": LONG})) == 300
    assert len(kept_cause({"Error": "ValueError", "Cause": "x" * 32_768})) == 300
    assert kept_cause({"Error": "States.Timeout"}) == "The function ScanAccount failed: States.Timeout: "


# What tells people.


@pytest.mark.parametrize("machine", ["iam-key-age-prod", "iam-key-age-prod-organization"])
def test_a_scan_of_either_state_machine_that_fails_is_told(whole: dict[str, Any], machine: str) -> None:
    failed = json.loads(
        json.dumps(EVENTS[2])
        .replace("stateMachine:iam-key-age-prod", f"stateMachine:{machine}")
        .replace("execution:iam-key-age-prod", f"execution:{machine}")
    )

    text = told(whole, failed, Accounts="organization")

    assert text.startswith("iam-key-age: scan scheduled-2026-11-22T080000Z in AWS account 123456789012 ended FAILED")
    assert f"execution:{machine}:scheduled-2026-11-22T080000Z" in text
    assert told(whole, failed) is None or machine == "iam-key-age-prod"


def test_the_alarms_watch_the_scans_of_the_organization(whole: dict[str, Any]) -> None:
    [scans, _] = properties(whole, "NoScanAlarm")["Metrics"]
    [full, _] = properties(whole, "NoFullScanAlarm")["Metrics"]

    machine = {"Name": "StateMachineArn", "Value": STACK["OrganizationStateMachine"]}
    assert scans["MetricStat"]["Metric"]["Dimensions"] == [machine]
    assert {"Name": "ScanKind", "Value": "organization"} in full["MetricStat"]["Metric"]["Dimensions"]
    for name in ("NoScanAlarm", "NoFullScanAlarm"):
        says = properties(whole, name)["AlarmDescription"]
        assert "of the organization" in says
        assert "the state machine iam-key-age-prod-organization" in says


def test_an_alarm_fires_when_some_account_was_unchecked_in_every_scan_of_three_days(whole: dict[str, Any]) -> None:
    alarm = properties(whole, "UncheckedAccountsAlarm")

    assert alarm["MetricName"] == "AccountsUnchecked"
    assert alarm["Dimensions"] == [{"Name": "Stage", "Value": "prod"}, {"Name": "ScanKind", "Value": "organization"}]
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
        *("Minimum", "GreaterThanThreshold"),
        0,
    )
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 3 * 86_400
    assert alarm["DatapointsToAlarm"] == alarm["EvaluationPeriods"]
    assert alarm["TreatMissingData"] == "ignore"
    assert alarm["AlarmActions"] == alarm["OKActions"] == [STACK["NotificationsTopic"]]
    assert "make check-member" in alarm["AlarmDescription"]
    assert len(alarm["AlarmDescription"]) <= 1024


def test_the_topic_takes_messages_from_all_three_alarms(whole: dict[str, Any]) -> None:
    arns = {f"{name}.Arn": name for name in ALARMS}
    policy = properties(whole, "NotificationsTopicPolicy", **arns)["PolicyDocument"]

    [alarms] = [one for one in policy["Statement"] if one.get("Principal") == {"Service": "cloudwatch.amazonaws.com"}]

    assert alarms["Condition"]["ArnEquals"]["aws:SourceArn"] == list(ALARMS)
    assert sorted(name for name, part in whole["Resources"].items() if part["Type"].endswith("::Alarm")) == sorted(
        ALARMS
    )


def test_the_dashboard_is_of_the_organization(whole: dict[str, Any]) -> None:
    widgets = json.loads(properties(whole, "Dashboard")["DashboardBody"])["widgets"]

    drawn = [metric for widget in widgets for metric in widget["properties"].get("metrics", [])]
    ours = [metric for metric in drawn if metric[0] == "iam-key-age"]
    assert all(metric[2:6] == ["Stage", "prod", "ScanKind", "organization"] for metric in ours)
    accounts = {"AccountsListed", "AccountsScanned", "AccountsIncomplete", "AccountsUnchecked"}
    assert {metric[1] for metric in ours} >= accounts
    assert STACK["OrganizationStateMachine"] in json.dumps(drawn)
    assert STACK["ScanStateMachine"] not in [metric[3] for metric in drawn if len(metric) > 3]
    [alarms] = [widget["properties"]["alarms"] for widget in widgets if "alarms" in widget["properties"]]
    names = [properties(whole, name)["AlarmName"] for name in ALARMS]
    assert alarms == [f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{name}" for name in names]
    places = [(widget["x"], widget["y"]) for widget in widgets]
    assert len(places) == len(set(places))


def test_the_runbook_has_the_alarm_of_unchecked_accounts() -> None:
    assert "| *ALARM: iam-key-age-STAGE-unchecked-accounts*" in (PROJECT / "docs" / "runbook.md").read_text()


# How long data lives.


def test_reports_and_pointers_expire_and_a_list_of_accounts_does_not(whole: dict[str, Any]) -> None:
    bucket = properties(whole, "ReportsBucket", ReportRetentionDays="400", KmsKeyArn="")
    rules = bucket["LifecycleConfiguration"]["Rules"]

    expiring = [rule["Prefix"] for rule in rules if "ExpirationInDays" in rule]
    [of_all] = [rule for rule in rules if "Prefix" not in rule]

    assert {rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule} == {"400"}
    for kept in ("scans/a/report.json", "scans/a/accounts/111122223333/pages/0001.json", "latest.json"):
        assert any(kept.startswith(prefix) for prefix in expiring)
    assert any("organization/latest.json".startswith(prefix) for prefix in expiring)
    assert not any("organization/accounts.txt".startswith(prefix) for prefix in expiring)
    assert of_all["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}

"""What tells people that a scan failed or that none ran: the rule, the alarms, the topic, the dashboard."""

import itertools
import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from chalicelib.outputs.metrics import metrics_line
from chalicelib.policy import ScanPolicy
from localaws.environment import PROJECT
from localaws.moto_patches.event_buses import transformed
from tests.stack.test_template import STACK
from tests.support.cloudformation import resolve
from tests.support.reports import AS_OF, report_of, user

# In the form of the events that Step Functions' guide shows, with a scan's own names:
# https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
EVENTS: list[dict[str, Any]] = json.loads((PROJECT / "tests" / "golden" / "status-changes.json").read_text())


def told(template: dict[str, Any], event: Any, rule: str = "FailedScanRule", **stack: str) -> Any:
    """What a rule makes of a Step Functions event: None where it does not match."""
    properties = template["Resources"][rule]["Properties"]
    resolved = resolve(template, properties, {**STACK, "HttpsFormat": "json", **stack})
    [target] = resolved["Targets"]
    assert target["Arn"] == STACK["NotificationsTopic"]
    pattern = EventPattern(None, resolved["EventPattern"])
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
        f" {event['detail']['status']}: its results are unknown. What to do: see why at"
        " https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1#/v2/executions/details/"
        "arn:aws:states:eu-central-1:123456789012:execution:iam-key-age-prod:scheduled-2026-11-22T080000Z"
        " - fix the cause, then start another scan, or redrive the execution there."
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
    assert (
        chat["content"]["description"] == "Scan `scheduled-2026-11-22T080000Z` ended FAILED: its results are unknown."
    )
    assert len(chat["content"]["nextSteps"]) == 2


@pytest.mark.parametrize("form", ["json", "chat"])
def test_a_failure_is_told_whether_or_not_the_event_says_why(template: dict[str, Any], form: str) -> None:
    without = {name: value for name, value in EVENTS[2]["detail"].items() if name not in ("error", "cause")}
    with_why = {**without, "error": "NotEverybodyNotifiedError", "cause": "why"}
    told_of = [told(template, {**EVENTS[2], "detail": detail}, HttpsFormat=form) for detail in (without, with_why)]

    assert told_of[0] == told_of[1]
    assert told_of[0]


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
    assert 24 < longest["Default"] <= 24 + 2  # the schedule's day, and more than a scan takes as a rule


@pytest.mark.parametrize("name", ["NoScanAlarm", "NoFullScanAlarm"])
def test_the_runbook_says_when_an_alarm_and_its_end_come(template: dict[str, Any], name: str) -> None:
    """By "Example of evaluating a multi-day alarm" in CloudWatch's guide, which the runbook cites.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
    """
    hours = int(template["Parameters"]["AlarmAfterHours"]["Default"])
    alarm = resolve(template, template["Resources"][name]["Properties"], {**STACK, "AlarmAfterHours": str(hours)})
    period, periods = alarm["Metrics"][0]["MetricStat"]["Period"], int(alarm["EvaluationPeriods"])
    assert period * periods > 86_400  # a multi-day alarm
    assert period == 3600  # of which it sees the hours that are over

    begins, ends = [], []  # in minutes after a scan that succeeded in the hour 0
    for succeeded, evaluated in itertools.product(range(60), repeat=2):  # the minutes of their hours
        seen = {hour: 0 in range(hour - periods, hour) for hour in range(1, periods + 3)}
        ends.append(next(hour for hour, scanned in seen.items() if scanned) * 60 + evaluated - succeeded)
        begins.append(next(hour for hour, scanned in seen.items() if not scanned) * 60 + evaluated - succeeded)

    runbook = " ".join((PROJECT / "docs" / "runbook.md").read_text().split())
    assert (min(begins) // 60, -(-max(begins) // 60)) == (hours, hours + 2)
    assert f"{hours} to {hours + 2} hours after the last scan that succeeded" in runbook
    assert (min(ends), -(-max(ends) // 60)) == (1, 2)
    assert "up to two hours after the end of a scan that succeeded" in runbook
    assert "With `AlarmAfterHours` of 24 or less" in runbook


def test_the_alarms_count_scans_that_succeeded_and_full_scans_by_what_they_write(template: dict[str, Any]) -> None:
    counted = {}
    for name in ("NoScanAlarm", "NoFullScanAlarm"):
        alarm = resolve(template, template["Resources"][name]["Properties"], STACK)
        counted[name] = alarm["Metrics"][0]["MetricStat"]
    metrics = json.loads(metrics_line(report_of(user("alice")), "prod", AS_OF, ScanPolicy().to_json()))
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

    *publishing, subscribing = policy["PolicyDocument"]["Statement"]
    [*allowing, deny] = publishing
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
    assert (subscribing["Effect"], subscribing["Action"]) == ("Deny", "sns:Subscribe")


def test_the_dashboard_draws_the_metrics_that_a_scan_writes(template: dict[str, Any]) -> None:
    properties = resolve(template, template["Resources"]["Dashboard"]["Properties"], STACK)
    written = json.loads(metrics_line(report_of(user("alice")), "prod", AS_OF, ScanPolicy().to_json()))

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


@pytest.mark.parametrize(("policy", "kind"), [({}, "full"), ({"max_age_days": 3650}, "other_policy")])
def test_a_full_scan_by_another_policy_feeds_no_alarm_of_the_stages_own(policy: dict[str, Any], kind: str) -> None:
    report = report_of(user("alice"), **policy)

    written = json.loads(metrics_line(report, "prod", AS_OF, ScanPolicy().to_json()))

    assert written["ScanKind"] == kind
    assert report["scan_kind"] == "full"

"""What `make deploy` tells at its end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.next_steps import (
    _ALARM_AFTER_HOURS_LIMIT,
    _LONGEST_SCAN,
    _RETENTION_DAYS_LIMIT,
    next_scan,
    schedule_of,
    what_next,
    what_of_the_alarms,
    what_of_the_retention,
    what_of_the_weekdays,
)
from tests.stack.test_template import DEFINITION

NOW = datetime(2026, 11, 25, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("cron(0 8 * * ? *)", "2026-11-26 08:00 UTC, by cron(0 8 * * ? *)"),
        ("cron(0/30 * * * ? *)", "2026-11-25 22:30 UTC, by cron(0/30 * * * ? *)"),
        ("cron(15 6 ? * MON *)", "2026-11-30 06:15 UTC, by cron(15 6 ? * MON *)"),
        ("cron(0 8 LW * ? *)", "by cron(0 8 LW * ? *), in UTC"),
        ("cron(0 8 31 * ? *)", "by cron(0 8 31 * ? *), in UTC"),
        ("cron(0 8 ? * SAT-MON *)", "by cron(0 8 ? * SAT-MON *), in UTC"),
        ("cron(0 8 1/3 * ? *)", "2026-11-28 08:00 UTC, by cron(0 8 1/3 * ? *)"),
        ("cron(0 8 1 1 ? 2027-2028)", "2027-01-01 08:00 UTC, by cron(0 8 1 1 ? 2027-2028)"),
        ("cron(0 8 * * ? 2025)", "by cron(0 8 * * ? 2025), in UTC"),  # is over
        ("rate(12 hours)", "within 12 hours, by rate(12 hours)"),
    ],
)
def test_the_next_scan_is_told_by_the_schedule(schedule: str, says: str) -> None:
    assert next_scan(schedule, NOW) == says


@pytest.mark.parametrize(
    ("schedule", "alarm_after_hours", "says"),
    [
        ("cron(0 8 * * ? *)", 26, ""),
        (
            "cron(0 8 * * ? *)",
            24,
            "24 hours between two scans; the alarms fire after 24 without one: set PARAMETERS=",
        ),
        ("rate(1 hour)", 2, ""),
        ("rate(90 minutes)", 2, "leaves 2 hours"),
        ("rate(2 days)", 26, "set PARAMETERS='AlarmAfterHours=50'"),
        ("cron(0 8 ? * MON-FRI *)", 26, "leaves 72 hours"),
        ("cron(0 8 ? * MON-FRI *)", 74, ""),
        (
            "cron(0 8 ? * MON *)",
            26,
            "leaves 168 hours between two scans; the alarms fire after 26 without one: set",
        ),
        ("cron(0 8 ? * MON *)", 26, "AlarmAfterHours=168"),
        ("cron(0 8 ? * MON *)", 168, ""),  # more, it does not take
        ("rate(8 days)", 168, "leaves 192 hours"),
        ("cron(0 8 1 * ? *)", 26, "without one: to be watched, it has to be weekly or more often"),
        ("cron(0 8 1 1 ? 2027-2028)", 168, "to be watched, it has to be weekly or more often"),
        (
            "cron(0 8 */2 * ? *)",
            26,
            "See to it that the schedule leaves less than AlarmAfterHours, 26,",
        ),  # is not known
        ("rate(99999999999 days)", 26, "See to it that the schedule leaves less than AlarmAfterHours, 26,"),
    ],
)
def test_alarms_that_would_fire_between_two_scans_are_told(schedule: str, alarm_after_hours: int, says: str) -> None:
    told = what_of_the_alarms(schedule, alarm_after_hours, NOW)

    assert says in told
    assert bool(says) is bool(told)


@pytest.mark.parametrize("day", range(7))
def test_what_is_told_of_the_alarms_is_the_same_on_each_day_of_the_week(day: int) -> None:
    told = what_of_the_alarms("cron(0 8-18 ? * MON-FRI *)", 26, NOW + timedelta(days=day))

    assert "leaves 62 hours" in told


@pytest.mark.parametrize("address", ["", "security@example.com"])
def test_a_deployment_ends_with_what_is_there_and_what_to_do_with_it(address: str) -> None:
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod"
    outputs = {"EndpointURL": "https://api/", "StateMachineArn": machine, "ReportsBucket": "reports"}
    stack = {
        "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
        "Parameters": [
            {"ParameterKey": "AlarmAfterHours", "ParameterValue": "26"},
            {"ParameterKey": "NotificationEmail", "ParameterValue": address},
        ],
    }

    paragraphs = what_next(stack, "cron(0 8 * * ? *)", NOW).split("\n\n")

    told = [f"{name}\t{value}" for name, value in outputs.items()]
    assert paragraphs[0].splitlines() == told
    assert paragraphs[1].startswith("Next scan: 2026-11-26 08:00 UTC, by cron(0 8 * * ? *).")
    assert paragraphs[2].splitlines() == [
        "  export ENDPOINT_URL=https://api/ AWS_DEFAULT_REGION=eu-central-1",
        '  .venv/bin/awscurl --service execute-api -X POST "${ENDPOINT_URL}scan"',
        f"  .venv/bin/aws stepfunctions start-execution --input '{{}}' --state-machine-arn {machine}",
    ]
    assert paragraphs[4].splitlines() == [
        '  .venv/bin/awscurl --service execute-api "${ENDPOINT_URL}scan/SCAN_ID"',
        "  .venv/bin/aws s3 cp s3://reports/scans/SCAN_ID/report.html .",
    ]
    confirm = "Subscribers by e-mail have to confirm the subscription once"
    assert [paragraph[: len(confirm)] for paragraph in paragraphs[5:]] == ([confirm] if address else [])


def test_a_stage_of_an_organization_says_how_its_accounts_get_the_role_and_starts_that_scan() -> None:
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod"
    outputs = {"EndpointURL": "https://api/", "StateMachineArn": machine, "ReportsBucket": "reports"}
    outputs["OrganizationStateMachineArn"] = f"{machine}-organization"
    parameters = {"AlarmAfterHours": "26", "NotificationEmail": ""}
    stack = {
        "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    }

    told = what_next(stack, "cron(0 8 * * ? *)", NOW)

    assert "make deploy-readers UNITS=" in told
    assert "make deploy-reader PROFILE=" in told
    assert f"start-execution --input '{{}}' --state-machine-arn {machine}-organization" in told


def described(**parameters: str) -> dict[str, Any]:
    """A stack as DescribeStacks lists it; of an organization, if Accounts is given."""
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod"
    outputs = {"EndpointURL": "https://api/", "StateMachineArn": machine, "ReportsBucket": "reports"}
    outputs |= {"OrganizationStateMachineArn": f"{machine}-organization"} if parameters.get("Accounts") else {}
    given = {"AlarmAfterHours": "26", "NotificationEmail": "", "DeactivationWeekdays": "MON,TUE,WED,THU", **parameters}
    return {
        "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
    }


def test_where_somebody_has_to_approve_a_deployment_says_how() -> None:
    stack = described(Deactivation="apply", DeactivationApproval="required")

    told = what_next(stack, "cron(0 8 * * ? *)", NOW)

    assert "No key is deactivated until somebody approves it" in told
    assert '-X POST "${ENDPOINT_URL}scan/SCAN_ID/plan/approve" -H' in told
    assert """-d '{"access_key_ids": ["ACCESS_KEY_ID"]}'""" in told
    assert '-X POST "${ENDPOINT_URL}actions/ACTION_ID/undo"' in told


def test_where_nobody_has_to_approve_a_deployment_says_how_many_keys_go_and_when() -> None:
    more = {"MaxDeactivationsPerScan": "5", "DeactivateAfterDays": "14"}
    stack = described(Deactivation="apply", DeactivationApproval="none", **more)

    told = what_next(stack, "cron(0 8 * * ? *)", NOW)

    assert "deactivates the keys that are due, up to 5, once messages have announced them for 14 days" in told
    assert '-X POST "${ENDPOINT_URL}actions/ACTION_ID/undo"' in told
    assert "approve" not in told


@pytest.mark.parametrize("deactivation", ["off", "plan"])
def test_where_no_key_is_deactivated_a_deployment_says_nothing_of_it(deactivation: str) -> None:
    plain = what_next(described(Accounts="organization"), "cron(0 8 * * ? *)", NOW)

    assert what_next(described(Accounts="organization", Deactivation=deactivation), "cron(0 8 * * ? *)", NOW) == plain
    assert "deactivat" not in plain


def test_a_stage_of_an_organization_that_deactivates_says_that_accounts_need_a_second_role() -> None:
    stack = described(Accounts="organization", Deactivation="apply", DeactivationApproval="required")

    assert "and the deactivator role, or its keys are left alone; the same commands make both" in what_next(
        stack, "cron(0 8 * * ? *)", NOW
    )


@pytest.mark.parametrize(
    ("schedule", "weekdays", "says"),
    [
        ("cron(0 8 * * ? *)", "SUN", ""),
        ("cron(0 8 ? * FRI *)", "MON,TUE,WED,THU", "set PARAMETERS='DeactivationWeekdays=FRI'"),
        ("cron(0 8 ? * SUN,SAT *)", "MON", "set PARAMETERS='DeactivationWeekdays=SAT,SUN'"),
        ("cron(0 8 ? * MON,FRI *)", "MON,TUE,WED,THU", ""),
        ("rate(1 day)", "MON", ""),
        ("rate(7 days)", "MON", ""),  # on which day is not known
        ("cron(0 8 LW * ? *)", "MON", ""),  # nor here
        ("cron(0 8 * * ? 2025)", "MON", ""),
    ],
)
def test_a_schedule_whose_scans_are_on_no_approved_weekday_is_told(schedule: str, weekdays: str, says: str) -> None:
    told = what_of_the_weekdays(schedule, {"Deactivation": "plan", "DeactivationWeekdays": weekdays}, NOW)

    assert says in told
    assert bool(says) is bool(told)
    assert what_of_the_weekdays(schedule, {"Deactivation": "off", "DeactivationWeekdays": weekdays}, NOW) == ""


@pytest.mark.parametrize(
    ("schedule", "retention_days", "says"),
    [
        ("cron(0 8 * * ? *)", 400, ""),
        ("cron(0 8 * * ? *)", 2, ""),
        ("cron(0 8 * * ? *)", 1, "ReportRetentionDays, 1) before the next scan"),
        ("rate(21 hours)", 1, ""),
        ("rate(22 hours)", 1, "set PARAMETERS='ReportRetentionDays=2'"),
        ("cron(0 8 ? * MON *)", 7, "set PARAMETERS='ReportRetentionDays=8'"),
        ("cron(0 8 ? * MON *)", 8, ""),
        ("cron(0 8 LW * ? *)", 1, ""),  # is not known
        ("rate(9999 days)", 3650, ""),
    ],
)
def test_reports_that_would_expire_before_the_next_scan_is_compared_with_them_are_told(
    schedule: str, retention_days: int, says: str
) -> None:
    told = what_of_the_retention(schedule, retention_days, NOW)

    assert says in told
    assert bool(says) is bool(told)


def test_a_deployment_says_what_becomes_of_reports_that_expire_too_soon() -> None:
    outputs = {"EndpointURL": "https://api/", "StateMachineArn": "a:b:c:d", "ReportsBucket": "reports"}
    parameters = {"AlarmAfterHours": "26", "NotificationEmail": "", "ReportRetentionDays": "1"}
    stack = {
        "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    }

    assert "set PARAMETERS='ReportRetentionDays=2'" in what_next(stack, "cron(0 8 * * ? *)", NOW)


def test_the_longest_scan_and_the_longest_retention_are_those_of_the_stack(template: dict[str, Any]) -> None:
    assert _LONGEST_SCAN.total_seconds() == DEFINITION["TimeoutSeconds"]
    assert template["Parameters"]["ReportRetentionDays"]["MaxValue"] == _RETENTION_DAYS_LIMIT


def test_as_many_hours_as_cloudwatch_looks_back_is_what_the_parameter_takes(template: dict[str, Any]) -> None:
    assert template["Parameters"]["AlarmAfterHours"]["MaxValue"] == _ALARM_AFTER_HOURS_LIMIT


def test_the_schedule_is_read_from_the_packaged_template(template: dict[str, Any]) -> None:
    parameters = [
        {"ParameterKey": name, "ParameterValue": str(parameter["Default"])}
        for name, parameter in template["Parameters"].items()
    ]

    assert schedule_of({"Parameters": parameters}) == "cron(0 8 * * ? *)"

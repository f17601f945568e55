"""What a person reads when a deployment has succeeded."""

import itertools
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pyawscron import AWSCron

from chalicelib.deactivation_settings import WEEKDAYS

_ALARM_AFTER_HOURS_LIMIT = 168  # as far as CloudWatch looks back
_LOOK_AHEAD = timedelta(days=62)  # any two months
_RETENTION_DAYS_LIMIT = 3650  # as the parameter
_READERS = "  make deploy-readers UNITS=… STAGE=…\n  make deploy-reader PROFILE=… STAGE=…"
_POST = '  .venv/bin/awscurl --service execute-api -X POST "${{ENDPOINT_URL}}{}"'
_LONGEST_SCAN = timedelta(hours=3)  # TimeoutSeconds of scan.asl.json


def schedule_of(stack: Mapping[str, Any]) -> str:
    """Return the schedule expression of a stack, as DescribeStacks gives it."""
    [schedule] = [one["ParameterValue"] for one in stack["Parameters"] if one["ParameterKey"] == "ScanSchedule"]
    return str(schedule)


def next_scan(schedule: str, now: datetime) -> str:
    """Return when EventBridge starts the next scan, by a cron or a rate expression, in words."""
    if cron := re.fullmatch(r"cron\((.+)\)", schedule):
        try:
            [at] = AWSCron.get_next_n_schedule(1, now, cron[1])
        except Exception:  # EventBridge takes schedules that the parser does not, and the stack is deployed
            at = None
        return f"{at:%Y-%m-%d %H:%M} UTC, by {schedule}" if at else f"by {schedule}, in UTC"
    return f"within {schedule.removeprefix('rate(').removesuffix(')')}, by {schedule}"


def longest_wait(schedule: str, now: datetime) -> timedelta | None:
    """Return the longest time between two scans of a schedule in the weeks to come; None if that is not known."""
    cron = schedule.removeprefix("cron(").removesuffix(")")
    try:
        if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule):
            return timedelta(**{f"{rate[2]}s": int(rate[1])})
        coming: list[datetime] = AWSCron.get_all_schedule_bw_dates(now, now + _LOOK_AHEAD, cron)
    except Exception:  # as above
        return None
    return max(after - before for before, after in itertools.pairwise([now, *coming, now + _LOOK_AHEAD]))


def what_of_the_alarms(schedule: str, alarm_after_hours: int, now: datetime) -> str:
    """Return what to do if the alarms would fire between two scans of the schedule, else nothing."""
    wait = longest_wait(schedule, now)
    if wait is None:
        return f"See to it that the schedule leaves less than AlarmAfterHours, {alarm_after_hours}, between two scans."
    hours = math.ceil(wait / timedelta(hours=1))
    cure = min(hours + 2, _ALARM_AFTER_HOURS_LIMIT)  # two for a scan that takes its time
    if hours < alarm_after_hours or hours <= cure == alarm_after_hours:
        return ""
    problem = (
        f"The schedule leaves {hours} hours between two scans; the alarms fire after {alarm_after_hours} without one"
    )
    if hours > _ALARM_AFTER_HOURS_LIMIT:
        return f"{problem}: to be watched, it has to be weekly or more often."
    return f"{problem}: set PARAMETERS='AlarmAfterHours={cure}'."


def what_of_the_retention(schedule: str, retention_days: int, now: datetime) -> str:
    """Return what to do if a report would expire before the next full scan is compared with it, else nothing."""
    wait = longest_wait(schedule, now)
    if wait is None or wait + _LONGEST_SCAN <= timedelta(days=retention_days):
        return ""
    days = math.ceil((wait + _LONGEST_SCAN) / timedelta(days=1))
    if days > _RETENTION_DAYS_LIMIT:
        return ""  # what is said of the alarms holds all the more
    return (
        f"A report may expire (ReportRetentionDays, {retention_days}) before the next scan is compared with it, which "
        f"then calls every key new: set PARAMETERS='ReportRetentionDays={days}'."
    )


def what_of_deactivations(parameters: Mapping[str, str]) -> str:
    """Return what happens to keys that are due for deactivation, and what people have to do; else nothing."""
    if parameters.get("Deactivation") != "apply":
        return ""
    if parameters["DeactivationApproval"] == "none":
        return (
            f"Each full scan deactivates the keys that are due, up to {parameters['MaxDeactivationsPerScan']}, once "
            f"messages have announced them for {parameters['DeactivateAfterDays']} days: whoever may object has to be "
            f"subscribed. To undo one (docs/deactivation.md):\n{_POST.format('actions/ACTION_ID/undo')}"
        )
    keys = """-H 'Content-Type: application/json' -d '{"access_key_ids": ["ACCESS_KEY_ID"]}'"""
    return (
        "No key is deactivated until somebody approves it, on a day of DeactivationWeekdays and before the next full "
        "scan. Messages name the keys that are due. To approve some, and to undo one (docs/deactivation.md):\n"
        f"{_POST.format('scan/SCAN_ID/plan/approve')} {keys}\n{_POST.format('actions/ACTION_ID/undo')}"
    )


def what_of_the_weekdays(schedule: str, parameters: Mapping[str, str], now: datetime) -> str:
    """Return what to do if no scan of the schedule is on a day on which keys may be deactivated, else nothing."""
    if parameters.get("Deactivation", "off") == "off" or not schedule.startswith("cron("):
        return ""
    try:
        coming = AWSCron.get_all_schedule_bw_dates(now, now + _LOOK_AHEAD, schedule[5:-1])
    except Exception:  # as above
        return ""
    days = {WEEKDAYS[at.weekday()] for at in coming}
    weekdays = parameters["DeactivationWeekdays"]
    if not days or days & set(weekdays.split(",")):
        return ""
    return (
        f"No scan of the schedule is on a day of DeactivationWeekdays, {weekdays} in UTC, and on no other day is a key "
        f"due: set PARAMETERS='DeactivationWeekdays={','.join(day for day in WEEKDAYS if day in days)}', or another "
        "ScanSchedule."
    )


def what_next(stack: Mapping[str, Any], schedule: str, now: datetime) -> str:
    """Return what to print when a stack is deployed: its outputs, and what to do with it.

    `stack` is as DescribeStacks gives it, with the `EndpointURL` among its outputs.
    """
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    of_organization = "OrganizationStateMachineArn" in outputs
    machine = outputs["OrganizationStateMachineArn" if of_organization else "StateMachineArn"]
    roles = "the reader role, or is reported as unchecked"
    if parameters.get("Deactivation") == "apply":
        roles += ", and the deactivator role, or its keys are left alone; the same commands make both"
    paragraphs = [
        "\n".join(f"{name}\t{value}" for name, value in outputs.items()),
        f"Each account needs {roles} (docs/organization.md):\n{_READERS}" if of_organization else "",
        f"Next scan: {next_scan(schedule, now)}. Start one now, by the API or without it:",
        (
            f"  export ENDPOINT_URL={outputs['EndpointURL']} AWS_DEFAULT_REGION={machine.split(':')[3]}\n"
            f"{_POST.format('scan')}\n"
            f"  .venv/bin/aws stepfunctions start-execution --input '{{}}' --state-machine-arn {machine}"
        ),
        "See how it goes and what it found; SCAN_ID is the execution's name:",
        (
            '  .venv/bin/awscurl --service execute-api "${ENDPOINT_URL}scan/SCAN_ID"\n'
            f"  .venv/bin/aws s3 cp s3://{outputs['ReportsBucket']}/scans/SCAN_ID/report.html ."
        ),
        what_of_deactivations(parameters),
        what_of_the_weekdays(schedule, parameters, now),
        what_of_the_alarms(schedule, int(parameters["AlarmAfterHours"]), now),
        what_of_the_retention(schedule, int(parameters.get("ReportRetentionDays", _RETENTION_DAYS_LIMIT)), now),
        "Subscribers by e-mail have to confirm the subscription once, in the mail that SNS sends them; earlier "
        "messages do not reach them."
        if parameters["NotificationEmail"]
        else "",
    ]
    return "\n\n".join(filter(None, paragraphs))

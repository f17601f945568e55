"""What a deployment tells at its end: `python -m deploy.next_steps`, the stack on its input."""

import itertools
import json
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pyawscron import AWSCron

from deploy import terminal

_ALARM_AFTER_HOURS_LIMIT = 168  # as far as CloudWatch looks back
_LOOK_AHEAD = timedelta(days=62)  # any two months
_RETENTION_DAYS_LIMIT = 3650  # as the parameter
_LONGEST_SCAN = timedelta(hours=2)  # TimeoutSeconds of scan.asl.json


def schedule_of(stack: Mapping[str, Any]) -> str:
    """Return the schedule expression of a stack, as DescribeStacks gives it."""
    [schedule] = [one["ParameterValue"] for one in stack["Parameters"] if one["ParameterKey"] == "ScanSchedule"]
    return str(schedule)


def next_scan(schedule: str, now: datetime) -> str:
    """Say when EventBridge starts the next scan, by a cron or a rate expression."""
    if cron := re.fullmatch(r"cron\((.+)\)", schedule):
        try:
            [at] = AWSCron.get_next_n_schedule(1, now, cron[1])
        except Exception:  # EventBridge knows schedules that the parser does not, and it is deployed
            at = None
        return f"{at:%Y-%m-%d %H:%M} UTC, by {schedule}" if at else f"by {schedule}, in UTC"
    return f"within {schedule.removeprefix('rate(').removesuffix(')')}, by {schedule}"


def longest_wait(schedule: str, now: datetime) -> timedelta | None:
    """Return the longest time between two scans of a schedule in the weeks to come; None where that cannot be told."""
    cron = schedule.removeprefix("cron(").removesuffix(")")
    try:
        if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule):
            return timedelta(**{f"{rate[2]}s": int(rate[1])})
        coming: list[datetime] = AWSCron.get_all_schedule_bw_dates(now, now + _LOOK_AHEAD, cron)
    except Exception:  # as above
        return None
    return max(after - before for before, after in itertools.pairwise([now, *coming, now + _LOOK_AHEAD]))


def what_of_the_alarms(schedule: str, alarm_after_hours: int, now: datetime) -> str:
    """Say what to do where the alarms would fire between two scans of the schedule; nothing where they would not."""
    wait = longest_wait(schedule, now)
    if wait is None:
        return f"See to it that the schedule leaves less than AlarmAfterHours, {alarm_after_hours}, between two scans."
    hours = math.ceil(wait / timedelta(hours=1))
    cure = min(hours + 2, _ALARM_AFTER_HOURS_LIMIT)  # two for a scan that takes its time
    if hours < alarm_after_hours or hours <= cure == alarm_after_hours:
        return ""
    told = f"The schedule leaves {hours} hours between two scans; the alarms fire after {alarm_after_hours} without one"
    if hours > _ALARM_AFTER_HOURS_LIMIT:
        return f"{told}: to be watched, it has to be weekly or more often."
    return f"{told}: set PARAMETERS='AlarmAfterHours={cure}'."


def what_of_the_retention(schedule: str, retention_days: int, now: datetime) -> str:
    """Say what to do where a report would expire before the next full scan is compared with it; else nothing."""
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


def what_next(stack: Mapping[str, Any], schedule: str, now: datetime) -> str:
    """Return what a person is told of a stack that is deployed: its outputs, and what to do with it.

    `stack` is as DescribeStacks gives it, with the `EndpointURL` among its outputs.
    """
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    machine = outputs["StateMachineArn"]
    paragraphs = [
        "\n".join(f"{name}\t{value}" for name, value in outputs.items()),
        f"Next scan: {next_scan(schedule, now)}. Start one now, by the API or without it:",
        (
            f"  export ENDPOINT_URL={outputs['EndpointURL']} AWS_DEFAULT_REGION={machine.split(':')[3]}\n"
            '  .venv/bin/awscurl --service execute-api -X POST "${ENDPOINT_URL}scan"\n'
            f"  .venv/bin/aws stepfunctions start-execution --input '{{}}' --state-machine-arn {machine}"
        ),
        "How it goes, and what it found, SCAN_ID being the execution's name:",
        (
            '  .venv/bin/awscurl --service execute-api "${ENDPOINT_URL}scan/SCAN_ID"\n'
            f"  .venv/bin/aws s3 cp s3://{outputs['ReportsBucket']}/scans/SCAN_ID/report.html ."
        ),
        what_of_the_alarms(schedule, int(parameters["AlarmAfterHours"]), now),
        what_of_the_retention(schedule, int(parameters.get("ReportRetentionDays", _RETENTION_DAYS_LIMIT)), now),
        "Subscribers by e-mail have to confirm the subscription once, in the mail that SNS sends them; what is told "
        "before, they do not hear."
        if parameters["NotificationEmail"]
        else "",
    ]
    return "\n\n".join(filter(None, paragraphs))


def main() -> None:
    """Tell what came of a deployment; nothing where the AWS CLI has none to tell of, and says why."""
    described = sys.stdin.read()
    if not described.strip():
        sys.exit(1)
    stack = json.loads(described)
    print(what_next(stack, schedule_of(stack), datetime.now(UTC)))  # noqa: T201  # to the person


if __name__ == "__main__":
    terminal.run(main)

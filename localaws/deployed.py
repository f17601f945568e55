"""What a deployment tells at its end: `python -m localaws.deployed TEMPLATE`, the stack's outputs on its input."""

import itertools
import json
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyawscron import AWSCron

_ALARM_AFTER_HOURS_LIMIT = 168  # as far as CloudWatch looks back
_COMING = 15  # scans: more than a fortnight of a schedule by days of the week


def schedule_of(template: Mapping[str, Any]) -> str:
    """Return the schedule expression of a packaged template."""
    [event] = template["Resources"]["ScheduledScan"]["Properties"]["Events"].values()
    return str(event["Properties"]["Schedule"])


def next_scan(schedule: str, now: datetime) -> str:
    """Say when EventBridge starts the next scan, by a cron or a rate expression."""
    if schedule.startswith("rate("):
        return f"within {schedule.removeprefix('rate(').removesuffix(')')}, by {schedule}"
    if coming := _coming_scans(schedule, now):
        return f"{coming[0]:%Y-%m-%d %H:%M} UTC, by {schedule}"
    return f"by {schedule}, in UTC"


def longest_wait(schedule: str, now: datetime) -> timedelta:
    """Return the longest time between two scans that a schedule leaves; 0 where that cannot be told."""
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule):
        return timedelta(**{f"{rate[2]}s": int(rate[1])})
    coming = _coming_scans(schedule, now)
    return max((after - before for before, after in itertools.pairwise(coming)), default=timedelta())


def _coming_scans(schedule: str, now: datetime) -> list[datetime]:
    """Return the next scans by a cron expression; none where the parser does not know it, which EventBridge may."""
    try:
        return list(AWSCron.get_next_n_schedule(_COMING, now, schedule.removeprefix("cron(").removesuffix(")")))
    except Exception:  # whatever it stumbles over
        return []


def what_of_the_alarms(schedule: str, alarm_after_hours: int, now: datetime) -> str:
    """Say what to do where the alarms would fire between two scans of the schedule; nothing where they would not."""
    hours = math.ceil(longest_wait(schedule, now) / timedelta(hours=1))
    if hours < alarm_after_hours:
        return ""
    told = f"The schedule leaves {hours} hours between two scans, and the alarms fire after {alarm_after_hours} without one"
    if hours > _ALARM_AFTER_HOURS_LIMIT:
        return f"{told}: a schedule has to be weekly or more often to be watched.\n\n"
    return f"{told}: set PARAMETERS='AlarmAfterHours={min(hours + 2, _ALARM_AFTER_HOURS_LIMIT)}'.\n\n"


def what_next(outputs: Mapping[str, str], schedule: str, now: datetime) -> str:
    """Return what a person does with a stack that is deployed, by its outputs and `AlarmAfterHours`."""
    region = outputs["StateMachineArn"].split(":")[3]
    return (
        f"Next scan: {next_scan(schedule, now)}. Start one now, by the API or without it:\n\n"
        f"  export ENDPOINT_URL={outputs['EndpointURL']} AWS_DEFAULT_REGION={region}\n"
        '  .venv/bin/awscurl --service execute-api -X POST "${ENDPOINT_URL}scan"\n'
        f"  aws stepfunctions start-execution --input '{{}}' --state-machine-arn {outputs['StateMachineArn']}\n\n"
        f"{what_of_the_alarms(schedule, int(outputs['AlarmAfterHours']), now)}"
        "Subscribers by e-mail have to confirm the subscription once, in the mail that SNS sends them."
    )


if __name__ == "__main__":
    template = json.loads(Path(sys.argv[1]).read_text())
    outputs = dict(line.split("\t", 1) for line in sys.stdin.read().splitlines())
    schedule = outputs.get("ScanSchedule") or schedule_of(template)
    print(f"\n{what_next(outputs, schedule, datetime.now(UTC))}")  # noqa: T201  # to the person

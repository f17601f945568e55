"""What a deployment tells at its end: `python -m localaws.deployed TEMPLATE`, the stack's outputs on its input."""

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyawscron import AWSCron


def schedule_of(template: Mapping[str, Any]) -> str:
    """Return the schedule expression of a packaged template."""
    [event] = template["Resources"]["ScheduledScan"]["Properties"]["Events"].values()
    return str(event["Properties"]["Schedule"])


def next_scan(schedule: str, now: datetime) -> str:
    """Say when EventBridge starts the next scan, by a cron or a rate expression."""
    if cron := re.fullmatch(r"cron\((.+)\)", schedule):
        try:
            [at] = AWSCron.get_next_n_schedule(1, now, cron[1])
        except Exception:  # EventBridge knows schedules that the parser does not, and it is deployed
            return f"by {schedule}, in UTC"
        return f"{at:%Y-%m-%d %H:%M} UTC, by {schedule}"
    return f"within {schedule.removeprefix('rate(').removesuffix(')')}, by {schedule}"


def what_next(outputs: Mapping[str, str], schedule: str, now: datetime) -> str:
    """Return what a person does with a stack that is deployed."""
    region = outputs["StateMachineArn"].split(":")[3]
    return (
        f"Next scan: {next_scan(schedule, now)}. Start one now, by the API or without it:\n\n"
        f"  export ENDPOINT_URL={outputs['EndpointURL']} AWS_DEFAULT_REGION={region}\n"
        '  .venv/bin/awscurl --service execute-api -X POST "${ENDPOINT_URL}scan"\n'
        f"  aws stepfunctions start-execution --input '{{}}' --state-machine-arn {outputs['StateMachineArn']}\n\n"
        "Subscribers by e-mail have to confirm the subscription once, in the mail that SNS sends them."
    )


if __name__ == "__main__":
    template = json.loads(Path(sys.argv[1]).read_text())
    outputs = dict(line.split("\t", 1) for line in sys.stdin.read().splitlines())
    schedule = outputs.get("ScanSchedule") or schedule_of(template)
    print(f"\n{what_next(outputs, schedule, datetime.now(UTC))}")  # noqa: T201  # to the person

"""What deactivating keys takes: calls of IAM and of the functions, state transitions and money for each key.

`python -m bench.deactivation` runs the real machine on the local AWS, for one key and for six, and prints a table. The
prices are those of docs/performance.md.
"""

import json
import time
from typing import Any

from bench.tables import print_table
from localaws.clients import forget_the_users_aws
from localaws.commands.arguments import read_account
from localaws.environment import LocalAws

_SETTINGS = {
    "Deactivation": "apply",
    "DeactivateAfterDays": "0",
    "DeactivationWeekdays": "MON,TUE,WED,THU,FRI,SAT,SUN",
    "MaxDeactivationsPerScan": "100",
}
_TRANSITION, _LAMBDA_GB_SECOND = 25 / 1e6, 0.0000166667  # US dollars
_FUNCTION_SECONDS, _FUNCTION_GB = 0.3, 0.5  # of a call of check_deactivation, by a stated guess


def measure(aws: LocalAws, keys: int) -> dict[str, Any]:
    """Deactivate so many keys of the demo account by one execution; return what it took."""
    aws.seed(aws.account)
    result = aws.scan("{}")
    due = [one["access_key_id"] for one in result.report["findings"] if one.get("plan", {}).get("status") == "due"]
    given = {"by": "arn:aws:iam::123456789012:user/bench", "at": "2026-11-27T08:00:00Z", "scan_id": result.scan_id}
    states = aws.client("stepfunctions")
    aws.forget_calls()
    execution = states.start_execution(
        stateMachineArn=aws.outputs()["DeactivationStateMachineArn"],
        name=f"bench-{keys}-{result.scan_id}",
        input=json.dumps({**given, "access_key_ids": due[:keys]}),
    )
    while (ended := states.describe_execution(executionArn=execution["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.1)
    done = [one["result"] for one in json.loads(ended["output"])["results"]]
    history = states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
    events = [event["type"] for page in history for event in page["events"]]
    return {
        "done": done.count("done"),
        "calls": aws.calls(),
        "transitions": 1 + sum(event.endswith("StateEntered") for event in events),
        "events": len(events),
    }


def main() -> None:
    """Print a row for each number of keys."""
    forget_the_users_aws()
    rows: list[list[str]] = []
    with LocalAws(read_account(None), parameters=_SETTINGS) as aws:
        for keys in (1, 6):
            took = measure(aws, keys)
            calls = took["calls"]
            of_iam = sum(number for name, number in calls.items() if name.startswith("iam:"))
            invoked = sum(number for name, number in calls.items() if name.startswith("lambda:"))
            price = took["transitions"] * _TRANSITION + invoked * _FUNCTION_SECONDS * _FUNCTION_GB * _LAMBDA_GB_SECOND
            counts = [
                took["done"],
                of_iam,
                calls.get("sts:AssumeRole", 0),
                invoked,
                took["transitions"],
                took["events"],
            ]
            rows.append([*map(str, counts), f"{100 * price:.2f} cents"])
    header = ["keys", "calls of IAM", "AssumeRole", "calls of the function", "state transitions", "events", "price"]
    print_table("Deactivating keys", "python -m bench.deactivation", header, rows)


if __name__ == "__main__":
    main()

"""A key that `make serve` takes from the plan to Inactive and back, by what it prints."""

import json
import re
import subprocess
import time
from typing import Any

import pytest

from localaws.commands.serve import DEACTIVATION_CALLS
from tests.support.serving import Served, made_serve, run, start


@pytest.mark.timeout(240)
def test_three_calls_of_make_serve_take_a_key_from_the_plan_to_inactive_and_back() -> None:
    [parameters] = re.findall('--parameters "(.+)"', made_serve())
    scan, approve, undo = re.findall(r"^(?:.*\\\n)*.+$", DEACTIVATION_CALLS, re.MULTILINE)
    served = start("--parameters", parameters)
    try:
        scan_id = json.loads(run(served, "bash", "-euc", scan).stdout)["scan_id"]
        served.wait_for(scan_id)
        [key, *_] = served.get(f"/{scan_id}/plan", status="due").json()["keys"]
        approved = run(served, "bash", "-euc", filled(approve, SCAN_ID=scan_id, ACCESS_KEY_ID=key["access_key_id"]))
        deactivated = ended(served, approved), status_of(served, key)
        action_id = f"123456789012-{key['access_key_id']}-1"
        undone = run(served, "bash", "-euc", filled(undo, ACTION_ID=action_id))
        activated = ended(served, undone), status_of(served, key)
    finally:
        served.stop()

    assert (deactivated, activated) == (("SUCCEEDED", "Inactive"), ("SUCCEEDED", "Active"))
    assert served.settings["DEACTIVATION_STATE_MACHINE_ARN"].endswith(":stateMachine:iam-key-age-local-deactivation")


def filled(command: str, **places: str) -> str:
    for place, value in places.items():
        command = command.replace(place, value)
    return command


def ended(served: Served, started: "subprocess.CompletedProcess[str]") -> str:
    """Return how the execution ended that a request started."""
    arn, states = json.loads(started.stdout)["execution_arn"], served.client("stepfunctions")
    while (status := states.describe_execution(executionArn=arn)["status"]) == "RUNNING":
        time.sleep(0.1)
    return str(status)


def status_of(served: Served, key: dict[str, Any]) -> str:
    keys = served.client("iam").list_access_keys(UserName=key["user_name"])["AccessKeyMetadata"]
    return str(next(one["Status"] for one in keys if one["AccessKeyId"] == key["access_key_id"]))

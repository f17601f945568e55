"""A key that `make serve` takes from the plan to Inactive and back, by what it prints."""

import json
import re
import subprocess
import time
from typing import Any

import pytest

from deploy.parameters import split_assignments
from localaws.commands.serve import deactivates_at_once, deactivation_calls
from localaws.environment import PROJECT
from tests.support.serving import Served, made_serve, run, start

USER = "dana.finance"  # whose key was never used
DOCS = (PROJECT / "docs" / "deactivation.md").read_text()


def parameters_of_make_serve() -> str:
    [parameters] = re.findall('--parameters "(.+)"', made_serve())
    return str(parameters)


@pytest.mark.timeout(240)
def test_three_calls_of_make_serve_take_a_key_from_the_plan_to_inactive_and_back() -> None:
    scan, approve, undo = re.findall(r"^(?:.*\\\n)*.+$", deactivation_calls(), re.MULTILINE)
    served = start("--parameters", parameters_of_make_serve())
    try:
        scan_id = json.loads(run(served, "bash", "-euc", scan).stdout)["scan_id"]
        served.wait_for(scan_id)
        [key] = [one for one in served.get(f"/{scan_id}/plan", status="due").json()["keys"] if one["user_name"] == USER]
        approved = run(served, "bash", "-euc", approve)
        deactivated = ended(served, approved), status_of(served, key)
        undone = run(served, "bash", "-euc", undo)
        activated = ended(served, undone), status_of(served, key)
    finally:
        served.stop()

    assert (deactivated, activated) == (("SUCCEEDED", "Inactive"), ("SUCCEEDED", "Active"))
    assert served.settings["DEACTIVATION_STATE_MACHINE_ARN"].endswith(":stateMachine:iam-key-age-local-deactivation")


def test_the_docs_have_the_calls_that_make_serve_prints() -> None:
    assert "".join(f"    {line}\n" for line in deactivation_calls().splitlines()) in DOCS


@pytest.mark.parametrize(
    ("more", "printed"),
    [
        ({}, True),
        ({"MaxDeactivationsPerScan": "1"}, True),
        ({"Deactivation": "off"}, False),
        ({"Deactivation": "plan"}, False),
        ({"DeactivateAfterDays": "14"}, False),
        ({"DeactivationApproval": "none", "DeactivateAfterDays": "14"}, False),
        ({"DeactivationWeekdays": "MON,TUE,WED,THU"}, False),
        ({"DeactivationScope": "tagged"}, False),
        ({"DeactivationUserPath": "/services/"}, False),
    ],
)
def test_the_calls_are_printed_where_each_of_them_is_accepted(more: dict[str, str], printed: bool) -> None:
    of_make = dict(one.split("=", 1) for one in split_assignments(parameters_of_make_serve()))

    assert deactivates_at_once({**of_make, **more}) is printed


def ended(served: Served, started: "subprocess.CompletedProcess[str]") -> str:
    """Return how the execution ended that a request started."""
    arn, states = json.loads(started.stdout)["execution_arn"], served.client("stepfunctions")
    while (status := states.describe_execution(executionArn=arn)["status"]) == "RUNNING":
        time.sleep(0.1)
    return str(status)


def status_of(served: Served, key: dict[str, Any]) -> str:
    keys = served.client("iam").list_access_keys(UserName=key["user_name"])["AccessKeyMetadata"]
    return str(next(one["Status"] for one in keys if one["AccessKeyId"] == key["access_key_id"]))

"""A key that `make serve` takes from the plan to Inactive and back, by what it prints."""

import json
import re
import subprocess
import time
from typing import Any

import pytest

from localaws.commands.serve import deactivation_calls
from localaws.environment import PROJECT
from tests.support.serving import Served, made_serve, run, start

USER = "dana.finance"  # whose key was never used
DOCS = (PROJECT / "docs" / "deactivation.md").read_text()


@pytest.mark.timeout(240)
def test_three_calls_of_make_serve_take_a_key_from_the_plan_to_inactive_and_back() -> None:
    [parameters] = re.findall('--parameters "(.+)"', made_serve())
    scan, approve, undo = re.findall(r"^(?:.*\\\n)*.+$", deactivation_calls(), re.MULTILINE)
    served = start("--parameters", parameters)
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


def ended(served: Served, started: "subprocess.CompletedProcess[str]") -> str:
    """Return how the execution ended that a request started."""
    arn, states = json.loads(started.stdout)["execution_arn"], served.client("stepfunctions")
    while (status := states.describe_execution(executionArn=arn)["status"]) == "RUNNING":
        time.sleep(0.1)
    return str(status)


def status_of(served: Served, key: dict[str, Any]) -> str:
    keys = served.client("iam").list_access_keys(UserName=key["user_name"])["AccessKeyMetadata"]
    return str(next(one["Status"] for one in keys if one["AccessKeyId"] == key["access_key_id"]))

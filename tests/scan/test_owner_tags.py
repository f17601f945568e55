"""Tags of any script name a key's owner: from `make deploy` to the report, on a local AWS that is served."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from localaws.environment import PROJECT
from tests.support.serving import Served, start

TAGS = {
    "mail": {"Owner Email": "web@example.com"},
    "équipe": {"Équipe": "Réseau"},
    "部門": {"部門": "情報", "owner": "x"},
}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    running = start()
    yield running
    running.stop()


def make(served: Served, *arguments: str) -> str:
    users = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        ["make", *arguments, "STAGE=dev"],
        cwd=PROJECT,
        env={**users, **served.settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def findings_of(served: Served, machine: str, bucket: str, policy: dict[str, Any]) -> list[dict[str, Any]]:
    states = served.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine, input=json.dumps(policy))["executionArn"]
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.1)
    assert execution["status"] == "SUCCEEDED", execution.get("cause")
    key = f"scans/{execution['name']}/report.json"
    report = json.loads(served.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    findings: list[dict[str, Any]] = report["findings"]
    return findings


def test_tags_with_spaces_and_of_any_script_name_the_owner(served: Served) -> None:
    iam = served.client("iam")
    of_users = {f"user-{number}": tags for number, tags in enumerate(TAGS.values())}
    for name, tags in of_users.items():
        iam.create_user(UserName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
        iam.create_access_key(UserName=name)

    told = make(served, "deploy", 'PARAMETERS=OwnerTags="Owner Email",Équipe,部門')

    outputs = dict(re.findall(r"(\w+)\t(\S+)", told))
    policy = {"users": [*of_users], "max_age_days": 1, "as_of": "2100-01-01T00:00:00Z"}
    findings = findings_of(served, outputs["StateMachineArn"], outputs["ReportsBucket"], policy)
    assert {finding["user_name"]: finding["owner"] for finding in findings} == {
        "user-0": "web@example.com",
        "user-1": "Réseau",
        "user-2": "情報",
    }
    make(served, "destroy")

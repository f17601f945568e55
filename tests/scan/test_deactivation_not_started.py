"""Scans that cannot start the deactivations of their plan, where nobody has to approve."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.instants import format_instant
from localaws.calls import Call
from localaws.environment import LocalAws
from localaws.error_answers import ErrorAnswer, access_denied, query_error
from tests.support.deactivation import OWN, Deactivation, deactivating, meddle, skip_waits, user


@pytest.fixture(scope="module")
def deployed(aws: LocalAws) -> Iterator[Deactivation]:
    with deactivating(aws, DeactivationApproval="none", DeactivateAfterDays="1") as deactivation:
        yield deactivation


def announce(deactivation: Deactivation, name: str) -> None:
    """Make a plan of a user's key that people were told of for two days."""
    deactivation.forget()
    deactivation.plan(user(name))
    s3, bucket = deactivation.aws.client("s3"), deactivation.aws.outputs()["ReportsBucket"]
    path = f"scans/{deactivation.scan_id}/report.json"
    report = json.loads(s3.get_object(Bucket=bucket, Key=path)["Body"].read())
    report["findings"][0]["plan"]["told_since"] = format_instant(datetime.now(UTC) - timedelta(days=2))
    s3.put_object(Bucket=bucket, Key=path, Body=json.dumps(report).encode())


def refuse(monkeypatch: pytest.MonkeyPatch, *, also_messages: bool) -> None:
    """Refuse what comes after the last write of a scan: the start of the deactivations, and messages."""
    kept: list[Call] = []

    def step(call: Call) -> ErrorAnswer | None:
        if (call.service, call.operation) == ("s3", "PutObject") and call.path.endswith("/latest.json"):
            kept.append(call)
        if kept and call.service == "states" and call.operation == "StartExecution":
            return access_denied("states", "not today")
        if kept and also_messages and call.service == "sns":
            return query_error(500, "InternalError", "At the moment, no.")
        return None

    meddle(monkeypatch, step)
    skip_waits(monkeypatch)


@pytest.mark.parametrize("also_messages", [False, True], ids=["people are told", "they cannot be told"])
def test_a_scan_that_cannot_start_deactivations_is_good_and_says_so_if_it_can(
    deployed: Deactivation, monkeypatch: pytest.MonkeyPatch, also_messages: bool
) -> None:
    name = f"idle-{also_messages}".lower()
    announce(deployed, name)
    refuse(monkeypatch, also_messages=also_messages)

    scan = deployed.scanner.full_scan([user(name)])

    assert scan.status == "SUCCEEDED"
    assert scan.report["plan"]["due"] == 1
    assert deployed.status(name) == "Active"
    told = [mail for mail in scan.mail if "not started" in mail["Subject"]]
    assert [mail["Subject"] for mail in told] == (
        [] if also_messages else [f"iam-key-age: deactivations were not started in AWS account {OWN}"]
    )
    for mail in told:
        assert f"of scan {scan.scan_id} by the stack in AWS account {OWN} were not started, as far as is known" in str(
            mail
        )
        assert "not today" in str(mail)

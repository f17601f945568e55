"""Plans that apply themselves, where nobody has to approve them, and deactivations while scans run."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.s3.models import s3_backends

from chalicelib.instants import format_instant, parse_instant
from localaws.environment import LocalAws
from localaws.faults import Faults
from tests.support.deactivation import OWN, Deactivation, Execution, deactivating, key_id, skip_waits, user
from tests.support.executions import ended

NAMES = ("alice", "bob", "carol")


@pytest.fixture(scope="module")
def deployed(aws: LocalAws) -> Iterator[Deactivation]:
    with deactivating(aws, DeactivationApproval="none", DeactivateAfterDays="1") as deactivation:
        yield deactivation


@pytest.fixture
def deactivation(deployed: Deactivation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deactivation]:
    """A scan that told people of three keys two days ago."""
    skip_waits(monkeypatch)
    deployed.forget()
    deployed.plan(*map(user, NAMES))
    announce_earlier(deployed)
    deployed.aws.mail()
    yield deployed
    deployed.aws.inject(Faults())


def announce_earlier(deactivation: Deactivation) -> None:
    """Let the last scan, the announcements in its report and its message be of two days ago."""
    report, bucket = deactivation.report, deactivation.aws.outputs()["ReportsBucket"]
    at = parse_instant(report["as_of"]) - timedelta(days=2)
    before = format_instant(at)
    report["as_of"] = report["started_at"] = before
    for finding in report["findings"]:
        finding["plan"]["told_since"] = before
    deactivation.aws.client("s3").put_object(
        Bucket=bucket, Key=f"scans/{deactivation.scan_id}/report.json", Body=json.dumps(report).encode()
    )
    tell_at(deactivation, at)


def tell_at(deactivation: Deactivation, at: datetime) -> None:
    """Let the last scan have been made the last then, after its message."""
    bucket = deactivation.aws.outputs()["ReportsBucket"]
    s3_backends[OWN]["aws"].buckets[bucket].keys["latest.json"].last_modified = at


def applied(deactivation: Deactivation, scan_id: str) -> Execution | None:
    """Return the execution that applied the plan of a scan, once it has ended; None if there is none."""
    states, machine = deactivation.aws.client("stepfunctions"), deactivation.machine
    names = [one["name"] for one in states.list_executions(stateMachineArn=machine)["executions"]]
    if f"deactivate-{scan_id}" not in names:
        return None
    return deactivation.ended(f"{machine.replace(':stateMachine:', ':execution:')}:deactivate-{scan_id}")


def scan(deactivation: Deactivation) -> Any:
    """Scan the account as it is."""
    return deactivation.aws.scan("{}")


def test_no_key_is_deactivated_by_the_scan_that_announces_it(deactivation: Deactivation) -> None:
    assert deactivation.report["plan"]["held"] == 3
    assert applied(deactivation, deactivation.scan_id) is None


def test_keys_that_were_announced_are_deactivated_by_the_next_scans_as_many_as_may_be(
    deactivation: Deactivation,
) -> None:
    first = scan(deactivation)
    execution = applied(deactivation, first.scan_id)

    assert execution is not None
    assert [one["result"] for one in execution.results] == ["done", "done", "held"]
    assert [deactivation.status(name) for name in NAMES] == ["Inactive", "Inactive", "Active"]
    assert deactivation.record("alice")["approved_by"] == "DeactivationApproval=none"
    subjects = [mail["Subject"].split()[0] for mail in (*first.mail, *deactivation.aws.mail())]
    assert subjects.count("Deactivated") == 2
    assert "NOT" not in subjects

    second = scan(deactivation)
    execution = applied(deactivation, second.scan_id)

    assert execution is not None
    assert [one["access_key_id"] for one in execution.results] == [key_id("carol")]
    assert deactivation.status("carol") == "Inactive"
    assert {action["access_key_id"] for action in second.report["actions"]} == {key_id("alice"), key_id("bob")}


def test_no_key_is_deactivated_where_the_scan_that_announced_it_was_redriven_just_now(
    deactivation: Deactivation,
) -> None:
    tell_at(deactivation, datetime.now(UTC))

    redriven = scan(deactivation)

    assert (redriven.report["plan"]["held"], redriven.report["plan"]["newly_told"]) == (3, 0)
    assert applied(deactivation, redriven.scan_id) is None


def test_no_key_is_deactivated_by_a_scan_whose_message_was_not_sent(deactivation: Deactivation) -> None:
    deactivation.aws.inject(Faults.model_validate({"sns": {"fail": -1}}))

    failed = scan(deactivation)

    assert failed.status == "FAILED"
    assert failed.report["plan"]["due"] == 3
    assert applied(deactivation, failed.scan_id) is None
    assert [deactivation.status(name) for name in NAMES] == ["Active"] * 3


def test_an_undo_while_a_scan_runs_leaves_the_key_active_and_held_for_good(deactivation: Deactivation) -> None:
    first = scan(deactivation)
    applied(deactivation, first.scan_id)
    states, machine = deactivation.aws.client("stepfunctions"), deactivation.aws.outputs()["StateMachineArn"]

    running = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    undone = deactivation.undo("alice")
    assert ended(deactivation.aws, running)["status"] == "SUCCEEDED"
    last = scan(deactivation)

    assert undone.result[0] == "done"
    assert deactivation.status("alice") == "Active"
    plans = {finding["access_key_id"]: finding.get("plan") for finding in last.report["findings"]}
    assert [hold["by"] for hold in plans[key_id("alice")]["holds"]] == ["acted_before"]
    assert deactivation.record("alice")["action_id"] == f"{OWN}-{key_id('alice')}-1"

"""Events of real scans on the local AWS: what reaches a rule's queue, and what becomes of a scan that cannot send."""

import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws.accounts.account_file import Account
from localaws.calls import Call
from localaws.environment import LocalAws
from localaws.error_answers import ErrorAnswer, access_denied
from tests.support.deactivation import meddle, skip_waits
from tests.support.events import problems
from tests.support.scanner import Scanner, aged, invoke, keep_as_latest

ACCOUNTS = Path(__file__).parents[2] / "localaws" / "accounts"


@pytest.fixture(scope="module")
def with_bus(aws: LocalAws) -> Iterator[LocalAws]:
    """A stack that sends events, with a rule's queue that gets them."""
    aws.deploy({"EventBus": "default"})
    yield aws
    keep_as_latest(Scanner(aws), None)
    aws.deploy({"EventBus": ""})


@pytest.fixture
def no_last_scan(scanner: Scanner) -> None:
    keep_as_latest(scanner, None)


def scanned(aws: LocalAws, account: str) -> Any:
    aws.seed(Account.model_validate_json((ACCOUNTS / account).read_text()))
    return aws.scan("{}")


@pytest.mark.usefixtures("no_last_scan")
def test_the_demo_accounts_changes_reach_a_queue_as_the_schemas_have_them(with_bus: LocalAws) -> None:
    first = scanned(with_bus, "demo-account-before.json")

    second = scanned(with_bus, "demo-account.json")

    events, changes = second.events, second.report["changes"]
    assert (first.error, second.error) == (None, None)
    assert [one for event in (*first.events, *events) for one in problems(event)] == []
    kinds = [event["detail-type"].removeprefix("IAM Access Key ") for event in events]
    assert {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)} == {
        kind: number
        for kind, number in {
            "Overdue": len(changes["new"]),
            "Unused": len(changes["new_unused"]),
            "Due Soon": len(changes["new_due_soon"]),
            "Became Safe To Deactivate": len(changes["became_safe"]),
            "Resolved": len(changes["resolved"] + changes["resolved_early"]),
            "Scan Completed": 1,
        }.items()
        if number
    }
    assert len(set(kinds)) >= 4
    assert kinds[-1] == "Scan Completed"
    assert events[-1]["detail"]["scan_id"] == second.scan_id
    again = invoke(Scanner(with_bus), "SendEvents", {"scan": {"scan_id": second.scan_id}})
    assert again == {"events": len(events)}
    *first_time, last = (one["detail"] for one in events)
    *second_time, last_again = (one["detail"] for one in with_bus.receivers.events())
    by_key: Any = operator.itemgetter("event_key")  # calls are under way at the same time, so in any order
    assert sorted(second_time, key=by_key) == sorted(first_time, key=by_key)
    assert last_again == last


@pytest.mark.usefixtures("no_last_scan", "with_bus")
def test_a_scan_whose_events_are_refused_fails_and_the_next_one_sends_them(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scanner.full_scan([aged("alice", 10)]).error is None

    def refuse(call: Call) -> ErrorAnswer | None:
        return (
            access_denied("events", "not authorized to perform: events:PutEvents") if call.service == "events" else None
        )

    with monkeypatch.context() as refusing:
        skip_waits(refusing)
        meddle(refusing, refuse)
        failed = scanner.full_scan([aged("alice", 100)])
    after = scanner.full_scan([aged("alice", 100)])

    assert (failed.status, failed.events) == ("FAILED", [])
    assert "EventsRefusedError" in str(failed.error)
    assert "AccessDeniedException: not authorized" in str(failed.error)
    assert any("1 overdue access key" in message["Subject"] for message in failed.messages)
    assert after.report["changes"]["since"]["scan_id"] not in (failed.scan_id, after.scan_id)
    assert [event["detail-type"] for event in after.events] == [
        "IAM Access Key Overdue",
        "IAM Access Key Scan Completed",
    ]

"""What a full scan says of the one before it, and when it becomes the one that the next is compared with."""

from typing import Any

import pytest
from moto.core.exceptions import ServiceException
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)

from tests.support.scanner import Scanner, aged, keep_as_latest, latest


def test_a_full_scan_reports_what_changed_since_the_last_one_and_becomes_the_last_one(scanner: Scanner) -> None:
    keep_as_latest(scanner, None)
    first = scanner.full_scan([aged("old", 200), aged("gone", 300), aged("late", 89)])

    second = scanner.full_scan([aged("old", 200), aged("late", 89, 91)])

    assert first.report["changes"]["since"] is None
    assert "No earlier full scan is on record, so every overdue key counts as new." in first.mail[0]["Message"]
    changes = second.report["changes"]
    assert changes["since"] == {"scan_id": first.scan_id, "as_of": first.report["as_of"]}
    assert [key["user_name"] for key in changes["new"]] == ["late"]
    assert [(key["user_name"], key["reported_since"]) for key in changes["still_expired"]] == [
        ("old", first.report["as_of"])
    ]
    assert [(key["user_name"], key["how"]) for key in changes["resolved"]] == [("gone", "deleted")]
    assert second.mail[0]["Subject"] == "1 new of 2 overdue access keys in AWS account 123456789012 (complete: 2 users)"
    assert second.mail[0]["Message"].startswith("1 overdue access key is new since the last full scan.\n")
    assert latest(scanner)["scan_id"] == second.scan_id
    assert latest(scanner)["reports"]["html"].endswith(f"/scans/{second.scan_id}/report.html")


@pytest.mark.parametrize("policy", [{"users": ["old"]}, {"as_of": "2026-11-22T08:00:00Z"}])
def test_a_scan_of_named_users_or_another_instant_does_not_become_the_last_one(
    scanner: Scanner, policy: dict[str, Any]
) -> None:
    full = scanner.full_scan([aged("old", 200)])

    other = scanner.full_scan([aged("old", 2_000)], **policy)

    assert other.report["changes"] is None
    assert latest(scanner)["scan_id"] == full.scan_id


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (None, "No earlier full scan is on record, so every overdue key counts as new."),
        ("{", "latest.json or the report it points to is damaged"),
        ("[1]", "latest.json or the report it points to is damaged"),
        ('{"scan_id": "../x"}', "latest.json or the report it points to is damaged"),
        ('{"scan_id": 7}', "latest.json or the report it points to is damaged"),
        pytest.param("[" * 100_000, "latest.json or the report it points to is damaged", id="nested deeply"),
        ('{"scan_id": "scheduled-2020-01-01T080000Z"}', "the report that latest.json points to is not there"),
    ],
)
def test_a_lost_or_damaged_latest_json_is_reported_and_replaced(scanner: Scanner, body: str | None, note: str) -> None:
    keep_as_latest(scanner, body)

    result = scanner.full_scan([aged("old", 200)])

    assert result.error is None
    assert note in result.report["changes"]["notes"][0]
    assert note.partition(" ")[0] in result.mail[0]["Message"]
    assert latest(scanner)["scan_id"] == result.scan_id


def test_a_changed_policy_is_reported(scanner: Scanner) -> None:
    scanner.full_scan([aged("old", 200)])

    result = scanner.full_scan([aged("old", 200)], max_age_days=365)

    assert result.report["changes"]["resolved"][0]["how"] == "no_longer_matching"
    assert "max_age_days was 90 and is 365" in result.report["changes"]["notes"][0]


def test_the_pointer_is_written_as_step_functions_writes_a_body(scanner: Scanner) -> None:
    with pytest.MonkeyPatch.context() as patched:
        written: list[Any] = []
        normalise = StateTaskServiceAwsSdk._normalise_parameters

        def watched(self: Any, parameters: Any, *more: Any) -> None:
            written.append(parameters.get("Body"))
            normalise(self, parameters, *more)

        patched.setattr(StateTaskServiceAwsSdk, "_normalise_parameters", watched)
        scanner.full_scan([aged("alice", 200)])

    [body] = [body for body in written if body]
    assert isinstance(body, dict)  # a text would be written with quotes around it
    assert latest(scanner) == body


def test_a_finding_whose_message_failed_is_still_new_at_the_next_scan(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scanner.full_scan([aged("alice", 10)])

    def refuse(*_: object, **__: object) -> None:
        raise ServiceException("InvalidParameter", "no")

    with monkeypatch.context() as patched:
        patched.setattr("moto.sns.responses.SNSResponse.publish", refuse)
        failed = scanner.full_scan([aged("alice", 200)])
    result = scanner.full_scan([aged("alice", 200)])

    assert failed.status == "FAILED"
    assert failed.report["changes"]["since"]["scan_id"] == before.scan_id
    assert result.report["changes"]["since"]["scan_id"] == before.scan_id
    assert [key["user_name"] for key in result.report["changes"]["new"]] == ["alice"]

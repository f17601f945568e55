"""The message: what a person is told, in every size."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.age import format_instant
from chalicelib.message import MAX_MESSAGE_BYTES, compose_message
from chalicelib.policy import ScanPolicy
from chalicelib.report import ScanTerms, join_pages, judge_page
from chalicelib.shapes import Report

AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
LOCATION = "s3://reports/scans/scan-1/report.json"


def report_of(expired: int = 0, unchecked: int = 0, fresh: int = 1, name: str = "user", **policy: Any) -> Report:
    outcomes: list[dict[str, Any]] = []
    for index in range(expired):
        created_at = format_instant(AS_OF - timedelta(days=91 + index))
        keys = [{"access_key_id": f"AKIA{index:016}", "status": "Active", "created_at": created_at}]
        outcomes.append({"user_name": f"{name}{index}", "outcome": "checked", "keys": keys})
    denied = {"outcome": "unchecked", "cause": "Iam.IamException: denied\nby SCP"}
    outcomes += [{"user_name": f"denied{index}", **denied} for index in range(unchecked)]
    outcomes += [{"user_name": f"fresh{index}", "outcome": "checked", "keys": []} for index in range(fresh)]
    terms = ScanTerms("scan-1", "123456789012", AS_OF, ScanPolicy(**policy))
    return join_pages([judge_page(terms, 1, [outcome["user_name"] for outcome in outcomes], outcomes)])


def test_the_message_of_one_expired_key() -> None:
    message = compose_message(report_of(expired=1), LOCATION)

    assert message.subject == "1 expired access key in AWS account 123456789012 (complete: 2 users)"
    assert message.text == (
        "1 access key in AWS account 123456789012 is older than 90 days.\n"
        "\n"
        "Users: 2 listed = 2 checked + 0 not found + 0 unchecked.\n"
        "Keys: 1 judged = 1 expired + 0 due soon + 0 ok; 0 inactive passed over.\n"
        "Not covered: the root user: IAM does not list it among an account's users.\n"
        "\n"
        "EXPIRED, oldest first:\n"
        "  AKIA0000000000000000    91 days old, overdue since 2026-11-21  user0\n"
        "\n"
        "What to do with an expired key: create its successor, move what uses it to the\n"
        "successor, then deactivate it, and delete it when nothing has missed it:\n"
        "  aws iam update-access-key --status Inactive \\\n"
        "      --user-name USER --access-key-id KEY\n"
        "\n"
        "Report: s3://reports/scans/scan-1/report.json\n"
        "Scan:   scan-1\n"
        "As of:  2026-11-22T08:00:00Z\n"
    )


def test_the_message_of_unchecked_users_alone_does_not_look_clean() -> None:
    message = compose_message(report_of(unchecked=2), LOCATION)

    assert message.subject == ("0 expired access keys in AWS account 123456789012 - INCOMPLETE: 2 of 3 users unchecked")
    assert message.text.startswith(
        "No access key in AWS account 123456789012 is older than 90 days.\n"
        "INCOMPLETE: 2 users could not be checked and may have more.\n"
    )
    assert "  denied0\n      Iam.IamException: denied by SCP\n" in message.text
    assert "update-access-key" not in message.text


def test_a_scan_of_named_users_does_not_speak_for_the_account() -> None:
    message = compose_message(report_of(fresh=1, users=("fresh0",)), LOCATION)

    assert message.subject.endswith("(complete: 1 named user)")
    assert "No access key of the users named in the scan policy, AWS account 123456789012 is" in message.text
    assert "Not covered: all users but those that the scan policy names." in message.text


def test_a_named_user_who_was_not_found_is_named() -> None:
    pubdu = {"user_name": "pubdu", "outcome": "not_found"}
    alice: dict[str, Any] = {"user_name": "alice", "outcome": "checked", "keys": []}
    terms = ScanTerms("scan-1", "123456789012", AS_OF, ScanPolicy(users=("pubdu", "alice")))
    report = join_pages([judge_page(terms, 1, ["pubdu", "alice"], [pubdu, alice])])

    message = compose_message(report, LOCATION)

    assert message.subject.endswith("(complete: 2 named users, 1 not found)")
    assert "Not found: pubdu, whom the scan policy names.\n" in message.text


def test_the_message_says_for_which_other_instant_it_speaks() -> None:
    message = compose_message(report_of(expired=1, as_of=AS_OF), LOCATION)

    assert "is older than 90 days as of 2026-11-22T08:00:00Z." in message.text


@pytest.mark.parametrize("expired", [1, 30, 10_000])
def test_the_oldest_keys_come_first_and_the_rest_is_counted(expired: int) -> None:
    text = compose_message(report_of(expired=expired, name="n" * 59), LOCATION).text

    shown = text.count("days old, overdue since")
    assert shown >= min(expired, 400)
    assert f"AKIA{expired - 1:016}" in text.partition("EXPIRED, oldest first:\n")[2].splitlines()[0]
    assert (f"and {expired - shown} more in the report." in text) == (shown < expired)
    assert len(text.encode()) <= MAX_MESSAGE_BYTES


def test_many_unchecked_users_leave_room_for_the_expired_keys() -> None:
    text = compose_message(report_of(expired=2_000, unchecked=3_000), LOCATION).text

    assert text.count("days old, overdue since") > 100
    assert text.count("more in the report.") == 2
    assert len(text.encode()) <= MAX_MESSAGE_BYTES


@pytest.mark.parametrize("name_length", [1, 15, 30, 64])
def test_no_line_of_the_keys_is_wider_than_a_mail(name_length: int) -> None:
    text = compose_message(report_of(expired=3, name="n" * (name_length - 1)), LOCATION).text

    assert max(len(line) for line in text.splitlines()) < 80


@pytest.mark.parametrize(("expired", "unchecked"), [(0, 5_000), (10_000, 5_000), (10_000, 0)])
def test_the_subject_is_short_ascii_on_one_line(expired: int, unchecked: int) -> None:
    subject = compose_message(report_of(expired=expired, unchecked=unchecked), LOCATION).subject

    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()

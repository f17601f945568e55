"""The message about owners who could not be notified: who, why, what to do, and never too much of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.outputs.notice_refusals import compose_refusals
from chalicelib.settings import HttpsFormat
from chalicelib.telling_documents import NoticeCounts
from tests.support.plan_reports import in_one_line

GOLDEN = Path(__file__).parents[1] / "golden"
EVIL = "www.evil.example.com"
NOT_VERIFIED = (
    "MessageRejected: Email address is not verified. The following identities failed the check in region EU-WEST-1:"
    " bob@example.com"
)
QUOTA = "TooManyRequestsException: Daily message quota exceeded"
REFUSED = [("bob@example.com", NOT_VERIFIED), ("ann@example.com", "BadRequestException: Local part is not valid")]


def counts(**numbers: int) -> NoticeCounts:
    none: Any = dict.fromkeys(NoticeCounts.__annotations__, 0)
    return none | numbers  # type: ignore[no-any-return]  # a NoticeCounts


def composed(refused: Any = REFUSED, stopped: str | None = None, late: int = 0, **numbers: int) -> dict[str, Any]:
    """What is published, by protocol, and its subject and attributes."""
    made = compose_refusals(
        "scheduled-2026-11-22T080000Z",
        "123456789012",
        counts=counts(owners=40, sent=6, nothing_new=20, refused=len(refused), **numbers),
        refused=refused,
        stopped=stopped,
        late=late,
        https_format=HttpsFormat.CHAT,
    )
    by_protocol: dict[str, str] = json.loads(made["message"])
    return {
        "subject": made["subject"],
        "text": by_protocol["default"],
        "sqs": json.loads(by_protocol["sqs"]),
        "chat": json.loads(by_protocol["https"])["content"],
        "attributes": {name: value["StringValue"] for name, value in made["attributes"].items()},
        "size": len(made["message"].encode()),
    }


CASES = {"refused": lambda: composed(left=12), "stopped": lambda: composed([], QUOTA, left=14)}


@pytest.mark.parametrize("name", CASES)
def test_the_mail_is_the_golden_one(name: str) -> None:
    made = CASES[name]()

    assert f"Subject: {made['subject']}\n\n{made['text']}" == (GOLDEN / f"notices-{name}.txt").read_text()
    assert max(map(len, made["text"].splitlines())) < 80


def test_programs_get_who_was_refused_why_and_all_counts() -> None:
    made = composed(stopped=QUOTA, left=12)

    assert made["sqs"] == {
        "schema_version": 1,
        "kind": "notices",
        "verdict": "notices_refused",
        "scan_id": "scheduled-2026-11-22T080000Z",
        "account_id": "123456789012",
        "counts": counts(owners=40, sent=6, nothing_new=20, refused=2, left=12),
        "refused": [{"owner": owner, "cause": cause} for owner, cause in REFUSED],
        "refused_left_out": 0,
        "stopped": QUOTA,
        "late": 0,
    }
    assert made["attributes"] == {"kind": "notices", "verdict": "notices_refused", "account_id": "123456789012"}


def test_that_no_more_were_sent_is_said_without_a_refused_owner_too() -> None:
    made = composed([], QUOTA, left=1)

    assert made["subject"] == "Notices to owners stopped, 1 left for the next scan in account 123456789012"
    assert in_one_line(made["text"]).startswith(
        f"No more notices were sent: {QUOTA}. 1 owner is left for the next scan. What to do:"
    )
    assert made["attributes"]["verdict"] == "notices_stopped"


def test_it_says_that_owners_wait_for_weeks_and_how_more_are_sent() -> None:
    made = composed([], late=2, left=14)

    assert made["subject"] == "Notices to owners are late, 14 left for the next scan in account 123456789012"
    assert in_one_line(made["text"]).startswith(
        "2 owners have waited for more than two weeks for a weekly notice: more"
    )
    assert made["chat"]["nextSteps"] == ["Raise MaxNoticesPerScan, as far as the sending quota of SES goes."]
    assert (made["sqs"]["late"], made["attributes"]["verdict"]) == (2, "notices_late")


@pytest.mark.parametrize(
    ("stopped", "step"),
    [
        (QUOTA, "Ask AWS to raise the sending quota of SES"),
        ("TooManyRequestsException: Maximum sending rate exceeded.", "ask AWS to raise the sending rate of SES"),
        ("Throttled: Rate exceeded", "ask AWS to raise the rate of sending"),
        ("SendingPausedException: Sending paused for this account.", "Look at the account dashboard"),
        ("AccountSuspendedException: ", "answer AWS's mail or case"),
        ("MailFromDomainNotVerifiedException: ", "Verify the domain of NoticesFrom"),
        (NOT_VERIFIED, "verify the domain of the address in the stack's Region, or ask for production access"),
        ("AccessDeniedException: User is not authorized to perform: ses:SendEmail", "a permissions boundary"),
        ("AuthorizationError: not authorized to perform: SNS:Publish", "a changed policy of the topic"),
        ("NotFoundException: Configuration set <x> does not exist.", "deploy with OwnerNotices=off"),
        ("EndpointConnectionError: Could not connect", "look in the log of the function NotifyOwners"),
    ],
)
def test_what_to_do_is_what_helps_against_the_cause(stopped: str, step: str) -> None:
    made = composed([], stopped)

    _, _, what_to_do = in_one_line(made["text"]).partition("What to do:")
    assert step in what_to_do.partition("Owners:")[0]
    assert len(made["chat"]["nextSteps"]) == 1
    assert "docs/" not in made["text"]


def test_what_to_do_about_addresses_that_are_not_verified_is_said_once() -> None:
    made = composed([("bob@example.com", NOT_VERIFIED)] * 2, NOT_VERIFIED)

    assert len(made["chat"]["nextSteps"]) == 2


def test_it_says_whose_notice_is_on_record_and_was_not_sent() -> None:
    text = in_one_line(composed([], QUOTA, left=12, lost=2)["text"])

    assert "Not sent, but on record as sent: notices to 2 owners, because S3 did not take that back." in text
    assert "+ 12 left for the next scan + 2 not sent, but on record as sent." in text


def test_chat_has_the_same_with_the_words_of_others_in_backticks() -> None:
    content = composed(stopped=QUOTA, left=12)["chat"]

    assert f"`bob@example.com`: `{NOT_VERIFIED}`" in content["description"]
    assert f"No more notices were sent: `{QUOTA}`. 12 owners are left" in content["description"]
    assert [step.partition(",")[0] for step in content["nextSteps"]] == [
        *("If an address is wrong", "In its sandbox", "Ask AWS to raise the sending quota of SES in the stack's Region")
    ]


@pytest.mark.parametrize(("number", "left_out"), [(10, 0), (11, 1), (5_000, 4_990)])
def test_the_first_ten_are_named_and_the_message_stays_small(number: int, left_out: int) -> None:
    made = composed([(f"{'n' * 300}{one}@example.com", "c" * 2_000) for one in range(number)], "s" * 5_000)

    assert len(made["sqs"]["refused"]) == 10
    assert made["sqs"]["refused_left_out"] == left_out
    assert (f"and {left_out} more." in made["text"]) is (left_out > 0)
    assert made["size"] < 128 * 1024
    assert len(made["subject"]) < 100


def test_what_others_wrote_makes_no_link_and_no_line() -> None:
    made = composed([(f"team\r\n# https://{EVIL}/`x`", f"Refused: https://{EVIL}\nby `me`")])

    assert EVIL not in made["text"]
    assert EVIL not in made["chat"]["description"]
    assert "\r" not in made["text"]
    assert made["chat"]["description"].count("`") % 2 == 0

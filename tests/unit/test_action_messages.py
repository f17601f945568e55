"""The messages about keys that were deactivated, activated again, or not. The whole texts are in tests/golden."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.deactivation_documents import (
    ACTIVE_ALREADY,
    ACTIVE_BEFORE,
    BY_ANOTHER,
    BY_ITSELF,
    Action,
    DeactivationInput,
    KeyResult,
)
from chalicelib.evaluation.recheck import outcome_of
from chalicelib.outputs.action_sentences import action_lines
from chalicelib.outputs.deactivation_text import compose_action_notification, compose_rest_notification
from chalicelib.outputs.sns import Notification
from chalicelib.settings import HttpsFormat
from tests.support.plan_reports import SAM, did, undo

GOLDEN = Path(__file__).parents[1] / "golden"
KEY = "AKIAIOSFODNN7EXAMPLE"
REFUSED = (
    "Iam.IamException: User: arn:aws:sts::123456789012:assumed-role/iam-key-age-prod-DeactivatorRole-1A2B3C/x is not"
    " authorized to perform: iam:UpdateAccessKey on resource: user pubudu (Service: Iam, Status Code: 403)"
)
LOST = {"Error": "Iam.SdkClientException", "Cause": "Unable to execute HTTP request: Read timed out"}
NO_ANSWER = outcome_of(LOST, "Active", "Inactive", redriven=False)[1]
NO_ANSWER_TO_UNDO = outcome_of(LOST, "Inactive", "Active", redriven=False)[1]
ACTIONS: dict[str, Action] = {
    "deactivated": did("pubudu", KEY),
    "deactivation_failed": did("pubudu", KEY, "failed", cause=REFUSED, approved_by=BY_ITSELF),
    "deactivation_unknown": did("pubudu", KEY, "unknown", cause=NO_ANSWER),
    "undone": did("pubudu", KEY, undo=undo("done")),
    "undo_failed": did("pubudu", KEY, undo=undo("failed", cause=REFUSED)),
    "undo_unknown": did("pubudu", KEY, undo=undo("unknown", cause=NO_ANSWER_TO_UNDO)),
}
APPROVED: DeactivationInput = {"by": SAM, "at": "2026-12-11T08:58:03.123Z", "scan_id": "scheduled-2026-12-11T080000Z"}
BY_NOBODY: DeactivationInput = {**APPROVED, "by": BY_ITSELF}
UNDO: DeactivationInput = {"by": SAM, "at": "2026-12-11T08:58:03.123Z", "undo": f"123456789012-{KEY}-1"}
LONGEST = "n" * 64
EVIL = "www.evil.example.com"


def result(user_name: str, key_id: str, why: str, account_id: str = "123456789012") -> KeyResult:
    return {
        "account_id": account_id,
        "user_name": user_name,
        "access_key_id": key_id,
        "result": "held",
        "action_id": None,
        "why": why,
    }


USED, NO_MORE = (
    result("pubudu", KEY, "It was used on 2026-12-11, less than 14 days ago."),
    result(
        "web",
        "AKIAWEB0000000000001",
        "The plan of one scan deactivates no more keys (MaxDeactivationsPerScan).",
        "210987654321",
    ),
)
IS_ACTIVE = result("pubudu", KEY, f"{ACTIVE_ALREADY}.")
NOT_LISTED = result(
    "pubudu", KEY, f"IAM did not list it (ListAccessKeys: {REFUSED.replace('UpdateAccessKey', 'ListAccessKeys')})."
)
RESTS: dict[str, tuple[DeactivationInput, list[KeyResult]]] = {
    "not_deactivated": (APPROVED, [USED, NO_MORE]),
    "not_deactivated_by_itself": (BY_NOBODY, [USED]),
    "not_undone": (UNDO, [NOT_LISTED]),
    "nothing_to_undo": (UNDO, [IS_ACTIVE]),
}


def of(name: str, https_format: HttpsFormat = HttpsFormat.JSON) -> Notification:
    if name in ACTIONS:
        return compose_action_notification(ACTIONS[name], https_format)
    return compose_rest_notification(*RESTS[name], https_format)


def text_of(notification: Notification) -> str:
    text: str = json.loads(notification["message"])["default"]
    return text


def chat_of(notification: Notification) -> Any:
    return json.loads(json.loads(notification["message"])["https"])["content"]


def is_fit_for_mail(notification: Notification) -> bool:
    lines, subject = text_of(notification).splitlines(), notification["subject"]
    narrow = max(len(line) for line in lines) < 80 and lines == text_of(notification).split("\n")[:-1]
    return narrow and len(subject) < 100 and subject.isascii() and subject.isprintable()


@pytest.mark.parametrize("name", [*ACTIONS, *RESTS])
def test_the_message_is_the_golden_one(name: str) -> None:
    golden = (GOLDEN / f"action-{name}.txt").read_text()

    assert f"Subject: {of(name)['subject']}\n\n{text_of(of(name))}" == golden


@pytest.mark.parametrize("name", [*ACTIONS, *RESTS])
def test_every_line_is_under_80_columns_and_the_subject_short_ascii_on_one_line(name: str) -> None:
    assert is_fit_for_mail(of(name))


@pytest.mark.parametrize("name", ACTIONS)
def test_the_longest_names_fit_too(name: str) -> None:
    long = f"arn:aws:sts::123456789012:assumed-role/{'r' * 64}/{'s' * 64}"
    action: Any = {**ACTIONS[name], "user_name": LONGEST, "approved_by": long}

    notification = compose_action_notification(action, HttpsFormat.JSON)

    assert is_fit_for_mail(notification)
    assert LONGEST in text_of(notification)
    assert KEY in notification["subject"]


@pytest.mark.parametrize("name", ACTIONS)
def test_the_first_sentence_says_what_happened_to_which_key_of_which_user_in_which_account(name: str) -> None:
    first = " ".join(text_of(of(name)).partition("\n\n")[0].split())

    assert f"Access key {KEY} of pubudu in AWS account 123456789012 " in first


def test_who_approved_it_when_why_and_the_state_before_are_said() -> None:
    text = " ".join(text_of(of("deactivated")).split())

    assert "at 2026-11-21T10:00:00Z, in the plan of scan scan-0." in text
    assert "Why: Not used for 99 days, last on 2026-08-14 for s3 in us-east-1: deactivate it." in text
    assert (
        "State before: Active, created on 2026-05-06, last used on 2026-08-14 for s3 in us-east-1. If something" in text
    )


def test_that_the_key_was_never_used_before_is_said() -> None:
    before = {"status": "Active", "created_at": "2026-01-06T08:00:00Z", "last_used": None}

    text = text_of(compose_action_notification(did("pubudu", KEY, state_before=before), HttpsFormat.JSON))

    assert "created on 2026-01-06, never used." in " ".join(text.split())


@pytest.mark.parametrize(
    ("name", "by_the_api", "by_hand", "look"),
    [
        ("deactivated", True, True, False),
        ("deactivation_failed", False, False, False),
        ("deactivation_unknown", False, True, True),  # the API undoes what is on record as done, and nothing else
        ("undone", False, False, False),
        ("undo_failed", True, True, False),
        ("undo_unknown", True, True, True),
    ],
)
def test_what_can_be_done_about_it_is_said(name: str, by_the_api: bool, by_hand: bool, look: bool) -> None:
    text = text_of(of(name))

    request = f"POST /actions/123456789012-{KEY}-1/undo"
    assert (f"\n  {request}\n" in text) is by_the_api
    assert (f"`{request}`" in str(chat_of(of(name, HttpsFormat.CHAT))["nextSteps"])) is by_the_api
    awscurl = f'\n  awscurl --service execute-api -X POST \\\n      "${{ENDPOINT_URL}}{request[6:]}"\n'
    assert (awscurl in text) is by_the_api
    assert ("\n  aws iam update-access-key --status Active \\\n" in text) is by_hand
    assert ("\n  aws iam list-access-keys \\\n" in text) is look


def test_no_command_of_a_message_deactivates_or_deletes_a_key() -> None:
    texts = [text_of(of(name)) for name in [*ACTIONS, *RESTS]]

    assert not [text for text in texts if "--status Inactive" in text or "delete" in text]


def test_what_iam_lost_the_answer_of_is_a_note_and_no_failure() -> None:
    action = did("pubudu", KEY, cause="IAM's answer was lost, and the key is inactive.")

    text = text_of(compose_action_notification(action, HttpsFormat.JSON))

    assert "\nNote: IAM's answer was lost, and the key is inactive.\n" in text


def test_an_intent_alone_is_unknown() -> None:
    notification = compose_action_notification(did("pubudu", KEY, "intended", ended_at=None), HttpsFormat.JSON)

    assert notification["attributes"]["verdict"]["StringValue"] == "deactivation_unknown"
    assert "that is UNKNOWN" in text_of(notification)


@pytest.mark.parametrize("name", [*ACTIONS, *RESTS])
def test_programs_get_the_action_and_attributes_to_filter_by(name: str) -> None:
    for_programs = json.loads(json.loads(of(name)["message"])["sqs"])
    kind, verdict = ("action" if name in ACTIONS else "not_changed"), name.removesuffix("_by_itself")
    verdict = verdict.replace("nothing_to_undo", "not_undone")

    assert (for_programs["kind"], for_programs["verdict"]) == (kind, verdict)
    assert of(name)["attributes"] == {
        "kind": {"DataType": "String", "StringValue": kind},
        "verdict": {"DataType": "String", "StringValue": verdict},
        "account_id": {"DataType": "String", "StringValue": "123456789012"},
    }
    if name in ACTIONS:
        assert for_programs["action"] == ACTIONS[name]
    else:
        assert (for_programs["results"], for_programs["results_left_out"]) == (RESTS[name][1], 0)


@pytest.mark.parametrize("name", [*ACTIONS, *RESTS])
def test_chat_has_names_and_causes_in_backticks(name: str) -> None:
    chat = chat_of(of(name, HttpsFormat.CHAT))

    assert chat["title"] == of(name)["subject"]
    assert f"`{KEY}`" in chat["description"]
    assert "`pubudu`" in chat["description"]
    assert "not authorized" not in re.sub("`[^`]*`", "", chat["description"])
    assert all(line.count("`") % 2 == 0 for line in [*chat["description"].splitlines(), *chat["nextSteps"]])


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("deactivation_failed", REFUSED),
        ("deactivation_unknown", NO_ANSWER),
        ("undo_failed", REFUSED),
        ("undo_unknown", NO_ANSWER_TO_UNDO),
    ],
)
def test_chat_says_why_it_failed_or_is_unknown_and_where_that_is_on_record(name: str, cause: str) -> None:
    chat = chat_of(of(name, HttpsFormat.CHAT))

    assert f"\nCause: `{cause}`" in chat["description"]
    assert f"See what is on record: `GET /actions/123456789012-{KEY}-1`" in chat["nextSteps"]
    looks = any("`aws iam list-access-keys --user-name pubudu`" in step for step in chat["nextSteps"])
    assert looks is name.endswith("unknown")


def test_chat_says_why_each_key_was_left_alone_and_what_becomes_of_it() -> None:
    chat = chat_of(of("not_deactivated", HttpsFormat.CHAT))

    assert f"`{KEY}` `pubudu` in account 123456789012: `It was used on 2026-12-11, less than 14 days ago.`" in (
        chat["description"].splitlines()
    )
    assert chat["nextSteps"] == [
        "The next full scan plans each key again, or says what keeps it from being deactivated.",
        "See the plan: `GET /scan/scheduled-2026-12-11T080000Z/plan`",
    ]


def test_no_cause_or_reason_is_markup_or_a_link_in_chat() -> None:
    evil = f"`*now* <!channel>\n<https://{EVIL}|see>"
    failed = did("pubudu", KEY, "failed", cause=evil)

    texts = [
        chat_of(compose_action_notification(failed, HttpsFormat.CHAT))["description"],
        chat_of(compose_rest_notification(APPROVED, [result("x", KEY, evil)], HttpsFormat.CHAT))["description"],
    ]

    for text in texts:
        assert "'*now* <!channel> <https[:]//www[.]evil[.]example[.]com|see>`" in text
        assert "<!channel>" not in re.sub("`[^`\n]*`", "", text)


@pytest.mark.parametrize("why", [IS_ACTIVE["why"], f"{BY_ANOTHER}.", f"{ACTIVE_BEFORE}, on 2026-12-11."])
def test_an_undo_of_what_is_undone_alarms_nobody_and_asks_for_nothing(why: str) -> None:
    notification = compose_rest_notification(UNDO, [result("pubudu", KEY, why)], HttpsFormat.CHAT)

    assert notification["subject"].startswith("Nothing to undo: ")
    assert "NOT " not in text_of(notification)
    assert "again:" not in text_of(notification)
    assert "/undo" not in f"{text_of(notification)}{chat_of(notification)}"
    assert chat_of(notification)["nextSteps"] == [f"See what is on record: `GET /actions/{UNDO['undo']}`"]


def test_an_undo_that_failed_does_not_say_what_the_key_is() -> None:
    failed = did("pubudu", KEY, undo=undo("failed", cause=f"{ACTIVE_ALREADY}."))

    assert action_lines(failed)[0] == "It was NOT activated again, and nothing changed."


@pytest.mark.parametrize("name", [*ACTIONS, *RESTS])
def test_an_arn_goes_on_in_the_next_line_after_a_slash_alone(name: str) -> None:
    lines = [line.strip() for line in text_of(of(name)).splitlines()]

    parts = [part for arn in (SAM, REFUSED.split()[2]) for part in re.findall("[^/]+/?", arn)]
    cut = [line for line in lines if "arn:" in line and not any(part in line for part in parts)]
    assert not cut
    assert not [
        line for line in lines if "AWSReserved" in line and "AWSReservedSSO_Security_0123456789abcdef/" not in line
    ]


def test_no_name_cause_or_session_makes_a_link() -> None:
    session, cause = f"arn:aws:sts::123456789012:assumed-role/x/{EVIL}", f"Iam.IamException: https://{EVIL}/ says no"
    action = did(EVIL, KEY, "failed", approved_by=session, cause=cause)
    given: DeactivationInput = {**APPROVED, "by": session}

    texts = [
        text_of(compose_action_notification(action, HttpsFormat.JSON)),
        text_of(compose_rest_notification(given, [result("x", KEY, cause)], HttpsFormat.JSON)),
    ]

    assert not [text for text in texts if EVIL in text or "://" in text]
    assert all("www[.]evil[.]example[.]com" in text for text in texts)


def test_a_hundred_keys_which_is_all_that_an_execution_takes_are_told_within_bounds() -> None:
    many = [result(LONGEST, f"AKIA{number:016}", "x" * 300, f"{number:012}") for number in range(100)]

    notification = compose_rest_notification(APPROVED, many, HttpsFormat.CHAT)

    for_programs = json.loads(json.loads(notification["message"])["sqs"])
    assert is_fit_for_mail(notification)
    assert len(notification["message"].encode()) < 96 * 1024
    assert text_of(notification).count("AKIA") == 100
    assert for_programs["results_left_out"] == 100 - len(for_programs["results"]) > 0
    assert "\nand 90 more.\n" in chat_of(notification)["description"]

"""The step that sends notices: what is claimed, sent, refused, given back and left, and what SES and SNS are asked."""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

from chalicelib.aws.errors import EvidenceUnavailableError
from chalicelib.outputs.notice_mail import Mail
from tests.support.fake_scans import organization_report, refusal, row
from tests.support.owners import (
    BY_SES,
    BY_SNS,
    FROM,
    NO_ANSWER,
    NO_QUOTA,
    REJECTED,
    TOO_FAST,
    TOPIC,
    KilledError,
    Stage,
    owned_by,
)
from tests.support.plans import at
from tests.support.reports import key, report_of, user

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
WEB, DATA = "111122223333", "444455556666"
NOTHING = {
    **dict.fromkeys(("owners", "nothing_new", "sent", "refused", "unknown", "claimed", "left", "lost"), 0),
    "keys_without_address": 0,
}


def overdue(owner: str, number: int, age: float = 100) -> dict[str, Any]:
    return owned_by(owner, f"user{number}", key(f"AKIA{number:016}", age))


THREE = [overdue(ALICE, 1, 300), overdue(BOB, 2, 200), overdue(CAROL, 3, 100)]  # the most severe first


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def counts(answer: dict[str, Any]) -> dict[str, int]:
    """The counts that are not zero."""
    return {name: number for name, number in answer["counts"].items() if number}


def test_each_owner_is_mailed_once_and_what_they_were_told_is_on_file(stage: Stage) -> None:
    answer = stage.scan(0, *THREE, overdue(ALICE, 4), user("nobody", key("AKIANOBODY", 100)))
    again = stage.scan(1, *THREE, overdue(ALICE, 4))

    assert counts(answer) == {"owners": 3, "sent": 3, "keys_without_address": 1}
    assert not answer["notify"]
    assert counts(again) == {"owners": 3, "nothing_new": 3}
    assert [(sent.to, sent.kind) for sent in stage.sent] == [(ALICE, "first"), (BOB, "first"), (CAROL, "first")]
    assert list(stage.sent[0].news) == ["AKIA0000000000000001", "AKIA0000000000000004"]
    assert stage.file_of(BOB) == {
        "schema_version": 1,
        "owner": BOB,
        "scan_id": "scan-0",
        "mailed_at": "2026-11-22T08:00:00Z",
        "keys": {"AKIA0000000000000002": {"account_id": "123456789012", "user_name": "user2", "reasons": ["expired"]}},
        "refused": None,
    }


def test_a_files_name_says_nothing_of_the_owner(stage: Stage) -> None:
    stage.scan(0, overdue(ALICE, 1))

    assert list(stage.files()) == ["ff8d9819fc0e12bf0d24892e45987e24.json"]  # sha256 of the address, its first half


def test_ses_is_asked_for_a_simple_mail_to_one_address(stage: Stage) -> None:
    stage.composes = lambda *_, **__: Mail("Subject", "Text ü", "<p>HTML</p>")

    stage.scan(0, overdue("Alice@Example.com", 1))

    assert stage.calls == [
        {
            "FromEmailAddress": FROM,
            "Destination": {"ToAddresses": [ALICE]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": "Subject", "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": "Text ü", "Charset": "UTF-8"},
                        "Html": {"Data": "<p>HTML</p>", "Charset": "UTF-8"},
                    },
                }
            },
            "ConfigurationSetName": "iam-key-age-prod-notices",
        }
    ]


def test_owners_can_reply_where_the_stack_has_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "NOTICES_REPLY_TO": "security@example.com"})

    stage.scan(0, overdue(ALICE, 1))

    [call] = stage.calls
    assert call["ReplyToAddresses"] == ["security@example.com"]
    assert all("Questions? Reply to this mail." in body["Data"] for body in call["Content"]["Simple"]["Body"].values())


def test_nobody_is_asked_to_reply_where_nobody_reads_it(stage: Stage) -> None:
    stage.scan(0, overdue(ALICE, 1))

    [call] = stage.calls
    assert "ReplyToAddresses" not in call
    assert "Reply to this mail" not in str(call)


def test_sns_is_asked_to_publish_with_the_owner_as_an_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, BY_SNS)
    stage.composes = lambda *_, **__: Mail("Subject", "Text", "")

    answer = stage.scan(0, overdue(" Platform team ", 1), user("nobody", key("AKIANOBODY", 100)))

    attributes = {"owner": {"DataType": "String", "StringValue": "Platform team"}}
    assert counts(answer) == {"owners": 1, "sent": 1, "keys_without_address": 1}
    assert stage.calls == [
        {"TopicArn": TOPIC, "Subject": "Subject", "Message": "Text", "MessageAttributes": attributes}
    ]


def test_what_ses_and_sns_are_asked_is_what_botocore_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = boto3.Session("x", "x", region_name="eu-central-1")

    for settings, service, operation in ((BY_SES, "sesv2", "send_email"), (BY_SNS, "sns", "publish")):
        stage = Stage(monkeypatch, settings)
        stage.scan(0, overdue(ALICE, 1))
        client = session.client(service)
        with Stubber(client) as stubber:
            stubber.add_response(operation, {"MessageId": "1"}, stage.calls[0])
            getattr(client, operation)(**stage.calls[0])


@pytest.mark.parametrize(
    ("settings", "policy"),
    [({}, {}), ({"OWNER_NOTICES": "off"}, {}), (BY_SES, {"max_age_days": 30}), (BY_SES, {"users": ("user1",)})],
)
def test_nobody_is_notified_by_a_stage_without_notices_or_by_another_scan_than_the_stages_own(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], policy: dict[str, Any]
) -> None:
    stage = Stage(monkeypatch, {"REPORTS_BUCKET": "reports", **settings})

    answer = stage.scan(0, overdue(ALICE, 1), **policy)

    assert answer == {"counts": NOTHING, "notify": False}
    assert not stage.calls
    assert not stage.files()


def test_called_again_for_a_scan_it_sends_nothing_twice_and_counts_as_sent_only_what_it_sent_itself(
    stage: Stage,
) -> None:
    stage.answers = [None, REJECTED]

    first = stage.scan(0, *THREE)
    again = stage.notify(0)

    assert counts(first) == {"owners": 3, "sent": 2, "refused": 1}
    assert counts(again) == {"owners": 3, "unknown": 2, "refused": 1}
    assert again["notification"]["message"].count(REJECTED.response["Error"]["Message"]) > 0
    assert len(stage.calls) == 3


def test_what_was_claimed_before_a_crash_is_none_of_the_notices_without_an_answer_that_stop_it(stage: Stage) -> None:
    stage.scan(0, *(overdue(f"owner{number}@example.com", number) for number in range(3)))
    stage.report(0, *(overdue(f"owner{number}@example.com", number) for number in range(5)))

    assert counts(stage.notify(0)) == {"owners": 5, "unknown": 3, "sent": 2}


@pytest.mark.parametrize(
    ("killed_at", "sent", "expected"),
    [("put_object", 3, {"unknown": 1, "sent": 2}), ("send", 2, {"unknown": 2, "sent": 1})],
)
def test_a_function_that_is_killed_and_called_again_loses_a_mail_at_most_and_doubles_none(
    stage: Stage, killed_at: str, sent: int, expected: dict[str, int]
) -> None:
    def kill(name: str) -> None:
        if name == killed_at and len(stage.sent) == 1:
            stage.on_call = lambda _: None
            raise KilledError

    stage.on_call = kill
    with pytest.raises(KilledError):
        stage.scan(0, *THREE)
    answer = stage.notify(0)
    digests = [stage.scan(day, *THREE) for day in (6, 7)]

    assert counts(answer) == {"owners": 3, **expected}
    assert len([one for one in stage.sent if one.day == 0]) == sent
    assert counts(digests[0]) == {"owners": 3, "nothing_new": 3}
    assert counts(digests[1]) == {"owners": 3, "sent": 3}


@pytest.mark.parametrize("status", [412, 409])
def test_an_owner_whom_another_scan_claims_at_that_moment_is_left_to_it(
    stage: Stage, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def claimed(**given: Any) -> Any:
        if given["Key"].startswith("notices/"):
            raise refusal("PreconditionFailed" if status == 412 else "ConditionalRequestConflict", status)
        return None

    stage.report(0, *THREE)
    monkeypatch.setattr(stage.bucket, "put_object", claimed)

    answer = stage.notify(0)

    assert counts(answer) == {"owners": 3, "claimed": 3}
    assert not stage.calls
    assert not answer["notify"]


def test_an_owner_whose_file_was_deleted_at_that_moment_is_left_to_the_next_scan(stage: Stage) -> None:
    def delete(name: str) -> None:
        if name == "put_object":
            stage.bucket.objects = {key: one for key, one in stage.bucket.objects.items() if "notices/" not in key}

    stage.scan(0, overdue(ALICE, 1))
    stage.on_call = delete
    answer = stage.scan(7, overdue(ALICE, 1))

    assert counts(answer) == {"owners": 1, "claimed": 1}


def test_a_claim_that_s3_does_not_take_just_now_is_no_claim_and_the_state_machine_tries_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(**_: Any) -> Any:
        raise refusal("SlowDown", 503)

    stage.report(0, overdue(ALICE, 1))
    with monkeypatch.context() as patch:
        patch.setattr(stage.bucket, "put_object", unavailable)
        with pytest.raises(EvidenceUnavailableError):
            stage.notify(0)

    assert not stage.calls
    assert counts(stage.notify(0)) == {"owners": 1, "sent": 1}


@pytest.mark.parametrize("error", [REJECTED, refusal("BadRequestException", 400, "Illegal address")])
def test_a_refused_address_is_reported_and_tried_again_with_the_next_digest(stage: Stage, error: Exception) -> None:
    stage.answers = [error]

    answer = stage.scan(0, *THREE)
    days = [counts(stage.scan(day, *THREE)) for day in (1, 7)]

    assert counts(answer) == {"owners": 3, "sent": 2, "refused": 1}
    assert answer["notify"]
    assert ALICE in answer["notification"]["message"]
    assert stage.sent_to(ALICE) == [(7, "digest")]
    assert days == [{"owners": 3, "nothing_new": 3}, {"owners": 3, "sent": 3}]


def test_why_a_notice_was_refused_is_on_file_until_one_is_sent(stage: Stage) -> None:
    stage.answers = [REJECTED]

    stage.scan(0, overdue(ALICE, 1))
    refused = stage.file_of(ALICE)["refused"]
    stage.scan(7, overdue(ALICE, 1))

    assert refused == "MessageRejected: Email address is not verified: alice@example.com"
    assert stage.file_of(ALICE)["refused"] is None


@pytest.mark.parametrize(
    "error",
    [
        NO_QUOTA,
        refusal("LimitExceededException"),
        refusal("AccountSuspendedException"),
        refusal("SendingPausedException"),
        refusal("MailFromDomainNotVerifiedException"),
        refusal("MessageRejected", 400, f"Email address is not verified: {ALICE}, {FROM.title()}"),
        refusal("MessageRejected", 400, f"Email address is not verified: {'x' * 300}, {FROM}"),
        EndpointConnectionError(endpoint_url="https://email.eu-central-1.amazonaws.com"),
        ConnectTimeoutError(endpoint_url="https://email.eu-central-1.amazonaws.com"),
    ],
    ids=str,
)
def test_what_is_refused_of_every_notice_stops_them_and_the_claim_is_given_back(stage: Stage, error: Exception) -> None:
    stage.scan(0, overdue(BOB, 2, 200))
    before = stage.file_of(BOB)
    stage.answers = [None, error]

    answer = stage.scan(7, *THREE)

    assert counts(answer) == {"owners": 3, "sent": 1, "left": 2}
    assert answer["notify"]
    assert len(stage.calls) == 3
    assert stage.file_of(BOB) == before
    assert [file["owner"] for file in stage.files().values() if file["scan_id"] == "scan-7"] == [ALICE]
    assert not stage.waits

    assert counts(stage.scan(7.1, *THREE)) == {"owners": 3, "nothing_new": 1, "sent": 2}
    assert stage.sent_to(CAROL) == [(7.1, "first")]


@pytest.mark.parametrize(
    "owner", ["an-iam-key-age@example.com", "iam-key-age@example.com.example.org", "iam-key-age@example.community"]
)
def test_an_address_that_the_senders_is_a_part_of_stops_nobody_elses_notice(
    monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "OWNER_DOMAINS": f"example.com,{owner.partition('@')[2]}"})
    stage.answers = [refusal("MessageRejected", 400, f"Email address is not verified: {owner}")]

    answer = stage.scan(0, overdue(owner, 1, 300), overdue(BOB, 2))

    assert counts(answer) == {"owners": 2, "refused": 1, "sent": 1}


NOT_FORESEEN = [
    refusal("AccessDeniedException", 403),
    refusal("NotFoundException", 404, "Configuration set does not exist"),
    refusal("ExpiredTokenException", 403),
    NoCredentialsError(),
]
ILLEGAL = refusal("BadRequestException", 400, "Domain contains dot-string")


@pytest.mark.parametrize("error", [*NOT_FORESEEN, ILLEGAL], ids=str)
def test_three_refusals_in_the_same_words_stop_notices_and_are_given_back(stage: Stage, error: Exception) -> None:
    owners = [f"owner{number}@example.com" for number in range(5)]
    all_five = [overdue(owner, number, 300 - number) for number, owner in enumerate(owners)]
    stage.answers = [error] * 9

    answer = stage.scan(0, *all_five)
    stage.answers = []
    again = stage.scan(0.1, *all_five)

    assert counts(answer) == {"owners": 5, "left": 5}
    assert "No more notices were sent" in answer["notification"]["message"]
    assert counts(again) == {"owners": 5, "sent": 5}
    assert {sent.kind for sent in stage.sent} == {"first"}


@pytest.mark.parametrize("error", [*NOT_FORESEEN, ILLEGAL], ids=str)
def test_a_refusal_that_others_do_not_meet_is_of_that_owner(stage: Stage, error: Exception) -> None:
    stage.answers = [error]

    answer = stage.scan(0, *THREE)

    assert counts(answer) == {"owners": 3, "refused": 1, "sent": 2}
    assert ALICE in answer["notification"]["message"]
    assert counts(stage.scan(1, *THREE)) == {"owners": 3, "nothing_new": 3}


@pytest.mark.parametrize("error", NOT_FORESEEN, ids=str)
def test_what_nobody_foresaw_is_given_back_if_no_notice_shows_that_it_is_of_one_owner(
    stage: Stage, error: Exception
) -> None:
    stage.answers = [error]

    answers = [counts(stage.scan(day, overdue(ALICE, 1))) for day in (0, 1)]

    assert answers == [{"owners": 1, "left": 1}, {"owners": 1, "sent": 1}]


def test_refusals_that_name_the_owner_stop_nobody_however_many_there_are(stage: Stage) -> None:
    owners = [f"owner{number}@example.com" for number in range(5)]
    stage.answers = [refusal("MessageRejected", 400, f"Email address is not verified: {one}") for one in owners[:4]]

    answer = stage.scan(0, *(overdue(owner, number, 300 - number) for number, owner in enumerate(owners)))

    assert counts(answer) == {"owners": 5, "refused": 4, "sent": 1}


@pytest.mark.parametrize("error", [NOT_FORESEEN[0], ILLEGAL], ids=str)
def test_owners_who_are_refused_each_time_keep_nobody_else_from_their_notice(stage: Stage, error: Exception) -> None:
    odd = [overdue(f"odd{number}@example.com", number, 400 - number) for number in range(7)]
    stage.refuses = lambda to: error if to.startswith("odd") else None

    answers = [counts(stage.scan(day, *odd, overdue(ALICE, 9))) for day in range(4)]

    assert answers[:3] == [{"owners": 8, "left": 8}, {"owners": 8, "left": 8}, {"owners": 8, "refused": 7, "sent": 1}]
    assert answers[3] == {"owners": 8, "nothing_new": 8}
    assert stage.sent_to(ALICE) == [(2, "first")]


def test_a_claim_that_s3_does_not_take_back_is_counted_and_told_to_the_topic(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = stage.bucket.put_object, list[str]()

    def fails_after_the_claim(**given: Any) -> Any:
        calls.append(given["Key"])
        if len(calls) == 2:
            raise refusal("SlowDown", 503)
        return put(**given)

    stage.report(0, *THREE)
    stage.answers = [NO_QUOTA]
    monkeypatch.setattr(stage.bucket, "put_object", fails_after_the_claim)

    answer = stage.notify(0)

    assert counts(answer) == {"owners": 3, "lost": 1, "left": 2}
    assert "S3 did not take that back" in " ".join(json.loads(answer["notification"]["message"])["default"].split())
    assert counts(stage.scan(1, *THREE)) == {"owners": 3, "nothing_new": 1, "sent": 2}


@pytest.mark.parametrize("error", [refusal("SlowDown", 503), refusal("AccessDenied", 403)])
def test_a_refusal_that_s3_does_not_take_is_told_to_the_topic_and_the_others_are_notified(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    put = stage.bucket.put_object

    def refuses_refusals(**given: Any) -> Any:
        if b"MessageRejected" in given["Body"]:
            raise error
        return put(**given)

    stage.report(0, *THREE)
    stage.answers = [REJECTED]
    monkeypatch.setattr(stage.bucket, "put_object", refuses_refusals)

    answer = stage.notify(0)

    assert counts(answer) == {"owners": 3, "refused": 1, "sent": 2}
    assert ALICE in answer["notification"]["message"]


def test_a_notice_that_comes_too_fast_is_sent_after_a_wait(stage: Stage) -> None:
    stage.answers = [TOO_FAST, None, refusal("ThrottlingException"), refusal("Throttling"), None]

    answer = stage.scan(0, *THREE)

    assert counts(answer) == {"owners": 3, "sent": 3}
    assert stage.waits == [1, 1, 2]


def test_a_notice_that_comes_too_fast_again_and_again_stops_them(stage: Stage) -> None:
    stage.answers = [TOO_FAST] * 4

    answer = stage.scan(0, *THREE)

    assert counts(answer) == {"owners": 3, "left": 3}
    assert stage.waits == [1, 2, 4]
    assert "Maximum sending rate exceeded" in answer["notification"]["message"]


@pytest.mark.parametrize("error", [NO_ANSWER, refusal("InternalFailure", 500), refusal("ServiceUnavailable", 503)])
def test_a_notice_without_an_answer_may_have_been_sent_and_is_not_sent_again(stage: Stage, error: Exception) -> None:
    stage.answers = [error]

    answer = stage.scan(0, *THREE)
    again = stage.scan(1, *THREE)

    assert counts(answer) == {"owners": 3, "sent": 2, "unknown": 1}
    assert not answer["notify"]
    assert counts(again) == {"owners": 3, "nothing_new": 3}
    assert len(stage.calls) == 3


def test_no_other_notice_is_tried_once_three_had_no_answer(stage: Stage) -> None:
    stage.answers = [NO_ANSWER] * 9

    answer = stage.scan(0, *(overdue(f"owner{number}@example.com", number) for number in range(5)))

    assert counts(answer) == {"owners": 5, "unknown": 3, "left": 2}
    assert "ReadTimeoutError" in answer["notification"]["message"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal("InvalidParameter"), {"refused": 1, "sent": 2}),
        (refusal("Throttled"), {"sent": 3}),
        (refusal("KMSThrottling"), {"sent": 3}),
        (refusal("AuthorizationError", 403), {"left": 3}),
        (refusal("NotFound", 404), {"left": 3}),
        (refusal("KMSAccessDenied"), {"left": 3}),
        (refusal("InternalError", 500), {"unknown": 1, "sent": 2}),
    ],
    ids=str,
)
def test_sns_refuses_throttles_and_fails_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, error: Exception, expected: dict[str, int]
) -> None:
    stage = Stage(monkeypatch, BY_SNS)
    stage.answers = [error] * (3 if "left" in expected else 1)

    assert counts(stage.scan(0, *THREE)) == {"owners": 3, **expected}


def test_the_most_severe_owners_are_notified_first_and_the_others_by_the_next_scans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "MAX_NOTICES_PER_SCAN": "2"})

    answers = [counts(stage.scan(day, *reversed(THREE))) for day in range(3)]

    assert [(sent.day, sent.owner) for sent in stage.sent] == [(0, ALICE), (0, BOB), (1, CAROL)]
    assert answers == [
        {"owners": 3, "sent": 2, "left": 1},
        {"owners": 3, "sent": 1, "nothing_new": 2},
        {"owners": 3, "nothing_new": 3},
    ]


def test_where_more_digests_are_due_than_scans_send_each_owner_has_a_turn_and_the_topic_learns_that_they_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "MAX_NOTICES_PER_SCAN": "1"})
    many = [overdue(f"owner{number}@example.com", number, 300 - number) for number in range(17)]

    answers = [stage.scan(day, *many) for day in range(51)]

    assert {owner: len(stage.sent_to(owner)) for owner in {sent.owner for sent in stage.sent}} == {
        f"owner{number}@example.com": 3 for number in range(17)
    }
    assert [day for day, answer in enumerate(answers) if answer["notify"]] == list(range(15, 51))
    assert json.loads(json.loads(answers[17]["notification"]["message"])["sqs"])["late"] == 2


def test_a_notice_that_is_tried_counts_whatever_becomes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "MAX_NOTICES_PER_SCAN": "2"})
    stage.answers = [REJECTED, NO_ANSWER]

    assert counts(stage.scan(0, *THREE)) == {"owners": 3, "refused": 1, "unknown": 1, "left": 1}


def test_what_was_sent_before_counts_when_it_is_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "MAX_NOTICES_PER_SCAN": "2"})

    stage.scan(0, *THREE)

    assert counts(stage.notify(0)) == {"owners": 3, "unknown": 2, "left": 1}
    assert len(stage.calls) == 2


@pytest.mark.parametrize(("left", "sent"), [(29.9, 1), (30, 3), (30.1, 3)])
def test_no_notice_is_begun_with_less_than_half_a_minute_left(stage: Stage, left: float, sent: int) -> None:
    stage.report(0, *THREE)

    answer = stage.notify(0, seconds_left=lambda: left if stage.sent else 300)

    assert len(stage.sent) == sent
    assert answer["counts"]["left"] == 3 - sent
    assert not answer["notify"]
    assert len(stage.files()) == sent


def test_a_test_sends_all_to_one_address_and_leaves_the_owners_files_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "NOTICES_TEST_TO": "me@example.net"})

    stage.scan(0, *THREE)
    again = stage.scan(1, *THREE)
    tests = set(stage.files())
    monkeypatch.delenv("NOTICES_TEST_TO")
    real = stage.scan(2, *THREE)

    assert [(sent.to, sent.owner) for sent in stage.sent[:3]] == [
        ("me@example.net", one) for one in (ALICE, BOB, CAROL)
    ]
    assert counts(again) == {"owners": 3, "nothing_new": 3}
    assert len(tests) == 3
    assert all(name.startswith("test/") for name in tests)
    assert counts(real) == {"owners": 3, "sent": 3}
    assert [(one.to, one.kind) for one in stage.sent[3:]] == [(owner, "first") for owner in (ALICE, BOB, CAROL)]


def test_what_ended_on_a_day_without_a_notice_is_news_when_it_is_back(stage: Stage) -> None:
    both = overdue(ALICE, 1), overdue(ALICE, 2)

    days = [counts(stage.scan(day, *keys)) for day, keys in enumerate((both, both[:1], both))]

    assert days == [{"owners": 1, "sent": 1}, {"owners": 1, "nothing_new": 1}, {"owners": 1, "sent": 1}]
    assert stage.sent[1].news == {"AKIA0000000000000001": (), "AKIA0000000000000002": ("expired",)}
    assert stage.sent[1].new == ("AKIA0000000000000002",)


def test_each_address_of_tests_gets_all_notices_at_once_and_both_spellings_of_it_are_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = []
    stage = Stage(monkeypatch, BY_SES)
    for day, test_to in enumerate(("me@example.net", "you@example.net", "You@Example.net", "me@example.net")):
        monkeypatch.setenv("NOTICES_TEST_TO", test_to)
        answers.append(counts(stage.scan(day, overdue(ALICE, 1))))

    told = {"owners": 1, "sent": 1}
    assert answers == [told, told, *[{"owners": 1, "nothing_new": 1}] * 2]
    assert [sent.to for sent in stage.sent] == ["me@example.net", "you@example.net"]


def test_what_was_published_to_the_topic_is_mailed_as_a_first_notice_and_the_other_way_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, BY_SES)
    for day, settings in enumerate((BY_SNS, BY_SES, BY_SNS)):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        stage.scan(day, overdue(ALICE, 1))

    assert [(sent.to, sent.kind) for sent in stage.sent] == [(TOPIC, "first"), (ALICE, "first")]
    assert [name.rpartition("/")[0] for name in stage.files()] == ["sns", ""]


def test_a_message_that_is_refused_for_one_owner_stops_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "NOTICES_TEST_TO": "me@example.net"})
    stage.answers = [refusal("MessageRejected", 400, "The message is too long")]

    assert counts(stage.scan(0, *THREE)) == {"owners": 3, "refused": 1, "sent": 2}


@pytest.mark.parametrize(("hours", "sent"), [(25, 3), (25.01, 0), (900, 0)])
def test_a_scan_that_is_redriven_a_day_later_tells_nobody_of_keys_that_may_have_been_replaced(
    stage: Stage, hours: float, sent: int, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.report(0, *THREE)

    answer = stage.notify(0, late=timedelta(hours=hours))

    assert len(stage.sent) == sent
    assert sent or answer == {"counts": NOTHING, "notify": False}
    assert sent or json.loads(capsys.readouterr().out)["stopped"] == "the scan is late"


def test_an_address_that_is_refused_in_a_test_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "NOTICES_TEST_TO": "me@example.net"})
    stage.answers = [refusal("MessageRejected", 400, "Email address is not verified: me@example.net")]

    assert counts(stage.scan(0, *THREE)) == {"owners": 3, "left": 3}
    assert counts(stage.scan(0.1, *THREE)) == {"owners": 3, "sent": 3}


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"\xff", b"[" * 100_000, b'{"owner": "bob@example.com"}'])
def test_a_damaged_file_costs_a_notice_a_day_at_most_and_none_is_sent_twice(stage: Stage, body: bytes) -> None:
    stage.scan(0, overdue(ALICE, 1))
    (name,) = stage.files()

    def damage(day: float) -> None:
        stage.bucket.objects[f"notices/{name}"] = body
        stage.bucket.written[f"notices/{name}"] = at(day)

    damage(0.1)
    answers = []
    for day in (0, 0.2, 1, 1.1, 2):
        answers.append(counts(stage.scan(day, overdue(ALICE, 1))))
        if day == 1.1:
            damage(1.2)

    assert answers == [
        {"owners": 1, "nothing_new": 1},
        {"owners": 1, "nothing_new": 1},
        {"owners": 1, "nothing_new": 1},
        {"owners": 1, "sent": 1},
        {"owners": 1, "nothing_new": 1},
    ]
    assert stage.sent_to(ALICE) == [(0, "first"), (1.1, "first")]


def test_an_owner_in_several_accounts_of_an_organization_gets_one_notice_of_all_their_keys(stage: Stage) -> None:
    report, accounts = organization(stage, "organization-1", WEB, DATA)
    report["accounts"].append(row("777788889999", "unchecked", "STS refused"))

    stage.keep(report)
    answer = stage.notify(0, "organization-1")

    assert counts(answer) == {"owners": 1, "sent": 1}
    assert list(stage.sent[0].news) == ["AKIA0000000000000002", "AKIA0000000000000001"]
    assert {key["account_id"] for key in stage.file_of(ALICE)["keys"].values()} == set(accounts)
    text = stage.calls[0]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert "team-111" in text
    assert "team-444" in text


def test_a_scan_of_some_accounts_notifies_nobody_because_it_does_not_find_all_of_an_owners_keys(stage: Stage) -> None:
    report, _ = organization(stage, "organization-1", WEB)
    stage.keep({**report, "scan_kind": "accounts"})

    assert stage.notify(0, "organization-1") == {"counts": NOTHING, "notify": False}


def test_a_superseded_accounts_report_is_passed_over(stage: Stage) -> None:
    report, accounts = organization(stage, "organization-1", WEB, DATA)
    accounts[WEB]["changes"]["superseded"] = True
    stage.bucket.keep(f"scans/organization-1/accounts/{WEB}/report.json", accounts[WEB])
    stage.keep(report)

    stage.notify(0, "organization-1")

    assert list(stage.sent[0].news) == ["AKIA0000000000000002"]


def organization(stage: Stage, scan_id: str, *account_ids: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A scan of accounts in each of which alice has a key, the later ones' older; kept, but for its own report."""
    accounts: dict[str, Any] = {}
    for number, account_id in enumerate(account_ids, start=1):
        accounts[account_id] = report_of(overdue(ALICE, number, 100 * number), scan_id=scan_id)
        accounts[account_id]["account_id"] = account_id
        stage.bucket.keep(f"scans/{scan_id}/accounts/{account_id}/report.json", accounts[account_id])
    report = organization_report(scan_id, [row(account_id) for account_id in account_ids], [])
    return {**report, "scan_kind": "organization"}, accounts


def test_the_log_has_the_counts_in_one_line_and_names_nobody(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.answers = [REJECTED, refusal("SendingPausedException", 400, "Account arn:aws:sts::1:x is paused")]

    answer = stage.scan(0, *THREE)

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "scan_id": "scan-0",
        "notices": answer["counts"],
        "stopped": "SendingPausedException",
    }
    assert "@" not in line
    assert "AKIA" not in line
    assert "arn:" not in line

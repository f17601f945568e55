"""Approvals that the API refuses, on an AWS in memory: no key is deactivated by them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.api import deactivation
from chalicelib.api.routing import DeactivationConflictError
from chalicelib.aws import deactivations
from chalicelib.deactivation_documents import BY_ITSELF
from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from tests.support.fake_scans import OWN, FakeScans
from tests.support.planned_scans import (
    ACTION,
    ALICE,
    ANN,
    APPROVE,
    LATER,
    PLAN,
    SCAN,
    VAULT,
    Api,
    action,
    keep_action,
    keep_scan,
    message,
    planned_report,
    started,
)
from tests.support.reports import AS_OF

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ((VAULT,), f"access_key_ids: {VAULT} is held: Its user has the tag iam-key-age:never-deactivate."),
        ((ALICE, VAULT), f"access_key_ids: {VAULT} is held: "),
        (("AKIANOBODY",), "access_key_ids: AKIANOBODY is not in this plan"),
        (("AKIAERIN",), "access_key_ids: AKIAERIN is not in this plan"),
        ((ALICE.lower(),), f"access_key_ids: {ALICE.lower()} is not in this plan"),
        ((ALICE, "AKIANOBODY", VAULT), f"access_key_ids: AKIANOBODY is not in this plan; {VAULT} is held: "),
    ],
)
def test_all_keys_are_due_or_none_is_deactivated(fake: FakeScans, api: Api, keys: tuple[str, ...], says: str) -> None:
    answer = api.approve(*keys)

    assert (answer.status_code, answer.json_body["Code"]) == (409, "ConflictError")
    assert message(answer).startswith(says)
    assert started(fake) == {}


def test_a_key_that_is_held_for_no_reason_is_not_due_either(fake: FakeScans, api: Api) -> None:
    report = planned_report(LATER)
    next(one for one in report["findings"] if one["access_key_id"] == ALICE)["plan"]["status"] = "held"
    keep_scan(fake, report)

    answer = api.approve(ALICE, scan_id=LATER)

    assert (answer.status_code, started(fake)) == (409, {})
    assert message(answer).startswith(f"access_key_ids: {ALICE} is held")


def test_only_the_plan_of_the_last_full_scan_counts(fake: FakeScans, api: Api) -> None:
    keep_scan(fake, planned_report(LATER))

    older = api.approve(ALICE)

    assert older.status_code == 409
    assert message(older) == f"scan_id: only the plan of the last full scan counts; that of account {OWN} is {LATER}"
    assert started(fake) == {}
    assert api.approve(ALICE, scan_id=LATER).status_code == 202


@pytest.mark.parametrize(("hours", "status"), [(25, 202), (26, 409)])
def test_the_plan_of_a_scan_that_was_redriven_late_is_not_approved(
    fake: FakeScans, api: Api, hours: int, status: int
) -> None:
    keep_scan(fake, planned_report(LATER), kept_at=AS_OF + timedelta(hours=hours))

    answer = api.approve(ALICE, scan_id=LATER)

    assert answer.status_code == status
    assert len(started(fake)) == (status == 202)
    if status == 409:
        assert message(answer) == "scan_id: This plan was kept more than a day after its scan began: scan again."


@pytest.mark.parametrize("kept", [None, b"", b"[]", b"{}", b"[" * 100_000])
def test_without_a_last_full_scan_on_record_nothing_is_approved(fake: FakeScans, api: Api, kept: bytes | None) -> None:
    if kept is None:
        del fake.bucket.objects["latest.json"]
    else:
        fake.bucket.objects["latest.json"] = kept

    answer = api.approve(ALICE)

    assert answer.status_code == 409
    assert message(answer).endswith(f"that of account {OWN} is not on record yet")
    assert started(fake) == {}


@pytest.mark.parametrize("day", range(7))
def test_keys_are_approved_on_the_weekdays_of_the_stage_alone(
    fake: FakeScans, monkeypatch: pytest.MonkeyPatch, day: int
) -> None:
    monkeypatch.setenv("DEACTIVATION_WEEKDAYS", "MON,WED")
    now = datetime(2026, 11, 23 + day, 23, 59, 59, tzinfo=UTC)
    body = json.dumps({"access_key_ids": [ALICE]})

    if WEEKDAYS[day] in ("MON", "WED"):
        assert deactivation.approve(SCAN, body, ANN, now)["approved_at"] == f"2026-11-{23 + day}T23:59:59Z"
    else:
        with pytest.raises(DeactivationConflictError, match=f"^today is {WEEKDAYS[day]} in UTC, .*on MON, WED "):
            deactivation.approve(SCAN, body, ANN, now)
        assert started(fake) == {}


def test_what_a_plan_said_would_be_deactivated_is_not_approved(fake: FakeScans, api: Api) -> None:
    keep_scan(fake, planned_report(LATER, DeactivationSettings("plan", weekdays=WEEKDAYS)))

    answer = api.approve(ALICE, scan_id=LATER)

    assert answer.status_code == 409
    assert message(answer).startswith("scan_id: this plan says what would be deactivated (Deactivation was plan)")
    assert started(fake) == {}


def test_where_nobody_has_to_approve_nobody_can(fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEACTIVATION_APPROVAL", "none")

    answer = api.approve(ALICE)

    assert answer.status_code == 409
    assert message(answer).startswith("nobody has to approve: each full scan applies its plan by itself")
    assert started(fake) == {}


def test_a_plan_that_was_applied_by_itself_is_shown_so_and_not_applied_again(fake: FakeScans, api: Api) -> None:
    request = deactivations.request_to_apply(SCAN, "2026-11-22T08:01:00Z")
    arn, name, given = request["StateMachineArn"], request["Name"], json.dumps(request["Input"])
    fake.states.start_execution(stateMachineArn=arn, name=name, input=given)

    told, answer = api.get(PLAN).json_body["approval"], api.approve(ALICE)

    assert (told["approved_by"], told["access_key_ids"]) == (BY_ITSELF, None)
    assert answer.status_code == 409
    assert f"approved by {BY_ITSELF} at 2026-11-22T08:01:00Z, for all keys that were due" in message(answer)


@pytest.mark.parametrize("caller", [None, ""])
def test_who_is_not_told_of_approves_and_undoes_nothing(fake: FakeScans, api: Api, caller: str | None) -> None:
    keep_action(fake, action())
    api.caller = caller

    for answer in (api.approve(ALICE), api.undo(ACTION)):
        assert (answer.status_code, answer.json_body["Code"]) == (403, "ForbiddenError")
    assert started(fake) == {}


KEYS_TAKE = "1 to 100 access key ids, each once, of 1 to 128 characters out of A-Z a-z 0-9 _"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", f"access_key_ids: null is not accepted; it takes {KEYS_TAKE}"),
        ("{}", f"access_key_ids: null is not accepted; it takes {KEYS_TAKE}"),
        ("null", "body: null is not accepted; it takes an object with any of access_key_ids, account_id"),
        (f'["{ALICE}"]', f'body: ["{ALICE}"] is not accepted; it takes an object'),
        ('"all"', 'body: "all" is not accepted; it takes an object'),
        ('{"access_key_ids"', 'body: "{\\"access_key_ids\\"" is not accepted; it takes well-formed JSON'),
        ("[" * 100_000, "body: "),
        ('{"access_key_ids": null}', "access_key_ids: null is not accepted"),
        ('{"access_key_ids": []}', f"access_key_ids (0 of them): [] is not accepted; it takes {KEYS_TAKE}"),
        ('{"access_key_ids": "all"}', 'access_key_ids: "all" is not accepted'),
        ('{"access_key_ids": [1]}', "access_key_ids[0]: 1 is not accepted"),
        ('{"access_key_ids": [["A"]]}', 'access_key_ids[0]: ["A"] is not accepted'),
        ('{"access_key_ids": ["A", ""]}', 'access_key_ids[1]: "" is not accepted'),
        ('{"access_key_ids": ["A", "A"]}', 'access_key_ids[1] (a duplicate): "A" is not accepted'),
        ('{"access_key_ids": ["*"]}', 'access_key_ids[0]: "*" is not accepted'),
        ('{"access_key_ids": ["../AKIA"]}', 'access_key_ids[0]: "../AKIA" is not accepted'),
        (json.dumps({"access_key_ids": ["A" * 129]}), "access_key_ids[0]: "),
        (json.dumps({"access_key_ids": [f"AKIA{number}" for number in range(101)]}), "access_key_ids (101 of them): "),
        (
            '{"access_key_ids": ["A"], "access_key_ids": ["B"]}',
            'field given twice: {"access_key_ids": [["A"], ["B"]]} is not accepted; it takes each field once',
        ),
        (
            '{"access_key_ids": ["A"], "dry_run": true}',
            'unknown field: {"dry_run": true} is not accepted; it takes only access_key_ids, account_id',
        ),
        (
            '{"access_key_ids": ["A"], "account_id": null}',
            "account_id: null is not accepted; it takes an account",
        ),
        ('{"access_key_ids": ["A"], "account_id": 123456789012}', "account_id: 123456789012 is not accepted"),
        ('{"access_key_ids": ["A"], "account_id": "../x"}', 'account_id: "../x" is not accepted'),
    ],
)
def test_a_body_that_is_refused_approves_nothing(fake: FakeScans, api: Api, body: str, says: str) -> None:
    answer = api.post(APPROVE, body)

    assert (answer.status_code, answer.json_body["Code"]) == (400, "BadRequestError")
    assert message(answer).startswith(says)
    assert started(fake) == {}


def test_a_hundred_keys_are_not_too_many(api: Api) -> None:
    answer = api.approve(*(f"AKIA{number}" for number in range(100)))

    assert answer.status_code == 409
    assert message(answer).count("is not in this plan") == 100


def test_a_body_of_another_kind_than_json_is_refused(fake: FakeScans, api: Api) -> None:
    text = json.dumps({"access_key_ids": [ALICE]}).encode()

    answers = [api.client.http.post(APPROVE, headers=sent, body=text) for sent in ({}, {"Content-Type": "text/plain"})]

    assert [answer.status_code for answer in answers] == [400, 415]
    assert started(fake) == {}

"""Plans and their approval in the API, on an AWS in memory; tests/scan has them over HTTP."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.api import deactivation
from chalicelib.api.routing import DeactivationConflictError
from chalicelib.aws import deactivations
from chalicelib.deactivation_documents import BY_ITSELF
from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from tests.support.fake_scans import MACHINE, OWN, FakeScans
from tests.support.planned_scans import (
    ALICE,
    ANN,
    BEN,
    BOB,
    DEACTIVATION_MACHINE,
    OUTCOMES,
    SCAN,
    VAULT,
    Api,
    action,
    keep_action,
    keep_scan,
    planned_report,
    stage_that_deactivates,
    started,
    told_by_gateway,
)
from tests.support.reports import AS_OF, report_of

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")
LATER = "scheduled-2026-11-23T080000Z-0123456789ab"
ACTION = f"{OWN}-{ALICE}-1"
PLAN, APPROVE = f"/scan/{SCAN}/plan", f"/scan/{SCAN}/plan/approve"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScans]:
    for fake in stage_that_deactivates(monkeypatch):
        keep_scan(fake, planned_report())
        yield fake


@pytest.fixture
def api(fake: FakeScans, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:  # noqa: ARG001  # it has to be there
    yield from told_by_gateway(monkeypatch)


def message(answer: Any) -> str:
    return str(answer.json_body["Message"])


# The plan.


def test_a_plan_has_its_keys_with_what_holds_them_and_nobodys_approval(api: Api) -> None:
    answer = api.get(PLAN)

    told = answer.json_body
    assert answer.status_code == 200
    assert (told["scan_id"], told["account_id"], told["as_of"]) == (SCAN, OWN, "2026-11-22T08:00:00Z")
    assert (told["plan"]["due"], told["plan"]["held"], told["approval"], told["next"]) == (2, 1, None, None)
    keys = {key["access_key_id"]: key["plan"] for key in told["keys"]}
    assert {key_id: plan["status"] for key_id, plan in keys.items()} == {ALICE: "due", BOB: "due", VAULT: "held"}
    assert [hold["by"] for hold in keys[VAULT]["holds"]] == ["protected"]
    assert "findings_left_out" not in told


@pytest.mark.parametrize(("status", "keys"), [("due", {ALICE, BOB}), ("held", {VAULT})])
def test_the_keys_of_a_plan_can_be_of_one_status(api: Api, status: str, keys: set[str]) -> None:
    assert {key["access_key_id"] for key in api.get(f"{PLAN}?status={status}").json_body["keys"]} == keys


def test_the_keys_of_a_plan_go_on_to_the_end_and_a_place_among_them_is_of_its_filters(api: Api) -> None:
    first = api.get(f"{PLAN}?limit=2").json_body
    rest = api.get(f"{PLAN}?limit=2&next={first['next']}").json_body
    other = api.get(f"{PLAN}?status=due&next={first['next']}")

    found = [key["access_key_id"] for key in first["keys"] + rest["keys"]]
    assert (sorted(found), rest["next"]) == (sorted([ALICE, BOB, VAULT]), None)
    assert (other.status_code, message(other).startswith("next: ")) == (400, True)


def test_a_stage_that_only_plans_shows_its_plan_and_asks_no_state_machine_for_an_approval(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEACTIVATION", "plan")
    monkeypatch.delenv("DEACTIVATION_STATE_MACHINE_ARN")
    keep_scan(fake, planned_report("of-plan", DeactivationSettings("plan")))

    told = api.get("/scan/of-plan/plan").json_body

    assert (told["plan"]["mode"], told["approval"]) == ("plan", None)
    assert {key["plan"]["status"] for key in told["keys"]} == {"held"}


@pytest.mark.parametrize(
    ("scan_id", "says"),
    [
        ("of-some", "scan_id: this scan has no plan"),
        ("running", "scan_id: this scan is RUNNING and has no report yet"),
        ("none", "scan_id: there is no scan of this id"),
        ("..", "scan_id: there is no scan of this id"),
        ("a" * 81, "scan_id: there is no scan of this id"),
    ],
)
def test_a_scan_without_a_plan_is_not_found(fake: FakeScans, api: Api, scan_id: str, says: str) -> None:
    keep_scan(fake, report_of(*OUTCOMES, scan_id="of-some", users=("alice", "bob", "vault", "erin")), is_last=False)
    fake.states.start_execution(stateMachineArn=MACHINE, name="running", input="{}")

    for answer in (api.get(f"/scan/{scan_id}/plan"), api.approve(ALICE, scan_id=scan_id)):
        assert answer.status_code == 404
        assert message(answer).startswith(says)
    assert started(fake) == {}


# An approval.


def test_an_approval_starts_one_execution_that_has_who_when_and_which_keys(fake: FakeScans, api: Api) -> None:
    answer = api.approve(BOB, ALICE)

    [(name, given)] = started(fake).items()
    assert name == f"deactivate-{SCAN}"
    assert given == {"by": ANN, "at": given["at"], "scan_id": SCAN, "access_key_ids": [BOB, ALICE]}
    assert answer.status_code == 202
    assert answer.json_body == {
        "scan_id": SCAN,
        "execution_arn": f"{DEACTIVATION_MACHINE.replace(':stateMachine:', ':execution:')}:{name}",
        "status": "RUNNING",
        "approved_by": ANN,
        "approved_at": given["at"],
        "access_key_ids": [BOB, ALICE],
    }


def test_the_own_account_may_be_named_and_its_report_is_still_the_scans(fake: FakeScans, api: Api) -> None:
    assert api.approve(ALICE, account_id=OWN).status_code == 202
    assert "account_id" not in started(fake)[f"deactivate-{SCAN}"]
    assert api.approve(ALICE, account_id="111122223333").status_code == 404


def test_the_same_keys_again_have_the_same_answer_whoever_asks_and_also_at_its_end(fake: FakeScans, api: Api) -> None:
    first = api.approve(ALICE, BOB)
    api.caller = BEN
    again = api.approve(BOB, ALICE)
    fake.states.end(f"deactivate-{SCAN}")
    keep_scan(fake, planned_report(LATER))
    after_its_end = api.approve(ALICE, BOB)

    assert (again.status_code, again.json_body) == (202, first.json_body)
    assert (after_its_end.status_code, after_its_end.json_body) == (202, {**first.json_body, "status": "SUCCEEDED"})
    assert list(started(fake)) == [f"deactivate-{SCAN}"]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_approval_again_after_its_execution_failed_says_why_and_what_to_do(
    fake: FakeScans, api: Api, status: str
) -> None:
    approved = api.approve(ALICE).json_body
    fake.states.end(f"deactivate-{SCAN}", status)
    fake.states.executions[approved["execution_arn"]] |= {"error": "Sns.SnsException", "cause": "refused"}

    answer = api.approve(ALICE)

    assert (answer.status_code, answer.json_body["Code"]) == (409, "ConflictError")
    assert message(answer) == (
        f"scan_id: this plan was approved by {ANN} at {approved['approved_at']}, and its execution ended {status} "
        "(Sns.SnsException: refused): redrive it, or approve the next full scan's plan"
    )
    assert len(started(fake)) == 1


def test_an_approval_again_while_its_execution_waits_for_a_redrive_is_that_one(fake: FakeScans, api: Api) -> None:
    first = api.approve(ALICE).json_body
    fake.states.end(f"deactivate-{SCAN}", "PENDING_REDRIVE")

    answer = api.approve(ALICE)

    assert (answer.status_code, answer.json_body) == (202, {**first, "status": "PENDING_REDRIVE"})


@pytest.mark.parametrize("keys", [(ALICE,), (BOB,), (ALICE, VAULT)])
def test_other_keys_after_an_approval_are_refused_with_who_approved_which_and_when(
    fake: FakeScans, api: Api, keys: tuple[str, ...]
) -> None:
    at = api.approve(ALICE, BOB).json_body["approved_at"]
    api.caller = BEN

    answer = api.approve(*keys)

    assert (answer.status_code, answer.json_body["Code"]) == (409, "ConflictError")
    assert message(answer) == (
        f"access_key_ids: this plan was approved by {ANN} at {at}, for {ALICE}, {BOB}; a plan is approved once"
    )
    assert len(started(fake)) == 1


def test_who_approves_an_older_plan_again_whose_execution_failed_is_told_which_plan_counts(
    fake: FakeScans, api: Api
) -> None:
    api.approve(ALICE)
    fake.states.end(f"deactivate-{SCAN}", "FAILED")
    keep_scan(fake, planned_report(LATER))

    answer = api.approve(ALICE)

    assert message(answer).endswith(f"; only the plan of the last full scan counts; that of account {OWN} is {LATER}")


@pytest.mark.parametrize("key_id", [BOB, "AKIAOFALATERPLAN"])
def test_who_approves_other_keys_of_an_older_plan_is_told_which_plan_counts(
    fake: FakeScans, api: Api, key_id: str
) -> None:
    api.approve(ALICE)
    keep_scan(fake, planned_report(LATER))

    answer = api.approve(key_id)

    counts = f"only the plan of the last full scan counts; that of account {OWN} is {LATER}"
    assert answer.status_code == 409
    assert message(answer).endswith(f", for {ALICE}; a plan is approved once; {counts}")


@pytest.mark.parametrize(("keys", "status"), [((BOB, ALICE), 202), ((BOB,), 409)])
def test_of_two_approvals_of_one_moment_one_counts_and_each_is_told_so(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], status: int
) -> None:
    start, others = fake.states.start_execution, []

    def start_after_another(**given: Any) -> Any:  # both saw that nobody has approved
        monkeypatch.setattr(fake.states, "start_execution", start)
        api.caller = BEN
        others.append(api.approve(ALICE, BOB))
        return start(**given)

    monkeypatch.setattr(fake.states, "start_execution", start_after_another)

    answer = api.approve(*keys)

    [other] = others
    assert (other.status_code, other.json_body["approved_by"]) == (202, BEN)
    assert answer.status_code == status
    if status == 202:
        assert answer.json_body == other.json_body
    assert [given["by"] for given in started(fake).values()] == [BEN]


def test_who_approved_and_what_became_of_it_is_with_the_plan(fake: FakeScans, api: Api) -> None:
    approved = api.approve(ALICE).json_body
    running = api.get(PLAN).json_body["approval"]
    result = {"access_key_id": ALICE, "result": "done", "why": "It was deactivated."}
    fake.states.end(f"deactivate-{SCAN}")
    fake.states.executions[approved["execution_arn"]]["output"] = json.dumps({"results": [result]})
    ended = api.get(PLAN).json_body["approval"]

    assert running == {
        "execution_arn": approved["execution_arn"],
        "approved_by": ANN,
        "approved_at": approved["approved_at"],
        "access_key_ids": [ALICE],
        "account_id": None,
        "status": "RUNNING",
        "stopped_at": None,
        "error": None,
        "results": None,
    }
    assert ended == {**running, "status": "SUCCEEDED", "stopped_at": ended["stopped_at"], "results": [result]}


def test_an_approval_that_failed_says_why(fake: FakeScans, api: Api) -> None:
    approved = api.approve(ALICE).json_body
    fake.states.end(f"deactivate-{SCAN}", "FAILED")
    fake.states.executions[approved["execution_arn"]] |= {"error": "Sns.SnsException", "cause": "refused"}

    told = api.get(PLAN).json_body["approval"]

    assert (told["status"], told["error"], told["results"]) == ("FAILED", "Sns.SnsException: refused", None)


@pytest.mark.parametrize("given", ["[]", "{}", '{"by": 5, "access_key_ids": null}'])
def test_an_execution_that_somebody_started_by_hand_keeps_the_plan_from_nobody(
    fake: FakeScans, api: Api, given: str
) -> None:
    fake.states.start_execution(stateMachineArn=DEACTIVATION_MACHINE, name=f"deactivate-{SCAN}", input=given)

    assert api.get(PLAN).status_code == 200
    assert api.approve(ALICE).status_code == 409


@pytest.mark.parametrize("planned", [True, False])
def test_a_scan_says_where_its_plan_is_if_it_has_one(fake: FakeScans, api: Api, planned: bool) -> None:
    report = planned_report(LATER)
    if not planned:
        del report["plan"]
    keep_scan(fake, report)

    links = api.get(f"/scan/{LATER}").json_body["links"]

    assert links.get("plan") == (f"/scan/{LATER}/plan" if planned else None)
    assert not planned or api.get(links["plan"]).json_body["plan"]["due"] == 2


# What is not approved.


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


# Names of executions.


def test_a_plan_that_is_applied_by_itself_is_named_after_its_scan(fake: FakeScans) -> None:  # noqa: ARG001  # it has the settings
    assert deactivations.request_to_apply(SCAN, "2026-11-22T08:01:00Z") == {
        "StateMachineArn": DEACTIVATION_MACHINE,
        "Name": f"deactivate-{SCAN}",
        "Input": {"by": BY_ITSELF, "at": "2026-11-22T08:01:00Z", "scan_id": SCAN},
    }


@pytest.mark.parametrize("length", [69, 70, 80])
def test_a_name_is_as_long_as_step_functions_takes_and_no_two_subjects_have_the_same(length: int) -> None:
    subjects = [letter * length for letter in "ab"]

    names = {deactivations.plan_name(one) for one in subjects} | {deactivations.undo_name(one, 1) for one in subjects}
    names |= {deactivations.undo_name(one, 2) for one in subjects}

    assert len(names) == 6
    assert all(len(name) <= 80 for name in names)
    assert (deactivations.plan_name(subjects[0]) == f"deactivate-{subjects[0]}") == (length <= 69)

"""The approval of a plan in the API, on an AWS in memory; tests/scan has it over HTTP."""

import json
from typing import Any

import pytest

from chalicelib.aws import deactivations
from chalicelib.deactivation_documents import BY_ITSELF
from tests.support.fake_scans import OWN, FakeScans
from tests.support.planned_scans import (
    ALICE,
    ANN,
    BEN,
    BOB,
    DEACTIVATION_MACHINE,
    LATER,
    PLAN,
    SCAN,
    VAULT,
    Api,
    keep_scan,
    message,
    planned_report,
    started,
)

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")


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

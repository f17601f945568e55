"""What becomes of keys, and what is on record, when calls of IAM, S3, SNS or the function go wrong.

tests/scan/test_deactivation.py runs the same definition on the local AWS.
"""

from typing import Any

import pytest

from tests.support.deactivation_world import BOTH, A, B, User, World, changed, idle, results, states, why
from tests.support.events import BUS, delivered, problems
from tests.support.state_machine import Execution

FOR_GOOD = 9  # times, which is more than anything is tried


def test_approved_keys_are_deactivated_one_after_the_other_and_each_is_on_record_before(
    world: World, approved: Execution
) -> None:
    approved.finish()

    assert results(approved) == ["done", "done"]
    assert changed(world) == BOTH
    assert all(change.intended for change in world.changes)
    assert states(world) == ["done", "done"]
    assert [message["Subject"].split()[:2] for message in world.messages] == [["Deactivated", A], ["Deactivated", B]]


def test_a_record_says_who_when_why_and_the_state_before(world: World, done: str) -> None:
    [action] = world.actions(A)

    assert action["action_id"] == done == f"{action['account_id']}-{A}-1"
    assert (action["approved_by"], action["scan_id"]) == ("arn:aws:iam::123456789012:user/approver", "scan-1")
    assert action["why"] == "Not used for 120 days, last on 2026-07-26 for s3 in us-east-1: deactivate it."
    assert action["state_before"] == {
        "status": "Active",
        "created_at": "2026-01-27T08:00:00Z",
        "last_used": {"at": "2026-07-26T08:00:00Z", "service": "s3", "region": "us-east-1"},
    }


# Other systems, which an event says it.


def test_each_key_that_was_deactivated_is_an_event(world: World, approved: Execution) -> None:
    approved.finish()

    first, second = world.events
    assert problems(delivered(first)) == problems(delivered(second)) == []  # type: ignore[arg-type]  # an entry
    assert (first["DetailType"], first["EventBusName"]) == ("IAM Access Key Deactivated", BUS)
    assert [one["Detail"]["event_key"] for one in (first, second)] == [one["action_id"] for one in world.actions()]
    assert first["Detail"]["undo"] == f"POST /actions/{world.actions(A)[0]['action_id']}/undo"
    assert [what for what, _, _ in world.log] == ["change", "event", "change", "event"]


@pytest.mark.parametrize("faults", [["refused"], ["throttled", "time_out"], ["unheard_of"], ["lose"]])
def test_an_event_that_was_not_taken_is_sent_again(world: World, approved: Execution, faults: list[str]) -> None:
    world.faults = {"putEvents": [*faults]}

    approved.finish()

    assert results(approved) == ["done", "done"]
    assert {one["Detail"]["access_key_id"] for one in world.events} == {A, B}


def test_no_other_key_is_changed_until_other_systems_know_of_the_one_before(world: World, approved: Execution) -> None:
    world.faults = {"putEvents": ["refused"] * FOR_GOOD}

    approved.finish()

    assert (approved.status, approved.error) == ("FAILED", "EventBridge.FailedEntry: no")
    assert (changed(world), world.events) == (BOTH[:1], [])
    world.faults = {}
    assert results(approved.redrive().finish()) == ["done", "done"]
    assert (changed(world), [one["Detail"]["access_key_id"] for one in world.events]) == (BOTH, [A, B])


def test_a_key_that_was_not_deactivated_or_is_active_again_is_no_event(world: World, done: str) -> None:
    before = len(world.events)
    world.undo(done).finish()
    world.users["carol"] = User({"AKIACAROL": idle()})
    world.faults = {"updateAccessKey": ["refused"]}
    assert "AKIACAROL" in world.plan()

    world.approved("AKIACAROL").finish()

    assert states(world, "AKIACAROL") == ["failed"]
    assert len(world.events) == before


def test_without_an_event_bus_there_is_no_event(
    world: World, approved: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVENT_BUS")

    approved.finish()

    assert (results(approved), world.events) == (["done", "done"], [])
    assert "SendEvent" not in approved.seen


def test_a_refused_setting_of_the_event_bus_ends_an_execution_before_any_key(
    world: World, approved: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENT_BUS", "here")

    approved.finish()

    assert approved.error.startswith('InvalidSettingError: EVENT_BUS: "here" is not accepted')
    assert changed(world) == []


# The call that changes a key goes wrong.


@pytest.mark.parametrize(
    ("faults", "result", "is_changed", "says"),
    [
        ({"updateAccessKey": ["refused"]}, "failed", False, "is not authorized to perform"),
        ({"updateAccessKey": ["throttled"]}, "failed", False, "Rate exceeded"),
        ({"updateAccessKey": ["time_out"]}, "unknown", False, "States.Timeout:  (the key is Active now)"),
        ({"updateAccessKey": ["lose"]}, "done", True, "States.Timeout:  (the key is Inactive now)"),
        (
            {"updateAccessKey": ["lose"], "listAccessKeys": ["", *["refused"] * FOR_GOOD]},
            "unknown",
            True,
            "States.Timeout:  (IAM did not say what the key is now)",
        ),
        (
            {"updateAccessKey": ["refused"], "listAccessKeys": ["", *["throttled"] * FOR_GOOD]},
            "failed",
            False,
            "is not authorized to perform",
        ),
    ],
    ids=["refused", "throttled", "not answered", "done and not answered", "not seen after", "refused and not seen"],
)
def test_what_became_of_a_key_is_on_record_or_is_unknown(
    world: World, faults: Any, result: str, is_changed: bool, says: str
) -> None:
    world.plan()
    world.faults = faults

    execution = world.approved(A).finish()

    assert results(execution) == [result]
    assert says in why(execution)
    assert states(world) == [result]
    assert bool(world.changes) is is_changed
    assert len(world.messages) == 1


def test_a_key_that_iam_refused_to_deactivate_is_planned_and_tried_again(world: World) -> None:
    world.plan()
    world.faults = {"updateAccessKey": ["refused"]}
    world.approved(A).finish()

    again = world.plan()
    execution = world.approved(A).finish()

    assert A in again
    assert results(execution) == ["done"]
    assert [one["action_id"][-2:] for one in world.actions(A)] == ["-1", "-2"]
    assert states(world, A) == ["failed", "done"]


@pytest.mark.parametrize("fault", ["time_out", "lose"])
def test_a_key_of_which_it_is_unknown_what_became_is_held_for_good(world: World, fault: str) -> None:
    world.plan()
    world.faults = {"updateAccessKey": [fault], "listAccessKeys": ["", *["refused"] * FOR_GOOD]}
    world.approved(A).finish()
    world.users["alice"].keys[A].status = "Active"

    assert world.plan() == [B]
    [planned] = [one["plan"] for one in world.report["findings"] if one["access_key_id"] == A]
    assert [hold["by"] for hold in planned["holds"]] == ["acted_before"]


def test_a_refusal_is_no_failure_where_the_key_is_inactive_nevertheless(world: World) -> None:
    world.plan()
    world.faults = {"updateAccessKey": ["refused"]}
    execution = world.approved(A)

    for state in execution.steps():
        if state == "WaitForIam":
            world.users["alice"].keys[A].status = "Inactive"

    assert results(execution) == ["unknown"]
    assert why(execution).endswith("(the key is Inactive now)")


def test_a_check_of_more_than_two_minutes_ago_changes_nothing(world: World) -> None:
    world.plan()
    execution = world.approved(A)

    for state in execution.steps():
        if state == "Deactivate":
            world.clock.wait(121)

    assert results(execution) == ["failed"]
    assert "the check of this key is more than two minutes old" in why(execution)
    assert changed(world) == []
    assert world.plan() == [A, B]


# What the machine asks IAM goes wrong: nothing is changed.


@pytest.mark.parametrize("call", ["listAccessKeys", "getAccessKeyLastUsed", "getUser"])
@pytest.mark.parametrize("fault", ["refused", "throttled", "time_out"])
def test_a_key_is_held_if_iam_does_not_answer(world: World, call: str, fault: str) -> None:
    world.plan()
    world.faults = {call: [fault] * FOR_GOOD}

    execution = world.approved(A).finish()

    assert results(execution) == ["held"]
    assert f"{call[0].upper()}{call[1:]}: " in why(execution)
    assert changed(world) == []
    assert world.actions() == []
    assert world.messages[0]["Subject"].startswith("NOT deactivated: ")


@pytest.mark.parametrize("call", ["listAccessKeys", "getAccessKeyLastUsed", "getUser"])
def test_iam_is_asked_again_where_it_throttles(world: World, approved: Execution, call: str) -> None:
    world.faults = {call: ["throttled", "time_out"]}

    assert results(approved.finish()) == ["done", "done"]


def test_answers_that_took_more_than_two_minutes_are_too_old(world: World) -> None:
    world.plan()
    execution = world.approved(A)

    for state in execution.steps():
        if state == "GetUser":
            world.clock.wait(121)

    assert results(execution) == ["held"]
    assert why(execution) == "IAM was asked about it more than two minutes before it was to be checked."


# S3, SNS and the function go wrong.


def test_no_key_is_changed_where_s3_does_not_take_the_intent(world: World, approved: Execution) -> None:
    world.faults = {"putIntent": ["refused"] * FOR_GOOD}

    approved.finish()

    assert (approved.status, approved.error.split(":")[0]) == ("FAILED", "EvidenceUnavailableError")
    assert (changed(world), world.actions(), world.messages) == ([], [], [])
    world.faults = {}
    assert results(approved.redrive().finish()) == ["done", "done"]


@pytest.mark.parametrize("call", ["putIntent", "putOutcome", "check", "record"])
def test_what_happened_and_had_no_answer_happens_once(world: World, approved: Execution, call: str) -> None:
    world.faults = {call: ["lose", "lose"]}

    approved.finish()

    assert results(approved) == ["done", "done"]
    assert changed(world) == BOTH
    assert len(world.actions()) == len(world.messages) == 2


def test_a_key_whose_outcome_s3_does_not_take_is_on_record_as_intended_until_a_redrive(
    world: World, approved: Execution
) -> None:
    world.faults = {"putOutcome": ["refused"] * FOR_GOOD}

    approved.finish()

    assert (approved.status, approved.error.split(":")[0]) == ("FAILED", "EvidenceUnavailableError")
    assert (changed(world), states(world)) == (BOTH[:1], ["intended"])
    world.faults = {}
    world.clock.wait(3600)
    assert results(approved.redrive().finish()) == ["done", "done"]
    assert changed(world) == BOTH
    assert states(world) == ["done", "done"]


def test_no_other_key_is_changed_until_people_were_told_of_the_one_before(world: World, approved: Execution) -> None:
    world.faults = {"publish": ["throttled"] * FOR_GOOD}

    approved.finish()

    assert (approved.status, approved.error.split(":")[0]) == ("FAILED", "Sns.SnsException")
    assert (changed(world), states(world), world.messages) == (BOTH[:1], ["done"], [])
    world.faults = {}
    assert results(approved.redrive().finish()) == ["done", "done"]
    assert len(world.messages) == 2


@pytest.mark.parametrize(
    ("after", "result", "is_changed"), [(0, ["done", "done"], BOTH), (600, ["failed", "done"], BOTH[1:])]
)
def test_a_function_that_crashed_after_the_intent(
    world: World, approved: Execution, after: int, result: list[str], is_changed: list[Any]
) -> None:
    world.faults = {"check": ["crash"]}
    approved.finish()
    assert (approved.status, changed(world), states(world)) == ("FAILED", [], ["intended"])

    world.clock.wait(after)
    approved.redrive().finish()

    assert results(approved) == result
    assert changed(world) == is_changed
    assert states(world) == (["done", "done"] if after == 0 else ["failed", "done"])
    assert len(world.messages) == 2


def test_an_undo_that_crashed_after_its_intent_and_may_not_go_on_is_on_record_as_failed(
    world: World, done: str
) -> None:
    world.faults = {"check": ["crash"]}
    undo = world.undo(done).finish()
    assert (undo.status, states(world, A)) == ("FAILED", ["intended"])

    world.clock.wait(600)
    undo.redrive().finish()

    assert results(undo) == ["failed"]
    assert world.actions(A)[0]["undo"]["cause"] == why(undo)
    assert why(undo) == "IAM was asked about it more than two minutes before it was to be checked."


def test_an_invocation_whose_answer_nobody_sees_does_not_begin_anew_what_failed(world: World) -> None:
    world.plan()
    world.faults = {"check": ["late_duplicate"], "updateAccessKey": ["refused"]}
    execution = world.approved(A)

    assert results(execution.finish()) == ["failed"]
    assert states(world) == ["failed"]


@pytest.mark.parametrize("change", ["a scan", "two minutes"])
def test_an_invocation_whose_answer_nobody_sees_does_not_say_what_became_of_a_key(world: World, change: str) -> None:
    world.plan()
    world.faults = {"check": ["duplicate"]}
    execution = world.approved(A)

    for state in execution.steps():
        if state == "RecordOutcome" and change == "a scan":
            world.plan()
        elif state == "RecordOutcome":
            world.clock.wait(121)

    assert results(execution) == ["done"]
    assert changed(world) == BOTH[:1]
    assert states(world) == ["done"]


def test_an_execution_that_failed_at_its_end_tells_what_became_of_the_keys_after_a_redrive(
    world: World, approved: Execution
) -> None:
    world.faults = {"conclude": ["crash"]}

    assert approved.finish().status == "FAILED"
    assert results(approved.redrive().finish()) == ["done", "done"]
    assert changed(world) == BOTH

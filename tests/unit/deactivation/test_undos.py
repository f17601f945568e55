"""Keys that are activated again, and those that are not."""

import pytest

from tests.support.deactivation_world import BOTH, UNDOER, A, World, changed, results, states, why


def test_an_undone_key_is_active_on_record_told_of_and_held_for_good(world: World, done: str) -> None:
    execution = world.undo(done).finish()

    [action] = world.actions(A)
    assert results(execution) == ["done"]
    assert changed(world)[-1] == (A, "Active")
    assert (action["state"], action["undo"]["state"]) == ("done", "done")
    assert action["undo"]["by"] == "arn:aws:iam::123456789012:user/undoer"
    assert world.messages[-1]["Subject"].startswith("Active again: ")
    assert world.plan() == []


@pytest.mark.parametrize(
    ("fault", "result"), [("refused", "failed"), ("throttled", "failed"), ("time_out", "unknown"), ("lose", "done")]
)
def test_an_undo_that_went_wrong_can_be_asked_for_again(world: World, done: str, fault: str, result: str) -> None:
    world.faults = {"updateAccessKey": [fault]}

    first = world.undo(done).finish()
    again = world.undo(done).finish()

    assert results(first) == [result]
    assert world.users["alice"].keys[A].status == "Active"
    if result == "done":
        assert (again.status, again.error.split(":")[0]) == ("FAILED", "CannotBeUndoneError")
    else:
        assert results(again) == ["done"]
        assert states(world, A) == ["done"]


@pytest.mark.parametrize(
    ("deleted", "why_not", "subject"),
    [
        (False, "It is Active already.", "Nothing to undo: "),
        (True, "IAM lists no such key of this user now: it was deleted, or its user was renamed.", "NOT activated "),
    ],
)
def test_an_undo_that_cannot_be_is_on_record_with_why(
    world: World, done: str, deleted: bool, why_not: str, subject: str
) -> None:
    world.users["alice"].keys[A].status = "Active"
    if deleted:
        del world.users["alice"].keys[A]

    execution = world.undo(done).finish()

    [action] = world.actions(A)
    assert (results(execution), why(execution)) == (["failed"], why_not)
    assert (action["state"], action["undo"]["state"], action["undo"]["cause"]) == ("done", "failed", why_not)
    assert (action["undo"]["by"], action["undo"]["execution_arn"]) == (UNDOER, execution.arn)
    assert action["undo"]["ended_at"]
    assert changed(world) == BOTH
    assert [message["Subject"].startswith(subject) for message in world.messages[2:]] == [True]


def test_an_undo_that_could_not_be_can_be_asked_for_again(world: World, done: str) -> None:
    world.users["alice"].tags = {"iam-key-age:never-deactivate": ""}
    world.undo(done).finish()
    world.users["alice"].tags = {}

    again = world.undo(done).finish()

    assert results(again) == ["done"]
    assert states(world, A) == ["done"]
    assert changed(world)[2:] == [(A, "Active")]


def test_an_undo_whose_check_answered_nothing_at_first_fails_once(world: World, done: str) -> None:
    world.users["alice"].keys[A].status = "Active"
    world.faults = {"check": ["lose", "lose"], "record": ["lose"]}

    execution = world.undo(done).finish()

    assert results(execution) == ["failed"]
    assert sorted(key.rpartition("/")[2] for key in world.bucket.objects if A in key) == [
        "00-intent.json",
        "00-outcome.json",
        "01-intent.json",
        "01-outcome.json",
    ]


@pytest.mark.parametrize("ended", [False, True])
def test_an_undo_that_comes_too_late_hides_none_that_is_done_or_may_be_yet(
    world: World, done: str, ended: bool
) -> None:
    first, late = world.undo(done), world.undo(done)
    next(state for state in late.steps() if state == "ListAccessKeys")
    next(state for state in first.steps() if state == "RecordOutcome")
    if ended:
        first.finish()

    assert results(late.finish()) == ["held"]
    first.finish()
    [action] = world.actions(A)
    assert (action["undo"]["state"], action["undo"]["execution_arn"]) == ("done", first.arn)


def test_the_other_of_two_undos_at_the_same_moment_alarms_nobody(world: World, done: str) -> None:
    first, other = world.undo(done), world.undo(done)
    next(state for state in first.steps() if state == "RecordOutcome")

    assert results(other.finish()) == ["held"]
    assert world.messages[-1]["Subject"].startswith("Nothing to undo: ")


def test_an_undo_that_was_stopped_after_its_intent_does_not_stand_in_the_way_of_another(
    world: World, done: str
) -> None:
    first = world.undo(done)
    next(state for state in first.steps() if state == "ActivateAgain")

    assert results(world.undo(done).finish()) == ["done"]
    world.clock.wait(600)
    first.redrive().finish()

    assert states(world, A) == ["done"]
    assert changed(world)[2:] == [(A, "Active")]


@pytest.mark.parametrize(
    ("of_stage", "says"),
    [
        ({}, "Its user has the tag iam-key-age:never-deactivate: remove it first"),
        ({"DEACTIVATION_USER_PATH": "/people/"}, "Its user's path, /, does not begin with /people/: change that first"),
        (
            {"DEACTIVATION_SCOPE": "tagged"},
            "Its user does not have the tag iam-key-age:may-deactivate with the value true: change that first",
        ),
    ],
)
def test_an_undo_that_iam_would_refuse_by_the_user_says_what_to_change_first(
    world: World, done: str, monkeypatch: pytest.MonkeyPatch, of_stage: dict[str, str], says: str
) -> None:
    world.users["alice"].tags = {} if of_stage else {"iam-key-age:never-deactivate": ""}
    for name, value in of_stage.items():
        monkeypatch.setenv(name, value)

    execution = world.undo(done).finish()

    assert results(execution) == ["failed"]
    assert why(execution) == world.actions(A)[0]["undo"]["cause"] == f"{says}, or activate the key by hand."
    assert changed(world) == BOTH


@pytest.mark.parametrize("exempt", [False, True])
def test_neither_an_exemption_nor_what_is_unknown_of_the_user_holds_an_undo(
    world: World, done: str, monkeypatch: pytest.MonkeyPatch, exempt: bool
) -> None:
    monkeypatch.setenv("DEACTIVATION_USER_PATH", "/" if exempt else "/people/")
    if exempt:
        world.users["alice"].tags = {"iam-key-age:exempt-until": "2026-12-24", "iam-key-age:exempt-reason": "x"}
    else:
        world.faults = {"getUser": ["refused"] * 9}

    assert results(world.undo(done).finish()) == ["done"]


@pytest.mark.parametrize("fault", ["refused", "time_out"])
def test_what_is_not_on_record_as_deactivated_cannot_be_undone(world: World, fault: str) -> None:
    world.plan()
    world.faults = {"updateAccessKey": [fault]}
    world.approved(A).finish()

    undo = world.undo(world.actions(A)[0]["action_id"]).finish()

    assert (undo.status, undo.error.split(":")[0]) == ("FAILED", "CannotBeUndoneError")
    assert changed(world) == []

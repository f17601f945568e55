"""Executions that are stopped at any state and go on, and several at once."""

import collections
import itertools

import pytest

from tests.support.deactivation_world import BOTH, DEFINITION, A, StoppedError, World, changed, results, states
from tests.support.state_machine import Execution

OLD_BY_THEN = ("AskMore?", "GetAccessKeyLastUsed", "GetUser", "CheckKey", "Change?", "Deactivate")
PASSED = [
    name for name in DEFINITION.states if name not in ("ActivateAgain", "WaitForIam", "LookAgain", "NotifyOfRest")
]


@pytest.mark.parametrize("after", [0, 60, 600, 7 * 86_400])
@pytest.mark.parametrize("name", PASSED)
def test_an_execution_that_was_stopped_at_a_state_goes_on(
    world: World, approved: Execution, name: str, after: int
) -> None:
    next(state for state in approved.steps() if state == name)
    before = changed(world)
    world.clock.wait(after)

    approved.redrive().finish()

    too_old = after > 120 and name in OLD_BY_THEN
    assert results(approved) == (
        [("unknown" if name in ("Change?", "Deactivate") else "held")] if too_old else ["done"]
    ) + ["done"]
    assert changed(world) == (BOTH[1:] if too_old else BOTH)
    assert changed(world)[: len(before)] == before
    assert set(states(world)) <= {"done", "unknown"}


@pytest.mark.parametrize("after", [0, 60, 600, 7 * 86_400])
@pytest.mark.parametrize("fault", ["stop", "stop_after"])
def test_an_execution_that_was_stopped_in_the_call_that_changes_a_key(
    world: World, approved: Execution, fault: str, after: int
) -> None:
    world.faults = {"updateAccessKey": [fault]}
    stop(approved)
    assert states(world) == ["intended"]
    world.clock.wait(after)

    approved.redrive().finish()

    is_changed = fault == "stop_after" or after < 120
    assert results(approved)[0] == ("done" if is_changed else "unknown")
    assert ((A, "Inactive") in changed(world)) is is_changed
    assert states(world, A) == ["done" if is_changed else "unknown"]


def test_a_refusal_after_a_redrive_does_not_say_that_nothing_changed(world: World, approved: Execution) -> None:
    world.faults = {"updateAccessKey": ["stop_after", "refused"]}
    stop(approved)
    world.users["alice"].keys[A].status = "Active"  # by somebody

    approved.redrive().finish()

    assert results(approved)[0] == "unknown"


def stop(execution: Execution) -> None:
    with pytest.raises(StoppedError):
        execution.finish()


# Several executions at once.


def run_at_once(first: Execution, second: Execution, ahead: int) -> None:
    """Run two executions in turns, state by state, the first one ahead by so many."""
    collections.deque(itertools.islice(first.steps(), ahead), 0)
    collections.deque(itertools.zip_longest(first.steps(), second.steps()), 0)


@pytest.mark.parametrize("ahead", range(24))
def test_two_executions_at_once_change_a_key_once(world: World, ahead: int) -> None:
    world.plan()
    first, second = world.approved(A), world.approved(A)

    run_at_once(first, second, ahead)

    assert changed(world) == BOTH[:1]
    assert sorted(results(first) + results(second)) == ["done", "held"]
    assert states(world) == ["done"]


def test_an_execution_that_comes_between_a_check_and_its_intent_is_the_only_one(world: World) -> None:
    world.plan()
    first, second = world.approved(A), world.approved(A)
    world.meanwhile = [second]

    first.finish()

    assert (results(first), results(second)) == (["held"], ["done"])
    assert changed(world) == BOTH[:1]


def test_an_undo_that_comes_between_a_check_and_its_intent_is_the_only_one(world: World, done: str) -> None:
    first, second = world.undo(done), world.undo(done)
    world.meanwhile = [second]

    first.finish()

    assert (results(first), results(second)) == (["held"], ["done"])
    assert changed(world)[2:] == [(A, "Active")]


@pytest.mark.parametrize("ahead", range(22))
def test_two_undos_at_once_activate_a_key(world: World, done: str, ahead: int) -> None:
    first, second = world.undo(done), world.undo(done)

    run_at_once(first, second, ahead)

    assert world.users["alice"].keys[A].status == "Active"
    ended = [one.output["results"][0]["result"] if one.output else one.error.split(":")[0] for one in (first, second)]
    assert "done" in ended
    assert set(ended) <= {"done", "held", "CannotBeUndoneError"}


@pytest.mark.parametrize("ahead", range(24))
def test_an_undo_while_another_plan_with_the_key_is_applied_leaves_it_active(
    world: World, done: str, ahead: int
) -> None:
    again, undo = world.approved(A), world.undo(done)

    run_at_once(again, undo, ahead)

    assert (results(again), results(undo)) == (["held"], ["done"])
    assert world.users["alice"].keys[A].status == "Active"

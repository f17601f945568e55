"""What an execution may be asked to do: by whose plan, which keys, how many."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.deactivation_world import BOTH, A, B, User, World, changed, idle, results, states, why
from tests.support.state_machine import Execution

MOST_BYTES = 256 * 1024  # of a state


def test_no_more_keys_are_changed_than_the_plan_of_one_scan_may(
    world: World, approved: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_DEACTIVATIONS_PER_SCAN", "1")

    approved.finish()

    assert results(approved) == ["done", "held"]
    assert changed(world) == BOTH[:1]
    assert "MaxDeactivationsPerScan" in approved.output["results"][1]["why"]
    assert world.messages[-1]["Subject"] == f"NOT deactivated: {B} of bob in account 123456789012"


@pytest.mark.parametrize("by_itself", [False, True])
def test_where_iam_refuses_each_key_no_more_are_tried_than_may_be_changed(
    monkeypatch: pytest.MonkeyPatch, by_itself: bool
) -> None:
    world = World({f"user{number}": User({f"AKIA{number}": idle()}) for number in range(5)}, monkeypatch)
    monkeypatch.setenv("MAX_DEACTIVATIONS_PER_SCAN", "2")
    monkeypatch.setenv("DEACTIVATION_APPROVAL", "none" if by_itself else "required")
    monkeypatch.setenv("DEACTIVATE_AFTER_DAYS", "1" if by_itself else "0")
    world.plan()
    world.clock.wait(86_400)
    due = world.plan()
    world.faults = {"updateAccessKey": ["", *["refused"] * 9]}

    by = {"by": "DeactivationApproval=none"} if by_itself else {"access_key_ids": due}
    execution = world.execution(scan_id=world.scan_id, **by).finish()

    assert results(execution) == ["done", "failed", "failed", "held", "held"]
    assert {one["why"] for one in execution.output["results"][3:]} == {
        "It was not tried: IAM refused too many keys before it, as many as one scan's plan may deactivate."
    }
    assert states(world) == ["done", "failed", "failed"]
    subjects = [message["Subject"] for message in world.messages[3:]]
    assert subjects == ([] if by_itself else ["NOT deactivated: 2 access keys in AWS account 123456789012"])


def refusals() -> Iterator[Any]:
    of_plan: dict[str, Any] = {"scan_id": "scan-1", "access_key_ids": [A]}
    refused: list[Any] = [
        [],
        "undo",
        {"by": "", **of_plan},
        {"at": "today", **of_plan},
        {"access_key_ids": [A]},
        {**of_plan, "access_key_ids": []},
        {**of_plan, "access_key_ids": [A, A]},
        {**of_plan, "access_key_ids": [1]},
        {**of_plan, "access_key_ids": A},
        {**of_plan, "access_key_ids": [f"AKIA{number:012}" for number in range(101)]},
        {**of_plan, "scan_id": "../scan-1"},
        {**of_plan, "account_id": "1"},
        {**of_plan, "status": "Active"},
        {"undo": A},
        {"undo": "../latest"},
    ]
    for given in refused:
        yield pytest.param(given, "InvalidDeactivationInputError", id=json.dumps(given)[:60])
    yield pytest.param({"scan_id": "scan-1"}, "ApprovalRequiredError", id="no keys")
    by_itself = {"by": "DeactivationApproval=none", **of_plan}
    yield pytest.param(by_itself, "ApprovalRequiredError", id="by itself")
    yield pytest.param({**of_plan, "access_key_ids": [A, "AKIAEVE"]}, "KeyNotDueError", id="another key")
    yield pytest.param({**of_plan, "scan_id": "scan-9"}, "InvalidEvidenceError", id="another scan")
    yield pytest.param({"undo": f"123456789012-{A}-1"}, "CannotBeUndoneError", id="no action")


@pytest.mark.parametrize(("given", "error"), [*refusals()])
def test_an_input_that_the_api_does_not_give_is_refused(world: World, given: Any, error: str) -> None:
    world.plan()
    execution = world.execution()
    execution.context["Input"] = {**execution.context["Input"], **given} if isinstance(given, dict) else given

    execution.finish()

    assert (execution.status, execution.error.split(":")[0]) == ("FAILED", error)
    assert (changed(world), world.actions(), world.messages) == ([], [], [])


def test_no_refusal_names_a_key_because_lambda_logs_it(world: World, done: str) -> None:
    world.plan()
    refused = [world.approved(A, B).finish(), world.undo(f"123456789012-{B}-9").finish(), world.undo(done)]
    for state in refused[2].steps():
        if state == "RecordOutcome":
            for key in [key for key in world.bucket.objects if key.startswith("actions/")]:
                del world.bucket.objects[key]

    assert [one.error for one in refused] == [
        "KeyNotDueError: Not due in the plan of scan scan-3: 2 of 2 access keys.",
        "CannotBeUndoneError: The action deactivated no key, or was undone before.",
        "NotBegunError: It is not on record that this execution began the action.",
    ]


def test_only_the_plan_of_the_last_full_scan_counts(world: World, approved: Execution) -> None:
    world.plan()

    approved.finish()

    assert (approved.status, approved.error.split(":")[0]) == ("FAILED", "NotTheLastScanError")
    assert changed(world) == []


@pytest.mark.parametrize(("hours", "counts"), [(25, True), (25.01, False), (14 * 24, False)])
def test_a_plan_of_a_scan_that_was_redriven_late_does_not_count(world: World, hours: float, counts: bool) -> None:
    world.plan(sent_after=hours * 3600)

    execution = world.approved(A, B).finish()

    assert changed(world) == (BOTH if counts else [])
    assert counts or execution.error == (
        "NotTheLastScanError: This plan was kept more than a day after its scan began: scan again."
    )


def test_a_plan_counts_no_more_once_a_later_scan_is_kept_again_late(world: World, approved: Execution) -> None:
    kept = world.bucket.objects["latest.json"]
    for state in approved.steps():
        if state == "GetUser":
            world.clock.wait(26 * 3600)
            world.bucket.keep("latest.json", json.loads(kept))
            world.clock.wait(-26 * 3600)

    assert results(approved) == ["held", "held"]
    assert why(approved) == "This plan was kept more than a day after its scan began: scan again."


def test_a_plan_counts_no_more_once_a_later_scan_is_on_record(world: World, approved: Execution) -> None:
    for state in approved.steps():
        if state == "GetUser":
            world.plan()

    assert results(approved) == ["held", "held"]
    assert why(approved) == "A later full scan is on record, and only its plan counts."
    assert changed(world) == []


@pytest.mark.parametrize("mode", ["off", "plan"])
def test_a_stage_that_does_not_deactivate_changes_nothing(
    approved: Execution, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("DEACTIVATION", mode)

    approved.finish()

    assert (approved.status, approved.error.split(":")[0]) == ("FAILED", "DeactivationIsOffError")


def test_a_plan_of_what_would_be_deactivated_is_not_applied(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEACTIVATION", "plan")
    world.plan()
    monkeypatch.setenv("DEACTIVATION", "apply")

    execution = world.approved(A).finish()

    assert (execution.status, execution.error.split(":")[0]) == ("FAILED", "DeactivationIsOffError")


def test_without_approval_all_due_keys_are_deactivated_and_those_beyond_the_limit_are_not_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "DEACTIVATION_APPROVAL": "none",
        "DEACTIVATE_AFTER_DAYS": "1",
        "MAX_DEACTIVATIONS_PER_SCAN": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert world.plan() == []
    world.clock.wait(86_400)
    assert world.plan() == [A, B]

    execution = world.execution(scan_id=world.scan_id, by="DeactivationApproval=none").finish()

    assert results(execution) == ["done", "held"]
    assert changed(world) == BOTH[:1]
    assert len(world.messages) == 1


@pytest.mark.parametrize("result", ["done", "held"])
def test_a_hundred_keys_fit_into_every_state(monkeypatch: pytest.MonkeyPatch, result: str) -> None:
    names = [f"{number:0>64}" for number in range(100)]
    users = {name: User({f"AKIA{name:A>124}": idle()}, tags={"owner": "x" * 256}) for name in names}
    world = World(users, monkeypatch, MAX_DEACTIVATIONS_PER_SCAN="100")
    execution = world.approved(*world.plan())
    for user in users.values() if result == "held" else ():
        user.tags |= {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "y" * 256}

    execution.finish()

    assert results(execution) == [result] * 100
    assert world.largest < MOST_BYTES
    assert len(execution.seen) * 5 < 25_000  # events: entered, scheduled, started, succeeded, exited

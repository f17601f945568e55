"""Whatever the accounts, the times, the faults and what people do meanwhile: no key is deactivated that must not be.

Each example is an account with a plan, and executions of the real definition on it, in any order and redriven where
they end early. The rules are written down here anew.
"""

import itertools
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from chalicelib.instants import parse_instant
from tests.support.deactivation_world import BEGAN, FAULTS, Change, Key, StoppedError, User, World
from tests.support.examples import event, given, settings, strategies
from tests.support.organizations import OWN
from tests.support.state_machine import Execution

NAMES = ("alice", "bob")
KEY_IDS = ("AKIAALICE0", "AKIAALICE1", "AKIABOB0", "AKIABOB1")
CALLS = (
    *("listAccessKeys", "getAccessKeyLastUsed", "getUser", "updateAccessKey", "publish", "putEvents"),
    *("choose", "check", "record", "conclude", "putIntent", "putOutcome"),
)
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
GOOD_FOR = 2 * MINUTE + timedelta(seconds=2)  # and how long a call may take
EXEMPT = {"iam-key-age:exempt-until": "2027-10-15", "iam-key-age:exempt-reason": "moved in October"}
KINDS_OF_EVENTS = (
    *("used", "deactivated", "activated", "key deleted", "user deleted", "renamed", "name taken"),
    *("protected", "exempt", "two minutes", "ten hours", "ten days", "a scan"),
)


class Example(NamedTuple):
    """What happens in an example: to which key before which step, and what goes wrong with which call."""

    users: dict[str, User]
    after_days: int
    max_unused_days: int
    weekdays: tuple[str, ...]
    tagged_only: bool
    most: int
    sent_after: tuple[float, float]  # hours, until the messages of the two scans before were sent
    too_early: bool  # whether the second scan comes when the days are over since the first one began
    order: int  # a seed: of which execution goes on next
    events: dict[int, tuple[str, str]]
    faults: dict[str, list[str]]


ALLOWED = {"iam-key-age:may-deactivate": "true"}
IDLE = Key(BEGAN - 400 * DAY, used=BEGAN - 200 * DAY)  # so that most examples have something to do
days = strategies.sampled_from((0.01, 0.5, 1.5, 10, 20, 40, 46, 89, 91, 200, 400))
hours = strategies.sampled_from((0, 0, 0, 3, 24, 26, 240))
tags = strategies.sampled_from((ALLOWED, ALLOWED, ALLOWED, {}, {"IAM-Key-Age:Never-Deactivate": ""}, EXEMPT))


@strategies.composite
def keys(draw: Any) -> Key:
    if draw(strategies.booleans()):
        return replace(IDLE)
    created, used = BEGAN - draw(days) * DAY, draw(strategies.none() | days)
    status = draw(strategies.sampled_from(("Active", "Active", "Inactive")))
    return Key(created, status, None if used is None else max(created, BEGAN - used * DAY))


@strategies.composite
def examples(draw: Any) -> Example:
    some = strategies.lists(keys(), min_size=1, max_size=2)
    users = {
        name: User({f"AKIA{name.upper()}{number}": key for number, key in enumerate(draw(some))}, tags={**draw(tags)})
        for name in NAMES
    }
    fault = strategies.sampled_from(("", *FAULTS))
    step = strategies.integers(0, 70)
    what = strategies.tuples(strategies.sampled_from(KINDS_OF_EVENTS), strategies.sampled_from(KEY_IDS))
    return Example(
        users,
        after_days=draw(strategies.sampled_from((0, 0, 1, 14, 35))),
        max_unused_days=draw(strategies.sampled_from((5, 45))),
        weekdays=draw(strategies.sampled_from((WEEKDAYS, WEEKDAYS, ("MON", "TUE")))),
        tagged_only=draw(strategies.sampled_from((False, False, True))),
        most=draw(strategies.sampled_from((1, 3))),
        sent_after=draw(strategies.tuples(hours, hours)),
        too_early=draw(strategies.booleans()),
        order=draw(strategies.integers(0, 1000)),
        events=draw(strategies.dictionaries(step, what, max_size=4)),
        faults=draw(
            strategies.dictionaries(strategies.sampled_from(CALLS), strategies.lists(fault, max_size=8), max_size=4)
        ),
    )


@settings(max_examples=500)
@given(example=examples())
def test_no_key_is_ever_deactivated_that_must_not_be_and_what_is_on_record_is_what_happened(example: Example) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = world_of(example, monkeypatch)
        due, late = world.plan(example.sent_after[0] * 3600), example.sent_after[0]
        told_at = world.clock.now()
        if example.after_days:
            began = BEGAN if example.too_early else told_at
            world.clock.wait(max(0, (began - told_at).total_seconds() + example.after_days * 86_400))
            due, late = world.plan(example.sent_after[1] * 3600), example.sent_after[1]
        event(f"{len(due)} due")
        told = {one["access_key_id"]: one["plan"]["told_since"] for one in world.report["findings"] if "plan" in one}
        world.faults = {call: list(faults) for call, faults in example.faults.items()}
        executions = [world.approved(*due), world.approved(*due[:1]), world.undo(f"{OWN}-{(due or KEY_IDS)[0]}-1")]
        happened = run(world, executions if due else executions[2:], example)

    for change in world.changes:
        event(f"made {change.status}")
        if change.status == "Inactive":
            assert_may_be_deactivated(change, example, told_at)
            assert late <= 25
            used = change.asked[change.key_id].key.used
            assert used is None or used.replace(microsecond=0) <= parse_instant(told[change.key_id] or "")
        else:
            assert_may_be_activated(world, change)
    begun = [(action["execution_arn"], action["access_key_id"]) for action in world.actions()]
    assert len(set(begun)) == len(begun)
    for action in world.actions():
        event(action["state"])
        assert_is_what_happened(world, action, happened)
    for key_id in KEY_IDS:
        changes = [change for change in world.changes if change.key_id == key_id and change.status == "Inactive"]
        assert len({change.execution_arn for change in changes}) <= 1
    for execution in executions:
        assert_other_systems_know(world, execution)
        changes = [change for change in world.changes if change.execution_arn == execution.arn]
        assert len({change.key_id for change in changes}) <= example.most
        assert not [name for name in (*world.users, *KEY_IDS) if name in execution.error]


def world_of(example: Example, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(
        example.users,
        monkeypatch,
        DEACTIVATE_AFTER_DAYS=str(example.after_days),
        DEACTIVATION_WEEKDAYS=",".join(example.weekdays),
        DEACTIVATION_SCOPE="tagged" if example.tagged_only else "all",
        MAX_DEACTIVATIONS_PER_SCAN=str(example.most),
        MAX_UNUSED_DAYS=str(example.max_unused_days),
    )


def run(world: World, executions: list[Execution], example: Example) -> set[tuple[str, str]]:
    """Run executions in turns, and redrive what ends early; return what happened meanwhile, to which keys."""
    happened = set()
    in_turns = random.Random(example.order).choices(range(len(executions)), k=70)
    order = itertools.chain(in_turns, *([number] * 200 for number in range(len(executions))))
    redrives = [3] * len(executions)
    for step, number in enumerate(order):
        if what := example.events.get(step):
            happen(world, *what)
            happened.add(what)
        execution = executions[number]
        if execution.status == "FAILED" and redrives[number]:
            redrives[number] -= 1
            execution.redrive()
        try:
            list(itertools.islice(execution.steps(), 2))  # up to the state after this one
        except StoppedError:
            execution.redrive()
    return happened


def happen(world: World, kind: str, key_id: str) -> None:
    name, key = world.find(key_id) or ("", None)
    if kind in ("two minutes", "ten hours", "ten days"):
        world.clock.wait({"two minutes": 121, "ten hours": 36_000, "ten days": 864_000}[kind])
    elif kind == "a scan":
        world.plan()
    elif key is None:
        return
    elif kind == "used":
        key.used = world.clock.now()
    elif kind in ("deactivated", "activated"):
        key.status = "Inactive" if kind == "deactivated" else "Active"
    elif kind == "key deleted":
        del world.users[name].keys[key_id]
    else:
        happen_to_user(world, kind, name)


def happen_to_user(world: World, kind: str, name: str) -> None:
    user = world.users[name]
    if kind == "protected":
        user.tags["iam-key-age:never-deactivate"] = "yes"
    elif kind == "exempt":
        user.tags |= EXEMPT
    else:
        del world.users[name]
        if kind != "user deleted":
            world.users[f"{name}-2"] = user
        if kind == "name taken":
            world.users[name] = User({f"AKIA{name.upper()}9": Key(world.clock.now() - 300 * DAY)})


def assert_may_be_deactivated(change: Change, example: Example, told_at: datetime) -> None:
    """Assert that a key was deactivated by answers of the last two minutes that allow it, and on record before."""
    asked, key = change.asked[change.key_id], change.asked[change.key_id].key
    idle = asked.at - (key.used or key.created)
    tags = {name.lower(): value for name, value in (asked.tags or {}).items()}
    assert change.intended
    assert change.at - asked.at <= GOOD_FOR
    assert key.status == "Active"
    assert idle >= max(example.after_days, 1) * DAY
    assert idle >= example.max_unused_days * DAY or has_a_successor_in_use(change)
    assert {WEEKDAYS[at.weekday()] for at in (asked.at, change.at)} & set(example.weekdays)
    assert change.at - told_at >= example.after_days * DAY - timedelta(hours=1)
    assert change.at.date() >= (told_at + example.after_days * DAY).date()
    assert asked.tags is not None
    assert not {"iam-key-age:never-deactivate", "iam-key-age:exempt-until"} & tags.keys()
    assert tags.get("iam-key-age:may-deactivate") == "true" or not example.tagged_only


def assert_other_systems_know(world: World, execution: Execution) -> None:
    """Assert that each key that an execution deactivated is an event before the next key, and nothing else is one."""
    done = {
        one["access_key_id"]
        for one in world.actions()
        if (one["execution_arn"], one["state"]) == (execution.arn, "done")
    }
    log = [(what, key_id) for what, arn, key_id in world.log if arn == execution.arn]
    assert {key_id for what, key_id in log if what == "event"} <= done
    waiting: set[str] = set()
    for what, key_id in log:
        if what == "change":
            assert waiting <= {key_id}, "another key was changed before that"
            waiting |= {key_id} & done
        else:
            waiting.discard(key_id)
    assert not waiting or execution.status != "SUCCEEDED"


def has_a_successor_in_use(change: Change) -> bool:
    key = change.asked[change.key_id].key
    others = [asked.key for key_id, asked in change.asked.items() if key_id != change.key_id]
    return any(
        other.used and other.status == "Active" and other.created > (key.used or key.created) for other in others
    )


def assert_may_be_activated(world: World, change: Change) -> None:
    [action] = [one for one in world.actions(change.key_id) if one["undo"]]
    assert action["state"] == "done"
    assert change.intended
    assert change.asked[change.key_id].key.status == "Inactive"


def assert_is_what_happened(world: World, action: dict[str, Any], happened: set[tuple[str, str]]) -> None:
    """Assert of an action, and of its undo, that it is done only if it was, and failed only if nothing was changed."""
    for what, status, by_others in ((action, "Inactive", "deactivated"), (action["undo"], "Active", "activated")):
        if what is None:
            continue
        changes = [
            change
            for change in world.changes
            if (change.execution_arn, change.key_id, change.status)
            == (what["execution_arn"], action["access_key_id"], status)
        ]
        if what["state"] == "failed":
            assert not changes
        if what["state"] == "done":
            assert changes or (by_others, action["access_key_id"]) in happened
        if changes:
            assert what["state"] in ("done", "unknown", "intended")

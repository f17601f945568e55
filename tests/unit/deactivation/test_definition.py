"""What the definition of the deactivation machine, and the code, keep to whatever happens."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.deactivation_world import DEFINITION

PROJECT = Path(__file__).parents[3]
STATES = DEFINITION.states
UPDATES = {name for name, state in STATES.items() if "updateAccessKey" in state.get("Resource", "")}
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}


def next_of(state: dict[str, Any]) -> set[str]:
    ways = [state, *state.get("Choices", ()), *state.get("Catch", ())]
    return {way[name] for way in ways for name in ("Next", "Default") if name in way}


def reachable(start: str, without: str) -> set[str]:
    """Return the states that can be reached from one, if another is never entered."""
    seen: set[str] = set()
    left = [start]
    while left:
        if (name := left.pop()) not in seen | {without}:
            seen.add(name)
            left += next_of(STATES[name])
    return seen


def test_a_key_is_set_inactive_or_active_by_a_literal() -> None:
    assert {name: STATES[name]["Arguments"]["Status"] for name in UPDATES} == {
        "Deactivate": "Inactive",
        "ActivateAgain": "Active",
    }


@pytest.mark.parametrize("start", [DEFINITION.start_at, "RecordOutcome", "WaitForIam", "KeepResult"])
def test_no_key_is_changed_before_it_is_checked(start: str) -> None:
    assert not UPDATES & reachable(start, without="CheckKey")
    assert reachable(start, without="") >= UPDATES


def test_only_an_undo_activates_a_key() -> None:
    assert [rule["Condition"] for rule in STATES["Change?"]["Choices"] if rule["Next"] == "ActivateAgain"] == [
        "{% $check.act and $undoes %}"
    ]
    assert [name for name, state in STATES.items() if "ActivateAgain" in next_of(state)] == ["Change?"]


@pytest.mark.parametrize("path", sorted((PROJECT / "statemachine").glob("*.asl.json")), ids=lambda path: path.name)
def test_no_definition_deletes(path: Path) -> None:
    called = re.findall(r'"Resource": "([^"]+)"', path.read_text())

    assert called
    assert not [resource for resource in called if "delete" in resource.lower()]


@pytest.mark.parametrize(
    "path", [PROJECT / "app.py", *sorted((PROJECT / "chalicelib").rglob("*.py"))], ids=lambda path: path.name
)
def test_no_function_changes_or_deletes_a_key(path: Path) -> None:
    assert not re.search(r"(update|delete|create)_?access_?key\b", path.read_text(), re.IGNORECASE)


@pytest.mark.parametrize("name", TASKS)
def test_each_task_has_a_timeout_and_asks_iam_as_the_deactivator(name: str) -> None:
    task = TASKS[name]

    assert 0 < task["TimeoutSeconds"] <= 70
    assert ("Credentials" in task) == (":iam:" in task["Resource"])


@pytest.mark.parametrize("name", sorted(UPDATES))
def test_a_change_is_not_tried_again_and_every_error_of_it_is_caught(name: str) -> None:
    assert "Retry" not in STATES[name]
    assert [catcher["ErrorEquals"] for catcher in STATES[name]["Catch"]] == [["States.ALL"]]

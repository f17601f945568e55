"""The definition of a state machine, run state by state in this process: its clock and all that it calls are a test's.

As far as statemachine/deactivation.asl.json and the ends of scans need it. tests/scan runs the same definitions on the
local AWS.
"""

import copy
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonata import Jsonata
from jsonata.utils import Utils

from chalicelib.instants import format_instant
from localaws.moto_patches.stepfunctions import _parsed, _references

Task = Callable[[str, Any, str | None], Any]  # by the operation, the arguments and the role that is assumed


class TaskFailedError(Exception):
    """A task that fails with an error of this name."""

    def __init__(self, error: str, cause: str | None) -> None:  # as of States.Timeout, which may have none
        super().__init__(cause)
        self.error, self.cause = error, cause


class Clock:
    """The time of everything in a test, in milliseconds since 1970."""

    def __init__(self, millis: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.millis = millis
        monkeypatch.setattr("jsonata.timebox.Timebox.current_milli_time", lambda: self.millis)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.millis / 1000, UTC)

    def wait(self, seconds: float) -> None:
        self.millis += round(1000 * seconds)


class Definition:
    """A definition with what stands for its substitutions. With `variables`, it may start at a state in the middle."""

    def __init__(self, path: Path, substitutions: Mapping[str, str]) -> None:
        text = re.sub(r"\$\{(\w+)\}", lambda found: substitutions[found[1]], path.read_text())
        self.states: dict[str, dict[str, Any]] = json.loads(text)["States"]
        self.start_at: str = json.loads(text)["StartAt"]
        self.variables: dict[str, Any] = {}


class Execution:
    """An execution, which goes from state to state as `steps` is iterated over, and can be redriven.

    `seen` are the states that it entered. What is not iterated over to its end was stopped.
    """

    def __init__(self, definition: Definition, arn: str, given: Any, task: Task, clock: Clock) -> None:
        self._definition, self._task, self._clock = definition, task, clock
        self.arn = arn
        self.context = {
            "Id": arn,
            "Input": given,
            "Name": arn.rpartition(":")[2],
            "StartTime": format_instant(clock.now()),
            "RedriveCount": 0,
        }
        self._run = {"Pass": self._pass, "Task": self._run_task, "Choice": self._choose, "Wait": self._wait}
        self._run |= {"Succeed": self._succeed, "Fail": self._fail}
        self._variables: dict[str, Any] = {**definition.variables}
        self._state, self._input = definition.start_at, given
        self.status = "RUNNING"
        self.error = ""
        self.output: Any = None
        self.seen: list[str] = []

    def steps(self) -> Iterator[str]:
        """Go on, and yield the name of each state before it is run."""
        while self.status == "RUNNING":
            yield self._state
            self.seen.append(self._state)
            state = self._definition.states[self._state]
            try:
                self._run[state["Type"]](state)
            except TaskFailedError as error:
                self.status, self.error = "FAILED", f"{error.error}: {error.cause}"

    def finish(self) -> "Execution":
        """Run to the end."""
        for _ in self.steps():
            pass
        return self

    def redrive(self) -> "Execution":
        """Go on at the state in which it ended or was stopped."""
        self.status, self.error = "RUNNING", ""
        self.context["RedriveCount"] += 1
        return self

    def _pass(self, state: Any) -> None:
        self._leave(state, {"input": self._input}, self._input)

    def _wait(self, state: Any) -> None:
        self._clock.wait(state["Seconds"])
        self._leave(state, {"input": self._input}, self._input)

    def _succeed(self, state: Any) -> None:
        self.output, self.status = self._evaluate(state["Output"], {"input": self._input}), "SUCCEEDED"

    def _fail(self, state: Any) -> None:
        raise TaskFailedError(state["Error"], self._evaluate(state["Cause"], {"input": self._input}))

    def _choose(self, state: Any) -> None:
        for rule in state["Choices"]:
            condition = self._evaluate(rule["Condition"], {"input": self._input})
            if not isinstance(condition, bool):
                raise TaskFailedError("States.QueryEvaluationError", f"{rule['Condition']} is {condition}")
            if condition:
                self._leave({**state, **rule}, {"input": self._input}, self._input)
                return
        self._leave({**state, "Next": state["Default"]}, {"input": self._input}, self._input)

    def _call(self, state: Any) -> None:
        role = self._evaluate(state["Credentials"]["RoleArn"], {}) if "Credentials" in state else None
        arguments = self._evaluate(state["Arguments"], {"input": self._input})
        result = self._task(state["Resource"].rpartition(":::")[2], copy.deepcopy(arguments), role)
        self._leave(state, {"input": self._input, "result": result}, result)

    def _run_task(self, state: Any) -> None:
        tries: dict[int, int] = {}
        while True:
            try:
                self._call(state)
            except TaskFailedError as error:
                if self._try_again(state, error, tries):
                    continue
                self._catch(state, error)
            return

    def _try_again(self, state: Any, error: TaskFailedError, tries: dict[int, int]) -> bool:
        for index, retrier in enumerate(state.get("Retry", ())):
            named = retrier["ErrorEquals"]
            is_failed = not error.error.startswith("States.") and "States.TaskFailed" in named
            if error.error in named or is_failed:
                tries[index] = tries.get(index, 0) + 1
                wait = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** (tries[index] - 1)
                self._clock.wait(min(wait, retrier.get("MaxDelaySeconds", wait)) / 2)  # as full jitter does on average
                return bool(tries[index] <= retrier["MaxAttempts"])
        return False

    def _catch(self, state: Any, error: TaskFailedError) -> None:
        for catcher in state.get("Catch", ()):
            if catcher["ErrorEquals"] == ["States.ALL"] and error.error != "States.Runtime":
                caught = {"Error": error.error} | ({} if error.cause is None else {"Cause": error.cause})
                self._leave(catcher, {"input": self._input, "errorOutput": caught}, caught)
                return
        raise error

    def _leave(self, state: Any, data: dict[str, Any], output: Any) -> None:
        assigned = {name: self._evaluate(value, data) for name, value in state.get("Assign", {}).items()}
        self._input = self._evaluate(state["Output"], data) if "Output" in state else output
        self._variables |= assigned
        self._state = state["Next"]

    def _evaluate(self, template: Any, states: dict[str, Any]) -> Any:
        """Evaluate all that is JSONata in a template; what is not there cannot be referred to."""
        if isinstance(template, dict):
            return {name: self._evaluate(value, states) for name, value in template.items()}
        if isinstance(template, list):
            return [self._evaluate(value, states) for value in template]
        if not isinstance(template, str) or not template.startswith("{%"):
            return template
        return self._query(template.removeprefix("{%").removesuffix("%}").strip(), states)

    def _query(self, expression: str, states: dict[str, Any]) -> Any:
        try:
            parts, names = _references(expression)
            known = {**states, "context": {"Execution": self.context}}
            bound = {"states": {part: known[part] for part in parts if part in known}}
            bound |= {name: self._variables[name] for name in names if name in self._variables}
            evaluate = _evaluated.__wrapped__ if _CHANGING.search(expression) else _evaluated
            return json.loads(evaluate(expression, json.dumps(bound)))
        except Exception as error:
            raise TaskFailedError("States.QueryEvaluationError", f"{expression}: {error}") from error


_CHANGING = re.compile(r"\$(millis|now|random|uuid|eval)\b")  # what is another at another time


@functools.cache
def _evaluated(expression: str, bound: str) -> str:
    """Return the JSON of what an expression is for what is bound, most often the same as in another execution."""
    Jsonata.CURRENT.jsonata = evaluator = copy.copy(_parsed(expression))
    result = evaluator.evaluate(None, json.loads(bound))
    if result is None:
        raise LookupError("it returned nothing")
    return json.dumps(Utils.convert_nulls(result))

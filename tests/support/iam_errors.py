"""Errors and other steps that come before IAM's answers, in this process."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse


class Throttled(ServiceException):
    code = "Throttling"
    message = "Rate exceeded"


class Denied(ServiceException):
    code = "AccessDenied"
    message = 'User is "not authorized" to perform: iam:ListAccessKeys\nby \\ policy'


class Interference:
    """Runs a step before each answer of ListAccessKeys, and counts the calls by user name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = threading.Lock()
        self._before: Callable[[IamResponse, str, int], None] = lambda *_: None
        self.asked: Counter[str] = Counter()
        answer = IamResponse.list_access_keys

        def list_access_keys(response: IamResponse) -> ActionResult:
            name = response._get_param("UserName")
            with self._lock:
                self.asked[name] += 1
                time = self.asked[name]
            self._before(response, name, time)
            return answer(response)

        monkeypatch.setattr(IamResponse, "list_access_keys", list_access_keys)

    def before(self, step: Callable[[IamResponse, str, int], None]) -> None:
        self._before = step


def run_before(monkeypatch: pytest.MonkeyPatch, operation: str, step: Callable[[IamResponse], None]) -> None:
    """Run a step before each answer of an IAM operation."""
    answer = getattr(IamResponse, operation)

    def step_and_answer(response: IamResponse) -> ActionResult:
        step(response)
        result: ActionResult = answer(response)
        return result

    monkeypatch.setattr(IamResponse, operation, step_and_answer)


def deny(_response: IamResponse) -> None:
    raise Denied


def throttle(monkeypatch: pytest.MonkeyPatch, operation: str, times: int) -> Counter[str]:
    """Throttle the first calls of an operation, with the shortest waits; return a count of all its calls."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    asked: Counter[str] = Counter()

    def step(_response: IamResponse) -> None:
        asked["calls"] += 1
        if asked["calls"] <= times:
            raise Throttled

    run_before(monkeypatch, operation, step)
    return asked

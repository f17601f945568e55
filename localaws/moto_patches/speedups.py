"""What keeps moto's interpreter from being quick, taken out of its way: one small function a reason.

Nothing here changes what is answered; `bench/growth.py` measures what it is worth.
"""

import copy
import functools
import string
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from queue import SimpleQueue
from types import NoneType, SimpleNamespace
from typing import Any

import jsonpath_ng.parser
import xmltodict
from botocore import parsers
from moto.core import responses
from moto.core.utils import camelcase_to_underscores, method_names_from_class
from moto.moto_api._internal.moto_random import MotoRandom
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramState
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from localaws.middleware import Gate

_REMEMBERED = 10_000  # answers of a function, such as the instants that the keys of an account were created at
_UNCHANGING = (str, int, float, bool, NoneType, datetime)
_gate: Gate


def apply(gate: Gate) -> None:
    """Quicken the interpreter, which reaches AWS through the middleware."""
    global _gate  # noqa: PLW0603  # moto's classes are the process's, and so is what they reach
    _gate = gate
    _apply_once()


@functools.cache
def _apply_once() -> None:
    parse_definitions_once()
    parse_result_paths_once()
    run_without_threads_of_their_own()
    call_services_in_the_states_own_thread()
    copy_plain_data_quickly()
    list_methods_once()
    find_backends_once()
    remember_pure_functions()
    draw_request_ids_at_once()


def parse_definitions_once() -> None:
    """Parse a definition once: moto does so for every execution, and what it makes of it keeps no state."""
    setattr(AmazonStateLanguageParser, "parse", staticmethod(functools.cache(AmazonStateLanguageParser.parse)))  # noqa: B010  # a method of moto's


def run_without_threads_of_their_own() -> None:
    """Start no thread for a program without a time-out, and take those of tasks from a pool."""
    evaluate = Program.eval

    def evaluate_here(self: Program, env: Environment) -> None:
        if self.timeout_seconds is not None:
            return evaluate(self, env)
        env.next_state_name = self.start_at.start_at_name
        return EvalComponent.eval(self, env)

    setattr(Program, "eval", evaluate_here)  # noqa: B010  # a method of moto's
    setattr(execute_state, "Thread", _PooledThread)  # noqa: B010  # a module's import


def call_services_in_the_states_own_thread() -> None:
    """Run a task that calls a service in its state's thread: what is answered here, and at once, cannot time out."""
    evaluate = StateTaskServiceAwsSdk._evaluate_with_timeout

    def evaluate_here(self: StateTaskServiceAwsSdk, env: Environment) -> None:
        _this.runs_tasks = not _gate.has_latency
        try:
            evaluate(self, env)
        finally:
            _this.runs_tasks = False

    setattr(StateTaskServiceAwsSdk, "_evaluate_with_timeout", evaluate_here)  # noqa: B010  # a method of moto's


class _ThisThread(threading.local):
    runs_tasks = False


_this = _ThisThread()


class _PooledThread:
    """Takes a thread that has nothing to do, or a new one; daemons all, so that none keeps the process from its end."""

    _lock = threading.Lock()
    _waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
    _idle = 0

    def __init__(self, target: Callable[[], None], daemon: bool) -> None:  # noqa: ARG002  # as Thread has it
        self._target = target

    def start(self) -> None:
        if _this.runs_tasks:
            return self._target()
        with _PooledThread._lock:
            if _PooledThread._idle:
                _PooledThread._idle -= 1
                return _PooledThread._waiting.put(self._target)
        return threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        target = self._target
        while True:
            target()
            with _PooledThread._lock:
                _PooledThread._idle += 1
            target = _PooledThread._waiting.get()


def parse_result_paths_once() -> None:
    """Parse a JSONPath such as "$" once: moto does so at the end of every state."""
    setattr(result_path, "parse", functools.cache(jsonpath_ng.parser.parse))  # noqa: B010  # a function of moto's


def copy_plain_data_quickly() -> None:
    """Copy what is JSON by hand: `copy.deepcopy` looks up how to copy each text and each number."""
    quick = SimpleNamespace(copy=copy.copy, deepcopy=_copied)
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.parser.asl.") and getattr(module, "copy", None) is copy:
            setattr(module, "copy", quick)  # noqa: B010  # a module's import


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {name: _copied(part) for name, part in value.items()}
    if kind is list:
        return [_copied(part) for part in value]
    if kind in _UNCHANGING:
        return value
    return copy.copy(value) if isinstance(value, ProgramState) else copy.deepcopy(value)


def list_methods_once() -> None:
    """Remember the methods of a class that answers requests: moto lists them at each request."""
    setattr(responses, "method_names_from_class", functools.cache(method_names_from_class))  # noqa: B010  # an import


def remember_pure_functions() -> None:
    """Remember what is asked for at each request: names of operations and of XML elements, and instants as text."""
    for module, name, function in (
        (responses, "camelcase_to_underscores", camelcase_to_underscores),
        (xmltodict, "_validate_name", xmltodict._validate_name),
        (parsers, "DEFAULT_TIMESTAMP_PARSER", parsers.DEFAULT_TIMESTAMP_PARSER),
    ):
        setattr(module, name, functools.lru_cache(_REMEMBERED)(function))


def draw_request_ids_at_once() -> None:
    """Draw all characters of a request's id at once: moto draws 52 one by one."""

    def get_random_string(
        self: MotoRandom, length: int = 20, include_digits: bool = True, lower_case: bool = False
    ) -> str:
        pool = string.ascii_letters + (string.digits if include_digits else "")
        drawn = "".join(self.choices(pool, k=length))
        return drawn.lower() if lower_case else drawn

    setattr(MotoRandom, "get_random_string", get_random_string)  # noqa: B010  # a method of moto's


def find_backends_once() -> None:
    """Remember which backend serves a host: moto tries hundreds of patterns at each request."""
    find = DomainDispatcherApplication.get_backend_for_host
    remembered: dict[str | None, Any] = {}

    def get_backend_for_host(self: DomainDispatcherApplication, host: str | None) -> Any:
        if host not in remembered:
            remembered[host] = find(self, host)
        return remembered[host]

    setattr(DomainDispatcherApplication, "get_backend_for_host", get_backend_for_host)  # noqa: B010  # a method of moto's

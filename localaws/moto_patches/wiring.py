"""What the patches reach in the local AWS that runs just now."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from moto.awslambda.models import LambdaFunction

from localaws.middleware import Gate

# A Lambda function and an event, to what Lambda would answer: the payload, and whether it is an error.
Invoke = Callable[[LambdaFunction, str], tuple[str, bool]]


def replace_method(owner: object, name: str, replacement: object) -> None:
    """Put a function in the place of moto's own."""
    setattr(owner, name, replacement)


class Measurements:
    """What all executions did, children among them: the largest input, output or Assign, and the events by type."""

    def __init__(self) -> None:
        self.size = 0
        self.events: Counter[str] = Counter()
        self._lock = threading.Lock()

    def measure(self, *payloads: str) -> None:
        """Take note of an input or output, or of all variables of an Assign."""
        size = sum(map(utf8_size, payloads))
        with self._lock:
            self.size = max(self.size, size)

    def count(self, event_type: str) -> None:
        """Take note of an event."""
        with self._lock:
            self.events[event_type] += 1

    def reset(self) -> None:
        """Measure from zero again."""
        with self._lock:
            self.size = 0
            self.events.clear()


def utf8_size(payload: str) -> int:
    """Return the size of JSON as AWS counts it: moto escapes what is not ASCII."""
    if "\\u" in payload:
        payload = json.dumps(json.loads(payload), ensure_ascii=False)
    return len(payload.encode())


@dataclass
class Wiring:
    """What the patches reach in the local AWS that runs just now: moto's classes are the process's."""

    current: ClassVar["Wiring"]
    region: str
    invoke: Invoke
    measurements: Measurements
    gate: Gate

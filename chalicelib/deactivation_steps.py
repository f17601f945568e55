"""The steps of the deactivation machine that are not calls of IAM: choose keys, check one, record, conclude."""

from collections.abc import Callable, Mapping
from typing import Any

Step = Callable[[Mapping[str, Any]], dict[str, Any]]


def choose(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that an execution is to change, and how many at most; raise if its input is refused."""
    raise NotImplementedError


def check(event: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a key by what IAM says now; if it may be changed, keep that it is to be."""
    raise NotImplementedError


def record(event: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what became of a key, and compose the message."""
    raise NotImplementedError


def conclude(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of each key, and the message about those that were not changed."""
    raise NotImplementedError


STEPS: dict[str, Step] = {"choose": choose, "check": check, "record": record, "conclude": conclude}

"""Calls of IAM of which one may fail: what it would say is unknown then, and the cause is kept."""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chalicelib.aws.errors import failures, in_words, is_throttled, is_unanswered

_NO_TIME = "Not asked for: the function that reads the account had no time left"
_TRIES, _LONGEST_WAIT = 9, 15  # seconds; the state machine has the same
_T = TypeVar("_T")


@dataclass
class Asking:
    """Makes calls while there is time for them."""

    time_is_up: Callable[[], bool]
    causes: dict[str, str] = field(default_factory=dict)  # by what was asked about

    def attempt(self, about: str, call: Callable[[], _T], unless: tuple[type[Exception], ...] = ()) -> _T | None:
        """Return what a call gives, None where it fails; let the errors `unless` pass."""
        try:
            return call()
        except unless:
            raise
        except failures() as error:
            self.causes.setdefault(about, in_words(error))
            return None

    def ask(self, operation: Callable[..., Any], **arguments: Any) -> Any:
        """Call an operation; raise TimeoutError if there is no time for it."""
        if self.time_is_up():
            raise TimeoutError(_NO_TIME)
        return operation(**arguments)

    def pages(self, operation: Callable[..., Any], _fields: tuple[str, ...], /, **arguments: Any) -> Iterator[Any]:
        """Yield the pages of a list; only IsTruncated says whether there are more. LookupError for a circle."""
        markers = set()
        while True:
            page = self.ask(operation, **arguments)
            yield page
            if not page["IsTruncated"]:
                return
            if page["Marker"] in markers:
                raise LookupError("IAM gave the same Marker twice")
            markers.add(page["Marker"])
            arguments["Marker"] = page["Marker"]

    def items(self, field: str, operation: Callable[..., Any], **arguments: Any) -> list[Any]:
        """Return the items of all pages of a list."""
        return [item for page in self.pages(operation, (field,), **arguments) for item in page[field]]


@dataclass
class PatientAsking(Asking):
    """Makes a call again, while there is time, that AWS throttled or did not answer.

    The retries of botocore have a quota that all calls of a client share: an account that is busy for a minute would
    use it up, and the calls after that would fail at once.
    """

    wait: Callable[[float], None] = field(kw_only=True)  # so many seconds

    def ask(self, operation: Callable[..., Any], **arguments: Any) -> Any:
        """Call an operation, up to nine times; raise the last error, or TimeoutError if there was no time to call."""
        for tries in itertools.count(1):
            try:
                return super().ask(operation, **arguments)
            except failures() as error:
                if tries == _TRIES or not (is_throttled(error) or is_unanswered(error)):
                    raise
                self.wait(random.uniform(0, min(_LONGEST_WAIT, 2**tries)))  # noqa: S311  # no secret
                if self.time_is_up():
                    raise
        raise AssertionError("the tries do not end")

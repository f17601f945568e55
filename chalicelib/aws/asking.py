"""Calls of IAM of which one may fail: what it would say is unknown then, and the cause is kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chalicelib.aws.errors import failures, in_words

_NO_TIME = "Not asked for: the function that reads the account had no time left"
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

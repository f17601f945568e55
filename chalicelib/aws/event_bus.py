"""The event bus in EventBridge, which may take a part of the events of a call: the others are sent again."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from chalicelib.aws import clients
from chalicelib.aws.errors import UnavailableError, in_words, is_throttled, is_unanswered
from chalicelib.telling.events import detail_json
from chalicelib.telling_documents import EventEntry

_MOST_ENTRIES = 10  # of a call; events of 1 KB are far below the bytes that one may have
_WAITS = (1, 2, 4, 8)  # seconds at most between tries
# "Non-retryable errors" of https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
_LASTING = (
    *("AccessDeniedException", "InvalidAccountIdException", "InvalidArgument", "MalformedDetail", "RedactionFailure"),
    *("NotAuthorizedForSourceException", "NotAuthorizedForDetailTypeException"),
)


class EventsUnavailableError(UnavailableError):
    """EventBridge did not answer, or would not take some events just now; the state machine tries again."""


class EventsRefusedError(Exception):
    """EventBridge refuses the events, and would again; the message says why and what to do."""


def batches(entries: Iterable[EventEntry]) -> Iterator[list[EventEntry]]:
    """Yield the events, as many at a time as a call takes."""
    coming = iter(entries)
    while batch := list(islice(coming, _MOST_ENTRIES)):
        yield batch


def put_events(batch: list[EventEntry], wait: Callable[[float], None]) -> None:
    """Put a batch on the bus.

    Raise EventsUnavailableError if EventBridge does not take all of it after some tries, EventsRefusedError if it
    never will.
    """
    left, why = batch, ""
    for longest in (0, *_WAITS):
        wait(random.uniform(0, longest))  # noqa: S311  # to spread tries, not to be secret
        left, why = _put(left)
        if not left:
            return
    raise EventsUnavailableError(f"EventBridge did not take {len(left)} of {len(batch)} events: {why}")


def _put(batch: list[EventEntry]) -> tuple[list[EventEntry], str]:
    """Return the events that EventBridge did not take, and why not the last one of them."""
    from botocore.exceptions import BotoCoreError, ClientError

    sent: Any = [{**entry, "Detail": detail_json(entry)} for entry in batch]
    try:
        answers = clients.events().put_events(Entries=sent)["Entries"]
    except (BotoCoreError, ClientError) as error:
        if is_throttled(error) or is_unanswered(error):
            return batch, in_words(error)
        raise _refused(batch, in_words(error)) from error
    failed = [(entry, answer) for entry, answer in zip(batch, answers, strict=True) if "ErrorCode" in answer]
    for _, answer in failed:
        if answer["ErrorCode"] in _LASTING:
            raise _refused(batch, _words(answer))
    return [entry for entry, _ in failed], _words(failed[-1][1]) if failed else ""


def _words(answer: dict[str, str]) -> str:
    return f"{answer['ErrorCode']}: {answer.get('ErrorMessage', '')}"


def _refused(batch: list[EventEntry], why: str) -> EventsRefusedError:
    bus = batch[0]["EventBusName"]
    what = "If the bus is in another account, its policy has to allow events:PutEvents; see docs/events.md."
    return EventsRefusedError(f"EventBridge refuses events on the bus {bus}. {why} {what}")

"""The step that puts a scan's changes on the event bus."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

from chalicelib.aws import clients, event_bus, organization_store, report_store
from chalicelib.aws.account_reports import account_reports, load_any_report
from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport
from chalicelib.telling import events
from chalicelib.telling_documents import EventEntry
from chalicelib.telling_settings import required_event_bus

_BATCHES_AT_A_TIME = 4


def send_events(scan: Mapping[str, Any], wait: Callable[[float], None] = time.sleep) -> dict[str, int]:
    """Put an event for each change of a scan on the event bus, and at last that it is done; return how many.

    Of a scan that is redriven after a later one, that it is done alone: the later one has sent what changed.
    """
    bus, report = required_event_bus(), load_any_report(scan["scan_id"])
    sent: Counter[str] = Counter()
    put = partial(event_bus.put_events, wait=wait)
    changes = event_bus.batches(() if _is_late(report) else _changes(report, bus))
    clients.events()  # made once, before threads ask for it
    with ThreadPoolExecutor(_BATCHES_AT_A_TIME) as threads:
        while some := list(islice(changes, _BATCHES_AT_A_TIME)):
            list(threads.map(put, some))  # which raises what one of them raised, once all have ended
            sent.update(entry["DetailType"] for batch in some for entry in batch)
    last = events.scan_completed(report, report_store.scan_folder(report["scan_id"]), bus)
    put([last])
    sent.update([last["DetailType"]])
    print(json.dumps({"scan_id": scan["scan_id"], "events": sent.total(), "by_type": sent}))  # noqa: T201  # for the log
    return {"events": sent.total()}


def _is_late(report: AnyReport) -> bool:
    """Return whether a later full scan is on record."""
    if report["changes"] is None:
        return False
    last = (organization_store if "accounts" in report else report_store).load_pointer()
    return last is not None and parse_instant(last["as_of"]) > parse_instant(report["as_of"])


def _changes(report: AnyReport, bus: str) -> Iterator[EventEntry]:
    for of_account in account_reports(report):
        yield from events.changes_of(of_account, bus)

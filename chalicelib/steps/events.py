"""The step that puts a scan's changes on the event bus."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chalicelib.aws import event_bus, report_store
from chalicelib.aws.account_reports import account_reports, load_any_report
from chalicelib.organization_documents import AnyReport
from chalicelib.telling import events
from chalicelib.telling_documents import EventEntry
from chalicelib.telling_settings import required_event_bus


def send_events(scan: Mapping[str, Any], wait: Callable[[float], None] = time.sleep) -> dict[str, int]:
    """Put an event for each change of a scan on the event bus, and at last that it is done; return how many."""
    bus, report = required_event_bus(), load_any_report(scan["scan_id"])
    sent: Counter[str] = Counter()
    for batch in event_bus.batches(_events(report, bus)):
        event_bus.put_events(batch, wait)
        sent.update(entry["DetailType"] for entry in batch)
    print(json.dumps({"scan_id": scan["scan_id"], "events": sent.total(), "by_type": sent}))  # noqa: T201  # for the log
    return {"events": sent.total()}


def _events(report: AnyReport, bus: str) -> Iterator[EventEntry]:
    for of_account in account_reports(report):
        yield from events.changes_of(of_account, bus)
    yield events.scan_completed(report, report_store.scan_folder(report["scan_id"]), bus)

"""Events for other systems: what changed in an account, that a scan is done, that a key was deactivated. Pure.

An event is under 1 KB, so that ten of them are far below what EventBridge takes at once: long texts are cut.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.deactivation_documents import Action
from chalicelib.documents import SCHEMA_VERSION, Changes, Report
from chalicelib.key_documents import Finding, ResolvedKey
from chalicelib.organization_documents import AnyReport
from chalicelib.report.counts import count
from chalicelib.report.summary import is_complete, report_locations, report_verdict, worst_severity
from chalicelib.telling.event_details import (
    BECAME_SAFE,
    DEACTIVATED,
    DUE_SOON,
    OVERDUE,
    RESOLVED,
    SCAN_COMPLETED,
    UNUSED,
    DeactivatedDetail,
    KeyDetail,
    OverdueDetail,
    ResolvedDetail,
    ScanCompletedDetail,
)
from chalicelib.telling_documents import EventEntry

SOURCE = "iam-key-age"
_MOST_BYTES = 940  # of an event as JSON, so that it is under 1 KB with the ARN of its bus
_LONGEST_OWNER, _LONGEST_ARN, _LONGEST_WHY = 80, 200, 150  # bytes
_ELLIPSIS = "…"
_KEY_LENGTH = 32


def changes_of(report: Report, bus: str) -> Iterator[EventEntry]:
    """Yield an event for each change in an account since the last full scan; none where the next one repeats them."""
    changes = report["changes"]
    if changes is None or changes["superseded"]:
        return
    findings = {finding["access_key_id"]: finding for finding in report["findings"]}
    news = {
        OVERDUE: [key["access_key_id"] for key in changes["new"]],
        UNUSED: changes["new_unused"],
        DUE_SOON: changes["new_due_soon"],
        BECAME_SAFE: changes["became_safe"],
    }
    for detail_type, key_ids in news.items():
        for key_id in key_ids:
            detail = _key_detail(report, changes, detail_type, findings[key_id])
            if detail_type == OVERDUE:
                detail = OverdueDetail(**detail, reactivated=key_id in changes["reactivated"])
            # A name in the address may take three bytes a character, and an address that is cut leads nowhere.
            yield _entry(bus, detail_type, detail, {"console_url": None})
    for key in (*changes["resolved"], *changes["resolved_early"]):
        yield _entry(bus, RESOLVED, _resolved_detail(report, changes, key))


def scan_completed(report: AnyReport, folder: str, bus: str) -> EventEntry:
    """Return the event that says that a scan is done; `folder` is that of its files, as a URI that ends in a slash."""
    counts, severity = count(report), worst_severity(report)
    changes: Any = counts.changes
    detail: ScanCompletedDetail = {
        "schema_version": SCHEMA_VERSION,
        "event_key": report["scan_id"],
        "account_id": report["account_id"],
        "account_alias": None if "accounts" in report else report["account_alias"],
        "scan_id": report["scan_id"],
        "scan_kind": report["scan_kind"],
        "as_of": report["as_of"],
        "started_at": report["started_at"],
        "verdict": report_verdict(report),
        "complete": is_complete(report),
        "severity": None if severity is None else severity.value,
        "coverage": _take(counts.users, "users_listed users_checked users_not_found users_unchecked keys_judged"),
        "accounts": None,
        "totals": _take(counts.totals, "expired unused due_soon ok exempt"),
        "changes": None,
        "root_access_keys": counts.root_access_keys,
        "quarantined": counts.quarantined,
        "report": report_locations(folder)["json"],
    }
    if counts.accounts:
        names = "accounts_listed accounts_scanned accounts_unchecked accounts_not_active accounts_incomplete"
        detail["accounts"] = _take(counts.accounts, names)
    if changes:
        detail["changes"] = _take(changes, "new still_expired resolved unknown new_unused reactivated became_safe")
    return _entry(bus, SCAN_COMPLETED, detail, {"report": None})


def deactivated(action: Action, bus: str) -> EventEntry:
    """Return the event that says that a key was deactivated, of an action that is done."""
    before, action_id = action["state_before"], action["action_id"]
    detail: DeactivatedDetail = {
        "schema_version": SCHEMA_VERSION,
        "event_key": action_id,
        "account_id": action["account_id"],
        "scan_id": action["scan_id"],
        "user_name": action["user_name"],
        "access_key_id": action["access_key_id"],
        "created_at": before["created_at"],
        "last_used_at": before["last_used"]["at"] if before["last_used"] else None,
        "action_id": action_id,
        "approved_by": cut(action["approved_by"], _LONGEST_ARN),
        "approved_at": action["approved_at"],
        "deactivated_at": action["ended_at"] or "",
        "why": cut(action["why"], _LONGEST_WHY),
        "undo": f"POST /actions/{action_id}/undo",
    }
    return _entry(bus, DEACTIVATED, detail, {"why": "", "undo": None})


def detail_json(entry: EventEntry) -> str:
    """Return the detail of an event as JSON."""
    return _compact(entry["Detail"])


def cut(text: str, most_bytes: int) -> str:
    """Return a text that is at most so many bytes of JSON, without the quotes; an ellipsis is for what is left out."""
    if _json_bytes(text) <= most_bytes:
        return text
    kept = text
    while _json_bytes(kept + _ELLIPSIS) > most_bytes:
        kept = kept[:-1]
    return kept + _ELLIPSIS


def _json_bytes(text: str) -> int:
    return len(_compact(text).encode()) - len('""')


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _entry(
    bus: str, detail_type: str, detail: Mapping[str, Any], instead: Mapping[str, Any] | None = None
) -> EventEntry:
    """Return an event; of what it need not have, it gets `instead`, one after the other, until it is short enough."""
    entry: EventEntry = {"EventBusName": bus, "Source": SOURCE, "DetailType": detail_type, "Detail": {**detail}}
    for name, value in (instead or {}).items():
        event = {"Source": SOURCE, "DetailType": detail_type, "Detail": entry["Detail"]}
        if len(_compact(event).encode()) > _MOST_BYTES:
            entry["Detail"][name] = value
    return entry


def _event_key(report: Report, changes: Changes, detail_type: str, key_id: str) -> str:
    """Return what stays the same of a change until a full scan is kept as the last one; without one, of this scan."""
    since = changes["since"]["scan_id"] if changes["since"] else report["scan_id"]
    of = "\n".join((report["account_id"], key_id, detail_type, since))
    return hashlib.sha256(of.encode()).hexdigest()[:_KEY_LENGTH]


def _key_detail(report: Report, changes: Changes, detail_type: str, finding: Finding) -> KeyDetail:
    used, owner = finding["last_used"], finding["owner"]
    advice: Any = finding["advice"]
    verdict: Any = finding["verdict"]
    return {
        "schema_version": SCHEMA_VERSION,
        "event_key": _event_key(report, changes, detail_type, finding["access_key_id"]),
        "account_id": report["account_id"],
        "account_alias": report["account_alias"],
        "scan_id": report["scan_id"],
        "as_of": report["as_of"],
        "user_name": finding["user_name"],
        "access_key_id": finding["access_key_id"],
        "owner": cut(owner, _LONGEST_OWNER) if owner is not None and finding["owner_known"] else None,
        "severity": finding["severity"],
        "verdict": verdict,
        "quarantined": finding["quarantined_by"] not in (None, "unknown"),
        "age_days": finding["age_days"],
        "created_at": finding["created_at"],
        "overdue_at": finding["overdue_at"],
        "last_used_at": used["at"] if isinstance(used, dict) else None,
        "advice": advice,
        "safe_to_deactivate": finding["safe_to_deactivate"],
        "console_url": finding["console_url"] or None,
    }


def _resolved_detail(report: Report, changes: Changes, key: ResolvedKey) -> ResolvedDetail:
    approved_by = key.get("by")
    return {
        "schema_version": SCHEMA_VERSION,
        "event_key": _event_key(report, changes, RESOLVED, key["access_key_id"]),
        "account_id": report["account_id"],
        "account_alias": report["account_alias"],
        "scan_id": report["scan_id"],
        "as_of": report["as_of"],
        "user_name": key["user_name"],
        "access_key_id": key["access_key_id"],
        "was": key.get("was", "expired"),
        "how": key["how"],
        "action_id": key.get("action_id"),
        "approved_by": None if approved_by is None else cut(approved_by, _LONGEST_ARN),
    }


def _take(counts: Any, names: str) -> Any:
    return {name: counts[name] for name in names.split()}

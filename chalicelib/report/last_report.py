"""The last full scan's report, as far as the next scan is compared with it. Pure.

Whoever may write to the bucket may have put anything into it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from chalicelib.documents import SCAN_ID_PATTERN, LastScan
from chalicelib.instants import format_instant, parse_instant
from chalicelib.key_documents import EarlyKey, ExpiredKey
from chalicelib.policy import MAX_AGE_DAYS_LIMIT
from chalicelib.report.summary import has_root_access_keys

_TEXTS = {
    "scan_id": SCAN_ID_PATTERN,
    "user_name": r"[!\"$-.0-9;-=@-~]{1,64}",
    "access_key_id": r"[A-Za-z0-9_]{1,128}",
    "status": r"[A-Za-z]{1,20}",
}
_LastUse = tuple[datetime, datetime | None]  # a key's creation and, if there was one, its last use
_OPTIONAL = "max_unused_days"
COMPARED_FIELDS = ("max_age_days", "include_inactive", _OPTIONAL)  # fields of a policy that make a key a finding


@dataclass(frozen=True)
class LastReport:
    """What a scan is compared with; as it is here by default, with nothing."""

    since: LastScan | None = None
    policy: Mapping[str, int | None] = field(default_factory=dict)
    expired: Mapping[str, ExpiredKey] = field(default_factory=dict)  # by access key id, oldest first
    unused: Mapping[str, _LastUse | None] = field(default_factory=dict)  # by access key id; None if it was unknown
    early: Mapping[str, EarlyKey] = field(default_factory=dict)  # by access key id
    unknown: frozenset[str] = frozenset()  # access key ids of those of which it did not know what became
    unchecked: frozenset[str] = frozenset()  # user names
    message_at: str | None = None
    had_root_access_keys: bool = False
    inactive: frozenset[str] = frozenset()  # by access key id, of those that were too old
    unsafe: frozenset[str] = frozenset()  # by access key id, of those not safe to deactivate


def read_last_report(report: Mapping[str, Any]) -> LastReport:
    """Read the last report; raise KeyError, TypeError, ValueError or AttributeError if it is damaged."""
    findings = report["findings"]
    expired = {key["access_key_id"]: key for key in _expired_keys(report)}
    early = {key["access_key_id"]: key for key in _early_keys(report)}
    unused_before = {key_id: None for key_id, key in early.items() if key["was"] == "unused"}
    return LastReport(
        since={"scan_id": _text(report, "scan_id"), "as_of": report["as_of"]},
        policy=_compared(report["policy"]),
        expired=expired,
        unused=unused_before | {key["access_key_id"]: _last_use(key) for key in findings if key["verdict"] == "unused"},
        early=early,
        unknown=frozenset({*expired, *early} - {key["access_key_id"] for key in findings}),
        unchecked=frozenset(user["user_name"] for user in report["unchecked"]),
        message_at=_read_last_message(report),
        had_root_access_keys=has_root_access_keys(report),
        inactive=frozenset(report["inactive_overdue"]),
        unsafe=frozenset(key["access_key_id"] for key in findings if key["safe_to_deactivate"] is False),
    )


def _expired_keys(report: Mapping[str, Any]) -> Iterator[ExpiredKey]:
    """Yield the keys that the last report calls expired, and those that it could not know of any more."""
    changes = report["changes"]
    since = {_text(key, "access_key_id"): key["reported_since"] for key in changes["still_expired"]}
    for finding in report["findings"]:
        if finding["verdict"] == "expired":
            yield _read_key(finding, since.get(finding["access_key_id"], report["as_of"]))
    for key in changes["unknown"]:
        yield _read_key(key, key["reported_since"])


def _early_keys(report: Mapping[str, Any]) -> Iterator[EarlyKey]:
    """Yield the keys that the last report calls due soon or unused, and those that it could not know of any more."""
    for finding in report["findings"]:
        if finding["verdict"] in ("due_soon", "unused"):
            yield {**_read_key(finding, report["as_of"]), "was": finding["verdict"]}
    for key in report["changes"].get("unknown_early", ()):
        was: Literal["due_soon", "unused"] = "unused" if key["was"] == "unused" else "due_soon"
        yield {**_read_key(key, key["reported_since"]), "was": was}


def _read_last_message(report: Mapping[str, Any]) -> str:
    """Return when the last message was sent, as far as the last report knows; raise ValueError for no instant."""
    at: str = report["changes"].get("last_message_at") or report["as_of"]
    return format_instant(parse_instant(at))


def _read_key(key: Mapping[str, Any], reported_since: str) -> ExpiredKey:
    """Read an expired key out of the last report; raise ValueError for what no report has."""
    for name in ("user_name", "access_key_id", "status"):
        _text(key, name)
    for instant in (key["created_at"], key["overdue_at"], reported_since):
        parse_instant(instant)
    return expired_key(key, reported_since)


def expired_key(finding: Mapping[str, Any], reported_since: str) -> ExpiredKey:
    """Return what changes say of an overdue key."""
    return {
        "user_name": finding["user_name"],
        "access_key_id": finding["access_key_id"],
        "created_at": finding["created_at"],
        "status": finding["status"],
        "overdue_at": finding["overdue_at"],
        "reported_since": reported_since,
    }


def _text(part: Mapping[str, Any], name: str) -> str:
    """Return a field's text; raise ValueError if it is not one that a report has there."""
    value: str = part[name]
    if not re.fullmatch(_TEXTS[name], value, re.ASCII):
        raise ValueError(f"{name}: not a text that a report has")
    return value


def _last_use(finding: Mapping[str, Any]) -> _LastUse:
    used = finding["last_used"]
    return parse_instant(finding["created_at"]), None if used is None else parse_instant(used["at"])


def _compared(policy: Mapping[str, Any]) -> dict[str, int | None]:
    """Take of a policy what is compared; `max_unused_days`, which it need not have, is None without."""
    return {name: _number(policy[name]) if name in policy or name != _OPTIONAL else None for name in COMPARED_FIELDS}


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAX_AGE_DAYS_LIMIT:
        raise ValueError("not a number, true or false that a policy has")
    return value

"""What changed since the last full scan: keys newly expired, still expired, resolved. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Literal

from chalicelib.age import parse_instant
from chalicelib.report import ACTIVE, InvalidEvidenceError, join_pages, scan_kind
from chalicelib.shapes import Changes, ExpiredKey, JudgedKey, LastScan, Page, Report, UserEvidence

_NO_LAST_SCAN = "No earlier full scan is on record: the first one, or latest.json was lost."


def join_and_compare(pages: Iterable[Page], load_last_report: Callable[[], Mapping[str, Any] | None]) -> Report:
    """Join pages as `join_pages` does; the report of a full scan tells what changed since the last one."""
    coming = iter(pages)
    first = list(islice(coming, 1))
    pages = chain(first, coming)
    if not first or scan_kind(first[0]["policy"]) != "full":
        return join_pages(pages)
    comparison = _compare_with(load_last_report, first[0]["account_id"])
    report = join_pages(comparison.watch(pages))
    report["changes"] = comparison.changes(report)
    return report


@dataclass
class _Comparison:
    """A full scan being compared with the last one: it watches the pages pass by, then tells the changes."""

    since: LastScan | None = None
    last_policy: dict[str, Any] | None = None
    was_expired: dict[str, ExpiredKey] = field(default_factory=dict)  # by access key id, oldest first
    notes: list[str] = field(default_factory=list)
    _users: dict[str, UserEvidence] = field(default_factory=dict)  # of those keys, as this scan finds them
    _owners: dict[str, UserEvidence] = field(default_factory=dict)  # by access key id: a user may be renamed

    def watch(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Pass the scan's pages on, keeping what became of the keys that were expired."""
        names = {key["user_name"] for key in self.was_expired.values()}
        for page in pages:
            for user in page["users"]:
                if user["user_name"] in names:
                    self._users[user["user_name"]] = user
                for key in user.get("keys", ()):
                    if key["access_key_id"] in self.was_expired:
                        self._owners[key["access_key_id"]] = user
            yield page

    def changes(self, report: Report) -> Changes:
        """Tell what changed, once all pages of the report have passed by."""
        changes: Changes = {
            "since": self.since,
            "notes": [*self.notes, *self._policy_note(report)],
            "new": [],
            "still_expired": [],
            "resolved": [],
            "unknown": [],
        }
        expired_now = set()
        for finding in report["findings"]:
            if finding["verdict"] == "expired":
                expired_now.add(finding["access_key_id"])
                before = self.was_expired.get(finding["access_key_id"])
                reported_since = before["reported_since"] if before else report["as_of"]
                changes["still_expired" if before else "new"].append(_expired_key(finding, reported_since))
        for key_id, key in self.was_expired.items():
            if key_id not in expired_now:
                how = self._resolution(key)
                if how == "unknown":
                    changes["unknown"].append(key)
                else:
                    changes["resolved"].append({"user_name": key["user_name"], "access_key_id": key_id, "how": how})
        return changes

    def _resolution(
        self, was: ExpiredKey
    ) -> Literal["rotated", "deactivated", "deleted", "no_longer_matching", "unknown"]:
        user = self._owners.get(was["access_key_id"]) or self._users.get(was["user_name"])
        if user and user["outcome"] == "unchecked":
            return "unknown"
        keys = user.get("keys", []) if user else []
        key = next((key for key in keys if key["access_key_id"] == was["access_key_id"]), None)
        if key and key["status"] in (was["status"], ACTIVE):
            return "no_longer_matching"
        if any(_is_successor(other, was) for other in keys):
            return "rotated"
        return "deactivated" if key else "deleted"

    def _policy_note(self, report: Report) -> Iterator[str]:
        before, now = self.last_policy or report["policy"], report["policy"]
        differing = [name for name in now if before.get(name) != now[name]]
        if differing:
            what = ", ".join(f"{name} was {before.get(name)} and is {now[name]}" for name in differing)
            yield f"The scan policy changed since the last full scan ({what}): keys may be new or resolved for that."


def _compare_with(load_last_report: Callable[[], Mapping[str, Any] | None], account_id: str) -> "_Comparison":
    """Begin to compare with the last full scan's report; one that is missing or damaged is noted, never an error."""
    try:
        report = load_last_report()
        return _read(report, account_id) if report is not None else _Comparison(notes=[_NO_LAST_SCAN])
    except InvalidEvidenceError as error:
        return _Comparison(notes=[f"The last full scan cannot be compared with: {error}."])


def _read(report: Mapping[str, Any], account_id: str) -> _Comparison:
    try:
        if report["account_id"] != account_id or scan_kind(report["policy"]) != "full":
            raise InvalidEvidenceError("its report is not a full scan's of this account")
        changes = report.get("changes") or {}
        unknown = [_expired_key(key, key["reported_since"]) for key in changes.get("unknown", [])]
        since = {key["access_key_id"]: key["reported_since"] for key in changes.get("still_expired", [])}
        findings = [finding for finding in report["findings"] if finding["verdict"] == "expired"]
        keys = [_expired_key(finding, since.get(finding["access_key_id"], report["as_of"])) for finding in findings]
        for key in (*keys, *unknown):
            parse_instant(key["created_at"])
        return _Comparison(
            since={"scan_id": report["scan_id"], "as_of": report["as_of"]},
            last_policy=dict(report["policy"]),
            was_expired={key["access_key_id"]: key for key in (*keys, *unknown)},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidEvidenceError(f"its report cannot be read ({error!r})") from error


def _expired_key(finding: Mapping[str, Any], reported_since: str) -> ExpiredKey:
    return {
        "user_name": finding["user_name"],
        "access_key_id": finding["access_key_id"],
        "created_at": finding["created_at"],
        "status": finding["status"],
        "overdue_at": finding["overdue_at"],
        "reported_since": reported_since,
    }


def _is_successor(key: JudgedKey, of: ExpiredKey) -> bool:
    return key["status"] == ACTIVE and parse_instant(key["created_at"]) > parse_instant(of["created_at"])

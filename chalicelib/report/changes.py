"""What changed since the last full scan: keys newly expired, still expired, resolved. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any, Literal

from chalicelib.age import AgeRule, Verdict
from chalicelib.documents import (
    AccountFacts,
    Changes,
    InvalidEvidenceError,
    Page,
    Report,
    UserEvidence,
)
from chalicelib.instants import parse_instant
from chalicelib.key_documents import ACTIVE, ExpiredKey, JudgedKey, ResolvedKey
from chalicelib.organization_documents import AnyReport
from chalicelib.report.build import join_pages
from chalicelib.report.last_report import COMPARED_FIELDS, LastReport, expired_key, read_last_report
from chalicelib.report.summary import has_root_access_keys, scan_kind

NO_LAST_SCAN = "No earlier full scan is on record, so every overdue key counts as new."
_SUPERSEDED = "A later full scan is on record already, so this one is compared with none."
_FIRST_YEAR = 1970  # that a scan policy takes
_CLOCKS_DIFFER_BY = timedelta(minutes=5)  # at most, those of Step Functions and of the function


def join_and_compare(
    pages: Iterable[Page],
    load_last_report: Callable[[], Mapping[str, Any] | None],
    account: AccountFacts,
    now: datetime | None = None,
) -> Report:
    """Join pages as `join_pages` does; the report of a full scan tells what changed since the last one.

    `account` is what the scan read of the account before. A last report from after `now` is damaged.
    """
    coming = iter(pages)
    first = list(islice(coming, 1))
    pages = chain(first, coming)
    if not first or scan_kind(first[0]["policy"]) != "full":
        return join_pages(pages, account)
    comparison = _compare_with(load_last_report, first[0], now)
    report = join_pages(comparison.watch(pages), account)
    report["changes"] = comparison.changes(report, account)
    return report


def is_new_baseline(report: AnyReport) -> bool:
    """Return whether the next full scan is to be compared with this one."""
    return report["changes"] is not None and not report["changes"]["superseded"]


def may_be_unused(key: JudgedKey, report: Report) -> bool:
    """Return whether an active key that is in time may be unused: its last use could not be read."""
    if key["status"] != ACTIVE or key["verdict"] != Verdict.OK or key.get("last_used") != "unknown":
        return False
    policy = report["policy"]
    rule = AgeRule(parse_instant(report["as_of"]), policy["max_age_days"], 0, policy.get("max_unused_days"))
    return rule.is_unused(parse_instant(key["created_at"]), None)


@dataclass
class _Comparison:
    """A full scan being compared with the last one: it watches the pages pass by, then tells the changes."""

    last: LastReport = field(default_factory=LastReport)
    notes: list[str] = field(default_factory=list)
    superseded: bool = False
    _users: dict[str, UserEvidence] = field(default_factory=dict)  # of those keys, as this scan finds them
    _owners: dict[str, UserEvidence] = field(default_factory=dict)  # by access key id: a user may be renamed

    def watch(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Pass the scan's pages on, keeping what became of the keys that were expired."""
        was_found = {**self.last.early, **self.last.expired}
        names = {key["user_name"] for key in was_found.values()}
        for page in pages:
            for user in page["users"]:
                if user["user_name"] in names:
                    self._users[user["user_name"]] = user
                for key in user.get("keys", ()):
                    if key["access_key_id"] in was_found:
                        self._owners[key["access_key_id"]] = user
            yield page

    def changes(self, report: Report, account: AccountFacts) -> Changes:
        """Return what changed, once all pages of the report have passed by."""
        changes: Changes = {
            "since": self.last.since,
            "notes": [*self.notes, *self._policy_note(report)],
            "new": [],
            "still_expired": [],
            "resolved": [],
            "unknown": [],
            "new_unused": [],
            "reactivated": [],
            "became_safe": [
                finding["access_key_id"]
                for finding in report["findings"]
                if finding["safe_to_deactivate"] and finding["access_key_id"] in self.last.unsafe
            ],
            "new_root_access_keys": has_root_access_keys(report) and not self.last.had_root_access_keys,
            "superseded": self.superseded,
            "new_due_soon": [
                finding["access_key_id"]
                for finding in report["findings"]
                if finding["verdict"] == "due_soon" and finding["access_key_id"] not in self.last.early
            ],
            "resolved_early": [],
            "unknown_early": [],
            "last_message_at": self.last.message_at,
            "reminder": False,
        }
        expired_now = set()
        for finding in report["findings"]:
            if finding["verdict"] == "expired":
                expired_now.add(finding["access_key_id"])
                before = self.last.expired.get(finding["access_key_id"])
                if finding["status"] == ACTIVE and self._was_inactive(finding["access_key_id"]):
                    changes["reactivated"].append(finding["access_key_id"])
                if before and self._was_expired_by(report["policy"], before):
                    changes["still_expired"].append(expired_key(finding, before["reported_since"]))
                else:
                    changes["new"].append(expired_key(finding, report["as_of"]))
            elif finding["verdict"] == "unused" and not self._was_unused_by(report["policy"], finding["access_key_id"]):
                changes["new_unused"].append(finding["access_key_id"])
        for key_id, key in self.last.expired.items():
            if key_id not in expired_now:
                how = self._resolution(key, report, account)
                if how == "unknown":
                    changes["unknown"].append(key)
                else:
                    changes["resolved"].append({"user_name": key["user_name"], "access_key_id": key_id, "how": how})
        self._add_early(changes, report, account)
        return changes

    def _add_early(self, changes: Changes, report: Report, account: AccountFacts) -> None:
        """Add what became of the keys that were due soon or unused, and are not found any more."""
        found_now = {finding["access_key_id"] for finding in report["findings"]}
        for key_id, key in self.last.early.items():
            if key_id in found_now:
                continue
            how = self._resolution(key, report, account)
            if how == "unknown":
                changes["unknown_early"].append(key)
            else:
                resolved: ResolvedKey = {"user_name": key["user_name"], "access_key_id": key_id, "how": how}
                changes["resolved_early"].append({**resolved, "was": key["was"]})

    def _was_expired_by(self, policy: Mapping[str, Any], key: ExpiredKey) -> bool:
        """Return whether this scan's policy, too, would have called a key expired then: if not, it is new."""
        if not self.last.since or (key["status"] != ACTIVE and not policy["include_inactive"]):
            return False
        rule = AgeRule(parse_instant(self.last.since["as_of"]), policy["max_age_days"], 0)
        return rule.verdict(parse_instant(key["created_at"])) is Verdict.EXPIRED

    def _was_inactive(self, key_id: str) -> bool:
        """Return whether a key was too old and inactive at the last scan, whether it was judged or skipped."""
        before = self.last.expired.get(key_id)
        return key_id in self.last.inactive or (before is not None and before["status"] != ACTIVE)

    def _was_unused_by(self, policy: Mapping[str, Any], key_id: str) -> bool:
        """Return whether this scan's policy, too, would have called a key unused then."""
        if not self.last.since or key_id not in self.last.unused:
            return False
        last_use = self.last.unused[key_id]
        rule = AgeRule(parse_instant(self.last.since["as_of"]), policy["max_age_days"], 0, policy["max_unused_days"])
        return last_use is None or rule.is_unused(*last_use)

    def _resolution(
        self, was: ExpiredKey, report: Report, account: AccountFacts
    ) -> Literal["rotated", "deactivated", "deleted", "exempted", "no_longer_matching", "unknown"]:
        owner = self._owners.get(was["access_key_id"])
        user = owner or self._users.get(was["user_name"])
        if user is None:  # deleted, or renamed: to one of those who are unchecked, or while the scan ran
            return "unknown" if self._is_out_of_sight(was, report, account) else "deleted"
        keys = user.get("keys", [])
        key = next((key for key in keys if key["access_key_id"] == was["access_key_id"]), None)
        may_be_unused_still = key and was["access_key_id"] in self.last.unused and may_be_unused(key, report)
        if user["outcome"] != "checked" or may_be_unused_still:  # not found: deleted or renamed while the scan ran
            return "unknown"
        if key and key["verdict"] == "exempt":
            return "exempted"
        if key and key["status"] in (was["status"], ACTIVE):
            return "no_longer_matching"
        if any(_is_successor(other, was) for other in keys):
            return "rotated"
        return "deactivated" if key else "deleted"

    def _is_out_of_sight(self, key: ExpiredKey, report: Report, account: AccountFacts) -> bool:
        """Return whether a key whose user is not listed any more may be one of a user who could not be checked.

        If the last scan found the key, it was not one of a user who was unchecked then.
        """
        unchecked = {user["user_name"] for user in report["unchecked"]}
        if key["access_key_id"] not in self.last.unknown:
            unchecked -= self.last.unchecked
        return bool(unchecked) or key["user_name"] in account["users"]

    def _policy_note(self, report: Report) -> Iterator[str]:
        before, now = self.last.policy, report["policy"]
        differing = [name for name in COMPARED_FIELDS if name in before and before[name] != now.get(name)]
        if differing:
            shown = {name: [_shown(policy.get(name)) for policy in (before, now)] for name in differing}
            what = ", ".join(f"{name} was {was} and is {becomes}" for name, (was, becomes) in shown.items())
            yield f"The scan policy changed since the last full scan ({what}): keys may be new or resolved for that."


def _compare_with(
    load_last_report: Callable[[], Mapping[str, Any] | None], page: Page, now: datetime | None
) -> "_Comparison":
    """Begin to compare with the last full scan's report; one that is missing or damaged is noted, never an error."""
    try:
        report = load_last_report()
        return _read(report, page, now) if report is not None else _Comparison(notes=[NO_LAST_SCAN])
    except InvalidEvidenceError as error:
        return _Comparison(notes=[f"The last full scan cannot be compared with: {error}."])


def _read(report: Mapping[str, Any], page: Page, now: datetime | None) -> _Comparison:
    try:
        if report["account_id"] != page["account_id"] or scan_kind(report["policy"]) != "full":
            raise InvalidEvidenceError("its report is not a full scan's of this account")
        as_of = parse_instant(report["as_of"])
        if now is not None and as_of > now + _CLOCKS_DIFFER_BY:  # it would supersede every scan until then
            raise InvalidEvidenceError("its report is of an instant that is yet to come")
        if as_of.year < _FIRST_YEAR:  # before which no limit of days can be counted back
            raise InvalidEvidenceError("its report is of an instant before there was IAM")
        if as_of >= parse_instant(page["as_of"]):
            return _Comparison(notes=[_SUPERSEDED], superseded=True)
        return _Comparison(last=read_last_report(report))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidEvidenceError("its report is damaged") from error


def _shown(value: int | None) -> str:
    return "not set" if value is None else str(value)


def _is_successor(key: JudgedKey, of: ExpiredKey) -> bool:
    return key["status"] == ACTIVE and parse_instant(key["created_at"]) > parse_instant(of["created_at"])

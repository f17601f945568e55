"""Whose a key is: the one address that its owner tag has to be, and the keys of a scan by owner. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from chalicelib.age import Verdict
from chalicelib.documents import Quarantined, Report
from chalicelib.evaluation.advice import LEAKED
from chalicelib.instants import parse_instant
from chalicelib.key_documents import ACTIVE, Finding
from chalicelib.report.summary import most_severe_first
from chalicelib.telling.notice import OwnedKey
from chalicelib.telling_documents import Reason, ToldKey
from chalicelib.telling_settings import OwnerRule

# Less than a mail's address may be: no quotes, no comments, no routes such as `alice%example.org@example.com`.
_LOCAL_PART = re.compile(r"(?!.{65})[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*", re.ASCII | re.DOTALL)
# Which reasons did not hold at the last full scan of the keys in these lists of a report's changes.
_AGAIN: dict[str, tuple[Reason, ...]] = {
    "new": ("expired",),
    "new_unused": ("became_safe",),
    "new_due_soon": ("due_in_1_day", "due_in_7_days"),
}


def owner_address(finding: Finding, domains: Collection[str]) -> str | None:
    """Return the address in lower case that a finding's owner tag is, None unless it is one and in these domains."""
    owner = (finding["owner"] or "") if finding["owner_known"] else ""
    local_part, _, domain = owner.partition("@")
    if not owner.isascii() or domain.lower() not in domains or not _LOCAL_PART.fullmatch(local_part):
        return None
    return owner.lower()


def owner_of(finding: Finding, rule: OwnerRule) -> str | None:
    """Return who is sent notices of a key: an address or, by SNS, the text of the owner tag; None for nobody."""
    if rule.by == "ses":
        return owner_address(finding, rule.domains)
    return ((finding["owner"] or "").strip() or None) if finding["owner_known"] else None


@dataclass
class OwnedKeys:
    """A scan's keys by owner, each owner's most severe first, and which keys the scan cannot speak for."""

    by_owner: dict[str, list[OwnedKey]] = field(default_factory=dict)
    without_address: int = 0
    _accounts: set[str] = field(default_factory=set)  # that were scanned
    _unknown: set[tuple[str, str]] = field(default_factory=set)  # users of whose keys not all is known, and key ids

    def add(self, report: Report, rule: OwnerRule, account_name: str | None) -> None:
        """Add the findings of an account's report, and what else leaked."""
        account_id, plan = report["account_id"], report.get("plan")
        self._accounts.add(account_id)
        self._unknown.update((account_id, name) for name in _unknown_in(report))
        again = _find_again(report)
        since = report["changes"] and report["changes"]["since"]
        self.without_address += sum(owner_of(finding, rule) is None for finding in report["findings"])
        for finding in chain(report["findings"], _leaked_besides(report)):
            owner = owner_of(finding, rule)
            if owner is None:
                continue
            owned = OwnedKey(
                account_id=account_id,
                account_name=account_name,
                account_alias=report["account_alias"],
                finding=finding,
                max_age_days=report["policy"]["max_age_days"],
                deactivates=plan is not None and plan["mode"] == "apply",
                again=frozenset(again.get(finding["access_key_id"], ())),
                since=parse_instant(since["as_of"]) if since else None,
                includes_inactive=report["policy"]["include_inactive"],
            )
            self.by_owner.setdefault(owner, []).append(owned)

    def speaks_for(self, key_id: str, told: ToldKey) -> bool:
        """Return whether a key that an owner was told of, and that was not found, is none of theirs any more."""
        account_id = told["account_id"]
        unknown = self._unknown & {(account_id, told["user_name"]), (account_id, key_id)}
        return account_id in self._accounts and not unknown


def _unknown_in(report: Report) -> Iterator[str]:
    """Yield the users of whose keys, tags or quarantine a scan does not know all, and ids of keys that it lost."""
    yield from (user["user_name"] for user in chain(report["unchecked"], report["details_unknown"]))
    yield from report["not_found"]
    yield from (finding["user_name"] for finding in report["findings"] if not finding["owner_known"])
    yield from (user["user_name"] for user in report["quarantined"] if user["access_keys"] == "unknown")
    if changes := report["changes"]:  # their users may have been renamed, and be among the unchecked ones since
        yield from (key["access_key_id"] for key in chain(changes["unknown"], changes["unknown_early"]))


def _find_again(report: Report) -> dict[str, set[Reason]]:
    """Return by key id which reasons did not hold at the last full scan; of those that hold now, they are news."""
    found: dict[str, set[Reason]] = {}
    changes: Mapping[str, Any] = report["changes"] or {}
    for name, reasons in _AGAIN.items():
        for key in changes.get(name, ()):
            found.setdefault(key if isinstance(key, str) else key["access_key_id"], set()).update(reasons)
    return found


def _leaked_besides(report: Report) -> Iterator[Finding]:
    """Yield the active keys of quarantined users that are no finding, because they are young or exempt."""
    found = {finding["access_key_id"] for finding in report["findings"]}
    for user in report["quarantined"]:
        for key in user["access_keys"] if user["access_keys"] != "unknown" else ():
            if key["status"] == ACTIVE and key["access_key_id"] not in found:
                yield _as_finding(user, key["access_key_id"], report["as_of"])


def _as_finding(user: Quarantined, key_id: str, as_of: str) -> Finding:
    """Return a key that leaked as a finding, `ok` by its age; a report does not say when it was made or used."""
    return {
        "user_name": user["user_name"],
        "access_key_id": key_id,
        "status": ACTIVE,
        "created_at": as_of,
        "age_days": 0,
        "overdue_at": as_of,
        "verdict": str(Verdict.OK),
        "last_used": "unknown",
        "owner": user["owner"],
        "owner_known": user["owner_known"],
        "tags": {},
        "description": None,
        "other_keys": [],
        "advice": "deactivate",
        "advice_in_words": LEAKED,
        "safe_to_deactivate": False,
        "exemption": None,
        "severity": "critical",
        "can_administer": "unknown",
        "administers_by": None,
        "quarantined_by": user["policy"],
        "user_path": None,
        "console_url": user["console_url"],
        "controls": [],
        "leave_keys": None,
        "seen_from": None,
    }


def group_by_owner(reports: Iterable[Report], rule: OwnerRule, names: Mapping[str, str | None]) -> OwnedKeys:
    """Return the keys of the accounts' reports by owner; `names` are the accounts' by id.

    A report that a later one supersedes is passed over: its account counts as one that was not scanned.
    """
    keys = OwnedKeys()
    for report in reports:
        if not (report["changes"] and report["changes"]["superseded"]):
            keys.add(report, rule, names.get(report["account_id"]))
    for owned in keys.by_owner.values():
        owned.sort(key=lambda one: most_severe_first(one.finding))
    return keys

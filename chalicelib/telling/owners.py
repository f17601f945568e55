"""Whose a key is: the one address that its owner tag has to be, and the keys of a scan by owner. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.documents import Report
from chalicelib.key_documents import Finding
from chalicelib.report.summary import most_severe_first
from chalicelib.telling.notice import OwnedKey
from chalicelib.telling_documents import ToldKey
from chalicelib.telling_settings import OwnerRule

# Less than a mail's address may be: no quotes, no comments, no routes such as `alice%example.org@example.com`.
_LOCAL_PART = re.compile(r"(?!.{65})[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*", re.ASCII | re.DOTALL)


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
    _unknown: set[tuple[str, str]] = field(default_factory=set)  # users: it is unknown which keys are theirs, or whose

    def add(self, report: Report, rule: OwnerRule, account_name: str | None) -> None:
        """Add the findings of an account's report."""
        account_id, plan = report["account_id"], report.get("plan")
        self._accounts.add(account_id)
        self._unknown.update((account_id, user["user_name"]) for user in report["unchecked"])
        for finding in report["findings"]:
            owner = owner_of(finding, rule)
            if not finding["owner_known"]:
                self._unknown.add((account_id, finding["user_name"]))
            if owner is None:
                self.without_address += 1
                continue
            owned = OwnedKey(
                account_id=account_id,
                account_name=account_name,
                account_alias=report["account_alias"],
                finding=finding,
                max_age_days=report["policy"]["max_age_days"],
                deactivates=plan is not None and plan["mode"] == "apply",
            )
            self.by_owner.setdefault(owner, []).append(owned)

    def speaks_for(self, told: ToldKey) -> bool:
        """Return whether a key that an owner was told of, and that was not found, is none of theirs any more."""
        account_id, user_name = told["account_id"], told["user_name"]
        return account_id in self._accounts and (account_id, user_name) not in self._unknown


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

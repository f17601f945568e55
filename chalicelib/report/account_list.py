"""Which accounts a scan of an organization is of, and what becomes of each. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from chalicelib.documents import SCHEMA_VERSION, InvalidEvidenceError
from chalicelib.instants import format_instant, parse_instant
from chalicelib.organization_documents import AccountItem, AccountList, Baselines, ListedAccount
from chalicelib.organization_settings import OrganizationSettings
from chalicelib.scan_ids import is_account_id, is_scan_id

# The states in which an account's keys do not work. In any other, known or not, STS has the last word: an account that
# is about to be closed still answers.
NOT_ACTIVE = {
    "PENDING_ACTIVATION": "its activation is pending",
    "SUSPENDED": "it is suspended",
    "CLOSED": "it is closed",
}
_NOT_A_MEMBER = "it is not in the organization"
_NOT_NAMED = "it is not among those of the stack parameter Accounts"
_NO_LAST_SCAN = "No earlier scan of the organization is on record, so every overdue key counts as new."
_DAMAGED = "The last scan of the organization cannot be compared with: {}. Every overdue key counts as new."
_CLOCKS_DIFFER_BY = timedelta(minutes=5)  # at most, those of Step Functions and of the function


class NoAccountsError(Exception):
    """A scan of no account at all, which would look clean."""


def choose_accounts(
    scan_id: str,
    settings: OrganizationSettings,
    known: Iterable[ListedAccount],
    requested: Sequence[str] | None,
    load_baselines: Callable[[], Baselines | None],
) -> tuple[AccountList, list[AccountItem]]:
    """Return the accounts of a scan, and those of them that can be scanned; NoAccountsError if there is none.

    `known` are those of the organization, or those that the settings name, before any is left out; `requested` is None
    for all of them. Baselines that are damaged are noted: everything counts as new then.
    """
    by_id = {account["account_id"]: account for account in known}
    chosen = sorted(by_id) if requested is None else dict.fromkeys(requested)
    accounts = [_listed(by_id, account_id) for account_id in chosen if account_id not in settings.excluded]
    if not accounts:
        raise NoAccountsError("there is no account to scan: see the stack parameters Accounts and ExcludedAccounts")
    baselines, notes = _last_scan(load_baselines)
    last_scan_ids = baselines["accounts"] if baselines else {}
    listed: AccountList = {
        "schema_version": SCHEMA_VERSION,
        "scan_id": scan_id,
        "requested": None if requested is None else list(requested),
        "accounts": accounts,
        "excluded": [account_id for account_id in settings.excluded if account_id in by_id],
        "last_scan": {"scan_id": baselines["scan_id"], "as_of": baselines["as_of"]} if baselines else None,
        "gone": _gone(baselines, by_id, settings) if baselines else [],
        "notes": notes,
    }
    return listed, [
        {"account_id": one["account_id"], "name": one["name"], "last_scan_id": last_scan_ids.get(one["account_id"])}
        for one in accounts
        if one["cause"] is None
    ]


def named_account(account_id: str) -> ListedAccount:
    """Return an account that the settings name, of which Organizations is not asked."""
    return {"account_id": account_id, "name": None, "state": None, "cause": None}


def check_baselines(found: Mapping[str, Any], now: datetime) -> Baselines:
    """Return baselines; InvalidEvidenceError for others than a scan keeps: whoever may write to the bucket may have."""
    try:
        baselines: Baselines = {
            "schema_version": found["schema_version"],
            "scan_id": found["scan_id"],
            "as_of": found["as_of"],
            "accounts": dict(found["accounts"]),
            "instants": dict(found["instants"]),
            "names": dict(found["names"]),
            "not_active": list(found["not_active"]),
        }
        if last_message_at := found.get("last_message_at"):
            baselines["last_message_at"] = format_instant(parse_instant(last_message_at))
        latest = max(map(parse_instant, (baselines["as_of"], *baselines["instants"].values())))
        scan_ids, names = (baselines["scan_id"], *baselines["accounts"].values()), baselines["names"].values()
        account_ids = (*baselines["accounts"], *baselines["not_active"])
        valid = all(map(is_account_id, account_ids)) and all(map(is_scan_id, scan_ids))
        valid = valid and baselines["accounts"].keys() == baselines["instants"].keys()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidEvidenceError("its baselines are damaged") from error
    if not valid or not all(isinstance(name, str | None) for name in names):
        raise InvalidEvidenceError("its baselines are damaged")
    if latest > now + _CLOCKS_DIFFER_BY:
        raise InvalidEvidenceError("it is of an instant that is yet to come")
    return baselines


def _listed(by_id: Mapping[str, ListedAccount], account_id: str) -> ListedAccount:
    account = by_id.get(account_id, {**named_account(account_id), "cause": _NOT_A_MEMBER})
    return {**account, "cause": NOT_ACTIVE.get(account["state"] or "", account["cause"])}


def _gone(
    baselines: Baselines, by_id: Mapping[str, ListedAccount], settings: OrganizationSettings
) -> list[ListedAccount]:
    cause = _NOT_A_MEMBER if settings.whole else _NOT_NAMED
    return [
        {"account_id": account_id, "name": baselines["names"].get(account_id), "state": None, "cause": cause}
        for account_id in sorted(baselines["accounts"])
        if account_id not in by_id and account_id not in settings.excluded
    ]


def _last_scan(load: Callable[[], Baselines | None]) -> tuple[Baselines | None, list[str]]:
    try:
        baselines = load()
    except InvalidEvidenceError as error:
        return None, [_DAMAGED.format(error)]
    return baselines, [] if baselines else [_NO_LAST_SCAN]

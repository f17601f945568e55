"""The files of a scan of an organization, beside those of each account, as `organization_documents` describes them."""

import re
from datetime import UTC, datetime
from typing import Any, cast

from chalicelib.aws import bucket, report_store
from chalicelib.documents import InvalidEvidenceError
from chalicelib.instants import format_instant
from chalicelib.organization_documents import (
    AccountItem,
    AccountList,
    AccountRequest,
    Baselines,
    OrganizationPointer,
    OrganizationProgress,
    OrganizationReport,
    UncheckedAccount,
)
from chalicelib.report.account_list import check_baselines
from chalicelib.report.summary import report_locations
from chalicelib.scan_ids import InvalidScanIdError, is_account_id
from chalicelib.settings import InvalidSettingError

_LATEST_KEY = "organization/latest.json"
_REQUEST = "request.json"


def save_account_list(accounts: AccountList) -> None:
    """Keep which accounts a scan is of."""
    bucket.put_json(f"{bucket.folder(accounts['scan_id'])}/accounts.json", accounts, indent=1)


def load_account_list(scan_id: str) -> AccountList:
    """Return which accounts a scan is of; raise InvalidEvidenceError if that is missing."""
    return cast(AccountList, _required(scan_id, "accounts.json"))


def load_named_accounts(key: str) -> list[str]:
    """Return the account ids of a list in the bucket, one a line or separated by commas, each once.

    Raise InvalidSettingError, naming the first entry that is none, if the list is missing or damaged.
    """
    body = bucket.get(key)
    if body is None:
        raise InvalidSettingError("ACCOUNTS", bucket.uri(key), "a list of account ids, and there is no such object")
    entries = [entry for entry in re.split(r"[\s,]+", body.decode(errors="replace").lstrip("\ufeff")) if entry]
    damaged = next((entry for entry in entries if not is_account_id(entry)), None)
    if damaged is not None or not entries:
        takes = "account ids of 12 digits, one a line or separated by commas; nothing else, and at least one"
        raise InvalidSettingError(f"ACCOUNTS ({bucket.uri(key)})", damaged or "", takes)
    return list(dict.fromkeys(entries))


def save_items(scan_id: str, items: list[AccountItem]) -> dict[str, str]:
    """Keep the accounts to scan, and when the last scan was made the last; return where, as an ItemReader takes it."""
    key = f"{bucket.folder(scan_id)}/accounts-to-scan.json"
    told_at = last_kept_at() if any(item["last_scan_id"] for item in items) else None
    bucket.put_json(key, [{**item, "told_at": format_instant(told_at)} for item in items] if told_at else items)
    return {"Bucket": bucket.name(), "Key": key}


def save_unchecked(scan_id: str, unchecked: UncheckedAccount) -> None:
    """Keep why an account could not be scanned."""
    bucket.put_json(_unchecked_key(scan_id, unchecked["account_id"]), unchecked)


def load_unchecked(scan_id: str, account_id: str) -> UncheckedAccount | None:
    """Return why an account could not be scanned, None if nothing was kept."""
    return cast("UncheckedAccount | None", bucket.get_json(_unchecked_key(scan_id, account_id)))


def begin_request(scan_id: str, request: AccountRequest) -> bool:
    """Keep what was asked of an account, unless a scan of this id was before; return whether it was kept."""
    return bucket.put_first_json(f"{bucket.folder(scan_id)}/{_REQUEST}", request)


def save_request(scan_id: str, request: AccountRequest) -> None:
    """Keep what was asked of an account, and how that ended."""
    bucket.put_json(f"{bucket.folder(scan_id)}/{_REQUEST}", request)


def load_request(scan_id: str) -> AccountRequest | None:
    """Return what was asked of an account without an execution, None if nothing was."""
    return cast("AccountRequest | None", bucket.get_json(f"{bucket.folder(scan_id)}/{_REQUEST}"))


def load_report(scan_id: str, began: datetime | None) -> OrganizationReport | None:
    """Return the report of a scan of an organization, as `report_store.load_report` does that of an account's."""
    return cast("OrganizationReport | None", report_store.load_report(scan_id, began))


def read_progress(scan_id: str, began: datetime | None) -> OrganizationProgress:
    """Return how far a scan is: how many accounts there are to scan, null while they are listed, and how many began."""
    items = bucket.get_json(f"{bucket.folder(scan_id)}/accounts-to-scan.json", began)
    if items is None:
        return {"accounts": 0, "accounts_to_scan": None}
    begun = [bucket.names_in(f"{bucket.folder(scan_id)}/{folder}/") for folder in ("accounts", "unchecked")]
    return {"accounts": len(set.union(*begun)), "accounts_to_scan": len(items)}


def unchecked_written_at(scan_id: str, account_id: str) -> datetime | None:
    """Return when it was kept why an account could not be scanned, None if nothing was."""
    return bucket.written_at(_unchecked_key(scan_id, account_id), None)


def save_baselines(baselines: Baselines) -> None:
    """Keep which scan has the last report of each account."""
    bucket.put_json(f"{bucket.folder(baselines['scan_id'])}/baselines.json", baselines)


def load_last_baselines() -> Baselines | None:
    """Return which scan has the last report of each account, None before the first scan.

    Raise InvalidEvidenceError if that is damaged or no longer there.
    """
    try:
        latest = bucket.get_json(_LATEST_KEY)
        if latest is None:
            return None
        return check_baselines(_required(latest["scan_id"], "baselines.json"), datetime.now(UTC))
    except (ValueError, TypeError, KeyError, RecursionError, InvalidScanIdError) as error:
        raise InvalidEvidenceError(f"{_LATEST_KEY} or what it points to is damaged") from error


def load_pointer() -> dict[str, str] | None:
    """Return the `scan_id` and the `as_of` of the last scan, None if there is none, or if that is damaged."""
    return report_store.load_pointer(_LATEST_KEY)


def last_kept_at() -> datetime | None:
    """Return when the last scan was made the last, after people were notified; None if there is none."""
    return bucket.written_at(_LATEST_KEY, None)


def load_usable_baselines() -> Baselines | None:
    """Return which scan has the last report of each account, None, too, where that is damaged or no longer there."""
    try:
        return load_last_baselines()
    except InvalidEvidenceError:  # which list_accounts noted
        return None


def pointer(report: OrganizationReport) -> dict[str, Any]:
    """Make the s3:PutObject request by which the state machine, after people were notified, makes a scan the last."""
    folder = bucket.uri(f"{bucket.folder(report['scan_id'])}/")
    latest: OrganizationPointer = {
        "schema_version": report["schema_version"],
        "scan_id": report["scan_id"],
        "as_of": report["as_of"],
        "reports": report_locations(folder),
    }
    return {"Bucket": bucket.name(), "Key": _LATEST_KEY, "Body": latest, "ContentType": bucket.MEDIA_TYPES["json"]}


def _unchecked_key(scan_id: str, account_id: str) -> str:
    bucket.folder(scan_id, account_id)  # which refuses ids that cannot be part of a key
    return f"{bucket.folder(scan_id)}/unchecked/{account_id}.json"


def _required(scan_id: str, name: str) -> Any:
    document = bucket.get_json(f"{bucket.folder(scan_id)}/{name}")
    if not isinstance(document, dict):
        raise InvalidEvidenceError(f"{name} of scan {scan_id} is not there")
    return document

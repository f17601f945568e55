"""The details of the events, as docs/events/*.schema.json describe them; fields are added, never renamed or removed."""

from typing import Literal, TypedDict

OVERDUE = "IAM Access Key Overdue"
UNUSED = "IAM Access Key Unused"
DUE_SOON = "IAM Access Key Due Soon"
BECAME_SAFE = "IAM Access Key Became Safe To Deactivate"
RESOLVED = "IAM Access Key Resolved"
DEACTIVATED = "IAM Access Key Deactivated"
SCAN_COMPLETED = "IAM Access Key Scan Completed"


class KeyDetail(TypedDict):
    """Of an event about a key that a full scan found."""

    schema_version: int
    event_key: str
    account_id: str
    account_alias: str | None
    scan_id: str
    as_of: str
    user_name: str
    access_key_id: str
    owner: str | None  # null, too, where it is unknown
    severity: Literal["critical", "high", "medium", "low"]
    verdict: Literal["expired", "unused", "due_soon"]
    quarantined: bool
    age_days: int
    created_at: str
    overdue_at: str
    last_used_at: str | None  # null for never, and where it is unknown
    advice: Literal["deactivate", "finish_rotation", "rotate", "delete"] | None
    safe_to_deactivate: bool | None
    console_url: str | None


class OverdueDetail(KeyDetail):
    """Of the event about a key that is overdue."""

    reactivated: bool  # it was too old and inactive at the last full scan


class ResolvedDetail(TypedDict):
    """Of the event about a key that was found at the last full scan, and is not any more."""

    schema_version: int
    event_key: str
    account_id: str
    account_alias: str | None
    scan_id: str
    as_of: str
    user_name: str
    access_key_id: str
    was: Literal["expired", "unused", "due_soon"]
    how: Literal["rotated", "deactivated", "deleted", "exempted", "no_longer_matching"]
    action_id: str | None  # of a key that this product deactivated
    approved_by: str | None


class DeactivatedDetail(TypedDict):
    """Of the event about a key that this product deactivated."""

    schema_version: int
    event_key: str
    account_id: str
    scan_id: str
    user_name: str
    access_key_id: str
    created_at: str
    last_used_at: str | None
    action_id: str
    approved_by: str
    approved_at: str
    deactivated_at: str
    why: str
    undo: str | None  # the request that undoes it


class ScanUsers(TypedDict):
    """How many users a scan was of, and what became of them."""

    users_listed: int
    users_checked: int
    users_not_found: int
    users_unchecked: int
    keys_judged: int


class ScanAccounts(TypedDict):
    """How many accounts a scan of an organization was of, and what became of them."""

    accounts_listed: int
    accounts_scanned: int
    accounts_unchecked: int
    accounts_not_active: int
    accounts_incomplete: int


class ScanTotals(TypedDict):
    """Judged keys by verdict."""

    expired: int
    unused: int
    due_soon: int
    ok: int
    exempt: int


class ScanChanges(TypedDict):
    """How many keys changed how since the last full scan."""

    new: int
    still_expired: int
    resolved: int
    unknown: int
    new_unused: int
    reactivated: int
    became_safe: int


class ScanCompletedDetail(TypedDict):
    """Of the event about a scan that has made its report."""

    schema_version: int
    event_key: str
    account_id: str
    account_alias: str | None
    scan_id: str
    scan_kind: Literal["full", "users", "as_of", "organization", "accounts"]
    as_of: str
    started_at: str
    verdict: str
    complete: bool
    severity: Literal["critical", "high", "medium", "low"] | None  # the highest
    coverage: ScanUsers
    accounts: ScanAccounts | None
    totals: ScanTotals
    changes: ScanChanges | None
    root_access_keys: int  # accounts
    quarantined: int  # users
    report: str | None

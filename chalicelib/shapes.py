"""The shapes of the files under `scans/<scan_id>/`; fields are added, never renamed or removed.

Instants are texts as `chalicelib.age.format_instant` writes them.
"""

from typing import Any, Literal, NotRequired, TypedDict


class Finding(TypedDict):
    """An expired or due-soon key."""

    user_name: str
    access_key_id: str
    status: str
    created_at: str
    age_days: int
    overdue_at: str
    verdict: str


class Unchecked(TypedDict):
    """A user of whom IAM would not say."""

    user_name: str
    cause: str


class Coverage(TypedDict):
    """How many users and keys the scan saw, and what became of them."""

    users_listed: int
    users_checked: int
    users_not_found: int
    users_unchecked: int
    keys_judged: int
    keys_inactive_skipped: int


class Totals(TypedDict):
    """Judged keys by verdict."""

    expired: int
    due_soon: int
    ok: int


class JudgedKey(TypedDict):
    """A key as IAM described it, with its verdict: null for an inactive one passed over."""

    access_key_id: str
    status: str
    created_at: str
    verdict: str | None


class UserEvidence(TypedDict):
    """One user's outcome."""

    user_name: str
    outcome: Literal["checked", "not_found", "unchecked"]
    keys: NotRequired[list[JudgedKey]]
    cause: NotRequired[str]


class Page(TypedDict):
    """`pages/<number>.json`: a page of users, judged; the evidence that a report is joined from."""

    schema_version: int
    scan_id: str
    account_id: str
    as_of: str
    policy: dict[str, Any]
    page: int
    coverage: Coverage
    totals: Totals
    findings: list[Finding]
    users: list[UserEvidence]


class AgeBin(TypedDict):
    """How many judged keys are older than `from_days` and not older than `to_days`, null for no end."""

    from_days: int
    to_days: int | None
    keys: int


class ExpiredKey(TypedDict):
    """An expired key in a comparison, with the `as_of` of the full scan that reported it first."""

    user_name: str
    access_key_id: str
    created_at: str
    status: str
    overdue_at: str
    reported_since: str


class ResolvedKey(TypedDict):
    """A key that was expired at the last full scan, is not any more, and why."""

    user_name: str
    access_key_id: str
    how: Literal["rotated", "deactivated", "deleted", "no_longer_matching"]


class LastScan(TypedDict):
    """The last full scan, by which this one is compared."""

    scan_id: str
    as_of: str


class Changes(TypedDict):
    """What changed since the last full scan; `since` is null where there is none to compare with."""

    since: LastScan | None
    notes: list[str]  # in words: why there is none, or what makes the two differ
    new: list[ExpiredKey]
    still_expired: list[ExpiredKey]
    resolved: list[ResolvedKey]
    unknown: list[ExpiredKey]  # expired then; it could not be found out what became of them
    superseded: bool  # a later full scan is on record already: this one took longer, or was redriven


class Report(TypedDict):
    """`report.json`."""

    schema_version: int
    scan_id: str
    account_id: str
    as_of: str
    policy: dict[str, Any]
    coverage: Coverage
    totals: Totals
    findings: list[Finding]
    unchecked: list[Unchecked]
    not_found: list[str]
    not_covered: list[str]  # in words
    scan_kind: Literal["full", "users", "as_of"]
    age_histogram: list[AgeBin]
    changes: Changes | None  # null unless the scan is a full one


class ChangeCounts(TypedDict):
    """How many keys changed how since the last full scan, which is null where there is none to compare with."""

    since: LastScan | None
    new: int
    still_expired: int
    resolved: int
    unknown: int


class Summary(TypedDict):
    """The part of a report that fits everywhere, whatever the account's size."""

    scan_id: str
    account_id: str
    as_of: str
    complete: bool
    coverage: Coverage
    totals: Totals
    changes: ChangeCounts | None

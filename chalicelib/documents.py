"""The shapes of the files under `scans/<scan_id>/`; fields are added, never renamed or removed.

Instants are texts as `chalicelib.instants.format_instant` writes them.
"""

from typing import Any, Literal, NotRequired, TypedDict, final

from chalicelib.deactivation_documents import Action, Plan, PlanSummary
from chalicelib.key_documents import (
    EarlyKey,
    Exemption,
    ExpiredKey,
    Finding,
    JudgedKey,
    KeyStatus,
    ResolvedKey,
    Unknown,
)
from chalicelib.telling_documents import OwnersOfReport

SCHEMA_VERSION = 1
NO_OUTCOME = "the child execution that was to ask for this user failed or ran out of time: its Map Run says why"


# A scan id becomes part of an S3 key and of an ARN; it is one path segment and never "..".
SCAN_ID_PATTERN = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}"
USER_NAME_PATTERN = "[A-Za-z0-9_+=,.@-]{1,64}"  # https://docs.aws.amazon.com/IAM/latest/APIReference/API_User.html
REPORT_FORMATS = ("json", "csv", "html")  # of a report
OCSF = "ocsf"  # another one, which a stage may keep, too


class Unchecked(TypedDict):
    """A user of whom IAM would not say, or not all."""

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
    keys_not_yet_created: int  # at the instant that keys are judged at
    detail_calls: int  # for last uses, without those that had to be made again
    keys_last_use_unknown: int  # of active, judged keys whose last use was asked for
    users_facts_unknown: int  # of whom it is unknown whether AWS quarantined them


class Totals(TypedDict):
    """Judged keys by verdict."""

    expired: int
    due_soon: int
    ok: int
    unused: int
    exempt: int


class Details(TypedDict):
    """What was asked of a user besides the keys: tags as far as they are kept, and why not all is known."""

    tags: dict[str, str] | Unknown
    exemption: Exemption | None
    cause: str | None


class UserFacts(TypedDict):
    """What a scan reads of a user once."""

    path: str | None
    tags: dict[str, str] | Unknown  # the owner's and this product's own
    descriptions: dict[str, str]  # of keys, by access key id: tags of the user, as the console makes them
    owner: str | None  # "unknown", too, where the tags are
    can_administer: bool | Unknown
    administers_by: str | None
    quarantined_by: str | None  # "unknown", too
    cause: str | None  # of what is unknown


class UserEvidence(TypedDict):
    """One user's outcome."""

    user_name: str
    outcome: Literal["checked", "not_found", "unchecked"]
    keys: NotRequired[list[JudgedKey]]
    details: NotRequired[Details]
    cause: NotRequired[str]


class Page(TypedDict):
    """`pages/<number>.json`: a page of users, judged; the evidence that a report is joined from."""

    schema_version: int
    scan_id: str
    account_id: str
    as_of: str
    started_at: str  # when the scan started; `as_of` unless the policy has another
    policy: dict[str, Any]
    page: int
    users_so_far: int  # on this page and on those before
    coverage: Coverage
    totals: Totals
    findings: list[Finding]
    exempt: list[Finding]
    users: list[UserEvidence]


class Progress(TypedDict):
    """How many pages of users a scan has judged so far, and how many users are on them."""

    pages: int
    users: int | None


class AgeBin(TypedDict):
    """How many judged keys are older than `from_days` and not older than `to_days`, null for no end."""

    from_days: int
    to_days: int | None
    keys: int


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
    new_unused: list[str]  # access key ids
    reactivated: list[str]  # access key ids of expired active keys that were too old and inactive at the last scan
    became_safe: list[str]  # access key ids of findings that are safe to deactivate now and were not then
    new_root_access_keys: bool
    superseded: bool  # a later full scan is on record already: this one took longer, or was redriven
    new_due_soon: list[str]  # access key ids
    resolved_early: list[ResolvedKey]  # due soon or unused then, and not found any more, without having been overdue
    unknown_early: list[EarlyKey]  # due soon or unused then; it could not be found out what became of them
    # started_at of the last full scan, or of this one, that sent a message; null in the reports of an organization's
    # accounts
    last_message_at: str | None
    reminder: bool  # the message is sent although nothing changed: the last one is RemindDays ago
    reminds_of: NotRequired[str]  # of a reminder: `last_message_at` before it


class Root(TypedDict):
    """The root user: `access_keys` is IAM's AccountAccessKeysPresent, `cause` why it is unknown."""

    access_keys: int | Unknown
    verdict: Literal["root_access_keys", "ok", "unknown"]
    cause: str | None


class Quarantined(TypedDict):
    """A user to whom AWS attached a policy because a key of theirs leaked; with the keys, whatever their verdict."""

    user_name: str
    policy: str
    access_keys: list[KeyStatus] | Unknown
    owner: str | None
    owner_known: bool
    console_url: str


class AccountUnknown(TypedDict):
    """What could not be read of the account, and why."""

    part: Literal["alias", "users"]
    cause: str


class AccountFacts(TypedDict):
    """`account.json`: what a scan reads of the account once, before it asks for keys."""

    schema_version: int
    scan_id: str
    account_id: str
    partition: str  # of ARNs, such as "aws"
    read_at: str
    alias: str | None
    root: Root | None  # null unless the scan is a full one
    users: dict[str, UserFacts]  # by name: of all users, or of those that the scan policy names
    unknown: list[AccountUnknown]


class ControlRow(TypedDict):
    """A clause of a benchmark that a kind of finding violates."""

    kind: str  # expired, unused, root_access_keys or two_active_keys
    benchmark: str
    version: str
    control: str
    title: str


class Violations(TypedDict):
    """What violates the controls of a kind."""

    keys: int
    exempt_keys: int
    users: int  # who have two active keys
    root_users: int


class SeverityCounts(TypedDict):
    """How many findings have which severity."""

    critical: int
    high: int
    medium: int
    low: int


class AdviceCounts(TypedDict):
    """How many findings have which advice."""

    deactivate: int
    finish_rotation: int
    rotate: int
    delete: int
    none: int


@final
class Report(TypedDict):
    """`report.json`."""

    schema_version: int
    scan_id: str
    account_id: str
    as_of: str
    started_at: str
    policy: dict[str, Any]
    coverage: Coverage
    totals: Totals
    root: Root | None  # null unless the scan is a full one
    advice: AdviceCounts
    findings: list[Finding]
    exempt: list[Finding]
    unchecked: list[Unchecked]
    details_unknown: list[Unchecked]
    not_found: list[str]
    not_covered: list[str]  # in words
    inactive_overdue: list[str]  # access key ids of inactive keys that are skipped and too old
    scan_kind: Literal["full", "users", "as_of"]
    age_histogram: list[AgeBin]
    changes: Changes | None  # null unless the scan is a full one
    account_alias: str | None  # null, too, where it is unknown
    account_unknown: list[AccountUnknown]
    quarantined: list[Quarantined]
    two_active_keys: list[str]  # names of users
    severities: SeverityCounts  # of the findings
    controls: list[ControlRow]  # that the report is evidence for
    plan: NotRequired[Plan]  # of a full scan, where the stage plans deactivations
    actions: NotRequired[list[Action]]  # since the last full scan, where the stage deactivates
    notices: NotRequired[OwnersOfReport]  # of a full scan, where the stage notifies owners


class ChangeCounts(TypedDict):
    """How many keys changed how since the last full scan, which is null where there is none to compare with."""

    since: LastScan | None
    new: int
    still_expired: int
    resolved: int
    unknown: int
    new_unused: int
    reactivated: int
    became_safe: int


class Summary(PlanSummary):
    """The part of a report that fits everywhere, whatever the account's size."""

    scan_id: str
    account_id: str
    as_of: str
    started_at: str
    complete: bool
    coverage: Coverage
    not_covered: list[str]  # in words
    totals: Totals
    root: Root | None
    advice: AdviceCounts
    changes: ChangeCounts | None
    account_alias: str | None
    severities: SeverityCounts
    quarantined: int  # users
    two_active_keys: int  # users


class InvalidEvidenceError(Exception):
    """Pages that do not make up one whole scan; a report from them could look clean and be wrong."""


class TooManyChildrenFailedError(Exception):
    """More of a scan's users are without an outcome than a report is made with."""

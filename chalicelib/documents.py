"""The shapes of the files under `scans/<scan_id>/`; fields are added, never renamed or removed.

Instants are texts as `chalicelib.instants.format_instant` writes them.
"""

from typing import Any, Literal, NotRequired, TypedDict

SCHEMA_VERSION = 1
NO_OUTCOME = "the child execution that was to ask for this user failed or ran out of time: its Map Run says why"


ACTIVE = "Active"  # status of a key that can be used
# A scan id becomes part of an S3 key and of an ARN; it is one path segment and never "..".
SCAN_ID_PATTERN = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}"
USER_NAME_PATTERN = "[A-Za-z0-9_+=,.@-]{1,64}"  # https://docs.aws.amazon.com/IAM/latest/APIReference/API_User.html
REPORT_FORMATS = ("json", "csv", "html")  # of a report


class LastUsed(TypedDict):
    """When, for which service and in which Region a key was used last, as IAM has it."""

    at: str
    service: str
    region: str


Unknown = Literal["unknown"]  # what could not be had
LastUse = LastUsed | Unknown | None  # None: never used


class OtherKey(TypedDict):
    """Another key of the same user."""

    access_key_id: str
    age_days: int
    status: str
    last_used: LastUse
    description: str | None


class Exemption(TypedDict):
    """What a user's exemption tags say, and why they do not exempt, where they do not; texts as they are."""

    in_force: bool
    until: str | None
    reason: str | None
    why_not: str | None


class LeaveKeys(TypedDict):
    """What to have instead of an access key: for which use, what to do, and AWS's page for it."""

    use: str
    instead: str
    url: str


class Seen(TypedDict):
    """A value in CloudTrail's events of a key, and in how many of them it is."""

    value: str
    events: int


class SeenFrom(TypedDict):
    """What CloudTrail's management events say of who uses a key; each list has the three most frequent values."""

    status: Literal["seen", "nothing", "not_asked", "throttled", "refused", "unknown"]
    cause: str | None
    region: str | None  # in which CloudTrail was asked
    events: int  # that were read
    more: bool  # there are more than those
    first_at: str | None
    last_at: str | None
    addresses: list[Seen]
    user_agents: list[Seen]
    actions: list[Seen]
    errors: list[Seen]


class Usage(TypedDict):
    """`usage.json`: what CloudTrail said of the keys that it was to be asked about, by access key id."""

    schema_version: int
    scan_id: str
    asked: int  # keys
    keys: dict[str, SeenFrom]


class Finding(TypedDict):
    """An expired, unused, due-soon or exempt key, and what to do with it."""

    user_name: str
    access_key_id: str
    status: str
    created_at: str
    age_days: int
    overdue_at: str
    verdict: str
    last_used: LastUse
    owner: str | None  # "unknown", too, where the tags could not be had: then `owner_known` is false
    owner_known: bool
    tags: dict[str, str] | Unknown
    description: str | None  # the key's in the IAM console; null without one and where the tags could not be had
    other_keys: list[OtherKey]
    advice: str | None  # deactivate, finish_rotation, rotate, delete; none without knowing its use
    advice_in_words: str | None
    safe_to_deactivate: bool | None  # null without advice and for an inactive key
    exemption: Exemption | None
    severity: Literal["critical", "high", "medium", "low"]  # of an exempt key: that of `exempt_from`
    can_administer: bool | Unknown
    administers_by: str | None  # the policy that makes the user an administrator
    quarantined_by: str | None  # AWS's policy that says that a key of this user leaked; "unknown", too
    user_path: str | None
    console_url: str
    controls: list[str]  # that the key violates
    leave_keys: LeaveKeys | None
    seen_from: SeenFrom | None  # null unless the stage asks CloudTrail
    exempt_from: NotRequired[str]  # of an exempt key: the verdict that it would have


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


class JudgedKey(TypedDict):
    """A key as IAM described it, with its verdict: null if it is not judged.

    That is an inactive key that was skipped, or one created after the instant that keys are judged at.
    """

    access_key_id: str
    status: str
    created_at: str
    verdict: str | None
    last_used: NotRequired[LastUse]  # where it was asked
    description: NotRequired[str]  # where there is one
    exempt_from: NotRequired[str]


class Details(TypedDict):
    """What was asked of a user besides the keys: tags as far as they are kept, and why not all is known."""

    tags: dict[str, str] | Unknown
    exemption: Exemption | None
    cause: str | None


class UserFacts(TypedDict):
    """What a scan reads of a user once."""

    path: str | None
    tags: dict[str, str] | Unknown  # the owner's and an exemption's
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
    how: Literal["rotated", "deactivated", "deleted", "exempted", "no_longer_matching"]


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


class Root(TypedDict):
    """The root user: `access_keys` is IAM's AccountAccessKeysPresent, `cause` why it is unknown."""

    access_keys: int | Unknown
    verdict: Literal["root_access_keys", "ok", "unknown"]
    cause: str | None


class KeyStatus(TypedDict):
    """A key and whether it can be used."""

    access_key_id: str
    status: str


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


class Summary(TypedDict):
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

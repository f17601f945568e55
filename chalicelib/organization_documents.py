"""The shapes of what a scan of an organization keeps, beside the files of each account; fields only grow.

scans/<scan_id>/accounts.json                      AccountList: every account, and what is to become of it
scans/<scan_id>/accounts-to-scan.json              a list of AccountItem, which the state machine reads
scans/<scan_id>/accounts/<account_id>/…            the files of a scan of that account; report.json is the last
scans/<scan_id>/unchecked/<account_id>.json        UncheckedAccount
scans/<scan_id>/baselines.json                     Baselines: what the next scan compares each account with
scans/<scan_id>/report.json                        OrganizationReport
scans/<scan_id>/request.json                       AccountRequest, where the API asked one account alone
organization/latest.json                           OrganizationPointer: the last scan that people were notified of
"""

from typing import Any, Literal, NotRequired, TypedDict, final

from chalicelib.deactivation_documents import Action, Plan, PlanSummary
from chalicelib.documents import (
    AdviceCounts,
    ChangeCounts,
    ControlRow,
    Coverage,
    LastScan,
    Quarantined,
    Report,
    SeverityCounts,
    Totals,
    Violations,
)
from chalicelib.key_documents import Finding
from chalicelib.telling_documents import OwnersOfReport

ACCOUNT_ID_PATTERN = "[0-9]{12}"
MOST_ACCOUNTS = 100  # that a request or the parameter Accounts may name


class ListedAccount(TypedDict):
    """An account of the scan; `name` and `state` are Organizations', null where it was not asked or has none."""

    account_id: str
    name: str | None
    state: str | None  # ACTIVE, SUSPENDED, PENDING_CLOSURE and so on
    cause: str | None  # why it cannot be scanned: it is not active, or not in the organization


class AccountList(TypedDict):
    """`accounts.json`."""

    schema_version: int
    scan_id: str
    requested: list[str] | None  # accounts that the request names; null for all
    accounts: list[ListedAccount]
    excluded: list[str]  # of the organization, by ExcludedAccounts; they are none of `accounts`
    last_scan: LastScan | None  # of the organization, by which this one is compared
    gone: list[ListedAccount]  # of the last scan, and no longer in the organization or in Accounts
    notes: list[str]  # why there is no last scan to compare with


class AccountItem(TypedDict):
    """An account that the state machine hands to the function scan_account."""

    account_id: str
    name: str | None
    last_scan_id: str | None  # the scan that has its last report
    told_at: NotRequired[str]  # when people had been told of what the last scan of the organization announced


class UncheckedAccount(TypedDict):
    """An account that could not be scanned, and why."""

    account_id: str
    cause: str


class AccountRequest(TypedDict):
    """`request.json`: named users of an account, whom the API had scanned without an execution."""

    account_id: str
    policy: dict[str, Any]
    started_at: str
    stopped_at: str | None  # with `error` alone: otherwise what the scan left says when it ended
    error: str | None


class Baselines(TypedDict):
    """`baselines.json`: for each account, the scan that has its last report."""

    schema_version: int
    scan_id: str
    as_of: str
    accounts: dict[str, str]  # scan ids by account id
    instants: dict[str, str]  # by account id, the as_of of that report
    names: dict[str, str | None]  # by account id
    not_active: list[str]  # ids of accounts that an earlier scan found not active
    last_message_at: NotRequired[str | None]  # started_at of the last scan of all accounts that sent a message


class OrganizationPointer(TypedDict):
    """`organization/latest.json`."""

    schema_version: int
    scan_id: str
    as_of: str
    reports: dict[str, str]


AccountOutcome = Literal["scanned", "unchecked", "not_active"]


class AccountRow(TypedDict):
    """What became of an account; all but the first five fields are null unless it was scanned."""

    account_id: str
    account_name: str | None
    outcome: AccountOutcome
    cause: str | None  # of an account that is unchecked or not active
    state: str | None
    account_alias: str | None
    verdict: str | None  # of its report
    complete: bool | None
    coverage: Coverage | None
    totals: Totals | None
    severities: SeverityCounts | None
    advice: AdviceCounts | None
    changes: ChangeCounts | None
    root_access_keys: bool | None  # null, too, where that is unknown
    quarantined: int | None  # users
    two_active_keys: int | None  # users
    reports: dict[str, str]  # s3:// URIs


class NamedAccount(TypedDict):
    """An account by its id, with its name in the organization and its alias, where they are known."""

    account_id: str
    account_name: str | None
    account_alias: str | None


class OrganizationFinding(Finding, NamedAccount):
    """A key of one of the accounts."""

    change: str | None  # new, still_expired
    reported_since: str | None  # of a key with a change
    reactivated: bool  # as `changes` of the account's report has it
    became_safe: bool


class OrganizationQuarantined(Quarantined, NamedAccount):
    """A user of one of the accounts whom AWS quarantined."""


class OrganizationCoverage(TypedDict):
    """How many accounts the scan is of, and what became of them: listed = scanned + unchecked + not active."""

    accounts_listed: int
    accounts_scanned: int
    accounts_unchecked: int
    accounts_not_active: int
    accounts_incomplete: int  # of those scanned
    accounts_excluded: int  # not among those listed


class OrganizationChanges(TypedDict):
    """What changed since each account's last report, summed over the accounts that were compared."""

    since: LastScan | None  # the last scan on record, of all accounts or of some
    notes: list[str]
    new: int
    still_expired: int
    resolved: int
    exempted: int  # of those resolved
    unknown: int
    new_unused: int
    reactivated: int
    became_safe: int
    new_root_access_keys: list[str]  # account ids
    accounts_new: list[str]  # ids of scanned accounts without an earlier report
    accounts_gone: list[ListedAccount]
    accounts_stopped: list[str]  # ids of accounts with an earlier report that are not active for the first time
    superseded: bool  # each account that was scanned has a later report on record already
    last_message_at: str | None  # as of an account's changes
    reminder: bool
    reminds_of: NotRequired[str]


@final
class OrganizationReport(TypedDict):
    """`report.json` of a scan of an organization; `scan_kind` tells it from an account's."""

    schema_version: int
    scan_id: str
    scan_kind: Literal["organization", "accounts"]  # accounts: of some only, of named users, or of another instant
    account_id: str  # of the deployment
    as_of: str
    started_at: str
    policy: dict[str, Any]
    requested: list[str] | None
    coverage: OrganizationCoverage
    users: Coverage  # summed over the accounts that were scanned
    totals: Totals
    severities: SeverityCounts
    advice: AdviceCounts
    to_do: AdviceCounts  # of the overdue and the unused keys
    safe_to_finish: int  # of those whose rotation is to be finished, safe to deactivate now
    exempt_overdue: int  # exempt keys that would be expired
    administrator_keys: int  # findings of high severity of users who can administer their account
    root_access_keys: list[str]  # ids of accounts whose root user has access keys
    root_unknown: int  # accounts
    quarantined: int  # users
    quarantined_users: list[OrganizationQuarantined]  # the first of them
    two_active_keys: int  # users
    accounts: list[AccountRow]  # what is to be looked at first, then by name
    findings: list[OrganizationFinding]  # the most severe, the oldest first; report.csv has all
    findings_left_out: int
    changes: OrganizationChanges | None  # null unless the policy is a full scan's
    excluded: list[str]
    not_covered: list[str]  # in words
    controls: list[ControlRow]
    violations: dict[str, Violations]  # by the kind of controls
    plan: NotRequired[Plan]  # summed over the accounts, where the stage plans deactivations
    actions: NotRequired[list[Action]]  # the first of them, of all accounts
    actions_left_out: NotRequired[int]  # where there are actions
    notices: NotRequired[OwnersOfReport]  # of all accounts' findings, where the stage notifies owners


AnyReport = Report | OrganizationReport


class OrganizationProgress(TypedDict):
    """How many accounts a scan of an organization has begun with so far, and how many it will; null while it lists."""

    accounts: int
    accounts_to_scan: int | None


class OrganizationSummary(PlanSummary):
    """The part of the report that fits everywhere."""

    scan_id: str
    account_id: str
    as_of: str
    started_at: str
    complete: bool
    coverage: OrganizationCoverage
    users: Coverage
    not_covered: list[str]
    totals: Totals
    severities: SeverityCounts
    advice: AdviceCounts
    root_access_keys: int  # accounts
    quarantined: int
    two_active_keys: int
    changes: NotRequired["OrganizationChangeCounts | None"]


class OrganizationChangeCounts(ChangeCounts):
    """Counts of changes, of keys and of accounts."""

    accounts_new: int
    accounts_gone: int
    accounts_stopped: int

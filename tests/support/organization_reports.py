"""Reports of organizations, through the same functions that make real ones."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.documents import Report
from chalicelib.instants import format_instant
from chalicelib.organization_documents import AccountList, Baselines, ListedAccount, OrganizationReport
from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.policy import ScanPolicy
from chalicelib.report.organization import Outcome, check_outcomes, join_accounts
from chalicelib.report.organization_scan import OrganizationScan
from tests.support.reports import AS_OF, report_of

OWN = "123456789012"
FOLDER = "s3://iam-key-age-prod-reportsbucket-tt4ht5klak32/scans/scheduled-2026-11-22T080000Z/"
REFUSED = (
    "AccessDenied: User: arn:aws:sts::123456789012:assumed-role/iam-key-age-prod-ScanAccountRole-1A2B3C/x is not"
    " authorized to perform: sts:AssumeRole on resource: arn:aws:iam::200000000002:role/iam-key-age-reader"
)


def account_id(number: int) -> str:
    return f"{200_000_000_000 + number}"


def listed(number: int, name: str | None = "", state: str | None = "ACTIVE", cause: str | None = None) -> ListedAccount:
    """An account as list_accounts keeps it; `cause` is why it is not to be scanned."""
    named = f"member-{number}" if name == "" else name
    return {"account_id": account_id(number), "name": named, "state": state, "cause": cause}


def suspended(number: int, name: str | None = "") -> ListedAccount:
    return listed(number, name, "SUSPENDED", "it is suspended")


def account_report(number: int, *outcomes: dict[str, Any], last: Any = None, **more: Any) -> Report:
    """The report of an account; `last` are the outcomes of the scan before."""
    before = None
    if last is not None:
        before = report_of(*last, scan_id="scan-0", as_of_scan=AS_OF.replace(day=21), **policy_of(more))
        before["account_id"] = "123456789012"
    report = report_of(*outcomes, last=before, **more)
    report["account_id"] = account_id(number)
    return report


def policy_of(more: Mapping[str, Any]) -> dict[str, Any]:
    others = ("root", "account", "scan_id", "as_of_scan", "started_at")
    return {name: value for name, value in more.items() if name not in others}


def scan_of(**policy: Any) -> OrganizationScan:
    at = format_instant(AS_OF)
    return OrganizationScan("scan-1", OWN, at, at, ScanPolicy(**policy).to_json(), FOLDER)


def list_of(*accounts: ListedAccount, **more: Any) -> AccountList:
    known: AccountList = {
        "schema_version": 1,
        "scan_id": "scan-1",
        "requested": None,
        "accounts": list(accounts),
        "excluded": [],
        "last_scan": None,
        "gone": [],
        "notes": [],
    }
    return {**known, **more}  # type: ignore[typeddict-item]  # fields of it


def baselines(
    *numbers: int, scan_id: str = "scan-0", as_of: str = "2026-11-21T08:00:00Z", not_active: Sequence[int] = ()
) -> Baselines:
    ids = [account_id(number) for number in numbers]
    return {
        "schema_version": 1,
        "scan_id": scan_id,
        "as_of": as_of,
        "accounts": dict.fromkeys(ids, scan_id),
        "instants": dict.fromkeys(ids, as_of),
        "names": {account_id(number): f"member-{number}" for number in numbers},
        "not_active": [account_id(number) for number in not_active],
    }


LAST = {"scan_id": "scan-0", "as_of": "2026-11-21T08:00:00Z"}


def joined(
    outcomes: Sequence[tuple[ListedAccount, Outcome | None]],
    not_scanned: Sequence[ListedAccount] = (),
    last: Baselines | None = None,
    table: OrganizationCsv | None = None,
    **more: Any,
) -> OrganizationReport:
    """The report of a scan with these outcomes; `more` are fields of the list of accounts, or of the policy."""
    fields = ("requested", "excluded", "gone", "notes")
    of_list: dict[str, Any] = {name: more.pop(name) for name in fields if name in more}
    if last is not None:
        of_list["last_scan"] = {"scan_id": last["scan_id"], "as_of": last["as_of"]}
    accounts = list_of(*(account for account, _ in outcomes), *not_scanned, **of_list)
    scan = scan_of(**more)
    checked: Iterator[Any] = check_outcomes(scan, outcomes)
    return join_accounts(scan, accounts, table.watch(checked) if table else checked, last)


def adds_up(report: OrganizationReport) -> bool:
    accounts, users = report["coverage"], report["users"]
    ended = accounts["accounts_scanned"] + accounts["accounts_unchecked"] + accounts["accounts_not_active"]
    checked = users["users_checked"] + users["users_not_found"] + users["users_unchecked"]
    return accounts["accounts_listed"] == len(report["accounts"]) == ended and users["users_listed"] == checked

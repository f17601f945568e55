"""A scan of an organization: what its accounts' reports have in common, and what it is compared with. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from chalicelib.documents import SCHEMA_VERSION
from chalicelib.instants import format_instant, parse_instant
from chalicelib.organization_documents import AccountList, Baselines, OrganizationChanges, OrganizationReport

_SUPERSEDED = "A later scan of the organization is on record already: the next one is not compared with this one."


class OrganizationScan(NamedTuple):
    """A scan of an organization: what its accounts' reports have to agree with, and where its files are."""

    scan_id: str
    account_id: str  # of the deployment
    as_of: str
    started_at: str
    policy: dict[str, Any]
    folder: str  # as a URI that ends in a slash


def describe_scan(scan: Mapping[str, Any], account_id: str, folder: str) -> OrganizationScan:
    """Return what the state machine says of its scan, in the words of reports; `account_id` is the deployment's."""
    started_at = format_instant(parse_instant(scan["started_at"]))
    as_of = scan["policy"].get("as_of", started_at)
    return OrganizationScan(scan["scan_id"], account_id, as_of, started_at, scan["policy"], folder)


def no_changes(scan: OrganizationScan, accounts: AccountList, last: Baselines | None) -> OrganizationChanges:
    """Return the changes before any account is counted; `last` are the baselines on record."""
    of_another = last["as_of"] if last and last["scan_id"] != scan.scan_id else None
    superseded = of_another is not None and parse_instant(of_another) >= parse_instant(scan.as_of)
    return {
        "since": accounts["last_scan"],
        "notes": [*accounts["notes"], *([_SUPERSEDED] if superseded else [])],
        "new": 0,
        "still_expired": 0,
        "resolved": 0,
        "exempted": 0,
        "unknown": 0,
        "new_unused": 0,
        "reactivated": 0,
        "became_safe": 0,
        "new_root_access_keys": [],
        "accounts_new": [],
        "accounts_gone": accounts["gone"],
        "superseded": superseded,
    }


def next_baselines(report: OrganizationReport, accounts: AccountList, last: Baselines | None) -> Baselines:
    """Return which scan has the last report of each account: an account that was not scanned keeps the one it has."""
    gone = {account["account_id"] for account in accounts["gone"]}
    scanned = [row for row in report["accounts"] if row["outcome"] == "scanned"]
    before: Mapping[str, Any] = last or {"accounts": {}, "names": {}}
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": report["scan_id"],
        "as_of": report["as_of"],
        "accounts": {
            **{account_id: scan_id for account_id, scan_id in before["accounts"].items() if account_id not in gone},
            **{row["account_id"]: report["scan_id"] for row in scanned},
        },
        "names": {
            **{account_id: name for account_id, name in before["names"].items() if account_id not in gone},
            **{row["account_id"]: row["account_name"] for row in scanned},
        },
    }


def accounts_left_out(report: OrganizationReport) -> Iterator[str]:
    """Yield in words which accounts the scan does not cover."""
    coverage = report["coverage"]
    if report["requested"] is not None:
        yield "all accounts but those that the request names"
    for number, which in (
        (coverage["accounts_excluded"], "excluded by ExcludedAccounts"),
        (coverage["accounts_not_active"], "not active"),
    ):
        if number:
            yield f"{number} {'account that is' if number == 1 else 'accounts that are'} {which}"

"""The reports of a scan by account: its own, or that of each account that a scan of an organization read."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from chalicelib.aws import report_store
from chalicelib.documents import InvalidEvidenceError, Report
from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport

LONGEST_SCAN = timedelta(hours=25)  # which is more than its executions may take, the message included


class ScannedAccount(NamedTuple):
    """An account of which a scan has a report; `account_id` is None for the one that the scan itself is of."""

    account_id: str | None
    name: str | None  # in the organization
    users: int


def load_any_report(scan_id: str) -> AnyReport:
    """Return the report of a scan that has just made it; raise InvalidEvidenceError if it is missing."""
    report: Any = report_store.load_report(scan_id)
    if report is None:
        raise InvalidEvidenceError(f"the report of scan {scan_id} is missing")
    return report  # type: ignore[no-any-return]  # of either kind


def scanned_accounts(report: AnyReport) -> list[ScannedAccount]:
    """Return the accounts that were scanned, by account id."""
    if "accounts" not in report:
        return [ScannedAccount(None, None, report["coverage"]["users_listed"])]
    return [
        ScannedAccount(
            row["account_id"], row["account_name"], row["coverage"]["users_listed"] if row["coverage"] else 0
        )
        for row in sorted(report["accounts"], key=lambda row: row["account_id"])
        if row["outcome"] == "scanned"
    ]


def load_report_of(report: AnyReport, account_id: str | None) -> Report:
    """Return the report of a scanned account; raise InvalidEvidenceError if it is missing."""
    if "accounts" not in report:
        return report
    of_account = report_store.load_report(report["scan_id"], of_account=account_id)
    if of_account is None:
        raise InvalidEvidenceError(f"the report of account {account_id} is missing")
    return of_account


def account_reports(report: AnyReport) -> Iterator[Report]:
    """Yield the report itself or, of an organization, that of each account that was scanned, by account id.

    Raise InvalidEvidenceError if one is missing: who is told from the rest would take it for all.
    """
    for account in scanned_accounts(report):
        yield load_report_of(report, account.account_id)


def is_by_policy(report: AnyReport | Mapping[str, Any], policy: Mapping[str, Any]) -> bool:
    """Return whether a scan was by this policy."""
    return bool(report["policy"] == policy)


def is_late(report: AnyReport | Mapping[str, Any], now: datetime) -> bool:
    """Return whether a scan was redriven so late that what it found may be another matter by now."""
    return now - parse_instant(report["as_of"]) > LONGEST_SCAN

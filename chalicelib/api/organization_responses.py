"""What the API answers of a scan of an organization where that is not what it answers of an account's. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from chalicelib.age import Verdict
from chalicelib.api.parameters import ACCOUNT_ID, DEFAULT_LIMIT, USER_NAME, VERDICT, InvalidParameterError, page_of
from chalicelib.api.responses import (
    FINDINGS_AT_ONCE,
    Findings,
    ScanEnded,
    ScanStatus,
    keys_page,
    links_to_report,
    scan_ended,
    scan_status,
)
from chalicelib.organization_documents import (
    AccountRow,
    OrganizationCoverage,
    OrganizationProgress,
    OrganizationReport,
)
from chalicelib.report.summary import is_complete, report_locations, summarize_organization

if TYPE_CHECKING:
    from chalicelib.aws.executions import Scan


class Accounts(TypedDict):
    """Accounts of a scan of an organization, the worst verdict first, then by name.

    `complete` is false if the scan could not find out everything.
    """

    scan_id: str
    as_of: str
    complete: bool
    coverage: OrganizationCoverage
    accounts: list[AccountRow]
    next: str | None


def organization_status(
    scan: "Scan", progress: OrganizationProgress, report: OrganizationReport | None, folder: str
) -> ScanStatus:
    """Answer GET /scan/{scan_id}, given where the scan's files are."""
    status = scan_status(scan, progress, None, folder)
    if report:
        status["summary"], status["reports"] = summarize_organization(report), report_locations(folder)
        status["links"] = {**links_to_report(report), "accounts": f"/scan/{scan.scan_id}/accounts"}
    return status


def organization_ended(
    scan: "Scan", status: ScanStatus, report: OrganizationReport | None, already_running: bool
) -> ScanEnded:
    """Answer POST /scan for a scan that has ended."""
    ended = scan_ended(scan, status, None, already_running)
    if report:
        ended["findings"], ended["next"] = keys_page(report["findings"], {}, FINDINGS_AT_ONCE)
        ended["findings_left_out"] = report["findings_left_out"]
    return ended


def organization_findings(report: OrganizationReport, query: Mapping[str, Any]) -> Findings:
    """Answer GET /scan/{scan_id}/findings for all accounts; InvalidParameterError for a `next` that was made up.

    Also for what only an account's own report can answer: a user without a finding here would look clean.
    """
    if "user_name" in query:
        takes = f"a user of the account that {ACCOUNT_ID.name} names beside it, in a scan of an organization"
        raise InvalidParameterError(USER_NAME.name, query["user_name"], takes)
    if query.get("verdict") == Verdict.EXEMPT:
        takes = (
            f"{Verdict.EXEMPT} only with {ACCOUNT_ID.name}, in a scan of an organization; report.csv has all accounts'"
        )
        raise InvalidParameterError(VERDICT.name, query["verdict"], takes)
    found, after = keys_page(report["findings"], query, query.get("limit", DEFAULT_LIMIT))
    return {
        "scan_id": report["scan_id"],
        "account_id": None,
        "as_of": report["as_of"],
        "complete": is_complete(report),
        "user": None,
        "findings": found,
        "next": after,
        "findings_left_out": report["findings_left_out"],
    }


def accounts_page(report: OrganizationReport, query: Mapping[str, Any]) -> Accounts:
    """Answer GET /scan/{scan_id}/accounts; InvalidParameterError for a `next` that was made up."""
    outcome, limit = query.get("outcome"), query.get("limit", DEFAULT_LIMIT)
    found, after = page_of(
        report["accounts"], lambda row: outcome in (None, row["outcome"]), f" {outcome or ''}", query, limit
    )
    return {
        "scan_id": report["scan_id"],
        "as_of": report["as_of"],
        "complete": is_complete(report),
        "coverage": report["coverage"],
        "accounts": found,
        "next": after,
    }

"""What the routes answer of a scan, out of the files that it keeps: of an account's scan or of an organization's."""

from datetime import datetime
from typing import Any, cast

from chalicelib import scan_ids
from chalicelib.api import organization_responses, parameters, responses
from chalicelib.api.parameters import SCAN_ID, InvalidParameterError
from chalicelib.api.routing import Query
from chalicelib.aws import executions, organization_store, report_store
from chalicelib.aws.executions import Scan
from chalicelib.documents import OCSF, Report
from chalicelib.organization_documents import OrganizationReport
from chalicelib.scan_ids import ScanNotFoundError
from chalicelib.telling_settings import writes_ocsf

_KEEPS_NO_OCSF = "this stage keeps no report.ocsf.json (stack parameter OcsfReport)"
_NO_OCSF = "this scan kept no report.ocsf.json: it ran while the stack parameter OcsfReport was off"


def scans(query: Query) -> responses.ScanList:
    """Answer which scans there were lately."""
    token = query.get("next", "")
    kind = parameters.require_kind(query.get("kind"), executions.kinds())
    limit = query.get("limit", parameters.DEFAULT_LIMIT)
    try:
        listed, after = executions.list_scans(limit, query.get("status"), parameters.decode_next(token), kind)
    except executions.InvalidNextError as error:
        raise parameters.invalid_next(token) from error
    return responses.scan_list(listed, after)


def status_of(scan: Scan) -> responses.ScanStatus:
    """Answer where a scan is and, once its report is there, what it found."""
    return _ended(scan)[0]


def ended(scan: Scan, already_running: bool) -> responses.ScanEnded:
    """Answer what a scan that has ended found."""
    status, report = _ended(scan)
    if scan.kind == "organization":
        of_organization = cast(OrganizationReport | None, report)
        return organization_responses.organization_ended(scan, status, of_organization, already_running)
    return responses.scan_ended(scan, status, cast(Report | None, report), already_running)


def findings(scan_id: str, query: Query) -> responses.Findings:
    """Answer which keys a scan found, in all accounts or in one."""
    report, began, of_account = find_report(scan_id, query)
    if of_account is None and (of_organization := _organization(report)):
        return organization_responses.organization_findings(of_organization, query)
    return responses.findings_page(report, query, report_store.load_all_pages(scan_id, began, of_account))


def find_report(scan_id: str, query: Query) -> tuple[Report, datetime | None, str | None]:
    """Return a scan's report, or that of an account; when the scan began, and the account in whose folder it is.

    Raise ScanNotFoundError if there is none.
    """
    scan = executions.find_scan(scan_id)
    of_account, began = _account(scan, query), scan.began if scan else None
    report = _load_report(scan_id, began, of_account)
    if report is None:
        raise _no_report(scan, scan_id, of_account)
    return report, began, of_account


def report_link(scan_id: str, query: Query) -> responses.ReportLink:
    """Answer with a link to a rendering of a scan's report, or of that of one of its accounts.

    S3 is not asked for what the stage does not keep, for it would refuse it: the role may not read it either.
    """
    if query["format"] == OCSF and not writes_ocsf():
        raise ScanNotFoundError(_KEEPS_NO_OCSF)
    scan = executions.find_scan(scan_id)
    of_account, began = _account(scan, query), scan.began if scan else None
    link = report_store.link_report(scan_id, query["format"], began, of_account)
    if link is None:
        if query["format"] == OCSF and report_store.report_written_at(scan_id, began, of_account):
            raise ScanNotFoundError(_NO_OCSF)
        raise _no_report(scan, scan_id, of_account)
    return {"location": link, "expires_in_seconds": report_store.LINK_SECONDS}


def accounts(scan_id: str, query: Query) -> organization_responses.Accounts:
    """Answer what became of the accounts of a scan of an organization."""
    scan = executions.find_scan(scan_id)
    is_one = scan is not None and scan.kind == "account"
    report = None if is_one else report_store.load_report(scan_id, scan.began if scan else None)
    if is_one or (report and not _organization(report)):
        takes = "a scan of an organization; this one is of a single account"
        raise InvalidParameterError(SCAN_ID.name, scan_id, takes)
    if report is None:
        raise executions.no_report_of(scan)
    return organization_responses.accounts_page(cast(OrganizationReport, report), query)


def _ended(scan: Scan) -> tuple[responses.ScanStatus, Report | OrganizationReport | None]:
    folder = report_store.scan_folder(scan.scan_id, scan.account_id)
    report = None if scan.running else _load_report(scan.scan_id, scan.began, scan.account_id)
    if scan.kind == "account":
        progress = report_store.read_progress(scan.scan_id, scan.began, scan.account_id)
        return responses.scan_status(scan, progress, report, folder), report
    of_all, begun = _organization(report), organization_store.read_progress(scan.scan_id, scan.began)
    return organization_responses.organization_status(scan, begun, of_all, folder), of_all


def _load_report(scan_id: str, began: datetime | None, of_account: str | None) -> Report | None:
    """Return a report, None too where an account's folder has another's."""
    report = report_store.load_report(scan_id, began, of_account)
    return report if report is None or of_account in (None, report["account_id"]) else None


def _organization(report: Report | None) -> OrganizationReport | None:
    found: Any = report
    return found if found and found["scan_kind"] in ("organization", "accounts") else None


def _account(scan: Scan | None, query: Query) -> str | None:
    """Return the account in whose folder to look, None where it is the scan's own; ScanNotFoundError for another's."""
    wanted: str | None = query.get("account_id")
    if scan is None or scan.kind == "organization":
        return wanted
    own = scan.account_id or scan_ids.account_of(scan.execution_arn)
    if wanted not in (None, own):
        raise ScanNotFoundError(f"this scan is of account {own} alone, and not of {wanted}")
    return scan.account_id


def _no_report(scan: Scan | None, scan_id: str, of_account: str | None) -> ScanNotFoundError:
    if scan and of_account and scan.kind == "organization" and not scan.running:
        unchecked = organization_store.load_unchecked(scan_id, of_account)
        why = f"could not be scanned: {unchecked['cause']}" if unchecked else "has no report in this scan"
        return ScanNotFoundError(f"account {of_account} {why}")
    return executions.no_report_of(scan)

"""The reports of a scan by account: its own, or that of each account that a scan of an organization read."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.aws import report_store
from chalicelib.documents import InvalidEvidenceError, Report
from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport

# A scan takes hours at most; who redrives one on the next day gets the news of a day that is over.
_IN_TIME = timedelta(hours=25)


def load_any_report(scan_id: str) -> AnyReport:
    """Return the report of a scan that has just made it; raise InvalidEvidenceError if it is missing."""
    report: Any = report_store.load_report(scan_id)
    if report is None:
        raise InvalidEvidenceError(f"the report of scan {scan_id} is missing")
    return report  # type: ignore[no-any-return]  # of either kind


def account_reports(report: AnyReport) -> Iterator[Report]:
    """Yield the report itself or, of an organization, that of each account that was scanned, by account id.

    Raise InvalidEvidenceError if one is missing: who is told from the rest would take it for all.
    """
    if "accounts" not in report:
        yield report
        return
    for row in sorted(report["accounts"], key=lambda row: row["account_id"]):
        if row["outcome"] == "scanned":
            of_account = report_store.load_report(report["scan_id"], of_account=row["account_id"])
            if of_account is None:
                raise InvalidEvidenceError(f"the report of account {row['account_id']} is missing")
            yield of_account


def is_by(report: AnyReport | Mapping[str, Any], stage_policy: Mapping[str, Any]) -> bool:
    """Return whether a scan was one of all users by the stage's own policy, which owners and Security Hub go by."""
    return bool(report["policy"] == stage_policy)


def is_late(report: AnyReport, now: datetime) -> bool:
    """Return whether a report is too old to tell anybody of: its scan was redriven, and a later one tells them."""
    return now - parse_instant(report["as_of"]) > _IN_TIME

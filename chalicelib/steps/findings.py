"""The step that puts a scan's findings into Security Hub."""

from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib import settings
from chalicelib.aws import account_reports, report_store, security_hub, sent_findings
from chalicelib.aws.errors import EvidenceUnavailableError
from chalicelib.aws.security_hub import FindingsRefusedError
from chalicelib.documents import InvalidEvidenceError, Report
from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport
from chalicelib.telling.key_states import Evidence, read_evidence
from chalicelib.telling.security_hub import Hub, choose_findings, hub_of, without_refused

_DAMAGED = (InvalidEvidenceError, KeyError, TypeError, ValueError, AttributeError)
_MOST_TRIES = 3  # where another scan sends findings of the account at the same time


def import_findings(scan: Mapping[str, Any]) -> dict[str, int]:
    """Put what changed since the last time into Security Hub, and everything weekly; return how much.

    An account whose evidence is damaged does not keep the others from it, nor does a finding that is refused: in the
    end, FindingsRefusedError or InvalidEvidenceError says how many there are.
    """
    counts = {"accounts": 0, "sent": 0}
    report = account_reports.load_any_report(scan["scan_id"])
    if not account_reports.is_by(report, settings.stage_defaults().to_json()):
        return counts
    hub, refused, damaged = hub_of(scan["execution_arn"]), [], 0
    for of_account, name in _accounts(report):
        try:
            sent, reasons = _import_account(hub, report, of_account, name)
        except _DAMAGED:
            damaged += 1
        else:
            counts = {"accounts": counts["accounts"] + 1, "sent": counts["sent"] + sent}
            refused += reasons
    if refused:
        raise FindingsRefusedError(f"Security Hub refused {len(refused)} findings, the first for {refused[0]}")
    if damaged:
        raise InvalidEvidenceError(f"the report or a page of {damaged} accounts is missing or damaged")
    return counts


def _accounts(report: AnyReport) -> Iterator[tuple[str | None, str | None]]:
    """Yield the accounts that were scanned, with their names in the organization; None for the report's own."""
    if "accounts" not in report:
        yield None, None
        return
    for row in sorted(report["accounts"], key=lambda row: row["account_id"]):
        if row["outcome"] == "scanned":
            yield row["account_id"], row["account_name"]


def _import_account(hub: Hub, of_all: AnyReport, of_account: str | None, name: str | None) -> tuple[int, list[str]]:
    """Send an account's findings; return how many were taken, and why the others were not."""
    report = _load_report(of_all, of_account)
    if report["changes"] is None or report["changes"]["superseded"]:
        return 0, []
    pages = report_store.load_all_pages(report["scan_id"], parse_instant(report["started_at"]), of_account)
    evidence = read_evidence(pages)
    _check(evidence, report)
    for _ in range(_MOST_TRIES):
        before, etag = sent_findings.load(report["account_id"])
        if before and parse_instant(before["as_of"]) > parse_instant(report["as_of"]):
            return 0, []  # a scan that began later was quicker
        sending = choose_findings(hub, report, evidence, before, name)
        if sending.ahead and not (etag := sent_findings.save(sending.ahead, etag)):
            continue
        refused = security_hub.import_findings(sending.findings)
        if sent_findings.save(without_refused(sending, before, refused), etag):
            return len(sending.findings) - len(refused), list(refused.values())
    raise EvidenceUnavailableError("other scans wrote what Security Hub has of an account at the same time")


def _load_report(of_all: AnyReport, of_account: str | None) -> Report:
    if "accounts" not in of_all:
        return of_all
    report = report_store.load_report(of_all["scan_id"], of_account=of_account)
    if report is None:
        raise InvalidEvidenceError("an account's report is missing")
    return report


def _check(evidence: Evidence, report: Report) -> None:
    """Raise InvalidEvidenceError unless the pages have all users: one who is not on them would seem gone."""
    if len(evidence.outcomes) != report["coverage"]["users_listed"]:
        raise InvalidEvidenceError("the pages do not have all users of the report")

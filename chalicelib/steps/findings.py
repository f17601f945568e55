"""The step that puts a scan's findings into Security Hub."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from chalicelib import settings
from chalicelib.aws import account_reports, clients, report_store, security_hub, sent_findings
from chalicelib.aws.account_reports import ScannedAccount
from chalicelib.aws.errors import EvidenceUnavailableError, SecurityHubUnavailableError
from chalicelib.aws.security_hub import FindingsRefusedError
from chalicelib.documents import InvalidEvidenceError, Report
from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport
from chalicelib.telling.key_states import Evidence, read_evidence
from chalicelib.telling.security_hub import Hub, choose_findings, hub_of, without_refused

_DAMAGED = (InvalidEvidenceError, KeyError, TypeError, ValueError, AttributeError, RecursionError)
_MOST_TRIES = 3  # where another scan sends findings of the account at the same time
_AT_A_TIME = 8  # accounts, which are some ten calls a second, as many as Security Hub takes
# Of the accounts at a time, so that they fit into the memory of the function: the report of 5,000 users, IAM's quota,
# takes 150 MB while it is read, and its findings as much again. An account with more is by itself.
_USERS_AT_A_TIME = 5_000
_SECONDS_TO_END = 60  # with so much left, no other account is begun


class _Outcome(NamedTuple):
    """What became of an account."""

    sent: int = 0
    refused: tuple[str, ...] = ()  # why, of each finding
    is_damaged: bool = False


def import_findings(scan: Mapping[str, Any], now: datetime, seconds_left: Callable[[], float]) -> dict[str, int]:
    """Put what changed since the last time into Security Hub, and everything weekly; return how much.

    `{"accounts": …, "sent": …}`, with `"late": 1` where a scan was redriven so late that it is passed over. An account
    whose evidence is damaged does not keep the others from it, nor does a finding that is refused: in the end,
    FindingsRefusedError or InvalidEvidenceError says how many there are. Raise SecurityHubUnavailableError where the
    time is too short: called again, this goes on.
    """
    counts = {"accounts": 0, "sent": 0}
    report = account_reports.load_any_report(scan["scan_id"])
    if not account_reports.is_by_policy(report, settings.stage_defaults().to_json()):
        return counts
    if account_reports.is_late(report, now):
        return {**counts, "late": 1}
    outcomes = _import_all(report, partial(_import_account, hub_of(scan["execution_arn"]), report), seconds_left)
    refused = [why for outcome in outcomes for why in outcome.refused]
    damaged = sum(outcome.is_damaged for outcome in outcomes)
    if refused:
        raise FindingsRefusedError(f"Security Hub refused {len(refused)} findings, the first for {refused[0]}")
    if damaged:
        raise InvalidEvidenceError(f"the report or a page of {damaged} accounts is missing or damaged")
    return {"accounts": len(outcomes), "sent": sum(outcome.sent for outcome in outcomes)}


def _import_all(
    report: AnyReport, import_account: Callable[[ScannedAccount], _Outcome], seconds_left: Callable[[], float]
) -> list[_Outcome]:
    accounts, outcomes = account_reports.scanned_accounts(report), list[_Outcome]()
    clients.security_hub()  # made once, before threads ask for it
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        for some in accounts_at_a_time(accounts):
            if seconds_left() < _SECONDS_TO_END:
                done = f"{len(outcomes)} of {len(accounts)} accounts"
                raise SecurityHubUnavailableError(f"the time of the function is over after {done}; another try goes on")
            outcomes += threads.map(import_account, some)
    return outcomes


def accounts_at_a_time(accounts: Iterable[ScannedAccount]) -> Iterator[list[ScannedAccount]]:
    """Yield as many accounts at a time as there are threads and memory for."""
    some: list[ScannedAccount] = []
    for account in accounts:
        users = account.users + sum(one.users for one in some)
        if some and (len(some) == _AT_A_TIME or users > _USERS_AT_A_TIME):
            yield some
            some = []
        some.append(account)
    if some:
        yield some


def _import_account(hub: Hub, of_all: AnyReport, account: ScannedAccount) -> _Outcome:
    """Send an account's findings."""
    try:
        report = account_reports.load_report_of(of_all, account.account_id)
        if report["changes"] is None or report["changes"]["superseded"]:
            return _Outcome()
        evidence = _load_evidence(report, account.account_id)
    except _DAMAGED:
        return _Outcome(is_damaged=True)
    for _ in range(_MOST_TRIES):
        before, etag = sent_findings.load(report["account_id"])
        if before and parse_instant(before["as_of"]) > parse_instant(report["as_of"]):
            return _Outcome()  # a scan that began later was quicker
        sending = choose_findings(hub, report, evidence, before, account.name)
        if sending.ahead and not (etag := sent_findings.save(sending.ahead, etag)):
            continue
        refused = security_hub.import_findings(sending.findings)
        if sent_findings.save(without_refused(sending, before, refused), etag):
            return _Outcome(len(sending.findings) - len(refused), tuple(refused.values()))
    raise EvidenceUnavailableError("other scans wrote what Security Hub has of an account at the same time")


def _load_evidence(report: Report, of_account: str | None) -> Evidence:
    """Return what the pages have; raise InvalidEvidenceError unless that is all users: others would seem gone."""
    pages = report_store.load_all_pages(report["scan_id"], parse_instant(report["started_at"]), of_account)
    evidence = read_evidence(pages)
    if len(evidence.outcomes) != report["coverage"]["users_listed"]:
        raise InvalidEvidenceError("the pages do not have all users of the report")
    return evidence

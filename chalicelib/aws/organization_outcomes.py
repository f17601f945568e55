"""What became of each account of a scan of an organization, as the bucket has it."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

from chalicelib.aws import organization_store, report_store
from chalicelib.documents import Report
from chalicelib.organization_documents import AccountList, ListedAccount
from chalicelib.report.account_rows import by_name
from chalicelib.report.organization import DAMAGED, Outcome, why_not_of
from chalicelib.report.organization_scan import OrganizationScan

# Reports that are read while another is joined. The largest takes 150 MB while it is read, and all have to fit into the
# memory of the function.
_AHEAD = 2
_NO_CAUSE = "it could not be scanned, and the record of why is damaged"


def load_outcomes(scan: OrganizationScan, accounts: AccountList) -> Iterator[tuple[ListedAccount, Outcome | None]]:
    """Yield, by name, each account that was to be scanned: with its report, the cause why it has none, or nothing."""
    to_scan = sorted(
        (account for account in accounts["accounts"] if account["cause"] is None),
        key=lambda account: by_name(account["name"], account["account_id"]),
    )
    with ThreadPoolExecutor(_AHEAD) as threads:
        coming: deque[tuple[ListedAccount, Future[Outcome | None]]] = deque()
        for account in to_scan:
            coming.append((account, threads.submit(_load, scan, account["account_id"])))
            if len(coming) > _AHEAD:
                yield _first(coming)
        while coming:
            yield _first(coming)


def _first(
    coming: "deque[tuple[ListedAccount, Future[Outcome | None]]]",
) -> tuple[ListedAccount, Outcome | None]:
    account, outcome = coming.popleft()
    return account, outcome.result()


def _load(scan: OrganizationScan, account_id: str) -> Outcome | None:
    try:
        report: object = report_store.load_report(scan.scan_id, of_account=account_id)
    except (ValueError, RecursionError):
        report = DAMAGED
    if isinstance(report, dict) and not why_not_of(scan, account_id, report):
        return cast(Report, report)
    # What is there instead of a report may be left from an earlier scan of this id: why there is none is worth more.
    without = None if report is None else cast(Report, report) if isinstance(report, dict) else DAMAGED
    return _load_cause(scan.scan_id, account_id) or without


def _load_cause(scan_id: str, account_id: str) -> str | None:
    try:
        unchecked: object = organization_store.load_unchecked(scan_id, account_id)
    except (ValueError, RecursionError):
        return _NO_CAUSE
    if unchecked is None:
        return None
    cause = unchecked.get("cause") if isinstance(unchecked, dict) else None
    return cause if isinstance(cause, str) and cause else _NO_CAUSE

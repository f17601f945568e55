"""A scan of an organization: what its accounts' reports have in common, and what it is compared with. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from chalicelib.deactivation_documents import Plan
from chalicelib.documents import SCHEMA_VERSION, AdviceCounts, Coverage, SeverityCounts, Totals, Violations
from chalicelib.instants import format_instant, parse_instant
from chalicelib.organization_documents import (
    AccountList,
    Baselines,
    OrganizationChanges,
    OrganizationCoverage,
    OrganizationReport,
)
from chalicelib.report.controls import evidence_rows
from chalicelib.report.counts import zeros
from chalicelib.report.summary import scan_kind

_SUPERSEDED = "A later scan of the organization is on record already: the next one is not compared with this one."
_PARTLY_SUPERSEDED = "Of {} of {} accounts, a later report is on record already: their next scan is compared with that."
_SETTINGS_CHANGED = "Its parameters were changed while the accounts were scanned: scan again."
_MOST_NOTES = 5
_PLAN_SUMS = ("due", "held", "waiting", "newly_told", "newly_due")
_NO_BASELINES: Mapping[str, Any] = {"accounts": {}, "instants": {}, "names": {}, "not_active": []}


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


def empty_report(scan: OrganizationScan, accounts: AccountList) -> OrganizationReport:
    """Return the report before any account is counted."""
    is_full = scan_kind(scan.policy) == "full"
    of_all = is_full and accounts["requested"] is None
    controls = evidence_rows(scan.policy) if of_all else []
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": scan.scan_id,
        "scan_kind": "organization" if of_all else "accounts",
        "account_id": scan.account_id,
        "as_of": scan.as_of,
        "started_at": scan.started_at,
        "policy": scan.policy,
        "requested": accounts["requested"],
        "coverage": {
            **zeros(OrganizationCoverage),
            "accounts_listed": len(accounts["accounts"]),
            "accounts_excluded": len(accounts["excluded"]),
        },
        "users": zeros(Coverage),
        "totals": zeros(Totals),
        "severities": zeros(SeverityCounts),
        "advice": zeros(AdviceCounts),
        "to_do": zeros(AdviceCounts),
        "exempt_overdue": 0,
        "safe_to_finish": 0,
        "administrator_keys": 0,
        "root_access_keys": [],
        "root_unknown": 0,
        "quarantined": 0,
        "quarantined_users": [],
        "two_active_keys": 0,
        "accounts": [],
        "findings": [],
        "findings_left_out": 0,
        "changes": _no_changes(accounts) if is_full else None,
        "excluded": accounts["excluded"],
        "not_covered": [],
        "controls": controls,
        "violations": {row["kind"]: zeros(Violations) for row in controls},
    }


def _no_changes(accounts: AccountList) -> OrganizationChanges:
    return {
        "since": accounts["last_scan"],
        "notes": [*accounts["notes"]],
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
        "accounts_stopped": [],
        "superseded": False,
        "last_message_at": None,
        "reminder": False,
    }


def add_plan(report: OrganizationReport, plan: Plan) -> None:
    """Add an account's plan to those of the accounts before; the note is that of all, where none of them plans.

    Plans by several settings make none that could be approved or applied.
    """
    of_none: Any = {**plan, **dict.fromkeys(_PLAN_SUMS, 0), "told": {}}
    sums: Any = report.setdefault("plan", of_none)
    by_several = sums["note"] == _SETTINGS_CHANGED or any(
        sums[name] != value for name, value in plan.items() if name not in (*_PLAN_SUMS, "note", "told")
    )
    sums["note"] = sums["note"] and plan["note"]
    for name in _PLAN_SUMS:
        sums[name] += plan[name]  # type: ignore[literal-required]  # they are its fields
    if by_several:
        sums |= {"mode": "plan", "due": 0, "note": _SETTINGS_CHANGED}


def compare_with_baselines(report: OrganizationReport, last: Baselines | None) -> None:
    """Add to a report's changes what only the baselines on record tell, once all accounts are added."""
    changes, before = report["changes"], last or _NO_BASELINES
    if changes is None:
        return
    changes["last_message_at"] = before.get("last_message_at") or (last["as_of"] if last else None)
    scanned = {row["account_id"] for row in report["accounts"] if row["outcome"] == "scanned"}
    stopped = before["accounts"].keys() - set(before["not_active"])
    changes["accounts_stopped"] = sorted(stopped & _not_active(report))
    later = scanned & _later_reports(report, before)
    changes["superseded"] = bool(later) and later == scanned
    if later:
        changes["notes"].append(
            _SUPERSEDED if changes["superseded"] else _PARTLY_SUPERSEDED.format(len(later), len(scanned))
        )


def notes_of_accounts(notes: Counter[str]) -> Iterator[str]:
    """Yield what accounts' reports note of their comparison, each note once with how many accounts have it."""
    for note, number in notes.most_common(_MOST_NOTES):
        yield f"In {'1 account' if number == 1 else f'{number} accounts'}: {note}"
    if (more := len(notes) - _MOST_NOTES) > 0:
        yield f"The reports of the accounts have {more} more notes."


def next_baselines(report: OrganizationReport, accounts: AccountList, last: Baselines | None) -> Baselines:
    """Return which scan has the last report of each account, where `last` are the baselines on record.

    An account that was not scanned keeps the one it has; so does one of which a scan that began later was quicker.
    """
    before = last or _NO_BASELINES
    later = _later_reports(report, before)
    gone = {account["account_id"] for account in accounts["gone"]} - later
    scanned = [row for row in report["accounts"] if row["outcome"] == "scanned" and row["account_id"] not in later]
    listed = {row["account_id"] for row in report["accounts"]}
    kept = [account_id for account_id in before["accounts"] if account_id not in gone]
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": report["scan_id"],
        "as_of": report["as_of"],
        "accounts": {
            **{account_id: before["accounts"][account_id] for account_id in kept},
            **{row["account_id"]: report["scan_id"] for row in scanned},
        },
        "instants": {
            **{account_id: before["instants"][account_id] for account_id in kept},
            **{row["account_id"]: report["as_of"] for row in scanned},
        },
        "names": {
            **{account_id: before["names"].get(account_id) for account_id in kept},
            **{row["account_id"]: row["account_name"] for row in scanned},
        },
        "not_active": sorted((set(before["not_active"]) - gone - listed) | _not_active(report)),
        "last_message_at": report["changes"]["last_message_at"] if report["changes"] else None,
    }


def _later_reports(report: OrganizationReport, last: Baselines | Mapping[str, Any]) -> set[str]:
    """Return the ids of accounts with a report of another scan on record that is as late as this one, or later."""
    as_of = parse_instant(report["as_of"])
    return {
        account_id
        for account_id, scan_id in last["accounts"].items()
        if scan_id != report["scan_id"] and parse_instant(last["instants"][account_id]) >= as_of
    }


def _not_active(report: OrganizationReport) -> set[str]:
    return {row["account_id"] for row in report["accounts"] if row["outcome"] == "not_active"}


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

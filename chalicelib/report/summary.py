"""What a report says in few words: its kind, its counts, whether it is complete. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from chalicelib.deactivation_documents import PlanSummary
from chalicelib.documents import REPORT_FORMATS, Page, Report, Summary
from chalicelib.instants import parse_instant
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport, OrganizationCoverage, OrganizationReport, OrganizationSummary
from chalicelib.report.counts import Counts, count
from chalicelib.severity import Severity


def scan_kind(policy: Mapping[str, Any]) -> Literal["full", "users", "as_of"]:
    """Return what a scan speaks for: everybody now, the users that its policy names, or another instant."""
    if "as_of" in policy:
        return "as_of"
    return "users" if "users" in policy else "full"


def is_of_the_past(scan: Page | AnyReport) -> bool:
    """Return whether a scan judges at an instant before it started: what was deleted since, it cannot see."""
    return parse_instant(scan["as_of"]) < parse_instant(scan["started_at"])


def judges_no_key(report: AnyReport) -> bool:
    """Return whether a scan found keys, and all that it would judge were created after its instant."""
    users = count(report).users
    return not users["keys_judged"] and users["keys_not_yet_created"] > 0


def has_root_access_keys(report: Mapping[str, Any]) -> bool:
    """Return whether a scan found that the root user has access keys."""
    return bool(report["root"] and report["root"]["verdict"] == "root_access_keys")


def worst_severity(report: AnyReport) -> Severity | None:
    """Return the highest severity in a report, of root keys and quarantined users, too; None without any."""
    counts = count(report)
    if counts.quarantined or counts.root_access_keys:
        return Severity.CRITICAL
    found: Mapping[str, Any] = counts.severities
    return next((severity for severity in Severity if found[severity]), None)


def most_severe_first(finding: Finding) -> tuple[int, datetime, str, str]:
    """Return what findings are ordered by: the most severe first, then the oldest."""
    severity, created_at = Severity(finding["severity"]), parse_instant(finding["created_at"])
    return severity.rank, created_at, finding["user_name"], finding["access_key_id"]


class Gap(NamedTuple):
    """Something that a scan is for and that could not be found out; without it, no report is clean."""

    kind: Literal[
        "accounts_unchecked",
        "no_account_active",
        "users_unchecked",
        "root_unknown",
        "account_unknown",
        "last_use_unknown",
    ]
    number: int  # of accounts, of users, or of keys


def find_gaps(report: AnyReport) -> list[Gap]:
    """Return what a report is incomplete without, the widest gap first."""
    counts = count(report)
    gaps = [
        *(_gaps_of_accounts(counts.accounts) if counts.accounts else ()),
        Gap("users_unchecked", counts.users["users_unchecked"]),
        Gap("root_unknown", counts.root_unknown),
        Gap("account_unknown", counts.users["users_facts_unknown"]),
        Gap("last_use_unknown", counts.users["keys_last_use_unknown"] if "max_unused_days" in report["policy"] else 0),
    ]
    return [gap for gap in gaps if gap.number]


def _gaps_of_accounts(accounts: OrganizationCoverage) -> tuple[Gap, Gap]:
    unchecked = accounts["accounts_unchecked"]
    to_scan = accounts["accounts_scanned"] + unchecked
    return Gap("accounts_unchecked", unchecked), Gap("no_account_active", 0 if to_scan else accounts["accounts_listed"])


def is_complete(report: AnyReport) -> bool:
    """Return whether all was found out that the scan is for."""
    return not find_gaps(report)


def summarize(report: Report) -> Summary:
    """Return the counts of a report and whether it is complete."""
    counts = count(report)
    return {
        "scan_id": report["scan_id"],
        "account_id": report["account_id"],
        "as_of": report["as_of"],
        "started_at": report["started_at"],
        "complete": is_complete(report),
        "coverage": report["coverage"],
        "not_covered": report["not_covered"],
        "totals": report["totals"],
        "root": report["root"],
        "advice": report["advice"],
        "changes": counts.changes,
        "account_alias": report["account_alias"],
        "severities": report["severities"],
        "quarantined": counts.quarantined,
        "two_active_keys": counts.two_active_keys,
        **_plan_of(report),
    }


def _plan_of(report: AnyReport) -> PlanSummary:
    if not (plan := report.get("plan")):
        return {}
    return {"plan": {"mode": plan["mode"], "due": plan["due"], "held": plan["held"], "waiting": plan["waiting"]}}


def summarize_organization(report: OrganizationReport) -> OrganizationSummary:
    """Return the counts of an organization's report and whether it is complete."""
    counts, changes = count(report), report["changes"]
    return {
        "scan_id": report["scan_id"],
        "account_id": report["account_id"],
        "as_of": report["as_of"],
        "started_at": report["started_at"],
        "complete": is_complete(report),
        "coverage": report["coverage"],
        "users": report["users"],
        "not_covered": report["not_covered"],
        "totals": report["totals"],
        "severities": report["severities"],
        "advice": report["advice"],
        "root_access_keys": counts.root_access_keys,
        "quarantined": counts.quarantined,
        "two_active_keys": counts.two_active_keys,
        "changes": {
            **counts.changes,
            "accounts_new": len(changes["accounts_new"]),
            "accounts_gone": len(changes["accounts_gone"]),
            "accounts_stopped": len(changes["accounts_stopped"]),
        }
        if changes and counts.changes
        else None,
        **_plan_of(report),
    }


def report_locations(folder: str) -> dict[str, str]:
    """Return where a report's files are, given its scan's folder as a URI that ends in a slash."""
    return {kind: f"{folder}report.{kind}" for kind in REPORT_FORMATS}


def report_verdict(report: AnyReport) -> str:
    """Return a report's verdict: of the words below, the first that holds."""
    counts: Counts = count(report)
    holds = {
        "expired": counts.totals["expired"],
        "unchecked": not is_complete(report),
        "root_access_keys": counts.root_access_keys,
        "quarantined": counts.quarantined,
        "unused": counts.totals["unused"],
        "due_soon": counts.totals["due_soon"],
        "not_judged": judges_no_key(report),
        "ok": True,
    }
    return next(word for word, is_true in holds.items() if is_true)


def first_findings(report: AnyReport, number: int) -> Sequence[tuple[Finding, str | None]]:
    """Return the first findings, each with its change."""
    if "accounts" in report:
        return [(finding, finding["change"]) for finding in report["findings"][:number]]
    changes = changes_by_key(report)
    return [
        (finding, changes.get(finding["access_key_id"], {}).get("change")) for finding in report["findings"][:number]
    ]


def changes_by_key(report: Report) -> dict[str, dict[str, str]]:
    """Return, by access key id, the change and `reported_since` of each expired key of a full scan."""
    changes = report["changes"]
    if not changes:
        return {}
    return {
        key["access_key_id"]: {"change": change, "reported_since": key["reported_since"]}
        for change, keys in (("new", changes["new"]), ("still_expired", changes["still_expired"]))
        for key in keys
    }

"""What a report says in few words: its kind, its counts, whether it is complete. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from chalicelib.documents import (
    REPORT_FORMATS,
    AdviceCounts,
    ChangeCounts,
    Changes,
    Page,
    Report,
    SeverityCounts,
    Summary,
)
from chalicelib.instants import parse_instant
from chalicelib.key_documents import Finding
from chalicelib.severity import Severity


def scan_kind(policy: Mapping[str, Any]) -> Literal["full", "users", "as_of"]:
    """Return what a scan speaks for: everybody now, the users that its policy names, or another instant."""
    if "as_of" in policy:
        return "as_of"
    return "users" if "users" in policy else "full"


def is_of_the_past(scan: Page | Report) -> bool:
    """Return whether a scan judges at an instant before it started: what was deleted since, it cannot see."""
    return parse_instant(scan["as_of"]) < parse_instant(scan["started_at"])


def judges_no_key(report: Report) -> bool:
    """Return whether a scan found keys, and all that it would judge were created after its instant."""
    coverage = report["coverage"]
    return not coverage["keys_judged"] and coverage["keys_not_yet_created"] > 0


def has_root_access_keys(report: Mapping[str, Any]) -> bool:
    """Return whether a scan found that the root user has access keys."""
    return bool(report["root"] and report["root"]["verdict"] == "root_access_keys")


def count_advice(findings: Iterable[Finding]) -> AdviceCounts:
    """Count findings by what to do with them, "none" where there is no advice."""
    counts: AdviceCounts = {"deactivate": 0, "finish_rotation": 0, "rotate": 0, "delete": 0, "none": 0}
    for finding in findings:
        counts[finding["advice"] or "none"] += 1  # type: ignore[literal-required]  # they are its fields
    return counts


def count_severities(findings: Iterable[Finding]) -> SeverityCounts:
    """Count findings by how severe they are."""
    counts: SeverityCounts = {"critical": 0, "high": 0, "medium": 0, "low": 0}
    for finding in findings:
        counts[finding["severity"]] += 1
    return counts


def worst_severity(report: Report) -> Severity | None:
    """Return the highest severity in a report, of root keys and quarantined users, too; None without any."""
    if report["quarantined"] or has_root_access_keys(report):
        return Severity.CRITICAL
    found: Mapping[str, Any] = report["severities"]
    return next((severity for severity in Severity if found[severity]), None)


def most_severe_first(finding: Finding) -> tuple[int, datetime, str, str]:
    """Return what findings are ordered by: the most severe first, then the oldest."""
    severity, created_at = Severity(finding["severity"]), parse_instant(finding["created_at"])
    return severity.rank, created_at, finding["user_name"], finding["access_key_id"]


class Gap(NamedTuple):
    """Something that a scan is for and that could not be found out; without it, no report is clean."""

    kind: Literal["users_unchecked", "root_unknown", "account_unknown", "last_use_unknown"]
    number: int  # of users, or of keys


def find_gaps(report: Report) -> list[Gap]:
    """Return what a report is incomplete without, the widest gap first."""
    coverage, root = report["coverage"], report["root"]
    gaps = [
        Gap("users_unchecked", coverage["users_unchecked"]),
        Gap("root_unknown", int(bool(root and root["verdict"] == "unknown"))),
        Gap("account_unknown", coverage["users_facts_unknown"]),
        Gap("last_use_unknown", coverage["keys_last_use_unknown"] if "max_unused_days" in report["policy"] else 0),
    ]
    return [gap for gap in gaps if gap.number]


def is_complete(report: Report) -> bool:
    """Return whether all was found out that the scan is for."""
    return not find_gaps(report)


def summarize(report: Report) -> Summary:
    """Return the counts of a report and whether it is complete."""
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
        "changes": _count_changes(report["changes"]),
        "account_alias": report["account_alias"],
        "severities": report["severities"],
        "quarantined": len(report["quarantined"]),
        "two_active_keys": len(report["two_active_keys"]),
    }


def report_locations(folder: str) -> dict[str, str]:
    """Return where a report's files are, given its scan's folder as a URI that ends in a slash."""
    return {kind: f"{folder}report.{kind}" for kind in REPORT_FORMATS}


def _count_changes(changes: Changes | None) -> ChangeCounts | None:
    if changes is None:
        return None
    return {
        "since": changes["since"],
        "new": len(changes["new"]),
        "still_expired": len(changes["still_expired"]),
        "resolved": len(changes["resolved"]),
        "unknown": len(changes["unknown"]),
        "new_unused": len(changes["new_unused"]),
        "reactivated": len(changes["reactivated"]),
        "became_safe": len(changes["became_safe"]),
    }


def report_verdict(report: Report) -> str:
    """Return a report's verdict: of the words below, the first that holds."""
    holds = {
        "expired": report["totals"]["expired"],
        "unchecked": not is_complete(report),
        "root_access_keys": has_root_access_keys(report),
        "quarantined": report["quarantined"],
        "unused": report["totals"]["unused"],
        "due_soon": report["totals"]["due_soon"],
        "not_judged": judges_no_key(report),
        "ok": True,
    }
    return next(word for word, is_true in holds.items() if is_true)


def first_findings(report: Report, number: int) -> list[tuple[Finding, str | None]]:
    """Return the first findings, each with its change."""
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

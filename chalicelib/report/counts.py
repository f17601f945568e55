"""What verdicts, subjects and messages go by: the counts of a report, of one account or of an organization. Pure."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar, cast

from chalicelib.documents import (
    AdviceCounts,
    ChangeCounts,
    Changes,
    Coverage,
    Report,
    SeverityCounts,
    Totals,
    Violations,
)
from chalicelib.instants import parse_instant
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport, OrganizationChanges, OrganizationCoverage, OrganizationReport
from chalicelib.report.controls import kinds_broken

_OF_CHANGES = tuple(name for name in ChangeCounts.__annotations__ if name != "since")
_Counts = TypeVar("_Counts")


class Counts(NamedTuple):
    """The counts of a report; where they are of accounts, a single account counts as one."""

    accounts: OrganizationCoverage | None  # none of one account
    users: Coverage
    totals: Totals
    severities: SeverityCounts
    exempt_overdue: int  # keys that would be expired
    to_do: AdviceCounts  # of the overdue and the unused keys
    safe_to_finish: int  # of those whose rotation is to be finished, safe to deactivate now
    administrator_keys: int  # findings of high severity of users who can administer their account
    quarantined: int  # users
    two_active_keys: int  # users
    root_access_keys: int  # accounts
    root_unknown: int  # accounts
    changes: ChangeCounts | None
    exempted: int  # of the resolved keys
    new_root_access_keys: int  # accounts


def count(report: AnyReport) -> Counts:
    """Return the counts of a report."""
    return _count_organization(report) if "accounts" in report else _count_account(report)


def _count_account(report: Report) -> Counts:
    findings, changes, root = report["findings"], report["changes"], report["root"]
    to_act_on = [one for one in findings if one["verdict"] != "due_soon"]
    return Counts(
        accounts=None,
        users=report["coverage"],
        totals=report["totals"],
        severities=report["severities"],
        exempt_overdue=sum(one.get("exempt_from") == "expired" for one in report["exempt"]),
        to_do=count_advice(to_act_on),
        safe_to_finish=sum(one["advice"] == "finish_rotation" and bool(one["safe_to_deactivate"]) for one in to_act_on),
        administrator_keys=sum(one["can_administer"] is True and one["severity"] == "high" for one in findings),
        quarantined=len(report["quarantined"]),
        two_active_keys=len(report["two_active_keys"]),
        root_access_keys=int(root is not None and root["verdict"] == "root_access_keys"),
        root_unknown=int(root is not None and root["verdict"] == "unknown"),
        changes=_count_changes(changes) if changes else None,
        exempted=sum(key["how"] == "exempted" for key in changes["resolved"]) if changes else 0,
        new_root_access_keys=int(changes is not None and changes["new_root_access_keys"]),
    )


def _count_organization(report: OrganizationReport) -> Counts:
    changes = report["changes"]
    return Counts(
        accounts=report["coverage"],
        users=report["users"],
        totals=report["totals"],
        severities=report["severities"],
        exempt_overdue=report["exempt_overdue"],
        to_do=report["to_do"],
        safe_to_finish=report["safe_to_finish"],
        administrator_keys=report["administrator_keys"],
        quarantined=report["quarantined"],
        two_active_keys=report["two_active_keys"],
        root_access_keys=len(report["root_access_keys"]),
        root_unknown=report["root_unknown"],
        changes=_count_changes(changes) if changes else None,
        exempted=changes["exempted"] if changes else 0,
        new_root_access_keys=len(changes["new_root_access_keys"]) if changes else 0,
    )


def _count_changes(changes: Changes | OrganizationChanges) -> ChangeCounts:
    kinds: Any = {name: changes[name] for name in _OF_CHANGES}  # type: ignore[literal-required]  # fields of both
    counts = {name: kind if isinstance(kind, int) else len(kind) for name, kind in kinds.items()}
    return cast(ChangeCounts, {"since": changes["since"], **counts})


def count_lost(changes: OrganizationChanges) -> int:
    """Return how many accounts with an earlier report are gone, or not active for the first time."""
    return len(changes["accounts_gone"]) + len(changes["accounts_stopped"])


def count_advice(findings: Iterable[Finding]) -> AdviceCounts:
    """Count findings by what to do with them, "none" where there is no advice."""
    counts = zeros(AdviceCounts)
    for finding in findings:
        counts[finding["advice"] or "none"] += 1  # type: ignore[literal-required]  # they are its fields
    return counts


def count_severities(findings: Iterable[Finding]) -> SeverityCounts:
    """Count findings by how severe they are."""
    counts = zeros(SeverityCounts)
    for finding in findings:
        counts[finding["severity"]] += 1
    return counts


def count_violations(report: AnyReport) -> dict[str, Violations]:
    """Return what violates the controls that a report is evidence for, by their kind."""
    if "accounts" in report:
        return report["violations"]
    violations = {row["kind"]: zeros(Violations) for row in report["controls"]}
    as_of, counts = parse_instant(report["as_of"]), count(report)
    for name, findings in (("keys", report["findings"]), ("exempt_keys", report["exempt"])):
        for finding in findings:
            for kind in kinds_broken(finding, as_of):
                if kind in violations:
                    violations[kind][name] += 1  # type: ignore[literal-required]  # they are its fields
    if "two_active_keys" in violations:
        violations["two_active_keys"]["users"] = counts.two_active_keys
    if "root_access_keys" in violations:
        violations["root_access_keys"]["root_users"] = counts.root_access_keys
    return violations


def zeros(counts: type[_Counts]) -> _Counts:
    """Return counts of a type whose fields are all numbers, each of them 0."""
    return cast(_Counts, dict.fromkeys(counts.__annotations__, 0))


def add_counts(counts: _Counts, more: _Counts) -> None:
    """Add counts to others of their type, whose fields are all numbers."""
    sums, added = cast(dict[str, int], counts), cast(dict[str, int], more)
    for name in sums:
        sums[name] += added[name]

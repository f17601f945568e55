"""The sentences about the accounts of an organization. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.organization_documents import AccountRow, OrganizationReport
from chalicelib.outputs.sentences import counted, verdict_label


def to_look_at(report: OrganizationReport) -> list[AccountRow]:
    """Return the scanned accounts that have something to act on or that are incomplete."""
    return [row for row in report["accounts"] if row["outcome"] == "scanned" and row["verdict"] != "ok"]


def count_severe(row: AccountRow) -> int:
    """Return how many findings of an account are critical or high."""
    severities = row["severities"]
    return severities["critical"] + severities["high"] if severities else 0


def account_in_words(row: AccountRow) -> str:
    """Return what a scan found in an account."""
    return f"{', '.join(_parts(row))}."


def _parts(row: AccountRow) -> Iterator[str]:
    totals: Mapping[str, Any] = row["totals"] or {}
    changes, users_unchecked = row["changes"], row["coverage"]["users_unchecked"] if row["coverage"] else 0
    if row["quarantined"]:
        yield f"{counted(row['quarantined'], 'user')} quarantined"
    if row["root_access_keys"]:
        yield "root access keys"
    if severe := count_severe(row):
        yield f"{severe} critical or high"
    for verdict in ("expired", "unused", "due_soon"):
        if number := totals.get(verdict):
            yield f"{number} {verdict_label(verdict)}"
        if verdict == "expired" and changes and changes["since"] and changes["new"]:
            yield f"{changes['new']} of them new"
    if users_unchecked:
        yield f"{counted(users_unchecked, 'user')} unchecked"
    elif not row["complete"]:
        yield "incomplete"

"""The sentences about the accounts of an organization. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.organization_documents import (
    AccountRow,
    ListedAccount,
    NamedAccount,
    OrganizationCoverage,
    OrganizationReport,
)
from chalicelib.outputs.sentences import counted, first_of, verdict_label

Label = Callable[[NamedAccount], str]  # of an account, as an output takes the words of others


def account_label(account: NamedAccount) -> str:
    """Return the id of one account of an organization, with its name, or else its alias, where it has one."""
    name = " ".join((account["account_name"] or account["account_alias"] or "").split())
    return f"{name} ({account['account_id']})" if name else account["account_id"]


def as_named(account: ListedAccount) -> NamedAccount:
    """Return an account of which no report is at hand as `account_label` takes it."""
    return {"account_id": account["account_id"], "account_name": account["name"], "account_alias": None}


def accounts_scanned(coverage: OrganizationCoverage) -> int:
    """Return of how many accounts the keys were found: where none could be scanned, of how many they were to be."""
    return coverage["accounts_scanned"] or coverage["accounts_unchecked"] or coverage["accounts_listed"]


def accounts_line(coverage: OrganizationCoverage) -> str:
    """Return the answer to "did it scan every account?" in one sum."""
    excluded = f"; {coverage['accounts_excluded']} excluded" if coverage["accounts_excluded"] else ""
    return (
        f"Accounts: {coverage['accounts_listed']} listed = {coverage['accounts_scanned']} scanned"
        f" + {coverage['accounts_unchecked']} unchecked + {coverage['accounts_not_active']} not active{excluded}."
    )


def root_lines(report: OrganizationReport) -> Iterator[str]:
    """Yield in how many accounts the root user has no access keys; the headline has the rest."""
    if without := sum(row["root_access_keys"] is False for row in report["accounts"]):
        yield f"Root users: no access keys in {counted(without, 'account')}."


def accounts_changed(report: OrganizationReport, label: Label) -> Iterator[str]:
    """Yield which accounts are not active, and which are new, gone, or not active any more since the last scan."""
    changes = report["changes"]
    if changes and changes["since"]:
        new, stopped = set(changes["accounts_new"]), set(changes["accounts_stopped"])
        rows: Sequence[NamedAccount] = report["accounts"]
        gone = [as_named(account) for account in changes["accounts_gone"]]
        yield from _named("Scanned for the first time", [row for row in rows if row["account_id"] in new], label)
        yield from _named("No longer among the accounts", gone, label)
        yield from _named("No longer active", [row for row in rows if row["account_id"] in stopped], label)
    yield from _named("Not active", [row for row in report["accounts"] if row["outcome"] == "not_active"], label)


def _named(which: str, accounts: Sequence[NamedAccount], label: Label) -> Iterator[str]:
    if accounts:
        yield f"{which}: {counted(len(accounts), 'account')}, {first_of([label(one) for one in accounts])}."


def to_look_at(report: OrganizationReport) -> list[AccountRow]:
    """Return the scanned accounts that have something to act on, that are incomplete, or that lack a named user."""
    scanned = [row for row in report["accounts"] if row["outcome"] == "scanned"]
    return [row for row in scanned if row["verdict"] != "ok" or _not_found(report, row)]


def _not_found(report: OrganizationReport, row: AccountRow) -> int:
    return row["coverage"]["users_not_found"] if "users" in report["policy"] and row["coverage"] else 0


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
    if row["coverage"] and (not_found := row["coverage"]["users_not_found"]):
        yield f"{counted(not_found, 'user')} not found"
    if users_unchecked:
        yield f"{counted(users_unchecked, 'user')} unchecked"
    elif not row["complete"]:
        yield "incomplete"

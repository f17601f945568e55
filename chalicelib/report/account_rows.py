"""The rows of accounts in an organization's report, and their order. Pure."""

from typing import cast

from chalicelib.documents import Report
from chalicelib.organization_documents import AccountOutcome, AccountRow, ListedAccount, NamedAccount
from chalicelib.report.account_list import NOT_ACTIVE


def row_without_report(account: ListedAccount, outcome: AccountOutcome, cause: str | None) -> AccountRow:
    """Return the row of an account of which nothing but its outcome is known."""
    row = dict.fromkeys(AccountRow.__annotations__)
    known = {"account_id": account["account_id"], "account_name": account["name"], "state": account["state"]}
    return cast(AccountRow, {**row, **known, "outcome": outcome, "cause": cause, "reports": {}})


def outcome_unscanned(account: ListedAccount) -> AccountOutcome:
    """Return the outcome of an account that was not to be scanned: unchecked where its keys may work."""
    return "not_active" if account["state"] in NOT_ACTIVE else "unchecked"


def name_account(account: ListedAccount, report: Report) -> NamedAccount:
    """Return an account's id and names, its alias by its report."""
    alias = report["account_alias"]
    return {"account_id": account["account_id"], "account_name": account["name"], "account_alias": alias}


def first_to_look_at(row: AccountRow) -> tuple[int, int, int, str, str]:
    """Return what accounts are ordered by: leaked and root keys, what is unknown, verdict, severe and overdue keys."""
    verdicts = ("expired", "unchecked", "unused", "due_soon", "not_judged", "ok")
    if row["quarantined"]:
        rank = -3
    elif row["root_access_keys"]:
        rank = -2
    elif row["outcome"] == "unchecked":
        rank = -1
    else:
        rank = verdicts.index(row["verdict"]) if row["verdict"] else len(verdicts)
    severities, totals = row["severities"], row["totals"]
    severe = severities["critical"] + severities["high"] if severities else 0
    return rank, -severe, -(totals["expired"] if totals else 0), *by_name(row["account_name"], row["account_id"])


def by_name(name: str | None, account_id: str) -> tuple[str, str]:
    """Return what accounts are sorted by where nothing else matters."""
    return (name or account_id).casefold(), account_id

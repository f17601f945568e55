"""How a scan of an organization grows with its accounts: calls, events, payload, transitions, time, and what it costs.

`python -m bench.organization` prints both tables; with numbers of accounts, those alone. Of each hundred accounts three
have no role and two are suspended: a scan that loses one of them, or a user, measures nothing.
"""

import json
import sys

from bench.cost import PRICED_ON, price_organization, read_organization_counts
from bench.scans import iam_calls
from bench.tables import print_table
from localaws.accounts.account_file import Account
from localaws.environment import LocalAws
from localaws.scan_run import ScanResult

SIZES = (10, 100, 1_000)
USERS = 3
PRICED_ACCOUNTS, PRICED_USERS = 100, 50
_COMMAND = "python -m bench.organization"
_FIRST_ID = 200_000_000_000
_REFUSED, _SUSPENDED = 3, 2  # of a hundred


def main() -> None:
    """Scan each size, and larger accounts; print how scans grow, then what they cost."""
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    runs = [(f"{size:,} accounts of {USERS} users", size, scan_organization(size, USERS)) for size in sizes]
    header = [
        "organization",
        "scanned",
        "unchecked",
        "not active",
        "IAM calls",
        "all calls",
        "events, of 25,000",
        "largest payload, of 262,144",
        "transitions",
        "seconds",
        "ms per account",
    ]
    print_table("Growth of an organization", _COMMAND, header, [_growth(*run) for run in runs])
    name = f"{PRICED_ACCOUNTS} accounts of {PRICED_USERS} users"
    runs.append((name, PRICED_ACCOUNTS, scan_organization(PRICED_ACCOUNTS, PRICED_USERS)))
    header = ["organization", "state machine", "Lambda", "S3", "SNS", "a scan", "1,000 such accounts"]
    note = f"US dollars, prices of {PRICED_ON} in us-east-1. The last column is in proportion."
    print_table("Money for an organization", _COMMAND, header, [_cost(*run) for run in runs], note)


def scan_organization(accounts: int, users: int) -> ScanResult:
    """Scan an organization of so many members of so many users; RuntimeError if one of either is lost."""
    account = organization(accounts, users)
    with LocalAws(account, parameters={"Accounts": "organization"}) as aws:
        result = aws.scan("{}")
    refused = {one.account_id for one in account.accounts if not one.reader_role}
    suspended = {one.account_id for one in account.accounts if one.state != "ACTIVE"}
    rows = {row["account_id"]: row["outcome"] for row in (result.report or {"accounts": []})["accounts"]}
    expected = {one.account_id: "scanned" for one in account.all_accounts()}
    expected |= dict.fromkeys(refused, "unchecked") | dict.fromkeys(suspended, "not_active")
    read = [one for one in account.all_accounts() if expected[one.account_id] == "scanned"]
    checked = (result.report or {"users": {"users_checked": 0}})["users"]["users_checked"]
    if result.error or rows != expected or checked != sum(len(one.users) for one in read):
        raise RuntimeError(f"the scan {result.status}: {result.error}; {checked} users checked in {len(rows)} accounts")
    return result


def organization(accounts: int, users: int) -> Account:
    """Return an organization of so many members, of each hundred three without the role and two suspended."""
    members = [
        {
            "account_id": f"{_FIRST_ID + number}",
            "name": f"account-{number:04}",
            "users": [_user(number, of_account) for of_account in range(users)],
            **({"reader_role": False} if number % 100 < _REFUSED else {}),
            **({"state": "SUSPENDED"} if _REFUSED <= number % 100 < _REFUSED + _SUSPENDED else {}),
        }
        for number in range(accounts)
    ]
    return Account.model_validate_json(json.dumps({"users": [], "accounts": members}))


def _user(account: int, number: int) -> dict[str, object]:
    """Return a user: of three, one has an old key, one a young key, one none."""
    ages = [400.5 + account % 30] if number % 3 == 0 else [20.5] * (number % 3 == 1)
    return {"user_name": f"user-{number:03}", "access_keys": [{"age_days": age} for age in ages]}


def _growth(name: str, accounts: int, result: ScanResult) -> list[str]:
    stats, coverage = result.stats, result.report["coverage"]
    return [
        name,
        *(f"{coverage[f'accounts_{outcome}']:,}" for outcome in ("scanned", "unchecked", "not_active")),
        f"{iam_calls(result):,}",
        f"{sum(stats['calls'].values()):,}",
        f"{stats['history_events']:,}",
        f"{stats['largest_payload_bytes']:,}",
        f"{stats['state_transitions']:,}",
        f"{stats['seconds']:.1f}",
        f"{stats['seconds'] / accounts * 1000:.0f}",
    ]


def _cost(name: str, accounts: int, result: ScanResult) -> list[str]:
    dollars = price_organization(read_organization_counts(result.stats, result.report["coverage"]["accounts_scanned"]))
    return [name, *(f"{part:.5f}" for part in dollars.values()), f"{dollars['total'] * 1_000 / accounts:.3f}"]


if __name__ == "__main__":
    main()

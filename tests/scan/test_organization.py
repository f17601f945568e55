"""Scans of an organization, whole: 20 accounts of 50 users, twice, and every way in which an account may fail.

Each row of docs/reliability.md about accounts names the test here that holds it.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from localaws.accounts.account_file import Account
from localaws.environment import LocalAws
from localaws.scan_run import ScanResult
from tests.support.organizations import OWN, account_id, deployed, member, organization
from tests.support.scanner import FRESH, OLD, Scanner, execute, user

USERS, MEMBERS = 50, 19
MOST_HISTORY_EVENTS, MOST_PAYLOAD_BYTES = 100, 64 * 1024  # whatever the number of accounts
ROTATED, NEW_OVERDUE, JOINED, LEFT = account_id(3), account_id(4), account_id(19), account_id(18)
pytestmark = pytest.mark.timeout(600)


def people(overdue_every: int = 10) -> list[dict[str, Any]]:
    """Return users of the same names in each account, some of them with an overdue key, half of them with none."""
    return [
        user(f"user-{number:03}", *([OLD] if number % overdue_every == 0 else [FRESH] * (number % 2)))
        for number in range(USERS)
    ]


def acme(*numbers: int, **overdue_every: int) -> Account:
    """Return an organization of these accounts, each with an overdue key for every tenth user, or as they say."""
    members = [member(number, *people(overdue_every.get(f"of_{number}", 10))) for number in numbers]
    return organization(*members, users=people(), name="acme")


# Before, account 3 has its keys yet, account 4 few old ones, and account 19 is not there; then 18 leaves.
BEFORE, NOW = acme(*range(1, MEMBERS), of_4=25), acme(*range(1, MEMBERS - 1), MEMBERS, of_3=1000)


class Twice(NamedTuple):
    before: ScanResult
    now: ScanResult
    calls: dict[str, dict[str, int]]  # of the second scan, by account


@pytest.fixture(scope="module")
def twice(aws: LocalAws) -> Iterator[Twice]:
    """Two full scans, with changes in between."""
    with deployed(aws, BEFORE):
        first = aws.scan("{}")
        aws.seed(NOW)
        second = aws.scan("{}")
        yield Twice(first, second, aws.gate.calls_by_account())


def report_of(result: ScanResult, of_account: str) -> Any:
    return json.loads(result.files[f"accounts/{of_account}/report.json"])


def ids(account: Account) -> set[str]:
    return {one.account_id for one in account.all_accounts()}


def overdue(account: Account) -> set[tuple[str, str, str]]:
    """Return the account, the user and the key of each overdue key that an account file has."""
    return {
        (one.account_id, person.user_name, one.access_key_id(person, index))
        for one in account.all_accounts()
        for person in one.users
        for index, key in enumerate(person.access_keys)
        if f"{key.created_at:%Y-%m-%d}" == OLD[:10]
    }


def test_every_account_is_scanned_and_every_user_checked_once(twice: Twice) -> None:
    report = twice.now.report
    pages = [json.loads(twice.now.files[f"accounts/{one}/pages/0001.json"]) for one in ids(NOW)]

    assert (twice.now.status, twice.now.error) == ("SUCCEEDED", None)
    assert report["coverage"]["accounts_listed"] == report["coverage"]["accounts_scanned"] == MEMBERS
    assert {row["account_id"] for row in report["accounts"]} == ids(NOW)
    assert report["users"]["users_listed"] == report["users"]["users_checked"] == MEMBERS * USERS
    assert all([one["user_name"] for one in page["users"]] == [f"user-{n:03}" for n in range(USERS)] for page in pages)


def test_the_findings_are_those_of_the_accounts_and_no_key_is_anothers(twice: Twice) -> None:
    found = {
        (finding["account_id"], finding["user_name"], finding["access_key_id"])
        for finding in twice.now.report["findings"]
    }
    of_accounts = {
        (one, finding["user_name"], finding["access_key_id"])
        for one in ids(NOW)
        for finding in report_of(twice.now, one)["findings"]
    }
    rows = csv.DictReader(io.StringIO(twice.now.files["report.csv"].decode("utf-8-sig")))
    in_csv = {
        (row["account_id"], row["user_name"], row["access_key_id"]) for row in rows if row["verdict"] == "expired"
    }

    assert found == of_accounts == in_csv == overdue(NOW)
    assert twice.now.report["findings_left_out"] == 0


def test_no_file_of_an_account_has_data_of_another(twice: Twice) -> None:
    keys = {one.account_id: [one.access_key_id(who, 0) for who in one.users if who.access_keys] for one in NOW.accounts}

    for name, content in twice.now.files.items():
        of_account = name.split("/")[1] if name.startswith("accounts/") else None
        others = [key for one, of_one in keys.items() if one != of_account for key in of_one if of_account]
        assert not [key for key in others if key in content.decode()], name


def test_what_changed_is_told_by_account_against_the_last_scan(twice: Twice) -> None:
    changes = twice.now.report["changes"]
    by_account = {row["account_id"]: row["changes"] for row in twice.now.report["accounts"]}
    resolved, new = overdue(BEFORE) - overdue(NOW), overdue(NOW) - overdue(BEFORE)

    still = overdue(NOW) & overdue(BEFORE)
    assert twice.before.report["changes"]["since"] is None
    assert changes["since"]["scan_id"] == twice.before.scan_id
    assert (changes["still_expired"], changes["unknown"]) == (len(still), 0)
    assert changes["new"] == len(new)
    assert changes["resolved"] == len({one for one in resolved if one[0] != LEFT})
    assert changes["accounts_new"] == [JOINED]
    assert [one["account_id"] for one in changes["accounts_gone"]] == [LEFT]
    assert by_account[ROTATED]["resolved"] == 4
    assert (by_account[NEW_OVERDUE]["new"], by_account[NEW_OVERDUE]["resolved"]) == (4, 1)


def test_one_message_is_sent_and_names_accounts(twice: Twice) -> None:
    [mail] = twice.now.mail

    assert mail["Subject"] == "9 new of 91 overdue access keys in 19 accounts (complete: 950 users)"
    assert f"member-4 ({NEW_OVERDUE})" in mail["Message"]


def test_the_machine_stays_small_whatever_the_number_of_accounts(twice: Twice) -> None:
    stats = twice.now.stats

    assert stats["child_executions"] == MEMBERS
    assert stats["history_events"] <= MOST_HISTORY_EVENTS
    assert stats["largest_payload_bytes"] <= MOST_PAYLOAD_BYTES


def test_each_account_is_asked_the_same_few_calls(twice: Twice) -> None:
    by_calls = Counter(json.dumps(calls) for one, calls in twice.calls.items() if one not in (OWN, ROTATED))

    [(calls, times)] = by_calls.most_common()
    assert times == MEMBERS - 2
    assert json.loads(calls) == {
        "iam:GetAccessKeyLastUsed": 5,
        "iam:GetAccountAuthorizationDetails": 1,
        "iam:GetAccountSummary": 1,
        "iam:ListAccessKeys": USERS,
        "iam:ListAccountAliases": 1,
        "iam:ListUsers": 1,
        "lambda:InvokeFunction": 1,
        "sts:AssumeRole": 1,
        "sts:GetCallerIdentity": 1,
    }


def test_an_account_scanned_by_itself_gives_the_same_report(twice: Twice, scanner: Scanner) -> None:
    execution = execute(scanner, {})
    by_itself = json.loads(scanner.aws.files(execution["name"])["report.json"])

    of_organization = report_of(twice.now, OWN)
    assert execution["status"] == "SUCCEEDED"
    assert comparable(by_itself) == comparable(of_organization)


def comparable(report: Any) -> Any:
    """Return a report without the ids and the instants of its scan, and without what it is compared with."""
    return {
        name: value
        for name, value in report.items()
        if name not in ("scan_id", "as_of", "started_at", "changes")
    }

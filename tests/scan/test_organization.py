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
from localaws.faults import parse_faults
from localaws.scan_run import ScanResult
from tests.support.organizations import OWN, account_id, deployed, member, organization
from tests.support.scanner import FRESH, OLD, Scanner, execute, user

USERS, MEMBERS = 50, 19
MOST_HISTORY_EVENTS = 100  # whatever the number of accounts
MOST_PAYLOAD_BYTES = 64 * 1024  # with a message of so many accounts; that grows up to a bound
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


def test_the_machine_carries_little_and_starts_a_child_for_each_account(twice: Twice) -> None:
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
    return {name: value for name, value in report.items() if name not in ("scan_id", "as_of", "started_at", "changes")}


# An account in trouble takes no other with it.

(WELL, NO_ROLE, OTHER_ID, OTHER_PRINCIPAL, ANOTHER_ANSWERS, SUSPENDED, THROTTLED, SLOW, CRASHING, CLOSED_EARLY) = map(
    account_id, range(1, 11)
)
CLOSED_LATER, EXPIRING, DELETED, NO_SESSION = map(account_id, range(11, 15))
TEN, MANY = [user(f"user-{n:03}", OLD) for n in range(10)], [user(f"user-{n:03}", OLD) for n in range(40)]
TROUBLED = organization(
    member(1, *TEN),
    member(2, *TEN, reader_role=False),
    member(3, *TEN, trust="external_id"),
    member(4, *TEN, trust="principal"),
    member(5, *TEN),
    member(6, *TEN, state="SUSPENDED"),
    member(7, *TEN),
    member(8, *MANY),
    *(member(number, *TEN) for number in range(9, 15)),
    users=TEN,
)
FAULTS = {
    "accounts": {
        ANOTHER_ANSWERS: {"sts": {"answers_as": WELL}},
        THROTTLED: {"iam": {"rate_per_second": 0.1, "burst": 8}},
        SLOW: {"iam": {"latency_ms": 2500}},
        CRASHING: {"lambda": {"scan_account": {"crash": -1}}},
        CLOSED_EARLY: {"closes_after": 2},
        CLOSED_LATER: {"closes_after": 10},
        EXPIRING: {"sts": {"session_seconds": 8}, "iam": {"latency_ms": 1500}},
        DELETED: {"iam": {"delete": ["user-003"]}},
        NO_SESSION: {"sts": {"throttle": -1}},
    }
}
SECONDS = 140  # of the function: 20 of them to ask IAM, the others to end


@pytest.fixture(scope="module")
def troubled(aws: LocalAws) -> Iterator[ScanResult]:
    with deployed(aws, TROUBLED):
        function = aws.function("ScanAccount")
        before, function.timeout = function.timeout, SECONDS
        aws.inject(parse_faults(json.dumps(FAULTS)))
        aws.mail()  # that of an earlier test
        try:
            yield aws.scan("{}")
        finally:
            function.timeout = before


def row_of(result: ScanResult, of_account: str) -> Any:
    [row] = [row for row in result.report["accounts"] if row["account_id"] == of_account]
    return row


def outcome(result: ScanResult, of_account: str) -> tuple[str, str]:
    row = row_of(result, of_account)
    return row["outcome"], row["cause"]


def test_whatever_happens_to_accounts_all_are_in_the_report_and_it_is_incomplete(troubled: ScanResult) -> None:
    report = troubled.report

    assert (troubled.status, troubled.error) == ("SUCCEEDED", None)
    assert {row["account_id"] for row in report["accounts"]} == ids(TROUBLED)
    assert report["coverage"] == {
        "accounts_listed": 15,
        "accounts_scanned": 7,
        "accounts_unchecked": 7,
        "accounts_not_active": 1,
        "accounts_incomplete": 4,
        "accounts_excluded": 0,
    }
    assert "INCOMPLETE: 7 accounts unchecked" in troubled.mail[0]["Subject"]


@pytest.mark.parametrize("healthy", [OWN, WELL])
def test_accounts_without_trouble_are_complete(troubled: ScanResult, healthy: str) -> None:
    row = row_of(troubled, healthy)

    assert (row["outcome"], row["complete"], row["totals"]["expired"]) == ("scanned", True, 10)


@pytest.mark.parametrize("refusing", [NO_ROLE, OTHER_ID, OTHER_PRINCIPAL])
def test_a_role_that_is_missing_or_trusts_another(troubled: ScanResult, refusing: str) -> None:
    became, cause = outcome(troubled, refusing)

    assert became == "unchecked"
    assert cause.startswith("STS refused the role iam-key-age-reader (AccessDenied)")


def test_another_account_answering(troubled: ScanResult) -> None:
    became, cause = outcome(troubled, ANOTHER_ANSWERS)

    assert (became, cause) == ("unchecked", f"Another account answered than the one that was asked: {WELL}")
    assert not [name for name in troubled.files if name.startswith(f"accounts/{ANOTHER_ANSWERS}/")]


def test_a_suspended_account(troubled: ScanResult) -> None:
    became, cause = outcome(troubled, SUSPENDED)

    assert (became, cause) == ("not_active", "it is suspended")


def users_by_cause(result: ScanResult, of_account: str) -> Counter[str]:
    """Return how many users of an account are unchecked, by the first words of the cause."""
    return Counter(one["cause"].partition(":")[0] for one in report_of(result, of_account)["unchecked"])


@pytest.mark.parametrize("of_account", [THROTTLED, SLOW])
def test_an_account_throttled_for_good_or_out_of_time(troubled: ScanResult, of_account: str) -> None:
    row = row_of(troubled, of_account)

    assert (row["outcome"], row["complete"]) == ("scanned", False)
    assert 0 < row["coverage"]["users_unchecked"] == sum(users_by_cause(troubled, of_account).values())
    assert row["coverage"]["users_listed"] == row["coverage"]["users_checked"] + row["coverage"]["users_unchecked"]


def test_the_function_crashing_for_an_account(troubled: ScanResult) -> None:
    became, cause = outcome(troubled, CRASHING)

    assert became == "unchecked"
    assert cause.startswith("The function ScanAccount failed: Runtime.ExitError: RequestId:")


def test_an_account_closed_before_its_users_are_listed(troubled: ScanResult) -> None:
    became, cause = outcome(troubled, CLOSED_EARLY)

    assert (became, cause) == (
        "unchecked",
        "IAM did not list the users (InvalidClientTokenId: The security token included in the request is invalid.)",
    )


@pytest.mark.parametrize(("of_account", "says"), [(CLOSED_LATER, "InvalidClientTokenId"), (EXPIRING, "ExpiredToken")])
def test_an_account_closed_or_a_session_over_while_users_are_read(
    troubled: ScanResult, of_account: str, says: str
) -> None:
    row = row_of(troubled, of_account)

    assert (row["outcome"], row["complete"]) == ("scanned", False)
    assert set(users_by_cause(troubled, of_account)) == {says}


def test_a_user_deleted_meanwhile(troubled: ScanResult) -> None:
    coverage = row_of(troubled, DELETED)["coverage"]

    assert (coverage["users_not_found"], coverage["users_checked"]) == (1, 9)


def test_sts_throttling_for_good(troubled: ScanResult) -> None:
    which, cause = outcome(troubled, NO_SESSION)

    assert which == "unchecked"
    assert cause.endswith(" StsUnavailableError: STS throttled each of 5 calls (Throttling: Rate exceeded)")

"""Joining the reports of any accounts: none and no finding is lost or counted twice, and memory is bounded."""

import csv
import gc
import io
import weakref
from collections.abc import Iterator
from typing import Any

from chalicelib.documents import TooManyChildrenFailedError
from chalicelib.organization_documents import ListedAccount
from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.outputs.report_csv import render_csv
from chalicelib.report.organization import (
    check_outcomes,
    join_accounts,
)
from chalicelib.report.summary import (
    is_complete,
    most_severe_first,
)
from tests.support.examples import given
from tests.support.examples import strategies as st
from tests.support.organization_reports import (
    REFUSED,
    account_report,
    adds_up,
    joined,
    list_of,
    listed,
    scan_of,
    suspended,
)
from tests.support.reports import key, unchecked, user

OLD, DUE = key("AKIAOLD", 200, used=1), key("AKIADUE", 80, used=1)
LEAKED: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV2"}


class _Kept(dict[str, Any]):
    """A report that can be watched for being kept."""


def test_no_more_than_two_reports_are_held_at_a_time() -> None:
    made: list[weakref.ref[_Kept]] = []
    held: list[int] = []

    def outcomes() -> Iterator[tuple[ListedAccount, Any]]:
        for number in range(1, 21):
            gc.collect()
            held.append(sum(one() is not None for one in made))
            report = _Kept(account_report(number, user("alice", OLD), user("bob", DUE)))
            made.append(weakref.ref(report))
            yield listed(number), report
            del report

    scan, accounts = scan_of(), list_of(*(listed(number) for number in range(1, 21)))
    with OrganizationCsv() as table:
        report = join_accounts(scan, accounts, table.watch(check_outcomes(scan, outcomes())), None)

    assert report["coverage"]["accounts_scanned"] == 20
    assert max(held) <= 1  # the one that was just joined, while the next is made


_keys = st.lists(st.tuples(st.sampled_from([1, 80, 95, 400]), st.sampled_from(["never", 1, 60])), max_size=2)
_users = st.lists(st.tuples(_keys, st.sampled_from([{}, {}, LEAKED]), st.booleans()), max_size=3)
_account = st.one_of(_users, st.sampled_from(["refused", "crashed", "suspended", "another's"]))


@given(st.lists(_account, min_size=1, max_size=8), st.sampled_from([None, 45]))
def test_whatever_becomes_of_accounts_none_and_no_finding_is_lost(accounts: list[Any], max_unused_days: Any) -> None:
    policy = {} if max_unused_days is None else {"max_unused_days": max_unused_days}
    outcomes: list[tuple[ListedAccount, Any]] = []
    not_scanned, reports = [], []
    for number, account in enumerate(accounts, start=1):
        if account == "suspended":
            not_scanned.append(suspended(number))
        elif account == "crashed" and sum(one is None for _, one in outcomes) == 0 and len(accounts) >= 5:
            outcomes.append((listed(number), None))
        elif isinstance(account, list):
            report = account_report(number, *_outcomes(number, account), **policy)
            reports.append(report)
            outcomes.append((listed(number), report))
        else:
            other = account_report(999, user("mallory", OLD), **policy)
            outcomes.append((listed(number), other if account == "another's" else REFUSED))
    to_scan = len(outcomes)

    with OrganizationCsv() as table:
        try:
            joint = joined(outcomes, not_scanned, None, table, **policy)
        except TooManyChildrenFailedError:
            assert to_scan < 5
            return
        rows = list(csv.DictReader(io.StringIO("".join(table.render(joint)).removeprefix("\ufeff"))))

    assert adds_up(joint)
    assert joint["coverage"]["accounts_listed"] == len(accounts)
    assert joint["coverage"]["accounts_scanned"] == len(reports)
    expected = sorted((one for report in reports for one in report["findings"]), key=most_severe_first)
    assert [one["access_key_id"] for one in joint["findings"]] == [one["access_key_id"] for one in expected]
    assert joint["totals"]["expired"] == sum(report["totals"]["expired"] for report in reports)
    assert is_complete(joint) == (
        joint["coverage"]["accounts_unchecked"] == 0 and bool(reports) and all(map(is_complete, reports))
    )
    single = [row for report in reports for row in csv.DictReader(io.StringIO("".join(render_csv(report))[1:]))]
    of_accounts = [row for row in rows if row["verdict"].startswith("account_")]
    of_reports = [row for row in rows if row not in of_accounts]
    assert _counted(of_reports) == _counted(single)
    assert {row["account_id"] for row in of_accounts} == {
        row["account_id"] for row in joint["accounts"] if row["outcome"] != "scanned"
    }


def _outcomes(number: int, users: list[Any]) -> list[dict[str, Any]]:
    return [
        unchecked(f"u{place}")
        if denied
        else user(
            f"u{place}",
            *(key(f"AKIA{number:02}{place:02}{which:02}", age, used=used) for which, (age, used) in enumerate(keys)),
            **facts,
        )
        for place, (keys, facts, denied) in enumerate(users)
    ]


def _counted(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    return sorted(tuple(value for name, value in row.items() if name != "account_name") for row in rows)

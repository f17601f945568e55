"""What a scan of an organization is compared with, and what the next one is: no account and no report is lost."""

from typing import cast

from chalicelib.documents import Report
from chalicelib.organization_documents import ListedAccount, OrganizationReport
from chalicelib.outputs.organization_text import compose_organization_message
from chalicelib.report.changes import NO_LAST_SCAN, is_new_baseline
from chalicelib.report.organization import Outcome
from chalicelib.report.organization_scan import next_baselines
from tests.support.organization_reports import (
    FOLDER,
    REFUSED,
    account_id,
    account_report,
    baselines,
    joined,
    list_of,
    listed,
    suspended,
)
from tests.support.reports import key, user

OLD = user("alice", key("AKIAOLD", 200, used=1))
LATER = "2026-11-22T09:00:00Z"


def clean(number: int) -> tuple[ListedAccount, Report]:
    return listed(number), account_report(number, user("alice", key("AKIAFRESH", 1)), last=[])


def overdue(number: int) -> tuple[ListedAccount, Report]:
    return listed(number), account_report(number, OLD, last=[OLD])


def test_a_scan_that_others_overtook_for_some_accounts_becomes_the_baseline_of_the_rest() -> None:
    last = baselines(1, 2, 3)
    of_redo = baselines(2, scan_id="scan-2", as_of=LATER)
    last["accounts"] |= of_redo["accounts"]
    last["instants"] |= of_redo["instants"]
    outcomes: list[tuple[ListedAccount, Outcome]] = [overdue(1), overdue(2), overdue(4), (listed(3), REFUSED)]

    report = joined(outcomes, last=last)
    after = next_baselines(report, list_of(*(account for account, _ in outcomes)), last)

    assert is_new_baseline(report)
    assert report["changes"] is not None
    assert report["changes"]["notes"] == [
        "Of 1 of 3 accounts, a later report is on record already: their next scan is compared with that."
    ]
    assert after["accounts"] == {
        account_id(1): "scan-1",
        account_id(2): "scan-2",
        account_id(3): "scan-0",
        account_id(4): "scan-1",
    }
    assert after["instants"] == {
        account_id(1): "2026-11-22T08:00:00Z",
        account_id(2): LATER,
        account_id(3): "2026-11-21T08:00:00Z",
        account_id(4): "2026-11-22T08:00:00Z",
    }


def test_two_scans_of_some_accounts_that_overlap_lose_neither_one_nor_the_other() -> None:
    first, second = overdue(1), overdue(2)
    last = baselines(1, 2)
    one = joined([first], last=last, requested=[account_id(1)])
    after_one = next_baselines(one, list_of(first[0]), last)

    other = {**joined([second], last=after_one, requested=[account_id(2)]), "scan_id": "scan-2"}
    after = next_baselines(cast(OrganizationReport, other), list_of(second[0]), after_one)

    assert after["accounts"] == {account_id(1): "scan-1", account_id(2): "scan-2"}


def test_an_account_that_a_later_scan_found_is_not_forgotten_by_an_earlier_one_that_lacked_it() -> None:
    last = baselines(7, scan_id="scan-2", as_of=LATER)
    gone: list[ListedAccount] = [{"account_id": account_id(7), "name": "crm", "state": None, "cause": "gone"}]

    after = next_baselines(joined([overdue(1)], last=last, gone=gone), list_of(listed(1), gone=gone), last)

    assert after["accounts"] == {account_id(7): "scan-2", account_id(1): "scan-1"}


def test_an_account_with_a_report_that_is_not_active_any_more_is_new_as_such_once() -> None:
    last = baselines(1, 3)
    outcomes, accounts = [clean(1)], list_of(listed(1), suspended(3), suspended(4))

    report = joined(outcomes, [suspended(3), suspended(4)], last=last)
    after = next_baselines(report, accounts, last)
    again = joined(outcomes, [suspended(3), suspended(4)], last=after)

    assert report["changes"] is not None
    assert again["changes"] is not None
    assert report["changes"]["accounts_stopped"] == [account_id(3)]
    assert again["changes"]["accounts_stopped"] == []
    assert after["accounts"][account_id(3)] == "scan-0"


def test_an_account_that_is_active_again_or_gone_can_stop_again() -> None:
    last = baselines(1, 3, 7, not_active=(3, 4, 5, 7))
    outcomes = [clean(3)]
    gone: list[ListedAccount] = [{"account_id": account_id(7), "name": "crm", "state": None, "cause": "gone"}]

    report = joined(outcomes, [suspended(4)], last=last, gone=gone, requested=[account_id(3), account_id(4)])
    after = next_baselines(report, list_of(listed(3), suspended(4), gone=gone), last)

    assert after["not_active"] == [account_id(4), account_id(5)]


def test_what_the_accounts_reports_note_is_noted_once_with_the_number_of_accounts() -> None:
    def noting(number: int, *notes: str) -> tuple[ListedAccount, Report]:
        account, report = clean(number)
        assert report["changes"]
        report["changes"]["notes"] = list(notes)
        return account, report

    policy, damaged = "The scan policy changed.", "The last full scan cannot be compared with: it is damaged."
    outcomes = [noting(1, policy), noting(2, policy, damaged), noting(3, NO_LAST_SCAN), noting(4, NO_LAST_SCAN)]

    report = joined(outcomes, last=baselines(1, 2, 4), notes=["First."])

    assert report["changes"]
    assert report["changes"]["notes"] == [
        "First.",
        f"In 2 accounts: {policy}",
        f"In 1 account: {damaged}",
        f"In 1 account: {NO_LAST_SCAN}",
    ]
    many = joined([noting(number, f"Note {number}.") for number in range(1, 9)])["changes"]
    assert many
    assert many["notes"] == [
        *(f"In 1 account: Note {number}." for number in range(1, 6)),
        "The reports of the accounts have 3 more notes.",
    ]


def test_a_policy_that_changed_since_the_last_scan_is_in_the_message() -> None:
    account, report = overdue(1)
    assert report["changes"]
    report["changes"]["notes"] = ["The scan policy changed since the last full scan (max_age_days was 365 and is 90)."]

    text = compose_organization_message(joined([(account, report)], last=baselines(1)), FOLDER).text

    assert "In 1 account: The scan policy changed since the last full scan (max_age_days was 365 and is 90)." in (
        " ".join(text.split())
    )

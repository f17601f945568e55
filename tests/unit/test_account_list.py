"""Which accounts a scan of an organization is of, what becomes of each, and what each is compared with."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.documents import InvalidEvidenceError
from chalicelib.organization_documents import AccountItem, AccountList, Baselines, ListedAccount
from chalicelib.organization_settings import OrganizationSettings
from chalicelib.report.account_list import NoAccountsError, check_baselines, choose_accounts, named_account

A, B, C, D = "111111111111", "222222222222", "333333333333", "444444444444"
WHOLE = OrganizationSettings(whole=True)
NOW = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
LAST: Baselines = {
    "schema_version": 1,
    "scan_id": "scheduled-1",
    "as_of": "2026-11-21T08:00:00Z",
    "accounts": {A: "scheduled-1", B: "adhoc-0", D: "scheduled-0"},
    "instants": {A: "2026-11-21T08:00:00Z", B: "2026-11-20T09:00:00Z", D: "2026-11-20T08:00:00Z"},
    "names": {A: "platform", B: None, D: "old"},
    "not_active": [],
}


def account(account_id: str, name: str = "some", state: str | None = "ACTIVE") -> ListedAccount:
    return {"account_id": account_id, "name": name, "state": state, "cause": None}


def choose(
    *known: ListedAccount,
    of: OrganizationSettings = WHOLE,
    requested: list[str] | None = None,
    last: Baselines | None = None,
) -> tuple[AccountList, list[AccountItem]]:
    return choose_accounts("scan-1", of, known, requested, lambda: last)


def test_all_accounts_of_the_organization_are_scanned_each_once() -> None:
    listed, items = choose(account(B, "web"), account(A, "platform"), account(B, "web"))

    assert listed == {
        "schema_version": 1,
        "scan_id": "scan-1",
        "requested": None,
        "accounts": [account(A, "platform"), account(B, "web")],
        "excluded": [],
        "last_scan": None,
        "gone": [],
        "notes": ["No earlier scan of the organization is on record, so every overdue key counts as new."],
    }
    assert items == [
        {"account_id": A, "name": "platform", "last_scan_id": None},
        {"account_id": B, "name": "web", "last_scan_id": None},
    ]


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("SUSPENDED", "it is suspended"),
        ("CLOSED", "it is closed"),
        ("PENDING_ACTIVATION", "its activation is pending"),
    ],
)
def test_an_account_that_is_not_active_is_listed_with_its_cause_and_not_scanned(state: str, cause: str) -> None:
    listed, items = choose(account(A), account(B, state=state))

    assert listed["accounts"][1] == {"account_id": B, "name": "some", "state": state, "cause": cause}
    assert [item["account_id"] for item in items] == [A]


@pytest.mark.parametrize("state", [None, "ACTIVE", "PENDING_CLOSURE", "RESTRICTED", ""])
def test_an_account_in_any_other_state_is_scanned_because_its_keys_may_work(state: str | None) -> None:
    listed, items = choose(account(A, state=state))

    assert listed["accounts"] == [account(A, state=state)]
    assert [item["account_id"] for item in items] == [A]


def test_requested_accounts_alone_are_scanned_and_one_that_is_no_member_has_its_cause() -> None:
    listed, items = choose(account(A), account(B), account(D), requested=[D, C, A, D])

    assert listed["requested"] == [D, C, A, D]
    assert listed["accounts"] == [
        account(D),
        {"account_id": C, "name": None, "state": None, "cause": "it is not in the organization"},
        account(A),
    ]
    assert [item["account_id"] for item in items] == [D, A]


def test_named_accounts_have_neither_name_nor_state() -> None:
    of = OrganizationSettings(named=(B, A))

    listed, items = choose(named_account(B), named_account(A), of=of)

    assert listed["accounts"] == [
        {"account_id": A, "name": None, "state": None, "cause": None},
        {"account_id": B, "name": None, "state": None, "cause": None},
    ]
    assert len(items) == 2


def test_excluded_accounts_are_named_apart_and_only_those_that_there_are() -> None:
    listed, items = choose(account(A), account(B), of=OrganizationSettings(whole=True, excluded=(D, B)))

    assert (listed["excluded"], [item["account_id"] for item in items]) == ([B], [A])
    assert [one["account_id"] for one in listed["accounts"]] == [A]


@pytest.mark.parametrize(
    ("known", "of"),
    [([], WHOLE), ([account(A)], OrganizationSettings(whole=True, excluded=(A,)))],
)
def test_a_scan_of_no_account_is_an_error_and_never_clean(known: list[ListedAccount], of: OrganizationSettings) -> None:
    with pytest.raises(
        NoAccountsError, match="there is no account to scan: see the stack parameters Accounts and Excl"
    ):
        choose(*known, of=of)


def test_accounts_of_which_none_is_active_are_a_scan_that_says_so() -> None:
    listed, items = choose(account(A, state="SUSPENDED"))

    assert (len(listed["accounts"]), items) == (1, [])


def test_each_account_is_compared_with_the_scan_that_has_its_last_report() -> None:
    listed, items = choose(account(A), account(B), account(C), account(D), last=LAST)

    assert listed["last_scan"] == {"scan_id": "scheduled-1", "as_of": "2026-11-21T08:00:00Z"}
    assert (listed["notes"], listed["gone"]) == ([], [])
    assert {item["account_id"]: item["last_scan_id"] for item in items} == {
        A: "scheduled-1",
        B: "adhoc-0",
        C: None,
        D: "scheduled-0",
    }


@pytest.mark.parametrize(
    ("of", "cause"),
    [
        (WHOLE, "it is not in the organization"),
        (OrganizationSettings(named=(A,)), "it is not among those of the stack parameter Accounts"),
    ],
)
@pytest.mark.parametrize("requested", [None, [A]])
def test_an_account_of_the_last_scan_that_is_there_no_more_is_gone(
    of: OrganizationSettings, cause: str, requested: list[str] | None
) -> None:
    listed, _ = choose(account(A), account(B), of=of, requested=requested, last=LAST)

    assert listed["gone"] == [{"account_id": D, "name": "old", "state": None, "cause": cause}]


def test_an_account_that_is_excluded_since_is_not_gone() -> None:
    listed, _ = choose(
        account(A), account(B), account(D), of=OrganizationSettings(whole=True, excluded=(D,)), last=LAST
    )

    assert (listed["gone"], listed["excluded"]) == ([], [D])


def test_a_damaged_last_scan_is_noted_and_everything_counts_as_new() -> None:
    def fail() -> Baselines:
        raise InvalidEvidenceError("its baselines are damaged")

    listed, [item] = choose_accounts("scan-1", WHOLE, [account(A)], None, fail)

    assert (listed["last_scan"], listed["gone"], item["last_scan_id"]) == (None, [], None)
    [note] = listed["notes"]
    assert note == (
        "The last scan of the organization cannot be compared with: its baselines are damaged. "
        "Every overdue key counts as new."
    )


def test_baselines_are_taken_as_a_scan_keeps_them() -> None:
    with_message: Baselines = {**LAST, "last_message_at": "2026-11-15T08:00:00Z"}

    assert check_baselines(LAST, NOW) == LAST
    assert check_baselines(with_message, NOW) == with_message
    assert check_baselines({**LAST, "last_message_at": None}, NOW) == LAST


@pytest.mark.parametrize(
    "other",
    [
        {"accounts": None},
        {"accounts": [A]},
        {"accounts": {"11": "scan-1"}},
        {"accounts": {A: "../latest.json"}},
        {"accounts": {A: None}},
        {"instants": None},
        {"instants": {A: "2026-11-21T08:00:00Z"}},
        {"instants": {A: "2026-11-21T08:00:00Z", B: "yesterday", D: "2026-11-20T08:00:00Z"}},
        {"instants": {A: "2026-11-22T08:05:01Z", B: "2026-11-20T09:00:00Z", D: "2026-11-20T08:00:00Z"}},
        {"not_active": ["11"]},
        {"not_active": None},
        {"names": {A: 7}},
        {"names": None},
        {"scan_id": "a/b"},
        {"scan_id": None},
        {"as_of": "yesterday"},
        {"as_of": None},
        {"as_of": "2026-11-22T08:05:01Z"},
        {"last_message_at": "yesterday"},
        {"last_message_at": 7},
    ],
)
def test_other_baselines_are_damaged(other: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvidenceError):
        check_baselines({**LAST, **other}, NOW)


@pytest.mark.parametrize("field", list(LAST))
def test_baselines_without_a_field_are_damaged(field: str) -> None:
    with pytest.raises(InvalidEvidenceError):
        check_baselines({name: value for name, value in LAST.items() if name != field}, NOW)

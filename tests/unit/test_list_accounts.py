"""The list of an organization's accounts: what Organizations is asked, what is kept, and what fails the scan."""

import json
from typing import Any

import pytest

import app
from chalicelib.aws.errors import OrganizationsUnavailableError, OrganizationUnreadableError
from chalicelib.organization_documents import Baselines
from chalicelib.policy import InvalidPolicyError
from chalicelib.report.account_list import NoAccountsError
from chalicelib.settings import InvalidSettingError
from tests.support.fake_aws import json_error
from tests.support.organization import SCAN, A, B, Organization

LAST: Baselines = {
    "schema_version": 1,
    "scan_id": "scan-0",
    "as_of": "2026-11-21T08:00:00Z",
    "accounts": {A: "scan-0"},
    "instants": {A: "2026-11-21T08:00:00Z"},
    "names": {A: "web"},
    "not_active": [],
}


def account(number: int, **more: str) -> dict[str, str]:
    return {"Id": f"{number:012}", "Name": f"account {number}", "State": "ACTIVE", "Status": "ACTIVE", **more}


def run(monkeypatch: pytest.MonkeyPatch, accounts: str = "organization", excluded: str = "", /, **policy: Any) -> Any:
    monkeypatch.setenv("ACCOUNTS", accounts)
    monkeypatch.setenv("EXCLUDED_ACCOUNTS", excluded)
    return app.list_accounts({"scan": {**SCAN, "policy": policy}}, None)


def test_all_pages_are_read_an_empty_one_too(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    organization.aws.answers["ListAccounts"] = [
        {"Accounts": [account(number) for number in range(20)], "NextToken": "a"},
        {"Accounts": [], "NextToken": "b"},
        {"Accounts": [account(20), account(21, State="SUSPENDED")]},
    ]

    answer = run(monkeypatch)

    assert answer == {
        "policy": {"max_age_days": 90, "warn_days": 14, "include_inactive": False},
        "accounts": 21,
        "items": {"Bucket": "reports", "Key": "scans/scan-1/accounts-to-scan.json"},
    }
    asked: list[dict[str, Any]] = [*organization.aws.calls]
    assert [(call["MaxResults"], call.get("NextToken")) for call in asked] == [(20, None), (20, "a"), (20, "b")]
    listed, items = organization.file("accounts.json"), organization.file("accounts-to-scan.json")
    assert len(listed["accounts"]) == 22
    assert listed["accounts"][21]["cause"] == "it is suspended"
    assert items[20] == {"account_id": "000000000020", "name": "account 20", "last_scan_id": None}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"State": "CLOSED", "Status": "SUSPENDED"}, "CLOSED"),
        ({"State": "", "Status": "SUSPENDED"}, "SUSPENDED"),
        ({"State": "", "Status": ""}, None),
    ],
)
def test_the_state_is_organizations_state_or_its_status_where_there_is_none(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], state: str | None
) -> None:
    described = {name: value for name, value in account(1, **given).items() if value}
    organization.aws.answers["ListAccounts"] = {"Accounts": [described]}

    run(monkeypatch)

    assert organization.file("accounts.json")["accounts"][0]["state"] == state


def test_organizations_is_not_asked_about_accounts_that_are_named(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, f"{B},{A}")["accounts"] == 2
    assert organization.aws.calls == []
    assert [one["name"] for one in organization.file("accounts.json")["accounts"]] == [None, None]


@pytest.mark.parametrize("text", [f"{A}\n{B}\n", f"{A},{B}", f"\ufeff{A}\r\n\r\n {B} ,\n{A}", f"{B} {A}"])
def test_accounts_are_read_from_a_list_in_the_bucket(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    organization.files["organization/prod.txt"] = text.encode()

    run(monkeypatch, "s3://reports/organization/prod.txt")

    assert [one["account_id"] for one in organization.file("accounts.json")["accounts"]] == [A, B]


@pytest.mark.parametrize(
    ("body", "takes"),
    [
        (None, "a list of account ids, and there is no such object"),
        (b"", "account ids of 12 digits, one a line or separated by commas; nothing else, and at least one"),
        (f"{A}\nprod\n".encode(), "account ids of 12 digits, one a line or separated by commas; nothing else"),
        (f"# accounts\n{A}".encode(), "account ids of 12 digits"),
        (f'["{A}"]'.encode(), "account ids of 12 digits"),
        (b"\xff\xfe1", "account ids of 12 digits"),
    ],
)
def test_a_list_that_is_missing_or_damaged_fails_the_scan(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, body: bytes | None, takes: str
) -> None:
    if body is not None:
        organization.files["organization/prod.txt"] = body

    with pytest.raises(InvalidSettingError) as refused:
        run(monkeypatch, "s3://reports/organization/prod.txt")

    assert refused.value.field.startswith("ACCOUNTS")
    assert "s3://reports/organization/prod.txt" in str(refused.value)
    assert refused.value.takes.startswith(takes)


@pytest.mark.parametrize(
    ("answer", "said", "advice"),
    [
        (json_error("AccessDeniedException", "no"), "AccessDeniedException: no", True),
        (json_error("AWSOrganizationsNotInUseException", "no"), "AWSOrganizationsNotInUseException: no", True),
        (json_error("InvalidInputException", "no"), "InvalidInputException: no", False),
        ({"Accounts": [{"Name": "nameless"}]}, "The answer cannot be read (KeyError: 'Id')", False),
        ({}, "The answer cannot be read (KeyError: 'Accounts')", False),
        (
            {"Accounts": [], "NextToken": "a"},
            "The answer cannot be read (LookupError: it gave the same NextToken twice)",
            False,
        ),
    ],
)
def test_organizations_that_does_not_list_fails_the_scan_and_says_what_to_do_about_it(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, answer: Any, said: str, advice: bool
) -> None:
    organization.aws.answers["ListAccounts"] = answer

    with pytest.raises(OrganizationUnreadableError) as raised:
        run(monkeypatch)

    assert str(raised.value).startswith(f"Organizations did not list the accounts ({said})")
    assert ("management account, or in that of a delegated administrator" in str(raised.value)) is advice
    assert organization.files == {}


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 400), ("ServiceException", 500), ("ServiceException", 503)]
)
def test_organizations_that_is_throttled_or_in_trouble_is_asked_again_by_the_state_machine(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    organization.aws.answers["ListAccounts"] = json_error(code, "not now", status)

    with pytest.raises(OrganizationsUnavailableError) as raised:
        run(monkeypatch)

    assert str(raised.value) == f"Organizations did not list the accounts ({code}: not now)"
    assert organization.files == {}


def test_a_throttled_page_is_asked_for_again(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    slow = json_error("TooManyRequestsException", "slow down")
    organization.aws.answers["ListAccounts"] = [slow, slow, {"Accounts": [account(1)]}]

    assert run(monkeypatch)["accounts"] == 1


@pytest.mark.parametrize("listed", [[], [account(1)]])
def test_a_scan_of_no_account_fails(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, listed: list[Any]
) -> None:
    organization.aws.answers["ListAccounts"] = {"Accounts": listed}

    with pytest.raises(NoAccountsError):
        run(monkeypatch, "organization", "000000000001")
    assert organization.files == {}


@pytest.mark.parametrize(
    ("stage", "policy", "field"),
    [
        (("organization", ""), {"max_age_days": 0}, "max_age_days"),
        (("organization", ""), {"users": ["a b"]}, "users[0]"),
        (("organization", ""), {"accounts": ["1"]}, "accounts[0]"),
        (("organization", ""), {"accounts": [A, A]}, "accounts[1] (a duplicate)"),
        (("organization", A), {"accounts": [A]}, "accounts[0]"),
        ((A, ""), {"accounts": [A, B]}, "accounts[1]"),
        (("s3://reports/organization/prod.txt", ""), {"accounts": [B]}, "accounts[0]"),
        (("", ""), {"accounts": [A]}, "accounts"),
    ],
)
def test_a_bad_policy_is_refused_before_any_account_is_asked_and_the_log_has_no_values(
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
    stage: tuple[str, str],
    policy: dict[str, Any],
    field: str,
) -> None:
    organization.files["organization/prod.txt"] = A.encode()

    with pytest.raises(InvalidPolicyError) as refused:
        run(monkeypatch, *stage, **policy)

    assert refused.value.field == field
    assert "a b" not in str(refused.value)
    assert organization.aws.calls == []


def test_the_policy_is_completed_and_has_no_accounts(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = run(monkeypatch, f"{A},{B}", accounts=[B], users=["alice"], as_of="2026-11-22T09:00:00+01:00")

    assert answer["policy"] == {
        "max_age_days": 90,
        "warn_days": 14,
        "include_inactive": False,
        "users": ["alice"],
        "as_of": "2026-11-22T08:00:00Z",
    }
    assert organization.file("accounts.json")["requested"] == [B]
    assert [one["account_id"] for one in organization.file("accounts-to-scan.json")] == [B]


def test_accounts_are_compared_with_the_last_scan_that_people_were_notified_of(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization.files["organization/latest.json"] = json.dumps({"scan_id": "scan-0"}).encode()
    organization.files["scans/scan-0/baselines.json"] = json.dumps(LAST).encode()

    run(monkeypatch, f"{A},{B}")

    assert organization.file("accounts.json")["last_scan"] == {"scan_id": "scan-0", "as_of": LAST["as_of"]}
    items = organization.file("accounts-to-scan.json")
    assert [one["last_scan_id"] for one in items] == ["scan-0", None]
    assert {one["told_at"] for one in items} == {"2026-11-21T08:05:00Z"}


@pytest.mark.parametrize(
    ("latest", "baselines"),
    [
        (b"{", None),
        (b"[]", None),
        (b"{}", None),
        (b'{"scan_id": "../x"}', None),
        (b'{"scan_id": "scan-0"}', None),
        (b'{"scan_id": "scan-0"}', b"{"),
        (b'{"scan_id": "scan-0"}', b"[]"),
        (b'{"scan_id": "scan-0"}', b"{}"),
        (b'{"scan_id": "scan-0"}', json.dumps({**LAST, "as_of": "2999-01-01T00:00:00Z"}).encode()),
    ],
)
def test_a_damaged_last_scan_is_noted_and_the_scan_goes_on(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, latest: bytes, baselines: bytes | None
) -> None:
    organization.files["organization/latest.json"] = latest
    if baselines is not None:
        organization.files["scans/scan-0/baselines.json"] = baselines

    assert run(monkeypatch, A)["accounts"] == 1

    listed = organization.file("accounts.json")
    assert listed["last_scan"] is None
    [note] = listed["notes"]
    assert note.startswith("The last scan of the organization cannot be compared with: ")

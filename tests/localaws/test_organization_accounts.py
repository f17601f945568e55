"""The accounts of an organization: in the account file, and as Organizations lists them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.accounts.account_file import AccountError, load_account
from localaws.environment import LocalAws
from localaws.faults import parse_faults
from tests.support.organizations import OWN, account_id, deployed, function_client, member, organization
from tests.support.scanner import OLD, user

STATES = '"ACTIVE" or "SUSPENDED" or "PENDING_CLOSURE" or "CLOSED" or "PENDING_ACTIVATION"'
KEY = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "age_days": 100}
ALICE = {"user_name": "alice", "access_keys": [KEY]}


def one(**fields: Any) -> dict[str, Any]:
    return {"users": [], "accounts": [{"account_id": account_id(1), "name": "shop", **fields}]}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"users": [], "accounts": {}}, "accounts: {} is not accepted: takes a list"),
        ({"users": [], "accounts": [{"name": "shop"}]}, "accounts.0.account_id: is missing"),
        ({"users": [], "accounts": [{"account_id": account_id(1)}]}, "accounts.0.name: is missing"),
        (one(account_id="1"), 'accounts.0.account_id: "1" is not accepted: takes 12 digits, as text'),
        (one(account_id=111122223333), "accounts.0.account_id: 111122223333 is not accepted: takes text"),
        (one(name=""), 'accounts.0.name: "" is not accepted: takes 1 to 50 characters from space to ~'),
        (one(name="é"), "accounts.0.name: "),
        (one(name="x" * 51), "accounts.0.name: "),
        (one(state="OPEN"), f'accounts.0.state: "OPEN" is not accepted: takes {STATES}'),
        (one(trust="nobody"), 'accounts.0.trust: "nobody" is not accepted: takes "right" or "external_id" or'),
        (one(reader_role="no"), 'accounts.0.reader_role: "no" is not accepted: takes true or false'),
        (one(accounts=[]), "accounts.0.accounts: unknown field; the fields here are account_id, alias, root, policies"),
        (one(users=[{"user_name": "a b"}]), 'accounts.0.users.0.user_name: "a b" is not accepted: takes 1 to 64'),
        (one(users=[user("bob"), user("bob")]), 'user_name "bob" is there twice; each takes a value of its own'),
        (one(root={"access_keys": 3}), "accounts.0.root.access_keys: 3 is not accepted: takes 0, 1 or 2"),
        (one(account_id=OWN), f'account_id "{OWN}" is there twice; each takes a value of its own'),
        (
            {"users": [], "accounts": [member(1), member(1)]},
            f'account_id "{account_id(1)}" is there twice; each takes a value of its own',
        ),
        (
            {"users": [], "accounts": [member(1), member(2), member(2)]},
            f'accounts.2.account_id: "{account_id(2)}" is not accepted: account_id "{account_id(2)}" is there twice',
        ),
        (
            {"users": [], "accounts": [member(1), member(2, user("bob"), user("Bob"))]},
            'accounts.1.users.1.user_name: "Bob" is not accepted: user_name "Bob" differs from "bob" in case alone',
        ),
        (
            {"users": [user("bob")], "accounts": [member(1), member(2, user("bob"), ALICE), member(3, ALICE)]},
            'accounts.2.users.0.access_keys.0.access_key_id: "AKIAIOSFODNN7EXAMPLE" is not accepted: access_key_id',
        ),
        (
            {"users": [ALICE], "accounts": [member(1, ALICE)]},
            'access_key_id "AKIAIOSFODNN7EXAMPLE" is there twice; each takes a value of its own',
        ),
        ({"users": [], "state": "ACTIVE"}, "state: unknown field; the fields here are account_id, alias"),
    ],
)
def test_an_account_that_is_refused_is_named_by_field_value_and_what_is_accepted(
    tmp_path: Path, document: Any, says: str
) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(document))

    with pytest.raises(AccountError) as refused:
        load_account(path)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_keys_of_users_of_one_name_differ_between_accounts() -> None:
    account = organization(member(1, user("alice", OLD)), member(2, user("alice", OLD)), users=[user("alice", OLD)])

    ids = {one.access_key_id(one.users[0], 0) for one in account.all_accounts()}

    assert len(ids) == 3
    assert account.users[0].access_key_id(0) in ids


@pytest.fixture(scope="module")
def many(aws: LocalAws) -> Iterator[LocalAws]:
    """A management account with 45 members, one of which is suspended."""
    with deployed(aws, organization(member(0, state="SUSPENDED"), *map(member, range(1, 45)), name="example-shop")):
        yield aws


def pages_of(client: Any, **more: Any) -> list[dict[str, Any]]:
    pages = [client.list_accounts(**more)]
    while token := pages[-1].get("NextToken"):
        pages.append(client.list_accounts(NextToken=token, **more))
    return pages


def test_accounts_are_listed_20_a_page_with_an_empty_page_in_between(many: LocalAws) -> None:
    pages = pages_of(many.client("organizations"))
    small = pages_of(many.client("organizations"), MaxResults=19)

    listed = [account for page in pages for account in page["Accounts"]]
    assert [len(page["Accounts"]) for page in pages] == [20, 0, 20, 6]
    assert [len(page["Accounts"]) for page in small] == [19, 0, 19, 8]
    assert [account["Id"] for account in listed] == [OWN, *map(account_id, range(45))]
    assert [account for page in small for account in page["Accounts"]] == listed
    assert [account["Name"] for account in listed[:2]] == ["example-shop", "member-0"]
    assert [account["State"] for account in listed[:3]] == ["ACTIVE", "SUSPENDED", "ACTIVE"]
    assert not any("Status" in account for account in listed)  # retired on 2026-09-09


def refusal(client: Any, **more: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        client.list_accounts(**more)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_member_may_list_accounts_only_as_a_delegated_administrator(many: LocalAws) -> None:
    management, delegated = many.client("organizations"), many.client("organizations", account_id(2))
    service = {"AccountId": account_id(2), "ServicePrincipal": "access-analyzer.amazonaws.com"}

    before = refusal(delegated)
    management.register_delegated_administrator(**service)
    listed = delegated.list_accounts()
    management.deregister_delegated_administrator(**service)

    assert before == refusal(delegated)
    assert before == ("AccessDeniedException", "You don't have permissions to access this resource.")
    assert len(listed["Accounts"]) == 20


def test_an_account_without_an_organization_has_none_to_list(many: LocalAws) -> None:
    code, message = refusal(many.client("organizations", account_id(99)))

    assert (code, message) == (
        "AWSOrganizationsNotInUseException",
        "Your account is not a member of an organization.",
    )


@pytest.mark.parametrize("arguments", [{"NextToken": "guessed"}, {"NextToken": "MQ=="}])
def test_a_token_that_was_not_given_is_refused(many: LocalAws, arguments: dict[str, str]) -> None:
    assert refusal(many.client("organizations"), **arguments)[0] == "InvalidInputException"


def test_organizations_may_throttle_fail_and_refuse(many: LocalAws) -> None:
    many.inject(parse_faults('{"organizations": {"throttle": 1, "fail": 1}}'))
    client = function_client(many, "organizations", "ListAccounts", Config(retries={"total_max_attempts": 1}))

    first, second = refusal(client), refusal(client)
    many.inject(parse_faults('{"organizations": {"deny": true}}'))
    third = refusal(client)

    assert (first[0], second[0]) == ("TooManyRequestsException", "InternalFailure")
    assert third == ("AccessDeniedException", "You don't have permissions to access this resource.")

"""Whom STS gives credentials of a role, and what these may do, in an organization of the local AWS."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.environment import LocalAws
from localaws.faults import Faults, parse_faults
from tests.support.organizations import (
    OWN,
    READER,
    account_id,
    assume,
    client_of,
    deployed,
    function_client,
    member,
    organization,
)
from tests.support.scanner import OLD, user

FIRST, SECOND = account_id(1), account_id(2)
ACCOUNTS = organization(
    member(1, user("alice", OLD)),
    member(2, user("bob", OLD), user("carol", OLD)),
    member(3, reader_role=False),
    member(4, trust="external_id"),
    member(5, trust="principal"),
    member(6, state="SUSPENDED"),
    member(7, state="PENDING_CLOSURE"),
    users=[user("of-the-management-account", OLD)],
)


@pytest.fixture(scope="module")
def members(aws: LocalAws) -> Iterator[LocalAws]:
    """A management account with members, each in a state of its own."""
    with deployed(aws, ACCOUNTS):
        yield aws


@pytest.fixture
def sts(members: LocalAws) -> Any:
    return function_client(members, "sts")


def refusal(call: Any, *arguments: Any, **more: Any) -> tuple[str, str, int]:
    """Return the code, the message and the status of a call that is refused."""
    with pytest.raises(ClientError) as refused:
        call(*arguments, **more)
    error = refused.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def test_a_function_calls_as_its_role(members: LocalAws, sts: Any) -> None:
    role = members.function("ScanAccount").role
    identity = sts.get_caller_identity()

    assert identity["Account"] == OWN
    assert role.startswith(f"arn:aws:iam::{OWN}:role/iam-key-age-local-ScanAccountRole-")
    assert identity["Arn"].startswith(f"arn:aws:sts::{OWN}:assumed-role/{role.rpartition('/')[2]}/iam-key-age-local-")


def test_credentials_lead_to_the_account_of_the_role_and_to_no_other(members: LocalAws, sts: Any) -> None:
    sessions = {one: assume(sts, one) for one in (FIRST, SECOND, OWN)}

    identities = {one: client_of(members, "sts", session).get_caller_identity() for one, session in sessions.items()}
    users = {
        one: [listed["UserName"] for listed in client_of(members, "iam", session).list_users()["Users"]]
        for one, session in sessions.items()
    }

    assert users == {FIRST: ["alice"], SECOND: ["bob", "carol"], OWN: ["of-the-management-account"]}
    assert {one: identity["Account"] for one, identity in identities.items()} == {one: one for one in sessions}
    assert identities[FIRST]["Arn"] == f"arn:aws:sts::{FIRST}:assumed-role/{READER}/iam-key-age"


@pytest.mark.parametrize(
    ("role_of", "role", "more"),
    [
        pytest.param(account_id(3), READER, {}, id="no-role"),
        pytest.param(account_id(99), READER, {}, id="no-such-account"),
        pytest.param(FIRST, "another-role", {}, id="another-role"),
        pytest.param(FIRST, READER, {"ExternalId": "guessed"}, id="another-external-id"),
        pytest.param(account_id(4), READER, {}, id="trusts-another-external-id"),
        pytest.param(account_id(5), READER, {}, id="trusts-another-principal"),
        pytest.param(account_id(6), READER, {}, id="suspended"),
        pytest.param(account_id(7), READER, {}, id="pending-closure"),
        pytest.param(FIRST, "OrganizationAccountAccessRole", {}, id="not-by-the-functions-own-policies"),
    ],
)
def test_sts_refuses_all_alike(sts: Any, role_of: str, role: str, more: dict[str, str]) -> None:
    code, message, status = refusal(assume, sts, role_of, role, **more)

    caller = sts.get_caller_identity()["Arn"]
    what = f"sts:AssumeRole on resource: arn:aws:iam::{role_of}:role/{role}"
    assert (code, status) == ("AccessDenied", 403)
    assert message == f"User: {caller} is not authorized to perform: {what}"


def test_sts_refuses_a_call_without_the_external_id(sts: Any) -> None:
    role_arn = f"arn:aws:iam::{FIRST}:role/{READER}"

    code, _, _ = refusal(sts.assume_role, RoleArn=role_arn, RoleSessionName="iam-key-age")

    assert code == "AccessDenied"


@pytest.mark.parametrize("function", ["BuildReport", "ListAccounts", "APIHandler"])
def test_another_function_may_not_assume_the_role(members: LocalAws, function: str) -> None:
    code, message, _ = refusal(assume, function_client(members, "sts", function), FIRST)

    assert code == "AccessDenied"
    assert f"assumed-role/iam-key-age-local-{function}" in message.replace("ApiHandler", "APIHandler")


def test_a_person_of_the_management_account_may_not_assume_the_role_but_the_administrators(members: LocalAws) -> None:
    person = members.client("sts")

    code, _, _ = refusal(assume, person, FIRST)
    iam = client_of(members, "iam", assume(person, FIRST, "OrganizationAccountAccessRole"))
    iam.create_user(UserName="dave")
    iam.delete_user(UserName="dave")

    assert code == "AccessDenied"


@pytest.mark.parametrize(
    ("called", "arguments", "says"),
    [
        ("iam.create_access_key", {"UserName": "alice"}, "iam:CreateAccessKey on resource: user alice"),
        ("iam.delete_access_key", {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "iam:DeleteAccessKey on resource: *"),
        ("iam.list_roles", {}, "iam:ListRoles on resource: *"),
        ("sts.assume_role", {"RoleArn": f"arn:aws:iam::{SECOND}:role/{READER}", "RoleSessionName": "on"}, ""),
        ("organizations.list_accounts", {}, "organizations:ListAccounts"),
        ("cloudtrail.lookup_events", {}, "cloudtrail:LookupEvents"),
        ("s3.list_buckets", {}, "s3:"),
    ],
)
def test_the_role_allows_what_its_policy_allows_and_no_more(
    members: LocalAws, sts: Any, called: str, arguments: dict[str, str], says: str
) -> None:
    service, operation = called.split(".")
    session = client_of(members, service, assume(sts, FIRST))

    code, message, _ = refusal(getattr(session, operation), **arguments)

    assert code in ("AccessDenied", "AccessDeniedException")
    assert says in message
    assert message.startswith(f"User: arn:aws:sts::{FIRST}:assumed-role/{READER}/iam-key-age is not authorized")


def test_the_role_allows_all_that_a_scan_reads(members: LocalAws, sts: Any) -> None:
    iam = client_of(members, "iam", assume(sts, FIRST))

    [key] = iam.list_access_keys(UserName="alice")["AccessKeyMetadata"]
    used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    details = iam.get_account_authorization_details(Filter=["User"])

    assert used["UserName"] == "alice"
    assert [one["UserName"] for one in details["UserDetailList"]] == ["alice"]
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_a_session_ends_when_it_expires(members: LocalAws, sts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = assume(sts, FIRST, DurationSeconds=900)
    iam, cloudtrail = client_of(members, "iam", session), client_of(members, "cloudtrail", session)
    monkeypatch.setattr(members.gate.callers, "_clock", lambda: 4_000_000_000.0)

    code, message, status = refusal(iam.list_users)

    assert (code, status) == ("ExpiredToken", 403)
    assert message == "The security token included in the request is expired"
    assert refusal(cloudtrail.lookup_events)[0] == "ExpiredTokenException"


def test_a_session_is_none_without_its_token_with_an_unknown_key_and_in_a_closed_account(
    members: LocalAws, sts: Any
) -> None:
    session = assume(sts, FIRST)
    without = {name: value for name, value in session.items() if name != "aws_session_token"}

    invalid = refusal(client_of(members, "iam", without).list_users)[0]
    unknown = refusal(client_of(members, "iam", {**session, "aws_access_key_id": "ASIAUNKNOWN000000000"}).list_users)[0]
    before, members.gate.closed = members.gate.closed, members.gate.closed | {FIRST}
    try:
        closed = refusal(client_of(members, "iam", session).list_users)[0]
    finally:
        members.gate.closed = before

    assert {invalid, unknown, closed} == {"InvalidClientTokenId"}


def test_sts_refuses_a_session_that_is_longer_than_a_function_may_have(sts: Any) -> None:
    code, message, _ = refusal(assume, sts, FIRST, DurationSeconds=3601)

    assert code == "ValidationError"
    assert "the 1 hour session limit for roles assumed by role chaining" in message


def test_another_account_may_answer_where_a_fault_wants_it(members: LocalAws, sts: Any) -> None:
    members.inject(parse_faults(f'{{"accounts": {{"{FIRST}": {{"sts": {{"answers_as": "{SECOND}"}}}}}}}}'))

    session = assume(sts, FIRST)

    assert client_of(members, "sts", session).get_caller_identity()["Account"] == SECOND
    assert client_of(members, "iam", session).list_users()["Users"][0]["UserName"] == "bob"


def test_calls_are_counted_by_the_account_they_are_about(members: LocalAws, sts: Any) -> None:
    members.inject(Faults())
    members.forget_calls()

    for one in (FIRST, SECOND, SECOND):
        client_of(members, "iam", assume(sts, one)).list_users()

    assert members.calls() == {"iam:ListUsers": 3, "sts:AssumeRole": 3}
    assert members.gate.calls_by_account() == {
        FIRST: {"iam:ListUsers": 1, "sts:AssumeRole": 1},
        SECOND: {"iam:ListUsers": 2, "sts:AssumeRole": 2},
    }


def test_what_a_session_of_a_person_calls_is_not_counted(members: LocalAws) -> None:
    members.forget_calls()

    client_of(members, "iam", assume(members.client("sts"), FIRST, "OrganizationAccountAccessRole")).list_users()

    assert members.calls() == {}


def test_members_that_are_no_longer_there_leave_nothing(aws: LocalAws, members: LocalAws, sts: Any) -> None:
    session = assume(sts, FIRST)
    try:
        aws.seed(organization(member(2)))

        assert refusal(assume, sts, FIRST)[0] == "AccessDenied"
        assert refusal(client_of(members, "iam", session).list_users)[0] == "AccessDenied"
        assert client_of(members, "iam", assume(sts, SECOND)).list_users()["Users"] == []
    finally:
        aws.seed(ACCOUNTS)

"""A snapshot of an organization: all accounts that a role may read, in one account file."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws.accounts.account_file import Account, load_account
from localaws.accounts.anonymize import anonymize
from localaws.accounts.snapshot import SnapshotError, log_in
from localaws.accounts.snapshot_organization import OrganizationSnapshot, read_organization, read_policy
from localaws.clients import GUEST, REGION
from localaws.environment import LocalAws
from localaws.faults import Faults, parse_faults
from localaws.policy_decisions import Attempt, Decision, decide
from localaws.reader_role import Reader
from tests.localaws.test_snapshot import localaws
from tests.support.organizations import OWN, account_id, deployed, member, organization
from tests.support.scanner import OLD, user

ADMINISTRATOR = Reader(role_name="OrganizationAccountAccessRole")
ACCOUNTS = organization(
    member(1, user("alice", OLD, tags={"owner": "web"}), alias="acme-web", root={"access_keys": 1}),
    member(2, user("alice", OLD), user("bob", OLD, policies=["AdministratorAccess"])),
    member(3, user("carol", OLD), state="SUSPENDED"),
    member(4),
    member(5, {**user("dave", OLD), "denied": {"ListAccessKeys": "AccessDenied: no"}}),
    users=[user("of-the-management-account", OLD)],
    name="acme",
)

ONLY_SOME_MAY_LIST = "Organizations lists accounts for the management account and for delegated administrators alone."


@pytest.fixture(scope="module")
def running(aws: LocalAws) -> Iterator[LocalAws]:
    with deployed(aws, ACCOUNTS):
        yield aws


@pytest.fixture
def acme(running: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """An organization that the user's own credentials administer, and of which a call fails once."""
    running.inject(Faults())
    for name, value in credentials(running).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("localaws.accounts.snapshot.TRIES", {"sts": 1, "iam": 1, "organizations": 1})
    return running


def credentials(aws: LocalAws) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": GUEST,
        "AWS_SECRET_ACCESS_KEY": "unused",
        "AWS_DEFAULT_REGION": REGION,
    }


def take(reader: Reader = ADMINISTRATOR) -> OrganizationSnapshot:
    return read_organization(log_in(None), reader)


def as_account(document: Any, tmp_path: Path) -> Account:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(document))
    return load_account(path)


def users_of(account: Account) -> dict[str, list[str]]:
    return {one.account_id: [person.user_name for person in one.users] for one in account.all_accounts()}


@pytest.mark.usefixtures("acme")
def test_every_account_that_the_role_reads_is_in_the_file(tmp_path: Path) -> None:
    taken = take()
    read = as_account(taken.document, tmp_path)

    first, second, third, *_ = read.accounts
    assert users_of(read) == {
        OWN: ["of-the-management-account"],
        account_id(1): ["alice"],
        account_id(2): ["alice", "bob"],
        account_id(3): [],
        account_id(4): [],
        account_id(5): ["dave"],
    }
    assert [one.name for one in read.all_accounts()] == ["acme", *(f"member-{number}" for number in range(1, 6))]
    assert (first.alias, first.root.access_keys, first.users[0].tags) == ("acme-web", 1, {"owner": "web"})
    assert second.users[1].policies == ["AdministratorAccess"]
    assert (third.state, third.reader_role, first.reader_role) == ("SUSPENDED", False, True)
    assert taken.unread == {f"member-3 ({account_id(3)})": "its state is SUSPENDED"}
    assert taken.read[f"member-5 ({account_id(5)})"].refused == {"dave": ["ListAccessKeys"]}


@pytest.mark.usefixtures("acme")
def test_a_role_that_does_not_trust_the_caller_leaves_its_account_unread(tmp_path: Path) -> None:
    taken = take(Reader())
    read = as_account(taken.document, tmp_path)

    cause = taken.unread[f"member-1 ({account_id(1)})"]
    assert {one.account_id: one.reader_role for one in read.all_accounts()} == {
        OWN: True,
        **{account_id(number): False for number in range(1, 6)},
    }
    assert cause == (
        f"AccessDenied: User: arn:aws:iam::{OWN}:user/administrator is not authorized to perform: sts:AssumeRole "
        f"on resource: arn:aws:iam::{account_id(1)}:role/iam-key-age-reader"
    )


def test_an_account_that_cannot_be_read_to_its_end_is_unread_and_no_other(acme: LocalAws) -> None:
    faults = {account_id(1): {"iam": {"throttle_ratio": 1}}, account_id(2): {"sts": {"answers_as": account_id(4)}}}
    acme.inject(parse_faults(json.dumps({"accounts": faults})))

    taken = take()

    assert taken.unread[f"member-1 ({account_id(1)})"].startswith("Throttling: Rate exceeded")
    assert taken.unread[f"member-2 ({account_id(2)})"] == f"another account answered: {account_id(4)}"
    assert f"member-5 ({account_id(5)})" in taken.read


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        (
            {"organizations": {"deny": True}},
            "AccessDeniedException: You don't have permissions to access this resource. " + ONLY_SOME_MAY_LIST,
        ),
        (
            {"accounts": {account_id(1): {"sts": {"fail": -1}}}},
            "InternalError: We encountered an internal error.",
        ),
    ],
)
def test_without_organizations_or_sts_there_is_no_snapshot(acme: LocalAws, faults: Any, says: str) -> None:
    acme.inject(parse_faults(json.dumps(faults)))

    with pytest.raises(SnapshotError) as refused:
        take()

    assert str(refused.value) == says


def test_an_account_without_an_organization_is_told_to_leave_out_the_option(acme: LocalAws) -> None:
    acme.seed(Account(users=[]))
    try:
        with pytest.raises(SnapshotError) as refused:
            take()
    finally:
        acme.seed(ACCOUNTS)

    assert str(refused.value) == (
        "AWSOrganizationsNotInUseException: Your account is not a member of an organization. "
        "Leave out --organization to read this account alone."
    )


@pytest.mark.usefixtures("acme")
def test_an_anonymous_snapshot_names_no_account_and_no_person(tmp_path: Path) -> None:
    read = as_account(anonymize(take().document), tmp_path)

    text = (tmp_path / "account.json").read_text()
    ids = [one.account_id for one in read.all_accounts()]
    named = ("acme", "member", "alice", "bob", "dave", "web", *(account_id(number) for number in range(1, 6)))
    keys = [key.access_key_id for one in read.all_accounts() for person in one.users for key in person.access_keys]
    assert not [name for name in named if name in text.replace("example-account", "").replace("account-0", "")]
    assert len(set(ids)) == 6
    assert [len(one.users) for one in read.all_accounts()] == [1, 1, 2, 0, 0, 1]
    assert [one.name for one in read.accounts[:2]] == ["account-0000", "account-0001"]
    assert read.accounts[2].state == "SUSPENDED"
    assert len(set(keys)) == len(keys) == 4


def test_the_command_keeps_one_file_and_names_what_it_did_not_read(acme: LocalAws, tmp_path: Path) -> None:
    out = tmp_path / "organization.json"
    arguments = ("--organization", "--role-name", "OrganizationAccountAccessRole", "--out", str(out))

    done = localaws(*arguments, **credentials(acme))

    assert done.returncode == 0, done.stderr
    assert "Refused: ListAccessKeys of dave in member-5" in done.stderr
    assert f"Not read: member-3 ({account_id(3)}): its state is SUSPENDED" in done.stderr
    assert f"Kept 5 users of 6 accounts in {out}" in done.stderr
    assert users_of(load_account(out))[account_id(2)] == ["alice", "bob"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--role-name", "x"], "--role-name and --external-id are of the role in each account; they take --organiz"),
        (["--organization", "--role-name", "a b"], 'argument --role-name: "a b" is not accepted; it takes 1 to 64'),
        (["--organization", "--external-id", "x"], 'argument --external-id: "x" is not accepted; it takes 2 to 1,224'),
    ],
)
def test_a_role_that_cannot_be_is_refused(arguments: list[str], says: str) -> None:
    done: subprocess.CompletedProcess[str] = localaws(*arguments)

    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("organizations:ListAccounts", "*", True),
        ("sts:AssumeRole", f"arn:aws:iam::{account_id(1)}:role/iam-key-age-reader", True),
        ("iam:ListAccessKeys", f"arn:aws:iam::{OWN}:user/alice", True),
        ("sts:AssumeRole", f"arn:aws:iam::{account_id(1)}:role/administrator", False),
        ("organizations:CloseAccount", "*", False),
    ],
)
def test_the_policy_that_is_printed_allows_what_is_called(action: str, resource: str, allowed: bool) -> None:
    decision = decide([read_policy(Reader())], Attempt(action, resource))

    assert (decision is Decision.ALLOWED) == allowed


def test_calls_of_a_snapshot_are_those_of_the_policy(acme: LocalAws) -> None:
    acme.forget_calls()

    take()

    actions = {
        action
        for statement in read_policy(Reader())["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert acme.calls().keys() == actions | {"sts:GetCallerIdentity"}

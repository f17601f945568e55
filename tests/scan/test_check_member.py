"""Whether the roles that ship allow what a scan does: what `make check-member` says of accounts on the local AWS."""

import re
from collections.abc import Iterator

import pytest

from localaws.environment import LocalAws
from tests.support.member_stackset import ROLE
from tests.support.organizations import OWN, account_id, deployed, member, organization
from tests.support.scanner import OLD, Scanner, invoke, user

KEYED, EMPTY, REFUSED = account_id(1), account_id(2), account_id(3)
ACCOUNTS = organization(member(1, user("alice", OLD)), member(2), member(3, reader_role=False), users=[])


@pytest.fixture(scope="module")
def members(aws: LocalAws) -> Iterator[Scanner]:
    with deployed(aws, ACCOUNTS):
        yield Scanner(aws)


def test_the_shipped_role_allows_each_call_of_a_scan(members: Scanner) -> None:
    said = invoke(members, "ScanAccount", {"check": {"account_id": KEYED}})

    assert (said["account_id"], said["answers"], said["cause"]) == (KEYED, True, None)
    assert set(said["calls"].values()) == {"allowed"}
    reader_role = ROLE.read_text().partition("\n  DeactivatorRole:")[0].partition("\n  ReaderRole:")[2]
    assert {*said["calls"], "cloudtrail:LookupEvents"} == set(re.findall(r"(?:iam|cloudtrail):[A-Z]\w+", reader_role))


@pytest.mark.parametrize("account", [EMPTY, OWN])
def test_an_account_without_any_key_answers(members: Scanner, account: str) -> None:
    said = invoke(members, "ScanAccount", {"check": {"account_id": account}})

    assert said["answers"] is True
    not_allowed = {call: why for call, why in said["calls"].items() if why != "allowed"}
    assert not_allowed == {"iam:GetAccessKeyLastUsed": "not tried: none of the first ten users has an access key"}


def test_an_account_without_the_role_does_not_answer(members: Scanner) -> None:
    said = invoke(members, "ScanAccount", {"check": {"account_id": REFUSED}})

    assert (said["answers"], said["calls"]) == (False, {})
    assert said["cause"].startswith("STS refused the role iam-key-age-reader (AccessDenied).")

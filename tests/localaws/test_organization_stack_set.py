"""The StackSet that ships, deployed into an organization of the local AWS."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.environment import PROJECT, LocalAws
from tests.support.organizations import OWN, READER, account_id, assume, deployed, function_client, member, organization

TEMPLATE = PROJECT / "statemachine" / "member-stackset.yaml"
STACK = "readers"
NAMES = {account_id(number) for number in range(1, 4)}


@pytest.fixture(scope="module")
def without_roles(aws: LocalAws) -> Iterator[LocalAws]:
    """An organization whose accounts have no role yet, one in a unit and one suspended."""
    members = [member(number, reader_role=False) for number in range(1, 4)]
    with deployed(aws, organization(*members, member(4, reader_role=False, state="SUSPENDED"), reader_role=False)):
        yield aws


@pytest.fixture
def units(without_roles: LocalAws) -> dict[str, str]:
    """The ids of the root and of a unit of account 2."""
    organizations = without_roles.client("organizations")
    root: str = organizations.list_roots()["Roots"][0]["Id"]
    [*there] = organizations.list_organizational_units_for_parent(ParentId=root)["OrganizationalUnits"]
    if not there:
        there = [organizations.create_organizational_unit(ParentId=root, Name="web")["OrganizationalUnit"]]
        organizations.move_account(AccountId=account_id(2), SourceParentId=root, DestinationParentId=there[0]["Id"])
    return {"root": root, "unit": there[0]["Id"]}


def with_role(aws: LocalAws) -> set[str]:
    """Return the accounts that have the reader role."""
    found = set()
    for one in [OWN, *(account_id(number) for number in range(1, 5))]:
        roles = aws.client("iam", one).list_roles()["Roles"]
        found |= {one for role in roles if role["RoleName"] == READER}
    return found


def parameters(units: str, **more: str) -> list[dict[str, str]]:
    given = {"OrganizationalUnitIds": units, "ScanningAccountId": OWN, "StackName": "iam-key-age-local", **more}
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]


@pytest.mark.parametrize(("below", "reached"), [("root", NAMES), ("unit", {account_id(2)})])
def test_the_active_members_below_a_unit_get_the_role_and_lose_it_with_the_stack(
    without_roles: LocalAws, units: dict[str, str], below: str, reached: set[str]
) -> None:
    stacks = without_roles.client("cloudformation")

    stacks.create_stack(StackName=STACK, TemplateBody=TEMPLATE.read_text(), Parameters=parameters(units[below]))
    try:
        reached_by_it = with_role(without_roles)
        assume(function_client(without_roles, "sts"), account_id(2))
    finally:
        stacks.delete_stack(StackName=STACK)

    assert reached_by_it == reached  # and never the management account
    assert with_role(without_roles) == set()


def test_an_update_makes_the_roles_anew(without_roles: LocalAws, units: dict[str, str]) -> None:
    stacks, sts = without_roles.client("cloudformation"), function_client(without_roles, "sts")
    template: dict[str, Any] = {"StackName": STACK, "TemplateBody": TEMPLATE.read_text()}
    stacks.create_stack(**template, Parameters=parameters(units["root"]))
    try:
        stacks.update_stack(**template, Parameters=parameters(units["root"], ExternalId="another"))

        assert with_role(without_roles) == NAMES
        assume(sts, account_id(1), ExternalId="another")
        with pytest.raises(ClientError):
            assume(sts, account_id(1))
    finally:
        stacks.delete_stack(StackName=STACK)

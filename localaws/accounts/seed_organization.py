"""Makes moto's Organizations, and the roles in its accounts, what an account file has of an organization."""

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from moto.cloudformation.models import cloudformation_backends
from moto.iam.models import iam_backends
from moto.organizations.models import FakeAccount, FakeOrganization, OrganizationsBackend, organizations_backends

from localaws.accounts.account_file import Account, Member, OneAccount
from localaws.clients import REGION

_MEMBER_ROLE = Path(__file__).parents[2] / "statemachine" / "member-role.yaml"
_ANOTHER = "another-scanner"  # an external id, or a stack, of somebody else's
# By which the management account administers a member that was made by Organizations:
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access-cross-account-role.html
_ADMINISTRATOR = "OrganizationAccountAccessRole"
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def seed_organization(account: Account, roles: Mapping[str, str]) -> frozenset[str]:
    """Replace the organization and its members; return the ids of those that are closed, and refuse every call.

    `roles` are the parameters of the template of the roles in each account. IAM's users are not seeded here.
    """
    backend = organizations_backends[account.account_id]["aws"]
    _forget(backend, _stack_of(roles))
    if not account.accounts:
        return frozenset()
    backend.create_organization(region=REGION)
    organization = cast(FakeOrganization, backend.org)
    backend.accounts[0].name = account.name or "management"
    for member in account.accounts:
        _add(backend, organization, member)
        _create_administrator(member.account_id, account.account_id)
    for one in account.all_accounts():
        if one.reader_role:
            _deploy_roles(one, account.account_id, roles)
    return frozenset(_closed(account))


def _closed(account: Account) -> Iterator[str]:
    yield from (member.account_id for member in account.accounts if member.state != "ACTIVE")


def _forget(backend: OrganizationsBackend, reader_stack: str) -> None:
    """Remove the organization, and all that its members have."""
    for account in backend.accounts:
        cloudformation_backends[account.id][REGION].delete_stack(reader_stack)
        if account.id != backend.account_id:
            iam_backends.pop(account.id, None)
            cloudformation_backends.pop(account.id, None)
    organizations_backends.master_accounts.clear()
    backend._reset()  # noqa: SLF001  # moto has no other way


def _add(backend: OrganizationsBackend, organization: FakeOrganization, member: Member) -> None:
    made = FakeAccount(organization, AccountName=member.name, Email=f"aws-{member.account_id}@example.com")
    iam_backends.pop(made.id, None)  # moto makes a role in the account of the id that it draws
    made.id, made.state, made.status = member.account_id, member.state, member.state
    backend.accounts.append(made)
    organizations_backends.master_accounts[member.account_id] = (backend.account_id, backend.partition)


def _create_administrator(account_id: str, management_account: str) -> None:
    trusted = {"AWS": f"arn:aws:iam::{management_account}:root"}
    statement = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam_backends[account_id]["aws"].create_role(_ADMINISTRATOR, trust, "/", None, "", [], "3600")
    role.put_policy("AdministratorAccess", json.dumps(_ALL))


def _deploy_roles(account: OneAccount, scanning_account: str, roles: Mapping[str, str]) -> None:
    """Deploy the template that ships, as `make deploy-reader` and the StackSet do."""
    given = {**roles, "ScanningAccountId": scanning_account}
    given |= {"StackName": _ANOTHER} if account.trust == "principal" else {}
    given |= {"ExternalId": _ANOTHER} if account.trust == "external_id" else {}
    cloudformation_backends[account.account_id][REGION].create_stack(_stack_of(roles), _template(), given)


def _stack_of(roles: Mapping[str, str]) -> str:
    """Return the name of the stack that `make deploy-reader` makes."""
    return f"reader-of-{roles['StackName']}"


@functools.cache
def _template() -> str:
    return _MEMBER_ROLE.read_text()

"""Organizations' list of accounts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.aws.errors import (
    OrganizationsUnavailableError,
    OrganizationUnreadableError,
    failures,
    in_words,
    is_throttled,
    is_unanswered,
)
from chalicelib.aws.organization_store import load_named_accounts
from chalicelib.organization_documents import ListedAccount
from chalicelib.organization_settings import OrganizationSettings, check_requested
from chalicelib.report.account_list import named_account

_AT_ONCE = 20  # the most that Organizations gives
_MISPLACED = ("AccessDenied", "AWSOrganizationsNotInUse")  # what AWS says of another account than it may be
_WHERE = (
    ". Accounts=organization takes a stack in the organization's management account, or in that of a delegated "
    "administrator; name the accounts otherwise"
)


def list_organization() -> list[ListedAccount]:
    """Return all accounts of the organization.

    Raise OrganizationsUnavailableError if another try may list them, OrganizationUnreadableError if none will.
    """
    accounts: list[ListedAccount] = []
    more: dict[str, str] = {}
    client, tokens = _client(), set()
    try:
        while True:  # a page may be empty and not the last
            page = client.list_accounts(MaxResults=_AT_ONCE, **more)
            accounts += [_listed(account) for account in page["Accounts"]]
            if not page.get("NextToken"):
                return accounts
            if page["NextToken"] in tokens:
                raise LookupError("it gave the same NextToken twice")
            tokens.add(page["NextToken"])
            more = {"NextToken": page["NextToken"]}
    except failures() as error:
        said = f"Organizations did not list the accounts ({in_words(error)})"
        if is_throttled(error) or is_unanswered(error):
            raise OrganizationsUnavailableError(said) from error
        raise OrganizationUnreadableError(said + _WHERE * in_words(error).startswith(_MISPLACED)) from error


def known_accounts(of: OrganizationSettings, requested: Sequence[str] | None) -> list[ListedAccount]:
    """Return the accounts that a stage scans, before any is left out; Organizations is asked only for all of its own.

    Raise InvalidPolicyError if a request names an account that is not among those that the stage names.
    """
    check_requested(of, requested)
    if of.whole:
        return list_organization()
    if of.list_key:
        of = replace(of, named=tuple(load_named_accounts(of.list_key)))
        check_requested(of, requested)
    return [named_account(one) for one in of.named]


def _listed(account: Any) -> ListedAccount:
    state = account.get("State") or account.get("Status")  # which AWS gave before, and an older botocore still knows
    return {"account_id": account["Id"], "name": account.get("Name"), "state": state, "cause": None}


def _client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5})
    return boto3.client("organizations", config=config)

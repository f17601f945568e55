"""Patches of moto's Organizations: pages as AWS gives them, to those accounts that may ask."""

import base64
import json

from moto.core.exceptions import JsonRESTError
from moto.organizations.exceptions import AWSOrganizationsNotInUseException
from moto.organizations.models import OrganizationsBackend, organizations_backends
from moto.organizations.responses import OrganizationsResponse

from localaws.fault_injector import NOT_FOR_THIS_ACCOUNT
from localaws.moto_patches.wiring import replace_method

_MOST_ACCOUNTS = 20
_EMPTY = "empty"  # a token's, of the page after the first one


def list_accounts_page_by_page() -> None:
    """Give ListAccounts at most 20 accounts a page, with State alone, and an empty page after the first.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html
    """

    def list_accounts(self: OrganizationsResponse) -> str:
        backend = _organization_of(self.organizations_backend)
        size, token = self._get_int_param("MaxResults", _MOST_ACCOUNTS), self._get_param("NextToken")
        if not 1 <= size <= _MOST_ACCOUNTS:
            raise _invalid("You provided a value that does not satisfy the range of MaxResults, 1 to 20.")
        start, kind = _place_of(token)
        end = start if kind == _EMPTY else start + size
        accounts = [account.describe() for account in backend.accounts[start:end]]
        answer: dict[str, object] = {
            "Accounts": [{name: value for name, value in one.items() if name != "Status"} for one in accounts]
        }
        if end < len(backend.accounts):
            following = json.dumps([end, _EMPTY if token is None else ""])
            answer["NextToken"] = base64.b64encode(following.encode()).decode()
        return json.dumps(answer)

    replace_method(OrganizationsResponse, "list_accounts", list_accounts)


def _organization_of(backend: OrganizationsBackend) -> OrganizationsBackend:
    """Return the organization that an account may list: as its management account, or a delegated administrator."""
    if backend.org:
        return backend
    if backend.account_id not in organizations_backends.master_accounts:
        raise AWSOrganizationsNotInUseException
    management_account, partition = organizations_backends.master_accounts[backend.account_id]
    organization = organizations_backends[management_account][partition]
    if all(admin.account.id != backend.account_id for admin in organization.admins):
        raise JsonRESTError("AccessDeniedException", NOT_FOR_THIS_ACCOUNT)
    return organization


def _place_of(token: str | None) -> tuple[int, str]:
    if token is None:
        return 0, ""
    try:
        start, kind = json.loads(base64.b64decode(token, validate=True))
        return int(start), str(kind)
    except (ValueError, TypeError) as error:
        raise _invalid("You provided a NextToken that is not valid.") from error


def _invalid(message: str) -> JsonRESTError:
    return JsonRESTError("InvalidInputException", message)

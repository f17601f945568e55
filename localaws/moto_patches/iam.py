"""Patches of moto's IAM: pages of lists, the account's authorization details, and keys found by id."""

import base64
import binascii
import contextlib
import functools
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException, ValidationError
from moto.iam.models import AWSManagedPolicy, IAMBackend, Role, User
from moto.iam.responses import IamResponse

from localaws.calls import credential_of
from localaws.moto_patches.wiring import Wiring, replace_method

Parameter = Callable[[str], Any]  # a request's, by its name

LEFT_OUT = "left_out_of_the_details"  # an attribute of a user of whom GetAccountAuthorizationDetails does not tell
_MOST_ITEMS = 1000
_STATUSES = ("Active", "Inactive", "Expired")
_DETAIL_FIELDS = {"User": "UserDetailList", "Group": "GroupDetailList", "Role": "RoleDetailList"}
_ENTITIES = (*_DETAIL_FIELDS, "LocalManagedPolicy", "AWSManagedPolicy")


def paginate_iam_lists() -> None:
    """Honour MaxItems and Marker in IAM's lists: moto gives everything at once, or one page too many."""
    lists: dict[str, tuple[str, Callable[[IAMBackend, Parameter], Iterable[Any]]]] = {
        "list_users": ("Users", lambda iam, given: sorted(_users(iam, given("PathPrefix")), key=_name)),
        "list_access_keys": ("AccessKeyMetadata", lambda iam, given: iam.list_access_keys(given("UserName"))),
        "list_account_aliases": ("AccountAliases", lambda iam, _: iam.list_account_aliases()),
        "list_user_tags": ("Tags", lambda iam, given: iam.list_user_tags(given("UserName"))),
        "list_user_policies": ("PolicyNames", lambda iam, given: iam.list_user_policies(given("UserName"))),
        "list_groups_for_user": ("Groups", lambda iam, given: iam.get_groups_for_user(given("UserName"))),
        "list_group_policies": ("PolicyNames", lambda iam, given: iam.list_group_policies(given("GroupName"))),
        "list_attached_user_policies": ("AttachedPolicies", lambda iam, given: _attached(iam, "user", given)),
        "list_attached_group_policies": ("AttachedPolicies", lambda iam, given: _attached(iam, "group", given)),
    }

    def paginated(field: str, items_of: Callable[[IAMBackend, Parameter], Iterable[Any]]) -> object:
        def answer(self: IamResponse) -> ActionResult:
            items, more = _page_of(self, list(items_of(self.backend, self._get_param)))
            return ActionResult({field: items, **more})

        return answer

    for method, (field, items_of) in lists.items():
        replace_method(IamResponse, method, paginated(field, items_of))


def _users(iam: IAMBackend, path_prefix: str | None) -> Iterable[User]:
    return iam.list_users(path_prefix, None, None)


def _name(user: User) -> str:
    return str(user.name)


def _attached(iam: IAMBackend, kind: str, given: Parameter) -> list[dict[str, str]]:
    find = {"user": iam.list_attached_user_policies, "group": iam.list_attached_group_policies}[kind]
    policies, _ = find(given(f"{kind.title()}Name"), None, sys.maxsize, given("PathPrefix") or "/")
    return [{"PolicyName": policy.name, "PolicyArn": policy.arn} for policy in policies]


def _page_of(response: IamResponse, items: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the items of the page that is asked for, and IsTruncated with the Marker of the next page."""
    start, size = _place_of(response._get_param("Marker")), int(response._get_param("MaxItems", 100))
    if not 1 <= size <= _MOST_ITEMS:
        bound = "greater than or equal to 1" if size < 1 else f"less than or equal to {_MOST_ITEMS}"
        raise _invalid(str(size), "maxItems", f"Member must have value {bound}")
    end = start + size
    more: dict[str, Any] = {"IsTruncated": end < len(items)}
    if more["IsTruncated"]:
        more["Marker"] = base64.b64encode(str(end).encode()).decode()
    return items[start:end], more


def _place_of(marker: str | None) -> int:
    with contextlib.suppress(binascii.Error, ValueError):
        if (place := int(base64.b64decode(marker or "MA==", validate=True))) >= 0:
            return place
    raise ValidationError("Invalid Marker.")


def _invalid(value: str, parameter: str, constraint: str) -> ValidationError:
    why = f"Value '{value}' at '{parameter}' failed to satisfy constraint: {constraint}"
    return ValidationError(f"1 validation error detected: {why}")


def answer_account_authorization_details() -> None:
    """Give users, groups, roles and policies page by page, of AWS's policies only those that are attached.

    https://github.com/cloudquery/cloudquery/pull/13322 says that AWS does so. moto gives all at once, all of AWS's
    policies, looks for each user's groups among all users of all groups, and takes a role's policies for text, though
    CloudFormation's are objects.
    """

    def get_account_authorization_details(self: IamResponse) -> Any:
        wanted = self._get_param("Filter") or _ENTITIES
        if not set(wanted) <= set(_ENTITIES):
            allowed = f"[Member must satisfy enum value set: [{', '.join(_ENTITIES)}]]"
            raise _invalid(f"[{', '.join(wanted)}]", "filter", f"Member must satisfy constraint: {allowed}")
        page, more = _page_of(self, list(_entities(self.backend, wanted)))
        groups_of: dict[User, list[str]] = defaultdict(list)
        for group in self.backend.groups.values():
            for user in group.users:
                groups_of[user].append(group.name)
        result: dict[str, Any] = {**{field: [] for field in _DETAIL_FIELDS.values()}, "Policies": [], **more}
        for kind, entity in page:
            result[_DETAIL_FIELDS.get(kind, "Policies")].append(entity)
        users = [_user_detail(user, groups_of[user]) for user in result["UserDetailList"]]
        status, headers, body = self.serialized(ActionResult({**result, "UserDetailList": []}))
        # moto's serializer would take ten times as long for the users, of whom there may be thousands.
        return status, headers, str(body).replace("<UserDetailList/>", _xml("UserDetailList", users), 1)

    def role_policy_list(self: Role) -> list[dict[str, str]]:
        texts = {name: one if isinstance(one, str) else json.dumps(one) for name, one in self.policies.items()}
        return [{"PolicyName": name, "PolicyDocument": _quoted(text)} for name, text in texts.items()]

    replace_method(IamResponse, "get_account_authorization_details", get_account_authorization_details)
    replace_method(Role, "role_policy_list", property(role_policy_list))


def _entities(backend: IAMBackend, wanted: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Yield what is wanted, each with its kind; users in the order of ListUsers."""
    principals: dict[str, list[Any]] = {
        "User": sorted(backend.users.values(), key=_name),
        "Group": list(backend.groups.values()),
        "Role": list(backend.roles.values()),
    }
    in_use: set[str] = set()
    for kind, entities in principals.items():
        for entity in entities:
            in_use.update(entity.managed_policies)
            if kind in wanted and not getattr(entity, LEFT_OUT, False):
                yield kind, entity
    for policy in backend.managed_policies.values():
        kind = "AWSManagedPolicy" if isinstance(policy, AWSManagedPolicy) else "LocalManagedPolicy"
        if kind in wanted and (kind == "LocalManagedPolicy" or policy.arn in in_use):
            yield kind, policy


def _user_detail(user: User, groups: list[str]) -> dict[str, Any]:
    inline = [{"PolicyName": name, "PolicyDocument": _quoted(text)} for name, text in user.policies.items()]
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": f"{user.create_date:%Y-%m-%dT%H:%M:%SZ}",
        "GroupList": groups,
        "AttachedManagedPolicies": user.attached_managed_policies,
        "Tags": user.tags or [],
        # The other lists are there when they are empty, and this one is not:
        # https://github.com/salesforce/cloudsplaining/blob/master/test/files/example-authz-details.json
        **({"UserPolicyList": inline} if inline else {}),
    }


@functools.lru_cache(maxsize=10_000)
def _quoted(document: str) -> str:
    return quote(document)


def _xml(name: str, value: Any) -> str:
    if isinstance(value, dict):
        value = "".join(_xml(field, one) for field, one in value.items())
    elif isinstance(value, list):
        value = "".join(_xml("member", one) for one in value)
    else:
        value = escape(value)
    return f"<{name}>{value}</{name}>"


def find_access_keys_by_id() -> None:
    """Find the key that GetAccessKeyLastUsed asks for by its id: moto looks through all keys, of other accounts too."""

    def get_access_key_last_used(self: IAMBackend, access_key_id: str) -> dict[str, Any]:
        key = self.access_keys.get(access_key_id)
        if key is None or key.user_name not in self.users:
            raise NotFoundException(f"The Access Key with id {access_key_id} cannot be found")
        return {"user_name": key.user_name, "last_used": key.last_used}

    replace_method(IAMBackend, "get_access_key_last_used", get_access_key_last_used)


def update_access_keys_as_iam_does() -> None:
    """Refuse a status that no key has: moto sets any.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html
    """
    update = IamResponse.update_access_key

    def update_access_key(self: IamResponse) -> ActionResult:
        status = self._get_param("Status")
        if status not in _STATUSES:
            raise _invalid(status or "", "status", f"Member must satisfy enum value set: [{', '.join(_STATUSES)}]")
        return update(self)

    replace_method(IamResponse, "update_access_key", update_access_key)


def take_no_role_for_a_user() -> None:
    """Refuse what is about the caller where that is a role: moto answers for a user that it makes up.

    In IAM's words, as https://github.com/hashicorp/terraform-provider-aws has them in its resource aws_iam_access_key.
    """

    def refusing(original: Callable[[IamResponse], ActionResult]) -> object:
        @functools.wraps(original)
        def answer(self: IamResponse) -> ActionResult:
            environ: Any = self.normalized_request.environ
            caller = Wiring.current.gate.callers.of(credential_of(environ)[0])
            if caller.role_arn is not None and not self._get_param("UserName"):
                raise ValidationError("Must specify userName when calling with non-User credentials")
            return original(self)

        return answer

    for name in ("get_user", "list_access_keys", "update_access_key"):
        replace_method(IamResponse, name, refusing(getattr(IamResponse, name)))

"""What callers of the local AWS may do: a role's policies and its trust policy, as moto's IAM has them, decide."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from moto.iam.models import IAMBackend, ManagedPolicy, Role, User, iam_backends

from localaws.callers import Caller
from localaws.calls import Call, account_of
from localaws.message_calls import ASKED, Asked
from localaws.policy_decisions import Attempt, Decision, Trusted, decide, trust

_ALWAYS_ALLOWED = ("sts:GetCallerIdentity",)  # even where a policy denies it
# Of a function, by its role; tests of the template look at what else functions call.
_OF_A_FUNCTION = ("organizations", *ASKED)
_OF_USERS = ("ListUsers", "GetAccessKeyLastUsed")  # without the name of one


def why_refused(caller: Caller, call: Call) -> str | None:
    """Return, as AWS says it, why a caller may not make a call, None where it may.

    Of a function's calls its role decides those by which it tells others, and of Organizations; STS itself decides on
    AssumeRole.
    """
    action = f"{call.service}:{call.operation}"
    if caller.role_arn is None or action in ("sts:AssumeRole", *_ALWAYS_ALLOWED):
        return None
    if not caller.is_session and call.service not in _OF_A_FUNCTION:
        return None
    policies = list(_policies(caller))
    asked = ASKED[call.service](call, caller.account_id) if call.service in ASKED else _of_others(call, caller)
    for resource, of_call in asked:
        decision = decide(policies, Attempt(action, resource, {"aws:PrincipalArn": caller.principal_arn, **of_call}))
        if decision is not Decision.ALLOWED:
            return _refused(caller, call, resource, decision)
    return None


def _of_others(call: Call, caller: Caller) -> Iterator[Asked]:
    yield _resource_of(call, caller.account_id), _tags_of(call, caller.account_id)


def _refused(caller: Caller, call: Call, resource: str, decision: Decision) -> str:
    action = f"{call.service}:{call.operation}"
    on_resource = f" on resource: {_named(call, resource)}" if call.service in ("iam", *ASKED) else ""
    why = (
        "with an explicit deny in an identity-based policy"
        if decision is Decision.DENIED
        else f"because no identity-based policy allows the {action} action"
    )
    return f"User: {caller.arn} is not authorized to perform: {action}{on_resource} {why}"


def role_to_assume(caller: Caller, role_arn: str, external_id: str | None) -> Role | None:
    """Return the role if it exists, its trust policy allows the caller, and so do the caller's own policies.

    In another account both have to; in the same one, a trust policy that names the caller suffices.
    """
    role = find_role(role_arn)
    if role is None:
        return None
    context = {"aws:PrincipalArn": caller.principal_arn, "aws:PrincipalAccount": caller.account_id}
    context |= {"sts:ExternalId": external_id} if external_id is not None else {}
    attempt = Attempt("sts:AssumeRole", role_arn, context)
    trusted = trust(_parsed(role.assume_role_policy_document), attempt, caller.principal_arn, caller.account_id)
    if trusted is None:
        return None
    own = Decision.ALLOWED if caller.role_arn is None else decide(_policies(caller), attempt)
    by_name_at_home = trusted is Trusted.BY_NAME and account_of(role_arn) == caller.account_id
    return role if own is Decision.ALLOWED or (by_name_at_home and own is not Decision.DENIED) else None


def find_role(role_arn: str) -> Role | None:
    """Return the role of an ARN, None where there is none."""
    backend = _iam(account_of(role_arn))
    return next((role for role in list(backend.roles.values()) if role.arn == role_arn), None) if backend else None


def _iam(account_id: str) -> IAMBackend | None:
    """Return an account's IAM; moto would make one of any account that is asked for."""
    return iam_backends[account_id]["aws"] if account_id in iam_backends else None


def _policies(caller: Caller) -> Iterator[Mapping[str, Any]]:
    """Yield the policies of a caller's role, none where the role is gone."""
    role = find_role(caller.role_arn or "")
    if role:
        yield from (_parsed(document) for document in role.policies.values())
        yield from (_parsed(_document_of(policy)) for policy in role.managed_policies.values())


def _document_of(policy: ManagedPolicy) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))


def _parsed(document: Any) -> Mapping[str, Any]:
    return _parsed_text(document) if isinstance(document, str) else document


@functools.lru_cache(maxsize=10_000)
def _parsed_text(document: str) -> Mapping[str, Any]:
    parsed: dict[str, Any] = json.loads(document)
    return parsed


def _resource_of(call: Call, account_id: str) -> str:
    """Return the ARN that IAM decides on: of the user, group or policy that a call is about, otherwise all."""
    backend, about = _iam(account_id), call.parameters
    if call.service != "iam" or backend is None:
        return "*"
    if "PolicyArn" in about:
        return about["PolicyArn"]
    if "GroupName" in about:
        group = backend.groups.get(about["GroupName"])
        return str(group.arn) if group else f"arn:aws:iam::{account_id}:group/{about['GroupName']}"
    user = _user_of(call, backend)
    if user:
        return str(user.arn)
    user_name = about.get("UserName", "")
    return f"arn:aws:iam::{account_id}:user/{user_name}" if user_name or call.operation in _OF_USERS else "*"


def _tags_of(call: Call, account_id: str) -> dict[str, str]:
    """Return the condition keys of the tags of the user that a call of IAM is about.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
    """
    backend = _iam(account_id) if call.service == "iam" else None
    user = _user_of(call, backend) if backend else None
    tags = backend.list_user_tags(user.name) if backend and user else []
    return {f"{prefix}:ResourceTag/{tag['Key']}": tag["Value"] for tag in tags for prefix in ("aws", "iam")}


def _user_of(call: Call, backend: IAMBackend) -> User | None:
    """Return the user that a call is about, by name or as whose the key is, None if there is none."""
    key = backend.access_keys.get(call.parameters.get("AccessKeyId", ""))
    return backend.users.get(call.parameters.get("UserName") or str(key.user_name if key else ""))


def _named(call: Call, resource: str) -> str:
    return f"user {call.parameters['UserName']}" if "UserName" in call.parameters else resource

"""Tries whether a scan could read an account: what `make check-member` asks for. It keeps nothing."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from chalicelib.aws.errors import StsUnavailableError, failures, in_words
from chalicelib.aws.members import Member, UnreadableAccountError, assume_reader, own_partition, own_region
from chalicelib.organization_settings import ReaderSettings, reader_settings
from chalicelib.schema import RefusedError

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

_ALLOWED, _NOT_TRIED = "allowed", "not tried: none of the first ten users has an access key"
_NAME = "iam-key-age-check"  # of nobody: IAM says whether a call is allowed before it says that there is no such user
_USER, _GROUP = {"UserName": _NAME}, {"GroupName": _NAME}
_CALLS: dict[str, dict[str, Any]] = {
    "ListUsers": {"MaxItems": 1},
    "ListAccessKeys": _USER,
    "GetAccountAuthorizationDetails": {"MaxItems": 1, "Filter": ["User"]},
    "GetAccountSummary": {},
    "ListAccountAliases": {},
    # The others are for scans of named users.
    "ListUserTags": _USER,
    "GetUser": _USER,
    "ListGroupsForUser": _USER,
    "ListAttachedUserPolicies": _USER,
    "ListUserPolicies": _USER,
    "GetUserPolicy": {**_USER, "PolicyName": _NAME},
    "ListAttachedGroupPolicies": _GROUP,
    "ListGroupPolicies": _GROUP,
    "GetGroupPolicy": {**_GROUP, "PolicyName": _NAME},
}


def check_member(account_id: str) -> dict[str, Any]:
    """Assume the reader role in an account and try each call of a scan; return which are allowed, and why not."""
    calls: dict[str, str] = {}
    cause: str | None = None
    reader = reader_settings()
    try:
        calls = dict(_try_calls(assume_reader(account_id, own_partition(), reader), reader))
    except (UnreadableAccountError, StsUnavailableError, RefusedError) as error:
        cause = str(error)
    refused = [operation for operation, said in calls.items() if said not in (_ALLOWED, _NOT_TRIED)]
    if refused:
        cause = f"A scan of this account is incomplete without {', '.join(refused)}"
    return {"account_id": account_id, "answers": cause is None, "cause": cause, "calls": calls}


def _try_calls(member: Member, reader: ReaderSettings) -> Iterator[tuple[str, str]]:
    from botocore import xform_name

    iam = member.iam()
    policy = {"PolicyArn": f"arn:{own_partition()}:iam::{member.account_id}:policy/{_NAME}"}
    calls = {**_CALLS, "GetPolicy": policy, "GetPolicyVersion": {**policy, "VersionId": "v1"}}
    for operation, arguments in calls.items():
        yield f"iam:{operation}", _try(iam, getattr(iam, xform_name(operation)), **arguments)
    # IAM refuses to say anything of a key that is in no account of the caller's, allowed or not.
    key_id = _find_key(iam)
    last_use = _try(iam, iam.get_access_key_last_used, AccessKeyId=key_id) if key_id else _NOT_TRIED
    yield "iam:GetAccessKeyLastUsed", last_use
    if reader.usage_evidence:
        yield "cloudtrail:LookupEvents", _try(iam, member.cloudtrail(own_region()).lookup_events, MaxResults=1)


def _try(iam: "IAMClient", call: Callable[..., object], **arguments: Any) -> str:
    try:
        call(**arguments)
    except iam.exceptions.NoSuchEntityException:
        return _ALLOWED
    except failures() as error:
        return in_words(error)
    return _ALLOWED


def _find_key(iam: "IAMClient") -> str | None:
    try:
        users = iam.list_users(MaxItems=10)["Users"]
        keys = (key for user in users for key in iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"])
        return next((key["AccessKeyId"] for key in keys), None)
    except failures():  # which the calls above say
        return None

"""Reads an account's users, their access keys and the last uses of these, as the state machine does."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.aws.asking import Asking
from chalicelib.aws.errors import failures, in_words
from chalicelib.instants import format_instant
from chalicelib.key_documents import ACTIVE

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

USERS_AT_A_TIME = 4  # which are asked about, so that a call's time is not time without any
_LISTED_AT_ONCE = 1_000  # users, the most that IAM gives
# A user may have 50 tags and policies of 2 KB in all, and a page has to fit into memory several times over.
_DESCRIBED_AT_ONCE = 200
_DESCRIBED = ("User", "Group", "LocalManagedPolicy", "AWSManagedPolicy")
_LONGEST_CAUSE = 200  # of unknown last uses
_NONE = "N/A"  # as IAM says that there is no service or Region
Outcome = dict[str, Any]  # of a user, as `evaluate_page` takes it


def list_users(iam: "IAMClient", asking: Asking) -> list[Any]:
    """Return all users as IAM lists them; raise one of `failures()` if it does not."""
    return asking.items("Users", iam.list_users, MaxItems=_LISTED_AT_ONCE)


def list_keys(iam: "IAMClient", asking: Asking, user_name: str) -> list[Any]:
    """Return a user's keys as IAM lists them; raise one of `failures()` if it does not."""
    return asking.items("AccessKeyMetadata", iam.list_access_keys, UserName=user_name)


def ask_last_use(iam: "IAMClient", asking: Asking, access_key_id: str) -> Any:
    """Return what IAM says of a key's last use; raise one of `failures()` if it does not."""
    return asking.ask(iam.get_access_key_last_used, AccessKeyId=access_key_id)


def describe_users(iam: "IAMClient", asking: Asking) -> Iterator[Any]:
    """Yield pages that describe all users, groups and policies; raise one of `failures()` if one cannot be had."""
    fields = ("UserDetailList", "GroupDetailList", "Policies")
    operation = iam.get_account_authorization_details
    return asking.pages(operation, fields, Filter=_DESCRIBED, MaxItems=_DESCRIBED_AT_ONCE)


def read_user(iam: "IAMClient", asking: Asking, user_name: str, cutoff: Mapping[str, Any]) -> Outcome:
    """Read a user's keys and, if one of them may be a finding, their last uses.

    `cutoff` is what `describe_details_cutoff` returns. A user whose keys cannot be had is unchecked, with the cause.
    """
    try:
        keys = [_key(listed) for listed in list_keys(iam, asking, user_name)]
    except iam.exceptions.NoSuchEntityException:  # deleted since it was listed, or named and never there
        return {"user_name": user_name, "outcome": "not_found"}
    except failures() as error:
        return {"user_name": user_name, "outcome": "unchecked", "cause": in_words(error)}
    outcome: Outcome = {"user_name": user_name, "outcome": "checked", "keys": keys}
    if any(_may_be_a_finding(key, cutoff) for key in keys) and not asking.time_is_up():
        outcome["details"] = _read_last_uses(iam, asking, keys)
    return outcome


def _key(listed: Mapping[str, Any]) -> dict[str, str]:
    fields = {"access_key_id": "AccessKeyId", "status": "Status"}
    key = {name: listed[field] for name, field in fields.items() if field in listed}
    return key | ({"created_at": format_instant(listed["CreateDate"])} if "CreateDate" in listed else {})


def _may_be_a_finding(key: Mapping[str, str], cutoff: Mapping[str, Any]) -> bool:
    is_judged = cutoff["inactive"] or key.get("status") == ACTIVE
    return is_judged and "created_at" in key and key["created_at"][:19] < cutoff["created_before"]


def _read_last_uses(iam: "IAMClient", asking: Asking, keys: list[dict[str, str]]) -> dict[str, Any]:
    last_used: list[dict[str, str] | str] = []
    cause = ""
    for key in keys:
        try:
            last_used.append(_last_use(ask_last_use(iam, asking, key["access_key_id"])))
        except failures() as error:
            last_used.append("unknown")
            cause = in_words(error)[:_LONGEST_CAUSE]
    return {"last_used": last_used, "cause": cause}


def _last_use(answer: Mapping[str, Any]) -> dict[str, str] | str:
    """Return a last use, {} for a key that was never used: IAM says that by no date, and N/A for service and Region."""
    used = answer.get("AccessKeyLastUsed", {})
    service, region = used.get("ServiceName"), used.get("Region")
    if "LastUsedDate" in used:
        at = format_instant(used["LastUsedDate"])
        return {
            "at": at,
            "service": _NONE if service is None else service,
            "region": _NONE if region is None else region,
        }
    return {} if (service, region) == (_NONE, _NONE) else "unknown"

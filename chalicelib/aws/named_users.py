"""Reads the users whom a scan names, one by one, in the shape in which IAM describes all users at once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.aws.asking import Asking
from chalicelib.evaluation.permissions import is_administrator_policy

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

_UNREADABLE: list[dict[str, Any]] = [{"PolicyName": "(not read)", "PolicyDocument": None}]


def describe_named_users(iam: "IAMClient", asking: Asking, names: Iterable[str]) -> dict[str, Any]:
    """Describe users, their groups and policies as GetAccountAuthorizationDetails does; None stands for the unknown.

    A user whom IAM does not have is left out. `asking.causes` has why something is unknown, by user, group or policy.
    """
    reader = _Reader(iam, asking)
    # In this order, for there may not be time for all: what advice and a quarantine depend on comes first.
    users = [user for name in names if (user := reader.tags_and_attached(name)) is not None]
    for user in users:
        reader.complete(user)
    groups = [reader.group(name) for name in dict.fromkeys(name for user in users for name in user["GroupList"])]
    attached = [one["AttachedManagedPolicies"] or () for one in (*users, *groups)]
    arns = dict.fromkeys(policy["PolicyArn"] for policies in attached for policy in policies)
    policies = [reader.policy(arn) for arn in arns if not is_administrator_policy(arn)]
    return {"UserDetailList": users, "GroupDetailList": groups, "Policies": policies}


@dataclass
class _Reader:
    iam: "IAMClient"
    asking: Asking

    def tags_and_attached(self, name: str) -> dict[str, Any] | None:
        iam, attempt, items, of = self.iam, self.asking.attempt, self.asking.items, {"UserName": name}
        missing = iam.exceptions.NoSuchEntityException
        try:
            tags = attempt(name, lambda: items("Tags", iam.list_user_tags, **of), (missing,))
        except missing:
            return None
        attached = attempt(name, lambda: items("AttachedPolicies", iam.list_attached_user_policies, **of))
        return {"UserName": name, "Tags": tags, "AttachedManagedPolicies": attached}

    def complete(self, user: dict[str, Any]) -> None:
        iam, attempt, items, name = self.iam, self.asking.attempt, self.asking.items, user["UserName"]
        of = {"UserName": name}
        groups = attempt(name, lambda: items("Groups", iam.list_groups_for_user, **of))
        inline = attempt(name, lambda: items("PolicyNames", iam.list_user_policies, **of))
        user["Path"] = attempt(name, lambda: self.asking.ask(iam.get_user, **of)["User"]["Path"])
        user["GroupList"] = [group["GroupName"] for group in groups or ()]
        user["UserPolicyList"] = [
            *(self._inline(name, iam.get_user_policy, policy, of) for policy in inline or ()),
            *(_UNREADABLE if groups is None or inline is None else ()),
        ]

    def group(self, name: str) -> dict[str, Any]:
        iam, items, of, about = self.iam, self.asking.items, {"GroupName": name}, f"group {name}"
        attached = self.asking.attempt(about, lambda: items("AttachedPolicies", iam.list_attached_group_policies, **of))
        inline = self.asking.attempt(about, lambda: items("PolicyNames", iam.list_group_policies, **of))
        return {
            "GroupName": name,
            "AttachedManagedPolicies": attached,
            "GroupPolicyList": [
                *(self._inline(about, iam.get_group_policy, policy, of) for policy in inline or ()),
                *(_UNREADABLE if inline is None else ()),
            ],
        }

    def policy(self, arn: str) -> dict[str, Any]:
        def read() -> object:
            version = self.asking.ask(self.iam.get_policy, PolicyArn=arn)["Policy"]["DefaultVersionId"]
            answer = self.asking.ask(self.iam.get_policy_version, PolicyArn=arn, VersionId=version)
            return answer["PolicyVersion"]["Document"]

        document = self.asking.attempt(arn, read)
        return {"Arn": arn, "PolicyVersionList": [{"IsDefaultVersion": True, "Document": document}]}

    def _inline(self, about: str, get: Callable[..., Any], name: str, of: dict[str, str]) -> dict[str, Any]:
        document = self.asking.attempt(about, lambda: self.asking.ask(get, PolicyName=name, **of)["PolicyDocument"])
        return {"PolicyName": name, "PolicyDocument": document}

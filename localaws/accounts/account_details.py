"""What GetAccountAuthorizationDetails tells of users, groups and policies, as an account file has it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from localaws.accounts.iam_answers import Notes, OddAnswerError, name_of, read_tags
from localaws.accounts.permissions import STATEMENT_FIELDS, statements_of

OPERATION = "GetAccountAuthorizationDetails"
_FIELDS = ("UserDetailList", "GroupDetailList", "Policies")
_OF_AWS = re.compile(r"arn:[\w-]+:iam::aws:policy/")
_LONGEST_NAME = 100  # of the 128 that IAM allows, so that there is room for a number
_UNTOLD = "Policies that IAM does not tell of, unknown in a scan"


class AccountDetails:
    """The users' tags, groups and policies; the policies and groups that they have are collected as they are read."""

    def __init__(self, pages: Iterable[Mapping[str, Any]], notes: Notes) -> None:
        """Read all pages; OddAnswerError if some cannot be had."""
        pages = list(pages)
        users, groups, policies = ([item for page in pages for item in page.get(field, [])] for field in _FIELDS)
        self._users = {name_of(user): user for user in users}
        self._groups = {group.get("GroupName"): group for group in groups}
        self._policies = {policy.get("Arn"): policy for policy in policies}
        self._notes = notes
        of_aws = (name for entity in (*users, *groups) for name in _names_of_aws(entity))
        self._names_of_policies, self._names_of_groups = _Names(notes, of_aws), _Names(notes)
        self.policies: dict[str, dict[str, Any] | None] = {}
        self.groups: dict[str, dict[str, Any]] = {}

    def of_user(self, name: str) -> dict[str, Any]:
        """Return a user's tags, groups and policies; OddAnswerError if the tags cannot be had."""
        if name not in self._users:
            raise OddAnswerError(f"the answer to {OPERATION} does not have the user")
        detail = self._users[name]
        tags = read_tags(OPERATION, _list(detail, "Tags"), name, self._notes)
        permissions = self._permissions(f"user {name}", detail, "UserPolicyList")
        groups = list(dict.fromkeys(_list(detail, "GroupList")))
        permissions["policies"] += [self._untold(f"group {group}", group) for group in groups if not self._has(group)]
        return {"tags": tags, "groups": [self._group(group) for group in groups if self._has(group)], **permissions}

    def _has(self, group: str) -> bool:
        return group in self._groups

    def _group(self, name: str) -> str:
        fitted = self._names_of_groups.of(name, name)
        if fitted not in self.groups:
            permissions = self._permissions(f"group {name}", self._groups[name], "GroupPolicyList")
            self.groups[fitted] = {"group_name": fitted, **permissions}
        return fitted

    def _permissions(self, whose: str, detail: Mapping[str, Any], inline_field: str) -> dict[str, Any]:
        names, inline, attached = _Names(self._notes), {}, [self._attached(one) for one in _attached(detail)]
        for place, policy in enumerate(_list(detail, inline_field)):
            name, document = str(policy.get("PolicyName") or ""), _reduced(policy.get("PolicyDocument"))
            if document is None:
                attached.append(self._untold(f"{whose} {place}", name))
            else:
                inline[names.of(str(place), name)] = document
        return {"policies": list(dict.fromkeys(attached)), "inline_policies": inline}

    def _attached(self, policy: Mapping[str, Any]) -> str:
        arn, name = str(policy.get("PolicyArn")), str(policy.get("PolicyName") or "")
        if _OF_AWS.match(arn):
            return _name_of_aws(arn)
        document = _default_document(self._policies.get(arn, {}))
        return self._own(arn, name, document) if document is not None else self._untold(arn, name)

    def _untold(self, key: str, name: str) -> str:
        self._notes.add(_UNTOLD, name)
        return self._own(key, name, None)

    def _own(self, key: str, name: str, document: dict[str, Any] | None) -> str:
        fitted = self._names_of_policies.of(key, name)
        self.policies[fitted] = document
        return fitted


class _Names:
    """Names as IAM allows them, each given to one thing alone; IAM does not tell them apart by case."""

    def __init__(self, notes: Notes, taken: Iterable[str] = ()) -> None:
        self._notes = notes
        self._taken = {name.lower() for name in taken}
        self._given: dict[str, str] = {}

    def of(self, key: str, wanted: str) -> str:
        """Return the name that a thing was given, or gets now: the one that is wanted, if it can have it."""
        if key not in self._given:
            name = re.sub(r"[^\w+=,.@-]", "_", wanted, flags=re.ASCII)[:_LONGEST_NAME] or "unnamed"
            numbered = (f"{name}-{number}" if number > 1 else name for number in count(1))
            free = next(one for one in numbered if one.lower() not in self._taken)
            if free != wanted:
                self._notes.add("Names of groups or policies that an account file cannot have, replaced", free)
            self._taken.add(free.lower())
            self._given[key] = free
        return self._given[key]


def _list(detail: Mapping[str, Any], field: str) -> list[Any]:
    """Return a list of a detail. IAM leaves out UserPolicyList where it is empty, so that none is none.

    https://github.com/salesforce/cloudsplaining/blob/master/test/files/example-authz-details.json
    """
    return list(detail.get(field) or [])


def _attached(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _list(detail, "AttachedManagedPolicies")


def _names_of_aws(detail: Mapping[str, Any]) -> Iterator[str]:
    arns = (str(policy.get("PolicyArn")) for policy in _attached(detail))
    return (_name_of_aws(arn) for arn in arns if _OF_AWS.match(arn))


def _name_of_aws(arn: str) -> str:
    return arn.rpartition("/")[2]


def _default_document(policy: Mapping[str, Any]) -> dict[str, Any] | None:
    versions = (version for version in policy.get("PolicyVersionList") or [] if version.get("IsDefaultVersion"))
    return next((_reduced(version.get("Document")) for version in versions), None)


def _reduced(document: Any) -> dict[str, Any] | None:
    """Return what tells of a policy's reach, without ids and notes; None for what is no policy document."""
    try:
        statements = statements_of(document)
    except (ValueError, AttributeError):  # botocore leaves what is no JSON as text
        return None
    return {"Statement": [{name: one[name] for name in STATEMENT_FIELDS if name in one} for one in statements]}

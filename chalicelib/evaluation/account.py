"""What IAM says of an account's users, groups and policies, as far as findings need it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from chalicelib.documents import SCHEMA_VERSION, AccountFacts, Root, UserFacts
from chalicelib.evaluation.permissions import allows_administration, is_administrator_policy, quarantine_policy
from chalicelib.evaluation.tags import find_owner, keep_tags
from chalicelib.key_documents import Unknown
from chalicelib.report.account import unknown_user
from chalicelib.report.summary import scan_kind
from chalicelib.scan_ids import account_of, partition_of

_ODD = (KeyError, TypeError, AttributeError)  # what IAM's answers raise that do not have the fields of its API
_ROOT_NOT_SAID = "IAM did not say whether the root user has access keys"
_ODD_USER = "IAM described this user in a way that cannot be read"
_UNREADABLE = "a policy of this user, or of a group, was not described in a way that can be read"

# Whether a policy makes an administrator, None where it cannot be read.
Administers = bool | None


@dataclass(frozen=True)
class Wanted:
    """Which facts a scan needs of which account; `users` of None means all users."""

    scan_id: str
    account_id: str
    partition: str  # of ARNs, such as "aws"
    users: Sequence[str] | None
    root: bool


def wanted_facts(scan: Mapping[str, Any], account_id: str | None = None) -> Wanted:
    """Return what a scan needs to know of its account, or of another one of its organization."""
    return Wanted(
        scan_id=scan["scan_id"],
        account_id=account_id or account_of(scan["execution_arn"]),
        partition=partition_of(scan["execution_arn"]),
        users=scan["policy"].get("users"),
        root=scan_kind(scan["policy"]) == "full",
    )


@dataclass(frozen=True)
class Policies:
    """The policies of a user or a group: the managed ones by ARN, and whether an inline one makes an administrator."""

    attached: Sequence[str] | None = ()  # None: could not be read
    inline: Mapping[str, Administers] = field(default_factory=dict)

    def administrators(self, managed: Mapping[str, Administers]) -> Iterator[tuple[str, Administers]]:
        """Yield each policy in words, and whether it makes an administrator."""
        if self.attached is None:
            yield "a policy", None
        for arn in self.attached or ():
            name = arn.rpartition("/")[2]
            if is_administrator_policy(arn):
                yield name, True
            else:  # what AWS's own policies allow is known where IAM does not describe one
                yield f"policy {name}", managed.get(arn, False if ":iam::aws:" in arn else None)
        for name, administers in self.inline.items():
            yield f"inline policy {name}", administers


@dataclass(frozen=True)
class _User:
    path: str | None
    tags: dict[str, str] | Unknown
    descriptions: dict[str, str]
    policies: Policies
    groups: Sequence[str]


class AccountReader:
    """Gathers users, groups and managed policies from answers such as GetAccountAuthorizationDetails gives."""

    def __init__(self, owner_tags: Sequence[str]) -> None:
        self._owner_tags = owner_tags
        self._users: dict[str, _User] = {}
        self._odd: list[str] = []  # names of users who are described in a way that cannot be read
        self._groups: dict[str, Policies] = {}
        self._managed: dict[str, Administers] = {}

    def add(self, page: Mapping[str, Any]) -> None:
        """Add a page; of each policy only what it allows is kept, for an account may have megabytes of them.

        `Tags` and `AttachedManagedPolicies` of None are unknown, and so is what is described in an odd way.
        """
        for user in page.get("UserDetailList", ()):
            try:
                self._users[user["UserName"]] = self._read_user(user)
            except _ODD:
                if isinstance(user, Mapping) and isinstance(user.get("UserName"), str):
                    self._odd.append(user["UserName"])
        for group in page.get("GroupDetailList", ()):
            with suppress(*_ODD):
                self._groups[group["GroupName"]] = _policies(group, "GroupPolicyList")
        for policy in page.get("Policies", ()):
            with suppress(*_ODD):
                versions = [one for one in policy.get("PolicyVersionList", ()) if one.get("IsDefaultVersion")]
                self._managed[policy["Arn"]] = _administers(versions[0].get("Document")) if versions else None

    def users(self, causes: Mapping[str, str] = MappingProxyType({}), missing: str = "") -> dict[str, UserFacts]:
        """Return what is known of each user.

        `causes` has why something is not, by user, "group NAME" or policy; `missing` is why pages are.
        """
        known = {name: self._facts(name, user, causes, missing or _UNREADABLE) for name, user in self._users.items()}
        return known | {name: unknown_user(_ODD_USER) for name in self._odd}

    def _read_user(self, user: Mapping[str, Any]) -> _User:
        tags = user.get("Tags", ())
        kept, descriptions = keep_tags(tags or (), self._owner_tags)
        return _User(
            path=user.get("Path"),
            tags="unknown" if tags is None else kept,
            descriptions=descriptions,
            policies=_policies(user, "UserPolicyList"),
            groups=user.get("GroupList", ()),
        )

    def _facts(self, name: str, user: _User, causes: Mapping[str, str], otherwise: str) -> UserFacts:
        groups = {f"group {group}": self._groups.get(group, Policies(attached=None)) for group in user.groups}
        found = list(user.policies.administrators(self._managed))
        for group, has in groups.items():
            found += [(f"{policy} of {group}", makes_one) for policy, makes_one in has.administrators(self._managed)]
        by = next((policy for policy, makes_one in found if makes_one), None)
        unreadable = any(makes_one is None for _, makes_one in found)
        about = [name, *groups, *(arn for has in (user.policies, *groups.values()) for arn in has.attached or ())]
        cause = next((causes[one] for one in about if one in causes), otherwise if unreadable and not by else None)
        return {
            "path": user.path,
            "tags": user.tags,
            "descriptions": user.descriptions,
            "owner": find_owner(user.tags, self._owner_tags),
            "can_administer": True if by else "unknown" if unreadable else False,
            "administers_by": by,
            "quarantined_by": _quarantined_by(user.policies.attached),
            "cause": cause,
        }


def no_facts(wanted: Wanted, read_at: str) -> AccountFacts:
    """Return an account of which nothing has been asked."""
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": wanted.scan_id,
        "account_id": wanted.account_id,
        "partition": wanted.partition,
        "read_at": read_at,
        "alias": None,
        "root": None,
        "users": {},
        "unknown": [],
    }


def read_root(access_keys: object, cause: str | None = None) -> Root:
    """Read what IAM said of the root user, its AccountAccessKeysPresent, or why it did not."""
    if type(access_keys) is not int:
        return {"access_keys": "unknown", "verdict": "unknown", "cause": cause or _ROOT_NOT_SAID}
    return {"access_keys": access_keys, "verdict": "root_access_keys" if access_keys else "ok", "cause": None}


def unknown_account(wanted: Wanted, read_at: str, cause: str) -> AccountFacts:
    """Return an account of which nothing could be read."""
    facts = no_facts(wanted, read_at)
    facts["root"] = read_root("unknown", cause) if wanted.root else None
    facts["unknown"] = [{"part": "users", "cause": cause}, {"part": "alias", "cause": cause}]
    return facts


def _quarantined_by(attached: Sequence[str] | None) -> str | None:
    return "unknown" if attached is None else quarantine_policy(attached)


def _policies(principal: Mapping[str, Any], inline: str) -> Policies:
    attached = principal.get("AttachedManagedPolicies", ())
    return Policies(
        None if attached is None else [policy["PolicyArn"] for policy in attached],
        {policy["PolicyName"]: _administers(policy.get("PolicyDocument")) for policy in principal.get(inline, ())},
    )


def _administers(document: object) -> Administers:
    try:
        return allows_administration(document)
    except ValueError:
        return None

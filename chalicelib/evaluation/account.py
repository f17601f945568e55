"""What IAM says of an account's users, groups and policies, as far as findings need it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from chalicelib.documents import SCHEMA_VERSION, AccountFacts, Root, Unknown, UserFacts
from chalicelib.evaluation.permissions import allows_administration, is_administrator_policy, quarantine_policy
from chalicelib.evaluation.tags import find_owner, keep_tags

NOT_DESCRIBED = "IAM did not describe this user: created or renamed after the scan read the account"
_ODD = (KeyError, TypeError, AttributeError)  # what IAM's answers raise that do not have the fields of its API
_ROOT_NOT_SAID = "IAM did not say whether the root user has access keys"
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
    policies: Policies
    groups: Sequence[str]


class AccountReader:
    """Gathers users, groups and managed policies from answers such as GetAccountAuthorizationDetails gives."""

    def __init__(self, owner_tags: Sequence[str]) -> None:
        self._owner_tags = owner_tags
        self._users: dict[str, _User] = {}
        self._groups: dict[str, Policies] = {}
        self._managed: dict[str, Administers] = {}

    def add(self, page: Mapping[str, Any]) -> None:
        """Add a page; of each policy only what it allows is kept, for an account may have megabytes of them.

        `Tags` and `AttachedManagedPolicies` of None are unknown. What is described in an odd way is left out.
        """
        for user in page.get("UserDetailList", ()):
            with suppress(*_ODD):
                self._users[user["UserName"]] = _User(
                    path=user.get("Path"),
                    tags="unknown" if (tags := user.get("Tags", ())) is None else keep_tags(tags, self._owner_tags),
                    policies=_policies(user, "UserPolicyList"),
                    groups=user.get("GroupList", ()),
                )
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
        return {name: self._facts(name, user, causes, missing or _UNREADABLE) for name, user in self._users.items()}

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


def unknown_user(cause: str) -> UserFacts:
    """Return that nothing is known of a user, and why."""
    return {
        "path": None,
        "tags": "unknown",
        "owner": "unknown",
        "can_administer": "unknown",
        "administers_by": None,
        "quarantined_by": "unknown",
        "cause": cause,
    }


def facts_of(account: AccountFacts, user_name: str) -> UserFacts:
    """Return what the account's facts say of a user."""
    if user_name in account["users"]:
        return account["users"][user_name]
    causes = {unknown["part"]: unknown["cause"] for unknown in account["unknown"]}
    return unknown_user(causes.get("users", NOT_DESCRIBED))


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

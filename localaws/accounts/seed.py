"""Fills moto's IAM with what an account file has: the alias, policies, groups and users."""

import functools
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import (
    AccessKey,
    AccessKeyLastUsed,
    AWSManagedPolicy,
    Group,
    IAMBackend,
    ManagedPolicy,
    User,
    iam_backends,
)

from localaws.accounts import account_file, permissions
from localaws.clients import REGION
from localaws.moto_patches.iam import LEFT_OUT

# Of a policy of AWS's that moto does not have: it allows nothing, so that it makes no administrator.
_UNKNOWN_OF_AWS = {
    "Path": "/",
    "CreateDate": "2020-01-01T00:00:00+00:00",
    "UpdateDate": "2020-01-01T00:00:00+00:00",
    "Document": {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "none:None", "Resource": "*"}},
}


class _OwnPolicy(ManagedPolicy):
    """A policy of the account file, which the next account file replaces; the stack's own policies stay."""


def seed_iam(account_id: str, account: account_file.OneAccount, now: datetime) -> None:
    """Replace what an account's IAM has of an account file; dates are in whole seconds, as IAM keeps them."""
    backend = iam_backends[account_id]["aws"]
    present = min(1, account.root.access_keys)
    backend.account_summary._account_access_keys_present = present  # noqa: SLF001  # moto has no other way
    backend.account_aliases = [account.alias] if account.alias else []
    _clear(backend)
    policies = _seed_policies(backend, account)
    groups = {group.group_name: _seed_group(backend, group, policies) for group in account.groups}
    for user in account.users:
        moto_user = _seed_user(backend, account, user, now)
        _attach(moto_user, user.policies, user.inline_policies, policies)
        for name in user.groups:
            groups[name].users.append(moto_user)


def _clear(backend: IAMBackend) -> None:
    backend.users.clear()
    backend.groups.clear()
    backend.access_keys.clear()
    backend.managed_policies = {
        arn: policy
        for arn, policy in backend.managed_policies.items()
        if not isinstance(policy, _OwnPolicy | AWSManagedPolicy)
    }
    backend.tagger.tags = {arn: tags for arn, tags in backend.tagger.tags.items() if ":user/" not in arn}


def _seed_policies(backend: IAMBackend, account: account_file.OneAccount) -> dict[str, ManagedPolicy]:
    """Return the policies by name; IAM does not have those whose document is not known, though they are attached."""
    policies: dict[str, ManagedPolicy] = {}
    for name, document in account.policies.items():
        policies[name] = _OwnPolicy(  # type: ignore[abstract]  # moto makes them so itself
            name, backend.account_id, REGION, document=json.dumps(document)
        )
    attached = [name for group in account.groups for name in group.policies]
    attached += [name for user in account.users for name in user.policies]
    for name in dict.fromkeys(name for name in attached if name not in policies):
        data = {**_UNKNOWN_OF_AWS, **_policies_of_aws().get(name, {})}
        policies[name] = AWSManagedPolicy.from_data(name, backend.account_id, REGION, data)
    known = [policy for name, policy in policies.items() if account.policies.get(name, {}) is not None]
    backend.managed_policies |= {policy.arn: policy for policy in known}
    return policies


@functools.cache
def _policies_of_aws() -> dict[str, dict[str, Any]]:
    return dict(json.loads(aws_managed_policies_data))


def _seed_group(backend: IAMBackend, group: permissions.Group, policies: dict[str, ManagedPolicy]) -> Group:
    moto_group = backend.create_group(group.group_name)
    _attach(moto_group, group.policies, group.inline_policies, policies)
    return moto_group


def _attach(
    entity: User | Group,
    attached: Iterable[str],
    inline: dict[str, dict[str, Any]],
    policies: dict[str, ManagedPolicy],
) -> None:
    for name in attached:
        policies[name].attach_to(entity)
    for name, document in inline.items():
        entity.put_policy(name, json.dumps(document))


def _seed_user(backend: IAMBackend, account: account_file.OneAccount, user: account_file.User, now: datetime) -> User:
    moto_user = backend.create_user(REGION, user.user_name, user.path, user.tags_at(now))
    # A full scan asks for no user's tags. So that it finds them unknown, and not that there are none, the call by which
    # it gets all users' tags does not tell of this user.
    setattr(moto_user, LEFT_OUT, "ListUserTags" in user.denied)
    for index, key in enumerate(user.access_keys):
        moto_key = AccessKey(  # type: ignore[abstract]  # moto makes them so itself
            user.user_name, prefix="AKIA", account_id=backend.account_id, status=key.status
        )
        moto_key.access_key_id = account.access_key_id(user, index)
        moto_key.create_date = key.created(now).replace(microsecond=0, tzinfo=None)
        if used := key.last_used:
            moto_key.last_used = AccessKeyLastUsed(
                used.used(now).replace(microsecond=0, tzinfo=None), used.service, used.region
            )
        moto_user.access_keys.append(moto_key)
        backend.access_keys[moto_key.access_key_id] = moto_key
    return moto_user

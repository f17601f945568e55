"""Fills moto's IAM with the users of an account file."""

from datetime import datetime

from moto.iam.models import AccessKey, AccessKeyLastUsed, iam_backends

from localaws.accounts.account_file import Account
from localaws.clients import REGION


def seed_iam(account_id: str, account: Account, now: datetime) -> None:
    """Replace the users of an account's IAM; dates are in whole seconds, as IAM keeps them."""
    backend = iam_backends[account_id]["aws"]
    present = min(1, account.root.access_keys)
    backend.account_summary._account_access_keys_present = present  # noqa: SLF001  # moto has no other way
    backend.users.clear()
    backend.access_keys.clear()
    backend.tagger.tags = {arn: tags for arn, tags in backend.tagger.tags.items() if ":user/" not in arn}
    for user in account.users:
        moto_user = backend.create_user(REGION, user.user_name, user.path, user.tags_at(now))
        for index, key in enumerate(user.access_keys):
            moto_key = AccessKey(  # type: ignore[abstract]  # moto makes them so itself
                user.user_name, prefix="AKIA", account_id=account_id, status=key.status
            )
            moto_key.access_key_id = user.access_key_id(index)
            moto_key.create_date = key.created(now).replace(microsecond=0, tzinfo=None)
            if used := key.last_used:
                moto_key.last_used = AccessKeyLastUsed(
                    used.used(now).replace(microsecond=0, tzinfo=None), used.service, used.region
                )
            moto_user.access_keys.append(moto_key)
            backend.access_keys[moto_key.access_key_id] = moto_key

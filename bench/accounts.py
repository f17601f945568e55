"""Made-up accounts of any size, the same each time."""

import random
from collections.abc import Iterable
from typing import Any

from chalicelib.documents import AccountFacts
from chalicelib.evaluation.account import Wanted, no_facts, read_root
from localaws.accounts.account_file import Account


def everyday_account(users: int, seed: int = 5) -> Account:
    """Make an account with 0 to 2 keys a user, 1 on average, of which about 4 in 10 are older than 90 days."""
    draw = random.Random(seed)  # noqa: S311  # repeatable
    return _account(
        [
            {
                "user_name": f"user-{number:05}",
                "tags": {"owner": f"team-{number % 40:02}@example.com"},
                "access_keys": [_key(draw, number, index) for index in range(draw.choice((0, 1, 1, 2)))],
            }
            for number in range(users)
        ]
    )


def young_account(users: int) -> Account:
    """Make an account with a key of 10 days a user: nothing is worth asking more about."""
    return _account([{"user_name": f"user-{number:05}", "access_keys": [{"age_days": 10}]} for number in range(users)])


def quota_account(users: int = 5_000) -> Account:
    """Make the largest account that IAM allows: names of 64 characters, paths of 512, two expired keys a user."""
    return _account(
        [
            {
                "user_name": f"{'n' * 59}{number:05}",
                "path": f"/{'p' * 510}/",
                "access_keys": [{"age_days": 91}, {"age_days": 400, "last_used": {"days_ago": 3}}],
            }
            for number in range(users)
        ]
    )


def account_facts(names: Iterable[str], tags: dict[str, str]) -> AccountFacts:
    """Make what a scan reads of an account whose users all have these tags, the owner's among them."""
    facts = no_facts(Wanted("scan-1", "123456789012", "aws", None, root=True), "2026-11-22T08:00:00Z")
    facts["root"] = read_root(0)
    for name in names:
        facts["users"][name] = {
            "path": "/",
            "tags": tags,
            "descriptions": {},
            "owner": tags["owner"],
            "can_administer": False,
            "administers_by": None,
            "quarantined_by": None,
            "cause": None,
        }
    return facts


def _key(draw: random.Random, number: int, index: int) -> dict[str, Any]:
    age = draw.uniform(0, 155)
    key: dict[str, Any] = {"access_key_id": f"AKIA{number:08}{index:08}", "age_days": age}
    if draw.random() < 0.6:  # noqa: PLR2004  # the share of keys that are in use
        key["last_used"] = {"days_ago": draw.uniform(0, age)}
    return key


def _account(users: list[dict[str, Any]]) -> Account:
    return Account.model_validate({"users": users})

"""What a scan read of its account, user by user, and what it means for the report. Pure."""

from collections.abc import Iterator

from chalicelib.console import security_credentials_url
from chalicelib.documents import AccountFacts, Page, Quarantined, Unchecked, UserEvidence, UserFacts
from chalicelib.instants import parse_instant

_NOT_DESCRIBED = "IAM did not describe this user: created or renamed after the scan read the account"
_GONE = "{} of the users whom IAM described when the scan began: deleted or renamed before it listed them"


def unknown_user(cause: str) -> UserFacts:
    """Return that nothing is known of a user, and why."""
    return {
        "path": None,
        "tags": "unknown",
        "descriptions": {},
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
    return unknown_user(causes.get("users", _NOT_DESCRIBED))


def find_unknown(account: AccountFacts, page: Page) -> Iterator[Unchecked]:
    """Yield the users of a page of whom it is unknown whether AWS quarantined them, and why.

    A user who was created after the account was read is not among them: all their keys are younger than that.
    """
    for user in page["users"]:
        facts = facts_of(account, user["user_name"])
        if facts["quarantined_by"] == "unknown" and user["outcome"] != "not_found" and not _is_new(account, user):
            yield {"user_name": user["user_name"], "cause": facts["cause"] or _NOT_DESCRIBED}


def _is_new(account: AccountFacts, user: UserEvidence) -> bool:
    read_at, keys = parse_instant(account["read_at"]), user.get("keys", [])
    is_described = user["user_name"] in account["users"] or any(one["part"] == "users" for one in account["unknown"])
    is_young = all(parse_instant(key["created_at"]) > read_at for key in keys)
    return not is_described and user["outcome"] == "checked" and is_young


def find_quarantined(account: AccountFacts, page: Page) -> Iterator[Quarantined]:
    """Yield the users of a page to whom AWS attached a quarantine policy, with their keys, old or not."""
    for user in page["users"]:
        yield from _if_quarantined(account, user["user_name"], user)


def find_gone(account: AccountFacts, seen: set[str]) -> tuple[list[Quarantined], list[str]]:
    """Return the quarantined ones of the users who are described and on no page, and in words that there are such."""
    gone = sorted(name for name in account["users"] if name not in seen)
    quarantined = [found for name in gone for found in _if_quarantined(account, name, None)]
    return quarantined, [_GONE.format(len(gone))] if gone else []


def _if_quarantined(account: AccountFacts, user_name: str, user: UserEvidence | None) -> Iterator[Quarantined]:
    facts = account["users"].get(user_name)
    if facts is None or facts["quarantined_by"] in (None, "unknown"):
        return
    checked = user is not None and user["outcome"] == "checked"
    keys = user.get("keys", []) if user else []
    yield {
        "user_name": user_name,
        "policy": str(facts["quarantined_by"]),
        "access_keys": [{"access_key_id": key["access_key_id"], "status": key["status"]} for key in keys]
        if checked
        else "unknown",
        "owner": facts["owner"],
        "owner_known": facts["tags"] != "unknown",
        "console_url": security_credentials_url(user_name, account["partition"]),
    }

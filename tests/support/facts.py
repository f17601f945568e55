"""What a scan read of an account, for tests of what is made of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.documents import AccountFacts, UserFacts
from chalicelib.evaluation.account import AccountReader, Wanted, no_facts, read_root
from chalicelib.evaluation.tags import find_owner
from chalicelib.key_documents import Unknown
from chalicelib.settings import TagSettings

OWNER_TAGS = TagSettings().owner_tags
READ_AT = "2026-11-22T08:00:00Z"
WANTED = Wanted("scan-1", "123456789012", "aws", None, root=True)


def user_facts(tags: dict[str, str] | Unknown | None = None, **more: Any) -> UserFacts:
    """A user of whom all is known: with these tags, of which keys' ids have their descriptions, and no policy."""
    kept: dict[str, str] | Unknown = "unknown"
    descriptions = {}
    if tags != "unknown":
        descriptions = {name: text for name, text in (tags or {}).items() if name.startswith("AKIA") and text.strip()}
        kept = {name: text for name, text in (tags or {}).items() if not name.startswith("AKIA")}
    facts: UserFacts = {
        "path": "/",
        "tags": kept,
        "descriptions": descriptions,
        "owner": find_owner(kept, OWNER_TAGS),
        "can_administer": False,
        "administers_by": None,
        "quarantined_by": None,
        "cause": None,
    }
    return {**facts, **more}  # type: ignore[typeddict-item]  # fields of it


def facts(outcomes: Iterable[Mapping[str, Any]] = (), root_access_keys: object = None, **more: Any) -> AccountFacts:
    """An account with the users of these outcomes, each as its "facts" have it."""
    users = {outcome["user_name"]: outcome.get("facts") or user_facts() for outcome in outcomes}
    if any(unknown["part"] == "users" for unknown in more.get("unknown", ())):
        users = {}
    account: AccountFacts = {**no_facts(WANTED, READ_AT), "users": users}
    if root_access_keys is not None:
        account["root"] = read_root(root_access_keys)
    return {**account, **more}  # type: ignore[typeddict-item]  # fields of it


def read(*pages: Mapping[str, Any], owner_tags: tuple[str, ...] = OWNER_TAGS) -> dict[str, UserFacts]:
    """The users that pages of GetAccountAuthorizationDetails describe."""
    reader = AccountReader(owner_tags)
    for page in pages:
        reader.add(page)
    return reader.users()

"""Reads an account's facts from IAM, once a scan: of all users at once, or of those whom the scan names."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from chalicelib.aws.asking import Asking
from chalicelib.aws.iam import describe_users
from chalicelib.aws.named_users import describe_named_users
from chalicelib.documents import AccountFacts
from chalicelib.evaluation.account import AccountReader, Wanted, no_facts, read_root

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

GIVE_UP_SECONDS = 90  # after which no call is made; the one under way may take 156, and keeping the file 52


def read_account(
    iam: "IAMClient", wanted: Wanted, owner_tags: Sequence[str], read_at: str, time_is_up: Callable[[], bool]
) -> AccountFacts:
    """Return the facts; what IAM would not say, or what there was no time for, is unknown, with its cause."""
    facts, account = no_facts(wanted, read_at), AccountReader(owner_tags)
    asking, of_users = Asking(time_is_up), Asking(time_is_up)
    if wanted.users is None:
        asking.attempt("users", lambda: _describe_all_users(iam, asking, account))
    else:
        account.add(describe_named_users(iam, of_users, wanted.users))
    if wanted.root:
        access_keys = asking.attempt("root", lambda: _root_access_keys(iam, asking))
        facts["root"] = read_root(access_keys, asking.causes.pop("root", None))
    facts["alias"] = asking.attempt("alias", lambda: _alias(iam, asking))
    facts["users"] = account.users(of_users.causes, asking.causes.get("users", ""))
    parts: tuple[Literal["users", "alias"], ...] = ("users", "alias")
    facts["unknown"] = [{"part": part, "cause": asking.causes[part]} for part in parts if part in asking.causes]
    return facts


def _root_access_keys(iam: "IAMClient", asking: Asking) -> int | None:
    present: int | None = asking.ask(iam.get_account_summary).get("SummaryMap", {}).get("AccountAccessKeysPresent")
    return present


def _alias(iam: "IAMClient", asking: Asking) -> str | None:
    aliases: list[str] = asking.ask(iam.list_account_aliases)["AccountAliases"]
    return aliases[0] if aliases else None


def _describe_all_users(iam: "IAMClient", asking: Asking, account: AccountReader) -> None:
    for page in describe_users(iam, asking):
        account.add(page)

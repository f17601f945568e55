"""The account file: which IAM users and access keys the local AWS has. It takes what IAM itself would hold."""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from localaws.accounts.account_values import Days, Instant
from localaws.accounts.key_events import KeyEvent
from localaws.accounts.permissions import (
    Group,
    GroupNames,
    InlinePolicies,
    PolicyDocument,
    PolicyName,
    PolicyNames,
)
from localaws.accounts.tag_values import Tags, value_at
from localaws.strict_json import (
    AccountId,
    DocumentError,
    Place,
    Strict,
    UserName,
    is_plain,
    matching,
    parse_document,
    refuse_duplicates,
)

DEMO_ACCOUNT = Path(__file__).with_name("demo-account.json")
_LONGEST_TEXT = 128


class AccountError(Exception):
    """An account file that is refused; the message is one clear line."""


def _words(text: str) -> str:
    if not text.strip() or not is_plain(text):
        raise ValueError("takes IAM's words for the refusal: text that is not blank, without control characters")
    return text


def _name_of_use(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_TEXT or not is_plain(text):
        raise ValueError(
            f'takes 1 to {_LONGEST_TEXT} characters, not blank, without control characters; "N/A" where IAM has none'
        )
    return text


def _at_most_two(value: int) -> int:
    if value not in (0, 1, 2):
        raise ValueError("takes 0, 1 or 2")
    return value


AccessKeyId = Annotated[str, matching(r"\w{16,128}", "16 to 128 letters, digits or _")]
Status = Annotated[str, matching("Active|Inactive|Expired", '"Active" or "Inactive" or "Expired"')]
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html
Alias = Annotated[
    str,
    matching(
        r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
        "3 to 63 lowercase letters, digits and dashes; no dash at an end, nor two in a row",
    ),
]
# https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html
LONGEST_ACCOUNT_NAME = 50
AccountName = Annotated[
    str, matching(rf"[ -~]{{1,{LONGEST_ACCOUNT_NAME}}}", f"1 to {LONGEST_ACCOUNT_NAME} characters from space to ~")
]
STATES = ("ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED", "PENDING_ACTIVATION")
State = Annotated[str, matching("|".join(STATES), " or ".join(f'"{state}"' for state in STATES))]
_TRUSTS = ("right", "external_id", "principal")
Trust = Annotated[str, matching("|".join(_TRUSTS), " or ".join(f'"{trust}"' for trust in _TRUSTS))]
Words = Annotated[str, AfterValidator(_words)]
NameOfUse = Annotated[str, AfterValidator(_name_of_use)]
UserPath = Annotated[str, matching(r"/|/[\x21-\x7e]{1,510}/", "/ or up to 510 characters out of ! to ~ between two /")]


class LastUsed(Strict):
    """When, for what and where a key was used last; `days_ago` counts against now."""

    at: Instant | None = None
    days_ago: Days | None = None
    service: NameOfUse = "s3"
    region: NameOfUse = "us-east-1"

    @model_validator(mode="after")
    def _has_one_instant(self) -> "LastUsed":
        if (self.at is None) == (self.days_ago is None):
            raise ValueError("takes either at or days_ago")
        return self

    def used(self, now: datetime) -> datetime:
        """Return the instant of the last use."""
        return self.at or now - timedelta(days=self.days_ago or 0)


class AccessKey(Strict):
    """An access key; its age counts against now where `age_days` gives it."""

    access_key_id: AccessKeyId | None = None
    created_at: Instant | None = None
    age_days: Days | None = None
    status: Status = "Active"
    last_used: LastUsed | None = None
    events: list[KeyEvent] = Field(default=[])

    @model_validator(mode="after")
    def _has_one_age(self) -> "AccessKey":
        if (self.created_at is None) == (self.age_days is None):
            raise ValueError("takes either created_at or age_days")
        return self

    def created(self, now: datetime) -> datetime:
        """Return the instant of creation."""
        return self.created_at or now - timedelta(days=self.age_days or 0)


class User(Strict):
    """An IAM user; `denied` has, by operation, the words with which IAM refuses to tell of the user."""

    user_name: UserName
    path: UserPath = "/"
    tags: Tags = Field(default={})
    groups: GroupNames = Field(default=[])
    policies: PolicyNames = Field(default=[])
    inline_policies: InlinePolicies = Field(default={})
    access_keys: list[AccessKey] = Field(default=[])
    denied: dict[Literal["ListAccessKeys", "GetAccessKeyLastUsed", "ListUserTags"], Words] = Field(default={})

    def access_key_id(self, index: int, account_id: str = "") -> str:
        """Return the id of a key, made of what is known of it where it has none: the same one each time.

        `account_id` tells the keys of a member account of the organization from others.
        """
        key = self.access_keys[index]
        known = f"{account_id}{self.user_name} {index} {key.created_at or key.age_days}"
        made_up = base64.b32encode(hashlib.sha256(known.encode()).digest())[:16].decode()
        return key.access_key_id or f"AKIA{made_up}"

    def tags_at(self, now: datetime) -> list[dict[str, str]]:
        """Return the tags as IAM takes them; {date:+30} is the date 30 days from now."""
        return [{"Key": key, "Value": value_at(value, now)} for key, value in self.tags.items()]


class Root(Strict):
    """The root user; IAM says only whether it has access keys, or, in the words of `denied`, not even that."""

    access_keys: Annotated[int, AfterValidator(_at_most_two)] = 0
    denied: Words | None = None


class OneAccount(Strict):
    """An AWS account, as far as this app looks at it.

    `policies` are the account's own; a policy that is attached and not among them is AWS's. One without a document is
    one that IAM does not tell of. `reader_role` and `trust` say whether the role exists that a scan of an organization
    assumes, and whom it trusts: the scan, nobody with the scan's external id, or another principal.
    """

    account_id: AccountId
    alias: Alias | None = None
    root: Root = Root()
    policies: dict[PolicyName, PolicyDocument | None] = Field(default={})
    groups: list[Group] = Field(default=[])
    users: list[User]
    denied: dict[Literal["GetAccountAuthorizationDetails", "ListAccountAliases"], Words] = Field(default={})
    name: AccountName | None = None
    reader_role: bool = True
    trust: Trust = "right"

    @model_validator(mode="after")
    def _has_no_duplicates(self) -> Self:
        users = [(("users", index, "user_name"), user.user_name) for index, user in enumerate(self.users)]
        groups = [(("groups", index, "group_name"), group.group_name) for index, group in enumerate(self.groups)]
        refuse_duplicates("user_name", users, ignore_case=True)
        refuse_duplicates("access_key_id", self.given_key_ids())
        refuse_duplicates("group_name", groups, ignore_case=True)
        refuse_duplicates("policy", ((("policies", name), name) for name in self.policies), ignore_case=True)
        return self

    @model_validator(mode="after")
    def _has_the_groups_of_its_users(self) -> Self:
        groups = {group.group_name for group in self.groups}
        for user in self.users:
            if missing := [name for name in user.groups if name not in groups]:
                known = ", ".join(sorted(groups)) or "none"
                raise ValueError(
                    f'user "{user.user_name}" is in "{missing[0]}"; takes one of the groups of the file: {known}'
                )
        return self

    def given_key_ids(self) -> Iterator[tuple[Place, str]]:
        """Yield the ids of the access keys that have one in the file, each with its place in the account."""
        for number, user in enumerate(self.users):
            for index, key in enumerate(user.access_keys):
                if key.access_key_id:
                    yield ("users", number, "access_keys", index, "access_key_id"), key.access_key_id

    def access_key_id(self, user: User, index: int) -> str:
        """Return the id of a user's key."""
        return user.access_key_id(index)

    def denied_calls(self) -> dict[tuple[str, str], str]:
        """Return IAM's words for each call that it refuses, by operation and the user or the key asked about."""
        denied: dict[tuple[str, str], str] = {(operation, ""): words for operation, words in self.denied.items()}
        denied |= {("GetAccountSummary", ""): self.root.denied} if self.root.denied else {}
        for user in self.users:
            for operation, words in user.denied.items():
                keys = [self.access_key_id(user, index) for index in range(len(user.access_keys))]
                about = keys if operation == "GetAccessKeyLastUsed" else [user.user_name]
                denied |= dict.fromkeys([(operation, subject) for subject in about], words)
        return denied


class Member(OneAccount):
    """A member account of the organization; all but an active one refuse every call."""

    name: AccountName
    state: State = "ACTIVE"
    users: list[User] = Field(default=[])

    def access_key_id(self, user: User, index: int) -> str:
        """Return the id of a user's key, which no other account has."""
        return user.access_key_id(index, self.account_id)


class Account(OneAccount):
    """The account of the deployment; with `accounts`, the management account of an organization that has these, too."""

    account_id: AccountId = "123456789012"
    accounts: list[Member] = Field(default=[])

    @model_validator(mode="after")
    def _has_each_account_once(self) -> "Account":
        places: list[Place] = [(), *(("accounts", index) for index in range(len(self.accounts)))]
        placed = list(zip(places, self.all_accounts(), strict=True))
        refuse_duplicates("account_id", (((*place, "account_id"), account.account_id) for place, account in placed))
        keys = ((place, *key) for place, account in placed for key in account.given_key_ids())
        refuse_duplicates("access_key_id", (((*place, *within), key) for place, within, key in keys))
        return self

    def all_accounts(self) -> "list[Account | Member]":
        """Return this account and the other ones of its organization."""
        return [self, *self.accounts]


def load_account(path: Path) -> Account:
    """Read an account file; AccountError for what is not one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AccountError(f"{path}: cannot be read: {error.strerror}") from error
    encoding = json.detect_encoding(content)
    if not encoding.startswith("utf-8"):
        raise AccountError(f"{path}: is {encoding[:6].upper()} text; save it as UTF-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise AccountError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    try:
        return parse_document(Account, text, "account")
    except DocumentError as error:
        raise AccountError(f"{path}: {error}") from error

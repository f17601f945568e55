"""The account file: which IAM users and access keys the local AWS has. It takes what IAM itself would hold."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from chalicelib.settings import is_tag_text
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
from localaws.strict_json import DocumentError, Strict, UserName, is_plain, matching, parse_document

DEMO_ACCOUNT = Path(__file__).with_name("demo-account.json")
_MAX_TAGS = 50
_LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 128, 256
_LONGEST_TEXT = 128
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html: [\p{L}\p{Z}\p{N}_.:/=+\-@]
_IN_TAGS = "letters, digits, spaces and _ . : / = + - @"
RESERVED = "aws:"  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
_RELATIVE_DATE = re.compile(r"\{date:([+-]\d{1,4})\}", re.ASCII)


class AccountError(Exception):
    """An account file that is refused; the message is one clear line."""


def _together(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MAX_TAGS:
        raise ValueError(f"takes at most {_MAX_TAGS} tags")
    _refuse_duplicates("tag", tags, ignore_case=True)
    return tags


def _tag_key(key: str) -> str:
    if not (1 <= len(key) <= _LONGEST_TAG_KEY and is_tag_text(key)):
        raise ValueError(f"takes 1 to {_LONGEST_TAG_KEY} characters, each one of {_IN_TAGS}")
    if key.lower().startswith(RESERVED):
        raise ValueError(f"takes a tag that does not begin with {RESERVED}, which AWS keeps to itself")
    return key


def _tag_value(value: str) -> str:
    if not _RELATIVE_DATE.fullmatch(value) and not (len(value) <= _LONGEST_TAG_VALUE and is_tag_text(value)):
        raise ValueError(
            f"takes up to {_LONGEST_TAG_VALUE} characters, each one of {_IN_TAGS}, or a date such as {{date:+30}}"
        )
    if value.startswith(RESERVED):
        raise ValueError(f"takes a value that does not begin with {RESERVED}, which AWS keeps to itself")
    return value


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


def _value_at(value: str, now: datetime) -> str:
    relative = _RELATIVE_DATE.fullmatch(value)
    return f"{now + timedelta(days=int(relative[1])):%Y-%m-%d}" if relative else value


def _at_most_two(value: int) -> int:
    if value not in (0, 1, 2):
        raise ValueError("takes 0, 1 or 2")
    return value


AccessKeyId = Annotated[str, matching(r"\w{16,128}", "16 to 128 letters, digits or _")]
Status = Annotated[str, matching("Active|Inactive|Expired", '"Active" or "Inactive" or "Expired"')]
AccountId = Annotated[str, matching(r"[0-9]{12}", "12 digits, as text")]
TagKey = Annotated[str, AfterValidator(_tag_key)]
TagValue = Annotated[str, AfterValidator(_tag_value)]
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html
Alias = Annotated[
    str,
    matching(
        r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
        "3 to 63 lowercase letters, digits and dashes; no dash at an end, nor two in a row",
    ),
]
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
    tags: Annotated[dict[TagKey, TagValue], AfterValidator(_together)] = Field(default={})
    groups: GroupNames = Field(default=[])
    policies: PolicyNames = Field(default=[])
    inline_policies: InlinePolicies = Field(default={})
    access_keys: list[AccessKey] = Field(default=[])
    denied: dict[Literal["ListAccessKeys", "GetAccessKeyLastUsed", "ListUserTags"], Words] = Field(default={})

    def access_key_id(self, index: int) -> str:
        """Return the id of a key, made of what is known of it where it has none: the same one each time."""
        key = self.access_keys[index]
        known = f"{self.user_name} {index} {key.created_at or key.age_days}"
        made_up = base64.b32encode(hashlib.sha256(known.encode()).digest())[:16].decode()
        return key.access_key_id or f"AKIA{made_up}"

    def tags_at(self, now: datetime) -> list[dict[str, str]]:
        """Return the tags as IAM takes them; {date:+30} is the date 30 days from now."""
        return [{"Key": key, "Value": _value_at(value, now)} for key, value in self.tags.items()]


class Root(Strict):
    """The root user; IAM says only whether it has access keys, or, in the words of `denied`, not even that."""

    access_keys: Annotated[int, AfterValidator(_at_most_two)] = 0
    denied: Words | None = None


class Account(Strict):
    """An AWS account, as far as this app looks at it.

    `policies` are the account's own; a policy that is attached and not among them is AWS's. One without a document is
    one that IAM does not tell of.
    """

    account_id: AccountId = "123456789012"
    alias: Alias | None = None
    root: Root = Root()
    policies: dict[PolicyName, PolicyDocument | None] = Field(default={})
    groups: list[Group] = Field(default=[])
    users: list[User]
    denied: dict[Literal["GetAccountAuthorizationDetails", "ListAccountAliases"], Words] = Field(default={})

    @model_validator(mode="after")
    def _has_no_duplicates(self) -> "Account":
        _refuse_duplicates("user_name", (user.user_name for user in self.users), ignore_case=True)
        keys = (key.access_key_id for user in self.users for key in user.access_keys)
        _refuse_duplicates("access_key_id", (key for key in keys if key))
        _refuse_duplicates("group_name", (group.group_name for group in self.groups), ignore_case=True)
        _refuse_duplicates("policy", self.policies, ignore_case=True)
        return self

    @model_validator(mode="after")
    def _has_the_groups_of_its_users(self) -> "Account":
        groups = {group.group_name for group in self.groups}
        for user in self.users:
            if missing := [name for name in user.groups if name not in groups]:
                known = ", ".join(sorted(groups)) or "none"
                raise ValueError(
                    f'user "{user.user_name}" is in "{missing[0]}"; takes one of the groups of the file: {known}'
                )
        return self

    def denied_calls(self) -> dict[tuple[str, str], str]:
        """Return IAM's words for each call that it refuses, by operation and the user or the key asked about."""
        denied: dict[tuple[str, str], str] = {(operation, ""): words for operation, words in self.denied.items()}
        denied |= {("GetAccountSummary", ""): self.root.denied} if self.root.denied else {}
        for user in self.users:
            for operation, words in user.denied.items():
                keys = [user.access_key_id(index) for index in range(len(user.access_keys))]
                about = keys if operation == "GetAccessKeyLastUsed" else [user.user_name]
                denied |= dict.fromkeys([(operation, subject) for subject in about], words)
        return denied


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


def _refuse_duplicates(field: str, values: Iterable[str], *, ignore_case: bool = False) -> None:
    seen: dict[str, str] = {}
    for value in values:
        name = value.lower() if ignore_case else value
        if seen.get(name) == value:
            raise ValueError(f'{field} "{value}" is there twice; each takes a value of its own')
        if name in seen:
            raise ValueError(f'{field} "{value}" differs from "{seen[name]}" in case alone; to IAM they are the same')
        seen[name] = value

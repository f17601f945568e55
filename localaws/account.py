"""The account file: which IAM users and access keys the local AWS has."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from chalicelib.age import parse_instant
from localaws.documents import DocumentError, Strict, UserName, matching, parse_document

DEMO_ACCOUNT = Path(__file__).with_name("demo-account.json")
_MAX_DAYS = 36_500
_MAX_TAGS = 50


class AccountError(Exception):
    """An account file that is refused; the message is one clear line."""


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("takes an ISO 8601 instant with a zone, as text")  # noqa: TRY004  # pydantic wants ValueError
    try:
        return parse_instant(value)
    except ValueError as error:
        raise ValueError('takes an ISO 8601 instant with a zone, such as "2026-11-22T08:00:00Z"') from error


def _days(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MAX_DAYS:
        raise ValueError(f"takes a number of days from -{_MAX_DAYS} to {_MAX_DAYS}")
    return value


def _at_most_fifty(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MAX_TAGS:
        raise ValueError(f"takes at most {_MAX_TAGS} tags")
    return tags


def _value_at(value: str, now: datetime) -> str:
    relative = re.fullmatch(r"\{date:([+-]\d+)\}", value)
    return f"{now + timedelta(days=int(relative[1])):%Y-%m-%d}" if relative else value


def _at_most_two(value: int) -> int:
    if value not in (0, 1, 2):
        raise ValueError("takes 0, 1 or 2")
    return value


Instant = Annotated[datetime, BeforeValidator(_instant)]
Days = Annotated[float, BeforeValidator(_days)]
AccessKeyId = Annotated[str, matching(r"\w{16,128}", "16 to 128 letters, digits or _")]
Status = Annotated[str, matching("Active|Inactive", '"Active" or "Inactive"')]
AccountId = Annotated[str, matching(r"[0-9]{12}", "12 digits, as text")]
TagKey = Annotated[str, matching(r"[^{}]{1,128}", "1 to 128 characters, { and } not among them")]
TagValue = Annotated[
    str, matching(r"[^{}]{0,256}|\{date:[+-]\d{1,4}\}", "up to 256 characters without { and }, or {date:+30}")
]
UserPath = Annotated[str, matching(r"/|/[\x21-\x7e]{1,510}/", "/ or text of up to 512 characters between two /")]


class LastUsed(Strict):
    """When, for what and where a key was used last; `days_ago` counts against now."""

    at: Instant | None = None
    days_ago: Days | None = None
    service: str = "s3"
    region: str = "us-east-1"

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
    tags: Annotated[dict[TagKey, TagValue], AfterValidator(_at_most_fifty)] = Field(default={})
    access_keys: list[AccessKey] = Field(default=[])
    denied: dict[Literal["ListAccessKeys", "GetAccessKeyLastUsed", "ListUserTags"], str] = Field(default={})

    def tags_at(self, now: datetime) -> list[dict[str, str]]:
        """Return the tags as IAM takes them; {date:+30} is the date 30 days from now."""
        return [{"Key": key, "Value": _value_at(value, now)} for key, value in self.tags.items()]


class Root(Strict):
    """The root user; IAM says only whether it has access keys, or, in the words of `denied`, not even that."""

    access_keys: Annotated[int, AfterValidator(_at_most_two)] = 0
    denied: str | None = None


class Account(Strict):
    """An AWS account, as far as this app looks at it."""

    account_id: AccountId = "123456789012"
    root: Root = Root()
    users: list[User]

    @model_validator(mode="after")
    def _has_no_duplicates(self) -> "Account":
        _refuse_duplicates("user_name", (user.user_name for user in self.users))
        keys = (key.access_key_id for user in self.users for key in user.access_keys)
        _refuse_duplicates("access_key_id", (key for key in keys if key))
        return self

    def denied_calls(self) -> dict[tuple[str, str], str]:
        """Return IAM's words for each call that it refuses, by operation and the user or the key asked about."""
        denied = {("GetAccountSummary", ""): self.root.denied} if self.root.denied else {}
        for user in self.users:
            for operation, words in user.denied.items():
                keys = [key.access_key_id or "" for key in user.access_keys]
                about = keys if operation == "GetAccessKeyLastUsed" else [user.user_name]
                denied |= dict.fromkeys([(operation, subject) for subject in about], words)
        return denied


def load_account(path: Path) -> Account:
    """Read an account file; AccountError for what is not one."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AccountError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AccountError(f"{path}: is not UTF-8 text") from error
    try:
        return parse_document(Account, text, "account")
    except DocumentError as error:
        raise AccountError(f"{path}: {error}") from error


def _refuse_duplicates(field: str, values: Any) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f'{field} "{value}" is there twice; each takes a value of its own')
        seen.add(value)

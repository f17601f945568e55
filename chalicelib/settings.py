"""The stage's settings: environment variables of the functions, parsed in one place and read when they are used."""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.policy import InvalidPolicyError, ScanPolicy, parse_policy
from chalicelib.schema import RefusedError

DEFAULT_SCHEDULE = "cron(0 8 * * ? *)"
MOST_AT_ONCE = 40
DEFAULT_MAX_EXEMPT_DAYS, MAX_EXEMPT_DAYS_LIMIT = 366, 3650
_MAX_OWNER_TAGS, _MAX_OWNER_TAGS_LENGTH = 10, 640  # of the 4 KB that Lambda gives all variables of a function
_MAX_TAG_NAME_LENGTH = 128
_OWNER_TAGS_TAKES = (
    "1 to 10 names of tags, up to 640 characters in all, with a comma and no space between; a name is 1 to 128 "
    "letters, digits and spaces of any script and _ . : / = + - @"
)


class InvalidSettingError(RefusedError):
    """A setting of the stage that is refused; the message names it, its value and what it takes."""


class InvalidStageError(Exception):
    """The settings of the stage are not a valid scan policy."""


def parse_stage_defaults(settings: Mapping[str, str]) -> ScanPolicy:
    """Read a stage's defaults from MAX_AGE_DAYS, WARN_DAYS, INCLUDE_INACTIVE and MAX_UNUSED_DAYS.

    One that is missing or empty is not set.
    """
    document: dict[str, Any] = {}
    for name in ("MAX_AGE_DAYS", "WARN_DAYS", "MAX_UNUSED_DAYS"):
        if text := settings.get(name, "").strip():
            document[name.lower()] = int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text
    if text := settings.get("INCLUDE_INACTIVE", "").strip().lower():
        document["include_inactive"] = {"true": True, "false": False}.get(text, text)
    return parse_policy(document, ScanPolicy())


@dataclass(frozen=True)
class TagSettings:
    """Which tags name a user's owner, the first that is there, and how many days ahead an exemption may end."""

    owner_tags: tuple[str, ...] = ("owner", "Owner", "email")
    max_exempt_days: int = DEFAULT_MAX_EXEMPT_DAYS


def parse_tag_settings(settings: Mapping[str, str]) -> TagSettings:
    """Read OWNER_TAGS and MAX_EXEMPT_DAYS, both optional; raise InvalidSettingError for an invalid value."""
    default = TagSettings()
    owner_tags = settings.get("OWNER_TAGS", ",".join(default.owner_tags))
    names = owner_tags.split(",")
    if len(owner_tags) > _MAX_OWNER_TAGS_LENGTH or len(names) > _MAX_OWNER_TAGS or not all(map(_is_tag_name, names)):
        raise InvalidSettingError("OWNER_TAGS", owner_tags, _OWNER_TAGS_TAKES)
    days = settings.get("MAX_EXEMPT_DAYS", str(default.max_exempt_days))
    if not re.fullmatch(r"[0-9]{1,4}", days, re.ASCII) or not 1 <= int(days) <= MAX_EXEMPT_DAYS_LIMIT:
        raise InvalidSettingError("MAX_EXEMPT_DAYS", days, f"an integer from 1 to {MAX_EXEMPT_DAYS_LIMIT}")
    return TagSettings(tuple(names), int(days))


def is_tag_text(text: str) -> bool:
    r"""Return whether IAM takes these characters in a tag's key or value, `[\p{L}\p{Z}\p{N}_.:/=+\-@]`.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
    """
    return all(character in "_.:/=+-@" or unicodedata.category(character)[0] in "LZN" for character in text)


def _is_tag_name(name: str) -> bool:
    return 1 <= len(name) <= _MAX_TAG_NAME_LENGTH and name == name.strip() and is_tag_text(name)


class NotifyOn(StrEnum):
    """What a message is sent for."""

    FINDINGS = "findings"
    CHANGES = "changes"
    DUE_SOON = "due_soon"
    ALWAYS = "always"


class HttpsFormat(StrEnum):
    """What subscribers by https get: JSON, or what Amazon Q Developer in chat applications shows."""

    JSON = "json"
    CHAT = "chat"


def parse_notify_on(text: str) -> NotifyOn:
    """Read the setting NOTIFY_ON; raise InvalidSettingError for an invalid value."""
    return NotifyOn(choice("NOTIFY_ON", text, list(NotifyOn)))


def parse_https_format(text: str) -> HttpsFormat:
    """Read the setting HTTPS_FORMAT; raise InvalidSettingError for an invalid value."""
    return HttpsFormat(choice("HTTPS_FORMAT", text, list(HttpsFormat)))


def choice(name: str, text: str, choices: Sequence[str]) -> str:
    """Return a setting's text if it is one of the choices; otherwise raise InvalidSettingError."""
    if text not in choices:
        raise InvalidSettingError(name, text, f"one of {', '.join(choices)}")
    return text


def number(settings: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return a setting's number, the default without one; raise InvalidSettingError if it is not in these bounds."""
    text = settings.get(name, str(default))
    if not re.fullmatch("[0-9]{1,5}", text, re.ASCII) or not least <= int(text) <= most:
        raise InvalidSettingError(name, text, f"an integer from {least} to {most}")
    return int(text)


def parse_max_scans_at_once(text: str) -> int:
    """Read the setting MAX_SCANS_AT_ONCE; InvalidSettingError if it is refused."""
    return number({"MAX_SCANS_AT_ONCE": text}, "MAX_SCANS_AT_ONCE", 5, 1, MOST_AT_ONCE)


def stage_defaults() -> ScanPolicy:
    """Return the scan policy that the stage's settings make up; raise InvalidStageError if they make up none."""
    try:
        return parse_stage_defaults(os.environ)
    except InvalidPolicyError as error:
        raise InvalidStageError(f"a setting of the stage: {error}") from error


def tag_settings() -> TagSettings:
    """Return the stage's OWNER_TAGS and MAX_EXEMPT_DAYS; raise InvalidSettingError if one is refused."""
    return parse_tag_settings(os.environ)


def notify_on() -> NotifyOn:
    """Return the stage's NOTIFY_ON; raise InvalidSettingError if it is refused."""
    return parse_notify_on(os.environ.get("NOTIFY_ON", NotifyOn.FINDINGS))


def https_format() -> HttpsFormat:
    """Return the stage's HTTPS_FORMAT; raise InvalidSettingError if it is refused."""
    return parse_https_format(os.environ.get("HTTPS_FORMAT", HttpsFormat.JSON))


def max_scans_at_once() -> int:
    """Return the stage's MAX_SCANS_AT_ONCE; raise InvalidSettingError if it is refused."""
    return parse_max_scans_at_once(os.environ.get("MAX_SCANS_AT_ONCE", "5"))


def scan_schedule() -> str:
    """Return the schedule that Chalice makes a rule of, as EventBridge writes it; a stack of `make deploy` has its own.

    It is the only setting that is read at import, when Chalice packages.
    """
    return os.environ.get("SCAN_SCHEDULE", "").strip() or DEFAULT_SCHEDULE


def stage_name() -> str:
    """Return the stage, for metrics."""
    return os.environ["STAGE"]

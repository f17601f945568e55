"""The tags of a user, as an account file takes them: what IAM itself would hold."""

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator

from chalicelib.settings import is_tag_text
from localaws.strict_json import refuse_duplicates

_MAX_TAGS = 50
_LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 128, 256
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html: [\p{L}\p{Z}\p{N}_.:/=+\-@]
_IN_TAGS = "letters, digits, spaces and _ . : / = + - @"
RESERVED = "aws:"  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
_RELATIVE_DATE = re.compile(r"\{date:([+-]\d{1,4})\}", re.ASCII)


def _together(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MAX_TAGS:
        raise ValueError(f"takes at most {_MAX_TAGS} tags")
    refuse_duplicates("tag", (((tag,), tag) for tag in tags), ignore_case=True)
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


def value_at(value: str, now: datetime) -> str:
    """Return the value of a tag; {date:+30} is the date 30 days from now."""
    relative = _RELATIVE_DATE.fullmatch(value)
    return f"{now + timedelta(days=int(relative[1])):%Y-%m-%d}" if relative else value


TagKey = Annotated[str, AfterValidator(_tag_key)]
TagValue = Annotated[str, AfterValidator(_tag_value)]
Tags = Annotated[dict[TagKey, TagValue], AfterValidator(_together)]

"""The tags of a stack, which CloudFormation gives to all that takes some, checked before anything is made."""

from collections.abc import Iterable, Mapping

import regex

from chalicelib.settings import InvalidSettingError
from deploy.parameters import split_assignments

# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html; the characters are IAM's and Step
# Functions', https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules, the narrowest of all.
_CHARACTERS = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]"
# What begins with - or file://, the AWS CLI takes for something else.
_KEY = regex.compile(rf"(?!-)(?!(?i:aws:|fileb?://)){_CHARACTERS}{{1,128}}")
_VALUE = regex.compile(rf"{_CHARACTERS}{{1,256}}")
_NAME = r"""(?:[^\s="']+|"[^"=]+"?|'[^'=]+'?)"""  # without quotes, in quotes, or in quotes with its value
MOST_TAGS = 48  # of the 50 that a resource has; two of a function's are SAM's and Chalice's
_TAKES = "_ . : / = + - @"


def read_tags(text: str) -> dict[str, str]:
    """Read the `key=value`s of make's TAGS, an empty value for a tag to take away.

    Raise InvalidSettingError for what one of the stack's resources would refuse.
    """
    tags = {}
    for assignment in split_assignments(text, "TAGS", _NAME):
        key, assigned, value = (part.strip() for part in assignment.partition("="))
        if not assigned or not _KEY.fullmatch(key):
            raise InvalidSettingError(
                "TAGS",
                assignment,
                "key=value, with a space between two; a key is 1 to 128 letters, digits and spaces of any script and "
                f"{_TAKES}, and does not begin with aws:, file:// or -",
            )
        if value and not _VALUE.fullmatch(value):
            raise InvalidSettingError(
                f"TAGS: {key}",
                value,
                f"up to 256 letters, digits and spaces of any script and {_TAKES}, or nothing, to take the tag away",
            )
        tags[key] = value
    return tags


def merge_tags(kept: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that a stack is to have: those that it has, under those given, without the empty ones.

    Raise InvalidSettingError if they are too many, or if two keys differ in case alone, which IAM takes for one.
    """
    merged = {key: value for key, value in {**kept, **given}.items() if value}
    seen: dict[str, str] = {}
    for key in merged:
        if other := seen.get(key.lower()):
            raise InvalidSettingError(
                "TAGS",
                key,
                f"keys that differ in more than case, which IAM ignores: {other}= takes the other one away",
            )
        seen[key.lower()] = key
    if len(merged) > MOST_TAGS:
        raise InvalidSettingError("TAGS", f"{len(merged)} tags", f"up to {MOST_TAGS}")
    return merged


def kept_tags(listed: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Return a stack's tags as DescribeStacks lists them, without AWS's own, which nobody may set."""
    return {one["Key"]: one["Value"] for one in listed or [] if not one["Key"].lower().startswith("aws:")}

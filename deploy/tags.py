"""The tags of a stack, which CloudFormation gives to all that takes some, checked before anything is made.

`python -m deploy.tags KEPT TEXT` prints, a line each, the `key=value`s that the stack is to have, for the AWS
CLI: those of TEXT, and of KEPT, what a stack that is there has, as DescribeStacks lists it.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping

import regex

from deploy import terminal
from deploy.parameters import split_assignments
from deploy.settings import InvalidSettingError

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
                f"TAGS: {json.dumps(assignment[:200])} is not accepted; it takes key=value, with a space between two; "
                f"a key is 1 to 128 letters, digits and spaces of any script and {_TAKES}, and does not begin with "
                "aws:, file:// or -"
            )
        if value and not _VALUE.fullmatch(value):
            raise InvalidSettingError(
                f"TAGS: {key}: {json.dumps(value[:300])} is not accepted; it takes up to 256 letters, digits and "
                f"spaces of any script and {_TAKES}, or nothing, to take the tag away"
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
                f"TAGS: {json.dumps(key)} is not accepted beside {json.dumps(other)}; IAM takes keys that differ in "
                f"case alone for one: {other}= takes the other one away"
            )
        seen[key.lower()] = key
    if len(merged) > MOST_TAGS:
        raise InvalidSettingError(f"TAGS: {len(merged)} tags are not accepted; it takes up to {MOST_TAGS}")
    return merged


def kept_tags(listed: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Return a stack's tags as DescribeStacks lists them, without AWS's own, which nobody may set."""
    return {one["Key"]: one["Value"] for one in listed or [] if not one["Key"].lower().startswith("aws:")}


def main(kept: str, text: str) -> None:
    """Do what the command line asks for."""
    for key, value in merge_tags(kept_tags(json.loads(kept)), read_tags(text)).items():
        sys.stdout.buffer.write(os.fsencode(f"{key}={value}\n"))  # as it was read from the command line


if __name__ == "__main__":
    terminal.run(main, InvalidSettingError)

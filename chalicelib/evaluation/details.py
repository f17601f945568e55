"""What IAM says of a user besides the keys: when each was used last, and tags, for the owner and exemptions. Pure."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chalicelib.age import format_instant, parse_instant
from chalicelib.documents import Details, Exemption, LastUse, Unknown
from chalicelib.policy import InvalidSettingError

UNTIL_TAG = "iam-key-age:exempt-until"
REASON_TAG = "iam-key-age:exempt-reason"
_EXEMPTION_TAGS = (UNTIL_TAG, REASON_TAG)
MAX_EXEMPT_DAYS_LIMIT = 3650
# IAM knows of no use before: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html
RECORD_BEGAN = datetime(2015, 4, 22, tzinfo=UTC)
_NOT_ASKED = "the scan did not ask for the last use and the tags"
_ODD = "IAM described the last use or the tags in a way that cannot be read"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MAX_OWNER_TAGS, _MAX_OWNER_TAGS_LENGTH = 10, 640  # of the 4 KB that Lambda gives all variables of a function
_MAX_TAG_NAME_LENGTH = 128
_OWNER_TAGS_TAKES = (
    "1 to 10 names of tags, up to 640 characters in all, with a comma and no space between; a name is 1 to 128 "
    "letters, digits and spaces of any script and _ . : / = + - @"
)


@dataclass(frozen=True)
class TagSettings:
    """Which tags name a user's owner, the first that is there, and how many days ahead an exemption may end."""

    owner_tags: tuple[str, ...] = ("owner", "Owner", "email")
    max_exempt_days: int = 366


def parse_tag_settings(settings: Mapping[str, str]) -> TagSettings:
    """Read the settings OWNER_TAGS and MAX_EXEMPT_DAYS, both optional; InvalidSettingError for what is none."""
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


def read_details(answer: object, keys: int) -> tuple[Details, Sequence[LastUse]]:
    """Read what the state machine asked about a user with so many keys, and give each key's last use.

    `answer` is `{"last_used": [{"at", "service", "region"}, {} for never, "unknown"], "tags": [{"key", "value"}],
    "cause"}`, one last use for each key, in order; what is missing or odd in it is unknown. The exemption is left open.
    """
    if not isinstance(answer, Mapping) or not answer:
        return {"tags": "unknown", "exemption": None, "cause": _NOT_ASKED}, ["unknown"] * keys
    told = answer.get("last_used")
    last_uses: list[LastUse] = ["unknown"] * keys
    if isinstance(told, list) and len(told) == keys:
        last_uses = [_last_use(each) for each in told]
    tags = _tags(answer.get("tags"))
    cause = str(answer.get("cause") or "") or (_ODD if "unknown" in (*last_uses, tags) else None)
    return {"tags": tags, "exemption": None, "cause": cause}, last_uses


def find_owner(tags: Mapping[str, str] | Unknown, owner_tags: Sequence[str]) -> str | None:
    """Return who owns a user, by the first of the tags that is there and not blank; "unknown" where the tags are.

    A tag may say "unknown", too: only the tags tell the two apart.
    """
    if isinstance(tags, str):
        return tags
    return next((tags[name] for name in owner_tags if tags.get(name, "").strip()), None)


def split_descriptions(tags: Mapping[str, str], key_ids: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return a user's tags without the descriptions of keys, and the descriptions by access key id.

    The IAM console keeps the description of a key as a tag of the user that is named by the key's id.
    """
    others = {name: value for name, value in tags.items() if name not in key_ids}
    return others, {name: tags[name] for name in key_ids if tags.get(name, "").strip()}


def precedes_record(created_at: str) -> bool:
    """Return whether a key was created before IAM began to record last uses."""
    return parse_instant(created_at) < RECORD_BEGAN


def read_exemption(tags: Mapping[str, str], as_of: datetime, read_at: datetime, max_days: int) -> Exemption | None:
    """Say whether a user's tags exempt the keys at `as_of`, and why not; None for tags that do not ask for it.

    The end is a date, the whole day UTC included, at most `max_days` days after the one at which the tags were read.
    """
    until, reason = tags.get(UNTIL_TAG), tags.get(REASON_TAG)
    odd = next((name for name in tags if name not in _EXEMPTION_TAGS and name.lower() in _EXEMPTION_TAGS), None)
    if until is None and reason is None and odd is None:
        return None
    days = (as_of.astimezone(UTC).date(), read_at.astimezone(UTC).date() + timedelta(days=max_days))
    why_not = _why_not_exempt(until, reason, days)
    if odd is not None:
        why_not = f"the exemption's tag {odd} has to be all in lower case"
    return {"in_force": why_not is None, "until": until, "reason": reason, "why_not": why_not}


def _why_not_exempt(until: str | None, reason: str | None, days: tuple[date, date]) -> str | None:
    """Say what keeps an exemption from being in force on the first of two days, ending on the second at the latest."""
    today, latest = days
    if until is None:
        return f"the exemption has no end, tag {UNTIL_TAG}"
    try:
        end = date.fromisoformat(until) if _DATE.fullmatch(until) else None
    except ValueError:
        end = None
    if end is None:
        return f'the exemption\'s end, "{until}", is not a date such as 2027-06-30'
    if end < today:
        return f"the exemption ended on {until}"
    if end > latest:
        return f"the exemption's end, {until}, is too far ahead: {latest} is the last day allowed"
    if not (reason or "").strip():
        return f"the exemption has no reason, tag {REASON_TAG}"
    return None


def _last_use(told: object) -> LastUse:
    match told:
        case {"at": str(at), "service": str(service), "region": str(region)}:
            try:
                return {"at": format_instant(parse_instant(at)), "service": service, "region": region}
            except ValueError:
                return "unknown"
        case dict() if not told:
            return None
    return "unknown"


def _tags(told: Any) -> dict[str, str] | Unknown:
    try:
        return {str(tag["key"]): str(tag["value"]) for tag in told}
    except (TypeError, KeyError):
        return "unknown"

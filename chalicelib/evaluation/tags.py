"""A user's tags: the owner, an exemption from the rule, descriptions of keys. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from chalicelib.deactivation_documents import ALLOWED_TAG, PROTECTED_TAG
from chalicelib.key_documents import Exemption, Unknown

UNTIL_TAG = "iam-key-age:exempt-until"
REASON_TAG = "iam-key-age:exempt-reason"
_EXEMPTION_TAGS = (UNTIL_TAG, REASON_TAG)
_OWN_TAGS = (*_EXEMPTION_TAGS, PROTECTED_TAG, ALLOWED_TAG)
_OWNERS_KEPT, _DESCRIPTIONS_KEPT = 2, 20
# As AWS makes them: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
_KEY_ID = re.compile(r"[A-Z0-9]{16,128}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def find_owner(tags: Mapping[str, str] | Unknown, owner_tags: Sequence[str]) -> str | None:
    """Return who owns a user, by the first of the tags that is there and not blank; "unknown" if the tags are unknown.

    A tag may say "unknown", too: only the tags tell the two apart.
    """
    if isinstance(tags, str):
        return tags
    return next((tags[name] for name in owner_tags if tags.get(name, "").strip()), None)


def keep_tags(tags: Iterable[Mapping[str, str]], owner_tags: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tags that findings need: the first two owner tags that say something, and those of this product.

    Beside them the descriptions of keys: the IAM console keeps one as a tag that is named by the key's id. There may be
    some of keys that are gone, so they are cut: all that a scan keeps of 5,000 users has to fit into memory.
    """
    given = {tag["Key"]: tag["Value"] for tag in tags}
    owners = [name for name in owner_tags if given.get(name, "").strip()][:_OWNERS_KEPT]
    own = [name for name in given if is_own_tag(name)]
    described = [name for name in given if _KEY_ID.fullmatch(name) and given[name].strip()][:_DESCRIPTIONS_KEPT]
    return {name: given[name] for name in [*owners, *own]}, {name: _cut(given[name]) for name in described}


def is_own_tag(name: str) -> bool:
    """Return whether a tag exempts keys, protects them or allows to deactivate them, in lower case or not."""
    return name.lower() in _OWN_TAGS


def _cut(description: str) -> str:
    longest = 128 if description.isascii() else 40
    return description if len(description) <= longest else f"{description[:longest]}..."


def read_exemption(tags: Mapping[str, str], as_of: datetime, read_at: datetime, max_days: int) -> Exemption | None:
    """Return whether a user's tags exempt the keys at `as_of`, and why not; None if the tags do not ask for it.

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
    """Return what keeps an exemption from being in force today; the second day is the latest on which one may end."""
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

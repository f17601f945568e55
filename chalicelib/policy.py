"""The scan policy: what a scan judges by. One parser for request bodies, execution inputs and stage settings.

Pure: plain data in, a `ScanPolicy` out.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.age import AgeRule, format_instant, parse_instant

MAX_AGE_DAYS_LIMIT = MAX_UNUSED_DAYS_LIMIT = 3650
MAX_USERS = 100
DEFAULT_MAX_AGE_DAYS = 90
DEFAULT_WARN_DAYS = 14
_USER_NAME = r"[A-Za-z0-9_+=,.@-]{1,64}"
_USERS_TAKES = f"1 to {MAX_USERS} IAM user names, each once, of 1 to 64 characters out of A-Z a-z 0-9 _ + = , . @ -"
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_AS_OF_TAKES = f'an ISO 8601 instant with a zone, {_FIRST_YEAR} to {_LAST_YEAR}, such as "2026-11-22T08:00:00Z"'
_FIELDS = ("max_age_days", "warn_days", "include_inactive", "max_unused_days", "users", "as_of")


class _RefusedError(Exception):
    def __init__(self, field: str, value: object, takes: str) -> None:
        super().__init__(f"{field}: {_shown(value)} is not accepted; it takes {takes}")


class InvalidPolicyError(_RefusedError):
    """A scan policy that is refused; the message names the field, its value and what it takes."""


class InvalidSettingError(_RefusedError):
    """A setting of the stage that is refused; the message names it, its value and what it takes."""


@dataclass(frozen=True)
class ScanPolicy:
    """A complete scan policy; `users` of None means all users, `as_of` of None the start of the scan.

    `max_unused_days` of None means that a key may be unused for however long.
    """

    max_age_days: int = DEFAULT_MAX_AGE_DAYS
    warn_days: int = DEFAULT_WARN_DAYS
    include_inactive: bool = False
    max_unused_days: int | None = None
    users: tuple[str, ...] | None = None
    as_of: datetime | None = None

    def rule(self, as_of: datetime) -> AgeRule:
        """Return the age rule of this policy at an instant."""
        return AgeRule(as_of, self.max_age_days, self.warn_days, self.max_unused_days)

    def to_json(self) -> dict[str, Any]:
        """Return the policy as `parse_policy` reads it; `max_unused_days`, `users`, `as_of` only where they are set."""
        document: dict[str, Any] = {
            "max_age_days": self.max_age_days,
            "warn_days": self.warn_days,
            "include_inactive": self.include_inactive,
        }
        if self.max_unused_days is not None:
            document["max_unused_days"] = self.max_unused_days
        if self.users is not None:
            document["users"] = list(self.users)
        if self.as_of is not None:
            document["as_of"] = format_instant(self.as_of)
        return document


def parse_policy(document: object, defaults: ScanPolicy) -> ScanPolicy:
    """Read a scan policy, or raise InvalidPolicyError; a field not given is the default.

    The default of `warn_days` bends below a smaller `max_age_days`; a value given is never changed.
    """
    if not isinstance(document, dict):
        raise InvalidPolicyError("scan policy", document, f"an object with any of {', '.join(_FIELDS)}")
    for field, value in document.items():
        if field not in _FIELDS:
            raise InvalidPolicyError("unknown field", {field: value}, f"only {', '.join(_FIELDS)}")
    max_age_days = _integer(document, "max_age_days", 1, MAX_AGE_DAYS_LIMIT, defaults.max_age_days)
    return ScanPolicy(
        max_age_days=max_age_days,
        warn_days=_integer(document, "warn_days", 0, max_age_days - 1, min(defaults.warn_days, max_age_days - 1)),
        include_inactive=_boolean(document, "include_inactive", defaults.include_inactive),
        max_unused_days=(
            _integer(document, "max_unused_days", 1, MAX_UNUSED_DAYS_LIMIT, 0)
            if "max_unused_days" in document
            else defaults.max_unused_days
        ),
        users=_users(document["users"]) if "users" in document else defaults.users,
        as_of=_as_of(document["as_of"]) if "as_of" in document else defaults.as_of,
    )


def worth_asking_about(policy: ScanPolicy, as_of: datetime) -> dict[str, Any]:
    """Say of which keys more than their age is worth asking IAM, as the state machine compares: by text, in UTC.

    `created_before` is `YYYY-MM-DDTHH:MM:SS`; `inactive` says whether inactive keys count.
    """
    created_before = policy.rule(as_of).worth_asking_before()
    return {"created_before": format_instant(created_before)[:19], "inactive": policy.include_inactive}


def parse_policy_text(text: str | bytes, defaults: ScanPolicy) -> ScanPolicy:
    """Read a scan policy from JSON text; empty text is the defaults. InvalidPolicyError as in `parse_policy`."""
    if not text.strip():
        return defaults
    try:
        document = json.loads(text, object_pairs_hook=_object_of)
    except (ValueError, RecursionError) as error:  # RecursionError: nested thousands of levels deep
        shown = text.decode(errors="replace") if isinstance(text, bytes) else text
        raise InvalidPolicyError("scan policy", shown, f"well-formed JSON ({error})") from error
    return parse_policy(document, defaults)


def parse_stage_defaults(settings: Mapping[str, str]) -> ScanPolicy:
    """Read a stage's defaults from MAX_AGE_DAYS, WARN_DAYS, INCLUDE_INACTIVE and MAX_UNUSED_DAYS, all optional."""
    document: dict[str, Any] = {}
    for name in ("MAX_AGE_DAYS", "WARN_DAYS", "MAX_UNUSED_DAYS"):
        if text := settings.get(name, "").strip():
            document[name.lower()] = int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text
    if text := settings.get("INCLUDE_INACTIVE", "").strip().lower():
        document["include_inactive"] = {"true": True, "false": False}.get(text, text)
    return parse_policy(document, ScanPolicy())


def _integer(document: dict[str, Any], field: str, low: int, high: int, default: int) -> int:
    value = document.get(field, default)
    if type(value) is not int or not low <= value <= high:  # true is an int to isinstance
        raise InvalidPolicyError(field, value, f"an integer from {low} to {high}")
    return value


def _boolean(document: dict[str, Any], field: str, default: bool) -> bool:
    value = document.get(field, default)
    if not isinstance(value, bool):
        raise InvalidPolicyError(field, value, "true or false")
    return value


def _users(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_USERS:
        counted = f"users ({len(value)} of them)" if isinstance(value, list) else "users"
        raise InvalidPolicyError(counted, value, _USERS_TAKES)
    names: set[str] = set()
    for index, name in enumerate(value):
        if not isinstance(name, str) or not re.fullmatch(_USER_NAME, name, re.ASCII):
            raise InvalidPolicyError(f"users[{index}]", name, _USERS_TAKES)
        if name in names:
            raise InvalidPolicyError(f"users[{index}] (a duplicate)", name, _USERS_TAKES)
        names.add(name)
    return tuple(value)


def _as_of(value: object) -> datetime:
    try:
        instant = parse_instant(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise InvalidPolicyError("as_of", value, _AS_OF_TAKES)
    return instant


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        values = [value for name, value in pairs if name == twice]
        raise InvalidPolicyError("field given twice", {twice: values}, "each field once")
    return document


def _shown(value: object, longest: int = 80) -> str:
    try:
        text = json.dumps(value, default=str)
    except RecursionError:
        return "a value nested too deeply"
    return text if len(text) <= longest else text[: longest - 3] + "..."

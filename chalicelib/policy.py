"""The scan policy: what a scan judges by. One parser for request bodies, execution inputs and stage settings.

Pure: plain data in, a `ScanPolicy` out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.age import AgeRule
from chalicelib.documents import USER_NAME_PATTERN
from chalicelib.instants import format_instant, parse_instant
from chalicelib.organization_documents import ACCOUNT_ID_PATTERN, MOST_ACCOUNTS
from chalicelib.schema import RefusedError, Rule, check, check_fields, describe, parse_json

MAX_AGE_DAYS_LIMIT = 3650
DEFAULT_MAX_AGE_DAYS = 90
DEFAULT_WARN_DAYS = 14
_WHAT = "scan policy"
_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_USER_NAME_TAKES = "1 to 64 characters out of A-Z a-z 0-9 _ + = , . @ -"
USER_NAME_RULE: Rule = {
    "type": "string",
    "pattern": f"^{USER_NAME_PATTERN}$",
    "description": f"an IAM user name, {_USER_NAME_TAKES}",
}
POLICY_RULES: dict[str, Rule] = {
    "max_age_days": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_AGE_DAYS_LIMIT,
        "title": "A key older than this is expired",
    },
    "warn_days": {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_AGE_DAYS_LIMIT - 1,
        "title": "A key is due soon this long before; less than max_age_days",
    },
    "include_inactive": {"type": "boolean", "title": "Whether inactive keys are judged, too"},
    "max_unused_days": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_AGE_DAYS_LIMIT,
        "title": "An active key that was not used for longer is unused; without it, that is not judged",
    },
    "users": {
        "type": "array",
        "minItems": 1,
        "maxItems": 100,
        "uniqueItems": True,
        "items": USER_NAME_RULE,
        "title": "Just these users are checked; without it, all of them",
        "description": f"1 to 100 IAM user names, each once, of {_USER_NAME_TAKES}",
    },
    "as_of": {
        "type": "string",
        "format": "date-time",
        "pattern": "^(19[7-9][0-9]|2[0-9]{3}).*(Z|[+-][0-9]{2}(:?[0-9]{2})?)$",
        "title": "The instant that keys are judged at, past or future; without it, the start of the scan",
        "description": f"an ISO 8601 instant with a zone, {_FIRST_YEAR} to {_LAST_YEAR}, such as "
        '"2026-11-22T08:00:00Z"',
    },
}
# Of a request to scan, beside the scan policy.
ACCOUNTS_RULE: Rule = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_ACCOUNTS,
    "uniqueItems": True,
    "items": {"type": "string", "pattern": f"^{ACCOUNT_ID_PATTERN}$", "description": "an account id of 12 digits"},
    "title": "Just these accounts are scanned, where the stage scans an organization; without it, all of them",
    "description": f"1 to {MOST_ACCOUNTS} account ids of 12 digits, as text, each once",
}
WAIT_RULE: Rule = {
    "type": "integer",
    "minimum": 1,
    "maximum": 25,
    "title": "Seconds that the call may wait for the end of the scan; without it, it does not",
}


class InvalidPolicyError(RefusedError):
    """A scan policy that is refused; the message names the field, its value and what it takes."""


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


@dataclass(frozen=True)
class ScanRequest:
    """What POST /scan is asked for: a scan by a policy, and how many seconds the call may wait for its end.

    `accounts` of None means what the stage scans.
    """

    policy: ScanPolicy
    wait_seconds: int = 0
    accounts: tuple[str, ...] | None = None


def parse_policy(document: object, defaults: ScanPolicy) -> ScanPolicy:
    """Read a scan policy, or raise InvalidPolicyError; a field not given is the default.

    A default `warn_days` is lowered to fit below `max_age_days`; an explicit one is validated instead.
    """
    return _policy(_object(document, POLICY_RULES), defaults)


def parse_request(text: str | bytes, defaults: ScanPolicy) -> ScanRequest:
    """Read the body of POST /scan: a scan policy, `wait_seconds`, `accounts`; InvalidPolicyError if it is refused."""
    rules = {**POLICY_RULES, "wait_seconds": WAIT_RULE, "accounts": ACCOUNTS_RULE}
    document = _object(_json(text), rules) if text.strip() else {}
    wait_seconds = _read(document, "wait_seconds", WAIT_RULE, 0)
    return ScanRequest(_policy(document, defaults), wait_seconds, _accounts(document))


def parse_organization_input(document: object, defaults: ScanPolicy) -> ScanRequest:
    """Read the input of an organization's scan: a scan policy, and `accounts`; InvalidPolicyError if it is refused."""
    given = _object(document, {**POLICY_RULES, "accounts": ACCOUNTS_RULE})
    return ScanRequest(_policy(given, defaults), accounts=_accounts(given))


def _accounts(document: dict[str, Any]) -> tuple[str, ...] | None:
    accounts = _read(document, "accounts", ACCOUNTS_RULE, None)
    return None if accounts is None else tuple(accounts)


def _policy(document: dict[str, Any], defaults: ScanPolicy) -> ScanPolicy:
    rules = POLICY_RULES
    max_age_days = _read(document, "max_age_days", rules["max_age_days"], defaults.max_age_days)
    longest = max_age_days - 1
    warn_rule = {**rules["warn_days"], "maximum": longest}
    users = _read(document, "users", rules["users"], defaults.users)
    return ScanPolicy(
        max_age_days=max_age_days,
        warn_days=_read(document, "warn_days", warn_rule, min(defaults.warn_days, longest)),
        include_inactive=_read(document, "include_inactive", rules["include_inactive"], defaults.include_inactive),
        max_unused_days=_read(document, "max_unused_days", rules["max_unused_days"], defaults.max_unused_days),
        users=None if users is None else tuple(users),
        as_of=_as_of(document["as_of"]) if "as_of" in document else defaults.as_of,
    )


def describe_details_cutoff(policy: ScanPolicy, as_of: datetime) -> dict[str, Any]:
    """Return which keys are worth further calls of IAM, as the state machine compares them: by text, in UTC.

    `created_before` is `YYYY-MM-DDTHH:MM:SS`; `inactive` says whether inactive keys count.
    """
    created_before = policy.rule(as_of).details_cutoff()
    return {"created_before": format_instant(created_before)[:19], "inactive": policy.include_inactive}


def parse_policy_text(text: str | bytes, defaults: ScanPolicy) -> ScanPolicy:
    """Read a scan policy from JSON text; empty text is the defaults. InvalidPolicyError as in `parse_policy`."""
    return parse_policy(_json(text), defaults) if text.strip() else defaults


def _json(text: str | bytes) -> Any:
    return parse_json(_WHAT, text, InvalidPolicyError)


def _object(document: object, rules: Mapping[str, Rule]) -> dict[str, Any]:
    return check_fields(_WHAT, document, rules, InvalidPolicyError)


def _read(document: dict[str, Any], field: str, rule: Rule, default: Any) -> Any:
    return check(field, document[field], rule, InvalidPolicyError) if field in document else default


def _as_of(value: object) -> datetime:
    rule = POLICY_RULES["as_of"]
    text = check("as_of", value, rule, InvalidPolicyError)
    try:
        instant = parse_instant(text)
    except ValueError as error:
        raise InvalidPolicyError("as_of", value, describe(rule)) from error
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:  # in UTC
        raise InvalidPolicyError("as_of", value, describe(rule))
    return instant

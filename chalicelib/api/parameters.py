"""The API's path, query and header parameters: each with a schema that validates it and is shown in /openapi.json.

Pure. Beside them pages of a list, and the `next` tokens by which a client asks for what comes after one.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from chalicelib.age import Verdict
from chalicelib.deactivation_documents import ACTION_ID_PATTERN
from chalicelib.documents import OCSF, REPORT_FORMATS, SCAN_ID_PATTERN
from chalicelib.organization_documents import AccountOutcome
from chalicelib.policy import ACCOUNTS_RULE, USER_NAME_RULE
from chalicelib.schema import RefusedError, Rule, check
from chalicelib.severity import Severity

DEFAULT_LIMIT = 100
_Item = TypeVar("_Item")
_NEXT_TAKES = "the `next` of an earlier answer to the same request"


class InvalidParameterError(RefusedError):
    """A parameter that is refused; the message names it, its value and what it takes."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a route, its rule, and what it is for."""

    name: str
    place: Literal["query", "header", "path"]
    rule: Rule
    purpose: str
    required: bool = False


SCAN_ID = Parameter(
    "scan_id",
    "path",
    {"type": "string", "pattern": f"^{SCAN_ID_PATTERN}$", "description": "the id of a scan"},
    "The scan's id, as POST /scan and GET /scan give it.",
    required=True,
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    {
        "type": "string",
        "pattern": "^[A-Za-z0-9_.:@+=,-]{1,64}$",
        "description": "1 to 64 characters out of A-Z a-z 0-9 _ . : @ + = , -",
    },
    "The scan's id is a digest of this key, so that the request can be sent again without a second scan.",
)
STATUS = Parameter(
    "status",
    "query",
    {"type": "string", "enum": ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]},
    "Only scans of this status.",
)
VERDICT = Parameter(
    "verdict",
    "query",
    {"type": "string", "enum": [str(verdict) for verdict in Verdict if verdict != Verdict.OK]},
    "Only keys of this verdict; without it, all of them but the exempt ones.",
)
SEVERITY = Parameter(
    "severity",
    "query",
    {"type": "string", "enum": [str(severity) for severity in Severity]},
    "Only keys of this severity.",
)
USER_NAME = Parameter(
    "user_name", "query", USER_NAME_RULE, "Only this user's keys; the answer then says what became of the user."
)
KIND = Parameter(
    "kind",
    "query",
    {"type": "string", "enum": ["account", "organization"]},
    "Scans of the own account or of the organization; without it, what the stage scans.",
)
ACCOUNT_ID = Parameter(
    "account_id", "query", ACCOUNTS_RULE["items"], "Of a scan of an organization, what it found in this account."
)
OUTCOME = Parameter(
    "outcome", "query", {"type": "string", "enum": list(get_args(AccountOutcome))}, "Only accounts of this outcome."
)
PLAN_STATUS = Parameter(
    "status", "query", {"type": "string", "enum": ["due", "held"]}, "Only keys that are due, or only those held."
)
ACTION_ID = Parameter(
    "action_id",
    "path",
    {"type": "string", "pattern": f"^{ACTION_ID_PATTERN}$", "description": "the id of an action"},
    "The action's id, as GET /actions and the messages give it.",
    required=True,
)
FORMAT = Parameter(
    "format",
    "query",
    {"type": "string", "enum": [*REPORT_FORMATS, OCSF]},
    f"The format of the report; {OCSF} only where the stack parameter OcsfReport is on.",
    required=True,
)
LIMIT = Parameter(
    "limit",
    "query",
    {"type": "integer", "minimum": 1, "maximum": 100},
    f"How many at most; without it, {DEFAULT_LIMIT}.",
)
NEXT = Parameter(
    "next",
    "query",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,4128}$", "description": _NEXT_TAKES},
    "Goes on after an earlier answer with the same filters.",
)


def read_query(sent: Mapping[str, Sequence[str]], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Read a query string's parameters, each given once; InvalidParameterError for one that is refused or missing."""
    known = {parameter.name: parameter for parameter in parameters}
    for name, values in sent.items():
        if name not in known:
            taken = f"only {', '.join(known)}" if known else "none"
            raise InvalidParameterError("unknown query parameter", {name: values[-1]}, taken)
        if len(values) > 1:
            raise InvalidParameterError(name, list(values), "one value")
    for parameter in parameters:
        if parameter.required and parameter.name not in sent:
            check(parameter.name, None, parameter.rule, InvalidParameterError)
    return {name: _read(known[name], values[0]) for name, values in sent.items()}


def read_header(sent: Mapping[str, str], parameter: Parameter) -> str | None:
    """Read a header, None where it was not sent; InvalidParameterError for one that is refused."""
    value = sent.get(parameter.name)
    return None if value is None else _read(parameter, value)


def encode_next(position: str) -> str:
    """Make a `next` token, which can stand in a URL as it is."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_next(token: str) -> str:
    """Read a `next` token, "" for the beginning; InvalidParameterError for one that was made up."""
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise invalid_next(token) from error


def invalid_next(token: str) -> InvalidParameterError:
    """Return the error for a `next` token that leads nowhere."""
    return InvalidParameterError(NEXT.name, token, _NEXT_TAKES)


def require_kind(kind: str | None, kinds: Sequence[str]) -> Any:
    """Return a kind that a stage scans, None where none is asked for; InvalidParameterError for another one."""
    if kind is None or kind in kinds:
        return kind
    raise InvalidParameterError(KIND.name, kind, f"{kinds[0]}: this stage scans its own account alone")


def page_of(
    items: Sequence[_Item], wanted: Callable[[_Item], bool], filters: str, query: Mapping[str, Any], limit: int
) -> tuple[list[_Item], str | None]:
    """Return the first items that are wanted from the query's `next` on, and the token for those after them.

    A token is bound to `filters`; InvalidParameterError for one of others, or that was made up.
    """
    start = _position(query.get(NEXT.name, ""), filters, len(items))
    found = [(place, item) for place, item in enumerate(items) if place >= start and wanted(item)]
    after = encode_next(f"{found[limit][0]}{filters}") if len(found) > limit else None
    return [item for _, item in found[:limit]], after


def _position(token: str, filters: str, end: int) -> int:
    if not token:
        return 0
    position = decode_next(token).removesuffix(filters)
    if not re.fullmatch("[0-9]{1,9}", position, re.ASCII) or int(position) >= end:
        raise invalid_next(token)
    return int(position)


def _read(parameter: Parameter, text: str) -> Any:
    is_integer = parameter.rule["type"] == "integer" and re.fullmatch("-?[0-9]{1,9}", text, re.ASCII)
    return check(parameter.name, int(text) if is_integer else text, parameter.rule, InvalidParameterError)

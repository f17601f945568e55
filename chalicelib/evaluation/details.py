"""What IAM says of a user besides the keys: when each was used last, and tags, for the owner and exemptions. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.documents import Details, LastUse, Unknown
from chalicelib.instants import format_instant, parse_instant

# IAM knows of no use before: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html
RECORD_BEGAN = datetime(2015, 4, 22, tzinfo=UTC)
_NOT_ASKED = "the scan did not ask for the last use and the tags"
_ODD = "IAM described the last use or the tags in a way that cannot be read"


def read_details(answer: object, keys: int) -> tuple[Details, Sequence[LastUse]]:
    """Read what the state machine asked about a user with so many keys, and give each key's last use.

    `answer` is `{"last_used": [{"at", "service", "region"}, {} for never, "unknown"], "tags": [{"key", "value"}],
    "cause"}`, one last use for each key, in order; what is missing or odd in it is unknown. The exemption is left open.
    """
    if not isinstance(answer, Mapping) or not answer:
        return {"tags": "unknown", "exemption": None, "cause": _NOT_ASKED}, ["unknown"] * keys
    given = answer.get("last_used")
    last_uses: list[LastUse] = ["unknown"] * keys
    if isinstance(given, list) and len(given) == keys:
        last_uses = [_last_use(each) for each in given]
    tags = _tags(answer.get("tags"))
    cause = str(answer.get("cause") or "") or (_ODD if "unknown" in (*last_uses, tags) else None)
    return {"tags": tags, "exemption": None, "cause": cause}, last_uses


def precedes_record(created_at: str) -> bool:
    """Return whether a key was created before IAM began to record last uses."""
    return parse_instant(created_at) < RECORD_BEGAN


def _last_use(given: object) -> LastUse:
    match given:
        case {"at": str(at), "service": str(service), "region": str(region)}:
            try:
                return {"at": format_instant(parse_instant(at)), "service": service, "region": region}
            except ValueError:
                return "unknown"
        case dict() if not given:
            return None
    return "unknown"


def _tags(given: Any) -> dict[str, str] | Unknown:
    try:
        return {str(tag["key"]): str(tag["value"]) for tag in given}
    except (TypeError, KeyError):
        return "unknown"

"""When IAM says that each of a user's keys was used last. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from chalicelib.instants import format_instant, parse_instant
from chalicelib.key_documents import LastUse

# IAM knows of no use before: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html
RECORD_BEGAN = datetime(2015, 4, 22, tzinfo=UTC)
_NOT_ASKED = "the scan did not ask for the last use"
_ODD = "IAM described the last use in a way that cannot be read"


def read_last_uses(answer: object, keys: int) -> tuple[Sequence[LastUse], str | None]:
    """Read what the state machine asked about a user with so many keys: each key's last use, and why one is unknown.

    `answer` is `{"last_used": [{"at", "service", "region"}, {} for never, "unknown"], "cause"}`, one last use for each
    key, in order; what is missing or odd in it is unknown.
    """
    if not isinstance(answer, Mapping) or not answer:
        return ["unknown"] * keys, _NOT_ASKED
    given = answer.get("last_used")
    last_uses: list[LastUse] = ["unknown"] * keys
    if isinstance(given, list) and len(given) == keys:
        last_uses = [_last_use(each) for each in given]
    return last_uses, str(answer.get("cause") or "") or (_ODD if "unknown" in last_uses else None)


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

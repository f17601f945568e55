"""The sentences about who uses a key, by CloudTrail. Pure."""

from collections.abc import Iterator, Sequence

from chalicelib.evaluation.usage import KEPT_FOR
from chalicelib.key_documents import Seen, SeenFrom
from chalicelib.outputs.sentences import counted


def seen_from_in_words(seen: SeenFrom | None) -> list[str]:
    """Return in a sentence or two who uses a key, or why that is not known; nothing while UsageEvidence is off."""
    return [] if seen is None else list(_sentences(seen))


def _sentences(seen: SeenFrom) -> Iterator[str]:
    region, cause = seen["region"], f": {seen['cause']}".rstrip(".")
    match seen["status"]:
        case "seen":
            yield _who(seen)
            if seen["errors"]:
                yield f"Errors: {_joined(_numbered(seen['errors']))}."
        case "nothing":
            yield (
                f"CloudTrail has no management event of this key in {region} in the last {KEPT_FOR.days} days:"
                " what only reads or writes data, such as objects in S3, leaves none."
            )
        case "not_asked":
            yield f"CloudTrail was not asked who uses this key{cause}."
        case "throttled":
            yield f"CloudTrail in {region} was asked too often to say who uses this key{cause}."
        case "refused":
            yield f"CloudTrail in {region} refused to say who uses this key{cause}."
        case _:
            yield f"Who uses this key is unknown{cause}."


def _who(seen: SeenFrom) -> str:
    events = f"{'the latest ' if seen['more'] else ''}{counted(seen['events'], 'event')}"
    parts = {
        "from": _numbered(seen["addresses"], f" of {events}"),
        "by": [one["value"] for one in seen["user_agents"]],
        "doing": [one["value"] for one in seen["actions"]],
    }
    words = [f"{word} {_joined(values)}" for word, values in parts.items() if values] or [f"in {events}"]
    until = [f"until {seen['last_at'][:10]}"] if seen["last_at"] else []
    return f"Seen in {seen['region']} {', '.join(words + until)}."


def _numbered(values: Sequence[Seen], of: str = "") -> list[str]:
    return [f"{one['value']} ({one['events']}{'' if number else of})" for number, one in enumerate(values)]


def _joined(values: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(values[:-1]), values[-1])))

"""What to do with a key: a word and a sentence, from how it and the user's other keys are used. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.age import Verdict, parse_instant
from chalicelib.shapes import ACTIVE, JudgedKey, LastUsed

UNUSED_AFTER = timedelta(days=90)
_LEAVE_SOON = (Verdict.EXPIRED, Verdict.DUE_SOON)


class Advice(NamedTuple):
    """What to do with a key: in a word that programs know, and in a sentence for people."""

    action: str
    sentence: str
    safe_to_deactivate: bool = False


def advise(key: JudgedKey, others: Sequence[JudgedKey], known_at: datetime) -> Advice | None:
    """Say what to do with a key that has to go, given the user's other keys; None where their use is not known.

    `known_at` is when the last uses were known; a key used less than 90 days before is in use.
    """
    if key["status"] != ACTIVE:
        return Advice("delete", "Inactive already: delete it when nothing has missed it.")
    last_used = key.get("last_used", "unknown")
    if last_used == "unknown":
        return None
    if last_used is None or key["verdict"] == Verdict.UNUSED or not _in_use(last_used, known_at):
        return Advice("deactivate", _why_unused(key, last_used, known_at), safe_to_deactivate=True)
    successors = _successors(key, others)
    for successor in successors:
        used = successor.get("last_used", "unknown")
        if used and used != "unknown" and _in_use(used, known_at):
            return _finish_rotation(last_used, successor)
    if any(successor.get("last_used", "unknown") == "unknown" for successor in successors):
        return None
    return _rotate(last_used, successors, others)


def _why_unused(key: JudgedKey, last_used: LastUsed | None, known_at: datetime) -> str:
    if last_used is None:
        return f"Never used since it was created on {_date(key['created_at'])}: deactivate it."
    days = (known_at - parse_instant(last_used["at"])) // timedelta(days=1)
    return f"Not used for {days} days, last on {_when_and_where(last_used)}: deactivate it."


def _finish_rotation(last_used: LastUsed, successor: JudgedKey) -> Advice:
    in_use = f"Its successor {successor['access_key_id']} is in use"
    if parse_instant(last_used["at"]) < parse_instant(successor["created_at"]):
        since = f"before the successor was created on {_date(successor['created_at'])}"
        sentence = f"{in_use}, and this key was last used on {_when_and_where(last_used)}, {since}: deactivate it."
        return Advice("finish_rotation", sentence, safe_to_deactivate=True)
    then = "move that to the successor, then deactivate this one"
    next_ = ", and rotate the successor next" if successor["verdict"] == Verdict.EXPIRED else ""
    return Advice("finish_rotation", f"{in_use}, but so was this key on {_when_and_where(last_used)}: {then}{next_}.")


def _rotate(last_used: LastUsed, successors: Sequence[JudgedKey], others: Sequence[JudgedKey]) -> Advice:
    in_use = f"In use, last on {_when_and_where(last_used)}"
    idle = [successor for successor in successors if successor["verdict"] not in _LEAVE_SOON]
    if idle:
        to = f"its successor {idle[0]['access_key_id']} is not in use: move what uses this key to it"
        return Advice("rotate", f"{in_use}, and {to}, then deactivate this one.")
    room = "".join(f"once {other['access_key_id']} is deleted, " for other in others[:1])  # IAM takes two keys a user
    then = "create a successor, move what uses this key to it, then deactivate this one"
    return Advice("rotate", f"{in_use}: {room}{then}.")


def _successors(key: JudgedKey, others: Iterable[JudgedKey]) -> list[JudgedKey]:
    """Return the user's newer active keys, the newest first, but for those that are to be deactivated as unused."""
    created_at = parse_instant(key["created_at"])
    newer = [
        other
        for other in others
        if other["status"] == ACTIVE
        and other["verdict"] != Verdict.UNUSED
        and parse_instant(other["created_at"]) > created_at
    ]
    return sorted(newer, key=lambda other: parse_instant(other["created_at"]), reverse=True)


def _in_use(last_used: LastUsed, known_at: datetime) -> bool:
    return known_at - parse_instant(last_used["at"]) < UNUSED_AFTER


def _when_and_where(last_used: LastUsed) -> str:
    service, region = last_used["service"], last_used["region"]
    for_service = "" if service == "N/A" else f" for {service}"
    in_region = "" if region == "N/A" else f" in {region}"
    return f"{_date(last_used['at'])}{for_service}{in_region}"


def _date(instant: str) -> str:
    return instant[:10]

"""What to do with a key: a word and a sentence, from how it and the user's other keys are used. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from chalicelib.age import AgeRule, parse_instant
from chalicelib.shapes import JudgedKey, LastUsed

ACTIVE = "Active"
UNUSED_AFTER = timedelta(days=90)


class Advice(NamedTuple):
    """What to do with a key: in a word that programs know, and in a sentence for people."""

    action: str
    sentence: str


def advise(key: JudgedKey, others: Sequence[JudgedKey], rule: AgeRule) -> Advice | None:
    """Say what to do with a key that has to go, given the user's other keys; None where their use is not known."""
    if key["status"] != ACTIVE:
        return Advice("delete", "Inactive already: delete it when nothing has missed it.")
    last_used = key.get("last_used", "unknown")
    if last_used == "unknown":
        return None
    if last_used is None:
        return Advice("deactivate", f"Never used since it was created on {_date(key['created_at'])}: deactivate it.")
    if not _in_use(last_used, rule):
        days = (rule.as_of - parse_instant(last_used["at"])) // timedelta(days=1)
        return Advice("deactivate", f"Not used for {days} days, last on {_when_and_where(last_used)}: deactivate it.")
    return _advise_on_rotation(last_used, _newer_active_keys(key, others), rule)


def _advise_on_rotation(last_used: LastUsed, newer: Sequence[JudgedKey], rule: AgeRule) -> Advice | None:
    """Say what to do with a key that is in use, given its successors, the newest first."""
    for successor in newer:
        used = successor.get("last_used", "unknown")
        if used and used != "unknown" and _in_use(used, rule):
            return _finish_rotation(last_used, successor)
    if any(successor.get("last_used", "unknown") == "unknown" for successor in newer):
        return None
    in_use = f"In use, last on {_when_and_where(last_used)}"
    if newer:
        to = f"its successor {newer[0]['access_key_id']} is not in use yet: move what uses this key to it"
        return Advice("rotate", f"{in_use}, and {to}, then deactivate this one.")
    return Advice("rotate", f"{in_use}: create its successor, move what uses it there, then deactivate it.")


def _finish_rotation(last_used: LastUsed, successor: JudgedKey) -> Advice:
    in_use = f"Its successor {successor['access_key_id']} is in use"
    if parse_instant(last_used["at"]) < parse_instant(successor["created_at"]):
        since = f"before the successor was created on {_date(successor['created_at'])}"
        sentence = f"{in_use}, and this key was last used on {_when_and_where(last_used)}, {since}: deactivate it."
    else:
        then = "move that to the successor, then deactivate this one"
        sentence = f"{in_use}, but so was this key on {_when_and_where(last_used)}: {then}."
    return Advice("finish_rotation", sentence)


def _newer_active_keys(key: JudgedKey, others: Sequence[JudgedKey]) -> list[JudgedKey]:
    created_at = parse_instant(key["created_at"])
    newer = [other for other in others if other["status"] == ACTIVE and parse_instant(other["created_at"]) > created_at]
    return sorted(newer, key=lambda other: parse_instant(other["created_at"]), reverse=True)


def _in_use(last_used: LastUsed, rule: AgeRule) -> bool:
    at = parse_instant(last_used["at"])
    return rule.as_of - at < UNUSED_AFTER and not rule.is_unused(at, at)


def _when_and_where(last_used: LastUsed) -> str:
    service, region = last_used["service"], last_used["region"]
    for_service = "" if service == "N/A" else f" for {service}"
    in_region = "" if region == "N/A" else f" in {region}"
    return f"{_date(last_used['at'])}{for_service}{in_region}"


def _date(instant: str) -> str:
    return instant[:10]

"""What to do with a key: a word and a sentence, from how it and the user's other keys are used. Pure."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from chalicelib.age import AgeRule, Verdict, parse_instant
from chalicelib.shapes import ACTIVE, JudgedKey, LastUse, LastUsed

UNUSED_AFTER = timedelta(days=90)
_LEAVE_SOON = (Verdict.EXPIRED, Verdict.DUE_SOON)


class Advice(NamedTuple):
    """What to do with a key: in a word that programs know, and in a sentence for people."""

    action: str
    sentence: str
    safe_to_deactivate: bool | None = False


def advise(key: JudgedKey, others: Sequence[JudgedKey], rule: AgeRule) -> Advice | None:
    """Say what to do with a key that has to go, given the user's other keys; None where their use is not known.

    The rule is the one by which last uses are judged: a key is in use when it was used less than 90 days before,
    and, where the policy has a shorter time, in that.
    """
    last_used = key.get("last_used", "unknown")
    if key["status"] != ACTIVE:
        return Advice("delete", f"Inactive already{_last_use(last_used)}: delete it when nothing has missed it.", None)
    if last_used == "unknown":
        return None
    if last_used is None or not _in_use(last_used, rule):
        return Advice("deactivate", _why_unused(key, last_used, rule), safe_to_deactivate=True)
    successors = _successors(key, others)
    for successor in successors:
        used = successor.get("last_used", "unknown")
        if used and used != "unknown" and _in_use(used, rule):
            return _finish_rotation(last_used, successor)
    if any(successor.get("last_used", "unknown") == "unknown" for successor in successors):
        return None
    return _rotate(last_used, successors, others, rule)


def _why_unused(key: JudgedKey, last_used: LastUsed | None, rule: AgeRule) -> str:
    if last_used is None:
        return f"Never used since it was created on {_date(key['created_at'])}: deactivate it."
    days = (rule.as_of - parse_instant(last_used["at"])) // timedelta(days=1)
    return f"Not used for {days} days, last on {_when_and_where(last_used)}: deactivate it."


def _finish_rotation(last_used: LastUsed, successor: JudgedKey) -> Advice:
    in_use = f"Its successor {successor['access_key_id']} is in use"
    used_at, created_at = last_used["at"], successor["created_at"]
    if parse_instant(used_at) < parse_instant(created_at):
        same_day = _date(used_at) == _date(created_at)
        used = _when_and_where(last_used, to_the_second=same_day)
        since = f"before the successor was created on {f'{created_at[:19]}Z' if same_day else _date(created_at)}"
        sentence = f"{in_use}, and this key was last used on {used}, {since}: deactivate it."
        return Advice("finish_rotation", sentence, safe_to_deactivate=True)
    then = "move that to the successor, then deactivate this one"
    next_ = ", and rotate the successor next" if successor["verdict"] == Verdict.EXPIRED else ""
    return Advice("finish_rotation", f"{in_use}, but so was this key on {_when_and_where(last_used)}: {then}{next_}.")


def _rotate(last_used: LastUsed, successors: Sequence[JudgedKey], others: Sequence[JudgedKey], rule: AgeRule) -> Advice:
    in_use = f"In use, last on {_when_and_where(last_used)}"
    idle = [successor for successor in successors if successor["verdict"] not in _LEAVE_SOON]
    if idle:
        to = f"its successor {idle[0]['access_key_id']} is not in use: move what uses this key to it"
        return Advice("rotate", f"{in_use}, and {to}, then deactivate this one.")
    room = "".join(
        f"once {other['access_key_id']}{_why_it_can_go(other, rule)} is deleted, for IAM takes two keys a user, "
        for other in others[:1]
    )
    then = "create a successor, move what uses this key to it, then deactivate this one"
    return Advice("rotate", f"{in_use}: {room}{then}.")


def _why_it_can_go(key: JudgedKey, rule: AgeRule) -> str:
    last_used = key.get("last_used", "unknown")
    if key["status"] != ACTIVE:
        return " (inactive)"
    if last_used is None or (last_used != "unknown" and not _in_use(last_used, rule)):
        return " (not in use)"
    return ""


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


def _in_use(last_used: LastUsed, rule: AgeRule) -> bool:
    at = parse_instant(last_used["at"])
    return rule.as_of - at < UNUSED_AFTER and not rule.is_unused(at, at)


def _last_use(last_used: LastUse) -> str:
    if last_used is None:
        return " and never used"
    return "" if isinstance(last_used, str) else f", last used on {_when_and_where(last_used)}"


def _when_and_where(last_used: LastUsed, to_the_second: bool = False) -> str:
    service, region = last_used["service"], last_used["region"]
    for_service = "" if service == "N/A" else f" for {service}"
    in_region = "" if region == "N/A" else f" in {region}"
    when = f"{last_used['at'][:19]}Z" if to_the_second else _date(last_used["at"])
    return f"{when}{for_service}{in_region}"


def _date(instant: str) -> str:
    return instant[:10]

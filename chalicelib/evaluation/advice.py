"""What to do with a key: a word and a sentence, from how it and the user's other keys are used. Pure.

All of it is judged by the instant of the rule of last uses: today, or the scan's `as_of` where that is past. The keys'
verdicts, made by another rule, play no part.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.age import AgeRule, Verdict
from chalicelib.evaluation.details import RECORD_BEGAN, precedes_record
from chalicelib.instants import parse_instant
from chalicelib.key_documents import ACTIVE, JudgedKey, LastUsed

UNUSED_AFTER = timedelta(days=90)
_NO_USE_ON_RECORD = f"no use is on record since IAM began to keep one on {RECORD_BEGAN:%Y-%m-%d}"
LEAKED = "A key of its user leaked: deactivate this one now, even if something stops, and give its owner a new one."
_TWO_KEYS = "for IAM takes two keys a user"


class Advice(NamedTuple):
    """What to do with a key: in a word that programs know, and in a sentence for people."""

    action: str
    sentence: str
    safe_to_deactivate: bool | None = False


def advise(key: JudgedKey, others: Sequence[JudgedKey], rule: AgeRule) -> Advice | None:
    """Return what to do with a key that has to go, given the user's other keys; None where their use is not known.

    The rule is the one by which last uses are judged: a key is in use when it was used less than 90 days before,
    and, where the policy has a shorter time, in that. A key that was created in that time and never used is new: it
    is not unused, but waits for its first use.
    """
    last_used = key.get("last_used", "unknown")
    if key["status"] != ACTIVE:
        return Advice("delete", f"{key['status']} already{_last_use(key)}: delete it when nothing has missed it.", None)
    if last_used == "unknown":
        return None
    if _is_new(key, rule):
        return _put_to_use(key, others, rule)
    if last_used is None or not _is_in_use(key, rule):
        return Advice("deactivate", _why_unused(key, last_used, rule), safe_to_deactivate=True)
    return _replace(key, last_used, others, rule)


def advise_on_leak(key: JudgedKey, others: Sequence[JudgedKey], rule: AgeRule) -> Advice | None:
    """Return what to do with a key whose user AWS quarantined: whatever its use, an active one has to go now."""
    usual = advise(key, others, rule)
    if key["status"] != ACTIVE:
        return usual
    return Advice("deactivate", LEAKED, usual is not None and usual.safe_to_deactivate)


def is_dormant(key: JudgedKey, rule: AgeRule) -> bool:
    """Return whether an active key is known not to have been used for 90 days, or never in 90 days of its life."""
    last_used = key.get("last_used", "unknown")
    if isinstance(last_used, str) or key["status"] != ACTIVE:
        return False
    return rule.as_of - (parse_instant(last_used["at"]) if last_used else _created(key)) >= UNUSED_AFTER


def _replace(key: JudgedKey, last_used: LastUsed, others: Sequence[JudgedKey], rule: AgeRule) -> Advice | None:
    """Return what to do with a key that is in use."""
    successors = _successors(key, others, rule)
    for successor in successors:
        if _is_in_use(successor, rule):
            return _finish_rotation(last_used, successor, rule)
    if not all(_is_new(successor, rule) for successor in successors):  # the use of one is unknown
        return None
    return _rotate(last_used, successors, others, rule)


def _why_unused(key: JudgedKey, last_used: LastUsed | None, rule: AgeRule) -> str:
    if last_used is None and precedes_record(key["created_at"]):
        return f"{_NO_USE_ON_RECORD.replace('no use', 'No use', 1)}: deactivate it."
    if last_used is None:
        return f"Never used since it was created on {_date(key['created_at'])}: deactivate it."
    days = (rule.as_of - parse_instant(last_used["at"])) // timedelta(days=1)
    return f"Not used for {days} days, last on {_when_and_where(last_used)}: deactivate it."


def _put_to_use(key: JudgedKey, others: Sequence[JudgedKey], rule: AgeRule) -> Advice:
    """Return what to do with a new key: it may be the successor in a rotation that goes on, so it is never "unused"."""
    created = f"Not used yet: it was created on {_date(key['created_at'])}"
    newer, older = _successors(key, others, rule), _older(key, others)
    action = "finish_rotation" if older else "rotate"
    if newer:
        after_it = f"{created}, and {newer[0]['access_key_id']} after it"
        return Advice(action, f"{after_it}. Deactivate this one if nobody needs it.")
    if not older:
        return Advice(action, f"{created}. Put it to use and rotate it in time, or deactivate it if nobody needs it.")
    used = [other for other in older if _is_in_use(other, rule)]
    unknown = [other for other in older if other.get("last_used", "unknown") == "unknown"]
    for before in (used or unknown)[:1]:
        then = "Move what uses that key to this one, then deactivate that one."
        smtp = _about_smtp(before.get("last_used", "unknown"))
        return Advice(action, f"{created}, as the successor of {before['access_key_id']}. {then}{smtp}")
    successor = f"as the successor of {older[0]['access_key_id']}, which is not in use"
    return Advice(action, f"{created}, {successor}. Put this one to use, or deactivate it if nobody needs it.")


def _finish_rotation(last_used: LastUsed, successor: JudgedKey, rule: AgeRule) -> Advice:
    in_use = f"Its successor {successor['access_key_id']} is in use"
    used_at, created_at = last_used["at"], successor["created_at"]
    if parse_instant(used_at) < parse_instant(created_at):
        same_day = _date(used_at) == _date(created_at)
        used = _when_and_where(last_used, to_the_second=same_day)
        since = f"before the successor was created on {f'{created_at[:19]}Z' if same_day else _date(created_at)}"
        sentence = f"{in_use}, and this key was last used on {used}, {since}: deactivate it."
        return Advice("finish_rotation", sentence, safe_to_deactivate=True)
    then = "move that to the successor, then deactivate this one"
    next_ = ", and rotate the successor next" if rule.verdict(parse_instant(created_at)) is Verdict.EXPIRED else ""
    so_was = f"{in_use}, but so was this key on {_when_and_where(last_used)}"
    return Advice("finish_rotation", f"{so_was}: {then}{next_}.{_about_smtp(last_used)}")


def _rotate(last_used: LastUsed, new_keys: Sequence[JudgedKey], others: Sequence[JudgedKey], rule: AgeRule) -> Advice:
    in_use, smtp = f"In use, last on {_when_and_where(last_used)}", _about_smtp(last_used)
    if new_keys:
        to = f"its successor {new_keys[0]['access_key_id']} is not in use: move what uses this key to it"
        return Advice("rotate", f"{in_use}, and {to}, then deactivate this one.{smtp}")
    then = "create a successor, move what uses this key to it, then deactivate this one"
    return Advice("rotate", f"{in_use}: {_room(others, rule)}{then}.{smtp}")


def _room(others: Sequence[JudgedKey], rule: AgeRule) -> str:
    """Return what has to be deleted before a successor can be created; nothing if the user has no other key.

    A new key is never named, and one that may be in use only where it is all that can go.
    """
    if not others:
        return ""
    to_delete = [f"{other['access_key_id']} ({why})" for other in others if (why := _why_it_can_go(other, rule))]
    if to_delete:
        named = " and ".join(filter(None, (", ".join(to_delete[:-1]), to_delete[-1])))
        return f"once {named} {'is' if len(to_delete) == 1 else 'are'} deleted, {_TWO_KEYS}, "
    if len(others) == 1 and not _is_new(others[0], rule):
        use_unknown = " (use unknown)" if others[0].get("last_used", "unknown") == "unknown" else ""
        return f"once {others[0]['access_key_id']}{use_unknown} is deleted, {_TWO_KEYS}, "
    return f"once there is room, {_TWO_KEYS}, "


def _why_it_can_go(key: JudgedKey, rule: AgeRule) -> str:
    if key["status"] != ACTIVE:
        return "inactive"
    return "not in use" if _is_unused(key, rule) else ""


def _successors(key: JudgedKey, others: Iterable[JudgedKey], rule: AgeRule) -> list[JudgedKey]:
    """Return the user's newer active keys, the newest first, but for those that are to be deactivated as unused."""
    newer = [
        other
        for other in others
        if other["status"] == ACTIVE and _order(other) > _order(key) and not _is_unused(other, rule)
    ]
    return sorted(newer, key=_order, reverse=True)


def _older(key: JudgedKey, others: Iterable[JudgedKey]) -> list[JudgedKey]:
    """Return the user's older active keys, the newest first."""
    older = [other for other in others if other["status"] == ACTIVE and _order(other) < _order(key)]
    return sorted(older, key=_order, reverse=True)


def _is_in_use(key: JudgedKey, rule: AgeRule) -> bool:
    last_used = key.get("last_used", "unknown")
    return isinstance(last_used, dict) and _is_recent(parse_instant(last_used["at"]), rule)


def _is_new(key: JudgedKey, rule: AgeRule) -> bool:
    return key.get("last_used", "unknown") is None and _is_recent(_created(key), rule)


def _is_unused(key: JudgedKey, rule: AgeRule) -> bool:
    known = key.get("last_used", "unknown") != "unknown"
    return known and not _is_in_use(key, rule) and not _is_new(key, rule)


def _is_recent(at: datetime, rule: AgeRule) -> bool:
    return rule.as_of - at < UNUSED_AFTER and not rule.is_unused(at, at)


def _order(key: JudgedKey) -> tuple[datetime, str]:
    """Return what keys are ordered by: of two created in the same second, one has to be the successor."""
    return _created(key), key["access_key_id"]


def _created(key: JudgedKey) -> datetime:
    return parse_instant(key["created_at"])


def _about_smtp(last_used: LastUsed | str | None) -> str:
    """Return what rotating the key of an SMTP user of SES takes besides; nothing for other services."""
    # https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
    if not isinstance(last_used, dict) or last_used["service"].lower() not in ("ses", "ses-smtp"):
        return ""
    if_so = "The" if last_used["service"].lower() == "ses-smtp" else "If it is used for SMTP, the"
    region = "the same Region" if last_used["region"] == "N/A" else last_used["region"]
    derive = f"derive it anew from the new secret for {region}, or create new SMTP credentials in SES"
    return f" {if_so} SMTP password of SES is derived from the secret access key and the Region: {derive}."


def _last_use(key: JudgedKey) -> str:
    last_used = key.get("last_used", "unknown")
    if last_used is None:
        return f", and {_NO_USE_ON_RECORD}" if precedes_record(key["created_at"]) else " and never used"
    return "" if isinstance(last_used, str) else f", last used on {_when_and_where(last_used)}"


def _when_and_where(last_used: LastUsed, to_the_second: bool = False) -> str:
    service, region = last_used["service"], last_used["region"]
    for_service = "" if service == "N/A" else f" for {service}"
    in_region = "" if region == "N/A" else f" in {region}"
    when = f"{last_used['at'][:19]}Z" if to_the_second else _date(last_used["at"])
    return f"{when}{for_service}{in_region}"


def _date(instant: str) -> str:
    return instant[:10]

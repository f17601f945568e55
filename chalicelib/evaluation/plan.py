"""Which keys of a full scan are to be deactivated, when, and what keeps the others from it. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib.age import Verdict
from chalicelib.deactivation_documents import (
    ALLOWED_TAG,
    PROTECTED_TAG,
    Action,
    HeldBy,
    Hold,
    Plan,
    PlannedKey,
    Told,
)
from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from chalicelib.documents import Report
from chalicelib.evaluation.advice import UNUSED_AFTER
from chalicelib.instants import SCANS_BEGIN_WITHIN, format_instant, parse_instant
from chalicelib.key_documents import ACTIVE, Finding

# By these, a notice goes on: a key that is used while people are told of it leaves the plan by its advice.
_PASSING = ("unknown_details", "used_recently")
_DAY = timedelta(days=1)
_KEY_ID = re.compile("[A-Za-z0-9_]{1,128}", re.ASCII)
_OTHER_POLICY = "No key is planned by this scan: its policy is not the stage's."
_SUPERSEDED = "No key is planned by this scan: a later full scan is on record already."


def read_told(last: Mapping[str, Any], settings: DeactivationSettings, told_at: datetime) -> dict[str, Told]:
    """Return since when people have been told that keys will be deactivated, by access key id, by the last report.

    What the last report announced first was told at `told_at`, when its message had been sent. What it announced counts
    unless keys now go that would not have, or sooner, or without the approval that was to come. Nothing is returned of
    a plan that is damaged: whoever may write to the bucket may have put anything into the last report.
    """
    try:
        plan, as_of = last["plan"], parse_instant(last["as_of"])
        only_would, asked_first = plan["mode"] == "plan", plan["approval"] == "required"
        if (only_would and settings.mode == "apply") or (asked_first and not settings.needs_approval):
            return {}
        if plan["after_days"] > settings.after_days:
            return {}
        planned = {one["access_key_id"]: one.get("plan") for one in (*last["findings"], *last["exempt"])}
        told = {**plan["told"], **{key_id: key for key_id, key in planned.items() if key and key["told_since"]}}
        return {key_id: _read_told(key_id, key, as_of, max(as_of, told_at)) for key_id, key in told.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _read_told(key_id: str, told: Mapping[str, Any], as_of: datetime, told_at: datetime) -> Told:
    """Read what was told of a key; raise ValueError for what no report has."""
    told_since = parse_instant(told["told_since"])
    due_since = None if told["due_since"] is None else parse_instant(told["due_since"])
    if not _KEY_ID.fullmatch(key_id) or not told_since <= (due_since or told_since) <= told_at:
        raise ValueError("not what a report has")
    if told_since == as_of:
        told_since, due_since = told_at, due_since and told_at
    return {"told_since": format_instant(told_since), "due_since": format_instant(due_since) if due_since else None}


def find_candidates(report: Report, settings: DeactivationSettings, stage_policy: Mapping[str, Any]) -> list[Finding]:
    """Return the findings that a report's plan is to have: none unless its scan is a full one by the stage's policy."""
    if report["scan_kind"] != "full" or _why_none(report, stage_policy):
        return []
    as_of = parse_instant(report["as_of"])
    found = (*report["findings"], *report["exempt"])
    return [finding for finding in found if holds_of(finding, settings, as_of, None) is not None]


def add_plan(
    report: Report,
    settings: DeactivationSettings,
    stage_policy: Mapping[str, Any],
    told: Mapping[str, Told],
    actions: Mapping[str, Action],
) -> None:
    """Add to a full scan's report its plan, and to each finding that could be deactivated when, or why not.

    `told` is what `read_told` returns; `actions` are the last actions of the account's keys, by access key id.
    """
    if report["scan_kind"] != "full":
        return
    plan = report["plan"] = _empty_plan(settings)
    plan["note"] = _why_none(report, stage_policy)
    plan["told"] = {**told} if plan["note"] else {}
    as_of = parse_instant(report["as_of"])
    for finding in find_candidates(report, settings, stage_policy):
        key_id = finding["access_key_id"]
        holds = holds_of(finding, settings, as_of, actions.get(key_id)) or []
        key = finding["plan"] = _plan_key(finding, holds, settings, as_of, told.get(key_id))
        plan[key["status"]] += 1
        plan["waiting"] += key["status"] == "held" and key["due_on"] is not None
        plan["newly_told"] += key["told_since"] == format_instant(as_of)
        plan["newly_due"] += key["due_since"] == format_instant(as_of)


def add_actions(report: Report, actions: list[Action]) -> None:
    """Add its account's actions since the last full scan to a report, and to the keys that they resolved by whom.

    A key that was deleted after it was deactivated, somebody else deleted. One that has a successor may be inactive.
    """
    report["actions"] = actions
    deactivated = {action["access_key_id"]: action for action in actions if _stands(action)}
    changes = report["changes"]
    for key in (*changes["resolved"], *changes["resolved_early"]) if changes else ():
        action = deactivated.get(key["access_key_id"])
        is_inactive = key["how"] == "deactivated" or key["access_key_id"] in report["inactive_overdue"]
        if action and is_inactive and key["how"] in ("deactivated", "rotated"):
            key["how"], key["action_id"], key["by"] = "deactivated", action["action_id"], action["approved_by"]


def _stands(action: Action) -> bool:
    return action["state"] == "done" and not (action["undo"] and action["undo"]["state"] == "done")


def _why_none(report: Report, stage_policy: Mapping[str, Any]) -> str | None:
    if report["changes"] and report["changes"]["superseded"]:
        return _SUPERSEDED
    return None if report["policy"] == stage_policy else _OTHER_POLICY


def _empty_plan(settings: DeactivationSettings) -> Plan:
    return {
        "mode": settings.mode,
        "approval": "required" if settings.needs_approval else "none",
        "after_days": settings.after_days,
        "weekdays": list(settings.weekdays),
        "scope": "tagged" if settings.tagged_only else "all",
        "user_path": settings.user_path,
        "max_per_scan": settings.max_per_scan,
        "due": 0,
        "held": 0,
        "waiting": 0,
        "newly_told": 0,
        "newly_due": 0,
        "note": None,
        "told": {},
    }


def _plan_key(
    finding: Finding, holds: list[Hold], settings: DeactivationSettings, as_of: datetime, told: Told | None
) -> PlannedKey:
    """Plan a key that is held by these besides time; `told` is what people were told of it before."""
    lasting, idle_since = any(hold["by"] not in _PASSING for hold in holds), _idle_since(finding)
    if lasting or idle_since is None or any(hold["by"] == "unknown_details" for hold in holds):
        told_since, due_since = (None, None) if lasting or not told else (told["told_since"], told["due_since"])
        return {"status": "held", "told_since": told_since, "due_since": due_since, "due_on": None, "holds": holds}
    if told is None or parse_instant(told["told_since"]) < idle_since:  # who was told has used it
        told = {"told_since": format_instant(as_of), "due_since": None}
    told_since_then = parse_instant(told["told_since"])
    waits = [*holds, *waits_of(told_since_then, settings, as_of)]
    due_on = max(
        _due_on(told_since_then, settings.after_days, settings), _due_on(idle_since, _idle(settings), settings)
    )
    return {
        "status": "held" if waits else "due",
        "told_since": told["told_since"],
        "due_since": told["due_since"] or (None if waits else format_instant(as_of)),
        "due_on": due_on.isoformat(),
        "holds": waits,
    }


def waits_of(told_since: datetime, settings: DeactivationSettings, as_of: datetime) -> Iterator[Hold]:
    """Yield for what a key waits that nothing else holds; the check right before a deactivation asks the same."""
    until = told_since + settings.after_days * _DAY
    if as_of + SCANS_BEGIN_WITHIN < until or as_of.date() < until.date():  # the day is what people were told
        yield _hold("told_recently", f"It was announced on {told_since:%Y-%m-%d}, {_less_than(settings.after_days)}.")
    if WEEKDAYS[as_of.weekday()] not in settings.weekdays:
        yield _hold("weekday", f"Keys are deactivated on {', '.join(settings.weekdays)} alone (UTC).")


def _idle(settings: DeactivationSettings) -> int:
    """Return for how many days a key must not have been used."""
    return max(settings.after_days, 1)


def _due_on(since: datetime, days: int, settings: DeactivationSettings) -> date:
    """Return the first approved day so many days after an instant, or later."""
    day = (since + days * _DAY).date()
    return next(on for on in (day + after * _DAY for after in range(7)) if WEEKDAYS[on.weekday()] in settings.weekdays)


def holds_of(
    finding: Finding, settings: DeactivationSettings, now: datetime, earlier: Action | None
) -> list[Hold] | None:
    """Return what keeps a finding from being deactivated now besides time, None where nothing speaks for it.

    The check right before a deactivation asks the same. `earlier` is the last action of this key.
    """
    if finding["status"] != ACTIVE or not _could_go(finding, now):
        return None
    return [
        *_holds_of_exemption(finding),
        *holds_of_user(finding, settings),
        *_holds_of_use(finding, settings, now),
        *_holds_of_action(earlier),
    ]


def _could_go(finding: Finding, now: datetime) -> bool:
    """Return whether a key is to be deactivated by its verdict and its advice, or may be by what is unknown of it."""
    if finding.get("exempt_from", finding["verdict"]) not in (Verdict.EXPIRED, Verdict.UNUSED):
        return False
    idle_since = _idle_since(finding)
    if finding["verdict"] == Verdict.EXEMPT:
        return idle_since is not None and now - idle_since >= UNUSED_AFTER
    if idle_since is None or finding["tags"] == "unknown":
        return True
    return finding["advice"] in ("deactivate", "finish_rotation") and finding["safe_to_deactivate"] is True


def _idle_since(finding: Finding) -> datetime | None:
    """Return a key's last use, or its creation where it was never used; None where that is unknown."""
    last_used = finding["last_used"]
    if isinstance(last_used, str):
        return None
    return parse_instant(last_used["at"] if last_used else finding["created_at"])


def _holds_of_exemption(finding: Finding) -> Iterator[Hold]:
    if finding["verdict"] == Verdict.EXEMPT:
        until = finding["exemption"] and finding["exemption"]["until"]
        yield _hold("exempt", f"Its user is exempt until {until}.")


def holds_of_user(user: Mapping[str, Any], settings: DeactivationSettings) -> Iterator[Hold]:
    """Yield what keeps all keys of a user as they are, by `user_path` and `tags`; an undo asks the same."""
    path, tags = user["user_path"], user["tags"]
    if path is not None and not path.startswith(settings.user_path):
        yield _hold("not_in_scope", f"Its user's path, {path}, does not begin with {settings.user_path}.")
    if isinstance(tags, str):
        yield _hold("unknown_details", f"Its user's tags are unknown, and so is whether one is {PROTECTED_TAG}.")
        return
    if path is None and settings.user_path != "/":
        yield _hold("unknown_details", f"Its user's path is unknown, and so is whether it begins {settings.user_path}.")
    if any(name.lower() == PROTECTED_TAG for name in tags):
        yield _hold("protected", f"Its user has the tag {PROTECTED_TAG}.")
    if settings.tagged_only and "true" not in (tags[name] for name in tags if name.lower() == ALLOWED_TAG):
        yield _hold("not_in_scope", f"Its user does not have the tag {ALLOWED_TAG} with the value true.")


def _holds_of_use(finding: Finding, settings: DeactivationSettings, now: datetime) -> Iterator[Hold]:
    idle_since, days = _idle_since(finding), _idle(settings)
    if idle_since is None:
        yield _hold("unknown_details", "When it was last used is unknown.")
    elif now - idle_since < days * _DAY:
        what = "used" if finding["last_used"] else "created"
        yield _hold("used_recently", f"It was {what} on {idle_since:%Y-%m-%d}, {_less_than(days)}.")


def _holds_of_action(earlier: Action | None) -> Iterator[Hold]:
    if earlier is None or earlier["state"] == "failed":
        return
    on, undo = earlier["intended_at"][:10], earlier["undo"]
    if earlier["state"] != "done":
        what = f"It was to be deactivated on {on}, and what became of that is unknown"
    elif undo:
        what = f"It was deactivated on {on}, and {undo['by']} asked for it to be active again"
    else:
        what = f"It was deactivated on {on}, and somebody activated it again"
    yield _hold("acted_before", f"{what}: a key is deactivated once at most.")


def _hold(by: HeldBy, in_words: str) -> Hold:
    return {"by": by, "in_words": in_words}


def _less_than(days: int) -> str:
    return f"less than {'a day' if days == 1 else f'{days} days'} ago"

"""The sentences about which keys are to be deactivated, when, and what keeps the others from it. Pure."""

from collections.abc import Iterator

from chalicelib.deactivation_documents import ALLOWED_TAG, PROTECTED_TAG, Plan, PlannedKey
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.sentences import counted

PROTECT = f"aws iam tag-user --user-name USER --tags Key={PROTECTED_TAG},Value=yes"
_PLAN_ALONE = "(Deactivation=plan changes nothing)"
# By what keys are deactivated by, as `_way` has it: of a key that is due, of one that will be, and in a title.
_DUE = {
    "plan": f"Due: would be deactivated now at the earliest {_PLAN_ALONE}.",
    "required": "Due: can be deactivated now, once approved.",
    "none": "Due: will be deactivated after this scan unless it is used.",
    "in_turn": "Due: will be deactivated after this scan or a later one, at most {most} a scan, unless it is used.",
}
_LATER = {
    "plan": f"Would be deactivated on {{day}} at the earliest {_PLAN_ALONE}.",
    "required": "Can be deactivated from {day}, once approved.",
    "none": "Will be deactivated on {day} or later, unless it is used.",
}
_TITLES = {
    "plan": f"WOULD BE DEACTIVATED NOW AT THE EARLIEST {_PLAN_ALONE}",
    "required": "CAN BE DEACTIVATED NOW, once approved",
    "none": "WILL BE DEACTIVATED AFTER THIS SCAN, unless used",
    "in_turn": "WILL BE DEACTIVATED AFTER THIS SCAN OR LATER, at most {most} a scan, unless used",
}


def _way(plan: Plan) -> str:
    return "plan" if plan["mode"] == "plan" else plan["approval"]


def _turn(plan: Plan) -> str:
    """Return by what keys that are due are deactivated; `in_turn`, where that is not all of them after this scan."""
    way = _way(plan)
    return "in_turn" if way == "none" and plan["due"] > plan["max_per_scan"] else way


def plan_lines(report: AnyReport) -> Iterator[str]:
    """Yield how many keys are due, wait or are held, and what happens to those that are due; nothing without a plan."""
    if plan := report.get("plan"):
        if plan["note"]:
            yield f"Deactivation: {plan['note'][0].lower()}{plan['note'][1:]}"
            return
        waiting = plan["waiting"]
        wait = f"{waiting} {'waits for its' if waiting == 1 else 'wait for their'} day"
        counts = f"Deactivation: {counted(plan['due'], 'key')} due, {wait}, {plan['held'] - waiting} held"
        news = {"newly due": plan["newly_due"], "announced for the first time": plan["newly_told"]}
        new = ", ".join(f"{number} {words}" for words, number in news.items() if number)
        yield f"{counts}; {new}." if new else f"{counts}."
        would = "Nothing is changed by Deactivation=plan. With apply, keys that are due would be deactivated"
        what = would if plan["mode"] == "plan" else "Keys that are due are deactivated"
        after = "once somebody approves them" if plan["approval"] == "required" else "after each full scan"
        yield f"{what} {after}, at most {plan['max_per_scan']} a scan."


def plan_terms(plan: Plan) -> str:
    """Return which keys a plan may have, and when."""
    tagged = f" with the tag {ALLOWED_TAG}=true" if plan["scope"] == "tagged" else ""
    path = f" below {plan['user_path']}" if plan["user_path"] != "/" else ""
    whose = f"{'' if tagged or path else 'all '}users{tagged}{path}"
    notice = f"{counted(plan['after_days'], 'day')} after they were announced" if plan["after_days"] else "at once"
    return f"Keys of {whose} are due {notice}, on {', '.join(plan['weekdays'])} (UTC)."


def planned_lines(finding: Finding, report: AnyReport, *, brief: bool = False) -> Iterator[str]:
    """Yield when a key is to be deactivated, or what keeps it from that; nothing of most keys that are not planned.

    Where `brief`, there is nothing in it that others wrote, and nothing of a key that is not planned.
    """
    if (key := finding.get("plan")) and (plan := report.get("plan")):
        if key["status"] == "due":
            yield _DUE[_turn(plan)].format(most=plan["max_per_scan"])
        elif day := _later(key, report["as_of"]):
            yield _LATER[_way(plan)].format(day=day)
        else:
            words = ", ".join(hold["by"].replace("_", " ") for hold in key["holds"])
            yield f"{_why_not(key)}: {words}." if brief else f"{_why_not(key)}: {held_because(key)}"
    elif not brief and _is_left_out_by_use(finding, report):
        yield "Not planned: it is in use."


def announced_to_owner(finding: Finding, as_of: str) -> Iterator[str]:
    """Yield when a key is deactivated, for its owner, who does not approve it; nothing of one that something holds."""
    if key := finding.get("plan"):
        if key["status"] == "due":
            yield "to be deactivated any time now, unless it is used"
        elif day := _later(key, as_of):
            yield f"to be deactivated on {day} or later, unless it is used"
        elif _waits(key):
            yield "to be deactivated on one of the next days, unless it is used"


def held_because(key: PlannedKey) -> str:
    """Return all that keeps a key from being deactivated now."""
    return " ".join(hold["in_words"] for hold in key["holds"])


def planned_in_short(finding: Finding, as_of: str) -> str:
    """Return in a word when a key is to be deactivated; "" of a key that is not planned."""
    key = finding.get("plan")
    if not key:
        return ""
    return "due" if key["status"] == "due" else _later(key, as_of) or _why_not(key).lower()


def _why_not(key: PlannedKey) -> str:
    return "Waits" if _waits(key) else "Held"


def _waits(key: PlannedKey) -> bool:
    """Return whether nothing but time keeps a key from being due."""
    return key["status"] == "held" and key["due_on"] is not None


def _later(key: PlannedKey, as_of: str) -> str | None:
    """Return the day on which a key is to be deactivated, where that is to come and nothing but time is missing."""
    return key["due_on"] if key["status"] == "held" and key["due_on"] and key["due_on"] > as_of[:10] else None


def _is_left_out_by_use(finding: Finding, report: AnyReport) -> bool:
    """Return whether a key that is to go by its advice is not planned because it is in use, as a leaked one may be."""
    plan, is_late = report.get("plan"), finding["verdict"] in ("expired", "unused")
    if not plan or plan["note"] or not is_late or finding["advice"] not in ("deactivate", "finish_rotation"):
        return False
    return finding["safe_to_deactivate"] is False and isinstance(finding["last_used"], dict)


def planned_keys(report: AnyReport) -> list[Finding]:
    """Return the keys of a report's plan: those that are due, then those that will be, then the others."""
    exempt = [] if "accounts" in report else report["exempt"]
    planned = [finding for finding in [*report["findings"], *exempt] if "plan" in finding]
    return sorted(planned, key=lambda one: (one["plan"]["status"] != "due", one["plan"]["due_on"] or "later"))


def due_keys(report: AnyReport) -> list[Finding]:
    """Return the keys that are due."""
    return [finding for finding in planned_keys(report) if finding["plan"]["status"] == "due"]


def due_in_short(report: AnyReport) -> tuple[str, str]:
    """Return how many keys are to be approved, or will be deactivated after the scan, in two wordings for a subject."""
    if not (plan := report.get("plan")) or not plan["due"] or _way(plan) == "plan":
        return "", ""
    if _way(plan) == "required":
        return f", {counted(plan['due'], 'deactivation')} to approve", f", {plan['due']} to approve"
    return (f", {min(plan['due'], plan['max_per_scan'])} to be deactivated",) * 2


def due_title(plan: Plan) -> str:
    """Return the title of a list of the keys that are due."""
    return _TITLES[_turn(plan)].format(most=plan["max_per_scan"])


def approval_request(report: AnyReport) -> tuple[str, dict[str, list[str]]] | None:
    """Return the path and the body of the request that approves as many of the due keys as a plan deactivates.

    None where nothing is to be approved.
    """
    plan = report.get("plan")
    if not plan or _way(plan) != "required" or not (due := due_keys(report)):
        return None
    ids = [finding["access_key_id"] for finding in due[: plan["max_per_scan"]]]
    return f"/scan/{report['scan_id']}/plan/approve", {"access_key_ids": ids}


def how_to_approve(plan: Plan) -> str:
    """Return in a sentence how a request to approve is meant."""
    first = f" These are the first {plan['max_per_scan']} of them." if plan["due"] > plan["max_per_scan"] else ""
    return (
        "To approve what is due, send this to the API before the next full scan, on one of DeactivationWeekdays"
        f" ({', '.join(plan['weekdays'])} in UTC), without the keys that are to stay active; a plan is approved once."
        f"{first} Other keys that are due can be approved in the next full scan's plan."
    )

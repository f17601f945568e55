"""What the routes of plans and actions do: show a plan, start what somebody approves, show actions, undo one."""

import itertools
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.api import reading
from chalicelib.api.deactivation_shapes import (
    Actions,
    Approval,
    ApprovalRequest,
    PlanApproved,
    ScanPlan,
    UndoStarted,
    parse_approval,
    planned_keys,
    scan_plan,
)
from chalicelib.api.parameters import DEFAULT_LIMIT, InvalidParameterError, decode_next, encode_next, invalid_next
from chalicelib.api.routing import ActionNotFoundError, DeactivationConflictError, Query, UnknownCallerError
from chalicelib.aws import action_store, deactivations
from chalicelib.aws.deactivations import Deactivation
from chalicelib.deactivation_documents import ACTION_ID_PATTERN, Action, DeactivationInput, Plan
from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings, deactivation_settings
from chalicelib.documents import Report
from chalicelib.instants import format_instant
from chalicelib.scan_ids import ScanNotFoundError


def plan_of(scan_id: str, query: Query) -> ScanPlan:
    """Answer which keys a scan's plan has, and who approved which of them."""
    settings = _settings()
    report = reading.find_report(scan_id, query)[0]
    plan, applied = _plan(report), None
    if settings.mode == "apply":  # otherwise there is no machine
        applied = deactivations.describe(deactivations.plan_name(scan_id))
    return scan_plan(report, plan, _approval(applied) if applied else None, query)


def approve(scan_id: str, body: str | bytes, caller: str | None, now: datetime) -> PlanApproved:
    """Start the execution that deactivates the keys that the body names, or find the one that was started for them."""
    settings, by = _settings_to_change(), _on_record(caller)
    if not settings.needs_approval:
        raise DeactivationConflictError(
            "nobody has to approve: each full scan applies its plan by itself (stack parameter DeactivationApproval)"
        )
    wanted = parse_approval(body)
    query = {"account_id": wanted.account_id} if wanted.account_id else {}
    report, _, of_account = reading.find_report(scan_id, query)
    plan, name = _plan(report), deactivations.plan_name(scan_id)
    applied = deactivations.describe(name)
    if applied is None:
        _require_day(settings, now)
        _require_due(report, plan, wanted)
        given: DeactivationInput = {"by": by, "at": format_instant(now), "scan_id": scan_id}
        given["access_key_ids"] = list(wanted.access_key_ids)
        if of_account:
            given["account_id"] = of_account
        applied = deactivations.start(name, given)
    return _approved(report, applied, wanted)


def list_actions(query: Query) -> Actions:
    """Answer with the keys that were deactivated, or were to be."""
    _settings_to_change()
    token = query.get("next", "")
    after = decode_next(token)
    if token and not _is_action_id(after):
        raise invalid_next(token)
    actions, last = action_store.list_actions(query.get("limit", DEFAULT_LIMIT), after or None)
    return {"actions": actions, "next": encode_next(last) if last else None}


def action_of(action_id: str) -> Action:
    """Return an action; raise ActionNotFoundError if there is none of this id."""
    _settings_to_change()
    action = action_store.load_action(action_id) if _is_action_id(action_id) else None
    if action is None:
        raise ActionNotFoundError("action_id: there is no action of this id")
    return action


def undo(action_id: str, body: str | bytes, caller: str | None, now: datetime) -> UndoStarted:
    """Start the execution that activates a key again, or find the one that does.

    One that ended without having done so leaves room for another.
    """
    _settings_to_change()
    by = _on_record(caller)
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    if text.strip() not in ("", "{}"):
        raise InvalidParameterError("body", text, "nothing: the path says what to undo")
    given: DeactivationInput = {"by": by, "at": format_instant(now), "undo": action_id}
    for number in itertools.count(1):
        _require_undoable(action_of(action_id))
        found = deactivations.start(deactivations.undo_name(action_id, number), given)
        if found.running:
            first = found.given
            return {"action_id": action_id, "execution_arn": found.execution_arn, "by": first["by"], "at": first["at"]}
    raise AssertionError("the numbers do not end")


def _settings() -> DeactivationSettings:
    settings = deactivation_settings()
    if settings is None:
        raise DeactivationConflictError("this stage plans no deactivations: its stack parameter Deactivation is off")
    return settings


def _settings_to_change() -> DeactivationSettings:
    settings = _settings()
    if settings.mode != "apply":
        raise DeactivationConflictError(
            "this stage deactivates no keys: its stack parameter Deactivation is plan; it takes apply for that"
        )
    return settings


def _on_record(caller: str | None) -> str:
    if not caller:
        raise UnknownCallerError("the request does not say whose signature it has, and that has to be on record")
    return caller


def _is_action_id(text: str) -> bool:
    return re.fullmatch(ACTION_ID_PATTERN, text, re.ASCII) is not None


def _plan(report: Report) -> Plan:
    if "plan" not in report:
        raise ScanNotFoundError(
            "this scan has no plan: full scans have one, since the stack parameter Deactivation is plan or apply"
        )
    return report["plan"]


def _approval(applied: Deactivation) -> Approval:
    given: Mapping[str, Any] = applied.given  # whatever it is, where somebody started the execution by hand
    return {
        "execution_arn": applied.execution_arn,
        "approved_by": given.get("by"),
        "approved_at": given.get("at"),
        "access_key_ids": given.get("access_key_ids"),
        "account_id": given.get("account_id"),
        "status": applied.status,  # type: ignore[typeddict-item]  # one of them
        "stopped_at": applied.stopped_at,
        "error": applied.error,
        "results": applied.results,
    }


def _approved(report: Report, applied: Deactivation, wanted: ApprovalRequest) -> PlanApproved:
    """Answer for a plan's execution; DeactivationConflictError if it is of other keys than those wanted, or failed."""
    approval, scan_id = _approval(applied), report["scan_id"]
    by, at, keys = (str(approval["approved_by"]), str(approval["approved_at"]), approval["access_key_ids"] or [])
    why, approved = "", f"this plan was approved by {by} at {at}"
    if applied.given.get("scan_id") != scan_id or set(keys) != set(wanted.access_key_ids):
        of_which = ", ".join(keys) or "all keys that were due"
        why = f"access_key_ids: {approved}, for {of_which}; a plan is approved once"
    elif not applied.running and applied.status != "SUCCEEDED":
        ended = f"ended {applied.status} ({applied.error or 'it does not say why'})"
        why = f"scan_id: {approved}, and its execution {ended}: redrive it, or approve the next full scan's plan"
    if why:
        raise DeactivationConflictError("; ".join(filter(None, (why, _why_not_last(report, wanted)))))
    return {
        "scan_id": scan_id,
        "execution_arn": applied.execution_arn,
        "status": approval["status"],
        "approved_by": by,
        "approved_at": at,
        "access_key_ids": keys,
    }


def _require_day(settings: DeactivationSettings, now: datetime) -> None:
    today, days = WEEKDAYS[now.weekday()], ", ".join(settings.weekdays)
    if today not in settings.weekdays:
        raise DeactivationConflictError(
            f"today is {today} in UTC, and this stage deactivates keys on {days} (stack parameter DeactivationWeekdays)"
        )


def _require_due(report: Report, plan: Plan, wanted: ApprovalRequest) -> None:
    """Raise DeactivationConflictError unless all keys that are wanted are due, by the last plan of their accounts."""
    if plan["mode"] != "apply":
        raise DeactivationConflictError(
            "scan_id: this plan says what would be deactivated (Deactivation was plan); the next full scan's counts"
        )
    planned = {key["access_key_id"]: key for key in planned_keys(report)}
    if why_not_last := _why_not_last(report, wanted):
        raise DeactivationConflictError(f"scan_id: {why_not_last}")
    why = [_why_not(key_id, planned, report) for key_id in wanted.access_key_ids]
    if refused := "; ".join(filter(None, why)):
        raise DeactivationConflictError(f"access_key_ids: {refused}")


def _why_not_last(report: Report, wanted: ApprovalRequest) -> str | None:
    """Return which plan counts instead of this one, of the accounts of the keys; None where this one does."""
    keys = [one for one in planned_keys(report) if one["access_key_id"] in wanted.access_key_ids]
    of_many = "findings_left_out" in report
    try:
        last_scan = deactivations.last_scans()
    except deactivations.NotTheLastScanError as error:
        return str(error)
    for account_id in sorted({key["account_id"] for key in keys}) if of_many else [report["account_id"]]:
        if (last := last_scan(account_id)) != report["scan_id"]:
            whose = f"that of account {account_id} is {last or 'not on record yet'}"
            return f"only the plan of the last full scan counts; {whose}"
    return None


def _why_not(key_id: str, planned: Mapping[str, Mapping[str, Any]], report: Mapping[str, Any]) -> str | None:
    if key_id in planned:
        key = planned[key_id]["plan"]
        words = ", ".join(hold["in_words"] for hold in key["holds"])
        return f"{key_id} is held: {words}" if key["status"] != "due" else None
    if report.get("findings_left_out"):
        return f"{key_id} is not among the keys that this report has of the plan (account_id asks that of an account)"
    note = report["plan"]["note"]
    return f"{key_id} is not in this plan{f' ({note})' if note else ''}"


def _require_undoable(action: Action) -> None:
    if action["state"] != "done":
        raise DeactivationConflictError(f"action_id: this action is {action['state']}; one that is done can be undone")
    if (undone := action["undo"]) and undone["state"] == "done":
        raise DeactivationConflictError(
            f"action_id: this action was undone, by {undone['by']} at {undone['ended_at']}; its key is active"
        )

"""The steps of the deactivation machine that are not calls of IAM: choose keys, check one, record, conclude.

An execution that is refused fails with the name of an error here, and its message: people read both. Lambda logs them,
too, so they name no user and no key.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib import scan_ids, settings
from chalicelib.aws import action_store, deactivations, report_store
from chalicelib.aws.deactivations import NotTheLastScanError
from chalicelib.deactivation_documents import (
    BY_ANOTHER,
    BY_ITSELF,
    Action,
    ChosenKey,
    DeactivationInput,
    KeyResult,
    Undo,
)
from chalicelib.deactivation_input import MOST_KEYS, read_input
from chalicelib.deactivation_settings import DeactivationSettings, deactivation_settings
from chalicelib.documents import SCHEMA_VERSION, InvalidEvidenceError
from chalicelib.evaluation.recheck import (
    INACTIVE,
    NOT_CALLED,
    Outcome,
    Recheck,
    Terms,
    outcome_of,
    recheck,
    why_not_undone,
)
from chalicelib.instants import format_instant
from chalicelib.key_documents import ACTIVE, Finding
from chalicelib.outputs.deactivation_text import compose_action_notification, compose_rest_notification
from chalicelib.telling.events import deactivated
from chalicelib.telling_settings import event_bus

Step = Callable[[Mapping[str, Any], datetime], dict[str, Any]]

_MOST_ATTEMPTS = 999
_LONGEST_WHY = 300  # so that the results of all keys fit into a state
_TOO_OLD = "IAM was asked about it more than two minutes before it was to be checked."
_NOT_DUE = "It is not due in the plan of the last full scan."
_ANOTHER = f"{BY_ANOTHER}."
_BEFORE = "This execution has been done with it."
_TOO_OFTEN = f"IAM refused to deactivate it {_MOST_ATTEMPTS} times."
_ENOUGH = "The plan of one scan deactivates no more keys (MaxDeactivationsPerScan)."
_REFUSED = "It was not tried: IAM refused too many keys before it, as many as one scan's plan may deactivate."


class DeactivationIsOffError(Exception):
    """The stage, or the plan, does not deactivate keys: the stack parameter Deactivation is, or was, another."""


class ApprovalRequiredError(Exception):
    """Nobody approved these keys, and somebody has to."""


class KeyNotDueError(Exception):
    """A key is not due in the plan of the scan."""


class CannotBeUndoneError(Exception):
    """It is not on record that the action deactivated a key, or it was undone before."""


class NotBegunError(Exception):
    """It is not on record that this execution was to change the key."""


def choose(event: Mapping[str, Any], _now: datetime) -> dict[str, Any]:
    """Return the keys that an execution is to change, and how many at most; raise if its input is refused."""
    given = read_input(event["run"]["input"])
    event_bus()  # a bad setting fails before any key is changed
    if "undo" in given:
        action = action_store.load_action(given["undo"])
        if action is None or action["state"] != "done" or (action["undo"] and action["undo"]["state"] == "done"):
            raise CannotBeUndoneError("The action deactivated no key, or was undone before.")
        return {"keys": [_chosen(action["account_id"], action)], "most_changes": 1, "undoes": True}
    of_stage, wanted = _settings(), given.get("access_key_ids")
    if of_stage.needs_approval and (wanted is None or given["by"] == BY_ITSELF):
        raise ApprovalRequiredError("Nobody approved these keys, and somebody has to (DeactivationApproval).")
    due = _due_keys(given)
    if wanted and (missing := set(wanted) - due.keys()):
        of = f"{len(missing)} of {len(wanted)}"
        raise KeyNotDueError(f"Not due in the plan of scan {given['scan_id']}: {of} access keys.")
    longest_told = sorted(due, key=lambda key_id: due[key_id].told_since or "")
    keys = [due[key_id].key for key_id in wanted or longest_told[:MOST_KEYS]]
    return {"keys": keys, "most_changes": of_stage.max_per_scan, "undoes": False}


def check(event: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Judge a key by what IAM says now; if it may be changed, keep that it is to be.

    What this execution has begun, `record` alone ends: an invocation whose answer is lost ends nothing.
    """
    run, key = event["run"], event["key"]
    begin = _begin_undo if "undo" in run["input"] else _begin
    action, why_not = begin(run, key, event["answers"], now)
    is_ours = action is not None and _is_by(run, action["undo"] or action)
    action_id = action["action_id"] if action else None
    result = None if why_not is None else _result(key, "held", why_not, action_id)
    return {"act": why_not is None, "begun": is_ours, "action_id": action_id, "result": result}


def record(event: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Keep what became of a key; compose the message and, where the stage has an event bus, the event."""
    run, action_id = event["run"], event["action_id"]
    begun = action_store.load_begun(action_id, run["execution_arn"])
    if begun is None:
        raise NotBegunError("It is not on record that this execution began the action.")
    wanted = ACTIVE if begun.action["undo"] else INACTIVE
    state, cause = outcome_of(event["caught"], event["status_after"], wanted, redriven=event["redriven"])
    action = action_store.end(_ended(begun.action, state, cause, now), begun.number)
    undo, key = action["undo"], _chosen(action["account_id"], action)
    became, why = (undo or action)["state"], f"Asked for by {undo['by']}." if undo else action["why"]
    result, form = _result(key, became, (undo or action)["cause"] or why, action_id), settings.https_format()
    if undo and event["caught"].get("Error") == NOT_CALLED:
        return {"result": result, "notification": compose_rest_notification(run["input"], [result], form)}
    answer = {"result": result, "notification": compose_action_notification(action, form)}
    bus = event_bus()
    if bus and action["state"] == "done" and not undo:
        answer["event"] = deactivated(action, bus)
    return answer


def conclude(event: Mapping[str, Any], _now: datetime) -> dict[str, Any]:
    """Return what became of each key, and the message about those that were not changed."""
    given, results = event["run"]["input"], event["results"]
    failed, changed = (sum(one["result"] in of for one in results) for of in (("failed",), ("done", "unknown")))
    why_left = _REFUSED if failed > changed else _ENOUGH  # the machine ends at as many of either
    left = [_result(key, "held", why_left, None) for key in event["keys"][len(results) :]]
    rest = [result for result in results if result["result"] == "held"]
    rest += left if given["by"] != BY_ITSELF else []  # which nobody waits for: the next plan has them
    answer = {"notify": bool(rest), "results": [*results, *left]}
    if rest:
        answer["notification"] = compose_rest_notification(given, rest, settings.https_format())
    return answer


STEPS: dict[str, Step] = {"choose": choose, "check": check, "record": record, "conclude": conclude}


class _DueKey(NamedTuple):
    key: ChosenKey
    told_since: str | None


def _begin(
    run: Mapping[str, Any], key: ChosenKey, answers: Mapping[str, Any], now: datetime
) -> tuple[Action | None, str | None]:
    """Keep that a key is to be deactivated; return the action and None, or why it must not be."""
    earlier = action_store.load_last_action(key["account_id"], key["access_key_id"])
    # Where this function was called before for this key, and its answer was lost, IAM was not called yet.
    is_ours = earlier is not None and _is_by(run, earlier)
    finding, why_not = _recheck(run, key, answers, None if is_ours else earlier, now)
    if earlier and is_ours:
        return earlier, why_not if earlier["state"] == "intended" else _BEFORE
    attempt = 1 + int(earlier["action_id"].rpartition("-")[2]) if earlier else 1
    if why_not or finding is None or attempt > _MOST_ATTEMPTS:
        return None, why_not or _TOO_OFTEN
    begun = action_store.begin(_action(run, key, finding, attempt, now))
    return begun, None if _is_by(run, begun) else _ANOTHER


def _begin_undo(
    run: Mapping[str, Any], key: ChosenKey, answers: Mapping[str, Any], now: datetime
) -> tuple[Action | None, str | None]:
    """Keep that a key is to be activated again, also where it must not be; return the action, and why it must not."""
    given, arn = run["input"], run["execution_arn"]
    action, begun = action_store.load_action(given["undo"]), action_store.load_begun(given["undo"], arn)
    if action is None:
        return None, "There is no such action on record."
    why_not = _too_old(answers, now) or why_not_undone(key, answers, action, deactivation_settings())
    if begun or (why_not and not _may_fail_to_undo(action)):
        return begun.action if begun else action, why_not
    undo: Undo = {
        "by": given["by"],
        "at": given["at"],
        "execution_arn": arn,
        "state": "intended",
        "ended_at": None,
        "cause": None,
    }
    action = action_store.begin_undo(action, undo)
    return action, why_not if action["undo"] and _is_by(run, action["undo"]) else _ANOTHER


def _may_fail_to_undo(action: Action) -> bool:
    """Return whether an undo that cannot be is kept: not where it would hide one that is done, or may be yet."""
    last = action["undo"]
    return action["state"] == "done" and (last is None or last["state"] in ("failed", "unknown"))


def _recheck(
    run: Mapping[str, Any], key: ChosenKey, answers: Mapping[str, Any], earlier: Action | None, now: datetime
) -> Recheck:
    if why_not := _too_old(answers, now):
        return Recheck(None, why_not)
    try:
        of_stage, due = _settings(), _due_keys(run["input"]).get(key["access_key_id"])
    except (DeactivationIsOffError, NotTheLastScanError) as error:
        return Recheck(None, str(error))
    if due is None:
        return Recheck(None, _NOT_DUE)
    partition = scan_ids.partition_of(run["execution_arn"])
    policy, tags = settings.stage_defaults(), settings.tag_settings()
    terms = Terms(run["input"]["scan_id"], partition, now, policy, of_stage, tags)
    return recheck(key, answers, due.told_since, earlier, terms)


def _due_keys(given: DeactivationInput) -> dict[str, _DueKey]:
    """Return the keys that are due in a scan's plan, by their ids; raise NotTheLastScanError if it counts no more."""
    try:
        report: Any = report_store.load_report(given["scan_id"], of_account=given.get("account_id"))
        if report["plan"]["mode"] != "apply":
            raise DeactivationIsOffError("This plan says what would be deactivated, not what will be.")
        planned = [(finding, finding["plan"]) for finding in report["findings"] if "plan" in finding]
        due = [
            _DueKey(_chosen(finding.get("account_id", report["account_id"]), finding), plan["told_since"])
            for finding, plan in planned
            if plan["status"] == "due"
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidEvidenceError(f"the report of scan {given['scan_id']} is damaged, or has no plan") from error
    last = deactivations.last_scans()
    current = [one for one in due if last(one.key["account_id"]) == given["scan_id"]]
    if due and not current:
        raise NotTheLastScanError("A later full scan is on record, and only its plan counts.")
    return {one.key["access_key_id"]: one for one in current}


def _settings() -> DeactivationSettings:
    of_stage = deactivation_settings()
    if of_stage is None or of_stage.mode != "apply":
        raise DeactivationIsOffError("This stage deactivates no keys (stack parameter Deactivation).")
    return of_stage


def _too_old(answers: Mapping[str, Any], now: datetime) -> str | None:
    """Return that IAM's answers are too old, None where they are not; `good_until` is in milliseconds since 1970."""
    return None if now.timestamp() * 1000 <= answers["good_until"] else _TOO_OLD


def _is_by(run: Mapping[str, Any], begun: Action | Undo) -> bool:
    return bool(begun["execution_arn"] == run["execution_arn"])


def _chosen(account_id: str, of: Mapping[str, Any]) -> ChosenKey:
    return {"account_id": account_id, "user_name": of["user_name"], "access_key_id": of["access_key_id"]}


def _result(key: ChosenKey, result: Any, why: str, action_id: str | None) -> KeyResult:
    return {**key, "result": result, "action_id": action_id, "why": why[:_LONGEST_WHY]}


def _ended(action: Action, state: Outcome, cause: str | None, now: datetime) -> Action:
    """Return an action with the end of it, or of its undo where one was begun."""
    undo, ended_at = action["undo"], format_instant(now)
    if undo:
        return {**action, "undo": {**undo, "state": state, "ended_at": ended_at, "cause": cause}}
    return {**action, "state": state, "ended_at": ended_at, "cause": cause}


def _action(run: Mapping[str, Any], key: ChosenKey, finding: Finding, attempt: int, now: datetime) -> Action:
    given, last_used = run["input"], finding["last_used"]
    return {
        "schema_version": SCHEMA_VERSION,
        "action_id": f"{key['account_id']}-{key['access_key_id']}-{attempt}",
        **key,
        "scan_id": given["scan_id"],
        "approved_by": given["by"],
        "approved_at": given["at"],
        "why": finding["advice_in_words"] or "",
        "state_before": {
            "status": finding["status"],
            "created_at": finding["created_at"],
            "last_used": None if isinstance(last_used, str) or last_used is None else {**last_used},
        },
        "execution_arn": run["execution_arn"],
        "intended_at": format_instant(now),
        "state": "intended",
        "ended_at": None,
        "cause": None,
        "undo": None,
    }

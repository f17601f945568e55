"""Executions of the deactivation machine: plans that are applied, and actions that are undone.

An execution is named after what it is for, and a name is taken once: a plan is applied once, whoever approves it.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from chalicelib.aws import clients, organization_store, report_store
from chalicelib.aws.account_reports import LONGEST_SCAN
from chalicelib.aws.errors import ScansUnavailableError, translate_step_functions_errors
from chalicelib.aws.executions import execution_arn, failure_in_words
from chalicelib.deactivation_documents import BY_ITSELF, DeactivationInput, KeyResult
from chalicelib.instants import format_instant, parse_instant
from chalicelib.organization_settings import organization_settings

_LONGEST_NAME = 80  # of an execution


class NotTheLastScanError(Exception):
    """The plan of this scan does not count: only that of the last full scan does, and not for ever."""


@dataclass(frozen=True)
class Deactivation:
    """An execution of the deactivation machine; `results` are there once it has succeeded."""

    execution_arn: str
    status: str
    given: DeactivationInput
    stopped_at: str | None = None
    error: str | None = None
    results: list[KeyResult] | None = None

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")


def request_to_apply(scan_id: str, at: str) -> dict[str, Any]:
    """Make the states:startExecution request by which a scan's machine applies its plan, where nobody has to approve.

    The execution is named after the scan, so that a plan is applied once.
    """
    given: DeactivationInput = {"by": BY_ITSELF, "at": at, "scan_id": scan_id}
    return {"StateMachineArn": _machine(), "Name": plan_name(scan_id), "Input": given}


def plan_name(scan_id: str) -> str:
    """Name the execution that applies the plan of a scan."""
    name = f"deactivate-{scan_id}"
    return name if len(name) <= _LONGEST_NAME else f"deactivate-{hashlib.sha256(scan_id.encode()).hexdigest()[:32]}"


def undo_name(action_id: str, number: int) -> str:
    """Name an execution that undoes an action, by no key's id: names are logged. Each try has its number, from 1 on."""
    return f"undo-{hashlib.sha256(action_id.encode()).hexdigest()[:20]}-{number}"


def start(name: str, given: DeactivationInput) -> Deactivation:
    """Start an execution, or return the one of this name, whatever its input is and however it ended."""
    states = clients.step_functions()
    try:
        with translate_step_functions_errors():
            answer = states.start_execution(stateMachineArn=_machine(), name=name, input=json.dumps(given))
    except states.exceptions.ExecutionAlreadyExists as error:
        if before := describe(name):
            return before
        raise ScansUnavailableError("an execution that was just started cannot be described yet") from error
    return Deactivation(answer["executionArn"], "RUNNING", given)


def describe(name: str) -> Deactivation | None:
    """Return the execution of this name, None if there is none."""
    states = clients.step_functions()
    try:
        with translate_step_functions_errors():
            found = states.describe_execution(executionArn=execution_arn(_machine(), name))
    except states.exceptions.ExecutionDoesNotExist:
        return None
    stopped, given = found.get("stopDate"), json.loads(found.get("input") or "{}")
    return Deactivation(
        execution_arn=found["executionArn"],
        status=found["status"],
        given=cast(DeactivationInput, given if isinstance(given, dict) else {}),  # somebody may start one by hand
        stopped_at=format_instant(stopped) if stopped else None,
        error=failure_in_words(found),
        results=json.loads(found["output"])["results"] if found.get("output") else None,
    )


def last_scans() -> Callable[[str], str | None]:
    """Return what tells, of an account, which scan has its last full scan's report; None where none is on record.

    Only the plan of that scan counts. Raise NotTheLastScanError if that scan was redriven late: what held its keys, and
    whom it had told, may have been another matter since.
    """
    if not organization_settings().scans_organization:
        last = report_store.load_pointer()
        _require_fresh(last["as_of"] if last else None, report_store.last_kept_at)
        return lambda _account_id: last["scan_id"] if last else None
    baselines = organization_store.load_usable_baselines()
    _require_fresh(baselines["as_of"] if baselines else None, organization_store.last_kept_at)
    return (baselines["accounts"] if baselines else {}).get


def _require_fresh(as_of: str | None, kept_at: Callable[[], datetime | None]) -> None:
    written = kept_at() if as_of else None
    if as_of and written and written - parse_instant(as_of) > LONGEST_SCAN:
        raise NotTheLastScanError("This plan was kept more than a day after its scan began: scan again.")


def _machine() -> str:
    return os.environ["DEACTIVATION_STATE_MACHINE_ARN"]

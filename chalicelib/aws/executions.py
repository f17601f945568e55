"""Scans as executions of the state machine: start one, ask for one or for the recent ones."""

import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.aws import clients
from chalicelib.aws.errors import (
    NoStateMachineError,
    UnavailableError,
    translate_step_functions_errors,
)
from chalicelib.instants import format_instant, parse_instant
from chalicelib.scan_ids import ScanNotFoundError, require_scan_id

if TYPE_CHECKING:
    from chalicelib.policy import ScanPolicy

_LISTED_AT_ONCE = 1000
_FIRST_LOOK_SECONDS, _LONGEST_BETWEEN_LOOKS = 0.5, 3.0

_ENDED_EARLY = {
    "ABORTED": "stopped before its end",
    "FAILED": "failed without a word why",
    "TIMED_OUT": "ran into its time-out",
}


class ScanExistsError(Exception):
    """A scan has this id already."""


class ScanConflictError(Exception):
    """A scan of this name judges by another policy."""


class InvalidNextError(Exception):
    """Step Functions does not know this place in its list."""


@dataclass(frozen=True)
class Scan:
    """An execution of the state machine; its name is the scan's id."""

    scan_id: str
    execution_arn: str
    status: str
    started_at: str | None = None
    stopped_at: str | None = None
    error: str | None = None
    policy_text: str | None = None  # the execution's input

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    @property
    def began(self) -> datetime | None:
        """When it was started."""
        return parse_instant(self.started_at) if self.started_at else None


def start_scan(scan_id: str, policy: "ScanPolicy") -> Scan:
    """Start a scan; one of this id that runs by the same policy is that scan, ScanExistsError for any other."""
    states = clients.step_functions()
    text = json.dumps(policy.to_json())
    try:
        with translate_step_functions_errors():
            answer = states.start_execution(stateMachineArn=_state_machine_arn(), name=scan_id, input=text)
    except states.exceptions.ExecutionAlreadyExists as error:
        raise ScanExistsError(scan_id) from error
    return Scan(scan_id, answer["executionArn"], "RUNNING", format_instant(answer["startDate"]), policy_text=text)


def describe_scan(scan_id: str) -> Scan:
    """Return a scan; raise ScanNotFoundError if no scan has this id."""
    require_scan_id(scan_id)
    states = clients.step_functions()
    arn = _state_machine_arn().replace(":stateMachine:", ":execution:", 1) + f":{scan_id}"
    try:
        with translate_step_functions_errors():
            execution = states.describe_execution(executionArn=arn)
    except (states.exceptions.ExecutionDoesNotExist, states.exceptions.InvalidArn) as error:
        raise ScanNotFoundError from error
    return _scan_of(execution)


def find_scan(scan_id: str) -> Scan | None:
    """Return a scan, None if Step Functions has forgotten it: its report may still be there."""
    require_scan_id(scan_id)
    try:
        return describe_scan(scan_id)
    except ScanNotFoundError:
        return None


def no_report_of(scan: Scan | None) -> ScanNotFoundError:
    """Return the error for a scan without a report, which says why there is none, or for no scan."""
    if scan is None:
        return ScanNotFoundError()
    why = f": {scan.error}" if scan.error else ""
    return ScanNotFoundError(f"this scan is {scan.status} and has no report{' yet' if scan.running else why}")


def wait_for_end(scan: Scan, seconds: float) -> Scan:
    """Poll a running scan until it has ended or the seconds are over; return it as it was seen last."""
    deadline, pause = time.monotonic() + seconds, _FIRST_LOOK_SECONDS
    while scan.running and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, pause))
        pause = min(2 * pause, _LONGEST_BETWEEN_LOOKS)
        with suppress(UnavailableError, ScanNotFoundError):  # it was started: look again
            scan = describe_scan(scan.scan_id)
    return scan


def list_scans(limit: int, status: str | None = None, token: str | None = None) -> tuple[list[Scan], str | None]:
    """Return recent scans, newest first, and the token for the next ones; raise InvalidNextError for a made-up token.

    Step Functions forgets an execution after 90 days. What `describe_scan` says of errors is not in its list.
    """
    states = clients.step_functions()
    request: dict[str, Any] = {"stateMachineArn": _state_machine_arn(), "maxResults": limit}
    if status:
        request["statusFilter"] = status
    if token:
        request["nextToken"] = token
    try:
        with translate_step_functions_errors():
            answer = states.list_executions(**request)
    except (states.exceptions.InvalidToken, states.exceptions.ValidationException) as error:
        if token is None:
            raise
        raise InvalidNextError from error
    return [_scan_of(execution) for execution in answer["executions"]], answer.get("nextToken")


def running_scans() -> list[Scan]:
    """Return the running scans, newest first, a thousand at most."""
    return list_scans(_LISTED_AT_ONCE, "RUNNING")[0]


def failure_in_words(execution: Mapping[str, Any]) -> str | None:
    """Return why an execution, as DescribeExecution describes it, did not succeed; None if it did or still runs.

    Left out: the stack trace in the cause that a Lambda function gives, which is JSON, and the beginnings of ARNs.
    """
    error, cause = execution.get("error"), execution.get("cause")
    if not error and not cause:
        return _ENDED_EARLY.get(execution["status"])
    message = cause
    if cause and cause.lstrip().startswith("{"):
        try:
            message = json.loads(cause).get("errorMessage")
        except (ValueError, RecursionError):  # cut where Step Functions cuts: in the middle of the stack trace
            message = None
    words = ": ".join(part for part in (error, message) if part and isinstance(part, str))
    return re.sub(r"arn:[\w-]+:[\w-]*:[\w-]*:\d*:(?=\S)", "", words)


def _scan_of(execution: Mapping[str, Any]) -> Scan:
    stopped = execution.get("stopDate")
    return Scan(
        scan_id=execution["name"],
        execution_arn=execution["executionArn"],
        status=execution["status"],
        started_at=format_instant(execution["startDate"]),
        stopped_at=format_instant(stopped) if stopped else None,
        error=failure_in_words(execution),
        policy_text=execution.get("input"),
    )


def _state_machine_arn() -> str:
    arn = os.environ.get("STATE_MACHINE_ARN")
    if not arn:
        raise NoStateMachineError(NoStateMachineError.message)
    return arn

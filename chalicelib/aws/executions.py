"""Scans as executions of the state machines: start one, ask for one or for the recent ones."""

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.aws import clients
from chalicelib.aws.errors import (
    NoStateMachineError,
    UnavailableError,
    translate_step_functions_errors,
)
from chalicelib.instants import format_instant, parse_instant
from chalicelib.scan_ids import ORGANIZATION, ScanNotFoundError, require_scan_id

if TYPE_CHECKING:
    from chalicelib.policy import ScanPolicy

Kind = Literal["account", "organization"]  # of a state machine, and of its scans

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
    """A scan of this name is by another policy, or of other accounts."""


class InvalidNextError(Exception):
    """Step Functions does not know this place in its list."""


@dataclass(frozen=True)
class Scan:
    """An execution of a state machine; its name is the scan's id.

    Where the API asked an account without one, `account_id` is that account's, and `execution_arn` is empty.
    """

    scan_id: str
    execution_arn: str
    status: str
    started_at: str | None = None
    stopped_at: str | None = None
    error: str | None = None
    policy_text: str | None = None  # the execution's input
    kind: Kind = "account"
    account_id: str | None = None

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    @property
    def began(self) -> datetime | None:
        """When it was started."""
        return parse_instant(self.started_at) if self.started_at else None


def kinds() -> list[Kind]:
    """Return which kinds of scans the stage has: those of an organization only where it scans one."""
    return list(_machines())


def scanned_kind() -> Kind:
    """Return what the stage scans: an organization, or its own account."""
    return kinds()[-1]


def kind_for(policy: "ScanPolicy", accounts: Sequence[str] | None) -> Kind:
    """Return which kind of scan a request gets: users without accounts are those of the own account."""
    return "account" if accounts is None and policy.users is not None else scanned_kind()


def scan_input(policy: "ScanPolicy", accounts: Sequence[str] | None) -> dict[str, Any]:
    """Return the input of a scan; the accounts in order, so that the same ones make the same text."""
    return {**policy.to_json(), **({} if accounts is None else {"accounts": sorted(accounts)})}


def start_scan(scan_id: str, policy: "ScanPolicy", accounts: Sequence[str] | None = None) -> Scan:
    """Start a scan; one of this id that runs by the same policy is that scan, ScanExistsError for any other."""
    states, kind = clients.step_functions(), kind_for(policy, accounts)
    text = json.dumps(scan_input(policy, accounts))
    try:
        with translate_step_functions_errors():
            answer = states.start_execution(stateMachineArn=_machines()[kind], name=scan_id, input=text)
    except states.exceptions.ExecutionAlreadyExists as error:
        raise ScanExistsError(scan_id) from error
    started_at = format_instant(answer["startDate"])
    return Scan(scan_id, answer["executionArn"], "RUNNING", started_at, policy_text=text, kind=kind)


def describe_scan(scan_id: str) -> Scan:
    """Return a scan; raise ScanNotFoundError if no scan has this id."""
    require_scan_id(scan_id)
    states, machines = clients.step_functions(), list(_machines().items())
    for kind, machine in reversed(machines) if scan_id.startswith(f"{ORGANIZATION}-") else machines:
        with (
            suppress(states.exceptions.ExecutionDoesNotExist, states.exceptions.InvalidArn),
            translate_step_functions_errors(),
        ):
            return _scan_of(states.describe_execution(executionArn=execution_arn(machine, scan_id)), kind)
    if scanned_kind() == "organization":
        from chalicelib.aws import direct_scans

        if direct := direct_scans.find_scan(scan_id):
            return direct
    raise ScanNotFoundError


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


def list_scans(
    limit: int, status: str | None = None, token: str | None = None, kind: Kind | None = None
) -> tuple[list[Scan], str | None]:
    """Return recent scans, newest first, and the token for the next ones; raise InvalidNextError for a made-up token.

    Without a `kind`, they are of what the stage scans.

    Step Functions forgets an execution after 90 days. What `describe_scan` says of errors is not in its list.
    """
    states, kind = clients.step_functions(), kind or scanned_kind()
    request: dict[str, Any] = {"stateMachineArn": _machines()[kind], "maxResults": limit}
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
    return [_scan_of(execution, kind) for execution in answer["executions"]], answer.get("nextToken")


def running_scans() -> list[Scan]:
    """Return the running scans of each kind, newest first, a thousand at most."""
    return [scan for kind in _machines() for scan in list_scans(_LISTED_AT_ONCE, "RUNNING", kind=kind)[0]]


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


def execution_arn(machine: str, scan_id: str) -> str:
    """Return the ARN of a state machine's execution of this name."""
    return machine.replace(":stateMachine:", ":execution:", 1) + f":{scan_id}"


def _scan_of(execution: Mapping[str, Any], kind: Kind) -> Scan:
    stopped = execution.get("stopDate")
    return Scan(
        scan_id=execution["name"],
        execution_arn=execution["executionArn"],
        status=execution["status"],
        started_at=format_instant(execution["startDate"]),
        stopped_at=format_instant(stopped) if stopped else None,
        error=failure_in_words(execution),
        policy_text=execution.get("input"),
        kind=kind,
    )


def _machines() -> dict[Kind, str]:
    """Return the ARNs of the stage's state machines; the organization's is there where the stage scans one."""
    arn, of_organization = os.environ.get("STATE_MACHINE_ARN"), os.environ.get("ORGANIZATION_STATE_MACHINE_ARN")
    if not arn:
        raise NoStateMachineError(NoStateMachineError.message)
    return {"account": arn, **({"organization": of_organization} if of_organization else {})}

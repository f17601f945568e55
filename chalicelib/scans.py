"""Scans as executions of the state machine: start one, ask for one."""

import functools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.age import format_instant

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

    from chalicelib.policy import ScanPolicy

# A scan id becomes part of an S3 key and of an ARN; it is one path segment and never "..".
_SCAN_ID = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}"

_ENDED_EARLY = {
    "ABORTED": "stopped before its end",
    "FAILED": "failed without a word why",
    "TIMED_OUT": "ran into its time-out",
}


class InvalidScanIdError(Exception):
    """A scan id that cannot name a scan's files."""

    def __init__(self, scan_id: str) -> None:
        shown = json.dumps(scan_id[:90])
        super().__init__(
            f"scan_id: {shown} is not accepted; it takes 1 to 80 characters out of A-Z a-z 0-9 _ - . (not first)"
        )


class ScanNotFoundError(Exception):
    """No scan has this id."""


class ScanExistsError(Exception):
    """A scan has this id already."""


@dataclass(frozen=True)
class Scan:
    """An execution of the state machine; its name is the scan's id."""

    scan_id: str
    execution_arn: str
    status: str
    started_at: str | None = None
    stopped_at: str | None = None
    error: str | None = None

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")


def is_scan_id(text: str) -> bool:
    """Say whether a text can name a scan."""
    return re.fullmatch(_SCAN_ID, text, re.ASCII) is not None


def scheduled_id(event_time: datetime) -> str:
    """Name a scheduled scan after its event, so that an event delivered twice starts one scan."""
    return f"scheduled-{_stamp(event_time)}"


def adhoc_id(now: datetime) -> str:
    """Name a scan on demand."""
    return f"adhoc-{_stamp(now)}-{os.urandom(3).hex()}"


def start_scan(scan_id: str, policy: "ScanPolicy") -> Scan:
    """Start a scan; ScanExistsError if one of this id was started before."""
    states = _states()
    try:
        answer = states.start_execution(
            stateMachineArn=_state_machine_arn(), name=scan_id, input=json.dumps(policy.to_json())
        )
    except states.exceptions.ExecutionAlreadyExists as error:
        raise ScanExistsError(scan_id) from error
    return Scan(scan_id, answer["executionArn"], "RUNNING")


def describe_scan(scan_id: str) -> Scan:
    """Ask for a scan; ScanNotFoundError for an id that is none."""
    if not is_scan_id(scan_id):
        raise ScanNotFoundError(scan_id)
    states = _states()
    arn = _state_machine_arn().replace(":stateMachine:", ":execution:", 1) + f":{scan_id}"
    try:
        execution = states.describe_execution(executionArn=arn)
    except (states.exceptions.ExecutionDoesNotExist, states.exceptions.InvalidArn) as error:
        raise ScanNotFoundError(scan_id) from error
    stopped = execution.get("stopDate")
    return Scan(
        scan_id=scan_id,
        execution_arn=arn,
        status=execution["status"],
        started_at=format_instant(execution["startDate"]),
        stopped_at=format_instant(stopped) if stopped else None,
        error=failure_in_words(execution),
    )


def account_of(execution_arn: str) -> str:
    """Read the account id out of an execution's ARN."""
    return execution_arn.split(":")[4]


def failure_in_words(execution: Mapping[str, Any]) -> str | None:
    """Say why an execution, as DescribeExecution tells of it, did not succeed; None if it did or still runs.

    The cause that a Lambda function gives is JSON with a stack trace, which is left out.
    """
    error, cause = execution.get("error"), execution.get("cause")
    if not error and not cause:
        return _ENDED_EARLY.get(execution["status"])
    try:
        thrown: Any = json.loads(cause or "")
    except ValueError:
        thrown = None
    message = thrown.get("errorMessage") if isinstance(thrown, dict) else cause
    return ": ".join(part for part in (error, message) if part)


def _stamp(instant: datetime) -> str:
    return format_instant(instant.replace(microsecond=0)).replace(":", "")


def _state_machine_arn() -> str:
    return os.environ["STATE_MACHINE_ARN"]


@functools.cache
def _states() -> "SFNClient":
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
    return boto3.client("stepfunctions", config=config)

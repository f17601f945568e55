"""Scans as executions of the state machine: start one, ask for one or for the recent ones."""

import functools
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.age import format_instant, parse_instant
from chalicelib.documents import SCAN_ID_PATTERN

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

    from chalicelib.policy import ScanPolicy

# The ids that this app gives, and the names that Step Functions gives: what nobody wrote by hand.
_GIVEN_ID = (
    r"(adhoc|scheduled)-\d{4}-\d\d-\d\dT\d{6}Z(-[0-9a-f]{6,12})?|request-[0-9a-f]{32}"
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(_[0-9a-f-]{36})?"
)
_LISTED_AT_ONCE = 1000
_FIRST_LOOK_SECONDS, _LONGEST_BETWEEN_LOOKS = 0.5, 3.0
# Step Functions answers these with 400, as it does what another try would meet again.
_TRANSIENT = ("ThrottlingException", "ServiceUnavailable", "RequestTimeout", "InternalFailure")

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
    """No scan has this id, or it has no report; the message says which."""

    def __init__(self, why: str = "there is no scan of this id") -> None:
        super().__init__(f"scan_id: {why}")


class ScanExistsError(Exception):
    """A scan has this id already."""


class ScanConflictError(Exception):
    """A scan of this name judges by another policy."""


class InvalidNextError(Exception):
    """Step Functions does not know this place in its list."""


class UnavailableError(Exception):
    """AWS did not answer, or would not just now; another try may get what this one did not."""

    told = "AWS did not answer just now; try again"  # to whoever asked
    retry_after = 2  # seconds


class NoStateMachineError(UnavailableError):
    """The functions are deployed and the state machine is not, as after `chalice deploy` alone."""

    told = "there is no state machine yet: run `make deploy-statemachine STAGE=…` beside `chalice deploy`"


class ScansUnavailableError(UnavailableError):
    """Step Functions did not answer, or would not just now."""


class TooManyScansError(UnavailableError):
    """As many scans run as this stage lets run at a time."""

    retry_after = 15

    def __init__(self, running: int, at_most: int) -> None:
        self.told = f"{running} scans run already, and this stage starts no other beyond {at_most} (MaxScansAtOnce)"
        super().__init__(self.told)


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


def is_scan_id(text: str) -> bool:
    """Say whether a text can name a scan."""
    return re.fullmatch(SCAN_ID_PATTERN, text, re.ASCII) is not None


def is_given_id(text: str) -> bool:
    """Say whether a text is an id that a scan was given, and nothing that somebody wrote."""
    return re.fullmatch(_GIVEN_ID, text, re.ASCII) is not None


def require_scan_id(text: str) -> None:
    """Raise ScanNotFoundError for a text that cannot name a scan: it is to reach no ARN and no key."""
    if not is_scan_id(text):
        raise ScanNotFoundError


def scheduled_id(event_time: datetime, event_id: str) -> str:
    """Name a scheduled scan after its event, so that an event delivered twice starts one scan.

    The digest of the event's id, which EventBridge makes up, keeps anybody from taking the name before.
    """
    return f"scheduled-{_stamp(event_time)}-{hashlib.sha256(event_id.encode()).hexdigest()[:12]}"


def adhoc_id(now: datetime, tail: str = "") -> str:
    """Name a scan on demand; without a tail, like no other."""
    return f"adhoc-{_stamp(now)}-{tail or os.urandom(3).hex()}"


def keyed_id(key: str) -> str:
    """Name a scan after an Idempotency-Key, by a digest: a scan's id stands in logs, and a key may say anything."""
    return f"request-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def start_scan(scan_id: str, policy: "ScanPolicy") -> Scan:
    """Start a scan; one of this id that runs by the same policy is that scan, ScanExistsError for any other."""
    states = _states()
    text = json.dumps(policy.to_json())
    try:
        with _told_if_unavailable():
            answer = states.start_execution(stateMachineArn=_state_machine_arn(), name=scan_id, input=text)
    except states.exceptions.ExecutionAlreadyExists as error:
        raise ScanExistsError(scan_id) from error
    return Scan(scan_id, answer["executionArn"], "RUNNING", format_instant(answer["startDate"]), policy_text=text)


def describe_scan(scan_id: str) -> Scan:
    """Ask for a scan; ScanNotFoundError for an id that is none."""
    require_scan_id(scan_id)
    states = _states()
    arn = _state_machine_arn().replace(":stateMachine:", ":execution:", 1) + f":{scan_id}"
    try:
        with _told_if_unavailable():
            execution = states.describe_execution(executionArn=arn)
    except (states.exceptions.ExecutionDoesNotExist, states.exceptions.InvalidArn) as error:
        raise ScanNotFoundError from error
    return _scan_of(execution)


def find_scan(scan_id: str) -> Scan | None:
    """Ask for a scan, None where Step Functions knows of none: its report may be there still."""
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
    """Ask for a scan that runs until it has ended or the seconds are over; return it as it was seen last."""
    deadline, pause = time.monotonic() + seconds, _FIRST_LOOK_SECONDS
    while scan.running and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, pause))
        pause = min(2 * pause, _LONGEST_BETWEEN_LOOKS)
        with suppress(UnavailableError, ScanNotFoundError):  # it was started: look again
            scan = describe_scan(scan.scan_id)
    return scan


def list_scans(limit: int, status: str | None = None, token: str | None = None) -> tuple[list[Scan], str | None]:
    """Give the recent scans, newest first, and the token for what comes after; InvalidNextError for one that is none.

    Step Functions forgets an execution after 90 days. What `describe_scan` says of errors is not in its list.
    """
    states = _states()
    request: dict[str, Any] = {"stateMachineArn": _state_machine_arn(), "maxResults": limit}
    if status:
        request["statusFilter"] = status
    if token:
        request["nextToken"] = token
    try:
        with _told_if_unavailable():
            answer = states.list_executions(**request)
    except (states.exceptions.InvalidToken, states.exceptions.ValidationException) as error:
        if token is None:
            raise
        raise InvalidNextError from error
    return [_scan_of(execution) for execution in answer["executions"]], answer.get("nextToken")


def running_scans() -> list[Scan]:
    """Give the scans that run, newest first, the first thousand of them."""
    return list_scans(_LISTED_AT_ONCE, "RUNNING")[0]


def account_of(execution_arn: str) -> str:
    """Read the account id out of an execution's ARN."""
    return execution_arn.split(":")[4]


def failure_in_words(execution: Mapping[str, Any]) -> str | None:
    """Say why an execution, as DescribeExecution tells of it, did not succeed; None if it did or still runs.

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


@contextmanager
def _told_if_unavailable() -> Iterator[None]:
    """Raise ScansUnavailableError for an error of Step Functions that another try may not meet."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500 and (  # noqa: PLR2004  # the server's own
            error.response["Error"]["Code"] not in _TRANSIENT
        ):
            raise
        raise ScansUnavailableError(str(error)) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise ScansUnavailableError(str(error)) from error


def _stamp(instant: datetime) -> str:
    return format_instant(instant.replace(microsecond=0)).replace(":", "")


def _state_machine_arn() -> str:
    arn = os.environ.get("STATE_MACHINE_ARN")
    if not arn:
        raise NoStateMachineError(NoStateMachineError.told)
    return arn


@functools.cache
def _states() -> "SFNClient":
    import boto3
    from botocore.config import Config

    # All tries together are shorter than the 29 seconds that API Gateway waits.
    config = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("stepfunctions", config=config)

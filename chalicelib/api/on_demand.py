"""Which scan answers a POST /scan: the one of its Idempotency-Key, one of all users that runs already, or a new one."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib import scan_ids
from chalicelib.aws import direct_scans, executions
from chalicelib.aws.errors import ScansUnavailableError, TooManyScansError
from chalicelib.aws.executions import Scan, ScanConflictError, ScanExistsError
from chalicelib.policy import InvalidPolicyError, ScanPolicy, ScanRequest, parse_organization_input
from chalicelib.settings import MOST_AT_ONCE

# For so long, a scan that was just started may be missing in Step Functions' list.
_UNLISTED_SECONDS = 2
# Clocks of AWS and of the function may be so far apart: what was started longer ago than this, another request did.
_ONE_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True)
class Clock:
    """What the time is, in UTC, and how to let some pass."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None]


def start_on_demand(
    wanted: ScanRequest, defaults: ScanPolicy, key: str | None, clock: Clock, max_at_once: int = MOST_AT_ONCE
) -> tuple[Scan, bool]:
    """Return the scan that answers a request, and whether it ran already, started by another one.

    A scan of all users is not started while one of the same policy and accounts runs: who posts in a loop, or from
    fifty places at once, gets that one, and IAM is asked once. `defaults` complete the policy of one started by hand.
    Requests with Idempotency-Keys find what Step Functions lists; those of one moment, each with a key of its own, do
    not find each other. ScanConflictError where the Idempotency-Key named a scan by another policy, or of other
    accounts; TooManyScansError where `max_at_once` scans run already, whoever started them.
    """
    keyed_id = scan_ids.keyed_id(key) if key else None
    if keyed_id and (before := executions.find_scan(keyed_id)):
        return _as_wanted(before, wanted), False
    if wanted.policy.users is not None:
        _require_room(executions.running_scans(), max_at_once)
        return _start(keyed_id or _new_id(wanted, clock.now()), wanted), False
    return _start_one_of_all_users(wanted, defaults, keyed_id, clock, max_at_once)


def _start_one_of_all_users(
    wanted: ScanRequest, defaults: ScanPolicy, keyed_id: str | None, clock: Clock, max_at_once: int
) -> tuple[Scan, bool]:
    """Find the scan that is wanted and runs, or start it under a name that all who start it in this minute give it.

    A name is taken once, which makes them one. In the first seconds of a minute the list is waited for: it may not
    have one yet that was started at the end of the minute before, under another name.
    """
    while True:
        running = executions.running_scans()
        if same := _find_same(running, wanted, defaults):
            return same, True
        _require_room(running, max_at_once)
        if keyed_id:
            return _start(keyed_id, wanted), False
        now = clock.now()
        minute = now.replace(second=0, microsecond=0)
        since = (now - minute).total_seconds()
        if since >= _UNLISTED_SECONDS:
            scan = _start_next(minute, wanted)
            return scan, scan.began is not None and scan.began < now - _ONE_MOMENT
        clock.sleep(_UNLISTED_SECONDS - since)


def _start_next(minute: datetime, wanted: ScanRequest) -> Scan:
    """Start the first scan that is wanted in a minute and has not ended yet."""
    for number in itertools.count():
        scan_id = _new_id(wanted, minute, f"{_digest(wanted)}{number:02x}")
        try:
            return executions.start_scan(scan_id, wanted.policy, wanted.accounts)
        except ScanExistsError:  # and has ended
            continue
    raise AssertionError("the numbers do not end")


def _new_id(wanted: ScanRequest, now: datetime, tail: str = "") -> str:
    of_account = executions.kind_for(wanted.policy, wanted.accounts) == "account"
    return scan_ids.adhoc_id(now, tail, scan_ids.ADHOC if of_account else scan_ids.ORGANIZATION)


def _start(scan_id: str, wanted: ScanRequest) -> Scan:
    accounts = wanted.accounts or ()
    if len(accounts) == 1 and wanted.policy.users and wanted.wait_seconds and direct_scans.knows(accounts[0]):
        scan = direct_scans.scan_account(scan_id, accounts[0], wanted.policy, wanted.wait_seconds)
        return _as_wanted(scan, wanted)
    try:
        return executions.start_scan(scan_id, wanted.policy, wanted.accounts)
    except ScanExistsError as error:  # by a request with the same Idempotency-Key that came a moment before
        if before := executions.find_scan(scan_id):
            return _as_wanted(before, wanted)
        raise ScansUnavailableError("an execution that was just started is not listed yet") from error


def _as_wanted(scan: Scan, wanted: ScanRequest) -> Scan:
    if _in_order(json.loads(scan.policy_text or "{}")) != _in_order(_input(wanted)):
        raise ScanConflictError(
            "Idempotency-Key: this one started a scan by another scan policy, or of other accounts; it takes a new one "
            "for another request"
        )
    return scan


def _require_room(running: Sequence[Scan], max_at_once: int) -> None:
    """Raise TooManyScansError where as many scans run as may: IAM's rate is the whole account's."""
    if len(running) >= max_at_once:
        raise TooManyScansError(len(running), max_at_once)


def _find_same(scans_that_run: Sequence[Scan], wanted: ScanRequest, defaults: ScanPolicy) -> Scan | None:
    kind = executions.kind_for(wanted.policy, wanted.accounts)
    of_others = re.compile(rf"(adhoc|organization)-[^-]+-[^-]+-[^-]+-(?!{_digest(wanted)})")
    for running in reversed(scans_that_run):  # those of all users run for longest
        may_be = running.kind == kind and not of_others.match(running.scan_id)
        if may_be and (scan := executions.find_scan(running.scan_id)):
            try:
                given = parse_organization_input(json.loads(scan.policy_text or "null"), defaults)
            except (InvalidPolicyError, RecursionError):
                continue
            if _input(given) == _input(wanted) and scan.running:
                return scan
    return None


def _input(wanted: ScanRequest) -> dict[str, Any]:
    return executions.scan_input(wanted.policy, wanted.accounts)


def _in_order(given: dict[str, Any]) -> dict[str, Any]:
    """Return a scan's input with its lists in order: whatever theirs was, it is the same scan."""
    return {field: sorted(value) if isinstance(value, list) else value for field, value in given.items()}


def _digest(wanted: ScanRequest) -> str:
    return hashlib.sha256(json.dumps(_input(wanted), sort_keys=True).encode()).hexdigest()[:4]

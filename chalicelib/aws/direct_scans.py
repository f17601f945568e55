"""Scans of one account's named users that no state machine runs: the API calls the function scan_account itself.

Such a scan begins with scans/<scan_id>/request.json, which exists once: that makes requests with one Idempotency-Key
one scan. How it ended, that file says, or where the API did not wait for so long, what scan_account left.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.aws import clients, executions, organization_store, report_store
from chalicelib.aws.errors import in_words
from chalicelib.aws.executions import Scan
from chalicelib.instants import format_instant, parse_instant
from chalicelib.organization_documents import AccountRequest
from chalicelib.policy import ScanPolicy

_LONGEST = timedelta(seconds=900)  # that Lambda lets scan_account run


def scan_account(scan_id: str, account_id: str, policy: ScanPolicy, seconds: float) -> Scan:
    """Scan users of an account now, for so many seconds at most: after them, the scan is one that runs.

    Where there is a scan of this id already, it is that one: by which policy and of which account, its input says.
    """
    request: AccountRequest = {
        "account_id": account_id,
        "policy": policy.to_json(),
        "started_at": _now(),
        "stopped_at": None,
        "error": None,
    }
    if not organization_store.begin_request(scan_id, request):
        kept = organization_store.load_request(scan_id)
        if kept and kept != request:  # the same one is this one: S3 was asked twice, and kept the first
            return _scan_of(scan_id, kept)
    ended, error = _call(scan_id, request, seconds)
    if not ended:
        return _scan_of(scan_id, request)
    request = {**request, "stopped_at": _now(), "error": error}
    organization_store.save_request(scan_id, request)
    return _scan_of(scan_id, request)


def find_scan(scan_id: str) -> Scan | None:
    """Return a scan that the API ran itself, None if there is none of this id."""
    request = organization_store.load_request(scan_id)
    return _scan_of(scan_id, request) if request else None


def _call(scan_id: str, request: AccountRequest, seconds: float) -> tuple[bool, str | None]:
    """Call scan_account; return whether it ended in time, and why the account was not scanned."""
    from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

    account_id = request["account_id"]
    scan = {
        "scan_id": scan_id,
        "execution_arn": executions.execution_arn(os.environ["ORGANIZATION_STATE_MACHINE_ARN"], scan_id),
        "started_at": request["started_at"],
        "policy": request["policy"],
    }
    event = {"scan": scan, "account": {"account_id": account_id, "name": None, "last_scan_id": None}}
    try:
        client = clients.functions(max(1, int(seconds)))
        answer = client.invoke(FunctionName=os.environ["SCAN_ACCOUNT_FUNCTION"], Payload=json.dumps(event))
        text = answer["Payload"].read().decode()
    except ReadTimeoutError:
        return False, None
    except (BotoCoreError, ClientError) as error:
        return True, executions.failure_in_words({"error": "Lambda", "cause": in_words(error)})
    said: dict[str, Any] = json.loads(text)
    if "FunctionError" in answer:
        return True, executions.failure_in_words({"error": said.get("errorType", "Lambda.Unknown"), "cause": text})
    return True, None if said["outcome"] == "scanned" else _not_scanned(account_id, said["cause"])


def _scan_of(scan_id: str, request: AccountRequest) -> Scan:
    account_id, error = request["account_id"], request["error"]
    ended = request["stopped_at"] is not None
    if not ended:
        ended, error = _look(scan_id, request)
    return Scan(
        scan_id=scan_id,
        execution_arn="",
        status=("FAILED" if error else "SUCCEEDED") if ended else "RUNNING",
        started_at=request["started_at"],
        stopped_at=request["stopped_at"],
        error=error,
        policy_text=json.dumps({**request["policy"], "accounts": [account_id]}),
        account_id=account_id,
    )


def _look(scan_id: str, request: AccountRequest) -> tuple[bool, str | None]:
    """Return whether a scan for whose end the API did not wait has ended, and why the account was not scanned."""
    account_id, began = request["account_id"], parse_instant(request["started_at"])
    if report_store.load_report(scan_id, began, account_id):
        return True, None
    if unchecked := organization_store.load_unchecked(scan_id, account_id):
        return True, _not_scanned(account_id, unchecked["cause"])
    late = datetime.now(UTC) - began > _LONGEST
    return late, "the function ScanAccount left no report: its log says why" if late else None


def _not_scanned(account_id: str, cause: str) -> str:
    return f"account {account_id} could not be scanned: {cause}"


def _now() -> str:
    now = datetime.now(UTC)
    return format_instant(now.replace(microsecond=now.microsecond // 1000 * 1000))  # as Step Functions has it

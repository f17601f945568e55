"""Scans of one account's named users that no state machine runs: the API calls the function scan_account itself.

Such a scan begins with scans/<scan_id>/request.json, which exists once: that makes requests with one Idempotency-Key
one scan. How it ended, what scan_account left says, or that file where it left nothing.
"""

import json
import os
from datetime import UTC, datetime, timedelta

from chalicelib.aws import clients, executions, organization_store, report_store
from chalicelib.aws.errors import in_words
from chalicelib.aws.executions import Scan
from chalicelib.instants import format_instant, parse_instant
from chalicelib.organization_documents import AccountRequest
from chalicelib.organization_settings import organization_settings
from chalicelib.policy import ScanPolicy

_LONGEST = timedelta(seconds=900)  # that Lambda lets scan_account run


def knows(account_id: str) -> bool:
    """Return whether an account is one that the stage scans: Accounts names it, or the last scan of all had it.

    Of any other, only a scan of the organization can say, which asks for the list of accounts.
    """
    if account_id in organization_settings().named:
        return True
    last = organization_store.load_usable_baselines()
    return last is not None and account_id in last["accounts"]


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
    if error := _call(scan_id, request, seconds):
        request = {**request, "stopped_at": _now(), "error": error}
        organization_store.save_request(scan_id, request)
    return _scan_of(scan_id, request)


def find_scan(scan_id: str) -> Scan | None:
    """Return a scan that the API ran itself, None if there is none of this id."""
    request = organization_store.load_request(scan_id)
    return _scan_of(scan_id, request) if request else None


def _call(scan_id: str, request: AccountRequest, seconds: float) -> str | None:
    """Call scan_account; return why it left nothing: None where it did, and where it may still do."""
    from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

    scan = {
        "scan_id": scan_id,
        "execution_arn": executions.execution_arn(os.environ["ORGANIZATION_STATE_MACHINE_ARN"], scan_id),
        "started_at": request["started_at"],
        "policy": request["policy"],
    }
    event = {"scan": scan, "account": {"account_id": request["account_id"], "name": None, "last_scan_id": None}}
    try:
        client = clients.functions(max(1, int(seconds)))
        answer = client.invoke(FunctionName=os.environ["SCAN_ACCOUNT_FUNCTION"], Payload=json.dumps(event))
        text = answer["Payload"].read().decode()
    except ReadTimeoutError:
        return None
    except (BotoCoreError, ClientError) as error:
        return executions.failure_in_words({"error": "Lambda", "cause": in_words(error)})
    if "FunctionError" not in answer:
        return None
    error_type = json.loads(text).get("errorType", "Lambda.Unknown")
    return executions.failure_in_words({"error": error_type, "cause": text})


def _scan_of(scan_id: str, request: AccountRequest) -> Scan:
    account_id, stopped_at, error = request["account_id"], request["stopped_at"], request["error"]
    if not stopped_at:
        stopped_at, error = _look(scan_id, account_id, request["started_at"])
    return Scan(
        scan_id=scan_id,
        execution_arn="",
        status="RUNNING" if not stopped_at else "FAILED" if error else "SUCCEEDED",
        started_at=request["started_at"],
        stopped_at=stopped_at,
        error=error,
        policy_text=json.dumps({**request["policy"], "accounts": [account_id]}),
        account_id=account_id,
    )


def _look(scan_id: str, account_id: str, started_at: str) -> tuple[str | None, str | None]:
    """Return when a scan ended, None if it runs, and why the account was not scanned, by what scan_account left."""
    began = parse_instant(started_at)
    if written := report_store.report_written_at(scan_id, began, account_id):
        return format_instant(max(written, began)), None  # which S3 gives in whole seconds
    if unchecked := organization_store.load_unchecked(scan_id, account_id):
        written = organization_store.unchecked_written_at(scan_id, account_id) or began
        return format_instant(max(written, began)), f"account {account_id} could not be scanned: {unchecked['cause']}"
    latest = began + _LONGEST
    if datetime.now(UTC) > latest:
        return format_instant(latest), "the function ScanAccount left no report: its log says why"
    return None, None


def _now() -> str:
    now = datetime.now(UTC)
    return format_instant(now.replace(microsecond=now.microsecond // 1000 * 1000))  # as Step Functions has it

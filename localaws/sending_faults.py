"""How calls by which others are notified go wrong, as `--faults` says: mails, events, findings."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from localaws.calls import Call
from localaws.clients import REGION
from localaws.error_answers import ErrorAnswer, access_denied, json_error
from localaws.faults import Failing, Faults, ImportFindingsFaults, PutEventsFaults, SendEmailFaults, SendingFaults

_TOO_MANY = 429
_JSON = (("Content-Type", "application/x-amz-json-1.1"),)
# How each service throttles.
_THROTTLED = {
    "ses": (_TOO_MANY, "TooManyRequestsException", "Maximum sending rate exceeded."),
    "events": (400, "ThrottlingException", "Rate exceeded"),
    "securityhub": (_TOO_MANY, "TooManyRequestsException", "Too Many Requests"),
}

Fails = Callable[[str, Failing], bool]  # whether this call fails, by a name that is counted and how many are to


class FailingSenders:
    """Answers calls that tell others with what goes wrong, None where nothing does; it takes a lock of its caller's."""

    def __init__(self, faults: Faults, fails: Fails, has_token: Callable[[float], bool]) -> None:
        self._fails = fails
        self._has_token = has_token
        self._mailed = 0
        self._mail, self._events = faults.sesv2.send_email, faults.events.put_events
        self._findings = faults.securityhub.batch_import_findings
        self._of: Mapping[tuple[str, str], tuple[SendingFaults, Callable[[Call], ErrorAnswer | None]]] = {
            ("ses", "SendEmail"): (self._mail, lambda call: self._refused_mail(call, self._mail)),
            ("events", "PutEvents"): (self._events, lambda call: self._failed_entries(call, self._events)),
            ("securityhub", "BatchImportFindings"): (
                self._findings,
                lambda call: self._failed_findings(call, self._findings),
            ),
        }

    def answer(self, call: Call) -> ErrorAnswer | None:
        """Return how a call fails; raise TimeoutError where it is neither made nor answered."""
        faults, own = self._of.get((call.service, call.operation), (None, None))
        if faults is None or own is None:
            return None
        if faults.deny:
            what = f"{call.service}:{call.operation} with an explicit deny in a service control policy"
            return access_denied(call.service, f"User: {call.caller_arn} is not authorized to perform: {what}")
        if self._is_one_of(call, "throttle", faults.throttle):
            return json_error(*_THROTTLED[call.service])
        if self._is_one_of(call, "fail", faults.fail):
            return json_error(500, "InternalFailure", "We encountered an internal error.")
        if self._is_one_of(call, "time_out", faults.time_out):
            raise TimeoutError
        return own(call)

    def loses(self, call: Call) -> bool:
        """Return whether the answer of a call that was made does not arrive."""
        faults, _ = self._of.get((call.service, call.operation), (None, None))
        return faults is not None and self._is_one_of(call, "lose", faults.lose)

    def _is_one_of(self, call: Call, how: str, times: int) -> bool:
        return self._fails(f"{call.operation} {how}", Failing(fail=times))

    def _refused_mail(self, call: Call, faults: SendEmailFaults) -> ErrorAnswer | None:
        if faults.pause:
            return json_error(400, "SendingPausedException", "Sending is paused for this account.")
        recipients = [one for addresses in call.content.get("Destination", {}).values() for one in addresses]
        if refused := [one for one in recipients if one in faults.refuse]:
            why = f"The following identities failed the check in region {REGION.upper()}: {', '.join(refused)}"
            return json_error(400, "MessageRejected", f"Email address is not verified. {why}")
        if faults.rate_per_second is not None and not self._has_token(faults.rate_per_second):
            return json_error(*_THROTTLED["ses"])
        if faults.quota is not None and self._mailed >= faults.quota:
            return json_error(_TOO_MANY, "TooManyRequestsException", "Daily message quota exceeded.")
        self._mailed += 1
        return None

    def _failed_entries(self, call: Call, faults: PutEventsFaults) -> ErrorAnswer | None:
        if not self._is_one_of(call, "fail_entries", faults.fail_entries):
            return None
        failed = {"ErrorCode": "InternalFailure", "ErrorMessage": "We encountered an internal error."}
        entries = [failed for _ in call.content.get("Entries", [])]
        return _answered({"FailedEntryCount": len(entries), "Entries": entries})

    def _failed_findings(self, call: Call, faults: ImportFindingsFaults) -> ErrorAnswer | None:
        if faults.not_enabled:
            why = f"Account {call.account_id} is not subscribed to AWS Security Hub"
            return json_error(401, "InvalidAccessException", why)
        if not self._is_one_of(call, "fail_findings", faults.fail_findings):
            return None
        findings = [
            {"Id": one.get("Id"), "ErrorCode": "InternalFailure", "ErrorMessage": "We encountered an internal error."}
            for one in call.content.get("Findings", [])
        ]
        return _answered({"FailedCount": len(findings), "SuccessCount": 0, "FailedFindings": findings})


def _answered(document: dict[str, Any]) -> ErrorAnswer:
    return ErrorAnswer(200, json.dumps(document).encode(), _JSON)

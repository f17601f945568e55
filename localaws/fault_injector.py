"""Makes calls of the scan go wrong as `--faults` says, by account where it says so."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

from localaws.calls import Call
from localaws.error_answers import ErrorAnswer, access_denied, invalid_token, json_error, query_error, slow_down
from localaws.faults import Failing, Faults, FunctionFailing, IamFaults, ServiceFaults, UpdateFaults
from localaws.sending_faults import FailingSenders
from localaws.token_bucket import TokenBucket

_ALWAYS = -1
NOT_FOR_THIS_ACCOUNT = "You don't have permissions to access this resource."  # as Organizations says it
_REFUSED = "is not authorized"  # which distinguishes a refusal from throttling
_OF_THE_ACCOUNT = ("iam", "sts", "cloudtrail")  # what an account's own credentials call
_THROTTLED = {"organizations": "TooManyRequestsException"}  # by service, where it is not ThrottlingException
Denied = Mapping[tuple[str, str], str]  # IAM's words, by operation and the user or the key asked about


class FaultInjector:
    """Answers for the services what the faults say, None where nothing is wrong."""

    def __init__(
        self,
        faults: Faults,
        account_id: str,
        clock: Callable[[], float] = time.monotonic,
        denied: Mapping[str, Denied] = MappingProxyType({}),
    ) -> None:
        self._faults = faults
        self._account_id = account_id
        self._denied = denied
        self._clock = clock
        self._lock = threading.Lock()
        self._times: Counter[str] = Counter()
        self._buckets: dict[str, TokenBucket] = {}
        self._senders = FailingSenders(faults, self._fails, self._has_token_for_mail)
        self._answers: dict[str, Callable[[Call, str], ErrorAnswer | None]] = {
            "iam": self._iam,
            "sts": self._sts,
            "lambda": self._function,
            "s3": lambda _call, _account_id: slow_down() if self._fails("s3", faults.s3) else None,
            "sns": lambda _call, _account_id: _internal_error() if self._fails("sns", faults.sns) else None,
            "cloudtrail": self._cloudtrail,
            "organizations": lambda call, _account_id: self._service(call, "organizations", faults.organizations),
            "states": lambda call, _account_id: self._service(call, "states", faults.states),
        }

    def latency_seconds(self, account_id: str) -> float:
        """Return how long each call of an account's IAM takes at least."""
        return self._faults.iam_of(account_id).latency_ms / 1000

    def answer(self, call: Call) -> ErrorAnswer | None:
        """Return what a call is answered with in place of the service's own answer; TimeoutError for no answer."""
        account_id = call.account_id or self._account_id
        with self._lock:
            if self._is_closed(account_id, call):
                return invalid_token(call.service)
            answer = self._answers.get(call.service)
            return answer(call, account_id) if answer else self._senders.answer(call)

    def lose(self, call: Call) -> None:
        """Raise TimeoutError where the answer of a call that was made does not arrive."""
        account_id = call.account_id or self._account_id
        with self._lock:
            is_lost = self._fails_of_updates(account_id, "lose") if _changes_a_key(call) else self._senders.loses(call)
            if is_lost:
                raise TimeoutError

    def _is_closed(self, account_id: str, call: Call) -> bool:
        closes_after = self._faults.of_account(account_id).closes_after
        if closes_after is None or call.service not in _OF_THE_ACCOUNT:
            return False
        self._times[f"calls of {account_id}"] += 1
        return self._times[f"calls of {account_id}"] > closes_after

    def _iam(self, call: Call, account_id: str) -> ErrorAnswer | None:
        iam, user_name = self._faults.iam_of(account_id), call.parameters.get("UserName", "")
        if self._is_unlucky(call, account_id, iam) or not self._is_within_rate(account_id, iam):
            return query_error(400, "Throttling", "Rate exceeded")
        if user_name in iam.delete:
            return query_error(404, "NoSuchEntity", f"The user with name {user_name} cannot be found.")
        if user_name in iam.deny and call.operation == "ListAccessKeys":
            who = f"arn:aws:sts::{account_id}:assumed-role/iam-key-age-local/scan"
            what = f"iam:ListAccessKeys on resource: user {user_name} with an explicit deny in an identity-based policy"
            return access_denied("iam", f"User: {who} is not authorized to perform: {what}")
        if _changes_a_key(call) and (error := self._update(call, account_id, iam.update_access_key)):
            return error
        about = user_name or call.parameters.get("AccessKeyId", "")
        if words := self._denied.get(account_id, {}).get((call.operation, about)):
            refused = words if _REFUSED in words else f"{words} ({_REFUSED} to perform: iam:{call.operation})"
            return access_denied("iam", refused)
        return None

    def _update(self, call: Call, account_id: str, faults: UpdateFaults) -> ErrorAnswer | None:
        """Return how a change of a key is refused; raise TimeoutError where it is neither made nor answered."""
        if faults.deny:
            what = f"iam:UpdateAccessKey on resource: user {call.parameters.get('UserName')}"
            why = "with an explicit deny in a service control policy"
            return access_denied("iam", f"User: {call.caller_arn} is not authorized to perform: {what} {why}")
        if self._fails_of_updates(account_id, "throttle"):
            return query_error(400, "Throttling", "Rate exceeded")
        if self._fails_of_updates(account_id, "time_out"):
            raise TimeoutError
        return None

    def _fails_of_updates(self, account_id: str, how: str) -> bool:
        times = getattr(self._faults.iam_of(account_id).update_access_key, how)
        return self._fails(f"updates of {account_id} {how}", Failing(fail=times))

    def _is_within_rate(self, account_id: str, iam: IamFaults) -> bool:
        """Take a token: each account's IAM has a rate of its own."""
        rate = iam.rate_per_second
        if not rate:
            return True
        bucket = self._buckets.setdefault(account_id, TokenBucket(rate, iam.burst or max(1, rate)))
        return bucket.take(self._clock())

    def _has_token_for_mail(self, rate: float) -> bool:
        return self._buckets.setdefault("mail", TokenBucket(rate, max(1, rate))).take(self._clock())

    def _is_unlucky(self, call: Call, account_id: str, iam: IamFaults) -> bool:
        """Draw by the call and how often it came before, so that the order of others' calls changes nothing."""
        if not iam.throttle_ratio:
            return False
        of_account = "" if account_id == self._account_id else f"{account_id} "
        name = f"{of_account}{call.operation} {sorted(call.parameters.items())}"
        self._times[name] += 1
        drawn = random.Random(f"{self._faults.seed} {name} {self._times[name]}").random()  # noqa: S311  # repeatable
        return drawn < iam.throttle_ratio

    def _sts(self, call: Call, account_id: str) -> ErrorAnswer | None:
        if call.operation != "AssumeRole":
            return None
        faults = self._faults.of_account(account_id).sts
        if faults.deny:
            what = f"sts:AssumeRole on resource: {call.parameters['RoleArn']}"
            return access_denied("sts", f"User: {call.caller_arn} is not authorized to perform: {what}")
        if self._fails(f"sts of {account_id} throttles", Failing(fail=faults.throttle)):
            return query_error(400, "Throttling", "Rate exceeded")
        if self._fails(f"sts of {account_id}", faults):
            return _internal_error()
        return None

    def _function(self, call: Call, account_id: str) -> ErrorAnswer | None:
        for name in type(self._faults.functions).model_fields:
            if f"-{name.title().replace('_', '')}-" in call.path:
                of_account = self._faults.of_account(account_id).functions
                return (name == "scan_account" and self._invocation(account_id, of_account.scan_account)) or (
                    self._invocation(name, getattr(self._faults.functions, name))
                )
        return None

    def _invocation(self, name: str, failing: FunctionFailing) -> ErrorAnswer | None:
        if self._fails(f"function {name}", failing):
            body = {"Type": "Service", "Message": "The service encountered an internal error."}
            return ErrorAnswer(500, json.dumps(body).encode(), (("x-amzn-errortype", "ServiceException"),))
        if self._fails(f"function {name} crashes", Failing(fail=failing.crash)):
            body = {
                "errorType": "Runtime.ExitError",
                "errorMessage": "RequestId: 00000000-0000-4000-8000-000000000000 Error: Runtime exited with error: "
                "signal: killed",
            }
            return ErrorAnswer(200, json.dumps(body).encode(), (("X-Amz-Function-Error", "Unhandled"),))
        return None

    def _cloudtrail(self, call: Call, account_id: str) -> ErrorAnswer | None:
        of_account = self._faults.of_account(account_id).cloudtrail
        name = f"cloudtrail of {account_id}" if of_account else "cloudtrail"
        return self._service(call, name, of_account or self._faults.cloudtrail)

    def _service(self, call: Call, name: str, faults: ServiceFaults) -> ErrorAnswer | None:
        if faults.deny and call.service == "organizations":
            return json_error(400, "AccessDeniedException", NOT_FOR_THIS_ACCOUNT)
        if faults.deny:
            who = call.caller_arn or f"arn:aws:sts::{self._account_id}:assumed-role/iam-key-age-local/look_up_usage"
            what = f"{call.service}:{call.operation} because no identity-based policy allows it"
            return access_denied(call.service, f"User: {who} is not authorized to perform: {what}")
        if self._fails(f"{name} throttles", Failing(fail=faults.throttle)):
            return json_error(400, _THROTTLED.get(call.service, "ThrottlingException"), "Rate exceeded")
        if self._fails(name, faults):
            return json_error(500, "InternalFailure", "We encountered an internal error.")
        return None

    def _fails(self, name: str, failing: Failing) -> bool:
        if not failing.fail:
            return False
        self._times[name] += 1
        return failing.fail == _ALWAYS or self._times[name] <= failing.fail


def _changes_a_key(call: Call) -> bool:
    return (call.service, call.operation) == ("iam", "UpdateAccessKey")


def _internal_error() -> ErrorAnswer:
    return query_error(500, "InternalError", "We encountered an internal error.")

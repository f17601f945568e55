"""What is made to go wrong in the local AWS (`--faults`): which call of the scan is answered with which error."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any
from xml.sax.saxutils import escape

from pydantic import AfterValidator, Field, model_validator

from localaws.strict_json import Strict, UserName, parse_document

_ALWAYS = -1
_MOST = 1_000_000
_LONGEST_MS = 60_000
_REFUSED = "is not authorized"  # which distinguishes a refusal from throttling
_FUNCTIONS = ("read_policy", "read_account", "validate_keys", "look_up_usage", "build_report")


def _between(low: float, high: float, takes: str) -> Any:
    def check(value: float) -> float:
        if not low <= value <= high:  # which no NaN is
            raise ValueError(f"takes {takes} from {low:,} to {high:,}")
        return value

    return AfterValidator(check)


Whole = Annotated[int, _between(1, _MOST, "a whole number")]
Times = Annotated[int, _between(_ALWAYS, _MOST, "a whole number of calls, -1 for all of them,")]


class IamFaults(Strict):
    """What goes wrong in IAM; a token bucket needs its rate."""

    throttle_ratio: Annotated[float, _between(0, 1, "a share")] = 0
    rate_per_second: Annotated[float, _between(0.1, _MOST, "a number")] | None = None
    burst: Whole | None = None
    latency_ms: Annotated[float, _between(0, _LONGEST_MS, "milliseconds")] = 0
    deny: list[UserName] = Field(default=[])
    delete: list[UserName] = Field(default=[])

    @model_validator(mode="after")
    def _has_a_rate_for_its_burst(self) -> "IamFaults":
        if self.burst is not None and self.rate_per_second is None:
            raise ValueError("takes burst only beside rate_per_second")
        return self


class Failing(Strict):
    """How many of the first calls fail, -1 for all."""

    fail: Times = 0


class FunctionFaults(Strict):
    """Which functions' invocations fail."""

    read_policy: Failing = Failing()
    read_account: Failing = Failing()
    validate_keys: Failing = Failing()
    look_up_usage: Failing = Failing()
    build_report: Failing = Failing()


class CloudTrailFaults(Failing):
    """What goes wrong in CloudTrail: calls that are throttled first, that fail then, or all refused."""

    throttle: Times = 0
    deny: bool = False


class Faults(Strict):
    """All that is to go wrong; nothing, without any."""

    seed: int = 0
    iam: IamFaults = IamFaults()
    functions: FunctionFaults = Field(default=FunctionFaults(), alias="lambda")
    s3: Failing = Failing()
    sns: Failing = Failing()
    cloudtrail: CloudTrailFaults = CloudTrailFaults()


def parse_faults(text: str) -> Faults:
    """Read what `--faults` takes; DocumentError for what is refused."""
    return parse_document(Faults, text, "faults")


@dataclass(frozen=True)
class Call:
    """A call of the state machine or of a function: IAM's with the parameters that tell it from others."""

    service: str
    operation: str
    path: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class ErrorAnswer:
    """An error as a service answers it."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


class TokenBucket:
    """Lets `rate` calls a second through, and `burst` at once after a pause."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token, if there is one at an instant given in seconds."""
        elapsed = 0.0 if self._filled_at is None else now - self._filled_at
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class FaultInjector:
    """Answers for the services what the faults say, None where nothing is wrong."""

    def __init__(
        self,
        faults: Faults,
        account_id: str,
        clock: Callable[[], float] = time.monotonic,
        denied: Mapping[tuple[str, str], str] = MappingProxyType({}),
    ) -> None:
        self._faults = faults
        self._account_id = account_id
        self._denied = denied
        self._clock = clock
        self._lock = threading.Lock()
        self._times: Counter[str] = Counter()
        rate = faults.iam.rate_per_second
        self._bucket = TokenBucket(rate, faults.iam.burst or max(1, rate)) if rate else None

    @property
    def latency_seconds(self) -> float:
        """How long each call of IAM takes at least."""
        return self._faults.iam.latency_ms / 1000

    def answer(self, call: Call) -> ErrorAnswer | None:
        """Return what a call is answered with in place of the service's own answer."""
        with self._lock:
            match call.service:
                case "iam":
                    return self._iam(call)
                case "lambda":
                    return self._function(call)
                case "s3" if self._fails("s3", self._faults.s3):
                    return _s3_error()
                case "sns" if self._fails("sns", self._faults.sns):
                    return _query_error(500, "Receiver", "InternalError", "We encountered an internal error.")
                case "cloudtrail":
                    return self._cloudtrail(call)
        return None

    def _iam(self, call: Call) -> ErrorAnswer | None:
        iam, user_name = self._faults.iam, call.parameters.get("UserName", "")
        if self._is_unlucky(call) or (self._bucket and not self._bucket.take(self._clock())):
            return _query_error(400, "Sender", "Throttling", "Rate exceeded")
        if user_name in iam.delete:
            return _query_error(404, "Sender", "NoSuchEntity", f"The user with name {user_name} cannot be found.")
        if user_name in iam.deny and call.operation == "ListAccessKeys":
            who = f"arn:aws:sts::{self._account_id}:assumed-role/iam-key-age-local/scan"
            what = f"iam:ListAccessKeys on resource: user {user_name} with an explicit deny in an identity-based policy"
            return _query_error(403, "Sender", "AccessDenied", f"User: {who} is not authorized to perform: {what}")
        if words := self._denied.get((call.operation, user_name or call.parameters.get("AccessKeyId", ""))):
            refused = words if _REFUSED in words else f"{words} ({_REFUSED} to perform: iam:{call.operation})"
            return _query_error(403, "Sender", "AccessDenied", escape(refused))
        return None

    def _is_unlucky(self, call: Call) -> bool:
        """Draw by the call and how often it came before, so that the order of others' calls changes nothing."""
        if not self._faults.iam.throttle_ratio:
            return False
        name = f"{call.operation} {sorted(call.parameters.items())}"
        self._times[name] += 1
        drawn = random.Random(f"{self._faults.seed} {name} {self._times[name]}").random()  # noqa: S311  # repeatable
        return drawn < self._faults.iam.throttle_ratio

    def _function(self, call: Call) -> ErrorAnswer | None:
        for name in _FUNCTIONS:
            logical_id = name.title().replace("_", "")
            if f"-{logical_id}-" in call.path and self._fails(name, getattr(self._faults.functions, name)):
                body = {"Type": "Service", "Message": "The service encountered an internal error."}
                return ErrorAnswer(500, json.dumps(body).encode(), (("x-amzn-errortype", "ServiceException"),))
        return None

    def _cloudtrail(self, call: Call) -> ErrorAnswer | None:
        faults = self._faults.cloudtrail
        if faults.deny:
            who = f"arn:aws:sts::{self._account_id}:assumed-role/iam-key-age-local/look_up_usage"
            what = f"cloudtrail:{call.operation} because no identity-based policy allows it"
            return _json_error(400, "AccessDeniedException", f"User: {who} is not authorized to perform: {what}")
        if self._fails("cloudtrail throttles", Failing(fail=faults.throttle)):
            return _json_error(400, "ThrottlingException", "Rate exceeded")
        if self._fails("cloudtrail", faults):
            return _json_error(500, "InternalFailure", "We encountered an internal error.")
        return None

    def _fails(self, name: str, failing: Failing) -> bool:
        self._times[name] += 1
        return failing.fail == _ALWAYS or self._times[name] <= failing.fail


def _query_error(status: int, kind: str, code: str, message: str) -> ErrorAnswer:
    error = f"<Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f"<ErrorResponse>{error}<RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    return ErrorAnswer(status, body.encode(), (("Content-Type", "text/xml"),))


def _json_error(status: int, code: str, message: str) -> ErrorAnswer:
    body = json.dumps({"__type": code, "message": message}).encode()
    return ErrorAnswer(status, body, (("Content-Type", "application/x-amz-json-1.1"),))


def _s3_error() -> ErrorAnswer:
    body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
    return ErrorAnswer(503, body.encode(), (("Content-Type", "application/xml"),))

"""WSGI middleware before moto: refuses strangers, counts the scan's calls, and lets them fail where that is wanted."""

import re
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from localaws.callers import Caller, Callers
from localaws.calls import SCANNED, Call, call_of, credential_of
from localaws.error_answers import ErrorAnswer, access_denied, expired_token, invalid_token
from localaws.fault_injector import Denied, FaultInjector
from localaws.faults import Faults
from localaws.peers import is_of_this_user, why_refused

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_THROTTLED = re.compile(rb"<Code>Throttling</Code>")  # as IAM says it

# Says why a caller may not make a call, None where it may.
Authorize = Callable[[Caller, Call], str | None]


class Gate:
    """WSGI middleware: answers for the caller's account, and counts the calls of the state machine and the functions.

    `closed` are the accounts that refuse every call.
    """

    def __init__(
        self, application: Application, account_id: str, authorize: Authorize = lambda _caller, _call: None
    ) -> None:
        self._application = application
        self.account_id = account_id
        self._authorize = authorize
        self._lock = threading.Lock()
        self._denied: Mapping[str, Denied] = {}
        self.callers = Callers(account_id)
        self.closed: frozenset[str] = frozenset()
        self.reset()
        self.inject(Faults())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request of this user's own programs."""
        if why := _why_refused(environ):
            start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{why}\n".encode()]
        return self.serve(environ, start_response, self._application)

    def serve(
        self, environ: dict[str, Any], start_response: Callable[..., Any], application: Application
    ) -> Iterable[bytes]:
        """Serve a request by an application that answers as the middleware's own does."""
        key_id, service = credential_of(environ)
        caller = self.callers.of(key_id)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = caller.account_id
        if not (caller.is_counted or caller.is_session):
            return application(environ, start_response)
        call = call_of(service, environ, caller.account_id, caller.arn)
        if caller.is_counted and service == "iam":
            self._count_iam(time.monotonic())
            time.sleep(self._injector.latency_seconds(call.account_id))
        body = b""
        try:
            if error := self._refusal(caller, call, environ):
                body = _answered(error, start_response)
            else:
                body = b"".join(application(environ, start_response))
                if caller.is_counted:
                    self._injector.lose(call)
        finally:
            if caller.is_counted:
                self._count(call, body)
        return [body]

    def _refusal(self, caller: Caller, call: Call, environ: Mapping[str, Any]) -> ErrorAnswer | None:
        if caller.token is not None:
            if environ.get("HTTP_X_AMZ_SECURITY_TOKEN") != caller.token or caller.account_id in self.closed:
                return invalid_token(call.service)
            if self.callers.has_expired(caller):
                return expired_token(call.service)
        if caller.is_counted and (error := self._injector.answer(call)):
            return error
        why = self._authorize(caller, call)
        return access_denied(call.service, why) if why else None

    def _count(self, call: Call, body: bytes) -> None:
        throttled = _THROTTLED.search(body[:1000]) is not None
        with self._lock:
            self._calls[f"{call.service}:{call.operation}"] += 1
            self._calls_by_account[call.account_id][f"{call.service}:{call.operation}"] += 1
            self._throttled += throttled
            self._users_asked += call.operation == "ListAccessKeys" and not throttled
            if SCANNED in call.parameters:
                self._accounts_scanned.add(call.account_id)
        if call.service == "iam":
            self._count_iam(time.monotonic())

    def inject(self, faults: Faults) -> None:
        """Replace the active faults."""
        self.faults = faults
        self._injector = FaultInjector(faults, self.account_id, denied=self._denied)

    def deny(self, denied: Denied, of_members: Mapping[str, Denied] = MappingProxyType({})) -> None:
        """Replace the calls that IAM refuses, in the account of the deployment and in members of its organization."""
        self._denied = {**of_members, self.account_id: denied}
        self.inject(self.faults)

    def reset(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._calls: Counter[str] = Counter()
            self._calls_by_account: dict[str, Counter[str]] = defaultdict(Counter)
            self._accounts_scanned: set[str] = set()
            self._throttled = 0
            self._users_asked = 0
            self._iam_began: float | None = None
            self._iam_ended = 0.0

    @property
    def has_latency(self) -> bool:
        """Whether a call may take longer than its answer does to make."""
        return self.faults.have_latency

    @property
    def throttled(self) -> int:
        """How many of the calls were answered with a throttling error."""
        return self._throttled

    @property
    def users_asked(self) -> int:
        """For how many users IAM was asked and said, or refused to say, what keys they have."""
        return self._users_asked

    @property
    def accounts_scanned(self) -> int:
        """For how many accounts of the organization the function that scans one has ended."""
        return len(self._accounts_scanned)

    @property
    def iam_seconds(self) -> float:
        """How long it took from the first call of IAM to the last one's answer."""
        return 0.0 if self._iam_began is None else self._iam_ended - self._iam_began

    def calls(self) -> dict[str, int]:
        """Return how often each operation was called, by its IAM name such as iam:ListUsers."""
        with self._lock:
            return dict(sorted(self._calls.items()))

    def calls_by_account(self) -> dict[str, dict[str, int]]:
        """Return the same by account: the one that was called, and of AssumeRole and scan_account, the one meant."""
        with self._lock:
            return {account_id: dict(sorted(calls.items())) for account_id, calls in self._calls_by_account.items()}

    def _count_iam(self, now: float) -> None:
        with self._lock:
            self._iam_began = now if self._iam_began is None else self._iam_began
            self._iam_ended = now


def _answered(error: ErrorAnswer, start_response: Callable[..., Any]) -> bytes:
    headers = [*error.headers, ("x-amzn-requestid", str(uuid.uuid4())), ("Content-Length", str(len(error.body)))]
    start_response(f"{error.status} {HTTPStatus(error.status).phrase}", headers)
    return error.body


def _why_refused(environ: Mapping[str, Any]) -> str | None:
    """Return why a request is refused, None where it is not; without a port it comes from this process."""
    if "REMOTE_PORT" not in environ:
        return None
    if why := why_refused(environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN", "")):
        return why
    client = environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])
    return (
        None
        if is_of_this_user(client, ("127.0.0.1", int(environ["SERVER_PORT"])))
        else "this local AWS is another user's"
    )

"""WSGI middleware before moto: refuses strangers, counts the scan's calls, and lets them fail where that is wanted."""

import io
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from localaws.clients import FUNCTION, GUEST, INTERPRETER
from localaws.faults import Call, ErrorAnswer, FaultInjector, Faults
from localaws.peers import is_of_this_user, why_refused

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/")
_THROTTLED = re.compile(rb"<Code>Throttling</Code>")  # as IAM says it
_S3_OPERATIONS = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
_TELL_CALLS_APART = ("UserName", "GroupName", "PolicyName", "PolicyArn", "VersionId", "AccessKeyId", "Marker")


class Gate:
    """WSGI middleware: answers for one account, and counts the calls of the state machine and of the functions."""

    def __init__(self, application: Application, account_id: str) -> None:
        self._application = application
        self._account_id = account_id
        self._lock = threading.Lock()
        self._denied: Mapping[tuple[str, str], str] = {}
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
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account_id
        caller, service = _caller_of(environ)
        if caller not in (INTERPRETER, FUNCTION, GUEST):
            return application(environ, start_response)
        call = _call_of(service, environ)
        if service == "iam":
            self._count_iam(time.monotonic())
            time.sleep(self._injector.latency_seconds)
        if error := self._injector.answer(call):
            body = _answered(error, start_response)
        else:
            body = b"".join(application(environ, start_response))
        throttled = _THROTTLED.search(body[:1000]) is not None
        with self._lock:
            self._calls[f"{service}:{call.operation}"] += 1
            self._throttled += throttled
            self._users_asked += call.operation == "ListAccessKeys" and not throttled
        if service == "iam":
            self._count_iam(time.monotonic())
        return [body]

    def inject(self, faults: Faults) -> None:
        """Replace the active faults."""
        self._faults = faults
        self._injector = FaultInjector(faults, self._account_id, denied=self._denied)

    def deny(self, denied: Mapping[tuple[str, str], str]) -> None:
        """Replace the calls that IAM refuses: its words, by operation and the user or the key asked about."""
        self._denied = denied
        self.inject(self._faults)

    def reset(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._calls: Counter[str] = Counter()
            self._throttled = 0
            self._users_asked = 0
            self._iam_began: float | None = None
            self._iam_ended = 0.0

    @property
    def throttled(self) -> int:
        """How many of the calls were answered with a throttling error."""
        return self._throttled

    @property
    def users_asked(self) -> int:
        """For how many users IAM was asked and said, or refused to say, what keys they have."""
        return self._users_asked

    @property
    def iam_seconds(self) -> float:
        """How long it took from the first call of IAM to the last one's answer."""
        return 0.0 if self._iam_began is None else self._iam_ended - self._iam_began

    def calls(self) -> dict[str, int]:
        """Return how often each operation was called, by its IAM name such as iam:ListUsers."""
        with self._lock:
            return dict(sorted(self._calls.items()))

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


def _caller_of(environ: dict[str, Any]) -> tuple[str, str]:
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (match[1], match[2]) if match else ("", "")


def _call_of(service: str, environ: dict[str, Any]) -> Call:
    path, method = unquote(str(environ["PATH_INFO"])), str(environ["REQUEST_METHOD"])
    parameters: dict[str, str] = {}
    if target := environ.get("HTTP_X_AMZ_TARGET"):  # the JSON protocols
        operation = str(target).rpartition(".")[2]
    elif "/operation/" in path:  # Smithy RPC
        operation = path.rpartition("/")[2]
    elif service == "s3":
        operation = _S3_OPERATIONS.get(method, method)
    elif service == "lambda":
        operation = "InvokeFunction" if path.endswith("/invocations") else path
    else:  # the query protocol
        body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        sent = dict(parse_qsl(body.decode()))
        operation = sent.get("Action", "?")
        parameters = {name: sent[name] for name in _TELL_CALLS_APART if name in sent}
    return Call(service, operation, path, parameters)

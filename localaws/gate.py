"""The gate in front of moto: sees each AWS call, whose it is and which, and counts what the scan itself calls."""

import io
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from localaws.callers import FUNCTION, INTERPRETER

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/")
_THROTTLED = re.compile(rb"<Code>Throttling</Code>")  # as IAM says it
_S3_OPERATIONS = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}


class Gate:
    """WSGI middleware: answers for one account, and counts the calls of the state machine and of the functions."""

    def __init__(self, application: Application, account_id: str) -> None:
        self._application = application
        self._account_id = account_id
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._throttled = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request."""
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account_id
        caller, service = _caller_of(environ)
        if caller not in (INTERPRETER, FUNCTION):
            return self._application(environ, start_response)
        operation = _operation_of(service, environ)
        body = b"".join(self._application(environ, start_response))
        with self._lock:
            self._calls[f"{service}:{operation}"] += 1
            self._throttled += _THROTTLED.search(body[:1000]) is not None
        return [body]

    def reset(self) -> None:
        """Count from nought again."""
        with self._lock:
            self._calls.clear()
            self._throttled = 0

    @property
    def throttled(self) -> int:
        """How many of the calls were answered with a throttling error."""
        return self._throttled

    def calls(self) -> dict[str, int]:
        """Return how often each operation was called, by its IAM name such as iam:ListUsers."""
        with self._lock:
            return dict(sorted(self._calls.items()))


def _caller_of(environ: dict[str, Any]) -> tuple[str, str]:
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (match[1], match[2]) if match else ("", "")


def _operation_of(service: str, environ: dict[str, Any]) -> str:
    path, method = str(environ["PATH_INFO"]), str(environ["REQUEST_METHOD"])
    if target := environ.get("HTTP_X_AMZ_TARGET"):  # the JSON protocols
        return str(target).rpartition(".")[2]
    if "/operation/" in path:  # Smithy RPC
        return path.rpartition("/")[2]
    if service == "s3":
        return _S3_OPERATIONS.get(method, method)
    if service == "lambda":
        return "InvokeFunction" if path.endswith("/invocations") else path
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))  # the query protocol
    environ["wsgi.input"] = io.BytesIO(body)
    return parse_qs(body.decode()).get("Action", ["?"])[0]

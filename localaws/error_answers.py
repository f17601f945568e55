"""Errors as services answer them, each in the form of its protocol."""

import json
from dataclasses import dataclass
from xml.sax.saxutils import escape

_QUERY = ("iam", "sts", "sns", "cloudformation")
_REQUEST_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class ErrorAnswer:
    """An error as a service answers it."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


def query_error(status: int, code: str, message: str) -> ErrorAnswer:
    """Return an error of a service such as IAM."""
    kind = "Sender" if status < 500 else "Receiver"  # noqa: PLR2004  # as HTTP has it
    error = f"<Error><Type>{kind}</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    body = f"<ErrorResponse>{error}<RequestId>{_REQUEST_ID}</RequestId></ErrorResponse>"
    return ErrorAnswer(status, body.encode(), (("Content-Type", "text/xml"),))


def json_error(status: int, code: str, message: str) -> ErrorAnswer:
    """Return an error of a service such as CloudTrail."""
    body = json.dumps({"__type": code, "message": message}).encode()
    return ErrorAnswer(status, body, (("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-errortype", code)))


def s3_error(status: int, code: str, message: str) -> ErrorAnswer:
    """Return an error of S3."""
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return ErrorAnswer(status, body.encode(), (("Content-Type", "application/xml"),))


def slow_down() -> ErrorAnswer:
    """Return how S3 throttles."""
    return s3_error(503, "SlowDown", "Please reduce your request rate.")


def access_denied(service: str, message: str) -> ErrorAnswer:
    """Return how a service refuses a call for lack of a permission."""
    return _by_protocol(service, 403, "AccessDenied", message)


def expired_token(service: str) -> ErrorAnswer:
    """Return how a service refuses a session that is over."""
    return _by_protocol(service, 403, "ExpiredToken", "The security token included in the request is expired")


def invalid_token(service: str) -> ErrorAnswer:
    """Return how a service refuses credentials that it does not know."""
    message = "The security token included in the request is invalid."
    if service in _QUERY:
        return query_error(403, "InvalidClientTokenId", message)
    return s3_error(403, "InvalidToken", message) if service == "s3" else _json(400, "UnrecognizedClient", message)


def _by_protocol(service: str, status: int, code: str, message: str) -> ErrorAnswer:
    if service in _QUERY:
        return query_error(status, code, message)
    return s3_error(status, code, message) if service == "s3" else _json(400, code, message)


def _json(status: int, code: str, message: str) -> ErrorAnswer:
    return json_error(status, f"{code}Exception", message)

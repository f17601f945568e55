"""What the routes of the REST API share: a signature is wanted, errors are translated, each request is logged."""

import functools
import json
import re
import time
import traceback
from collections.abc import Callable
from typing import Any, cast

from chalice.app import Chalice, ChaliceUnhandledError, ChaliceViewError, IAMAuthorizer, Request, Response

from chalicelib.api import parameters
from chalicelib.api.operations import Operation
from chalicelib.api.parameters import InvalidParameterError
from chalicelib.aws.errors import UnavailableError
from chalicelib.aws.executions import ScanConflictError
from chalicelib.policy import InvalidPolicyError
from chalicelib.scan_ids import ScanNotFoundError, is_given_id
from chalicelib.settings import InvalidStageError

Query = dict[str, Any]  # query parameters by name, as read
_Handler = Callable[..., Any]
_SECONDS_TO_ANSWER = 5
_UNSUPPORTED_MEDIA_TYPE = 415


class UnknownCallerError(Exception):
    """API Gateway does not say who signed a request whose caller has to be on record."""


class ActionNotFoundError(Exception):
    """No action has this id."""


class DeactivationConflictError(Exception):
    """A plan or an action, as it is now, does not allow what is asked; the message says why."""


_CALLERS_ERRORS = (
    (InvalidPolicyError, 400, "BadRequestError"),
    (InvalidParameterError, 400, "BadRequestError"),
    (ScanNotFoundError, 404, "NotFoundError"),
    (ScanConflictError, 409, "ConflictError"),
    (UnknownCallerError, 403, "ForbiddenError"),
    (ActionNotFoundError, 404, "NotFoundError"),
    (DeactivationConflictError, 409, "ConflictError"),
)


def serve(app: Chalice, operation: Operation) -> Callable[[_Handler], _Handler]:
    """Serve an operation to requests with a SigV4 signature; what its handler raises comes to `answer_and_log`.

    The handler is called with the request, its query parameters as read, and the path's parameters by name.
    """

    def decorate(handler: _Handler) -> _Handler:
        @functools.wraps(handler)
        def handle(**path_parameters: str) -> Any:
            try:
                request = cast(Request, app.current_request)
                return handler(request, _read_query(request, operation), **path_parameters)
            except ChaliceViewError:
                raise
            except Exception as error:
                raise ChaliceUnhandledError from error

        app.route(operation.path, methods=[operation.method], authorizer=IAMAuthorizer())(handle)
        return handle

    return decorate


def answer_and_log(request: Request, respond: Callable[[Request], Response]) -> Response:
    """Answer a request also where its handler raised, and write a line of JSON for it: no user names, no key ids."""
    began = time.monotonic()
    failure: dict[str, Any] = {}
    try:
        response = respond(request)
    except ChaliceUnhandledError as raised:
        response, failure = _answer_error(raised.__cause__ or raised)
        if "why" in failure:  # an ARN or an address in it may have what the request named
            failure["why"] = _without_ids(failure["why"], request)
    if response.status_code == _UNSUPPORTED_MEDIA_TYPE:  # which Chalice says in fewer words
        sent = InvalidParameterError("Content-Type", request.headers.get("content-type"), '"application/json"')
        response.body = {**response.body, "Message": str(sent)}
    line = {
        "route": f"{request.method} {request.path}",
        "status": response.status_code,
        "scan_id": _scan_id(request, response),
        "milliseconds": round((time.monotonic() - began) * 1000),
        "request_id": request.context.get("requestId"),
        "extended_request_id": request.context.get("extendedRequestId"),  # which no client can set
        **failure,
    }
    print(json.dumps(line))  # noqa: T201  # JSON on a line alone, as CloudWatch Logs Insights reads it
    return response


def caller_of(request: Request) -> str | None:
    """Return the ARN of who signed a request, None where API Gateway does not say."""
    arn = request.context.get("identity", {}).get("userArn")
    return arn if isinstance(arn, str) else None


def seconds_to_wait(request: Request) -> float:
    """Return how long a handler can wait and still answer before API Gateway gives up, a second before Lambda does."""
    context: Any = request.lambda_context
    return float(context.get_remaining_time_in_millis()) / 1000 - _SECONDS_TO_ANSWER


def json_body(request: Request) -> str | bytes:
    """Return the request's body, which has to say that it is JSON if there is one."""
    body = request.raw_body
    if body.strip() and not request.headers.get("content-type"):
        raise InvalidPolicyError("Content-Type", None, '"application/json" for a request with a body')
    return body


def _read_query(request: Request, operation: Operation) -> Query:
    sent = request.query_params
    by_name = {name: sent.getlist(name) for name in sent} if sent else {}
    return parameters.read_query(by_name, operation.query_parameters)


def _scan_id(request: Request, response: Response) -> str | None:
    """Return which scan a request was about; None for an id that no scan was given: it could be a user's name."""
    named = (request.uri_params or {}).get("scan_id")
    if not named and isinstance(response.body, dict):
        named = response.body.get("scan_id")
    return named if named and is_given_id(named) else None


def _without_ids(text: str, request: Request) -> str:
    """Return a text of the log without key ids and the ids in the request's path, unless a scan was given them."""
    for named in (request.uri_params or {}).values():
        if not is_given_id(named):
            text = text.replace(named, "(not shown)")
    return re.sub(r"(?<=actions/)\S+|(?<=actions%2F)\S+|AKIA\w+", "(not shown)", text)


def _answer_error(error: BaseException) -> tuple[Response, dict[str, Any]]:
    """Return the answer for what a handler raised, and what is logged of it."""
    for raised, status, code in _CALLERS_ERRORS:
        if isinstance(error, raised):
            return Response({"Code": code, "Message": str(error)}, status_code=status), {}
    logged: dict[str, Any] = {"error": type(error).__name__}
    is_of_aws = type(error).__module__.startswith("botocore.")
    if is_of_aws or isinstance(error, (UnavailableError, InvalidStageError)):
        logged["why"] = str(error)  # which speaks of settings, calls and places
    if isinstance(error, UnavailableError):
        body = {"Code": "ServiceUnavailableError", "Message": error.message}
        return Response(body, {"Retry-After": str(error.retry_after)}, status_code=503), logged
    logged["traceback"] = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    body = {"Code": "InternalServerError", "Message": "The request failed; the log of the function APIHandler says why"}
    return Response(body, status_code=500), logged

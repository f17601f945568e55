"""The REST API on this machine: `chalice local`, with API Gateway's check of signatures before it.

Started as `python -P api_gateway.py CHALICE_ARGUMENTS…`, so that the app and its modules come from the unpacked zip; it
ends with its standard input, so that it never outlives who started it.
"""

import json
import os
import sys
import threading
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from chalice import local
from chalice.cli import main

sys.path.append(str(Path(__file__).resolve().parent.parent))  # last: the app's own modules come before ours

from localaws.clients import CALLER_OF_THE_API, REGION
from localaws.peers import is_of_this_user, why_refused
from localaws.sigv4 import RefusedRequestError, Verifier, unsigned

_CALLERS_AT_ONCE = 128
_CALLER_ARN = f"arn:aws:iam::123456789012:user/{CALLER_OF_THE_API[0]}"


def answer_as_api_gateway() -> None:
    """Refuse what API Gateway refuses and `chalice local` does not: what is not signed, and methods of no route."""
    verifier = Verifier(REGION, dict([CALLER_OF_THE_API]))
    handle_request = local.LocalGateway.handle_request

    def handle_if_signed(
        self: local.LocalGateway, method: str, path: str, headers: dict[str, Any], body: bytes | None
    ) -> dict[str, Any]:
        sent = {name.lower(): str(value) for name, value in headers.items()}
        if why := why_refused(sent.get("host", ""), sent.get("origin", "")):
            raise local.ForbiddenError({}, json.dumps({"message": why}).encode())
        try:
            verifier.verify(method, path, headers, body or b"", datetime.now(UTC))
            answer: dict[str, Any] = handle_request(self, method, path, headers, body)
            if answer["statusCode"] == HTTPStatus.METHOD_NOT_ALLOWED:
                raise unsigned()
        except RefusedRequestError as refused:
            error_headers = {"x-amzn-ErrorType": refused.error_type}
            raise local.ForbiddenError(error_headers, json.dumps({"message": str(refused)}).encode()) from refused
        return answer

    create_event = local.LambdaEventConverter.create_lambda_event

    def create_event_of_caller(*request: Any, **named: Any) -> dict[str, Any]:
        event: dict[str, Any] = create_event(*request, **named)
        event["requestContext"]["identity"]["userArn"] = _CALLER_ARN
        return event

    local.LambdaEventConverter.create_lambda_event = create_event_of_caller  # type: ignore[method-assign]  # as well

    def method_of(self: Any, name: str) -> Any:  # what http.server looks for, and answers 501 where it is missing
        if name.startswith("do_"):
            return self._generic_handle
        raise AttributeError(name)

    local.LocalGateway.handle_request = handle_if_signed  # type: ignore[method-assign]  # `chalice local` has no hook
    local.ChaliceRequestHandler.__getattr__ = method_of  # as well

    def is_served(self: local.ThreadedHTTPServer, _request: object, client_address: tuple[str, int]) -> bool:
        return is_of_this_user(client_address, ("127.0.0.1", self.server_address[1]))  # another user's gets no answer

    local.ThreadedHTTPServer.verify_request = is_served  # `chalice local` has no hook for it
    local.ThreadedHTTPServer.request_queue_size = _CALLERS_AT_ONCE


if __name__ == "__main__":
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    answer_as_api_gateway()
    sys.exit(main())

"""The API's OpenAPI 3.1 document, made of the operations and of the answers' shapes. Pure."""

import inspect
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from chalicelib.api import deactivation_shapes, organization_responses, responses
from chalicelib.api.operations import OPERATIONS, Operation
from chalicelib.api.parameters import Parameter
from chalicelib.deactivation_documents import Action
from chalicelib.policy import ACCOUNTS_RULE, POLICY_RULES, WAIT_RULE

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    types.NoneType: {"type": "null"},
    Any: {},
}
_SIGNED = "sigv4"
_HEADERS: dict[int, dict[str, Any]] = {
    303: {"headers": {"Location": {"required": True, "schema": {"type": "string", "format": "uri"}}}},
    503: {"headers": {"Retry-After": {"required": True, "schema": {"type": "integer"}}}},
}


_REFUSED = (400, "Refused: the message names the field, its value and what it takes.", responses.Error)
_NO_SCAN = (404, "There is no scan of this id.", responses.Error)
_NO_REPORT = (
    404,
    "There is no scan of this id, or it has no report; the message says which, and why.",
    responses.Error,
)
_NO_PLAN = (
    404,
    "There is no scan of this id, or it has no plan; the message says which.",
    responses.Error,
)
_NO_ACTION = (404, "There is no action of this id.", responses.Error)
_OFF = (409, "The stack parameter Deactivation does not allow it.", responses.Error)
_UNAVAILABLE = (503, "AWS did not answer just now: try again after the seconds of Retry-After.", responses.Error)
_UNAVAILABLE_OR_BUSY = (
    503,
    "AWS did not answer just now, or MaxScansAtOnce scans run: try again after the seconds of Retry-After.",
    responses.Error,
)
_OF_EVERY_ROUTE = (
    (403, "The request is not signed, or by somebody who may not make it.", responses.Error | responses.Refusal),
    (415, "The Content-Type is not application/json.", responses.Error),
    (429, "API Gateway: too many requests at a time.", responses.Refusal),
    (500, "Something is wrong with the deployment; the function's log says what.", responses.Error | responses.Refusal),
    (502, "API Gateway: the function did not answer as it should.", responses.Refusal),
    (504, "API Gateway: no answer within its 29 seconds.", responses.Refusal),
)


def _answers(*of_the_route: tuple[int, str, Any]) -> dict[int, tuple[str, Any]]:
    by_status = sorted((*of_the_route, *_OF_EVERY_ROUTE), key=lambda answer: answer[0])
    return {status: (says, shape) for status, says, shape in by_status}


_ANSWERS: dict[str, dict[int, tuple[str, Any]]] = {  # by operation and status: what it says, and its shape
    "startScan": _answers(
        (
            200,
            "The scan has ended, or it is one of all users that ran already.",
            responses.ScanEnded | responses.ScanStarted,
        ),
        (202, "The scan runs.", responses.ScanStarted),
        _REFUSED,
        (409, "The Idempotency-Key started a scan by another scan policy, or of other accounts.", responses.Error),
        _UNAVAILABLE_OR_BUSY,
    ),
    "listScans": _answers((200, "Scans.", responses.ScanList), _REFUSED, _UNAVAILABLE),
    "getScan": _answers((200, "The scan.", responses.ScanStatus), _REFUSED, _NO_SCAN, _UNAVAILABLE),
    "listFindings": _answers((200, "Findings.", responses.Findings), _REFUSED, _NO_REPORT, _UNAVAILABLE),
    "listAccounts": _answers((200, "Accounts.", organization_responses.Accounts), _REFUSED, _NO_REPORT, _UNAVAILABLE),
    "getReport": _answers((303, "The link, in Location.", responses.ReportLink), _REFUSED, _NO_REPORT, _UNAVAILABLE),
    "getPlan": _answers((200, "The plan.", deactivation_shapes.ScanPlan), _REFUSED, _NO_PLAN, _OFF, _UNAVAILABLE),
    "approvePlan": _answers(
        (202, "The keys are being deactivated, or were.", deactivation_shapes.PlanApproved),
        _REFUSED,
        _NO_PLAN,
        (
            409,
            "No key is deactivated: one is not due, other keys were approved before, or another reason that it says.",
            responses.Error,
        ),
        _UNAVAILABLE,
    ),
    "listActions": _answers((200, "Actions.", deactivation_shapes.Actions), _REFUSED, _OFF, _UNAVAILABLE),
    "getAction": _answers((200, "The action.", Action), _REFUSED, _NO_ACTION, _OFF, _UNAVAILABLE),
    "undoAction": _answers(
        (202, "The key is being activated.", deactivation_shapes.UndoStarted),
        _REFUSED,
        _NO_ACTION,
        (
            409,
            "The action is not done, or was undone, or the stack parameter Deactivation does not allow it.",
            responses.Error,
        ),
        _UNAVAILABLE,
    ),
    "getOpenapi": _answers((200, "An OpenAPI 3.1 document.", dict[str, Any]), _REFUSED),
}


def openapi_document(server: str = "/") -> dict[str, Any]:
    """Return the document; `server` is the path that the routes are below, without a slash at its end."""
    schemas: dict[str, Any] = {
        "ScanRequest": {
            "type": "object",
            "description": "A scan policy, and for how long to wait. Integers are written without a fraction.",
            "properties": {**POLICY_RULES, "wait_seconds": WAIT_RULE, "accounts": ACCOUNTS_RULE},
            "additionalProperties": False,
        },
        "ApprovalRequest": {
            "type": "object",
            "description": "The keys of a plan that are to be deactivated: all of them, or none where one is refused.",
            "properties": deactivation_shapes.APPROVAL_RULES,
            "required": ["access_key_ids"],
            "additionalProperties": False,
        },
    }
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "iam-key-age",
            "version": "1",
            "summary": "Finds the IAM access keys of an AWS account that are too old, and tells people.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server, "description": "the stage that this document comes from"}],
        "security": [{_SIGNED: []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                _SIGNED: {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4, service execute-api",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
        },
    }


def _describe(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    if operation.parameters:
        described["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body:
        described["requestBody"] = {"content": _json({"$ref": f"#/components/schemas/{operation.body}"})}
        if "required" in schemas[operation.body]:
            described["requestBody"]["required"] = True
    described["responses"] = {
        str(status): {"description": says, "content": _json(_schema(shape, schemas)), **_HEADERS.get(status, {})}
        for status, (says, shape) in _ANSWERS[operation.name].items()
    }
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.purpose,
        "schema": parameter.rule,
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _schema(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a type; those of TypedDicts are put among `schemas`, and referred to."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        return _shape(hint, schemas)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], schemas)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(argument, schemas) for argument in arguments]}
    return _PLAIN[hint]


def _shape(shape: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    name = shape.__name__
    if name not in schemas:
        hints = get_type_hints(shape)
        schemas[name] = {
            "type": "object",
            "description": inspect.getdoc(shape),
            "properties": {field: _schema(hint, schemas) for field, hint in hints.items()},
            "required": [field for field in hints if field in shape.__required_keys__],
        }
    return {"$ref": f"#/components/schemas/{name}"}

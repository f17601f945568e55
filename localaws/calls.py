"""What a request to the local AWS calls: the service, the operation, and what tells the call from others."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/")
_S3_OPERATIONS = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
_TELL_CALLS_APART = (
    *("UserName", "GroupName", "PolicyName", "PolicyArn", "VersionId", "AccessKeyId", "Marker"),
    "TopicArn",
)
_WITH_CONTENT = ("SendEmail", "PutEvents", "BatchImportFindings")
# Of services that speak REST with JSON.
_OPERATIONS = {
    ("POST", "/v2/email/outbound-emails"): "SendEmail",
    ("POST", "/findings/import"): "BatchImportFindings",
}
SCANNED = "account to scan"  # a parameter of the invocation of the function that scans one
_SCANS_AN_ACCOUNT = "-ScanAccount-"  # in the name of the function


@dataclass(frozen=True)
class Call:
    """A call of the state machine or of a function: IAM's with the parameters that tell it from others.

    `account_id` is the account that it is about: the role's that is assumed, the one that a function is to scan.
    `content` is what a call sends that policies look into: a mail, events, findings.
    """

    service: str
    operation: str
    path: str
    parameters: Mapping[str, str]
    account_id: str = ""
    caller_arn: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)


def credential_of(environ: Mapping[str, Any]) -> tuple[str, str]:
    """Return the access key id and the service of a signed request."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (match[1], match[2]) if match else ("", "")


def call_of(service: str, environ: dict[str, Any], account_id: str, caller_arn: str) -> Call:
    """Return what a request calls, from an account."""
    path, method = unquote(str(environ["PATH_INFO"])), str(environ["REQUEST_METHOD"])
    parameters: dict[str, str] = {}
    content: Mapping[str, Any] = {}
    if target := environ.get("HTTP_X_AMZ_TARGET"):  # the JSON protocols
        operation = str(target).rpartition(".")[2]
        content = _document(environ) if operation in _WITH_CONTENT else {}
    elif "/operation/" in path:  # Smithy RPC
        operation = path.rpartition("/")[2]
    elif service == "s3":
        operation = _S3_OPERATIONS.get(method, method)
    elif (method, path) in _OPERATIONS:
        operation = _OPERATIONS[method, path]
        content = _document(environ) if operation in _WITH_CONTENT else {}
    elif service == "lambda":
        operation = "InvokeFunction" if path.endswith("/invocations") else path
        if _SCANS_AN_ACCOUNT in path and (scanned := _account_to_scan(_body(environ))):
            account_id, parameters = scanned, {SCANNED: scanned}
    else:  # the query protocol
        sent = dict(parse_qsl(_body(environ).decode()))
        operation = sent.get("Action", "?")
        parameters = {name: sent[name] for name in _TELL_CALLS_APART if name in sent}
        if role_arn := sent.get("RoleArn"):
            parameters["RoleArn"] = role_arn
            account_id = account_of(role_arn) or account_id
    return Call(service, operation, path, parameters, account_id, caller_arn, content)


def account_of(arn: str) -> str:
    """Return the account of an ARN, nothing where it has none."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 else ""  # noqa: PLR2004  # arn:partition:service:region:account


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _document(environ: dict[str, Any]) -> Mapping[str, Any]:
    """Return the JSON object that a call sends, nothing where it sends none."""
    try:
        sent = json.loads(_body(environ))
    except ValueError:
        return {}
    return sent if isinstance(sent, dict) else {}


def _account_to_scan(event: bytes) -> str:
    """Return the id of the account that the function ScanAccount is to scan, or to check."""
    try:
        sent = json.loads(event)
        return str((sent.get("account") or sent["check"])["account_id"])
    except (ValueError, AttributeError, KeyError, TypeError):
        return ""

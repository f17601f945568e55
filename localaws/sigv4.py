"""Signature Version 4 of requests to the REST API: made for a client, and verified as API Gateway does."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_SERVICE = "execute-api"
_TOLERANCE = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request, *"
    r"SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})"
)
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignedBy(requests.auth.AuthBase):
    """Signs what `requests` sends to the REST API."""

    def __init__(self, access_key_id: str, secret_access_key: str, region: str) -> None:
        self.signer = SigV4Auth(Credentials(access_key_id, secret_access_key), _SERVICE, region)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers of the signature."""
        signed = AWSRequest(request.method, request.url, data=request.body)
        self.signer.add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request


class RefusedRequestError(Exception):
    """A request that API Gateway answers with 403, in its own words."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


@dataclass(frozen=True)
class Verifier:
    """Knows who may call the REST API of a Region: `secrets` are secret access keys by access key id."""

    region: str
    secrets: Mapping[str, str]

    def verify(self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Raise RefusedRequestError unless a request is signed; `path` is with the query string, as it was sent."""
        sent = {name.lower(): value for name, value in headers.items()}
        if "authorization" not in sent:
            raise unsigned()
        stated = _AUTHORIZATION.fullmatch(sent["authorization"])
        if stated is None or not {"host"} <= set(stated[5].split(";")) <= set(sent):
            message = "The Authorization header is not one of Signature Version 4 for headers of the request."
            raise RefusedRequestError("IncompleteSignatureException", message)
        key_id, date, region, service, signed_headers, signature = stated.groups()
        if (region, service) != (self.region, _SERVICE):
            raise _invalid(f"Credential should be scoped to {self.region} and {_SERVICE}, not {region} and {service}.")
        if key_id not in self.secrets:
            message = "The security token included in the request is invalid."
            raise RefusedRequestError("UnrecognizedClientException", message)
        signed = {name: sent[name] for name in signed_headers.split(";")}
        if not _is_of_now(signed.get("x-amz-date", ""), date, now):
            raise _invalid(f"Signature expired or not yet current: {sent.get('x-amz-date')} is not within 5 minutes.")
        digest = hashlib.sha256(body).hexdigest()
        request = AWSRequest(method, f"http://{sent['host']}{path}", signed, body)
        request.context["timestamp"] = signed["x-amz-date"]
        is_of_this_body = signed.get("x-amz-content-sha256", digest) == digest
        if not is_of_this_body or not hmac.compare_digest(self._signature(request, key_id), signature):
            raise _invalid(_MISMATCH)

    def _signature(self, request: AWSRequest, key_id: str) -> str:
        signer: Any = SigV4Auth(Credentials(key_id, self.secrets[key_id]), _SERVICE, self.region)
        return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def unsigned() -> RefusedRequestError:
    """Return what API Gateway says to a request without a signature, and to one of no route."""
    return RefusedRequestError("MissingAuthenticationTokenException", "Missing Authentication Token")


def _is_of_now(stamp: str, date: str, now: datetime) -> bool:
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return stamp.startswith(date) and abs(now - signed_at) <= _TOLERANCE


def _invalid(message: str) -> RefusedRequestError:
    return RefusedRequestError("InvalidSignatureException", message)

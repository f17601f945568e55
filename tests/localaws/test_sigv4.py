"""The local check of signatures, against botocore's and by the rules of Signature Version 4."""

from datetime import UTC, datetime, timedelta

import pytest
import requests

from localaws.sigv4 import RefusedRequestError, SignedBy, Verifier

VERIFIER = Verifier("us-east-1", {"local": "secret"})


def signed(url: str = "http://127.0.0.1/scan?limit=1", body: bytes = b"{}") -> requests.PreparedRequest:
    auth = SignedBy("local", "secret", "us-east-1")
    return requests.Request("POST", url, data=body, auth=auth).prepare()


def verify(
    request: requests.PreparedRequest, at: datetime | None = None, headers: dict[str, str] | None = None
) -> None:
    given = {"Host": "127.0.0.1", **request.headers, **(headers or {})}
    body = request.body if isinstance(request.body, bytes) else b""
    VERIFIER.verify(str(request.method), request.path_url, given, body, at or datetime.now(UTC))


@pytest.mark.parametrize(
    "query", ["", "?limit=1", "?status=FAILED&limit=5", "?limit=5&status=FAILED", "?user_name=a%40b%2Bc", "?next="]
)
def test_a_request_that_is_signed_passes(query: str) -> None:
    verify(signed(f"http://127.0.0.1/scan{query}"))


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_is_good_for_five_minutes(minutes: int) -> None:
    request = signed()

    verify(request, at=datetime.now(UTC) + timedelta(minutes=minutes * 4.5 / 6))
    with pytest.raises(RefusedRequestError, match="not within 5 minutes"):
        verify(request, at=datetime.now(UTC) + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"X-Amz-Date": "20200101T000000Z"}, "not within 5 minutes"),
        ({"X-Amz-Date": "soon"}, "not within 5 minutes"),
        ({"Host": "elsewhere"}, "does not match"),
        ({"Authorization": "Bearer x"}, "not one of Signature Version 4"),
    ],
)
def test_a_header_that_was_changed_is_refused(headers: dict[str, str], says: str) -> None:
    with pytest.raises(RefusedRequestError, match=says):
        verify(signed(), headers=headers)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("host;x-amz-date", "x-amz-date", "not one of Signature Version 4"),  # the host has to be signed
        ("host;x-amz-date", "host", "not within 5 minutes"),  # and the date
        ("host;x-amz-date", "host;x-amz-date;x-more", "not one of Signature Version 4"),  # which was not sent
        ("/execute-api/", "/s3/", "Credential should be scoped to"),
        ("/us-east-1/", "/eu-west-1/", "Credential should be scoped to"),
        ("=local/", "=other/", "security token included in the request is invalid"),
    ],
)
def test_an_authorization_that_claims_something_else_is_refused(old: str, new: str, says: str) -> None:
    request = signed()

    with pytest.raises(RefusedRequestError, match=says):
        verify(request, headers={"Authorization": request.headers["Authorization"].replace(old, new)})


def test_a_digest_of_another_body_is_refused() -> None:
    auth = SignedBy("local", "secret", "us-east-1")
    request = requests.Request("POST", "http://127.0.0.1/scan", data=b"{}", auth=auth).prepare()
    request.body = b"[]"

    with pytest.raises(RefusedRequestError, match="does not match"):
        verify(request)

"""The evidence bucket in S3: JSON documents and other files, by their keys."""

import json
import os
from datetime import datetime, timedelta
from typing import IO, Any, NamedTuple

from chalicelib.aws import clients
from chalicelib.aws.errors import EvidenceUnavailableError, status_of, translate_s3_errors
from chalicelib.scan_ids import InvalidScanIdError, is_account_id, is_scan_id

_PRECONDITION_FAILED, _CONFLICT, _NOT_FOUND = 412, 409, 404
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ocsf": "application/json",
}


def name() -> str:
    """Return the bucket's name."""
    return os.environ["REPORTS_BUCKET"]


def folder(scan_id: str, account_id: str | None = None) -> str:
    """Return what the keys of a scan's files begin with, or those of one of its accounts; without a slash at the end.

    Raise InvalidScanIdError for ids that cannot be part of a key.
    """
    if not is_scan_id(scan_id) or (account_id is not None and not is_account_id(account_id)):
        raise InvalidScanIdError(scan_id)
    return f"scans/{scan_id}" if account_id is None else f"scans/{scan_id}/accounts/{account_id}"


def uri(key: str) -> str:
    """Return where an object is, as an s3:// URI."""
    return f"s3://{name()}/{key}"


def put(key: str, body: bytes | IO[bytes], media_type: str, **conditions: Any) -> None:
    """Write an object."""
    with translate_s3_errors():
        clients.s3().put_object(Bucket=name(), Key=key, Body=body, ContentType=media_type, **conditions)


def put_json(key: str, document: object, indent: int | None = None) -> None:
    """Write a document as JSON."""
    put(key, json.dumps(document, indent=indent, ensure_ascii=False).encode(), MEDIA_TYPES["json"])


def get(key: str, began: datetime | None = None) -> bytes | None:
    """Return an object, None if there is none, or only one of a scan before the one that began then."""
    try:
        with translate_s3_errors():
            answer = clients.s3().get_object(Bucket=name(), Key=key)
            return answer["Body"].read() if is_of(began, answer["LastModified"]) else None
    except clients.s3().exceptions.NoSuchKey:
        return None


def get_json(key: str, began: datetime | None = None) -> Any | None:
    """Return a document, as `get` does; ValueError if it is damaged."""
    body = get(key, began)
    return None if body is None else json.loads(body)


def put_first_json(key: str, document: object) -> bool:
    """Write a document as JSON unless there is one already; return whether it was written.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    try:
        put(key, json.dumps(document).encode(), MEDIA_TYPES["json"], IfNoneMatch="*")
    except clients.s3().exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != _PRECONDITION_FAILED:
            raise
        return False
    return True


class Version(NamedTuple):
    """An object as it was read."""

    body: bytes
    etag: str
    written: datetime


def get_version(key: str) -> Version | None:
    """Return an object with what tells it from those that replace it, None if there is none."""
    try:
        with translate_s3_errors():
            answer = clients.s3().get_object(Bucket=name(), Key=key)
            return Version(answer["Body"].read(), answer["ETag"], answer["LastModified"])
    except clients.s3().exceptions.NoSuchKey:
        return None


def replace_json(key: str, document: object, etag: str | None) -> str | None:
    """Write a document as JSON if the object is still the one with this ETag or, without one, if there is none yet.

    Return the new ETag, None where somebody else wrote or deleted it, or does so at this moment. Also None where the
    answer to a write was lost and botocore made it again: what is for one alone is then done by nobody.
    """
    condition: Any = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
    body, media_type = json.dumps(document).encode(), MEDIA_TYPES["json"]
    try:
        with translate_s3_errors():
            answer = clients.s3().put_object(Bucket=name(), Key=key, Body=body, ContentType=media_type, **condition)
            return answer["ETag"]
    except (clients.s3().exceptions.ClientError, EvidenceUnavailableError) as error:
        lost = (_PRECONDITION_FAILED, _CONFLICT, _NOT_FOUND) if etag else (_PRECONDITION_FAILED, _CONFLICT)
        if status_of(error.__cause__ or error) not in lost:
            raise
    return None


def names_in(folder: str) -> set[str]:
    """Return the names of what is directly in a folder, as its key with the slash at its end; files without `.json`."""
    pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=name(), Prefix=folder, Delimiter="/")
    found: set[str] = set()
    with translate_s3_errors():
        for page in pages:
            found.update(one["Prefix"] for one in page.get("CommonPrefixes", ()))
            found.update(one["Key"] for one in page.get("Contents", ()))
    return {key.removeprefix(folder).removesuffix("/").removesuffix(".json") for key in found}


def written_at(key: str, began: datetime | None) -> datetime | None:
    """Return when an object was written, None where `get_json` has none."""
    try:
        with translate_s3_errors():
            written = clients.s3().head_object(Bucket=name(), Key=key)["LastModified"]
    except clients.s3().exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "404":
            return None
        raise
    return written if is_of(began, written) else None


def is_of(began: datetime | None, written: datetime) -> bool:
    """Return whether an object is of a scan that began then, and not of an earlier one, which is 90 days older."""
    return began is None or written > began - timedelta(days=1)

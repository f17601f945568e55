"""The evidence bucket in S3: files under `scans/<scan_id>/`, and `latest.json`, which points to the last full scan."""

import functools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, cast

from chalicelib.judging import InvalidEvidenceError
from chalicelib.report import report_locations
from chalicelib.scans import InvalidScanIdError, is_scan_id
from chalicelib.shapes import Page, Report

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_LATEST_KEY = "latest.json"
_MEDIA_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}


class EvidenceUnavailableError(Exception):
    """S3 would not take or give a file just now; the state machine tries again."""


def save_page(page: Page) -> None:
    """Keep a page; the same page saved again replaces itself."""
    _put(_page_key(page["scan_id"], page["page"]), json.dumps(page, indent=1).encode(), _MEDIA_TYPES["json"])


def load_pages(scan_id: str, count: int) -> Iterator[Page]:
    """Give pages 1 to `count`, one at a time; InvalidEvidenceError where one is missing."""
    for number in range(1, count + 1):
        page = _get(_page_key(scan_id, number))
        if page is None:
            raise InvalidEvidenceError(f"page {number} of {count} is missing")
        yield cast(Page, page)


def save_report(scan_id: str, kind: str, content: Iterable[str]) -> None:
    """Keep a rendering of a scan's report: json, csv or html, as its text comes."""
    with tempfile.TemporaryFile() as file:  # so that no rendering is ever whole in memory
        for text in content:
            file.write(text.encode())
        file.seek(0)
        _put(_report_key(scan_id, kind), file, _MEDIA_TYPES[kind])


def load_report(scan_id: str) -> Report | None:
    """Give a scan's report, or None where there is none."""
    return cast("Report | None", _get(_report_key(scan_id)))


def load_last_report() -> Report | None:
    """Give the report of the last full scan, None where none is on record; InvalidEvidenceError if it is damaged."""
    try:
        latest = _get(_LATEST_KEY)
        if latest is None:
            return None
        report = load_report(latest["scan_id"])
    except (ValueError, TypeError, KeyError, InvalidScanIdError) as error:
        raise InvalidEvidenceError(f"{_LATEST_KEY} or the report it points to is damaged") from error
    if report is None:
        raise InvalidEvidenceError(f"the report that {_LATEST_KEY} points to is not there")
    return report


def latest_pointer(report: Report) -> dict[str, Any]:
    """Make the s3:PutObject request by which the state machine, at a full scan's end, makes it the last one.

    The body is an object: Step Functions writes it as JSON, and a text in quotes.
    """
    latest = {
        "schema_version": report["schema_version"],
        "scan_id": report["scan_id"],
        "account_id": report["account_id"],
        "as_of": report["as_of"],
        "reports": report_locations(scan_folder(report["scan_id"])),
    }
    return {
        "Bucket": _bucket(),
        "Key": _LATEST_KEY,
        "Body": latest,
        "ContentType": _MEDIA_TYPES["json"],
    }


def scan_folder(scan_id: str) -> str:
    """Say where a scan's files are, as an s3:// URI that ends in a slash."""
    return f"s3://{_bucket()}/{_folder(scan_id)}/"


def _page_key(scan_id: str, number: int) -> str:
    return f"{_folder(scan_id)}/pages/{number:04d}.json"


def _report_key(scan_id: str, kind: str = "json") -> str:
    return f"{_folder(scan_id)}/report.{kind}"


def _folder(scan_id: str) -> str:
    if not is_scan_id(scan_id):
        raise InvalidScanIdError(scan_id)
    return f"scans/{scan_id}"


def _put(key: str, body: bytes | IO[bytes], media_type: str) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _s3().put_object(Bucket=_bucket(), Key=key, Body=body, ContentType=media_type)
    except (BotoCoreError, ClientError) as error:
        raise _unavailable(error) from error


def _get(key: str) -> Any | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = _s3().get_object(Bucket=_bucket(), Key=key)
        return json.loads(answer["Body"].read())
    except _s3().exceptions.NoSuchKey:
        return None
    except (BotoCoreError, ClientError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> Exception:
    """Return what to raise for an error of S3: itself where another try would meet it again."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 404):
        return error
    return EvidenceUnavailableError(str(error))


def _bucket() -> str:
    return os.environ["REPORTS_BUCKET"]


@functools.cache
def _s3() -> "S3Client":
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
    return boto3.client("s3", config=config)

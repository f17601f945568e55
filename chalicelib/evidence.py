"""The evidence bucket: the files under `scans/<scan_id>/` in S3."""

import functools
import json
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from chalicelib.report import InvalidEvidenceError, Page, Report

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# A scan id becomes part of an S3 key and of an ARN; it is one path segment and never "..".
_SCAN_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}", re.ASCII)


class EvidenceUnavailableError(Exception):
    """S3 would not take or give a file just now; the state machine tries again."""


class InvalidScanIdError(Exception):
    """A scan id that cannot name a scan's files."""

    def __init__(self, scan_id: str) -> None:
        shown = json.dumps(scan_id[:90])
        super().__init__(
            f"scan_id: {shown} is not accepted; it takes 1 to 80 characters out of A-Z a-z 0-9 _ - . (not first)"
        )


def is_scan_id(text: str) -> bool:
    """Say whether a text can name a scan."""
    return _SCAN_ID.fullmatch(text) is not None


def save_page(page: Page) -> None:
    """Keep a page; the same page saved again replaces itself."""
    _put(_page_key(page["scan_id"], page["page"]), page)


def load_pages(scan_id: str, count: int) -> Iterator[Page]:
    """Give pages 1 to `count`, one at a time; InvalidEvidenceError where one is missing."""
    for number in range(1, count + 1):
        page = _get(_page_key(scan_id, number))
        if page is None:
            raise InvalidEvidenceError(f"page {number} of {count} is missing")
        yield cast(Page, page)


def save_report(report: Report) -> None:
    """Keep a scan's report."""
    _put(_report_key(report["scan_id"]), report)


def load_report(scan_id: str) -> Report | None:
    """Give a scan's report, or None where there is none."""
    return cast("Report | None", _get(_report_key(scan_id)))


def report_location(scan_id: str) -> str:
    """Say where a scan's report is, as an s3:// URI."""
    return f"s3://{_bucket()}/{_report_key(scan_id)}"


def _page_key(scan_id: str, number: int) -> str:
    return f"{_folder(scan_id)}/pages/{number:04d}.json"


def _report_key(scan_id: str) -> str:
    return f"{_folder(scan_id)}/report.json"


def _folder(scan_id: str) -> str:
    if not is_scan_id(scan_id):
        raise InvalidScanIdError(scan_id)
    return f"scans/{scan_id}"


def _put(key: str, document: Page | Report) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    body = json.dumps(document, indent=1).encode()
    try:
        _s3().put_object(Bucket=_bucket(), Key=key, Body=body, ContentType="application/json")
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

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 4})
    return boto3.client("s3", config=config)

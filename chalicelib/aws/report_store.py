"""The evidence bucket in S3: files under `scans/<scan_id>/`, and `latest.json`, which points to the last full scan."""

import functools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import IO, Any, cast

from chalicelib.aws import clients
from chalicelib.aws.errors import translate_s3_errors
from chalicelib.documents import SCHEMA_VERSION, AccountFacts, InvalidEvidenceError, Page, Progress, Report
from chalicelib.key_documents import Usage
from chalicelib.report.summary import report_locations
from chalicelib.scan_ids import InvalidScanIdError, is_scan_id

LINK_SECONDS = 300
_LATEST_KEY = "latest.json"
_MEDIA_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}


def save_account(account: AccountFacts) -> None:
    """Keep what a scan read of the account."""
    _put(_account_key(account["scan_id"]), json.dumps(account, ensure_ascii=False).encode(), _MEDIA_TYPES["json"])


@functools.lru_cache(maxsize=1)  # each page needs it, and a warm function has it from the page before
def load_account(scan_id: str, account_id: str, _read_at: str) -> AccountFacts:
    """Return what a scan read of the account; raise InvalidEvidenceError if it is missing or another's."""
    try:
        account = _get(_account_key(scan_id)) or {}
        of_this = (account.get("schema_version"), account.get("scan_id"), account.get("account_id"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise InvalidEvidenceError("account.json is damaged") from error
    if of_this != (SCHEMA_VERSION, scan_id, account_id):
        raise InvalidEvidenceError("account.json is missing, or of another scan")
    return cast(AccountFacts, account)


def save_page(page: Page) -> None:
    """Keep a page; the same page saved again replaces itself."""
    _put(_page_key(page["scan_id"], page["page"]), json.dumps(page, indent=1).encode(), _MEDIA_TYPES["json"])


def load_pages(scan_id: str, count: int) -> Iterator[Page]:
    """Yield pages 1 to `count`; raise InvalidEvidenceError if one is missing."""
    for number in range(1, count + 1):
        page = _get(_page_key(scan_id, number))
        if page is None:
            raise InvalidEvidenceError(f"page {number} of {count} is missing")
        yield cast(Page, page)


def load_all_pages(scan_id: str, began: datetime | None) -> Iterator[Page]:
    """Yield all pages of a scan that began then."""
    yield from load_pages(scan_id, count_pages(scan_id, began))


def count_pages(scan_id: str, began: datetime | None) -> int:
    """Count the pages so far of a scan that began then."""
    with translate_s3_errors():
        listed = clients.s3().list_objects_v2(Bucket=_bucket(), Prefix=f"{_folder(scan_id)}/pages/")
    # A thousand at most, which is 100,000 users; IAM's quota is 5,000.
    return sum(_is_of(began, page["LastModified"]) for page in listed.get("Contents", ()))


def read_progress(scan_id: str, began: datetime | None) -> Progress:
    """Return how far a scan is: its pages, and the users on them; null if the last page was just replaced."""
    pages = count_pages(scan_id, began)
    last = _get(_page_key(scan_id, pages)) if pages else {"users_so_far": 0}
    return {"pages": pages, "users": (last or {}).get("users_so_far")}


def save_usage(usage: Usage) -> None:
    """Keep what CloudTrail said of a scan's keys."""
    _put(_usage_key(usage["scan_id"]), json.dumps(usage, indent=1).encode(), _MEDIA_TYPES["json"])


def load_usage(scan_id: str) -> Usage:
    """Return what CloudTrail said of a scan's keys; raise InvalidEvidenceError if it is missing or damaged."""
    try:
        usage = _get(_usage_key(scan_id))
    except ValueError as error:
        raise InvalidEvidenceError("usage.json is damaged") from error
    if not isinstance(usage, dict) or not isinstance(usage.get("keys"), dict):
        raise InvalidEvidenceError("usage.json is missing or damaged")
    return cast(Usage, usage)


def save_report(scan_id: str, kind: str, content: Iterable[str]) -> None:
    """Keep a rendering of a scan's report: json, csv or html, as its text comes."""
    with tempfile.TemporaryFile() as file:  # so that no rendering is ever whole in memory
        for text in content:
            file.write(text.encode())
        file.seek(0)
        _put(_report_key(scan_id, kind), file, _MEDIA_TYPES[kind])


def load_report(scan_id: str, began: datetime | None = None) -> Report | None:
    """Return the report of a scan, of one that began then if that is known; None if there is no report.

    Step Functions gives a name again after 90 days: what is there may be the report of an earlier scan.
    """
    return cast("Report | None", _get(_report_key(scan_id), began))


def link_report(scan_id: str, kind: str, began: datetime | None) -> str | None:
    """Make a link to a rendering of a scan's report that works for LINK_SECONDS; None as `load_report` does."""
    from botocore.exceptions import ClientError

    bucket, key = _bucket(), _report_key(scan_id, kind)
    try:
        with translate_s3_errors():
            found = clients.s3().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] == "404":
            return None
        raise
    if not _is_of(began, found["LastModified"]):
        return None
    named = f'inline; filename="iam-key-age-{scan_id}.{kind}"'
    wanted = {"Bucket": bucket, "Key": key, "ResponseContentDisposition": named}
    return clients.s3().generate_presigned_url("get_object", Params=wanted, ExpiresIn=LINK_SECONDS)


def load_last_report() -> Report | None:
    """Return the report of the last full scan, None if there is none; raise InvalidEvidenceError if it is damaged."""
    try:
        latest = _get(_LATEST_KEY)
        if latest is None:
            return None
        report = load_report(latest["scan_id"])
    except (ValueError, TypeError, KeyError, RecursionError, InvalidScanIdError) as error:
        raise InvalidEvidenceError(f"{_LATEST_KEY} or the report it points to is damaged") from error
    if report is None:
        raise InvalidEvidenceError(f"the report that {_LATEST_KEY} points to is not there")
    return report


def baseline_pointer(report: Report) -> dict[str, Any]:
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
    """Return where a scan's files are, as an s3:// URI that ends in a slash."""
    return f"s3://{_bucket()}/{_folder(scan_id)}/"


def _account_key(scan_id: str) -> str:
    return f"{_folder(scan_id)}/account.json"


def _page_key(scan_id: str, number: int) -> str:
    return f"{_folder(scan_id)}/pages/{number:04d}.json"


def _usage_key(scan_id: str) -> str:
    return f"{_folder(scan_id)}/usage.json"


def _report_key(scan_id: str, kind: str = "json") -> str:
    return f"{_folder(scan_id)}/report.{kind}"


def _folder(scan_id: str) -> str:
    if not is_scan_id(scan_id):
        raise InvalidScanIdError(scan_id)
    return f"scans/{scan_id}"


def _put(key: str, body: bytes | IO[bytes], media_type: str) -> None:
    with translate_s3_errors():
        clients.s3().put_object(Bucket=_bucket(), Key=key, Body=body, ContentType=media_type)


def _get(key: str, began: datetime | None = None) -> Any | None:
    try:
        with translate_s3_errors():
            answer = clients.s3().get_object(Bucket=_bucket(), Key=key)
            return json.loads(answer["Body"].read()) if _is_of(began, answer["LastModified"]) else None
    except clients.s3().exceptions.NoSuchKey:
        return None


def _is_of(began: datetime | None, written: datetime) -> bool:
    """Return whether a file is of a scan that began then, and not of an earlier one, which is 90 days older."""
    return began is None or written > began - timedelta(days=1)


def _bucket() -> str:
    return os.environ["REPORTS_BUCKET"]

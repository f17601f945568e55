"""The files under `scans/<scan_id>/`, and `latest.json`, which points to the last full scan.

Where `of_account` is given, they are those of one account in a scan of an organization.
"""

import contextlib
import functools
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, cast

from chalicelib.aws import bucket, clients
from chalicelib.aws.errors import translate_s3_errors
from chalicelib.documents import OCSF, SCHEMA_VERSION, AccountFacts, InvalidEvidenceError, Page, Progress, Report
from chalicelib.instants import format_instant, parse_instant
from chalicelib.key_documents import Usage
from chalicelib.report.summary import report_locations
from chalicelib.scan_ids import InvalidScanIdError

LINK_SECONDS = 300
_LATEST_KEY = "latest.json"
_EXTENSIONS = {OCSF: "ocsf.json"}  # of a rendering whose name is another


def save_account(account: AccountFacts, of_account: str | None = None) -> None:
    """Keep what a scan read of the account."""
    bucket.put_json(_account_key(account["scan_id"], of_account), account)


@functools.lru_cache(maxsize=1)  # each page needs it, and a warm function has it from the page before
def load_account(scan_id: str, account_id: str, _read_at: str) -> AccountFacts:
    """Return what a scan read of the account; raise InvalidEvidenceError if it is missing or another's."""
    try:
        account = bucket.get_json(_account_key(scan_id, None)) or {}
        of_this = (account.get("schema_version"), account.get("scan_id"), account.get("account_id"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise InvalidEvidenceError("account.json is damaged") from error
    if of_this != (SCHEMA_VERSION, scan_id, account_id):
        raise InvalidEvidenceError("account.json is missing, or of another scan")
    return cast(AccountFacts, account)


def save_page(page: Page, of_account: str | None = None) -> None:
    """Keep a page; the same page saved again replaces itself."""
    bucket.put_json(_page_key(page["scan_id"], page["page"], of_account), page, indent=1)


def load_pages(scan_id: str, count: int, of_account: str | None = None) -> Iterator[Page]:
    """Yield pages 1 to `count`; raise InvalidEvidenceError if one is missing."""
    for number in range(1, count + 1):
        page = bucket.get_json(_page_key(scan_id, number, of_account))
        if page is None:
            raise InvalidEvidenceError(f"page {number} of {count} is missing")
        yield cast(Page, page)


def load_all_pages(scan_id: str, began: datetime | None, of_account: str | None = None) -> Iterator[Page]:
    """Yield all pages of a scan that began then."""
    yield from load_pages(scan_id, count_pages(scan_id, began, of_account), of_account)


def count_pages(scan_id: str, began: datetime | None, of_account: str | None = None) -> int:
    """Count the pages so far of a scan that began then."""
    prefix = f"{bucket.folder(scan_id, of_account)}/pages/"
    with translate_s3_errors():
        listed = clients.s3().list_objects_v2(Bucket=bucket.name(), Prefix=prefix)
    # A thousand at most, which is 100,000 users; IAM's quota is 5,000.
    return sum(bucket.is_of(began, page["LastModified"]) for page in listed.get("Contents", ()))


def read_progress(scan_id: str, began: datetime | None, of_account: str | None = None) -> Progress:
    """Return how far a scan is: its pages, and the users on them; null if the last page was just replaced."""
    pages = count_pages(scan_id, began, of_account)
    last = bucket.get_json(_page_key(scan_id, pages, of_account)) if pages else {"users_so_far": 0}
    return {"pages": pages, "users": (last or {}).get("users_so_far")}


def save_usage(usage: Usage, of_account: str | None = None) -> None:
    """Keep what CloudTrail said of a scan's keys."""
    bucket.put_json(_usage_key(usage["scan_id"], of_account), usage, indent=1)


def load_usage(scan_id: str) -> Usage:
    """Return what CloudTrail said of a scan's keys; raise InvalidEvidenceError if it is missing or damaged."""
    try:
        usage = bucket.get_json(_usage_key(scan_id, None))
    except ValueError as error:
        raise InvalidEvidenceError("usage.json is damaged") from error
    if not isinstance(usage, dict) or not isinstance(usage.get("keys"), dict):
        raise InvalidEvidenceError("usage.json is missing or damaged")
    return cast(Usage, usage)


def save_report(scan_id: str, kind: str, content: Iterable[str], of_account: str | None = None) -> None:
    """Keep a rendering of a scan's report: json, csv, html or ocsf, as its text comes."""
    with tempfile.TemporaryFile() as file:  # so that no rendering is ever whole in memory
        for text in content:
            file.write(text.encode())
        file.seek(0)
        bucket.put(_report_key(scan_id, kind, of_account), file, bucket.MEDIA_TYPES[kind])


def load_report(scan_id: str, began: datetime | None = None, of_account: str | None = None) -> Report | None:
    """Return the report of a scan, of one that began then if that is known; None if there is no report.

    Step Functions gives a name again after 90 days: what is there may be the report of an earlier scan.
    """
    return cast("Report | None", bucket.get_json(_report_key(scan_id, "json", of_account), began))


def report_written_at(scan_id: str, began: datetime | None, of_account: str | None = None) -> datetime | None:
    """Return when a scan's report was written; None as `load_report` does."""
    return bucket.written_at(_report_key(scan_id, "json", of_account), began)


def link_report(scan_id: str, kind: str, began: datetime | None, of_account: str | None = None) -> str | None:
    """Make a link to a rendering of a scan's report that works for LINK_SECONDS; None as `load_report` does."""
    name, key = bucket.name(), _report_key(scan_id, kind, of_account)
    if bucket.written_at(key, began) is None:
        return None
    named = "-".join(filter(None, ("iam-key-age", scan_id, of_account)))
    wanted = {
        "Bucket": name,
        "Key": key,
        "ResponseContentDisposition": f'inline; filename="{named}.{_EXTENSIONS.get(kind, kind)}"',
    }
    return clients.s3().generate_presigned_url("get_object", Params=wanted, ExpiresIn=LINK_SECONDS)


def load_last_report() -> Report | None:
    """Return the report of the last full scan, None if there is none; raise InvalidEvidenceError if it is damaged."""
    with _damage_noted(f"{_LATEST_KEY} or the report it points to"):
        latest = bucket.get_json(_LATEST_KEY)
        if latest is None:
            return None
        report = load_report(latest["scan_id"])
    return _required(report, f"the report that {_LATEST_KEY} points to")


def load_pointer(key: str = _LATEST_KEY) -> dict[str, str] | None:
    """Return the `scan_id` and the `as_of` of the last full scan, None if there is none, or if that is damaged."""
    try:
        latest: Any = bucket.get_json(key)
        return {"scan_id": str(latest["scan_id"]), "as_of": format_instant(parse_instant(latest["as_of"]))}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def last_kept_at() -> datetime | None:
    """Return when the last full scan was made the last, after its message was sent; None if there is none."""
    return bucket.written_at(_LATEST_KEY, None)


def load_last_report_of(account_id: str, scan_id: str | None) -> Report | None:
    """Return an account's report in the scan that has its last, None for no scan; errors as in `load_last_report`."""
    if scan_id is None:
        return None
    with _damage_noted("the account's last report"):
        report = load_report(scan_id, of_account=account_id)
    return _required(report, "the account's last report")


@contextlib.contextmanager
def _damage_noted(what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, RecursionError, InvalidScanIdError) as error:
        raise InvalidEvidenceError(f"{what} is damaged") from error


def _required(report: Report | None, what: str) -> Report:
    if report is None:
        raise InvalidEvidenceError(f"{what} is not there")
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
        "Bucket": bucket.name(),
        "Key": _LATEST_KEY,
        "Body": latest,
        "ContentType": bucket.MEDIA_TYPES["json"],
    }


def scan_folder(scan_id: str, of_account: str | None = None) -> str:
    """Return where a scan's files are, as an s3:// URI that ends in a slash."""
    return bucket.uri(f"{bucket.folder(scan_id, of_account)}/")


def _account_key(scan_id: str, of_account: str | None) -> str:
    return f"{bucket.folder(scan_id, of_account)}/account.json"


def _page_key(scan_id: str, number: int, of_account: str | None) -> str:
    return f"{bucket.folder(scan_id, of_account)}/pages/{number:04d}.json"


def _usage_key(scan_id: str, of_account: str | None) -> str:
    return f"{bucket.folder(scan_id, of_account)}/usage.json"


def _report_key(scan_id: str, kind: str, of_account: str | None) -> str:
    return f"{bucket.folder(scan_id, of_account)}/report.{_EXTENSIONS.get(kind, kind)}"

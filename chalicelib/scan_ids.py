"""Scan ids: which there are, and the names that scans are given. Pure but for an ad hoc id, which is random."""

import hashlib
import json
import re
import secrets
from datetime import datetime

from chalicelib.documents import SCAN_ID_PATTERN
from chalicelib.instants import format_instant
from chalicelib.organization_documents import ACCOUNT_ID_PATTERN

ADHOC, ORGANIZATION = "adhoc", "organization"  # what the ids of scans on demand begin with
# The ids that this app gives, and the names that Step Functions gives: what nobody wrote by hand.
_GIVEN_ID = (
    r"(adhoc|organization|scheduled)-\d{4}-\d\d-\d\dT\d{6}Z(-[0-9a-f]{6,12})?|request-[0-9a-f]{32}"
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(_[0-9a-f-]{36})?"
)


class InvalidScanIdError(Exception):
    """A scan id that cannot name a scan's files."""

    def __init__(self, scan_id: str) -> None:
        shown = json.dumps(scan_id[:90])
        super().__init__(
            f"scan_id: {shown} is not accepted; it takes 1 to 80 characters out of A-Z a-z 0-9 _ - . (not first)"
        )


class ScanNotFoundError(Exception):
    """No scan has this id, or it has no report; the message says which."""

    def __init__(self, why: str = "there is no scan of this id") -> None:
        super().__init__(f"scan_id: {why}")


def is_scan_id(text: str) -> bool:
    """Return whether a text can name a scan."""
    return re.fullmatch(SCAN_ID_PATTERN, text, re.ASCII) is not None


def is_account_id(text: str) -> bool:
    """Return whether a text is the id of an AWS account."""
    return re.fullmatch(ACCOUNT_ID_PATTERN, text, re.ASCII) is not None


def is_given_id(text: str) -> bool:
    """Return whether a text is an id that a scan was given, and not something that a person made up."""
    return re.fullmatch(_GIVEN_ID, text, re.ASCII) is not None


def require_scan_id(text: str) -> None:
    """Raise ScanNotFoundError for a text that cannot name a scan: it is to reach no ARN and no key."""
    if not is_scan_id(text):
        raise ScanNotFoundError


def scheduled_id(event_time: datetime, event_id: str) -> str:
    """Name a scheduled scan after its event, so that an event delivered twice starts one scan.

    The digest of the event's id, which EventBridge makes up, keeps anybody from taking the name before.
    """
    return f"scheduled-{_stamp(event_time)}-{hashlib.sha256(event_id.encode()).hexdigest()[:12]}"


def adhoc_id(now: datetime, tail: str = "", begins: str = ADHOC) -> str:
    """Name a scan on demand; without a tail, like no other."""
    return f"{begins}-{_stamp(now)}-{tail or secrets.token_hex(3)}"


def keyed_id(key: str) -> str:
    """Name a scan after an Idempotency-Key, by a digest: a scan's id stands in logs, and a key may say anything."""
    return f"request-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def account_of(execution_arn: str) -> str:
    """Read the account id out of an execution's ARN."""
    return execution_arn.split(":")[4]


def partition_of(execution_arn: str) -> str:
    """Read the partition, such as "aws", out of an execution's ARN."""
    return execution_arn.split(":")[1]


def _stamp(instant: datetime) -> str:
    return format_instant(instant.replace(microsecond=0)).replace(":", "")

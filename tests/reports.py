"""Reports for the tests of what is made of them, through the same functions that make real ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.age import format_instant
from chalicelib.changes import join_and_compare
from chalicelib.judging import ScanTerms, judge_page
from chalicelib.policy import ScanPolicy
from chalicelib.shapes import Report

AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
FOLDER = "s3://iam-key-age-prod-reportsbucket-tt4ht5klak32/scans/scheduled-2026-11-22T080000Z/"
DENIED = (
    "Iam.IamException: User: arn:aws:sts::123456789012:assumed-role/iam-key-age-prod-ScanStateMachineRole-1A2B3C/x is"
    " not authorized to perform: iam:ListAccessKeys on resource: user denied0 with an explicit deny in a service"
    " control policy (Service: Iam, Status Code: 403)"
)


def key(key_id: str, age: float, status: str = "Active") -> dict[str, str]:
    """A key as IAM describes it, `age` days old."""
    return {"access_key_id": key_id, "status": status, "created_at": format_instant(AS_OF - timedelta(days=age))}


def user(name: str, *keys: dict[str, str]) -> dict[str, Any]:
    return {"user_name": name, "outcome": "checked", "keys": list(keys)}


def unchecked(name: str, cause: str = DENIED) -> dict[str, Any]:
    return {"user_name": name, "outcome": "unchecked", "cause": cause}


def before(*outcomes: dict[str, Any], scan_id: str = "scan-0", **policy: Any) -> Report:
    """The report of a scan that found these outcomes a day before."""
    return report_of(*outcomes, scan_id=scan_id, as_of_scan=AS_OF - timedelta(days=1), **policy)


def report_of(
    *outcomes: dict[str, Any],
    last: object = None,
    root: dict[str, Any] | None = None,
    scan_id: str = "scan-1",
    as_of_scan: datetime = AS_OF,
    **policy: Any,
) -> Report:
    """The report of a scan that found these outcomes; `last` is the report of the full scan before."""
    terms = ScanTerms(scan_id, "123456789012", as_of_scan, ScanPolicy(**policy))
    page = judge_page(terms, 1, [outcome["user_name"] for outcome in outcomes], outcomes)
    return join_and_compare([page], lambda: last, root or {"access_keys": 0})  # type: ignore[arg-type,return-value]  # damaged ones, too


def crowd(
    expired: int = 0, denied: int = 0, fresh: int = 1, prefix: str = "user", first_age: int = 91
) -> list[dict[str, Any]]:
    """Users with an expired key each, the last one's the oldest, users who are denied, and users without a key."""
    return [
        *(user(f"{prefix}{number}", key(f"AKIA{number:016}", first_age + number)) for number in range(expired)),
        *(unchecked(f"denied{number}") for number in range(denied)),
        *(user(f"fresh{number}") for number in range(fresh)),
    ]

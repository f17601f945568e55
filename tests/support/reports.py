"""Reports for the tests of what is made of them, through the same functions that make real ones."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from chalicelib.documents import Report
from chalicelib.evaluation.account import read_root
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.instants import format_instant
from chalicelib.key_documents import Unknown
from chalicelib.policy import ScanPolicy
from chalicelib.report.changes import join_and_compare
from chalicelib.report.summary import scan_kind
from tests.support.facts import facts, user_facts

AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
FOLDER = "s3://iam-key-age-prod-reportsbucket-tt4ht5klak32/scans/scheduled-2026-11-22T080000Z/"
DENIED = (
    "Iam.IamException: User: arn:aws:sts::123456789012:assumed-role/iam-key-age-prod-ScanStateMachineRole-1A2B3C/x is"
    " not authorized to perform: iam:ListAccessKeys on resource: user denied0 with an explicit deny in a service"
    " control policy (Service: Iam, Status Code: 403)"
)


Used = float | Literal["never", "unknown"] | None  # days ago; None where nobody asked


def key(key_id: str, age: float, status: str = "Active", used: Used = None) -> dict[str, Any]:
    """A key as IAM describes it, `age` days old."""
    created_at = format_instant(AS_OF - timedelta(days=age))
    return {"access_key_id": key_id, "status": status, "created_at": created_at, "used": used}


def user(
    name: str, *keys: dict[str, Any], tags: dict[str, str] | Unknown | None = None, cause: str = "", **more: Any
) -> dict[str, Any]:
    """What the state machine says of a user, with details where a key's use is given; `more` are facts."""
    outcome: dict[str, Any] = {"user_name": name, "outcome": "checked"}
    outcome["keys"] = [{field: value for field, value in key.items() if field != "used"} for key in keys]
    if any(key["used"] is not None for key in keys):
        outcome["details"] = {"last_used": [used(key["used"]) for key in keys], "cause": cause}
    outcome["facts"] = user_facts(tags, **more)
    return outcome


def used(days_ago: Used, service: str = "s3", region: str = "us-east-1") -> dict[str, str] | str:
    """A last use as the state machine says it."""
    if days_ago == "unknown" or days_ago is None:
        return "unknown"
    if days_ago == "never":
        return {}
    return {"at": format_instant(AS_OF - timedelta(days=days_ago)), "service": service, "region": region}


def unchecked(name: str, cause: str = DENIED) -> dict[str, Any]:
    return {"user_name": name, "outcome": "unchecked", "cause": cause}


def before(*outcomes: dict[str, Any], scan_id: str = "scan-0", **policy: Any) -> Report:
    """The report of a scan that found these outcomes a day before."""
    return report_of(*outcomes, scan_id=scan_id, as_of_scan=AS_OF - timedelta(days=1), **policy)


def report_of(  # noqa: PLR0913  # each is what some test varies
    *outcomes: dict[str, Any],
    last: object = None,
    root: dict[str, Any] | None = None,
    scan_id: str = "scan-1",
    as_of_scan: datetime = AS_OF,
    started_at: datetime | None = None,
    account: dict[str, Any] | None = None,
    **policy: Any,
) -> Report:
    """The report of a scan that found these outcomes; `last` is the report of the full scan before."""
    read = facts(outcomes, **(account or {}))
    if scan_kind(policy) == "full":
        read["root"] = read_root((root or {"access_keys": 0}).get("access_keys"), (root or {}).get("cause"))
    terms = ScanContext(scan_id, "123456789012", as_of_scan, ScanPolicy(**policy), read, started_at=started_at)
    page = evaluate_page(terms, 1, [outcome["user_name"] for outcome in outcomes], outcomes)
    return join_and_compare([page], lambda: last, read)  # type: ignore[arg-type,return-value]  # damaged ones, too


def crowd(
    expired: int = 0, denied: int = 0, prefix: str = "user", first_age: int = 91, used: Used = None
) -> list[dict[str, Any]]:
    """Users with an overdue key each, the last one's the oldest, users who are denied, and one without a key."""
    return [
        *(
            user(f"{prefix}{number}", key(f"AKIA{number:016}", first_age + number, used=used))
            for number in range(expired)
        ),
        *(unchecked(f"denied{number}") for number in range(denied)),
        user("fresh0"),
    ]

"""Plans of deactivations, through the same functions that make real ones."""

from datetime import datetime, timedelta
from typing import Any

from chalicelib.deactivation_documents import Action, Plan
from chalicelib.deactivation_settings import DeactivationSettings
from chalicelib.documents import Report
from chalicelib.evaluation.plan import add_plan, read_told
from chalicelib.instants import parse_instant
from chalicelib.key_documents import Finding
from chalicelib.policy import ScanPolicy
from chalicelib.report.changes import is_new_baseline
from tests.support.reports import AS_OF, report_of

PROTECTED = {"iam-key-age:never-deactivate": ""}
ALLOWED = {"iam-key-age:may-deactivate": "true"}
EXEMPT = {"iam-key-age:exempt-until": "2027-01-31", "iam-key-age:exempt-reason": "CHG-1"}
APPLY = DeactivationSettings("apply")


def action(key_id: str, state: str = "done", undone_by: str | None = None, undo_state: str = "done") -> Action:
    """The action on a key of alice, a day ago."""
    arn = "arn:aws:states:eu-west-1:123456789012:execution:iam-key-age-prod-deactivation:deactivate-scan-0"
    undo = {"by": undone_by, "at": "", "execution_arn": "", "state": undo_state, "ended_at": None, "cause": None}
    used = {"at": "2026-08-14T09:00:00Z", "service": "s3", "region": "us-east-1"}
    made: Any = {
        "schema_version": 1,
        "action_id": f"123456789012-{key_id}-1",
        "account_id": "123456789012",
        "user_name": "alice",
        "access_key_id": key_id,
        "scan_id": "scan-0",
        "approved_by": "arn:aws:iam::123456789012:user/ann",
        "approved_at": "2026-11-21T10:00:00Z",
        "why": "Not used for 99 days, last on 2026-08-14 for s3 in us-east-1: deactivate it.",
        "state_before": {"status": "Active", "created_at": "2026-05-06T08:00:00Z", "last_used": used},
        "execution_arn": arn,
        "intended_at": "2026-11-21T10:00:05Z",
        "state": state,
        "ended_at": "2026-11-21T10:00:06Z",
        "cause": None,
        "undo": undo if undone_by else None,
    }
    return made  # type: ignore[no-any-return]  # an Action


class Stage:
    """A stage that scans again and again: each full scan is compared with the last one, of which people were told."""

    def __init__(self, settings: DeactivationSettings = APPLY) -> None:
        self.settings = settings
        self.actions: dict[str, Action] = {}
        self.last: Report | None = None
        self.kept_at: datetime | None = None  # when the message of the last scan was sent, if not at once

    def scan(self, day: float, *outcomes: dict[str, Any], **policy: Any) -> Report:
        """Scan so many days after AS_OF."""
        report = report_of(*outcomes, last=self.last, as_of_scan=at(day), scan_id=f"scan-{day}", **policy)
        told = {}
        if self.last:
            told = read_told(self.last, self.settings, self.kept_at or parse_instant(self.last["as_of"]))
        add_plan(report, self.settings, ScanPolicy().to_json(), told, self.actions)
        if is_new_baseline(report):
            self.last = report
        return report


def at(day: float) -> datetime:
    return AS_OF + timedelta(days=day)


def planned(report: Report, key_id: str = "AKIAOLD") -> Any:
    """The plan of a key, None where it has none."""
    return finding_of(report, key_id).get("plan")


def finding_of(report: Report, key_id: str = "AKIAOLD") -> Finding:
    """The finding of a key, {} where it is none."""
    found: Any = {one["access_key_id"]: one for one in (*report["findings"], *report["exempt"])}
    return found.get(key_id, {})  # type: ignore[no-any-return]  # a Finding


def holds(report: Report, key_id: str = "AKIAOLD") -> list[str]:
    """The words by which a planned key is held."""
    return [hold["by"] for hold in planned(report, key_id)["holds"]]


def counts(report: Report) -> dict[str, int]:
    """The numbers of a report's plan."""
    plan: Plan = report["plan"]
    return {"due": plan["due"], "held": plan["held"], "told": plan["newly_told"], "newly_due": plan["newly_due"]}

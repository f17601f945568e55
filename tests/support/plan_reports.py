"""Reports with plans and with what was done, for the tests of what people read of them."""

import json
from dataclasses import replace
from typing import Any

from chalicelib.deactivation_documents import BY_ITSELF, Action
from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from chalicelib.documents import Report
from chalicelib.evaluation.plan import add_actions
from chalicelib.organization_documents import AnyReport, OrganizationReport
from chalicelib.outputs.mail import Message
from chalicelib.outputs.message_text import compose_message
from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.outputs.organization_text import compose_organization_message
from chalicelib.outputs.sns import compose_notification
from chalicelib.settings import HttpsFormat
from tests.support.organization_reports import FOLDER, account_id, baselines, joined, listed
from tests.support.plans import ALLOWED, APPLY, EXEMPT, PROTECTED, Stage, action
from tests.support.reports import DENIED, key, unchecked, user

EVERY_DAY = replace(APPLY, weekdays=WEEKDAYS)
NOT_BEFOREHAND = replace(EVERY_DAY, after_days=0)
EVIL = "www.evil.example.com"
NO_APPROVAL = replace(APPLY, needs_approval=False)
PLAN_ALONE = replace(APPLY, mode="plan")
TOLD_ON, TODAY = -13, 1  # days from AS_OF: both are Mondays, with DeactivateAfterDays between them
OWNED = {"owner": "web@example.com"}
WEB = user("web", key("AKIAWEB0000000000001", 400, used=200), tags=OWNED)
NIGHTLY = user("nightly", key("AKIANIGHTLY000000002", 200, used="never"))
REPORTING = user("reporting", key("AKIAREPORTING0000003", 300, used=95), tags=OWNED)
GONE = user("gone", key("AKIAGONE000000000004", 500, used=300))
UNDONE = user("undone", key("AKIAUNDONE0000000005", 250, used=180))
ROTATED_KEYS = key("AKIAROTATED000000006", 150, used=10), key("AKIASUCCESSOR0000007", 9, used=0.5)
ROTATED = user("rotated", *ROTATED_KEYS)
PROTECTED_USER = user("billing", key("AKIABILLING000000008", 700, used=150), tags=OWNED | PROTECTED)
VAULT = user("vault", key("AKIAVAULT00000000009", 500, used="never"), tags=EXEMPT)
DARK = user("dark", key("AKIADARK000000000010", 120, used="unknown"), cause=DENIED)
IN_USE = user("ci", key("AKIACI00000000000011", 120, used=1))
SAM = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Security_0123456789abcdef/sam@example.com"


def did(user_name: str, key_id: str, state: str = "done", account: str = "123456789012", **more: Any) -> Action:
    """An action on a user's key; `more` are fields of it."""
    of = {"account_id": account, "action_id": f"{account}-{key_id}-1", "user_name": user_name, "approved_by": SAM}
    return {**action(key_id, state), **of, **more}  # type: ignore[typeddict-item]  # fields of it


def undo(state: str, **more: Any) -> Any:
    """An undo of an action."""
    arn = "arn:aws:states:eu-west-1:123456789012:execution:iam-key-age-prod-deactivation:undo-1"
    of = {"by": SAM, "at": "2026-11-21T12:00:00Z", "execution_arn": arn, "ended_at": "2026-11-21T12:00:07Z"}
    return {**of, "state": state, "cause": None, **more}


def two_weeks(settings: DeactivationSettings = APPLY) -> Report:
    """A scan two weeks after the first one: keys are due, held for different reasons, or were acted upon."""
    stage = Stage(settings)
    stage.scan(TOLD_ON, WEB, REPORTING, GONE, UNDONE, PROTECTED_USER, VAULT, IN_USE)
    refused = (
        "Iam.IamException: User is not authorized to perform: iam:UpdateAccessKey (Service: Iam, Status Code: 403)"
    )
    actions = [
        did("gone", "AKIAGONE000000000004"),
        did("reporting", "AKIAREPORTING0000003", "failed", cause=refused, approved_by=BY_ITSELF),
        did("undone", "AKIAUNDONE0000000005", undo=undo("done")),
    ]
    stage.actions = {one["access_key_id"]: one for one in actions}
    gone = user("gone", key("AKIAGONE000000000004", 500, "Inactive", used=300))
    others = (WEB, NIGHTLY, REPORTING, UNDONE, ROTATED, PROTECTED_USER, VAULT, DARK, IN_USE)
    report = stage.scan(TODAY, gone, *others)
    add_actions(report, actions)
    return report


def all_held(settings: DeactivationSettings = APPLY) -> Report:
    """A first scan, on a Sunday, of users out of scope, protected, exempt, or of whom not all is known."""
    settings = replace(settings, tagged_only=True, user_path="/people/")
    stage = Stage(settings)
    stage.actions = {"AKIAUNDONE0000000005": did("undone", "AKIAUNDONE0000000005", "unknown")}
    people: Any = {"path": "/people/"}
    return stage.scan(
        0,
        WEB,
        user("sam", key("AKIASAM0000000000012", 200, used="never"), tags=ALLOWED, **people),
        user("undone", key("AKIAUNDONE0000000005", 250, used=180), tags=ALLOWED, **people),
        user("billing", key("AKIABILLING000000008", 700, used=150), tags=ALLOWED | PROTECTED, **people),
        user("rotated", *ROTATED_KEYS, tags=ALLOWED, **people),
        VAULT,
        user("dark", key("AKIADARK000000000010", 120, used="unknown"), tags="unknown", path=None, cause=DENIED),
        unchecked("hidden"),
    )


def organization(settings: DeactivationSettings = APPLY, table: OrganizationCsv | None = None) -> OrganizationReport:
    """Two accounts with plans and actions, on a Sunday, which is an approved weekday here."""
    settings = replace(settings, weekdays=("SUN",))
    reports = []
    for number, users in ((1, (WEB, REPORTING, VAULT)), (2, (GONE, NIGHTLY, PROTECTED_USER))):
        stage = Stage(settings)
        stage.scan(-14, *users)
        report = stage.scan(0, *users, IN_USE)
        report["account_id"], report["scan_id"] = account_id(number), "scan-1"
        add_actions(report, [did("old", f"AKIAOLD000000000001{number}", "done", account_id(number))])
        reports.append((listed(number), report))
    return joined(reports, last=baselines(1, 2), table=table)


def message(report: AnyReport) -> Message:
    """Return the mail of a report."""
    return compose_organization_message(report, FOLDER) if "accounts" in report else compose_message(report, FOLDER)


def in_one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


def first_scan(*users: Any, settings: DeactivationSettings = NOT_BEFOREHAND, **policy: Any) -> Report:
    """Return the report of a first scan, without a notice unless the settings have one."""
    return Stage(settings).scan(0, *users, **policy)


def by_protocol(report: AnyReport, https_format: HttpsFormat = HttpsFormat.JSON) -> dict[str, Any]:
    """Return what is published of a report, by protocol; what is JSON as documents."""
    published: dict[str, str] = json.loads(compose_notification(report, FOLDER, https_format=https_format)["message"])
    return {name: json.loads(text) if name in {"sqs", "https"} else text for name, text in published.items()}


def hostile() -> Report:
    """Whoever may tag a user, make a user or choose a session's name writes what looks like a link."""
    last = Stage(replace(NOT_BEFOREHAND, user_path="/people/"))
    last.actions = {"AKIA2": did("b", "AKIA2", undo=undo("done", by=f"arn:aws:sts::1:assumed-role/x/{EVIL}"))}
    report = last.scan(
        0,
        user(EVIL, key("AKIA1", 200, used="never"), tags={"owner": f"https://{EVIL}"}, path=f"/<!channel>{EVIL}/"),
        user("b", key("AKIA2", 200, used="never"), path=f"/people/{EVIL}/"),
        user("c", key("AKIA3", 200, used="never"), tags={"owner": f"https://{EVIL}"}, path="/people/"),
    )
    cause = f"Iam.IamException: https://{EVIL}/ says no"
    report["actions"] = [did(EVIL, "AKIA4", "failed", cause=cause, approved_by=f"arn:aws:sts::1:assumed-role/x/{EVIL}")]
    return report

"""What is asked, and answered, of planned deactivations and of actions; fields are added, never renamed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from chalicelib.api.parameters import ACCOUNT_ID, DEFAULT_LIMIT, InvalidParameterError, page_of
from chalicelib.api.responses import Status
from chalicelib.deactivation_documents import Action, KeyResult, Plan
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport, OrganizationFinding
from chalicelib.schema import Rule, check, check_fields, parse_json

APPROVAL_RULES: dict[str, Rule] = {
    "access_key_ids": {
        "type": "array",
        "minItems": 1,
        "maxItems": 100,
        "uniqueItems": True,
        "items": {"type": "string", "pattern": "^[A-Za-z0-9_]{1,128}$", "description": "an access key id"},
        "title": "The keys to deactivate, each of them due in the plan; needed",
        "description": "1 to 100 access key ids, each once, of 1 to 128 characters out of A-Z a-z 0-9 _",
    },
    "account_id": {
        **ACCOUNT_ID.rule,
        "title": "Of a scan of an organization, the account of the keys, where its report leaves keys out",
    },
}


@dataclass(frozen=True)
class ApprovalRequest:
    """Which keys somebody approves, of which account; None for those that the scan's report has."""

    access_key_ids: tuple[str, ...]
    account_id: str | None = None


class Approval(TypedDict):
    """Who approved which keys of a plan, when, and the execution that deactivates them; `results` at its end.

    `access_key_ids` is null where nobody had to approve (DeactivationApproval=none): it is all that were due.
    """

    execution_arn: str
    approved_by: str | None
    approved_at: str | None
    access_key_ids: list[str] | None
    account_id: str | None
    status: Status
    stopped_at: str | None
    error: str | None
    results: list[KeyResult] | None


class ScanPlan(TypedDict):
    """A scan's plan: its settings and counts, its keys as the report has them, each with its `plan`, and the approval.

    `account_id` is null where the keys are of all accounts of an organization: those among its most severe findings.
    With an account's id, they are all of that account, and the exempt ones among them.
    """

    scan_id: str
    account_id: str | None
    as_of: str
    plan: Plan
    approval: Approval | None
    keys: list[Finding] | list[OrganizationFinding]
    next: str | None
    findings_left_out: NotRequired[int]


class PlanApproved(TypedDict):
    """Who approved which keys of a scan's plan, and the execution that deactivates them, one after the other.

    `status` is RUNNING or PENDING_REDRIVE, and SUCCEEDED where the same keys were approved before and it has ended.
    """

    scan_id: str
    execution_arn: str
    status: Status
    approved_by: str
    approved_at: str
    access_key_ids: list[str]


class Actions(TypedDict):
    """Actions, the newest first; `next` is null where there are no more."""

    actions: list[Action]
    next: str | None


class UndoStarted(TypedDict):
    """The execution that activates a key again, and who asked for it first."""

    action_id: str
    execution_arn: str
    by: str
    at: str


def parse_approval(text: str | bytes) -> ApprovalRequest:
    """Read the body of an approval; raise InvalidParameterError if it is refused."""
    document = parse_json("body", text, InvalidParameterError) if text.strip() else {}
    given = check_fields("body", document, APPROVAL_RULES, InvalidParameterError)
    keys = check("access_key_ids", given.get("access_key_ids"), APPROVAL_RULES["access_key_ids"], InvalidParameterError)
    account_id = None
    if "account_id" in given:
        account_id = check("account_id", given["account_id"], APPROVAL_RULES["account_id"], InvalidParameterError)
    return ApprovalRequest(tuple(keys), account_id)


def planned_keys(report: AnyReport) -> list[Any]:
    """Return the keys of a report that have a plan, in the report's order."""
    keys: list[Any] = [*report["findings"], *report.get("exempt", ())]  # type: ignore[misc]  # of an account's alone
    return [key for key in keys if "plan" in key]


def scan_plan(report: Any, plan: Plan, approval: Approval | None, query: Mapping[str, Any]) -> ScanPlan:
    """Answer GET /scan/{scan_id}/plan; raise InvalidParameterError for a `next` that was made up."""
    status, limit = query.get("status"), query.get("limit", DEFAULT_LIMIT)
    keys, after = page_of(
        planned_keys(report),
        lambda key: status in (None, key["plan"]["status"]),
        f" {status or ''} {query.get('account_id', '')}",
        query,
        limit,
    )
    of_all = "findings_left_out" in report
    answer: ScanPlan = {
        "scan_id": report["scan_id"],
        "account_id": None if of_all else report["account_id"],
        "as_of": report["as_of"],
        "plan": plan,
        "approval": approval,
        "keys": keys,
        "next": after,
    }
    if of_all:
        answer["findings_left_out"] = report["findings_left_out"]
    return answer

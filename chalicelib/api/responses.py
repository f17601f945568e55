"""What the API answers, and the shapes of it; fields are added, never renamed or removed. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, TypeVar, cast

from chalicelib.age import Verdict
from chalicelib.api.parameters import DEFAULT_LIMIT, encode_next, page_of
from chalicelib.documents import REPORT_FORMATS, Page, Progress, Report, Summary
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport, OrganizationFinding, OrganizationProgress, OrganizationSummary
from chalicelib.report.summary import is_complete, report_locations, summarize

if TYPE_CHECKING:
    from chalicelib.aws.executions import Scan

# So many findings at most come with the answer to POST /scan: 100 named users can hardly have as many.
FINDINGS_AT_ONCE = 1000

_Key = TypeVar("_Key", bound=Finding)
Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"]


class Links(TypedDict):
    """Paths below the endpoint: `findings` and the report's renderings once there is a report.

    `accounts` is of a scan of an organization, `plan` of one whose report has a plan of deactivations.
    """

    self: str
    accounts: NotRequired[str]
    findings: NotRequired[str]
    json: NotRequired[str]
    csv: NotRequired[str]
    html: NotRequired[str]
    plan: NotRequired[str]


class ScanStarted(TypedDict):
    """A scan that runs: started by this request or by one of the same moment, or, `already_running`, before it.

    `execution_arn` is null where one account of an organization was asked, without an execution.
    """

    scan_id: str
    execution_arn: str | None
    status: Status
    links: Links
    already_running: NotRequired[bool]


class UserOutcome(TypedDict):
    """What became of a user in a scan, and why an `unchecked` one is.

    `not_found`: IAM has no such user. `not_listed`: IAM did not list the user, or the scan policy does not name them.
    `unknown`: the bucket no longer has the page.
    """

    user_name: str
    outcome: Literal["checked", "not_found", "unchecked", "not_listed", "unknown"]
    cause: str | None


class ScanStatus(TypedDict):
    """Where a scan is: `summary` and `reports` (s3:// URIs) once it has a report, `error` if it did not succeed.

    `users` is what became of each user that the scan policy names: null without a report, and in a scan of all users or
    of an organization. Where one account of an organization was asked and could not be scanned, they are unchecked.
    """

    scan_id: str
    status: Status
    started_at: str | None
    stopped_at: str | None
    progress: Progress | OrganizationProgress
    summary: Summary | OrganizationSummary | None
    users: list[UserOutcome] | None
    error: str | None
    reports: dict[str, str]
    links: Links


class ScanEnded(ScanStatus):
    """A scan that has ended, with its findings: null where it left no report; after `next` there are more.

    Of an organization, they are the most severe ones; `findings_left_out` says how many more report.csv has.
    """

    execution_arn: str | None
    findings: list[Finding] | list[OrganizationFinding] | None
    next: str | None
    findings_left_out: NotRequired[int]
    already_running: NotRequired[bool]


class ListedScan(TypedDict):
    """A scan in the list of the recent ones."""

    scan_id: str
    status: Status
    started_at: str | None
    stopped_at: str | None
    links: Links


class ScanList(TypedDict):
    """Recent scans, newest first; `next` is null where there are no older ones."""

    scans: list[ListedScan]
    next: str | None


class Findings(TypedDict):
    """Keys of a scan's report, the most severe first, then the oldest.

    `complete` is false if the scan could not find out everything. `account_id` is null where they are of all accounts
    of an organization: the most severe ones; `findings_left_out` says how many more report.csv has.
    """

    scan_id: str
    account_id: str | None
    as_of: str
    complete: bool
    user: UserOutcome | None  # null unless a user_name was asked for
    findings: list[Finding] | list[OrganizationFinding]
    next: str | None
    findings_left_out: NotRequired[int]


class ReportLink(TypedDict):
    """Where a report is for some minutes; the header Location says the same."""

    location: str
    expires_in_seconds: int


class Error(TypedDict):
    """An error of this API."""

    Code: str
    Message: str


class Refusal(TypedDict):
    """An error of API Gateway's own."""

    message: str


def scan_started(scan: "Scan", already_running: bool) -> ScanStarted:
    """Answer POST /scan for a scan that runs."""
    answer: ScanStarted = {
        "scan_id": scan.scan_id,
        "execution_arn": scan.execution_arn or None,
        "status": scan.status,  # type: ignore[typeddict-item]  # one of them
        "links": _links(scan.scan_id),
    }
    if already_running:
        answer["already_running"] = True
    return answer


def scan_status(
    scan: "Scan", progress: Progress | OrganizationProgress, report: Report | None, folder: str
) -> ScanStatus:
    """Answer GET /scan/{scan_id}, given where the scan's files are."""
    named = report["policy"].get("users", []) if report else []
    users = [_outcome(report, name, ()) for name in named] if report and named else None
    if scan.account_id and scan.error:  # in which no user must look clean
        unchecked = json.loads(scan.policy_text or "{}").get("users", ())
        users = [{"user_name": name, "outcome": "unchecked", "cause": scan.error} for name in unchecked]
    return {
        "scan_id": scan.scan_id,
        "status": scan.status,  # type: ignore[typeddict-item]  # one of them
        "started_at": scan.started_at,
        "stopped_at": scan.stopped_at,
        "progress": progress,
        "summary": summarize(report) if report else None,
        "users": users,
        "error": scan.error,
        "reports": report_locations(folder) if report else {},
        "links": links_to_report(report, scan.account_id) if report else _links(scan.scan_id),
    }


def scan_ended(scan: "Scan", status: ScanStatus, report: Report | None, already_running: bool) -> ScanEnded:
    """Answer POST /scan for a scan that has ended."""
    found, after = keys_page(report["findings"], {}, FINDINGS_AT_ONCE) if report else (None, None)
    answer: Any = {**status, "execution_arn": scan.execution_arn or None, "findings": found, "next": after}
    if already_running:
        answer["already_running"] = True
    return cast(ScanEnded, answer)


def scan_list(scans: "Iterable[Scan]", token: str | None) -> ScanList:
    """Answer GET /scan, given Step Functions' token for what comes after."""
    listed: list[ListedScan] = [
        {
            "scan_id": scan.scan_id,
            "status": scan.status,  # type: ignore[typeddict-item]  # one of them
            "started_at": scan.started_at,
            "stopped_at": scan.stopped_at,
            "links": _links(scan.scan_id),
        }
        for scan in scans
    ]
    return {"scans": listed, "next": encode_next(token) if token else None}


def findings_page(report: Report, query: Mapping[str, Any], pages: Iterable[Page]) -> Findings:
    """Answer GET /scan/{scan_id}/findings; `pages` are read only where the report does not tell what became of a user.

    InvalidParameterError for a `next` that was made up.
    """
    user_name = query.get("user_name")
    found, after = keys_page([*report["findings"], *report["exempt"]], query, query.get("limit", DEFAULT_LIMIT))
    return {
        "scan_id": report["scan_id"],
        "account_id": report["account_id"],
        "as_of": report["as_of"],
        "complete": is_complete(report),
        "user": None if user_name is None else _outcome(report, user_name, pages),
        "findings": found,
        "next": after,
    }


def keys_page(keys: Sequence[_Key], query: Mapping[str, Any], limit: int) -> tuple[list[_Key], str | None]:
    """Return the keys that a query asks for, at most so many, and the `next` token for those after them.

    InvalidParameterError for a `next` that was made up.
    """
    user_name, verdict, severity = query.get("user_name"), query.get("verdict"), query.get("severity")

    def wanted(key: Finding) -> bool:
        of_verdict = key["verdict"] == verdict if verdict else key["verdict"] != Verdict.EXEMPT
        return of_verdict and user_name in (None, key["user_name"]) and severity in (None, key["severity"])

    filters = f" {verdict or ''} {user_name or ''} {severity or ''}"
    return page_of(keys, wanted, filters + query.get("account_id", ""), query, limit)


def _outcome(report: Report, user_name: str, pages: Iterable[Page]) -> UserOutcome:
    for unchecked in report["unchecked"]:
        if unchecked["user_name"] == user_name:
            return {**unchecked, "outcome": "unchecked"}
    outcome: Literal["checked", "not_found", "not_listed", "unknown"] = "unknown"
    if user_name in report["not_found"]:
        outcome = "not_found"
    elif user_name in report["policy"].get("users", ()) or any(
        finding["user_name"] == user_name for finding in report["findings"]
    ):
        outcome = "checked"
    else:
        for page in pages:
            outcome = "not_listed"
            if any(user["user_name"] == user_name for user in page["users"]):
                outcome = "checked"
                break
    return {"user_name": user_name, "outcome": outcome, "cause": None}


def _links(scan_id: str) -> Links:
    return {"self": f"/scan/{scan_id}"}


def links_to_report(report: AnyReport, account_id: str | None = None) -> Links:
    """Return the links of a scan with this report, or with this one of that account."""
    path, account = f"/scan/{report['scan_id']}", f"account_id={account_id}" if account_id else ""
    reports = {kind: f"{path}/report?format={kind}{account and '&'}{account}" for kind in REPORT_FORMATS}
    links = {"self": path, "findings": f"{path}/findings{account and '?'}{account}", **reports}
    return cast(Links, {**links, "plan": f"{path}/plan"} if "plan" in report else links)

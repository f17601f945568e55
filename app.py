"""The edge of iam-key-age: each handler takes its input apart, calls one core function, translates the answer.

What one handler alone needs is imported in it: a cold start of one function does not wait for the others' modules.
"""

import os
from datetime import UTC, datetime
from typing import Any

from chalice.app import (
    BadRequestError,
    Chalice,
    CloudWatchEvent,
    IAMAuthorizer,
    NotFoundError,
    Response,
)

from chalicelib import scans
from chalicelib.age import parse_instant
from chalicelib.policy import (
    InvalidPolicyError,
    ScanPolicy,
    parse_policy,
    parse_policy_text,
    parse_stage_defaults,
    worth_asking_about,
)

app = Chalice(app_name="iam-key-age")
sigv4 = IAMAuthorizer()


@app.schedule(os.environ.get("SCAN_SCHEDULE", "cron(0 8 * * ? *)"))
def scheduled_scan(event: CloudWatchEvent) -> dict[str, str]:
    """Start the stage's scan; an event delivered twice starts one."""
    scan_id = scans.scheduled_id(parse_instant(event.time))
    try:
        scans.start_scan(scan_id, stage_defaults())
    except scans.ScanExistsError:
        app.log.info("scan %s was started before", scan_id)
    return {"scan_id": scan_id}


@app.route("/scan", methods=["POST"], authorizer=sigv4)
def start_scan() -> Response:
    """Start a scan on demand; the body is a scan policy, an empty one the stage's defaults."""
    defaults = stage_defaults()
    try:
        policy = parse_policy_text(json_body(), defaults)
    except InvalidPolicyError as error:
        raise BadRequestError(str(error)) from error
    scan = scans.start_scan(scans.adhoc_id(datetime.now(UTC)), policy)
    body = {
        "scan_id": scan.scan_id,
        "execution_arn": scan.execution_arn,
        "status": scan.status,
        "links": {"self": f"/scan/{scan.scan_id}"},
    }
    return Response(status_code=202, body=body)


@app.route("/scan/{scan_id}", methods=["GET"], authorizer=sigv4)
def get_scan(scan_id: str) -> dict[str, Any]:
    """Tell a scan's status and, once it is there, what it found."""
    from chalicelib import evidence
    from chalicelib.report import report_locations, summarize

    try:
        scan = scans.describe_scan(scan_id)
    except scans.ScanNotFoundError as error:
        raise NotFoundError("scan_id: there is no scan of this id") from error
    report = None if scan.running else evidence.load_report(scan_id)
    return {
        "scan_id": scan.scan_id,
        "status": scan.status,
        "started_at": scan.started_at,
        "stopped_at": scan.stopped_at,
        "summary": summarize(report) if report else None,
        "error": scan.error,
        "reports": report_locations(evidence.scan_folder(scan_id)) if report else {},
    }


@app.lambda_function()
def read_policy(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Complete a scan's policy, or refuse it before IAM is asked for anything; called by the state machine."""
    from chalicelib.report import scan_kind

    scan = event["scan"]
    policy = parse_policy(scan["policy"], stage_defaults())
    complete = policy.to_json()
    return {
        "policy": complete,
        "scan_kind": scan_kind(complete),
        "ask_about": worth_asking_about(policy, policy.as_of or parse_instant(scan["started_at"])),
    }


@app.lambda_function()
def validate_keys(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Judge a page of users and keep it as evidence; called by the state machine, any number of times."""
    from chalicelib import evidence
    from chalicelib.details import parse_tag_settings
    from chalicelib.judging import ScanTerms, judge_page

    scan = event["scan"]
    policy = parse_policy(scan["policy"], stage_defaults())
    terms = ScanTerms(
        scan_id=scan["scan_id"],
        account_id=scans.account_of(scan["execution_arn"]),
        as_of=policy.as_of or parse_instant(scan["started_at"]),
        policy=policy,
        tag_settings=parse_tag_settings(os.environ),
        started_at=parse_instant(scan["started_at"]),
    )
    page = judge_page(terms, event["page"], event["listed"], event["outcomes"])
    evidence.save_page(page)
    return {"page": page["page"], **page["coverage"], **page["totals"]}


@app.lambda_function()
def build_report(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Join a scan's pages into its report, keep it and compose the message; called by the state machine."""
    from chalicelib import evidence
    from chalicelib.changes import becomes_latest, join_and_compare
    from chalicelib.metrics import metrics_line
    from chalicelib.notification import compose_notification, parse_https_format, parse_notify_on, should_notify
    from chalicelib.rendering import RENDERINGS
    from chalicelib.report import report_locations, summarize

    scan_id = event["scan"]["scan_id"]
    notify_on = parse_notify_on(os.environ.get("NOTIFY_ON", "findings"))
    https_format = parse_https_format(os.environ.get("HTTPS_FORMAT", "json"))
    pages = evidence.load_pages(scan_id, event["pages"])
    report = join_and_compare(pages, evidence.load_last_report, event.get("root", {}))
    for kind, render in RENDERINGS.items():
        evidence.save_report(scan_id, kind, render(report))
    folder = evidence.scan_folder(scan_id)
    print(metrics_line(report, os.environ["STAGE"], datetime.now(UTC)))  # noqa: T201  # on a line alone, as CloudWatch wants it
    return {
        "summary": {**summarize(report), "reports": report_locations(folder)},
        **compose_notification(report, folder, notify_on, https_format),
        "notify": should_notify(report, notify_on),
        "latest": evidence.latest_pointer(report) if becomes_latest(report) else {},
    }


def stage_defaults() -> ScanPolicy:
    """Read the scan policy that the stage's settings make up."""
    return parse_stage_defaults(os.environ)


def json_body() -> bytes:
    """Return the request's body, which has to say that it is JSON if there is one."""
    request: Any = app.current_request  # there is one while a route's handler runs
    body: bytes = request.raw_body
    if body.strip() and not request.headers.get("content-type"):
        raise InvalidPolicyError("Content-Type", None, '"application/json" for a request with a body')
    return body

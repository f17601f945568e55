"""The edge of iam-key-age: each handler takes its input apart, calls one core function, translates the answer.

What one handler alone needs is imported in it: a cold start of one function does not wait for the others' modules.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Request, Response

from chalicelib import organization_settings, scan_ids, settings, telling_settings
from chalicelib.api import operations, routing
from chalicelib.api.routing import Query
from chalicelib.aws import executions
from chalicelib.instants import format_instant, parse_instant
from chalicelib.policy import (
    InvalidPolicyError,
    describe_details_cutoff,
    parse_organization_input,
    parse_policy,
    parse_request,
)

app = Chalice(app_name="iam-key-age")
app.register_middleware(routing.answer_and_log, "http")


@app.schedule(settings.scan_schedule())
def scheduled_scan(event: CloudWatchEvent) -> dict[str, str]:
    """Start the stage's scan; an event delivered twice starts one."""
    scan_id = scan_ids.scheduled_id(parse_instant(event.time), event.event_id)
    try:
        executions.start_scan(scan_id, settings.stage_defaults())
    except executions.ScanExistsError:
        app.log.info("scan %s was started before", scan_id)
    return {"scan_id": scan_id}


@routing.serve(app, operations.START_SCAN)
def start_scan(request: Request, _query: Query) -> Response:
    """Start a scan on demand, or find the one that runs; the body is a scan policy and `wait_seconds`."""
    from chalicelib.api import on_demand, reading, responses
    from chalicelib.api.parameters import IDEMPOTENCY_KEY, read_header

    defaults = settings.stage_defaults()
    wanted = parse_request(routing.json_body(request), defaults)
    organization_settings.check_requested(organization_settings.organization_settings(), wanted.accounts)
    key = read_header(request.headers, IDEMPOTENCY_KEY)
    clock = on_demand.Clock(lambda: datetime.now(UTC), time.sleep)
    wanted = replace(wanted, wait_seconds=min(wanted.wait_seconds, int(routing.seconds_to_wait(request))))
    until = time.monotonic() + wanted.wait_seconds
    scan, already_running = on_demand.start_on_demand(wanted, defaults, key, clock, settings.max_scans_at_once())
    scan = executions.wait_for_end(scan, until - time.monotonic())
    if scan.running:
        return Response(responses.scan_started(scan, already_running), status_code=200 if already_running else 202)
    return Response(reading.ended(scan, already_running))


@routing.serve(app, operations.LIST_SCANS)
def list_scans(_request: Request, query: Query) -> Any:
    """List the recent scans."""
    from chalicelib.api import reading

    return reading.scans(query)


@routing.serve(app, operations.GET_SCAN)
def get_scan(_request: Request, _query: Query, scan_id: str) -> Any:
    """Return where a scan is and, once its report is there, what it found."""
    from chalicelib.api import reading

    return reading.status_of(executions.describe_scan(scan_id))


@routing.serve(app, operations.LIST_FINDINGS)
def list_findings(_request: Request, query: Query, scan_id: str) -> Any:
    """List the keys that a scan found."""
    from chalicelib.api import reading

    return reading.findings(scan_id, query)


@routing.serve(app, operations.LIST_ACCOUNTS)
def list_accounts_of_scan(_request: Request, query: Query, scan_id: str) -> Any:
    """List the accounts of a scan of an organization."""
    from chalicelib.api import reading

    return reading.accounts(scan_id, query)


@routing.serve(app, operations.GET_REPORT)
def get_report(_request: Request, query: Query, scan_id: str) -> Response:
    """Go to a rendering of a scan's report."""
    from chalicelib.api import reading

    link = reading.report_link(scan_id, query)
    return Response(link, {"Location": link["location"]}, status_code=303)


@routing.serve(app, operations.GET_PLAN)
def get_plan(_request: Request, query: Query, scan_id: str) -> Any:
    """List the keys that a scan plans to deactivate."""
    from chalicelib.api import deactivation

    return deactivation.plan_of(scan_id, query)


@routing.serve(app, operations.APPROVE_PLAN)
def approve_plan(request: Request, _query: Query, scan_id: str) -> Response:
    """Have keys of a plan deactivated; who asks for it is on record."""
    from chalicelib.api import deactivation

    body, caller = routing.json_body(request), routing.caller_of(request)
    return Response(deactivation.approve(scan_id, body, caller, datetime.now(UTC)), status_code=202)


@routing.serve(app, operations.LIST_ACTIONS)
def list_actions(_request: Request, query: Query) -> Any:
    """List the keys that were deactivated, or were to be."""
    from chalicelib.api import deactivation

    return deactivation.list_actions(query)


@routing.serve(app, operations.GET_ACTION)
def get_action(_request: Request, _query: Query, action_id: str) -> Any:
    """Return what became of a key that was to be deactivated."""
    from chalicelib.api import deactivation

    return deactivation.action_of(action_id)


@routing.serve(app, operations.UNDO_ACTION)
def undo_action(request: Request, _query: Query, action_id: str) -> Response:
    """Have a key activated again that was deactivated."""
    from chalicelib.api import deactivation

    body, caller = routing.json_body(request), routing.caller_of(request)
    return Response(deactivation.undo(action_id, body, caller, datetime.now(UTC)), status_code=202)


@routing.serve(app, operations.GET_OPENAPI)
def get_openapi(request: Request, _query: Query) -> Any:
    """Return the OpenAPI document of these routes."""
    from chalicelib.api.openapi import openapi_document

    return openapi_document(server=request.context["path"].removesuffix("/openapi.json") or "/")


@app.lambda_function()
def read_policy(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Complete a scan's policy, or refuse it before IAM is asked for anything; called by the state machine."""
    scan = event["scan"]
    settings.tag_settings()  # a bad setting fails before IAM is asked
    try:
        policy = parse_policy(scan["policy"], settings.stage_defaults())
    except InvalidPolicyError as error:
        raise error.for_a_log() from None  # Lambda logs what a function raises
    return {
        "policy": policy.to_json(),
        "ask_about": describe_details_cutoff(policy, policy.as_of or parse_instant(scan["started_at"])),
    }


@app.lambda_function()
def read_account(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Read once what findings need of the account besides keys, and keep it; called by the state machine."""
    from chalicelib.aws import account, clients, report_store
    from chalicelib.evaluation.account import wanted_facts

    wanted = wanted_facts(event["scan"])
    owner_tags, read_at = settings.tag_settings().owner_tags, format_instant(datetime.now(UTC))
    began = time.monotonic()
    facts = account.read_account(
        clients.iam(), wanted, owner_tags, read_at, lambda: time.monotonic() - began > account.GIVE_UP_SECONDS
    )
    report_store.save_account(facts)
    return {"read_at": read_at, "users": len(facts["users"]), "unknown": [one["part"] for one in facts["unknown"]]}


@app.lambda_function()
def validate_keys(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Judge a page of users and keep it as evidence; called by the state machine, any number of times."""
    from chalicelib.aws import report_store
    from chalicelib.evaluation.page import ScanContext, evaluate_page
    from chalicelib.steps import scans as scan_steps

    scan = event["scan"]
    policy = parse_policy(scan["policy"], settings.stage_defaults())
    context = ScanContext(
        scan_id=scan["scan_id"],
        account_id=scan_ids.account_of(scan["execution_arn"]),
        as_of=policy.as_of or parse_instant(scan["started_at"]),
        policy=policy,
        account=scan_steps.account_facts(event),
        max_exempt_days=settings.tag_settings().max_exempt_days,
        started_at=parse_instant(scan["started_at"]),
    )
    page = evaluate_page(context, event["page"], event["listed"], event["outcomes"], event["users_before"])
    report_store.save_page(page)
    return {"page": page["page"], **page["coverage"], **page["totals"]}


@app.lambda_function()
def look_up_usage(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Ask CloudTrail who uses the keys that were found, where UsageEvidence is on; called by the state machine."""
    from chalicelib.aws import clients, cloudtrail, report_store
    from chalicelib.evaluation.usage import Clock, choose_keys, count_by_status, look_up_keys

    scan = event["scan"]
    pages = report_store.load_pages(scan["scan_id"], event["pages"])
    findings = (finding for page in pages for finding in page["findings"])
    keys = choose_keys(findings, parse_instant(scan["started_at"]))
    clock = Clock(time.monotonic, time.sleep, lambda: context.get_remaining_time_in_millis() / 1000)
    usage = look_up_keys(scan["scan_id"], keys, partial(cloudtrail.look_up, clients.cloudtrail), clock)
    report_store.save_usage(usage)
    return count_by_status(usage)


@app.lambda_function()
def build_report(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Join a scan's pages into its report, keep it and compose the message; called by the state machine."""
    from chalicelib.aws import report_store
    from chalicelib.aws.planning import Planner
    from chalicelib.evaluation.usage import join_usage
    from chalicelib.outputs.reports import renderers
    from chalicelib.report.changes import is_new_baseline, join_and_compare
    from chalicelib.report.summary import summarize
    from chalicelib.steps import scans as scan_steps

    scan_id = event["scan"]["scan_id"]
    how, ocsf = scan_steps.how_to_notify(), telling_settings.writes_ocsf()  # a bad setting fails before any report
    planner = Planner()
    pages, now = report_store.load_pages(scan_id, event["pages"]), datetime.now(UTC)
    last = planner.watch(report_store.load_last_report, report_store.last_kept_at)
    report = join_and_compare(pages, last, scan_steps.account_facts(event), now)
    planner.plan(report)
    join_usage(report, event.get("usage"), lambda: report_store.load_usage(scan_id))
    scan_steps.complete(report, how)
    for kind, render in renderers(ocsf=ocsf).items():
        report_store.save_report(scan_id, kind, render(report))
    latest = report_store.baseline_pointer(report) if is_new_baseline(report) else {}
    return scan_steps.publish(report, summarize(report), latest, how)


@app.lambda_function()
def list_accounts(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """List the accounts of a scan of the organization, and keep the list; called by its state machine."""
    from chalicelib.aws import organization_store, organizations
    from chalicelib.report.account_list import choose_accounts

    scan = event["scan"]
    settings.tag_settings()  # a bad setting fails before any account is asked
    of = organization_settings.organization_settings()
    try:
        wanted = parse_organization_input(scan["policy"], settings.stage_defaults())
        known = organizations.known_accounts(of, wanted.accounts)
    except InvalidPolicyError as error:
        raise error.for_a_log() from None  # Lambda logs what a function raises
    last = organization_store.load_last_baselines
    accounts, items = choose_accounts(scan["scan_id"], of, known, wanted.accounts, last)
    organization_store.save_account_list(accounts)
    place = organization_store.save_items(scan["scan_id"], items)
    return {"policy": wanted.policy.to_json(), "accounts": len(items), "items": place}


@app.lambda_function()
def scan_account(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Scan an account, or try if it can be; called by the state machine, the API and `make check-member`."""
    from chalicelib.aws import account_scan, member_check
    from chalicelib.evaluation.usage import Clock
    from chalicelib.outputs.reports import renderers

    if "check" in event:
        return member_check.check_member(event["check"]["account_id"])
    clock = Clock(time.monotonic, time.sleep, lambda: context.get_remaining_time_in_millis() / 1000)
    return account_scan.scan_account(event, renderers(ocsf=telling_settings.writes_ocsf()), clock)


@app.lambda_function()
def build_organization_report(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Join the accounts' reports into the organization's, keep it and compose the message; called by the machine."""
    from chalicelib.aws import organization_outcomes, organization_store, report_store
    from chalicelib.outputs.organization_reports import OrganizationRenderings
    from chalicelib.report.changes import is_new_baseline
    from chalicelib.report.organization import check_outcomes, join_accounts
    from chalicelib.report.organization_scan import describe_scan, next_baselines
    from chalicelib.report.summary import summarize_organization
    from chalicelib.steps import scans as scan_steps

    how, ocsf = scan_steps.how_to_notify(), telling_settings.writes_ocsf()  # a bad setting fails before any report
    without_owner = scan_steps.KeysWithoutOwner(how.owners)
    scan_id, arn = event["scan"]["scan_id"], event["scan"]["execution_arn"]
    scan = describe_scan(event["scan"], scan_ids.account_of(arn), report_store.scan_folder(scan_id))
    accounts, last = organization_store.load_account_list(scan_id), organization_store.load_usable_baselines()
    with OrganizationRenderings(ocsf=ocsf, owners=how.owners) as files:
        outcomes = check_outcomes(scan, organization_outcomes.load_outcomes(scan, accounts))
        report = join_accounts(scan, accounts, without_owner.watch(files.watch(outcomes)), last)
        scan_steps.complete(report, how, without_owner)
        for kind, content in files.render(report):
            report_store.save_report(scan_id, kind, content)
    organization_store.save_baselines(next_baselines(report, accounts, last))
    latest = organization_store.pointer(report) if is_new_baseline(report) else {}
    return scan_steps.publish(report, summarize_organization(report), latest, how)


@app.lambda_function()
def check_deactivation(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Choose the keys of an execution, check one, record what became of it; called by the deactivation machine alone.

    It calls no operation of IAM: what IAM says it is given, and what changes a key the machine does.
    """
    from chalicelib.steps import deactivations as deactivation_steps

    return deactivation_steps.STEPS[event["step"]](event, datetime.now(UTC))


@app.lambda_function()
def send_events(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Put what changed on the event bus, where EventBus is set; called by the scans' state machines."""
    from chalicelib.steps import events

    return events.send_events(event["scan"])


@app.lambda_function()
def import_findings(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Put the findings into Security Hub, where SecurityHub is on; called by the scans' state machines."""
    from chalicelib.steps import findings

    now = datetime.now(UTC)
    return findings.import_findings(event["scan"], now, lambda: context.get_remaining_time_in_millis() / 1000)


@app.lambda_function()
def notify_owners(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send each owner a notice of their keys, where OwnerNotices is on; called by the scans' state machines."""
    from chalicelib.steps import notices

    return notices.notify_owners(
        event["scan"], datetime.now(UTC), lambda: context.get_remaining_time_in_millis() / 1000
    )

"""The message for programs, as JSON. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.documents import SCHEMA_VERSION, Quarantined
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport, OrganizationReport
from chalicelib.outputs.plan_sentences import approval_request
from chalicelib.report.counts import count
from chalicelib.report.summary import (
    first_findings,
    report_locations,
    report_verdict,
    summarize,
    summarize_organization,
)

# Copies of this go to each protocol of programs, and all copies together have to fit beside the text into one message.
_FIRST_FINDINGS = 10
_MAX_FINDINGS_BYTES = 4_700
_FIRST_QUARANTINED = 3
_FIRST_UNCHECKED = 3
_MAX_CAUSE = 100
# Of a finding or a quarantined user; too long for a message.
_FOR_REPORTS_ONLY = (
    "tags",
    "other_keys",
    "exemption",
    "administers_by",
    "user_path",
    "console_url",
    "controls",
    "leave_keys",
    "seen_from",
)


def compose_for_programs(report: AnyReport, folder: str) -> dict[str, Any]:
    """Return the message as docs/report.md has it, with the most urgent findings that there is room for."""
    request = approval_request(report)
    first: list[dict[str, Any]] = [
        {**_for_messages(finding), "change": change} for finding, change in first_findings(report, _FIRST_FINDINGS)
    ]
    to_approve = {"plan_to_approve": {"path": request[0], "body": request[1]}} if request else {}
    while first and len(compact_json([*first, to_approve]).encode()) > _MAX_FINDINGS_BYTES:
        first.pop()
    if "accounts" in report:
        summary: Mapping[str, Any] = summarize_organization(report)
        users: Sequence[Quarantined] = report["quarantined_users"]
        unchecked: Sequence[Mapping[str, Any]] = unchecked_accounts(report)
        beyond = report["findings_left_out"]
    else:
        summary, users, unchecked, beyond = summarize(report), report["quarantined"], report["unchecked"], 0
    quarantined = [_for_messages(user) for user in users[:_FIRST_QUARANTINED]]
    first_unchecked = [{**one, "cause": one["cause"][:_MAX_CAUSE]} for one in unchecked[:_FIRST_UNCHECKED]]
    owners = {"notices": report["notices"]} if "notices" in report else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": report_verdict(report),
        "scan_kind": report["scan_kind"],
        "reminder": report["changes"] is not None and report["changes"]["reminder"],
        "summary": summary,
        "quarantined": quarantined,
        "quarantined_left_out": count(report).quarantined - len(quarantined),
        "findings": first,
        "findings_left_out": len(report["findings"]) + beyond - len(first),
        "unchecked": first_unchecked,
        "unchecked_left_out": len(unchecked) - len(first_unchecked),
        "reports": report_locations(folder),
        **to_approve,
        **owners,
    }


def unchecked_accounts(report: OrganizationReport) -> list[dict[str, Any]]:
    """Return the accounts that could not be scanned, and why."""
    named = ("account_id", "account_name", "cause")
    rows: list[Any] = [row for row in report["accounts"] if row["outcome"] == "unchecked"]
    return [{name: row[name] for name in named} for row in rows]


def _for_messages(entry: Finding | Quarantined) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _FOR_REPORTS_ONLY}


def compact_json(document: object) -> str:
    """Return JSON without spaces, characters as they are."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

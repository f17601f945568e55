"""The message for programs, as JSON. Pure."""

import json
from typing import Any

from chalicelib.documents import SCHEMA_VERSION, Quarantined, Report
from chalicelib.key_documents import Finding
from chalicelib.report.summary import (
    first_findings,
    report_locations,
    report_verdict,
    summarize,
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


def compose_for_programs(report: Report, folder: str) -> dict[str, Any]:
    """Return the message as docs/report.md has it, with the most urgent findings that there is room for."""
    first: list[dict[str, Any]] = [
        {**_for_messages(finding), "change": change} for finding, change in first_findings(report, _FIRST_FINDINGS)
    ]
    while len(compact_json(first).encode()) > _MAX_FINDINGS_BYTES:
        first.pop()
    quarantined = [_for_messages(user) for user in report["quarantined"][:_FIRST_QUARANTINED]]
    unchecked = [{**user, "cause": user["cause"][:_MAX_CAUSE]} for user in report["unchecked"][:_FIRST_UNCHECKED]]
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": report_verdict(report),
        "scan_kind": report["scan_kind"],
        "summary": summarize(report),
        "quarantined": quarantined,
        "quarantined_left_out": len(report["quarantined"]) - len(quarantined),
        "findings": first,
        "findings_left_out": len(report["findings"]) - len(first),
        "unchecked": unchecked,
        "unchecked_left_out": len(report["unchecked"]) - len(unchecked),
        "reports": report_locations(folder),
    }


def _for_messages(entry: Finding | Quarantined) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _FOR_REPORTS_ONLY}


def compact_json(document: object) -> str:
    """Return JSON without spaces, characters as they are."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

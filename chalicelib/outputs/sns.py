"""What is published to the topic: for whom, when, and in which format each protocol gets it. Pure."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypedDict

from chalicelib.documents import Finding, Report
from chalicelib.evaluation.page import SCHEMA_VERSION
from chalicelib.outputs.message_text import compose_message
from chalicelib.outputs.sentences import (
    changes_lines,
    counted,
    coverage_line,
    headline,
    keys_line,
    to_do_line,
    why_advised,
)
from chalicelib.policy import InvalidSettingError
from chalicelib.report.build import has_root_access_keys, is_complete, judges_no_key, report_locations, summarize

# Copies of this go to each protocol of programs, and all copies together have to fit beside the text into one message.
_FIRST_FINDINGS = 10
_MAX_FINDINGS_BYTES = 4_500
_FIRST_UNCHECKED = 3
_MAX_CAUSE = 100
_FOR_PROGRAMS = ("http", "https", "sqs", "lambda", "firehose")
_IN_CHAT = 10
_URGENCY = ("expired", "unused", "due_soon")
_MARKS = {"new": ", new", "due_soon": ", due soon", "unused": ", unused"}
_FOR_REPORTS_ONLY = ("tags", "other_keys", "exemption")  # of a finding; too long for a message


class NotifyOn(StrEnum):
    """What a message is sent for."""

    FINDINGS = "findings"
    CHANGES = "changes"
    DUE_SOON = "due_soon"
    ALWAYS = "always"


class HttpsFormat(StrEnum):
    """What subscribers by https get: JSON, or what Amazon Q Developer in chat applications shows."""

    JSON = "json"
    CHAT = "chat"


class Notification(TypedDict):
    """An SNS message: `message` for `MessageStructure: json`, `attributes` as sns:Publish takes them."""

    subject: str
    message: str
    attributes: dict[str, dict[str, str]]


def parse_notify_on(text: str) -> NotifyOn:
    """Read the setting NOTIFY_ON; InvalidSettingError for what is none."""
    return NotifyOn(_choice("NOTIFY_ON", text, list(NotifyOn)))


def parse_https_format(text: str) -> HttpsFormat:
    """Read the setting HTTPS_FORMAT; InvalidSettingError for what is none."""
    return HttpsFormat(_choice("HTTPS_FORMAT", text, list(HttpsFormat)))


def should_notify(report: Report, notify_on: NotifyOn) -> bool:
    """Say whether a report is worth a message; one that is incomplete, or lost sight of a key, always is."""
    totals, changes = report["totals"], report["changes"]
    if not is_complete(report) or notify_on is NotifyOn.ALWAYS or (changes is not None and changes["unknown"]):
        return True
    if notify_on is NotifyOn.CHANGES and changes is not None:
        resolved = any(key["how"] != "exempted" for key in changes["resolved"])
        return bool(changes["new"] or resolved or changes["new_unused"] or changes["new_root_access_keys"])
    if has_root_access_keys(report) or totals["expired"] or totals["unused"]:
        return True
    return notify_on is NotifyOn.DUE_SOON and totals["due_soon"] > 0


def compose_notification(
    report: Report, folder: str, notify_on: NotifyOn = NotifyOn.FINDINGS, https_format: HttpsFormat = HttpsFormat.JSON
) -> Notification:
    """Say a report to everybody who may be subscribed; `folder` is where its files are, as an s3:// URI."""
    subject, text = compose_message(report, folder, list_due_soon=notify_on is NotifyOn.DUE_SOON)
    for_programs = _compact(_for_programs(report, folder))
    by_protocol = {"default": text, "sms": subject, **dict.fromkeys(_FOR_PROGRAMS, for_programs)}
    if https_format is HttpsFormat.CHAT:
        by_protocol["https"] = _compact(_for_chat(report, subject, folder))
    return {"subject": subject, "message": _compact(by_protocol), "attributes": _attributes(report)}


def verdict(report: Report) -> str:
    """Return a report's verdict: of the words below, the first that holds."""
    holds = {
        "expired": report["totals"]["expired"],
        "unchecked": not is_complete(report),
        "root_access_keys": has_root_access_keys(report),
        "unused": report["totals"]["unused"],
        "due_soon": report["totals"]["due_soon"],
        "not_judged": judges_no_key(report),
        "ok": True,
    }
    return next(word for word, it_does in holds.items() if it_does)


def _choice(name: str, text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise InvalidSettingError(name, text, f"one of {', '.join(choices)}")
    return text


def _for_programs(report: Report, folder: str) -> dict[str, Any]:
    first: list[dict[str, Any]] = [
        {**{name: value for name, value in finding.items() if name not in _FOR_REPORTS_ONLY}, "change": change}
        for finding, change in _most_urgent(report, _FIRST_FINDINGS)
    ]
    while len(_compact(first).encode()) > _MAX_FINDINGS_BYTES:
        first.pop()
    unchecked = [{**user, "cause": user["cause"][:_MAX_CAUSE]} for user in report["unchecked"][:_FIRST_UNCHECKED]]
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict(report),
        "scan_kind": report["scan_kind"],
        "summary": summarize(report),
        "findings": first,
        "findings_left_out": len(report["findings"]) - len(first),
        "unchecked": unchecked,
        "unchecked_left_out": len(report["unchecked"]) - len(unchecked),
        "reports": report_locations(folder),
    }


def _for_chat(report: Report, subject: str, folder: str) -> dict[str, Any]:
    """Return a custom notification: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html.

    Names stand in backticks, where neither Slack nor Teams takes a character for markup; causes stay out.
    """
    first = _most_urgent(report, _IN_CHAT)
    more = len(report["findings"]) - len(first)
    lines = [
        *headline(report),
        *to_do_line(report),
        "",
        coverage_line(report["coverage"]),
        keys_line(report),
        *changes_lines(report),
        *(f"Not covered: {what}." for what in report["not_covered"]),
        "",
        *(
            f"`{finding['access_key_id']}` `{finding['user_name']}` {counted(finding['age_days'], 'day')} old"
            f"{_MARKS.get(change or finding['verdict'], '')}. {why_advised(finding)}"
            for finding, change in first
        ),
        *([f"and {more} more in the report."] if more else []),
    ]
    steps = ["Rotate a key: create its successor, move what uses it, deactivate it, then delete it."]
    mend = "Mend why users are unchecked" if report["unchecked"] else "Mend what the report is incomplete without"
    return {
        "version": "1.0",
        "source": "custom",
        "id": report["scan_id"],
        "content": {
            "textType": "client-markdown",
            "title": subject,
            "description": "\n".join(lines),
            "nextSteps": [
                *(steps if report["findings"] else []),
                *([] if is_complete(report) else [f"{mend}, then scan again."]),
                f"Read the report: `{report_locations(folder)['html']}`",
            ],
            "keywords": ["iam-key-age", verdict(report), report["account_id"]],
        },
        "metadata": {"threadId": f"iam-key-age-{report['account_id']}", "summary": subject, "eventType": "iam-key-age"},
    }


def _most_urgent(report: Report, number: int) -> list[tuple[Finding, str | None]]:
    """Return the first findings: the new expired ones, the oldest, the unused, those due soon; each with its change."""
    changes = report["changes"]
    new = {key["access_key_id"] for key in changes["new"]} if changes else set()

    def change(finding: Finding) -> str | None:
        if finding["verdict"] != "expired" or changes is None:
            return None
        return "new" if finding["access_key_id"] in new else "still_expired"

    urgent = sorted(
        report["findings"],
        key=lambda finding: (_URGENCY.index(finding["verdict"]), finding["access_key_id"] not in new),
    )
    return [(finding, change(finding)) for finding in urgent[:number]]


def _attributes(report: Report) -> dict[str, dict[str, str]]:
    return {
        "verdict": {"DataType": "String", "StringValue": verdict(report)},
        "expired": {"DataType": "Number", "StringValue": str(report["totals"]["expired"])},
        "unused": {"DataType": "Number", "StringValue": str(report["totals"]["unused"])},
        "unchecked": {"DataType": "Number", "StringValue": str(report["coverage"]["users_unchecked"])},
        "complete": {"DataType": "String", "StringValue": json.dumps(is_complete(report))},
        "account_id": {"DataType": "String", "StringValue": report["account_id"]},
        "scan_kind": {"DataType": "String", "StringValue": report["scan_kind"]},
    }


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

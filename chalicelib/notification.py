"""What is published to the topic: for whom, when, and in which format each protocol gets it. Pure."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypedDict

from chalicelib.message import changes_lines, compose_message, counted, coverage_line, headline, keys_line
from chalicelib.report import SCHEMA_VERSION, report_locations, summarize
from chalicelib.shapes import Finding, Report

# Copies of this go to each protocol of programs, and all copies together have to fit beside the text into one message.
_FIRST_FINDINGS = 10
_FIRST_UNCHECKED = 3
_MAX_CAUSE = 150
_FOR_PROGRAMS = ("http", "https", "sqs", "lambda", "firehose")
_IN_CHAT = 10
_MARKS = {"new": ", new", "due_soon": ", due soon"}


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


class InvalidSettingError(Exception):
    """A setting of the stage that is refused; the message names it and what it takes."""


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
    """Say whether a report is worth a message; a user unchecked always is."""
    totals, changes = report["totals"], report["changes"]
    if report["coverage"]["users_unchecked"] or notify_on is NotifyOn.ALWAYS:
        return True
    if notify_on is NotifyOn.CHANGES and changes is not None:
        return bool(changes["new"] or changes["resolved"])
    return totals["expired"] > 0 or (notify_on is NotifyOn.DUE_SOON and totals["due_soon"] > 0)


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
    """Say a report in a word: expired, else unchecked, due_soon or ok."""
    if report["totals"]["expired"]:
        return "expired"
    if report["coverage"]["users_unchecked"]:
        return "unchecked"
    return "due_soon" if report["totals"]["due_soon"] else "ok"


def _choice(name: str, text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise InvalidSettingError(f"{name}: {json.dumps(text)} is not accepted; it takes one of {', '.join(choices)}")
    return text


def _for_programs(report: Report, folder: str) -> dict[str, Any]:
    first = _most_urgent(report, _FIRST_FINDINGS)
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
        "",
        coverage_line(report["coverage"]),
        keys_line(report),
        *changes_lines(report),
        "",
        *(
            f"`{finding['access_key_id']}` `{finding['user_name']}` {counted(finding['age_days'], 'day')} old"
            + _MARKS.get(finding["change"] or finding["verdict"], "")
            for finding in first
        ),
        *([f"and {more} more in the report."] if more else []),
    ]
    steps = ["Rotate a key: create its successor, move what uses it, deactivate it, then delete it."]
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
                *(["Mend why users are unchecked, then scan again."] if report["unchecked"] else []),
                f"Read the report: `{report_locations(folder)['html']}`",
            ],
            "keywords": ["iam-key-age", verdict(report), report["account_id"]],
        },
        "metadata": {"threadId": f"iam-key-age-{report['account_id']}", "summary": subject, "eventType": "iam-key-age"},
    }


def _most_urgent(report: Report, number: int) -> list[dict[str, Any]]:
    """Return the first findings: the new expired ones, then the oldest, then those due soon; each with its change."""
    changes = report["changes"]
    new = {key["access_key_id"] for key in changes["new"]} if changes else set()

    def change(finding: Finding) -> str | None:
        if finding["verdict"] != "expired" or changes is None:
            return None
        return "new" if finding["access_key_id"] in new else "still_expired"

    urgent = sorted(
        report["findings"], key=lambda finding: (finding["verdict"] != "expired", finding["access_key_id"] not in new)
    )
    return [{**finding, "change": change(finding)} for finding in urgent[:number]]


def _attributes(report: Report) -> dict[str, dict[str, str]]:
    return {
        "verdict": {"DataType": "String", "StringValue": verdict(report)},
        "expired": {"DataType": "Number", "StringValue": str(report["totals"]["expired"])},
        "unchecked": {"DataType": "Number", "StringValue": str(report["coverage"]["users_unchecked"])},
        "account_id": {"DataType": "String", "StringValue": report["account_id"]},
        "scan_kind": {"DataType": "String", "StringValue": report["scan_kind"]},
    }


def _compact(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

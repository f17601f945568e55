"""What is published to the topic: for whom, when, and in which format each protocol gets it. Pure."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict

from chalicelib.instants import SCANS_BEGIN_WITHIN, parse_instant
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.message_chat import compose_for_chat
from chalicelib.outputs.message_json import compact_json, compose_for_programs
from chalicelib.outputs.message_text import compose_message
from chalicelib.outputs.organization_text import compose_organization_message
from chalicelib.report.counts import count, count_lost
from chalicelib.report.summary import is_complete, report_verdict, worst_severity
from chalicelib.settings import HttpsFormat, NotifyOn

_FOR_PROGRAMS = ("https", "sqs", "lambda", "firehose")  # the topic refuses subscriptions by plain HTTP
_DAY = timedelta(days=1)


class Notification(TypedDict):
    """An SNS message: `message` for `MessageStructure: json`, `attributes` as sns:Publish takes them."""

    subject: str
    message: str
    attributes: dict[str, dict[str, str]]


def should_notify(report: AnyReport, notify_on: NotifyOn) -> bool:
    """Return whether a report is worth a message.

    Always is one that is incomplete, that lost sight of a key or an account, or of an account with a quarantined user;
    and one whose plan has keys that people have not been told of, or not that they are due; and a reminder.
    """
    counts = count(report)
    totals, changes = counts.totals, counts.changes
    if counts.quarantined or not is_complete(report) or (changes is not None and changes["unknown"]):
        return True
    if "accounts" in report and report["changes"] and count_lost(report["changes"]):
        return True
    plan = report.get("plan")
    if notify_on is NotifyOn.ALWAYS or (plan and (plan["newly_told"] or plan["newly_due"])):
        return True
    if notify_on is NotifyOn.CHANGES and changes is not None:
        reminds = report["changes"] is not None and report["changes"]["reminder"]
        kinds = (changes["new"], changes["new_unused"], changes["reactivated"], changes["became_safe"], reminds)
        return changes["resolved"] > counts.exempted or any(kinds) or counts.new_root_access_keys > 0
    if counts.root_access_keys or totals["expired"] or totals["unused"]:
        return True
    return notify_on is NotifyOn.DUE_SOON and totals["due_soon"] > 0


def note_message(report: AnyReport, notify_on: NotifyOn, remind_days: int | None) -> None:
    """Add to a full scan's changes whether its message is a reminder, and when the last message was sent.

    With NotifyOn=changes, people are reminded so many days after the last message of what is still to be done.
    """
    changes = report["changes"]
    if changes is None or report["scan_kind"] not in ("full", "organization"):
        return
    last, has_news = changes["last_message_at"], should_notify(report, notify_on)
    may_remind = notify_on is NotifyOn.CHANGES and not has_news and not changes["superseded"]
    if may_remind and last and remind_days and _is_to_remind(report, last, remind_days):
        changes["reminder"], changes["reminds_of"] = True, last
    if has_news or changes["reminder"]:
        changes["last_message_at"] = report["started_at"]


def _is_to_remind(report: AnyReport, last: str, days: int) -> bool:
    """Return whether there is something to remind of, and the last message is long enough ago."""
    counts, ago = count(report), parse_instant(report["started_at"]) - parse_instant(last)
    is_recent = timedelta() <= ago < days * _DAY - SCANS_BEGIN_WITHIN  # one that is yet to come is damage
    return not is_recent and any((counts.totals["expired"], counts.totals["unused"], counts.root_access_keys))


def compose_notification(
    report: AnyReport,
    folder: str,
    notify_on: NotifyOn = NotifyOn.FINDINGS,
    https_format: HttpsFormat = HttpsFormat.JSON,
) -> Notification:
    """Return the message for everybody who may be subscribed; `folder` is where the files are, as an s3:// URI."""
    list_due_soon = notify_on is NotifyOn.DUE_SOON
    if "accounts" in report:
        subject, text = compose_organization_message(report, folder, list_due_soon)
    else:
        subject, text = compose_message(report, folder, list_due_soon)
    chat = compose_for_chat(report, subject, folder) if https_format is HttpsFormat.CHAT else None
    return as_notification(subject, text, compose_for_programs(report, folder), chat, _attributes(report))


def as_notification(
    subject: str,
    text: str,
    for_programs: Mapping[str, Any],
    for_chat: Mapping[str, Any] | None,
    attributes: Mapping[str, str | int],
) -> Notification:
    """Return a message with its text by protocol; `for_chat` is what subscribers by https get instead of JSON."""
    by_protocol = {"default": text, "sms": subject, **dict.fromkeys(_FOR_PROGRAMS, compact_json(for_programs))}
    if for_chat is not None:
        by_protocol["https"] = compact_json(for_chat)
    typed = {
        name: {"DataType": "String" if isinstance(value, str) else "Number", "StringValue": str(value)}
        for name, value in attributes.items()
    }
    return {"subject": subject, "message": compact_json(by_protocol), "attributes": typed}


def _attributes(report: AnyReport) -> dict[str, str | int]:
    counts = count(report)
    unchecked = counts.accounts["accounts_unchecked"] if counts.accounts else counts.users["users_unchecked"]
    # Not more than ten, or SNS discards the message for a queue with raw message delivery:
    # https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
    return {
        "verdict": report_verdict(report),
        "expired": report["totals"]["expired"],
        "unused": report["totals"]["unused"],
        "unchecked": unchecked,
        "complete": json.dumps(is_complete(report)),
        "account_id": report["account_id"],
        "scan_kind": report["scan_kind"],
        "severity": worst_severity(report) or "none",
        "quarantined": counts.quarantined,
    }

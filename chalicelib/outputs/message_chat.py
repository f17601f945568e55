"""The message in chat, as Amazon Q Developer shows it. Pure."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport, NamedAccount
from chalicelib.outputs.action_sentences import action_sentence, who_lines
from chalicelib.outputs.description import describe_report
from chalicelib.outputs.headline import headline
from chalicelib.outputs.organization_sentences import account_label
from chalicelib.outputs.plan_sentences import approval_request, how_to_approve, planned_lines
from chalicelib.outputs.sentences import counted, severity_label, why_advised
from chalicelib.report.summary import find_gaps, first_findings, report_locations, report_verdict

_IN_CHAT = 10
_MARKS = {"new": ", new", "due_soon": ", due soon", "unused": ", unused"}


def compose_for_chat(report: AnyReport, subject: str, folder: str) -> dict[str, Any]:
    """Return a custom notification: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html.

    Names stand in backticks, where neither Slack nor Teams takes a character for markup; causes stay out.
    """
    described = describe_report(report, _label)
    first = first_findings(report, _IN_CHAT)
    more = len(report["findings"]) - len(first) + (report["findings_left_out"] if "accounts" in report else 0)
    lines = [
        *headline(report, find_gaps(report), around_names="`", label=_label),
        *described.to_do,
        *described.plan,
        "",
        *described.accounts,
        described.coverage,
        described.keys,
        *described.severity,
        *described.changes,
        *described.owners,
        *described.not_covered,
        "",
        *(
            f"`{finding['access_key_id']}` `{finding['user_name']}` {_account(finding)}{_how_severe(finding)}"
            f"{counted(finding['age_days'], 'day')} old{_MARKS.get(change or finding['verdict'], '')}."
            f" {' '.join([why_advised(finding), *planned_lines(finding, report, brief=True)])}"
            for finding, change in first
        ),
        *([f"and {more} more in the report."] if more else []),
        *_actions(report),
    ]
    request = approval_request(report)
    steps = ["Rotate a key: create its successor, move what uses it, deactivate it, then delete it."]
    next_steps = [
        *(steps if report["findings"] else []),
        *described.next_steps,
        *([f"{how_to_approve(report['plan'])} `POST {request[0]} {json.dumps(request[1])}`"] if request else []),
        f"Read the report: `{report_locations(folder)['html']}`",
    ]
    about = report["scan_id"], report_verdict(report), report["account_id"]
    return custom_notification(about, subject, lines, next_steps)


def custom_notification(
    about: tuple[str, str, str], subject: str, lines: Sequence[str], next_steps: Sequence[str]
) -> dict[str, Any]:
    """Return a message in the schema of custom notifications; `about` is its id, the verdict, and the account's id."""
    of, verdict, account_id = about
    return {
        "version": "1.0",
        "source": "custom",
        "id": of,
        "content": {
            "textType": "client-markdown",
            "title": subject,
            "description": "\n".join(lines),
            "nextSteps": [*next_steps],
            "keywords": ["iam-key-age", verdict, account_id],
        },
        "metadata": {"threadId": f"iam-key-age-{account_id}", "summary": subject, "eventType": "iam-key-age"},
    }


def _actions(report: AnyReport) -> Iterator[str]:
    """Yield what was done with keys since the last full scan."""
    actions = report.get("actions", [])
    more = len(actions[_IN_CHAT:]) + (report.get("actions_left_out", 0) if "accounts" in report else 0)
    for action in actions[:_IN_CHAT]:
        who = " ".join(who_lines(action, "`"))
        yield f"`{action['access_key_id']}` `{action['user_name']}`: {action_sentence(action)} {who}"
    if more:
        yield f"and {more} more in the report."


def _label(account: NamedAccount) -> str:
    in_one_piece = account_label(account).replace("`", "'")
    return f"`{in_one_piece}`"


def _account(finding: Any) -> str:
    return f"in {_label(finding)}, " if "account_name" in finding else ""


def _how_severe(finding: Finding) -> str:
    """Return the severity of a key to look at first, and whether its user is an administrator; the names are long."""
    label, administers = severity_label(finding), finding["can_administer"] is True
    return f"{label}{', administrator' if administers else ''}, " if label else ""

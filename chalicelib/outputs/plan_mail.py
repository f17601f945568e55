"""What mails say of a plan besides a line for each key, and of what was done by the plans before. Pure."""

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from chalicelib.deactivation_documents import Action
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.action_sentences import action_lines
from chalicelib.outputs.links import defuse_addresses, defuse_links
from chalicelib.outputs.mail import INDENT, MAX_WIDTH, awscurl_lines, section, with_user, wrapped
from chalicelib.outputs.plan_sentences import PROTECT, approval_request, due_keys, due_title, how_to_approve
from chalicelib.outputs.sentences import since_when

_Account = Callable[[Any], Iterable[str]]


def plan_sections(report: AnyReport, room: int, account: _Account = lambda _finding: ()) -> list[str]:
    """Return the keys that are due, and what was done since the last full scan, each in `room` bytes."""
    if not (plan := report.get("plan")):
        return []
    actions = report.get("actions", [])
    done = len(actions) + (report.get("actions_left_out", 0) if "accounts" in report else 0)
    lines_of_actions = partial(_lines_of_actions, of_accounts="accounts" in report)
    return [
        *section(due_title(plan), due_keys(report), partial(_due_lines, account=account), room, plan["due"]),
        *section(f"WHAT IAM-KEY-AGE DID since {since_when(report)}", actions, lines_of_actions, room, done),
    ]


def _due_lines(findings: Sequence[Finding], account: _Account) -> Iterator[str]:
    for finding in findings:
        key = with_user(f"{INDENT}{finding['access_key_id']:<20}", finding["user_name"])
        yield "\n".join([key, *wrapped(map(defuse_links, account(finding)), INDENT * 3)])


def _lines_of_actions(actions: Sequence[Action], *, of_accounts: bool) -> Iterator[str]:
    for action in actions:
        key = with_user(f"{INDENT}{action['access_key_id']:<20}", action["user_name"])
        where = [f"Account {action['account_id']}"] if of_accounts else []
        about = map(defuse_addresses, [*where, *action_lines(action)])
        yield "\n".join([key, *wrapped(about, INDENT * 3)])


def how_to_decide(report: AnyReport) -> Iterator[str]:
    """Yield how to approve the keys that are due, and how to keep a key from being deactivated."""
    plan = report.get("plan")
    if not plan or not plan["due"] + plan["held"]:
        return
    if request := approval_request(report):
        path, body = request[0], json.dumps(request[1])
        yield from textwrap.wrap(how_to_approve(plan), MAX_WIDTH)
        yield f"{INDENT}POST {path}"
        yield from wrapped([body], INDENT)
        yield "or with awscurl:"
        data = "\n".join(wrapped([f"-d '{body}'"], INDENT * 3))
        yield from awscurl_lines(path, f"{INDENT * 3}-H 'Content-Type: application/json'", data)
        yield ""
    yield "To keep the keys of a user from being deactivated, tag the user:"
    yield INDENT + f" \\\n{INDENT * 3}--tags".join(PROTECT.split(" --tags"))
    yield ""

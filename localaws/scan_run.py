"""One whole scan on the local AWS: what came of it, and what it took."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from chalicelib.aws.executions import failure_in_words

if TYPE_CHECKING:
    from localaws.environment import LocalAws

MAX_PAYLOAD_BYTES = 256 * 1024  # of any state's input or output
MAX_HISTORY_EVENTS = 25_000  # of a STANDARD execution


class LocalAwsError(Exception):
    """Something of the local AWS would not start or work; the message says what."""


class PolicyRefusedError(Exception):
    """POST /scan refused the scan policy; the message is its own."""


@dataclass(frozen=True)
class ScanResult:
    """What came of a scan: its execution, the files it kept, and what it sent to whom.

    `messages` and `mail` reached the topic's subscribers, by SQS and e-mail, `notices` the owners by SES, and
    `published_notices` the second topic. `findings` are all that Security Hub has.
    """

    scan_id: str
    status: str
    error: str | None
    files: dict[str, bytes]
    messages: list[dict[str, str]]
    mail: list[dict[str, str]]
    stats: dict[str, Any]
    notices: list[dict[str, str]] = field(default_factory=list)
    published_notices: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def report(self) -> Any:
        """The report as JSON has it, None where there is none."""
        report = self.files.get("report.json")
        return json.loads(report) if report else None


def run_scan(aws: "LocalAws", policy: str, progress: Callable[[int], None]) -> ScanResult:
    """Run a scan through POST /scan to its end.

    `progress` is called with how many users were asked for so far; of an organization, with how many accounts.
    """
    aws.forget_calls()
    began = time.monotonic()
    response = aws.post_scan(policy)
    if response.status_code == requests.codes.bad_request:
        raise PolicyRefusedError(response.json()["Message"])
    if response.status_code != requests.codes.accepted:
        raise LocalAwsError(f"POST /scan answered {response.status_code}: {response.text}\n{aws.log_tail()}")
    arn = response.json()["execution_arn"]
    of_organization = ":iam-key-age-local-organization:" in arn
    while aws.is_running(arn):
        progress(aws.gate.accounts_scanned if of_organization else aws.gate.users_asked)
        time.sleep(0.1)
    execution = aws.client("stepfunctions").describe_execution(executionArn=arn)
    stats = {**_stats(aws, arn, standard_children=of_organization), "seconds": round(time.monotonic() - began, 3)}
    return ScanResult(
        scan_id=execution["name"],
        status=execution["status"],
        error=failure_in_words(execution) or _over_quota(stats),
        files=aws.files(execution["name"]),
        messages=aws.messages(),
        mail=aws.mail(),
        stats=stats,
        notices=aws.receivers.notices(),
        published_notices=aws.receivers.published_notices(),
        events=aws.receivers.events(),
        findings=aws.receivers.findings(),
    )


def _stats(aws: "LocalAws", execution_arn: str, *, standard_children: bool) -> dict[str, Any]:
    states = aws.client("stepfunctions")
    history = states.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    events = Counter(event["type"] for page in history for event in page["events"])
    runs = states.list_map_runs(executionArn=execution_arn)["mapRuns"]
    counts = [states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]["total"] for run in runs]
    billed = aws.measurements.events if standard_children else events  # transitions of EXPRESS children cost nothing
    return {
        "calls": aws.gate.calls(),
        "throttled": aws.gate.throttled,
        "history_events": events.total(),
        "largest_payload_bytes": aws.measurements.size,
        "child_executions": sum(counts),
        "state_transitions": _transitions(billed) + sum(counts),
        "iam_seconds": round(aws.gate.iam_seconds, 3),
    }


def _transitions(events: "Counter[str]") -> int:
    """Count the states that were entered, and the retries of tasks, which are transitions, too."""
    entered = sum(count for event, count in events.items() if event.endswith("StateEntered"))
    return entered + max(0, events["TaskScheduled"] - events["TaskStateEntered"])


def _over_quota(stats: dict[str, Any]) -> str | None:
    """Return why AWS would have failed the scan where the local interpreter does not; None if it would not."""
    if stats["largest_payload_bytes"] > MAX_PAYLOAD_BYTES:
        return f"a state carried {stats['largest_payload_bytes']} bytes; AWS takes {MAX_PAYLOAD_BYTES}"
    if stats["history_events"] > MAX_HISTORY_EVENTS:
        return f"the execution has {stats['history_events']} events; AWS takes {MAX_HISTORY_EVENTS}"
    return None

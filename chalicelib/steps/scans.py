"""What steps of the scans' state machines share: the account's facts, and what a report is published with."""

from datetime import UTC, datetime
from typing import Any

from chalicelib import scan_ids, settings, telling_settings
from chalicelib.aws import report_store
from chalicelib.documents import AccountFacts
from chalicelib.evaluation.account import unknown_account, wanted_facts
from chalicelib.instants import format_instant
from chalicelib.organization_documents import AnyReport


def account_facts(event: dict[str, Any]) -> AccountFacts:
    """Return what a scan read of its account; where that failed as a whole, all of it is unknown."""
    scan = event["scan"]
    read = event.get("account") or {"cause": "this scan began before an upgrade, which read no account"}
    if "cause" in read:
        return unknown_account(wanted_facts(scan), scan["started_at"], read["cause"])
    return report_store.load_account(scan["scan_id"], scan_ids.account_of(scan["execution_arn"]), read["read_at"])


def publish(
    report: AnyReport, summary: Any, latest: dict[str, Any], how: tuple[settings.NotifyOn, settings.HttpsFormat]
) -> dict[str, Any]:
    """Print a report's metrics, and return its message and what else its state machine goes on with."""
    from chalicelib.aws.planning import request_deactivation
    from chalicelib.outputs.metrics import metrics_line
    from chalicelib.outputs.sns import compose_notification, should_notify
    from chalicelib.report.summary import report_locations

    (notify_on, https_format), folder = how, report_store.scan_folder(report["scan_id"])
    now = datetime.now(UTC)
    metrics = metrics_line(report, settings.stage_name(), now, settings.stage_defaults().to_json())
    print(metrics)  # noqa: T201  # on a line alone, as CloudWatch wants it
    return {
        "summary": {**summary, "reports": report_locations(folder)},
        **compose_notification(report, folder, notify_on, https_format),
        "notify": should_notify(report, notify_on),
        "latest": latest,
        "deactivation": request_deactivation(report, format_instant(now)) if latest else {},
    }

"""A scan's counts as CloudWatch metrics, in the embedded metric format. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.organization_documents import AnyReport
from chalicelib.report.counts import count

NAMESPACE = "iam-key-age"


def metrics_line(report: AnyReport, stage: str, now: datetime, stage_policy: Mapping[str, Any]) -> str:
    """Return the line that CloudWatch Logs makes metrics of; counts alone, no names.

    A full scan by another policy than the stage's is of another `ScanKind`: the alarms watch the stage's own.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    counts = count(report)
    metrics = {
        "KeysExpired": counts.totals["expired"],
        "KeysUnused": counts.totals["unused"],
        "KeysExempt": counts.totals["exempt"],
        "KeysDueSoon": counts.totals["due_soon"],
        "UsersUnchecked": counts.users["users_unchecked"],
        "UsersListed": counts.users["users_listed"],
    }
    if counts.accounts:
        metrics |= {
            "AccountsListed": counts.accounts["accounts_listed"],
            "AccountsScanned": counts.accounts["accounts_scanned"],
            "AccountsUnchecked": counts.accounts["accounts_unchecked"],
            "AccountsIncomplete": counts.accounts["accounts_incomplete"],
        }
    is_of_the_stage = report["scan_kind"] not in ("full", "organization") or report["policy"] == stage_policy
    kind = report["scan_kind"] if is_of_the_stage else "other_policy"
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stage", "ScanKind"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
    }
    return json.dumps(
        {
            "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]},
            "Stage": stage,
            "ScanKind": kind,
            "scan_id": report["scan_id"],
            **metrics,
        }
    )

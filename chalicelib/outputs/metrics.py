"""A scan's counts as CloudWatch metrics, in the embedded metric format. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.documents import Report

NAMESPACE = "iam-key-age"


def metrics_line(report: Report, stage: str, now: datetime, stage_policy: Mapping[str, Any]) -> str:
    """Return the line that CloudWatch Logs makes metrics of; counts alone, no names.

    A full scan by another policy than the stage's is of another `ScanKind`: the alarms watch the stage's own.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = {
        "KeysExpired": report["totals"]["expired"],
        "KeysUnused": report["totals"]["unused"],
        "KeysExempt": report["totals"]["exempt"],
        "KeysDueSoon": report["totals"]["due_soon"],
        "UsersUnchecked": report["coverage"]["users_unchecked"],
        "UsersListed": report["coverage"]["users_listed"],
    }
    is_of_the_stage = report["scan_kind"] != "full" or report["policy"] == stage_policy
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

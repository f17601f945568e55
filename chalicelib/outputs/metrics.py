"""A scan's counts as CloudWatch metrics, in the embedded metric format. Pure."""

import json
from datetime import datetime

from chalicelib.documents import Report

NAMESPACE = "iam-key-age"


def metrics_line(report: Report, stage: str, now: datetime) -> str:
    """Write the line that CloudWatch Logs makes metrics of; counts alone, no names.

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
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Stage", "ScanKind"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
    }
    return json.dumps(
        {
            "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]},
            "Stage": stage,
            "ScanKind": report["scan_kind"],
            "scan_id": report["scan_id"],
            **metrics,
        }
    )

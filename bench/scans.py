"""Local scans of made-up accounts, and what they counted; shared by the benchmarks that run some."""

import logging

from localaws.clients import forget_the_users_aws

forget_the_users_aws()  # before moto is imported, which reads them

from bench.accounts import everyday_account, quota_account  # noqa: E402
from localaws.environment import LocalAws  # noqa: E402  # imports moto
from localaws.scan_run import ScanResult  # noqa: E402

for chatty in ("moto", "samtranslator", "werkzeug"):
    logging.getLogger(chatty).setLevel(logging.CRITICAL)


def scan_everyday(users: int) -> ScanResult:
    """Scan an everyday account of a size."""
    with LocalAws(everyday_account(users)) as aws:
        return whole(aws.scan("{}"))


def scan_quota() -> ScanResult:
    """Scan the largest account that IAM allows."""
    with LocalAws(quota_account()) as aws:
        return whole(aws.scan("{}"))


def whole(result: ScanResult) -> ScanResult:
    """Return a scan that checked everybody; without one there is nothing to measure."""
    if result.error or result.report["coverage"]["users_unchecked"] or result.report["details_unknown"]:
        raise RuntimeError(f"the scan {result.status}: {result.error}, {result.report['coverage']}")
    return result


def iam_calls(result: ScanResult) -> int:
    """Count what a scan asked of IAM."""
    return sum(count for call, count in result.stats["calls"].items() if call.startswith("iam:"))

"""The largest account that IAM allows, scanned whole."""

import pytest

from bench.accounts import quota_account
from bench.cost import price, read_counts
from tests.support.scanner import Scanner


@pytest.mark.timeout(600)
def test_the_quota_account_is_scanned_whole_and_stays_far_below_every_limit(scanner: Scanner) -> None:
    scanner.aws.seed(quota_account())
    scanner.aws.messages()
    scanner.aws.mail()

    result = scanner.aws.scan(
        '{"max_age_days": 91}'
    )  # a policy of its own: names of one policy in a minute are counted

    report = result.report
    assert result.error is None
    assert report["coverage"]["users_listed"] == report["coverage"]["users_checked"] == 5_000
    assert report["totals"]["expired"] == len(report["findings"]) == 10_000
    assert report["details_unknown"] == []
    assert result.stats["largest_payload_bytes"] <= 128 * 1024  # of 256
    assert result.stats["history_events"] <= 2_000  # of 25,000
    assert price(read_counts(result.stats, users=5_000))["total"] < 0.02
    assert result.stats["calls"].pop("s3:GetObject") in (
        50 + 2 + 1,
        50 + 2 + 2,
    )  # pages; the account for two; latest.json and its report
    assert result.stats["calls"].pop("states:ListExecutions") in (1, 2)  # twice in the first seconds of a minute
    assert result.stats["calls"] == {
        "iam:GetAccessKeyLastUsed": 10_000,
        "iam:GetAccountAuthorizationDetails": 25,  # of 200 users each
        "iam:GetAccountSummary": 1,
        "iam:ListAccessKeys": 5_000,
        "iam:ListAccountAliases": 1,
        "iam:ListUsers": 50,
        "lambda:InvokeFunction": 53,
        "s3:PutObject": 1 + 50 + 3 + 1,  # the account, the pages, the report and latest.json
        "sns:Publish": 1,
        "states:StartExecution": 1,
    }
    [mail], [message] = result.mail, result.messages
    assert "10000 overdue access keys" in mail["Subject"]
    assert "(complete: 5000 users)" in mail["Subject"]
    assert len((mail["Message"] + message["Message"]).encode()) < 256 * 1024

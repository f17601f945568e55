"""The root user's access keys, which full scans ask about."""

from typing import Any

import pytest

from tests.support.iam_errors import deny, run_before, throttle
from tests.support.scanner import Scanner, aged, iam_calls


@pytest.mark.parametrize("keys", [0, 1])
def test_a_full_scan_asks_once_about_the_root_user_and_reports_the_answer(scanner: Scanner, keys: int) -> None:
    scanner.full_scan([aged("alice", 10)])

    result = scanner.full_scan([aged("alice", 10)], root_access_keys=keys)

    assert iam_calls(result)["iam:GetAccountSummary"] == 1
    assert result.report["root"] == {
        "access_keys": keys,
        "verdict": "root_access_keys" if keys else "ok",
        "cause": None,
    }
    assert result.report["not_covered"] == []
    assert len(result.mail) == keys
    if keys:
        assert result.mail[0]["Message"].startswith("The root user of AWS account 123456789012 has access keys")


@pytest.mark.parametrize("policy", [{"users": ["alice"]}, {"as_of": "2026-11-22T08:00:00Z"}])
def test_a_scan_that_is_not_full_does_not_ask_about_the_root_user(scanner: Scanner, policy: dict[str, Any]) -> None:
    result = scanner.full_scan([aged("alice", 10)], **policy)

    assert "iam:GetAccountSummary" not in result.stats["calls"]
    assert result.report["root"] is None
    assert (
        "the root user: IAM does not list it, and only scans of all users as of now ask whether it has access keys"
        in result.report["not_covered"]
    )


def test_a_root_user_that_iam_denies_is_unknown_and_the_subject_says_so(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_before(monkeypatch, "get_account_summary", deny)

    result = scanner.full_scan([aged("alice", 10)])

    assert result.status == "SUCCEEDED"
    assert result.report["root"]["verdict"] == "unknown"
    assert "not authorized" in result.report["root"]["cause"]
    assert "INCOMPLETE: root user unchecked" in result.mail[0]["Subject"]
    assert "Root user: unknown. AccessDenied: User" in result.mail[0]["Message"]
    assert iam_calls(result)["iam:GetAccountSummary"] == 1


def test_the_root_user_is_asked_about_again_if_iam_throttles(scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = throttle(monkeypatch, "get_account_summary", times=3)

    result = scanner.full_scan([aged("alice", 10)])

    assert result.report["root"]["verdict"] == "ok"
    assert asked["calls"] == 4

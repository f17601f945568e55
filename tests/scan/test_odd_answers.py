"""IAM answers of a scan that leave something out: unknown with a cause, never "never used", never clean."""

from typing import Any

import pytest
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from tests.support.scanner import Scanner, user

OLD = "2021-11-27T20:15:43Z"


def answer(monkeypatch: pytest.MonkeyPatch, operation: str, result: dict[str, Any]) -> None:
    monkeypatch.setattr(IamResponse, operation, lambda _self: ActionResult(result))


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"AccessKeyLastUsed": {}},
        {"AccessKeyLastUsed": {"ServiceName": "s3", "Region": "us-east-1"}},
        {"AccessKeyLastUsed": {"ServiceName": "N/A"}},
        {"AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "us-east-1"}},
    ],
    ids=["nothing", "empty", "no date", "no Region", "a Region"],
)
def test_a_last_use_that_iam_says_nothing_of_is_unknown(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    answer(monkeypatch, "get_access_key_last_used", {"UserName": "alice", **said})

    report = scanner.full_scan([user("alice", OLD)], max_age_days=89).report

    [finding] = report["findings"]
    assert (finding["last_used"], finding["advice"], finding["safe_to_deactivate"]) == ("unknown", None, None)
    assert report["coverage"]["keys_last_use_unknown"] == 1
    assert report["details_unknown"][0]["user_name"] == "alice"


def test_a_key_of_which_iam_says_that_it_was_never_used_is_never_used(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = {"ServiceName": "N/A", "Region": "N/A"}
    answer(monkeypatch, "get_access_key_last_used", {"UserName": "alice", "AccessKeyLastUsed": never})

    [finding] = scanner.full_scan([user("alice", OLD)], max_age_days=89).report["findings"]

    assert (finding["last_used"], finding["safe_to_deactivate"]) == (None, True)


def test_a_last_use_without_service_and_region_is_one(scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    used = {"LastUsedDate": "2021-12-01T00:00:00Z"}
    answer(monkeypatch, "get_access_key_last_used", {"UserName": "alice", "AccessKeyLastUsed": used})

    [finding] = scanner.full_scan([user("alice", OLD)], max_age_days=89).report["findings"]

    assert finding["last_used"] == {"at": "2021-12-01T00:00:00Z", "service": "N/A", "region": "N/A"}
    assert finding["advice_in_words"].endswith("days, last on 2021-12-01: deactivate it.")


@pytest.mark.parametrize("summary", [{}, {"SummaryMap": {}}, {"SummaryMap": {"Users": 1}}])
def test_a_summary_without_the_root_user_is_unknown(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, summary: dict[str, Any]
) -> None:
    answer(monkeypatch, "get_account_summary", summary)

    result = scanner.full_scan([], max_age_days=89)

    assert result.report["root"] == {
        "access_keys": "unknown",
        "verdict": "unknown",
        "cause": "IAM did not say whether the root user has access keys",
    }
    assert "INCOMPLETE: root user unchecked" in result.mail[0]["Subject"]

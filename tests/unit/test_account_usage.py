"""Who uses the keys of an account of an organization: what CloudTrail is asked there, and in which time."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fake_aws import account_of, json_error
from tests.support.organization import A, Organization, key_id, let_users_be


def with_events(_call: dict[str, str]) -> dict[str, Any]:
    record = {"eventSource": "s3.amazonaws.com", "eventName": "PutObject", "sourceIPAddress": "198.51.100.7"}
    return {"Events": [{"EventTime": 1795000000, "CloudTrailEvent": json.dumps(record)}]}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (with_events, "seen"),
        ({"Events": []}, "nothing"),
        (json_error("AccessDeniedException", "no"), "refused"),
        (json_error("ThrottlingException", "no"), "throttled"),
    ],
)
def test_cloudtrail_is_asked_with_the_accounts_credentials_where_usage_evidence_is_on(
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, Any] | Callable[[dict[str, str]], Any],
    status: str,
) -> None:
    monkeypatch.setenv("USAGE_EVIDENCE", "on")
    let_users_be(organization, "alice")
    organization.aws.answers["LookupEvents"] = answer

    organization.scan(A)

    [finding] = organization.report(A)["findings"]
    assert finding["seen_from"]["status"] == status
    assert organization.file(f"accounts/{A}/usage.json")["keys"][key_id("alice")]["status"] == status
    asked = [call for call in organization.aws.calls if call["Action"] == "LookupEvents"]
    assert {account_of(call) for call in asked} == {A}
    assert all("/eu-west-1/cloudtrail/" in call["credential"] for call in asked)


def test_cloudtrail_is_asked_in_the_time_that_the_rest_leaves(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_EVIDENCE", "on")
    let_users_be(organization, "alice")
    organization.left = lambda: 139.0

    organization.scan(A)

    assert organization.report(A)["findings"][0]["seen_from"]["cause"] == "the time for asking was over"
    assert organization.aws.called("LookupEvents") == 0

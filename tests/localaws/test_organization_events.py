"""CloudTrail of an organization: each account has its own events, its own rate, and its role for both."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.environment import LocalAws
from tests.support.organizations import account_id, assume, client_of, deployed, function_client, member, organization

FIRST, SECOND = account_id(1), account_id(2)


def seen(name: str, address: str) -> dict[str, Any]:
    """Return a user with an overdue key that was used from an address."""
    event = {
        "days_ago": 1,
        "name": "ListBuckets",
        "source": "s3.amazonaws.com",
        "address": address,
        "user_agent": "cli",
    }
    key = {"age_days": 100, "last_used": {"days_ago": 1}, "events": [event]}
    return {"user_name": name, "access_keys": [key]}


@pytest.fixture(scope="module")
def with_evidence(aws: LocalAws) -> Iterator[LocalAws]:
    accounts = organization(member(1, seen("ann", "203.0.113.7")), member(2, seen("ann", "198.51.100.9")))
    with deployed(aws, accounts, UsageEvidence="on"):
        yield aws


def test_a_scan_says_from_where_the_keys_of_each_account_are_used(with_evidence: LocalAws) -> None:
    result = with_evidence.scan("{}")

    seen_from = {
        finding["account_id"]: [address["value"] for address in finding["seen_from"]["addresses"]]
        for finding in result.report["findings"]
    }
    assert seen_from == {FIRST: ["203.0.113.7"], SECOND: ["198.51.100.9"]}


def test_each_account_has_a_rate_of_its_own(with_evidence: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localaws.moto_patches.cloudtrail._trail.clock", lambda: 5_000_000.0)
    sts, once = function_client(with_evidence, "sts"), Config(retries={"total_max_attempts": 1})
    first, second = (client_of(with_evidence, "cloudtrail", assume(sts, one), once) for one in (FIRST, SECOND))

    for _ in range(2):
        first.lookup_events()
    with pytest.raises(ClientError, match="ThrottlingException"):
        first.lookup_events()

    assert len(second.lookup_events()["Events"]) == 1

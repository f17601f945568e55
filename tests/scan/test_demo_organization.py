"""The demo organization has one of each kind of account that a report tells apart."""

from typing import Any

import pytest

from localaws.accounts.account_file import DEMO_ACCOUNT, load_account
from localaws.environment import LocalAws
from tests.support.organizations import deployed

DEMO = DEMO_ACCOUNT.with_name("demo-organization.json")


@pytest.fixture(scope="module")
def report(aws: LocalAws) -> Any:
    """The report of the demo organization, after a scan of what it was before."""
    with deployed(aws, load_account(DEMO.with_name("demo-organization-before.json"))):
        assert aws.scan("{}").error is None
        aws.seed(load_account(DEMO))
        result = aws.scan("{}")
    assert result.error is None
    return result.report


def test_one_of_twenty_accounts_refuses_and_one_is_suspended(report: Any) -> None:
    outcomes = {row["account_name"]: row["outcome"] for row in report["accounts"] if row["outcome"] != "scanned"}

    assert report["coverage"]["accounts_listed"] == 20
    assert outcomes == {"acquired-fintech": "unchecked", "legacy-erp": "not_active"}


def test_what_is_worst_is_each_in_an_account_of_its_own(report: Any) -> None:
    by_name = {row["account_name"]: row for row in report["accounts"] if row["outcome"] == "scanned"}

    assert [name for name, row in by_name.items() if row["quarantined"]] == ["machine-learning"]
    assert [name for name, row in by_name.items() if row["root_access_keys"]] == ["marketing-site"]
    assert {"log-archive", "audit"} <= {name for name, row in by_name.items() if row["verdict"] == "ok"}
    assert all(report["severities"].values())


def test_keys_have_owners_and_one_is_exempt(report: Any) -> None:
    owned = [finding for finding in report["findings"] if finding["owner"]]

    assert report["totals"]["exempt"] == 1
    assert 0 < len(owned) < len(report["findings"])


def test_keys_and_accounts_came_and_went_since_the_scan_before(report: Any) -> None:
    changes = report["changes"]

    assert all(changes[kind] for kind in ("new", "still_expired", "resolved", "became_safe"))
    assert len(changes["new_root_access_keys"]) == len(changes["accounts_new"]) == 1
    assert [account["name"] for account in changes["accounts_gone"]] == ["proof-of-concept"]

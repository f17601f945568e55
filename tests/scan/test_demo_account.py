"""The demo account has one of each kind of key that a report tells more of than its age."""

from typing import Any

import pytest

from localaws.accounts.account_file import DEMO_ACCOUNT, load_account
from tests.support.scanner import Scanner


@pytest.fixture(scope="module")
def report(scanner: Scanner) -> dict[str, Any]:
    """The report of the demo account, after a scan of what it was before."""
    for path in (DEMO_ACCOUNT.with_name("demo-account-before.json"), DEMO_ACCOUNT):
        scanner.aws.seed(load_account(path))
        result = scanner.aws.scan("{}")
        assert result.error is None
    return dict(result.report or {})


def test_the_account_has_a_name_and_all_of_it_is_known(report: dict[str, Any]) -> None:
    assert (report["account_alias"], report["account_unknown"]) == ("example-shop", [])
    assert all(finding["can_administer"] != "unknown" for finding in report["findings"])


def test_there_is_a_key_of_each_severity(report: dict[str, Any]) -> None:
    assert all(report["severities"].values())


def test_an_administrator_is_one_by_a_policy_of_the_user_and_another_by_a_group(report: dict[str, Any]) -> None:
    overdue = [finding for finding in report["findings"] if finding["verdict"] == "expired"]

    assert {finding["administers_by"] for finding in overdue if finding["can_administer"]} == {
        "AdministratorAccess",
        "AdministratorAccess of group administrators",
    }


def test_a_quarantined_user_has_an_overdue_key_and_a_young_one(report: dict[str, Any]) -> None:
    [quarantined] = report["quarantined"]

    keys = {key["access_key_id"] for key in quarantined["access_keys"] if key["status"] == "Active"}
    overdue = {finding["access_key_id"] for finding in report["findings"] if finding["severity"] == "critical"}
    assert (len(keys), len(overdue), overdue < keys) == (2, 1, True)


def test_keys_have_descriptions_and_say_what_to_use_instead(report: dict[str, Any]) -> None:
    described = [finding for finding in report["findings"] if finding["description"]]

    assert len(described) >= 5
    suggested = {finding["leave_keys"]["use"] for finding in report["findings"] if finding["leave_keys"]}
    assert {"SMTP with Amazon SES", "GitHub Actions"} <= suggested


def test_a_key_that_fell_silent_has_become_safe_to_deactivate(report: dict[str, Any]) -> None:
    silent = {finding["access_key_id"] for finding in report["findings"] if finding["user_name"] == "uma.web"}

    assert silent <= set(report["changes"]["became_safe"])

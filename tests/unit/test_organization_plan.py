"""The plans of an organization's accounts in its report: sums, keys with their plan, actions."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.deactivation_settings import DeactivationSettings
from chalicelib.documents import Report
from chalicelib.evaluation.plan import add_actions, add_plan
from chalicelib.outputs.sns import should_notify
from chalicelib.policy import ScanPolicy
from chalicelib.report.organization import DAMAGED, MOST_ACTIONS
from chalicelib.report.summary import summarize_organization
from chalicelib.settings import NotifyOn
from tests.support.organization_reports import account_id, account_report, joined, listed
from tests.support.plans import APPLY, PROTECTED, action, planned
from tests.support.reports import AS_OF, key, user

TOLD = {"told_since": "2026-11-01T08:00:00Z", "due_since": None}
ON_SUNDAYS = replace(APPLY, weekdays=("SUN",))


def account(
    number: int,
    *outcomes: dict[str, Any],
    told: Any = None,
    settings: DeactivationSettings = ON_SUNDAYS,
    stage_policy: dict[str, Any] | None = None,
    **more: Any,
) -> Report:
    """The report of an account with its plan; it found before what it finds now."""
    report = account_report(number, *outcomes, last=outcomes, **more)
    add_plan(report, settings, stage_policy or ScanPolicy().to_json(), told or {}, {})
    add_actions(report, [])
    return report


def idle(name: str, key_id: str, **more: Any) -> dict[str, Any]:
    return user(name, key(key_id, 200, used=100), **more)


def test_an_organizations_plan_is_the_sum_of_its_accounts() -> None:
    one = account(1, idle("alice", "AKIA1"), idle("bob", "AKIA2"), told={"AKIA1": TOLD})
    two = account(2, idle("carol", "AKIA3", tags=PROTECTED), idle("dan", "AKIA4"), told={"AKIA4": TOLD})

    report = joined([(listed(1), one), (listed(2), two)])

    assert report["plan"] == {**one["plan"], "due": 2, "held": 2, "waiting": 1, "newly_told": 1, "newly_due": 2}
    assert one["plan"]["newly_told"] == 1, "a sum changes no account's report"
    assert summarize_organization(report)["plan"] == {"mode": "apply", "due": 2, "held": 2, "waiting": 1}


def test_its_findings_have_their_plans() -> None:
    one = account(1, idle("alice", "AKIA1"), user("bob", key("AKIA2", 200, used=1)))

    [first, second] = joined([(listed(1), one)])["findings"]

    assert first["plan"] == planned(one, "AKIA1")
    assert "plan" not in second


def test_an_account_that_is_not_scanned_has_no_part_in_the_sums() -> None:
    report = joined([(listed(1), account(1, idle("alice", "AKIA1"))), (listed(2), "it was refused")])

    assert report["plan"]["held"] == 1


def test_an_organization_without_deactivation_or_without_an_account_has_no_plan() -> None:
    for report in (joined([(listed(1), account_report(1, idle("alice", "AKIA1")))]), joined([])):
        assert not {"plan", "actions"} & report.keys()
        assert "plan" not in summarize_organization(report)


def test_the_note_is_that_of_all_accounts() -> None:
    note = "No key is planned by this scan: its policy is not the stage's."
    none = [(listed(number), account(number, stage_policy={"max_age_days": 30})) for number in (1, 2)]
    some = [*none, (listed(3), account(3, idle("alice", "AKIA1")))]

    assert joined(none)["plan"]["note"] == note
    assert joined(some)["plan"]["note"] is None
    assert joined(some[::-1])["plan"]["note"] is None


@pytest.mark.parametrize(
    "other",
    [
        {"mode": "plan"},
        {"needs_approval": False},
        {"after_days": 7},
        {"weekdays": ("SAT", "SUN")},
        {"max_per_scan": 6},
        {"tagged_only": True},
        {"user_path": "/people/"},
    ],
    ids=lambda other: next(iter(other)),
)
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_nothing_can_be_applied_of_plans_that_were_made_by_several_settings(
    order: tuple[int, ...], other: dict[str, Any]
) -> None:
    told = {"AKIA1": TOLD, "AKIA3": TOLD}
    reports = {number: account(number, idle("alice", f"AKIA{number}"), told=told) for number in (1, 2)}
    reports[3] = account(3, idle("carol", "AKIA3"), told=told, settings=replace(ON_SUNDAYS, **other))

    report = joined([(listed(number), reports[number]) for number in order])

    assert (report["plan"]["mode"], report["plan"]["due"]) == ("plan", 0)
    assert report["plan"]["note"] == "Its parameters were changed while the accounts were scanned: scan again."
    assert reports[1]["plan"] == account(1, idle("alice", "AKIA1"), told=told)["plan"]
    plans = {one["access_key_id"]: one["plan"] for one in report["findings"]}
    assert plans["AKIA1"] == planned(reports[1], "AKIA1")


def test_what_each_account_was_told_stays_in_its_own_report() -> None:
    one = account(1, told={"AKIA1": TOLD}, stage_policy={"max_age_days": 30})

    assert one["plan"]["told"] == {"AKIA1": TOLD}
    assert joined([(listed(1), one)])["plan"]["told"] == {}


@pytest.mark.parametrize(
    ("told", "settings", "is_sent"),
    [
        pytest.param({}, APPLY, True, id="told of for the first time"),
        pytest.param({"AKIA1": TOLD}, ON_SUNDAYS, True, id="due for the first time"),
        pytest.param({"AKIA1": TOLD}, APPLY, False, id="waits for a weekday"),
        pytest.param(
            {"AKIA1": {**TOLD, "due_since": "2026-11-15T08:00:00Z"}},
            ON_SUNDAYS,
            False,
            id="due, and still not approved",
        ),
    ],
)
def test_a_message_about_an_organization_is_sent_for_a_plan_as_for_an_account(
    told: Any, settings: DeactivationSettings, is_sent: bool
) -> None:
    one = account(1, idle("alice", "AKIA1"), told=told, settings=settings)

    report = joined([(listed(1), one), (listed(2), account(2))])

    assert should_notify(report, NotifyOn.CHANGES) == is_sent


def test_it_has_the_first_actions_of_all_accounts() -> None:
    reports = [account(number) for number in (1, 2, 3)]
    for one, number in zip(reports, (60, 0, 60), strict=True):
        one["actions"] = [{**action(f"AKIA{place}"), "account_id": one["account_id"]} for place in range(number)]

    report = joined([(listed(number), reports[number - 1]) for number in (1, 2, 3)])

    assert len(report["actions"]) == MOST_ACTIONS
    assert report["actions_left_out"] == 20
    assert [done["account_id"] for done in report["actions"]] == [account_id(1)] * 60 + [account_id(3)] * 40
    assert len(reports[0]["actions"]) == 60


@pytest.mark.parametrize(
    "damage",
    [
        {"plan": None},
        {"plan": {"mode": "apply"}},
        {"plan": {"due": "1"}},
        {"actions": None},
        {"actions": ["x"]},
        {"actions": [{"state": "done"}]},
        {"findings": [{"plan": {"status": "due"}}]},
    ],
)
def test_a_report_with_a_damaged_plan_counts_as_none(damage: dict[str, Any]) -> None:
    whole = account(1, idle("alice", "AKIA1"))
    one: Any = {**whole, **damage}
    if damage.get("plan") == {"due": "1"}:
        one["plan"] = {**whole["plan"], "due": "1"}
    if "findings" in damage:
        one["findings"] = [{**whole["findings"][0], **damage["findings"][0]}]

    others = [(listed(number), account(number)) for number in range(2, 7)]
    report = joined([(listed(1), one), *others])

    assert [(row["account_id"], row["cause"]) for row in report["accounts"] if row["outcome"] == "unchecked"] == [
        (account_id(1), DAMAGED)
    ]
    assert report["plan"]["held"] == 0
    assert report["as_of"] == AS_OF.strftime("%Y-%m-%dT%H:%M:%SZ")

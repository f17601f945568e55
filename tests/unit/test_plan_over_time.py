"""Since when people have been told of a key, over scans in a row, and which messages they get of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from chalicelib.documents import Report
from chalicelib.evaluation.plan import read_told
from chalicelib.outputs.sns import should_notify
from chalicelib.settings import NotifyOn
from tests.support.examples import given
from tests.support.examples import strategies as st
from tests.support.plans import APPLY, EXEMPT, PROTECTED, Stage, action, at, counts, finding_of, holds, planned
from tests.support.reports import AS_OF, before, key, report_of, unchecked, user

IDLE = key("AKIAOLD", 200, used=100)
ALICE = user("alice", IDLE)
PLAN_ALONE = replace(APPLY, mode="plan")
ROTATED_ON_DAY_3 = user("alice", key("AKIAOLD", 200, used=-2.5), key("AKIANEW", -2.75, used=-3))
TOLD_ON_SUNDAY = "2026-11-22T08:00:00Z"


def statuses(reports: list[Report], key_id: str = "AKIAOLD") -> list[str]:
    """A word a day: due, by what it is held, or nothing."""
    words = []
    for report in reports:
        plan = planned(report, key_id) or {"status": "-", "holds": []}
        words.append("+".join(hold["by"] for hold in plan["holds"]) or plan["status"])
    return words


def days_with_a_message(reports: list[Report], notify_on: NotifyOn = NotifyOn.CHANGES) -> list[int]:
    return [day for day, report in enumerate(reports) if should_notify(report, notify_on)]


def scans(
    days: int, alice: Callable[[int], dict[str, Any]] = lambda _: ALICE, stage: Stage | None = None
) -> list[Report]:
    stage = stage or Stage()
    return [stage.scan(day, alice(day)) for day in range(days)]


def test_a_key_is_told_of_for_14_days_and_then_due_on_each_approved_weekday() -> None:
    told, both, weekday = "told_recently", "told_recently+weekday", "weekday"

    reports = scans(30)

    assert statuses(reports) == [
        both,  # Sunday, when people are told
        *[told] * 4,
        *[both] * 3,
        *[told] * 4,
        *[both] * 2,
        weekday,  # Sunday, 14 days later
        *["due"] * 4,
        *[weekday] * 3,
        *["due"] * 4,
        *[weekday] * 3,
        "due",
    ]
    assert {planned(report)["told_since"] for report in reports} == {TOLD_ON_SUNDAY}
    assert {planned(report)["due_on"] for report in reports} == {"2026-12-07"}
    assert {planned(report)["due_since"] for report in reports} == {None, "2026-12-07T08:00:00Z"}


def test_a_key_counts_as_announced_once_the_message_was_sent() -> None:
    stage = Stage(replace(APPLY, weekdays=WEEKDAYS))
    stage.scan(0, ALICE)
    stage.kept_at = at(13)  # the scan failed when it was to notify people, and was redriven

    first = stage.scan(14, ALICE)
    stage.kept_at = None
    reports = [stage.scan(day, ALICE) for day in range(15, 28)]

    assert planned(first)["told_since"] == "2026-12-05T08:00:00Z"
    assert planned(first)["due_on"] == "2026-12-19"
    assert statuses([first, *reports]) == ["told_recently"] * 13 + ["due"]
    assert {planned(report)["told_since"] for report in reports} == {"2026-12-05T08:00:00Z"}


def test_a_message_that_was_sent_after_the_next_scan_began_is_told_of_for_good() -> None:
    stage = Stage()
    stage.scan(0, ALICE)
    stage.kept_at = at(1.01)
    told = [stage.scan(1, ALICE)]
    told += [stage.scan(day, ALICE) for day in (2, 3)]

    assert {planned(report)["told_since"] for report in told} == {"2026-11-23T08:14:24Z"}
    assert not any(report["plan"]["newly_told"] for report in told)


def test_a_key_that_was_due_at_once_was_due_when_the_message_was_sent() -> None:
    stage = Stage(DeactivationSettings("apply", after_days=0, weekdays=WEEKDAYS))
    stage.scan(0, ALICE)
    stage.kept_at = at(0.5)

    reports = [stage.scan(day, ALICE) for day in (1, 2)]

    assert {(planned(one)["told_since"], planned(one)["due_since"]) for one in reports} == {
        ("2026-11-22T20:00:00Z", "2026-11-22T20:00:00Z")
    }
    assert not any(one["plan"]["newly_told"] or one["plan"]["newly_due"] for one in reports)


def test_people_get_a_message_when_a_key_is_planned_and_when_it_is_due_and_none_while_the_plan_waits() -> None:
    reports = scans(30)

    assert days_with_a_message(reports) == [0, 15]
    assert counts(reports[0]) == {"due": 0, "held": 1, "told": 1, "newly_due": 0}
    assert counts(reports[15]) == {"due": 1, "held": 0, "told": 0, "newly_due": 1}
    assert counts(reports[22]) == {"due": 1, "held": 0, "told": 0, "newly_due": 0}


def test_a_second_key_has_its_own_messages() -> None:
    bob = user("bob", key("AKIAB", 150, used=82))  # not used for 90 days on day 8
    stage = Stage()

    reports = [stage.scan(day, ALICE, bob) for day in range(25)]

    assert days_with_a_message(reports) == [0, 8, 15, 22]
    assert [report["plan"]["newly_told"] for report in reports if report["plan"]["newly_told"]] == [1, 1]
    assert planned(reports[22], "AKIAB")["due_on"] == "2026-12-14"


@pytest.mark.parametrize("notify_on", [NotifyOn.FINDINGS, NotifyOn.DUE_SOON, NotifyOn.ALWAYS])
def test_who_is_told_of_findings_is_told_every_day_as_before(notify_on: NotifyOn) -> None:
    assert days_with_a_message(scans(3), notify_on) == [0, 1, 2]


@pytest.mark.parametrize("seconds", [-40, -1, 0, 1, 40])
def test_a_daily_scan_that_begins_some_seconds_earlier_or_later_keeps_the_day_that_people_were_told(
    seconds: int,
) -> None:
    stage, monday = Stage(), 1
    stage.scan(monday, ALICE)

    report = stage.scan(monday + 14 + seconds / 86_400, ALICE)

    assert planned(report)["due_on"] == report["as_of"][:10] == "2026-12-07"
    assert planned(report)["status"] == "due"


def test_a_key_is_not_due_before_the_day_that_was_announced() -> None:
    stage, ten_past_midnight = Stage(replace(APPLY, weekdays=WEEKDAYS)), 16 / 24 + 10 / 1440
    first = stage.scan(ten_past_midnight, ALICE)

    before = stage.scan(ten_past_midnight + 14 - 11 / 1440, ALICE)
    on_the_day = stage.scan(ten_past_midnight + 14 - 9 / 1440, ALICE)

    assert planned(first)["due_on"] == on_the_day["as_of"][:10] == "2026-12-07"
    assert (statuses([before]), planned(before)["due_on"]) == (["told_recently"], "2026-12-07")
    assert statuses([on_the_day]) == ["due"]


@pytest.mark.parametrize(
    ("otherwise", "by"),
    [
        (user("alice", IDLE, tags=PROTECTED), "protected"),
        (user("alice", IDLE, tags=EXEMPT), "exempt"),
        (user("alice", IDLE, path="/robots/"), "not_in_scope"),
        (user("alice", key("AKIAOLD", 200, used=-3)), "-"),
        (user("alice", key("AKIAOLD", 200, "Inactive", used=100)), "-"),
        (user("alice"), "-"),
        (unchecked("alice"), "-"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_announcement_starts_anew_once_something_else_than_time_held_a_key(
    otherwise: dict[str, Any], by: str
) -> None:
    stage = Stage(replace(APPLY, user_path="/web/" if by == "not_in_scope" else "/"))
    usual = user("alice", IDLE, path="/web/")

    before, day, after = scans(5, lambda day: otherwise if day == 3 else usual, stage)[2:]

    assert planned(before)["told_since"] == TOLD_ON_SUNDAY
    assert statuses([day]) == [by]
    assert planned(after)["told_since"] == after["as_of"]
    assert after["plan"]["newly_told"] == 1
    assert should_notify(after, NotifyOn.CHANGES)


@pytest.mark.parametrize(
    "unknown", [user("alice", IDLE, tags="unknown"), user("alice", key("AKIAOLD", 200, used="unknown"))]
)
def test_what_people_were_told_stands_while_the_details_of_a_key_are_unknown(unknown: dict[str, Any]) -> None:
    reports = scans(17, lambda day: unknown if day in (3, 4, 15) else ALICE)

    assert statuses(reports)[3:5] == ["unknown_details"] * 2
    assert planned(reports[3])["due_on"] is None
    assert planned(reports[16])["told_since"] == TOLD_ON_SUNDAY
    assert [planned(reports[day])["status"] for day in (14, 15, 16)] == ["held", "held", "due"]
    assert sum(report["plan"]["newly_told"] for report in reports) == 1


def test_a_key_is_announced_and_due_where_its_users_path_is_unknown_and_does_not_matter() -> None:
    reports = scans(17, lambda _: user("alice", IDLE, path=None))

    assert statuses(reports)[-1] == "due"
    assert not [one for one in map(planned, reports) if one["status"] == "held" and not one["holds"]]


def test_a_key_that_is_due_stays_told_of_as_due_while_its_details_are_unknown() -> None:
    unknown = user("alice", IDLE, tags="unknown")

    reports = scans(18, lambda day: unknown if day == 16 else ALICE)

    assert [report["plan"]["newly_due"] for report in reports[15:]] == [1, 0, 0]
    assert planned(reports[17])["due_since"] == "2026-12-07T08:00:00Z"


def test_a_key_whose_details_were_unknown_from_the_beginning_is_told_of_when_they_are_known() -> None:
    reports = scans(2, lambda day: ALICE if day else user("alice", IDLE, tags="unknown"))

    assert [report["plan"]["newly_told"] for report in reports] == [0, 1]
    assert planned(reports[1])["told_since"] == reports[1]["as_of"]


def test_a_used_key_leaves_the_plan_and_starts_anew_once_it_is_idle_again() -> None:
    """Its successor is in use since before, so that it is to go as soon as it is not used itself."""
    successor = key("AKIANEW", -4, used=-25)

    def alice(day: int) -> dict[str, Any]:
        return user("alice", key("AKIAOLD", 200, used=100 if day < 3 else -3), *([successor] if day >= 4 else []))

    reports = scans(33, alice)

    assert statuses(reports)[2:5] == ["told_recently", "-", "used_recently+told_recently"]
    assert planned(reports[4])["told_since"] == planned(reports[32])["told_since"] == reports[4]["as_of"]
    assert {planned(report)["due_on"] for report in reports[4:]} == {reports[18]["as_of"][:10]}
    assert next(day for day in range(4, 33) if planned(reports[day])["due_since"]) == 18
    assert days_with_a_message(reports)[-2:] == [4, 18]


def test_a_key_that_was_used_between_two_scans_is_announced_anew_although_it_stayed_in_the_plan() -> None:
    reports = scans(5, lambda day: ROTATED_ON_DAY_3 if day >= 3 else ALICE)

    assert planned(reports[2])["told_since"] == TOLD_ON_SUNDAY
    assert statuses(reports)[3:] == ["used_recently+told_recently"] * 2
    assert planned(reports[3])["told_since"] == planned(reports[4])["told_since"] == reports[3]["as_of"]
    assert reports[3]["plan"]["newly_told"] == 1


def test_without_a_notice_a_key_waits_for_a_day_after_its_last_use() -> None:
    at_once = Stage(replace(APPLY, after_days=0, weekdays=WEEKDAYS))
    rotated_today = user("alice", key("AKIAOLD", 200, used=0.5), key("AKIANEW", 0.25, used=0))

    report = at_once.scan(0, rotated_today)

    assert statuses([report]) == ["used_recently"]
    assert planned(report)["due_on"] == "2026-11-22"


def test_what_a_plan_alone_told_is_no_notice_of_what_will_be_done() -> None:
    stage = Stage(PLAN_ALONE)
    scans(20, stage=stage)
    stage.settings = APPLY

    applied = stage.scan(20, ALICE)
    later = stage.scan(21, ALICE)

    assert planned(applied)["told_since"] == applied["as_of"]
    assert counts(applied) == {"due": 0, "held": 1, "told": 1, "newly_due": 0}
    assert planned(later)["told_since"] == applied["as_of"]


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ({"needs_approval": True}, {"needs_approval": False}, False),
        ({"needs_approval": False}, {"needs_approval": True}, True),
        ({"after_days": 30}, {"after_days": 14}, False),
        ({"after_days": 14}, {"after_days": 0}, False),
        ({"after_days": 14}, {"after_days": 30}, True),
    ],
)
@pytest.mark.parametrize("between", [False, True])
def test_a_notice_counts_unless_keys_go_sooner_than_it_said_or_without_an_approval(
    before: dict[str, Any], after: dict[str, Any], counts: bool, between: bool
) -> None:
    stage = Stage(replace(APPLY, **before))
    scans(3, stage=stage)
    stage.settings = replace(APPLY, **after)
    if between:
        stage.scan(2.5, ALICE, max_age_days=365)

    report = stage.scan(3, ALICE)

    assert planned(report)["told_since"] == (TOLD_ON_SUNDAY if counts else report["as_of"])
    assert report["plan"]["newly_told"] == (not counts)


def test_what_will_be_done_is_notice_enough_of_a_plan_alone() -> None:
    stage = Stage()
    scans(3, stage=stage)
    stage.settings = PLAN_ALONE

    assert planned(stage.scan(3, ALICE))["told_since"] == TOLD_ON_SUNDAY


def test_a_full_scan_by_another_policy_plans_nothing_and_carries_on_what_was_told() -> None:
    stage = Stage()
    reports = scans(16, stage=stage)

    other = stage.scan(15.5, ALICE, max_age_days=365)
    stage.scan(15.6, ALICE, max_age_days=30)
    after = stage.scan(16, ALICE)

    assert other["plan"]["note"] == "No key is planned by this scan: its policy is not the stage's."
    assert counts(other) == {"due": 0, "held": 0, "told": 0, "newly_due": 0}
    assert other["plan"]["told"] == {"AKIAOLD": {"told_since": TOLD_ON_SUNDAY, "due_since": "2026-12-07T08:00:00Z"}}
    assert not other["findings"]
    assert planned(after) == planned(reports[15])
    assert counts(after) == {"due": 1, "held": 0, "told": 0, "newly_due": 0}


def test_what_a_plan_alone_told_is_not_carried_on_by_a_scan_of_another_policy_either() -> None:
    stage = Stage(PLAN_ALONE)
    scans(3, stage=stage)
    stage.scan(3, ALICE, max_age_days=365)
    stage.settings = APPLY

    assert planned(stage.scan(4, ALICE))["told_since"] == "2026-11-26T08:00:00Z"


def test_a_scan_of_named_users_changes_nothing_of_what_was_told() -> None:
    stage = Stage()
    stage.scan(0, ALICE)

    named = stage.scan(0.5, ALICE, users=("alice",))

    assert "plan" not in named
    assert planned(stage.scan(1, ALICE))["told_since"] == TOLD_ON_SUNDAY


def test_a_superseded_scan_plans_nothing() -> None:
    stage = Stage()
    stage.scan(1, ALICE)

    superseded = stage.scan(0, ALICE)

    assert superseded["plan"]["note"] == "No key is planned by this scan: a later full scan is on record already."
    assert planned(superseded) is None
    assert planned(stage.scan(2, ALICE))["told_since"] == "2026-11-23T08:00:00Z"


def test_a_key_that_was_deactivated_and_is_active_again_is_held_for_good() -> None:
    stage = Stage()
    scans(16, stage=stage)
    stage.actions["AKIAOLD"] = action("AKIAOLD", undone_by="arn:aws:iam::123456789012:user/ann")

    reports = [stage.scan(16 + day, ALICE) for day in range(30)]

    assert set(statuses(reports)) == {"acted_before"}
    assert not any(report["plan"]["newly_told"] or report["plan"]["newly_due"] for report in reports)


def test_a_key_whose_deactivation_failed_is_due_again() -> None:
    stage = Stage()
    scans(16, stage=stage)
    stage.actions["AKIAOLD"] = action("AKIAOLD", "failed")

    report = stage.scan(16, ALICE)

    assert counts(report) == {"due": 1, "held": 0, "told": 0, "newly_due": 0}


def test_a_quarantined_users_unused_key_is_planned_with_notice_as_others_are() -> None:
    leaked = user("alice", IDLE, key("AKIAUSED", 200, used=1), quarantined_by="AWSCompromisedKeyQuarantineV2")

    reports = scans(16, lambda _: leaked)

    assert statuses(reports)[-1] == "due"
    assert statuses(reports, "AKIAUSED") == ["-"] * 16
    assert finding_of(reports[0], "AKIAUSED")["advice"] == "deactivate"


def test_the_first_full_scan_after_deactivation_was_off_tells_people() -> None:
    stage = Stage()
    stage.last = json.loads(json.dumps(before(ALICE)))

    assert counts(stage.scan(0, ALICE)) == {"due": 0, "held": 1, "told": 1, "newly_due": 0}


def test_with_no_days_of_notice_people_are_told_once() -> None:
    reports = scans(10, stage=Stage(DeactivationSettings("apply", after_days=0, weekdays=WEEKDAYS)))

    assert statuses(reports) == ["due"] * 10
    assert days_with_a_message(reports) == [0]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("2026-11-21T08:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["told_since", "due_since", "AKIAOLD", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    field=st.sampled_from(["plan", "told", "finding", "told_since", "due_since", "mode", "findings", "exempt"]), odd=ODD
)
def test_whatever_the_last_report_has_of_a_plan_a_scan_succeeds_and_nothing_is_due(field: str, odd: Any) -> None:
    stage = Stage()
    last: Any = json.loads(json.dumps(stage.scan(-1, ALICE)))
    places = {
        "plan": last,
        "told": last["plan"],
        "mode": last["plan"],
        "finding": last["findings"][0],
        "told_since": last["findings"][0]["plan"],
        "due_since": last["findings"][0]["plan"],
        "findings": last,
        "exempt": last,
    }
    places[field]["plan" if field == "finding" else field] = odd
    stage.last = last

    report = stage.scan(0, ALICE)

    assert planned(report)["status"] == "held"
    assert planned(report)["told_since"] in ("2026-11-21T08:00:00Z", report["as_of"])


@pytest.mark.parametrize(
    ("key_id", "told"),
    [
        ("AKIAOLD", {"told_since": "2026-11-23T00:00:00Z", "due_since": None}),
        ("AKIAOLD", {"told_since": "2026-11-02T00:00:00Z", "due_since": "2026-11-01T00:00:00Z"}),
        ("AKIAOLD", {"told_since": "2026-11-02T00:00:00Z", "due_since": "2026-11-23T00:00:00Z"}),
        ("AKIAOLD", {"told_since": "2026-11-02", "due_since": None}),
        ("AKIAOLD", {"told_since": None, "due_since": "2026-11-02T00:00:00Z"}),
        ("AKIAOLD", {"told_since": "2026-11-02T00:00:00Z"}),
        ("AKIA<b>", {"told_since": "2026-11-02T00:00:00Z", "due_since": None}),
    ],
)
def test_what_no_report_has_was_told_to_nobody(key_id: str, told: dict[str, Any]) -> None:
    stage = Stage()
    report: Any = stage.scan(0, ALICE, max_age_days=365)
    report["plan"]["told"] = {key_id: told, "AKIAGOOD": {"told_since": "2026-11-02T00:00:00Z", "due_since": None}}

    assert read_told(report, APPLY, AS_OF) == {}


def test_instants_are_read_as_reports_write_them() -> None:
    report: Any = Stage().scan(0, ALICE, max_age_days=365)
    report["plan"]["told"] = {"AKIAOLD": {"told_since": "2026-11-02T01:00:00+01:00", "due_since": None}}

    assert read_told(report, APPLY, AS_OF) == {"AKIAOLD": {"told_since": "2026-11-02T00:00:00Z", "due_since": None}}


def test_a_report_without_a_plan_told_nothing() -> None:
    assert read_told(report_of(ALICE), APPLY, AS_OF) == {}
    assert holds(Stage().scan(0, ALICE)) == ["told_recently", "weekday"]
    assert AS_OF.weekday() == WEEKDAYS.index("SUN")

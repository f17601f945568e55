"""RemindDays: with NotifyOn=changes, people are reminded of what is still to be done, and when."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport, Baselines, OrganizationReport
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.sns import compose_notification, note_message, should_notify
from chalicelib.outputs.subject import subject
from chalicelib.report.account_list import check_baselines
from chalicelib.report.organization_scan import next_baselines
from chalicelib.settings import HttpsFormat, NotifyOn
from tests.support.organization_reports import account_report, baselines, joined, list_of, listed
from tests.support.plan_reports import in_one_line
from tests.support.reports import AS_OF, FOLDER, before, key, report_of, user

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
OLD = user("alice", key("AKIAOLD", 200, used=1))
ROOT = {"access_keys": 1}


def last_with_message(*outcomes: Any, ago: timedelta, **more: Any) -> Any:
    """The report of yesterday's scan, when the last message was sent so long before AS_OF."""
    last: Any = before(*outcomes, **more)
    last["changes"]["last_message_at"] = f"{AS_OF - ago:%Y-%m-%dT%H:%M:%SZ}"
    return last


def noted(report: Any, notify_on: NotifyOn = NotifyOn.CHANGES, days: int | None = 7) -> Any:
    note_message(report, notify_on, days)
    return report


def still(ago: timedelta = 7 * DAY, **more: Any) -> Any:
    """A scan that finds what the one before found, so long after the last message."""
    return report_of(OLD, last=last_with_message(OLD, ago=ago, **more), **more)


@pytest.mark.parametrize(
    ("ago", "reminds"),
    [
        (7 * DAY - HOUR - SECOND, False),
        (7 * DAY - HOUR, True),  # a scheduled scan begins some seconds earlier than the one before
        (7 * DAY - HOUR + SECOND, True),
        (30 * DAY, True),
        (timedelta(), False),
        (-SECOND, True),  # damage keeps nobody from being reminded
    ],
)
def test_a_reminder_is_due_so_many_days_after_the_last_message(ago: timedelta, reminds: bool) -> None:
    report = noted(still(ago))

    assert report["changes"]["reminder"] is reminds
    assert should_notify(report, NotifyOn.CHANGES) is reminds


def test_a_reminder_is_the_last_message_from_then_on_and_says_which_was_before() -> None:
    changes = noted(still())["changes"]

    assert changes["last_message_at"] == "2026-11-22T08:00:00Z"
    assert changes["reminds_of"] == "2026-11-15T08:00:00Z"


def test_without_a_message_the_last_one_stays_the_last() -> None:
    changes = noted(still(6 * DAY))["changes"]

    assert changes["last_message_at"] == "2026-11-16T08:00:00Z"
    assert "reminds_of" not in changes


@pytest.mark.parametrize("notify_on", [choice for choice in NotifyOn if choice is not NotifyOn.CHANGES])
def test_no_other_notify_on_reminds(notify_on: NotifyOn) -> None:
    changes = noted(still(), notify_on)["changes"]

    assert changes["reminder"] is False
    assert changes["last_message_at"] == "2026-11-22T08:00:00Z", "each sends a message by itself"


def test_nobody_is_reminded_where_remind_days_is_not_set() -> None:
    report = noted(still(), days=None)

    assert report["changes"]["reminder"] is False
    assert not should_notify(report, NotifyOn.CHANGES)


IDLE = user("idle", key("AKIAIDLE", 60, used=50))
EXEMPT = user(
    "vault",
    key("AKIAOLD", 200),
    tags={"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"},
)


@pytest.mark.parametrize(
    ("outcome", "more", "reminds"),
    [
        pytest.param(OLD, {}, True, id="overdue"),
        pytest.param(IDLE, {"max_unused_days": 45}, True, id="unused"),
        pytest.param(user("alice"), {"root": ROOT}, True, id="root user's keys"),
        pytest.param(user("soon", key("AKIASOON", 80, used=1)), {}, False, id="due soon"),
        pytest.param(EXEMPT, {}, False, id="exempt"),
        pytest.param(user("alice", key("AKIAYOUNG", 1)), {}, False, id="nothing"),
    ],
)
def test_what_people_are_reminded_of(outcome: Any, more: dict[str, Any], reminds: bool) -> None:
    last = last_with_message(outcome, ago=7 * DAY, **more)

    assert noted(report_of(outcome, last=last, **more))["changes"]["reminder"] is reminds


def test_what_is_new_is_no_reminder_and_is_a_message() -> None:
    changes = noted(report_of(OLD, last=last_with_message(user("alice"), ago=7 * DAY)))["changes"]

    assert changes["reminder"] is False
    assert changes["last_message_at"] == "2026-11-22T08:00:00Z"


def test_a_superseded_scan_and_one_of_named_users_remind_of_nothing() -> None:
    later = before(OLD)
    later["as_of"] = "2026-11-23T08:00:00Z"

    assert noted(report_of(OLD, last=later))["changes"]["reminder"] is False
    assert noted(report_of(OLD, users=("alice",)))["changes"] is None


@dataclass
class Daily:
    """Daily scans; a scan becomes the last one when its message was sent, or none is to be sent."""

    scan: Callable[[Any, datetime], Any]
    last: Any = None
    messages: dict[int, str] = field(default_factory=dict)  # what was sent, by day

    def on(self, day: int, late_by: timedelta = timedelta(), *, notify_fails: bool = False) -> None:
        report = self.scan(self.last, AS_OF + day * DAY + late_by)
        note_message(report, NotifyOn.CHANGES, 7)
        if should_notify(report, NotifyOn.CHANGES):
            if notify_fails:
                return
            self.messages[day] = "reminder" if report["changes"]["reminder"] else "news"
        self.last = self.after(report)

    def after(self, report: Any) -> Any:
        return report


class DailyOfOrganization(Daily):
    def after(self, report: OrganizationReport) -> Baselines:
        kept = next_baselines(report, list_of(listed(1), listed(2)), self.last)
        return check_baselines(json.loads(json.dumps(kept)), parse_instant(report["as_of"]))


def scan_account(last: Any, at: datetime) -> AnyReport:
    return report_of(OLD, last=last, as_of_scan=at)


def scan_organization(last: Baselines | None, at: datetime) -> OrganizationReport:
    """Scan two accounts, each of which has its last report, at an instant."""
    was = [OLD] if last else None
    reports = [(listed(number), account_report(number, OLD, last=was)) for number in (1, 2)]
    report = joined(reports, last=last)
    report["started_at"] = report["as_of"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    return report


EACH_KIND: list[Any] = [
    pytest.param(lambda: Daily(scan_account), id="account"),
    pytest.param(lambda: DailyOfOrganization(scan_organization), id="organization"),
]


@pytest.mark.parametrize("begin", EACH_KIND)
def test_forty_days_of_scans_that_find_the_same_remind_once_a_week(begin: Callable[[], Daily]) -> None:
    daily = begin()

    for day in range(40):
        daily.on(day, late_by=(day % 3) * 20 * SECOND)  # no two begin at the same second of the day

    assert daily.messages == {0: "news", 7: "reminder", 14: "reminder", 21: "reminder", 28: "reminder", 35: "reminder"}


@pytest.mark.parametrize("begin", EACH_KIND)
def test_a_message_that_could_not_be_sent_is_none_and_the_next_scan_reminds(begin: Callable[[], Daily]) -> None:
    daily = begin()

    for day in range(16):
        daily.on(day, notify_fails=day in {7, 8})

    assert daily.messages == {0: "news", 9: "reminder"}


def test_a_message_about_changes_starts_the_days_anew() -> None:
    def scan(last: Any, at: datetime) -> AnyReport:
        keys = [key("AKIAOLD", 200, used=1)] + ([key("AKIANEW", 100, used=1)] if at >= AS_OF + 5 * DAY else [])
        return report_of(user("alice", *keys), last=last, as_of_scan=at)

    daily = Daily(scan)

    for day in range(20):
        daily.on(day)

    assert daily.messages == {0: "news", 5: "news", 12: "reminder", 19: "reminder"}


def outputs(report: AnyReport) -> tuple[str, str, dict[str, Any], str]:
    """The subject, and what mail, programs and chat get."""
    message = json.loads(compose_notification(report, FOLDER, NotifyOn.CHANGES, HttpsFormat.CHAT)["message"])
    chat = json.loads(message["https"])["content"]["description"]
    return message["sms"], in_one_line(message["default"]), json.loads(message["sqs"]), chat


def reminder_of_organization() -> OrganizationReport:
    last = baselines(1, 2)
    last["last_message_at"] = "2026-11-15T08:00:00Z"
    return noted(scan_organization(last, AS_OF))  # type: ignore[no-any-return]  # it is what was given


@pytest.mark.parametrize(
    ("report", "of", "still_to_do"),
    [
        (
            noted(still()),
            "1 overdue access key in AWS account 123456789012 (complete: 1 user)",
            "1 key is still overdue",
        ),
        (
            reminder_of_organization(),
            "2 overdue access keys in 2 accounts (complete: 2 users)",
            "2 keys are still overdue",
        ),
    ],
    ids=["account", "organization"],
)
def test_each_output_says_that_it_is_a_reminder_and_of_what(report: AnyReport, of: str, still_to_do: str) -> None:
    line = f"Reminder: nothing is new since the last message, on 2026-11-15, but {still_to_do}."

    of_subject, mail, programs, chat = outputs(report)

    assert of_subject == f"Reminder: {of}"
    assert mail.startswith(line)
    assert chat.startswith(line)
    assert programs["reminder"] is True


def test_the_reminder_names_all_that_is_still_to_be_done() -> None:
    users = (OLD, IDLE)
    more: Any = {"root": ROOT, "max_unused_days": 45}
    report = noted(report_of(*users, last=last_with_message(*users, ago=7 * DAY, **more), **more))

    _, mail, _, _ = outputs(report)

    assert "but 1 key is still overdue, and 1 key is still unused, and the root user still has access keys." in mail
    assert "Reminder: nothing is new" in "".join(render_html(report))


def test_a_reminder_is_a_subject_of_under_100_characters() -> None:
    report = noted(still())
    report["account_alias"] = "a" * 63

    assert subject(report).startswith("Reminder: ")
    assert len(subject(report)) < 100

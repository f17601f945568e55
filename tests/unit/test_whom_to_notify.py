"""What a report gets right before it is kept: of how many keys no owner can be notified, and if it is a reminder."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.outputs.report_csv import render_csv
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.sns import compose_notification
from chalicelib.settings import HttpsFormat
from chalicelib.steps.scans import KeysWithoutOwner, complete, how_to_notify
from tests.support.organization_reports import REFUSED, account_report, joined, listed
from tests.support.plan_reports import in_one_line
from tests.support.reports import AS_OF, FOLDER, key, report_of, user

SES = {"OWNER_NOTICES": "ses", "OWNER_DOMAINS": "example.com,example.org"}
USERS = (
    user("mine", key("AKIAMINE", 200, used=1), tags={"owner": "web@example.com"}),
    user("other", key("AKIAOTHER", 200, used=1), tags={"owner": "web@example.net"}),
    user("team", key("AKIATEAM", 80, used=1), tags={"owner": "web"}),
    user("none", key("AKIANONE", 200, used=1)),
    user("young", key("AKIAYOUNG", 1, used=1)),
)
EXEMPT = user(
    "exempt",
    key("AKIAEXEMPT", 200, used=1),
    tags={"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1", "owner": "web@example.com"},
)


def set_all(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def completed(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], **policy: Any) -> AnyReport:
    set_all(monkeypatch, settings)
    report = report_of(*USERS, **policy)
    complete(report, how_to_notify())
    return report


@pytest.mark.parametrize(
    ("settings", "notices"),
    [
        ({}, None),
        (SES, {"by": "ses", "domains": ["example.com", "example.org"], "keys_without_address": 3}),
        ({"OWNER_NOTICES": "sns"}, {"by": "sns", "domains": [], "keys_without_address": 1}),
    ],
    ids=["off", "ses", "sns"],
)
def test_the_keys_are_counted_that_no_owner_can_be_notified_of(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], notices: Any
) -> None:
    assert completed(monkeypatch, settings).get("notices") == notices


@pytest.mark.parametrize("policy", [{"users": ("mine", "none")}, {"as_of": AS_OF}], ids=["named users", "an instant"])
def test_a_scan_that_notifies_no_owner_counts_none(monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any]) -> None:
    assert "notices" not in completed(monkeypatch, SES, **policy)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            SES,
            "3 keys have no owner who can be notified: no owner tag, or not one address in example.com or example.org",
        ),
        (
            {"OWNER_NOTICES": "sns"},
            "1 key has no owner who can be notified: no owner tag",
        ),
    ],
    ids=["ses", "sns"],
)
def test_mail_chat_page_and_programs_say_how_many(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], line: str
) -> None:
    report: Any = completed(monkeypatch, settings)

    message = json.loads(compose_notification(report, FOLDER, https_format=HttpsFormat.CHAT)["message"])

    line += " (owner_notified in report.csv)."
    assert line in in_one_line(message["default"])
    assert line in json.loads(message["https"])["content"]["description"]
    assert line in "".join(render_html(report))
    assert json.loads(message["sqs"])["notices"] == report["notices"]


def csv_of(text: Iterable[str]) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO("".join(text).removeprefix("\ufeff"), newline=""))
    return {row["access_key_id"]: row["owner_notified"] for row in rows if row["access_key_id"]}


@pytest.mark.parametrize(
    ("settings", "notified"),
    [
        ({}, dict.fromkeys(("AKIAMINE", "AKIAOTHER", "AKIATEAM", "AKIANONE", "AKIAEXEMPT"), "")),
        (
            SES,
            {"AKIAMINE": "true", **dict.fromkeys(("AKIAOTHER", "AKIATEAM", "AKIANONE"), "false"), "AKIAEXEMPT": ""},
        ),
        (
            {"OWNER_NOTICES": "sns"},
            {**dict.fromkeys(("AKIAMINE", "AKIAOTHER", "AKIATEAM"), "true"), "AKIANONE": "false", "AKIAEXEMPT": ""},
        ),
    ],
    ids=["off", "ses", "sns"],
)
def test_the_table_says_of_each_key_whether_its_owner_can_be_notified(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], notified: dict[str, str]
) -> None:
    set_all(monkeypatch, settings)
    owners = how_to_notify().owners
    report = report_of(*USERS, EXEMPT)
    complete(report, how_to_notify())

    with OrganizationCsv(owners) as table:
        joint = joined([(listed(1), account_report(1, *USERS, EXEMPT))], (), None, table)
        of_organization = csv_of(table.render(joint))

    assert csv_of(render_csv(report)) == notified
    assert of_organization == notified


def test_the_table_of_a_scan_that_notifies_no_owner_says_nothing_of_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, SES)

    with OrganizationCsv(how_to_notify().owners) as table:
        joint = joined([(listed(1), account_report(1, *USERS, as_of=AS_OF))], (), None, table, as_of=AS_OF)

        assert set(csv_of(table.render(joint)).values()) == {""}


def test_nothing_is_said_where_each_key_has_an_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, SES)
    report = report_of(*USERS[:1])

    complete(report, how_to_notify())

    assert "who can be notified" not in json.loads(compose_notification(report, FOLDER)["message"])["default"]


def test_the_accounts_of_an_organization_are_summed_all_findings_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, SES)
    how = how_to_notify()
    count = KeysWithoutOwner(how.owners)
    outcomes: Any = [
        (listed(1), account_report(1, *USERS)),
        (listed(2), account_report(2, USERS[3])),
        (listed(3), REFUSED),
    ]

    passed = list(count.watch(outcomes))
    report = joined(outcomes)
    complete(report, how, count)

    assert passed == outcomes
    assert report["notices"]["keys_without_address"] == 4

"""What report.csv, the pages and the console say of a plan."""

import csv
import io
import json
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.outputs.organization_html import render_organization_html
from chalicelib.outputs.report_csv import render_csv
from chalicelib.outputs.report_html import render_html
from chalicelib.settings import HttpsFormat
from localaws.commands.console import show_result
from localaws.scan_run import ScanResult
from tests.support.organization_reports import account_id, joined, listed
from tests.support.plan_reports import (
    PLAN_ALONE,
    SAM,
    WEB,
    by_protocol,
    did,
    first_scan,
    hostile,
    in_one_line,
    message,
    organization,
    two_weeks,
)
from tests.support.reports import key, report_of, user


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_the_csv_has_the_plan_in_its_last_columns() -> None:
    by_key = {row["access_key_id"]: row for row in rows("".join(render_csv(two_weeks())))}

    assert list(by_key["AKIAWEB0000000000001"])[-3:] == ["plan_status", "plan_due_on", "plan_held_because"]
    assert plan_of(by_key["AKIAWEB0000000000001"]) == ["due", "2026-11-23", ""]
    assert plan_of(by_key["AKIANIGHTLY000000002"]) == [
        "held",
        "2026-12-07",
        "It was announced on 2026-11-23, less than 14 days ago.",
    ]
    assert plan_of(by_key["AKIAVAULT00000000009"]) == ["held", "", "Its user is exempt until 2027-01-31."]
    assert plan_of(by_key["AKIACI00000000000011"]) == ["", "", ""]


def plan_of(row: dict[str, str]) -> list[str]:
    return [row["plan_status"], row["plan_due_on"], row["plan_held_because"]]


def test_the_csv_of_an_organization_has_them_after_the_name_of_the_account() -> None:
    with OrganizationCsv() as table:
        found = rows("".join(table.render(organization(table=table))))

    assert list(found[0])[-4:] == ["account_name", "plan_status", "plan_due_on", "plan_held_because"]
    by_key = {row["access_key_id"]: row for row in found}
    assert [by_key["AKIAWEB0000000000001"]["account_name"], *plan_of(by_key["AKIAWEB0000000000001"])] == [
        "member-1",
        "due",
        "2026-11-22",
        "",
    ]


def test_the_csv_of_an_organization_has_them_in_each_row_whatever_was_planned_in_its_account() -> None:
    before = report_of(WEB, scan_id="scan-1")  # when Deactivation was off
    before["account_id"] = account_id(3)
    planned = first_scan(WEB)
    planned["account_id"], planned["scan_id"] = account_id(4), "scan-1"
    with OrganizationCsv() as table:
        report = joined([(listed(3), before), (listed(4), planned), (listed(5), "refused")], table=table)
        lines = list(csv.reader(io.StringIO("".join(table.render(report)).removeprefix("\ufeff"), newline="")))

    assert {len(line) for line in lines} == {len(lines[0])}
    by_account = {line[lines[0].index("account_id")]: line[-4:] for line in lines[1:]}
    assert by_account == {
        account_id(3): ["member-3", "", "", ""],
        account_id(4): ["member-4", "due", "2026-11-22", ""],
        account_id(5): ["member-5", "", "", ""],
    }


def test_of_more_actions_than_an_organizations_report_has_each_output_says_how_many_are_left_out() -> None:
    reports = []
    for number in (1, 2):
        one = first_scan(WEB)
        one["account_id"], one["scan_id"] = account_id(number), "scan-1"
        one["actions"] = [did("u", f"AKIAOLD{place:013}", account=account_id(number)) for place in range(80)]
        reports.append((listed(number), one))
    report = joined(reports)

    text, page = message(report).text, "".join(render_organization_html(report))

    assert (len(report["actions"]), report["actions_left_out"]) == (100, 60)
    done = text.partition("WHAT IAM-KEY-AGE DID")[2].partition("\n\n")[0]
    assert f"and {160 - done.count('AKIA')} more in the report." in done
    assert "\nand 150 more in the report." in by_protocol(report, HttpsFormat.CHAT)["https"]["content"]["description"]
    assert "and 60 more in the accounts' reports." in page
    assert "more in the accounts" not in "".join(render_organization_html(organization()))


@pytest.mark.parametrize(
    ("page", "due"),
    [
        (lambda: "".join(render_html(two_weeks())), ["AKIAWEB0000000000001"]),
        (
            lambda: "".join(render_organization_html(organization())),
            ["AKIAGONE000000000004", "AKIAWEB0000000000001", "AKIANIGHTLY000000002"],
        ),
    ],
    ids=["account", "organization"],
)
def test_the_page_lists_the_due_keys_first_and_the_request_to_approve_them(
    page: Callable[[], str], due: list[str]
) -> None:
    plan = page().partition('<h2 id="plan">Deactivation plan</h2>')[2].partition("</section>")[0]

    assert re.findall(r"<code>(AKIA\w+)</code>", plan)[: len(due)] == due
    assert "<code>POST /scan/scan-" in plan
    assert "&#34;access_key_ids&#34;: [&#34;AKIA" in plan
    assert "are due 14 days after they were announced, on " in plan
    assert "Held: Its user has the tag iam-key-age:never-deactivate." in plan


def test_the_page_says_in_the_details_of_a_key_when_it_is_deactivated() -> None:
    page = "".join(render_html(two_weeks()))

    assert page.count("<dt>Deactivation</dt>") == 7
    assert "<dt>Deactivation</dt><dd>Can be deactivated from 2026-12-07, once approved.</dd>" in page


def test_the_page_says_what_was_done_and_by_whom_a_key_was_resolved() -> None:
    page = "".join(render_html(two_weeks()))

    done = page.partition('<h2 id="actions">What iam-key-age did since the last full scan</h2>')[2]
    assert "<b>It was deactivated at 2026-11-21T10:00:06Z.</b>" in done
    assert f"deactivated by iam-key-age, approved by {SAM}</span>" in page


def test_nothing_of_others_is_markup_or_a_link_on_the_page() -> None:
    report = hostile()
    report["actions"][0]["cause"] = "<a href='https://evil.example'>x</a>"

    page = "".join(render_html(report))

    assert "&lt;a href=" in page
    assert not [link for link in re.findall(r'href="([^"]*)"', page) if "evil" in link.partition("/home#")[0]]


def test_the_page_of_thousands_of_planned_keys_lists_the_first_and_says_how_many_there_are() -> None:
    report = first_scan(*(user(f"u{one}", key(f"AKIA{one:016}", 200, used="never")) for one in range(600)))

    page = "".join(render_html(report))

    assert "<summary>500 keys of 600, report.csv has all of them</summary>" in page


@pytest.mark.parametrize(("columns", "shown"), [(120, "2026-12-07"), (40, "Deactivate, plan: 2026-12-07")])
def test_the_console_shows_when_a_key_would_be_deactivated(columns: int, shown: str) -> None:
    written = io.StringIO()
    report = two_weeks(PLAN_ALONE)

    files = {"report.json": json.dumps(report).encode()}

    show_result(Console(file=written, width=columns), ScanResult("scan-1", "SUCCEEDED", None, files, [], [], {}))

    assert shown in written.getvalue()
    assert "Deactivation: 1 key due, 3 wait for their day, 4 held; " in in_one_line(written.getvalue())

"""The organization's report.html in a real browser: what a head of security sees, sorts and sends on."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.organization_reports import account_id, account_report, baselines, joined, listed, suspended
from tests.support.pages import CONTRASTS, Opened
from tests.support.reports import key, unchecked, user
from tests.unit.test_organization_message import CASES, PHISHING, leaked, phishing

COMPARED = CASES["compared"]
ACCOUNT, VERDICT, SEVERE, OVERDUE, NEW = 1, 2, 3, 4, 5  # columns


def column(page: Page, number: int) -> list[str]:
    return page.locator(f"#accounts tbody td:nth-child({number})").all_inner_texts()


def sorted_by(page: Page, header: str) -> None:
    page.locator("#accounts th").get_by_role("button", name=header).click()


def test_the_page_begins_with_the_verdict_what_to_do_and_the_coverage(opened: Opened) -> None:
    page = opened.open(COMPARED)

    expect(page.locator("h1")).to_have_text(
        "1 administrator key, 3 new of 4 overdue access keys, 1 unused in 3 accounts - INCOMPLETE: 3 accounts unchecked"
    )
    header = page.locator("header").inner_text()
    assert "What to do: deactivate 1, finish the rotation of 1 (1 safe to deactivate now), rotate 3." in header
    assert "Accounts: 7 listed = 3 scanned + 3 unchecked + 1 not active; 1 excluded." in header
    assert "Users: 8 listed = 7 checked + 0 not found + 1 unchecked." in header
    assert page.locator(".tiles").inner_text().split() == [
        *("3", "accounts", "unchecked", "1", "user", "unchecked", "4", "overdue", "1", "unused"),
        *("1", "due", "soon", "1", "ok", "1", "exempt"),
    ]


def test_accounts_that_could_not_be_scanned_come_before_all_others_with_their_cause(opened: Opened) -> None:
    page = opened.open(COMPARED)

    section = page.locator("section", has=page.locator("#unchecked"))
    assert section.locator("td.name").all_inner_texts() == [
        "backup-vault\n200000000004",
        "data-lake\n200000000006",
        "legacy\n200000000005",
    ]
    assert "timed out after 900.00 seconds" in section.inner_text()
    headings = page.locator("h2").all_inner_texts()
    assert headings.index("Accounts that could not be scanned") < headings.index("Accounts")


def test_each_account_has_a_row_that_leads_to_its_own_report(opened: Opened) -> None:
    page = opened.open(COMPARED)

    assert column(page, ACCOUNT) == [
        "sandbox\n200000000003 · new",
        "payments-prod\n200000000001",
        "platform\n200000000002",
    ]
    assert column(page, VERDICT) == ["overdue", "overdue", "overdue\nincomplete"]
    assert column(page, OVERDUE) == ["1", "2", "1"]
    links = [link.get_attribute("href") for link in page.locator("#accounts a").all()]
    assert links == [f"accounts/{account_id(number)}/report.html" for number in (3, 1, 2)]


def test_a_click_on_a_header_sorts_the_accounts_by_number_and_by_verdict(opened: Opened) -> None:
    many = [
        (listed(n), account_report(n, *(user(f"u{n}-{i}", key(f"AKIA{n}{i:04}", 200, used=1)) for i in range(n))))
        for n in (2, 10, 9)
    ]
    page = opened.open(joined([*many, (listed(1), account_report(1, user("a")))]))
    in_order = column(page, ACCOUNT)

    sorted_by(page, "Overdue")
    up = column(page, OVERDUE)
    sorted_by(page, "Overdue")
    down = column(page, OVERDUE)
    sorted_by(page, "Verdict")

    assert (up, down) == (["0", "2", "9", "10"], ["10", "9", "2", "0"])
    assert column(page, ACCOUNT) == in_order


def test_the_most_severe_keys_say_which_account_they_are_of_and_can_be_searched_by_it(opened: Opened) -> None:
    page = opened.open(COMPARED)
    keys = page.locator("#keys tbody:visible")
    assert keys.first.locator("td.name").inner_text() == "boss\nsandbox (200000000003)\nno owner tag"

    page.get_by_label("Search").fill("platform")

    assert keys.count() == 1
    assert "AKIAAGAIN00000000008" in keys.first.inner_text()
    assert "Active again" in keys.first.inner_text()
    expect(page.locator("#shown")).to_have_text("1 of 6 keys")


def test_no_more_than_two_hundred_keys_are_on_the_page_and_the_rest_is_counted(opened: Opened) -> None:
    crowd = [user(f"u{number}", key(f"AKIA{number:06}", 100 + number, used=1)) for number in range(201)]
    page = opened.open(joined([(listed(1), account_report(1, *crowd))]))

    assert page.locator("#keys tbody").count() == 200
    assert "200 of 201 keys" in page.locator("section", has=page.locator("#findings")).inner_text()


def test_leaked_keys_stand_above_all_with_their_account(opened: Opened) -> None:
    page = opened.open(leaked())

    assert page.locator("#quarantined tbody td.name:first-child").all_inner_texts() == [
        "web\nweb-prod (200000000001)\nweb@example.com",
        "ci\nacme-ci (200000000002)\nno owner tag",
    ]
    assert column(page, VERDICT)[:2] == ["leaked keys\noverdue", "leaked keys\nroot access keys"]


def test_the_names_of_accounts_show_as_text(opened: Opened) -> None:
    page = opened.open(phishing())

    assert f"{PHISHING}\n200000000001" in column(page, ACCOUNT)
    assert page.locator("script").count() == 1
    assert not [link for link in page.locator("a").all() if "evil" in str(link.get_attribute("href"))]


def test_the_controls_are_judged_over_all_accounts(opened: Opened) -> None:
    page = opened.open(joined([(listed(n), account_report(n, user("a", key(f"AKIA{n}", 91)))) for n in (1, 2)]))
    text = page.locator("section", has=page.locator("#evidence")).inner_text()

    assert "violated by 2 keys" in text
    assert "met by this scan" in text


def test_what_was_left_out_is_said(opened: Opened) -> None:
    text = opened.open(COMPARED).locator("main").inner_text()

    assert "closed" in text
    assert "it is suspended" in text
    assert f"Excluded by the stack parameter ExcludedAccounts: {account_id(9)}." in text
    assert "old-crm (200000000008)" in text


def test_everything_is_there_without_script(opened: Opened) -> None:
    page = opened.open(COMPARED, script=False)

    assert column(page, OVERDUE) == ["1", "2", "1"]
    assert page.locator("#keys tbody:visible").count() == 6
    expect(page.locator("#controls")).to_be_hidden()


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_the_contrast_that_wcag_asks_for(opened: Opened, dark: bool) -> None:
    page = opened.open(COMPARED, dark=dark)

    assert [pair for pair in page.evaluate(CONTRASTS) if pair[1] < 4.5] == []


@pytest.mark.parametrize("report", [COMPARED, phishing(), joined([], [suspended(1)]), CASES["named-users"]])
@pytest.mark.parametrize("width", [360, 1180])
def test_no_width_pushes_the_page_sideways(opened: Opened, report: Any, width: int) -> None:
    page = opened.open(report)
    page.set_viewport_size({"width": width, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_shows_an_account_as_a_card_without_what_is_zero(opened: Opened) -> None:
    report = joined(
        [(listed(1, "web"), account_report(1, user("a", key("AKIA", 200, used=1)), unchecked("b")))], last=baselines(1)
    )
    page = opened.open(report)
    page.set_viewport_size({"width": 390, "height": 800})

    card = page.locator("#accounts tbody tr").inner_text().split()

    assert card == ["web", "200000000001", "overdue", "incomplete", "1", "1", "2", "1", "unchecked"]


def test_on_paper_the_controls_are_gone_and_every_row_is_there(opened: Opened) -> None:
    page = opened.open(COMPARED)
    page.get_by_label("Search").fill("platform")
    page.emulate_media(media="print")

    expect(page.locator("#controls")).to_be_hidden()
    assert page.locator("#keys tbody:visible").count() == 6
    assert page.locator("#accounts tbody tr:visible").count() == 3


def test_every_control_has_a_label_and_every_table_has_headers(opened: Opened) -> None:
    page = opened.open(COMPARED)

    for table in page.locator("table").all():
        assert table.locator("th[scope=col]").count() > 1
    for control in page.locator("#controls :is(input, select)").all():
        assert control.evaluate("one => one.labels.length") == 1

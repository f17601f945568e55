"""report.html in a real browser: what a person sees, sorts and filters; nothing loads, nothing runs that should not."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from chalicelib.documents import Report
from chalicelib.outputs.report_html import render_html
from localaws.environment import PROJECT
from tests.support.pages import CONTRASTS, DAYS_OLD, KEY_ID, USER, VERDICT, Opened, shown
from tests.support.reports import before, crowd, key, report_of, unchecked, user
from tests.unit.test_rendering import CAUSE, NASTY, REPORT


def test_the_page_says_the_verdict_the_coverage_and_the_counts(opened: Opened) -> None:
    page = opened.open(REPORT)

    expect(page.locator("h1")).to_have_text(
        "The root user of AWS account 123456789012 has access keys (Security Hub IAM.4):"
        " sign in as the root user and delete them under Security credentials."
        " 3 overdue access keys are new since the last full scan."
        " 4 access keys in AWS account 123456789012 are older than 90 days, not counting 1 exempt key."
        " INCOMPLETE: 1 user could not be checked and may have overdue keys."
    )
    header = page.locator("header").inner_text()
    assert "What to do: rotate 1, look into 3." in header
    assert "Users: 6 listed = 5 checked + 0 not found + 1 unchecked." in header
    assert page.locator(".tiles").inner_text().split() == [
        *("4", "overdue", "1", "due", "soon", "0", "ok", "1", "exempt", "1", "users", "unchecked")
    ]
    assert "90 × 24 hours" in page.locator("#judged").inner_text()
    assert "2026-11-22T08:00:00Z" in page.locator("#judged").inner_text()


def test_names_and_causes_show_as_text(opened: Opened) -> None:
    page = opened.open(REPORT)

    assert shown(page, USER)[0] == f"{NASTY}\n=own()"
    assert CAUSE in page.locator("td.cause").all_text_contents()
    assert page.locator("script").count() == 1


def test_the_histogram_marks_the_limit(opened: Opened) -> None:
    page = opened.open(REPORT)

    picture = page.get_by_role("img")
    expect(picture.locator("text.limit")).to_have_text("limit: 90 days")
    limit = picture.locator("line.limit").bounding_box()
    over = picture.locator("rect.bad").first.bounding_box()
    under = picture.locator("rect.time").last.bounding_box()
    assert limit is not None
    assert over is not None
    assert under is not None
    assert under["x"] + under["width"] <= limit["x"] + 1 <= over["x"] + 1
    assert picture.locator("text.count").all_text_contents() == ["1", "1", "2", "2"]
    assert "1 key older than 75 days and not older than 90" in str(picture.locator("desc").text_content())


@pytest.mark.parametrize(
    ("header", "column", "first", "last"),
    [
        ("What to do", 2, "Finish rotating", "Rotate"),
        ("Days old", 4, "80", "200"),
        ("User", 5, "+plus", "@at"),
        ("Last used", 7, "2026-11-19, s3, us-east-1", "unknown"),
        ("Overdue at", 8, "2026-08-04", "2026-12-02"),
    ],
)
def test_a_click_on_a_header_sorts_and_another_sorts_the_other_way(
    opened: Opened, header: str, column: int, first: str, last: str
) -> None:
    page = opened.open(REPORT)

    page.get_by_role("button", name=header).click()
    upward = shown(page, column)
    assert page.locator("#keys th", has_text=header).get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name=header).click()

    downward = shown(page, column)
    upward, downward = ([cell.splitlines()[0] for cell in cells] for cells in (upward, downward))
    assert (upward[0], upward[-1]) == (first, last)
    assert downward == upward[::-1]
    assert page.locator("#keys th", has_text=header).get_attribute("aria-sort") == "descending"


def test_numbers_are_sorted_as_numbers(opened: Opened) -> None:
    page = opened.open(report_of(*(user(f"u{age}", key(f"AKIA{age}", age)) for age in (100, 1_000, 99, 9_999))))

    page.get_by_role("button", name="Days old").click()

    assert shown(page, DAYS_OLD) == ["99", "100", "1000", "9999"]


def test_the_filters_show_what_matches_and_count_it(opened: Opened) -> None:
    page = opened.open(REPORT)
    expect(page.locator("output")).to_have_text("5 of 5 keys")

    page.get_by_label("Search users, owners, keys, details").fill("CMD|")
    assert shown(page, KEY_ID) == ["AKIAOLD", "AKIADUE"]
    page.get_by_role("combobox", name="Verdict").select_option("due soon")
    assert shown(page, KEY_ID) == ["AKIADUE"]
    expect(page.locator("output")).to_have_text("1 of 5 keys")
    page.get_by_label("Search users, owners, keys, details").fill("")
    page.get_by_role("combobox", name="Verdict").select_option("all")
    page.get_by_label("Since the last scan").select_option("new")
    assert shown(page, KEY_ID) == ["AKIAPLUS", "AKIAMINUS", "AKIAAT"]
    page.get_by_label("Since the last scan").select_option("all")
    page.get_by_label("Search users, owners, keys, details").fill("=OWN(")
    assert shown(page, KEY_ID) == ["AKIAOLD", "AKIADUE"]
    page.get_by_role("combobox", name="What to do").select_option("finish rotating")

    assert shown(page, KEY_ID) == ["AKIADUE"]


def test_each_key_says_what_to_do_why_and_whose_it_is(opened: Opened) -> None:
    page = opened.open(REPORT)

    first = page.locator("#keys tbody").first
    assert first.locator("td").nth(1).inner_text() == "Rotate"
    assert first.locator("summary").inner_text() == (
        "In use, last on 2026-11-19 for s3 in us-east-1, and its successor AKIADUE is not in use:"
        " move what uses this key to it, then deactivate this one."
        " Not exempt: the exemption's end, 2030-01-01, is too far ahead: 2027-11-23 is the last day allowed."
    )
    assert first.locator("td").nth(4).inner_text().splitlines() == [NASTY, "=own()"]
    other = page.locator("#keys tbody", has_text="+plus")
    assert other.locator("td").nth(1).inner_text() == "Look into"
    assert other.locator("summary").inner_text() == "Its use is not known: find out before you deactivate it."


def test_exempt_keys_have_a_table_of_their_own_with_end_and_reason(opened: Opened) -> None:
    page = opened.open(REPORT)

    table = page.get_by_role("region", name="Exempt, not counted as overdue")
    assert table.locator("tbody td").all_inner_texts() == [
        *(
            "2026-11-22",
            "=HYPERLINK(1)",
            "vault\nno owner tag",
            "AKIAVAULT",
            "overdue",
            "300",
            "2026-03-17, s3, us-east-1",
        )
    ]


def test_users_judged_without_details_are_listed_with_the_cause(opened: Opened) -> None:
    page = opened.open(report_of(user("dark", key("AKIADARK", 200, used="unknown"), cause=CAUSE)))

    section = page.locator("section", has_text="of whom not all is known")
    assert section.locator("tbody td").all_text_contents() == ["dark", CAUSE]
    assert "could not be read" in page.locator("header").inner_text()


def test_unused_keys_have_a_tile_and_a_verdict_of_their_own(opened: Opened) -> None:
    page = opened.open(report_of(user("idle", key("AKIAIDLE", 60, used=50)), max_unused_days=45))

    assert "1 access key was not used for more than 45 days." in page.locator("h1").inner_text()
    assert "1\nunused" in page.locator(".tiles").inner_text()
    assert shown(page, VERDICT) == ["unused"]
    assert "longer than 45 × 24 hours" in page.locator("#judged").inner_text()


def test_everything_is_there_without_script(opened: Opened) -> None:
    page = opened.open(REPORT, script=False)

    assert len(shown(page, KEY_ID)) == 5
    assert not page.locator("#controls").is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_the_contrast_that_wcag_asks_for(opened: Opened, dark: bool) -> None:
    page = opened.open(REPORT, dark=dark)

    ratios = page.evaluate(CONTRASTS)

    assert len(ratios) > 20
    assert {text: ratio for text, ratio in ratios if ratio < 4.5} == {}


def test_dark_mode_is_dark(opened: Opened) -> None:
    page = opened.open(REPORT, dark=True)

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"


def test_on_paper_the_controls_are_gone_and_the_colours_are_for_paper(opened: Opened) -> None:
    page = opened.open(REPORT, dark=True)

    page.emulate_media(media="print", color_scheme="dark")

    assert not page.locator("#controls").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_on_paper_every_finding_is_there_whatever_the_filter(opened: Opened) -> None:
    page = opened.open(REPORT)
    page.get_by_role("combobox", name="Verdict").select_option("due soon")
    assert len(shown(page, KEY_ID)) == 1

    page.emulate_media(media="print")

    assert len(shown(page, KEY_ID)) == 5


def test_every_control_has_a_label_and_every_table_has_headers(opened: Opened) -> None:
    page = opened.open(REPORT)

    assert page.evaluate("[...document.querySelectorAll('input,select')].every(one => one.labels.length === 1)")
    assert page.evaluate("[...document.querySelectorAll('th')].every(one => one.scope === 'col')")
    assert page.locator("table").count() == page.locator("table thead").count() == 6


def test_the_policy_of_the_page_lets_nothing_else_run_or_load(opened: Opened) -> None:
    page = opened.open(REPORT)
    page.evaluate("""() => {
        window.ran = false;
        const script = document.createElement('script');
        script.textContent = 'window.ran = true';
        document.body.append(script);
    }""")

    assert page.evaluate("window.ran") is False

    assert opened.complaints.pop().startswith("Executing inline script violates")


LONG_NAMES = report_of(
    *crowd(expired=1, prefix="n" * 63),
    unchecked("u" * 64, "x" * 300),
    user("careful"),
    last=before(user("careful", key("AKIACAREFULAAAAAAAAA", 300))),
)


@pytest.mark.parametrize("report", [REPORT, LONG_NAMES], ids=["names", "long names"])
def test_a_phone_shows_whose_key_and_which_without_the_page_being_pushed_sideways(
    opened: Opened, report: Report
) -> None:
    page = opened.open(report)
    page.set_viewport_size({"width": 390, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    cells = page.locator("#keys tbody:nth-of-type(1) td")
    assert cells.count() >= 8
    for cell in cells.all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390


@pytest.mark.parametrize("width", [390, 1280])
def test_access_key_ids_stay_on_one_line(opened: Opened, width: int) -> None:
    page = opened.open(LONG_NAMES)
    page.set_viewport_size({"width": width, "height": 800})

    assert page.evaluate("[...document.querySelectorAll('td code')].every((one) => one.getClientRects().length === 1)")


def test_an_account_without_users_is_not_drawn(opened: Opened) -> None:
    page = opened.open(report_of())

    assert page.locator("svg").count() == 0
    assert "IAM lists no users." in page.locator("main").inner_text()


def test_the_picture_for_the_readme_is_made_by_a_command(browser: Browser, tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text("".join(render_html(REPORT)))
    assert browser.is_connected()

    subprocess.run([sys.executable, "-m", "tests.support.browser", str(page), str(picture)], cwd=PROJECT, check=True)

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000

"""The plan on the pages, in a real browser: on a wide screen, on a phone, in the dark and on paper."""

import pytest

from chalicelib.organization_documents import AnyReport
from tests.support.pages import CONTRASTS, Opened
from tests.support.plan_reports import PLAN_ALONE, all_held, organization, two_weeks

REPORTS: dict[str, AnyReport] = {
    "account": two_weeks(),
    "all held": all_held(PLAN_ALONE),
    "organization": organization(),
}
NARROW = 390  # pixels, as a phone is


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> AnyReport:
    return REPORTS[request.param]


def test_the_due_keys_come_first_and_each_key_says_when_or_why_not(opened: Opened) -> None:
    page = opened.open(two_weeks())

    cells = page.get_by_role("region", name="Deactivation plan").locator("tbody td:first-child").all_inner_texts()
    assert cells == [
        "Due: can be deactivated now, once approved.",
        *["Can be deactivated from 2026-12-07, once approved."] * 3,
        "Held: Its user has the tag iam-key-age:never-deactivate.",
        cells[5],
        "Held: When it was last used is unknown.",
        "Held: Its user is exempt until 2027-01-31.",
    ]
    assert cells[5].endswith("asked for it to be active again: a key is deactivated once at most.")


def test_what_was_done_is_told_with_who_approved_it(opened: Opened) -> None:
    page = opened.open(two_weeks())

    done = page.get_by_role("region", name="What iam-key-age did since the last full scan").locator("tbody tr")
    assert done.nth(0).inner_text().startswith("It was deactivated at 2026-11-21T10:00:06Z.\nApproved by arn:aws:sts:")
    assert "Cause: Iam.IamException: User is not authorized" in done.nth(1).inner_text()
    assert done.nth(2).inner_text().startswith("It was activated again at 2026-11-21T12:00:07Z.\nAsked for by arn:")


def test_a_phone_shows_the_plan_without_the_page_being_pushed_sideways(opened: Opened, report: AnyReport) -> None:
    page = opened.open(report)
    page.set_viewport_size({"width": NARROW, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    boxes = [cell.bounding_box() for cell in page.get_by_role("region", name="Deactivation plan").locator("td").all()]
    assert len(boxes) >= 15
    assert not [box for box in boxes if box is None or box["x"] + box["width"] > NARROW]


@pytest.mark.parametrize("dark", [False, True])
def test_its_text_has_the_contrast_that_wcag_asks_for(opened: Opened, report: AnyReport, dark: bool) -> None:
    ratios = opened.open(report, dark=dark).evaluate(CONTRASTS)

    assert {text: ratio for text, ratio in ratios if ratio < 4.5} == {}


def test_on_paper_the_plan_is_there_though_it_was_closed(opened: Opened) -> None:
    page = opened.open(two_weeks())
    page.locator("section:has(#plan) > details > summary").click()
    table = page.get_by_role("region", name="Deactivation plan").locator("table")
    assert not table.is_visible()

    page.emulate_media(media="print")

    assert page.locator("section:has(#plan) table").bounding_box() is not None


def test_the_page_without_a_plan_has_no_word_of_it(opened: Opened) -> None:
    report = two_weeks()
    del report["plan"], report["actions"]
    for finding in [*report["findings"], *report["exempt"]]:
        finding.pop("plan", None)

    page = opened.open(report)

    assert page.locator("#plan, #actions").count() == 0
    assert "Deactivation" not in page.locator("main").inner_text()

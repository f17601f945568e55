"""What report.html says of each key beyond its row, of leaked keys, and of what the report is evidence for."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from chalicelib.documents import Report
from tests.support.pages import CONTRASTS, DAYS_OLD, SEVERITY, USER, Opened, shown
from tests.support.reports import before, key, report_of, user

QUARANTINE = "AWSCompromisedKeyQuarantineV3"
HOSTILE = '</dd></details><script>alert(1)</script><a href="https://evil.example">x</a>'
NIGHTLY = key("AKIANIGHTLYAAAAAAAAA", 200, used=70)


def nightly(successor_used: Any) -> dict[str, Any]:
    """A user whose successor key was put to use, or was not."""
    return user("nightly", NIGHTLY, key("AKIANIGHTLYBBBBBBBBB", 60, used=successor_used))


def full_report() -> Report:
    """A report with all that a page can have of the account and its keys."""
    return report_of(
        user("leaky", key("AKIALEAKYAAAAAAAAAAA", 12, used=1), tags={"owner": HOSTILE}, quarantined_by=QUARANTINE),
        user("pubdu", key("AKIAPUBDUAAAAAAAAAAA", 100, used=1), quarantined_by=QUARANTINE),
        user(
            "github-actions",
            key("AKIAGITHUBAAAAAAAAAA", 320, used=1),
            key("AKIAGITHUBBBBBBBBBBB", 20, used=2),
            tags={
                "owner": "ci@example.com",
                "email": "ci-alerts@example.com",
                "AKIAGITHUBBBBBBBBBBB": HOSTILE,
                "AKIAGITHUBAAAAAAAAAA": HOSTILE,
            },
            can_administer=True,
            administers_by="policy Admins of group platform",
            path="/ci/",
        ),
        user("idle", key("AKIAIDLEAAAAAAAAAAAA", 400, used=250)),
        nightly(successor_used=1),
        user("unknown", key("AKIAUNKNOWNAAAAAAAAA", 150, used=3), tags="unknown", can_administer="unknown"),
        user("soon", key("AKIASOONAAAAAAAAAAAA", 85, used=3)),
        last=before(nightly(successor_used="never")),
        account={"alias": "acme-prod", "unknown": [{"part": "alias", "cause": "denied"}]},
    )


FULL = full_report()


def details_of(page: Page, key_id: str) -> Locator:
    return page.locator("#keys tbody", has=page.locator("tr:first-child code", has_text=key_id)).locator("details")


def facts_of(page: Page, key_id: str) -> dict[str, str]:
    """What the fold-out of a key says, by its terms."""
    details = details_of(page, key_id)
    return dict(zip(details.locator("dt").all_text_contents(), details.locator("dd").all_text_contents(), strict=True))


def test_keys_are_listed_most_severe_first_then_oldest_first(opened: Opened) -> None:
    page = opened.open(FULL)

    assert list(zip(shown(page, SEVERITY), shown(page, DAYS_OLD), strict=True)) == [
        ("critical", "100"),
        ("high", "400"),
        ("high", "320"),
        ("medium", "200"),
        ("medium", "150"),
        ("low", "85"),
    ]


def test_severities_are_sorted_by_their_rank_and_filtered(opened: Opened) -> None:
    page = opened.open(FULL)
    page.get_by_role("button", name="Severity").click()
    upward = shown(page, SEVERITY)
    page.get_by_role("button", name="Severity").click()
    downward = shown(page, SEVERITY)

    page.get_by_role("combobox", name="Severity").select_option("high")

    assert upward == ["critical", "high", "high", "medium", "medium", "low"]
    assert downward == upward[::-1]
    assert sorted(shown(page, DAYS_OLD)) == ["320", "400"]
    expect(page.locator("output")).to_have_text("2 of 6 keys")


def test_a_fold_out_opens_and_closes_by_the_keyboard(opened: Opened) -> None:
    page = opened.open(FULL)
    details = details_of(page, "AKIAPUBDUAAAAAAAAAAA")
    expect(details.locator("dl")).to_be_hidden()

    page.get_by_role("button", name="Reported").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(details.locator("dl")).to_be_visible()
    page.keyboard.press("Tab")
    expect(details.get_by_role("link", name="security credentials")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")

    expect(details.locator("dl")).to_be_hidden()


def test_all_fold_outs_of_keys_are_opened_and_closed_by_one_button(opened: Opened) -> None:
    page = opened.open(FULL)
    is_open = "all => all.map(one => one.open)"

    page.get_by_role("button", name="Open all details").click()
    assert page.locator("#keys details").evaluate_all(is_open) == [True] * 6
    page.get_by_role("button", name="Close all details").click()

    assert page.locator("#keys details").evaluate_all(is_open) == [False] * 6


def test_without_script_fold_outs_open_and_nothing_offers_what_needs_one(opened: Opened) -> None:
    page = opened.open(FULL, script=False)
    details = details_of(page, "AKIAIDLEAAAAAAAAAAAA")

    details.locator("summary").click()

    expect(details.locator("dl")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)


def test_on_paper_closed_fold_outs_are_there_and_nothing_is_cut_off(opened: Opened) -> None:
    page = opened.open(FULL, script=False)
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 without margins of 1 cm
    page.emulate_media(media="print")

    seen = page.locator("#keys dl").evaluate_all(
        "all => all.map(one => one.checkVisibility() && one.getBoundingClientRect().height)"
    )

    assert len(seen) == 6
    assert min(seen) > 50
    assert page.evaluate("document.documentElement.scrollWidth") <= 718


def test_a_fold_out_has_what_the_row_has_no_room_for(opened: Opened) -> None:
    page = opened.open(FULL)

    facts = facts_of(page, "AKIAGITHUBAAAAAAAAAA")

    assert list(facts) == ["Instead of a key", "Other keys", "Created at", "Tags", "Controls", "In the console"]
    assert facts["Instead of a key"].startswith("GitHub Actions: Let GitHub Actions assume a role through an OIDC")
    assert facts["Other keys"].startswith(
        "AKIAGITHUBBBBBBBBBBB Active, 20 days old, last used 2026-11-20, s3, us-east-1: <"
    )
    assert facts["Created at"] == "2026-01-06T08:00:00Z"
    assert facts["Tags"] == "email: ci-alerts@example.com"
    assert facts["Controls"] == (
        "CIS 2.12 (7.0.0), 2.13 (6.0.0), 1.13 (5.0.0), 1.14 (1.4.0 to 4.0.1); AWS FSBP IAM.3;"
        " PCI DSS 8.3.9 (4.0.1), 8.6.3 (4.0.1)"
    )
    links = details_of(page, "AKIAGITHUBAAAAAAAAAA").locator("a").evaluate_all("all => all.map(one => one.href)")
    assert links == [
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html",
        "https://console.aws.amazon.com/iam/home#/users/details/github-actions?section=security_credentials",
    ]


@pytest.mark.parametrize(
    ("key_id", "start"),
    [
        (
            "AKIAPUBDUAAAAAAAAAAA",
            "A key of its user leaked: deactivate this one now",
        ),
        ("AKIAGITHUBAAAAAAAAAA", "Administrator by policy Admins of group platform. Its successor"),
        ("AKIAIDLEAAAAAAAAAAAA", "Not used for 250 days"),
        ("AKIAUNKNOWNAAAAAAAAA", "The user's permissions are unknown. Its user's tags are not known"),
        ("AKIASOONAAAAAAAAAAAA", "In use, last on 2026-11-19"),
    ],
)
def test_each_key_says_why_it_is_as_severe_as_it_is(opened: Opened, key_id: str, start: str) -> None:
    page = opened.open(FULL)

    assert details_of(page, key_id).locator("summary").inner_text().startswith(start)


def test_the_user_of_a_key_has_a_path_where_it_is_not_the_usual_one(opened: Opened) -> None:
    page = opened.open(FULL)

    assert shown(page, USER)[1:3] == ["idle\nno owner tag", "github-actions\n/ci/\nci@example.com"]


def test_leaked_keys_lead_the_page_with_what_to_do(opened: Opened) -> None:
    page = opened.open(FULL)

    assert "compromised-creds" not in page.locator("header").inner_text()
    leak = page.locator("main > *").first
    expect(leak.locator("h2")).to_have_text("Leaked keys: AWS quarantined 2 users")
    assert "Deactivate the keys of a quarantined user at once" in leak.inner_text()
    assert leak.locator("tbody td").all_inner_texts() == [
        *(f"leaky\n{HOSTILE}", "AKIALEAKYAAAAAAAAAAA Active", QUARANTINE, "security credentials"),
        *("pubdu\nno owner tag", "AKIAPUBDUAAAAAAAAAAA Active", QUARANTINE, "security credentials"),
    ]
    assert (
        leak.locator("a").first.get_attribute("href")
        == "https://docs.aws.amazon.com/guardduty/latest/ug/compromised-creds.html"
    )


def test_keys_that_became_safe_and_users_with_two_keys_are_named(opened: Opened) -> None:
    page = opened.open(FULL)

    safe = page.locator("section", has=page.locator("#safe"))
    assert safe.locator("li").all_inner_texts() == ["AKIANIGHTLYAAAAAAAAA of nightly"]
    two = page.locator("section", has_text="Users with two active keys")
    assert two.locator("details p").inner_text() == "github-actions, nightly"


def test_a_long_list_of_users_with_two_keys_is_folded(opened: Opened) -> None:
    page = opened.open(report_of(*(user(f"u{n}", key(f"A{n}", 1), key(f"B{n}", 1)) for n in range(21))))

    two = page.locator("section", has_text="Users with two active keys")
    expect(two.locator("summary")).to_have_text("21 users")
    expect(two.locator("details p")).to_be_hidden()


def test_the_account_is_named_by_its_alias_and_what_is_unknown_of_it_is_said(opened: Opened) -> None:
    page = opened.open(FULL)

    expect(page).to_have_title("IAM access keys, AWS account acme-prod (123456789012), 2026-11-22")
    header = page.locator("header").inner_text()
    assert "AWS account acme-prod (123456789012)" in header
    assert "The account's alias is unknown: denied." in header


def test_the_controls_are_listed_by_benchmark_and_version_with_the_result(opened: Opened) -> None:
    page = opened.open(FULL)
    section = page.locator("section", has=page.locator("#evidence"))

    section.locator("summary").click()

    rows = [row.locator("td").all_inner_texts() for row in section.locator("details tbody tr").all()]
    assert rows[:4] == [
        ["CIS", "7.0.0", "2.12", "Access keys are rotated every 90 days or less", "violated by 5 keys"],
        ["CIS", "7.0.0", "2.4", "No root user access key exists", "met by this scan"],
        ["CIS", "6.0.0", "2.13", "Access keys are rotated every 90 days or less", "violated by 5 keys"],
        ["CIS", "6.0.0", "2.3", "No root user access key exists", "met by this scan"],
    ]
    assert len(rows) == len(FULL["controls"])
    assert "not evidence for unused keys" in section.inner_text()


def test_texts_of_tags_are_never_elements_and_links_are_only_ours(opened: Opened) -> None:
    page = opened.open(FULL)

    page.get_by_role("button", name="Open all details").click()

    assert page.locator("script").count() == 1
    assert details_of(page, "AKIAGITHUBAAAAAAAAAA").locator("dd").nth(1).inner_text().endswith(HOSTILE)
    links = page.locator("a").evaluate_all("all => all.map(one => new URL(one.href).host)")
    assert set(links) == {"docs.aws.amazon.com", "console.aws.amazon.com"}


def test_where_the_console_is_not_known_there_is_no_link_to_it(opened: Opened) -> None:
    page = opened.open(report_of(user("alice", key("AKIAOLD", 100, used=1)), account={"partition": "aws-iso"}))

    assert "In the console" not in facts_of(page, "AKIAOLD")
    assert page.locator("a").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_what_is_folded_and_what_leaked_has_the_contrast_that_wcag_asks_for(opened: Opened, dark: bool) -> None:
    page = opened.open(FULL, dark=dark)
    page.get_by_role("button", name="Open all details").click()

    ratios = page.evaluate(CONTRASTS)

    assert {"critical", "Instead of a key", "AWS's page"} <= {text for text, _ in ratios}
    assert {text: ratio for text, ratio in ratios if ratio < 4.5} == {}


def test_a_phone_shows_all_of_it_without_the_page_being_pushed_sideways(opened: Opened) -> None:
    page = opened.open(FULL)
    page.set_viewport_size({"width": 390, "height": 800})

    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    right_edges = page.locator("#keys dd, .leak td").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().right)"
    )
    assert max(right_edges) <= 390

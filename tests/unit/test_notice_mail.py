"""The mail to an owner: what it says, in which order, and what nobody can make it say. Whole ones: tests/golden."""

import functools
import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from chalicelib.instants import format_instant
from chalicelib.outputs.notice_content import IN_FULL, NAMED
from chalicelib.outputs.notice_mail import Mail, compose_notice
from chalicelib.outputs.notice_sentences import notice_subject
from chalicelib.telling.cadence import reasons_of
from chalicelib.telling.notice import Notice, NoticeKey
from chalicelib.telling.owners import group_by_owner
from chalicelib.telling_documents import Reason
from chalicelib.telling_settings import OwnerRule
from tests.support.notices import OWNER, notice, notice_of, owned, seen
from tests.support.plan_reports import NO_APPROVAL, in_one_line, two_weeks
from tests.support.reports import AS_OF, key, report_of, user

GOLDEN = Path(__file__).parents[1] / "golden"
QUARANTINE: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"}
EVIL = "www.evil.example.com"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
LEAKED = user("deploy", key("AKIALEAKED0000000001", 120, used=1), **QUARANTINE)
SAFE = user(
    "backup",
    key("AKIABACKUP0000000002", 300, used=200),
    tags={"AKIABACKUP0000000002": "nightly backup of the billing database of the whole group"},
)
WEB = user("web", key("AKIAWEB0000000000003", 90.5, used=2))
IDLE = user("idle", key("AKIAIDLE000000000004", 60, used=50))
SOON = user("ci", key("AKIASOON000000000005", 84, used=0.5))
LATER = user("vault", key("AKIALATER00000000006", 80, used=0.5))
KNOWN = user("old", key("AKIAOLD0000000000007", 400, used=1))
NEWS: dict[str, tuple[Reason, ...]] = {
    "AKIALEAKED0000000001": ("leaked",),
    "AKIABACKUP0000000002": ("became_safe",),
    "AKIAWEB0000000000003": ("expired",),
    "AKIASOON000000000005": ("due_in_7_days",),
}


def news() -> Notice:
    """News of all kinds but deactivations, and keys that the owner knows of."""
    report = report_of(LEAKED, SAFE, WEB, IDLE, SOON, LATER, KNOWN, max_unused_days=45)
    for finding in report["findings"]:
        if finding["user_name"] == "deploy":
            finding["seen_from"] = seen("203.0.113.7", "198.51.100.9")
    return notice_of(report, "news", NEWS)


def first() -> Notice:
    """All that an owner has, where the stage deactivates."""
    return notice_of(two_weeks(NO_APPROVAL), "first", deactivates=True)


def digest() -> Notice:
    return notice_of(report_of(WEB, SOON), "digest", account_name=None, alias="acme-prod")


def organization() -> Notice:
    """Keys of three accounts, one of which is named by nobody."""
    accounts: list[dict[str, Any]] = [
        {"account_id": "200000000001", "account_name": "payments"},
        {"account_id": "200000000002", "account_name": None, "alias": "acme-data"},
        {"account_id": "200000000003", "account_name": None},
    ]
    findings = report_of(WEB, KNOWN, SOON)["findings"]
    keys = [NoticeKey(owned(one, **account), ()) for one, account in zip(findings, accounts, strict=True)]
    return notice(*keys, kind="digest")


def hostile() -> Notice:
    """Whoever may tag users, make users or name accounts writes into the mail of others."""
    nasty = f"x</td><script>alert(1)</script>\r\n\r\n# Click\u2028[here](https://{EVIL}) \u202e&<b>\x1b[31m"
    report = report_of(user(EVIL, key("AKIAEVIL000000000001", 200, used=1), tags={"iam-key-age:exempt-until": nasty}))
    [finding] = report["findings"]
    finding |= {"description": nasty, "seen_from": seen("203.0.113.7", agent=nasty)}
    return notice_of(report, "first", owner=nasty, account_name=nasty)


def many(number: int) -> Notice:
    report = report_of(*(user(f"user{one}", key(f"AKIA{one:016}", 100 + one, used=200)) for one in range(number)))
    return notice_of(report, "news", {f"AKIA{0:016}": ("expired",)})


CASES: dict[str, Callable[[], Notice]] = {
    "news": news,
    "first": first,
    "digest": digest,
    "organization": organization,
    "hostile": hostile,
}


@functools.cache
def mail(name: str) -> Mail:
    return compose_notice(CASES[name]())


@pytest.mark.parametrize("name", CASES)
def test_the_mail_is_the_golden_one(name: str) -> None:
    assert f"Subject: {mail(name).subject}\n\n{mail(name).text}" == (GOLDEN / f"notice-{name}.txt").read_text()


def test_the_html_is_the_golden_one() -> None:
    assert mail("news").html == (GOLDEN / "notice-news.html").read_text()


@pytest.mark.parametrize("name", CASES)
def test_each_line_is_under_80_columns_but_for_addresses_in_the_console(name: str) -> None:
    lines = [line for line in mail(name).text.splitlines() if not line.lstrip().startswith("Console: ")]

    assert max(map(len, lines)) < 80
    assert all(line.isprintable() for line in lines)


class _Page(HTMLParser):
    """The words of a page in order, where its links lead, and what it would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._skips = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        self._skips = tag in {"style", "title"}

    def handle_endtag(self, _tag: str) -> None:
        self._skips = False

    def handle_data(self, data: str) -> None:
        if not self._skips:
            self.words += data.split()


@pytest.mark.parametrize("name", CASES)
def test_text_and_html_say_the_same_in_the_same_order(name: str) -> None:
    plain = re.sub(r"^\d+\. (?=AKIA)", "", mail(name).text, flags=re.MULTILINE)
    plain = re.sub(r"\S*console\.aws\S*", "Security credentials of its user", plain)

    of_html = _Page(mail(name).html).words

    assert [word.rstrip(":") for word in plain.split()] == [word.rstrip(":") for word in of_html]


@pytest.mark.parametrize("name", CASES)
def test_the_html_loads_nothing_runs_nothing_and_links_to_the_console_alone(name: str) -> None:
    page = _Page(mail(name).html)

    assert page.tags <= TAGS
    assert page.attributes <= {"lang", "charset", "name", "content", "class", "href"}
    assert all(link.startswith("https://console.aws.amazon.com/iam/home#/users/details/") for link in page.links)
    assert not re.search(r"url\(|@import|expression", mail(name).html)


def test_what_others_wrote_makes_no_line_no_link_and_no_markup() -> None:
    hostile = mail("hostile")

    assert not re.search("[\r\u2028\u202e\x1b]", hostile.text + hostile.html)
    assert EVIL not in re.sub(r"https://console\S*", "", hostile.text)
    assert "<script" not in hostile.html
    assert "<b>" not in hostile.html
    assert EVIL not in re.sub(r'href="https://console[^"]*"', "", hostile.html)
    assert hostile.text.count("://") == len(_Page(hostile.html).links) == 1


def with_kinds(numbers: tuple[int, ...], fresh: int, name: str | None) -> Notice:
    """A notice of so many keys that are leaked, overdue, unused and due soon, with news of the first ones."""
    each = dict(zip(("deploy", "old", "idle", "ci"), numbers, strict=True))
    findings = {one["user_name"]: one for one in report_of(LEAKED, KNOWN, IDLE, SOON, max_unused_days=45)["findings"]}
    listed = [findings[user] for user, number in each.items() for _ in range(number)]
    keys = [
        NoticeKey(owned(one, name), ("deactivation",) if number < fresh else ()) for number, one in enumerate(listed)
    ]
    return notice(*keys)


TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "p", "strong", "div", "h2", "code", "table", "tr"),
    *("th", "td", "a", "ul", "li", "pre", "footer"),
}
NAMES = (None, "example-shop", "n" * 50, "Zürich", "two\nlines", "\u202eevil")


@pytest.mark.parametrize("name", NAMES)
def test_the_subject_is_short_ascii_on_one_line_and_keeps_its_first_count(name: str | None) -> None:
    for numbers in product((0, 999), repeat=4):
        if any(numbers):
            for fresh in (0, 1, 9_999):
                subject = notice_subject(with_kinds(numbers, fresh, name))

                assert len(subject) < 100
                assert subject.isascii()
                assert subject.isprintable()
                assert re.match(r"(ACT NOW: your|Your|(ACT NOW: )?\d+ of your) IAM access keys? (are|is)\b", subject)


@pytest.mark.parametrize(
    ("numbers", "subject"),
    [
        ((0, 1, 0, 0, 0), "Your IAM access key is overdue: example-shop (123456789012)"),
        ((0, 2, 0, 0, 0), "2 of your IAM access keys are overdue: example-shop (123456789012)"),
        ((0, 1, 0, 1, 0), "1 of your IAM access keys is overdue, 1 due soon: example-shop (123456789012)"),
        ((0, 0, 0, 2, 0), "2 of your IAM access keys are due soon: example-shop (123456789012)"),
        ((0, 0, 1, 0, 0), "Your IAM access key is unused: example-shop (123456789012)"),
        ((1, 0, 0, 0, 0), "ACT NOW: your IAM access key is of a user whose key leaked: example-shop (123456789012)"),
        (
            (2, 0, 0, 0, 0),
            "ACT NOW: 2 of your IAM access keys are of a user whose key leaked: example-shop (123456789012)",
        ),
        (
            (2, 9, 9, 0, 0),
            "ACT NOW: 2 of your IAM access keys are of a quarantined user, 9 overdue, 9 unused: 123456789012",
        ),
        (
            (2, 9, 0, 9, 1),
            "ACT NOW: 2 of your IAM access keys are of a quarantined user, 9 overdue, 9 due soon, 1 new",
        ),
        (
            (0, 3, 0, 0, 1),
            "3 of your IAM access keys are overdue, 1 to be deactivated, 1 new: example-shop (123456789012)",
        ),
    ],
)
def test_the_subject_says_how_many_of_the_owners_keys_are_how(numbers: tuple[int, ...], subject: str) -> None:
    *kinds, fresh = numbers

    assert notice_subject(with_kinds(tuple(kinds), fresh, "example-shop")) == subject


def test_a_digest_is_a_reminder_in_its_subject_and_has_nothing_marked_as_new() -> None:
    assert mail("digest").subject.startswith("Reminder: 1 of your IAM access keys is overdue, 1 due soon")
    assert "nothing is new since the last mail" in in_one_line(mail("digest").text)
    assert "NEW" not in mail("digest").text


def test_of_one_key_a_reminder_goes_on_in_lower_case() -> None:
    mail = compose_notice(notice_of(report_of(WEB), "digest"))

    assert mail.subject == "Reminder: your IAM access key is overdue: example-shop (123456789012)"


@pytest.mark.parametrize(("keys", "words"), [(1, "it is"), (2, "they are")])
def test_a_weekly_mail_of_a_leaked_key_says_that_it_is_still_active(keys: int, words: str) -> None:
    leaked = user("deploy", *(key(f"AKIALEAKED{number}", 120, used=1) for number in range(keys)), **QUARANTINE)

    mail = compose_notice(notice_of(report_of(leaked), "digest"))

    assert mail.subject.startswith("ACT NOW: ")
    assert f"This is the weekly reminder: {words} still not deactivated." in in_one_line(mail.text)
    assert "is new" not in in_one_line(mail.text).replace("one when something is new", "")


def test_a_leaked_key_that_is_inactive_is_no_reason_to_hurry() -> None:
    inactive = user("deploy", key("AKIALEAKED", 120, "Inactive", used=1), **QUARANTINE)

    text = in_one_line(compose_notice(notice_of(report_of(inactive, include_inactive=True), "digest")).text)

    assert "still not deactivated" not in text
    assert "Inactive already" in text


def test_keys_of_two_users_are_of_users_whose_keys_leaked() -> None:
    report = report_of(*(user(name, key(f"AKIA{name}", 120, used=1), **QUARANTINE) for name in ("a", "b")))

    mail = compose_notice(notice_of(report, "news"))

    assert mail.text.startswith("2 of your IAM access keys are of users whose keys leaked, in")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("first", "This is the first mail about it."),
        ("news", "There is news, marked NEW below."),
        ("digest", "This is the weekly reminder: nothing is new since the last mail."),
    ],
)
def test_of_one_key_the_mail_speaks_as_of_one(kind: Any, words: str) -> None:
    mail = compose_notice(
        notice_of(report_of(WEB), kind, {"AKIAWEB0000000000003": ("expired",)} if kind == "news" else {})
    )

    assert f"(123456789012). {words} You get" in in_one_line(mail.text)


@pytest.mark.parametrize("name", ["web", "n" * 50])
def test_of_one_key_the_commands_are_filled_in(name: str) -> None:
    mail = compose_notice(notice_of(report_of(user(name, key("AKIAWEB0000000000003", 100)))))

    commands = re.sub(r" \\\n +", " ", mail.text)
    assert f"  aws iam create-access-key --user-name {name}\n" in commands
    of_key = f"--user-name {name} --access-key-id AKIAWEB0000000000003\n"
    assert f"  aws iam update-access-key --status Inactive {of_key}" in commands
    assert f"  aws iam delete-access-key {of_key}" in commands
    assert max(map(len, (line for line in mail.text.splitlines() if "Console: " not in line))) < 80


@pytest.mark.parametrize("name", ["www.acme-login.com", "n" * 51, "$(x)", "-x"])
def test_a_name_that_is_a_link_or_no_word_of_a_shell_is_not_in_the_commands(name: str) -> None:
    mail = compose_notice(notice_of(report_of(user(name, key("AKIAWEB0000000000003", 100)))))

    assert "--user-name USER --access-key-id AKIAWEB0000000000003" in mail.text


@pytest.mark.parametrize("name", ["acme-login.com", "ann@evil.com"])
def test_no_description_and_no_name_of_an_account_is_a_link(name: str) -> None:
    about = user("web", key("AKIAWEB0000000000003", 100), tags={"AKIAWEB0000000000003": f"see {name}"})
    mail = compose_notice(notice_of(report_of(about), account_name=name))

    for text in (mail.text, mail.html):
        assert name not in re.sub(r"https://console\S*|<title>.*", "", text)
        assert name.replace(".", "[.]") in text


def test_a_users_name_that_begins_as_a_site_does_is_no_link_and_another_is_as_it_is() -> None:
    about = [one_of_many(name, number) for number in range(IN_FULL + 1) for name in ("www.evil.com", "dot.ted")]

    mail = compose_notice(notice_of(report_of(*about)))

    for text in (mail.text, mail.html):
        assert "www.evil.com" not in re.sub(r"https://console\S*", "", text)
        assert text.count("www[.]evil[.]com") > IN_FULL
        assert text.count("dot.ted") > IN_FULL


def one_of_many(name: str, number: int) -> dict[str, Any]:
    return user(f"{number}-{name}", key(f"AKIA{number:08}{len(name):08}", 100))


def listed_first(kind: Any) -> Mail:
    """A mail about keys of which one was in no mail before; nothing urgent is the case with it."""
    overdue, early = report_of(WEB, LATER)["findings"]
    return compose_notice(notice(NoticeKey(owned(overdue), ()), NoticeKey(owned(early), (), is_new=True), kind=kind))


def test_a_digest_says_which_keys_are_in_a_mail_for_the_first_time() -> None:
    mail = listed_first("digest")

    assert mail.subject == (
        "Reminder: 1 of your IAM access keys is overdue, 1 due soon, 1 new: example-shop (123456789012)"
    )
    assert "the weekly reminder: 1 is listed for the first time, marked NEW below, and nothing urgent is new." in (
        in_one_line(mail.text)
    )
    assert re.findall(r"NEW: .*", mail.text) == ["NEW: Due on 2026-12-02, in 10 days."]


def test_news_have_the_keys_that_are_in_a_mail_for_the_first_time_marked_too() -> None:
    mail = listed_first("news")

    assert "1 has news, marked NEW below." in in_one_line(mail.text)
    assert re.findall(r"NEW: .*", mail.text) == ["NEW: Due on 2026-12-02, in 10 days."]


def test_a_young_key_that_leaked_has_what_to_do_and_where_and_nothing_that_is_not_known() -> None:
    report = report_of(user("deploy", key("AKIAYOUNG00000000008", 5), tags={"owner": OWNER}, **QUARANTINE))
    [young] = group_by_owner([report], OwnerRule("ses", ("example.com",)), {}).by_owner[OWNER]

    mail = compose_notice(notice(NoticeKey(young, ("leaked",), is_new=True)))

    assert mail.subject == "ACT NOW: your IAM access key is of a user whose key leaked: 123456789012"
    [block] = re.findall(r"(?s)1\. AKIA.*?\n\n", mail.text)
    assert [line.strip().partition(": ")[0] for line in block.splitlines() if ": " in line] == [
        "NEW",
        "What to do",
        "Account",
        "User",
        "Console",
    ]
    assert "Its user's key leaked, act now: AWS quarantined the user (AWSCompromisedKeyQuarantineV3)." in in_one_line(
        block
    )
    assert "What to do: Deactivate all keys of this user now, even if something stops, and tell your security" in (
        in_one_line(block)
    )
    assert "By when: now." in in_one_line(mail.text)
    assert "An exemption does not stop them for a user whose key leaked." in in_one_line(mail.text)


def test_the_first_mail_marks_nothing_as_new_for_all_is() -> None:
    everything = notice_of(report_of(WEB, SAFE), "first", {"AKIAWEB0000000000003": ("expired",)})

    assert "NEW" not in compose_notice(everything).text


def test_news_are_marked_in_words_and_what_is_known_is_not() -> None:
    blocks = {block.split()[1]: block for block in re.split(r"\n(?=\d+\. AKIA)", mail("news").text)[1:]}

    assert "NEW: Its user's key leaked, act now: AWS quarantined the user" in blocks["AKIALEAKED0000000001"]
    assert "NEW: Became safe to deactivate." in blocks["AKIABACKUP0000000002"]
    assert "NEW: Overdue since 2026-11-21." in blocks["AKIAWEB0000000000003"]
    assert "NEW: Due on 2026-11-28, in 6 days." in blocks["AKIASOON000000000005"]
    assert "\n  Unused; safe to deactivate." in blocks["AKIAIDLE000000000004"]
    assert "\n  Due on 2026-12-02, in 10 days." in blocks["AKIALATER00000000006"]
    assert sum("NEW" in block for block in blocks.values()) == 4


def test_each_reason_that_an_owner_is_told_of_at_once_is_marked_as_news() -> None:
    report = two_weeks(NO_APPROVAL)
    for finding in report["findings"]:
        finding["quarantined_by"] = "AWSCompromisedKeyQuarantineV3"
    findings = [*report["findings"], *report_of(SOON, user("now", key("AKIANOW", 89.5, used=1)))["findings"]]
    marked: set[Reason] = set()

    for finding in findings:
        one = owned(finding, deactivates=True)
        for reason in reasons_of(one, AS_OF):
            text = compose_notice(notice(NoticeKey(one, (reason,)))).text
            assert "\n  NEW: " in text, reason
            marked.add(reason)

    assert marked == set(get_args(Reason))


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (HOUR, "due on 2026-11-22, today"),
        (16 * HOUR, "due on 2026-11-23, tomorrow"),
        (DAY, "due on 2026-11-23, tomorrow"),
        (DAY + 16 * HOUR, "due on 2026-11-24, in 2 days"),
        (7 * DAY, "due on 2026-11-29, in 7 days"),
    ],
)
def test_a_key_is_due_so_many_days_of_the_calendar_from_now(left: timedelta, words: str) -> None:
    [finding] = report_of(SOON)["findings"]
    finding["overdue_at"] = format_instant(AS_OF + left)

    text = compose_notice(notice(NoticeKey(owned(finding), ("due_in_7_days",)))).text

    assert f"NEW: {words[0].upper()}{words[1:]}." in text


def test_when_a_key_is_deactivated_is_said_only_where_the_stage_deactivates() -> None:
    planned = compose_notice(first()).text
    alone = compose_notice(notice_of(two_weeks(NO_APPROVAL), "first", deactivates=False)).text

    assert "To be deactivated any time now, unless it is used; overdue since 2026-01-16" in in_one_line(planned)
    assert "To be deactivated on 2026-12-07 or later, unless it is used" in in_one_line(planned)
    assert "4 are to be deactivated for you unless used, as said below." in in_one_line(planned)
    assert "o be deactivated" not in alone


@pytest.mark.parametrize(
    ("users", "by_when"),
    [
        ((WEB,), "By when: now."),
        ((SOON,), "By when: by 2026-11-28."),
        ((SOON, LATER), "By when: by 2026-11-28 for the first of them."),
        ((WEB, SOON), "By when: now for 1, by 2026-11-28 for the other."),
        ((WEB, KNOWN, SOON, LATER), "By when: now for 2, the other 2 from 2026-11-28 on."),
    ],
)
def test_the_mail_says_by_when(users: tuple[Any, ...], by_when: str) -> None:
    assert by_when in in_one_line(compose_notice(notice_of(report_of(*users), "first")).text)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("seen", "  Seen:        in eu-west-1 from 203.0.113.7"),
        ("nothing", "  Seen:        CloudTrail has no management event of this key"),
        ("not_asked", None),
        ("throttled", None),
        ("refused", None),
        ("unknown", None),
    ],
)
def test_from_where_a_key_was_used_is_said_where_cloudtrail_knows(status: Any, words: str | None) -> None:
    [finding] = report_of(WEB)["findings"]
    finding["seen_from"] = {**seen("203.0.113.7"), "status": status, "cause": "why"}

    text = compose_notice(notice(NoticeKey(owned(finding), ()))).text

    assert words in text if words else "Seen:" not in text


def test_the_mail_says_how_it_ends_and_has_no_link_to_end_it() -> None:
    text = in_one_line(mail("news").text)

    assert (
        "These mails stop by themselves when the keys are rotated, deactivated or deleted, or when an exemption is in"
        " force (tags iam-key-age:exempt-until and iam-key-age:exempt-reason of the user; ask your security team)."
        in text
    )
    assert "unsubscribe" not in mail("news").html.lower()


@pytest.mark.parametrize(
    ("includes_inactive", "words"),
    [(False, "are rotated, deactivated or deleted, or"), (True, "are deleted (inactive ones count, too), or")],
)
def test_where_inactive_keys_are_judged_deactivating_one_does_not_end_the_mails(
    includes_inactive: bool, words: str
) -> None:
    tagged = user("web", key("AKIAWEB0000000000003", 100), tags={"owner": OWNER})
    report = report_of(tagged, include_inactive=includes_inactive)
    [one] = group_by_owner([report], OwnerRule("ses", ("example.com",)), {}).by_owner[OWNER]

    text = in_one_line(compose_notice(notice(NoticeKey(one, ()))).text)

    assert f"These mails stop by themselves when the keys {words} when an exemption is in force" in text


def test_in_a_test_subject_and_first_line_say_for_whom_it_is_and_the_rest_is_the_same() -> None:
    test = compose_notice(news(), "me@example.com")

    assert test.subject == f"[Test, for {OWNER}] {mail('news').subject}"
    assert test.text.startswith("This is a test: NoticesTestTo is set")
    assert in_one_line(test.text).endswith(in_one_line(mail("news").text))
    assert '<p class="test">This is a test' in test.html


def test_the_subject_of_a_test_is_ascii_on_one_line_whoever_the_owner_is() -> None:
    subject = compose_notice(hostile(), "me@example.com").subject

    assert subject.isascii()
    assert subject.isprintable()


@pytest.mark.parametrize("number", [IN_FULL, IN_FULL + 1, NAMED, NAMED + 1])
def test_of_many_keys_the_first_are_said_in_full_more_in_a_line_and_the_rest_counted(number: int) -> None:
    many_keys = compose_notice(many(number))
    rest, left = number - IN_FULL, number - NAMED

    assert len(re.findall(r"^\d+\. AKIA", many_keys.text, re.MULTILINE)) == IN_FULL
    assert (f"And {rest} other key" in many_keys.text) is (rest > 0)
    assert len(re.findall(r"^  AKIA\w+, user\d+, 123456789012: ", many_keys.text, re.MULTILINE)) == max(
        0, min(rest, NAMED - IN_FULL)
    )
    assert (f"and {left} more: your security team's report has them." in many_keys.text) is (left > 0)


def test_a_mail_of_many_keys_is_shown_whole() -> None:
    largest = compose_notice(many(300))

    assert len(largest.html.encode()) < 102_000, "of more, Gmail shows the first part alone"
    assert len(largest.text.encode()) < 100_000


def test_news_beyond_the_keys_in_full_are_marked() -> None:
    listed = many(IN_FULL + 1).keys
    last = NoticeKey(listed[-1].owned, ("became_safe",))

    text = compose_notice(notice(*(NoticeKey(one.owned, ()) for one in listed[:-1]), last)).text

    line = "AKIA0000000000000000, user0, 123456789012: NEW: became safe to deactivate; overdue since 2026-11-12"
    assert line in in_one_line(text)


TAGGED = user("wei.finance", key("AKIAWEB0000000000003", 100), key("AKIAWEB0000000000004", 90.5), tags={"email": OWNER})
ALSO_TAGGED = user("web", key("AKIAWEB0000000000005", 95), tags={"email": OWNER})


@pytest.mark.parametrize(
    ("outcomes", "why"),
    [
        ([TAGGED], f'the tag "email" of the IAM user wei[.]finance names {OWNER}.'),
        ([user("wei", key("AKIAWEB0000000000003", 100))], f"the owner tag of the IAM user wei names {OWNER}."),
        ([TAGGED, ALSO_TAGGED], f'the tag "email" of their IAM users names {OWNER}.'),
        ([TAGGED, WEB], f"the owner tag of their IAM users names {OWNER}."),
    ],
    ids=["two keys of a user", "a tag that the report does not have", "two users", "a tag of one of them"],
)
def test_the_mail_says_which_tag_of_whom_names_the_owner(outcomes: Any, why: str) -> None:
    text = in_one_line(compose_notice(notice_of(report_of(*outcomes))).text)

    assert f"You get this mail because {why}" in text


def test_the_last_lines_ask_for_a_reply_where_somebody_reads_it() -> None:
    lines = compose_notice(news(), can_reply=True).text.splitlines()

    assert lines[-4:-1] == ["", "Questions? Reply to this mail.", ""]

"""What somebody wrote into a tag arrives as text, not as a link."""

import re

import pytest

from chalicelib.outputs.links import defuse_addresses, defuse_all, defuse_links
from chalicelib.outputs.message_text import compose_message
from tests.support.reports import key, report_of, unchecked, user

FOLDER = "s3://bucket/scans/scan/"


@pytest.mark.parametrize(
    ("text", "defused"),
    [
        ("https://evil.example/login", "https[:]//evil[.]example/login"),
        ("HTTP://10.0.0.1/x", "HTTP[:]//10.0.0.1/x"),
        ("see www.evil.example", "see www[.]evil[.]example"),
        ("evil.example/login", "evil[.]example/login"),
        ("mailto:a@evil.example", "mailto[:]a@evil[.]example"),
        ("a@b.example/evil.example", "a@b[.]example/evil[.]example"),
        ("https://evil.example/@b.example", "https[:]//evil[.]example/@b[.]example"),
        ("tel:+4917", "tel[:]+4917"),
    ],
)
def test_what_a_mail_client_would_make_a_link_of_is_written_so_that_it_does_not(text: str, defused: str) -> None:
    assert defuse_links(text) == defused


@pytest.mark.parametrize(
    "text",
    [
        "web-team@example.com",
        "by first.last+tag@a.example.com",
        "CHG-2041: break-glass",
        "sam@example.com.",
        "owner:sam@example.com",
        "(sam@example.com)",
        "v1.2",
        "Équipe web",
        "",
    ],
)
def test_addresses_and_plain_words_stay(text: str) -> None:
    assert defuse_links(text) == text


@pytest.mark.parametrize(
    ("text", "defused"),
    [
        ("acme-login.com", "acme-login[.]com"),
        ("ann@evil.com", "ann@evil[.]com"),
        ("ask ann@evil.com, or see http://evil.com", "ask ann@evil[.]com, or see http[:]//evil[.]com"),
        ("mailto:ann@evil.com", "mailto[:]ann@evil[.]com"),
        ("first.last", "first[.]last"),
        ("deploy-v1.2", "deploy-v1.2"),
    ],
)
def test_a_name_makes_no_link_and_no_address_to_write_to(text: str, defused: str) -> None:
    assert defuse_all(text) == defused


def test_no_text_of_a_tag_is_a_link_in_the_mail() -> None:
    url = "https://evil.example/x"
    tags = {
        "owner": url,
        "AKIAIOSFODNN7EXAMPLE": url,
        "iam-key-age:exempt-until": url,
        "iam-key-age:exempt-reason": url,
    }
    report = report_of(user("alice", key("AKIAIOSFODNN7EXAMPLE", 200, used="never"), tags=tags))

    text = compose_message(report, FOLDER).text

    assert text.count("https[:]//evil[.]example/x") == 3
    assert not re.search(r"https?://|evil\.example", text)


@pytest.mark.parametrize(
    ("cause", "shown"),
    [
        ("on resource: user/https://evil.example/x", "on resource: user/https[:]//evil[.]example/x"),
        ("on resource: user www.evil.example", "on resource: user www[.]evil[.]example"),
        ("Iam.IamException: sts.AccessDenied of a.b", "Iam.IamException: sts.AccessDenied of a.b"),
    ],
)
def test_a_cause_keeps_the_words_of_iam_but_for_addresses_of_sites(cause: str, shown: str) -> None:
    assert defuse_addresses(cause) == shown


def test_a_path_that_is_an_address_is_none_in_the_mail() -> None:
    cause = "Iam.IamException: no access to arn:aws:iam::123456789012:user/https://evil.example/alice"

    text = compose_message(report_of(unchecked("alice", cause)), FOLDER).text

    assert "https[:]//evil[.]example" in text
    assert "https://evil" not in text

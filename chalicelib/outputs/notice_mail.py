"""The mail to an owner of access keys: which are theirs, what is new, what to do by when. Pure."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.outputs.mail import INDENT, MAX_WIDTH, wrapped
from chalicelib.outputs.notice_content import Content, KeyPart, content_of
from chalicelib.outputs.notice_html import render_notice
from chalicelib.outputs.notice_sentences import in_ascii, notice_subject
from chalicelib.telling.notice import Notice

_LABELS = 13  # columns


@dataclass(frozen=True)
class Mail:
    """A mail: a subject of ASCII on one line, plain text, and the same as HTML.

    The subject is under 100 characters, but for the name of the owner in a test.
    """

    subject: str
    text: str
    html: str


def compose_notice(notice: Notice, test_to: str = "", *, can_reply: bool = False) -> Mail:
    """Return the mail of a notice; with `test_to` it says that it goes there instead of to the owner."""
    content, subject = content_of(notice, test_to, can_reply=can_reply), notice_subject(notice)
    if test_to:
        subject = f"[Test, for {in_ascii(notice.owner)}] {subject}"
    return Mail(subject, "\n".join(_lines(content)) + "\n", render_notice(content, subject))


def _lines(content: Content) -> Iterator[str]:
    for paragraph in filter(None, (content.test, *content.opening)):
        yield from textwrap.wrap(paragraph, MAX_WIDTH, break_on_hyphens=False)
        yield ""
    for number, key in enumerate(content.keys, start=1):
        yield from _key_lines(number, key)
        yield ""
    if content.more:
        yield content.more_title
        yield from wrapped(content.more, INDENT)
        yield ""
    yield from textwrap.wrap(content.how_to, MAX_WIDTH, break_on_hyphens=False)
    yield from (f"{INDENT}{line}" for line in content.commands)
    for paragraph in content.closing:
        yield ""
        yield from textwrap.wrap(paragraph, MAX_WIDTH, break_on_hyphens=False)


def _key_lines(number: int, key: KeyPart) -> Iterator[str]:
    """Yield the lines of a key; its address in the console is one, however long: mail clients make a link of it."""
    yield f"{number}. {key.key_id}"
    news = f"NEW: {key.news}" if key.news else ""
    yield from wrapped(filter(None, (news, key.state)), INDENT)
    for label, words in key.facts:
        first = f"{INDENT}{label + ':':<{_LABELS}}"
        yield from textwrap.wrap(
            words, MAX_WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
        )
    if key.console_url:
        yield f"{INDENT}{'Console:':<{_LABELS}}{key.console_url}"

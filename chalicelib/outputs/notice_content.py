"""What a notice has, in the order of reading: its text and its HTML are made of this. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.outputs.links import defuse_addresses
from chalicelib.outputs.mail import INDENT, how_to_rotate
from chalicelib.outputs.notice_sentences import closing, facts, kind_of, opening, states, test_line
from chalicelib.outputs.sentences import counted
from chalicelib.telling.notice import Notice, NoticeKey

IN_FULL, NAMED = 50, 200  # keys at most, of which the mail says all; and of which it says anything
_FOR_A_SHELL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+=,.-]{0,49}", re.ASCII)  # and no wider than a line


@dataclass(frozen=True)
class KeyPart:
    """A key in a notice; `kind` is what it is marked by: leaked, expired, unused or due_soon."""

    key_id: str
    kind: str
    news: str  # "" of a key without
    state: str
    facts: tuple[tuple[str, str], ...]  # labels and sentences
    console_url: str  # "" where it is not known


@dataclass(frozen=True)
class Content:
    """A notice in sentences, nothing in which makes a new line, or a link but to the console."""

    test: str  # "" unless it is one
    opening: tuple[str, ...]  # paragraphs
    keys: tuple[KeyPart, ...]
    more_title: str  # "" where all keys are said in full
    more: tuple[str, ...]
    how_to: str
    commands: tuple[str, ...]  # lines
    closing: tuple[str, ...]  # paragraphs


def content_of(notice: Notice, test_to: str, *, can_reply: bool) -> Content:
    """Return what a notice has; `test_to` says that it is a test, `can_reply` that somebody reads what is replied."""
    rest = notice.keys[IN_FULL:]
    lines = [line for line in how_to_rotate(*_names_in_commands(notice)) if line]
    return Content(
        test=_plain(test_line(notice)) if test_to else "",
        opening=tuple(map(_plain, opening(notice))),
        keys=tuple(_key_part(key, notice) for key in notice.keys[:IN_FULL]),
        more_title=f"And {counted(len(rest), 'other key')} of yours:" if rest else "",
        more=tuple(map(_plain, _in_a_line(notice))),
        how_to=_plain(" ".join(line for line in lines if not line.startswith(INDENT))),
        commands=tuple(line.removeprefix(INDENT) for line in lines if line.startswith(INDENT)),
        closing=tuple(map(_plain, closing(notice, can_reply=can_reply))),
    )


def _names_in_commands(notice: Notice) -> tuple[str, ...]:
    """Return the user and the key of a notice of one; nothing of more, and no name that could become a link."""
    if len(notice.keys) > 1:
        return ()
    finding = notice.keys[0].owned.finding
    name = finding["user_name"]
    is_plain = _FOR_A_SHELL.fullmatch(name) and defuse_addresses(name) == name
    return (name if is_plain else "USER", finding["access_key_id"])


def _key_part(key: NoticeKey, notice: Notice) -> KeyPart:
    finding = key.owned.finding
    new, known = states(key, notice)
    return KeyPart(
        key_id=finding["access_key_id"],
        kind=kind_of(finding),
        news=_plain(_sentence(new)),
        state=_plain(_sentence(known)),
        facts=tuple((label, _plain(words)) for label, words in facts(key.owned)),
        console_url=finding["console_url"],
    )


def _in_a_line(notice: Notice) -> Iterator[str]:
    """Yield the keys that are not said in full, a line each, and how many more there are."""
    for key in notice.keys[IN_FULL:NAMED]:
        finding = key.owned.finding
        new, known = states(key, notice)
        news = f"NEW: {'; '.join(new)}" if new else ""
        user = defuse_addresses(finding["user_name"])
        yield f"{finding['access_key_id']}, {user}, {key.owned.account_id}: {'; '.join(filter(None, (news, *known)))}"
    if left := len(notice.keys[NAMED:]):
        yield f"and {left} more: your security team's report has them."


def _sentence(states: list[str]) -> str:
    """Return states as a sentence, "" for none."""
    words = "; ".join(states)
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _plain(text: str) -> str:
    """Return a text on one line, without what only looks like nothing: whoever may tag users writes some of it."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())

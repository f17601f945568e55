"""Text of others as it may stand in a mail or in chat: nothing in it becomes a link to click. Pure."""

import re

_ADDRESS = re.compile(r"[(<]?(?:[A-Za-z]+:)?[\w+=-][\w.+=-]*@[\w-]+(?:\.[\w-]+)+[.:;,)>]*")
_SCHEME = re.compile(r"://|\b(?:mailto|tel|sms|sip):", re.IGNORECASE)
_DOT_OF_A_NAME = re.compile(r"(?<=[\w-])\.(?=[^\W\d_]{2})")


def defuse_links(text: str) -> str:
    """Return the text with links written so that no mail client makes them: https[:]//example[.]com.

    Whoever may tag a user writes into the security team's mail. E-mail addresses stay: they are how owners are reached.
    """
    return re.sub(r"\S+", lambda word: _defused(word[0]), text)


def defuse_all(text: str) -> str:
    """Return the text with links and e-mail addresses written so that no mail client makes a link of them.

    It is for what is no way to reach anybody, such as names and descriptions.
    """
    return _without_links(text)


def defuse_addresses(text: str) -> str:
    """Return IAM's words about a user with no address of a site in them: a path or a name may look like one.

    Other words stay as IAM has them, ARNs and `Iam.IamException` among them.
    """
    return re.sub(r"\S*(?:://|www\.)\S*", lambda word: _defused(word[0]), text, flags=re.IGNORECASE)


def in_backticks(text: str) -> str:
    """Return text of others as it may stand in chat, where nothing between backticks is taken for markup."""
    in_one_piece = " ".join(text.split()).replace("`", "'")
    return f"`{defuse_addresses(in_one_piece)}`"


def _defused(word: str) -> str:
    if _ADDRESS.fullmatch(word) and not _SCHEME.search(word):
        return word
    return _without_links(word)


def _without_links(text: str) -> str:
    without_scheme = _SCHEME.sub(lambda scheme: scheme[0].replace(":", "[:]"), text)
    return _DOT_OF_A_NAME.sub("[.]", without_scheme)

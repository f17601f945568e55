"""The mail to an owner of access keys: which are theirs, what is new, what to do by when. Pure."""

from dataclasses import dataclass

from chalicelib.telling.notice import Notice


@dataclass(frozen=True)
class Mail:
    """A mail: a subject of under 100 ASCII characters, plain text, and the same as HTML."""

    subject: str
    text: str
    html: str


def compose_notice(notice: Notice, test_to: str = "") -> Mail:
    """Return the mail of a notice; with `test_to` it says that it goes there instead of to the owner."""
    ids = [key.owned.finding["access_key_id"] for key in notice.keys]
    subject = f"{len(ids)} of your IAM access keys"
    return Mail(f"[Test, for {notice.owner}] {subject}" if test_to else subject, "\n".join(ids), "<br>".join(ids))

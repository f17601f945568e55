"""The message to the topic about notices that could not be sent to owners. Pure."""

from collections.abc import Sequence

from chalicelib.documents import SCHEMA_VERSION
from chalicelib.outputs.message_chat import custom_notification
from chalicelib.outputs.sns import Notification, as_notification
from chalicelib.settings import HttpsFormat
from chalicelib.telling_documents import NoticeCounts


def compose_refusals(  # noqa: PLR0913  # each is a fact that the message says
    scan_id: str,
    account_id: str,
    *,
    counts: NoticeCounts,
    refused: Sequence[tuple[str, str]],
    stopped: str | None,
    https_format: HttpsFormat,
) -> Notification:
    """Return the message about owners who could not be notified: who and why, and why no more were, if so."""
    subject = f"{counts['refused']} notices to owners were refused"
    text = "\n".join(f"{owner}: {cause}" for owner, cause in refused) + (stopped or "")
    chat = custom_notification((scan_id, "notices_refused", account_id), subject, [text], [])
    return as_notification(
        subject,
        text,
        {"schema_version": SCHEMA_VERSION, "kind": "notices", "verdict": "notices_refused", "counts": counts},
        chat if https_format is HttpsFormat.CHAT else None,
        {"kind": "notices", "verdict": "notices_refused", "account_id": account_id},
    )

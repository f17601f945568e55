"""The message to the topic about notices that owners were not sent. Pure."""

from collections.abc import Iterator, Sequence

from chalicelib.documents import SCHEMA_VERSION
from chalicelib.outputs.links import defuse_addresses, defuse_links, in_backticks
from chalicelib.outputs.mail import INDENT, wrapped
from chalicelib.outputs.message_chat import custom_notification
from chalicelib.outputs.sentences import counted
from chalicelib.outputs.sns import Notification, as_notification
from chalicelib.outputs.subject import first_fitting
from chalicelib.settings import HttpsFormat
from chalicelib.telling_documents import NoticeCounts

_LISTED = 10
_MAX_OWNER, _MAX_CAUSE = 256, 500  # characters
_CORRECT_THE_TAG = (
    "If an address is wrong, correct the owner tag of the IAM user: the next scan sends that owner's notice."
)
_VERIFY = (
    "In its sandbox, SES sends to and from verified addresses alone: verify the domain of the address in the stack's"
    " Region, or ask for production access."
)
# What to do, by what AWS says that it stopped for; the first that is in its words.
_STEPS = {
    "not verified": _VERIFY,
    "MailFromDomainNotVerified": "Verify the domain of NoticesFrom in SES, in the stack's Region.",
    "SendingPaused": "Look at the account dashboard of SES's console: it says why sending is paused, and what to do.",
    "AccountSuspended": "Look at the account dashboard of SES's console, and answer AWS's mail or case about it.",
    "AccessDenied": "Look for what denies it: a service control policy, a permissions boundary, or a changed role.",
    "AuthorizationError": "Look for what denies it: a service control policy, or a changed policy of the topic.",
    "NotFound": (
        "What notices are sent by was deleted, SES's configuration set or the owners' topic: to make it anew, deploy"
        " with OwnerNotices=off, then with the value it had."
    ),
    "quota": "Ask AWS to raise the sending quota of SES in the stack's Region, or wait: a day's quota is of 24 hours.",
    "TooManyRequests": "If this happens often, ask AWS to raise the sending rate of SES in the stack's Region.",
    "Throttl": "If this happens often, ask AWS to raise the rate of sending in the stack's Region.",
}
_SEND_MORE = "Raise MaxNoticesPerScan, as far as the sending quota of SES goes."
_OTHERWISE = "If it is so after the next scan, too, look in the log of the function NotifyOwners."


def compose_refusals(  # noqa: PLR0913  # each is a fact that the message says
    scan_id: str,
    account_id: str,
    *,
    counts: NoticeCounts,
    refused: Sequence[tuple[str, str]],
    stopped: str | None,
    late: int,
    https_format: HttpsFormat,
) -> Notification:
    """Return the message about owners whose notices were refused, each with why, and why no more were sent, if so.

    `late` is how many owners wait for a weekly notice for more than two weeks.
    """
    verdict = "notices_refused" if refused else "notices_stopped" if stopped else "notices_late"
    listed = [(owner[:_MAX_OWNER], cause[:_MAX_CAUSE]) for owner, cause in refused[:_LISTED]]
    more = [f"and {len(refused) - _LISTED} more."] if len(refused) > _LISTED else []
    subject = _subject(account_id, len(refused), stopped, counts)
    stopped_for = stopped and stopped[:_MAX_CAUSE]
    steps = list(_steps([cause for _, cause in refused], stopped, late))
    what = list(_what_happened(len(refused), stopped_for, late, counts))
    text = [
        *wrapped(map(defuse_addresses, what)),
        *(["", "Refused:"] if refused else []),
        *(line for owner, cause in listed for line in _refused_lines(owner, cause)),
        *(f"{INDENT}{line}" for line in more),
        "",
        "What to do:",
        *wrapped(steps, INDENT),
        "",
        *wrapped([_counts_line(counts)]),
        f"Scan: {scan_id}",
    ]
    in_chat = [
        *_what_happened(len(refused), stopped_for and in_backticks(stopped_for), late, counts),
        *(f"{in_backticks(owner)}: {in_backticks(cause)}" for owner, cause in listed),
        *more,
        _counts_line(counts),
    ]
    chat = custom_notification((scan_id, verdict, account_id), subject, in_chat, steps)
    for_programs = {
        "schema_version": SCHEMA_VERSION,
        "kind": "notices",
        "verdict": verdict,
        "scan_id": scan_id,
        "account_id": account_id,
        "counts": counts,
        "refused": [{"owner": owner, "cause": cause} for owner, cause in listed],
        "refused_left_out": len(refused) - len(listed),
        "stopped": stopped_for,
        "late": late,
    }
    return as_notification(
        subject,
        "\n".join(text) + "\n",
        for_programs,
        chat if https_format is HttpsFormat.CHAT else None,
        {"kind": "notices", "verdict": verdict, "account_id": account_id},
    )


def _subject(account_id: str, refused: int, stopped: str | None, counts: NoticeCounts) -> str:
    what = f"Notices to owners {'stopped' if stopped else 'are late'}"
    what = f"{counted(refused, 'owner')} could not be notified" if refused else what
    left = f", {counts['left']} left for the next scan" if counts["left"] else ""
    of = " of their IAM access keys" if refused else ""
    return first_fitting(f"{what}{of}{left} in account {account_id}", f"{what}{left} in account {account_id}")


def _what_happened(refused: int, stopped: str | None, late: int, counts: NoticeCounts) -> Iterator[str]:
    if refused:
        notices = "the notice was" if refused == 1 else "the notices were"
        yield f"{counted(refused, 'owner')} could not be notified of their IAM access keys: {notices} refused."
        yield f"{'It is' if refused == 1 else 'They are'} tried again when there is news for the owner, or in a week."
    if stopped:
        left = counts["left"]
        rest = f" {counted(left, 'owner')} {'is' if left == 1 else 'are'} left for the next scan." if left else ""
        yield f"No more notices were sent: {stopped.rstrip('.')}.{rest}"
    if late:
        have = f"{counted(late, 'owner')} {'has' if late == 1 else 'have'}"
        yield (
            f"{have} waited for more than two weeks for a weekly notice: more are due than scans send, and those with"
            " news go first."
        )
    if lost := counts["lost"]:
        yield (
            f"Not sent, but on record as sent: notices to {counted(lost, 'owner')}, because S3 did not take that back."
            " Their next mail comes with news, or in a week."
        )


def _steps(causes: Sequence[str], stopped: str | None, late: int) -> Iterator[str]:
    """Yield what to do for each cause once."""
    if causes:
        yield _CORRECT_THE_TAG
    unverified = any("not verified" in cause for cause in causes)
    step = stopped and next((step for words, step in _STEPS.items() if words.lower() in stopped.lower()), _OTHERWISE)
    if unverified and step != _VERIFY:
        yield _VERIFY
    if step:
        yield step
    if late and not stopped:
        yield _SEND_MORE


def _refused_lines(owner: str, cause: str) -> Iterator[str]:
    yield from wrapped([defuse_links(owner)], INDENT)
    yield from wrapped([defuse_addresses(cause)], INDENT * 3)


def _counts_line(counts: NoticeCounts) -> str:
    """Return what became of all owners in one sum."""
    parts = {
        "sent": "sent a notice",
        "refused": "refused",
        "unknown": "sent perhaps, without an answer",
        "nothing_new": "without news",
        "claimed": "notified by another scan",
        "left": "left for the next scan",
        "lost": "not sent, but on record as sent",
    }
    numbers = {words: counts[name] for name, words in parts.items()}  # type: ignore[literal-required]  # its fields
    became = " + ".join(f"{number} {words}" for words, number in numbers.items() if number)
    return f"Owners: {counts['owners']} = {became}."

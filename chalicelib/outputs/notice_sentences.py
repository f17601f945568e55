"""What a notice says to the owner of access keys, in sentences. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from chalicelib.evaluation.tags import REASON_TAG, UNTIL_TAG
from chalicelib.instants import format_instant, parse_instant
from chalicelib.key_documents import ACTIVE, Finding
from chalicelib.outputs.links import defuse_addresses, defuse_all, defuse_links
from chalicelib.outputs.organization_sentences import account_label
from chalicelib.outputs.plan_sentences import announced_to_owner
from chalicelib.outputs.sentences import (
    counted,
    is_or_are,
    last_use_in_words,
    leave_keys_lines,
    overdue_since,
    severity_label,
    to_do_counted,
    to_the_second,
    why_advised,
    why_not_exempt,
)
from chalicelib.outputs.subject import first_fitting
from chalicelib.outputs.usage_sentences import seen_from_in_words
from chalicelib.report.counts import count_advice
from chalicelib.telling.notice import Notice, NoticeKey, OwnedKey

# What is the case with how many keys, the most severe first: each key counts once.
_KINDS = {"leaked": "of a quarantined user", "expired": "overdue", "unused": "unused", "due_soon": "due soon"}
_IF_LEAKED = (
    "Deactivate all keys of this user now, even if something stops, and tell your security team. Then create a new key"
    " (if the user has two, delete one first), and find out with them what the leaked key was used for."
)
_BECAME = {"became_safe": "became safe to deactivate"}
_DAYS = {0: "today", 1: "tomorrow"}


def notice_subject(notice: Notice) -> str:
    """Return the subject: how many of the owner's keys are how, what is new, and where; under 100 ASCII characters."""
    kinds = _count_kinds(notice)
    leading = next(iter(kinds))
    begin = "ACT NOW: " if leading == "leaked" else "Reminder: " if notice.kind == "digest" else ""
    firsts = [f"{begin}{one[:1].lower() if begin else one[:1]}{one[1:]}" for one in _of_your_keys(notice, leading)]
    others = "".join(f", {number} {_KINDS[kind]}" for kind, number in kinds.items() if kind != leading)
    soon = sum("deactivation" in key.news for key in notice.keys)
    planned, new = f", {soon} to be deactivated" if soon else "", _new_in_short(notice)
    places = [f": {place}" for place in _places(notice) if place.isascii() and place.isprintable()]
    return first_fitting(
        *(f"{first}{others}{planned}{new}{place}" for first in firsts for place in places),
        *(f"{first}{others}{planned}{new}" for first in firsts),
        f"{firsts[-1]}{others}{new}",
        f"{firsts[-1]}{new}",
    )


def opening(notice: Notice) -> Iterator[str]:
    """Yield what the mail is about, why its reader gets it, what to do and by when: a paragraph each."""
    kinds, keys = _count_kinds(notice), notice.keys
    leading = next(iter(kinds))
    others = "".join(f", {number} {_KINDS[kind]}" for kind, number in kinds.items() if kind != leading)
    where = _in_which_accounts(notice)
    yield f"{_of_your_keys(notice, leading)[0]}{others}, in {where}.{_what_is_new(notice)}"
    days = {key.owned.max_age_days for key in keys}
    limit = f", and here it has to be replaced before it is {counted(max(days), 'day')} old" if len(days) == 1 else ""
    yield (
        f"You get this mail because {_which_tag(keys)} {defuse_links(notice.owner)}."
        f" An access key lets a program into AWS as a password would{limit}."
    )
    findings = [key.owned.finding for key in keys]
    safe = sum(one["advice"] == "finish_rotation" and bool(one["safe_to_deactivate"]) for one in findings)
    yield " ".join([*to_do_counted(count_advice(findings), safe), _by_when(findings), *_planned(notice)])


def _which_tag(keys: Sequence[NoticeKey]) -> str:
    """Return which tag of which IAM user names the owner, as far as that is the same of all keys and is known."""
    users = {(key.owned.account_id, key.owned.finding["user_name"]) for key in keys}
    of = f"the IAM user {defuse_all(next(iter(users))[1])}" if len(users) == 1 else "their IAM users"
    tags = {_tag_of_owner(key.owned.finding) for key in keys}
    tag = tags.pop() if len(tags) == 1 else None
    return f'the tag "{defuse_all(tag)}" of {of} names' if tag else f"the owner tag of {of} names"


def _tag_of_owner(finding: Finding) -> str | None:
    tags = finding["tags"]
    return None if isinstance(tags, str) else next((one for one in tags if tags[one] == finding["owner"]), None)


def closing(notice: Notice, *, can_reply: bool) -> Iterator[str]:
    """Yield how these mails end, what to do if the keys are somebody else's, and which scan the mail is of."""
    ends = "rotated, deactivated or deleted"
    if any(key.owned.includes_inactive for key in notice.keys):
        ends = "deleted (inactive ones count, too)"
    is_leaked = any(_is_leaked(key.owned.finding) for key in notice.keys)
    leaked = " An exemption does not stop them for a user whose key leaked." if is_leaked else ""
    yield (
        f"These mails stop by themselves when the keys are {ends}, or when an exemption is in force (tags {UNTIL_TAG}"
        f" and {REASON_TAG} of the user; ask your security team).{leaked} Until then there is one a week, and one when"
        " something is new."
    )
    yield "Not yours? Ask your security team to correct the owner tag of the user."
    if can_reply:
        yield "Questions? Reply to this mail."
    yield f"As of {to_the_second(format_instant(notice.as_of))}, scan {notice.scan_id}."


def test_line(notice: Notice) -> str:
    """Return that a mail is a test, and whom it is for."""
    return (
        f"This is a test: NoticesTestTo is set, so this mail went to you, and not to {defuse_links(notice.owner)}."
        " The rest is what they would read."
    )


def states(key: NoticeKey, notice: Notice) -> tuple[list[str], list[str]]:
    """Return what is the case with a key: what is new to its owner, and what is not; all of a first mail is not."""
    words = _states(key.owned, notice.as_of)
    if key.is_new:
        return [*words.values()], []
    news = {reason.partition("_in_")[0] for reason in key.news} if notice.kind == "news" else set()
    fresh = [_BECAME.get(state, text) for state, text in words.items() if state in news]
    return fresh, [text for state, text in words.items() if state not in news]


def facts(owned: OwnedKey) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of a key: a label and a sentence, nothing in which makes a link or a new line."""
    finding = owned.finding
    severe = severity_label(finding)
    yield "What to do", _IF_LEAKED if _leaks(finding) else why_advised(finding)
    yield "Account", defuse_all(account_of(owned))
    yield "User", defuse_addresses(finding["user_name"])  # as in the topic's mail: many names have a dot
    if finding["description"] is not None:
        yield "Description", defuse_all(finding["description"])
    if finding["verdict"] == "ok":  # it leaked, and the report has no more of it
        return
    yield "Age", f"{counted(finding['age_days'], 'day')}{f' ({severe.lower()} severity)' if severe else ''}"
    yield "Last used", last_use_in_words(finding)
    seen = finding["seen_from"]
    if seen and seen["status"] in ("seen", "nothing"):
        yield "Seen", defuse_all(" ".join(seen_from_in_words(seen)).removeprefix("Seen "))
    for line in leave_keys_lines(finding):
        yield "Instead", line.removeprefix("Instead of a key: ")
    for line in why_not_exempt(finding):
        yield "Exemption", defuse_all(line)


def account_of(owned: OwnedKey) -> str:
    """Return the account of a key, by name where it has one."""
    name, alias = owned.account_name, owned.account_alias
    return account_label({"account_id": owned.account_id, "account_name": name, "account_alias": alias})


def in_ascii(text: str) -> str:
    """Return a text as it may stand in a subject: on one line, a question mark for each character beyond ASCII."""
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in " ".join(text.split()))


def kind_of(finding: Finding) -> str:
    """Return the most severe thing that is the case with a key: leaked, or its verdict."""
    return "leaked" if _is_leaked(finding) else finding["verdict"]


def _is_leaked(finding: Finding) -> bool:
    return finding["quarantined_by"] not in (None, "unknown")


def _leaks(finding: Finding) -> bool:
    """Return whether a key is as dangerous as the one that leaked, if it is another."""
    return _is_leaked(finding) and finding["status"] == ACTIVE


def _count_kinds(notice: Notice) -> dict[str, int]:
    found = [kind_of(key.owned.finding) for key in notice.keys]
    return {kind: found.count(kind) for kind in _KINDS if kind in found}


def _of_your_keys(notice: Notice, kind: str) -> tuple[str, ...]:
    """Return how many keys are how, the longest wording first; AWS quarantines a user, and names no key."""
    number = _count_kinds(notice)[kind]
    whose = "Your IAM access key" if len(notice.keys) == 1 else f"{number} of your IAM access keys"
    hows: tuple[str, ...] = (_KINDS[kind],)
    if kind == "leaked":
        leaked = [key.owned for key in notice.keys if _is_leaked(key.owned.finding)]
        is_one = len({(one.account_id, one.finding["user_name"]) for one in leaked}) == 1
        of_many = ("of users whose keys leaked", "of quarantined users")
        hows = ("of a user whose key leaked", *hows) if is_one else of_many
    return tuple(f"{whose} {is_or_are(number)} {how}" for how in hows)


def _count_new(notice: Notice) -> int:
    return sum(bool(key.news) or key.is_new for key in notice.keys) if notice.kind != "first" else 0


def _new_in_short(notice: Notice) -> str:
    new = _count_new(notice)
    return f", {new} new" if new and len(notice.keys) > 1 else ""


def _what_is_new(notice: Notice) -> str:
    if notice.kind == "first":
        return f" This is the first mail about {'it' if len(notice.keys) == 1 else 'them: it lists all'}."
    new = _count_new(notice)
    if notice.kind == "digest":
        is_listed = "is listed for the first time" if new == 1 else "are listed for the first time"
        listed = [f"{new} {is_listed}, marked NEW below"] if new else []
        still = list(_still_active(notice))
        calm = [] if still else ["nothing urgent is new" if new else "nothing is new since the last mail"]
        return f" This is the weekly reminder: {', and '.join([*still, *listed, *calm])}."
    if len(notice.keys) == 1:
        return " There is news, marked NEW below."
    return f" {new} {'has' if new == 1 else 'have'} news, marked NEW below."


def _still_active(notice: Notice) -> Iterator[str]:
    """Yield that leaked keys are still to be deactivated, where there are any."""
    if number := sum(_leaks(key.owned.finding) for key in notice.keys):
        yield f"{'it is' if number == 1 else 'they are'} still not deactivated"


def _places(notice: Notice) -> list[str]:
    accounts = {key.owned.account_id: key.owned for key in notice.keys}
    if len(accounts) > 1:
        return [counted(len(accounts), "AWS account")]
    return [account_of(next(iter(accounts.values()))), *accounts]


def _in_which_accounts(notice: Notice) -> str:
    place = _places(notice)[0]
    return place if "AWS account" in place else f"AWS account {defuse_all(place)}"


def _by_when(findings: list[Finding]) -> str:
    due = sorted(one["overdue_at"][:10] for one in findings if kind_of(one) == "due_soon")
    now = len(findings) - len(due)
    if not due:
        return "By when: now."
    if not now:
        return f"By when: by {due[0]}{' for the first of them' if len(due) > 1 else ''}."
    others = f"by {due[0]} for the other" if len(due) == 1 else f"the other {len(due)} from {due[0]} on"
    return f"By when: now for {now}, {others}."


def _planned(notice: Notice) -> Iterator[str]:
    planned = [key for key in notice.keys if _announced(key.owned, notice.as_of)]
    if planned:
        what = "1 is" if len(planned) == 1 else f"{len(planned)} are"
        yield f"{what} to be deactivated for you unless used, as said below."


def _announced(owned: OwnedKey, as_of: datetime) -> list[str]:
    return list(announced_to_owner(owned.finding, format_instant(as_of))) if owned.deactivates else []


def _states(owned: OwnedKey, as_of: datetime) -> dict[str, str]:
    """Return in words what is the case with a key, by how the reasons begin for which an owner is told at once."""
    finding, found = owned.finding, {}
    if _is_leaked(finding):
        found["leaked"] = f"its user's key leaked, act now: AWS quarantined the user ({finding['quarantined_by']})"
    for words in _announced(owned, as_of):
        found["deactivation"] = words
    if finding["verdict"] == "expired":
        found["expired"] = overdue_since(finding)
    elif finding["verdict"] == "due_soon":
        days = (parse_instant(finding["overdue_at"]).date() - as_of.date()).days
        found["due"] = f"due on {finding['overdue_at'][:10]}, {_DAYS.get(days, f'in {days} days')}"
    elif finding["verdict"] == "unused":
        found["unused"] = "unused"
    if finding["safe_to_deactivate"] and finding["verdict"] != "due_soon":
        found["became_safe"] = "safe to deactivate"
    return found

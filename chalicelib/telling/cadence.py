"""When an owner is sent a notice: at once for what is news, otherwise weekly, and once a scan at most. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from chalicelib.age import Verdict
from chalicelib.documents import SCHEMA_VERSION
from chalicelib.instants import format_instant, parse_instant
from chalicelib.key_documents import Finding
from chalicelib.report.summary import most_severe_first
from chalicelib.telling.notice import Notice, NoticeKey, OwnedKey
from chalicelib.telling_documents import OwnerFile, Reason, ToldKey

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_BEFORE_DEACTIVATION = timedelta(days=3)
# A daily scan begins some seconds earlier than the one that sent the last notice: it would miss the day by them.
_SCANS_BEGIN_WITHIN = timedelta(hours=1)
_CLOCKS_DIFFER_BY = timedelta(minutes=5)  # at most, those of Step Functions and of S3
_LONGEST_TEXT = 300  # of a cause in AWS's words, and of what else a file says beside keys
_REASONS: tuple[Reason, ...] = get_args(Reason)  # most urgent first


def reasons_of(owned: OwnedKey, as_of: datetime) -> Iterator[Reason]:
    """Yield for which reasons an owner is told of a key at once."""
    finding = owned.finding
    if finding["quarantined_by"] not in (None, "unknown"):
        yield "leaked"
    if owned.deactivates and _is_about_to_go(finding, as_of):
        yield "deactivation"
    if finding["verdict"] == Verdict.EXPIRED:
        yield "expired"
    if finding["safe_to_deactivate"] and finding["verdict"] in (Verdict.EXPIRED, Verdict.UNUSED):
        yield "became_safe"
    if finding["verdict"] == Verdict.DUE_SOON:
        left = parse_instant(finding["overdue_at"]) - as_of
        if left <= _WEEK:
            yield "due_in_1_day" if left <= _DAY else "due_in_7_days"


def _is_about_to_go(finding: Finding, as_of: datetime) -> bool:
    plan = finding.get("plan")
    if plan is None or plan["due_on"] is None:
        return plan is not None and plan["status"] == "due"
    ahead = datetime.fromisoformat(plan["due_on"]).date() - as_of.date()
    return plan["status"] == "due" or ahead <= _BEFORE_DEACTIVATION


def _unknown_reasons(finding: Finding) -> Iterator[Reason]:
    """Yield the reasons of which this scan cannot say whether they hold: those that held before still do."""
    if finding["quarantined_by"] == "unknown":
        yield "leaked"
    if finding["last_used"] == "unknown":
        yield from ("deactivation", "became_safe")


def decide(
    owner: str,
    keys: Sequence[OwnedKey],
    file: OwnerFile | None,
    scan: tuple[str, datetime],
    speaks_for: Callable[[ToldKey], bool],
) -> Notice | None:
    """Return the notice that is due to an owner, None for none; `keys` are the owner's, the most severe first.

    `file` is what the owner was told, None for nothing yet; `scan` is its id and its instant. What the owner was told
    of a key that is not found stays on file where the scan cannot speak for it.
    """
    scan_id, as_of = scan
    told = file["keys"] if file else {}
    since = as_of - parse_instant(file["mailed_at"]) if file else None
    # A later scan was faster; or the file is damaged, and what it said may have been of a notice today.
    if since is not None and (since < timedelta() or not (told or since >= _DAY - _SCANS_BEGIN_WITHIN)):
        return None
    listed, claimed = [], {key_id: one for key_id, one in told.items() if not speaks_for(one)}
    for owned in keys:
        key_id = owned.finding["access_key_id"]
        told_for = told[key_id]["reasons"] if key_id in told else []
        claimed[key_id] = _told_key(owned, told_for, as_of)
        news = tuple(reason for reason in claimed[key_id]["reasons"] if reason not in told_for)
        listed.append(NoticeKey(owned, news))
    is_news = any(key.news for key in listed)
    if told and since is not None and not is_news and since < _WEEK - _SCANS_BEGIN_WITHIN:
        return None
    claim: OwnerFile = {
        "schema_version": SCHEMA_VERSION,
        "owner": owner,
        "scan_id": scan_id,
        "mailed_at": format_instant(as_of),
        "keys": claimed,
        "refused": None,
    }
    kind = "first" if not told else "news" if is_news else "digest"
    return Notice(owner, kind, tuple(listed), as_of, scan_id, claim)  # type: ignore[arg-type]  # one of the three


def _told_key(owned: OwnedKey, told_for: Sequence[Reason], as_of: datetime) -> ToldKey:
    """Return what an owner is told of a key: for which reasons that hold now, or held before and may still."""
    kept = {reason for reason in _unknown_reasons(owned.finding) if reason in told_for}
    return {
        "account_id": owned.account_id,
        "user_name": owned.finding["user_name"],
        "reasons": sorted(kept.union(reasons_of(owned, as_of)), key=_REASONS.index),
    }


def most_urgent_first(notice: Notice) -> tuple[bool, tuple[int, datetime, str, str], str]:
    """Return what notices are ordered by where not all can be sent: those with news first, the most severe first.

    Weekly digests come last, so that they never keep others from being told of anything at all.
    """
    return notice.kind == "digest", most_severe_first(notice.keys[0].owned.finding), notice.owner


def never_told(owner: str) -> OwnerFile:
    """Return the file of an owner whose first notice was claimed and not sent: the next scan sends it."""
    long_ago = format_instant(datetime(1970, 1, 1, tzinfo=UTC))
    return _without_keys(owner, long_ago)


def read_owner_file(document: Any, owner: str, written: datetime) -> OwnerFile:
    """Return a file that was written then; one that is damaged, or another owner's, as one that has no keys.

    Whoever may write to the bucket may have put anything there, also right after a notice: the owner counts as told of
    nothing, and as notified when the file was written. So the next notice is a first one, no sooner than a day later.
    """
    try:
        is_whole = _is_whole(document, owner) and parse_instant(document["mailed_at"]) <= written + _CLOCKS_DIFFER_BY
    except (KeyError, TypeError, ValueError, AttributeError):
        is_whole = False
    return document if is_whole else _without_keys(owner, format_instant(written))


def _is_whole(document: Mapping[str, Any], owner: str) -> bool:
    texts = (document["scan_id"], document["mailed_at"], document["refused"] or "")
    return (
        (document["schema_version"], document["owner"]) == (SCHEMA_VERSION, owner)
        and all(isinstance(text, str) and len(text) <= _LONGEST_TEXT for text in texts)
        and all(_is_told(key) for key in document["keys"].values())
    )


def _is_told(key: Mapping[str, Any]) -> bool:
    texts, reasons = (key["account_id"], key["user_name"]), key["reasons"]
    is_list = isinstance(reasons, list) and all(reason in _REASONS for reason in reasons)
    return is_list and all(isinstance(text, str) for text in texts)


def _without_keys(owner: str, mailed_at: str) -> OwnerFile:
    return {
        "schema_version": SCHEMA_VERSION,
        "owner": owner,
        "scan_id": "",
        "mailed_at": mailed_at,
        "keys": {},
        "refused": None,
    }

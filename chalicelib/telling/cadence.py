"""When an owner is sent a notice: at once for what is news, otherwise weekly, and once a scan at most. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from chalicelib.age import Verdict
from chalicelib.documents import SCHEMA_VERSION
from chalicelib.instants import SCANS_BEGIN_WITHIN, format_instant, parse_instant
from chalicelib.key_documents import Finding
from chalicelib.report.summary import most_severe_first
from chalicelib.telling.notice import Notice, NoticeKey, OwnedKey, Scan
from chalicelib.telling_documents import OwnerFile, Reason, ToldKey

_SpeaksFor = Callable[[str, ToldKey], bool]  # of a key id and what was told of it
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_BEFORE_DEACTIVATION = timedelta(days=3)
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
    scan: Scan,
    speaks_for: _SpeaksFor,
) -> Notice | None:
    """Return the notice that is due to an owner, None for none; `keys` are the owner's, the most severe first.

    `file` is what the owner was told, None for nothing yet. What they were told of a key that is not found stays on
    file where the scan cannot speak for it.
    """
    if file and not _may_follow(file, scan):
        return None
    told = file["keys"] if file else {}
    claimed = _claim_keys(keys, file, scan, speaks_for)
    is_first = file is None or not file["scan_id"]
    listed = []
    for owned in keys:
        key_id, told_for = owned.finding["access_key_id"], _told_for(owned, file)
        news = tuple(reason for reason in claimed[key_id]["reasons"] if reason not in told_for)
        listed.append(NoticeKey(owned, news, is_new=not is_first and key_id not in told))
    kind = _kind(file, listed, scan)
    if kind is None:
        return None
    claim: OwnerFile = {
        "schema_version": SCHEMA_VERSION,
        "owner": owner,
        "scan_id": scan.scan_id,
        "mailed_at": format_instant(scan.as_of),
        "keys": claimed,
        "refused": None,
    }
    return Notice(owner, kind, tuple(listed), scan.as_of, scan.scan_id, claim)


def drop_ended(keys: Sequence[OwnedKey], file: OwnerFile, scan: Scan, speaks_for: _SpeaksFor) -> OwnerFile | None:
    """Return the file without the keys and the reasons that ended, so that they are news again; None if all still hold.

    For an owner to whom no notice is due.
    """
    if not _may_follow(file, scan):
        return None
    claimed, told = _claim_keys(keys, file, scan, speaks_for), file["keys"]
    kept: dict[str, ToldKey] = {
        key_id: {**key, "reasons": [reason for reason in key["reasons"] if reason in told[key_id]["reasons"]]}
        for key_id, key in claimed.items()
        if key_id in told
    }
    return {**file, "keys": kept} if kept != told else None


def _may_follow(file: OwnerFile, scan: Scan) -> bool:
    """Return whether a scan may change what an owner was told."""
    since = scan.as_of - parse_instant(file["mailed_at"])
    if since < timedelta():  # a later scan was faster
        return False
    # A damaged file may have told of a notice today.
    return bool(file["scan_id"]) or since >= _DAY - SCANS_BEGIN_WITHIN


def _kind(file: OwnerFile | None, listed: Sequence[NoticeKey], scan: Scan) -> Literal["first", "news", "digest"] | None:
    if file is None or not file["scan_id"]:
        return "first"
    if any(key.news for key in listed):
        return "news"
    since = scan.as_of - parse_instant(file["mailed_at"])
    return "digest" if since >= _WEEK - SCANS_BEGIN_WITHIN else None


def _claim_keys(
    keys: Sequence[OwnedKey], file: OwnerFile | None, scan: Scan, speaks_for: _SpeaksFor
) -> dict[str, ToldKey]:
    """Return what an owner is told of all keys once a notice is sent, and was of those that nobody can speak for."""
    told = file["keys"] if file else {}
    claimed = {key_id: one for key_id, one in told.items() if not speaks_for(key_id, one)}
    for owned in keys:
        claimed[owned.finding["access_key_id"]] = _told_key(owned, _told_for(owned, file), scan.as_of)
    return claimed


def _told_for(owned: OwnedKey, file: OwnerFile | None) -> list[Reason]:
    """Return for which reasons an owner was told of a key, without those that ended since."""
    told = file["keys"].get(owned.finding["access_key_id"]) if file else None
    if file is None or told is None:
        return []
    is_old = owned.since is not None and parse_instant(file["mailed_at"]) <= owned.since
    return [reason for reason in told["reasons"] if not (is_old and reason in owned.again)]


def _told_key(owned: OwnedKey, told_for: Sequence[Reason], as_of: datetime) -> ToldKey:
    """Return what an owner is told of a key: for which reasons that hold now, or held before and may still."""
    kept = {reason for reason in _unknown_reasons(owned.finding) if reason in told_for}
    return {
        "account_id": owned.account_id,
        "user_name": owned.finding["user_name"],
        "reasons": sorted(kept.union(reasons_of(owned, as_of)), key=_REASONS.index),
    }


def most_urgent_first(
    notice: Notice, file: OwnerFile | None
) -> tuple[bool, datetime, tuple[int, datetime, str, str], str]:
    """Return what notices are ordered by where not all can be sent: those with news first, the most severe first.

    Weekly digests come last, so that they never keep others from being told of anything at all; of these, the one whose
    owner waits longest is the first, so that each has its turn.
    """
    since = parse_instant(file["mailed_at"]) if file and notice.kind == "digest" else notice.as_of
    return notice.kind == "digest", since, most_severe_first(notice.keys[0].owned.finding), notice.owner


def is_late(notice: Notice, file: OwnerFile | None) -> bool:
    """Return whether an owner has waited for a weekly digest for more than a week longer."""
    return notice.kind == "digest" and file is not None and notice.as_of - parse_instant(file["mailed_at"]) > 2 * _WEEK


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

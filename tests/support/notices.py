"""Notices to owners, of findings that the same functions make which make real ones."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from chalicelib.documents import Report
from chalicelib.instants import parse_instant
from chalicelib.key_documents import SeenFrom
from chalicelib.telling.notice import Notice, NoticeKey, OwnedKey
from chalicelib.telling_documents import Reason

OWNER = "web@example.com"


def owned(
    finding: Any,
    account_name: str | None = "example-shop",
    account_id: str = "123456789012",
    *,
    alias: str | None = None,
    deactivates: bool = False,
) -> OwnedKey:
    """A finding with its account."""
    return OwnedKey(account_id, account_name, alias, finding, 90, deactivates)


def notice_of(
    report: Report,
    kind: Literal["first", "news", "digest"] = "news",
    news: Mapping[str, Sequence[Reason]] | None = None,
    owner: str = OWNER,
    **account: Any,
) -> Notice:
    """A notice of all findings of a report; `news` are the reasons by access key id, `account` is as `owned` has it."""
    keys = (
        NoticeKey(owned(one, **account), tuple((news or {}).get(one["access_key_id"], ())))
        for one in report["findings"]
    )
    return notice(*keys, kind=kind, owner=owner, as_of=report["as_of"], scan_id=report["scan_id"])


def notice(
    *keys: NoticeKey,
    kind: Literal["first", "news", "digest"] = "news",
    owner: str = OWNER,
    as_of: str = "2026-11-22T08:00:00Z",
    scan_id: str = "scheduled-2026-11-22T080000Z",
) -> Notice:
    """A notice of these keys."""
    claim: Any = {"owner": owner, "scan_id": scan_id}
    return Notice(owner, kind, keys, parse_instant(as_of), scan_id, claim)


def seen(*addresses: str, agent: str = "aws-cli/2.15.30", action: str = "s3:ListBuckets") -> SeenFrom:
    """What CloudTrail says of a key that is used."""
    return {
        "status": "seen",
        "cause": None,
        "region": "eu-west-1",
        "events": 12,
        "more": False,
        "first_at": "2026-11-20T08:00:00Z",
        "last_at": "2026-11-21T08:00:00Z",
        "addresses": [{"value": address, "events": 6} for address in addresses],
        "user_agents": [{"value": agent, "events": 12}],
        "actions": [{"value": action, "events": 12}],
        "errors": [],
    }

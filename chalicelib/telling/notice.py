"""A notice to an owner: their keys, and what of them is new to the owner."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from chalicelib.key_documents import Finding
from chalicelib.telling_documents import OwnerFile, Reason


class Scan(NamedTuple):
    """Which scan a notice is of, and at which instant its keys are judged."""

    scan_id: str
    as_of: datetime


@dataclass(frozen=True)
class OwnedKey:
    """A finding with its account.

    `deactivates`: the stage deactivates keys, and does not only plan to. `includes_inactive`: it judges inactive keys.
    `again` are the reasons that did not hold at the last full scan, which was `since`: who was told before that is told
    again.
    """

    account_id: str
    account_name: str | None  # in the organization
    account_alias: str | None
    finding: Finding
    max_age_days: int
    deactivates: bool
    again: frozenset[Reason] = frozenset()
    since: datetime | None = None
    includes_inactive: bool = False


@dataclass(frozen=True)
class NoticeKey:
    """A key of a notice, for which reasons it is news, most urgent first, and whether it is in a notice first now.

    A key can be without news and new, such as one that is due in three weeks; in a first notice, no key is new.
    """

    owned: OwnedKey
    news: tuple[Reason, ...]
    is_new: bool = False


@dataclass(frozen=True)
class Notice:
    """What one owner is to be sent: `first` of all, for `news` of a key, or as the weekly `digest`."""

    owner: str
    kind: Literal["first", "news", "digest"]
    keys: tuple[NoticeKey, ...]  # all of the owner's, the most severe first
    as_of: datetime
    scan_id: str
    claim: OwnerFile  # to be written before it is sent

"""A notice to an owner: their keys, and what of them is new to the owner."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chalicelib.key_documents import Finding
from chalicelib.telling_documents import OwnerFile, Reason


@dataclass(frozen=True)
class OwnedKey:
    """A finding with its account; `deactivates`: the stage deactivates keys, and does not only plan to."""

    account_id: str
    account_name: str | None  # in the organization
    account_alias: str | None
    finding: Finding
    max_age_days: int
    deactivates: bool


@dataclass(frozen=True)
class NoticeKey:
    """A key of a notice, and for which reasons it is news, most urgent first; none for a key that is known already."""

    owned: OwnedKey
    news: tuple[Reason, ...]


@dataclass(frozen=True)
class Notice:
    """What one owner is to be sent: `first` of all, for `news` of a key, or as the weekly `digest`."""

    owner: str
    kind: Literal["first", "news", "digest"]
    keys: tuple[NoticeKey, ...]  # all of the owner's, the most severe first
    as_of: datetime
    scan_id: str
    claim: OwnerFile  # to be written before it is sent

"""The age rule: when an access key is too old.

Pure: an instant is an argument, always timezone-aware and in UTC; nothing here reads a clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property

_DAY = timedelta(days=1)
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


class Verdict(StrEnum):
    """What the rule says of a key."""

    EXPIRED = "expired"
    DUE_SOON = "due_soon"
    OK = "ok"
    UNUSED = "unused"
    EXEMPT = "exempt"


@dataclass(frozen=True)
class AgeRule:
    """The rule at one instant: a key older than `max_age_days` times 24 hours at `as_of` is expired.

    Where `max_unused_days` is set, a key that was not used for longer is unused.
    """

    as_of: datetime
    max_age_days: int
    warn_days: int
    max_unused_days: int | None = None

    def verdict(self, created_at: datetime) -> Verdict:
        """Judge a key by its age in exact time: of exactly `max_age_days` it is not yet expired."""
        if created_at >= self._due_before:
            return Verdict.OK
        return Verdict.EXPIRED if created_at < self._expired_before else Verdict.DUE_SOON

    @cached_property
    def _expired_before(self) -> datetime:
        return self.as_of - self.max_age_days * _DAY

    @cached_property
    def _due_before(self) -> datetime:
        return self.as_of - (self.max_age_days - self.warn_days) * _DAY

    def is_unused(self, created_at: datetime, last_used_at: datetime | None) -> bool:
        """Judge a key by its last use, None for never: then by its creation."""
        if self.max_unused_days is None:
            return False
        return self.as_of - (last_used_at or created_at) > self.max_unused_days * _DAY

    def details_cutoff(self) -> datetime:
        """Return the instant, in whole seconds, before which keys were created that may be expired or due soon.

        Keys created at it or later need no details; with `max_unused_days`, every key needs them.
        """
        if self.max_unused_days is not None:
            return _END_OF_TIME
        limit = self._due_before
        return limit + timedelta(microseconds=-limit.microsecond % 1_000_000)

    def age_days(self, created_at: datetime) -> int:
        """Count whole days, rounded down; negative for a key created after `as_of`."""
        return (self.as_of - created_at) // _DAY

    def overdue_at(self, created_at: datetime) -> datetime:
        """Return the last instant at which the key is still in time."""
        return created_at + self.max_age_days * _DAY

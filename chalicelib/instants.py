"""Instants, read and written as ISO 8601 in UTC. Pure."""

import re
from datetime import UTC, datetime, timedelta

# A scheduled scan begins some seconds earlier than the one of a day, or of some days, before: it is that much later.
SCANS_BEGIN_WITHIN = timedelta(hours=1)
_SECONDS_LONG = len("2026-11-22T08:00:00Z")
_LONGEST = 64  # of an instant, however it is written: what reads one is not linear in its length
_SHAPE = ("-", "T", ":", ":", "Z")
# Time of day and zone of an ISO 8601 instant; `datetime.fromisoformat` alone takes any separator.
_TIME_AND_ZONE = r"T.*(Z|[+-]\d\d(:?\d\d)?)$"


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant with a zone as UTC; ValueError for anything else."""
    return read_instant(text)[0]


def read_instant(text: str) -> tuple[datetime, str]:
    """Read an instant as `parse_instant` does, and give it as `format_instant` writes it, too.

    AWS writes it so to begin with, and a scan reads thousands: those are recognized by their shape.
    """
    if len(text) == _SECONDS_LONG and (text[7], text[10], text[13], text[16], text[19]) == _SHAPE:
        return datetime.fromisoformat(text), text
    instant = _parse(text)
    return instant, format_instant(instant)


def _parse(text: str) -> datetime:
    if len(text) > _LONGEST or not re.search(_TIME_AND_ZONE, text, re.ASCII):
        raise ValueError("not an ISO 8601 instant with a zone")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:  # year 1 or 9999, moved out of range by its zone
        raise ValueError("out of range") from error


def format_instant(instant: datetime) -> str:
    """Write an instant as YYYY-MM-DDTHH:MM:SSZ, with a fraction of a second only where it has one."""
    text = instant.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"

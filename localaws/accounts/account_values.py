"""Instants and numbers of days, as the parts of an account file take them."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator

from chalicelib.instants import parse_instant

_MAX_DAYS = 36_500


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("takes an ISO 8601 instant with a zone, as text")  # noqa: TRY004  # pydantic wants ValueError
    try:
        return parse_instant(value)
    except ValueError as error:
        raise ValueError('takes an ISO 8601 instant with a zone, such as "2026-11-22T08:00:00Z"') from error


def _days(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MAX_DAYS:
        raise ValueError(f"takes a number of days from -{_MAX_DAYS} to {_MAX_DAYS}")
    return value


Instant = Annotated[datetime, BeforeValidator(_instant)]
Days = Annotated[float, BeforeValidator(_days)]

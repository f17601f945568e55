"""What CloudTrail has of an access key, in the account file: its events, as the API records them."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from localaws.accounts.account_values import Days, Instant
from localaws.strict_json import Strict, is_plain, matching

_LONGEST_TEXT = 512
_MOST_TIMES = 1000


def _text(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_TEXT or not is_plain(text):
        raise ValueError(f"takes 1 to {_LONGEST_TEXT} characters, not blank, without control characters")
    return text


def _times(value: int) -> int:
    if not 1 <= value <= _MOST_TIMES:
        raise ValueError(f"takes a whole number from 1 to {_MOST_TIMES}")
    return value


Text = Annotated[str, AfterValidator(_text)]
Source = Annotated[str, matching(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?", "a service such as s3.amazonaws.com")]
Region = Annotated[str, matching(r"[a-z0-9-]{1,64}", "a Region such as eu-west-1")]


class KeyEvent(Strict):
    """A call that was made with a key; `times` more than once, a minute apart, counted back from its instant."""

    at: Instant | None = None
    days_ago: Days | None = None
    name: Text
    source: Source
    address: Text
    user_agent: Text
    error: Text | None = None
    region: Region | None = None  # that of the key's last use, without one
    times: Annotated[int, AfterValidator(_times)] = Field(default=1)

    @model_validator(mode="after")
    def _has_one_instant(self) -> "KeyEvent":
        if (self.at is None) == (self.days_ago is None):
            raise ValueError("takes either at or days_ago")
        return self

    def happened(self, now: datetime) -> list[datetime]:
        """Return the instants of the calls, the latest first."""
        latest = self.at or now - timedelta(days=self.days_ago or 0)
        return [(latest - timedelta(minutes=number)).replace(microsecond=0) for number in range(self.times)]

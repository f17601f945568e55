"""Whether and when a stage deactivates keys: environment variables, parsed in one place."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from chalicelib.settings import InvalidSettingError, choice, number

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MOST_DAYS, _MOST_PER_SCAN = 365, 100
_PATH, _PATH_TAKES = r"/|/[!-#%-)+->@-~]{1,510}/", "/, or text between two / without * ? $"
Mode = Literal["plan", "apply"]


@dataclass(frozen=True)
class DeactivationSettings:
    """Whether keys are planned alone or deactivated, after how many days of notice, and which ones."""

    mode: Mode
    needs_approval: bool = True
    after_days: int = 14
    weekdays: tuple[str, ...] = ("MON", "TUE", "WED", "THU")  # in UTC
    max_per_scan: int = 5
    tagged_only: bool = False
    user_path: str = "/"


def parse_deactivation_settings(settings: Mapping[str, str]) -> DeactivationSettings | None:
    """Read DEACTIVATION and what belongs to it, None for off; raise InvalidSettingError for an invalid value."""
    mode = choice("DEACTIVATION", settings.get("DEACTIVATION", "off"), ("off", "plan", "apply"))
    if mode == "off":
        return None
    needs_approval = (
        choice("DEACTIVATION_APPROVAL", settings.get("DEACTIVATION_APPROVAL", "required"), ("required", "none"))
        == "required"
    )
    after_days = number(settings, "DEACTIVATE_AFTER_DAYS", 14, 0, _MOST_DAYS)
    if not after_days and not needs_approval:
        takes = f"an integer from 1 to {_MOST_DAYS}, where nobody has to approve (DEACTIVATION_APPROVAL)"
        raise InvalidSettingError("DEACTIVATE_AFTER_DAYS", after_days, takes)
    path = settings.get("DEACTIVATION_USER_PATH", "/")
    if not re.fullmatch(_PATH, path, re.ASCII):
        raise InvalidSettingError("DEACTIVATION_USER_PATH", path, _PATH_TAKES)
    return DeactivationSettings(
        mode="apply" if mode == "apply" else "plan",
        needs_approval=needs_approval,
        after_days=after_days,
        weekdays=_weekdays(settings.get("DEACTIVATION_WEEKDAYS", "MON,TUE,WED,THU")),
        max_per_scan=number(settings, "MAX_DEACTIVATIONS_PER_SCAN", 5, 1, _MOST_PER_SCAN),
        tagged_only=choice("DEACTIVATION_SCOPE", settings.get("DEACTIVATION_SCOPE", "all"), ("all", "tagged"))
        == "tagged",
        user_path=path,
    )


def _weekdays(text: str) -> tuple[str, ...]:
    days = text.split(",")
    if any(day not in WEEKDAYS for day in days) or len(set(days)) < len(days):
        takes = f"days out of {','.join(WEEKDAYS)}, each once, with a comma and no space between"
        raise InvalidSettingError("DEACTIVATION_WEEKDAYS", text, takes)
    return tuple(day for day in WEEKDAYS if day in days)


def deactivation_settings() -> DeactivationSettings | None:
    """Return the stage's settings of deactivations, None where it plans none; InvalidSettingError if one is refused."""
    return parse_deactivation_settings(os.environ)

"""Whom a stage notifies besides the topic, and how: environment variables, parsed in one place."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from chalicelib.settings import InvalidSettingError, choice, number

_LABEL = "[a-z0-9-]{1,63}"
_DOMAIN = rf"{_LABEL}(\.{_LABEL}){{1,5}}"
_ADDRESS = rf"[A-Za-z0-9._+-]{{1,64}}@(?i:{_DOMAIN})"
_MOST_DOMAINS, _MOST_NOTICES, _MOST_REMIND_DAYS = 10, 10_000, 90
_BUS = r"arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]{1,256}"


@dataclass(frozen=True)
class NoticeSettings:
    """How owners are sent notices of their keys: by SES to addresses in `domains`, or by SNS to a second topic."""

    by: Literal["ses", "sns"]
    domains: tuple[str, ...] = ()  # in lower case; of ses alone
    from_address: str = ""
    configuration_set: str = ""
    test_to: str = ""  # where all notices go instead of to the owners, if it is set
    topic_arn: str = ""
    max_per_scan: int = 200


def parse_notice_settings(settings: Mapping[str, str]) -> NoticeSettings | None:
    """Read OWNER_NOTICES and what belongs to it, None for off; raise InvalidSettingError for an invalid value."""
    by = choice("OWNER_NOTICES", settings.get("OWNER_NOTICES", "off"), ("off", "ses", "sns"))
    most = number(settings, "MAX_NOTICES_PER_SCAN", 200, 1, _MOST_NOTICES)
    if by == "off":
        return None
    if by == "sns":
        return NoticeSettings("sns", topic_arn=settings.get("NOTICES_TOPIC_ARN", ""), max_per_scan=most)
    domains = settings.get("OWNER_DOMAINS", "").split(",")
    if len(domains) > _MOST_DOMAINS or not all(re.fullmatch(_DOMAIN, domain, re.ASCII) for domain in domains):
        takes = f"1 to {_MOST_DOMAINS} domains in lower case with a comma and no space between, with OWNER_NOTICES=ses"
        raise InvalidSettingError("OWNER_DOMAINS", ",".join(domains), takes)
    return NoticeSettings(
        "ses",
        domains=tuple(domains),
        from_address=settings.get("NOTICES_FROM", ""),
        configuration_set=settings.get("NOTICES_CONFIGURATION_SET", ""),
        test_to=_address(settings, "NOTICES_TEST_TO"),
        max_per_scan=most,
    )


def _address(settings: Mapping[str, str], name: str) -> str:
    text = settings.get(name, "")
    if text and not re.fullmatch(_ADDRESS, text, re.ASCII):
        raise InvalidSettingError(name, text, "an e-mail address, or nothing")
    return text


def parse_event_bus(settings: Mapping[str, str]) -> str | None:
    """Read EVENT_BUS, the ARN of an event bus; None for none. Raise InvalidSettingError for an invalid value."""
    text = settings.get("EVENT_BUS", "")
    if text and not re.fullmatch(_BUS, text, re.ASCII):
        raise InvalidSettingError("EVENT_BUS", text, "the ARN of an event bus, or nothing")
    return text or None


def parse_remind_days(settings: Mapping[str, str]) -> int | None:
    """Read REMIND_DAYS, None for never; raise InvalidSettingError for an invalid value."""
    return number(settings, "REMIND_DAYS", 0, 1, _MOST_REMIND_DAYS) if settings.get("REMIND_DAYS") else None


def notice_settings() -> NoticeSettings | None:
    """Return how the stage sends owners notices, None where it sends none; InvalidSettingError if one is refused."""
    return parse_notice_settings(os.environ)


def event_bus() -> str | None:
    """Return the ARN of the event bus that the stage sends events to, None for none."""
    return parse_event_bus(os.environ)


def required_event_bus() -> str:
    """Return the ARN of the event bus; raise InvalidSettingError where there is none."""
    bus = event_bus()
    if bus is None:
        raise InvalidSettingError("EVENT_BUS", "", "the ARN of an event bus")
    return bus


def remind_days() -> int | None:
    """Return after how many days without a message one is sent although nothing changed, None for never."""
    return parse_remind_days(os.environ)


def writes_ocsf() -> bool:
    """Return whether the stage keeps each report as report.ocsf.json, too."""
    return choice("OCSF_REPORT", os.environ.get("OCSF_REPORT", "off"), ("off", "on")) == "on"

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
_TOPIC = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
_MOST_DOMAINS, _MOST_NOTICES, _MOST_REMIND_DAYS = 10, 10_000, 90
_LONGEST_DOMAINS, _LONGEST_ADDRESS = 640, 320  # of the 4 KB that Lambda gives all variables of a function
_BUS = r"arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]{1,256}"


@dataclass(frozen=True)
class OwnerRule:
    """Who counts as an owner that can be sent notices: by SES whoever has an address in `domains`, by SNS anybody."""

    by: Literal["ses", "sns"]
    domains: tuple[str, ...] = ()  # in lower case; of ses alone


@dataclass(frozen=True)
class NoticeSettings(OwnerRule):
    """How owners are sent notices of their keys: by SES from an address, or by SNS to a second topic."""

    from_address: str = ""
    configuration_set: str = ""
    test_to: str = ""  # where all notices go instead of to the owners, if it is set
    reply_to: str = ""  # who gets what owners reply, if anybody does
    topic_arn: str = ""
    max_per_scan: int = 200


def parse_owner_rule(settings: Mapping[str, str]) -> OwnerRule | None:
    """Read OWNER_NOTICES and OWNER_DOMAINS, None for off; raise InvalidSettingError for an invalid value."""
    by = choice("OWNER_NOTICES", settings.get("OWNER_NOTICES", "off"), ("off", "ses", "sns"))
    if by == "off":
        return None
    if by == "sns":
        return OwnerRule("sns")
    text = settings.get("OWNER_DOMAINS", "")
    domains = text.split(",")
    is_short = len(domains) <= _MOST_DOMAINS and len(text) <= _LONGEST_DOMAINS
    if not is_short or not all(re.fullmatch(_DOMAIN, domain, re.ASCII) for domain in domains):
        takes = (
            f"1 to {_MOST_DOMAINS} domains in lower case, up to {_LONGEST_DOMAINS} characters in all, with a comma and"
            " no space between, with OWNER_NOTICES=ses"
        )
        raise InvalidSettingError("OWNER_DOMAINS", text, takes)
    return OwnerRule("ses", tuple(domains))


def parse_notice_settings(settings: Mapping[str, str]) -> NoticeSettings | None:
    """Read all that notices are sent by, None for off; raise InvalidSettingError for an invalid value."""
    rule = parse_owner_rule(settings)
    most = number(settings, "MAX_NOTICES_PER_SCAN", 200, 1, _MOST_NOTICES)
    if rule is None:
        return None
    if rule.by == "sns":
        topic = settings.get("NOTICES_TOPIC_ARN", "")
        if not re.fullmatch(_TOPIC, topic, re.ASCII):
            raise InvalidSettingError("NOTICES_TOPIC_ARN", topic, "the ARN of an SNS topic, with OWNER_NOTICES=sns")
        return NoticeSettings("sns", topic_arn=topic, max_per_scan=most)
    return NoticeSettings(
        "ses",
        domains=rule.domains,
        from_address=_address(settings, "NOTICES_FROM", "an e-mail address, with OWNER_NOTICES=ses"),
        configuration_set=settings.get("NOTICES_CONFIGURATION_SET", ""),
        test_to=_address(settings, "NOTICES_TEST_TO") if settings.get("NOTICES_TEST_TO") else "",
        reply_to=_reply_to(settings.get("NOTICES_REPLY_TO", "")),
        max_per_scan=most,
    )


def _reply_to(text: str) -> str:
    """Return the stack's NotificationEmail, which SNS takes; "" for one that SES might refuse each notice for."""
    return text if len(text) <= _LONGEST_ADDRESS and re.fullmatch(_ADDRESS, text, re.ASCII) else ""


def _address(settings: Mapping[str, str], name: str, takes: str = "an e-mail address, or nothing") -> str:
    text = settings.get(name, "")
    if len(text) > _LONGEST_ADDRESS or not re.fullmatch(_ADDRESS, text, re.ASCII):
        raise InvalidSettingError(name, text, takes)
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


def owner_rule() -> OwnerRule | None:
    """Return who can be sent notices, None where nobody is; InvalidSettingError if a setting is refused."""
    return parse_owner_rule(os.environ)


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
    return choice("OCSF_REPORT", os.environ.get("OCSF_REPORT") or "off", ("off", "on")) == "on"

"""Whom a stage notifies besides the topic: what is taken, what is refused and in which words."""

import json

import pytest

from chalicelib.settings import InvalidSettingError
from chalicelib.telling_settings import (
    NoticeSettings,
    OwnerRule,
    parse_event_bus,
    parse_notice_settings,
    parse_owner_rule,
    parse_remind_days,
    writes_ocsf,
)
from tests.support.owners import TOPIC

SES = {"OWNER_NOTICES": "ses", "OWNER_DOMAINS": "example.com", "NOTICES_FROM": "keys@example.com"}
BUS = "arn:aws:events:eu-central-1:123456789012:event-bus/default"
LABEL = "a" * 63


@pytest.mark.parametrize("settings", [{}, {"OWNER_NOTICES": "off"}, {**SES, "OWNER_NOTICES": "off"}])
def test_owners_are_sent_nothing_unless_a_stage_asks_for_it(settings: dict[str, str]) -> None:
    assert parse_notice_settings(settings) is None
    assert parse_owner_rule(settings) is None


def test_notices_by_ses_have_a_sender_and_the_domains_that_they_may_go_to() -> None:
    more = {"OWNER_DOMAINS": "example.com,eu.example.org", "MAX_NOTICES_PER_SCAN": "10000"}
    more |= {"NOTICES_TEST_TO": "Me+1@example.net", "NOTICES_CONFIGURATION_SET": "set"}

    read = parse_notice_settings({**SES, **more})

    assert read == NoticeSettings(
        "ses", ("example.com", "eu.example.org"), "keys@example.com", "set", "Me+1@example.net", max_per_scan=10_000
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, ""),
        ({"NOTICES_REPLY_TO": "Security+keys@example.net"}, "Security+keys@example.net"),
        *(
            ({"NOTICES_REPLY_TO": odd}, "")
            for odd in ("o'neil@example.com", "ü@example.com", "a,b@example.com", "a@b", f"a@{'b' * 318}.c")
        ),
    ],
)
def test_owners_reply_to_the_stacks_address_unless_ses_might_not_take_it(given: dict[str, str], read: str) -> None:
    settings = parse_notice_settings({**SES, **given})

    assert settings
    assert settings.reply_to == read


def test_notices_by_sns_have_a_topic_and_need_no_domain() -> None:
    settings = {"OWNER_NOTICES": "sns", "NOTICES_TOPIC_ARN": TOPIC, "OWNER_DOMAINS": ""}

    assert parse_notice_settings(settings) == NoticeSettings("sns", topic_arn=TOPIC, max_per_scan=200)
    assert parse_owner_rule(settings) == OwnerRule("sns")


def test_who_can_be_notified_is_known_without_the_sender() -> None:
    assert parse_owner_rule({"OWNER_NOTICES": "ses", "OWNER_DOMAINS": "a.b,c.d"}) == OwnerRule("ses", ("a.b", "c.d"))


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        *(("OWNER_NOTICES", value, "one of off, ses, sns") for value in ("", "SES", "mail", "ses ", "on")),
        *(
            ("OWNER_DOMAINS", value, "1 to 10 domains in lower case, up to 640 characters in all, with a comma")
            for value in (
                "",
                "example",
                "Example.com",
                "example.com.",
                ".example.com",
                "*.example.com",
                "@example.com",
                "example.com, example.org",
                "example.com;example.org",
                "example.com,",
                "example.com\n",
                "exämple.com",
                "example..com",
                f"{LABEL}a.com",
                "a.b.c.d.e.f.g",
                ",".join(["example.com"] * 11),
                ",".join([f"{LABEL}.com"] * 9 + [f"{'a' * 43}.com"]),  # 641 characters
            )
        ),
        *(
            ("NOTICES_FROM", value, "an e-mail address, with OWNER_NOTICES=ses")
            for value in ("", "keys", "Keys <keys@example.com>", "keys@example.com,x@example.com", "keys@example.com\n")
        ),
        *(
            ("NOTICES_TEST_TO", value, "an e-mail address, or nothing")
            for value in (
                "me",
                "me@localhost",
                "me@example.com;you@example.com",
                " me@example.com",
                f"{'m' * 65}@a.bc",
                f"m@{f'{LABEL}.' * 5}com",
            )
        ),
        *(
            ("MAX_NOTICES_PER_SCAN", value, "an integer from 1 to 10000")
            for value in ("", "0", "10001", "1.5", "-1", "1e3", "٣")
        ),
    ],
)
def test_a_setting_of_notices_that_is_refused_is_named_with_what_it_takes(name: str, value: str, takes: str) -> None:
    with pytest.raises(InvalidSettingError) as refused:
        parse_notice_settings({**SES, name: value})

    as_it_is_shown = json.dumps(value)[:30].removesuffix('"')
    assert str(refused.value).startswith(f"{name}: {as_it_is_shown}")
    assert takes in str(refused.value)


@pytest.mark.parametrize("topic", ["", "owners", "arn:aws:sqs:eu-central-1:123456789012:owners", f"{TOPIC}\n"])
def test_notices_by_sns_are_refused_without_the_arn_of_a_topic(topic: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"NOTICES_TOPIC_ARN.*the ARN of an SNS topic, with"):
        parse_notice_settings({"OWNER_NOTICES": "sns", "NOTICES_TOPIC_ARN": topic})


@pytest.mark.parametrize(("value", "bus"), [("", None), (BUS, BUS), (BUS.replace("default", "a/b.c_d-e"), ...)])
def test_an_event_bus_is_its_arn_or_nothing(value: str, bus: object) -> None:
    assert parse_event_bus({"EVENT_BUS": value}) == (value if bus is ... else bus)
    assert parse_event_bus({}) is None


@pytest.mark.parametrize(
    "value", ["default", BUS.replace("event-bus", "rule"), BUS.replace("123456789012", "1"), f"{BUS} ", f"{BUS}\n"]
)
def test_an_event_bus_that_is_no_arn_is_refused(value: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"EVENT_BUS.*the ARN of an event bus, or nothing"):
        parse_event_bus({"EVENT_BUS": value})


@pytest.mark.parametrize(("value", "days"), [("", None), ("1", 1), ("90", 90)])
def test_people_are_reminded_after_1_to_90_days_or_never(value: str, days: int | None) -> None:
    assert parse_remind_days({"REMIND_DAYS": value}) == days
    assert parse_remind_days({}) is None


@pytest.mark.parametrize("value", ["0", "91", "7 days", "-7", "1.5", " "])
def test_days_to_remind_after_that_are_none_are_refused(value: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"REMIND_DAYS.*an integer from 1 to 90"):
        parse_remind_days({"REMIND_DAYS": value})


@pytest.mark.parametrize(("value", "writes"), [("on", True), ("off", False)])
def test_the_ocsf_report_is_on_or_off(monkeypatch: pytest.MonkeyPatch, value: str, writes: bool) -> None:
    monkeypatch.setenv("OCSF_REPORT", value)

    assert writes_ocsf() is writes


def test_an_ocsf_setting_that_is_neither_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCSF_REPORT", "yes")

    with pytest.raises(InvalidSettingError, match=r"OCSF_REPORT.*one of off, on"):
        writes_ocsf()

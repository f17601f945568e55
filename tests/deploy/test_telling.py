"""Parameters of whom else a stack notifies, refused or noted, and what `make deploy` sees is missing in AWS."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.settings import InvalidSettingError
from deploy import commands, parameters
from deploy.looks import what_is_missing
from deploy.sessions import Target
from deploy.telling import check_event_bus
from deploy.template import RESOURCES, read_resources
from localaws.environment import PROJECT

KNOWN = read_resources(PROJECT / RESOURCES)["Parameters"]
DEFAULT = {name: str(parameter["Default"]) for name, parameter in KNOWN.items()}
REGION = "eu-central-1"
BUS = f"arn:aws:events:{REGION}:123456789012:event-bus/security"
BY_SES = {"OwnerNotices": "ses", "NoticesFrom": "key-age@mail.example.com", "OwnerDomains": "example.com,example.org"}


def assignments(given: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in given.items()]


@pytest.fixture
def choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    monkeypatch.setattr(parameters, "path_of", lambda _stage: tmp_path / "parameters.json")

    def choose(kept: Mapping[str, str] | None = None, **given: str) -> dict[str, str]:
        return parameters.choose_parameters("prod", KNOWN, kept or {}, assignments(given))

    return choose


# What is refused, and what is noted.


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"OwnerNotices": "ses"},
            'OwnerNotices: "ses" is not accepted; it takes NoticesFrom, an e-mail address, and OwnerDomains, the',
        ),
        (
            {**BY_SES, "NoticesFrom": ""},
            'NoticesFrom: "" is not accepted; it takes an e-mail address, with OwnerNotices=ses',
        ),
        (
            {**BY_SES, "OwnerDomains": ""},
            'OwnerDomains: "" is not accepted; it takes 1 to 10 domains in lower case, up to 640 characters in all',
        ),
        ({**BY_SES, "OwnerDomains": "Example.com"}, 'OwnerDomains: "Example.com" is not accepted; it takes 1 to 10'),
        ({**BY_SES, "NoticesFrom": "Key age <a@b.co>"}, 'NoticesFrom: "Key age <a@b.co>" is not accepted; it takes an'),
        ({**BY_SES, "NoticesTestTo": "me"}, 'NoticesTestTo: "me" is not accepted; it takes an e-mail address'),
        ({"RemindDays": "91"}, 'RemindDays: "91" is not accepted; it takes a whole number from 1 to 90, or nothing'),
        (
            {"EventBus": "security"},
            'EventBus: "security" is not accepted; it takes default, the ARN of an event bus, or',
        ),
        ({"SecurityHub": "yes"}, 'SecurityHub: "yes" is not accepted; it takes one of off, on'),
        ({"MaxNoticesPerScan": "0"}, 'MaxNoticesPerScan: "0" is not accepted; it takes a whole number from 1 to 10000'),
    ],
)
def test_what_no_function_would_take_is_refused_with_its_name_and_value(
    choose: Callable[..., Any], given: dict[str, str], says: str
) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        choose(**given)

    assert str(refusal.value).startswith(says)


def test_what_the_stack_has_counts_as_if_it_were_given(choose: Callable[..., Any]) -> None:
    assert choose(BY_SES, NotifyOn="changes") == {"NotifyOn": "changes"}
    with pytest.raises(InvalidSettingError, match=r"OwnerDomains: "):
        choose(BY_SES, OwnerDomains="")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"NoticesFrom": "a@b.co"}, "NoticesFrom=a@b.co has no effect with OwnerNotices=off: it is for ses"),
        (
            {"OwnerNotices": "sns", "NoticesTestTo": "a@b.co"},
            "NoticesTestTo=a@b.co has no effect with OwnerNotices=sns: it is for ses",
        ),
        (
            {"OwnerNotices": "sns", "OwnerDomains": "b.co"},
            "OwnerDomains=b.co has no effect with OwnerNotices=sns: it is for ses",
        ),
        (
            {**BY_SES, "NoticesTestTo": "a@b.co"},
            "NoticesTestTo=a@b.co gets all notices, and owners get none, until NoticesTestTo= is empty",
        ),
        ({"RemindDays": "7"}, "RemindDays=7 has no effect with NotifyOn=findings: what is overdue is in the message"),
        ({"RemindDays": "7", "NotifyOn": "changes"}, ""),
        (BY_SES, ""),
        ({}, ""),
    ],
)
def test_what_has_no_effect_is_noted_and_deployed(
    choose: Callable[..., Any], capsys: pytest.CaptureFixture[str], given: dict[str, str], says: str
) -> None:
    assert choose(**given) == given

    printed = [line for line in capsys.readouterr().err.splitlines() if "has no effect" in line or "gets all" in line]
    assert len(printed) == bool(says)
    assert says in "".join(printed)


@pytest.mark.parametrize(
    ("bus", "is_taken"),
    [
        ("", True),
        ("default", True),
        (BUS, True),
        (BUS.replace("123456789012", "210987654321"), True),
        (BUS.replace(REGION, "us-east-1"), False),
    ],
)
def test_an_event_bus_of_another_region_is_refused(bus: str, is_taken: bool) -> None:
    if is_taken:
        check_event_bus(bus, REGION)
        return
    with pytest.raises(InvalidSettingError) as refusal:
        check_event_bus(bus, REGION)
    assert str(refusal.value).startswith(f'EventBus: "{bus}" is not accepted; it takes default, or the ARN of an event')
    assert f"in {REGION}" in str(refusal.value)


# What AWS lacks.


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "x")


class Aws:
    """SES with verified and unfinished identities, EventBridge and Security Hub; `errors` are raised by their calls."""

    def __init__(self, *verified: str, **errors: Exception) -> None:
        self._verified, self._errors = verified, errors
        self.unfinished: tuple[str, ...] = ()
        self.account = {
            "ProductionAccessEnabled": True,
            "SendingEnabled": True,
            "SendQuota": {"Max24HourSend": 50000.0},
        }

    def client(self, _service: str) -> Any:
        return SimpleNamespace(
            get_account=lambda: self._answer("get_account", self.account),
            get_email_identity=self._identity,
            describe_event_bus=lambda **_: self._answer("describe_event_bus", {}),
            describe_hub=lambda: self._answer("describe_hub", {}),
        )

    def _answer(self, call: str, answer: dict[str, Any]) -> dict[str, Any]:
        if call in self._errors:
            raise self._errors[call]
        return answer

    def _identity(self, *, EmailIdentity: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        self._answer("get_email_identity", {})
        if EmailIdentity not in (*self._verified, *self.unfinished):
            raise refused("NotFoundException")
        return {"VerifiedForSendingStatus": EmailIdentity in self._verified}


def missing(aws: Aws, **given: str) -> list[str]:
    return list(what_is_missing(aws.client, {**DEFAULT, **given}, REGION))


@pytest.mark.parametrize("identity", ["key-age@mail.example.com", "mail.example.com", "example.com"])
def test_nothing_is_missing_where_the_senders_address_its_domain_or_one_above_is_verified(identity: str) -> None:
    assert missing(Aws(identity), **BY_SES) == []


def test_nobody_is_asked_where_all_is_off() -> None:
    down = EndpointConnectionError(endpoint_url="https://x")
    calls = ("get_account", "get_email_identity", "describe_event_bus", "describe_hub")

    assert missing(Aws(**dict.fromkeys(calls, down))) == []
    assert missing(Aws(**dict.fromkeys(calls, down)), OwnerNotices="sns", EventBus="default") == []


def test_a_sender_that_is_not_verified_is_said_with_the_command_that_verifies_it() -> None:
    [said] = missing(Aws("example.org"), **BY_SES)

    assert said.startswith("Notices come from key-age@mail.example.com, which is not verified in eu-central-1.")
    assert said.endswith("\n  .venv/bin/aws sesv2 create-email-identity --email-identity mail.example.com")


def test_a_sender_whose_verification_is_not_finished_is_said_as_such() -> None:
    aws = Aws()
    aws.unfinished = ("mail.example.com",)

    [said] = missing(aws, **BY_SES)

    assert "mail.example.com is not verified in eu-central-1 yet" in said
    assert said.endswith("\n  .venv/bin/aws sesv2 get-email-identity --email-identity mail.example.com")


def test_in_the_sandbox_each_domain_of_owners_has_to_be_verified_too() -> None:
    aws = Aws("mail.example.com", "example.org")
    aws.account["ProductionAccessEnabled"] = False

    [said] = missing(aws, **BY_SES)

    assert said.startswith("SES is in its sandbox, where it mails verified addresses and domains alone. Notices go to")
    assert "example.com, which is not verified" in said
    assert said.endswith("--email-identity example.com")


def test_in_the_sandbox_a_test_needs_the_one_address_alone() -> None:
    aws = Aws("mail.example.com", "me@example.net")
    aws.account["ProductionAccessEnabled"] = False

    assert missing(aws, **BY_SES, NoticesTestTo="me@example.net") == []
    [said] = missing(aws, **BY_SES, NoticesTestTo="you@example.net")
    assert "Notices go to you@example.net, which is not verified" in said


@pytest.mark.parametrize(
    ("quota", "most", "is_said"), [(200.0, "200", False), (200.0, "201", True), (-1.0, "9999", False)]
)
def test_a_quota_below_the_notices_of_a_scan_is_said(quota: float, most: str, is_said: bool) -> None:
    aws = Aws("example.com")
    aws.account["SendQuota"] = {"Max24HourSend": quota}

    said = missing(aws, **BY_SES, MaxNoticesPerScan=most)

    assert bool(said) is is_said
    assert not said or said[0].startswith(
        "SES in eu-central-1 takes 200 mails a day, fewer than MaxNoticesPerScan, 201."
    )


def test_an_account_that_may_not_send_is_said() -> None:
    aws = Aws("example.com")
    aws.account["SendingEnabled"] = False

    [said] = missing(aws, **BY_SES)

    assert said.startswith("SES sends no mail of this account in eu-central-1")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("get_account", "SES in eu-central-1 was not looked at: these credentials may not (ses:GetAccount)."),
        (
            "get_email_identity",
            "Notices come from key-age@mail.example.com. Whether it is verified is not known: these credentials",
        ),
        ("describe_event_bus", f"The event bus {BUS} was not looked at: these credentials may not"),
        ("describe_hub", "Security Hub in eu-central-1 was not looked at: these credentials may not"),
    ],
)
def test_what_may_not_be_looked_at_is_said_and_stops_nothing(call: str, says: str) -> None:
    aws = Aws("example.com", **{call: refused("AccessDeniedException")})

    [said] = missing(aws, **BY_SES, EventBus=BUS, SecurityHub="on")

    assert said.startswith(says)


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("cn-north-1", "SES is not in cn-north-1: use OwnerNotices=sns (docs/notices.md)"),
        ("ap-east-1", "SES is not in ap-east-1: use OwnerNotices=sns (docs/notices.md)"),
        ("us-gov-west-1", "SES in us-gov-west-1 was not looked at: Could not connect to the endpoint URL"),
        ("eu-central-1", "SES in eu-central-1 was not looked at: Could not connect to the endpoint URL"),
    ],
)
def test_a_region_without_ses_is_said_with_what_to_use_there(region: str, says: str) -> None:
    aws = Aws(get_account=EndpointConnectionError(endpoint_url=f"https://email.{region}.amazonaws.com"))

    [said] = what_is_missing(aws.client, {**DEFAULT, **BY_SES}, region)

    assert said.startswith(says)


def test_an_identity_is_looked_up_with_its_domain_in_lower_case() -> None:
    assert missing(Aws("example.com"), **{**BY_SES, "NoticesFrom": "Key-Age@Mail.Example.COM"}) == []
    assert missing(Aws("Key-Age@Example.COM"), **{**BY_SES, "NoticesFrom": "Key-Age@Example.COM"}) == []
    [said] = missing(Aws(), **{**BY_SES, "NoticesFrom": "Key-Age@Example.COM"})
    assert said.endswith("--email-identity example.com")


def test_a_bus_that_is_not_there_is_said_with_the_command_that_makes_it() -> None:
    [said] = missing(Aws(describe_event_bus=refused("ResourceNotFoundException")), EventBus=BUS)

    assert said.startswith(f"There is no event bus {BUS}. EventBridge takes events for a bus that does not exist")
    assert said.endswith("\n  .venv/bin/aws events create-event-bus --name security")


@pytest.mark.parametrize("code", ["InvalidAccessException", "ResourceNotFoundException"])
def test_security_hub_that_is_not_enabled_is_said_with_the_command_that_enables_it(code: str) -> None:
    [said] = missing(Aws(describe_hub=refused(code)), SecurityHub="on")

    assert said.startswith("Security Hub is not enabled in eu-central-1.")
    assert said.endswith("\n  .venv/bin/aws securityhub enable-security-hub --no-enable-default-standards")


def test_the_looks_come_before_the_deployment_by_the_parameters_that_it_will_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = Target(Aws(describe_hub=refused("InvalidAccessException")).client, REGION, "123456789012", "arn:aws:x")

    commands._look({**DEFAULT, "SecurityHub": "on"}, target)
    assert "Security Hub is not enabled" in capsys.readouterr().err
    with pytest.raises(InvalidSettingError, match=r"^EventBus: "):
        commands._look({**DEFAULT, "EventBus": BUS.replace(REGION, "us-east-1")}, target)

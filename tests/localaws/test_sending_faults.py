"""What `--faults` does to mails, events and findings."""

import json
from typing import Any

import pytest

from localaws.calls import Call
from localaws.fault_injector import FaultInjector
from localaws.faults import parse_faults
from localaws.strict_json import DocumentError

ACCOUNT = "123456789012"
ALICE, BOB = "alice@example.com", "bob@example.com"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def injector(clock: Clock | None = None, /, **faults: Any) -> FaultInjector:
    return FaultInjector(parse_faults(json.dumps(faults)), ACCOUNT, clock=clock or Clock())


def mail(to: str = ALICE) -> Call:
    content = {"Destination": {"ToAddresses": [to]}}
    return Call("ses", "SendEmail", "/v2/email/outbound-emails", {}, ACCOUNT, "arn:of:function", content)


EVENTS = Call("events", "PutEvents", "/", {}, ACCOUNT, "arn:of:function", {"Entries": [{}, {}]})
FINDINGS = Call(
    "securityhub",
    "BatchImportFindings",
    "/findings/import",
    {},
    ACCOUNT,
    "arn:of:function",
    {"Findings": [{"Id": "1"}]},
)
OPERATIONS = [("sesv2", "send_email", mail()), ("events", "put_events", EVENTS)]
OPERATIONS += [("securityhub", "batch_import_findings", FINDINGS)]


def said(faults: FaultInjector, call: Call) -> tuple[int, str] | None:
    """The status and the name of the error that a call is answered with, None where nothing is wrong."""
    answer = faults.answer(call)
    return (answer.status, dict(answer.headers).get("x-amzn-errortype", "")) if answer else None


@pytest.mark.parametrize(("service", "operation", "call"), OPERATIONS)
def test_without_faults_nothing_is_wrong_with_what_is_sent(service: str, operation: str, call: Call) -> None:
    faults = injector(None, **{service: {operation: {}}})

    assert faults.answer(call) is None
    faults.lose(call)


@pytest.mark.parametrize(
    ("service", "operation", "call", "throttled"),
    [
        (*OPERATIONS[0], (429, "TooManyRequestsException")),
        (*OPERATIONS[1], (400, "ThrottlingException")),
        (*OPERATIONS[2], (429, "TooManyRequestsException")),
    ],
)
def test_the_first_calls_are_throttled_then_fail_then_have_no_answer(
    service: str, operation: str, call: Call, throttled: tuple[int, str]
) -> None:
    faults = injector(None, **{service: {operation: {"throttle": 2, "fail": 1, "time_out": 1, "lose": 1}}})

    assert [said(faults, call) for _ in range(3)] == [throttled, throttled, (500, "InternalFailure")]
    with pytest.raises(TimeoutError):
        faults.answer(call)
    assert faults.answer(call) is None
    with pytest.raises(TimeoutError):
        faults.lose(call)
    faults.lose(call)


@pytest.mark.parametrize(("service", "operation", "call"), OPERATIONS)
def test_all_calls_can_be_denied(service: str, operation: str, call: Call) -> None:
    faults = injector(None, **{service: {operation: {"deny": True}}})

    assert [said(faults, call) for _ in range(3)] == [(400, "AccessDeniedException")] * 3


@pytest.mark.parametrize(("service", "operation", "_call"), OPERATIONS)
def test_other_operations_of_the_service_are_left_alone(service: str, operation: str, _call: Call) -> None:
    faults = injector(None, **{service: {operation: {"deny": True}}})

    assert faults.answer(Call({"sesv2": "ses"}.get(service, service), "Describe", "/", {})) is None


def test_mails_to_some_addresses_are_refused() -> None:
    faults = injector(sesv2={"send_email": {"refuse": [ALICE]}})

    assert [said(faults, mail(ALICE)), said(faults, mail(BOB))] == [(400, "MessageRejected"), None]
    answer = faults.answer(mail(ALICE))
    assert answer is not None
    assert b"failed the check in region US-EAST-1: alice@example.com" in answer.body


def test_the_quota_of_a_day_counts_mails_that_were_taken() -> None:
    faults = injector(sesv2={"send_email": {"quota": 2, "refuse": [ALICE]}})

    answers = [said(faults, mail(to)) for to in (ALICE, BOB, BOB, BOB, ALICE)]

    refused, over_quota = (400, "MessageRejected"), (429, "TooManyRequestsException")
    assert answers == [refused, None, None, over_quota, refused]


def test_a_rate_takes_so_many_mails_a_second() -> None:
    clock = Clock()
    faults = injector(clock, sesv2={"send_email": {"rate_per_second": 1}})
    throttled = (429, "TooManyRequestsException")

    at_once = [said(faults, mail()), said(faults, mail())]
    clock.now += 1

    assert [*at_once, said(faults, mail()), said(faults, mail())] == [None, throttled, None, throttled]


def test_sending_can_be_paused() -> None:
    assert said(injector(sesv2={"send_email": {"pause": True}}), mail()) == (400, "SendingPausedException")


def test_each_event_of_the_first_calls_can_fail() -> None:
    faults = injector(events={"put_events": {"fail_entries": 1}})

    answer = faults.answer(EVENTS)

    assert answer is not None
    assert answer.status == 200
    failed = json.loads(answer.body)
    assert (failed["FailedEntryCount"], [entry["ErrorCode"] for entry in failed["Entries"]]) == (
        2,
        ["InternalFailure", "InternalFailure"],
    )
    assert faults.answer(EVENTS) is None


def test_each_finding_of_the_first_calls_can_fail() -> None:
    faults = injector(securityhub={"batch_import_findings": {"fail_findings": 1}})

    answer = faults.answer(FINDINGS)

    assert answer is not None
    failed = json.loads(answer.body)
    assert (answer.status, failed["FailedCount"], failed["SuccessCount"]) == (200, 1, 0)
    assert [finding["Id"] for finding in failed["FailedFindings"]] == ["1"]
    assert faults.answer(FINDINGS) is None


def test_security_hub_can_be_one_that_is_not_enabled() -> None:
    faults = injector(securityhub={"batch_import_findings": {"not_enabled": True}})

    assert said(faults, FINDINGS) == (401, "InvalidAccessException")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"sesv2": {"fail": 1}}', "sesv2.fail: unknown field; the fields here are send_email"),
        (
            '{"sesv2": {"send_email": {"refuse": ["alice"]}}}',
            'sesv2.send_email.refuse.0: "alice" is not accepted: takes an e-mail address',
        ),
        (
            '{"sesv2": {"send_email": {"quota": -1}}}',
            "sesv2.send_email.quota: -1 is not accepted: takes a whole number from 0 to",
        ),
        (
            '{"sesv2": {"send_email": {"rate_per_second": 0}}}',
            "sesv2.send_email.rate_per_second: 0 is not accepted: takes a number from 0.1",
        ),
        (
            '{"events": {"put_events": {"throttle": -2}}}',
            "events.put_events.throttle: -2 is not accepted: takes a whole number of calls",
        ),
        (
            '{"securityhub": {"batch_import_findings": {"not_enabled": 1}}}',
            "securityhub.batch_import_findings.not_enabled: 1 is not accepted: takes true or false",
        ),
    ],
)
def test_what_is_no_such_fault_is_refused(text: str, says: str) -> None:
    with pytest.raises(DocumentError) as refused:
        parse_faults(text)

    assert says in str(refused.value)

"""Faults of single accounts of an organization, and those of its functions."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from localaws.calls import Call, call_of
from localaws.fault_injector import FaultInjector
from localaws.faults import parse_faults
from localaws.strict_json import DocumentError

OWN, FIRST, SECOND = "123456789012", "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{FIRST}:role/iam-key-age-reader"
CALLER = f"arn:aws:sts::{OWN}:assumed-role/role/function"
ASSUME = Call("sts", "AssumeRole", "/", {"RoleArn": ROLE}, FIRST, CALLER)
LIST_ACCOUNTS = Call("organizations", "ListAccounts", "/", {}, OWN, CALLER)


def injector(**faults: Any) -> FaultInjector:
    return FaultInjector(parse_faults(json.dumps(faults)), OWN, clock=lambda: 0.0)


def list_access_keys(account_id: str, user_name: str = "alice") -> Call:
    return Call("iam", "ListAccessKeys", "/", {"UserName": user_name}, account_id)


def look_up(account_id: str) -> Call:
    return Call("cloudtrail", "LookupEvents", "/", {}, account_id)


def invocation(function: str, account_id: str = OWN) -> Call:
    path = f"/2015-03-31/functions/iam-key-age-local-{function}-1A2B/invocations"
    return Call("lambda", "InvokeFunction", path, {}, account_id)


def codes(faults: FaultInjector, call: Call, times: int = 1) -> list[str]:
    """Return with which errors a call is answered, as often as it is made; nothing where it is let through."""
    answers = [faults.answer(call) for _ in range(times)]
    return [answer.body.decode() if answer else "" for answer in answers]


def test_the_faults_of_the_documentation_are_read_whole() -> None:
    text = """{"lambda": {"list_accounts": {"fail": 1}, "scan_account": {"fail": 1, "crash": 1},
      "build_organization_report": {"fail": 1}},
     "organizations": {"throttle": 2, "fail": 1, "deny": true},
     "accounts": {"111122223333": {"iam": {"throttle_ratio": 0.5, "deny": ["bob"]},
       "cloudtrail": {"deny": true}, "sts": {"deny": true, "throttle": 1, "fail": 1, "answers_as": "444455556666",
       "session_seconds": 2.0}, "lambda": {"scan_account": {"crash": -1}}, "closes_after": 5}}}"""

    faults = parse_faults(text)

    assert faults.model_dump(exclude_defaults=True, by_alias=True) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"accounts": []}', "accounts: [] is not accepted: takes an object"),
        ('{"accounts": {"1": {}}}', 'accounts: "1" is not accepted: takes 12 digits, as text'),
        (
            f'{{"accounts": {{"{FIRST}": {{"s3": {{}}}}}}}}',
            f"accounts.{FIRST}.s3: unknown field; the fields here are iam, cloudtrail, sts, lambda, closes_after",
        ),
        (
            f'{{"accounts": {{"{FIRST}": {{"sts": {{"answers_as": "bob"}}}}}}}}',
            f'accounts.{FIRST}.sts.answers_as: "bob" is not accepted: takes 12 digits, as text',
        ),
        (
            f'{{"accounts": {{"{FIRST}": {{"sts": {{"session_seconds": 3601}}}}}}}}',
            f"accounts.{FIRST}.sts.session_seconds: 3601 is not accepted: takes seconds from 0 to 3,600",
        ),
        (
            f'{{"accounts": {{"{FIRST}": {{"closes_after": 0}}}}}}',
            f"accounts.{FIRST}.closes_after: 0 is not accepted: takes a whole number from 1 to 1,000,000",
        ),
        (
            f'{{"accounts": {{"{FIRST}": {{"lambda": {{"build_report": {{}}}}}}}}}}',
            f"accounts.{FIRST}.lambda.build_report: unknown field; the fields here are scan_account",
        ),
        (
            f'{{"accounts": {{"{FIRST}": {{"iam": {{"burst": 1}}}}}}}}',
            "is not accepted: takes burst only beside rate_per_second",
        ),
        (
            '{"organizations": {"throttle": -2}}',
            "organizations.throttle: -2 is not accepted: takes a whole number of calls, -1 for all of them, from",
        ),
        (
            '{"lambda": {"scan_account": {"crash": 1.5}}}',
            "lambda.scan_account.crash: 1.5 is not accepted: takes a whole",
        ),
    ],
)
def test_what_is_no_fault_of_an_account_is_refused_with_field_value_and_what_is_accepted(text: str, says: str) -> None:
    with pytest.raises(DocumentError) as refused:
        parse_faults(text)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_faults_of_an_account_are_in_place_of_those_of_all_and_reach_no_other() -> None:
    faults = injector(
        iam={"deny": ["alice"], "latency_ms": 10}, accounts={FIRST: {"iam": {"throttle_ratio": 1, "latency_ms": 30}}}
    )

    [of_first], [of_second] = (codes(faults, list_access_keys(account_id)) for account_id in (FIRST, SECOND))

    assert "Rate exceeded" in of_first
    assert "not authorized" in of_second
    assert f"arn:aws:sts::{SECOND}:" in of_second
    assert [faults.latency_seconds(one) for one in (FIRST, SECOND, OWN)] == [0.03, 0.01, 0.01]


def test_each_account_has_an_iam_rate_of_its_own() -> None:
    faults = injector(iam={"rate_per_second": 1, "burst": 2})

    throttled = {account_id: codes(faults, list_access_keys(account_id), 3) for account_id in (FIRST, SECOND, OWN)}

    for answers in throttled.values():
        assert [bool(answer) for answer in answers] == [False, False, True]


def test_a_share_of_calls_is_throttled_by_draws_that_differ_between_accounts() -> None:
    faults = injector(seed=7, iam={"throttle_ratio": 0.3})

    of_first, of_second = (
        [bool(answer) for number in range(100) for answer in codes(faults, list_access_keys(account_id, f"u{number}"))]
        for account_id in (FIRST, SECOND)
    )

    assert of_first != of_second
    assert all(15 < sum(one) < 45 for one in (of_first, of_second))


def test_a_role_may_be_refused_throttled_and_fail_in_one_account() -> None:
    refused = injector(accounts={FIRST: {"sts": {"deny": True}}})
    troubled = injector(accounts={FIRST: {"sts": {"throttle": 1, "fail": 1}}})
    other = replace(ASSUME, account_id=SECOND)

    [says] = codes(refused, ASSUME)
    first, second, third = codes(troubled, ASSUME, 3)

    assert f"User: {CALLER} is not authorized to perform: sts:AssumeRole on resource: {ROLE}<" in says
    assert codes(refused, other) == codes(troubled, other) == [""]
    assert ("Rate exceeded" in first, "InternalError" in second, third) == (True, True, "")


def test_an_account_closes_after_some_of_its_calls_and_refuses_all_then() -> None:
    faults = injector(accounts={FIRST: {"closes_after": 2}})

    before = [*codes(faults, ASSUME), *codes(faults, list_access_keys(FIRST))]
    after = [*codes(faults, list_access_keys(FIRST)), *codes(faults, look_up(FIRST)), *codes(faults, ASSUME)]

    assert before == ["", ""]
    assert ["InvalidClientTokenId" in after[0], "UnrecognizedClientException" in after[1]] == [True, True]
    assert "InvalidClientTokenId" in after[2]
    assert codes(faults, list_access_keys(SECOND), 3) == [""] * 3


def test_cloudtrail_of_one_account_may_refuse() -> None:
    faults = injector(cloudtrail={"throttle": 1}, accounts={FIRST: {"cloudtrail": {"deny": True}}})

    assert "AccessDeniedException" in codes(faults, look_up(FIRST))[0]
    assert [bool(answer) for answer in codes(faults, look_up(SECOND), 2)] == [True, False]


@pytest.mark.parametrize("function", ["list_accounts", "scan_account", "build_organization_report"])
def test_the_functions_of_an_organization_may_fail_and_crash(function: str) -> None:
    faults = injector(**{"lambda": {function: {"fail": 1, "crash": 1}}})
    call = invocation(function.title().replace("_", ""))

    first, second, third = (faults.answer(call) for _ in range(3))

    assert first is not None
    assert (first.status, dict(first.headers)) == (500, {"x-amzn-errortype": "ServiceException"})
    assert second is not None
    assert (second.status, dict(second.headers)) == (200, {"X-Amz-Function-Error": "Unhandled"})
    assert json.loads(second.body)["errorType"] == "Runtime.ExitError"
    assert third is None


def test_the_function_that_scans_may_crash_for_one_account_alone() -> None:
    faults = injector(accounts={FIRST: {"lambda": {"scan_account": {"crash": -1}}}})

    assert all(codes(faults, invocation("ScanAccount", FIRST), 3))
    assert not any(codes(faults, invocation("ScanAccount", SECOND), 3))
    assert not any(codes(faults, invocation("ListAccounts", FIRST), 3))


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ({"deny": True}, "AccessDeniedException"),
        ({"throttle": 1}, "TooManyRequestsException"),
        ({"fail": 1}, "InternalFailure"),
    ],
)
def test_organizations_may_refuse_throttle_and_fail(faults: dict[str, Any], says: str) -> None:
    assert says in codes(injector(organizations=faults), LIST_ACCOUNTS)[0]


@pytest.mark.parametrize(
    ("event", "about"),
    [
        ({"account": {"account_id": FIRST}, "scan": {}}, FIRST),
        ({"check": {"account_id": FIRST}}, FIRST),
        ({"account": {}}, OWN),
        ({"check": FIRST}, OWN),
        ([], OWN),
    ],
)
def test_an_invocation_is_about_the_account_to_scan(event: Any, about: str) -> None:
    body = json.dumps(event).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": invocation("ScanAccount").path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }

    call = call_of("lambda", environ, OWN, CALLER)

    assert (call.operation, call.account_id) == ("InvokeFunction", about)
    assert environ["wsgi.input"].read() == body  # type: ignore[attr-defined]  # it was put back

"""What `--faults` takes, and which calls it answers with which error."""

import io
import json
from collections import Counter
from typing import Any

import pytest

from localaws.calls import Call
from localaws.clients import HARNESS, INTERPRETER
from localaws.fault_injector import FaultInjector
from localaws.faults import Faults, parse_faults
from localaws.middleware import Gate
from localaws.strict_json import DocumentError
from localaws.token_bucket import TokenBucket

ACCOUNT = "123456789012"


def injector(**faults: Any) -> FaultInjector:
    return FaultInjector(parse_faults(json.dumps(faults)), ACCOUNT, clock=lambda: 0.0)


def list_access_keys(user_name: str) -> Call:
    return Call("iam", "ListAccessKeys", "/", {"UserName": user_name})


def invocation(function: str) -> Call:
    return Call("lambda", "InvokeFunction", f"/2015-03-31/functions/iam-key-age-local-{function}-1A2B/invocations", {})


PUT = Call("s3", "PutObject", "/bucket/key", {})
PUBLISH = Call("sns", "Publish", "/", {})
LOOK_UP = Call("cloudtrail", "LookupEvents", "/", {})


def test_without_faults_nothing_goes_wrong() -> None:
    calm = injector()

    assert parse_faults("{}") == Faults()
    assert calm.latency_seconds(ACCOUNT) == 0
    assert [calm.answer(call) for call in (list_access_keys("alice"), invocation("BuildReport"), PUT, PUBLISH)] == [
        None
    ] * 4


def test_the_faults_of_the_documentation_are_read_whole() -> None:
    text = """{"seed": 7,
     "iam": {"throttle_ratio": 0.3, "rate_per_second": 20, "burst": 20, "latency_ms": 50,
             "deny": ["bob"], "delete": ["carol"]},
     "lambda": {"validate_keys": {"fail": 2}, "look_up_usage": {"fail": 1}, "build_report": {"fail": 1}},
     "s3": {"fail": 2}, "sns": {"fail": 1}, "cloudtrail": {"throttle": 2, "fail": 1, "deny": true}}"""

    faults = parse_faults(text)

    assert faults.model_dump(exclude_defaults=True, by_alias=True) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "faults: [] is not accepted: takes an object"),
        ('{"seed": 1.5}', "seed: 1.5 is not accepted: takes a whole number"),
        ('{"seed": true}', "seed: true is not accepted: takes a whole number"),
        ('{"seed": 1, "seed": 2}', "an object has a field twice"),
        ('{"dynamodb": {}}', "dynamodb: unknown field; the fields here are seed, iam, lambda, s3, sns"),
        ('{"iam": {"throttle_ratio": 1.1}}', "iam.throttle_ratio: 1.1 is not accepted: takes a share from 0 to 1"),
        ('{"iam": {"throttle_ratio": NaN}}', "iam.throttle_ratio: NaN is not accepted: takes a share from 0 to 1"),
        ('{"iam": {"throttle_ratio": "0.3"}}', 'iam.throttle_ratio: "0.3" is not accepted: takes a number'),
        ('{"iam": {"rate_per_second": 0}}', "iam.rate_per_second: 0 is not accepted: takes a number from 0.1"),
        ('{"iam": {"burst": 0}}', "iam.burst: 0 is not accepted: takes a whole number from 1"),
        ('{"iam": {"burst": 20}}', "is not accepted: takes burst only beside rate_per_second"),
        ('{"iam": {"latency_ms": -1}}', "iam.latency_ms: -1 is not accepted: takes milliseconds from 0 to 60,000"),
        ('{"iam": {"deny": "bob"}}', 'iam.deny: "bob" is not accepted: takes a list'),
        ('{"iam": {"deny": ["b b"]}}', 'iam.deny.0: "b b" is not accepted: takes 1 to 64 characters'),
        (
            '{"lambda": {"app": {"fail": 1}}}',
            "lambda.app: unknown field; the fields here are read_policy, read_account, validate_keys, look_up_usage",
        ),
        ('{"lambda": {"build_report": 2}}', "lambda.build_report: 2 is not accepted: takes an object"),
        (
            '{"s3": {"fail": -2}}',
            "s3.fail: -2 is not accepted: takes a whole number of calls, -1 for all of them, from",
        ),
        ('{"cloudtrail": {"deny": 1}}', "cloudtrail.deny: 1 is not accepted: takes true or false"),
        ('{"cloudtrail": {"throttle": -2}}', "cloudtrail.throttle: -2 is not accepted: takes a whole number of calls"),
        ('{"sns": {"fail": true}}', "sns.fail: true is not accepted: takes a whole number"),
    ],
)
def test_what_is_no_fault_is_refused_with_field_value_and_what_is_accepted(text: str, says: str) -> None:
    with pytest.raises(DocumentError) as refused:
        parse_faults(text)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_token_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=20, burst=5)

    at_once = [bucket.take(100.0) for _ in range(7)]
    one_token_later = [bucket.take(100.0625) for _ in range(2)]
    after_a_pause = [bucket.take(200.0) for _ in range(7)]

    assert at_once == after_a_pause == [True] * 5 + [False] * 2
    assert one_token_later == [True, False]


def test_a_share_of_calls_is_throttled_and_the_same_ones_whatever_their_order() -> None:
    calls = [list_access_keys(f"user-{number}") for number in range(1_000)]
    first, second = injector(seed=7, iam={"throttle_ratio": 0.3}), injector(seed=7, iam={"throttle_ratio": 0.3})

    throttled = {call.parameters["UserName"] for call in calls if first.answer(call)}
    again = {call.parameters["UserName"] for call in reversed(calls) if second.answer(call)}

    assert throttled == again
    assert 250 < len(throttled) < 350


def test_another_seed_throttles_other_calls() -> None:
    calls = [list_access_keys(f"user-{number}") for number in range(100)]

    answers = [
        [bool(injector(seed=seed, iam={"throttle_ratio": 0.5}).answer(call)) for call in calls] for seed in (1, 2)
    ]

    assert answers[0] != answers[1]


def test_a_call_that_comes_again_is_drawn_anew() -> None:
    faults = injector(iam={"throttle_ratio": 0.5})

    answers = Counter(faults.answer(list_access_keys("alice")) is None for _ in range(200))

    assert min(answers.values()) > 50


@pytest.mark.parametrize(
    ("faults", "call", "status", "code"),
    [
        ({"iam": {"throttle_ratio": 1}}, list_access_keys("alice"), 400, b"<Code>Throttling</Code>"),
        ({"iam": {"deny": ["bob"]}}, list_access_keys("bob"), 403, b"is not authorized to perform: iam:ListAccessKeys"),
        ({"iam": {"delete": ["carol"]}}, list_access_keys("carol"), 404, b"<Code>NoSuchEntity</Code>"),
        ({"lambda": {"build_report": {"fail": 1}}}, invocation("BuildReport"), 500, b"internal error"),
        ({"s3": {"fail": 1}}, PUT, 503, b"<Code>SlowDown</Code>"),
        ({"sns": {"fail": 1}}, PUBLISH, 500, b"<Code>InternalError</Code>"),
        ({"cloudtrail": {"fail": 1}}, LOOK_UP, 500, b'"__type": "InternalFailure"'),
        ({"cloudtrail": {"throttle": 1}}, LOOK_UP, 400, b'"__type": "ThrottlingException"'),
        ({"cloudtrail": {"deny": True}}, LOOK_UP, 400, b"is not authorized to perform: cloudtrail:LookupEvents"),
    ],
)
def test_each_fault_is_answered_as_its_service_does(faults: Any, call: Call, status: int, code: bytes) -> None:
    answer = injector(**faults).answer(call)

    assert answer is not None
    assert answer.status == status
    assert code in answer.body


@pytest.mark.parametrize(
    ("faults", "call"),
    [
        ({"iam": {"deny": ["bob"]}}, list_access_keys("alice")),
        ({"iam": {"deny": ["bob"]}}, Call("iam", "ListUserTags", "/", {"UserName": "bob"})),
        ({"iam": {"delete": ["carol"]}}, Call("iam", "ListUsers", "/", {})),
        ({"lambda": {"build_report": {"fail": -1}}}, invocation("ValidateKeys")),
        ({"s3": {"fail": -1}, "sns": {"fail": -1}}, list_access_keys("alice")),
    ],
)
def test_a_fault_touches_nothing_else(faults: Any, call: Call) -> None:
    assert injector(**faults).answer(call) is None


@pytest.mark.parametrize(("fail", "failed"), [(0, 0), (2, 2), (-1, 5)])
def test_the_first_calls_fail_or_all(fail: int, failed: int) -> None:
    faults = injector(s3={"fail": fail})

    answers = [faults.answer(PUT) for _ in range(5)]

    assert [answer is not None for answer in answers] == [True] * failed + [False] * (5 - failed)


def test_the_gate_lets_calls_of_iam_take_their_time_and_fail_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("localaws.middleware.time.sleep", slept.append)
    gate = Gate(lambda _environ, _start: [b"fine"], ACCOUNT)
    gate.inject(parse_faults('{"iam": {"latency_ms": 50, "throttle_ratio": 1}}'))
    answered: list[str] = []

    bodies = [
        b"".join(gate(environ(caller), lambda status, _headers: answered.append(status)))
        for caller in (INTERPRETER, HARNESS)
    ]

    assert slept == [0.05]
    assert answered == ["400 Bad Request"]
    assert b"Rate exceeded" in bodies[0]
    assert bodies[1] == b"fine"  # what the harness asks is neither counted nor let fail
    assert (gate.calls(), gate.throttled) == ({"iam:ListUsers": 1}, 1)


def environ(caller: str) -> dict[str, Any]:
    body = b"Action=ListUsers&Version=2010-05-08"
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={caller}/20260101/us-east-1/iam/aws4_request, …",
    }

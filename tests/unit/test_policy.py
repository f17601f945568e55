"""The scan policy: what is taken, what is refused and in which words."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.policy import InvalidPolicyError, ScanPolicy, describe_details_cutoff, parse_policy, parse_policy_text
from chalicelib.settings import parse_stage_defaults

DEFAULTS = ScanPolicy()
NAMES = [f"user{number}" for number in range(101)]


def test_nothing_given_is_the_defaults() -> None:
    policy = parse_policy({}, DEFAULTS)

    assert policy.to_json() == {"max_age_days": 90, "warn_days": 14, "include_inactive": False}


@pytest.mark.parametrize("text", ["", "  \n", b""])
def test_an_empty_text_is_the_stages_defaults(text: str | bytes) -> None:
    stage = ScanPolicy(max_age_days=45, include_inactive=True)

    assert parse_policy_text(text, stage) == stage


@pytest.mark.parametrize(
    "document",
    [
        {"max_age_days": 1, "warn_days": 0},
        {"max_age_days": 3650, "warn_days": 3649},
        {"max_age_days": 90, "warn_days": 89, "include_inactive": True},
        {"max_unused_days": 1},
        {"max_unused_days": 3650},
        {"users": ["a"]},
        {"users": NAMES[:100]},
        {"users": ["=cmd+x@y.z", "a" * 64, "A-b_c+d,e.f"]},
        {"as_of": "2026-11-22T08:00:00Z"},
        {"as_of": "2126-11-22T08:00:00.5Z"},
    ],
)
def test_a_policy_is_read_as_it_was_written(document: dict[str, Any]) -> None:
    policy = parse_policy(document, DEFAULTS)

    assert document.items() <= policy.to_json().items()
    assert parse_policy(policy.to_json(), DEFAULTS) == policy


def test_as_of_is_kept_in_utc() -> None:
    policy = parse_policy({"as_of": "2026-11-22T09:00:00+01:00"}, DEFAULTS)

    assert policy.to_json()["as_of"] == "2026-11-22T08:00:00Z"


@pytest.mark.parametrize(("max_age_days", "warn_days"), [(90, 14), (15, 14), (14, 13), (10, 9), (1, 0)])
def test_the_default_of_warn_days_bends_below_max_age_days(max_age_days: int, warn_days: int) -> None:
    assert parse_policy({"max_age_days": max_age_days}, DEFAULTS).warn_days == warn_days


@pytest.mark.parametrize(
    ("document", "field", "shown", "takes"),
    [
        (None, "scan policy", "null", "an object"),
        ([1], "scan policy", "[1]", "an object"),
        ("x", "scan policy", '"x"', "an object"),
        (5, "scan policy", "5", "an object"),
        ({"max_age": 90}, "unknown field", '{"max_age": 90}', "max_age_days, warn_days"),
        ({"max_age_days": True}, "max_age_days", "true", "an integer from 1 to 3650"),
        ({"max_age_days": 90.0}, "max_age_days", "90.0", "an integer from 1 to 3650"),
        ({"max_age_days": "90"}, "max_age_days", '"90"', "an integer from 1 to 3650"),
        ({"max_age_days": None}, "max_age_days", "null", "an integer from 1 to 3650"),
        ({"max_age_days": [90]}, "max_age_days", "[90]", "an integer from 1 to 3650"),
        ({"max_age_days": 0}, "max_age_days", "0", "an integer from 1 to 3650"),
        ({"max_age_days": 3651}, "max_age_days", "3651", "an integer from 1 to 3650"),
        ({"max_age_days": float("nan")}, "max_age_days", "NaN", "an integer from 1 to 3650"),
        ({"warn_days": -1}, "warn_days", "-1", "an integer from 0 to 89"),
        ({"warn_days": 90}, "warn_days", "90", "an integer from 0 to 89"),
        ({"warn_days": False}, "warn_days", "false", "an integer from 0 to 89"),
        ({"max_age_days": 10, "warn_days": 10}, "warn_days", "10", "an integer from 0 to 9"),
        ({"include_inactive": 1}, "include_inactive", "1", "true or false"),
        ({"include_inactive": "true"}, "include_inactive", '"true"', "true or false"),
        ({"include_inactive": None}, "include_inactive", "null", "true or false"),
        ({"max_unused_days": 0}, "max_unused_days", "0", "an integer from 1 to 3650"),
        ({"max_unused_days": 3651}, "max_unused_days", "3651", "an integer from 1 to 3650"),
        ({"max_unused_days": True}, "max_unused_days", "true", "an integer from 1 to 3650"),
        ({"max_unused_days": None}, "max_unused_days", "null", "an integer from 1 to 3650"),
        ({"users": "alice"}, "users", '"alice"', "1 to 100 IAM user names"),
        ({"users": []}, "users (0 of them)", "[]", "1 to 100 IAM user names"),
        ({"users": NAMES}, "users (101 of them)", '["user0", ', "1 to 100 IAM user names"),
        ({"users": ["a", "b", "a"]}, "users[2] (a duplicate)", '"a"', "each once"),
        ({"users": ["a b"]}, "users[0]", '"a b"', "IAM user names"),
        ({"users": ["a", ""]}, "users[1]", '""', "IAM user names"),
        ({"users": ["a" * 65]}, "users[0]", '"aaa', "of 1 to 64 characters"),
        ({"users": ["é"]}, "users[0]", '"\\u00e9"', "IAM user names"),
        ({"users": ["a\n"]}, "users[0]", '"a\\n"', "IAM user names"),
        ({"users": [1]}, "users[0]", "1", "IAM user names"),
        ({"as_of": "2026-11-22T08:00:00"}, "as_of", '"2026-11-22T08:00:00"', "with a zone"),
        ({"as_of": "2026-11-22"}, "as_of", '"2026-11-22"', "with a zone"),
        ({"as_of": 1795334400}, "as_of", "1795334400", "ISO 8601"),
        ({"as_of": "soon"}, "as_of", '"soon"', "ISO 8601"),
        ({"as_of": "1969-12-31T23:59:59Z"}, "as_of", "1969", "1970 to 2999"),
        ({"as_of": "3000-01-01T00:00:00Z"}, "as_of", "3000", "1970 to 2999"),
    ],
)
def test_a_bad_policy_is_refused_with_field_value_and_what_it_takes(
    document: object, field: str, shown: str, takes: str
) -> None:
    with pytest.raises(InvalidPolicyError) as refusal:
        parse_policy(document, DEFAULTS)

    message = str(refusal.value)
    assert message.startswith(f"{field}: ")
    assert shown in message
    assert takes in message
    assert len(message) < 320


@pytest.mark.parametrize(
    "text",
    ["{", "{'max_age_days': 90}", '{"max_age_days": 9,}', b"\xff\xfe{", "[" * 100_000, "9" * 10_000],
    ids=["open", "single quotes", "comma", "not UTF-8", "nested deeply", "long number"],
)
def test_malformed_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidPolicyError, match=r"scan policy: .*well-formed JSON"):
        parse_policy_text(text, DEFAULTS)


def test_a_field_given_twice_is_refused() -> None:
    with pytest.raises(InvalidPolicyError, match=r"given twice: .*max_age_days.*1, 90.*each field once"):
        parse_policy_text('{"max_age_days": 1, "max_age_days": 90}', DEFAULTS)


@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(['"max_age_days": 1'] * 300_000) + "}",
        "{" + ",".join(f'"a{number}": 1' for number in range(300_000)) + ', "a0": 1}',
        '{"as_of": "2026' + "T" * 1_000_000 + '"}',
        '{"as_of": "2026' + "+00" * 1_000_000 + '"}',
        '{"users": [' + ",".join(['"a"'] * 300_000) + "]}",
        '{"users": ["' + "a" * 1_000_000 + '"]}',
    ],
    ids=["one field", "many fields", "no instant", "zones", "users", "a user"],
)
def test_a_hostile_body_takes_time_in_proportion_to_its_length(text: str) -> None:
    """In proportion to the square of it, each would take many times as long as a test may."""
    with pytest.raises(InvalidPolicyError):
        parse_policy_text(text, DEFAULTS)


@pytest.mark.parametrize("value", ["[" * 900 + "]" * 900, '"\\ud800"', "1e999"])
def test_an_odd_value_is_refused_and_not_stumbled_over(value: str) -> None:
    with pytest.raises(InvalidPolicyError) as refusal:
        parse_policy_text(f'{{"max_age_days": {value}}}', DEFAULTS)

    json.dumps(str(refusal.value)).encode()


def test_stage_defaults_come_from_its_settings() -> None:
    settings = {
        "MAX_AGE_DAYS": "60",
        "WARN_DAYS": "7",
        "INCLUDE_INACTIVE": "true",
        "MAX_UNUSED_DAYS": "45",
        "PATH": "/",
    }

    assert parse_stage_defaults(settings) == ScanPolicy(60, 7, include_inactive=True, max_unused_days=45)


@pytest.mark.parametrize(
    "settings", [{}, {"MAX_AGE_DAYS": "", "WARN_DAYS": " ", "INCLUDE_INACTIVE": "", "MAX_UNUSED_DAYS": ""}]
)
def test_stage_settings_are_optional(settings: dict[str, str]) -> None:
    assert parse_stage_defaults(settings) == ScanPolicy()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"MAX_AGE_DAYS": "ninety"}, "max_age_days"),
        ({"MAX_AGE_DAYS": "0"}, "max_age_days"),
        ({"MAX_AGE_DAYS": "90.5"}, "max_age_days"),
        ({"WARN_DAYS": "90"}, "warn_days"),
        ({"INCLUDE_INACTIVE": "yes"}, "include_inactive"),
        ({"MAX_UNUSED_DAYS": "0"}, "max_unused_days"),
    ],
)
def test_a_bad_stage_setting_fails_loudly(settings: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidPolicyError, match=field):
        parse_stage_defaults(settings)


def test_a_default_that_does_not_fit_is_lowered_and_a_value_that_is_set_is_not() -> None:
    assert parse_stage_defaults({"MAX_AGE_DAYS": "10", "WARN_DAYS": ""}) == ScanPolicy(10, 9)
    for warn_days in ("10", "20"):
        says = f"warn_days: {warn_days} is not accepted; it takes an integer from 0 to 9"
        with pytest.raises(InvalidPolicyError, match=says):
            parse_stage_defaults({"MAX_AGE_DAYS": "10", "WARN_DAYS": warn_days})


def test_a_policy_over_a_stage_of_its_own_keeps_what_the_stage_says() -> None:
    stage = ScanPolicy(max_age_days=60, warn_days=30, include_inactive=True)

    assert parse_policy({"max_age_days": 20}, stage) == ScanPolicy(20, 19, include_inactive=True)


AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "as_of", "created_before", "inactive"),
    [
        (ScanPolicy(), AS_OF, "2026-09-07T08:00:00", False),
        (ScanPolicy(), AS_OF + timedelta(microseconds=1), "2026-09-07T08:00:01", False),
        (ScanPolicy(), AS_OF + timedelta(microseconds=999_999), "2026-09-07T08:00:01", False),
        (ScanPolicy(warn_days=0), AS_OF, "2026-08-24T08:00:00", False),
        (ScanPolicy(include_inactive=True), AS_OF, "2026-09-07T08:00:00", True),
        (ScanPolicy(max_unused_days=45), AS_OF, "9999-12-31T00:00:00", False),
    ],
)
def test_more_is_asked_of_keys_that_may_be_too_old_or_due_soon(
    policy: ScanPolicy, as_of: datetime, created_before: str, inactive: bool
) -> None:
    assert describe_details_cutoff(policy, as_of) == {"created_before": created_before, "inactive": inactive}

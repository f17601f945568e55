"""A key judged again by IAM's answers of the last moment: what it may be deactivated by, and odd answers."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from chalicelib.evaluation.recheck import Recheck, Terms, recheck
from chalicelib.policy import ScanPolicy
from chalicelib.settings import TagSettings

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)  # a Monday
KEY: Any = {"account_id": "123456789012", "user_name": "alice", "access_key_id": "AKIAOLD"}
OLD = {"access_key_id": "AKIAOLD", "status": "Active", "created_at": "2026-01-01T00:00:00Z"}
NEW = {"access_key_id": "AKIANEW", "status": "Active", "created_at": "2026-09-01T00:00:00Z"}
NEVER: dict[str, Any] = {}
TERMS = Terms(
    "scan-1",
    "aws",
    NOW,
    ScanPolicy(),
    DeactivationSettings("apply", after_days=14, weekdays=WEEKDAYS),
    TagSettings(),
)
TOLD = "2026-11-01T08:00:00Z"


def use(at: str) -> dict[str, str]:
    return {"at": at, "service": "s3", "region": "us-east-1"}


def days_ago(days: float, seconds: int = 0) -> dict[str, str]:
    return use(f"{NOW - timedelta(days=days, seconds=seconds):%Y-%m-%dT%H:%M:%SZ}")


def answers(*keys: Any, last_used: Any = None, tags: Any = (), **more: Any) -> dict[str, Any]:
    """What IAM says: by default of one key, never used, of a user without tags."""
    keys = keys or (OLD,)
    return {
        "keys": [*keys],
        "last_used": [NEVER] * len(keys) if last_used is None else last_used,
        "user": {"path": "/", "tags": [{"Key": name, "Value": value} for name, value in dict(tags).items()]},
        "cause": "",
        **more,
    }


def check(given: Any, told_since: str | None = TOLD, **of_stage: Any) -> Recheck:
    terms = dataclasses.replace(TERMS, settings=dataclasses.replace(TERMS.settings, **of_stage))
    return recheck(KEY, given, told_since, None, terms)


def test_a_key_that_was_never_used_may_be_deactivated() -> None:
    finding, why_not = check(answers())

    assert why_not is None
    assert finding is not None
    assert finding["advice_in_words"] == "Never used since it was created on 2026-01-01: deactivate it."


@pytest.mark.parametrize(
    ("last_used", "may"),
    [(days_ago(90), True), (days_ago(90, 1), True), (days_ago(90, -1), False), (days_ago(0), False)],
)
def test_a_key_that_was_used_in_less_than_ninety_days_may_not(last_used: Any, may: bool) -> None:
    _, why_not = check(answers(last_used=[last_used]))

    assert (why_not is None) is may


@pytest.mark.parametrize(
    ("last_used", "may"),
    [(days_ago(14), True), (days_ago(14, -1), False)],
)
def test_a_key_before_its_successor_may_not_have_been_used_in_the_days_of_notice(last_used: Any, may: bool) -> None:
    successor = {**NEW, "created_at": "2026-11-22T00:00:00Z"}
    given = answers(OLD, successor, last_used=[last_used, days_ago(0)])

    _, why_not = check(given, told_since="2026-11-09T08:30:00Z")

    assert why_not == (None if may else "It was used on 2026-11-09, less than 14 days ago.")


def test_a_key_that_was_used_after_it_was_announced_may_not() -> None:
    policy = ScanPolicy(max_unused_days=5)
    terms = dataclasses.replace(TERMS, policy=policy)

    _, why_not = recheck(KEY, answers(last_used=[days_ago(20)]), TOLD, None, terms)

    assert why_not == "It was used on 2026-11-03, after it was announced."


@pytest.mark.parametrize(
    ("told_since", "why"),
    [
        ("2026-11-09T09:00:00Z", None),
        ("2026-11-09T09:00:01Z", "It was announced on 2026-11-09, less than 14 days ago."),
        (None, "It was not announced."),
    ],
)
def test_a_key_is_announced_long_enough_before(told_since: str | None, why: str | None) -> None:
    assert check(answers(), told_since).why_not == why


def test_a_successor_that_has_not_been_used_makes_no_key_safe() -> None:
    _, why_not = check(answers(OLD, NEW, last_used=[days_ago(20), NEVER]))

    assert why_not is not None
    assert why_not.startswith("In use, last on 2026-11-03")


@pytest.mark.parametrize(
    ("tags", "of_stage", "why"),
    [
        ({"iam-key-age:never-deactivate": "no"}, {}, "Its user has the tag iam-key-age:never-deactivate."),
        ({"IAM-Key-Age:Never-Deactivate": ""}, {}, "Its user has the tag iam-key-age:never-deactivate."),
        (
            {"iam-key-age:exempt-until": "2026-12-24", "iam-key-age:exempt-reason": "a role comes"},
            {},
            "Its user is exempt until 2026-12-24.",
        ),
        ({"iam-key-age:exempt-until": "2026-11-22", "iam-key-age:exempt-reason": "a role comes"}, {}, None),
        ({"iam-key-age:may-deactivate": "true"}, {"tagged_only": True}, None),
        (
            {"iam-key-age:may-deactivate": "no"},
            {"tagged_only": True},
            "Its user does not have the tag iam-key-age:may-deactivate with the value true.",
        ),
        ({}, {"user_path": "/people/"}, "Its user's path, /, does not begin with /people/."),
        ({}, {"weekdays": ("TUE", "WED")}, "Keys are deactivated on TUE, WED alone (UTC)."),
    ],
)
def test_the_tags_the_path_and_the_day_of_now_count(tags: Any, of_stage: Any, why: str | None) -> None:
    assert check(answers(tags=tags), **of_stage).why_not == why


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"keys": []}, "IAM lists no such key of this user now: it was deleted, or its user was renamed."),
        ({"keys": [], "cause": "ListAccessKeys: no"}, "IAM did not list it (ListAccessKeys: no)."),
        ({"keys": [NEW]}, "IAM lists no such key of this user now: it was deleted, or its user was renamed."),
        ({"keys": [{**OLD, "status": "Inactive"}]}, "It is Inactive already."),
        ({"keys": [{**OLD, "status": "Expired"}]}, "It is Expired already."),
        ({"last_used": ["unknown"], "cause": "no"}, "When it was last used is unknown. (no)"),
        (
            {"user": {}, "cause": "no"},
            "Its user's tags are unknown, and so is whether one is iam-key-age:never-deactivate. (no)",
        ),
    ],
)
def test_what_iam_does_not_say_is_not_taken_for_a_yes(more: Any, why: str) -> None:
    assert check(answers(**more)).why_not == why


ODD: list[Any] = [None, 0, "", "odd", [], {}, [None], ["odd"], {"odd": 1}, [{"odd": 1}]]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("name", ["keys", "last_used", "user"])
def test_an_odd_answer_is_unknown(name: str, odd: Any) -> None:
    assert check({**answers(), name: odd}).why_not


@pytest.mark.parametrize(
    "key",
    [
        {"created_at": None},
        {"created_at": "yesterday"},
        {"created_at": "2026-11-24T08:00:00Z"},
        {"created_at": 1},
        {"status": None},
        {"status": ["Active"]},
    ],
    ids=repr,
)
def test_an_oddly_described_key_is_not_deactivated(key: Any) -> None:
    assert check(answers({**OLD, **key})).why_not


@pytest.mark.parametrize("odd", [None, 1, "odd", {"at": 1}, {"at": "now", "service": "s3", "region": "x"}, ["unknown"]])
def test_an_odd_last_use_is_unknown_and_never_unused(odd: Any) -> None:
    why_not = check(answers(last_used=[odd])).why_not

    assert why_not is not None
    assert why_not.startswith("When it was last used is unknown.")


@pytest.mark.parametrize(
    "user",
    [{"path": "/"}, {"path": "/", "tags": None}, {"path": "/", "tags": [{"Key": "a"}]}, {"path": "/", "tags": ["a"]}],
)
def test_odd_tags_are_unknown_tags(user: Any) -> None:
    why_not = check(answers(user=user)).why_not

    assert why_not is not None
    assert why_not.startswith("Its user's tags are unknown")


def test_a_key_that_is_listed_twice_is_held() -> None:
    assert check(answers(OLD, {**OLD, "status": "Inactive"})).why_not

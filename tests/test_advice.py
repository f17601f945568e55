"""What to do with a key: every branch, at its boundaries."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.advice import advise
from chalicelib.age import AgeRule, format_instant
from tests.reports import AS_OF, Used, used

SECOND = 1 / 86_400
RULE = AgeRule(AS_OF, 90, 14)
RULE_45 = AgeRule(AS_OF, 90, 14, max_unused_days=45)


def judged(age: float, last: Used = None, status: str = "Active", key_id: str = "AKIAOLD", **where: str) -> Any:
    """A judged key, `age` days old, used last so many days ago."""
    created_at = format_instant(AS_OF - timedelta(days=age))
    last_used = None if last == "never" else used(last, **where)
    return {"access_key_id": key_id, "status": status, "created_at": created_at, "last_used": last_used}


def newer(age: float, last: Used, status: str = "Active") -> Any:
    return judged(age, last, status, "AKIANEW")


@pytest.mark.parametrize(
    ("key", "others", "rule", "action"),
    [
        pytest.param(judged(200, "never"), [], RULE, "deactivate", id="never used"),
        pytest.param(judged(200, "never"), [newer(5, 1)], RULE, "deactivate", id="never used, with a successor"),
        pytest.param(judged(200, "never"), [newer(5, "unknown")], RULE, "deactivate", id="never used, other unknown"),
        pytest.param(judged(200, 90 - SECOND), [], RULE, "rotate", id="used a second short of 90 days ago"),
        pytest.param(judged(200, 90), [], RULE, "deactivate", id="used exactly 90 days ago"),
        pytest.param(judged(200, 90 + SECOND), [], RULE, "deactivate", id="used 90 days and a second ago"),
        pytest.param(judged(200, 90), [newer(5, 1)], RULE, "deactivate", id="unused, with a successor"),
        pytest.param(judged(200, 45), [], RULE_45, "rotate", id="used exactly 45 days ago, where 45 are allowed"),
        pytest.param(judged(200, 45 + SECOND), [], RULE_45, "deactivate", id="not used for longer than is allowed"),
        pytest.param(
            judged(200, 5 + SECOND), [newer(5, 1)], RULE, "finish_rotation", id="not used since the successor"
        ),
        pytest.param(judged(200, 5), [newer(5, 1)], RULE, "finish_rotation", id="used the second it was created"),
        pytest.param(judged(200, 1), [newer(5, 1)], RULE, "finish_rotation", id="both used"),
        pytest.param(judged(200, 1), [newer(100, 90)], RULE, "rotate", id="the successor is unused for 90 days"),
        pytest.param(judged(200, 1), [newer(100, 90 - SECOND)], RULE, "finish_rotation", id="and a second short of it"),
        pytest.param(judged(200, 1), [newer(5, "never")], RULE, "rotate", id="the successor was never used"),
        pytest.param(judged(200, 1), [newer(5, 1, "Inactive")], RULE, "rotate", id="the successor is inactive"),
        pytest.param(judged(200, 1), [newer(200, 1)], RULE, "rotate", id="the other key is as old"),
        pytest.param(judged(200, 1), [newer(300, 1)], RULE, "rotate", id="the other key is older"),
        pytest.param(judged(200, 1), [], RULE, "rotate", id="in use, no other key"),
        pytest.param(judged(200, -1), [], RULE, "rotate", id="used after the instant of the scan"),
        pytest.param(judged(200, 1, "Inactive"), [], RULE, "delete", id="inactive"),
        pytest.param(judged(200, "unknown", "Inactive"), [], RULE, "delete", id="inactive, use unknown"),
        pytest.param(judged(200, "unknown"), [], RULE, None, id="use unknown"),
        pytest.param(judged(200, "unknown"), [newer(5, 1)], RULE, None, id="use unknown, with a successor"),
        pytest.param(judged(200, 1), [newer(5, "unknown")], RULE, None, id="the successor's use unknown"),
        pytest.param(
            judged(200, 1), [newer(5, "unknown"), newer(6, 1)], RULE, "finish_rotation", id="another successor in use"
        ),
        pytest.param(judged(200, 1), [newer(300, "unknown")], RULE, "rotate", id="an older key's use unknown"),
    ],
)
def test_what_to_do(key: Any, others: list[Any], rule: AgeRule, action: str | None) -> None:
    advice = advise(key, others, rule)

    assert (advice and advice.action) == action


@pytest.mark.parametrize(
    ("key", "others", "sentence"),
    [
        (judged(200, "never"), [], "Never used since it was created on 2026-05-06: deactivate it."),
        (
            judged(200, 120.5, service="ec2", region="eu-west-1"),
            [],
            "Not used for 120 days, last on 2026-07-24 for ec2 in eu-west-1: deactivate it.",
        ),
        (
            judged(200, 30),
            [newer(20, 1)],
            (
                "Its successor AKIANEW is in use, and this key was last used on 2026-10-23 for s3 in us-east-1,"
                " before the successor was created on 2026-11-02: deactivate it."
            ),
        ),
        (
            judged(200, 2),
            [newer(20, 1)],
            (
                "Its successor AKIANEW is in use, but so was this key on 2026-11-20 for s3 in us-east-1:"
                " move that to the successor, then deactivate this one."
            ),
        ),
        (
            judged(200, 2),
            [],
            (
                "In use, last on 2026-11-20 for s3 in us-east-1:"
                " create its successor, move what uses it there, then deactivate it."
            ),
        ),
        (
            judged(200, 2),
            [newer(20, "never")],
            (
                "In use, last on 2026-11-20 for s3 in us-east-1, and its successor AKIANEW is not in use yet:"
                " move what uses this key to it, then deactivate this one."
            ),
        ),
        (judged(200, 2, "Inactive"), [], "Inactive already: delete it when nothing has missed it."),
        (
            judged(200, 2, service="N/A", region="N/A"),
            [],
            "In use, last on 2026-11-20: create its successor, move what uses it there, then deactivate it.",
        ),
    ],
)
def test_the_sentence_names_service_region_and_date(key: Any, others: list[Any], sentence: str) -> None:
    advice = advise(key, others, RULE)

    assert advice is not None
    assert advice.sentence == sentence


def test_of_several_successors_in_use_the_newest_counts() -> None:
    since_the_first, since_the_second = judged(60, 1, key_id="AKIAFIRST"), judged(10, 1, key_id="AKIASECOND")

    advice = advise(judged(200, 20), [since_the_first, since_the_second], RULE)

    assert advice is not None
    assert "AKIASECOND is in use, and this key was last used on 2026-11-02" in advice.sentence

"""A key that is young today and not used yet: a rotation in progress, whatever instant and limits a scan judges by."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.age import AgeRule
from chalicelib.evaluation.advice import Advice, advise
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.instants import format_instant
from chalicelib.key_documents import Finding
from chalicelib.policy import ScanPolicy
from tests.support.examples import given
from tests.support.examples import strategies as st
from tests.support.facts import facts
from tests.support.reports import AS_OF, Used, key, used
from tests.support.reports import user as outcome_of
from tests.support.scanner import Scanner

SECOND = 1 / 86_400
RULE = AgeRule(AS_OF, 90, 14)


def keys(*made_up: tuple[float, Used] | tuple[float, Used, str]) -> list[Any]:
    """Keys named AKIA1, AKIA2 …, each of an age and a last use in days, and of a status."""
    return [
        {
            "access_key_id": f"AKIA{number}",
            "status": more[0] if more else "Active",
            "created_at": format_instant(AS_OF - timedelta(days=age)),
            "verdict": "expired",
            "last_used": None if last == "never" else used(last),
        }
        for number, (age, last, *more) in enumerate(made_up, start=1)
    ]


def advice_for(number: int, of: list[Any], rule: AgeRule = RULE) -> Advice:
    advice = advise(of[number - 1], [other for other in of if other is not of[number - 1]], rule)
    assert advice is not None
    return advice


def test_the_old_key_is_moved_to_the_new_one_and_the_new_one_finishes_the_rotation() -> None:
    rotating = keys((100, 0.5), (1, "never"))

    assert advice_for(1, rotating) == (
        "rotate",
        (
            "In use, last on 2026-11-21 for s3 in us-east-1, and its successor AKIA2 is not in use:"
            " move what uses this key to it, then deactivate this one."
        ),
        False,
    )
    assert advice_for(2, rotating) == (
        "finish_rotation",
        (
            "Not used yet: it was created on 2026-11-21, as the successor of AKIA1."
            " Move what uses that key to this one, then deactivate that one."
        ),
        False,
    )


@pytest.mark.parametrize(
    ("age", "max_unused_days", "action", "safe"),
    [
        (90 - SECOND, None, "finish_rotation", False),
        (90, None, "deactivate", True),
        (90 + SECOND, None, "deactivate", True),
        (30, 30, "finish_rotation", False),
        (30 + SECOND, 30, "deactivate", True),
        (90 - SECOND, 365, "finish_rotation", False),
        (90, 365, "deactivate", True),
    ],
)
def test_a_key_is_young_for_ninety_days_or_for_as_long_as_a_key_may_be_unused(
    age: float, max_unused_days: int | None, action: str, safe: bool
) -> None:
    rule = AgeRule(AS_OF, 90, 14, max_unused_days)

    advice = advice_for(2, keys((200, 1), (age, "never")), rule)

    assert (advice.action, advice.safe_to_deactivate) == (action, safe)


@pytest.mark.parametrize(
    ("of", "number", "action", "sentence"),
    [
        pytest.param(
            keys((10, "never")),
            1,
            "rotate",
            "Put it to use and rotate it in time, or deactivate it if nobody needs it.",
            id="the only key",
        ),
        pytest.param(
            keys((200, 1, "Inactive"), (10, "never")),
            2,
            "rotate",
            "Put it to use and rotate it in time, or deactivate it if nobody needs it.",
            id="the old key is inactive already",
        ),
        pytest.param(
            keys((200, 100), (10, "never")),
            2,
            "finish_rotation",
            "as the successor of AKIA1, which is not in use. Put this one to use, or deactivate it if nobody needs it.",
            id="nothing uses the old key",
        ),
        pytest.param(
            keys((200, "unknown"), (10, "never")),
            2,
            "finish_rotation",
            "as the successor of AKIA1. Move what uses that key to this one, then deactivate that one.",
            id="the use of the old key is unknown",
        ),
        pytest.param(
            keys((20, "never"), (10, "never")),
            1,
            "rotate",
            "and AKIA2 after it. Deactivate this one if nobody needs it.",
            id="two new keys, the first",
        ),
        pytest.param(
            keys((300, 1), (200, "never"), (10, "never")),
            3,
            "finish_rotation",
            "as the successor of AKIA1. Move what uses that key to this one",
            id="three keys, the oldest in use",
        ),
        pytest.param(
            keys((300, 1), (20, "never"), (10, 1)),
            2,
            "finish_rotation",
            "and AKIA3 after it. Deactivate this one if nobody needs it.",
            id="three keys, the newest in use",
        ),
        pytest.param(
            keys((300, 1), (200, 1), (20, "never"), (10, "unknown")),
            3,
            "finish_rotation",
            "and AKIA4 after it. Deactivate this one if nobody needs it.",
            id="four keys, the use of the newest unknown",
        ),
        pytest.param(
            keys((300, 1), (200, 1), (10, "never"), (400, 1, "Inactive")),
            3,
            "finish_rotation",
            "as the successor of AKIA2. Move what uses that key to this one",
            id="four keys, two of them in use",
        ),
    ],
)
def test_a_young_key_that_was_never_used_is_never_safe_to_deactivate(
    of: list[Any], number: int, action: str, sentence: str
) -> None:
    advice = advice_for(number, of)

    assert (advice.action, advice.safe_to_deactivate) == (action, False)
    assert advice.sentence.startswith("Not used yet: it was created on 2026-11-")
    assert sentence in advice.sentence


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        pytest.param(keys((200, 1)), ": create a successor,", id="one key"),
        pytest.param(keys((200, 1), (10, "never")), "its successor AKIA2 is not in use: move", id="a new one"),
        pytest.param(
            keys((200, 1), (20, "never"), (10, "never")), "its successor AKIA3 is not in use: move", id="two new ones"
        ),
        pytest.param(
            keys((200, 1), (10, "never"), (150, "never"), (300, 1, "Inactive")),
            "its successor AKIA2 is not in use: move",
            id="a new one among others",
        ),
        pytest.param(
            keys((200, 1), (150, "never")),
            ": once AKIA2 (not in use) is deleted, for IAM takes two keys a user, create a successor,",
            id="one that nothing used for long",
        ),
        pytest.param(
            keys((200, 1), (300, 1), (150, "never")),
            ": once AKIA3 (not in use) is deleted, for IAM takes two keys a user, create a successor,",
            id="one that nothing used for long, after one in use",
        ),
        pytest.param(
            keys((200, 1), (300, 1), (400, "never", "Inactive"), (150, 120)),
            ": once AKIA3 (inactive) and AKIA4 (not in use) are deleted, for IAM takes two keys a user, create",
            id="two that can go, after one in use",
        ),
        pytest.param(
            keys((200, 1), (300, 1), (400, 1)),
            ": once there is room, for IAM takes two keys a user, create a successor,",
            id="two older ones in use",
        ),
        pytest.param(
            keys((200, 1), (300, "unknown")),
            ": once AKIA2 (use unknown) is deleted, for IAM takes two keys a user, create a successor,",
            id="an older one whose use is unknown",
        ),
        pytest.param(
            keys((10, 1), (20, "never")),
            ": once there is room, for IAM takes two keys a user, create a successor,",
            id="an older one that is new, too",
        ),
    ],
)
def test_no_new_key_and_none_in_use_has_to_go_for_a_successor(of: list[Any], sentence: str) -> None:
    advice = advice_for(1, of)

    assert advice.action == "rotate"
    assert sentence in advice.sentence


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(keys((200, 1), (10, "unknown")), id="a young successor"),
        pytest.param(keys((200, 1), (20, "unknown"), (10, "never")), id="the first of two"),
        pytest.param(keys((200, 1), (20, "never"), (10, "unknown")), id="the second of two"),
    ],
)
def test_where_the_use_of_a_successor_is_unknown_there_is_no_advice(of: list[Any]) -> None:
    assert advise(of[0], of[1:], RULE) is None
    assert all(advise(key, [], RULE) is None for key in of if key["last_used"] == "unknown")


def findings(keys: list[dict[str, Any]], policy: ScanPolicy, as_of: datetime) -> list[Finding]:
    """What a scan that starts at AS_OF finds of a user's keys, as of another instant."""
    rotating = outcome_of("rotating", *keys)
    terms = ScanContext("scan-1", "123456789012", as_of, policy, facts([rotating]), started_at=AS_OF)
    return evaluate_page(terms, 1, ["rotating"], [rotating])["findings"]


ROTATING = [key("AKIAOLD", 100, used=0.5), key("AKIANEW", 1, used="never")]


@pytest.mark.parametrize("days_ahead", [0, 75.5, 89, 89 + SECOND, 125, 400, 20_000])
@pytest.mark.parametrize("limits", [(90, 14), (90, 0), (90, 89), (1, 0), (30, 29), (3650, 3649)])
@pytest.mark.parametrize("max_unused_days", [None, 1, 30, 3650])
def test_a_rotation_in_progress_is_the_same_at_any_instant_to_come_and_by_any_limits(
    days_ahead: float, limits: tuple[int, int], max_unused_days: int | None
) -> None:
    policy = ScanPolicy(*limits, max_unused_days=max_unused_days)
    now = {finding["access_key_id"]: finding for finding in findings(ROTATING, ScanPolicy(), AS_OF)}

    found = findings(ROTATING, policy, AS_OF + timedelta(days=days_ahead))

    for finding in found:
        assert finding["safe_to_deactivate"] is False
        if finding["access_key_id"] == "AKIAOLD":
            assert finding["advice_in_words"] == now["AKIAOLD"]["advice_in_words"]
        else:
            assert finding["advice"] == "finish_rotation"


_KEYS = st.lists(
    st.tuples(
        st.one_of(st.integers(-5, 400), st.sampled_from([89, 90, 90 - SECOND, 90 + SECOND, 45, 45 + SECOND])),
        st.one_of(st.sampled_from(["never", "unknown"]), st.integers(0, 400)),
        st.sampled_from(["Active", "Active", "Inactive"]),
    ),
    max_size=4,
)
_POLICIES = st.builds(
    lambda age, warn, unused, inactive: ScanPolicy(age, min(warn, age - 1), inactive, unused),
    st.integers(1, 400),
    st.integers(0, 400),
    st.sampled_from([None, 1, 45, 90, 400]),
    st.booleans(),
)


@given(_KEYS, _POLICIES, st.integers(-500, 4_000))
def test_no_young_key_that_was_never_used_is_safe_to_deactivate_and_no_forecast_changes_the_advice(
    made_up: list[tuple[float, Any, str]], policy: ScanPolicy, days_ahead: int
) -> None:
    held = [key(f"AKIA{number}", age, status, last) for number, (age, last, status) in enumerate(made_up)]
    as_of = AS_OF + timedelta(days=days_ahead)
    young_for = min(90, policy.max_unused_days or 90)
    young = {
        f"AKIA{number}"
        for number, (age, last, status) in enumerate(made_up)
        if last == "never" and status == "Active" and age < young_for
    }

    found = findings(held, policy, as_of)

    for finding in found:
        if finding["access_key_id"] in young:
            assert finding["safe_to_deactivate"] is False
            assert finding["advice"] in ("rotate", "finish_rotation")
        room = (finding["advice_in_words"] or "").partition(": once ")[2].partition(", for IAM takes")[0]
        assert not any(f"{key_id} " in f"{room} " for key_id in young)
    if days_ahead >= 0:
        at_the_end = findings(held, policy, datetime(2999, 12, 31, tzinfo=UTC))
        advice = {finding["access_key_id"]: _advice(finding) for finding in at_the_end}
        assert {finding["access_key_id"]: _advice(finding) for finding in found}.items() <= advice.items()


def _advice(finding: Finding) -> tuple[object, ...]:
    return finding["advice"], finding["advice_in_words"], finding["safe_to_deactivate"]


@pytest.mark.parametrize(
    "policy",
    [
        {"as_of": "2027-03-31T00:00:00Z"},
        {"as_of": "2999-12-31T00:00:00Z"},
        {"warn_days": 89},
        {"max_age_days": 1, "warn_days": 0},
        {"as_of": "2027-03-31T00:00:00Z", "max_age_days": 30, "max_unused_days": 5},
        {"users": ["rotating"], "max_unused_days": 90, "warn_days": 89},
    ],
    ids=str,
)
def test_a_scan_deletes_no_new_credential_in_the_middle_of_a_rotation(scanner: Scanner, policy: dict[str, Any]) -> None:
    old = {"access_key_id": "AKIAOLDKEYINUSE00001", "age_days": 100, "last_used": {"days_ago": 0.5}}
    new = {"access_key_id": "AKIANEWKEYMADEYESTER", "age_days": 1.5}
    account = [{"user_name": "rotating", "tags": {"owner": "web"}, "access_keys": [old, new]}]
    now = scanner.full_scan(account).report["findings"]

    found = {finding["access_key_id"]: finding for finding in scanner.full_scan(account, **policy).report["findings"]}

    [of_the_old] = now
    words = "its successor AKIANEWKEYMADEYESTER is not in use: move what uses this key to it"
    assert words in of_the_old["advice_in_words"]
    assert found["AKIAOLDKEYINUSE00001"]["advice_in_words"] == of_the_old["advice_in_words"]
    of_the_new = found["AKIANEWKEYMADEYESTER"]
    assert (of_the_new["advice"], of_the_new["safe_to_deactivate"]) == ("finish_rotation", False)
    assert "as the successor of AKIAOLDKEYINUSE00001" in of_the_new["advice_in_words"]

"""What to do with a key: every branch, at its boundaries."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.age import AgeRule
from chalicelib.evaluation.advice import advise, advise_on_leak, is_dormant
from chalicelib.instants import format_instant
from tests.support.reports import AS_OF, Used, used

SECOND = 1 / 86_400
RULE = AgeRule(AS_OF, 90, 14)
RULE_45 = AgeRule(AS_OF, 90, 14, max_unused_days=45)


def judged(age: float, last: Used = None, status: str = "Active", **more: str) -> Any:
    """A judged key, `age` days old, used last so many days ago."""
    key_id, verdict = more.pop("key_id", "AKIAOLD"), more.pop("verdict", "expired")
    created_at = format_instant(AS_OF - timedelta(days=age))
    last_used = None if last == "never" else used(last, **more)
    key = {"access_key_id": key_id, "status": status, "created_at": created_at, "verdict": verdict}
    return {**key, "last_used": last_used}


def newer(age: float, last: Used, status: str = "Active", verdict: str = "ok") -> Any:
    return judged(age, last, status, key_id="AKIANEW", verdict=verdict)


@pytest.mark.parametrize(
    ("key", "others", "action"),
    [
        pytest.param(judged(200, "never"), [], "deactivate", id="never used"),
        pytest.param(judged(200, "never"), [newer(5, 1)], "deactivate", id="never used, with a successor"),
        pytest.param(judged(200, "never"), [newer(5, "unknown")], "deactivate", id="never used, other unknown"),
        pytest.param(judged(200, 90 - SECOND), [], "rotate", id="used a second short of 90 days ago"),
        pytest.param(judged(200, 90), [], "deactivate", id="used exactly 90 days ago"),
        pytest.param(judged(200, 90 + SECOND), [], "deactivate", id="used 90 days and a second ago"),
        pytest.param(judged(200, 90), [newer(5, 1)], "deactivate", id="unused, with a successor"),
        pytest.param(judged(200, 5 + SECOND), [newer(5, 1)], "finish_rotation", id="not used since the successor"),
        pytest.param(judged(200, 5), [newer(5, 1)], "finish_rotation", id="used the second it was created"),
        pytest.param(judged(200, 1), [newer(5, 1)], "finish_rotation", id="both used"),
        pytest.param(judged(200, 1), [newer(100, 90)], "rotate", id="the successor is unused for 90 days"),
        pytest.param(judged(200, 1), [newer(100, 90 - SECOND)], "finish_rotation", id="and a second short of it"),
        pytest.param(judged(200, 1), [newer(5, "never")], "rotate", id="the successor was never used"),
        pytest.param(judged(200, 1), [newer(5, 1, "Inactive")], "rotate", id="the successor is inactive"),
        pytest.param(judged(200, 1), [newer(100, 95)], "rotate", id="the successor is unused itself"),
        pytest.param(judged(200, 1), [newer(90, "never")], "rotate", id="the successor is old and was never used"),
        pytest.param(judged(90, "never"), [], "deactivate", id="never used for exactly 90 days"),
        pytest.param(judged(90 - SECOND, "never"), [], "rotate", id="never used, a second short of 90 days old"),
        pytest.param(judged(200, 1), [newer(100, 1, verdict="expired")], "finish_rotation", id="the successor is old"),
        pytest.param(judged(200, 1), [newer(200, 1)], "rotate", id="the other key is as old"),
        pytest.param(judged(200, 1), [newer(300, 1)], "rotate", id="the other key is older"),
        pytest.param(judged(200, 1), [], "rotate", id="in use, no other key"),
        pytest.param(judged(200, -1), [], "rotate", id="used after the instant of the scan"),
        pytest.param(judged(200, 1, "Inactive"), [], "delete", id="inactive"),
        pytest.param(judged(200, "unknown", "Inactive"), [], "delete", id="inactive, use unknown"),
        pytest.param(judged(200, "unknown"), [], None, id="use unknown"),
        pytest.param(judged(200, "unknown"), [newer(5, 1)], None, id="use unknown, with a successor"),
        pytest.param(judged(200, 1), [newer(5, "unknown")], None, id="the successor's use unknown"),
        pytest.param(
            judged(200, 1), [newer(5, "unknown"), newer(6, 1)], "finish_rotation", id="another successor in use"
        ),
        pytest.param(judged(200, 1), [newer(300, "unknown")], "rotate", id="an older key's use unknown"),
    ],
)
def test_what_to_do(key: Any, others: list[Any], action: str | None) -> None:
    advice = advise(key, others, RULE)

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
                " create a successor, move what uses this key to it, then deactivate this one."
            ),
        ),
        (
            judged(200, 2),
            [newer(20, "never")],
            (
                "In use, last on 2026-11-20 for s3 in us-east-1, and its successor AKIANEW is not in use:"
                " move what uses this key to it, then deactivate this one."
            ),
        ),
        (
            judged(200, 2),
            [newer(100, "never", verdict="expired")],
            (
                "In use, last on 2026-11-20 for s3 in us-east-1:"
                " once AKIANEW (not in use) is deleted, for IAM takes two keys a user,"
                " create a successor, move what uses this key to it, then deactivate this one."
            ),
        ),
        (
            judged(100, 2),
            [judged(200, 2, "Inactive")],
            (
                "In use, last on 2026-11-20 for s3 in us-east-1:"
                " once AKIAOLD (inactive) is deleted, for IAM takes two keys a user,"
                " create a successor, move what uses this key to it, then deactivate this one."
            ),
        ),
        (
            judged(100, 2),
            [judged(200, 2)],
            (
                "In use, last on 2026-11-20 for s3 in us-east-1:"
                " once AKIAOLD is deleted, for IAM takes two keys a user,"
                " create a successor, move what uses this key to it, then deactivate this one."
            ),
        ),
        (
            judged(200, 20.1),
            [newer(20, 1)],
            (
                "Its successor AKIANEW is in use,"
                " and this key was last used on 2026-11-02T05:36:00Z for s3 in us-east-1,"
                " before the successor was created on 2026-11-02T08:00:00Z: deactivate it."
            ),
        ),
        (
            judged(200, 2, "Inactive"),
            [],
            "Inactive already, last used on 2026-11-20 for s3 in us-east-1: delete it when nothing has missed it.",
        ),
        (
            judged(200, "never", "Inactive"),
            [],
            "Inactive already and never used: delete it when nothing has missed it.",
        ),
        (judged(200, "unknown", "Inactive"), [], "Inactive already: delete it when nothing has missed it."),
        (
            judged(200, 2, service="N/A", region="N/A"),
            [],
            "In use, last on 2026-11-20: create a successor, move what uses this key to it, then deactivate this one.",
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


@pytest.mark.parametrize(
    ("key", "others", "safe"),
    [
        (judged(200, "never"), [], True),
        (judged(200, 90), [], True),
        (judged(200, 5 + SECOND), [newer(5, 1)], True),
        (judged(200, 5), [newer(5, 1)], False),
        (judged(200, 1), [newer(5, 1)], False),
        (judged(200, 1), [], False),
        (judged(200, 1, "Inactive"), [], None),
    ],
)
def test_only_a_key_that_nothing_uses_is_safe_to_deactivate(key: Any, others: list[Any], safe: bool | None) -> None:
    advice = advise(key, others, RULE)

    assert advice is not None
    assert advice.safe_to_deactivate is safe


def test_the_keys_of_one_user_are_not_advised_against_each_other() -> None:
    in_use, idle = judged(200, 1), newer(100, "never", verdict="expired")

    of_the_old, of_the_new = advise(in_use, [idle], RULE), advise(idle, [in_use], RULE)

    assert of_the_new is not None
    assert of_the_old is not None
    assert of_the_new.action == "deactivate"
    assert "once AKIANEW (not in use) is deleted" in of_the_old.sentence


def test_of_two_keys_created_in_the_same_second_one_is_the_successor() -> None:
    first: Any = judged(200, 1)
    second: Any = {**first, "access_key_id": "AKIATWIN"}

    advice = [advise(first, [second], RULE), advise(second, [first], RULE)]

    assert sorted(each.action for each in advice if each) == ["finish_rotation", "rotate"]
    assert sum("is deleted" in each.sentence for each in advice if each) == 1


@pytest.mark.parametrize(("age", "next_"), [(90 + SECOND, True), (90, False), (77, False), (20, False)])
@pytest.mark.parametrize("verdict", ["expired", "due_soon", "ok"])
def test_a_successor_that_is_too_old_itself_today_is_said_to_be_next(age: float, verdict: str, next_: bool) -> None:
    advice = advise(judged(200, 1), [newer(age, 1, verdict=verdict)], RULE)

    assert advice is not None
    assert advice.sentence.endswith(", and rotate the successor next.") is next_


@pytest.mark.parametrize(
    ("key", "others", "action"),
    [
        (judged(200, 45), [], "rotate"),
        (judged(200, 45 + SECOND), [], "deactivate"),
        (judged(60, 45 + SECOND, verdict="unused"), [newer(5, 1)], "deactivate"),
        (judged(200, 1), [newer(60, 45)], "finish_rotation"),
        (judged(200, 1), [newer(60, 45 + SECOND, verdict="unused")], "rotate"),
    ],
)
def test_a_key_that_the_policy_calls_unused_is_not_in_use(key: Any, others: list[Any], action: str) -> None:
    advice = advise(key, others, RULE_45)

    assert advice is not None
    assert advice.action == action


SMTP = (
    "SMTP password of SES is derived from the secret access key and the Region: derive it anew from the new secret for "
)
OR_NEW = ", or create new SMTP credentials in SES."


@pytest.mark.parametrize(
    ("service", "region", "says"),
    [
        ("ses-smtp", "eu-west-1", f" The {SMTP}eu-west-1{OR_NEW}"),
        ("SES-SMTP", "us-east-1", f" The {SMTP}us-east-1{OR_NEW}"),
        ("ses-smtp", "N/A", f" The {SMTP}the same Region{OR_NEW}"),
        ("ses", "eu-west-1", f" If it is used for SMTP, the {SMTP}eu-west-1{OR_NEW}"),
        ("email", "eu-west-1", ""),
        ("session", "eu-west-1", ""),
    ],
)
def test_who_rotates_the_key_of_an_smtp_user_is_told_of_its_password(service: str, region: str, says: str) -> None:
    key = judged(200, 2, service=service, region=region)

    sentences = [
        advice.sentence
        for others in ([], [newer(20, "never")], [newer(20, 1)])
        if (advice := advise(key, others, RULE)) and not advice.safe_to_deactivate
    ]
    of_the_successor = advise(newer(20, "never"), [key], RULE)

    assert len(sentences) == 3
    for sentence in (*sentences, of_the_successor.sentence if of_the_successor else ""):
        assert sentence.endswith(f"deactivate {'that' if 'that key' in sentence else 'this'} one.{says}")


def test_a_key_of_an_smtp_user_that_can_go_is_not_a_matter_of_its_password() -> None:
    for key, others in (
        (judged(200, 100, service="ses-smtp"), []),
        (judged(200, 30, service="ses-smtp"), [newer(20, 1)]),
    ):
        advice = advise(key, others, RULE)

        assert advice is not None
        assert advice.safe_to_deactivate
        assert "SMTP" not in advice.sentence


@pytest.mark.parametrize(
    ("created_at", "never_used", "inactive"),
    [
        (
            "2015-04-21T23:59:59Z",
            "No use is on record since IAM began to keep one on 2015-04-22: deactivate it.",
            (
                "Inactive already, and no use is on record since IAM began to keep one on 2015-04-22:"
                " delete it when nothing has missed it."
            ),
        ),
        (
            "2015-04-22T00:00:00Z",
            "Never used since it was created on 2015-04-22: deactivate it.",
            "Inactive already and never used: delete it when nothing has missed it.",
        ),
        (
            "2015-04-22T00:00:01Z",
            "Never used since it was created on 2015-04-22: deactivate it.",
            "Inactive already and never used: delete it when nothing has missed it.",
        ),
    ],
)
def test_of_a_key_older_than_the_record_of_last_uses_nobody_says_that_it_was_never_used(
    created_at: str, never_used: str, inactive: str
) -> None:
    key = judged(4_000, "never") | {"created_at": created_at}

    advice, of_the_inactive = advise(key, [], RULE), advise(key | {"status": "Inactive"}, [], RULE)

    assert advice == ("deactivate", never_used, True)
    assert of_the_inactive == ("delete", inactive, None)


def test_a_last_use_of_a_key_older_than_the_record_is_said_as_of_any_other() -> None:
    key = judged(4_000, 200) | {"created_at": "2012-01-29T21:54:13Z"}

    advice = advise(key, [], RULE)

    assert advice is not None
    assert advice.sentence == "Not used for 200 days, last on 2026-05-06 for s3 in us-east-1: deactivate it."


@pytest.mark.parametrize(
    ("key", "dormant"),
    [
        (judged(90, "never"), True),
        (judged(90 - SECOND, "never"), False),
        (judged(400, 90), True),
        (judged(400, 90 - SECOND), False),
        (judged(400, "unknown"), False),
        (judged(400, "never", "Inactive"), False),
    ],
)
@pytest.mark.parametrize("rule", [RULE, RULE_45])
def test_a_key_is_dormant_that_was_not_used_for_90_days(key: Any, rule: AgeRule, dormant: bool) -> None:
    assert is_dormant(key, rule) is dormant


@pytest.mark.parametrize(
    ("key", "safe"),
    [
        (judged(200, 1), False),
        (judged(200, "never"), True),
        (judged(200, "unknown"), False),
        (judged(10, "never"), False),
    ],
    ids=["in use", "never used", "use unknown", "new"],
)
def test_an_active_key_of_a_quarantined_user_has_to_go_now_whatever_its_use(key: Any, safe: bool) -> None:
    advice = advise_on_leak(key, [newer(5, 1)], RULE)

    assert advice is not None
    assert (advice.action, advice.safe_to_deactivate) == ("deactivate", safe)
    assert advice.sentence.startswith("A key of its user leaked: deactivate this one now")


def test_an_inactive_key_of_a_quarantined_user_is_to_be_deleted_as_any_other() -> None:
    inactive = judged(200, 1, "Inactive")

    assert advise_on_leak(inactive, [], RULE) == advise(inactive, [], RULE)

"""The age rule, at and around each of its limits."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.age import AgeRule, Verdict
from chalicelib.instants import format_instant, parse_instant, read_instant
from tests.support.examples import given
from tests.support.examples import strategies as st

AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
RULE = AgeRule(AS_OF, max_age_days=90, warn_days=14)


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (90 * DAY - SECOND, Verdict.DUE_SOON),
        (90 * DAY - MICROSECOND, Verdict.DUE_SOON),
        (90 * DAY, Verdict.DUE_SOON),
        (90 * DAY + MICROSECOND, Verdict.EXPIRED),
        (90 * DAY + SECOND, Verdict.EXPIRED),
        (76 * DAY - SECOND, Verdict.OK),
        (76 * DAY - MICROSECOND, Verdict.OK),
        (76 * DAY, Verdict.OK),
        (76 * DAY + MICROSECOND, Verdict.DUE_SOON),
        (76 * DAY + SECOND, Verdict.DUE_SOON),
        (timedelta(0), Verdict.OK),
        (-SECOND, Verdict.OK),
        (-400 * DAY, Verdict.OK),
    ],
)
def test_a_key_is_judged_by_its_exact_age(age: timedelta, verdict: Verdict) -> None:
    assert RULE.verdict(AS_OF - age) is verdict


@pytest.mark.parametrize("max_age_days", [1, 90, 3650])
def test_a_key_expires_right_after_the_limit_whatever_the_limit_is(max_age_days: int) -> None:
    rule = AgeRule(AS_OF, max_age_days, warn_days=0)
    in_time = AS_OF - max_age_days * DAY

    assert rule.verdict(in_time + SECOND) is Verdict.OK
    assert rule.verdict(in_time) is Verdict.OK
    assert rule.verdict(in_time - MICROSECOND) is Verdict.EXPIRED
    assert rule.verdict(in_time - SECOND) is Verdict.EXPIRED


def test_without_warn_days_no_key_is_due_soon() -> None:
    rule = AgeRule(AS_OF, 90, warn_days=0)

    verdicts = {rule.verdict(AS_OF - hours * timedelta(hours=1)) for hours in range(100 * 24)}

    assert verdicts == {Verdict.OK, Verdict.EXPIRED}


def test_with_the_most_warn_days_a_key_is_due_soon_after_its_first_day() -> None:
    rule = AgeRule(AS_OF, 90, warn_days=89)

    assert rule.verdict(AS_OF - DAY) is Verdict.OK
    assert rule.verdict(AS_OF - DAY - MICROSECOND) is Verdict.DUE_SOON


def test_days_are_of_24_hours_across_a_leap_day() -> None:
    rule = AgeRule(parse_instant("2028-03-01T00:00:00Z"), max_age_days=2, warn_days=0)

    assert rule.verdict(parse_instant("2028-02-28T00:00:00Z")) is Verdict.OK
    assert rule.verdict(parse_instant("2028-02-27T23:59:59Z")) is Verdict.EXPIRED
    assert format_instant(rule.overdue_at(parse_instant("2028-02-28T12:00:00Z"))) == "2028-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("age", "days"),
    [
        (timedelta(0), 0),
        (DAY - MICROSECOND, 0),
        (DAY, 1),
        (90 * DAY - MICROSECOND, 89),
        (90 * DAY + SECOND, 90),
        (-MICROSECOND, -1),
        (-DAY, -1),
        (-DAY - MICROSECOND, -2),
    ],
)
def test_age_days_are_rounded_down(age: timedelta, days: int) -> None:
    assert RULE.age_days(AS_OF - age) == days


@given(
    st.timedeltas(-20_000 * DAY, 20_000 * DAY).map(lambda since: AS_OF + since),
    st.timedeltas(-2 * DAY, 3650 * DAY),
    st.integers(1, 3650),
    st.data(),
)
def test_no_key_that_is_expired_or_due_soon_was_created_too_late_to_be_asked_about(
    as_of: datetime, age: timedelta, max_age_days: int, data: st.DataObject
) -> None:
    rule = AgeRule(as_of, max_age_days, data.draw(st.integers(0, max_age_days - 1)))
    near = as_of - (max_age_days - rule.warn_days) * DAY + data.draw(st.timedeltas(-2 * SECOND, 2 * SECOND))

    for created_at in (as_of - age, near):
        to_the_second = format_instant(created_at)[:19]  # as the state machine compares
        asked = to_the_second < format_instant(rule.details_cutoff())[:19]
        if rule.verdict(created_at) is not Verdict.OK:
            assert asked
        elif created_at.microsecond == 0:  # as IAM's are
            assert not asked


@pytest.mark.parametrize(
    ("idle", "unused"), [(45 * DAY - SECOND, False), (45 * DAY, False), (45 * DAY + MICROSECOND, True)]
)
def test_a_key_is_unused_right_after_the_limit_by_its_last_use_or_else_its_creation(
    idle: timedelta, unused: bool
) -> None:
    rule = AgeRule(AS_OF, 90, 14, max_unused_days=45)

    assert rule.is_unused(AS_OF - 80 * DAY, AS_OF - idle) is unused
    assert rule.is_unused(AS_OF - idle, None) is unused
    assert RULE.is_unused(AS_OF - 80 * DAY, AS_OF - idle) is False


def test_where_unused_keys_are_judged_every_key_is_asked_about() -> None:
    rule = AgeRule(AS_OF, 90, 14, max_unused_days=45)

    assert format_instant(AS_OF + 365 * DAY)[:19] < format_instant(rule.details_cutoff())[:19]


@given(st.timedeltas(-20_000 * DAY, 20_000 * DAY), st.integers(1, 3650), st.data())
def test_overdue_at_is_the_last_instant_in_time(age: timedelta, max_age_days: int, data: st.DataObject) -> None:
    created_at = AS_OF - age
    warn_days = data.draw(st.integers(0, max_age_days - 1))
    overdue_at = AgeRule(AS_OF, max_age_days, warn_days).overdue_at(created_at)

    assert AgeRule(overdue_at, max_age_days, warn_days).verdict(created_at) is not Verdict.EXPIRED
    assert AgeRule(overdue_at + MICROSECOND, max_age_days, warn_days).verdict(created_at) is Verdict.EXPIRED


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-22T08:00:00Z", AS_OF),
        ("2026-11-22T08:00:00+00:00", AS_OF),
        ("2026-11-22T09:00:00+01:00", AS_OF),
        ("2026-11-22T03:00:00-0500", AS_OF),
        ("2026-11-22T08:00:00.000Z", AS_OF),
        ("2026-11-22T08:00:00.25Z", AS_OF + timedelta(milliseconds=250)),
        ("2026-11-22T08:00:00.000001Z", AS_OF + MICROSECOND),
        ("2024-02-29T08:00:00Z", datetime(2024, 2, 29, 8, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_with_its_zone_as_utc(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant
    assert parse_instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T08:00:00",
        "2026-11-22 08:00:00Z",
        "2026-02-29T08:00:00Z",
        "2026-11-22T25:00:00Z",
        "yesterday",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        pytest.param("2026" + "T" * 1_000_000, id="what takes time in proportion to the square of its length"),
    ],
)
def test_what_is_no_instant_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"instant|range|Invalid|invalid|day|hour"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (AS_OF, "2026-11-22T08:00:00Z"),
        (AS_OF + timedelta(milliseconds=120), "2026-11-22T08:00:00.12Z"),
        (AS_OF + MICROSECOND, "2026-11-22T08:00:00.000001Z"),
        (AS_OF.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-11-22T08:00:00Z"),
    ],
)
def test_an_instant_is_written_with_a_fraction_only_where_it_has_one(instant: datetime, text: str) -> None:
    assert format_instant(instant) == text


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z"),
        ("2026-11-22T08:00:00+00:00", "2026-11-22T08:00:00Z"),
        ("2026-11-22T10:00:00+02:00", "2026-11-22T08:00:00Z"),
        ("2026-11-22T08:00:00.500Z", "2026-11-22T08:00:00.5Z"),
        ("2026-W47-7T08:00:00Z", "2026-11-22T08:00:00Z"),
        ("2026-11-22T080000.0Z", "2026-11-22T08:00:00Z"),
        ("2026-11-22T08:00Z", "2026-11-22T08:00:00Z"),
    ],
)
def test_an_instant_is_read_and_written_in_one_way(written: str, normal: str) -> None:
    assert read_instant(written) == (parse_instant(normal), normal)

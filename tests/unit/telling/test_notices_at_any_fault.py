"""Whatever changes in an account, and whatever goes wrong at whichever call: no notice twice, no key forgotten."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.documents import Report
from chalicelib.outputs.notice_mail import Mail
from chalicelib.telling.cadence import reasons_of
from chalicelib.telling.owners import group_by_owner
from chalicelib.telling_settings import OwnerRule
from tests.support.examples import given, settings
from tests.support.examples import strategies as st
from tests.support.fake_scans import refusal
from tests.support.owners import BY_SES, NO_ANSWER, NO_QUOTA, REJECTED, TOO_FAST, KilledError, Stage
from tests.support.plans import at
from tests.support.reports import key, unchecked, user

ALICE, BOB, CAROL, DAVE = (f"{name}@example.com" for name in ("alice", "bob", "carol", "dave"))
OWNERS = (ALICE, BOB, CAROL, DAVE, "eve@evil.example", None)
AGES = {
    "far": 80.5,
    "week": 84.5,
    "day": 89.5,
    "overdue": 100.5,
    "leaked": 100.5,
    "leaked young": 5.5,
    "gone": None,
    "unchecked": None,
}
ANSWERS = (
    *(None, TOO_FAST, NO_QUOTA, REJECTED, NO_ANSWER, refusal("InternalFailure", 500)),
    *(DENIED := refusal("AccessDeniedException", 403), ILLEGAL := refusal("BadRequestException", 400)),
    EndpointConnectionError(endpoint_url="https://email.eu-central-1.amazonaws.com"),
)
FIVE_MINUTES, A_WEEK_LESS_AN_HOUR = 5 / 1440, 7 - 1 / 24  # days
RULE = OwnerRule("ses", ("example.com",))


class Day(NamedTuple):
    """What the account is on a day, by user, and what goes wrong."""

    keys: list[tuple[str, str | None]]  # state and owner
    answers: list[Exception | None]  # of SES
    killed_at: int | None  # the function, at this call; it is called again
    other_at: int | None  # another scan notifies owners at this call
    checks: int  # of the time that is left, before there is none


KEYS = st.lists(st.tuples(st.sampled_from(list(AGES)), st.sampled_from(OWNERS)), min_size=4, max_size=4)
CALLS = st.none() | st.integers(0, 14)
DAYS = st.builds(
    Day,
    KEYS,
    st.just([]) | st.lists(st.sampled_from(ANSWERS), max_size=5),
    CALLS,
    CALLS,
    st.just(99) | st.integers(0, 3),
)


class World:
    """An account that is scanned day by day, and what its owners were told."""

    def __init__(self, patch: pytest.MonkeyPatch, most: int) -> None:
        self.stage = Stage(patch, {**BY_SES, "OWNER_DOMAINS": "example.com", "MAX_NOTICES_PER_SCAN": str(most)})
        self.stage.composes = lambda *_, **__: Mail("Subject", "Text", "<p>")
        self.most, self.reports = most, dict[float, Report]()
        self.delivered_by_the_last_call = 0

    def live(self, number: int, day: Day) -> Any:
        """Live through a day; return the last answer of the function."""
        outcomes = [outcome(key_number, number, *one) for key_number, one in enumerate(day.keys)]
        self.stage.last = self.reports.get(number - 1)
        for instant in (number, number + FIVE_MINUTES):
            self.reports[instant] = self.stage.report(instant, *outcomes)
        self.stage.answers = list(day.answers)
        self.stage.on_call = self._faults(day, number)
        checks = iter([300.0] * day.checks)
        with suppress(KilledError):
            return self._notify(number, lambda: next(checks, 0.0))
        return self._notify(number, lambda: 300.0)

    def _notify(self, number: int, seconds_left: Callable[[], float]) -> Any:
        before = len(self.stage.sent)
        answer = self.stage.notify(number, seconds_left=seconds_left)
        self.delivered_by_the_last_call = sum(sent.day == number for sent in self.stage.sent[before:])
        return answer

    def _faults(self, day: Day, number: int) -> Callable[[str], None]:
        calls, is_other = iter(range(10_000)), False

        def on_call(_: str) -> None:
            nonlocal is_other
            if is_other:
                return
            call = next(calls)
            if call == day.other_at:
                is_other = True
                self.stage.notify(number + FIVE_MINUTES)
                is_other = False
            if call == day.killed_at:
                raise KilledError

        return on_call

    def delivered(self, number: int) -> list[Any]:
        return [sent for sent in self.stage.sent if round(sent.day) == number]

    def held(self, number: int) -> dict[str, dict[str, set[str]]]:
        """The reasons that hold on a day, by owner and key."""
        return {
            owner: {one.finding["access_key_id"]: set(reasons_of(one, at(number))) for one in keys}
            for owner, keys in group_by_owner([self.reports[number]], RULE, {}).by_owner.items()
        }


def outcome(number: int, day: int, state: str, owner: str | None) -> dict[str, Any]:
    name, age = f"user{number}", AGES[state]
    if state == "unchecked":
        return unchecked(name)
    facts = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"} if state.startswith("leaked") else {}
    keys = [] if age is None else [key(f"AKIA{number:016}", age - day, used=-day)]
    return user(name, *keys, tags={"owner": owner} if owner else {}, **facts)


def repeated(world: World, days: int) -> Iterator[tuple[str, str, str, int, int]]:
    """The news that was delivered twice in a row: owner, key, reason, and both days."""
    last: dict[tuple[str, str, str], int] = {}
    for number in range(days):
        for sent in world.delivered(number):
            for key_id, news in sent.news.items():
                for reason in news:
                    if (sent.owner, key_id, reason) in last:
                        yield sent.owner, key_id, reason, last[sent.owner, key_id, reason], number
                    last[sent.owner, key_id, reason] = number


@settings(max_examples=60)
@given(
    days=st.lists(DAYS, min_size=1, max_size=8),
    last=KEYS,
    most=st.integers(1, 3),
    refused=st.just(()) | st.sets(st.sampled_from(OWNERS[:4]), min_size=1, max_size=4),
    error=st.sampled_from([DENIED, ILLEGAL]),
)
def test_no_notice_is_sent_twice_no_key_is_forgotten_and_no_owner_keeps_others_from_theirs(
    days: list[Day], last: Any, most: int, refused: Any, error: Exception
) -> None:
    calm = [Day(last, [], None, None, 99)] * 10
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch, most)
        world.stage.refuses = lambda to: error if to in refused else None
        for number, day in enumerate([*days, *calm]):
            answer = world.live(number, day)
            check_mails(world, number)
            check_counts(world, number, day, answer)
        for owner, key_id, reason, before, again in repeated(world, len(days) + len(calm)):
            between = [world.held(number) for number in range(before + 1, again)]
            names = {key_id: number for number, key_id in enumerate(f"AKIA{number:016}" for number in range(4))}
            states = [one.keys[names[key_id]][0] for one in [*days, *calm][before + 1 : again]]
            assert any(
                reason not in held.get(owner, {}).get(key_id, ()) and state != "unchecked"
                for held, state in zip(between, states, strict=True)
            ), "news of what the owner knew"
        for owner, held in world.held(len(days)).items():  # all calm days are the same, and SES refuses these for good
            if owner in refused:
                continue
            mails = [sent for sent in world.stage.sent if sent.owner == owner and sent.day > len(days) - 1]
            assert any(set(sent.news) == set(held) for sent in mails), "a key that is forgotten"


def check_mails(world: World, number: int) -> None:
    """Each owner gets one notice a day at most, of all their keys and of no others."""
    delivered = world.delivered(number)
    assert len({sent.owner for sent in delivered}) == len(delivered)
    keys = group_by_owner([world.reports[number]], RULE, {}).by_owner
    for sent in delivered:
        assert sent.to == sent.owner
        assert list(sent.news) == [one.finding["access_key_id"] for one in keys[sent.owner]]


def check_counts(world: World, number: int, day: Day, answer: Any) -> None:
    """Each owner is counted once; nobody is left without a cause, and who is not left was told of all, this week."""
    counts, held = answer["counts"], world.held(number)
    tried = counts["sent"] + counts["refused"] + counts["unknown"]
    assert counts["sent"] <= world.delivered_by_the_last_call  # whatever was claimed before a crash
    assert not counts["lost"]
    assert counts["owners"] == len(held) == tried + counts["nothing_new"] + counts["claimed"] + counts["left"]
    assert tried <= world.most
    if counts["left"]:
        assert tried == world.most or answer["notify"] or day.checks < 4
    if counts["left"] or counts["claimed"]:  # by the other scan, which may have given it back
        return
    for owner, keys in held.items():
        file = world.stage.file_of(owner)
        assert world.stage.days_since(file["mailed_at"], number) < A_WEEK_LESS_AN_HOUR
        for key_id, reasons in keys.items():
            assert reasons <= set(file["keys"].get(key_id, {"reasons": ()})["reasons"])


# Each key stays its owner's: a key that was somebody else's for some days is in no list of changes.
QUIET_DAYS = st.lists(
    st.tuples(*(st.tuples(st.sampled_from(list(AGES)), st.just(owner)) for owner in (ALICE, ALICE, BOB, CAROL))).map(
        lambda keys: Day([*keys], [], None, None, 99)
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=60)
@given(days=QUIET_DAYS)
def test_whatever_begins_or_begins_again_is_told_on_that_day(days: list[Day]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(patch, most=9)
        for number, day in enumerate(days):
            world.live(number, day)
            yesterday = world.held(number - 1) if number else {}
            known = {key_id: reasons for held in yesterday.values() for key_id, reasons in held.items()}
            unseen = {f"AKIA{one:016}" for one, (state, _) in enumerate(days[number - 1].keys) if state == "unchecked"}
            mails = {sent.owner: sent for sent in world.delivered(number)}
            for owner, held in world.held(number).items():
                for key_id, reasons in held.items():
                    begun = reasons - known.get(key_id, set()) - {"leaked"}  # of which no list of changes knows
                    if begun and number and key_id not in unseen:
                        assert mails[owner].kind == "first" or begun <= set(mails[owner].news[key_id])

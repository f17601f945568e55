"""Forty days of scans in a row over an account that changes, judged by the real code: who gets which notice when."""

from collections import defaultdict
from typing import Any

import pytest

from chalicelib.documents import Report
from tests.support.owners import BY_SES, Stage, owned_by
from tests.support.reports import key, unchecked, user

DAYS = 40
QUARANTINED = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"}
EXEMPT = {"iam-key-age:exempt-until": "2026-12-12", "iam-key-age:exempt-reason": "CHG-1"}


def account(day: float) -> list[dict[str, Any]]:
    """The users on a day; ages of keys are of day 0, a half beside whole days so that the hour does not matter."""
    return [
        # Alice's key gets old, and on day 20 she rotates it.
        owned_by("alice@example.com", "alice", key("AKIAALICE", 80.5) if day < 20 else key("AKIAALICE2", -19.5)),
        # Bob is one owner by two spellings, and does nothing; on day 22 a key of his leaks.
        owned_by("bob@example.com", "bob", key("AKIABOB", 200.5, used=-100), **(QUARANTINED if day >= 22 else {})),
        owned_by("Bob@Example.com", "bobs-robot", key("AKIAROBOT", 120.5, used=-100)),
        # A key of Carol's becomes Dave's.
        owned_by("carol@example.com" if day < 12 else "dave@example.com", "batch", key("AKIABATCH", 300.5, used=-100)),
        # Erin loses the owner tag.
        owned_by("erin@example.com", "erin", key("AKIAERIN", 150.5))
        if day < 5
        else user("erin", key("AKIAERIN", 150.5)),
        # IAM does not say what keys Frank has, on the day of his digest, too.
        unchecked("frank")
        if 6 <= day < 9
        else owned_by("frank@example.com", "frank", key("AKIAFRANK", 150.5, used=-100)),
        # Grace is exempt for some days, and her key is overdue again after them.
        owned_by(
            "grace@example.com",
            "grace",
            key("AKIAGRACE", 150.5, used=-100),
            tags=EXEMPT if 10 <= day < 21 else {},
        ),
        # Heidi's key was last used 80 days ago: from day 10 on, it is safe to deactivate. On day 30 she does so.
        owned_by(
            "heidi@example.com", "heidi", key("AKIAHEIDI", 150.5, "Active" if day < 30 else "Inactive", used=80.5)
        ),
        # Ivan deletes his key before anything is to be said of it.
        owned_by("ivan@example.com", "ivan", *([key("AKIAIVAN", 77.5)] if day < 2 else [])),
        # Judy's keys are due soon one after the other.
        owned_by("judy@example.com", "judy", key("AKIAJUDY1", 60.5), key("AKIAJUDY2", 55.5)),
        # Nobody is told of these, whatever they are.
        owned_by("mallory@evil.example", "mallory", key("AKIAMALLORY", 500.5)),
        user("orphan", key("AKIAORPHAN", 500.5)),
        owned_by("trent@example.com", "trent", key("AKIATRENT", 1.5)),
    ]


FIRST, NEWS, DIGEST = "first", "news", "digest"
# On which days each owner gets what: the whole of it.
CALENDAR = {
    "alice@example.com": {0: FIRST, 3: NEWS, 9: NEWS, 10: NEWS, 17: DIGEST},
    "bob@example.com": {0: FIRST, 7: DIGEST, 14: DIGEST, 21: DIGEST, 22: NEWS, 29: DIGEST, 36: DIGEST},
    "carol@example.com": {0: FIRST, 7: DIGEST},
    "dave@example.com": {12: FIRST, 19: DIGEST, 26: DIGEST, 33: DIGEST},
    "erin@example.com": {0: FIRST},
    "frank@example.com": {0: FIRST, 9: DIGEST, 16: DIGEST, 23: DIGEST, 30: DIGEST, 37: DIGEST},
    "grace@example.com": {0: FIRST, 7: DIGEST, 21: NEWS, 28: DIGEST, 35: DIGEST},
    "heidi@example.com": {0: FIRST, 7: DIGEST, 10: NEWS, 17: DIGEST, 24: DIGEST},
    "ivan@example.com": {0: FIRST},
    "judy@example.com": {16: FIRST, 23: NEWS, 28: NEWS, 29: NEWS, 30: NEWS, 34: NEWS, 35: NEWS},
}


class Run:
    """The scans of all days, each begun some seconds earlier or later than the one before."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.reports, self.answers = stage, list[Report](), list[Any]()
        for day in range(DAYS):
            instant = day + (day * 37 % 101 - 50) / 86_400
            stage.last = self.reports[-1] if self.reports else None
            self.reports.append(stage.report(instant, *account(day)))
            self.answers.append(stage.notify(instant))

    def calendar(self) -> dict[str, dict[int, str]]:
        days: dict[str, dict[int, str]] = defaultdict(dict)
        for sent in self.stage.sent:
            assert round(sent.day) not in days[sent.owner], "a second notice on one day"
            days[sent.owner][round(sent.day)] = sent.kind
        return days


@pytest.fixture(scope="module")
def run() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield Run(Stage(patch))


def test_each_owner_gets_a_notice_on_the_days_on_which_there_is_something_to_tell(run: Run) -> None:
    assert run.calendar() == CALENDAR


def test_each_notice_is_of_all_keys_of_its_owner_and_of_no_others(run: Run) -> None:
    for sent in run.stage.sent:
        findings = run.reports[round(sent.day)]["findings"]
        theirs = [one["access_key_id"] for one in findings if (one["owner"] or "").lower() == sent.owner]
        assert list(sent.news) == theirs


def test_each_notice_goes_to_its_owner_and_names_their_keys(run: Run) -> None:
    for sent, call in zip(run.stage.sent, run.stage.calls, strict=True):
        body = call["Content"]["Simple"]["Body"]
        assert call["Destination"] == {"ToAddresses": [sent.owner]}
        assert all(key_id in body["Text"]["Data"] and key_id in body["Html"]["Data"] for key_id in sent.news)


def test_what_a_notice_is_news_of(run: Run) -> None:
    news = {
        (sent.owner.partition("@")[0], round(sent.day)): {key_id: one for key_id, one in sent.news.items() if one}
        for sent in run.stage.sent
        if sent.kind != DIGEST
    }

    assert {day: one for (owner, day), one in news.items() if owner == "alice"} == {
        0: {},
        3: {"AKIAALICE": ("due_in_7_days",)},
        9: {"AKIAALICE": ("due_in_1_day",)},
        10: {"AKIAALICE": ("expired",)},
    }
    assert news["bob", 22] == {"AKIABOB": ("leaked",)}
    assert news["heidi", 10] == {"AKIAHEIDI": ("became_safe",)}
    assert news["grace", 21] == {"AKIAGRACE": ("expired",)}
    assert news["dave", 12] == {"AKIABATCH": ("expired",)}
    assert not any(reasons for sent in run.stage.sent if sent.kind == DIGEST for reasons in sent.news.values())


def test_no_key_is_forgotten_for_longer_than_a_week(run: Run) -> None:
    listed = {(round(sent.day), key_id) for sent in run.stage.sent for key_id in sent.news}
    found = [{one["access_key_id"]: one["owner"] or "" for one in report["findings"]} for report in run.reports]
    looked_at = 0
    for day in range(DAYS - 7):
        week = found[day : day + 8]
        for key_id, owner in found[day].items():
            if owner.lower().endswith("@example.com") and all(one.get(key_id) == owner for one in week):
                assert any((day + after, key_id) in listed for after in range(8)), (day, key_id)
                looked_at += 1

    assert looked_at > 150


def test_keys_of_nobody_who_can_be_notified_are_counted(run: Run) -> None:
    counts = [answer["counts"]["keys_without_address"] for answer in run.answers]

    assert counts == [2] * 5 + [3] * (DAYS - 5)
    assert not any(answer["notify"] for answer in run.answers)


def test_the_first_scan_sends_each_owner_one_notice(run: Run) -> None:
    assert {sent.kind for sent in run.stage.sent if round(sent.day) == 0} == {FIRST}
    assert run.answers[0]["counts"]["sent"] == run.answers[0]["counts"]["owners"] == 8


def test_an_owner_gets_about_a_notice_a_week_however_often_the_account_is_scanned(run: Run) -> None:
    mean = sum(map(len, run.calendar().values())) / len(CALENDAR)

    assert mean == pytest.approx(4.3)  # in 40 days


def test_owners_are_notified_as_well_by_a_stage_that_begins_later(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, {**BY_SES, "OWNER_NOTICES": "off"})
    for day in range(20):
        stage.scan(day, *account(day))
    monkeypatch.setenv("OWNER_NOTICES", "ses")

    answer = stage.scan(20, *account(20))

    assert answer["counts"]["sent"] == answer["counts"]["owners"] == len(stage.sent)
    assert {sent.kind for sent in stage.sent} == {FIRST}

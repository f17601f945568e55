"""What changed since the last full scan: nothing new told twice, nothing resolved that is only unknown."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from markupsafe import escape

from chalicelib.documents import InvalidEvidenceError, Report
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.instants import format_instant
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.sns import compose_notification
from chalicelib.policy import ScanPolicy
from chalicelib.report.changes import is_new_baseline, join_and_compare
from tests.support.examples import given
from tests.support.examples import strategies as st
from tests.support.facts import facts
from tests.support.reports import AS_OF, FOLDER, before, key, report_of, unchecked, user

OLD = key("AKIAOLD", 200)
EXEMPT = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}


def changes_of(then: list[dict[str, Any]], now: list[dict[str, Any]], **policy: Any) -> Any:
    last = json.loads(json.dumps(before(*then)))
    return report_of(*now, last=last, **policy)["changes"]


def ids(keys: Iterable[Mapping[str, Any]]) -> list[str]:
    return [key["access_key_id"] for key in keys]


def test_a_key_that_was_not_expired_at_the_last_full_scan_is_new() -> None:
    changes = changes_of([user("alice", key("AKIAOLD", 90))], [user("alice", OLD)])

    assert changes["since"] == {"scan_id": "scan-0", "as_of": "2026-11-21T08:00:00Z"}
    assert ids(changes["new"]) == ["AKIAOLD"]
    assert changes["new"][0]["reported_since"] == "2026-11-22T08:00:00Z"
    assert changes["still_expired"] == changes["resolved"] == changes["unknown"] == changes["notes"] == []


def test_a_key_that_stays_expired_keeps_the_instant_at_which_it_was_first_reported() -> None:
    first = before(user("alice", OLD))
    first["as_of"] = "2026-11-01T08:00:00Z"
    second = before(user("alice", OLD), last=first)

    third: Any = report_of(user("alice", OLD), last=second)["changes"]

    assert third["new"] == []
    [still] = third["still_expired"]
    assert still == {
        "user_name": "alice",
        "access_key_id": "AKIAOLD",
        "created_at": "2026-05-06T08:00:00Z",
        "status": "Active",
        "overdue_at": "2026-08-04T08:00:00Z",
        "reported_since": "2026-11-01T08:00:00Z",
    }


@pytest.mark.parametrize(
    ("now", "how"),
    [
        ([user("alice", key("AKIANEW", 1))], "rotated"),
        ([user("alice", key("AKIAOLD", 200, "Inactive"), key("AKIANEW", 1))], "rotated"),
        ([user("alice", key("AKIAOLD", 200, "Inactive"))], "deactivated"),
        ([user("alice", key("AKIAOLD", 200, "Inactive"), key("AKIAOLDER", 300, "Inactive"))], "deactivated"),
        ([user("alice", key("AKIAOLD", 200, "Inactive"), key("AKIANEW", 1, "Inactive"))], "deactivated"),
        ([user("alice")], "deleted"),
        ([user("alice", key("AKIAOLDER", 300, "Inactive"))], "deleted"),
        ([user("alice", key("AKIAOLD", 200, used=1), tags=EXEMPT)], "exempted"),
        ([user("alice", key("AKIAOLD", 200, used=1), key("AKIANEW", 1, used=1), tags=EXEMPT)], "exempted"),
        ([], "deleted"),
    ],
)
def test_a_key_that_is_not_expired_any_more_is_resolved_and_how(now: list[dict[str, Any]], how: str) -> None:
    changes = changes_of([user("alice", OLD)], now)

    assert changes["resolved"] == [{"user_name": "alice", "access_key_id": "AKIAOLD", "how": how}]
    assert changes["still_expired"] == changes["unknown"] == []


def test_a_key_whose_exemption_is_over_is_new() -> None:
    changes = changes_of(
        [user("alice", key("AKIAOLD", 200, used=1), tags=EXEMPT)], [user("alice", key("AKIAOLD", 200, used=1))]
    )

    assert ids(changes["new"]) == ["AKIAOLD"]


def test_keys_newly_unused_and_a_root_user_with_new_access_keys_are_told() -> None:
    alice, bob = user("alice", key("AKIAA", 60, used=50)), user("bob", key("AKIAB", 60, used=50))
    first: Any = before(alice, user("bob", key("AKIAB", 60, used=1)), max_unused_days=45)

    changes: Any = report_of(alice, bob, last=first, root={"access_keys": 1}, max_unused_days=45)["changes"]
    later: Any = report_of(
        alice,
        bob,
        last=before(alice, bob, root={"access_keys": 1}, max_unused_days=45),
        root={"access_keys": 1},
        max_unused_days=45,
    )["changes"]

    assert (changes["new_unused"], changes["new_root_access_keys"]) == (["AKIAB"], True)
    assert (later["new_unused"], later["new_root_access_keys"]) == ([], False)
    assert first["changes"]["new_unused"] == ["AKIAA"]


def test_a_key_that_a_stricter_policy_called_unused_in_between_is_new_when_the_limit_is_passed() -> None:
    alice = user("alice", key("AKIAA", 60, used=45.5))

    by_stricter: Any = report_of(alice, last=before(alice, max_unused_days=30), max_unused_days=45)
    by_the_same: Any = report_of(alice, last=before(alice, max_unused_days=44), max_unused_days=44)

    assert by_stricter["changes"]["new_unused"] == ["AKIAA"]
    assert by_the_same["changes"]["new_unused"] == []


def test_a_key_whose_user_is_unchecked_is_unknown_and_never_resolved() -> None:
    changes = changes_of([user("alice", OLD)], [unchecked("alice")])

    assert ids(changes["unknown"]) == ["AKIAOLD"]
    assert changes["resolved"] == []


def test_an_unknown_key_that_is_seen_again_is_still_expired_and_not_new() -> None:
    first = before(user("alice", OLD))
    first["as_of"] = "2026-11-01T08:00:00Z"
    second = before(unchecked("alice"), last=first)

    seen: Any = report_of(user("alice", OLD), last=second)["changes"]
    gone: Any = report_of(user("alice"), last=second)["changes"]

    assert ids(seen["new"]) == []
    assert [key["reported_since"] for key in seen["still_expired"]] == ["2026-11-01T08:00:00Z"]
    assert [key["how"] for key in gone["resolved"]] == ["deleted"]


def test_a_key_of_a_renamed_user_is_still_expired() -> None:
    changes = changes_of([user("alice", OLD)], [user("alicia", OLD)])

    assert ids(changes["still_expired"]) == ["AKIAOLD"]
    assert changes["new"] == changes["resolved"] == []


def test_a_changed_policy_is_said_and_its_keys_no_longer_match() -> None:
    changes = changes_of([user("alice", OLD)], [user("alice", OLD)], max_age_days=365)

    assert [key["how"] for key in changes["resolved"]] == ["no_longer_matching"]
    [note] = changes["notes"]
    assert note.startswith("The scan policy changed since the last full scan (max_age_days was 90 and is 365): ")


@pytest.mark.parametrize(("was", "becomes"), [({"max_unused_days": 45}, {}), ({}, {"max_unused_days": 45})])
def test_a_limit_of_unused_days_that_comes_or_goes_is_said(was: Any, becomes: Any) -> None:
    bob = user("bob", key("AKIAB", 60, used=50))

    changes: Any = report_of(bob, last=before(bob, **was), **becomes)["changes"]

    [note] = changes["notes"]
    said = [str(policy.get("max_unused_days", "not set")) for policy in (was, becomes)]
    assert f"(max_unused_days was {said[0]} and is {said[1]})" in note
    assert changes["new_unused"] == (["AKIAB"] if becomes else [])


def test_an_inactive_key_that_the_policy_passes_over_now_is_not_called_deactivated() -> None:
    inactive = user("alice", key("AKIAOLD", 200, "Inactive"))
    last = before(inactive, include_inactive=True)

    changes: Any = report_of(inactive, last=last)["changes"]

    assert [key["how"] for key in changes["resolved"]] == ["no_longer_matching"]


def test_a_first_scan_says_that_there_is_none_to_compare_with() -> None:
    changes: Any = report_of(user("alice", OLD), last=None)["changes"]

    assert changes["since"] is None
    assert ids(changes["new"]) == ["AKIAOLD"]
    assert changes["notes"] == ["No earlier full scan is on record, so every overdue key counts as new."]


def damaged(**fields: Any) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(json.dumps(before(user("alice", OLD))))
    return {name: value for name, value in {**report, **fields}.items() if value is not ...}


@pytest.mark.parametrize(
    "last",
    [
        {},
        {"findings": 7},
        damaged(findings=...),
        damaged(findings=[{"verdict": "expired"}]),
        damaged(findings=[{**damaged()["findings"][0], "created_at": "long ago"}]),
        damaged(findings=[{**damaged()["findings"][0], "access_key_id": []}]),
        damaged(findings=[{**damaged()["findings"][0], "user_name": []}]),
        damaged(findings=[{**damaged()["findings"][0], "user_name": "n" * 1_000}]),
        damaged(findings=[{**damaged()["findings"][0], "user_name": "alice\n\nCall +1 555 0100 at once"}]),
        damaged(findings=[{**damaged()["findings"][0], "user_name": "https://evil.example"}]),
        damaged(findings=[{**damaged()["findings"][0], "access_key_id": "AKIA OLD"}]),
        damaged(findings=[{**damaged()["findings"][0], "status": "Active\n"}]),
        damaged(findings=[{**damaged()["findings"][0], "overdue_at": "2026" + "T" * 1_000_000}]),
        damaged(scan_id="../scan\n"),
        damaged(findings=[{**damaged()["findings"][0], "overdue_at": 7}]),
        damaged(scan_id=["scan"]),
        damaged(as_of=7),
        damaged(as_of="yesterday"),
        damaged(as_of="0001-01-01T00:00:00Z"),
        damaged(as_of="1969-12-31T23:59:59Z"),
        damaged(changes=7),
        damaged(changes={"still_expired": [{"access_key_id": "AKIAOLD", "reported_since": 7}], "unknown": []}),
        damaged(changes={"still_expired": [{}], "unknown": []}),
        damaged(root=7),
        damaged(findings=[{"verdict": "unused", "access_key_id": []}]),
        damaged(unchecked=...),
        damaged(unchecked=[{"user_name": ["bob"]}]),
        damaged(unchecked=["bob"]),
        damaged(policy=None),
        damaged(policy={"max_age_days": "9" * 300_000, "include_inactive": False}),
        damaged(policy={"max_age_days": 10**400, "include_inactive": False}),
        damaged(policy={"max_age_days": 90, "users": ["alice"]}),
        damaged(account_id="210987654321"),
        damaged(as_of=...),
    ],
    ids=lambda last: json.dumps(last)[:60],
)
def test_a_damaged_last_report_is_said_and_never_an_error(last: object) -> None:
    report: Any = report_of(user("alice", OLD), last=last)

    changes = report["changes"]
    assert changes["since"] is None
    assert ids(changes["new"]) == ["AKIAOLD"]
    assert changes["resolved"] == []
    [note] = changes["notes"]
    assert note.startswith("The last full scan cannot be compared with: its report ")
    assert str(escape(note)) in "".join(render_html(report))
    assert len(compose_notification(report, FOLDER)["message"]) < 10_000
    assert is_new_baseline(report)


@pytest.mark.parametrize(
    ("ahead", "superseded"), [(timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False)]
)
def test_a_last_report_of_the_future_does_not_supersede_the_scans_until_then(
    ahead: timedelta, superseded: bool
) -> None:
    last: Any = damaged(as_of=format_instant(AS_OF + ahead))
    page = evaluate_page(
        ScanContext("s", "123456789012", AS_OF, ScanPolicy(), facts()), 1, ["alice"], [user("alice", OLD)]
    )

    report = join_and_compare([page], lambda: last, facts(), now=AS_OF)

    assert report["changes"] is not None
    assert report["changes"]["superseded"] is superseded
    assert is_new_baseline(report) is not superseded
    assert len(report["changes"]["new"]) == 1


def test_a_last_report_that_cannot_be_loaded_is_said() -> None:
    def lost() -> None:
        raise InvalidEvidenceError("the report that latest.json points to is not there")

    page = evaluate_page(
        ScanContext("s", "123456789012", AS_OF, ScanPolicy(), facts()), 1, ["alice"], [user("alice", OLD)]
    )

    report = join_and_compare([page], lost, facts())

    assert report["changes"] is not None
    assert report["changes"]["notes"] == [
        "The last full scan cannot be compared with: the report that latest.json points to is not there."
    ]


def test_a_scan_that_ends_after_a_later_one_is_compared_with_none_and_does_not_take_its_place() -> None:
    for earlier in (timedelta(), timedelta(minutes=10)):
        report: Any = report_of(
            user("alice", OLD), last=report_of(user("alice"), scan_id="scan-2"), as_of_scan=AS_OF - earlier
        )

        assert report["changes"]["since"] is None
        assert report["changes"]["notes"] == [
            "A later full scan is on record already, so this one is compared with none."
        ]
        assert report["changes"]["resolved"] == []
        assert not is_new_baseline(report)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param([unchecked("alicia")], id="renamed to a user who is unchecked"),
        pytest.param([{"user_name": "alice", "outcome": "not_found"}], id="deleted or renamed while the scan ran"),
    ],
)
def test_a_key_that_may_only_be_out_of_sight_is_unknown(now: list[dict[str, Any]]) -> None:
    changes = changes_of([user("alice", OLD)], now)

    assert ids(changes["unknown"]) == ["AKIAOLD"]
    assert changes["resolved"] == []


BAD = unchecked("bad")


@pytest.mark.parametrize(
    ("then", "now", "became"),
    [
        ([user("alice", OLD), BAD], [BAD], "deleted"),
        ([user("alice", OLD)], [BAD], "unknown"),
        ([user("alice", OLD), BAD], [BAD, unchecked("alicia")], "unknown"),
        ([user("alice", OLD), BAD], [unchecked("alice"), BAD], "unknown"),
        ([user("alice", key("AKIAOLD", 80)), BAD], [BAD], "deleted"),
    ],
    ids=["long unchecked", "newly unchecked", "another one newly unchecked", "its own user", "was due soon"],
)
def test_a_user_who_was_unchecked_when_a_key_was_found_is_not_its_user_renamed(
    then: Any, now: Any, became: str
) -> None:
    changes = changes_of(then, now)

    resolved = [key["how"] for key in (*changes["resolved"], *changes["resolved_early"])]
    assert resolved + ["unknown" for _ in (*changes["unknown"], *changes["unknown_early"])] == [became]


def test_a_key_that_is_unknown_may_be_that_of_anybody_who_is_unchecked_since() -> None:
    first = before(user("alice", OLD), user("bob", key("AKIABOB", 80))) | {"as_of": "2026-11-01T08:00:00Z"}
    second = json.loads(json.dumps(before(BAD, last=first)))

    third: Any = report_of(BAD, last=second)["changes"]
    seen: Any = report_of(user("bad"), last=second)["changes"]

    assert (ids(third["unknown"]), ids(third["unknown_early"])) == (["AKIAOLD"], ["AKIABOB"])
    assert (ids(seen["resolved"]), ids(seen["resolved_early"])) == (["AKIAOLD"], ["AKIABOB"])


def test_a_key_that_expires_is_new_though_a_stricter_scan_came_between() -> None:
    strict = before(user("alice", key("AKIA", 90.5), key("AKIAOLD", 200)), max_age_days=1, warn_days=0)

    changes: Any = report_of(user("alice", key("AKIA", 90.5), key("AKIAOLD", 200)), last=strict)["changes"]

    assert ids(changes["new"]) == ["AKIA"]
    assert ids(changes["still_expired"]) == ["AKIAOLD"]


def test_a_key_that_was_inactive_and_is_active_again_is_new() -> None:
    last = before(user("alice", key("AKIAOLD", 200, "Inactive")), include_inactive=True)

    changes: Any = report_of(user("alice", OLD), last=last)["changes"]

    assert ids(changes["new"]) == ["AKIAOLD"]
    assert changes["still_expired"] == []


def test_a_changed_warning_is_no_changed_policy() -> None:
    assert changes_of([user("alice", OLD)], [user("alice", OLD)], warn_days=3)["notes"] == []


@pytest.mark.parametrize("policy", [{"users": ("alice",)}, {"as_of": AS_OF}])
def test_a_scan_that_is_not_full_is_compared_with_nothing(policy: dict[str, Any]) -> None:
    assert report_of(user("alice", OLD), last=before(user("alice", OLD)), **policy)["changes"] is None


OUTCOMES = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.one_of(
        st.just("unchecked"),
        st.just("not_found"),
        st.lists(st.tuples(st.integers(0, 5), st.sampled_from([10, 200]), st.booleans()), max_size=2),
    ),
)


def outcomes_of(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for name, what in drawn.items():
        if what == "unchecked":
            made.append(unchecked(name))
        elif what == "not_found":
            made.append({"user_name": name, "outcome": "not_found"})
        else:
            keys = {f"AKIA{name}{number}": (age, active) for number, age, active in what}
            listed = [key(name, age, "Active" if active else "Inactive") for name, (age, active) in keys.items()]
            made.append(user(name, *listed))
    return made


def expired_in(report: Report) -> set[str]:
    return {finding["access_key_id"] for finding in report["findings"] if finding["verdict"] == "expired"}


@given(OUTCOMES, OUTCOMES)
def test_every_key_that_is_or_was_expired_is_told_of_exactly_once(then: dict[str, Any], now: dict[str, Any]) -> None:
    last = before(*outcomes_of(then))

    report: Any = report_of(*outcomes_of(now), last=last)

    changes = report["changes"]
    told = [ids(changes[kind]) for kind in ("new", "still_expired", "resolved", "unknown")]
    assert sorted(key_id for kind in told for key_id in kind) == sorted(expired_in(report) | expired_in(last))
    assert set(told[0]) | set(told[1]) == expired_in(report)
    assert set(told[1]) | set(told[2]) | set(told[3]) == expired_in(last)


INACTIVE = key("AKIAOLD", 200, "Inactive")
INCLUDED: dict[str, Any] = {"include_inactive": True}


def test_a_key_that_was_inactive_and_too_old_is_said_to_be_active_again() -> None:
    report = report_of(user("alice", OLD), last=before(user("alice", INACTIVE)))

    assert report["changes"] is not None
    assert report["changes"]["reactivated"] == ["AKIAOLD"] == ids(report["changes"]["new"])
    text = json.loads(compose_notification(report, FOLDER)["message"])["default"]
    assert "1 overdue key that was inactive then is active again" in text.replace("\n  ", " ")
    assert "Active again: this key was inactive at the last full scan." in text
    assert "Active again: this key was inactive at the last full scan." in "".join(render_html(report))


@pytest.mark.parametrize(
    "last",
    [
        before(user("alice", OLD)),
        before(unchecked("alice")),
        before(user("alice")),
        before(user("alice", INACTIVE), max_age_days=300),
        None,
    ],
    ids=["was reported", "was unchecked", "was not there", "was in time then", "no scan"],
)
def test_a_key_that_is_new_for_another_reason_is_not(last: Report | None) -> None:
    report = report_of(user("alice", OLD), last=last)

    assert report["changes"] is not None
    assert report["changes"]["reactivated"] == []


def test_the_report_names_the_inactive_keys_that_are_too_old_and_passed_over() -> None:
    keys = [key("AKIAOLD", 200, "Inactive"), key("AKIAEXP", 200, "Expired"), key("AKIAYOUNG", 89, "Inactive")]

    report, judged = (report_of(user("alice", *keys), user("bob", OLD), **policy) for policy in ({}, INCLUDED))

    assert report["inactive_overdue"] == ["AKIAOLD", "AKIAEXP"]
    assert judged["inactive_overdue"] == []


def test_a_key_that_is_inactive_still_is_not_said_to_be_active_again() -> None:
    report = report_of(user("alice", INACTIVE), last=before(user("alice", INACTIVE)), **INCLUDED)

    assert report["changes"] is not None
    assert ids(report["changes"]["new"]) == ["AKIAOLD"]
    assert report["changes"]["reactivated"] == []


def test_a_key_that_was_judged_while_inactive_and_is_active_now_is_said_to_be_active_again() -> None:
    report = report_of(user("alice", OLD), last=before(user("alice", INACTIVE), **INCLUDED), **INCLUDED)

    assert report["changes"] is not None
    assert report["changes"]["reactivated"] == ["AKIAOLD"] == ids(report["changes"]["still_expired"])
    text = json.loads(compose_notification(report, FOLDER)["message"])["default"]
    assert "Active again: this key was inactive at the last full scan." in text

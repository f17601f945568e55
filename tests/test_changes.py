"""What changed since the last full scan: nothing new told twice, nothing resolved that is only unknown."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.changes import join_and_compare
from chalicelib.policy import ScanPolicy
from chalicelib.report import InvalidEvidenceError, ScanTerms, judge_page
from chalicelib.shapes import Report
from tests.reports import AS_OF, key, report_of, unchecked, user

OLD = key("AKIAOLD", 200)


def changes_of(before: list[dict[str, Any]], now: list[dict[str, Any]], **policy: Any) -> Any:
    last = json.loads(json.dumps(report_of(*before, scan_id="scan-0")))
    return report_of(*now, last=last, **policy)["changes"]


def ids(keys: list[dict[str, str]]) -> list[str]:
    return [key["access_key_id"] for key in keys]


def test_a_key_that_was_not_expired_at_the_last_full_scan_is_new() -> None:
    changes = changes_of([user("alice", key("AKIAOLD", 90))], [user("alice", OLD)])

    assert changes["since"] == {"scan_id": "scan-0", "as_of": "2026-11-22T08:00:00Z"}
    assert ids(changes["new"]) == ["AKIAOLD"]
    assert changes["new"][0]["reported_since"] == "2026-11-22T08:00:00Z"
    assert changes["still_expired"] == changes["resolved"] == changes["unknown"] == changes["notes"] == []


def test_a_key_that_stays_expired_keeps_the_instant_at_which_it_was_first_reported() -> None:
    first = report_of(user("alice", OLD), scan_id="scan-0")
    first["as_of"] = "2026-11-01T08:00:00Z"
    second = report_of(user("alice", OLD), last=first)
    second["as_of"] = "2026-11-21T08:00:00Z"

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
        ([{"user_name": "alice", "outcome": "not_found"}], "deleted"),
        ([], "deleted"),
    ],
)
def test_a_key_that_is_not_expired_any_more_is_resolved_and_how(now: list[dict[str, Any]], how: str) -> None:
    changes = changes_of([user("alice", OLD)], now)

    assert changes["resolved"] == [{"user_name": "alice", "access_key_id": "AKIAOLD", "how": how}]
    assert changes["still_expired"] == changes["unknown"] == []


def test_a_key_whose_user_is_unchecked_is_unknown_and_never_resolved() -> None:
    changes = changes_of([user("alice", OLD)], [unchecked("alice")])

    assert ids(changes["unknown"]) == ["AKIAOLD"]
    assert changes["resolved"] == []


def test_an_unknown_key_that_is_seen_again_is_still_expired_and_not_new() -> None:
    first = report_of(user("alice", OLD), scan_id="scan-0")
    first["as_of"] = "2026-11-01T08:00:00Z"
    second = report_of(unchecked("alice"), last=first)

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


def test_an_inactive_key_that_the_policy_passes_over_now_is_not_called_deactivated() -> None:
    inactive = user("alice", key("AKIAOLD", 200, "Inactive"))
    last = report_of(inactive, include_inactive=True)

    changes: Any = report_of(inactive, last=last)["changes"]

    assert [key["how"] for key in changes["resolved"]] == ["no_longer_matching"]


def test_a_first_scan_says_that_there_is_none_to_compare_with() -> None:
    changes: Any = report_of(user("alice", OLD), last=None)["changes"]

    assert changes["since"] is None
    assert ids(changes["new"]) == ["AKIAOLD"]
    assert changes["notes"] == ["No earlier full scan is on record: the first one, or latest.json was lost."]


def damaged(**fields: Any) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(json.dumps(report_of(user("alice", OLD))))
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
        damaged(changes=7),
        damaged(changes={"still_expired": [{}], "unknown": []}),
        damaged(policy=None),
        damaged(policy={"max_age_days": 90, "users": ["alice"]}),
        damaged(account_id="210987654321"),
        damaged(as_of=...),
    ],
    ids=lambda last: json.dumps(last)[:60],
)
def test_a_damaged_last_report_is_said_and_never_an_error(last: object) -> None:
    changes: Any = report_of(user("alice", OLD), last=last)["changes"]

    assert changes["since"] is None
    assert ids(changes["new"]) == ["AKIAOLD"]
    assert changes["resolved"] == []
    [note] = changes["notes"]
    assert note.startswith("The last full scan cannot be compared with: its report ")


def test_a_last_report_that_cannot_be_loaded_is_said() -> None:
    def lost() -> None:
        raise InvalidEvidenceError("the report that latest.json points to is not there")

    page = judge_page(ScanTerms("s", "123456789012", AS_OF, ScanPolicy()), 1, ["alice"], [user("alice", OLD)])

    report = join_and_compare([page], lost)

    assert report["changes"] is not None
    assert report["changes"]["notes"] == [
        "The last full scan cannot be compared with: the report that latest.json points to is not there."
    ]


@pytest.mark.parametrize("policy", [{"users": ("alice",)}, {"as_of": AS_OF}])
def test_a_scan_that_is_not_full_is_compared_with_nothing(policy: dict[str, Any]) -> None:
    assert report_of(user("alice", OLD), last=report_of(user("alice", OLD)), **policy)["changes"] is None


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
def test_every_key_that_is_or_was_expired_is_told_of_exactly_once(before: dict[str, Any], now: dict[str, Any]) -> None:
    last = report_of(*outcomes_of(before))

    report: Any = report_of(*outcomes_of(now), last=last)

    changes = report["changes"]
    told = [ids(changes[kind]) for kind in ("new", "still_expired", "resolved", "unknown")]
    assert sorted(key_id for kind in told for key_id in kind) == sorted(expired_in(report) | expired_in(last))
    assert set(told[0]) | set(told[1]) == expired_in(report)
    assert set(told[1]) | set(told[2]) | set(told[3]) == expired_in(last)

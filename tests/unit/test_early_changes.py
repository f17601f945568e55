"""What changed of keys that are due soon or unused: new ones, those that are resolved before they are overdue."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.examples import given
from tests.support.examples import strategies as st
from tests.support.reports import before, key, report_of, unchecked, user

SOON, UNUSED = key("AKIAOLD", 80, used=1), key("AKIAOLD", 60, used=50)
OLD = key("AKIAOLD", 200, used=1)
NEW = key("AKIANEW", 1, used=0.5)
EXEMPT = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}
POLICY: dict[str, Any] = {"max_unused_days": 45}


def changes_of(then: list[dict[str, Any]], now: list[dict[str, Any]], **more: Any) -> Any:
    policy = {**POLICY, **more}
    last = json.loads(json.dumps(before(*then, **POLICY)))
    return report_of(*now, last=last, **policy)["changes"]


def early(changes: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """The keys that are new, resolved, and unknown."""
    resolved = [(one["access_key_id"], one["was"], one["how"]) for one in changes["resolved_early"]]
    return changes["new_due_soon"], resolved, [one["access_key_id"] for one in changes["unknown_early"]]


@pytest.mark.parametrize(
    ("then", "new"),
    [
        ([user("alice", key("AKIAOLD", 70, used=1))], ["AKIAOLD"]),
        ([user("alice")], ["AKIAOLD"]),
        ([], ["AKIAOLD"]),
        ([unchecked("alice")], ["AKIAOLD"]),
        ([user("alice", key("AKIAOLD", 80, "Inactive"))], ["AKIAOLD"]),
        ([user("alice", SOON)], []),
        ([user("alicia", SOON)], []),
        ([user("alice", UNUSED)], []),
    ],
    ids=["in time", "no key", "no user", "unchecked", "inactive", "due soon", "renamed", "unused"],
)
def test_a_key_is_newly_due_soon_unless_the_last_full_scan_found_it(then: Any, new: list[str]) -> None:
    changes = changes_of(then, [user("alice", SOON)])

    assert early(changes) == (new, [], [])


def test_an_overdue_key_is_not_due_soon_and_one_that_becomes_overdue_is_not_resolved() -> None:
    changes = changes_of([user("alice", SOON)], [user("alice", OLD)])

    assert early(changes) == ([], [], [])
    assert [one["access_key_id"] for one in changes["new"]] == ["AKIAOLD"]


def test_an_overdue_key_that_is_due_soon_by_another_policy_is_both_resolved_and_new() -> None:
    changes = changes_of([user("alice", OLD)], [user("alice", OLD)], max_age_days=210)

    assert early(changes) == (["AKIAOLD"], [], [])
    assert [one["how"] for one in changes["resolved"]] == ["no_longer_matching"]


@pytest.mark.parametrize(("was", "then"), [("due_soon", SOON), ("unused", UNUSED)])
@pytest.mark.parametrize(
    ("keys", "how"),
    [
        ([NEW], "rotated"),
        ([key("AKIAOLD", 80, "Inactive"), NEW], "rotated"),
        ([key("AKIAOLD", 80, "Inactive")], "deactivated"),
        ([], "deleted"),
        ([key("AKIAOLD", 20, used=1)], "no_longer_matching"),
    ],
)
def test_a_key_that_is_not_found_any_more_was_never_overdue_and_is_resolved(
    was: str, then: Any, keys: Any, how: str
) -> None:
    changes = changes_of([user("alice", then)], [user("alice", *keys)])

    assert early(changes) == ([], [("AKIAOLD", was, how)], [])
    assert changes["resolved"] == []


@pytest.mark.parametrize(("was", "then"), [("due_soon", SOON), ("unused", UNUSED)])
def test_a_key_whose_user_is_exempted_or_deleted_is_resolved(was: str, then: Any) -> None:
    exempted = changes_of([user("alice", then)], [user("alice", OLD, tags=EXEMPT)])
    deleted = changes_of([user("alice", then)], [])

    assert early(exempted) == ([], [("AKIAOLD", was, "exempted")], [])
    assert early(deleted) == ([], [("AKIAOLD", was, "deleted")], [])


def test_a_key_that_was_used_again_is_resolved_and_newly_unused_if_it_stops() -> None:
    used = [user("alice", key("AKIAOLD", 60, used=1))]

    again = changes_of([user("alice", UNUSED)], used)
    idle = changes_of(used, [user("alice", UNUSED)])

    assert early(again) == ([], [("AKIAOLD", "unused", "no_longer_matching")], [])
    assert (idle["new_unused"], early(idle)) == (["AKIAOLD"], ([], [], []))


def test_a_key_with_a_shorter_warning_is_no_longer_matching_and_with_a_longer_one_due_soon() -> None:
    alice = [user("alice", SOON)]

    shorter = changes_of(alice, alice, warn_days=3)
    longer = changes_of([user("alice", key("AKIAOLD", 60, used=1))], alice, warn_days=40)

    assert early(shorter) == ([], [("AKIAOLD", "due_soon", "no_longer_matching")], [])
    assert early(longer) == (["AKIAOLD"], [], [])
    assert shorter["notes"] == longer["notes"] == []


@pytest.mark.parametrize(
    "now",
    [
        [unchecked("alice")],
        [unchecked("alicia")],
        [{"user_name": "alice", "outcome": "not_found"}],
    ],
    ids=["unchecked", "renamed to a user who is unchecked", "deleted or renamed while the scan ran"],
)
def test_a_key_that_may_only_be_out_of_sight_is_unknown_until_it_is_known(now: Any) -> None:
    first = before(user("alice", SOON), **POLICY) | {"as_of": "2026-11-01T08:00:00Z"}
    second = before(*now, last=first, **POLICY)

    third: Any = report_of(*now, last=json.loads(json.dumps(second)), **POLICY)["changes"]
    seen: Any = report_of(user("alice", SOON), last=second, **POLICY)["changes"]
    gone: Any = report_of(user("alice", NEW), last=second, **POLICY)["changes"]
    overdue: Any = report_of(user("alice", OLD), last=second, **POLICY)["changes"]

    [still] = third["unknown_early"]
    assert (still["access_key_id"], still["was"], still["reported_since"]) == (
        "AKIAOLD",
        "due_soon",
        "2026-11-01T08:00:00Z",
    )
    assert early(seen) == ([], [], [])
    assert early(gone) == ([], [("AKIAOLD", "due_soon", "rotated")], [])
    assert early(overdue) == ([], [], [])
    assert [one["access_key_id"] for one in overdue["new"]] == ["AKIAOLD"]


@pytest.mark.parametrize(
    ("then", "now", "policy", "became"),
    [
        (UNUSED, key("AKIAOLD", 60, used="unknown"), {}, "unknown"),
        (key("AKIAOLD", 60, used="never"), key("AKIAOLD", 60, used="unknown"), {}, "unknown"),
        (UNUSED, key("AKIAOLD", 60, used="unknown"), {"max_unused_days": 60}, "no_longer_matching"),
        (UNUSED, key("AKIAOLD", 60, used="unknown"), {"max_unused_days": None}, "no_longer_matching"),
        (UNUSED, key("AKIAOLD", 60, "Inactive", used="unknown"), {"include_inactive": True}, "deactivated"),
        (SOON, key("AKIAOLD", 60, used="unknown"), {}, "no_longer_matching"),
    ],
    ids=["unused", "never used", "too young by now", "no limit by now", "inactive", "was due soon"],
)
def test_a_key_that_may_still_be_unused_is_unknown(then: Any, now: Any, policy: dict[str, Any], became: str) -> None:
    _, resolved, unknown = early(changes_of([user("alice", then)], [user("alice", now)], **policy))

    assert [how for _, _, how in resolved] + ["unknown" for _ in unknown] == [became]


@pytest.mark.parametrize(
    "between", [user("alice", key("AKIAOLD", 60, used="unknown")), unchecked("alice")], ids=["its use", "its user"]
)
def test_a_key_that_was_unknown_for_a_scan_is_not_newly_unused(between: Any) -> None:
    first = before(user("alice", UNUSED), **POLICY) | {"as_of": "2026-11-20T08:00:00Z"}
    second = json.loads(json.dumps(before(between, last=first, **POLICY)))

    unused: Any = report_of(user("alice", UNUSED), last=second, **POLICY)["changes"]
    used: Any = report_of(user("alice", key("AKIAOLD", 60, used=1)), last=second, **POLICY)["changes"]

    assert (unused["new_unused"], early(unused)) == ([], ([], [], []))
    assert early(used) == ([], [("AKIAOLD", "unused", "no_longer_matching")], [])


def test_without_a_last_scan_every_key_that_is_due_soon_is_new_and_none_is_resolved() -> None:
    changes: Any = report_of(user("alice", SOON), user("bob", key("AKIABOB", 60, used=50)), last=None, **POLICY)

    assert early(changes["changes"]) == (["AKIAOLD"], [], [])
    assert changes["changes"]["new_unused"] == ["AKIABOB"]


def damaged(**fields: Any) -> dict[str, Any]:
    """A last report whose key that is unknown since then has other fields."""
    first = before(user("alice", SOON)) | {"as_of": "2026-11-01T08:00:00Z"}
    report: Any = json.loads(json.dumps(before(unchecked("alice"), last=first)))
    report["changes"]["unknown_early"][0] |= fields
    return dict(report)


def test_a_last_report_that_is_not_damaged_is_compared_with() -> None:
    assert early(report_of(user("alice"), last=damaged())["changes"] or {}) == (
        [],
        [("AKIAOLD", "due_soon", "deleted")],
        [],
    )


@pytest.mark.parametrize(
    "last",
    [
        damaged(access_key_id="AKIA OLD"),
        damaged(user_name="https://evil.example"),
        damaged(overdue_at=7),
        damaged(reported_since="yesterday"),
        damaged(created_at=None),
        {**damaged(), "changes": {**damaged()["changes"], "unknown_early": 7}},
        {**damaged(), "changes": {**damaged()["changes"], "unknown_early": [{}]}},
        {**damaged(), "changes": {**damaged()["changes"], "last_message_at": "yesterday"}},
        {**damaged(), "changes": {**damaged()["changes"], "last_message_at": ["2026-11-01T08:00:00Z"]}},
    ],
    ids=lambda last: json.dumps(last["changes"]["unknown_early"])[:60],
)
def test_a_damaged_last_report_is_said_and_never_an_error(last: Any) -> None:
    changes: Any = report_of(user("alice", SOON), last=last)["changes"]

    assert early(changes) == (["AKIAOLD"], [], [])
    assert changes["notes"] == ["The last full scan cannot be compared with: its report is damaged."]


@pytest.mark.parametrize("was", ["gone", 7, None])
def test_a_word_that_is_not_known_is_taken_for_due_soon(was: Any) -> None:
    changes: Any = report_of(user("alice"), last=damaged(was=was))["changes"]

    assert early(changes) == ([], [("AKIAOLD", "due_soon", "deleted")], [])


def test_a_last_report_without_these_fields_is_compared_with() -> None:
    last: Any = json.loads(json.dumps(before(user("alice", SOON))))
    for name in ("new_due_soon", "resolved_early", "unknown_early", "last_message_at", "reminder"):
        del last["changes"][name]

    changes: Any = report_of(user("alice"), last=last)["changes"]

    assert early(changes) == ([], [("AKIAOLD", "due_soon", "deleted")], [])
    assert (changes["last_message_at"], changes["reminder"]) == (last["as_of"], False)


def test_the_last_message_is_remembered_from_scan_to_scan() -> None:
    last: Any = before(user("alice", OLD))
    last["changes"]["last_message_at"] = "2026-11-01T08:00:00Z"

    changes: Any = report_of(user("alice", OLD), last=last)["changes"]
    first: Any = report_of(user("alice", OLD), last=None)["changes"]

    assert changes["last_message_at"] == "2026-11-01T08:00:00Z"
    assert first["last_message_at"] is None


USES: list[Any] = [1, 50, "never", "unknown"]
AGES = st.tuples(st.integers(0, 3), st.sampled_from([10, 60, 80, 200]), st.sampled_from(USES), st.booleans())
USERS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.just("unchecked"), st.just("not_found"), st.lists(AGES, max_size=2, unique_by=lambda one: one[0])),
)


def outcomes_of(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for name, what in drawn.items():
        if what == "unchecked":
            made.append(unchecked(name))
        elif what == "not_found":
            made.append({"user_name": name, "outcome": "not_found"})
        else:
            keys = [
                key(f"AKIA{name}{number}", age, "Active" if active else "Inactive", used=1 if age == 10 else used)
                for number, age, used, active in what
            ]
            made.append(user(name, *keys))
    return made


def unread(outcomes: list[dict[str, Any]]) -> set[str]:
    """The active keys whose last use could not be read."""
    uses = [(one, use) for of in outcomes for one, use in zip(of.get("keys", ()), last_uses(of), strict=True)]
    return {one["access_key_id"] for one, use in uses if use == "unknown" and one["status"] == "Active"}


def last_uses(outcome: dict[str, Any]) -> list[Any]:
    details: dict[str, list[Any]] = outcome.get("details", {"last_used": []})
    return details["last_used"]


@given(USERS, USERS, USERS)
def test_of_every_key_that_was_due_soon_or_unused_the_next_scan_knows_what_became_or_that_it_is_unknown(
    first: dict[str, Any], then: dict[str, Any], now: dict[str, Any]
) -> None:
    earlier = before(*outcomes_of(first), **POLICY) | {"as_of": "2026-11-01T08:00:00Z"}
    last: Any = before(*outcomes_of(then), last=earlier, **POLICY)

    report: Any = report_of(*outcomes_of(now), last=json.loads(json.dumps(last)), **POLICY)

    changes = report["changes"]
    found = {one["access_key_id"]: one["verdict"] for one in report["findings"]}
    was = {one["access_key_id"] for one in last["findings"] if one["verdict"] in ("due_soon", "unused")}
    was |= {one["access_key_id"] for one in last["changes"]["unknown_early"]}
    new, resolved, unknown = early(changes)
    assert sorted([*(found.keys() & was), *(key_id for key_id, _, _ in resolved), *unknown]) == sorted(was)
    assert set(new) == {key_id for key_id, verdict in found.items() if verdict == "due_soon"} - was
    unused = {one["access_key_id"] for one in last["findings"] if one["verdict"] == "unused"}
    unused |= {one["access_key_id"] for one in last["changes"]["unknown_early"] if one["was"] == "unused"}
    assert set(changes["new_unused"]) == {key_id for key_id, verdict in found.items() if verdict == "unused"} - unused
    assert not unread(outcomes_of(now)) & {
        key_id for key_id, was, how in resolved if (was, how) == ("unused", "no_longer_matching")
    }

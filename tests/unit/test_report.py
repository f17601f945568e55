"""Judging pages of users and joining them: nobody lost, nobody counted twice."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.documents import InvalidEvidenceError, Page, Report, TooManyChildrenFailedError
from chalicelib.evaluation.account import read_root
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.policy import ScanPolicy
from chalicelib.report.build import join_pages
from chalicelib.report.controls import controls_of
from chalicelib.report.summary import summarize
from tests.support.examples import given
from tests.support.examples import strategies as st
from tests.support.facts import facts, user_facts

AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
OLD, DUE, FRESH = "2026-08-24T07:59:59Z", "2026-08-24T08:00:00Z", "2026-11-01T00:00:00Z"
LATER = "2026-11-22T08:00:01Z"
TERMS = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(), facts())


USED = {"at": "2026-11-21T08:00:00Z", "service": "s3", "region": "us-east-1"}
EXEMPT = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}


def checked(
    name: str, *keys: dict[str, Any], last_used: list[Any] | None = None, tags: Any = None, cause: str = ""
) -> dict[str, Any]:
    outcome = {"user_name": name, "outcome": "checked", "keys": list(keys)}
    if last_used is None:
        return outcome
    known = user_facts(tags, cause="denied") if tags == "unknown" else user_facts(tags)
    return {**outcome, "details": {"last_used": last_used, "cause": cause}, "facts": known}


def key(key_id: str, created_at: str = OLD, status: str = "Active") -> dict[str, Any]:
    return {"access_key_id": key_id, "status": status, "created_at": created_at}


def judge(
    *outcomes: dict[str, Any], number: int = 1, terms: ScanContext = TERMS, listed: list[str] | None = None
) -> Page:
    names = [outcome["user_name"] for outcome in outcomes] if listed is None else listed
    return evaluate_page(replace(terms, account=facts(outcomes)), number, names, outcomes)


def accounted_for(report: Report | Page) -> bool:
    coverage = report["coverage"]
    return coverage["users_listed"] == (
        coverage["users_checked"] + coverage["users_not_found"] + coverage["users_unchecked"]
    )


def test_a_page_has_each_users_outcome_and_each_keys_verdict() -> None:
    page = judge(
        checked(
            "alice",
            *(key("AKIAALICE0000001"), key("AKIAALICE0000002", FRESH)),
            last_used=[USED, {}],
            tags={
                "Owner": "web",
                "team": "x",
                "AKIAALICE0000001": "nightly backup",
                "AKIAALICE0000002": "its successor",
            },
        ),
        checked("bob", key("B1", DUE), key("B2", OLD, "Inactive")),
        checked("carol"),
        {"user_name": "dave", "outcome": "not_found"},
        {"user_name": "eve", "outcome": "unchecked", "cause": "Iam.IamException: Rate exceeded"},
    )

    assert page["coverage"] == {
        "users_listed": 5,
        "users_checked": 3,
        "users_not_found": 1,
        "users_unchecked": 1,
        "keys_judged": 3,
        "keys_inactive_skipped": 1,
        "keys_not_yet_created": 0,
        "detail_calls": 2,
        "keys_last_use_unknown": 1,
        "users_facts_unknown": 0,
    }
    assert page["totals"] == {"expired": 1, "due_soon": 1, "ok": 1, "unused": 0, "exempt": 0}
    assert page["findings"] == [
        {
            "user_name": "alice",
            "access_key_id": "AKIAALICE0000001",
            "status": "Active",
            "created_at": OLD,
            "age_days": 90,
            "overdue_at": "2026-11-22T07:59:59Z",
            "verdict": "expired",
            "last_used": USED,
            "owner": "web",
            "owner_known": True,
            "tags": {"Owner": "web", "team": "x"},
            "description": "nightly backup",
            "other_keys": [
                {
                    "access_key_id": "AKIAALICE0000002",
                    "age_days": 21,
                    "status": "Active",
                    "last_used": None,
                    "description": "its successor",
                }
            ],
            "advice": "rotate",
            "advice_in_words": (
                "In use, last on 2026-11-21 for s3 in us-east-1, and its successor AKIAALICE0000002 is not in use:"
                " move what uses this key to it, then deactivate this one."
            ),
            "safe_to_deactivate": False,
            "exemption": None,
            "severity": "medium",
            "can_administer": False,
            "administers_by": None,
            "quarantined_by": None,
            "user_path": "/",
            "console_url": "https://console.aws.amazon.com/iam/home#/users/details/alice?section=security_credentials",
            "controls": controls_of("expired"),
            "leave_keys": None,
            "seen_from": None,
        },
        {
            "user_name": "bob",
            "access_key_id": "B1",
            "status": "Active",
            "created_at": DUE,
            "age_days": 90,
            "overdue_at": "2026-11-22T08:00:00Z",
            "verdict": "due_soon",
            "last_used": "unknown",
            "owner": None,
            "owner_known": True,
            "tags": {},
            "description": None,
            "other_keys": [
                {
                    "access_key_id": "B2",
                    "age_days": 90,
                    "status": "Inactive",
                    "last_used": "unknown",
                    "description": None,
                }
            ],
            "advice": None,
            "advice_in_words": None,
            "safe_to_deactivate": None,
            "exemption": None,
            "severity": "low",
            "can_administer": False,
            "administers_by": None,
            "quarantined_by": None,
            "user_path": "/",
            "console_url": "https://console.aws.amazon.com/iam/home#/users/details/bob?section=security_credentials",
            "controls": [],
            "leave_keys": None,
            "seen_from": None,
        },
    ]


def test_inactive_keys_are_judged_where_the_policy_includes_them() -> None:
    terms = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(include_inactive=True), facts())

    page = judge(checked("bob", key("B1", OLD, "Inactive")), terms=terms)

    assert page["totals"]["expired"] == 1
    assert page["findings"][0]["status"] == "Inactive"
    assert page["coverage"]["keys_inactive_skipped"] == 0


def test_a_user_whose_outcome_is_missing_is_unchecked() -> None:
    page = judge(checked("alice"), listed=["alice", "bob"])

    assert page["coverage"]["users_unchecked"] == 1
    assert page["users"][1] == {"user_name": "bob", "outcome": "unchecked", "cause": page["users"][1]["cause"]}


@pytest.mark.parametrize(
    ("access_keys", "cause", "root", "complete"),
    [
        (0, None, {"access_keys": 0, "verdict": "ok", "cause": None}, True),
        (1, None, {"access_keys": 1, "verdict": "root_access_keys", "cause": None}, True),
        ("unknown", "denied", {"access_keys": "unknown", "verdict": "unknown", "cause": "denied"}, False),
        (
            None,
            None,
            {
                "access_keys": "unknown",
                "verdict": "unknown",
                "cause": "IAM did not say whether the root user has access keys",
            },
            False,
        ),
    ],
)
def test_what_iam_says_of_the_root_user_is_told(
    access_keys: object, cause: str | None, root: dict[str, Any], complete: bool
) -> None:
    account = facts(root=read_root(access_keys, cause))

    report = join_pages([judge(checked("alice"))], account)

    assert report["root"] == root
    assert summarize(report)["root"] == root
    assert summarize(report)["complete"] is complete
    assert report["not_covered"] == []


def test_a_scan_that_did_not_ask_about_the_root_user_says_so() -> None:
    report = join_pages([judge(checked("alice"))], facts())

    assert report["root"] is None
    assert summarize(report)["complete"]
    assert len(report["not_covered"]) == 1


def test_the_summary_counts_findings_by_advice() -> None:
    report = join_pages(
        [
            judge(
                checked("never", key("A1"), last_used=[{}]),
                checked("used", key("B1"), last_used=[USED]),
                checked("rotating", key("C1"), key("C2", FRESH), last_used=[USED, USED]),
                checked("unknown", key("D1", DUE), last_used=["unknown"], cause="denied"),
            )
        ],
        facts(),
    )

    assert summarize(report)["advice"] == {"deactivate": 1, "finish_rotation": 1, "rotate": 1, "delete": 0, "none": 1}


@pytest.mark.parametrize(
    "odd",
    [
        {"access_key_id": "B2", "status": "Active"},
        {"access_key_id": "B2", "status": "Active", "created_at": None},
        {"access_key_id": "B2", "status": "Active", "created_at": "long ago"},
        {"access_key_id": "B2", "status": "Active", "created_at": "2026-11-01T00:00:00"},
        {"access_key_id": "B2", "created_at": OLD},
        {"status": "Active", "created_at": OLD},
    ],
)
def test_a_user_with_a_key_that_cannot_be_judged_is_unchecked(odd: dict[str, Any]) -> None:
    report = join_pages([judge(checked("bob", key("B1"), odd))], facts())

    assert report["coverage"]["users_unchecked"] == 1
    assert report["unchecked"][0]["user_name"] == "bob"
    assert not summarize(report)["complete"]


@pytest.mark.parametrize(
    ("outcomes", "listed"),
    [
        ([checked("mallory")], []),
        ([checked("alice"), checked("alice")], ["alice"]),
        ([checked("alice")], ["alice", "alice"]),
    ],
    ids=["not asked for", "came twice", "listed twice"],
)
def test_an_outcome_out_of_place_is_refused(outcomes: list[dict[str, Any]], listed: list[str]) -> None:
    with pytest.raises(InvalidEvidenceError):
        judge(*outcomes, listed=listed)


def test_pages_are_joined_oldest_key_first_then_by_user_then_by_key() -> None:
    pages = [
        judge(checked("zoe", key("Z2", "2025-01-01T00:00:00Z"), key("Z1", "2025-01-01T00:00:00Z"))),
        judge(
            checked("amy", key("A1", "2025-01-01T00:00:00Z")),
            checked("ben", key("B1", "2025-01-01T00:00:00.5Z")),
            number=2,
        ),
        judge(checked("cat", key("C1", "2024-12-31T23:59:59Z")), number=3),
    ]

    report = join_pages(pages, facts())

    assert [finding["access_key_id"] for finding in report["findings"]] == ["C1", "A1", "Z1", "Z2", "B1"]
    assert report["totals"]["expired"] == 5


def test_a_report_lists_the_unchecked_with_cause_and_the_not_found() -> None:
    pages = [
        judge({"user_name": "eve", "outcome": "unchecked", "cause": "denied"}, checked("fay")),
        judge({"user_name": "gus", "outcome": "not_found"}, number=2),
    ]

    report = join_pages(pages, facts())

    assert report["unchecked"] == [{"user_name": "eve", "cause": "denied"}]
    assert report["not_found"] == ["gus"]
    assert report["not_covered"] == [
        "the root user: IAM does not list it, and only scans of all users as of now ask whether it has access keys"
    ]
    assert report["root"] is None


def test_a_report_of_named_users_says_that_it_does_not_cover_the_others() -> None:
    terms = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(users=("alice",)), facts())

    report = join_pages([judge(checked("alice"), terms=terms)], facts())

    assert "all users but those that the scan policy names" in report["not_covered"]


def test_an_account_without_users_has_a_report() -> None:
    report = join_pages([judge()], facts())

    assert report["coverage"]["users_listed"] == 0
    assert summarize(report)["complete"]


OTHER_POLICY = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(max_age_days=60), facts())
OTHER_SCAN = ScanContext("scan-2", "123456789012", AS_OF, ScanPolicy(), facts())


@pytest.mark.parametrize(
    "pages",
    [
        [],
        [judge(number=2)],
        [judge(), judge(number=1)],
        [judge(), judge(number=3)],
        [judge(), judge(number=2, terms=OTHER_POLICY)],
        [judge(), judge(number=2, terms=OTHER_SCAN)],
        [judge(checked("alice")), judge(checked("alice"), number=2)],
    ],
    ids=["none", "first missing", "same twice", "one missing", "another policy", "another scan", "a user twice"],
)
def test_pages_that_do_not_make_up_one_scan_are_refused(pages: list[Page]) -> None:
    with pytest.raises(InvalidEvidenceError):
        join_pages(pages, facts())


_outcomes = st.sampled_from(["checked"] * 6 + ["not_found", "unchecked", "missing"])


@pytest.mark.parametrize(("without", "whole"), [(1, True), (2, True), (3, False)])
def test_a_report_is_made_with_one_user_in_five_without_an_outcome_and_with_no_more(without: int, whole: bool) -> None:
    listed = [f"user-{number}" for number in range(10)]
    outcomes = [{"user_name": name, "outcome": "checked", "keys": []} for name in listed[without:]]
    page = evaluate_page(ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(), facts()), 1, listed, outcomes)

    if whole:
        assert join_pages([page], facts())["coverage"]["users_unchecked"] == without
    else:
        with pytest.raises(TooManyChildrenFailedError, match="3 of 10 users have no outcome"):
            join_pages([page], facts())


_tags = st.sampled_from([None, "unknown", {}, EXEMPT, {**EXEMPT, "iam-key-age:exempt-until": "2026-01-01"}])
_last_used = st.lists(st.sampled_from([{}, USED, "unknown"]), max_size=3)
_details = st.tuples(_last_used, _tags)
_ages = st.lists(
    st.tuples(st.sampled_from([OLD, DUE, FRESH, LATER]), st.sampled_from(["Active", "Inactive"])), max_size=3
)


@given(
    st.lists(st.lists(st.tuples(_outcomes, _ages, _details), max_size=5), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([None, 1, 45]),
)
def test_every_user_ends_in_one_outcome_and_every_key_in_one_count(
    made_up: list[list[tuple[str, list[tuple[str, str]], tuple[list[Any], Any]]]],
    include_inactive: bool,
    max_unused_days: int | None,
) -> None:
    policy = ScanPolicy(include_inactive=include_inactive, max_unused_days=max_unused_days)
    terms = ScanContext("scan-1", "123456789012", AS_OF, policy, facts())
    pages, keys_of_checked = [], 0
    for number, users in enumerate(made_up, start=1):
        listed = [f"user-{number}-{index}" for index in range(len(users))]
        outcomes = []
        for name, (outcome, ages, (last_used, tags)) in zip(listed, users, strict=True):
            keys = [key(f"{name}-{index}", *age) for index, age in enumerate(ages)]
            keys_of_checked += len(keys) if outcome == "checked" else 0
            if outcome != "missing":
                details = checked(name, last_used=last_used, tags=tags).get("details", {}) if tags != {} else {}
                outcomes.append(
                    {"user_name": name, "outcome": outcome, "keys": keys, "cause": "why", "details": details}
                )
        pages.append(evaluate_page(terms, number, listed, outcomes))
    everybody = [outcome for users in made_up for outcome, _, _ in users]

    if everybody.count("missing") * 5 > len(everybody):
        with pytest.raises(TooManyChildrenFailedError):
            join_pages(pages, facts())
        return
    report = join_pages(pages, facts())

    coverage, totals = report["coverage"], report["totals"]
    assert accounted_for(report)
    assert coverage["users_listed"] == sum(len(users) for users in made_up)
    assert coverage["keys_judged"] == sum(totals.values())  # type: ignore[arg-type]  # they are int
    passed_over = coverage["keys_inactive_skipped"] + coverage["keys_not_yet_created"]
    assert coverage["keys_judged"] + passed_over == keys_of_checked
    assert len(report["findings"]) == totals["expired"] + totals["due_soon"] + totals["unused"]
    assert len(report["exempt"]) == totals["exempt"]
    assert sum(report["advice"].values()) == len(report["findings"])  # type: ignore[arg-type]  # they are int
    assert len(report["unchecked"]) == coverage["users_unchecked"]

"""Judging a user's keys by more than their age: exemptions and last uses."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.evaluation.page import ScanContext
from chalicelib.outputs.sentences import why_advised
from chalicelib.policy import ScanPolicy
from chalicelib.report.build import join_pages
from chalicelib.report.summary import summarize
from tests.support.facts import facts
from tests.unit.test_report import AS_OF, DUE, EXEMPT, FRESH, OLD, USED, checked, judge, key


def test_an_exempt_key_has_a_section_of_its_own_and_counts_as_nothing_else() -> None:
    page = judge(checked("alice", key("A1"), key("A2", DUE), key("A3", FRESH), last_used=[USED, {}, USED], tags=EXEMPT))

    report = join_pages([page], facts())

    assert report["findings"] == []
    assert [(key["access_key_id"], key["verdict"], key["exempt_from"]) for key in report["exempt"]] == [
        ("A1", "exempt", "expired"),
        ("A2", "exempt", "due_soon"),
    ]
    assert report["totals"] == {"expired": 0, "due_soon": 0, "ok": 1, "unused": 0, "exempt": 2}
    assert report["exempt"][0]["exemption"] == {
        "in_force": True,
        "until": "2026-12-31",
        "reason": "CHG-1",
        "why_not": None,
    }
    assert report["exempt"][0]["advice"] is None


def test_an_exemption_that_is_over_leaves_the_key_expired_and_says_why() -> None:
    ended = {**EXEMPT, "iam-key-age:exempt-until": "2026-11-21"}

    report = join_pages([judge(checked("alice", key("A1"), last_used=[USED], tags=ended))], facts())

    [finding] = report["findings"]
    assert finding["verdict"] == "expired"
    assert finding["exemption"] is not None
    assert finding["exemption"]["why_not"] == "the exemption ended on 2026-11-21"
    assert report["exempt"] == []


def test_tags_that_could_not_be_had_exempt_nobody() -> None:
    alice = checked("alice", key("A1"), last_used=[USED], tags="unknown", cause="denied")

    report = join_pages([judge(alice)], facts([alice]))

    [finding] = report["findings"]
    assert (finding["verdict"], finding["owner"], finding["tags"]) == ("expired", "unknown", "unknown")
    assert finding["advice"] is None
    assert "it may be exempt" in why_advised(finding)
    assert report["details_unknown"] == [{"user_name": "alice", "cause": "denied"}]
    assert report["coverage"]["users_unchecked"] == 0
    assert summarize(report)["complete"]


LONG_AGO = {**USED, "at": "2026-10-08T07:59:59Z"}  # 45 days and a second
JUST_IN_TIME = {**USED, "at": "2026-10-08T08:00:00Z"}
CREATED_THEN, CREATED_SINCE = "2026-10-08T07:59:59Z", "2026-10-08T08:00:00Z"


@pytest.mark.parametrize(
    ("created_at", "status", "last_used", "verdict"),
    [
        pytest.param("2026-10-01T00:00:00Z", "Active", LONG_AGO, "unused", id="used 45 days and a second ago"),
        pytest.param("2026-10-01T00:00:00Z", "Active", JUST_IN_TIME, "ok", id="used exactly 45 days ago"),
        pytest.param(CREATED_THEN, "Active", {}, "unused", id="never used, created 45 days and a second ago"),
        pytest.param(CREATED_SINCE, "Active", {}, "ok", id="never used, created exactly 45 days ago"),
        pytest.param(FRESH, "Active", {}, "ok", id="never used, new"),
        pytest.param(DUE, "Active", LONG_AGO, "unused", id="unused before due soon"),
        pytest.param(OLD, "Active", LONG_AGO, "expired", id="expired before unused"),
        pytest.param(OLD, "Inactive", LONG_AGO, None, id="inactive"),
        pytest.param("2026-10-01T00:00:00Z", "Active", "unknown", "ok", id="unknown"),
    ],
)
def test_a_key_is_unused_when_it_was_not_used_for_longer_than_the_policy_allows(
    created_at: str, status: str, last_used: Any, verdict: str | None
) -> None:
    terms = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(max_unused_days=45), facts())

    page = judge(checked("alice", key("A1", created_at, status), last_used=[last_used]), terms=terms)

    assert [judged["verdict"] for judged in page["users"][0]["keys"]] == [verdict]
    assert page["totals"]["unused"] == (verdict == "unused")
    if verdict == "unused":
        assert page["findings"][0]["advice"] == "deactivate"


def test_an_inactive_key_is_never_unused_even_where_inactive_keys_are_judged() -> None:
    policy = ScanPolicy(max_unused_days=45, include_inactive=True)
    terms = ScanContext("scan-1", "123456789012", AS_OF, policy, facts())

    page = judge(checked("alice", key("A1", "2026-10-01T00:00:00Z", "Inactive"), last_used=[LONG_AGO]), terms=terms)

    assert page["totals"] == {"expired": 0, "due_soon": 0, "ok": 1, "unused": 0, "exempt": 0}


def test_a_key_that_is_in_use_now_is_not_unused_at_an_instant_to_come() -> None:
    policy = ScanPolicy(max_unused_days=45)
    at_the_audit = datetime(2027, 6, 1, tzinfo=UTC)
    terms = ScanContext("scan-1", "123456789012", at_the_audit, policy, facts(), started_at=AS_OF)

    page = judge(
        checked("alice", key("A1"), last_used=[USED]), checked("bob", key("B1", FRESH), last_used=[USED]), terms=terms
    )

    assert [(finding["verdict"], finding["advice"]) for finding in page["findings"]] == [("expired", "rotate")] * 2


def test_a_scan_of_a_past_instant_judges_by_the_last_use_before_it() -> None:
    year_later = datetime(2027, 11, 22, 8, 0, 0, tzinfo=UTC)
    terms = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(), facts(), started_at=year_later)

    page = judge(checked("alice", key("A1"), last_used=[USED]), terms=terms)

    assert page["findings"][0]["advice"] == "rotate"


def test_a_key_that_is_unused_and_exempt_is_exempt() -> None:
    terms = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(max_unused_days=45), facts())

    page = judge(checked("alice", key("A1", "2026-10-01T00:00:00Z"), last_used=[{}], tags=EXEMPT), terms=terms)

    assert [finding["exempt_from"] for finding in page["exempt"]] == ["unused"]


@pytest.mark.parametrize(("max_unused_days", "complete"), [(45, False), (None, True)])
def test_a_last_use_that_is_unknown_leaves_a_scan_incomplete_that_judges_by_it(
    max_unused_days: int | None, complete: bool
) -> None:
    terms = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(max_unused_days=max_unused_days), facts())
    alice = checked("alice", key("A1", "2026-10-01T00:00:00Z"), last_used=["unknown"], cause="denied")

    report = join_pages([judge(alice, terms=terms)], facts([alice]))

    assert report["coverage"]["keys_last_use_unknown"] == 1
    assert report["coverage"]["users_checked"] == 1
    assert summarize(report)["complete"] is complete


def test_where_unused_keys_are_judged_a_user_who_was_not_asked_about_leaves_the_scan_incomplete() -> None:
    terms = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(max_unused_days=10), facts())

    report = join_pages([judge(checked("alice", key("A1", FRESH)), terms=terms)], facts())

    assert report["coverage"]["keys_last_use_unknown"] == 1
    assert not summarize(report)["complete"]


def test_an_inactive_key_whose_last_use_is_unknown_leaves_no_scan_incomplete() -> None:
    policy = ScanPolicy(max_unused_days=45, include_inactive=True)
    terms = ScanContext("scan-1", "123456789012", AS_OF, policy, facts())
    bob = checked("bob", key("B1", OLD, "Inactive"), last_used=["unknown"], cause="denied")

    assert summarize(join_pages([judge(bob, terms=terms)], facts([bob])))["complete"]

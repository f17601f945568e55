"""Joining the reports of accounts: no account, user or finding is lost or counted twice, and memory is bounded."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.documents import InvalidEvidenceError, Report, TooManyChildrenFailedError
from chalicelib.instants import format_instant
from chalicelib.organization_documents import AccountRow, ListedAccount, OrganizationReport
from chalicelib.report.changes import is_new_baseline
from chalicelib.report.organization import (
    MOST_FINDINGS,
    MOST_QUARANTINED,
    NO_ACCOUNT_OUTCOME,
    Outcome,
    check_outcomes,
    join_accounts,
)
from chalicelib.report.organization_scan import describe_scan, next_baselines
from chalicelib.report.summary import (
    find_gaps,
    is_complete,
    report_verdict,
    summarize_organization,
    worst_severity,
)
from tests.support.organization_reports import (
    FOLDER,
    OWN,
    REFUSED,
    account_id,
    account_report,
    adds_up,
    baselines,
    joined,
    list_of,
    listed,
    scan_of,
    suspended,
)
from tests.support.reports import AS_OF, key, report_of, unchecked, user

OLD, DUE, FRESH, IDLE = key("AKIAOLD", 200, used=1), key("AKIADUE", 80, used=1), key("AKIAFRESH", 1), 60
LEAKED: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV2"}
STRANGER: ListedAccount = listed(8, None, None, "it is not in the organization")


def clean(number: int) -> tuple[ListedAccount, Report]:
    return listed(number), account_report(number, user("alice", FRESH))


def overdue(number: int, age: float = 200) -> tuple[ListedAccount, Report]:
    return listed(number), account_report(number, user("alice", key(f"AKIA{number:04}", age, used=1)))


def refused(number: int) -> tuple[ListedAccount, Outcome]:
    return listed(number), REFUSED


def row_of(report: OrganizationReport, number: int) -> AccountRow:
    [row] = [row for row in report["accounts"] if row["account_id"] == account_id(number)]
    return row


def test_every_account_listed_has_one_outcome() -> None:
    report = joined([clean(1), overdue(2), refused(3)], [suspended(4), STRANGER], excluded=[account_id(9)])

    assert adds_up(report)
    assert report["coverage"] == {
        "accounts_listed": 5,
        "accounts_scanned": 2,
        "accounts_unchecked": 2,
        "accounts_not_active": 1,
        "accounts_incomplete": 0,
        "accounts_excluded": 1,
    }
    outcomes = {row["account_id"]: (row["outcome"], row["cause"]) for row in report["accounts"]}
    assert outcomes == {
        account_id(1): ("scanned", None),
        account_id(2): ("scanned", None),
        account_id(3): ("unchecked", REFUSED),
        account_id(4): ("not_active", "it is suspended"),
        account_id(8): ("unchecked", "it is not in the organization"),
    }


@pytest.mark.parametrize("state", ["PENDING_CLOSURE", "RESTRICTED", None])
def test_an_account_in_a_state_in_which_keys_may_work_is_never_counted_as_not_active(state: str | None) -> None:
    report = joined([clean(1)], [listed(2, state=state, cause="it was not scanned")])

    assert row_of(report, 2)["outcome"] == "unchecked"
    assert not is_complete(report)


def test_a_scanned_account_has_its_counts_and_where_its_reports_are() -> None:
    [account, report] = overdue(2)
    report["account_alias"] = "acme"

    assert row_of(joined([(account, report)]), 2) == {
        "account_id": account_id(2),
        "account_name": "member-2",
        "outcome": "scanned",
        "cause": None,
        "state": "ACTIVE",
        "account_alias": "acme",
        "verdict": "expired",
        "complete": True,
        "coverage": report["coverage"],
        "totals": report["totals"],
        "severities": report["severities"],
        "advice": report["advice"],
        "changes": {
            "since": None,
            "new": 1,
            "still_expired": 0,
            "resolved": 0,
            "unknown": 0,
            "new_unused": 0,
            "reactivated": 0,
            "became_safe": 0,
        },
        "root_access_keys": False,
        "quarantined": 0,
        "two_active_keys": 0,
        "reports": {kind: f"{FOLDER}accounts/{account_id(2)}/report.{kind}" for kind in ("json", "csv", "html")},
    }


def test_an_account_without_a_report_has_no_counts() -> None:
    row: dict[str, Any] = {**row_of(joined([refused(1), clean(2)]), 1)}

    known = {"account_id", "account_name", "outcome", "cause", "state", "reports"}
    assert [row[name] for name in row if name not in known] == [None] * 11
    assert row["reports"] == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", account_id(2)),
        ("account_id", None),
        ("scan_id", "scan-0"),
        ("as_of", "2026-11-22T08:00:01Z"),
        ("started_at", "2026-11-22T08:00:01Z"),
        ("policy", {"max_age_days": 9000}),
        ("schema_version", 2),
    ],
)
def test_a_report_of_another_account_or_scan_counts_for_nothing(field: str, value: object) -> None:
    account, report = overdue(1)
    report[field] = value  # type: ignore[literal-required]

    joint = joined([(account, report), clean(2)])

    row = row_of(joint, 1)
    assert (row["outcome"], row["cause"]) == ("unchecked", f"its report is of another {field}")
    assert joint["findings"] == []
    assert joint["totals"]["expired"] == 0


@pytest.mark.parametrize(("without", "whole"), [(1, True), (2, True), (3, False)])
def test_a_scan_fails_where_more_than_one_account_in_five_has_no_outcome(without: int, whole: bool) -> None:
    outcomes = [(listed(number), None) if number <= without else clean(number) for number in range(1, 11)]

    if whole:
        report = joined(outcomes, [suspended(number) for number in range(11, 20)])
        assert [row["cause"] for row in report["accounts"] if row["outcome"] == "unchecked"] == [
            NO_ACCOUNT_OUTCOME
        ] * without
        assert not is_complete(report)
    else:
        with pytest.raises(TooManyChildrenFailedError, match="3 of 10 accounts have no outcome"):
            joined(outcomes, [suspended(number) for number in range(11, 20)])


def test_refused_accounts_however_many_fail_no_scan() -> None:
    report = joined([refused(number) for number in range(1, 11)])

    assert report["coverage"]["accounts_unchecked"] == 10
    assert report_verdict(report) == "unchecked"


@pytest.mark.parametrize("given_outcomes", [[clean(1)], [clean(1), clean(1)], [clean(1), clean(2), clean(3)]])
def test_outcomes_that_are_not_those_of_the_accounts_listed_make_no_report(given_outcomes: list[Any]) -> None:
    scan, accounts = scan_of(), list_of(listed(1), listed(2))

    with pytest.raises(InvalidEvidenceError, match="accounts are listed"):
        join_accounts(scan, accounts, check_outcomes(scan, given_outcomes), None)


def test_an_account_whose_users_do_not_add_up_makes_no_report() -> None:
    account, report = clean(1)
    report["coverage"]["users_listed"] += 1

    with pytest.raises(InvalidEvidenceError, match="2 users are listed, and 1 have an outcome"):
        joined([(account, report)])


def test_the_findings_are_the_most_severe_then_the_oldest_of_all_accounts() -> None:
    idle = account_report(1, user("idle", key("AKIAIDLE", 100, used="never")), user("soon", key("AKIASOON", 85)))
    leaked = account_report(3, user("web", key("AKIALEAKED", 95, used=1), **LEAKED))
    older = account_report(2, user("old", key("AKIAOLD1", 900, used=1)), user("oldest", key("AKIAOLD2", 901, used=1)))

    report = joined([(listed(1), idle), (listed(2, None), older), (listed(3, "web"), leaked)])

    found = [(one["access_key_id"], one["account_id"], one["account_name"]) for one in report["findings"]]
    assert found == [
        ("AKIALEAKED", account_id(3), "web"),
        ("AKIAIDLE", account_id(1), "member-1"),
        ("AKIAOLD2", account_id(2), None),
        ("AKIAOLD1", account_id(2), None),
        ("AKIASOON", account_id(1), "member-1"),
    ]
    assert report["findings_left_out"] == 0
    assert worst_severity(report) == "critical"


def test_no_more_than_a_thousand_findings_and_a_hundred_quarantined_users_are_in_the_report() -> None:
    def crowd(number: int) -> tuple[ListedAccount, Report]:
        users = [user(f"u{one}", key(f"AKIA{number}X{one}", 91 + one, used=1), **LEAKED) for one in range(300)]
        return listed(number), account_report(number, *users)

    report = joined([crowd(number) for number in range(1, 6)])

    assert len(report["findings"]) == MOST_FINDINGS
    assert report["findings_left_out"] == 1500 - MOST_FINDINGS
    assert min(one["age_days"] for one in report["findings"]) == 191
    assert (report["quarantined"], len(report["quarantined_users"])) == (1500, MOST_QUARANTINED)
    assert report["totals"]["expired"] == sum(report["severities"].values()) == 1500  # type: ignore[arg-type]


def test_the_changes_are_summed_over_the_accounts() -> None:
    still, gone = user("still", key("AKIASTILL", 300, used=1)), user("gone", key("AKIAGONE", 300, used=1))
    exempt = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}
    one = account_report(1, still, user("new", key("AKIANEW", 91, used=1)), last=[still, gone])
    root = account_report(
        2, user("kept", key("AKIAKEPT", 300, used=1), tags=exempt), last=[user("kept", key("AKIAKEPT", 300))],
        root={"access_keys": 1},
    )  # fmt: skip
    last_gone: ListedAccount = {"account_id": account_id(7), "name": "crm", "state": None, "cause": "it is gone"}

    report = joined(
        [(listed(1), one), (listed(2), root), overdue(3), refused(4)], last=baselines(1, 2, 4, 7), gone=[last_gone]
    )

    assert report["changes"] == {
        "since": {"scan_id": "scan-0", "as_of": "2026-11-21T08:00:00Z"},
        "notes": [],
        "new": 2,
        "still_expired": 1,
        "resolved": 2,
        "exempted": 1,
        "unknown": 0,
        "new_unused": 0,
        "reactivated": 0,
        "became_safe": 0,
        "new_root_access_keys": [account_id(2)],
        "accounts_new": [account_id(3)],
        "accounts_gone": [last_gone],
        "accounts_stopped": [],
        "superseded": False,
        "last_message_at": "2026-11-21T08:00:00Z",
        "reminder": False,
    }
    changes = {one["access_key_id"]: (one["change"], one["reported_since"]) for one in report["findings"]}
    assert changes == {
        "AKIASTILL": ("still_expired", "2026-11-21T08:00:00Z"),
        "AKIANEW": ("new", "2026-11-22T08:00:00Z"),
        "AKIA0003": ("new", "2026-11-22T08:00:00Z"),
    }
    summary = summarize_organization(report)["changes"]
    assert summary is not None
    assert (summary["new"], summary["accounts_new"], summary["accounts_gone"]) == (2, 1, 1)


def test_a_key_says_whether_it_is_active_again_or_became_safe_to_deactivate() -> None:
    was_off = account_report(
        1, user("again", key("AKIAAGAIN", 200, used=1)), user("off", key("AKIAOTHER", 200, used=1)),
        last=[user("again", key("AKIAAGAIN", 200, "Inactive"))],
    )  # fmt: skip
    silent = account_report(
        2, user("silent", key("AKIASILENT", 300, used=95)), last=[user("silent", key("AKIASILENT", 300, used=80))]
    )

    report = joined([(listed(1), was_off), (listed(2), silent)], last=baselines(1, 2))

    flags = {one["access_key_id"]: (one["reactivated"], one["became_safe"]) for one in report["findings"]}
    assert flags == {"AKIAAGAIN": (True, False), "AKIAOTHER": (False, False), "AKIASILENT": (False, True)}


@pytest.mark.parametrize(("hours_later", "superseded"), [(0, True), (1, True), (-1, False)])
def test_a_scan_that_a_later_one_overtook_becomes_no_baseline(hours_later: int, superseded: bool) -> None:
    later = baselines(1, scan_id="scan-2", as_of=format_instant(AS_OF + timedelta(hours=hours_later)))

    report = joined([overdue(1)], last=later)

    assert report["changes"] is not None
    assert report["changes"]["superseded"] is superseded
    assert is_new_baseline(report) is not superseded
    assert any("A later scan" in note for note in report["changes"]["notes"]) is superseded


def test_a_report_that_is_built_again_does_not_supersede_itself() -> None:
    own = baselines(1, scan_id="scan-1", as_of=format_instant(AS_OF))

    report = joined([overdue(1)], last=own)

    assert is_new_baseline(report)


@pytest.mark.parametrize("policy", [{"users": ("alice",)}, {"as_of": AS_OF}])
def test_a_scan_of_named_users_or_of_another_instant_is_compared_with_none(policy: dict[str, Any]) -> None:
    report = joined([(listed(1), account_report(1, user("alice", OLD), **policy))], **policy)

    assert (report["scan_kind"], report["changes"], report["controls"]) == ("accounts", None, [])
    assert not is_new_baseline(report)


def test_a_scan_of_requested_accounts_is_compared_but_no_evidence_for_the_organization() -> None:
    report = joined([overdue(1)], last=baselines(1, 2), requested=[account_id(1)])

    assert (report["scan_kind"], report["controls"], report["violations"]) == ("accounts", [], {})
    assert is_new_baseline(report)
    assert report["not_covered"] == ["all accounts but those that the request names"]


def test_an_account_that_was_not_scanned_keeps_its_last_report_for_the_next_scan() -> None:
    last = baselines(1, 2, 3, 7)
    outcomes = [overdue(1), refused(2), overdue(4)]
    gone: list[ListedAccount] = [{"account_id": account_id(7), "name": "crm", "state": None, "cause": "gone"}]
    accounts = list_of(*(account for account, _ in outcomes), suspended(3), gone=gone)

    after = next_baselines(joined(outcomes, [suspended(3)], last=last), accounts, last)

    assert after["accounts"] == {
        account_id(1): "scan-1",
        account_id(2): "scan-0",
        account_id(3): "scan-0",
        account_id(4): "scan-1",
    }
    assert set(after["names"]) == set(after["instants"]) == set(after["accounts"])
    assert (after["scan_id"], after["as_of"]) == ("scan-1", "2026-11-22T08:00:00Z")
    assert after["not_active"] == [account_id(3)]


def test_the_first_scan_has_no_baselines_to_carry_on() -> None:
    after = next_baselines(joined([overdue(1), refused(2)]), list_of(listed(1), listed(2)), None)

    assert after["accounts"] == {account_id(1): "scan-1"}


def test_what_holds_for_all_accounts_is_not_covered_and_so_are_accounts_that_are_left_out() -> None:
    past: dict[str, Any] = {"as_of": AS_OF}
    one, other = (account_report(number, user("alice", OLD), **past) for number in (1, 2))
    other["not_covered"] = [*other["not_covered"], "what holds here alone"]

    report = joined(
        [(listed(1), one), (listed(2), other)], [suspended(3), suspended(4)], excluded=[account_id(9)], **past
    )

    assert report["not_covered"] == [
        "1 account that is excluded by ExcludedAccounts",
        "2 accounts that are not active",
        *one["not_covered"],
    ]


def test_a_gap_of_an_account_is_one_of_the_organization() -> None:
    users_gap = account_report(1, user("alice", FRESH), unchecked("bob"))
    root_gap = account_report(2, user("alice", FRESH), root={"cause": "denied"})
    facts_gap = account_report(
        3, user("alice", FRESH), account={"users": {}, "unknown": [{"part": "users", "cause": "denied"}]}
    )

    report = joined([(listed(1), users_gap), (listed(2), root_gap), (listed(3), facts_gap), refused(4), refused(5)])

    assert [tuple(gap) for gap in find_gaps(report)] == [
        ("accounts_unchecked", 2),
        ("users_unchecked", 1),
        ("root_unknown", 1),
        ("account_unknown", 1),
    ]
    assert report["coverage"]["accounts_incomplete"] == 3
    assert row_of(report, 2)["root_access_keys"] is None
    assert not summarize_organization(report)["complete"]


def test_an_unknown_last_use_makes_the_report_incomplete_where_the_policy_judges_by_it() -> None:
    dark = account_report(1, user("dark", key("AKIADARK", 60, used="unknown"), cause="denied"), max_unused_days=45)

    assert [tuple(gap) for gap in find_gaps(joined([(listed(1), dark)], max_unused_days=45))] == [
        ("last_use_unknown", 1)
    ]


def test_a_scan_of_no_active_account_is_never_complete() -> None:
    report = joined([], [suspended(1), suspended(2)])

    assert not is_complete(report)
    assert report_verdict(report) == "unchecked"


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (joined([clean(1), overdue(2), refused(3)]), "expired"),
        (joined([clean(1), refused(3)]), "unchecked"),
        (joined([(listed(1), account_report(1, user("alice"), root={"access_keys": 1}))]), "root_access_keys"),
        (joined([(listed(1), account_report(1, user("alice", FRESH, **LEAKED)))]), "quarantined"),
        (joined([(listed(1), account_report(1, user("alice", DUE)))]), "due_soon"),
        (joined([clean(1), clean(2)], [suspended(3)]), "ok"),
    ],
)
def test_the_verdict_is_the_first_that_holds_of_any_account(report: OrganizationReport, verdict: str) -> None:
    assert report_verdict(report) == verdict


def test_accounts_are_in_the_order_of_what_to_look_at_then_by_name() -> None:
    severe = account_report(10, user("alice", OLD, can_administer=True, administers_by="AdministratorAccess"))
    leaked = account_report(1, user("alice", FRESH, **LEAKED))
    root = account_report(2, user("alice"), root={"access_keys": 1})
    hidden = account_report(5, unchecked("bob"), user("alice", FRESH))
    report = joined(
        [
            (listed(6, "zoo"), account_report(6, user("alice", FRESH))),
            (listed(7, "Abc"), account_report(7, user("alice", FRESH))),
            (listed(5, "hidden"), hidden),
            (listed(3, "old"), account_report(3, user("alice", OLD))),
            (listed(8, "older"), account_report(8, user("alice", OLD), user("bob", key("AKIAOLD2", 200, used=1)))),
            (listed(10, "severe"), severe),
            (listed(2, "root"), root),
            (listed(1, "web"), leaked),
            refused(4),
        ],
        [suspended(9)],
    )

    assert [row["account_name"] for row in report["accounts"]] == [
        *("web", "root", "member-4", "severe", "older", "old", "hidden", "Abc", "zoo", "member-9")
    ]


def test_what_the_state_machine_says_of_a_scan_is_in_the_words_of_reports() -> None:
    scan = {"scan_id": "s", "started_at": "2026-11-22T08:00:00.120+00:00", "policy": {"max_age_days": 90}}

    assert describe_scan(scan, OWN, FOLDER).as_of == "2026-11-22T08:00:00.12Z"
    assert describe_scan({**scan, "policy": {"as_of": "2026-01-01T00:00:00Z"}}, OWN, FOLDER)[2:4] == (
        "2026-01-01T00:00:00Z",
        "2026-11-22T08:00:00.12Z",
    )


def test_the_report_of_an_account_is_not_changed_by_the_join() -> None:
    report = account_report(1, user("alice", OLD), unchecked("bob"))
    before = report_of(user("alice", OLD), unchecked("bob"))

    joined([(listed(1), report), clean(2)])

    assert {**report, "account_id": OWN} == before

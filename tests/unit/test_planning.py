"""How a scan plans: with what it reads, what it leaves alone, and what its state machine is asked to start."""

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.aws import action_store, deactivations
from chalicelib.aws.planning import Planner, request_deactivation
from chalicelib.deactivation_documents import Action
from chalicelib.documents import InvalidEvidenceError, Report
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.instants import format_instant
from chalicelib.policy import ScanPolicy
from chalicelib.report.changes import join_and_compare
from chalicelib.report.summary import scan_kind, summarize
from chalicelib.settings import InvalidSettingError
from tests.support.facts import facts
from tests.support.organization import A, Organization, let_users_be
from tests.support.plans import EXEMPT, PROTECTED, action, planned
from tests.support.reports import AS_OF, before, key, report_of, user

LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)
ANN = "arn:aws:iam::123456789012:user/ann"
ALICE = user("alice", key("AKIAOLD", 200, used=100))
GONE = user("alice", key("AKIAOLD", 200, "Inactive", used=100))
ROTATED = user("alice", key("AKIAOLD", 200, "Inactive", used=100), key("AKIANEW", 20, used=1))


class Store:
    """The actions on record, and what was asked of them."""

    def __init__(self) -> None:
        self.last: dict[str, Action] = {}
        self.changed: list[Action] = []
        self.asked: list[tuple[str, set[str], str | None]] = []

    def load(
        self, account_id: str, access_key_ids: Collection[str], since: datetime | None
    ) -> tuple[dict[str, Action], list[Action]]:
        self.asked.append((account_id, set(access_key_ids), format_instant(since) if since else None))
        return {key_id: one for key_id, one in self.last.items() if key_id in access_key_ids}, self.changed


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(action_store, "load_last_actions", store.load)
    monkeypatch.setenv("DEACTIVATION", "apply")
    return store


def scan(*outcomes: dict[str, Any], last: Any = None, kept_at: datetime | None = LONG_AGO, **policy: Any) -> Report:
    """Scan as build_report and scan_account do."""

    def load_last() -> Any:
        if isinstance(last, Exception):
            raise last
        return json.loads(json.dumps(last))

    planner, read = Planner(), facts(outcomes, 0 if scan_kind(policy) == "full" else None)
    page = evaluate_page(
        ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(**policy), read),
        1,
        [outcome["user_name"] for outcome in outcomes],
        outcomes,
    )
    report = join_and_compare([page], planner.watch(load_last, lambda: kept_at), read)
    planner.plan(report)
    return report


def resolved(report: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = report["changes"]["resolved"]
    return found


def test_without_deactivation_a_report_is_as_it_always_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEACTIVATION", "off")
    last = before(ALICE)

    report = scan(ALICE, last=last)

    assert report == report_of(ALICE, last=last)
    assert "plan" not in summarize(report)
    assert store.asked == []


@pytest.mark.parametrize(("mode", "asks"), [("plan", False), ("apply", True)])
def test_actions_are_read_where_the_stage_deactivates(
    mode: str, asks: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEACTIVATION", mode)

    report = scan(ALICE, last=before(ALICE))

    assert report["plan"]["mode"] == mode
    assert planned(report)["status"] == "held"
    assert ("actions" in report) == asks
    assert bool(store.asked) == asks


def test_actions_are_read_of_the_planned_keys_and_of_what_changed_since_the_last_full_scan(store: Store) -> None:
    in_use, protected = (
        user("bob", key("AKIAB", 200, used=1)),
        user("carol", key("AKIAC", 200, used=99), tags=PROTECTED),
    )
    exempt, dark = user("dan", key("AKIAD", 200, used=99), tags=EXEMPT), user("eve", key("AKIAE", 200, used="unknown"))

    scan(ALICE, in_use, protected, exempt, dark, last=before(ALICE))

    assert store.asked == [("123456789012", {"AKIAOLD", "AKIAC", "AKIAD", "AKIAE"}, "2026-11-21T08:00:00Z")]


def test_a_first_scan_asks_for_no_changes(store: Store) -> None:
    report = scan(ALICE)

    assert store.asked == [("123456789012", {"AKIAOLD"}, None)]
    assert report["actions"] == []


def test_a_scan_by_another_policy_reads_what_changed_alone(store: Store) -> None:
    store.changed = [action("AKIAOLD")]

    report = scan(GONE, last=before(ALICE), max_age_days=30, warn_days=7)

    assert store.asked == [("123456789012", set(), "2026-11-21T08:00:00Z")]
    assert report["actions"] == store.changed
    assert resolved(report)[0]["by"] == ANN


@pytest.mark.parametrize("policy", [{"users": ("alice",)}, {"as_of": AS_OF}])
def test_a_scan_that_is_not_full_reads_nothing(policy: dict[str, Any], store: Store) -> None:
    report = scan(ALICE, **policy)

    assert store.asked == []
    assert not {"plan", "actions"} & report.keys()


def test_a_key_with_an_action_on_record_is_held(store: Store) -> None:
    store.last = {"AKIAOLD": action("AKIAOLD", undone_by=ANN)}

    assert [hold["by"] for hold in planned(scan(ALICE))["holds"]] == ["acted_before"]


def test_what_people_were_told_is_of_the_last_full_scan() -> None:
    first = scan(ALICE)
    first["as_of"] = planned(first)["told_since"] = "2026-11-01T08:00:00Z"

    assert planned(scan(ALICE, last=first))["told_since"] == "2026-11-01T08:00:00Z"


@pytest.mark.parametrize(
    ("kept_at", "told_since"),
    [(datetime(2026, 11, 2, tzinfo=UTC), "2026-11-02T00:00:00Z"), (None, "2026-11-22T08:00:00Z")],
)
def test_people_were_told_when_the_last_full_scan_was_made_the_last(kept_at: datetime | None, told_since: str) -> None:
    first = scan(ALICE)
    first["as_of"] = planned(first)["told_since"] = "2026-11-01T08:00:00Z"

    assert planned(scan(ALICE, last=first, kept_at=kept_at))["told_since"] == told_since


@pytest.mark.parametrize(
    "damage",
    [
        {"account_id": "999999999999"},
        {"findings": 1},
        {"policy": {}},
        {"scan_id": "../x"},
        {"policy": {"users": ["a"]}},
    ],
)
def test_what_cannot_be_compared_with_told_nobody_anything(damage: dict[str, Any]) -> None:
    first: Any = scan(ALICE)
    first["as_of"] = planned(first)["told_since"] = "2026-11-01T08:00:00Z"

    report = scan(ALICE, last={**first, **damage})

    assert planned(report)["told_since"] == "2026-11-22T08:00:00Z"
    assert report["plan"]["newly_told"] == 1


def test_a_last_report_that_is_not_there_told_nobody_anything() -> None:
    assert planned(scan(ALICE, last=InvalidEvidenceError("gone")))["told_since"] == "2026-11-22T08:00:00Z"


def test_a_superseded_scan_plans_no_key_and_tells_of_no_change(store: Store) -> None:
    store.changed = [action("AKIAOLD")]

    report = scan(ALICE, last=report_of(ALICE))

    assert report["plan"]["note"]
    assert store.asked == [("123456789012", set(), None)]


@pytest.mark.parametrize("now", [GONE, ROTATED], ids=["deactivated", "and it has a successor"])
def test_a_key_that_was_deactivated_is_resolved_by_who_approved_that(now: dict[str, Any], store: Store) -> None:
    store.changed = [action("AKIAOLD")]

    report = scan(now, last=before(ALICE))

    assert resolved(report) == [
        {
            "user_name": "alice",
            "access_key_id": "AKIAOLD",
            "how": "deactivated",
            "action_id": "123456789012-AKIAOLD-1",
            "by": ANN,
        }
    ]
    assert report["actions"] == store.changed


def test_so_is_one_whose_undo_failed(store: Store) -> None:
    store.changed = [action("AKIAOLD", undone_by="arn:aws:iam::123456789012:user/bob", undo_state="failed")]

    report = scan(GONE, last=before(ALICE))

    assert resolved(report)[0]["by"] == ANN


@pytest.mark.parametrize(
    ("now", "changed", "how"),
    [
        pytest.param(GONE, action("AKIAELSE"), "deactivated", id="another key's"),
        pytest.param(GONE, action("AKIAOLD", "failed"), "deactivated", id="it failed, so somebody else did it"),
        pytest.param(GONE, action("AKIAOLD", "unknown"), "deactivated", id="it may have been somebody else"),
        pytest.param(GONE, action("AKIAOLD", undone_by=ANN), "deactivated", id="undone, and deactivated by hand"),
        pytest.param(ROTATED, action("AKIAOLD", "failed"), "rotated", id="rotated by its owner"),
        pytest.param(user("alice"), action("AKIAOLD"), "deleted", id="somebody deleted it since"),
        pytest.param(user("alice", key("AKIANEW", 20)), action("AKIAOLD"), "rotated", id="deleted since, and replaced"),
        pytest.param(
            user("alice", key("AKIAOLD", 200, used=1), tags=EXEMPT),
            action("AKIAOLD"),
            "exempted",
            id="active and exempt",
        ),
    ],
)
def test_nobody_is_named_for_what_no_action_explains(
    now: dict[str, Any], changed: Action, how: str, store: Store
) -> None:
    store.changed = [changed]

    report = scan(now, last=before(ALICE))

    expected = [{"user_name": "alice", "access_key_id": "AKIAOLD", "how": how}]
    assert resolved(report) == expected


def test_a_summary_has_the_counts_of_the_plan() -> None:
    assert summarize(scan(ALICE))["plan"] == {"mode": "apply", "due": 0, "held": 1, "waiting": 1}


def test_a_bad_setting_fails_before_anything_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEACTIVATE_AFTER_DAYS", "two weeks")

    with pytest.raises(InvalidSettingError):
        scan(ALICE)

    assert store.asked == []


@pytest.mark.parametrize(
    ("settings", "days", "is_asked"),
    [
        (("apply", "none"), 20, True),
        (("apply", "none"), 10, False),
        (("apply", "required"), 20, False),
        (("plan", "none"), 20, False),
    ],
)
def test_the_machine_is_asked_to_apply_a_plan_where_keys_are_due_and_nobody_has_to_approve(
    settings: tuple[str, str], days: int, is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(("DEACTIVATION", "DEACTIVATION_APPROVAL"), settings, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DEACTIVATION_WEEKDAYS", "SUN")
    monkeypatch.setattr(deactivations, "request_to_apply", lambda *given: {"Name": given})
    first = scan(ALICE)
    first["as_of"] = planned(first)["told_since"] = f"2026-11-{22 - days:02}T08:00:00Z"

    request = request_deactivation(scan(ALICE, last=first), "2026-11-22T08:01:00Z")

    assert request == ({"Name": ("scan-1", "2026-11-22T08:01:00Z")} if is_asked else {})


@pytest.mark.parametrize("now", [("off", "none"), ("plan", "none"), ("apply", "required")])
def test_nothing_is_asked_where_the_stage_was_changed_since_the_plan_was_made(
    now: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEACTIVATION_APPROVAL", "none")
    monkeypatch.setenv("DEACTIVATION_WEEKDAYS", "SUN")
    first = scan(ALICE)
    first["as_of"] = planned(first)["told_since"] = "2026-11-02T08:00:00Z"
    report = scan(ALICE, last=first)
    for name, value in zip(("DEACTIVATION", "DEACTIVATION_APPROVAL"), now, strict=True):
        monkeypatch.setenv(name, value)

    assert report["plan"]["due"] == 1
    assert request_deactivation(report, "2026-11-22T08:01:00Z") == {}


def test_nothing_is_asked_of_a_stage_without_deactivation() -> None:
    assert request_deactivation(report_of(ALICE), "2026-11-22T08:01:00Z") == {}


def test_an_account_of_an_organization_is_planned_by_its_own_last_report(
    organization: Organization, store: Store
) -> None:
    let_users_be(organization, "alice")
    organization.aws.answers["GetAccessKeyLastUsed"] = (
        "<AccessKeyLastUsed><Region>N/A</Region><ServiceName>N/A</ServiceName></AccessKeyLastUsed>"
    )
    organization.scan(A)
    [first] = organization.report(A)["findings"]
    last = organization.report(A)
    last["as_of"] = last["findings"][0]["plan"]["told_since"] = "2026-11-02T08:00:00Z"
    organization.files[f"scans/scan-0/accounts/{A}/report.json"] = json.dumps({**last, "scan_id": "scan-0"}).encode()

    organization.scan(A, last_scan_id="scan-0", told_at="2026-11-02T08:05:00Z")

    report = organization.report(A)
    assert first["plan"]["told_since"] == "2026-11-22T08:00:00Z"
    assert report["findings"][0]["plan"]["told_since"] == "2026-11-02T08:05:00Z"
    assert [(account_id, since) for account_id, _, since in store.asked] == [(A, None), (A, "2026-11-02T08:00:00Z")]
    assert report["actions"] == []

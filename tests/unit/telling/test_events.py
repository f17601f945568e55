"""Events of what changed, of a scan that is done and of a key that was deactivated: which, with what, and how short."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.deactivation_documents import Action
from chalicelib.documents import Report
from chalicelib.telling import events
from tests.support.events import BUS, by_type, delivered, problems
from tests.support.examples import given, strategies
from tests.support.organization_reports import REFUSED, account_report, baselines, joined, listed, suspended
from tests.support.reports import AS_OF, FOLDER, before, crowd, key, report_of, unchecked, user

OVERDUE = key("AKIAOLD", 200, used=1)
EXEMPT = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}


def changes(*now: dict[str, Any], then: Any = (), **policy: Any) -> dict[str, list[Any]]:
    """The details of the events of a scan that found this, after one that found that."""
    last = None if then is None else before(*then, **policy)
    return by_type(list(events.changes_of(report_of(*now, last=last, **policy), BUS)))


@pytest.mark.parametrize(
    ("then", "now", "detail_type"),
    [
        (key("AKIAA", 89, used=1), key("AKIAA", 91, used=1), "IAM Access Key Overdue"),
        (key("AKIAA", 60, used=1), key("AKIAA", 61, used=50), "IAM Access Key Unused"),
        (key("AKIAA", 70, used=1), key("AKIAA", 77, used=1), "IAM Access Key Due Soon"),
        (key("AKIAA", 200, used=89), key("AKIAA", 200, used=95), "IAM Access Key Became Safe To Deactivate"),
    ],
)
def test_each_change_of_a_key_is_an_event_of_its_own_type(then: Any, now: Any, detail_type: str) -> None:
    policy = {} if detail_type.endswith("Deactivate") else {"max_unused_days": 45}

    found = changes(user("alice", now), then=[user("alice", then)], **policy)

    assert [(kind, [one["access_key_id"] for one in details]) for kind, details in found.items()] == [
        (detail_type, ["AKIAA"])
    ]


def test_an_event_of_a_key_has_what_a_ticket_needs() -> None:
    [detail] = changes(
        user("deploy-bot", key("AKIAA", 91, used=1), tags={"owner": "platform@example.com"}, can_administer=True)
    )["IAM Access Key Overdue"]

    assert re.fullmatch("[0-9a-f]{32}", detail.pop("event_key"))
    assert detail == {
        "schema_version": 1,
        "account_id": "123456789012",
        "account_alias": None,
        "scan_id": "scan-1",
        "as_of": "2026-11-22T08:00:00Z",
        "user_name": "deploy-bot",
        "access_key_id": "AKIAA",
        "owner": "platform@example.com",
        "severity": "high",
        "verdict": "expired",
        "quarantined": False,
        "age_days": 91,
        "created_at": "2026-08-23T08:00:00Z",
        "overdue_at": "2026-11-21T08:00:00Z",
        "last_used_at": "2026-11-21T08:00:00Z",
        "advice": "rotate",
        "safe_to_deactivate": False,
        "console_url": "https://console.aws.amazon.com/iam/home#/users/details/deploy-bot?section=security_credentials",
        "reactivated": False,
    }


def test_a_leaked_key_is_critical_and_quarantined() -> None:
    leaked = user("alice", OVERDUE, quarantined_by="AWSCompromisedKeyQuarantineV3")

    [detail] = changes(leaked)["IAM Access Key Overdue"]

    assert (detail["severity"], detail["quarantined"]) == ("critical", True)


@pytest.mark.parametrize(
    ("facts", "fields"),
    [
        ({"tags": "unknown"}, {"owner": None}),
        ({"tags": {}}, {"owner": None}),
        ({"quarantined_by": "unknown"}, {"quarantined": False}),
        ({"cause": "x"}, {"last_used_at": "2026-11-21T08:00:00Z"}),
    ],
)
def test_what_is_unknown_is_null_or_false(facts: Any, fields: dict[str, Any]) -> None:
    [detail] = changes(user("alice", OVERDUE, **facts))["IAM Access Key Overdue"]

    assert {name: detail[name] for name in fields} == fields


@pytest.mark.parametrize("used", ["never", "unknown", None])
def test_without_a_last_use_its_instant_is_null(used: Any) -> None:
    [detail] = changes(user("alice", key("AKIAOLD", 200, used=used)))["IAM Access Key Overdue"]

    assert detail["last_used_at"] is None


def test_a_key_that_is_active_again_says_so() -> None:
    found = changes(user("alice", OVERDUE), then=[user("alice", key("AKIAOLD", 200, "Inactive"))])

    assert [detail["reactivated"] for detail in found["IAM Access Key Overdue"]] == [True]


@pytest.mark.parametrize(
    ("then", "now", "was", "how"),
    [
        (OVERDUE, [key("AKIANEW", 1, used=1)], "expired", "rotated"),
        (OVERDUE, [], "expired", "deleted"),
        (key("AKIAOLD", 80, used=1), [key("AKIAOLD", 80, "Inactive")], "due_soon", "deactivated"),
        (key("AKIAOLD", 60, used=50), [key("AKIAOLD", 60, used=0)], "unused", "no_longer_matching"),
    ],
)
def test_a_key_that_is_not_found_any_more_is_resolved(then: Any, now: Any, was: str, how: str) -> None:
    found = changes(user("alice", *now), then=[user("alice", then)], max_unused_days=45)

    [detail] = found["IAM Access Key Resolved"]
    assert (detail["access_key_id"], detail["was"], detail["how"]) == ("AKIAOLD", was, how)
    assert detail["action_id"] is detail["approved_by"] is None


def test_a_key_that_this_product_deactivated_is_resolved_with_its_action() -> None:
    report = report_of(user("alice"), last=before(user("alice", OVERDUE)))
    report["changes"]["resolved"][0] |= {"action_id": "123456789012-AKIAOLD-1", "by": "arn:aws:iam::1:user/ann"}  # type: ignore[index]

    [entry] = events.changes_of(report, BUS)

    assert (entry["Detail"]["action_id"], entry["Detail"]["approved_by"]) == (
        "123456789012-AKIAOLD-1",
        "arn:aws:iam::1:user/ann",
    )


def test_what_stays_as_it_was_or_became_unknown_is_no_event() -> None:
    then = [user("alice", OVERDUE), user("bob", key("AKIABOB", 80, used=1)), user("carol", key("AKIAC", 200, used=1))]

    assert changes(*then[:2], unchecked("carol"), then=then) == {}


@pytest.mark.parametrize("policy", [{"users": ("alice",)}, {"as_of": AS_OF}])
def test_a_scan_that_is_not_full_has_no_changes(policy: dict[str, Any]) -> None:
    assert list(events.changes_of(report_of(user("alice", OVERDUE), **policy), BUS)) == []


def test_a_scan_that_ended_after_a_later_one_has_no_changes() -> None:
    late = report_of(user("alice", OVERDUE), last=report_of(user("alice")), as_of_scan=AS_OF - timedelta(minutes=1))

    assert list(events.changes_of(late, BUS)) == []


# Events that are sent again.


def keys_of(report: Report) -> list[str]:
    return [entry["Detail"]["event_key"] for entry in events.changes_of(report, BUS)]


def test_a_change_that_another_scan_sends_again_has_the_same_event_key() -> None:
    last, then = before(user("alice", key("AKIAOLD", 80, used=1))), [user("alice", OVERDUE)]

    failed, next_one = (report_of(*then, last=last, scan_id=scan_id) for scan_id in ("scan-1", "scan-2"))

    assert keys_of(failed) == keys_of(next_one) != []


@pytest.mark.parametrize("last", [None, {"findings": 7}], ids=["no last scan", "a damaged one"])
def test_without_a_last_scan_a_change_has_another_event_key_in_each_scan(last: Any) -> None:
    one, again, another = (
        keys_of(report_of(user("alice", OVERDUE), last=last, scan_id=scan_id))
        for scan_id in ("scan-1", "scan-1", "scan-2")
    )

    assert one == again
    assert len({*one, *another}) == 2


def test_each_change_has_another_event_key_and_so_has_the_same_one_at_another_time() -> None:
    last, now = before(*crowd(3, first_age=100)), crowd(6, first_age=100)

    told = keys_of(report_of(*now, last=last))
    later = keys_of(report_of(*now, last={**last, "scan_id": "scan-00"}))
    of_another_account = {**report_of(*now, last=last), "account_id": "210987654321"}

    assert len({*told, *later, *keys_of(of_another_account)}) == 9  # type: ignore[arg-type]  # the same report


# That a scan is done.


def completed(report: Any) -> Any:
    return events.scan_completed(report, FOLDER, BUS)["Detail"]


def test_a_scan_that_is_done_says_what_it_found_and_whether_that_is_all() -> None:
    report = report_of(*crowd(2, 1, first_age=100), last=before(*crowd(1, first_age=100)))

    assert completed(report) == {
        "schema_version": 1,
        "event_key": "scan-1",
        "account_id": "123456789012",
        "account_alias": None,
        "scan_id": "scan-1",
        "scan_kind": "full",
        "as_of": "2026-11-22T08:00:00Z",
        "started_at": "2026-11-22T08:00:00Z",
        "verdict": "expired",
        "complete": False,
        "severity": "medium",
        "coverage": {
            "users_listed": 4,
            "users_checked": 3,
            "users_not_found": 0,
            "users_unchecked": 1,
            "keys_judged": 2,
        },
        "accounts": None,
        "totals": {"expired": 2, "unused": 0, "due_soon": 0, "ok": 0, "exempt": 0},
        "changes": {
            "new": 1,
            "still_expired": 1,
            "resolved": 0,
            "unknown": 0,
            "new_unused": 0,
            "reactivated": 0,
            "became_safe": 0,
        },
        "root_access_keys": 0,
        "quarantined": 0,
        "report": f"{FOLDER}report.json",
    }


def test_a_scan_without_findings_or_changes_says_so() -> None:
    detail = completed(report_of(user("alice"), users=("alice",)))

    assert (detail["verdict"], detail["severity"], detail["changes"], detail["scan_kind"]) == (
        "ok",
        None,
        None,
        "users",
    )


def test_the_scan_of_an_organization_is_one_event_with_its_accounts() -> None:
    web = account_report(1, user("ann", OVERDUE), last=[])
    report = joined([(listed(1), web), (listed(2), REFUSED)], [suspended(3)], baselines(1, 2))

    detail = completed(report)

    assert detail["accounts"] == {
        "accounts_listed": 3,
        "accounts_scanned": 1,
        "accounts_unchecked": 1,
        "accounts_not_active": 1,
        "accounts_incomplete": 0,
    }
    assert (detail["scan_kind"], detail["account_id"], detail["changes"]["new"]) == ("organization", "123456789012", 1)
    assert problems(delivered(events.scan_completed(report, FOLDER, BUS))) == []


# That a key was deactivated.


def action(**more: Any) -> Action:
    done: Any = {
        "schema_version": 1,
        "action_id": "123456789012-AKIAOLD-1",
        "account_id": "123456789012",
        "user_name": "alice",
        "access_key_id": "AKIAOLD",
        "scan_id": "scan-1",
        "approved_by": "arn:aws:iam::123456789012:user/ann",
        "approved_at": "2026-11-23T08:00:00Z",
        "why": "Not used for 120 days: deactivate it.",
        "state_before": {"status": "Active", "created_at": "2026-01-27T08:00:00Z", "last_used": None},
        "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:machine:1",
        "intended_at": "2026-11-23T08:00:20Z",
        "state": "done",
        "ended_at": "2026-11-23T08:00:21Z",
        "cause": None,
        "undo": None,
    }
    return {**done, **more}  # type: ignore[typeddict-item]  # fields of it


def test_a_key_that_was_deactivated_says_who_approved_it_and_how_to_undo_it() -> None:
    assert events.deactivated(action(), BUS) == {
        "EventBusName": BUS,
        "Source": "iam-key-age",
        "DetailType": "IAM Access Key Deactivated",
        "Detail": {
            "schema_version": 1,
            "event_key": "123456789012-AKIAOLD-1",
            "account_id": "123456789012",
            "scan_id": "scan-1",
            "user_name": "alice",
            "access_key_id": "AKIAOLD",
            "created_at": "2026-01-27T08:00:00Z",
            "last_used_at": None,
            "action_id": "123456789012-AKIAOLD-1",
            "approved_by": "arn:aws:iam::123456789012:user/ann",
            "approved_at": "2026-11-23T08:00:00Z",
            "deactivated_at": "2026-11-23T08:00:21Z",
            "why": "Not used for 120 days: deactivate it.",
            "undo": "POST /actions/123456789012-AKIAOLD-1/undo",
        },
    }


# How short an event is.

NAME, LONG_NAME = "a" * 64, "=,+@" * 16
KEY_ID = "AKIA" + "X" * 16  # as long as all are
INSTANT = timedelta(microseconds=123_456)


def size_of(entry: Any) -> int:
    """How long a whole entry is as JSON, with the name of its bus."""
    return len(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode())


def worst_events(name: str, owner: str, key_id: str) -> list[Any]:
    """Events of each kind with the longest names, ids and instants that there are."""
    facts: dict[str, Any] = {"tags": {"owner": owner}, "quarantined_by": "AWSCompromisedKeyQuarantineV3"}
    account = {"alias": "a" * 63, "partition": "aws-us-gov"}
    terms: dict[str, Any] = {"account": account, "max_unused_days": 45, "as_of_scan": AS_OF + INSTANT}
    last = {**before(user(name, key(key_id, 9_999, "Inactive")), max_unused_days=45), "scan_id": "s" * 80}
    reports = [
        report_of(user(name, key(key_id, age, used=used), **facts), last=last, scan_id="s" * 80, **terms)
        for age, used in ((9_999, 9_000.5), (60, 50), (80, 1))
    ]
    found = before(user(name, key(key_id, 9_999, used=1)), max_unused_days=45)
    reports.append(report_of(user(name), last=found, scan_id="s" * 80, **terms))
    by = "arn:aws:sts::123456789012:assumed-role/" + "r" * 64 + "/" + "s" * 64
    of_action = f"123456789012-{key_id}-999"
    reports[-1]["changes"]["resolved"][0] |= {"action_id": of_action, "by": by}  # type: ignore[index]
    return [
        *(entry for report in reports for entry in events.changes_of(report, BUS)),
        events.scan_completed(reports[0], f"s3://{'b' * 63}/scans/{'s' * 80}/", BUS),
        events.deactivated(
            action(
                user_name=name,
                access_key_id=key_id,
                action_id=of_action,
                scan_id="s" * 80,
                approved_by=by,
                why='"' * 300,
                ended_at="2026-11-23T08:00:21.123456Z",
            ),
            BUS,
        ),
    ]


@pytest.mark.parametrize("name", [NAME, LONG_NAME])
@pytest.mark.parametrize("owner", ["o" * 256, "𝒪" * 256, '"' * 256, "platform@example.com"])
@pytest.mark.parametrize("key_id", [KEY_ID, "A" * 64])
def test_every_event_is_under_1_kb_whatever_the_names(name: str, owner: str, key_id: str) -> None:
    entries = worst_events(name, owner, key_id)

    assert len(by_type(entries)) == 6
    for entry in entries:
        assert size_of(entry) < 1024, entry
        assert problems(delivered(entry)) == []
        assert entry["Detail"]["access_key_id" if "access_key_id" in entry["Detail"] else "account_id"]


def test_an_address_that_has_no_room_is_left_out_and_none_is_cut() -> None:
    addresses = {
        entry["Detail"]["console_url"]
        for name in (NAME, LONG_NAME)
        for entry in worst_events(name, "o" * 256, KEY_ID)
        if "console_url" in entry["Detail"]
    }

    assert None in addresses
    assert all(url is None or url.endswith("?section=security_credentials") for url in addresses)


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("platform", 8, "platform"),
        ("platforms", 8, "platf…"),
        ("𝒪𝒪𝒪𝒪", 12, "𝒪𝒪…"),
        ('""""', 8, '""""'),
        ('"""""', 8, '""…'),
        ("", 8, ""),
    ],
)
def test_a_text_is_cut_by_bytes_with_an_ellipsis(text: str, most: int, kept: str) -> None:
    assert events.cut(text, most) == kept


names = strategies.text("abcXYZ019_+=,.@-", min_size=1, max_size=64)
owners = strategies.none() | strategies.text(min_size=1, max_size=256)
ages = strategies.tuples(strategies.integers(0, 300), strategies.sampled_from(["never", "unknown", 0.5, 50, 120]))
users = strategies.dictionaries(names, strategies.tuples(owners, strategies.lists(ages, max_size=2)), max_size=4)


def outcomes_of(drawn: Any) -> list[dict[str, Any]]:
    return [
        user(
            name,
            *(
                key(f"AKIA{number}{name.encode().hex()[:12]}", age, used=used)
                for number, (age, used) in enumerate(keys)
            ),
            tags={"owner": owner} if owner and owner.strip() else {},
        )
        for name, (owner, keys) in drawn.items()
    ]


@given(users, users)
def test_whatever_a_scan_finds_each_of_its_events_is_short_and_fits_its_schema(then: Any, now: Any) -> None:
    report = report_of(*outcomes_of(now), last=before(*outcomes_of(then), max_unused_days=45), max_unused_days=45)

    entries = [*events.changes_of(report, BUS), events.scan_completed(report, FOLDER, BUS)]

    for entry in entries:
        assert problems(delivered(entry)) == []
        assert size_of(entry) < 1024
    event_keys = [entry["Detail"]["event_key"] for entry in entries]
    assert len(set(event_keys)) == len(event_keys)

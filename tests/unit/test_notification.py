"""What is published: when, to whom in which format, and never more than SNS takes."""

import functools
import json
from typing import Any

import pytest

from chalicelib.documents import Report
from chalicelib.outputs.sns import compose_notification, should_notify
from chalicelib.settings import HttpsFormat, NotifyOn
from tests.support.facts import user_facts
from tests.support.reports import AS_OF, FOLDER, before, crowd, key, report_of, unchecked, user

MAX_SNS_BYTES = 256 * 1024
# With more, a queue with raw message delivery gets no message: https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
MAX_ATTRIBUTES = 10
MAX_STATE_BYTES = 128 * 1024  # half of what AWS takes
OLD, DUE, FRESH = key("AKIAOLD", 200, used="never"), key("AKIADUE", 80, used=1), key("AKIAFRESH", 1)
CLEAN = report_of(user("alice", FRESH), last=before(user("alice", FRESH)))
STILL = report_of(user("alice", OLD), last=before(user("alice", OLD)))
NEW = report_of(user("alice", OLD), last=before(user("alice")))
RESOLVED = report_of(user("alice"), last=before(user("alice", OLD)))
DUE_SOON = report_of(user("alice", DUE), last=before(user("alice", DUE)))
UNCHECKED = report_of(unchecked("alice"), last=before(user("alice")))
FIRST_CLEAN, FIRST_EXPIRED = report_of(user("alice")), report_of(user("alice", OLD))
NAMED = report_of(user("alice", OLD), users=("alice",))
EXEMPT_TAGS = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}
EXEMPT = report_of(user("alice", OLD, tags=EXEMPT_TAGS), last=before(user("alice", OLD, tags=EXEMPT_TAGS)))
EXEMPTED = report_of(user("alice", OLD, tags=EXEMPT_TAGS), last=before(user("alice", OLD)))
IDLE = key("AKIAIDLE", 60, used=50)
NEWLY_UNUSED = report_of(user("alice", IDLE), last=before(user("alice")), max_unused_days=45)
STILL_UNUSED = report_of(
    user("alice", IDLE),
    last=before(user("alice", key("AKIAIDLE", 60, used=50)), max_unused_days=45),
    max_unused_days=45,
)
ROOT = {"access_keys": 1}
NEW_ROOT = report_of(user("alice"), last=before(user("alice")), root=ROOT)
STILL_ROOT = report_of(user("alice"), last=before(user("alice"), root=ROOT), root=ROOT)
ROOT_UNKNOWN = report_of(user("alice"), last=before(user("alice")), root={"cause": "denied"})
OUT_OF_SIGHT = report_of({"user_name": "alice", "outcome": "not_found"}, last=before(user("alice", OLD)))
JUDGED_INACTIVE = before(user("alice", key("AKIAOLD", 200, "Inactive")), include_inactive=True)
REACTIVATED = report_of(user("alice", key("AKIAOLD", 200)), last=JUDGED_INACTIVE, include_inactive=True)
DARK = key("AKIADARK", 60, used="unknown")
USE_UNKNOWN = report_of(user("alice", DARK, cause="denied"), last=before(user("alice")), max_unused_days=45)
QUARANTINE = "AWSCompromisedKeyQuarantineV2"
QUARANTINED = report_of(
    user("alice", FRESH, quarantined_by=QUARANTINE), last=before(user("alice", FRESH, quarantined_by=QUARANTINE))
)
ACCOUNT: dict[str, Any] = {
    "users": {},
    "unknown": [{"part": "users", "cause": "denied"}, {"part": "alias", "cause": "denied"}],
}
ACCOUNT_UNKNOWN = report_of(user("alice", FRESH), last=before(user("alice", FRESH)), account=ACCOUNT)
ALIAS_UNKNOWN = report_of(
    user("alice", FRESH), last=before(user("alice", FRESH)), account={"unknown": ACCOUNT["unknown"][1:]}
)
DETAILS_UNKNOWN = report_of(user("alice", key("AKIADARK", 80, used="unknown")), last=before(user("alice")))


@pytest.mark.parametrize(
    ("report", "findings", "changes", "due_soon", "always"),
    [
        pytest.param(CLEAN, False, False, False, True, id="clean"),
        pytest.param(STILL, True, False, True, True, id="still expired"),
        pytest.param(NEW, True, True, True, True, id="new"),
        pytest.param(RESOLVED, False, True, False, True, id="resolved"),
        pytest.param(DUE_SOON, False, False, True, True, id="due soon"),
        pytest.param(UNCHECKED, True, True, True, True, id="unchecked"),
        pytest.param(FIRST_CLEAN, False, False, False, True, id="first, clean"),
        pytest.param(FIRST_EXPIRED, True, True, True, True, id="first, expired"),
        pytest.param(EXEMPT, False, False, False, True, id="exempt"),
        pytest.param(EXEMPTED, False, False, False, True, id="exempt since"),
        pytest.param(NEWLY_UNUSED, True, True, True, True, id="newly unused"),
        pytest.param(STILL_UNUSED, True, False, True, True, id="still unused"),
        pytest.param(NEW_ROOT, True, True, True, True, id="root user's keys, new"),
        pytest.param(STILL_ROOT, True, False, True, True, id="root user's keys, still"),
        pytest.param(ROOT_UNKNOWN, True, True, True, True, id="root user unknown"),
        pytest.param(USE_UNKNOWN, True, True, True, True, id="last use unknown that the policy judges by"),
        pytest.param(REACTIVATED, True, True, True, True, id="active again, and judged while it was inactive"),
        pytest.param(OUT_OF_SIGHT, True, True, True, True, id="a key that was overdue is out of sight"),
        pytest.param(DETAILS_UNKNOWN, False, False, True, True, id="details unknown of a key due soon"),
        pytest.param(QUARANTINED, True, True, True, True, id="a quarantined user, still, without an old key"),
        pytest.param(ACCOUNT_UNKNOWN, True, True, True, True, id="tags and permissions unknown"),
        pytest.param(ALIAS_UNKNOWN, False, False, False, True, id="alias unknown"),
        pytest.param(NAMED, True, True, True, True, id="named users, who are compared with nothing"),
    ],
)
def test_what_a_message_is_sent_for(
    report: Report, findings: bool, changes: bool, due_soon: bool, always: bool
) -> None:
    sent = {choice.value: should_notify(report, choice) for choice in NotifyOn}

    assert sent == {"findings": findings, "changes": changes, "due_soon": due_soon, "always": always}


def by_protocol(report: Report, https_format: HttpsFormat = HttpsFormat.JSON) -> dict[str, str]:
    message: dict[str, str] = json.loads(compose_notification(report, FOLDER, https_format=https_format)["message"])
    return message


def test_a_key_out_of_sight_is_what_the_message_leads_with() -> None:
    first, then = by_protocol(OUT_OF_SIGHT)["default"].splitlines()[1:3]

    assert first == "1 key that was overdue is out of sight: a user was deleted or renamed"
    assert then.strip() == "meanwhile. Scan again."


def test_people_get_text_and_programs_get_json() -> None:
    message = by_protocol(NEW)

    assert message["default"].startswith("1 overdue access key is new since the last full scan.\n")
    assert message["sms"] == "1 new of 1 overdue access key in AWS account 123456789012 (complete: 1 user)"
    assert message["https"] == message["sqs"] == message["lambda"] == message["firehose"]
    assert "http" not in message, "the topic refuses subscriptions by plain HTTP"
    assert json.loads(message["sqs"]) == {
        "schema_version": 1,
        "verdict": "expired",
        "scan_kind": "full",
        "reminder": False,
        "summary": {
            "scan_id": "scan-1",
            "account_id": "123456789012",
            "as_of": "2026-11-22T08:00:00Z",
            "started_at": "2026-11-22T08:00:00Z",
            "complete": True,
            "coverage": NEW["coverage"],
            "not_covered": [],
            "totals": {"expired": 1, "due_soon": 0, "ok": 0, "unused": 0, "exempt": 0},
            "root": {"access_keys": 0, "verdict": "ok", "cause": None},
            "advice": {"deactivate": 1, "finish_rotation": 0, "rotate": 0, "delete": 0, "none": 0},
            "changes": {
                "since": {"scan_id": "scan-0", "as_of": "2026-11-21T08:00:00Z"},
                "new": 1,
                "still_expired": 0,
                "resolved": 0,
                "unknown": 0,
                "new_unused": 0,
                "reactivated": 0,
                "became_safe": 0,
            },
            "account_alias": None,
            "severities": {"critical": 0, "high": 1, "medium": 0, "low": 0},
            "quarantined": 0,
            "two_active_keys": 0,
        },
        "quarantined": [],
        "quarantined_left_out": 0,
        "findings": [
            {
                "user_name": "alice",
                "access_key_id": "AKIAOLD",
                "status": "Active",
                "created_at": "2026-05-06T08:00:00Z",
                "age_days": 200,
                "overdue_at": "2026-08-04T08:00:00Z",
                "verdict": "expired",
                "last_used": None,
                "owner": None,
                "owner_known": True,
                "description": None,
                "advice": "deactivate",
                "advice_in_words": "Never used since it was created on 2026-05-06: deactivate it.",
                "safe_to_deactivate": True,
                "severity": "high",
                "can_administer": False,
                "quarantined_by": None,
                "change": "new",
            }
        ],
        "findings_left_out": 0,
        "unchecked": [],
        "unchecked_left_out": 0,
        "reports": {kind: f"{FOLDER}report.{kind}" for kind in ("json", "csv", "html")},
    }


def test_what_is_too_long_for_a_message_is_left_to_the_report() -> None:
    expired = crowd(expired=10, prefix="n" * 63, used=10)
    for each in expired[:-1]:
        each["facts"] = user_facts({"owner": "o" * 256})

    document = json.loads(by_protocol(report_of(*expired))["sqs"])

    assert 5 <= len(document["findings"]) < 10
    assert document["findings_left_out"] == 10 - len(document["findings"])
    assert document["findings"][0]["owner"] == "o" * 256


def test_a_root_user_with_access_keys_is_said_first() -> None:
    message = by_protocol(NEW_ROOT)

    assert message["default"].startswith(
        "The root user of AWS account 123456789012 has access keys (Security Hub IAM.4):\n"
    )
    assert message["sms"].startswith("Root access key, 0 new of 0 overdue access keys")
    assert json.loads(message["sqs"])["summary"]["root"]["verdict"] == "root_access_keys"


def test_programs_get_the_most_severe_keys_first_then_the_oldest_each_with_its_change() -> None:
    last = before(user("alice", key("AKIA200", 200), key("AKIA300", 300)))
    now = user("alice", key("AKIA200", 200), key("AKIA300", 300), key("AKIA100", 100), key("AKIA80", 80))

    document = json.loads(by_protocol(report_of(now, last=last))["lambda"])

    assert [(finding["access_key_id"], finding["change"]) for finding in document["findings"]] == [
        ("AKIA300", "still_expired"),
        ("AKIA200", "still_expired"),
        ("AKIA100", "new"),
        ("AKIA80", None),
    ]


def test_chat_gets_a_custom_notification_where_that_is_asked_for() -> None:
    message = by_protocol(NEW, HttpsFormat.CHAT)

    chat: Any = json.loads(message["https"])
    assert json.loads(message["sqs"])["schema_version"] == 1
    assert (chat["version"], chat["source"], chat["content"]["textType"]) == ("1.0", "custom", "client-markdown")
    assert chat["content"]["title"] == "1 new of 1 overdue access key in AWS account 123456789012 (complete: 1 user)"
    assert (
        "`AKIAOLD` `alice` High, 200 days old, new. Never used since it was created on 2026-05-06: deactivate it."
        in chat["content"]["description"]
    )
    assert "1 listed = 1 checked + 0 not found + 0 unchecked" in chat["content"]["description"]
    assert any("report.html" in step for step in chat["content"]["nextSteps"])
    assert all(isinstance(step, str) for step in chat["content"]["nextSteps"])


def test_chat_lists_the_keys_that_are_due_soon() -> None:
    content = json.loads(by_protocol(DUE_SOON, HttpsFormat.CHAT)["https"])["content"]

    assert "`AKIADUE` `alice` 80 days old, due soon" in content["description"]
    assert content["nextSteps"][0].startswith("Rotate a key")


def test_chat_is_short_and_says_no_cause_in_a_form_that_it_would_run() -> None:
    nasty = "<!channel> <https://example.com|click>"
    tags = {"owner": nasty, "iam-key-age:exempt-until": nasty, "iam-key-age:exempt-reason": nasty}
    alice = user("alice", key("AKIA", 20_000, used=1), tags=tags)
    report = report_of(*crowd(expired=9_999, used=1), alice, unchecked("bob", nasty), root={"cause": nasty})

    content = json.loads(by_protocol(report, HttpsFormat.CHAT)["https"])["content"]

    assert "<" not in json.dumps(content)
    assert "and 9990 more in the report." in content["description"]
    assert len(content["description"]) < 3_000


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (ROOT_UNKNOWN, ("unchecked", "0", "0", "false", "full", "none")),
        (USE_UNKNOWN, ("unchecked", "0", "0", "false", "full", "none")),
        (NEW_ROOT, ("root_access_keys", "0", "0", "true", "full", "critical")),
        (QUARANTINED, ("quarantined", "0", "0", "true", "full", "critical")),
        (ACCOUNT_UNKNOWN, ("unchecked", "0", "0", "false", "full", "none")),
        (NEWLY_UNUSED, ("unused", "0", "0", "true", "full", "medium")),
        (EXEMPT, ("ok", "0", "0", "true", "full", "none")),
        (NEW, ("expired", "1", "0", "true", "full", "high")),
        (UNCHECKED, ("unchecked", "0", "1", "false", "full", "none")),
        (DUE_SOON, ("due_soon", "0", "0", "true", "full", "low")),
        (CLEAN, ("ok", "0", "0", "true", "full", "none")),
        (NAMED, ("expired", "1", "0", "true", "users", "high")),
        (report_of(unchecked("alice"), user("bob", OLD), as_of=AS_OF), ("expired", "1", "1", "false", "as_of", "high")),
        (report_of(user("bob", OLD), root={"cause": "denied"}), ("expired", "1", "0", "false", "full", "high")),
    ],
)
def test_attributes_let_subscribers_filter(report: Report, says: tuple[str, ...]) -> None:
    verdict, expired, unchecked_users, complete, kind, severity = says

    attributes = compose_notification(report, FOLDER)["attributes"]

    assert attributes == {
        "verdict": {"DataType": "String", "StringValue": verdict},
        "expired": {"DataType": "Number", "StringValue": expired},
        "unused": {"DataType": "Number", "StringValue": str(report["totals"]["unused"])},
        "unchecked": {"DataType": "Number", "StringValue": unchecked_users},
        "complete": {"DataType": "String", "StringValue": complete},
        "account_id": {"DataType": "String", "StringValue": "123456789012"},
        "scan_kind": {"DataType": "String", "StringValue": kind},
        "severity": {"DataType": "String", "StringValue": severity},
        "quarantined": {"DataType": "Number", "StringValue": "1" if report is QUARANTINED else "0"},
    }
    assert len(attributes) <= MAX_ATTRIBUTES


@functools.cache
def largest(first: bool) -> Report:
    denied = [unchecked(f"u{'x' * 59}{number:04}", '"\\\n' * 100) for number in range(2_500)]
    last = None if first else before(*crowd(expired=5_000, prefix="g" * 60))
    expired = crowd(expired=10_000, prefix="n" * 59, used=10)
    for number, each in enumerate(expired[:-1]):
        more: Any = {"can_administer": True, "administers_by": f"inline policy {'p' * 128} of group {'g' * 128}"}
        more["quarantined_by"] = QUARANTINE if number >= 9_900 else None
        each["facts"] = user_facts({"owner": "o" * 256}, **more)
    return report_of(*expired, *denied, last=last, root={"access_keys": 1}, account={"alias": "a" * 63})


@pytest.mark.parametrize("https_format", HttpsFormat)
@pytest.mark.parametrize("first", [True, False])
def test_the_message_of_the_largest_account_fits(https_format: HttpsFormat, first: bool) -> None:
    report = largest(first)

    notification = compose_notification(report, FOLDER, NotifyOn.DUE_SOON, https_format)

    assert len(notification["message"].encode()) < MAX_SNS_BYTES
    assert len(json.dumps(notification).encode()) < MAX_STATE_BYTES
    for protocol, text in json.loads(notification["message"]).items():
        assert "10000" in text, protocol
    document = json.loads(json.loads(notification["message"])["sqs"])
    assert document["findings_left_out"] + len(document["findings"]) == 10_000
    assert document["unchecked_left_out"] + len(document["unchecked"]) == 2_500
    assert document["findings"][0]["age_days"] == 10_090
    assert len(document["findings"]) >= 5
    assert (len(document["quarantined"]), document["quarantined_left_out"]) == (3, 97)

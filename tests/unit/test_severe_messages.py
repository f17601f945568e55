"""What the messages say of severity, quarantine and the account; the whole texts are in tests/golden."""

import json
import re
from typing import Any

import pytest

from chalicelib.outputs.message_text import compose_message
from chalicelib.outputs.sns import compose_notification
from chalicelib.settings import HttpsFormat
from tests.support.reports import FOLDER, before, crowd, key, report_of, unchecked, user

QUARANTINE: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"}
ADMIN: Any = {"can_administer": True, "administers_by": "AdministratorAccess"}
DENIED = "AccessDenied: not authorized to perform: iam:GetAccountAuthorizationDetails"
FIVE = [user(f"leaked{number}", key(f"AKIALEAKED{number}", 5), **QUARANTINE) for number in range(5)]


def text_of(*users: dict[str, Any], **more: Any) -> str:
    return compose_message(report_of(*users, **more), FOLDER).text


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_mail_leads_with_quarantined_users_what_that_means_and_what_to_do() -> None:
    text = one_line(text_of(*FIVE, root={"access_keys": 1}))

    assert text.startswith(
        "AWS has quarantined 5 users (leaked0, leaked1, leaked2 and 2 more) with AWSCompromisedKeyQuarantineV3, because"
        " credentials were compromised or exposed in public."
        " Deactivate the keys of a quarantined user at once, "
    )
    assert "https://docs.aws.amazon.com/guardduty/latest/ug/compromised-creds.html The root user" in text


def test_the_address_of_aws_is_whole_on_a_line_of_the_mail() -> None:
    assert "\n  https://docs.aws.amazon.com/guardduty/latest/ug/compromised-creds.html\n" in text_of(FIVE[0])


def test_a_quarantined_user_is_listed_with_owner_and_all_keys_first_of_all_sections() -> None:
    keys = key("AKIAYOUNG", 1), key("AKIAOFF", 400, "Inactive")
    owned = user("web", *keys, tags={"owner": "https://evil.example"}, **QUARANTINE)

    sections = text_of(owned, user("old", key("AKIAOLD", 200, used=1))).partition("\n\nQUARANTINED BY AWS:\n")[2]

    assert sections.startswith(
        "  web\n      Owner https[:]//evil[.]example\n      AKIAYOUNG Active\n      AKIAOFF Inactive\n\nOVERDUE"
    )


@pytest.mark.parametrize(
    ("quarantined", "says"),
    [
        (
            {**unchecked("web"), "facts": FIVE[0]["facts"]},
            "Its access keys are unknown: the user could not be checked.",
        ),
        (user("web", **QUARANTINE), "No access keys."),
    ],
)
def test_a_quarantined_user_without_known_keys_says_so(quarantined: dict[str, Any], says: str) -> None:
    assert f"\nQUARANTINED BY AWS:\n  web\n      {says}\n" in text_of(quarantined)


def test_many_quarantined_users_leave_room_for_the_overdue_keys() -> None:
    leaked = [user(f"{'q' * 59}{number}", key(f"AKIAQ{number}", 1), **QUARANTINE) for number in range(5_000)]

    text = text_of(*leaked, *crowd(expired=2_000, used=1))

    assert text.count("days old, overdue since") > 100
    assert text.count("more in the report.") == 2


def test_an_old_key_of_a_quarantined_user_is_never_only_to_be_rotated_in_time() -> None:
    report = report_of(user("web", key("AKIAOLD", 200, used=1), **QUARANTINE))
    message = compose_notification(report, FOLDER, https_format=HttpsFormat.CHAT)

    by_protocol = json.loads(message["message"])

    said = "A key of its user leaked: deactivate this one now, even if something stops, and give its owner a new one."
    assert said in one_line(by_protocol["default"])
    assert (
        f"`AKIAOLD` `web` Critical, 200 days old, new. {said}"
        in json.loads(by_protocol["https"])["content"]["description"]
    )


def test_programs_get_three_quarantined_users_and_how_many_more_there_are() -> None:
    document = json.loads(json.loads(compose_notification(report_of(*FIVE), FOLDER)["message"])["sqs"])

    assert document["verdict"] == "quarantined"
    assert document["summary"]["quarantined"] == 5
    assert document["quarantined_left_out"] == 2
    assert document["quarantined"][0] == {
        "user_name": "leaked0",
        "policy": "AWSCompromisedKeyQuarantineV3",
        "access_keys": [{"access_key_id": "AKIALEAKED0", "status": "Active"}],
        "owner": None,
        "owner_known": True,
    }
    assert len(document["quarantined"]) == 3


@pytest.mark.parametrize("last", [None, before()])
def test_each_section_has_the_most_severe_keys_first_then_the_oldest(last: Any) -> None:
    text = text_of(
        user("plain", key("AKIAOLDER", 800, used=1)),
        user("older", key("AKIAOLDEST", 900, used=1)),
        user("idle", key("AKIAIDLE", 100, used="never")),
        user("admin", key("AKIAADMIN", 120, used=1), **ADMIN),
        user("leaked", key("AKIALEAKED", 95, used=1), **QUARANTINE),
        last=last,
    )

    assert re.findall(r"^  \w+ (AKIA\w+),", text, re.MULTILINE) == [
        *("AKIALEAKED", "AKIAADMIN", "AKIAIDLE", "AKIAOLDEST", "AKIAOLDER")
    ]
    assert "Severity: 1 critical, 2 high, 2 medium." in text
    assert "\n      High, 120 days old, overdue since 2026-10-23, no owner tag\n      Administrator by Admin" in text


def test_keys_that_are_all_of_the_usual_severity_say_nothing_of_it() -> None:
    text = text_of(*crowd(expired=3, used=1))

    assert not re.search("severity: |medium|high|two active keys|became safe", text, re.IGNORECASE)


def test_what_is_unknown_of_the_account_is_said_once_with_its_cause() -> None:
    unknown = [{"part": part, "cause": DENIED} for part in ("users", "alias")]

    text = one_line(text_of(*crowd(expired=3, used=1), account={"users": {}, "unknown": unknown}))

    assert "INCOMPLETE: tags or permissions of 4 users are unknown, and so is whether they are exempt, or" in text
    assert text.count(DENIED) == 1
    assert "PERMISSIONS UNKNOWN:" not in text


def test_an_alias_that_is_unknown_is_nothing_that_a_reader_of_the_mail_needs() -> None:
    assert "alias" not in text_of(user("alice"), account={"unknown": [{"part": "alias", "cause": "denied: alias"}]})


def test_users_with_two_active_keys_are_a_number_in_the_mail() -> None:
    twice = key("AKIA1", 1), key("AKIA2", 2)

    text = text_of(user("alice", *twice), user("bob", *twice), user("carol", twice[0]))

    assert "\n2 users have two active keys.\n" in text
    assert "bob" not in text


def test_a_key_that_became_safe_to_deactivate_says_so() -> None:
    then = before(user("alice", key("AKIAWAS", 200, used=80)), user("bob", key("AKIASTILL", 200, used=1)))

    text = text_of(user("alice", key("AKIAWAS", 201, used=91)), user("bob", key("AKIASTILL", 201, used=1)), last=then)

    assert "\n1 key became safe to deactivate since the last full scan.\n" in text
    assert text.count("Became safe to deactivate since the last full scan.") == 1
    assert "Became safe" in text.partition("AKIAWAS")[2].partition("AKIASTILL")[0]


@pytest.mark.parametrize(("keys", "says"), [(20, True), (21, False)])
def test_a_short_mail_says_what_to_use_instead_of_a_key(keys: int, says: bool) -> None:
    robots = [user(f"github-actions-{number}", key(f"AKIA{number}", 100, used=1)) for number in range(keys)]

    assert (text_of(*robots).count("Instead of a key: Let GitHub Actions") == keys) is says
    assert ("Instead of a key" in text_of(*robots)) is says


def test_the_account_is_called_by_its_alias_in_mail_and_chat() -> None:
    report = report_of(user("old", key("AKIAOLD", 200, used=1)), account={"alias": "acme-prod"})
    message = compose_notification(report, FOLDER, https_format=HttpsFormat.CHAT)

    by_protocol = json.loads(message["message"])

    assert "1 access key in AWS account acme-prod (123456789012) is older than 90 days." in by_protocol["default"]
    assert "in AWS account acme-prod (123456789012)" in json.loads(by_protocol["https"])["content"]["description"]
    assert "acme-prod (123456789012)" in message["subject"]


SEEN: Any = {
    "status": "seen",
    "cause": None,
    "region": "eu-west-1",
    "events": 50,
    "more": True,
    "first_at": "2026-11-20T00:00:00Z",
    "last_at": "2026-11-21T00:00:00Z",
    "addresses": [{"value": "203.0.113.7", "events": 41}],
    "user_agents": [{"value": "terraform.evil.example", "events": 50}],
    "actions": [{"value": "s3:ListBuckets", "events": 50}],
    "errors": [{"value": "AccessDenied", "events": 3}],
}


def test_the_mail_has_what_uses_a_key_and_no_address_and_no_link() -> None:
    report = report_of(user("web", key("AKIAOLD", 200, used=1)))
    report["findings"][0]["seen_from"] = SEEN

    text = one_line(compose_message(report, FOLDER).text)

    assert " Seen in eu-west-1 by terraform[.]evil[.]example, doing s3:ListBuckets, until 2026-11-21. " in text
    assert "203.0.113.7" not in text


@pytest.mark.parametrize("status", ["nothing", "not_asked", "throttled", "refused", "unknown"])
def test_the_mail_does_not_say_why_cloudtrail_knows_nothing(status: str) -> None:
    report: Any = report_of(user("web", key("AKIAOLD", 200, used=1)))
    before_it = compose_message(report, FOLDER).text
    report["findings"][0]["seen_from"] = {**SEEN, "status": status, "cause": "why"}

    assert compose_message(report, FOLDER).text == before_it

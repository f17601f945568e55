"""The message: what a person is told, in every size. The whole texts are in tests/golden."""

import functools
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.documents import Report
from chalicelib.outputs.mail import INDENT, MAX_MESSAGE_BYTES, wrapped
from chalicelib.outputs.message_text import compose_message
from tests.support.reports import AS_OF, DENIED, FOLDER, before, crowd, key, report_of, unchecked, user

GOLDEN = Path(__file__).parents[1] / "golden"
LONG = "n" * 60
EXEMPT = {"iam-key-age:exempt-until": "2027-06-30", "iam-key-age:exempt-reason": "Break-glass user: CHG-2041"}
ENDED = EXEMPT | {"iam-key-age:exempt-until": "2026-11-21"}


def compared() -> Report:
    """New, still overdue, resolved, unused, exempt and unknown keys, and one due soon."""
    then = [
        user("pubudu", key("AKIAIOSFODNN7EXAMPLE", 1820)),
        user("gone", key("AKIAGONEAAAAAAAAAAAA", 400)),
        user("careful", key("AKIACAREFULAAAAAAAAA", 300)),
        user("hidden", key("AKIAHIDDENAAAAAAAAAA", 200)),
    ]
    now = [
        user("pubudu", key("AKIAIOSFODNN7EXAMPLE", 1820, used=3), tags={"owner": "web@example.com"} | ENDED),
        user("careful", key("AKIACAREFULNEWAAAAAA", 1)),
        user("late", key("AKIALATEAAAAAAAAAAAA", 90.5, used=40), key("AKIALATENEWAAAAAAAAA", 30, used=1)),
        user("dark", key("AKIADARKAAAAAAAAAAAA", 95, used="unknown"), cause=DENIED),
        user("idle", key("AKIAIDLEAAAAAAAAAAAA", 70, used=60)),
        user("soon", key("AKIASOONAAAAAAAAAAAA", 80, used=0)),
        user("vault", key("AKIAVAULTAAAAAAAAAAA", 500, used="never"), tags=EXEMPT),
        unchecked("hidden"),
    ]
    last = before(*then)
    last["as_of"] = "2026-11-21T08:00:00.123Z"
    return report_of(*now, last=last, root={"access_keys": 1}, max_unused_days=45)


def advised() -> Report:
    """A rotation in progress, keys with descriptions, an SMTP user, and a key older than IAM's record of last uses."""
    smtp = user("ses-smtp-user.20200101-101010", key("AKIASMTPSMTPSMTPSMTP", 900, used=1))
    smtp["details"]["last_used"][0] |= {"service": "ses-smtp", "region": "eu-west-1"}
    rotating = key("AKIAOLDKEYINUSE00001", 100, used=0.5), key("AKIANEWKEYMADEYESTER", 1, used="never")
    three = key("AKIATHREETHREETHREE1", 200, used=1), key("AKIATHREETHREETHREE2", 95, used="never")
    backup = "nightly backup of the billing database of the whole group to the vault in Frankfurt"
    return report_of(
        smtp,
        user("legacy", key("AKIALEGACYLEGACYLEGA", 5_414, used="never"), tags={"owner": "unknown"}),
        user("rotating", *rotating, tags={"owner": "web", "AKIANEWKEYMADEYESTER": "for the new host"}),
        user("three", *three, key("AKIATHREETHREETHREE3", 400, "Inactive", used="never")),
        user("backup", key("AKIABACKUP0000000001", 120, used=1), tags={"AKIABACKUP0000000001": backup}),
    )


def quarantined() -> Report:
    """Two users whom AWS has quarantined, one of them without an old key, and a root user with keys."""
    leaked = key("AKIALEAKEDYOUNG00001", 20, used=0.1), key("AKIALEAKEDOFF0000002", 400, "Inactive", used=300)
    admin: Any = {"can_administer": True, "administers_by": "AdministratorAccess"}
    return report_of(
        user("web", *leaked, tags={"owner": "web@example.com"}, quarantined_by="AWSCompromisedKeyQuarantineV2"),
        user(
            "deploy", key("AKIALEAKEDOLD0000003", 120, used=1), quarantined_by="AWSCompromisedKeyQuarantineV3", **admin
        ),
        user("old", key("AKIAOLDOLDOLDOLDOLD4", 500, used=2)),
        account={"alias": "acme-prod"},
        root={"access_keys": 1},
    )


def administrators() -> Report:
    """Keys of administrators, of a group and by a policy of the account's own, and what to use instead of keys."""
    group: Any = {"can_administer": True, "administers_by": "policy everything of group operators"}
    smtp = user("mail", key("AKIASMTP000000000004", 300, used=1))
    smtp["details"]["last_used"][0] |= {"service": "ses-smtp", "region": "eu-west-1"}
    return report_of(
        user("older", key("AKIAOLDER00000000001", 900, used=1)),
        user("idle", key("AKIAIDLE000000000002", 95, used="never")),
        user("github-actions", key("AKIAADMIN00000000003", 100, used=1), **group),
        smtp,
        user("soon", key("AKIASOON000000000005", 80, used=1), **group),
        account={"alias": "acme-prod"},
    )


def account_unknown() -> Report:
    """An account of which neither the alias nor a user could be read."""
    cause = "AccessDenied: not authorized to perform: iam:GetAccountAuthorizationDetails on resource: * (explicit deny)"
    unknown = [{"part": part, "cause": cause} for part in ("users", "alias")]
    return report_of(*crowd(expired=2, used=3), account={"users": {}, "unknown": unknown})


def became_safe() -> Report:
    """A key that was in use at the last full scan, and is not any more."""
    names = "AKIASILENT0000000001", "AKIAINUSE00000000002"
    last = before(*(user(f"u{number}", key(name, 300, used=80)) for number, name in enumerate(names)))
    now = [user("u0", key(names[0], 301, used=95)), user("u1", key(names[1], 301, used=1))]
    return report_of(*now, last=last)


CASES: dict[str, Callable[[], Report]] = {
    "nothing-expired-two-unchecked": lambda: report_of(*crowd(denied=2)),
    "one-expired": lambda: report_of(*crowd(expired=1, used=2)),
    "thirty-expired": lambda: report_of(*crowd(expired=30, used="never")),
    "ten-thousand-expired": lambda: report_of(*crowd(expired=10_000, used=89)),
    "names-of-64": lambda: report_of(
        *crowd(expired=2, denied=1, prefix="n" * 63, used=90), unchecked("u" * 64, "x" * 300)
    ),
    "named-users": lambda: report_of(
        user("alice", key("AKIAALICEAAAAAAAAAAA", 91, "Inactive", used=100), tags={"email": "e" * 250}),
        {"user_name": "p" * 64, "outcome": "not_found"},
        users=("alice", "p" * 64),
        as_of=AS_OF,
        include_inactive=True,
    ),
    "root-unknown": lambda: report_of(*crowd(), root={"cause": "Iam.IamException: not authorized"}),
    "changes": compared,
    "advice": advised,
    "quarantined": quarantined,
    "administrators": administrators,
    "account-unknown": account_unknown,
    "became-safe": became_safe,
    "of-the-past": lambda: report_of(
        user("old", key("AKIAOLDOLDOLDOLDOLD1", 91, used="never")),
        user("later", key("AKIALATERLATERLATER1", -5), key("AKIALATERLATERLATER2", -6)),
        as_of=AS_OF,
        started_at=AS_OF + timedelta(days=30),
    ),
    "no-key-judged": lambda: report_of(
        *(user(f"later{number}", key(f"AKIA{number:016}", -number)) for number in range(1, 31)),
        as_of=AS_OF,
        started_at=AS_OF + timedelta(days=365),
    ),
}


@functools.cache
def case(name: str) -> Report:
    return CASES[name]()


def abridged(text: str) -> str:
    """A text of thousands of lines, its middle cut out and counted."""
    lines = text.splitlines(keepends=True)
    return text if len(lines) < 100 else "".join([*lines[:30], f"[… {len(lines) - 60} lines …]\n", *lines[-30:]])


@pytest.mark.parametrize("name", CASES)
def test_the_message_is_the_golden_one(name: str) -> None:
    message = compose_message(case(name), FOLDER)

    golden = (GOLDEN / f"message-{name}.txt").read_text()

    assert abridged(f"Subject: {message.subject}\n\n{message.text}") == golden


@pytest.mark.parametrize("name", CASES)
def test_every_line_is_under_80_columns_and_the_subject_short_ascii_on_one_line(name: str) -> None:
    message = compose_message(case(name), FOLDER, list_due_soon=True)

    assert max(len(line) for line in message.text.splitlines()) < 80
    assert len(message.subject) < 100
    assert message.subject.isascii()
    assert message.subject.isprintable()
    assert len(message.text.encode()) <= MAX_MESSAGE_BYTES


def test_the_message_leads_with_what_is_new() -> None:
    text = compose_message(case("changes"), FOLDER).text

    assert "\n2 overdue access keys are new since the last full scan.\n" in text
    sections = re.findall(r"^([A-Z][A-Z ,]+?)(?:, most severe first.*|, not counted as overdue)?:$", text, re.MULTILINE)
    assert sections == [
        *("NEW", "UNCHECKED", "STILL OVERDUE", "UNUSED", "RESOLVED", "OVERDUE LAST TIME, OUT OF SIGHT NOW", "EXEMPT"),
        "LAST USE, TAGS OR PERMISSIONS UNKNOWN",
    ]


def test_keys_due_soon_are_listed_where_that_is_asked_for() -> None:
    assert "DUE SOON" not in compose_message(case("changes"), FOLDER).text
    assert (
        "DUE SOON, most severe first, then oldest:\n  Rotate AKIASOONAAAAAAAAAAAA, soon\n"
        "      80 days old, in time until 2026-12-02, no owner tag\n"
        in compose_message(case("changes"), FOLDER, list_due_soon=True).text
    )


def test_keys_that_are_only_due_soon_are_what_the_message_is_about() -> None:
    message = compose_message(report_of(user("soon", key("AKIASOON", 80))), FOLDER, list_due_soon=True)

    assert message.subject == "0 overdue access keys in AWS account 123456789012, 1 due soon"
    assert "\n1 access key will be overdue within 14 days.\n" in message.text
    assert "How to rotate a key: create its successor" in message.text


def test_unchecked_users_alone_do_not_look_clean() -> None:
    message = compose_message(case("nothing-expired-two-unchecked"), FOLDER)

    assert "INCOMPLETE: 2 of 3 users unchecked" in message.subject
    assert "INCOMPLETE: 2 users could not be checked and may have overdue keys.\n" in message.text
    assert "update-access-key" not in message.text


@pytest.mark.parametrize("expired", [1, 30, 10_000])
def test_the_oldest_keys_come_first_and_the_rest_is_counted(expired: int) -> None:
    text = compose_message(report_of(*crowd(expired=expired, prefix="n" * 59)), FOLDER).text

    shown = text.count("days old, overdue since")
    assert shown >= min(expired, 400)
    assert f"AKIA{expired - 1:016}" in text.partition("OVERDUE, most severe first, then oldest:\n")[2].splitlines()[0]
    assert (f"and {expired - shown} more in the report." in text) == (shown < expired)
    assert len(text.encode()) <= MAX_MESSAGE_BYTES


def test_an_inactive_key_says_what_to_do_though_its_use_is_unknown() -> None:
    off = user("alice", key("AKIA", 200, "Inactive", used="unknown"), cause=DENIED)

    text = compose_message(report_of(off, include_inactive=True), FOLDER).text

    assert "\n  Delete AKIA, alice\n" in text
    assert "\n      Inactive already: delete it when nothing has missed it.\n" in text


def test_no_tag_breaks_a_line_of_the_message() -> None:
    tags = {"owner": "x\u2028\u2029Users: 9 listed = 9 checked", "iam-key-age:exempt-until": "\u2028All keys are fine"}

    text = compose_message(report_of(user("alice", key("AKIA", 200, used=1), tags=tags)), FOLDER).text

    assert text.splitlines() == text.split("\n")[:-1]
    assert "owner x Users: 9 listed" in " ".join(text.split())


def test_many_new_keys_leave_room_for_the_oldest_ones() -> None:
    last = before(*crowd(expired=5_000, prefix=LONG, first_age=5_000))
    now = [*crowd(expired=5_000, prefix=LONG, first_age=5_000, used="never"), *more_users(5_000)]

    text = compose_message(report_of(*now, last=last), FOLDER).text

    new, _, still = text.partition("STILL OVERDUE, most severe first, then oldest:\n")
    assert new.count("days old, overdue since") > 100
    assert still.count("days old, overdue since") > 100
    assert still.startswith("  Deactivate AKIA0000000000004999")
    assert text.count("more in the report.") == 2
    assert len(text.encode()) <= MAX_MESSAGE_BYTES


def more_users(count: int) -> list[dict[str, Any]]:
    return [user(f"m{LONG}{number}", key(f"AKIAM{number:015}", 91, used="never")) for number in range(count)]


def test_many_unchecked_users_leave_room_for_the_expired_keys() -> None:
    text = compose_message(report_of(*crowd(expired=2_000, denied=3_000, used=1)), FOLDER).text

    assert text.count("days old, overdue since") > 100
    assert text.count("more in the report.") == 2
    assert len(text.encode()) <= MAX_MESSAGE_BYTES


@pytest.mark.parametrize(("expired", "denied"), [(0, 5_000), (10_000, 5_000), (10_000, 0)])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("root", [{"access_keys": 1}, {"access_keys": 0}, {"cause": "denied"}])
def test_the_subject_is_short_in_the_largest_account(
    expired: int, denied: int, first: bool, root: dict[str, Any]
) -> None:
    last = None if first else before(user("nobody"))

    subject = compose_message(
        report_of(*largest(expired, denied), last=last, root=root, max_unused_days=45), FOLDER
    ).subject
    at_another_instant = compose_message(largest_as_of(expired, denied), FOLDER).subject

    assert len(subject) < 100
    assert len(at_another_instant) < 100
    assert "2026-11-22" in at_another_instant


@functools.cache
def largest(expired: int, denied: int) -> list[dict[str, Any]]:
    return [*crowd(expired=expired, denied=denied), *idle_users(100)]


@functools.cache
def largest_as_of(expired: int, denied: int) -> Report:
    return report_of(*largest(expired, denied), as_of=AS_OF)


def idle_users(count: int) -> list[dict[str, Any]]:
    return [user(f"idle{number}", key(f"AKIAI{number:015}", 60, used="never")) for number in range(count)]


def test_the_oldest_keys_come_with_what_to_do_in_the_largest_account() -> None:
    text = compose_message(report_of(*crowd(expired=10_000, prefix="n" * 59, used=3)), FOLDER).text

    assert text.count("\n  Rotate AKIA") == text.count("days old, overdue since") >= 200
    assert text.count("In use, last on 2026-11-19 for s3 in us-east-1: create a successor") == text.count("  Rotate")


def test_of_a_root_user_with_keys_it_is_not_said_that_no_key_is_older() -> None:
    text = compose_message(report_of(user("alice"), root={"access_keys": 1}), FOLDER).text

    assert "No access key of an IAM user in AWS account 123456789012 is older than 90 days." in text


def test_a_name_that_iam_does_not_know_is_what_the_message_begins_with() -> None:
    unknown = [{"user_name": f"pubdu{number}", "outcome": "not_found"} for number in range(5)]

    text = compose_message(report_of(*unknown, users=tuple(user["user_name"] for user in unknown)), FOLDER).text

    assert text.startswith("IAM has no user named pubdu0, pubdu1, pubdu2 and 2 more.\n")


@pytest.mark.parametrize(("keys", "says_what_to_do"), [(50, True), (51, False)])
def test_a_key_of_unknown_use_says_what_to_do_unless_there_are_many(keys: int, says_what_to_do: bool) -> None:
    dark = [user(f"u{number}", key(f"AKIADARK{number:08}", 200, used="unknown")) for number in range(keys)]

    text = compose_message(report_of(*dark), FOLDER).text

    assert ("Its use is not known: find out before you deactivate it." in text) is says_what_to_do
    assert (", use unknown" in text) is not says_what_to_do


def test_no_line_ends_within_an_arn_but_after_a_slash() -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/iam-key-age-prod-ScanStateMachineRole-1A2B3C/iam-key-age-prod-session"

    lines = list(wrapped([f"Denied for this and many another caller, {arn}: ask"], INDENT))

    assert lines == [
        "  Denied for this and many another caller,",
        "  arn:aws:sts::123456789012:assumed-role/",
        "  iam-key-age-prod-ScanStateMachineRole-1A2B3C/iam-key-age-prod-session: ask",
    ]

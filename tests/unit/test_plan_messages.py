"""What the messages say of a plan: mail, chat, JSON. The whole mails are in tests/golden."""

import functools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.deactivation_settings import DeactivationSettings
from chalicelib.documents import Report
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.mail import MAX_MESSAGE_BYTES, Message
from chalicelib.outputs.message_json import compact_json
from chalicelib.outputs.organization_text import MAX_BYTES
from chalicelib.outputs.plan_sentences import due_keys
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.sns import compose_notification
from chalicelib.report.summary import summarize_organization
from chalicelib.settings import HttpsFormat
from tests.support.organization_reports import FOLDER, account_id, joined, listed
from tests.support.plan_reports import (
    EVIL,
    IN_USE,
    NO_APPROVAL,
    NOT_BEFOREHAND,
    PLAN_ALONE,
    ROTATED,
    SAM,
    WEB,
    all_held,
    by_protocol,
    did,
    first_scan,
    hostile,
    in_one_line,
    message,
    organization,
    two_weeks,
)
from tests.support.plans import APPLY, Stage
from tests.support.reports import key, report_of, user

GOLDEN = Path(__file__).parents[1] / "golden"
CASES: dict[str, Callable[[], AnyReport]] = {
    "approval": two_weeks,
    "by-itself": lambda: two_weeks(NO_APPROVAL),
    "alone": lambda: two_weeks(PLAN_ALONE),
    "all-held": all_held,
    "organization": organization,
}


@functools.cache
def mail(name: str) -> Message:
    return message(CASES[name]())


@pytest.mark.parametrize("name", CASES)
def test_the_mail_is_the_golden_one(name: str) -> None:
    assert f"Subject: {mail(name).subject}\n\n{mail(name).text}" == (GOLDEN / f"plan-{name}.txt").read_text()


@pytest.mark.parametrize("name", CASES)
def test_every_line_is_under_80_columns_and_the_subject_short_ascii_on_one_line(name: str) -> None:
    assert max(len(line) for line in mail(name).text.splitlines()) < 80
    assert len(mail(name).subject) < 100
    assert mail(name).subject.isascii()
    assert mail(name).subject.isprintable()


@pytest.mark.parametrize(
    ("name", "due", "later"),
    [
        (
            "approval",
            "Due: can be deactivated now, once approved.",
            "Can be deactivated from 2026-12-07, once approved.",
        ),
        (
            "by-itself",
            "Due: will be deactivated after this scan unless it is used.",
            "Will be deactivated on 2026-12-07 or later, unless it is used.",
        ),
        (
            "alone",
            "Due: would be deactivated now at the earliest (Deactivation=plan changes nothing).",
            "Would be deactivated on 2026-12-07 at the earliest (Deactivation=plan changes nothing).",
        ),
    ],
)
def test_a_key_says_when_it_is_deactivated_and_by_whose_will(name: str, due: str, later: str) -> None:
    lines = mail(name).text.replace("\n      changes", " changes").replace("\n      nothing", " nothing").splitlines()

    assert f"      {due}" in lines
    assert f"      {later}" in lines


def test_a_held_key_says_all_that_holds_it() -> None:
    text = in_one_line(mail("all-held").text)

    assert (
        "Held: Its user's path, /, does not begin with /people/. Its user does not have the tag"
        " iam-key-age:may-deactivate with the value true." in text
    )


def test_a_key_that_waits_for_an_approved_weekday_alone_says_so_and_not_a_day_that_is_over() -> None:
    stage = Stage(replace(APPLY, after_days=1))
    stage.scan(-3, WEB)  # a Thursday; AS_OF is a Sunday

    text = message(stage.scan(0, WEB)).text
    stage.scan(1, WEB)
    on_friday = message(stage.scan(5, WEB)).text

    assert "Can be deactivated from 2026-11-23, once approved." in text
    assert "Waits: Keys are deactivated on MON, TUE, WED, THU alone (UTC)." in on_friday
    assert "Deactivation: 0 keys due, 1 waits for its day, 0 held." in on_friday
    assert "Held" not in on_friday


@pytest.mark.parametrize("name", ["by-itself", "alone", "all-held"])
def test_nobody_is_asked_to_approve_what_needs_no_approval_or_is_held(name: str) -> None:
    assert "/plan/approve" not in mail(name).text


@pytest.mark.parametrize("name", ["approval", "organization"])
def test_the_request_to_approve_is_in_the_mail_and_is_of_the_due_keys(name: str) -> None:
    report, text = CASES[name](), mail(name).text

    plain = text.partition(f"\n  POST /scan/{report['scan_id']}/plan/approve\n")[2].partition("\nor with awscurl:\n")[0]
    [curled] = re.findall(r"-d '({.*?})'$", text, re.MULTILINE | re.DOTALL)
    assert json.loads(plain) == json.loads(curled)
    assert json.loads(plain) == {"access_key_ids": [finding["access_key_id"] for finding in due_keys(report)]}
    assert f'"${{ENDPOINT_URL}}scan/{report["scan_id"]}/plan/approve" \\\n' in text
    assert "\nCAN BE DEACTIVATED NOW, once approved:\n" in text


def test_of_more_due_keys_than_a_scan_deactivates_the_request_has_as_many_as_it_does() -> None:
    report = first_scan(*(user(f"u{number}", key(f"AKIA{number:016}", 200, used="never")) for number in range(7)))

    text = message(report).text

    [body] = re.findall(r"^  ({\"access_key_ids.*?})$", text, re.MULTILINE | re.DOTALL)
    assert len(json.loads(body)["access_key_ids"]) == report["plan"]["max_per_scan"] == 5
    assert (
        "on one of DeactivationWeekdays (MON, TUE, WED, THU, FRI, SAT, SUN in UTC), without the keys that are to stay"
        " active; a plan is approved once. These are the first 5 of them. Other keys that are due can be approved in"
        " the next full scan's plan." in in_one_line(text)
    )
    assert ", 7 deactivations to approve in AWS account 123456789012" in message(report).subject


def test_of_more_due_keys_than_a_scan_deactivates_no_more_are_announced_for_this_scan() -> None:
    settings = replace(NOT_BEFOREHAND, needs_approval=False)
    users = [user(f"u{number}", key(f"AKIA{number:016}", 200, used="never")) for number in range(9)]

    announced, all_of_it = message(Stage(settings).scan(0, *users)), message(Stage(settings).scan(0, *users[:5]))

    assert ", 5 to be deactivated in AWS account 123456789012" in announced.subject
    assert "\nWILL BE DEACTIVATED AFTER THIS SCAN OR LATER, at most 5 a scan, unless used:\n" in announced.text
    due = "Due: will be deactivated after this scan or a later one, at most 5 a scan, unless it is used."
    assert in_one_line(announced.text).count(due) == 9
    assert "after this scan unless it is used" not in in_one_line(announced.text)
    assert ", 5 to be deactivated in AWS account 123456789012" in all_of_it.subject
    assert "\nWILL BE DEACTIVATED AFTER THIS SCAN, unless used:\n" in all_of_it.text
    assert all_of_it.text.count("Due: will be deactivated after this scan unless it is used.") == 5


@pytest.mark.parametrize("name", CASES)
def test_no_arn_is_cut_in_the_middle_of_a_name(name: str) -> None:
    lines = [line.strip() for line in mail(name).text.splitlines()]
    of_scan = "User: arn:aws:sts::"  # why IAM refused a scan, which is as it is without a plan

    assert not [line for line in lines if re.search(r"arn:\S*[^/]$", line) and of_scan not in line]
    sessions = [line for line in lines if "AWSReserved" in line]
    assert all("AWSReservedSSO_Security_0123456789abcdef/" in line for line in sessions)


@pytest.mark.parametrize("name", CASES)
def test_how_to_protect_a_user_is_said_wherever_a_key_is_planned(name: str) -> None:
    command = "aws iam tag-user --user-name USER \\\n      --tags Key=iam-key-age:never-deactivate,Value=yes\n"

    assert command in mail(name).text


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (APPLY, "Keys that are due are deactivated once somebody approves them, at most 5 a scan."),
        (NO_APPROVAL, "Keys that are due are deactivated after each full scan, at most 5 a scan."),
        (PLAN_ALONE, "keys that are due would be deactivated once somebody approves them, at most 5 a scan."),
        (
            replace(NO_APPROVAL, mode="plan", max_per_scan=2),
            "keys that are due would be deactivated after each full scan, at most 2 a scan.",
        ),
    ],
)
def test_how_many_keys_go_in_a_scan_and_by_whose_will_is_said_once(settings: DeactivationSettings, says: str) -> None:
    assert in_one_line(message(two_weeks(settings)).text).count(says) == 1


def leaked(**more: Any) -> Any:
    return user("leaked", key("AKIALEAKED", 200, used=1), quarantined_by="AWSCompromisedKeyQuarantineV2", **more)


def test_a_leaked_key_that_is_in_use_says_why_it_is_not_planned() -> None:
    report = first_scan(leaked(), IN_USE, WEB)
    page, chat = "".join(render_html(report)), by_protocol(report, HttpsFormat.CHAT)["https"]["content"]

    assert message(report).text.count("\n      Not planned: it is in use.\n") == 1
    assert page.count("<dt>Deactivation</dt><dd>Not planned: it is in use.</dd>") == 1
    assert "Not planned" not in chat["description"]


def test_a_key_that_was_used_since_its_successor_was_created_says_why_it_is_not_planned() -> None:
    report = first_scan(user("r", key("AKIAOLD", 200, used=1), key("AKIANEW", 20, used=1)))

    assert "Finish rotating AKIAOLD" in message(report).text
    assert "Not planned: it is in use." in message(report).text


def test_nothing_is_said_of_keys_in_use_where_no_key_is_planned() -> None:
    for report in (report_of(leaked()), first_scan(leaked(), max_age_days=30, warn_days=5)):
        assert "Not planned" not in message(report).text + "".join(render_html(report))


def test_a_leaked_key_that_is_not_overdue_or_was_never_used_is_not_called_in_use() -> None:
    quarantined: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV2"}
    young = user("young", key("AKIAYOUNG", 80, used=1), **quarantined)
    new = user("new", key("AKIANEW", 95, used=94), key("AKIANEWER", 5, used="never"), **quarantined)

    report = first_scan(young, new, max_age_days=90)

    assert {one["access_key_id"] for one in report["findings"]} >= {"AKIAYOUNG", "AKIANEW"}
    assert "Not planned" not in message(report).text


def test_a_scan_by_another_policy_says_that_it_plans_nothing() -> None:
    text = message(first_scan(WEB, max_age_days=30, warn_days=5)).text

    assert "\nDeactivation: no key is planned by this scan: its policy is not the stage's.\n" in text
    assert "tag-user" not in text


def test_the_subject_says_how_many_keys_are_to_be_approved_or_will_be_deactivated() -> None:
    assert ", 1 deactivation to approve in account 123456789012" in mail("approval").subject
    assert ", 1 to be deactivated in account 123456789012" in mail("by-itself").subject
    assert "deactivat" not in mail("alone").subject + mail("all-held").subject


def test_what_was_done_since_the_last_scan_is_told_with_who_approved_it() -> None:
    done = in_one_line(mail("approval").text.partition("WHAT IAM-KEY-AGE DID since the last full scan:")[2])

    sam = SAM.replace("role/", "role/ ")  # on the next line
    assert f"AKIAGONE000000000004 gone It was deactivated at 2026-11-21T10:00:06Z. Approved by {sam} at" in done
    assert "It was NOT deactivated, and nothing changed. No approval was needed (DeactivationApproval=none)" in done
    assert "AKIAUNDONE0000000005 undone It was activated again at 2026-11-21T12:00:07Z. Asked for by" in done


def test_a_key_that_was_resolved_by_iam_key_age_says_so_and_who_approved_it() -> None:
    resolved = in_one_line(mail("approval").text.partition("RESOLVED:")[2])

    assert resolved.startswith(
        "AKIAGONE000000000004 deactivated gone by iam-key-age, approved by arn:aws:sts::123456789012:assumed-role/"
    )


def test_no_path_tag_cause_or_session_makes_a_link() -> None:
    text = message(hostile()).text

    said = text.replace(f", {EVIL}\n", "\n").replace(f"  {EVIL}\n", "\n")  # a user's own name, which commands take
    assert EVIL not in said
    assert "://" not in said.replace("s3://iam-key-age-prod", "")
    assert said.count("www[.]evil") >= 5


def test_nothing_of_it_is_markup_in_chat() -> None:
    chat = by_protocol(hostile(), HttpsFormat.CHAT)["https"]["content"]

    assert all(line.count("`") % 2 == 0 for line in [*chat["description"].splitlines(), *chat["nextSteps"]])
    assert "says no" not in chat["description"]
    assert "<!channel>" not in chat["description"]
    assert "deactivate it. Held: not in scope.\n" in chat["description"]
    assert f"`AKIA4` `{EVIL}`: It was NOT deactivated, and nothing changed. Approved by `arn:" in chat["description"]


def test_chat_says_the_plan_and_how_to_approve_it() -> None:
    chat = by_protocol(two_weeks(), HttpsFormat.CHAT)["https"]["content"]

    assert "Deactivation: 1 key due, 3 wait for their day, 4 held; 1 newly due, 3 announced" in chat["description"]
    assert "deactivate it. Due: can be deactivated now, once approved.\n" in chat["description"]
    [step] = [step for step in chat["nextSteps"] if "approve" in step]
    assert step.endswith('`POST /scan/scan-1/plan/approve {"access_key_ids": ["AKIAWEB0000000000001"]}`')


def test_programs_get_the_counts_of_the_plan_and_the_plan_of_each_key() -> None:
    for_programs = by_protocol(two_weeks())["sqs"]

    assert for_programs["summary"]["plan"] == {"mode": "apply", "due": 1, "held": 7, "waiting": 3}
    assert {finding["plan"]["status"] for finding in for_programs["findings"] if "plan" in finding} == {"due", "held"}


def test_programs_get_the_request_that_approves_the_due_keys_though_more_severe_keys_come_first() -> None:
    severe = [
        user(f"a{one}", key(f"AKIAADMIN{one}", 300, used=1), can_administer=True, administers_by="AdministratorAccess")
        for one in range(10)
    ]

    for_programs = by_protocol(first_scan(*severe, ROTATED))["sqs"]

    assert "AKIAROTATED000000006" not in json.dumps(for_programs["findings"])
    assert for_programs["plan_to_approve"] == {
        "path": "/scan/scan-0/plan/approve",
        "body": {"access_key_ids": ["AKIAROTATED000000006"]},
    }


@pytest.mark.parametrize("name", ["by-itself", "alone", "all-held"])
def test_programs_get_no_request_where_nothing_is_to_be_approved(name: str) -> None:
    assert "plan_to_approve" not in by_protocol(CASES[name]())["sqs"]


def test_a_request_of_the_most_keys_leaves_the_message_for_programs_as_small_as_it_was() -> None:
    users = [
        user("n" * 59 + f"{one:05}", key(f"AKIA{one:016}", 200, used="never"), tags={"owner": "o" * 256})
        for one in range(100)
    ]

    few, many = (
        by_protocol(first_scan(*users, settings=replace(NOT_BEFOREHAND, max_per_scan=most)))["sqs"] for most in (1, 100)
    )

    assert len(few["plan_to_approve"]["body"]["access_key_ids"]) == 1
    assert len(many["plan_to_approve"]["body"]["access_key_ids"]) == 100
    for each in (few, many):
        assert len(compact_json([*each["findings"], each["plan_to_approve"]])) <= 4_700
        assert each["findings"]
        assert len(each["findings"]) + each["findings_left_out"] == 100


def test_the_message_of_thousands_of_planned_keys_is_no_larger_than_any_other() -> None:
    users = [user("n" * 59 + f"{one:05}", key(f"AKIA{one:016}", 200 + one, used="never")) for one in range(5_000)]
    report = first_scan(*users)
    report["actions"] = [did(f"u{one}", f"AKIAOLD{one:013}") for one in range(1_000)]

    text = message(report).text

    assert report["plan"]["due"] == 5_000
    assert len(text.encode()) <= MAX_MESSAGE_BYTES
    assert text.count("Due: can be deactivated now, once approved.") > 100
    listed = text.partition("CAN BE DEACTIVATED")[2].partition("WHAT IAM-KEY-AGE DID")[0]
    assert f"and {5_000 - listed.count('AKIA')} more in the report." in text


def test_the_largest_organization_with_plans_fits_into_a_message_and_into_a_state() -> None:
    def account(number: int) -> tuple[Any, Report]:
        users = [
            user("n" * 59 + f"{one:05}", key(f"AKIA{number:04}{one:012}", 200, used="never"), tags={"owner": "o" * 250})
            for one in range(20)
        ]
        report = first_scan(*users)
        report["account_id"], report["scan_id"] = account_id(number), "scan-1"
        report["actions"] = [did("n" * 64, f"AKIAOLD{one:013}", account=account_id(number)) for one in range(5)]
        return listed(number, f"account-{number:04}-".ljust(50, "x")), report

    report = joined([account(number) for number in range(1, 101)])

    assert report["plan"]["due"] == 2_000
    assert len(message(report).text.encode()) <= MAX_BYTES
    for https_format in HttpsFormat:
        published = compose_notification(report, FOLDER, https_format=https_format)
        answer = {**published, "summary": summarize_organization(report)}
        assert len(json.dumps(answer, ensure_ascii=False).encode()) < 64 * 1024

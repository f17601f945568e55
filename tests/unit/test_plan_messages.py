"""What people read of a plan: in mail, chat, JSON, report.csv and the pages. The whole mails are in tests/golden."""

import csv
import functools
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from chalicelib.documents import Report
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.mail import MAX_MESSAGE_BYTES, Message
from chalicelib.outputs.message_json import compact_json
from chalicelib.outputs.message_text import compose_message
from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.outputs.organization_html import render_organization_html
from chalicelib.outputs.organization_text import MAX_BYTES, compose_organization_message
from chalicelib.outputs.plan_sentences import due_keys
from chalicelib.outputs.report_csv import render_csv
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.sns import compose_notification
from chalicelib.report.summary import summarize_organization
from chalicelib.settings import HttpsFormat
from localaws.commands.console import show_result
from localaws.scan_run import ScanResult
from tests.support.organization_reports import FOLDER, account_id, joined, listed
from tests.support.plan_reports import (
    IN_USE,
    NO_APPROVAL,
    PLAN_ALONE,
    ROTATED,
    SAM,
    WEB,
    all_held,
    did,
    organization,
    two_weeks,
    undo,
)
from tests.support.plans import APPLY, Stage
from tests.support.reports import key, report_of, user

GOLDEN = Path(__file__).parents[1] / "golden"
EVERY_DAY = replace(APPLY, weekdays=WEEKDAYS)
NOT_BEFOREHAND = replace(EVERY_DAY, after_days=0)
CASES: dict[str, Callable[[], AnyReport]] = {
    "approval": two_weeks,
    "by-itself": lambda: two_weeks(NO_APPROVAL),
    "alone": lambda: two_weeks(PLAN_ALONE),
    "all-held": all_held,
    "organization": organization,
}
EVIL = "www.evil.example.com"


def message(report: AnyReport) -> Message:
    return compose_organization_message(report, FOLDER) if "accounts" in report else compose_message(report, FOLDER)


@functools.cache
def mail(name: str) -> Message:
    return message(CASES[name]())


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def first_scan(*users: Any, settings: DeactivationSettings = NOT_BEFOREHAND, **policy: Any) -> Report:
    return Stage(settings).scan(0, *users, **policy)


def by_protocol(report: AnyReport, https_format: HttpsFormat = HttpsFormat.JSON) -> dict[str, Any]:
    published: dict[str, str] = json.loads(compose_notification(report, FOLDER, https_format=https_format)["message"])
    return {name: json.loads(text) if name in {"sqs", "https"} else text for name, text in published.items()}


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


def hostile() -> Report:
    """Whoever may tag a user, make a user or choose a session's name writes what looks like a link."""
    last = Stage(replace(NOT_BEFOREHAND, user_path="/people/"))
    last.actions = {"AKIA2": did("b", "AKIA2", undo=undo("done", by=f"arn:aws:sts::1:assumed-role/x/{EVIL}"))}
    report = last.scan(
        0,
        user(EVIL, key("AKIA1", 200, used="never"), tags={"owner": f"https://{EVIL}"}, path=f"/<!channel>{EVIL}/"),
        user("b", key("AKIA2", 200, used="never"), path=f"/people/{EVIL}/"),
        user("c", key("AKIA3", 200, used="never"), tags={"owner": f"https://{EVIL}"}, path="/people/"),
    )
    cause = f"Iam.IamException: https://{EVIL}/ says no"
    report["actions"] = [did(EVIL, "AKIA4", "failed", cause=cause, approved_by=f"arn:aws:sts::1:assumed-role/x/{EVIL}")]
    return report


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


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_the_csv_has_the_plan_in_its_last_columns() -> None:
    by_key = {row["access_key_id"]: row for row in rows("".join(render_csv(two_weeks())))}

    assert list(by_key["AKIAWEB0000000000001"])[-3:] == ["plan_status", "plan_due_on", "plan_held_because"]
    assert plan_of(by_key["AKIAWEB0000000000001"]) == ["due", "2026-11-23", ""]
    assert plan_of(by_key["AKIANIGHTLY000000002"]) == [
        "held",
        "2026-12-07",
        "It was announced on 2026-11-23, less than 14 days ago.",
    ]
    assert plan_of(by_key["AKIAVAULT00000000009"]) == ["held", "", "Its user is exempt until 2027-01-31."]
    assert plan_of(by_key["AKIACI00000000000011"]) == ["", "", ""]


def plan_of(row: dict[str, str]) -> list[str]:
    return [row["plan_status"], row["plan_due_on"], row["plan_held_because"]]


def test_the_csv_of_an_organization_has_them_after_the_name_of_the_account() -> None:
    with OrganizationCsv() as table:
        found = rows("".join(table.render(organization(table=table))))

    assert list(found[0])[-4:] == ["account_name", "plan_status", "plan_due_on", "plan_held_because"]
    by_key = {row["access_key_id"]: row for row in found}
    assert [by_key["AKIAWEB0000000000001"]["account_name"], *plan_of(by_key["AKIAWEB0000000000001"])] == [
        "member-1",
        "due",
        "2026-11-22",
        "",
    ]


def test_the_csv_of_an_organization_has_them_in_each_row_whatever_was_planned_in_its_account() -> None:
    before = report_of(WEB, scan_id="scan-1")  # when Deactivation was off
    before["account_id"] = account_id(3)
    planned = first_scan(WEB)
    planned["account_id"], planned["scan_id"] = account_id(4), "scan-1"
    with OrganizationCsv() as table:
        report = joined([(listed(3), before), (listed(4), planned), (listed(5), "refused")], table=table)
        lines = list(csv.reader(io.StringIO("".join(table.render(report)).removeprefix("\ufeff"), newline="")))

    assert {len(line) for line in lines} == {len(lines[0])}
    by_account = {line[lines[0].index("account_id")]: line[-4:] for line in lines[1:]}
    assert by_account == {
        account_id(3): ["member-3", "", "", ""],
        account_id(4): ["member-4", "due", "2026-11-22", ""],
        account_id(5): ["member-5", "", "", ""],
    }


def test_of_more_actions_than_an_organizations_report_has_each_output_says_how_many_are_left_out() -> None:
    reports = []
    for number in (1, 2):
        one = first_scan(WEB)
        one["account_id"], one["scan_id"] = account_id(number), "scan-1"
        one["actions"] = [did("u", f"AKIAOLD{place:013}", account=account_id(number)) for place in range(80)]
        reports.append((listed(number), one))
    report = joined(reports)

    text, page = message(report).text, "".join(render_organization_html(report))

    assert (len(report["actions"]), report["actions_left_out"]) == (100, 60)
    done = text.partition("WHAT IAM-KEY-AGE DID")[2].partition("\n\n")[0]
    assert f"and {160 - done.count('AKIA')} more in the report." in done
    assert "\nand 150 more in the report." in by_protocol(report, HttpsFormat.CHAT)["https"]["content"]["description"]
    assert "and 60 more in the accounts' reports." in page
    assert "more in the accounts" not in "".join(render_organization_html(organization()))


@pytest.mark.parametrize(
    ("page", "due"),
    [
        (lambda: "".join(render_html(two_weeks())), ["AKIAWEB0000000000001"]),
        (
            lambda: "".join(render_organization_html(organization())),
            ["AKIAGONE000000000004", "AKIAWEB0000000000001", "AKIANIGHTLY000000002"],
        ),
    ],
    ids=["account", "organization"],
)
def test_the_page_lists_the_due_keys_first_and_the_request_to_approve_them(
    page: Callable[[], str], due: list[str]
) -> None:
    plan = page().partition('<h2 id="plan">Deactivation plan</h2>')[2].partition("</section>")[0]

    assert re.findall(r"<code>(AKIA\w+)</code>", plan)[: len(due)] == due
    assert "<code>POST /scan/scan-" in plan
    assert "&#34;access_key_ids&#34;: [&#34;AKIA" in plan
    assert "are due 14 days after they were announced, on " in plan
    assert "Held: Its user has the tag iam-key-age:never-deactivate." in plan


def test_the_page_says_in_the_details_of_a_key_when_it_is_deactivated() -> None:
    page = "".join(render_html(two_weeks()))

    assert page.count("<dt>Deactivation</dt>") == 7
    assert "<dt>Deactivation</dt><dd>Can be deactivated from 2026-12-07, once approved.</dd>" in page


def test_the_page_says_what_was_done_and_by_whom_a_key_was_resolved() -> None:
    page = "".join(render_html(two_weeks()))

    done = page.partition('<h2 id="actions">What iam-key-age did since the last full scan</h2>')[2]
    assert "<b>It was deactivated at 2026-11-21T10:00:06Z.</b>" in done
    assert f"deactivated by iam-key-age, approved by {SAM}</span>" in page


def test_nothing_of_others_is_markup_or_a_link_on_the_page() -> None:
    report = hostile()
    report["actions"][0]["cause"] = "<a href='https://evil.example'>x</a>"

    page = "".join(render_html(report))

    assert "&lt;a href=" in page
    assert not [link for link in re.findall(r'href="([^"]*)"', page) if "evil" in link.partition("/home#")[0]]


def test_the_page_of_thousands_of_planned_keys_lists_the_first_and_says_how_many_there_are() -> None:
    report = first_scan(*(user(f"u{one}", key(f"AKIA{one:016}", 200, used="never")) for one in range(600)))

    page = "".join(render_html(report))

    assert "<summary>500 keys of 600, report.csv has all of them</summary>" in page


@pytest.mark.parametrize(("columns", "shown"), [(120, "2026-12-07"), (40, "Deactivate, plan: 2026-12-07")])
def test_the_console_shows_when_a_key_would_be_deactivated(columns: int, shown: str) -> None:
    written = io.StringIO()
    report = two_weeks(PLAN_ALONE)

    files = {"report.json": json.dumps(report).encode()}

    show_result(Console(file=written, width=columns), ScanResult("scan-1", "SUCCEEDED", None, files, [], [], {}))

    assert shown in written.getvalue()
    assert "Deactivation: 1 key due, 3 wait for their day, 4 held; " in in_one_line(written.getvalue())

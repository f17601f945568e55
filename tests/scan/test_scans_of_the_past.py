"""Keys that were created after a scan's instant, and scans of the past: nothing looks clean that nobody looked at."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.documents import InvalidEvidenceError, Report
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.outputs.message_text import compose_message
from chalicelib.outputs.report_csv import render_csv
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.sns import compose_notification
from chalicelib.policy import ScanPolicy
from chalicelib.report.build import join_pages
from chalicelib.settings import HttpsFormat
from tests.support.facts import facts
from tests.support.reports import AS_OF, FOLDER, key, report_of, unchecked, user
from tests.support.scanner import Scanner
from tests.support.scanner import user as user_of_account

SECOND = 1 / 86_400
LATER = AS_OF + timedelta(days=30)
ROOT_IS_NOT_ASKED = (
    "the root user: IAM does not list it, and only scans of all users as of now ask whether it has access keys"
)
OF_TODAY = "tags, permissions and quarantines of then: those in the report are of when the scan started"
DELETED_SINCE = (
    "keys and users deleted since 2026-11-22T08:00:00Z: IAM does not know them any more;"
    " keys deactivated since then count as inactive"
)
ACCOUNT = "AWS account 123456789012"


def past(*outcomes: dict[str, Any], **policy: Any) -> Report:
    """The report of a scan that starts 30 days after the instant that it judges at."""
    return report_of(*outcomes, as_of=AS_OF, started_at=LATER, **policy)


ALL_LATER = past(user("ann", key("AKIAA", -1)), user("bob", key("AKIAB", -2), key("AKIAC", -29)))
SOME_LATER = past(user("ann", key("AKIAA", 10), key("AKIAB", -2)))
NO_KEY = past(user("ann"))


@pytest.mark.parametrize(
    ("age", "judged", "later"), [(SECOND, 1, 0), (0, 1, 0), (-1e-6 / 86_400, 0, 1), (-SECOND, 0, 1), (-400, 0, 1)]
)
def test_a_key_is_judged_from_the_instant_of_its_creation(age: float, judged: int, later: int) -> None:
    report = report_of(user("ann", key("AKIAA", age)))

    assert report["coverage"]["keys_judged"] == sum(report["totals"].values()) == judged  # type: ignore[arg-type]  # int
    assert report["coverage"]["keys_not_yet_created"] == later
    assert sum(bin_["keys"] for bin_ in report["age_histogram"]) == judged


@pytest.mark.parametrize("include_inactive", [False, True])
def test_an_inactive_key_that_was_created_later_is_not_passed_over_as_inactive(include_inactive: bool) -> None:
    keys = key("AKIAA", -1, "Inactive"), key("AKIAB", 1, "Inactive"), key("AKIAC", -1)

    coverage = report_of(user("ann", *keys), include_inactive=include_inactive)["coverage"]

    assert coverage["keys_not_yet_created"] == 2
    assert (coverage["keys_judged"], coverage["keys_inactive_skipped"]) == ((1, 0) if include_inactive else (0, 1))


def test_the_evidence_has_the_key_that_was_created_later_without_a_verdict() -> None:
    terms = ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(as_of=AS_OF), facts(), started_at=LATER)

    page = evaluate_page(terms, 1, ["ann"], [user("ann", key("AKIAA", 10), key("AKIAB", -2))])

    assert [judged["verdict"] for judged in page["users"][0]["keys"]] == ["ok", None]
    assert (page["as_of"], page["started_at"]) == ("2026-11-22T08:00:00Z", "2026-12-22T08:00:00Z")


def test_a_key_that_was_created_later_is_neither_unused_nor_leaves_a_scan_incomplete() -> None:
    later = user("ann", key("AKIAA", -1, used="unknown"), cause="denied")
    never = user("bob", key("AKIAB", -29, used="never"))

    report = past(later, never, max_unused_days=10)

    assert report["coverage"]["keys_last_use_unknown"] == 0
    assert report["totals"]["unused"] == 0
    assert report["findings"] == []


def test_pages_of_scans_that_started_at_different_instants_are_not_joined() -> None:
    pages = [
        evaluate_page(
            ScanContext("scan-1", "123456789012", AS_OF, ScanPolicy(), facts(), started_at=start), number, [], []
        )
        for number, start in enumerate((AS_OF, LATER), start=1)
    ]

    with pytest.raises(InvalidEvidenceError, match="page 2 has another started_at than page 1"):
        join_pages(pages, facts())


@pytest.mark.parametrize(
    ("started_at", "says"),
    [
        (AS_OF - timedelta(days=1), False),
        (AS_OF, False),
        (AS_OF + timedelta(microseconds=1), True),
        (AS_OF + timedelta(days=300), True),
    ],
)
def test_a_scan_as_of_an_instant_before_its_start_says_that_it_does_not_see_what_was_deleted_since(
    started_at: datetime, says: bool
) -> None:
    report = report_of(user("ann", key("AKIAA", 10)), as_of=AS_OF, started_at=started_at)

    assert (DELETED_SINCE in report["not_covered"]) is says


def test_a_scan_of_the_past_that_judges_by_last_uses_says_what_it_cannot_know_of_them() -> None:
    says = "whether a key that was used since 2026-11-22T08:00:00Z was unused then: IAM keeps the last use alone"

    assert says in past(user("ann"), max_unused_days=45)["not_covered"]
    assert says not in past(user("ann"))["not_covered"]
    assert says not in report_of(user("ann"), max_unused_days=45)["not_covered"]


@pytest.mark.parametrize(
    ("report", "headline", "subject", "keys"),
    [
        pytest.param(
            ALL_LATER,
            f"No access key in {ACCOUNT} could be judged as of 2026-11-22T08:00:00Z: each one was created later.",
            f"0 overdue access keys in {ACCOUNT} at 2026-11-22 - NO KEY JUDGED: 3 created later",
            "Keys: 0 judged = 0 overdue + 0 due soon + 0 ok; 0 inactive skipped; 3 created after"
            " 2026-11-22T08:00:00Z, not judged.",
            id="no key judged",
        ),
        pytest.param(
            past(user("ann", key("AKIAA", -1), key("AKIAB", 5, "Inactive"))),
            f"No access key in {ACCOUNT} could be judged as of 2026-11-22T08:00:00Z: each one was created later or is"
            " inactive.",
            f"0 overdue access keys in {ACCOUNT} at 2026-11-22 - NO KEY JUDGED: 1 created later",
            "Keys: 0 judged = 0 overdue + 0 due soon + 0 ok; 1 inactive skipped; 1 created after"
            " 2026-11-22T08:00:00Z, not judged.",
            id="no key judged, one inactive",
        ),
        pytest.param(
            SOME_LATER,
            f"No access key that still exists in {ACCOUNT} is older than 90 days as of 2026-11-22T08:00:00Z.",
            f"0 overdue access keys in {ACCOUNT} at 2026-11-22 (current keys of 1 user)",
            "Keys: 1 judged = 0 overdue + 0 due soon + 1 ok; 0 inactive skipped; 1 created after"
            " 2026-11-22T08:00:00Z, not judged.",
            id="one key judged",
        ),
        pytest.param(
            NO_KEY,
            f"No access key that still exists in {ACCOUNT} is older than 90 days as of 2026-11-22T08:00:00Z.",
            f"0 overdue access keys in {ACCOUNT} at 2026-11-22 (current keys of 1 user)",
            "Keys: 0 judged = 0 overdue + 0 due soon + 0 ok; 0 inactive skipped.",
            id="no key at all",
        ),
        pytest.param(
            past(user("ann", key("AKIAA", -1)), unchecked("bob")),
            f"No access key in {ACCOUNT} could be judged as of 2026-11-22T08:00:00Z: each one was created later.",
            "0 overdue keys in account 123456789012 at 2026-11-22 - INCOMPLETE: 1 of 2 users unchecked",
            "Keys: 0 judged = 0 overdue + 0 due soon + 0 ok; 0 inactive skipped; 1 created after"
            " 2026-11-22T08:00:00Z, not judged.",
            id="one user unchecked",
        ),
    ],
)
def test_the_message_of_a_scan_of_the_past_is_no_clean_bill(
    report: Report, headline: str, subject: str, keys: str
) -> None:
    message = compose_message(report, FOLDER)

    text = " ".join(message.text.split())
    assert text.startswith(headline)
    assert message.subject == subject
    assert f" {keys} " in text
    assert f"Not covered: {DELETED_SINCE}." in text


def test_the_subject_of_a_scan_of_the_past_is_short_in_the_largest_request() -> None:
    named = [
        user("n" * 61 + f"{number:03}", key(f"AKIA{number}", 100), key(f"AKIB{number}", 100)) for number in range(100)
    ]
    gone = [{"user_name": f"gone{number}", "outcome": "not_found"} for number in range(100)]
    names = tuple(f"u{number}" for number in range(100))

    for outcomes in (named, gone, [*named[:50], *gone[:50]]):
        subject = compose_message(past(*outcomes, users=names), FOLDER).subject

        assert len(subject) < 100
        assert "current keys of 100 named users" in subject


def test_the_page_of_a_scan_of_the_past_is_not_green() -> None:
    assert '<h1 class="good">' in "".join(render_html(report_of(user("ann", key("AKIAA", 10)), as_of=AS_OF)))

    for report, says in (
        (ALL_LATER, "No key could be judged: each one was created later."),
        (SOME_LATER, "No key that still exists is overdue or due soon."),
        (NO_KEY, "No key that still exists is overdue or due soon."),
    ):
        page = "".join(render_html(report))

        assert '<h1 class="warn">' in page
        assert f"<p>{says}</p>" in page
        assert f"Not covered: {DELETED_SINCE}." in page
        assert "the scan started at 2026-12-22T08:00:00Z" in page
    assert '<li class="time"><b>3</b> created later</li>' in "".join(render_html(ALL_LATER))


def test_the_csv_of_a_scan_of_the_past_has_rows_for_what_it_does_not_speak_for() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(render_csv(ALL_LATER)).removeprefix("\ufeff"), newline="")))

    assert [(row["verdict"], row["cause"]) for row in rows] == [
        ("not_judged", "3 created after 2026-11-22T08:00:00Z"),
        (
            "not_covered",
            ROOT_IS_NOT_ASKED,
        ),
        ("not_covered", DELETED_SINCE),
        ("not_covered", OF_TODAY),
    ]
    assert {row["as_of"] for row in rows} == {"2026-11-22T08:00:00Z"}


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (ALL_LATER, "not_judged"),
        (SOME_LATER, "ok"),
        (past(user("ann", key("AKIAA", 100), key("AKIAB", -1))), "expired"),
        (past(user("ann", key("AKIAA", -1)), unchecked("bob")), "unchecked"),
    ],
)
def test_programs_and_chat_are_told_what_a_scan_of_the_past_does_not_see(report: Report, verdict: str) -> None:
    notification = compose_notification(report, FOLDER, https_format=HttpsFormat.CHAT)

    message = json.loads(notification["message"])
    assert notification["attributes"]["verdict"]["StringValue"] == verdict
    document = json.loads(message["sqs"])
    assert document["verdict"] == verdict
    assert DELETED_SINCE in document["summary"]["not_covered"]
    assert document["summary"]["started_at"] == "2026-12-22T08:00:00Z"
    assert document["summary"]["coverage"]["keys_not_yet_created"] == report["coverage"]["keys_not_yet_created"]
    description = json.loads(message["https"])["content"]["description"]
    assert f"Not covered: {DELETED_SINCE}." in description
    assert "created after 2026-11-22T08:00:00Z, not judged" in description


def test_a_full_scan_during_which_a_key_is_created_does_not_call_it_ok() -> None:
    report = report_of(user("ann", key("AKIAA", 10), key("AKIAB", -2 * SECOND)))

    assert report["scan_kind"] == "full"
    assert report["totals"]["ok"] == 1
    assert report["not_covered"] == []
    assert "; 1 created after 2026-11-22T08:00:00Z, not judged." in " ".join(
        compose_message(report, FOLDER).text.split()
    )


@pytest.mark.parametrize(
    ("as_of", "judged", "later", "verdicts"),
    [
        ("1970-01-01T00:00:00Z", 0, 2, [None, None]),
        ("2025-12-14T23:59:59Z", 0, 2, [None, None]),
        ("2025-12-15T00:00:00Z", 1, 1, ["ok", None]),
        ("2026-01-01T00:00:00Z", 1, 1, ["ok", None]),
        ("2026-03-15T00:00:01Z", 1, 1, ["expired", None]),
        ("2026-03-15T02:00:00+02:00", 1, 1, ["due_soon", None]),
        ("2999-01-01T00:00:00Z", 2, 0, ["expired", "expired"]),
    ],
)
def test_a_scan_judges_the_keys_that_there_were_at_its_instant(
    scanner: Scanner, as_of: str, judged: int, later: int, verdicts: list[str | None]
) -> None:
    made_up = [user_of_account("ann", "2025-12-15T00:00:00Z", "2026-11-25T00:00:00Z")]

    result = scanner.scan(made_up, as_of=as_of)

    coverage = result.report["coverage"]
    assert (coverage["keys_judged"], coverage["keys_not_yet_created"]) == (judged, later)
    [ann] = json.loads(result.files["pages/0001.json"])["users"]
    assert sorted((key["created_at"], key["verdict"]) for key in ann["keys"]) == [
        ("2025-12-15T00:00:00Z", verdicts[0]),
        ("2026-11-25T00:00:00Z", verdicts[1]),
    ]
    instant = datetime.fromisoformat(as_of).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    is_past = instant < result.report["started_at"]
    says = [what for what in result.report["not_covered"] if re.search(f"deleted since {instant}", what)]
    assert len(says) == is_past
    assert (b"deleted since" in result.files["report.html"]) is is_past
    assert (b"deleted since" in result.files["report.csv"]) is is_past


def test_thirty_keys_of_today_make_no_clean_bill_of_1970(scanner: Scanner) -> None:
    made_up = [user_of_account(f"user-{number}", "2026-11-01T00:00:00Z") for number in range(30)]

    result = scanner.scan(made_up, as_of="1970-01-01T00:00:00Z")

    assert result.report["totals"] == {"expired": 0, "due_soon": 0, "ok": 0, "unused": 0, "exempt": 0}
    assert result.report["coverage"]["keys_not_yet_created"] == 30
    page = result.files["report.html"].decode()
    assert "could be judged as of 1970-01-01T00:00:00Z: each one was created later." in page
    assert '<h1 class="warn">' in page


def test_a_scan_of_the_future_says_of_when_its_last_uses_are() -> None:
    report = report_of(user("alice"), as_of=AS_OF, started_at=AS_OF - timedelta(days=30))

    assert (
        "uses after 2026-10-23T08:00:00Z: last uses, and the advice that follows from them, are of that instant"
        in (report["not_covered"])
    )

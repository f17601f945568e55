"""The renderings, read back as people's tools read them; the page is looked at in tests/scan/test_page.py."""

import csv
import io
import json
import re
from typing import Any, get_args

import pandas
import pytest

from chalicelib.documents import REPORT_FORMATS, Report
from chalicelib.key_documents import SeenFrom
from chalicelib.outputs.report_csv import render_csv
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.report_json import render_json
from chalicelib.outputs.reports import RENDERERS
from tests.support.reports import AS_OF, before, key, report_of, unchecked, user

NASTY = "=cmd|x@y.z"
CAUSE = '@SUM(1)\n"quoted", <script>alert(1)</script>, ünïcode'
EXEMPT = {"iam-key-age:exempt-until": "2026-11-22", "iam-key-age:exempt-reason": "=HYPERLINK(1)"}
TOO_LONG = EXEMPT | {"iam-key-age:exempt-until": "2030-01-01"}
REPORT = report_of(
    user(NASTY, key("AKIAOLD", 200, used=3), key("AKIADUE", 80, used="never"), tags={"owner": "=own()"} | TOO_LONG),
    user("+plus", key("AKIAPLUS", 150)),
    user("vault", key("AKIAVAULT", 300, used=250), tags=EXEMPT),
    user("-minus", key("AKIAMINUS", 140)),
    user("@at", key("AKIAAT", 130)),
    unchecked("=hidden", CAUSE),
    last=before(user(NASTY, key("AKIAOLD", 200))),
    root={"access_keys": 1},
)
SEEN: SeenFrom = {
    "status": "seen",
    "cause": None,
    "region": "us-east-1",
    "events": 42,
    "more": False,
    "first_at": "2026-11-01T07:00:00Z",
    "last_at": "2026-11-22T07:00:00Z",
    "addresses": [],
    "user_agents": [],
    "actions": [],
    "errors": [],
}
FILE = "".join(render_csv(REPORT)).encode()
TEXT = FILE.decode("utf-8-sig")


def rows(report: Report = REPORT) -> list[dict[str, str]]:
    file = io.TextIOWrapper(io.BytesIO("".join(render_csv(report)).encode()), encoding="utf-8-sig", newline="")
    return list(csv.DictReader(file))


def test_the_json_is_the_report() -> None:
    assert json.loads("".join(render_json(REPORT))) == REPORT


def test_the_csv_has_a_row_for_each_finding_exempt_key_and_unchecked_user_and_the_root_user() -> None:
    assert [(row["verdict"], row["user_name"], row["access_key_id"], row["change"]) for row in rows()] == [
        ("root_access_keys", "<root_account>", "", ""),
        ("expired", "'=cmd|x@y.z", "AKIAOLD", "still_expired"),
        ("expired", "'+plus", "AKIAPLUS", "new"),
        ("expired", "'-minus", "AKIAMINUS", "new"),
        ("expired", "'@at", "AKIAAT", "new"),
        ("due_soon", "'=cmd|x@y.z", "AKIADUE", ""),
        ("exempt", "vault", "AKIAVAULT", ""),
        ("unchecked", "'=hidden", "", ""),
    ]
    assert rows()[1] == {
        "verdict": "expired",
        "user_name": "'=cmd|x@y.z",
        "access_key_id": "AKIAOLD",
        "status": "Active",
        "created_at": "2026-05-06T08:00:00Z",
        "age_days": "200",
        "overdue_at": "2026-08-04T08:00:00Z",
        "change": "still_expired",
        "reported_since": "2026-11-21T08:00:00Z",
        "cause": "",
        "account_id": "123456789012",
        "scan_id": "scan-1",
        "as_of": "2026-11-22T08:00:00Z",
        "advice": "rotate",
        "advice_in_words": (
            "In use, last on 2026-11-19 for s3 in us-east-1, and its successor AKIADUE is not in use:"
            " move what uses this key to it, then deactivate this one."
        ),
        "safe_to_deactivate": "false",
        "last_used_at": "2026-11-19T08:00:00Z",
        "last_used_service": "s3",
        "last_used_region": "us-east-1",
        "owner": "'=own()",
        "exempt_from": "",
        "exempt_until": "2030-01-01",
        "exempt_reason": "'=HYPERLINK(1)",
        "not_exempt_because": "the exemption's end, 2030-01-01, is too far ahead: 2027-11-23 is the last day allowed",
        "owner_known": "true",
        "description": "",
        "account_alias": "",
        "user_path": "/",
        "severity": "medium",
        "can_administer": "false",
        "administers_by": "",
        "quarantined_by": "",
        "console_url": "https://console.aws.amazon.com/iam/home#/users/details/%3Dcmd%7Cx%40y.z?section=security_credentials",
        "controls": (
            "AWS FSBP IAM.3; CIS 1.4.0 1.14; CIS 1.5.0 1.14; CIS 2.0.0 1.14; CIS 3.0.0 1.14; CIS 4.0.1 1.14;"
            " CIS 5.0.0 1.13; CIS 6.0.0 2.13; CIS 7.0.0 2.12; PCI DSS 4.0.1 8.3.9; PCI DSS 4.0.1 8.6.3"
        ),
        "leave_keys": "",
        "leave_keys_url": "",
        "became_safe": "false",
        "two_active_keys": "true",
        "seen_from_status": "",
        "seen_from_addresses": "",
        "seen_from_user_agents": "",
        "seen_from_actions": "",
        "seen_from_last_at": "",
        "owner_notified": "",
    }


def test_the_csv_tells_never_used_from_unknown_and_why_a_key_is_exempt() -> None:
    by_key = {row["access_key_id"]: row for row in rows()}

    assert by_key["AKIADUE"]["last_used_at"] == "never"
    assert by_key["AKIAPLUS"]["last_used_at"] == "unknown"
    assert (by_key["AKIAPLUS"]["owner"], by_key["AKIAPLUS"]["owner_known"]) == ("", "true")
    assert (by_key["AKIAVAULT"]["exempt_until"], by_key["AKIAVAULT"]["exempt_reason"]) == (
        "2026-11-22",
        "'=HYPERLINK(1)",
    )
    assert by_key["AKIAVAULT"]["exempt_from"] == "expired"
    assert by_key["AKIAVAULT"]["advice"] == by_key["AKIAVAULT"]["not_exempt_because"] == ""


def test_the_csv_has_the_facts_of_the_user_and_what_to_use_instead() -> None:
    deploy = user(
        "github-actions",
        key("AKIAOLD", 200, used=1),
        tags="unknown",
        can_administer=True,
        administers_by="=policy",
        path="/ci/",
    )
    unknown = user("x", key("AKIAX", 100), tags="unknown", can_administer="unknown", quarantined_by="unknown")

    row, other = rows(report_of(deploy, unknown, account={"alias": "acme-prod"}))

    assert (row["severity"], row["can_administer"], row["administers_by"]) == ("high", "true", "'=policy")
    assert (row["account_alias"], row["user_path"]) == ("acme-prod", "/ci/")
    assert row["leave_keys"].startswith("GitHub Actions: Let GitHub Actions assume a role")
    assert row["leave_keys_url"] == "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html"
    assert (row["became_safe"], row["two_active_keys"], row["owner"]) == ("", "false", "unknown")
    assert (other["can_administer"], other["quarantined_by"], other["severity"]) == ("unknown", "unknown", "medium")


def test_the_csv_marks_a_key_that_became_safe_to_deactivate() -> None:
    def outcome(successor_used: Any) -> dict[str, Any]:
        return user("nightly", key("AKIAOLD", 200, used=70), key("AKIANEW", 60, used=successor_used))

    [row] = rows(report_of(outcome(1), last=before(outcome("never"))))

    assert (row["became_safe"], row["two_active_keys"]) == ("true", "true")


def test_a_quarantined_user_without_a_finding_is_a_row_of_the_csv() -> None:
    policy = "AWSCompromisedKeyQuarantineV3"
    young = user("young", key("AKIAYOUNG", 5), key("AKIAOFF", 300, "Inactive"), quarantined_by=policy)
    old = user("old", key("AKIAOLD", 200), quarantined_by=policy)
    keyless = user("keyless", quarantined_by=policy)
    hidden = {**unchecked("hidden"), "facts": user("hidden", quarantined_by=policy)["facts"]}

    found = rows(report_of(young, old, keyless, hidden))

    assert [(row["verdict"], row["user_name"], row["severity"], row["quarantined_by"]) for row in found[:4]] == [
        ("quarantined", "young", "critical", policy),
        ("quarantined", "keyless", "critical", policy),
        ("quarantined", "hidden", "critical", policy),
        ("expired", "old", "critical", policy),
    ]
    assert [row["cause"] for row in found[:3]] == [
        f"{policy}; access keys: AKIAYOUNG Active, AKIAOFF Inactive",
        f"{policy}; access keys: none",
        f"{policy}; access keys: unknown: the user could not be checked",
    ]
    assert found[0]["advice"] == "deactivate"
    assert found[0]["advice_in_words"].startswith("Deactivate the keys of a quarantined user at once")
    assert found[0]["console_url"].endswith("/young?section=security_credentials")
    assert found[0]["two_active_keys"] == "false"


def test_what_is_unknown_of_the_account_is_a_row_of_the_csv() -> None:
    account = {"unknown": [{"part": "users", "cause": "denied"}, {"part": "alias", "cause": "slow"}]}

    found = rows(report_of(user("alice"), account=account))

    assert [(row["verdict"], row["user_name"], row["cause"]) for row in found] == [
        ("unknown", "", "users: denied"),
        ("unknown", "", "alias: slow"),
    ]


def test_the_root_user_with_access_keys_is_critical_in_the_csv() -> None:
    assert rows()[0]["severity"] == "critical"


def test_the_csv_says_who_uses_a_key() -> None:
    report = report_of(user("alice", key("AKIAOLD", 200, used=1)))
    report["findings"][0]["seen_from"] = {
        **SEEN,
        "addresses": [{"value": "203.0.113.7", "events": 40}, {"value": "2001:db8::1", "events": 2}],
        "user_agents": [{"value": "=terraform", "events": 42}],
    }

    [row] = rows(report)

    assert {name: value for name, value in row.items() if name.startswith("seen_from")} == {
        "seen_from_status": "seen",
        "seen_from_addresses": "203.0.113.7 (40); 2001:db8::1 (2)",
        "seen_from_user_agents": "'=terraform (42)",
        "seen_from_actions": "",
        "seen_from_last_at": "2026-11-22T07:00:00Z",
    }


def test_a_last_use_that_is_unknown_is_a_row_where_the_policy_wants_to_know_it() -> None:
    dark = user("dark", key("AKIADARK", 60, used="unknown"), cause="Iam.IamException: Rate exceeded")

    policies: Any = ({"max_unused_days": 45}, {})

    wanted, unasked = (rows(report_of(dark, **policy)) for policy in policies)

    assert [(row["verdict"], row["user_name"], row["cause"]) for row in wanted] == [
        ("unknown", "dark", "Iam.IamException: Rate exceeded")
    ]
    assert unasked == []


def test_a_name_that_was_asked_for_and_is_not_there_is_a_row() -> None:
    report = report_of({"user_name": "pubdu", "outcome": "not_found"}, user("alice"), users=("pubdu", "alice"))

    [row] = rows(report)

    assert (row["verdict"], row["user_name"]) == ("not_found", "pubdu")


@pytest.mark.parametrize(
    ("outcomes", "policy", "says"),
    [
        ([user("alice")], {}, "No key is overdue or due soon."),
        ([user("alice")], {"max_unused_days": 45}, "No key is overdue, unused or due soon."),
        ([unchecked("alice")], {}, "No key that could be judged is overdue or due soon."),
    ],
)
def test_the_page_calls_no_key_fine_that_could_not_be_judged(outcomes: Any, policy: Any, says: str) -> None:
    assert f"<p>{says}</p>" in "".join(render_html(report_of(*outcomes, **policy)))


def test_a_root_user_of_whom_iam_would_not_say_is_an_unchecked_row() -> None:
    [row] = rows(report_of(user("alice"), root={"cause": "denied"}))

    assert (row["verdict"], row["user_name"], row["cause"]) == ("unchecked", "<root_account>", "denied")


def test_a_cause_of_several_lines_with_quotes_and_commas_comes_back_whole() -> None:
    assert rows()[-1]["cause"] == f"'{CAUSE}"


def test_no_cell_begins_a_formula() -> None:
    cells = [cell for row in csv.reader(io.StringIO(TEXT, newline="")) for cell in row]

    assert [cell for cell in cells if re.match(r"\s*[=+@＝＋－＠-]", cell)] == []
    assert sum(cell.startswith("'") for cell in cells) == 12


@pytest.mark.parametrize("start", ["\t=1", "\r=1", "\n=1", "＝1"])
def test_neither_blanks_nor_wide_characters_lead_to_a_formula(start: str) -> None:
    [row] = rows(report_of(unchecked("alice", start)))

    assert row["cause"] == f"'{start}"


def test_the_csv_is_as_rfc_4180_has_it() -> None:
    outside_of_quotes = re.sub(r'"(?:[^"]|"")*"', "", TEXT)

    assert '"' not in outside_of_quotes
    assert outside_of_quotes.count("\r\n") == outside_of_quotes.count("\n") == outside_of_quotes.count("\r") == 9
    assert {len(row) for row in csv.reader(io.StringIO(TEXT, newline=""), strict=True)} == {44}


def test_the_csv_is_read_by_pandas() -> None:
    frame: Any = pandas.read_csv(io.BytesIO(FILE), dtype={"account_id": str})

    assert frame.columns[0] == "verdict"
    assert frame["verdict"].tolist() == [
        *("root_access_keys", *["expired"] * 4, "due_soon", "exempt", "unchecked"),
    ]
    assert frame["age_days"].sum() == 200 + 150 + 140 + 130 + 80 + 300
    assert frame["account_id"].unique().tolist() == ["123456789012"]
    assert pandas.to_datetime(frame["overdue_at"], utc=True).min() == pandas.Timestamp("2026-04-26T08:00:00Z")


def test_a_scan_of_named_users_has_no_changes_in_its_csv() -> None:
    [row] = rows(report_of(user("alice", key("AKIAOLD", 200)), users=("alice",)))

    assert (row["change"], row["reported_since"]) == ("", "")


@pytest.mark.parametrize(
    ("max_age_days", "limits"),
    [
        (90, [0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165, 180]),
        (100, [0, 15, 32, 49, 66, 83, 100, 117, 134, 151, 168, 185, 202]),
        (1, [0, 1, 2, 3, 4, 5, 6, 7]),
        (3650, [0, 605, 1214, 1823, 2432, 3041, 3650, 4259, 4868, 5477, 6086, 6695, 7304]),
    ],
)
def test_the_limit_is_always_between_two_bins(max_age_days: int, limits: list[int]) -> None:
    histogram = report_of(user("alice"), max_age_days=max_age_days, warn_days=0)["age_histogram"]

    assert [bin_["from_days"] for bin_ in histogram] == limits
    assert [bin_["to_days"] for bin_ in histogram] == [*limits[1:], None]


@pytest.mark.parametrize(
    ("age", "from_days"),
    [(0, 0), (15, 0), (15 + 1e-4, 15), (90 - 1e-4, 75), (90, 75), (90 + 1e-4, 90), (180, 165), (5_000, 180)],
)
def test_a_key_is_in_the_bin_of_its_exact_age(age: float, from_days: int) -> None:
    histogram = report_of(user("alice", key("AKIA", age)))["age_histogram"]

    assert [bin_["from_days"] for bin_ in histogram if bin_["keys"]] == [from_days]


def test_keys_passed_over_or_created_later_are_not_in_the_histogram() -> None:
    keys = key("AKIA", 10, "Inactive"), key("AKIB", 10), key("AKIC", -5)

    histogram = report_of(user("alice", *keys))["age_histogram"]

    assert sum(bin_["keys"] for bin_ in histogram) == 1


def test_the_page_escapes_what_it_is_given() -> None:
    page = "".join(render_html(REPORT))

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<script>") == 1
    assert not re.search(r"src=|href=(?!\"(data:|https://console\.aws\.amazon\.com/iam/home#))", page)


@pytest.mark.parametrize("status", get_args(SeenFrom.__annotations__["status"]))
def test_the_page_says_who_uses_a_key_or_why_that_is_not_known(status: Any) -> None:
    report = report_of(user("alice", key("AKIAOLD", 200, used=1)))
    assert "<dt>CloudTrail</dt>" not in "".join(render_html(report))
    report["findings"][0]["seen_from"] = {**SEEN, "status": status, "cause": "<b>Rate exceeded</b>"}

    page = "".join(render_html(report))

    said = re.search("<dt>CloudTrail</dt><dd>(.+)</dd>", page)
    assert said is not None
    assert "<b>" not in said[1]


def test_the_page_of_a_scan_of_named_users_says_what_it_does_not_speak_for() -> None:
    ghost = {"user_name": "ghost", "outcome": "not_found"}

    page = "".join(render_html(report_of(user("alice"), ghost, users=("alice", "ghost"), as_of=AS_OF)))

    assert "Not covered: all users but those that the scan policy names." in page
    assert "Named by the scan policy, not in IAM" in page
    assert "an instant that the scan policy sets; the scan started at 2026-11-22T08:00:00Z" in page
    assert "No key is overdue or due soon." in page


def test_each_format_of_a_report_has_a_renderer() -> None:
    assert set(RENDERERS) == set(REPORT_FORMATS)

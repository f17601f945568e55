"""report.csv of an organization, read back as people's tools read it."""

import csv
import io
from typing import Any

import pandas
import pytest

from chalicelib.documents import Report
from chalicelib.organization_documents import ListedAccount
from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.outputs.report_csv import render_csv
from tests.support.organization_reports import REFUSED, account_id, account_report, joined, listed, suspended
from tests.support.reports import key, report_of, unchecked, user

LEAKED: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"}
EXEMPT = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}
NASTY = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\tx", "＝1", 'a "quoted", name\nof two lines', "ünïcode"]


def file_of(*outcomes: Any, not_scanned: Any = (), **policy: Any) -> str:
    with OrganizationCsv() as table:
        report = joined(outcomes, not_scanned, None, table, **policy)
        return "".join(table.render(report))


def rows_of(*outcomes: Any, **more: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file_of(*outcomes, **more).removeprefix("\ufeff"), newline="")))


def account(number: int, name: str | None, *outcomes: Any, **more: Any) -> tuple[ListedAccount, Report]:
    return listed(number, name), account_report(number, *outcomes, **more)


def test_the_columns_are_those_of_an_accounts_file_and_the_name_of_the_account_at_the_end() -> None:
    header = next(iter(csv.reader(io.StringIO(file_of(account(1, "web"))))))
    of_one = next(iter(csv.reader(io.StringIO("".join(render_csv(report_of()))))))

    assert header == [*of_one, "account_name"]


def test_the_rows_are_in_the_order_of_severity_then_of_accounts_then_of_age() -> None:
    rows = rows_of(
        account(1, "alpha", user("a", key("AKIAALPHA1", 100, used=1), key("AKIAALPHA2", 300, used=1)), unchecked("x")),
        account(2, "beta", user("b", key("AKIABETA1", 100, used="never"), key("AKIABETA2", 80, used=1))),
        account(3, "gamma", user("g", key("AKIAGAMMA", 10), **LEAKED), user("h", key("AKIAGAMMB", 900, used=1))),
        account(4, "delta", user("d", key("AKIADELTA", 900, used=1), tags=EXEMPT), root={"access_keys": 1}),
        (listed(5, "refused"), REFUSED),
        not_scanned=[suspended(6, "closed")],
    )

    assert [(row["verdict"], row["severity"], row["account_name"], row["access_key_id"]) for row in rows] == [
        ("quarantined", "critical", "gamma", ""),
        ("root_access_keys", "critical", "delta", ""),
        ("expired", "high", "beta", "AKIABETA1"),
        ("expired", "medium", "alpha", "AKIAALPHA2"),
        ("expired", "medium", "alpha", "AKIAALPHA1"),
        ("expired", "medium", "gamma", "AKIAGAMMB"),
        ("due_soon", "low", "beta", "AKIABETA2"),
        ("exempt", "medium", "delta", "AKIADELTA"),
        ("account_unchecked", "", "refused", ""),
        ("account_not_active", "", "closed", ""),
        ("unchecked", "", "alpha", ""),
    ]


def test_an_account_without_a_report_has_a_row_with_its_cause() -> None:
    rows = rows_of(account(1, "web"), (listed(2, None), REFUSED), not_scanned=[suspended(3, "closed")])

    assert [{name: text for name, text in row.items() if text} for row in rows] == [
        {
            "verdict": "account_unchecked",
            "cause": REFUSED,
            "account_id": account_id(2),
            "scan_id": "scan-1",
            "as_of": "2026-11-22T08:00:00Z",
        },
        {
            "verdict": "account_not_active",
            "cause": "it is suspended",
            "account_id": account_id(3),
            "account_name": "closed",
            "scan_id": "scan-1",
            "as_of": "2026-11-22T08:00:00Z",
        },
    ]


@pytest.mark.parametrize("name", NASTY)
def test_no_spreadsheet_runs_the_name_of_an_account(name: str) -> None:
    old = user("a", key("AKIAOLD", 200, used=1))

    rows = rows_of(account(1, name, old), (listed(2, name), REFUSED), not_scanned=[suspended(3, name)])

    harmless = f"'{name}" if name[0] in "=+-@\t＝" else name
    assert [row["account_name"] for row in rows] == [harmless] * 3
    assert [row["account_id"] for row in rows] == [account_id(number) for number in (1, 2, 3)]


def test_a_spreadsheet_reads_the_file_whole() -> None:
    text = file_of(*(account(number, name, user("a", key(f"AKIA{number}", 200))) for number, name in enumerate(NASTY)))

    table = pandas.read_csv(io.BytesIO(text.encode()), encoding="utf-8-sig", dtype=str)

    assert len(table) == len(NASTY)
    assert list(table["account_id"]) == [account_id(number) for number in range(len(NASTY))]


def test_the_rows_of_an_account_are_those_of_its_own_file() -> None:
    report = account_report(
        1, user("a", key("AKIAOLD", 200, used=1), tags={"owner": "=own()"}), unchecked("=x", "@y"),
        user("v", key("AKIAVAULT", 300, used=250), tags=EXEMPT), root={"cause": "denied"}, max_unused_days=45,
    )  # fmt: skip
    own = list(csv.DictReader(io.StringIO("".join(render_csv(report)).removeprefix("\ufeff"), newline="")))

    rows = rows_of((listed(1, "web"), report), max_unused_days=45)

    in_order = sorted(own, key=lambda row: (row["verdict"], row["user_name"]))
    assert sorted(rows, key=lambda row: (row["verdict"], row["user_name"])) == [
        {**row, "account_name": "web"} for row in in_order
    ]

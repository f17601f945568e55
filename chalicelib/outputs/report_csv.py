"""report.csv. Pure."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from chalicelib.documents import Finding, Report
from chalicelib.outputs import sentences
from chalicelib.report.summary import (
    changes_by_key,
    is_of_the_past,
)

_COLUMNS = (
    "verdict",
    "user_name",
    "access_key_id",
    "status",
    "created_at",
    "age_days",
    "overdue_at",
    "change",
    "reported_since",
    "cause",
    "account_id",
    "scan_id",
    "as_of",
    "advice",
    "advice_in_words",
    "safe_to_deactivate",
    "last_used_at",
    "last_used_service",
    "last_used_region",
    "owner",
    "exempt_from",
    "exempt_until",
    "exempt_reason",
    "not_exempt_because",
    "owner_known",
    "description",
)
# By which Excel knows that a file is UTF-8, and not of its own code page.
_BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet runs a cell that begins so: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  # spreadsheets take the wide ones, too


def render_csv(report: Report) -> Iterator[str]:
    """Render report.csv as RFC 4180 has it: a row for each finding, each exempt key, then each unchecked user.

    There is also a row for

    - the root user, if it has access keys or that is unknown;
    - a user of whose keys a last use is unknown, if the policy judges by it;
    - a user that the policy names and IAM does not have;
    - the keys that were created after the scan's instant, and what a scan of the past does not cover.
    """
    of_all = {"account_id": report["account_id"], "scan_id": report["scan_id"], "as_of": report["as_of"]}
    changes = changes_by_key(report)
    yield _BYTE_ORDER_MARK + _row(_COLUMNS)
    for cells in _root_cells(report):
        yield _record({**cells, **of_all})
    for finding in [*report["findings"], *report["exempt"]]:
        yield _record({**finding, **_detail_cells(finding), **changes.get(finding["access_key_id"], {}), **of_all})
    for user in report["unchecked"]:
        yield _record({"verdict": "unchecked", **user, **of_all})
    for user in report["details_unknown"] if "max_unused_days" in report["policy"] else []:
        yield _record({"verdict": "unknown", **user, **of_all})
    for name in report["not_found"] if "users" in report["policy"] else []:
        yield _record({"verdict": "not_found", "user_name": name, **of_all})
    for cause in sentences.created_later(report):
        yield _record({"verdict": "not_judged", "cause": cause, **of_all})
    for cause in report["not_covered"] if is_of_the_past(report) else []:
        yield _record({"verdict": "not_covered", "cause": cause, **of_all})


def _root_cells(report: Report) -> Iterator[dict[str, Any]]:
    root = report["root"]
    if root and root["verdict"] != "ok":
        verdict = "unchecked" if root["verdict"] == "unknown" else root["verdict"]
        advice = {"advice": "delete", "advice_in_words": f"{sentences.ROOT_ADVICE.capitalize()}."}
        row = {"verdict": verdict, "user_name": "<root_account>", "cause": root["cause"]}
        yield {**row, **(advice if root["cause"] is None else {})}


def _detail_cells(finding: Finding) -> dict[str, Any]:
    """Spread what is known of a finding over columns of texts."""
    last_used = finding["last_used"]
    if not isinstance(last_used, dict):
        used: dict[str, Any] = {"last_used_at": last_used or sentences.no_use_in_words(finding)}
    else:
        used = {f"last_used_{name}": value for name, value in last_used.items()}
    safe = finding["safe_to_deactivate"]
    exemption = finding["exemption"] or {"until": None, "reason": None, "why_not": None}
    return {
        **used,
        "safe_to_deactivate": None if safe is None else str(safe).lower(),
        "exempt_until": exemption["until"],
        "exempt_reason": exemption["reason"],
        "not_exempt_because": exemption["why_not"],
        "owner_known": str(finding["owner_known"]).lower(),
    }


def _record(cells: dict[str, Any]) -> str:
    return _row("" if (cell := cells.get(column)) is None else _harmless(str(cell)) for column in _COLUMNS)


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell

"""report.csv. Pure."""

import csv
import io
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from chalicelib.documents import Report
from chalicelib.key_documents import Finding, Seen, SeenFrom
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs import sentences
from chalicelib.outputs.headline import QUARANTINE_ADVICE, QUARANTINE_PAGE
from chalicelib.outputs.plan_sentences import held_because
from chalicelib.outputs.report_sentences import keys_in_words, leave_keys_in_words
from chalicelib.report.summary import (
    changes_by_key,
    is_of_the_past,
)
from chalicelib.severity import Severity
from chalicelib.telling.owners import owner_of
from chalicelib.telling_settings import OwnerRule

COLUMNS = (
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
    "account_alias",
    "user_path",
    "severity",
    "can_administer",
    "administers_by",
    "quarantined_by",
    "console_url",
    "controls",
    "leave_keys",
    "leave_keys_url",
    "became_safe",
    "two_active_keys",
    "seen_from_status",
    "seen_from_addresses",
    "seen_from_user_agents",
    "seen_from_actions",
    "seen_from_last_at",
    "owner_notified",
)
PLAN_COLUMNS = ("plan_status", "plan_due_on", "plan_held_because")  # of a report with a plan, after all others
# By which Excel knows that a file is UTF-8, and not of its own code page.
_BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet runs a cell that begins so: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  # spreadsheets take the wide ones, too


def render_csv(report: Report) -> Iterator[str]:
    """Render report.csv as RFC 4180 has it: a row for each finding, each exempt key, then each unchecked user.

    There is also a row for

    - the root user, if it has access keys or that is unknown;
    - a user whom AWS quarantined and who has no finding;
    - what is unknown of the account;
    - a user of whose keys a last use is unknown, if the policy judges by it;
    - a user that the policy names and IAM does not have;
    - the keys that were created after the scan's instant, and what a scan of the past does not cover.
    """
    columns = columns_of(report)
    yield header(columns)
    notices = report.get("notices")
    for cells in rows_of(report, OwnerRule(notices["by"], tuple(notices["domains"])) if notices else None):
        yield row(record(cells, columns))


def columns_of(report: AnyReport, *more: str) -> tuple[str, ...]:
    """Return the columns of report.csv; `more` are those of an organization alone."""
    return (*COLUMNS, *more, *(PLAN_COLUMNS if "plan" in report else ()))


def header(columns: Iterable[str]) -> str:
    """Return the first line."""
    return _BYTE_ORDER_MARK + row(columns)


def record(cells: Mapping[str, Any], columns: Iterable[str]) -> list[str]:
    """Return the texts of a line, with the cells that there are columns for."""
    return [_harmless(_text(cells.get(column))) for column in columns]


def rows_of(report: Report, owners: OwnerRule | None) -> Iterator[dict[str, Any]]:
    """Yield the rows of report.csv, as cells by column; `owners` says who can be notified, where the stage does so."""
    of_all = {name: report[name] for name in ("account_id", "account_alias", "scan_id", "as_of")}
    changes, owners = changes_by_key(report), owners if report["changes"] else None  # of a full scan
    for cells in [*_root_cells(report), *_quarantine_cells(report)]:
        yield {**cells, **of_all}
    became_safe, two_active_keys = _became_safe(report), set(report["two_active_keys"])
    for finding in [*report["findings"], *report["exempt"]]:
        key_id = finding["access_key_id"]
        safe = None if became_safe is None else key_id in became_safe
        is_notified = owner_of(finding, owners) is not None if owners and finding["verdict"] != "exempt" else None
        more = {
            "became_safe": safe,
            "two_active_keys": finding["user_name"] in two_active_keys,
            "owner_notified": is_notified,
        }
        yield {**finding, **_detail_cells(finding), **changes.get(key_id, {}), **more, **of_all}
    for unknown in report["account_unknown"]:
        yield {"verdict": "unknown", "cause": f"{unknown['part']}: {unknown['cause']}", **of_all}
    for user in report["unchecked"]:
        yield {"verdict": "unchecked", **user, **of_all}
    for user in report["details_unknown"] if "max_unused_days" in report["policy"] else []:
        yield {"verdict": "unknown", **user, **of_all}
    for name in report["not_found"] if "users" in report["policy"] else []:
        yield {"verdict": "not_found", "user_name": name, **of_all}
    for cause in sentences.created_later(report):
        yield {"verdict": "not_judged", "cause": cause, **of_all}
    for cause in report["not_covered"] if is_of_the_past(report) else []:
        yield {"verdict": "not_covered", "cause": cause, **of_all}


def _root_cells(report: Report) -> Iterator[dict[str, Any]]:
    root = report["root"]
    if root and root["verdict"] != "ok":
        verdict = "unchecked" if root["verdict"] == "unknown" else root["verdict"]
        advice = {"advice": "delete", "advice_in_words": f"{sentences.ROOT_ADVICE.capitalize()}."}
        row = {"verdict": verdict, "user_name": "<root_account>", "cause": root["cause"]}
        yield {**row, **({**advice, "severity": Severity.CRITICAL} if root["cause"] is None else {})}


def _quarantine_cells(report: Report) -> Iterator[dict[str, Any]]:
    with_finding = {finding["user_name"] for finding in report["findings"]}
    for user in report["quarantined"]:
        if user["user_name"] not in with_finding:
            yield {
                **user,
                "verdict": "quarantined",
                "cause": f"{user['policy']}; access keys: {keys_in_words(user)}",
                "advice": "deactivate",
                "advice_in_words": f"{QUARANTINE_ADVICE}: {QUARANTINE_PAGE}",
                "severity": Severity.CRITICAL,
                "quarantined_by": user["policy"],
                "two_active_keys": user["user_name"] in report["two_active_keys"],
            }


def _became_safe(report: Report) -> Container[str] | None:
    """Return the ids of the keys that became safe to deactivate; None without an earlier scan to compare with."""
    changes = report["changes"]
    return set(changes["became_safe"]) if changes and changes["since"] else None


def _detail_cells(finding: Finding) -> dict[str, Any]:
    """Spread what is known of a finding over columns of texts."""
    last_used = finding["last_used"]
    if not isinstance(last_used, dict):
        used: dict[str, Any] = {"last_used_at": last_used or sentences.no_use_in_words(finding)}
    else:
        used = {f"last_used_{name}": value for name, value in last_used.items()}
    exemption = finding["exemption"] or {"until": None, "reason": None, "why_not": None}
    leave_keys, seen_from = finding["leave_keys"], finding["seen_from"]
    return {
        **used,
        "exempt_until": exemption["until"],
        "exempt_reason": exemption["reason"],
        "not_exempt_because": exemption["why_not"],
        "leave_keys": leave_keys and leave_keys_in_words(leave_keys),
        "leave_keys_url": leave_keys and leave_keys["url"],
        **(_seen_cells(seen_from) if seen_from else {}),
        **_plan_cells(finding),
    }


def _plan_cells(finding: Finding) -> dict[str, Any]:
    if not (key := finding.get("plan")):
        return {}
    because = held_because(key)
    return {"plan_status": key["status"], "plan_due_on": key["due_on"], "plan_held_because": because}


def _seen_cells(seen: SeenFrom) -> dict[str, Any]:
    return {
        "seen_from_status": seen["status"],
        "seen_from_addresses": [_numbered(one) for one in seen["addresses"]],
        "seen_from_user_agents": [_numbered(one) for one in seen["user_agents"]],
        "seen_from_actions": [_numbered(one) for one in seen["actions"]],
        "seen_from_last_at": seen["last_at"],
    }


def _numbered(seen: Seen) -> str:
    return f"{seen['value']} ({seen['events']})"


def _text(cell: object) -> str:
    """Return a cell as text: nothing for None, and what JSON has for true and false."""
    if cell is None:
        return ""
    if isinstance(cell, list):
        return "; ".join(cell)
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def row(cells: Iterable[str]) -> str:
    """Return a line."""
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell

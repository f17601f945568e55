"""The renderings of a report: JSON, CSV and one self-contained HTML page. Pure, but for the page's own parts."""

import base64
import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.documents import AgeBin, Finding, Report
from chalicelib.outputs import sentences
from chalicelib.report.build import has_root_access_keys, is_complete, is_of_the_past, judges_no_key

_TEMPLATES = Path(__file__).with_name("templates")
_PLOT_WIDTH, _PLOT_HEIGHT, _GAP = 700, 140, 6  # as report.html.jinja draws it
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


class Bar(NamedTuple):
    """A bar of the histogram, in the units of its drawing."""

    left: float
    middle: float
    width: float
    top: float
    height: float
    number: int
    from_days: int
    over: bool  # the limit


def render_json(report: Report) -> Iterator[str]:
    """Render report.json."""
    return json.JSONEncoder(indent=1).iterencode(report)


def render_csv(report: Report) -> Iterator[str]:
    """Render report.csv as RFC 4180 has it: a row for each finding, each exempt key, then each unchecked user.

    The root user has a row where it has access keys or that is unknown; a user, where a last use is unknown and the
    policy wants to know it; a name, where the scan was asked for it and IAM does not know it. What a scan of the past
    does not cover has rows, too, and so have the keys that were created later: no file of it looks clean.
    """
    of_all = {"account_id": report["account_id"], "scan_id": report["scan_id"], "as_of": report["as_of"]}
    changes = _changes_by_key(report)
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


def render_html(report: Report) -> Iterator[str]:
    """Render report.html, which needs nothing from elsewhere."""
    import jinja2  # only here: it takes longer to load than the other functions take to run
    from markupsafe import Markup

    style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("report.css", "report.js"))
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("report.html.jinja")
    bars, limit_x = _bars(report["age_histogram"], report["policy"]["max_age_days"])
    stream = page.stream(
        report=report,
        complete=is_complete(report),
        has_root_access_keys=has_root_access_keys(report),
        is_of_the_past=is_of_the_past(report),
        judges_no_key=judges_no_key(report),
        sentences=sentences,
        changes_by_key=_changes_by_key(report) if report["changes"] and report["changes"]["since"] else {},
        bars=bars,
        limit_x=limit_x,
        style=Markup(style),  # noqa: S704  # the project's own file
        script=Markup(script),  # noqa: S704  # the project's own file
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )
    stream.enable_buffering(500)
    return iter(stream)


# In the order of keeping them: report.json is there when all are.
RENDERINGS = {"csv": render_csv, "html": render_html, "json": render_json}


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


def _changes_by_key(report: Report) -> dict[str, dict[str, str]]:
    """Tell of each expired key of a full scan whether it is new."""
    changes = report["changes"]
    if not changes:
        return {}
    return {
        key["access_key_id"]: {"change": change, "reported_since": key["reported_since"]}
        for change, keys in (("new", changes["new"]), ("still_expired", changes["still_expired"]))
        for key in keys
    }


def _record(cells: dict[str, Any]) -> str:
    return _row("" if (cell := cells.get(column)) is None else _harmless(str(cell)) for column in _COLUMNS)


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _bars(histogram: list[AgeBin], max_age_days: int) -> tuple[list[Bar], float]:
    """Lay out the histogram's bars, and where between them the limit is."""
    slot = _PLOT_WIDTH / len(histogram)
    most = max(1, *(bin_["keys"] for bin_ in histogram))
    bars = []
    for index, bin_ in enumerate(histogram):
        height = max(_PLOT_HEIGHT * bin_["keys"] / most, 2 if bin_["keys"] else 0)
        left, middle, width, top, height = (
            round(length, 1)
            for length in (index * slot, (index + 0.5) * slot, slot - _GAP, _PLOT_HEIGHT - height, height)
        )
        over = bin_["from_days"] >= max_age_days
        bars.append(Bar(left, middle, width, top, height, bin_["keys"], bin_["from_days"], over))
    return bars, next(bar.left for bar in bars if bar.over)


def _csp_hash(text: str) -> str:
    """Name an inline part to the page's Content-Security-Policy, which lets nothing else in."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

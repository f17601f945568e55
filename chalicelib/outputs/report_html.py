"""The renderings of a report: JSON, CSV and one self-contained HTML page. Pure, but for the page's own parts."""

import base64
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.documents import AgeBin, Report
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs import (
    action_sentences,
    evidence,
    plan_sentences,
    report_sentences,
    sentences,
    usage_sentences,
)
from chalicelib.outputs.description import describe_report
from chalicelib.outputs.headline import QUARANTINE_ADVICE, QUARANTINE_PAGE
from chalicelib.outputs.organization_sentences import account_label
from chalicelib.report.summary import changes_by_key

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).with_name("templates")
_MOST_PLANNED = 500  # keys, which are also among the findings
_PLOT_WIDTH, _PLOT_HEIGHT, _GAP = 700, 140, 6  # as report.html.jinja draws it


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


def render_html(report: Report) -> Iterator[str]:
    """Render report.html, which needs nothing from elsewhere."""
    changes = report["changes"]
    safe = set(changes["became_safe"]) if changes else set()
    bars, limit_x = _bars(report["age_histogram"], report["policy"]["max_age_days"])
    return render_page(
        "report.html.jinja",
        report,
        users=report["coverage"],
        findings=report["findings"],
        quarantined=len(report["quarantined"]),
        quarantined_users=report["quarantined"],
        became_safe=safe,
        reactivated=set(changes["reactivated"]) if changes else set(),
        safe_now=[finding for finding in report["findings"] if finding["access_key_id"] in safe],
        changes_by_key=changes_by_key(report) if changes and changes["since"] else {},
        bars=bars,
        limit_x=limit_x,
    )


def render_page(template: str, report: AnyReport, **values: object) -> Iterator[str]:
    """Render a page from its template, with what all pages have besides these values."""
    from markupsafe import Markup

    planned = plan_sentences.planned_keys(report)
    in_plan = report["plan"]["due"] + report["plan"]["held"] if "plan" in report else 0
    approval = plan_sentences.approval_request(report)

    style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("report.css", "report.js"))
    stream = (
        _environment()
        .get_template(template)
        .stream(
            **values,
            report=report,
            described=describe_report(report),
            quarantine_advice=QUARANTINE_ADVICE,
            quarantine_page=QUARANTINE_PAGE,
            controls_in_short=evidence.controls_in_short,
            controls=evidence.controls(report),
            results=evidence.results(report),
            not_evidence_for=evidence.not_evidence_for(report),
            of_accounts="accounts" in report,
            planned=planned[:_MOST_PLANNED],
            planned_left_out=in_plan - len(planned[:_MOST_PLANNED]),
            approval=(approval[0], json.dumps(approval[1])) if approval else None,
            style=Markup(style),  # noqa: S704  # the project's own file
            script=Markup(script),  # noqa: S704  # the project's own file
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
        )
    )
    stream.enable_buffering(500)
    return iter(stream)


@functools.cache  # a warm function that scans one small account after the other would mostly compile templates
def _environment() -> "jinja2.Environment":
    import jinja2  # only here: it takes longer to load than the other functions take to run

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        sentences=sentences,
        report_sentences=report_sentences,
        usage_sentences=usage_sentences,
        plan_sentences=plan_sentences,
        action_sentences=action_sentences,
        account_label=account_label,
    )
    return environment


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

"""report.html of an organization: a page for who answers for all accounts. Pure, but for the page's own parts."""

from collections.abc import Callable, Iterator

from chalicelib.organization_documents import AccountRow, OrganizationReport
from chalicelib.outputs.organization_sentences import count_severe
from chalicelib.outputs.report_html import render_page
from chalicelib.outputs.sentences import verdict_label
from chalicelib.outputs.subject import wordings

_MOST_KEYS = 200
_TONES = {"ok": "good", "due_soon": "warn", "not_judged": "warn"}
_Column = tuple[Callable[[AccountRow], int], str]


def render_organization_html(report: OrganizationReport) -> Iterator[str]:
    """Render report.html, which needs nothing from elsewhere; it links to the reports of the accounts beside it."""
    changes, findings = report["changes"], report["findings"][:_MOST_KEYS]
    compared = changes is not None and changes["since"] is not None
    of_outcome = {
        outcome: [row for row in report["accounts"] if row["outcome"] == outcome]
        for outcome in ("scanned", "unchecked", "not_active")
    }
    return render_page(
        "organization.html.jinja",
        report,
        **of_outcome,
        title=wordings(report)[0],
        users=report["users"],
        new=set(changes["accounts_new"]) if changes and compared else set(),
        columns=list(_columns(report, compared=compared)),
        verdicts=_verdicts,
        findings=findings,
        left_out=len(report["findings"]) - len(findings) + report["findings_left_out"],
        quarantined=report["quarantined"],
        quarantined_users=report["quarantined_users"],
        became_safe={one["access_key_id"] for one in findings if one["became_safe"]},
        reactivated={one["access_key_id"] for one in findings if one["reactivated"]},
        changes_by_key={one["access_key_id"]: one for one in findings if one["change"]} if compared else {},
    )


def _columns(report: OrganizationReport, *, compared: bool) -> Iterator[_Column]:
    yield count_severe, "Critical + high"
    yield _total("expired"), "Overdue"
    if compared:
        yield lambda row: row["changes"]["new"] if row["changes"] else 0, "New"
    if "max_unused_days" in report["policy"]:
        yield _total("unused"), "Unused"
    yield _total("due_soon"), "Due soon"
    if report["totals"]["exempt"]:
        yield _total("exempt"), "Exempt"


def _total(verdict: str) -> Callable[[AccountRow], int]:
    return lambda row: row["totals"][verdict] if row["totals"] else 0  # type: ignore[literal-required]


def _verdicts(row: AccountRow) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an account in words, each with its tone, the worst first; or that nothing is."""
    if row["quarantined"]:
        yield "leaked keys", "bad"
    if row["root_access_keys"]:
        yield "root access keys", "bad"
    if row["verdict"] not in ("unchecked", "quarantined", "root_access_keys", None):
        yield verdict_label(row["verdict"]), _TONES.get(row["verdict"], "bad")
    if not row["complete"]:
        yield "incomplete", "warn"

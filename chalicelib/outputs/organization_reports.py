"""The renderings of an organization's report, in the order of keeping them: report.json is there when all are."""

from collections.abc import Iterator

from chalicelib.organization_documents import OrganizationReport
from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.outputs.organization_html import render_organization_html
from chalicelib.outputs.report_json import render_json


def renderings(report: OrganizationReport, table: OrganizationCsv) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield each of `REPORT_FORMATS` with its text; `table` has watched the accounts' reports."""
    yield "csv", table.render(report)
    yield "html", render_organization_html(report)
    yield "json", render_json(report)

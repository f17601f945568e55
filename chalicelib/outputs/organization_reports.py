"""The renderings of an organization's report, made while the reports of its accounts pass by."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from chalicelib.documents import OCSF
from chalicelib.organization_documents import ListedAccount, OrganizationReport
from chalicelib.outputs.organization_csv import OrganizationCsv
from chalicelib.outputs.organization_html import render_organization_html
from chalicelib.outputs.organization_ocsf import OrganizationOcsf
from chalicelib.outputs.report_json import render_json
from chalicelib.report.organization import Outcome
from chalicelib.telling_settings import OwnerRule

_Outcomes = Iterable[tuple[ListedAccount, Outcome]]


class OrganizationRenderings:
    """Each of `REPORT_FORMATS` and, if it is wanted, OCSF; `owners` are those whom the stage notifies."""

    def __init__(self, *, ocsf: bool, owners: OwnerRule | None = None) -> None:
        self._open_files = ExitStack()
        self._csv = self._open_files.enter_context(OrganizationCsv(owners))
        self._ocsf = self._open_files.enter_context(OrganizationOcsf()) if ocsf else None

    def __enter__(self) -> "OrganizationRenderings":
        return self

    def __exit__(self, *_: object) -> None:
        self._open_files.close()

    def watch(self, outcomes: _Outcomes) -> Iterator[tuple[ListedAccount, Outcome]]:
        """Pass on what became of each account, keeping what the files have of it."""
        return self._csv.watch(self._ocsf.watch(outcomes) if self._ocsf else outcomes)

    def render(self, report: OrganizationReport) -> Iterator[tuple[str, Iterator[str]]]:
        """Yield each format with its text, in the order of keeping them: report.json is there when all are."""
        if self._ocsf:
            yield OCSF, self._ocsf.render(report)
        yield "csv", self._csv.render(report)
        yield "html", render_organization_html(report)
        yield "json", render_json(report)

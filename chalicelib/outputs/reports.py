"""What renders a report as each of `REPORT_FORMATS` and, where the stage wants it, as OCSF."""

from collections.abc import Callable, Iterator, Mapping

from chalicelib.documents import OCSF, Report
from chalicelib.outputs.report_csv import render_csv
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.report_json import render_json
from chalicelib.outputs.report_ocsf import render_ocsf

# In the order of keeping them: report.json is there when all are.
RENDERERS: Mapping[str, Callable[[Report], Iterator[str]]] = {
    "csv": render_csv,
    "html": render_html,
    "json": render_json,
}


def renderers(*, ocsf: bool) -> Mapping[str, Callable[[Report], Iterator[str]]]:
    """Return what renders a report, in the order of keeping the files; as OCSF, too, if that is wanted."""
    return {OCSF: render_ocsf, **RENDERERS} if ocsf else RENDERERS

"""What renders a report as each of `REPORT_FORMATS`."""

from chalicelib.outputs.report_csv import render_csv
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.report_json import render_json

# In the order of keeping them: report.json is there when all are.
RENDERERS = {"csv": render_csv, "html": render_html, "json": render_json}

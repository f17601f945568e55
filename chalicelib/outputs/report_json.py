"""report.json. Pure."""

import json
from collections.abc import Iterator

from chalicelib.documents import Report


def render_json(report: Report) -> Iterator[str]:
    """Render report.json."""
    return json.JSONEncoder(indent=1).iterencode(report)

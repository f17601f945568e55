"""report.json. Pure."""

import json
from collections.abc import Iterator

from chalicelib.organization_documents import AnyReport


def render_json(report: AnyReport) -> Iterator[str]:
    """Render report.json."""
    return json.JSONEncoder(indent=1).iterencode(report)

"""The largest account's report is built within what its function has."""

import json
from pathlib import Path

from bench import build_report

CONFIG = json.loads((Path(__file__).parents[2] / ".chalice" / "config.json").read_text())


def test_a_report_of_ten_thousand_findings_fits_into_the_functions_memory_and_its_message_into_sns() -> None:
    taken = build_report.run(10_000)

    assert taken["findings"] == 10_000
    assert taken["peak_mb"] < 0.75 * CONFIG["lambda_memory_size"]
    assert taken["message_bytes"] < 256 * 1024
    assert taken["answer_bytes"] < 128 * 1024

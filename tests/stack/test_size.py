"""The largest reports are built within what their functions have."""

import json
from pathlib import Path

from bench import build_report, organization_report

CONFIG = json.loads((Path(__file__).parents[2] / ".chalice" / "config.json").read_text())


def test_a_report_of_ten_thousand_findings_fits_into_the_functions_memory_and_its_message_into_sns() -> None:
    taken = build_report.run(10_000)

    assert taken["findings"] == 10_000
    assert taken["peak_mb"] < 0.75 * CONFIG["lambda_memory_size"]
    assert taken["message_bytes"] < 256 * 1024
    assert taken["answer_bytes"] < 128 * 1024


def test_an_organizations_report_with_an_account_of_ten_thousand_findings_fits_into_its_functions_memory() -> None:
    memory = CONFIG["lambda_functions"]["build_organization_report"]["lambda_memory_size"]

    taken = organization_report.run(50, 40, 10_000)

    assert taken["findings"] == 49 * 40 + 10_000
    assert taken["peak_mb"] < 0.75 * memory
    assert taken["message_bytes"] < 128 * 1024
    assert taken["besides_bytes"] < 64 * 1024

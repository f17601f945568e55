"""The largest reports are built within what their functions have."""

import json
import subprocess
import sys
from pathlib import Path

from bench import build_report, organization_report

CONFIG = json.loads((Path(__file__).parents[2] / ".chalice" / "config.json").read_text())


def test_a_report_of_ten_thousand_findings_fits_into_the_functions_memory_and_its_message_into_sns() -> None:
    taken = build_report.run(10_000)

    assert taken["findings"] == 10_000
    assert taken["peak_mb"] < 0.75 * CONFIG["lambda_memory_size"]
    assert taken["message_bytes"] < 256 * 1024
    assert taken["answer_bytes"] < 128 * 1024


READ_A_REPORT = """
import json, pathlib, sys, boto3
from bench.build_report import peak_mb
from chalicelib.steps import deactivations as deactivation_steps
boto3.client("s3", region_name="us-east-1")
report = json.loads(pathlib.Path(sys.argv[1]).read_bytes())
print(peak_mb())
"""


def test_a_plan_of_ten_thousand_keys_fits_with_its_report_and_into_the_check_of_one(tmp_path: Path) -> None:
    memory = CONFIG["lambda_functions"]["check_deactivation"]["lambda_memory_size"]

    taken = build_report.run(10_000, planned=True, folder=tmp_path)
    command = [sys.executable, "-c", READ_A_REPORT, str(tmp_path / "report.json")]
    read = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])

    assert taken["planned"] == 10_000
    assert float(read.stdout) < 0.75 * memory
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

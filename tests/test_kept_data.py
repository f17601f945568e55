"""A person's data is found and erased by the commands of docs/runbook.md."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from localaws.callers import REGION
from localaws.harness import PROJECT
from tests.conftest import Scanner, user

OLD = "2021-11-27T20:15:43Z"


def test_the_documented_commands_find_and_erase_a_persons_data_in_all_versions(
    scanner: Scanner, tmp_path: Path
) -> None:
    with_her, without = scanner.scan([user("grace", OLD)]), scanner.scan([user("bob", OLD)])
    bucket, s3 = scanner.aws.outputs()["ReportsBucket"], scanner.aws.client("s3")
    report = s3.get_object(Bucket=bucket, Key=f"scans/{with_her.scan_id}/report.json")["Body"].read()
    s3.put_object(Bucket=bucket, Key=f"scans/{with_her.scan_id}/report.json", Body=report)  # an overwritten version
    page = (PROJECT / "docs" / "runbook.md").read_text().partition("## Erase a person's data")[2]
    commands = textwrap.dedent(page[page.index("      aws s3 sync") : page.index("\n\nMessages that were sent")])
    for place, value in {"BUCKET": bucket, "NAME": "grace", "SCAN_ID": with_her.scan_id}.items():
        commands = re.sub(rf"\b{place}\b", value, commands)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": scanner.aws.endpoint_url,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": REGION,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    found = [line for line in done.stdout.splitlines() if line.startswith("scans/")]  # by grep
    assert f"scans/{with_her.scan_id}/pages/0001.json" in found
    assert not [line for line in found if without.scan_id in line]
    left = s3.list_object_versions(Bucket=bucket, Prefix=f"scans/{with_her.scan_id}/")
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")
    assert set(scanner.aws.files(without.scan_id)) == set(without.files)

"""A person's data is found and erased by the commands of docs/runbook.md."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from localaws.clients import REGION
from localaws.environment import PROJECT, LocalAws
from tests.support.scanner import Scanner, user

OLD = "2021-11-27T20:15:43Z"


@pytest.fixture
def versioned(aws: LocalAws) -> Iterator[str]:
    """The bucket, with the versions that the template asks for and that moto's CloudFormation passes over."""
    s3, bucket = aws.client("s3"), aws.outputs()["ReportsBucket"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def test_the_documented_commands_find_and_erase_a_persons_data_in_all_versions(
    scanner: Scanner, versioned: str, tmp_path: Path
) -> None:
    expired, with_her, without = (scanner.scan([user(name, OLD)]) for name in ("grace", "grace", "bob"))
    bucket, s3 = versioned, scanner.aws.client("s3")
    for name in expired.files:  # as the bucket's lifecycle does
        s3.delete_object(Bucket=bucket, Key=f"scans/{expired.scan_id}/{name}")
    report = s3.get_object(Bucket=bucket, Key=f"scans/{with_her.scan_id}/report.json")["Body"].read()
    s3.put_object(Bucket=bucket, Key=f"scans/{with_her.scan_id}/report.json", Body=report)
    both = s3.list_object_versions(Bucket=bucket, Prefix=f"scans/{with_her.scan_id}/report.json")["Versions"]
    assert [one["IsLatest"] for one in both] == [True, False]
    page = (PROJECT / "docs" / "runbook.md").read_text().partition("## Erase a person's data")[2]
    commands = textwrap.dedent(page[page.index("      aws s3 sync") : page.index("\n\nWith `OwnerNotices`")])
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
    assert f"scans/{expired.scan_id}/pages/0001.json" in found
    assert not [line for line in found if without.scan_id in line]
    left = s3.list_object_versions(Bucket=bucket, Prefix=f"scans/{with_her.scan_id}/")
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")
    assert set(scanner.aws.files(without.scan_id)) == set(without.files)


def test_the_second_scan_of_everybody_after_a_user_is_gone_names_them_no_more(scanner: Scanner) -> None:
    scanner.full_scan([user("grace", OLD), user("bob", OLD)])

    first, second = scanner.full_scan([user("bob", OLD)]), scanner.full_scan([user("bob", OLD)])

    assert [name for name, content in first.files.items() if b"grace" in content]  # whose keys are resolved
    assert not [name for name, content in second.files.items() if b"grace" in content]
    assert "scan everybody twice" in (PROJECT / "docs" / "runbook.md").read_text()

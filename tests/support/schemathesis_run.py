"""A run of schemathesis against `localaws serve`: whatever it asks, the answers are to be as the document says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from localaws.environment import PROJECT
from tests.support.serving import Served

LEFT_OUT = [
    "unsupported_method",  # wants 405, where API Gateway answers 403
    "allow_header_conformance",  # of 405
    "missing_required_header",  # wants 401 without a signature, where API Gateway answers 403
    "ignored_auth",  # as well; tests/scan/test_api.py makes requests without a signature, and with a wrong one
    "positive_data_acceptance",  # wants that whatever looks like a `next` leads somewhere
]


def run_schemathesis(
    document: dict[str, Any], served: Served, folder: Path, scan_id: str, *more: str, action_id: str = "none"
) -> int:
    """Ask about this scan, and action, every other time; return how many requests there were, all answered as told."""
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    command = [f"{Path(sys.executable).parent}/schemathesis", "run", str(path), "--no-color", "--seed", "7"]
    command += ["--url", served.settings["ENDPOINT_URL"].rstrip("/"), "--phases", "examples,coverage,fuzzing"]
    command += ["--exclude-checks", ",".join(LEFT_OUT), "--suppress-health-check", "all", *more]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks", "PYTHONPATH": str(PROJECT)}
    hooks |= {"SCAN_ID": scan_id, "ACTION_ID": action_id}

    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **hooks}, capture_output=True, text=True, timeout=170, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    [made] = re.findall(r"(\d+) generated", done.stdout)
    return int(made)

"""What a cold start costs: importing app.py in a fresh interpreter, beside `import chalice` alone.

`python -m bench.cold_start`: the best of many, for a cold start is not to be slower for what else the machine does.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bench.scans import scan_everyday  # noqa: F401  # forgets the user's AWS
from bench.tables import print_table
from localaws.environment import package

_ROUNDS = 25
_MEASURE = """
import sys, time
began = time.perf_counter()
import {module}
taken = time.perf_counter() - began
print(taken * 1000, len(sys.modules), *("boto3" in sys.modules, "jinja2" in sys.modules))
"""


def main() -> None:
    """Measure both in turns; print the best of each."""
    with tempfile.TemporaryDirectory() as folder:
        template = package(Path(folder) / "project")
        zipped = template.parent / "deployment.zip"
        size = zipped.stat().st_size
        with zipfile.ZipFile(zipped) as content:
            content.extractall(Path(folder) / "code")  # our own
        code = Path(folder) / "code"
        for _ in range(2):  # so that both find compiled files
            _import("app", code), _import("chalice.app", code)
        runs = [(_import("app", code), _import("chalice", code)) for _ in range(_ROUNDS)]
    app = [run[0] for run in runs]
    alone = [run[1] for run in runs]
    rows = [_row("import app", app), _row("import chalice", alone)]
    ratio = min(app)[0] / min(alone)[0]
    note = f"Ratio {ratio:.2f}. The deployment zip has {size:,} bytes."
    print_table("Cold start", "python -m bench.cold_start", ["", "ms", "modules", "boto3", "Jinja2"], rows, note)


def _import(module: str, code: Path) -> tuple[float, int, str, str]:
    command = [sys.executable, "-c", _MEASURE.format(module=module)]
    done = subprocess.run(command, cwd=code, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # our own
    milliseconds, modules, boto3, jinja2 = done.stdout.split()
    return float(milliseconds), int(modules), boto3, jinja2


def _row(name: str, runs: list[tuple[float, int, str, str]]) -> list[str]:
    imported = {"True": "imported", "False": "not imported"}
    return [f"`{name}`", f"{min(runs)[0]:.0f}", f"{runs[0][1]}", imported[runs[0][2]], imported[runs[0][3]]]


if __name__ == "__main__":
    main()

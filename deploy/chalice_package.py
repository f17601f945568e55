"""`chalice package` without AWS, while pip in it has the environment as it is, and what it takes its right hash.

Started as `python -P chalice_package.py REGION ARGUMENTS…`: a profile that does not exist would end it, and packaging
needs none; pip may need one, for an index in AWS CodeArtifact.
"""

import os
import shutil
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from chalice.cli import main
from chalice.deploy.packager import PipRunner
from chalice.utils import OSUtils

_execute = PipRunner._execute  # noqa: SLF001  # Chalice has no hook for it
REQUIREMENTS = "requirements.txt"  # of the project that is packaged, where this runs
WHEELS = Path("wheels")  # there, those of earlier runs; pip holds them to the hashes of the requirements, too


def download_wheels_by_hash(
    self: PipRunner, abi: str, packages: list[str], directory: str, platforms: list[str] | None = None
) -> None:
    """Download the wheels for Lambda by the requirements with their hashes; Chalice names the packages alone.

    It does so where the wheels for this machine are none for Lambda, as on macOS.
    """
    if packages:
        wanted = [part for platform in platforms or ["manylinux2014_x86_64"] for part in ("--platform", platform)]
        of_lambda = ["--only-binary=:all:", "--no-deps", *wanted, "--implementation", "cp", "--abi", abi]
        self._execute("download", [*of_lambda, "--dest", directory, "--require-hashes", "-r", REQUIREMENTS])


def download_from_earlier_runs(
    self: PipRunner,
    command: str,
    args: list[str],
    env_vars: MutableMapping[Any, Any] | None = None,
    shim: str | None = None,
) -> tuple[int, bytes, bytes]:
    """Run pip, without an index if the wheels of earlier runs are all that it wants; keep what it downloads."""
    if command != "download":
        return _execute(self, command, args, env_vars=env_vars, shim=shim)
    if any(WHEELS.glob("*.whl")):
        of_here = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS.resolve().as_uri(), "PIP_LOG": os.devnull}
        done = _execute(self, command, args, env_vars={**self._osutils.environ(), **of_here}, shim=shim)
        if done[0] == 0:
            return done
    done = _execute(self, command, args, env_vars=env_vars, shim=shim)
    WHEELS.mkdir(exist_ok=True)
    for wheel in Path(args[args.index("--dest") + 1]).glob("*.whl"):
        shutil.copy(wheel, WHEELS)
    return done


def run(region: str) -> int:
    """Run Chalice's command line for a Region."""
    users_environment = dict(os.environ)
    OSUtils.environ = lambda self: dict(users_environment)  # type: ignore[method-assign]  # noqa: ARG005  # for pip
    PipRunner._execute = download_from_earlier_runs  # type: ignore[method-assign]  # noqa: SLF001
    PipRunner.download_manylinux_wheels = download_wheels_by_hash  # type: ignore[method-assign]
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_DEFAULT_REGION"] = region
    return int(main())


if __name__ == "__main__":
    sys.exit(run(sys.argv.pop(1)))

"""`chalice package` without AWS, while pip in it has the environment as it is, and what it fetches its right hash.

Started as `python -P chalice_package.py REGION ARGUMENTS…`: a profile that does not exist would end it, and packaging
needs none; pip may need one, for an index in AWS CodeArtifact.
"""

import os
import sys

from chalice.cli import main
from chalice.deploy.packager import PipRunner
from chalice.utils import OSUtils

REQUIREMENTS = "requirements.txt"  # of the project that is packaged, where this runs


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


def run(region: str) -> int:
    """Run Chalice's command line for a Region."""
    users_environment = dict(os.environ)
    OSUtils.environ = lambda self: dict(users_environment)  # type: ignore[method-assign]  # noqa: ARG005  # for pip
    PipRunner.download_manylinux_wheels = download_wheels_by_hash  # type: ignore[method-assign]
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_DEFAULT_REGION"] = region
    return int(main())


if __name__ == "__main__":
    sys.exit(run(sys.argv.pop(1)))

"""Package the app: its template and its deployment zip.

It runs `chalice package` on a copy of what ships, and pip in it with the user's own settings, but without questions.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from chalicelib.settings import InvalidSettingError
from deploy import pip_log, terminal
from deploy.sessions import DEFAULT_REGION
from deploy.settings import CONFIG, check_settings
from deploy.template import RESOURCES, convert_to_json

PROJECT = Path(__file__).resolve().parent.parent
BUILD = PROJECT / "build"
_PACKAGES = BUILD / "packages"
_SHIPPED = ("app.py", "chalicelib", "requirements.txt", ".chalice", "statemachine", "vendor")
_CHALICE = Path(__file__).with_name("chalice_package.py")
_MOST_SECONDS = 600
_RETRIES = "2"  # pip's own 5 take minutes where an index does not answer
_NOT_INSTALLED = re.compile(r"Could not install dependencies:\n(.+?)\nYou will have to build", re.DOTALL)
_FULL = re.compile(r"No space left on device|Disk quota exceeded")


class PackagingError(Exception):
    """The app could not be packaged; the message is one line that says why and what to do."""


def package(
    folder: Path, stage: str, region: str = DEFAULT_REGION, environment: Mapping[str, str] = os.environ
) -> Path:
    """Package a stage in a new folder; return the template, which has the deployment zip beside it.

    pip runs in the environment, which says where it finds an index. Raise a PackagingError if a setting of the stage is
    refused, or something cannot be fetched or written.
    """
    try:
        check_settings(PROJECT / CONFIG, stage)
        _copy_what_ships(folder)
        _share_packages(_PACKAGES, folder / "wheels")
    except InvalidSettingError as error:
        raise PackagingError(str(error)) from error
    except OSError as error:
        raise PackagingError(terminal.cannot_be_written(error, folder)) from error
    _run_chalice(folder, stage, region, environment)
    try:
        _share_packages(folder / "wheels", _PACKAGES)
    except OSError as error:
        terminal.say(f"{terminal.cannot_be_written(error, _PACKAGES)}; the next run fetches the packages again")
    try:
        make_reproducible(folder / "build" / "deployment.zip")
        return convert_to_json(folder / "build" / "sam.yaml")
    except OSError as error:
        raise PackagingError(terminal.cannot_be_written(error, folder)) from error


def make_reproducible(path: Path) -> None:
    """Write a zip anew: its files in order, of one date, and readable by all, as Lambda wants them.

    A checkout made under a umask of 077 has files that its owner alone may read, and so would the zip.
    """
    coming = path.with_suffix(".coming")
    with zipfile.ZipFile(path) as made, zipfile.ZipFile(coming, "w", zipfile.ZIP_DEFLATED) as anew:
        for name in sorted(made.namelist()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            anew.writestr(entry, made.read(name), zipfile.ZIP_DEFLATED)
    coming.replace(path)


def _copy_what_ships(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in _SHIPPED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "deploy*"))
        elif source.exists():
            shutil.copy(source, folder)


def _run_chalice(folder: Path, stage: str, region: str, users: Mapping[str, str]) -> None:
    log = folder / "pip.log"
    command = [sys.executable, "-P", str(_CHALICE), region, "package", "--stage", stage]
    environment = {
        "PIP_RETRIES": _RETRIES,
        **users,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_LOG": str(log),
        "PIP_NO_INPUT": "1",
    }
    with subprocess.Popen(  # noqa: S603  # our own command
        [*command, "--merge-template", RESOURCES.as_posix(), "build"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # without a terminal nothing that pip starts can ask, either
    ) as process:
        try:
            output, _ = process.communicate(timeout=_MOST_SECONDS)
        except subprocess.TimeoutExpired as error:
            why = f"`chalice package` was not done after {_MOST_SECONDS} seconds. {pip_log.WHAT_TO_DO}"
            raise PackagingError(why) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode or _NOT_INSTALLED.search(output):
        raise PackagingError(_why(output, log.read_text(errors="replace") if log.exists() else ""))


def _why(output: str, log: str) -> str:
    """Return, in one line, why `chalice package` failed."""
    if full := _FULL.search(output + log):
        return f"{tempfile.gettempdir()}: cannot be written: {full[0]}"
    if reported := pip_log.failure(log):
        return reported
    if missing := _NOT_INSTALLED.search(output):
        return f"{', '.join(missing[1].split())}: the index has no wheel for Lambda of it. {pip_log.WHAT_TO_DO}"
    ended = pip_log.exception(output)
    hint = "; to see what pip says: .venv/bin/python -m pip download -r requirements.txt -d build/packages"
    return f"`chalice package` failed: {ended}{hint if 'PackageDownloadError' in ended else ''}"


def _share_packages(source: Path, target: Path) -> None:
    """Copy the wheels that pip fetched, so that none is downloaded twice; pip compares their hashes each time."""
    target.mkdir(parents=True, exist_ok=True)
    for wheel in source.glob("*.whl"):
        if not (target / wheel.name).exists() or wheel.read_bytes() != (target / wheel.name).read_bytes():
            _put(wheel, target / wheel.name)


def _put(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all: another process may look."""
    coming = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        shutil.copy(source, coming)
        coming.replace(target)
    except OSError as error:
        coming.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(target)) from error


def build(stage: str, region: str) -> Path:
    """Package a stage into build/; return the template there. Raise a PackagingError as `package` does."""
    with tempfile.TemporaryDirectory(prefix="iam-key-age-") as temporary:
        template = package(Path(temporary) / "project", stage, region)
        try:
            BUILD.mkdir(exist_ok=True)
            for made in template.parent.iterdir():
                _put(made, BUILD / made.name)
        except OSError as error:
            raise PackagingError(terminal.cannot_be_written(error, BUILD)) from error
    return BUILD / template.name

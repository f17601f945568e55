"""The virtual environment of `make`: `python -m deploy.installation make FOLDER` makes it, `check FOLDER` looks.

`check` is run by the environment's own Python: the status is 0 if everything is installed, and if the folder was moved,
its commands are adapted to the new place. Where `make` runs, nothing is installed yet but the standard library.
"""

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path("requirements-dev.txt")
_SHEBANG = re.compile(rb"\A(?:#!|#!/bin/sh\n'''exec' \"?)(/[^\n]*)/python[0-9.]*\"?(?:| \"\$0\" \"\$@\"\n' ''')\n")
_MOST_BYTES = 1000  # of a shebang
_WORKS = "import sys, pip; sys.exit(sys.version_info < (3, 11))"


class InstallationError(Exception):
    """The virtual environment cannot be made; the message is one line."""


def check(folder: Path) -> None:
    """Return if the environment, whose Python runs this, has everything that is required; exit with 1 if not."""
    ready = folder / "ready"
    is_ours = Path(sys.prefix).resolve() == folder.resolve() and importlib.util.find_spec("pip")
    if not is_ours or not ready.exists() or ready.stat().st_mtime < REQUIREMENTS.stat().st_mtime:
        sys.exit(1)
    with contextlib.suppress(OSError):  # make itself needs none of the commands
        _adapt_if_moved(folder.resolve())


def _adapt_if_moved(folder: Path) -> None:
    """Fix the commands of an environment that was moved, so that they start its Python where it is now."""
    moved = {}
    for path in (path for path in (folder / "bin").iterdir() if path.is_file()):
        with path.open("rb") as file:
            start = _SHEBANG.match(file.read(_MOST_BYTES))
        if start and (before := Path(os.fsdecode(start[1])).resolve()) != folder / "bin":
            moved[path] = before.parent
    if not moved:
        return
    venv.EnvBuilder(symlinks=True).create(folder)  # for bin/activate; packages stay
    shebang = os.fsencode(f"#!/bin/sh\n'''exec' \"{folder}/bin/python\" \"$0\" \"$@\"\n' '''\n")  # as pip writes it
    for path in moved:
        coming = path.with_name(f".{path.name}.{os.getpid()}")
        coming.write_bytes(shebang + _SHEBANG.sub(b"", path.read_bytes()))
        coming.chmod(path.stat().st_mode)
        coming.replace(path)
    before = next(iter(moved.values()))
    print(f"{folder.name} was moved here from {before}: adapted its commands", flush=True)  # noqa: T201  # to the person


def make(folder: Path) -> None:
    """Make the environment, anew if it was left unfinished or its Python is gone; or raise an InstallationError."""
    unfinished, python = folder / "unfinished", folder / "bin" / "python"
    works = not unfinished.exists() and _works(python)
    if folder.exists() and not works:
        print(f"{folder} is unfinished, or its Python is gone: making it anew", flush=True)  # noqa: T201
    print(f"Installing the pinned requirements into {folder}, once; it takes about a minute", flush=True)  # noqa: T201
    if not works:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    unfinished.touch()
    quiet = ["--quiet", "--disable-pip-version-check"] + ([] if sys.stdin and sys.stdin.isatty() else ["--no-input"])
    try:
        _run([str(python), "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(REQUIREMENTS)])
    except InstallationError:
        unfinished.unlink()  # pip ended by itself: it leaves nothing half-done
        raise
    (folder / "ready").touch()
    unfinished.unlink()
    _run([str(python), "-m", "deploy.installation", "check", str(folder)])


def _works(python: Path) -> bool:
    """Return whether a Python starts, is new enough, and finds the packages that were installed for it."""
    try:
        return subprocess.call([str(python), "-c", _WORKS], stderr=subprocess.DEVNULL) == 0  # noqa: S603  # our own
    except OSError:
        return False


def _run(command: list[str]) -> None:
    status = subprocess.call(command)  # noqa: S603  # our own command
    if status:
        raise InstallationError(f"The virtual environment could not be made: {' '.join(command)} ended with {status}")


if __name__ == "__main__":
    try:
        {"check": check, "make": make}[sys.argv[1]](Path(sys.argv[2]))
    except (InstallationError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)

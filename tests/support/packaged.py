"""The app, packaged once for all test processes of a run, which deploy it more than fifty times.

Without it a local AWS packages for itself, and forks its Lambda workers from a process of its own, as in tests that
start `python -m localaws` or `make`.
"""

import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_FOLDER = "IAM_KEY_AGE_PACKAGED"  # an environment variable: the test processes have it from the one that starts them


def make_place() -> Callable[[], None]:
    """Make the folder that test processes share, before they start; return what removes it."""
    folder = tempfile.mkdtemp(prefix="packaged-")
    os.environ[_FOLDER] = folder

    def remove() -> None:
        del os.environ[_FOLDER]
        shutil.rmtree(folder)

    return remove


@functools.cache
def share() -> Callable[[], None]:
    """Let each local AWS of this process deploy what was packaged first, and fork its workers from one process.

    Return what ends that process, which otherwise ends with the last that may ask it.
    """
    from localaws import environment, lambda_processes

    place = Path(os.environ[_FOLDER])
    environment.package = functools.partial(_package_once, environment.package, place)
    starter = lambda_processes.make_starter(Path(tempfile.mkdtemp(dir=place)) / "libraries")
    end, starter.stop = starter.stop, lambda: None  # type: ignore[method-assign]  # not the local AWS's to stop
    lambda_processes.make_starter = lambda libraries: starter  # noqa: ARG005  # they have those of the first
    return end


def _package_once(package: Callable[[Path], Path], place: Path, _folder: Path) -> Path:
    """Return the template, with the deployment zip beside it; who comes first packages, and others wait."""
    kept = place / "template"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            shutil.rmtree(place / "project", ignore_errors=True)  # of who failed
            kept.symlink_to(package(place / "project"))
    return kept.resolve()

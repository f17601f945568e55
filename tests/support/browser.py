"""A real headless Chromium: found, or installed where that can be done without asking; see `find_chromium`.

`python -m tests.support.browser PAGE PICTURE` takes a picture of a page.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_SHELL = "chromium-headless-shell"  # a third of the whole browser's work: it has no window, toolbar and tabs to draw
_NAMES = (_SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"]


class NoBrowserError(Exception):
    """No Chromium here; the message says how to get one."""


def find_chromium() -> str:
    """Return the path of a Chromium: the machine's, Playwright's, or one installed now.

    In a container (as root, with apt-get) Debian's is installed, elsewhere Playwright downloads its own.
    """
    for look in (_on_this_machine, _playwrights, _install, _on_this_machine, _playwrights):
        if path := look():
            return path
    raise NoBrowserError("no Chromium could be found or installed: try `.venv/bin/playwright install chromium`")


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Run a headless Chromium; NoBrowserError where there is none."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_OPTIONS, chromium_sandbox=os.geteuid() != 0)
        try:
            yield browser
        finally:
            browser.close()


def take_picture(page_file: Path, picture: Path) -> None:
    """Take a picture of the top of a page as a person with a wide screen sees it."""
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1180, "height": 1100}, device_scale_factor=1)
        page.goto(page_file.resolve().as_uri())
        page.screenshot(path=picture)


def _on_this_machine() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _playwrights() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _install() -> None:
    """Install one; who comes meanwhile waits, and finds it: apt-get fails where another runs."""
    with (Path(tempfile.gettempdir()) / f"install-chromium-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (_on_this_machine() or _playwrights()):
            _install_here()


def _install_here() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _try("apt-get", "update", "-qq", environment=quietly)
        for name in (_SHELL, "chromium"):  # not every release has the first
            if not _on_this_machine():
                _try("apt-get", "install", "-y", "-qq", "--no-install-recommends", name, environment=quietly)
    else:
        _try(sys.executable, "-m", "playwright", "install", "chromium", environment=dict(os.environ))


def _try(*command: str, environment: dict[str, str]) -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, env=environment, capture_output=True, timeout=150, check=False)


if __name__ == "__main__":
    try:
        take_picture(Path(sys.argv[1]), Path(sys.argv[2]))
    except NoBrowserError as error:
        sys.exit(str(error))

"""A command in a terminal of its own, whose prompts are answered as they are shown."""

import os
import pty
import select
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 60
_QUIET_SECONDS = 1.0  # a progress bar draws itself ten times as often


@dataclass(frozen=True)
class Shown:
    """What was on the terminal: before each answer, after the last one, and how the command ended."""

    before: list[str]
    after: str
    status: int


def in_a_terminal(
    command: list[str], folder: Path, environment: Mapping[str, str], prompt: str, answers: Iterable[bytes]
) -> Shown:
    """Run a command; type an answer each time that a prompt has been shown and nothing more is."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(folder)
            os.execve(command[0], command, dict(environment))
        finally:
            os._exit(127)
    before = []
    for answer in answers:
        before.append(_read(terminal, until=prompt))
        os.write(terminal, answer)
    after = _read(terminal)
    os.close(terminal)
    return Shown(before, after, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _read(terminal: int, until: str | None = None) -> str:
    """Read to the end, or until a prompt was shown and the terminal has been quiet since."""
    shown, deadline = b"", time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], _QUIET_SECONDS)[0]:
            if until and until.encode() in shown:
                break
            continue
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # as Linux tells the end
            break
        if not chunk:
            break
        shown += chunk
    return shown.decode(errors="replace")

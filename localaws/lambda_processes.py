"""Processes for Lambda workers: on Linux forks of one that has boto3 loaded, elsewhere each started anew.

To load boto3 and to make a first client takes a worker three times as long as all else that it does to start.
"""

import contextlib
import importlib.metadata
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Protocol

MACHINE = {"PATH": os.defpath, "LANG": "en_US.UTF-8", "TZ": ":UTC"}  # what Python reads when it starts
_NOBODYS = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
_RUNTIME = Path(__file__).with_name("lambda_runtime.py")


class Process(Protocol):
    """A worker's process."""

    def kill(self) -> None:
        """Kill it, unless it has ended."""

    def wait(self) -> object:
        """Wait until it has ended."""


class Starter(Protocol):
    """What starts workers."""

    def start(self, code: Path, handler: str, environment: Mapping[str, str], log: IO[str]) -> "Started":
        """Start a worker on an unpacked deployment zip; ConnectionError if that cannot be done."""

    def stop(self) -> None:
        """Start no more workers; those that were started go on."""


Started = tuple[Process, socket.socket]  # the socket is the worker's standard input and output


def make_starter(libraries: Path) -> Starter:
    """Return what starts workers; link the libraries that they have into a new folder."""
    command = [sys.executable, "-I", "-S", str(_RUNTIME), str(_lambda_libraries(libraries))]
    return _Forking(command) if _can_fork() else _Anew(command)


def _can_fork() -> bool:
    """Tell whether a fork is safe, as on macOS it is not, and can be waited for by who is not its parent."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # not on Linux, or on one that is old or refuses it
        return False
    return True


def _lambda_libraries(folder: Path) -> Path:
    """Link what the Lambda runtime brings along, boto3 and its requirements, into a folder of its own."""
    folder.mkdir(parents=True)
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"):
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            (folder / top).symlink_to(str(distribution.locate_file(top)))
    return folder


class _Anew:
    def __init__(self, command: list[str]) -> None:
        self._command = command

    def start(self, code: Path, handler: str, environment: Mapping[str, str], log: IO[str]) -> Started:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # our own runtime
                [*self._command, str(code), handler],
                env=environment,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=log,
            )
        return process, ours

    def stop(self) -> None:
        """Nothing was started but workers."""


class _Forking:
    def __init__(self, command: list[str]) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._parent = subprocess.Popen(  # noqa: S603  # our own runtime
                command, env=MACHINE | _NOBODYS, stdin=theirs.fileno(), stdout=subprocess.DEVNULL
            )

    def start(self, code: Path, handler: str, environment: Mapping[str, str], log: IO[str]) -> Started:
        request = {"environment": dict(environment), "code": str(code), "handler": handler}
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._requests, [json.dumps(request).encode()], [theirs.fileno(), log.fileno()])
        _, processes, _, _ = socket.recv_fds(ours, 1, 1)
        if not processes:
            raise ConnectionError("the process that workers are forked from has ended")
        return _Forked(processes[0]), ours

    def stop(self) -> None:
        self._requests.close()
        self._parent.kill()
        self._parent.wait()


class _Forked:
    """A process that is another's child, by its file descriptor: its id may be another's when it has ended."""

    def __init__(self, process: int) -> None:
        self._process = process

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def wait(self) -> None:
        ended = select.poll()
        ended.register(self._process, select.POLLIN)
        ended.poll()

    def __del__(self) -> None:
        os.close(self._process)

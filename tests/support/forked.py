"""`python -m localaws` in processes forked from one that has its modules loaded: loading them takes seconds of CPU.

Such a process is one like any other: its arguments, environment, folder, output, signals and exit status are its own.
What Python reads when it starts is not, but for the encoding of PYTHONIOENCODING: a test of that starts a Python. The
app is what was packaged first, as tests.support.packaged has it: a test of packaging starts a Python, too.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

PROJECT = Path(__file__).resolve().parents[2]
_CLIENT = Path(__file__).with_name("forked_client.py")
_STREAMS = (0, 1, 2)
_opened: list[Any] = []  # kept, as Python keeps those that it opens when it starts


def localaws_command() -> list[str]:
    """Return the start of a command line that does what `python -m localaws` does."""
    if not hasattr(os, "pidfd_open"):  # not on Linux
        return [sys.executable, "-m", "localaws"]
    return [sys.executable, "-I", "-S", str(_CLIENT), _started_server()]


@functools.cache
def _started_server() -> str:
    """Start the process that the others are forked from, once a test process; return the path of its socket."""
    folder = tempfile.mkdtemp(prefix="forked-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = f"{folder}/socket"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.forked", path], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    atexit.register(server.wait)
    atexit.register(server.stdin.close)  # type: ignore[union-attr]  # a pipe; with it ends the server
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    return path


def _serve(path: str) -> None:
    """Fork a process for each connection until standard input ends."""
    end_what_workers_are_forked_from = _load()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)  # noqa: T201  # to who started this
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _supervise(connection)
            connection.close()
            _reap(os.WNOHANG)
    end_what_workers_are_forked_from()
    _reap()


def _reap(options: int = 0) -> None:
    """Take note of the supervisors that have ended; without WNOHANG wait for all."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def _load() -> Callable[[], None]:
    """Load what the commands load, and let nothing else happen: a command finds things as a new process does.

    Return what is to be done at the end.
    """
    from localaws.clients import HARNESS, REGION, forget_the_users_aws

    forget_the_users_aws()  # before moto is imported, which reads them
    for name in ("commands.scan", "commands.snapshot", "__main__"):
        importlib.import_module(f"localaws.{name}")
    from localaws.clients import make_client
    from tests.support import packaged

    end = packaged.share()
    for service in ("cloudformation", "lambda", "s3", "sns", "sqs", "stepfunctions"):
        make_client(service, REGION, "http://127.0.0.1:9", HARNESS)  # nobody listens there, nor is anything called
    for service in ("apigateway", "awslambda", "cloudformation", "iam", "s3", "sns", "sqs", "stepfunctions"):
        importlib.import_module(f"moto.{service}.urls")
    gc.collect()
    gc.freeze()  # memory that what is forked shares
    return end


def _supervise(connection: socket.socket) -> None:
    """Fork the command that is asked for and tell its pid and its end; kill it if the client is gone before."""
    with connection:
        message, streams, _, _ = socket.recv_fds(connection, 1, len(_STREAMS))
        with connection.makefile("rb") as rest:
            request = json.loads(message + rest.readline())
        pid = os.fork()
        if pid == 0:
            connection.close()
            _run(streams, **request)
        for stream in streams:
            os.close(stream)
        ended = os.pidfd_open(pid)
        connection.sendall(f"{pid}\n".encode())
        if ended not in select.select([ended, connection.fileno()], [], [])[0]:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(streams: list[int], arguments: list[str], environment: dict[str, str], folder: str) -> NoReturn:
    """Become the command."""
    for stream, target in zip(streams, _STREAMS, strict=True):
        os.dup2(stream, target)
        os.close(stream)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    _opened.extend(os.fdopen(stream, mode, encoding=encoding) for stream, mode in ((0, "r"), (1, "w"), (2, "w")))
    sys.stdin, sys.stdout, sys.stderr = _opened
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # which is that of the environment
    from localaws.__main__ import main

    sys.exit(main(arguments))


if __name__ == "__main__":
    _serve(sys.argv[1])

"""The REST API as a process of this machine, started anew when its function's environment changes."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from deploy.package import PROJECT
from localaws.scan_run import LocalAwsError

_START_SECONDS = 60
_API_GATEWAY = Path(__file__).with_name("api_gateway.py")


class RestApi:
    """`chalice local` on an unpacked deployment zip, with API Gateway's check of signatures before it."""

    def __init__(self, code: Path, folder: Path, stage: str, port: int, log: IO[str]) -> None:
        shutil.copytree(PROJECT / ".chalice", code / ".chalice", ignore=shutil.ignore_patterns("deploy*"))
        self._command = [sys.executable, "-P", str(_API_GATEWAY), "--project-dir", str(code)]
        self._command += ["local", "--stage", stage, "--host", "127.0.0.1", "--port", str(port), "--no-autoreload"]
        self._folder = folder
        self._port = port
        self._log = log
        self._environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str]) -> bool:
        """Serve with an environment, unless that is done already; return whether it is served."""
        if self._process and self._environment == environment:
            return True
        self.stop()
        self._environment = dict(environment)
        self._process = subprocess.Popen(  # noqa: S603  # our own command
            self._command,
            cwd=self._folder,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process:
            _end(process)


def free_port(wanted: int, option: str) -> int:
    """Return the port that an option wants, or a free one; LocalAwsError if it cannot be used."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError as error:
            make = " (make serve: API_PORT=…)" if option == "--api-port" else ""
            why = f"port {wanted} cannot be used: {error.strerror}"
            raise LocalAwsError(f"{why}; choose another with {option}{make}") from error
        port: int = listener.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()

"""`localaws serve` in a process of its own, for clients over HTTP."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import requests

from localaws.environment import PROJECT
from localaws.sigv4 import SignedBy
from tests.support.forked import localaws_command


@dataclass
class Served:
    """What a client knows of it: the process, what it printed, the exports in that, and the URL of its scans."""

    process: "subprocess.Popen[str]"
    settings: dict[str, str]
    api: str
    printed: str

    @property
    def signed(self) -> SignedBy:
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
        return SignedBy(*(self.settings[name] for name in names))

    def get(self, path: str = "", **query: Any) -> requests.Response:
        """GET what is below /scan, signed; a redirection is not followed."""
        return requests.get(
            f"{self.api}{path}", params=query or None, auth=self.signed, timeout=30, allow_redirects=False
        )

    def post(self, body: str | bytes | dict[str, Any] = b"", **headers: str) -> requests.Response:
        """POST /scan, signed; a document goes as JSON."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            return requests.post(self.api, json=body, headers=given, auth=self.signed, timeout=60)
        return requests.post(self.api, data=body, headers=given, auth=self.signed, timeout=60)

    def client(self, service: str) -> Any:
        return boto3.session.Session().client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.settings["AWS_ENDPOINT_URL"],
            region_name=self.settings["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.settings["AWS_SECRET_ACCESS_KEY"],
        )

    def wait_for(self, scan_id: str) -> dict[str, Any]:
        while (scan := self.get(f"/{scan_id}").json())["status"] == "RUNNING":
            assert scan["summary"] is None
            time.sleep(0.1)
        return dict(scan)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def start(*arguments: str, forked: bool = True) -> Served:
    """Start it; `forked` from a process that has loaded its modules, or as a Python of its own."""
    python = localaws_command() if forked else [sys.executable, "-m", "localaws"]
    command = [*python, "serve", *arguments]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed = ""
    while "receive-message" not in printed:
        assert process.stdout
        line = process.stdout.readline()
        assert line, printed
        printed += line
    settings = dict(re.findall(r"(\w+)=(\S+)", printed))
    return Served(process, settings, f"{settings['ENDPOINT_URL']}scan", printed)


def run(served: Served, *command: str, cwd: Path = PROJECT, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a shell of its own, in which what `serve` printed was exported."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**mine, **served.settings, "PATH": path, **more}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def made_serve() -> str:
    """Return the command that `make serve` runs."""
    made = subprocess.run(["make", "-n", "serve"], cwd=PROJECT, capture_output=True, text=True, check=True)
    return made.stdout

"""Lambda functions as worker processes, started from the packaged zip with the template's environment."""

import contextlib
import importlib.metadata
import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import IO

from moto.awslambda.models import LambdaFunction

from localaws.callers import Callers

_RUNTIME = Path(__file__).with_name("lambda_runtime.py")


class Workers:
    """Runs Lambda functions; a worker that is free is used again, as a warm environment is on Lambda."""

    def __init__(self, folder: Path, endpoint_url: str, log: IO[str], callers: Callers) -> None:
        self._callers = callers
        self._folder = folder
        self._endpoint_url = endpoint_url
        self._log = log
        self._lock = threading.Lock()
        self._free: dict[str, list[_Worker]] = defaultdict(list)
        self._all: list[_Worker] = []
        self._stopped = False
        self._libraries = _lambda_libraries(folder / "libraries")

    def invoke(self, function: LambdaFunction, event: str) -> tuple[str, bool]:
        """Run a function on an event; return its payload and whether it is an error's."""
        warm = f"{function.function_name} {function.code_sha_256} {sorted(function.environment_vars.items())}"
        with self._lock:
            if self._stopped:
                return json.dumps({"errorType": "Stopped", "errorMessage": "the local AWS is being stopped"}), True
            free = self._free[warm]
            worker = free.pop() if free else self._start(function)
        try:
            answer = worker.answer(event, float(function.timeout))
        except _WorkerEndedError as ended:
            worker.stop()
            return json.dumps({"errorType": ended.error_type, "errorMessage": str(ended)}), True
        with self._lock:
            self._free[warm].append(worker)
        return answer

    def code_of(self, function: LambdaFunction) -> Path:
        """Return the folder with a function's deployment zip, unpacked."""
        code = self._folder / "code" / function.code_sha_256.replace("/", "_")
        if not code.exists():
            with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as zipped:
                zipped.extractall(code)  # the zip that we packaged
        return code

    def environment_of(self, function: LambdaFunction) -> dict[str, str]:
        """Return the environment that a function sees: the template's, and what Lambda adds."""
        return {
            **{
                name: str(value) for name, value in function.environment_vars.items()
            },  # moto leaves numbers as they are
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ACCESS_KEY_ID": self._callers.key_of_function(function.function_name, function.role),
            "AWS_SECRET_ACCESS_KEY": "unused",
            "AWS_ENDPOINT_URL": self._endpoint_url,
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
            "LOCALAWS_FUNCTION_ARN": function.function_arn,
        }

    def stop(self) -> None:
        """End all workers."""
        with self._lock:
            self._stopped = True
            for worker in self._all:
                worker.stop()

    def _start(self, function: LambdaFunction) -> "_Worker":
        command = [sys.executable, "-I", "-S", str(_RUNTIME), str(self.code_of(function)), str(self._libraries)]
        worker = _Worker([*command, str(function.handler)], self.environment_of(function), self._log)
        self._all.append(worker)
        return worker


class _WorkerEndedError(Exception):
    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class _Worker:
    def __init__(self, command: list[str], environment: dict[str, str], log: IO[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own runtime
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )

    def answer(self, event: str, timeout: float) -> tuple[str, bool]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("both are pipes")
        request_id = str(uuid.uuid4())
        invocation = {
            "event": json.loads(event),
            "request_id": request_id,
            "deadline_ms": (time.time() + timeout) * 1e3,
        }
        timed_out = threading.Event()

        def end() -> None:
            timed_out.set()
            self._process.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        try:
            stdin.write(json.dumps(invocation) + "\n")
            stdin.flush()
            line = stdout.readline()
        except (BrokenPipeError, ValueError):  # ValueError: stopped meanwhile, its pipes closed
            line = ""
        finally:
            timer.cancel()
        if not line and timed_out.is_set():
            raise _WorkerEndedError(
                "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
            )
        if not line:
            raise _WorkerEndedError("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited")
        answer = json.loads(line)
        return answer["payload"], answer["error"]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _lambda_libraries(folder: Path) -> Path:
    """Link what the Lambda runtime brings along, boto3 and its requirements, into a folder of its own."""
    folder.mkdir(parents=True)
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"):
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            (folder / top).symlink_to(str(distribution.locate_file(top)))
    return folder

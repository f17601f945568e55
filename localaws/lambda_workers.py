"""Lambda functions as worker processes, started from the packaged zip with the template's environment."""

import contextlib
import io
import json
import socket
import threading
import time
import uuid
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import IO

from moto.awslambda.models import LambdaFunction

from localaws import lambda_processes
from localaws.callers import Callers
from localaws.lambda_processes import MACHINE, Process


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
        self._starter = lambda_processes.make_starter(folder / "libraries")

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
            **MACHINE,
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
            self._starter.stop()

    def _start(self, function: LambdaFunction) -> "_Worker":
        code, environment = self.code_of(function), self.environment_of(function)
        worker = _Worker(*self._starter.start(code, str(function.handler), environment, self._log))
        self._all.append(worker)
        return worker


class _WorkerEndedError(Exception):
    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class _Worker:
    def __init__(self, process: Process, streams: socket.socket) -> None:
        self._process = process
        with streams:
            self._stdin, self._stdout = streams.makefile("w"), streams.makefile("r")

    def answer(self, event: str, timeout: float) -> tuple[str, bool]:
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
            self._stdin.write(json.dumps(invocation) + "\n")
            self._stdin.flush()
            line = self._stdout.readline()
        except (ConnectionError, ValueError):  # ValueError: stopped meanwhile, its streams closed
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
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(ConnectionError):
                stream.close()

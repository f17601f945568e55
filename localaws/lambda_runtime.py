"""One Lambda worker process: what AWS's Python runtime does, over its standard input and output.

Started as `python -I -S lambda_runtime.py LIBRARIES CODE HANDLER`, it sees the unpacked deployment zip, and of
everything installed only what the Lambda runtime has: boto3. Each line of standard input is an invocation
`{"event", "request_id", "deadline_ms"}`, each line of its answers `{"payload", "error"}`.

Started without CODE and HANDLER, it loads boto3, which takes most of the time of a start, and nothing of the app. Then
it becomes a worker in a fork of its own for each request on standard input, a socket, until that ends.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from typing import Any

_LONGEST_REQUEST = 1 << 16  # Lambda lets an environment have 4 KB


class Context:
    """The context object that a handler gets."""

    def __init__(self, request_id: str, deadline_ms: float) -> None:
        self.aws_request_id = request_id
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = "$LATEST"
        self.invoked_function_arn = os.environ["LOCALAWS_FUNCTION_ARN"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before the invocation is ended."""
        return max(0, int(self._deadline_ms - time.time() * 1000))


def work(libraries: str, code: str, handler: str) -> None:
    """Load the handler and serve invocations until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a handler prints is log, not answer
    sys.stdout = os.fdopen(sys.stdout.fileno(), "w", buffering=1)  # each line at once, as on Lambda
    sys.path[:0] = [code]
    sys.path.append(libraries)
    module, _, name = handler.rpartition(".")
    function = None
    for line in sys.stdin:
        invocation = json.loads(line)
        try:
            function = function or getattr(importlib.import_module(module), name)
            payload = json.dumps(
                function(invocation["event"], Context(invocation["request_id"], invocation["deadline_ms"]))
            )
            answer = {"payload": payload, "error": False}
        except Exception as error:  # whatever a handler raises is its answer, and in the log
            print("[ERROR]", "".join(traceback.format_exception(error)), flush=True)  # noqa: T201  # as Lambda does
            answer = {"payload": json.dumps(_described(error)), "error": True}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _described(error: Exception) -> dict[str, Any]:
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def become_a_worker(libraries: str) -> tuple[str, str]:
    """Fork a worker for each request `{"environment", "code", "handler"}`, which brings its streams along.

    Return, in each worker, its code and its handler.
    """
    requests = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    _load_boto3(libraries)
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its standard input, and not before
    ended = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # of a worker that has ended nothing is kept
    while True:
        message, streams, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, 2)
        if not message:
            sys.exit()
        if os.fork() == 0:
            break
        for stream in streams:
            os.close(stream)
    requests.close()
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGCHLD, ended)
    request = json.loads(message)
    _take_streams(*streams)
    if {name.partition(".")[0] for name in os.listdir(request["code"])} & sys.modules.keys():  # noqa: PTH208  # pathlib is slow to load
        command = [sys.executable, "-I", "-S", __file__, libraries, request["code"], request["handler"]]
        os.execve(command[0], command, request["environment"])  # noqa: S606  # a zip's own modules are to be loaded
    os.environ.clear()
    os.environ.update(request["environment"])
    return request["code"], request["handler"]


def _load_boto3(libraries: str) -> None:
    sys.path.append(libraries)
    import boto3.session

    boto3.session.Session("none", "none", region_name="us-east-1").client("s3")  # loads what any client needs
    sys.path.remove(libraries)
    gc.collect()
    gc.freeze()  # memory that the workers share


def _take_streams(connection: int, log: int) -> None:
    """Take the streams of the request, and tell who made it which process this is."""
    for stream, target in ((connection, 0), (connection, 1), (log, 2)):
        os.dup2(stream, target)
    os.close(connection)
    os.close(log)
    process = os.pidfd_open(os.getpid())
    with socket.socket(fileno=os.dup(0)) as asked:
        socket.send_fds(asked, [b"\n"], [process])
    os.close(process)


def main(libraries: str, code: str = "", handler: str = "") -> None:
    """Be a worker, or what workers are forked from."""
    if not code:
        code, handler = become_a_worker(libraries)
    work(libraries, code, handler)


if __name__ == "__main__":
    main(*sys.argv[1:])

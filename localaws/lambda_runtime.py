"""One Lambda worker process: what AWS's Python runtime does, over a pipe.

Started as `python -I -S lambda_runtime.py CODE LIBRARIES HANDLER`, it sees the unpacked deployment zip, and of
everything installed only what the Lambda runtime has: boto3. Each line of standard input is an invocation
`{"event", "request_id", "deadline_ms"}`, each line of its answers `{"payload", "error"}`.
"""

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any


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


def main(code: str, libraries: str, handler: str) -> None:
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


if __name__ == "__main__":
    main(*sys.argv[1:])

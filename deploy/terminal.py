"""Standard output and standard error of the commands: what cannot be shown or written never ends in a traceback."""

import io
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


class _Stream(io.TextIOWrapper):
    """A text stream that replaces what its encoding lacks, and remembers that it cannot be written to any more."""

    failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, nowhere once a write has failed."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, nowhere once a write has failed."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.failure = self.failure or error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())  # what is still buffered goes there, also when the interpreter ends
        os.close(null)


def prepare() -> None:
    """Make standard output and standard error accept any text, whatever their encoding, and survive a full disk."""
    sys.stdout, sys.stderr = _prepared(sys.stdout), _prepared(sys.stderr)
    if os.environ.get("COLUMNS") == "0":  # of a terminal that does not know its width
        del os.environ["COLUMNS"]


def _prepared(stream: object) -> "io.TextIOWrapper":
    if stream is None:  # closed by who started this: >&-
        return Path(os.devnull).open("w", encoding="utf-8")
    if type(stream) is not io.TextIOWrapper:  # ours already, or one that captures
        return stream  # type: ignore[return-value]  # a text stream all the same
    stream.flush()
    return _Stream(
        stream.buffer,
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def output_failure() -> OSError | None:
    """Return why standard output could not be written to, None if it could."""
    sys.stdout.flush()
    return getattr(sys.stdout, "failure", None)


def finish(status: int, prefix: str = "") -> int:
    """Return the exit status of a command with this status; say, in one line, if its output could not be written."""
    failure = output_failure()
    if failure is None:
        return status
    if not isinstance(failure, BrokenPipeError):  # `| head` has what it wants
        say(prefix + cannot_be_written(failure, "standard output"))
    return status or 1


def tell(line: str) -> None:
    """Print a line on standard output, at once."""
    print(line, flush=True)  # noqa: T201  # to the person


def say(line: str) -> None:
    """Print a line on standard error."""
    print(line, file=sys.stderr)  # noqa: T201  # to the person


def cannot_be_written(error: OSError, place: Path | str) -> str:
    """Return one line on a file that could not be written; `place` is named where the error names no file."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of copytree: source, target, reason
        (_, named, reason), *_ = error.args[0]
        return f"{named}: cannot be written: {re.sub(r'^.Errno [0-9]+. |: .*', '', reason)}"
    return f"{error.filename2 or error.filename or place}: cannot be written: {error.strerror or error}"


def run(main: Callable[..., None], *refusals: type[Exception]) -> NoReturn:
    """Run a module's main with the arguments of the command line and exit; these errors are one line, status 1."""
    prepare()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that everything made is removed
    status = 0
    try:
        main(*sys.argv[1:])
    except refusals as error:
        say(str(error))
        status = 1
    except KeyboardInterrupt:
        say("stopped")
        status = 128 + signal.SIGINT
    sys.exit(finish(status))

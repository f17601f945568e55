"""What a command says when it fails, in a line."""

import errno
import shutil
import tempfile

from rich.console import Console
from rich.text import Text

from deploy.terminal import cannot_be_written
from localaws.scan_run import LocalAwsError

_MOST_TEMPORARY_BYTES = 4_000_000  # that the local AWS writes, for a small account
_CANNOT_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


def require_room() -> None:
    """Raise a LocalAwsError if the disk is so full that the functions would fail, each in its own way."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < _MOST_TEMPORARY_BYTES:
        wanted = f"{free // 1000} kB are free, and the local AWS takes up to {_MOST_TEMPORARY_BYTES // 1_000_000} MB"
        raise LocalAwsError(f"{folder}: No space left on device: {wanted}. Free some, or set TMPDIR to another folder")


def show_failure(line: str) -> int:
    """Print a failure in red on standard error; return the exit status."""
    Console(stderr=True, highlight=False).print(Text(f"localaws: {line}", style="red"), soft_wrap=True)
    return 1


def in_a_line(error: LocalAwsError | OSError) -> str:
    """Return what to say of an error; a full disk names no place where a file that is open is written to."""
    if isinstance(error, shutil.Error) or (isinstance(error, OSError) and error.errno in _CANNOT_BE_WRITTEN):
        return cannot_be_written(error, tempfile.gettempdir())
    return str(error)

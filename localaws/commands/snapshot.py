"""`python -m localaws snapshot`: keep a real account's users as an account file."""

import errno
import os
import tempfile
from pathlib import Path

from rich.console import Console

from chalicelib.outputs.sentences import counted
from localaws.accounts.anonymize import anonymize
from localaws.accounts.aws_errors import one_line
from localaws.accounts.snapshot import Snapshot, SnapshotError, log_in, read_account, write_privately
from localaws.commands.progress import progress_bar


def snapshot(profile: str | None, out: Path, anonymous: bool) -> int:
    """Take a snapshot and tell a person of it; return the exit status."""
    console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tempfile.TemporaryFile(dir=out.parent).close()  # before the account is read for a place that cannot be
        access = log_in(profile)  # before the progress bar, which would wipe the prompt for an MFA code
        with progress_bar(console) as bar:
            task = bar.add_task("Reading the account's IAM users", total=None)
            taken = read_account(access, lambda read, of: bar.update(task, completed=read, total=of))
        write_privately(anonymize(taken.document) if anonymous else taken.document, out)
    except SnapshotError as error:
        console.print(f"localaws: {error}", markup=False, style="red")
        return 1
    except OSError as error:
        console.print(f"localaws: {out}: cannot be written: {error.strerror}", markup=False, style="red")
        return 2
    _show(console, taken, out)
    return 0


def _show(console: Console, taken: Snapshot, out: Path) -> None:
    for name, operations in taken.refused.items():
        console.print(f"Refused: {', '.join(operations)} of {one_line(name)}", markup=False, style="yellow")
    for line in taken.notes.lines():
        console.print(line, markup=False, style="yellow")
    if taken.refused:
        console.print("What was refused is unchecked or unknown in a scan; --print-policy prints what allows it.")
    if taken.gone:
        console.print(f"Deleted meanwhile: {one_line(', '.join(taken.gone))}", markup=False)
    users = len(taken.document["users"])
    console.print(f"Kept {counted(users, 'user')} in {out}, which you alone can read.", markup=False)

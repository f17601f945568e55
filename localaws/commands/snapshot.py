"""`python -m localaws snapshot`: keep a real account's users as an account file."""

import errno
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from chalicelib.outputs.sentences import counted
from localaws.accounts.anonymize import anonymize
from localaws.accounts.aws_errors import one_line
from localaws.accounts.snapshot import Access, SnapshotError, log_in, read_account, write_privately
from localaws.accounts.snapshot_organization import OrganizationSnapshot, read_organization
from localaws.commands.progress import progress_bar
from localaws.reader_role import Reader


def snapshot(profile: str | None, out: Path, anonymous: bool, reader: Reader | None = None) -> int:
    """Take a snapshot, of the whole organization by the reader role if one is given; return the exit status."""
    console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tempfile.TemporaryFile(dir=out.parent).close()  # before the account is read for a place that cannot be
        access = log_in(profile)  # before the progress bar, which would wipe the prompt for an MFA code
        with progress_bar(console) as bar:
            task = bar.add_task("Reading the account's IAM users", total=None)
            taken = _read(access, reader, lambda read, of: bar.update(task, completed=read, total=of))
        write_privately(anonymize(taken.document) if anonymous else taken.document, out)
    except SnapshotError as error:
        console.print(f"localaws: {error}", markup=False, style="red")
        return 1
    except OSError as error:
        console.print(f"localaws: {out}: cannot be written: {error.strerror}", markup=False, style="red")
        return 2
    _show(console, taken)
    console.print(f"Kept {_counts(taken.document)} in {out}, which you alone can read.", markup=False)
    return 0


def _read(access: Access, reader: Reader | None, progress: Callable[[int, int], None]) -> OrganizationSnapshot:
    if reader:
        return read_organization(access, reader, progress)
    taken = read_account(access, progress)
    return OrganizationSnapshot(taken.document, {"": taken}, {})


def _show(console: Console, taken: OrganizationSnapshot) -> None:
    for account, read in taken.read.items():
        of_account = f" in {account}" if account else ""
        for name, operations in read.refused.items():
            line = f"Refused: {', '.join(operations)} of {one_line(name)}{of_account}"
            console.print(line, markup=False, style="yellow")
        for line in read.notes.lines():
            console.print(f"{line}{of_account}", markup=False, style="yellow")
        if read.gone:
            console.print(f"Deleted meanwhile{of_account}: {one_line(', '.join(read.gone))}", markup=False)
    if any(read.refused for read in taken.read.values()):
        console.print("What was refused is unchecked or unknown in a scan; --print-policy prints what allows it.")
    for account, cause in taken.unread.items():
        console.print(f"Not read: {account}: {cause}", markup=False, style="yellow")
    if taken.unread:
        console.print("An account that was not read is unchecked in a scan: its reader role is missing in the file.")


def _counts(document: Mapping[str, Any]) -> str:
    accounts = [document, *document.get("accounts", [])]
    users = counted(sum(len(account["users"]) for account in accounts), "user")
    return users if "accounts" not in document else f"{users} of {counted(len(accounts), 'account')}"

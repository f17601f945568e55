"""Where the results of a scan go, besides the screen: the files of `--out` and `--stats`."""

import contextlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.terminal import cannot_be_written
from localaws.commands.sent import MARKS, sent_files
from localaws.scan_run import ScanResult

_ID = "[0-9]" * 12
# What a scan keeps, and by which words within its first 1,000 characters it is known to be a scan's.
_KEPT = {
    "report.json": '"scan_id"',
    "report.csv": "scan_id",
    "report.html": "<title>IAM access keys",
    "report.ocsf.json": "[",
    "usage.json": '"scan_id"',
    "pages/[0-9][0-9][0-9][0-9].json": '"scan_id"',
}
# Of each account of an organization, in a folder of its own, and of the organization.
_KEPT |= {f"accounts/{_ID}/{name}": mark for name, mark in [*_KEPT.items(), ("account.json", '"scan_id"')]}
_KEPT |= {"accounts.json": '"scan_id"', "baselines.json": '"scan_id"', "accounts-to-scan.json": "["}
_KEPT[f"unchecked/{_ID}.json"] = '"account_id"'
_KEPT |= MARKS
# Of a scan, too; but a snapshot has this name, and may be here.
_ACCOUNT = "account.json"
_ASIDE = "earlier-scan"


class OutputError(Exception):
    """A place that is refused; the message is one clear line."""


@dataclass(frozen=True)
class ScanOutput:
    """Where a scan's results go, besides the screen."""

    folder: Path | None
    stats: Path | None
    report_alone: bool

    def prepare(self) -> None:
        """Raise an OutputError for a place that cannot be written to, or has files of these names of another kind."""
        try:
            if self.folder:
                if not self.folder.exists():
                    self.folder.mkdir(mode=0o700, parents=True)
                (self.folder / "pages").mkdir(mode=0o700, exist_ok=True)
                tempfile.TemporaryFile(dir=self.folder).close()
                for old, mark in self._earlier():
                    if not _begins_with(old, mark):
                        raise OutputError(f"--out: {old} is not of a scan; choose another folder")
            if self.stats:
                self.stats.write_text("", encoding="utf-8")
        except OSError as error:
            raise OutputError(cannot_be_written(error, self.folder or self.stats or "")) from error

    def write(self, result: ScanResult) -> Iterator[str]:
        """Write the scan's files and its stats; yield a line for each of the two that could not be written."""
        if self.folder:
            try:
                yield from self._replace_files(self.folder, result)
            except OSError as error:
                yield cannot_be_written(error, error.filename or self.folder)
        if self.stats:
            try:
                _write(self.stats, f"{json.dumps(result.stats, indent=2)}\n".encode())
            except OSError as error:
                yield cannot_be_written(error, self.stats)

    def _replace_files(self, folder: Path, result: ScanResult) -> Iterator[str]:
        """Put a scan's files in the place of an earlier one's, which stay until all of them are written.

        A scan without a report moves the earlier one's aside: nobody is to take an old report for its own.
        """
        earlier = {path for path, _ in self._earlier()}
        coming: dict[Path, Path] = {}
        try:
            for name, content in {**result.files, **sent_files(result)}.items():
                if name == _ACCOUNT and self._is_a_snapshot(folder / name):
                    continue
                coming[folder / name] = _write_beside(folder / name, content)
            if earlier and not result.report:
                _move(earlier, folder, folder / _ASIDE)
                yield f"{folder / _ASIDE}: has the files of an earlier scan; this one made no report"
            for path, new in coming.items():
                new.replace(path)
        finally:
            for new in coming.values():
                new.unlink(missing_ok=True)
        for old in earlier - coming.keys():
            old.unlink(missing_ok=True)
        emptied = {folder / "pages", *(parent for old in earlier for parent in old.parents if folder in parent.parents)}
        for parent in sorted(emptied, reverse=True):  # the deepest first
            with contextlib.suppress(OSError):  # it has files, or is not there
                parent.rmdir()

    def _earlier(self) -> Iterator[tuple[Path, str]]:
        """Yield the files that an earlier scan may have left, and by what each is known to be one's."""
        if self.folder:
            for pattern, mark in _KEPT.items():
                yield from ((old, mark) for old in self.folder.glob(pattern))
            account = self.folder / _ACCOUNT
            if account.is_file() and not self._is_a_snapshot(account):
                yield account, _KEPT["report.json"]

    def _is_a_snapshot(self, account: Path) -> bool:
        """Return whether a file of this name is an account to scan, which stays, and not what a scan read of one."""
        return account.exists() and not _begins_with(account, _KEPT["report.json"])


def _begins_with(path: Path, mark: str) -> bool:
    """Return whether the mark is in a file's first 1,000 characters; an empty file is taken for one of a scan."""
    with path.open(encoding="utf-8", errors="replace") as file:
        beginning = file.read(1000)
    return mark in beginning or not beginning


def _move(paths: Iterable[Path], folder: Path, target: Path) -> None:
    for path in paths:
        place = target / path.relative_to(folder)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.replace(place)


def _write_beside(path: Path, content: bytes) -> Path:
    """Write a new file, to take a file's place, that its owner alone can read: it may have an account's users."""
    new = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            new = Path(file.name)
            file.write(content)
    except OSError as error:
        if new:
            new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    return new


def _write(path: Path, content: bytes) -> None:
    """Write a file, which may be a device; remove one that is not whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(content)
    except OSError as error:
        if path.is_file():
            path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error

"""Where the results of a scan go, besides the screen: the files of `--out` and `--stats`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.terminal import cannot_be_written
from localaws.scan_run import ScanResult

# What a scan keeps, and by which words within its first 1,000 characters it is known to be a scan's.
_KEPT = {
    "report.json": '"scan_id"',
    "report.csv": "scan_id",
    "report.html": "<title>IAM access keys",
    "pages/[0-9][0-9][0-9][0-9].json": '"scan_id"',
}


class OutputError(Exception):
    """A place that is refused; the message is one clear line."""


@dataclass(frozen=True)
class ScanOutput:
    """Where a scan's results go, besides the screen."""

    folder: Path | None
    stats: Path | None
    report_alone: bool

    def prepare(self) -> None:
        """Raise an OutputError for a place that cannot be written to; remove what an earlier scan left there."""
        try:
            if self.folder:
                (self.folder / "pages").mkdir(parents=True, exist_ok=True)
                for pattern, mark in _KEPT.items():
                    for old in self.folder.glob(pattern):
                        with old.open(encoding="utf-8", errors="replace") as file:
                            beginning = file.read(1000)
                        if mark not in beginning and beginning:
                            raise OutputError(f"--out: {old} is not of a scan; choose another folder")
                        old.unlink()
            if self.stats:
                self.stats.write_text("", encoding="utf-8")
        except OSError as error:
            raise OutputError(cannot_be_written(error, self.folder or self.stats or "")) from error

    def write(self, result: ScanResult) -> Iterator[str]:
        """Write the scan's files and its stats; yield a line for each of the two that could not be written."""
        files = {self.folder / name: content for name, content in result.files.items()} if self.folder else {}
        stats = {self.stats: f"{json.dumps(result.stats, indent=2)}\n".encode()} if self.stats else {}
        for contents in (files, stats):
            try:
                for path, content in contents.items():
                    _write(path, content)
            except OSError as error:
                yield cannot_be_written(error, path)


def _write(path: Path, content: bytes) -> None:
    """Write a file; one that is not whole is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(content)
    except OSError:
        if path.is_file():  # not a device
            path.unlink()
        raise

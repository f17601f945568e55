"""report.csv of an organization. Pure, but for temporary files, by which no more than one account is in memory."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO

from chalicelib.documents import Report
from chalicelib.organization_documents import ListedAccount, OrganizationReport
from chalicelib.outputs.report_csv import COLUMNS, PLAN_COLUMNS, columns_of, header, record, row, rows_of
from chalicelib.report.organization import DAMAGED, Outcome
from chalicelib.severity import Severity
from chalicelib.telling_settings import OwnerRule

_OF_ACCOUNTS = "account_name"  # the column that an account's file does not have
_EXEMPT, _REST = "exempt", "rest"


def _text_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="")


def _rows(account: ListedAccount, report: Report, owners: OwnerRule | None) -> Iterator[tuple[str, str]]:
    """Yield each row of an account's report as JSON, and the section that it is in.

    It has the columns of a plan at its end, whether or not the organization's report will have a plan.
    """
    columns = (*COLUMNS, _OF_ACCOUNTS, *PLAN_COLUMNS)
    for cells in rows_of(report, owners):
        section = _EXEMPT if cells["verdict"] == "exempt" else cells.get("severity") or _REST
        yield section, json.dumps(record({**cells, _OF_ACCOUNTS: account["name"]}, columns), ensure_ascii=False)


class OrganizationCsv:
    """report.csv while the accounts' reports pass by: by severity, then by account as they come, then the oldest.

    `owners` says who can be notified of their keys, where the stage notifies them.
    """

    def __init__(self, owners: OwnerRule | None = None) -> None:
        self._owners = owners
        self._open_files = ExitStack()
        self._sections = {name: self._open_files.enter_context(_text_file()) for name in (*Severity, _EXEMPT, _REST)}

    def __enter__(self) -> "OrganizationCsv":
        return self

    def __exit__(self, *_: object) -> None:
        self._open_files.close()

    def watch(self, outcomes: Iterable[tuple[ListedAccount, Outcome]]) -> Iterator[tuple[ListedAccount, Outcome]]:
        """Pass on what became of each account, keeping the rows of its report; one without rows is damaged."""
        for account, outcome in outcomes:
            try:
                rows = [] if isinstance(outcome, str) else list(_rows(account, outcome, self._owners))
            except (KeyError, TypeError, ValueError, AttributeError):
                yield account, DAMAGED
            else:
                for section, texts in rows:
                    self._sections[section].write(f"{texts}\n")
                yield account, outcome

    def render(self, report: OrganizationReport) -> Iterator[str]:
        """Render report.csv: the rows of all reports, those of findings first, then the accounts without one."""
        columns = columns_of(report, _OF_ACCOUNTS)
        yield header(columns)
        for name in (*Severity, _EXEMPT):
            yield from self._text(name, len(columns))
        of_all = {"scan_id": report["scan_id"], "as_of": report["as_of"]}
        for account in report["accounts"]:
            if account["outcome"] != "scanned":
                yield row(record({**account, **of_all, "verdict": f"account_{account['outcome']}"}, columns))
        yield from self._text(_REST, len(columns))

    def _text(self, name: str, width: int) -> Iterator[str]:
        file = self._sections[name]
        file.seek(0)
        yield from (row(json.loads(texts)[:width]) for texts in file)

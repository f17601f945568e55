"""report.ocsf.json of an organization. Pure, but for a temporary file: no more than one account is in memory."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from chalicelib.organization_documents import ListedAccount, OrganizationReport
from chalicelib.outputs.report_ocsf import Place, account_finding, array, findings_of
from chalicelib.report.organization import DAMAGED, Outcome


class OrganizationOcsf:
    """report.ocsf.json while the accounts' reports pass by."""

    def __init__(self) -> None:
        self._file: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115  # __exit__ does

    def __enter__(self) -> "OrganizationOcsf":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def watch(self, outcomes: Iterable[tuple[ListedAccount, Outcome]]) -> Iterator[tuple[ListedAccount, Outcome]]:
        """Pass on what became of each account, keeping the findings of its report; one without any is damaged."""
        for account, outcome in outcomes:
            try:
                found = [] if isinstance(outcome, str) else list(findings_of(outcome, account["name"]))
            except (KeyError, TypeError, ValueError, AttributeError):
                yield account, DAMAGED
            else:
                self._file.writelines(f"{account['account_id']} {json.dumps(finding)}\n" for finding in found)
                yield account, outcome

    def render(self, report: OrganizationReport) -> Iterator[str]:
        """Render report.ocsf.json: the findings of all accounts, and each account that could not be scanned."""
        return array(self._documents(report))

    def _documents(self, report: OrganizationReport) -> Iterator[str]:
        outcomes = {account["account_id"]: account["outcome"] for account in report["accounts"]}
        for account in report["accounts"]:
            if account["outcome"] == "unchecked":
                place = Place(report["scan_id"], report["as_of"], account["account_id"], account["account_name"])
                yield json.dumps(account_finding(place, account["cause"]))
        self._file.seek(0)
        for line in self._file:
            account_id, _, document = line.rstrip("\n").partition(" ")
            if outcomes.get(account_id) == "scanned":
                yield document

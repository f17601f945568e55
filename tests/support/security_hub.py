"""Scans of an account that changes, and a Security Hub in this process: moto's, as the local AWS has it."""

import functools
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.securityhub.exceptions import SecurityHubClientError
from moto.securityhub.models import SecurityHubBackend

from chalicelib.aws import clients
from chalicelib.documents import Page, Report
from chalicelib.evaluation.account import read_root
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.instants import format_instant
from chalicelib.policy import ScanPolicy
from chalicelib.report.changes import join_and_compare
from chalicelib.steps import findings as step
from localaws.moto_patches.security_hub import take_findings_as_security_hub_does
from tests.support.facts import facts
from tests.support.fake_scans import Bucket, refusal
from tests.support.organization_reports import joined
from tests.support.reports import AS_OF

OWN, REGION = "123456789012", "eu-central-1"
_apply = functools.cache(take_findings_as_security_hub_does)


def scanned(
    *outcomes: dict[str, Any],
    last: Report | None = None,
    scan_id: str = "scan-1",
    at: datetime = AS_OF,
    account_id: str = OWN,
    account: dict[str, Any] | None = None,
    **policy: Any,
) -> tuple[Report, list[Page]]:
    """The report of a scan that found these outcomes, and its pages, two users each."""
    read = {**facts(outcomes, **(account or {})), "account_id": account_id, "root": read_root(0)}
    context = ScanContext(scan_id, account_id, at, ScanPolicy(**policy), read)  # type: ignore[arg-type]  # such facts
    pages = []
    for number, start in enumerate(range(0, len(outcomes) or 1, 2), 1):
        part = outcomes[start : start + 2]
        pages.append(evaluate_page(context, number, [one["user_name"] for one in part], part, start))
    return join_and_compare(pages, lambda: last, read), pages  # type: ignore[arg-type]  # such facts


class LocalHub:
    """Security Hub's client and, behind it, moto's backend; `fails` may raise in the place of an answer, or refuse."""

    def __init__(self, *, enabled: bool = True, account_id: str = OWN) -> None:
        _apply()
        self.backend = SecurityHubBackend(REGION, account_id)
        self.backend.enabled = enabled
        self.meta = SimpleNamespace(region_name=REGION)
        self.calls: list[list[str]] = []  # ids of the findings of each call
        self.fails: Callable[[list[str]], Iterable[dict[str, str]]] = lambda _: ()

    def batch_import_findings(self, *, Findings: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        ids = [finding["Id"] for finding in Findings]
        self.calls.append(ids)
        failed = list(self.fails(ids))
        refused = {one["Id"] for one in failed}
        sent = json.loads(json.dumps([one for one in Findings if one["Id"] not in refused]))
        try:
            _, taken, more = self.backend.batch_import_findings(sent) if sent or not failed else (0, 0, [])
        except SecurityHubClientError as error:
            raise _client_error(error) from error
        return {"FailedCount": len(failed + more), "SuccessCount": taken, "FailedFindings": failed + more}

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        """The findings by access key id."""
        return {one.id.rpartition("/")[2]: one.data for one in self.backend.findings}

    def states(self) -> dict[str, tuple[str, str]]:
        """The compliance and the record state of each finding, by access key id."""
        return {key_id: (one["Compliance"]["Status"], one["RecordState"]) for key_id, one in self.findings.items()}


def _client_error(error: SecurityHubClientError) -> ClientError:
    return refusal(str(error.code), 400, error.message)


class Stage:
    """A stage whose scans put findings into Security Hub; its bucket is a dictionary."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub, self.bucket, self.last = LocalHub(), Bucket(), dict[str, Report]()
        monkeypatch.setattr(clients, "s3", lambda: self.bucket)
        monkeypatch.setattr(clients, "security_hub", lambda: self.hub)
        monkeypatch.setenv("REPORTS_BUCKET", "reports")
        self.day, self.number = 0.0, 0

    def scan(self, *outcomes: dict[str, Any], **policy: Any) -> dict[str, int]:
        """Let a day pass and scan; return what the step says."""
        self.keep(*outcomes, **policy)
        return self.send()

    def keep(self, *outcomes: dict[str, Any], days: float = 1, **policy: Any) -> Report:
        """Let days pass and keep the files of a scan."""
        self._begin(days)
        report, pages = scanned(*outcomes, last=self.last.get(OWN), scan_id=self.scan_id, at=self.at, **policy)
        self._keep(f"scans/{self.scan_id}", report, pages)
        self.last[OWN] = report
        return report

    def keep_organization(self, accounts: dict[str, list[dict[str, Any]] | str], days: float = 1) -> None:
        """Let days pass and keep a scan of these accounts, each with its outcomes or why it is unchecked."""
        self._begin(days)
        folder, rows = f"scans/{self.scan_id}", []
        for account_id, outcomes in accounts.items():
            outcome = "unchecked" if isinstance(outcomes, str) else "scanned"
            coverage = None if isinstance(outcomes, str) else {"users_listed": len(outcomes)}
            name = {"account_id": account_id, "account_name": f"team-{account_id[:1]}"}
            rows.append({**name, "outcome": outcome, "coverage": coverage})
            if not isinstance(outcomes, str):
                how = {"last": self.last.get(account_id), "scan_id": self.scan_id, "at": self.at}
                report, pages = scanned(*outcomes, account_id=account_id, **how)  # type: ignore[arg-type]  # by name
                self._keep(f"{folder}/accounts/{account_id}", report, pages)
                self.last[account_id] = report
        at = {"as_of": format_instant(self.at), "started_at": format_instant(self.at)}
        of_all: Any = {**joined([]), **at, "scan_id": self.scan_id, "policy": ScanPolicy().to_json(), "accounts": rows}
        self.bucket.keep(f"{folder}/report.json", of_all)

    def send(
        self,
        scan_id: str | None = None,
        after: timedelta = timedelta(minutes=5),
        seconds_left: Callable[[], float] = lambda: 900,
    ) -> dict[str, int]:
        """Put the findings of a scan, the last one, into Security Hub, so long after the last one began."""
        arn = f"arn:aws:states:{REGION}:{OWN}:execution:iam-key-age-prod:{scan_id or self.scan_id}"
        scan = {"scan_id": scan_id or self.scan_id, "execution_arn": arn}
        return step.import_findings(scan, self.at + after, seconds_left)

    def sent(self, account_id: str = OWN) -> dict[str, Any]:
        """What the bucket says that Security Hub has, by access key id."""
        keys: dict[str, Any] = json.loads(self.bucket.objects[f"security-hub/{account_id}.json"])["keys"]
        return keys

    @property
    def scan_id(self) -> str:
        return f"scan-{self.number}"

    @property
    def at(self) -> datetime:
        return AS_OF + timedelta(days=self.day)

    def _begin(self, days: float) -> None:
        self.number, self.day = self.number + 1, self.day + days
        self.bucket.clock = lambda: self.at
        self.hub.calls = []

    def _keep(self, folder: str, report: Report, pages: list[Page]) -> None:
        self.bucket.keep(f"{folder}/report.json", report)
        for page in pages:
            self.bucket.keep(f"{folder}/pages/{page['page']:04d}.json", page)

"""Faults of a scan of an organization as a whole: one test for each row of its second table in docs/reliability.md."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker,
)

from localaws.commands.scan import exit_status
from localaws.environment import LocalAws
from localaws.faults import Faults, parse_faults
from localaws.scan_run import ScanResult
from tests.support.organizations import OWN, account_id, deployed, member, organization
from tests.support.scanner import OLD, user

FIRST, SECOND, SUSPENDED = map(account_id, range(1, 4))
ACCOUNTS = organization(
    member(1, user("alice", OLD)),
    member(2, user("bob", OLD)),
    member(3, user("carol", OLD), state="SUSPENDED"),
    users=[],
)
Inject = Callable[..., None]


@pytest.fixture(scope="module")
def of_organization(aws: LocalAws) -> Iterator[LocalAws]:
    with deployed(aws, ACCOUNTS):
        yield aws


@pytest.fixture
def inject(of_organization: LocalAws) -> Iterator[Inject]:
    """Inject faults, in the fields of `--faults`, until the end of the test."""
    yield lambda **faults: of_organization.inject(parse_faults(json.dumps(faults)))
    of_organization.inject(Faults())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never wait: zero is the shortest wait that full jitter allows."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    monkeypatch.setattr("random.uniform", lambda low, _high: low)


def scan(aws: LocalAws, **policy: Any) -> ScanResult:
    aws.messages()  # those of an earlier test
    aws.mail()
    return aws.scan(json.dumps(policy))


def assert_nothing_green(result: ScanResult, says: str) -> None:
    """Assert that the execution and the exit status show the failure, and that a message reports it."""
    assert (result.status, exit_status(result)) == ("FAILED", 1)
    assert says in str(result.error)
    [told] = [mail["Message"] for mail in result.mail if "ended FAILED" in mail["Message"]]
    assert f"scan {result.scan_id} in AWS account {OWN} ended FAILED: its results are unknown" in told


def latest(aws: LocalAws) -> Any:
    """The id of the scan that the next one is compared with."""
    kept = aws.client("s3").get_object(Bucket=aws.outputs()["ReportsBucket"], Key="organization/latest.json")
    return json.load(kept["Body"])["scan_id"]


def outcomes(result: ScanResult) -> dict[str, str]:
    return {row["account_id"]: row["outcome"] for row in result.report["accounts"]}


def test_a_scan_of_accounts_that_are_not_active_still_reports_them(of_organization: LocalAws) -> None:
    result = scan(of_organization, accounts=[SUSPENDED])

    assert (result.status, exit_status(result)) == ("SUCCEEDED", 0)
    assert outcomes(result) == {SUSPENDED: "not_active"}
    assert result.stats["calls"]["lambda:InvokeFunction"] == 2  # to list the accounts, and to build the report


def test_the_functions_failing_twice_and_then_working(of_organization: LocalAws, inject: Inject) -> None:
    failing = {"fail": 2}
    inject(**{"lambda": {"list_accounts": failing, "scan_account": failing, "build_organization_report": failing}})

    result = scan(of_organization)

    assert (result.status, result.error) == ("SUCCEEDED", None)
    assert outcomes(result) == {OWN: "scanned", FIRST: "scanned", SECOND: "scanned", SUSPENDED: "not_active"}
    assert len(result.mail) == 1


def test_the_function_failing_for_an_account_for_good(of_organization: LocalAws, inject: Inject) -> None:
    inject(accounts={FIRST: {"lambda": {"scan_account": {"fail": -1}}}})

    result = scan(of_organization)

    assert (result.status, exit_status(result)) == ("SUCCEEDED", 0)
    assert outcomes(result)[FIRST] == "unchecked"
    assert json.loads(result.files[f"unchecked/{FIRST}.json"])["account_id"] == FIRST
    [row] = [row for row in result.report["accounts"] if row["account_id"] == FIRST]
    assert row["cause"].startswith("The function ScanAccount failed: Lambda.ServiceException: ")
    assert "INCOMPLETE: 1 account unchecked" in result.mail[0]["Subject"]


def test_organizations_refusing_to_list_the_accounts(of_organization: LocalAws, inject: Inject) -> None:
    inject(organizations={"deny": True})

    result = scan(of_organization)

    assert_nothing_green(result, "OrganizationUnreadableError: Organizations did not list the accounts")
    assert "management account, or in that of a delegated administrator" in str(result.error)
    assert "report.json" not in result.files


def test_organizations_throttling_for_a_while(of_organization: LocalAws, inject: Inject) -> None:
    inject(organizations={"throttle": 7})  # the function tries five times

    result = scan(of_organization)

    assert (result.status, result.error) == ("SUCCEEDED", None)
    assert outcomes(result)[FIRST] == "scanned"


def test_organizations_throttling_for_good(of_organization: LocalAws, inject: Inject) -> None:
    inject(organizations={"throttle": -1})

    result = scan(of_organization)

    assert_nothing_green(result, "OrganizationsUnavailableError: Organizations did not list the accounts (TooMany")
    assert "Accounts=organization" not in str(result.error)


def test_sts_throttling_for_a_while(of_organization: LocalAws, inject: Inject) -> None:
    inject(accounts={FIRST: {"sts": {"throttle": 12}}})  # the function tries five times, the state machine thrice

    result = scan(of_organization)

    assert outcomes(result)[FIRST] == "scanned"
    assert f"unchecked/{FIRST}.json" not in result.files


def test_sns_failing_for_good(of_organization: LocalAws, inject: Inject) -> None:
    before = scan(of_organization, max_age_days=3650)
    inject(sns={"fail": -1})

    failed = scan(of_organization)
    latest_after_failed = latest(of_organization)
    inject()
    after = scan(of_organization)

    assert_nothing_green(failed, "Sns.InternalErrorException")
    assert (failed.report["totals"]["expired"], failed.report["changes"]["new"]) == (2, 2)
    assert latest_after_failed == before.scan_id
    assert after.report["changes"]["since"] == {"scan_id": before.scan_id, "as_of": before.report["as_of"]}
    assert (after.report["changes"]["new"], latest(of_organization)) == (2, after.scan_id)


@pytest.mark.parametrize(("failing", "fails"), [({FIRST}, True), (set(), False)])
def test_too_many_accounts_without_an_outcome(
    of_organization: LocalAws, monkeypatch: pytest.MonkeyPatch, failing: set[str], fails: bool
) -> None:
    worker: Any = distributed_item_processor_worker.DistributedItemProcessorWorker
    begin = worker._eval_input

    def fail_or_begin(self: Any, env_frame: Any) -> None:
        begin(self, env_frame)
        if env_frame.states.get_input()["account"]["account_id"] in failing:
            raise RuntimeError("as if a child had failed by itself")

    monkeypatch.setattr(worker, "_eval_input", fail_or_begin)

    result = scan(of_organization)

    if fails:
        assert_nothing_green(result, "TooManyChildrenFailedError: 1 of 3 accounts have no outcome")
    assert (result.status == "FAILED") is fails

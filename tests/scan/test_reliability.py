"""Faults, caused on purpose: one test for each row of docs/reliability.md, which names it."""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker,
)

from localaws.calls import Call
from localaws.commands.scan import exit_status
from localaws.environment import PROJECT
from localaws.error_answers import slow_down
from localaws.fault_injector import FaultInjector
from localaws.faults import Faults, parse_faults
from localaws.moto_patches import stepfunctions
from localaws.scan_run import ScanResult
from tests.support.iam_errors import Interference, Throttled
from tests.support.scanner import FRESH, OLD, Scanner, aged, invoke, keep_as_latest, latest, user

Inject = Callable[..., None]


@pytest.fixture
def inject(scanner: Scanner) -> Iterator[Inject]:
    """Inject faults, in the fields of `--faults`, until the end of the test."""
    yield lambda **faults: scanner.aws.inject(parse_faults(json.dumps(faults)))
    scanner.aws.inject(Faults())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never wait: zero is the shortest wait that full jitter allows."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    monkeypatch.setattr("random.uniform", lambda low, _high: low)


def people(count: int) -> list[dict[str, Any]]:
    """Return users, every third with an overdue key."""
    return [user(f"user-{number:04}", FRESH if number % 3 else OLD) for number in range(count)]


def names(count: int) -> set[str]:
    return {f"user-{number:04}" for number in range(count)}


def outcomes(result: ScanResult) -> list[str]:
    """Return the user names on all pages, duplicates included."""
    pages = [json.loads(content) for name, content in sorted(result.files.items()) if name.startswith("pages/")]
    return [person["user_name"] for page in pages for person in page["users"]]


def assert_everybody_once(result: ScanResult, count: int, unchecked: int = 0, not_found: int = 0) -> None:
    """Assert that every user is in the pages exactly once and that the report's counts agree."""
    assert (result.status, exit_status(result)) == ("SUCCEEDED", 0), result.error
    found = outcomes(result)
    assert len(found) == len(set(found)) == count
    coverage = result.report["coverage"]
    assert (coverage["users_listed"], coverage["users_unchecked"], coverage["users_not_found"]) == (
        count,
        unchecked,
        not_found,
    )
    assert coverage["users_checked"] == count - unchecked - not_found


def assert_nothing_green(result: ScanResult, says: str, report: bool = False) -> None:
    """Assert that the execution and the exit status show the failure, and that a message reports it."""
    assert (result.status, exit_status(result)) == ("FAILED", 1)
    assert says in str(result.error)
    assert ("report.json" in result.files) is report
    assert "ended FAILED: its results are unknown" in result.mail[-1]["Message"]


@pytest.mark.usefixtures("impatient")
def test_30_percent_of_iam_calls_throttled(scanner: Scanner, inject: Inject) -> None:
    inject(seed=7, iam={"throttle_ratio": 0.3})

    result = scanner.scan(people(150))

    assert_everybody_once(result, 150)
    assert result.report["totals"]["expired"] == 50
    iam = sum(count for call, count in result.stats["calls"].items() if call.startswith("iam:"))
    assert iam == 1 + 1 + 2 + 150 + 50 + result.stats["throttled"]
    assert 0.2 < result.stats["throttled"] / iam < 0.4


def test_a_token_bucket_of_20_calls_a_second(scanner: Scanner, inject: Inject) -> None:
    inject(iam={"rate_per_second": 20, "burst": 5})

    result = scanner.scan(people(30))

    assert_everybody_once(result, 30)
    assert result.stats["throttled"] > 0
    assert result.report["details_unknown"] == []


def test_users_denied(scanner: Scanner, inject: Inject) -> None:
    inject(iam={"deny": ["user-0000", "user-0101"]})

    result = scanner.scan(people(120))

    assert_everybody_once(result, 120, unchecked=2)
    assert {person["user_name"] for person in result.report["unchecked"]} == {"user-0000", "user-0101"}
    assert all(
        "not authorized to perform: iam:ListAccessKeys" in person["cause"] for person in result.report["unchecked"]
    )
    assert "INCOMPLETE: 2 of 120 users unchecked" in result.mail[0]["Subject"]
    assert result.stats["calls"]["iam:ListAccessKeys"] == 120  # a refusal is not asked for again


def test_all_users_denied(scanner: Scanner, inject: Inject) -> None:
    inject(iam={"deny": sorted(names(3))})

    result = scanner.scan(people(3))

    assert_everybody_once(result, 3, unchecked=3)
    assert "INCOMPLETE: 3 of 3 users unchecked" in result.mail[0]["Subject"]
    assert result.mail[0]["Message"].startswith("Nothing is known of the access keys in AWS account 123456789012")
    assert "older than" not in result.mail[0]["Message"].partition("\n\n")[0]


def test_users_deleted_after_being_listed(scanner: Scanner, inject: Inject) -> None:
    inject(iam={"delete": ["user-0000", "user-0101"]})

    result = scanner.scan(people(120))

    assert_everybody_once(result, 120, not_found=2)
    assert result.report["not_found"] == ["user-0000", "user-0101"]
    assert result.report["totals"]["expired"] == 39


@pytest.mark.usefixtures("impatient")
def test_iam_throttling_every_call_for_good(scanner: Scanner, inject: Inject) -> None:
    # The function that reads the account would wait in real time; tests/unit/test_read_account.py throttles it.
    inject(iam={"throttle_ratio": 1}, **{"lambda": {"read_account": {"fail": -1}}})

    result = scanner.scan(people(3))

    assert_nothing_green(result, "Iam.IamException: Rate exceeded")
    assert result.stats["calls"]["iam:ListUsers"] == 9


@pytest.mark.usefixtures("impatient")
def test_validate_keys_and_build_report_failing_twice_and_then_working(scanner: Scanner, inject: Inject) -> None:
    inject(**{"lambda": {"read_policy": {"fail": 2}, "validate_keys": {"fail": 2}, "build_report": {"fail": 2}}})

    result = scanner.scan(people(120))

    assert_everybody_once(result, 120)
    assert result.stats["calls"]["lambda:InvokeFunction"] == 3 + 1 + 4 + 3
    assert len(result.mail) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("function", "before"), [("read_policy", 0), ("validate_keys", 2), ("build_report", 3)])
def test_a_function_failing_for_good(scanner: Scanner, inject: Inject, function: str, before: int) -> None:
    inject(**{"lambda": {function: {"fail": -1}}})

    result = scanner.scan(people(3))

    assert_nothing_green(result, "Lambda.ServiceException")
    assert result.stats["calls"]["lambda:InvokeFunction"] == before + 6


@pytest.mark.usefixtures("impatient")
def test_the_function_that_reads_the_account_failing_for_good(scanner: Scanner, inject: Inject) -> None:
    inject(**{"lambda": {"read_account": {"fail": -1}}})

    result = scanner.full_scan(people(3))

    assert_everybody_once(result, 3)
    assert result.stats["calls"]["lambda:InvokeFunction"] == 1 + 6 + 1 + 1
    assert [unknown["part"] for unknown in result.report["account_unknown"]] == ["users", "alias"]
    assert all("Lambda.ServiceException" in unknown["cause"] for unknown in result.report["account_unknown"])
    assert result.report["root"]["verdict"] == "unknown"
    assert {finding["tags"] for finding in result.report["findings"]} <= {"unknown"}
    assert "INCOMPLETE" in result.mail[0]["Subject"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("times", [2, 6])
def test_s3_writes_failing_twice(scanner: Scanner, inject: Inject, times: int) -> None:
    """After six failures, the function's own four tries are used up, and the state machine invokes it again."""
    inject(s3={"fail": times})

    result = scanner.scan(people(120))

    assert_everybody_once(result, 120)
    assert result.stats["calls"]["s3:PutObject"] == 6 + times
    assert result.stats["calls"]["lambda:InvokeFunction"] == 5 + times // 4
    assert sorted(result.files) == [
        "account.json",
        "pages/0001.json",
        "pages/0002.json",
        "report.csv",
        "report.html",
        "report.json",
    ]


@pytest.mark.usefixtures("impatient")
def test_s3_failing_for_good(scanner: Scanner, inject: Inject) -> None:
    inject(s3={"fail": -1})

    result = scanner.scan([])

    assert_nothing_green(result, "EvidenceUnavailableError")
    assert result.files == {}
    assert result.stats["calls"]["s3:PutObject"] == 2 * 6 * 4  # of the account, then of the first page


@pytest.mark.usefixtures("impatient")
def test_the_last_write_failing_for_good(scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = FaultInjector.answer

    def refuse_the_last_write(self: FaultInjector, call: Call) -> Any:
        return (
            slow_down() if call.path.endswith("/latest.json") and call.operation == "PutObject" else answer(self, call)
        )

    keep_as_latest(scanner, None)
    with monkeypatch.context() as patched:
        patched.setattr(FaultInjector, "answer", refuse_the_last_write)
        failed = scanner.full_scan([aged("alice", 200)])
    after = scanner.full_scan([aged("alice", 200)])

    assert_nothing_green(failed, "S3.S3Exception", report=True)
    assert len(failed.mail) == 2  # the scan's own message, then that it failed
    assert [key["user_name"] for key in after.report["changes"]["new"]] == ["alice"]


@pytest.mark.usefixtures("impatient")
def test_sns_failing_twice(scanner: Scanner, inject: Inject) -> None:
    inject(sns={"fail": 2})

    result = scanner.scan(people(3))

    assert_everybody_once(result, 3)
    assert result.stats["calls"]["sns:Publish"] == 3
    assert len(result.messages) == len(result.mail) == 1


@pytest.mark.usefixtures("impatient")
def test_sns_failing_for_good(scanner: Scanner, inject: Inject) -> None:
    keep_as_latest(scanner, None)
    inject(sns={"fail": -1})

    failed = scanner.full_scan([aged("alice", 200)])
    inject()
    after = scanner.full_scan([aged("alice", 200)])

    assert_nothing_green(failed, "Sns.InternalErrorException", report=True)
    assert failed.stats["calls"]["sns:Publish"] == 6
    assert failed.report["totals"]["expired"] == 1
    assert [key["user_name"] for key in after.report["changes"]["new"]] == ["alice"]


def test_a_duplicate_schedule_event(scanner: Scanner) -> None:
    scanner.seed(people(3))
    event = {"time": "2026-11-21T08:00:00Z", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    event |= {"id": "e1", "account": "123456789012", "region": "us-east-1", "resources": [], "version": "0"}

    scan_id = invoke(scanner, "ScheduledScan", event)["scan_id"]
    result = ended(scanner, scan_id)
    calls = scanner.aws.calls()
    answer = invoke(scanner, "ScheduledScan", event)

    assert answer == {"scan_id": scan_id}
    assert scan_id.startswith("scheduled-2026-11-21T080000Z-")
    assert_everybody_once(result, 3)
    assert {call: count for call, count in scanner.aws.calls().items() if calls.get(call) != count} == {
        "states:StartExecution": calls["states:StartExecution"] + 1
    }
    assert ended(scanner, scan_id).files == result.files


def test_two_scans_at_once(scanner: Scanner) -> None:
    scanner.seed([{**person, "access_keys": [{"age_days": 91}]} for person in people(120)])
    scanner.aws.mail()

    started = [scanner.aws.post_scan("{}").json()["scan_id"], start_by_hand(scanner, "by-hand")]
    results = [ended(scanner, scan_id) for scan_id in started]

    for result in results:
        assert_everybody_once(result, 120)
        assert result.report["totals"]["expired"] == 120
    assert len(scanner.aws.mail()) == 2
    assert latest(scanner)["scan_id"] in started
    spans = [span(scanner, scan_id) for scan_id in started]
    assert max(begin for begin, _ in spans) < min(end for _, end in spans)


def test_a_scan_stopped_half_way_and_started_again_over_its_pages(
    scanner: Scanner,
    interference: Interference,
) -> None:
    stopped = stop_at(scanner, interference, "user-0110", 250)
    interference.before(lambda *_: None)
    asked = interference.asked.total()
    states, arn = scanner.aws.client("stepfunctions"), scanner.aws.outputs()["StateMachineArn"]

    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(stateMachineArn=arn, name=stopped.scan_id, input="{}")
    old_files = {**stopped.files, "pages/0009.json": stopped.files["pages/0001.json"]}
    result = execute_over(scanner, f"again-{uuid.uuid4()}", old_files)

    assert (stopped.status, exit_status(stopped)) == ("ABORTED", 1)
    assert list(stopped.files) == ["account.json", "pages/0001.json"]
    assert interference.asked.total() == asked + 250
    own = {name: content for name, content in result.files.items() if name != "pages/0009.json"}
    assert_everybody_once(replace(result, files=own), 250)


def test_a_scan_redriven_after_build_report_failed(
    scanner: Scanner, inject: Inject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redrive runs the failed state again with the same input; moto has no RedriveExecution."""
    monkeypatch.setattr("random.uniform", lambda low, _high: low)
    inject(**{"lambda": {"build_report": {"fail": -1}}})
    failed = scanner.scan(people(120))
    inject()

    first, second = (invoke(scanner, "BuildReport", last_input(scanner, failed.scan_id)) for _ in range(2))

    assert_nothing_green(failed, "Lambda.ServiceException")
    assert first == second
    report = json.loads(scanner.aws.files(failed.scan_id)["report.json"])
    assert report["coverage"]["users_checked"] == report["coverage"]["users_listed"] == 120
    assert report["totals"]["expired"] == len(report["findings"]) == 40


@pytest.mark.parametrize("left", stepfunctions.FailedChildren)
def test_a_child_failing(scanner: Scanner, monkeypatch: pytest.MonkeyPatch, left: stepfunctions.FailedChildren) -> None:
    """The only child of the second page fails: fewer than one user in five."""
    monkeypatch.setattr(stepfunctions, "failed_children", left)
    fail_children(monkeypatch, {"user-0100"})

    result = scanner.scan(people(105))

    assert_everybody_once(result, 105, unchecked=5)
    assert {person["user_name"] for person in result.report["unchecked"]} == names(105) - names(100)
    [cause] = {person["cause"] for person in result.report["unchecked"]}
    assert cause.startswith("the child execution that was to ask for this user failed or ran out of time")
    assert "INCOMPLETE: 5 of 105 users unchecked" in result.mail[0]["Subject"]


@pytest.mark.parametrize("left", stepfunctions.FailedChildren)
def test_one_child_in_five_failing(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, left: stepfunctions.FailedChildren
) -> None:
    """The users of the other four children are checked, whatever AWS leaves in the results for the one that failed."""
    monkeypatch.setattr(stepfunctions, "failed_children", left)
    fail_children(monkeypatch, {"user-0000"})

    result = scanner.scan(people(100))

    assert_everybody_once(result, 100, unchecked=20)
    assert result.report["totals"]["expired"] == len(range(21, 100, 3))


@pytest.mark.parametrize(
    ("count", "failing"), [(100, {"user-0000", "user-0020"}), (3, {"user-0000"}), (99, {"user-0000"})]
)
def test_more_than_one_user_in_five_without_an_outcome(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, count: int, failing: set[str]
) -> None:
    fail_children(monkeypatch, failing)

    result = scanner.scan(people(count))

    assert_nothing_green(result, f"TooManyChildrenFailedError: {min(count, 20 * len(failing))} of {count} users")


@pytest.mark.usefixtures("impatient")
def test_a_child_out_of_time(
    scanner: Scanner,
    interference: Interference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the call for the third user on, the expressions of the definition see a clock 181 seconds later."""
    monkeypatch.setattr(
        "jsonata.timebox.Timebox.current_milli_time",
        lambda: round(time.time() * 1000) + 181_000 * (interference.asked["user-0002"] > 0),
    )
    interference.before(throttle_third)

    result = scanner.scan(people(20), users=sorted(names(20)))

    assert_everybody_once(result, 20, unchecked=18)
    causes = {person["user_name"]: person["cause"] for person in result.report["unchecked"]}
    assert "Rate exceeded" in causes.pop("user-0002")
    assert set(causes.values()) == {"Not asked for: the 180 seconds of the child execution were over"}
    assert result.stats["calls"]["iam:ListAccessKeys"] == 3


def test_every_row_of_the_page_on_reliability_has_its_test() -> None:
    page = (PROJECT / "docs" / "reliability.md").read_text()
    table = page.partition("\n|---|")[2].partition("\n\n")[0]  # the next one is of tests/scan/test_usage_evidence.py
    rows = re.findall(r"^\| ([^|]+?) \|.*\| `(test_\w+)` \|$", table, re.MULTILINE)

    named = {test for _, test in rows}

    assert len(rows) == table.count("\n")
    assert named == {name for name in globals() if name.startswith("test_")} - {
        "test_every_row_of_the_page_on_reliability_has_its_test"
    }
    assert len(rows) == len(named)


def throttle_third(_response: Any, name: str, _time: int) -> None:
    if name == "user-0002":
        raise Throttled


def fail_children(monkeypatch: pytest.MonkeyPatch, first_users: set[str]) -> None:
    """Make the children that begin with these users fail."""
    worker: Any = distributed_item_processor_worker.DistributedItemProcessorWorker
    begin = worker._eval_input

    def fail_or_begin(self: Any, env_frame: Any) -> None:
        begin(self, env_frame)
        if first_users & set(env_frame.states.get_input()["user_names"][:1]):
            raise RuntimeError("as if a child had run into its five minutes")

    monkeypatch.setattr(worker, "_eval_input", fail_or_begin)


def ended(scanner: Scanner, scan_id: str) -> ScanResult:
    """Wait for a scan to end; return its result without messages and stats."""
    states = scanner.aws.client("stepfunctions")
    arn = scanner.aws.outputs()["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{scan_id}"
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        threading.Event().wait(0.1)
    files = scanner.aws.files(scan_id)
    return ScanResult(scan_id, execution["status"], execution.get("error"), files, [], [], {})


def stop_at(scanner: Scanner, interference: Interference, user_name: str, count: int) -> ScanResult:
    """Stop a scan when it lists the keys of this user."""
    states = scanner.aws.client("stepfunctions")

    def stop_it(_response: Any, name: str, _time: int) -> None:
        if name == user_name:
            running = states.list_executions(stateMachineArn=scanner.aws.outputs()["StateMachineArn"])["executions"]
            states.stop_execution(
                executionArn=next(one["executionArn"] for one in running if one["status"] == "RUNNING")
            )

    interference.before(stop_it)
    return scanner.scan(people(count))


def execute_over(scanner: Scanner, scan_id: str, files: dict[str, bytes]) -> ScanResult:
    """Run a scan whose folder already has files."""
    s3, bucket = scanner.aws.client("s3"), scanner.aws.outputs()["ReportsBucket"]
    for name, content in files.items():
        s3.put_object(Bucket=bucket, Key=f"scans/{scan_id}/{name}", Body=content)
    return ended(scanner, start_by_hand(scanner, scan_id))


def start_by_hand(scanner: Scanner, scan_id: str) -> str:
    """Start a scan as the console does, whatever else is running."""
    arn = scanner.aws.outputs()["StateMachineArn"]
    scanner.aws.client("stepfunctions").start_execution(stateMachineArn=arn, name=scan_id, input="{}")
    return scan_id


def span(scanner: Scanner, scan_id: str) -> tuple[datetime, datetime]:
    """Return when a scan began and ended."""
    arn = scanner.aws.outputs()["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{scan_id}"
    execution = scanner.aws.client("stepfunctions").describe_execution(executionArn=arn)
    return execution["startDate"], execution["stopDate"]


def last_input(scanner: Scanner, scan_id: str) -> dict[str, Any]:
    """Return the payload of the last task of an execution."""
    arn = scanner.aws.outputs()["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{scan_id}"
    history = scanner.aws.client("stepfunctions").get_execution_history(executionArn=arn)
    details = [event for event in history["events"] if event["type"] == "TaskScheduled"][-1]
    return dict(json.loads(details["taskScheduledEventDetails"]["parameters"])["Payload"])

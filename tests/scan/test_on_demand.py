"""One scan of all users at a time: over HTTP against a scan that takes a while, and at the turn of a minute."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib import scan_ids
from chalicelib.api import on_demand
from chalicelib.api.on_demand import Clock, start_on_demand
from chalicelib.aws import clients, executions
from chalicelib.policy import ScanPolicy, ScanRequest
from localaws.clients import FUNCTION, REGION
from tests.scan.test_api import at_once
from tests.scan.test_api import executions as executions_of
from tests.support.scanner import Scanner, user
from tests.support.serving import Served, start


@pytest.fixture(scope="module")
def slow() -> Iterator[Served]:
    """The demo account, on an IAM that takes its time."""
    running = start("--faults", '{"iam": {"latency_ms": 30}}')
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _nothing_else_runs(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "slow" in request.fixturenames:
        stop_all(request.getfixturevalue("slow"))


def stop_all(served: Served) -> None:
    """Stop every scan that runs, and wait for its end."""
    for running in served.get(status="RUNNING").json()["scans"]:
        arn = served.settings["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
        served.client("stepfunctions").stop_execution(executionArn=f"{arn}:{running['scan_id']}")
        served.wait_for(running["scan_id"])


def start_by_hand(served: Served, name: str, policy: str) -> None:
    client = served.client("stepfunctions")
    client.start_execution(stateMachineArn=served.settings["STATE_MACHINE_ARN"], name=name, input=policy)


def test_a_scan_tells_how_far_it_is(slow: Served) -> None:
    scan_id = slow.post({"wait_seconds": 1}).json()["scan_id"]
    seen = []

    while (scan := slow.get(f"/{scan_id}").json())["status"] == "RUNNING":
        seen.append(scan["progress"])
        assert (scan["summary"], scan["reports"], scan["links"]) == (None, {}, {"self": f"/scan/{scan_id}"})
        time.sleep(0.1)

    assert {"pages": 1, "users": 100} in seen
    assert all(progress["users"] == 100 * progress["pages"] for progress in seen if progress["pages"] < 3)
    assert scan["progress"] == {"pages": 3, "users": 250}


def test_a_scan_that_takes_longer_than_the_client_waits_is_still_running(slow: Served) -> None:
    began = time.monotonic()

    response = slow.post({"wait_seconds": 1})

    assert response.status_code == 202
    assert set(response.json()) == {"scan_id", "execution_arn", "status", "links"}
    assert response.json()["status"] == "RUNNING"
    assert time.monotonic() - began >= 1


def test_findings_and_report_of_a_scan_that_runs_are_not_there_yet(slow: Served) -> None:
    scan_id = slow.post().json()["scan_id"]

    for path in ("findings", "report?format=csv"):
        response = slow.get(f"/{scan_id}/{path}")

        assert response.status_code == 404
        assert response.json()["Message"] == "scan_id: this scan is RUNNING and has no report yet"


def test_a_scan_that_is_stopped_while_the_client_waits_found_nothing_out_and_says_so(slow: Served) -> None:
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(lambda: slow.post({"max_age_days": 30, "wait_seconds": 25}))
        while not (running := slow.get(status="RUNNING").json()["scans"]):
            time.sleep(0.1)
        arn = slow.settings["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
        slow.client("stepfunctions").stop_execution(executionArn=f"{arn}:{running[0]['scan_id']}")
        response = waiting.result()

    answer = response.json()
    assert response.status_code == 200
    assert (answer["status"], answer["error"]) == ("ABORTED", "stopped before its end")
    assert (answer["summary"], answer["findings"], answer["reports"]) == (None, None, {})


def test_a_scan_of_everybody_that_runs_is_the_answer_to_another_request_for_it(slow: Served) -> None:
    first = slow.post()

    second = slow.post({"max_age_days": 90})
    keyed = slow.post(Idempotency_Key="fresh")

    assert (first.status_code, second.status_code, keyed.status_code) == (202, 200, 200)
    assert second.json() == {**first.json(), "already_running": True}
    assert keyed.json() == second.json()


def test_fifty_requests_at_once_are_one_execution(slow: Served) -> None:
    before = executions_of(slow)

    answers = at_once(50, slow.post)

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["scan_id"] for answer in answers}) == 1
    assert len(executions_of(slow)) == len(before) + 1


def test_when_it_has_ended_another_request_starts_another_one(slow: Served) -> None:
    first = slow.post().json()
    slow.client("stepfunctions").stop_execution(executionArn=first["execution_arn"])
    slow.wait_for(first["scan_id"])

    second = slow.post()

    assert second.status_code == 202
    assert second.json()["scan_id"] != first["scan_id"]


@pytest.mark.parametrize("policy", ["{}", '{"max_age_days": 90}'])
def test_one_that_the_schedule_or_a_person_started_is_found_too(slow: Served, policy: str) -> None:
    name = f"by-hand-{len(policy)}"
    start_by_hand(slow, name, policy)

    response = slow.post()

    assert response.status_code == 200
    assert (response.json()["scan_id"], response.json()["already_running"]) == (name, True)


def test_a_scan_of_another_policy_or_of_named_users_does_not_wait_for_it(slow: Served) -> None:
    everybody = slow.post().json()["scan_id"]

    stricter = slow.post({"max_age_days": 30})
    one = slow.post({"users": ["pubudu"]})
    the_same_one = slow.post({"users": ["pubudu"]})

    assert [answer.status_code for answer in (stricter, one, the_same_one)] == [202, 202, 202]
    started = {answer.json()["scan_id"] for answer in (stricter, one, the_same_one)}
    assert len(started | {everybody}) == 4


def test_one_that_runs_by_a_bad_policy_is_passed_over(slow: Served) -> None:
    start_by_hand(slow, "bad", '{"max_age_days": 0}')

    assert slow.post().status_code == 202


# At the turn of a minute, where names change.

MINUTE = datetime(2026, 11, 25, 20, 41, tzinfo=UTC)


@pytest.fixture
def _of_the_api(scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Call as the function of the API does."""
    scanner.seed([user(f"user{number}") for number in range(200)])
    monkeypatch.setenv("STATE_MACHINE_ARN", scanner.aws.outputs()["StateMachineArn"])
    settings = {"AWS_ENDPOINT_URL": scanner.aws.endpoint_url, "AWS_DEFAULT_REGION": REGION}
    for name, value in {**settings, "AWS_ACCESS_KEY_ID": FUNCTION, "AWS_SECRET_ACCESS_KEY": "unused"}.items():
        monkeypatch.setenv(name, value)
    clients.step_functions.cache_clear()
    yield
    for running in executions.running_scans():
        scanner.aws.client("stepfunctions").stop_execution(executionArn=running.execution_arn)
    clients.step_functions.cache_clear()
    before = None
    while before != (before := scanner.aws.calls()):  # until what was under way is over: another test counts calls
        time.sleep(0.5)


class Time:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.slept: list[float] = []

    def clock(self, meanwhile: Any = lambda: None) -> Clock:
        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.now += timedelta(seconds=seconds)
            meanwhile()

        return Clock(lambda: self.now, sleep)


@pytest.mark.usefixtures("_of_the_api")
def test_scans_of_one_policy_in_one_minute_are_named_alike_and_counted() -> None:
    policy, clock = ScanPolicy(max_age_days=70), Time(MINUTE + timedelta(seconds=30)).clock()
    digest = on_demand._digest(ScanRequest(policy))

    first, joined = start_on_demand(ScanRequest(policy), ScanPolicy(), None, clock)
    _, joined_too = start_on_demand(ScanRequest(policy), ScanPolicy(), None, clock)
    clients.step_functions().stop_execution(executionArn=first.execution_arn)
    assert not executions.wait_for_end(first, 10).running
    second, _ = start_on_demand(ScanRequest(policy), ScanPolicy(), None, clock)

    assert (joined, joined_too) == (False, True)
    assert first.scan_id == f"adhoc-2026-11-25T204100Z-{digest}00"
    assert second.scan_id == f"adhoc-2026-11-25T204100Z-{digest}01"


@pytest.mark.usefixtures("_of_the_api")
@pytest.mark.parametrize(("second", "slept"), [(0.0, [2.0]), (1.5, [0.5]), (2.0, []), (59.9, [])])
def test_in_the_first_seconds_of_a_minute_one_of_the_minute_before_is_waited_for(
    second: float, slept: list[float]
) -> None:
    policy = ScanPolicy(max_age_days=80 + int(second))
    time_ = Time(MINUTE + timedelta(seconds=second))

    _, joined = start_on_demand(ScanRequest(policy), ScanPolicy(), None, time_.clock())

    assert (time_.slept, joined) == (slept, False)


@pytest.mark.usefixtures("_of_the_api")
def test_one_that_is_listed_while_the_first_seconds_of_a_minute_pass_is_the_answer() -> None:
    policy = ScanPolicy(max_age_days=60)
    started_before = []

    def list_it() -> None:
        started_before.append(
            executions.start_scan("adhoc-2026-11-25T204000Z-" + on_demand._digest(ScanRequest(policy)) + "00", policy)
        )

    scan, joined = start_on_demand(ScanRequest(policy), ScanPolicy(), None, Time(MINUTE).clock(list_it))

    assert joined
    assert scan.scan_id == started_before[0].scan_id


@pytest.mark.usefixtures("_of_the_api")
def test_one_that_step_functions_does_not_list_yet_is_not_started_twice_in_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executions, "running_scans", list)
    policy, clock = ScanPolicy(max_age_days=61), Time(datetime(2999, 1, 1, 0, 0, 30, tzinfo=UTC)).clock()

    first, _ = start_on_demand(ScanRequest(policy), ScanPolicy(), None, clock)
    second, joined = start_on_demand(ScanRequest(policy), ScanPolicy(), None, clock)

    assert second.scan_id == first.scan_id
    assert joined  # by the start that Step Functions tells: long before the clock's


@pytest.mark.usefixtures("_of_the_api")
def test_of_scans_of_others_only_those_that_may_be_of_the_policy_are_asked_for(scanner: Scanner) -> None:
    for number in range(5):
        executions.start_scan(scan_ids.adhoc_id(MINUTE), ScanPolicy(users=(f"user{number}",)))
    scanner.aws.forget_calls()

    start_on_demand(
        ScanRequest(ScanPolicy(max_age_days=50)),
        ScanPolicy(),
        None,
        Time(MINUTE + timedelta(seconds=30)).clock(),
    )

    calls = scanner.aws.calls()
    assert calls.get("states:DescribeExecution", 0) == 0
    assert (calls["states:ListExecutions"], calls["states:StartExecution"]) == (1, 1)

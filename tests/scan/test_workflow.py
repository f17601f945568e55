"""The real definition, executed: packaged, deployed and run as it ships, on accounts of every shape."""

import contextlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)

from chalicelib.instants import parse_instant
from chalicelib.scan_ids import scheduled_id
from localaws.accounts.account_file import DEMO_ACCOUNT
from localaws.scan_run import ScanResult
from tests.support.scanner import Scanner, user

OLD, IN_TIME, FRESH = "2026-08-24T07:59:59Z", "2026-08-24T08:00:00Z", "2026-11-01T00:00:00Z"


class Throttled(ServiceException):
    code = "Throttling"
    message = "Rate exceeded"


class Denied(ServiceException):
    code = "AccessDenied"
    message = 'User is "not authorized" to perform: iam:ListAccessKeys\nby \\ policy'


class Interference:
    """Comes before IAM's answers; counts what each user was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = threading.Lock()
        self._before: Callable[[IamResponse, str, int], None] = lambda *_: None
        self.asked: Counter[str] = Counter()
        answer = IamResponse.list_access_keys

        def list_access_keys(response: IamResponse) -> ActionResult:
            name = response._get_param("UserName")
            with self._lock:
                self.asked[name] += 1
                time = self.asked[name]
            self._before(response, name, time)
            return answer(response)

        monkeypatch.setattr(IamResponse, "list_access_keys", list_access_keys)

    def before(self, step: Callable[[IamResponse, str, int], None]) -> None:
        self._before = step


@pytest.fixture
def interference(monkeypatch: pytest.MonkeyPatch) -> Interference:
    return Interference(monkeypatch)


def users(count: int, *created: str) -> list[dict[str, Any]]:
    return [user(f"user-{number:04}", *created) for number in range(count)]


def test_an_account_without_users_ends_in_a_clean_report_and_no_message(scanner: Scanner) -> None:
    result = scanner.scan([])

    assert result.status == "SUCCEEDED"
    assert result.report is not None
    assert result.report["coverage"]["users_listed"] == 0
    assert result.messages == []
    assert result.stats["calls"].pop("states:ListExecutions") in (1, 2)  # twice in the first seconds of a minute
    assert result.stats["calls"] == {
        "iam:ListUsers": 1,
        "lambda:InvokeFunction": 3,
        "s3:GetObject": 1,
        "s3:PutObject": 4,
        "states:StartExecution": 1,
    }


def test_one_user_with_one_key_is_judged(scanner: Scanner) -> None:
    report = scanner.report([user("alice", OLD)])

    assert report["coverage"]["users_checked"] == 1
    assert [finding["user_name"] for finding in report["findings"]] == ["alice"]


def test_a_key_is_expired_one_second_after_ninety_days_and_not_at_ninety_days(scanner: Scanner) -> None:
    report = scanner.report([user("late", OLD), user("in-time", IN_TIME)], warn_days=0)

    assert [finding["user_name"] for finding in report["findings"]] == ["late"]
    assert report["totals"] == {"expired": 1, "due_soon": 0, "ok": 1, "unused": 0, "exempt": 0}


@pytest.mark.parametrize(("count", "pages"), [(99, 1), (100, 1), (101, 2), (250, 3)])
def test_every_user_on_every_page_is_asked_for_once(scanner: Scanner, count: int, pages: int) -> None:
    result = scanner.scan(users(count, OLD))

    assert result.report is not None
    assert result.report["coverage"]["users_checked"] == count
    assert {finding["user_name"] for finding in result.report["findings"]} == {
        f"user-{number:04}" for number in range(count)
    }
    assert result.stats["calls"]["iam:ListUsers"] == pages
    assert result.stats["calls"]["iam:ListAccessKeys"] == count
    assert [name for name in result.files if name.startswith("pages/")] == [
        f"pages/{number:04}.json" for number in range(1, pages + 1)
    ]
    assert len(result.messages) == 1


def test_users_with_no_two_and_very_many_keys_are_all_judged(scanner: Scanner) -> None:
    report = scanner.report([user("none"), user("two", OLD, FRESH), user("many", *[OLD] * 101)])

    assert report["coverage"]["users_checked"] == 3
    assert report["totals"] == {"expired": 102, "due_soon": 0, "ok": 1, "unused": 0, "exempt": 0}


@pytest.mark.parametrize(("include", "expired", "skipped"), [(False, 0, 1), (True, 1, 0)])
def test_inactive_keys_are_judged_only_where_the_policy_says_so(
    scanner: Scanner, include: bool, expired: int, skipped: int
) -> None:
    bob = {"user_name": "bob", "access_keys": [{"created_at": OLD, "status": "Inactive"}]}

    report = scanner.report([bob], include_inactive=include)

    assert report["totals"]["expired"] == expired
    assert report["coverage"]["keys_inactive_skipped"] == skipped


def test_a_user_deleted_after_being_listed_is_not_found(scanner: Scanner, interference: Interference) -> None:
    def delete_carol(response: IamResponse, name: str, _time: int) -> None:
        if name == "carol":
            response.backend.users.pop("carol", None)

    interference.before(delete_carol)

    report = scanner.report([user("alice", OLD), user("carol", OLD)])

    assert report["not_found"] == ["carol"]
    assert report["coverage"]["users_not_found"] == 1
    assert report["totals"]["expired"] == 1
    assert interference.asked["carol"] == 1


def test_throttled_calls_are_made_again_until_every_user_is_checked(
    scanner: Scanner, interference: Interference
) -> None:
    def throttle_twice(_response: IamResponse, name: str, time: int) -> None:
        if int(name[-1]) % 2 and time <= 2:
            raise Throttled

    interference.before(throttle_twice)

    result = scanner.scan(users(10, OLD))

    assert result.report is not None
    assert result.report["coverage"]["users_checked"] == 10
    assert sum(interference.asked.values()) == 20
    assert result.stats["throttled"] == 10


def test_a_user_of_whom_iam_will_not_say_is_unchecked_and_that_is_told(
    scanner: Scanner, interference: Interference
) -> None:
    def deny_bob(_response: IamResponse, name: str, _time: int) -> None:
        if name == "bob":
            raise Denied

    interference.before(deny_bob)

    result = scanner.scan([user("alice"), user("bob", OLD)])

    assert result.status == "SUCCEEDED"
    assert result.report is not None
    assert result.report["coverage"]["users_unchecked"] == 1
    [unchecked] = result.report["unchecked"]
    assert unchecked["user_name"] == "bob"
    assert "not authorized" in unchecked["cause"]
    assert "INCOMPLETE: 1 of 2 users unchecked" in result.messages[0]["Subject"]
    assert interference.asked["bob"] == 1


def test_a_user_whose_calls_are_throttled_nine_times_is_unchecked(
    scanner: Scanner, interference: Interference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)  # the shortest waits

    def throttle(_response: IamResponse, _name: str, _time: int) -> None:
        raise Throttled

    interference.before(throttle)

    report = scanner.report([user("alice", OLD)])

    assert report["unchecked"][0]["user_name"] == "alice"
    assert "Rate exceeded" in report["unchecked"][0]["cause"]
    assert interference.asked["alice"] == 9


def test_named_users_alone_are_asked_for(scanner: Scanner) -> None:
    result = scanner.scan([user("alice", OLD), user("bob", OLD), user("carol", OLD)], users=["carol"])

    assert result.report is not None
    assert [finding["user_name"] for finding in result.report["findings"]] == ["carol"]
    assert result.report["coverage"]["users_listed"] == 1
    assert "iam:ListUsers" not in result.stats["calls"]
    assert result.stats["calls"]["iam:ListAccessKeys"] == 1


def test_a_named_user_whom_iam_does_not_know_is_not_found(scanner: Scanner) -> None:
    report = scanner.report([user("alice", OLD)], users=["ghost", "alice"])

    assert report["not_found"] == ["ghost"]
    assert report["coverage"] == {
        "users_listed": 2,
        "users_checked": 1,
        "users_not_found": 1,
        "users_unchecked": 0,
        "keys_judged": 1,
        "keys_inactive_skipped": 0,
        "keys_not_yet_created": 0,
        "detail_calls": 2,
        "keys_last_use_unknown": 0,
    }


def test_a_hundred_named_users_are_one_page(scanner: Scanner) -> None:
    report = scanner.report(users(120, FRESH), users=[f"user-{number:04}" for number in range(20, 120)])

    assert report["coverage"]["users_checked"] == 100


@pytest.mark.parametrize(
    ("as_of", "expired", "age_days"),
    [("2020-01-01T00:00:00Z", 0, None), ("2026-11-22T08:00:00Z", 0, None), ("2027-06-01T00:00:00+02:00", 1, 211)],
)
def test_a_scan_judges_as_of_the_instant_that_its_policy_sets(
    scanner: Scanner, as_of: str, expired: int, age_days: int | None
) -> None:
    report = scanner.report([user("alice", FRESH)], as_of=as_of)

    assert report["totals"]["expired"] == expired
    assert [finding["age_days"] for finding in report["findings"]] == ([age_days] if age_days else [])
    assert report["as_of"] == ("2027-05-31T22:00:00Z" if "+" in as_of else as_of)


def test_the_demo_account_is_scanned_whole(scanner: Scanner) -> None:
    account = json.loads(DEMO_ACCOUNT.read_text())["users"]

    report = scanner.report(account)

    assert report["coverage"]["users_checked"] == 250
    pubudu = [finding for finding in report["findings"] if finding["user_name"] == "pubudu"]
    assert [finding["created_at"] for finding in pubudu] == ["2021-11-27T20:15:43Z"]


def execute(scanner: Scanner, document: object) -> dict[str, Any]:
    """Start an execution by hand; return it when it has ended."""
    states = scanner.aws.client("stepfunctions")
    arn = scanner.aws.outputs()["StateMachineArn"]
    started = states.start_execution(stateMachineArn=arn, input=json.dumps(document))
    while (execution := states.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        threading.Event().wait(0.05)
    return dict(execution)


def test_an_execution_by_hand_with_an_empty_input_scans_by_the_stages_policy(scanner: Scanner) -> None:
    scanner.seed([])

    execution = execute(scanner, {})

    assert execution["status"] == "SUCCEEDED"
    files = scanner.aws.files(execution["name"])
    assert json.loads(files["report.json"])["policy"] == {
        "max_age_days": 90,
        "warn_days": 14,
        "include_inactive": False,
    }


@pytest.mark.parametrize(
    "policy",
    [{"max_age": 90}, {"max_age_days": 0}, {"users": []}, {"users": "alice"}, {"users": None}, {"as_of": "soon"}, [1]],
    ids=str,
)
def test_an_execution_by_hand_with_a_bad_policy_fails_and_leaves_no_report(scanner: Scanner, policy: object) -> None:
    scanner.seed([])

    execution = execute(scanner, policy)

    assert execution["status"] == "FAILED"
    assert "report.json" not in scanner.aws.files(execution["name"])


def invoke(scanner: Scanner, function: str, event: object) -> dict[str, Any]:
    name = scanner.aws.function(function).function_name
    answer = scanner.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return dict(payload)


def test_a_schedule_event_delivered_twice_starts_one_scan(scanner: Scanner) -> None:
    scanner.seed([])
    event = {
        "id": "e1",
        "account": "123456789012",
        "region": "us-east-1",
        "time": "2026-11-22T08:00:00Z",
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "detail": {},
        "resources": [],
        "version": "0",
    }

    answers = [invoke(scanner, "ScheduledScan", event) for _ in range(2)]

    scan_id = scheduled_id(parse_instant("2026-11-22T08:00:00Z"), "e1")
    assert answers == [{"scan_id": scan_id}] * 2
    states = scanner.aws.client("stepfunctions")
    executions = states.list_executions(stateMachineArn=scanner.aws.outputs()["StateMachineArn"])["executions"]
    assert [execution["name"] for execution in executions].count(scan_id) == 1


def test_functions_invoked_again_give_the_same_files(scanner: Scanner) -> None:
    result = scanner.scan([user("alice", OLD), user("bob", FRESH)])
    assert result.report is not None
    scan = {
        "scan_id": result.scan_id,
        "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:iam-key-age-local:any",
        "started_at": result.report["started_at"],
        "policy": result.report["policy"],
    }
    page = json.loads(result.files["pages/0001.json"])
    outcomes = [{"user_name": user["user_name"], "outcome": "checked", "keys": user["keys"]} for user in page["users"]]
    outcomes[0]["details"] = {"last_used": [{}], "tags": [], "cause": ""}

    counts = [
        invoke(scanner, "ValidateKeys", {"scan": scan, "page": 1, "listed": ["alice", "bob"], "outcomes": outcomes})
        for _ in range(2)
    ]
    built = [invoke(scanner, "BuildReport", {"scan": scan, "pages": 1, "root": {}}) for _ in range(2)]

    assert set(result.files) == {"pages/0001.json", "report.json", "report.csv", "report.html"}
    assert scanner.aws.files(result.scan_id) == result.files
    assert counts[0] == counts[1]
    assert counts[0]["expired"] == 1
    assert built[0] == built[1]


def test_a_report_of_a_scan_with_a_page_missing_is_not_built(scanner: Scanner) -> None:
    result = scanner.scan([user("alice", OLD)])
    name = scanner.aws.function("BuildReport").function_name
    event = {"scan": {"scan_id": result.scan_id}, "pages": 2}

    answer = scanner.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))

    assert "FunctionError" in answer
    assert json.loads(answer["Payload"].read())["errorType"] == "InvalidEvidenceError"


def aged(name: str, *ages: float, **more: Any) -> dict[str, Any]:
    """A user of an account file with keys of these ages in days, named after both."""
    keys = [{"access_key_id": f"AKIA{name.upper():X<12}{int(age):04}", "age_days": age, **more} for age in ages]
    return {"user_name": name, "access_keys": keys}


def latest(scanner: Scanner) -> dict[str, Any]:
    bucket = scanner.aws.outputs()["ReportsBucket"]
    body = scanner.aws.client("s3").get_object(Bucket=bucket, Key="latest.json")["Body"].read()
    return dict(json.loads(body))


def keep_as_latest(scanner: Scanner, body: str | None) -> None:
    place = {"Bucket": scanner.aws.outputs()["ReportsBucket"], "Key": "latest.json"}
    s3 = scanner.aws.client("s3")
    s3.delete_object(**place) if body is None else s3.put_object(**place, Body=body.encode())


@contextlib.contextmanager
def settings(scanner: Scanner, function_name: str = "BuildReport", /, **changed: str) -> Iterator[None]:
    """Let a function have other settings, as another parameter of the stack would."""
    function = scanner.aws.function(function_name)
    before = dict(function.environment_vars)
    function.environment_vars.update(changed)
    try:
        yield
    finally:
        function.environment_vars.clear()
        function.environment_vars.update(before)


def test_a_full_scan_tells_what_changed_since_the_last_one_and_becomes_the_last_one(scanner: Scanner) -> None:
    keep_as_latest(scanner, None)
    first = scanner.full_scan([aged("old", 200), aged("gone", 300), aged("late", 89)])

    second = scanner.full_scan([aged("old", 200), aged("late", 89, 91)])

    assert first.report["changes"]["since"] is None
    assert "No earlier full scan is on record, so every overdue key counts as new." in first.mail[0]["Message"]
    changes = second.report["changes"]
    assert changes["since"] == {"scan_id": first.scan_id, "as_of": first.report["as_of"]}
    assert [key["user_name"] for key in changes["new"]] == ["late"]
    assert [(key["user_name"], key["reported_since"]) for key in changes["still_expired"]] == [
        ("old", first.report["as_of"])
    ]
    assert [(key["user_name"], key["how"]) for key in changes["resolved"]] == [("gone", "deleted")]
    assert second.mail[0]["Subject"] == "1 new of 2 overdue access keys in AWS account 123456789012 (complete: 2 users)"
    assert second.mail[0]["Message"].startswith("1 overdue access key is new since the last full scan.\n")
    assert latest(scanner)["scan_id"] == second.scan_id
    assert latest(scanner)["reports"]["html"].endswith(f"/scans/{second.scan_id}/report.html")


@pytest.mark.parametrize("policy", [{"users": ["old"]}, {"as_of": "2026-11-22T08:00:00Z"}])
def test_a_scan_of_named_users_or_another_instant_does_not_become_the_last_one(
    scanner: Scanner, policy: dict[str, Any]
) -> None:
    full = scanner.full_scan([aged("old", 200)])

    other = scanner.full_scan([aged("old", 2_000)], **policy)

    assert other.report["changes"] is None
    assert latest(scanner)["scan_id"] == full.scan_id


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (None, "No earlier full scan is on record, so every overdue key counts as new."),
        ("{", "latest.json or the report it points to is damaged"),
        ("[1]", "latest.json or the report it points to is damaged"),
        ('{"scan_id": "../x"}', "latest.json or the report it points to is damaged"),
        ('{"scan_id": 7}', "latest.json or the report it points to is damaged"),
        pytest.param("[" * 100_000, "latest.json or the report it points to is damaged", id="nested deeply"),
        ('{"scan_id": "scheduled-2020-01-01T080000Z"}', "the report that latest.json points to is not there"),
    ],
)
def test_a_lost_or_damaged_latest_json_is_said_and_mended(scanner: Scanner, body: str | None, note: str) -> None:
    keep_as_latest(scanner, body)

    result = scanner.full_scan([aged("old", 200)])

    assert result.error is None
    assert note in result.report["changes"]["notes"][0]
    assert note.partition(" ")[0] in result.mail[0]["Message"]
    assert latest(scanner)["scan_id"] == result.scan_id


def test_a_changed_policy_is_said(scanner: Scanner) -> None:
    scanner.full_scan([aged("old", 200)])

    result = scanner.full_scan([aged("old", 200)], max_age_days=365)

    assert result.report["changes"]["resolved"][0]["how"] == "no_longer_matching"
    assert "max_age_days was 90 and is 365" in result.report["changes"]["notes"][0]


def test_who_subscribes_by_sqs_gets_json_with_attributes_and_who_by_mail_gets_text(scanner: Scanner) -> None:
    result = scanner.full_scan([aged("old", 200)])

    [message], [mail] = result.messages, result.mail
    document = json.loads(message["Message"])
    attributes: Any = message["MessageAttributes"]
    assert document["findings"][0]["user_name"] == "old"
    assert document["reports"]["csv"].endswith(f"/scans/{result.scan_id}/report.csv")
    assert attributes["verdict"] == {"Type": "String", "Value": "expired"}
    assert attributes["expired"] == {"Type": "Number", "Value": "1"}
    assert attributes["account_id"]["Value"] == "123456789012"
    assert attributes["scan_kind"]["Value"] == "full"
    assert mail["Subject"] == message["Subject"]
    assert "overdue since" in mail["Message"]


def test_paths_of_512_characters_change_nothing_in_the_message(scanner: Scanner) -> None:
    path = f"/{'p' * 510}/"

    texts = [
        scanner.scan([{**user("alice", OLD), "path": where}]).mail[0]["Message"].partition("\nReport:")[0]
        for where in ("/", path)
    ]

    without_id = [re.sub(r"AKIA\w+", "AKIA", text) for text in texts]
    assert without_id[0] == without_id[1]


@pytest.mark.parametrize(
    ("notify_on", "ages", "sent"),
    [
        ("findings", [200], 1),
        ("findings", [80], 0),
        ("changes", [200], 0),
        ("changes", [200, 91], 1),
        ("changes", [], 1),
        ("due_soon", [80], 1),
        ("due_soon", [10], 0),
        ("always", [10], 1),
    ],
)
def test_the_parameter_notify_on_chooses_what_a_message_is_sent_for(
    scanner: Scanner, notify_on: str, ages: list[float], sent: int
) -> None:
    scanner.full_scan([aged("alice", 200)])

    with settings(scanner, NOTIFY_ON=notify_on):
        result = scanner.full_scan([aged("alice", *ages)])

    assert result.error is None
    assert len(result.mail) == len(result.messages) == sent
    assert latest(scanner)["scan_id"] == result.scan_id


@pytest.mark.parametrize(
    ("name", "choices"), [("NOTIFY_ON", "findings, changes, due_soon, always"), ("HTTPS_FORMAT", "json, chat")]
)
def test_a_setting_that_is_none_fails_the_scan_before_any_report(scanner: Scanner, name: str, choices: str) -> None:
    with settings(scanner, **{name: "sometimes"}):
        result = scanner.full_scan([aged("alice", 200)])

    assert result.status == "FAILED"
    assert result.error == (f'InvalidSettingError: {name}: "sometimes" is not accepted; it takes one of {choices}')
    assert list(result.files) == ["pages/0001.json"]


def test_a_failed_scan_is_told_with_its_id_status_account_and_a_link(scanner: Scanner) -> None:
    with settings(scanner, NOTIFY_ON="sometimes"):
        result = scanner.full_scan([aged("alice", 200)])

    [mail] = result.mail
    assert mail["Subject"] == "AWS Notification Message"
    assert f"scan {result.scan_id} of AWS account 123456789012 ended FAILED" in mail["Message"]
    arn = f"arn:aws:states:us-east-1:123456789012:execution:iam-key-age-local:{result.scan_id}"
    console = "https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/"
    assert f"{console}{arn} " in mail["Message"]
    assert result.messages[0]["Message"] == mail["Message"]


def test_a_scan_that_somebody_stops_is_told(scanner: Scanner, interference: Interference) -> None:
    states = scanner.aws.client("stepfunctions")
    arn = scanner.aws.outputs()["StateMachineArn"].replace(":stateMachine:", ":execution:")
    scan_ids: list[str] = []

    def stop_it(_response: IamResponse, _name: str, _time: int) -> None:
        running = states.list_executions(stateMachineArn=scanner.aws.outputs()["StateMachineArn"])["executions"]
        scan_ids.extend(execution["name"] for execution in running if execution["status"] == "RUNNING")
        states.stop_execution(executionArn=f"{arn}:{scan_ids[-1]}")

    interference.before(stop_it)

    result = scanner.full_scan([aged("alice", 200)])

    assert (result.status, result.error) == ("ABORTED", "stopped before its end")
    assert f"scan {scan_ids[-1]} of AWS account 123456789012 ended ABORTED" in result.mail[0]["Message"]


def test_the_pointer_is_written_as_step_functions_writes_a_body(scanner: Scanner) -> None:
    with pytest.MonkeyPatch.context() as patched:
        written: list[Any] = []
        normalise = StateTaskServiceAwsSdk._normalise_parameters

        def watched(self: Any, parameters: Any, *more: Any) -> None:
            written.append(parameters.get("Body"))
            normalise(self, parameters, *more)

        patched.setattr(StateTaskServiceAwsSdk, "_normalise_parameters", watched)
        scanner.full_scan([aged("alice", 200)])

    [body] = [body for body in written if body]
    assert isinstance(body, dict)  # a text would be written with quotes around it
    assert latest(scanner) == body


def test_what_nobody_could_be_told_of_is_still_new_at_the_next_scan(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scanner.full_scan([aged("alice", 10)])

    def refuse(*_: object, **__: object) -> None:
        raise ServiceException("InvalidParameter", "no")

    with monkeypatch.context() as patched:
        patched.setattr("moto.sns.responses.SNSResponse.publish", refuse)
        failed = scanner.full_scan([aged("alice", 200)])
    result = scanner.full_scan([aged("alice", 200)])

    assert failed.status == "FAILED"
    assert failed.report["changes"]["since"]["scan_id"] == before.scan_id
    assert result.report["changes"]["since"]["scan_id"] == before.scan_id
    assert [key["user_name"] for key in result.report["changes"]["new"]] == ["alice"]


def test_each_scan_logs_its_counts_as_metrics_and_no_names(scanner: Scanner) -> None:
    result = scanner.full_scan([aged("alice", 200), aged("bob", 80)])

    log = scanner.aws.log_tail(5)
    [line] = [line for line in log.splitlines() if result.scan_id in line and "_aws" in line]
    metrics = json.loads(line)
    assert {name: metrics[name] for name in ("KeysExpired", "KeysDueSoon", "UsersUnchecked", "UsersListed")} == {
        "KeysExpired": 1,
        "KeysDueSoon": 1,
        "UsersUnchecked": 0,
        "UsersListed": 2,
    }
    assert (metrics["Stage"], metrics["ScanKind"]) == ("local", "full")
    assert "alice" not in log
    assert "AKIA" not in log


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("html", "text/html; charset=utf-8"), ("csv", "text/csv; charset=utf-8"), ("json", "application/json")],
)
def test_a_presigned_link_shows_a_rendering_as_what_it_is(scanner: Scanner, kind: str, media_type: str) -> None:
    result = scanner.full_scan([aged("alice", 200)])
    place = {"Bucket": scanner.aws.outputs()["ReportsBucket"], "Key": f"scans/{result.scan_id}/report.{kind}"}
    link = scanner.aws.client("s3").generate_presigned_url("get_object", Params=place)

    response = requests.get(link, timeout=10)

    assert response.headers["Content-Type"] == media_type
    assert response.content == result.files[f"report.{kind}"]


def refuse(monkeypatch: pytest.MonkeyPatch, operation: str, step: Callable[[IamResponse], None]) -> None:
    """Let a step come before IAM's answers to an operation."""
    answer = getattr(IamResponse, operation)

    def step_and_answer(response: IamResponse) -> ActionResult:
        step(response)
        result: ActionResult = answer(response)
        return result

    monkeypatch.setattr(IamResponse, operation, step_and_answer)


def deny(_response: IamResponse) -> None:
    raise Denied


def throttle(monkeypatch: pytest.MonkeyPatch, operation: str, times: int) -> Counter[str]:
    """Throttle the first calls of an operation, with the shortest waits between; count them all."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    asked: Counter[str] = Counter()

    def step(_response: IamResponse) -> None:
        asked["calls"] += 1
        if asked["calls"] <= times:
            raise Throttled

    refuse(monkeypatch, operation, step)
    return asked


def iam_calls(result: ScanResult) -> dict[str, int]:
    return {name: count for name, count in result.stats["calls"].items() if name.startswith("iam:")}


USED = {"last_used": {"at": "2026-11-21T08:00:00Z", "service": "dynamodb", "region": "eu-west-1"}}
OWNED = {"tags": {"team": "web", "owner": "web@example.com"}}


@pytest.mark.parametrize(
    ("made_up", "calls"),
    [
        pytest.param(
            [*users(150, FRESH), user("none")], {"iam:ListUsers": 2, "iam:ListAccessKeys": 151}, id="no old key"
        ),
        pytest.param(
            [*users(150, FRESH), user("old", OLD, FRESH)],
            {"iam:ListUsers": 2, "iam:ListAccessKeys": 151, "iam:GetAccessKeyLastUsed": 2, "iam:ListUserTags": 1},
            id="one old key",
        ),
        pytest.param(
            users(40, OLD),
            {"iam:ListUsers": 1, "iam:ListAccessKeys": 40, "iam:GetAccessKeyLastUsed": 40, "iam:ListUserTags": 40},
            id="old keys only",
        ),
        pytest.param(
            [user("due", "2026-09-07T07:59:59Z"), user("not-yet", "2026-09-07T08:00:00Z")],
            {"iam:ListUsers": 1, "iam:ListAccessKeys": 2, "iam:GetAccessKeyLastUsed": 1, "iam:ListUserTags": 1},
            id="due soon, and a second short of it",
        ),
        pytest.param(
            [{"user_name": "off", "access_keys": [{"created_at": OLD, "status": "Inactive"}]}],
            {"iam:ListUsers": 1, "iam:ListAccessKeys": 1},
            id="an old key that is inactive",
        ),
    ],
)
def test_only_users_with_a_key_worth_it_cost_more_calls(
    scanner: Scanner, made_up: list[dict[str, Any]], calls: dict[str, int]
) -> None:
    result = scanner.scan(made_up)

    assert iam_calls(result) == calls
    details = calls.get("iam:GetAccessKeyLastUsed", 0) + calls.get("iam:ListUserTags", 0)
    assert result.report["coverage"]["detail_calls"] == details


@pytest.mark.parametrize("policy", [{}, {"max_age_days": 90}])
def test_an_execution_by_hand_costs_no_call_more(scanner: Scanner, policy: dict[str, Any]) -> None:
    scanner.seed([aged("fresh", 10), aged("old", 200)])
    scanner.aws.forget_calls()

    execution = execute(scanner, policy)

    assert execution["status"] == "SUCCEEDED"
    assert {name: count for name, count in scanner.aws.calls().items() if name.startswith("iam:")} == {
        "iam:GetAccessKeyLastUsed": 1,
        "iam:GetAccountSummary": 1,
        "iam:ListAccessKeys": 2,
        "iam:ListUserTags": 1,
        "iam:ListUsers": 1,
    }


def test_inactive_keys_are_worth_it_where_they_are_judged(scanner: Scanner) -> None:
    bob = {"user_name": "bob", "access_keys": [{"created_at": OLD, "status": "Inactive", **USED}]}

    report = scanner.report([bob], include_inactive=True)

    [finding] = report["findings"]
    assert finding["last_used"] == USED["last_used"]
    assert finding["advice"] == "delete"


def test_a_finding_has_last_use_owner_tags_other_keys_and_advice(scanner: Scanner) -> None:
    keys = [
        {"access_key_id": "AKIAOLDOLDOLDOLDOLD1", "created_at": OLD, **USED},
        {"access_key_id": "AKIANEWNEWNEWNEWNEW1", "created_at": FRESH},
    ]

    report = scanner.report([{"user_name": "alice", "access_keys": keys, **OWNED}])

    [finding] = report["findings"]
    assert {name: finding[name] for name in ("last_used", "owner", "tags", "other_keys", "advice")} == {
        "last_used": USED["last_used"],
        "owner": "web@example.com",
        "tags": {"owner": "web@example.com"},
        "other_keys": [
            {
                "access_key_id": "AKIANEWNEWNEWNEWNEW1",
                "age_days": 21,
                "status": "Active",
                "last_used": None,
                "description": None,
            }
        ],
        "advice": "rotate",
    }
    assert "on 2026-11-21 for dynamodb in eu-west-1" in finding["advice_in_words"]
    assert "AKIANEWNEWNEWNEWNEW1 is not in use" in finding["advice_in_words"]


def test_keys_whose_last_use_is_denied_are_judged_and_their_use_is_unknown(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "get_access_key_last_used", deny)

    result = scanner.scan([{**user("alice", OLD, FRESH), **OWNED}, user("bob", FRESH)])

    [finding] = result.report["findings"]
    assert (finding["last_used"], finding["advice"], finding["owner"]) == ("unknown", None, "web@example.com")
    assert result.report["coverage"]["users_checked"] == 2
    assert result.report["totals"]["expired"] == 1
    [unknown] = result.report["details_unknown"]
    assert unknown["user_name"] == "alice"
    assert "not authorized" in unknown["cause"]
    assert iam_calls(result)["iam:GetAccessKeyLastUsed"] == 2
    assert "LAST USE OR TAGS UNKNOWN" in result.mail[0]["Message"]


def test_keys_of_users_whose_tags_are_denied_are_judged_and_the_owner_is_unknown(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "list_user_tags", deny)

    result = scanner.scan([{**user("alice", OLD), **OWNED}])

    [finding] = result.report["findings"]
    assert (finding["last_used"], finding["advice"]) == (None, None)  # the user may be exempt
    assert (finding["owner"], finding["tags"], finding["exemption"]) == ("unknown", "unknown", None)
    assert result.report["coverage"]["users_checked"] == 1
    assert "not authorized" in result.report["details_unknown"][0]["cause"]
    assert iam_calls(result)["iam:ListUserTags"] == 1


@pytest.mark.parametrize("operation", ["get_access_key_last_used", "list_user_tags"])
def test_details_that_are_throttled_are_asked_for_again(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    asked = throttle(monkeypatch, operation, times=2)

    report = scanner.report([{**user("alice", OLD), **OWNED}])

    assert report["findings"][0]["owner"] == "web@example.com"
    assert report["findings"][0]["advice"] == "deactivate"
    assert report["details_unknown"] == []
    assert asked["calls"] == 3


def test_details_that_are_throttled_nine_times_are_unknown_and_the_user_stays_checked(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttle(monkeypatch, "get_access_key_last_used", times=100)

    result = scanner.scan([{**user("alice", OLD, OLD), **OWNED}])

    assert result.report["coverage"]["users_checked"] == 1
    assert [finding["last_used"] for finding in result.report["findings"]] == ["unknown", "unknown"]
    assert result.report["findings"][0]["owner"] == "web@example.com"
    assert (
        iam_calls(result)["iam:GetAccessKeyLastUsed"] == 9 + 1
    )  # nine tries for all of a user's calls, one at least each
    assert "Rate exceeded" in result.report["details_unknown"][0]["cause"]


@pytest.mark.parametrize("operation", ["get_access_key_last_used", "list_user_tags"])
def test_a_user_deleted_between_the_keys_and_the_details_is_judged_by_the_keys(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    def delete_carol(response: IamResponse) -> None:
        response.backend.users.pop("carol", None)

    refuse(monkeypatch, operation, delete_carol)

    report = scanner.report([user("carol", OLD)])

    [finding] = report["findings"]
    assert (finding["user_name"], finding["owner"]) == ("carol", "unknown")
    assert report["coverage"]["users_checked"] == 1
    assert "NoSuchEntity" in report["details_unknown"][0]["cause"]


def exempt_until(date: str) -> dict[str, Any]:
    return {"tags": {"iam-key-age:exempt-until": date, "iam-key-age:exempt-reason": "Break-glass user: CHG-2041"}}


def test_an_exempt_key_is_listed_and_sends_no_message(scanner: Scanner) -> None:
    result = scanner.scan([{**user("vault", OLD), **exempt_until("2026-11-22")}], as_of="2026-11-22T23:59:59Z")

    assert result.messages == result.mail == []
    assert result.report["totals"]["expired"] == 0
    [exempt] = result.report["exempt"]
    assert (exempt["user_name"], exempt["exempt_from"]) == ("vault", "expired")
    assert exempt["exemption"]["until"] == "2026-11-22"
    assert exempt["exemption"]["reason"] == "Break-glass user: CHG-2041"


def test_an_exemption_that_is_over_exempts_no_more_and_the_message_says_why(scanner: Scanner) -> None:
    result = scanner.scan([{**user("vault", OLD), **exempt_until("2026-11-22")}], as_of="2026-11-23T00:00:00Z")

    assert result.report["totals"]["expired"] == 1
    assert "Not exempt: the exemption ended on 2026-11-22." in result.mail[0]["Message"]


def test_an_exemption_tag_in_another_case_is_not_passed_over_in_silence(scanner: Scanner) -> None:
    tags = {"IAM-Key-Age:Exempt-Until": "2026-12-01", "iam-key-age:exempt-reason": "CHG-1"}

    result = scanner.scan([{**user("vault", OLD), "tags": tags}])

    assert result.report["totals"]["expired"] == 1
    text = " ".join(result.mail[0]["Message"].split())
    assert "Not exempt: the exemption's tag IAM-Key-Age:Exempt-Until has to be all in lower case." in text


def test_the_parameter_max_exempt_days_limits_how_long(scanner: Scanner) -> None:
    vault = {**user("vault", OLD), **exempt_until("2026-12-23")}

    with settings(scanner, "ValidateKeys", MAX_EXEMPT_DAYS="30"):
        report = scanner.report([vault])

    assert report["totals"]["expired"] == 1
    assert report["findings"][0]["exemption"]["why_not"].endswith(
        "2026-12-23, is too far ahead: 2026-12-22 is the last day allowed"
    )


@pytest.mark.parametrize("keys", [0, 1])
def test_a_full_scan_asks_once_for_the_root_user_and_says_what_it_has(scanner: Scanner, keys: int) -> None:
    scanner.full_scan([aged("alice", 10)])

    result = scanner.full_scan([aged("alice", 10)], root_access_keys=keys)

    assert iam_calls(result)["iam:GetAccountSummary"] == 1
    assert result.report["root"] == {
        "access_keys": keys,
        "verdict": "root_access_keys" if keys else "ok",
        "cause": None,
    }
    assert result.report["not_covered"] == []
    assert len(result.mail) == keys
    if keys:
        assert result.mail[0]["Message"].startswith("The root user of AWS account 123456789012 has access keys")


@pytest.mark.parametrize("policy", [{"users": ["alice"]}, {"as_of": "2026-11-22T08:00:00Z"}])
def test_a_scan_that_is_not_full_does_not_ask_for_the_root_user(scanner: Scanner, policy: dict[str, Any]) -> None:
    result = scanner.full_scan([aged("alice", 10)], **policy)

    assert "iam:GetAccountSummary" not in result.stats["calls"]
    assert result.report["root"] is None
    assert (
        "the root user: IAM does not list it, and only scans of all users as of now ask whether it has access keys"
        in result.report["not_covered"]
    )


def test_a_root_user_of_whom_iam_will_not_say_is_told(scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "get_account_summary", deny)

    result = scanner.full_scan([aged("alice", 10)])

    assert result.status == "SUCCEEDED"
    assert result.report["root"]["verdict"] == "unknown"
    assert "not authorized" in result.report["root"]["cause"]
    assert "INCOMPLETE: root user unchecked" in result.mail[0]["Subject"]
    assert "Root user: unknown. Iam.IamException" in result.mail[0]["Message"]
    assert iam_calls(result)["iam:GetAccountSummary"] == 1


def test_a_root_user_is_asked_for_again_where_iam_throttles(scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = throttle(monkeypatch, "get_account_summary", times=3)

    result = scanner.full_scan([aged("alice", 10)])

    assert result.report["root"]["verdict"] == "ok"
    assert asked["calls"] == 4


def test_where_unused_keys_are_judged_each_key_is_asked_about_and_the_report_says_what_it_took(
    scanner: Scanner,
) -> None:
    used = {"last_used": {"at": "2026-11-20T00:00:00Z"}}
    made_up = [
        user("never", "2026-10-01T00:00:00Z"),
        {"user_name": "used", "access_keys": [{"created_at": "2026-10-01T00:00:00Z", **used}]},
        user("fresh", FRESH, FRESH),
        user("none"),
        {"user_name": "off", "access_keys": [{"created_at": "2026-10-01T00:00:00Z", "status": "Inactive"}]},
    ]

    result = scanner.scan(made_up, max_unused_days=45)

    assert [(finding["user_name"], finding["verdict"]) for finding in result.report["findings"]] == [
        ("never", "unused")
    ]
    assert iam_calls(result) == {
        "iam:GetAccessKeyLastUsed": 4,
        "iam:ListAccessKeys": 5,
        "iam:ListUserTags": 3,
        "iam:ListUsers": 1,
    }
    assert result.report["coverage"]["detail_calls"] == 7
    assert b"7 calls of IAM" in result.files["report.html"]
    assert result.mail[0]["Subject"].startswith("0 overdue access keys, 1 unused in AWS account")


def worst_tags(letter: str) -> dict[str, str]:
    tags = dict.fromkeys(("iam-key-age:exempt-until", "iam-key-age:exempt-reason", "owner", "email"), letter * 256)
    return tags | {f"{number:02}{letter * 126}": letter * 256 for number in range(46)}


@pytest.mark.parametrize("letter", ["x", "ü", "日", "𠮷"], ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
def test_the_largest_page_stays_well_below_what_a_state_takes(scanner: Scanner, letter: str) -> None:
    used = {"last_used": {"at": "2026-11-21T08:00:00Z", "service": "s" * 30, "region": "ap-southeast-2"}}
    made_up = [
        {
            "user_name": f"{'n' * 61}{number:03}",
            "path": f"/{'p' * 510}/",
            "tags": worst_tags(letter),
            "access_keys": [{"created_at": OLD, **used}, {"created_at": OLD, **used}],
        }
        for number in range(100)
    ]

    result = scanner.scan(made_up)

    assert result.error is None
    assert result.report["totals"]["expired"] == 200
    assert set(result.report["findings"][0]["tags"]) == {
        *("iam-key-age:exempt-until", "iam-key-age:exempt-reason", "owner", "email")
    }
    assert result.stats["largest_payload_bytes"] < 0.8 * 256 * 1024


def test_a_tag_of_the_owner_that_says_nothing_is_passed_over(scanner: Scanner) -> None:
    tags = {"owner": "", "email": "web@example.com"}

    report = scanner.report([{**user("alice", OLD), "tags": tags}])

    assert report["findings"][0]["owner"] == "web@example.com"
    assert report["findings"][0]["tags"] == {"email": "web@example.com"}


def test_a_tag_that_is_too_long_for_a_page_is_cut_and_shows_it(scanner: Scanner) -> None:
    tags = {"owner": "日" * 100, "email": "x" * 256}

    report = scanner.report([{**user("alice", OLD), "tags": tags}])

    assert report["findings"][0]["tags"] == {"owner": "日" * 64 + "...", "email": "x" * 256}

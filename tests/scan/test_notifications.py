"""Who gets which message of a scan, and what else leaves it: metrics, logs, links to its report."""

import json
import re
from typing import Any

import pytest
import requests
from moto.iam.responses import IamResponse

from tests.support.iam_errors import Interference
from tests.support.scanner import OLD, Scanner, aged, changed_settings, latest, user


def test_sqs_subscribers_get_json_with_attributes_and_mail_subscribers_get_text(scanner: Scanner) -> None:
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
def test_the_parameter_notify_on_chooses_which_scans_send_a_message(
    scanner: Scanner, notify_on: str, ages: list[float], sent: int
) -> None:
    scanner.full_scan([aged("alice", 200)])

    with changed_settings(scanner, NOTIFY_ON=notify_on):
        result = scanner.full_scan([aged("alice", *ages)])

    assert result.error is None
    assert len(result.mail) == len(result.messages) == sent
    assert latest(scanner)["scan_id"] == result.scan_id


@pytest.mark.parametrize(
    ("name", "choices"), [("NOTIFY_ON", "findings, changes, due_soon, always"), ("HTTPS_FORMAT", "json, chat")]
)
def test_an_invalid_setting_fails_the_scan_before_any_report(scanner: Scanner, name: str, choices: str) -> None:
    with changed_settings(scanner, **{name: "sometimes"}):
        result = scanner.full_scan([aged("alice", 200)])

    assert result.status == "FAILED"
    assert result.error == (f'InvalidSettingError: {name}: "sometimes" is not accepted; it takes one of {choices}')
    assert list(result.files) == ["account.json", "pages/0001.json"]


def test_a_failed_scan_is_reported_with_its_id_status_account_and_a_link(scanner: Scanner) -> None:
    with changed_settings(scanner, NOTIFY_ON="sometimes"):
        result = scanner.full_scan([aged("alice", 200)])

    [mail] = result.mail
    assert mail["Subject"] == "AWS Notification Message"
    assert f"scan {result.scan_id} of AWS account 123456789012 ended FAILED" in mail["Message"]
    arn = f"arn:aws:states:us-east-1:123456789012:execution:iam-key-age-local:{result.scan_id}"
    console = "https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions/details/"
    assert f"{console}{arn} " in mail["Message"]
    assert result.messages[0]["Message"] == mail["Message"]


def test_a_stopped_scan_is_reported(scanner: Scanner, interference: Interference) -> None:
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

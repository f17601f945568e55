"""What every route does alike: what it answers when something is wrong, and what it logs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from botocore.stub import Stubber
from chalice.test import Client, HTTPResponse
from moto.s3.models import s3_backends

import app
from chalicelib import settings
from chalicelib.api.responses import findings_page
from chalicelib.aws import clients, executions, report_store
from chalicelib.aws.errors import ScansUnavailableError
from chalicelib.aws.executions import failure_in_words
from chalicelib.scan_ids import ScanNotFoundError
from localaws.clients import CALLER_OF_THE_API, REGION
from localaws.faults import Faults, parse_faults
from localaws.sigv4 import SignedBy
from tests.support.scanner import Scanner, user

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod"


def lines(log: str) -> list[dict[str, Any]]:
    """The lines that the API logged of requests."""
    found = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in found if "route" in line]


# The function itself, as it runs on Lambda, with a Step Functions that answers what the test says.


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("STATE_MACHINE_ARN", MACHINE)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # where nobody listens
    clients.step_functions.cache_clear()
    clients.s3.cache_clear()
    with Client(app.app) as client:
        yield client
    clients.step_functions.cache_clear()
    clients.s3.cache_clear()


@pytest.mark.filterwarnings("ignore:IAMAuthorizer")
@pytest.mark.parametrize("path", ["/scan", "/scan/some-scan"])
def test_without_an_answer_of_step_functions_there_is_503_and_when_to_try_again(
    client: Client, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    response = client.http.get(path)

    assert_unavailable(response)
    [line] = lines(capsys.readouterr().out)
    assert (line["status"], line["error"]) == (503, "ScansUnavailableError")
    assert "Could not connect" in line["why"]


@pytest.mark.filterwarnings("ignore:IAMAuthorizer")
def test_a_throttled_call_of_step_functions_is_503(client: Client) -> None:
    response = get_with_error(client, "ThrottlingException")

    assert_unavailable(response)


@pytest.mark.filterwarnings("ignore:IAMAuthorizer")
def test_a_call_that_is_denied_is_500_without_a_word_of_what_and_a_line_in_the_log(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    response = get_with_error(client, "AccessDeniedException", f"not authorized to perform this on {MACHINE}")

    assert response.status_code == 500
    assert response.json_body == {
        "Code": "InternalServerError",
        "Message": "The request failed; the log of the function APIHandler says why",
    }
    [line] = lines(capsys.readouterr().out)
    assert "not authorized to perform this" in line["why"]
    assert any("executions.py:" in frame for frame in line["traceback"])


@pytest.mark.filterwarnings("ignore:IAMAuthorizer")
def test_a_stage_with_a_bad_setting_is_500_and_not_the_callers_mistake(
    client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "os", SimpleNamespace(environ={"MAX_AGE_DAYS": "ninety"}))

    response = client.http.post("/scan")

    assert response.status_code == 500
    assert "ninety" not in str(response.json_body)
    [line] = lines(capsys.readouterr().out)
    assert line["why"].startswith('a setting of the stage: max_age_days: "ninety" is not accepted')


@pytest.mark.filterwarnings("ignore:IAMAuthorizer")
def test_an_error_that_nobody_thought_of_is_500_and_its_message_stays_out_of_the_log(
    client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise KeyError("pubudu")

    monkeypatch.setattr(executions, "list_scans", break_down)

    response = client.http.get("/scan")

    assert response.status_code == 500
    printed = capsys.readouterr().out
    assert lines(printed)[0]["error"] == "KeyError"
    assert "pubudu" not in printed + str(response.json_body)


def assert_unavailable(response: HTTPResponse) -> None:
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.json_body == {
        "Code": "ServiceUnavailableError",
        "Message": "AWS did not answer just now; try again",
    }


def get_with_error(client: Client, code: str, message: str = "") -> HTTPResponse:
    with Stubber(clients.step_functions()) as step_functions:
        for _ in range(3):  # as often as it is tried
            step_functions.add_client_error("describe_execution", code, message, 400)
        return client.http.get("/scan/some-scan")


# Over HTTP, with a local AWS in this process whose log can be read.


def get(scanner: Scanner, path: str) -> requests.Response:
    signed = SignedBy(*CALLER_OF_THE_API, REGION)
    return requests.get(f"{scanner.aws.api_url}{path}", auth=signed, timeout=60, allow_redirects=False)


def test_each_request_is_one_line_of_json_without_names_and_key_ids(scanner: Scanner) -> None:
    result = scanner.scan([user("alice", "2021-11-27T20:15:43Z")])
    scan_id, before = result.scan_id, len(lines(scanner.aws.log_tail(10_000)))

    get(scanner, f"/scan/{scan_id}")
    get(scanner, f"/scan/{scan_id}/findings?user_name=alice")
    get(scanner, "/scan/arn:aws:iam::123456789012:user%2Falice")
    get(scanner, f"/scan/{scan_id}/report?format=pdf")
    get(scanner, "/scan/alice")
    scanner.aws.post_scan('{"users": ["alice"], "wait_seconds": 25}')

    told = lines(scanner.aws.log_tail(10_000))[before:]
    assert [(line["route"], line["status"]) for line in told] == [
        ("GET /scan/{scan_id}", 200),
        ("GET /scan/{scan_id}/findings", 200),
        ("GET /scan/{scan_id}", 404),
        ("GET /scan/{scan_id}/report", 400),
        ("GET /scan/{scan_id}", 404),
        ("POST /scan", 200),
    ]
    assert [line["scan_id"] for line in told[:5]] == [scan_id, scan_id, None, scan_id, None]
    assert told[5]["scan_id"].startswith("adhoc-")
    assert all(line["milliseconds"] >= 0 for line in told)
    assert "alice" not in str(told)
    assert "AKIA" not in str(told)


@pytest.mark.parametrize("path", ["", "/findings", "/report?format=html"])
def test_while_s3_does_not_answer_there_is_503(scanner: Scanner, path: str) -> None:
    scan_id = scanner.scan([user("alice")]).scan_id
    scanner.aws.inject(parse_faults('{"s3": {"fail": -1}}'))
    try:
        response = get(scanner, f"/scan/{scan_id}{path}")
    finally:
        scanner.aws.inject(Faults())

    assert response.status_code == 503
    assert response.json()["Code"] == "ServiceUnavailableError"
    assert response.headers["Retry-After"] == "2"
    assert lines(scanner.aws.log_tail())[-1]["error"] == "EvidenceUnavailableError"


# A name that Step Functions gave again, for it forgets it after 90 days.


def test_the_report_of_an_earlier_scan_of_the_same_id_is_not_this_ones(scanner: Scanner) -> None:
    old = scanner.scan([user("alice", "2021-11-27T20:15:43Z")])
    put(scanner, "reused", old.files, days_ago=91)
    put(scanner, "forgotten", old.files, days_ago=91)
    arn = scanner.aws.outputs()["StateMachineArn"]
    client = scanner.aws.client("stepfunctions")
    client.start_execution(stateMachineArn=arn, name="reused", input='{"max_age_days": 0}')

    status = get(scanner, "/scan/reused")
    while status.json()["status"] == "RUNNING":
        status = get(scanner, "/scan/reused")

    assert status.json()["progress"] == {"pages": 0, "users": 0}
    assert (status.json()["summary"], status.json()["reports"]) == (None, {})
    for path in ("findings", "report?format=csv"):
        assert get(scanner, f"/scan/reused/{path}").status_code == 404
    of_the_forgotten = get(scanner, "/scan/forgotten/findings?user_name=alice").json()
    assert len(of_the_forgotten["findings"]) == 1
    assert of_the_forgotten["user"]["outcome"] == "checked"
    assert get(scanner, "/scan/forgotten").status_code == 404
    assert get(scanner, "/scan/forgotten/report?format=csv").status_code == 303


def put(scanner: Scanner, scan_id: str, files: dict[str, bytes], days_ago: int) -> None:
    """Keep files as those of another scan, written so long ago."""
    bucket = scanner.aws.outputs()["ReportsBucket"]
    for name, content in files.items():
        key = f"scans/{scan_id}/{name}"
        scanner.aws.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
        kept: Any = s3_backends[scanner.aws.account.account_id]["aws"].get_object(bucket, key)
        kept.last_modified -= timedelta(days=days_ago)


# The clients of AWS.


def test_a_link_is_to_the_regions_own_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("REPORTS_BUCKET", "reports")
    clients.s3.cache_clear()
    try:
        with Stubber(clients.s3()) as s3:
            s3.add_response("head_object", {"LastModified": datetime.now(UTC)})
            link = report_store.link_report("some-scan", "html", None) or ""
    finally:
        clients.s3.cache_clear()

    assert link.startswith("https://reports.s3.eu-central-1.amazonaws.com/scans/some-scan/report.html?")
    assert "X-Amz-Expires=300" in link


@pytest.mark.usefixtures("client")
def test_all_tries_of_a_call_end_before_api_gateway_gives_up() -> None:
    for made in (clients.step_functions(), clients.s3()):
        config: Any = made.meta.config
        assert config.read_timeout * config.retries["total_max_attempts"] <= 20
        assert config.connect_timeout < config.read_timeout


def test_who_waits_for_the_end_looks_again_where_a_look_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = executions.Scan("some-scan", "arn", "SUCCEEDED")
    looks: list[Any] = [ScanNotFoundError(), ScansUnavailableError("throttled"), ended]

    def look(_: str) -> executions.Scan:
        seen = looks.pop(0)
        if isinstance(seen, Exception):
            raise seen
        return cast(executions.Scan, seen)

    monkeypatch.setattr(executions, "describe_scan", look)
    monkeypatch.setattr(executions, "_FIRST_LOOK_SECONDS", 0.01)

    assert executions.wait_for_end(executions.Scan("some-scan", "arn", "RUNNING"), 5) == ended


# Why a scan failed.


REFUSED = "is not authorized to perform: iam:ListUsers on resource:"
ROLE = "arn:aws:sts::123456789012:assumed-role/scan-role/abc"


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        ("InvalidPolicyError", '{"errorMessage": "no", "stackTrace": []}', "InvalidPolicyError: no"),
        ("Lambda.Unknown", '{"errorMessage": "it ended", "stackTrace": ["File app.p', "Lambda.Unknown"),
        ("States.Timeout", None, "States.Timeout"),
        (
            "Iam.IamException",
            f"User: {ROLE} {REFUSED} arn:aws:iam::123456789012:user/",
            f"Iam.IamException: User: assumed-role/scan-role/abc {REFUSED} user/",
        ),
    ],
)
def test_a_failure_is_told_without_stack_traces_and_arns(error: str, cause: str | None, words: str) -> None:
    assert failure_in_words({"status": "FAILED", "error": error, "cause": cause}) == words


def test_of_a_user_with_a_finding_it_is_known_that_they_were_checked_where_the_pages_are_gone(scanner: Scanner) -> None:
    report = scanner.scan([user("alice", "2021-11-27T20:15:43Z"), user("bob")]).report

    outcomes = [findings_page(report, {"user_name": name}, [])["user"] for name in ("alice", "bob")]

    assert [outcome["outcome"] for outcome in outcomes if outcome] == ["checked", "unknown"]


@pytest.mark.filterwarnings("ignore:IAMAuthorizer")
@pytest.mark.parametrize("path", ["/scan/jane.doe", "/scan/jane.doe/findings", "/scan/jane.doe/report?format=csv"])
def test_a_made_up_scan_id_does_not_come_into_the_log_by_an_error(
    client: Client, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    client.http.get(path)
    with Stubber(clients.step_functions()) as step_functions:
        message = "not authorized to perform this on arn:aws:states:us-east-1:123456789012:execution:m:jane.doe"
        step_functions.add_client_error("describe_execution", "AccessDeniedException", message, 400)
        client.http.get(path)

    logged = lines(capsys.readouterr().out)
    assert len(logged) == 2
    assert all("why" in line and "jane.doe" not in json.dumps(line["why"]) for line in logged)

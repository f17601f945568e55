"""Named users of one account of an organization, scanned while the client waits, on an AWS in memory."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib.aws import executions
from chalicelib.instants import format_instant, parse_instant
from chalicelib.scan_ids import is_given_id
from tests.support.fake_scans import (
    DATA,
    ORGANIZATION_MACHINE,
    WEB,
    Api,
    FakeScans,
    account_report,
    installed,
    refusal,
)

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")
OF_DATA = {"accounts": {DATA: "scan-0"}, "instants": {DATA: "2026-11-21T08:00:00Z"}, "names": {DATA: None}}
ONE_USER = {"accounts": [WEB], "users": ["alice"], "wait_seconds": 20}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScans]:
    for fake in installed(monkeypatch):
        fake.know(WEB)
        yield fake


@pytest.fixture
def api(fake: FakeScans) -> Iterator["Api"]:  # noqa: ARG001  # it has to be there
    with Client(app.app) as client:
        yield Api(client)


# Named users of one account, while the client waits.


def scans(fake: FakeScans) -> None:
    """Let scan_account do its work."""

    def scan(event: dict[str, Any]) -> dict[str, Any]:
        given, account_id = event["scan"], event["account"]["account_id"]
        folder = f"scans/{given['scan_id']}/accounts/{account_id}"
        report = account_report(given["scan_id"], account_id, users=tuple(given["policy"]["users"]))
        fake.bucket.keep(f"{folder}/pages/0001.json", {"users_so_far": 1, "users": [{"user_name": "alice"}]})
        fake.bucket.keep(f"{folder}/report.json", report)
        return {"account_id": account_id, "outcome": "scanned"}

    fake.functions.does = scan


def test_one_account_is_scanned_while_the_client_waits_without_an_execution(fake: FakeScans, api: Api) -> None:
    scans(fake)

    answer = api.post(ONE_USER)

    scan_id = answer.json_body["scan_id"]
    assert answer.status_code == 200
    assert fake.states.executions == {}
    assert re.fullmatch(r"organization-\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f]{6}", scan_id)
    assert is_given_id(scan_id)
    [event] = fake.functions.events
    assert event == {
        "scan": {
            "scan_id": scan_id,
            "execution_arn": f"{ORGANIZATION_MACHINE.replace(':stateMachine:', ':execution:')}:{scan_id}",
            "started_at": answer.json_body["started_at"],
            "policy": {"max_age_days": 90, "warn_days": 14, "include_inactive": False, "users": ["alice"]},
        },
        "account": {"account_id": WEB, "name": None, "last_scan_id": None},
    }
    assert fake.functions.waits == [20]
    assert (answer.json_body["status"], answer.json_body["error"], answer.json_body["execution_arn"]) == (
        "SUCCEEDED",
        None,
        None,
    )
    assert answer.json_body["users"] == [{"user_name": "alice", "outcome": "checked", "cause": None}]
    assert [key["user_name"] for key in answer.json_body["findings"]] == ["alice"]
    assert answer.json_body["summary"]["account_id"] == WEB
    assert answer.json_body["progress"] == {"pages": 1, "users": 1}
    assert answer.json_body["reports"]["csv"] == f"s3://reports/scans/{scan_id}/accounts/{WEB}/report.csv"
    assert answer.json_body["links"] == {
        "self": f"/scan/{scan_id}",
        "findings": f"/scan/{scan_id}/findings?account_id={WEB}",
        **{kind: f"/scan/{scan_id}/report?format={kind}&account_id={WEB}" for kind in ("json", "csv", "html")},
    }


def test_what_it_found_can_be_asked_for_again(fake: FakeScans, api: Api) -> None:
    scans(fake)
    answer = api.post(ONE_USER).json_body
    scan_id = answer["scan_id"]

    status = api.get(f"/{scan_id}").json_body
    findings = [api.get(f"/{scan_id}/findings{query}").json_body for query in ("", f"?account_id={WEB}")]
    link = api.get(answer["links"]["json"].removeprefix("/scan"))

    assert status.items() <= answer.items()
    assert status["stopped_at"] >= status["started_at"]
    assert findings[0] == findings[1]
    assert findings[0]["findings"] == answer["findings"]
    assert link.json_body["location"] == f"https://reports/scans/{scan_id}/accounts/{WEB}/report.json"
    assert api.get(f"/{scan_id}/findings?user_name=alice").json_body["user"]["outcome"] == "checked"
    assert api.get(f"/{scan_id}/accounts").status_code == 400
    for path in ("findings?", "report?format=json&"):
        other = api.get(f"/{scan_id}/{path}account_id={DATA}")
        assert other.status_code == 404
        assert other.json_body["Message"] == f"scan_id: this scan is of account {WEB} alone, and not of {DATA}"


@pytest.mark.parametrize(
    ("accounts", "last", "events"),
    [
        (WEB, None, 1),
        (f"{DATA},{WEB}", {}, 1),
        ("organization", {}, 1),
        ("s3://reports/organization/prod.txt", {}, 1),
        ("organization", OF_DATA, 0),
        ("s3://reports/organization/prod.txt", OF_DATA, 0),
        ("organization", {"accounts": {WEB: "../x"}}, 0),
        ("organization", {"accounts": [WEB]}, 0),
        ("organization", {"as_of": "2999-01-01T00:00:00Z"}, 0),
        ("organization", None, 0),
    ],
)
def test_only_an_account_that_the_stage_is_known_to_scan_is_asked_without_a_list_of_accounts(
    fake: FakeScans, monkeypatch: pytest.MonkeyPatch, accounts: str, last: dict[str, Any] | None, events: int
) -> None:
    monkeypatch.setenv("ACCOUNTS", accounts)
    scans(fake)
    if last is None:
        fake.bucket.objects.clear()
    else:
        kept = json.loads(fake.bucket.objects["scans/scan-0/baselines.json"])
        fake.bucket.keep("scans/scan-0/baselines.json", {**kept, **last})

    with Client(app.app) as client:
        answer = Api(client).post({**ONE_USER, "wait_seconds": 1})

    assert (answer.status_code, answer.json_body["execution_arn"] is None) == ((200, True) if events else (202, False))
    assert len(fake.functions.events) == events
    inputs = [json.loads(execution["input"]) for execution in fake.states.executions.values()]
    assert [one["accounts"] for one in inputs] == [[WEB]] * (1 - events)


def test_without_the_last_scan_from_s3_nothing_is_started(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake.bucket, "get_object", lambda **_: (_ for _ in ()).throw(refusal("SlowDown", 503)))

    assert api.post(ONE_USER).status_code == 503
    assert (fake.functions.events, fake.states.executions) == ([], {})


def test_a_report_of_another_account_is_not_given_for_one(fake: FakeScans, api: Api) -> None:
    scans(fake)
    scan_id = api.post(ONE_USER).json_body["scan_id"]
    folder = f"scans/{scan_id}/accounts/{WEB}"
    fake.bucket.keep(f"{folder}/report.json", account_report(scan_id, DATA, users=("alice",)))

    told, answer = api.get(f"/{scan_id}").json_body, api.get(f"/{scan_id}/findings")

    assert (told["summary"], answer.status_code) == (None, 404)


def keep_unchecked(fake: FakeScans, scan_id: str, cause: str) -> None:
    fake.bucket.keep(f"scans/{scan_id}/unchecked/{WEB}.json", {"account_id": WEB, "cause": cause})


UNCHECKED = {"account_id": WEB, "outcome": "unchecked", "cause": "STS refused AssumeRole"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (UNCHECKED, f"account {WEB} could not be scanned: STS refused AssumeRole"),
        (
            {"errorType": "EvidenceUnavailableError", "errorMessage": "S3 is slow", "stackTrace": ["File app.py"]},
            "EvidenceUnavailableError: S3 is slow",
        ),
        ({"errorType": "Sandbox.Timedout"}, "Sandbox.Timedout"),
        (
            refusal("TooManyRequestsException", 429, "Rate Exceeded."),
            "Lambda: TooManyRequestsException: Rate Exceeded.",
        ),
        (
            refusal(
                "AccessDeniedException",
                403,
                "x is not authorized on arn:aws:lambda:eu-central-1:123456789012:function:f",
            ),
            "Lambda: AccessDeniedException: x is not authorized on function:f",
        ),
    ],
    ids=["unchecked", "raised", "timed out", "throttled", "denied"],
)
def test_an_account_that_could_not_be_scanned_failed_and_no_user_looks_clean(
    fake: FakeScans, api: Api, answer: Any, error: str
) -> None:
    def answer_so(event: dict[str, Any]) -> Any:
        if answer is UNCHECKED:
            keep_unchecked(fake, event["scan"]["scan_id"], UNCHECKED["cause"])
        return answer

    fake.functions.does = answer_so

    told = api.post({**ONE_USER, "users": ["alice", "bob"]}, key="k")

    assert told.status_code == 200
    assert (told.json_body["status"], told.json_body["error"]) == ("FAILED", error)
    assert (told.json_body["summary"], told.json_body["findings"], told.json_body["reports"]) == (None, None, {})
    assert told.json_body["users"] == [
        {"user_name": name, "outcome": "unchecked", "cause": error} for name in ("alice", "bob")
    ]
    scan_id = told.json_body["scan_id"]
    assert api.get(f"/{scan_id}").json_body.items() <= told.json_body.items()
    assert api.get(f"/{scan_id}/findings").json_body["Message"] == (
        f"scan_id: this scan is FAILED and has no report: {error}"
    )
    assert api.post({**ONE_USER, "users": ["bob", "alice"]}, key="k").json_body == told.json_body
    assert len(fake.functions.events) == 1


def test_one_that_does_not_answer_in_time_runs_on_and_can_be_asked_for(fake: FakeScans, api: Api) -> None:
    answer = api.post({**ONE_USER, "wait_seconds": 1}, key="k")
    scan_id = answer.json_body["scan_id"]

    assert answer.status_code == 202
    assert answer.json_body == {
        "scan_id": scan_id,
        "execution_arn": None,
        "status": "RUNNING",
        "links": {"self": f"/scan/{scan_id}"},
    }
    assert api.get(f"/{scan_id}").json_body["status"] == "RUNNING"
    assert api.get(f"/{scan_id}/findings").json_body["Message"] == "scan_id: this scan is RUNNING and has no report yet"

    scans(fake)
    fake.functions.does(fake.functions.events[0])
    again = api.post({**ONE_USER, "wait_seconds": 1}, key="k")

    assert (again.status_code, again.json_body["status"]) == (200, "SUCCEEDED")
    assert again.json_body["stopped_at"] >= again.json_body["started_at"]
    assert len(fake.functions.events) == 1


def test_one_whose_account_turns_out_unchecked_later_failed(fake: FakeScans, api: Api) -> None:
    scan_id = api.post({**ONE_USER, "wait_seconds": 1}).json_body["scan_id"]
    keep_unchecked(fake, scan_id, "suspended")

    told = api.get(f"/{scan_id}").json_body

    assert (told["status"], told["error"]) == ("FAILED", f"account {WEB} could not be scanned: suspended")
    assert told["users"][0]["outcome"] == "unchecked"


def test_one_that_left_nothing_within_the_functions_time_failed(fake: FakeScans, api: Api) -> None:
    scan_id = api.post({**ONE_USER, "wait_seconds": 1}).json_body["scan_id"]
    place = f"scans/{scan_id}/request.json"
    kept = json.loads(fake.bucket.objects[place])
    fake.bucket.keep(place, {**kept, "started_at": format_instant(datetime.now(UTC) - timedelta(seconds=901))})

    told = api.get(f"/{scan_id}").json_body

    assert (told["status"], told["error"]) == ("FAILED", "the function ScanAccount left no report: its log says why")
    assert parse_instant(told["stopped_at"]) - parse_instant(told["started_at"]) == timedelta(seconds=900)


def test_the_same_key_again_gives_the_same_report_and_calls_once(fake: FakeScans, api: Api) -> None:
    scans(fake)
    first = api.post(ONE_USER, key="k")

    again = [api.post({**ONE_USER, "wait_seconds": seconds}, key="k") for seconds in (1, 25)]
    without_waiting = api.post({name: ONE_USER[name] for name in ("accounts", "users")}, key="k")

    assert {answer.status_code for answer in again} == {200}
    assert [answer.json_body for answer in again] == [first.json_body] * 2
    assert without_waiting.json_body == first.json_body
    assert (len(fake.functions.events), fake.states.executions) == (1, {})


def test_two_of_one_moment_with_the_same_key_call_once(fake: FakeScans, api: Api) -> None:
    scans(fake)
    scan, others = fake.functions.does, []

    def scan_while_another_asks(event: dict[str, Any]) -> Any:
        others.append(api.post({**ONE_USER, "wait_seconds": 1}, key="k"))
        return scan(event)

    fake.functions.does = scan_while_another_asks
    first = api.post(ONE_USER, key="k")

    assert (first.status_code, others[0].status_code) == (200, 202)
    assert first.json_body["scan_id"] == others[0].json_body["scan_id"]
    assert len(fake.functions.events) == 1


def test_a_request_that_s3_took_twice_is_the_same_one(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans(fake)
    put = fake.bucket.put_object

    def put_twice(**given: Any) -> None:  # as a retry does, of a call whose answer was lost
        put(**given)
        if given.get("IfNoneMatch"):
            put(**given)

    monkeypatch.setattr(fake.bucket, "put_object", put_twice)

    assert api.post(ONE_USER).json_body["status"] == "SUCCEEDED"
    assert len(fake.functions.events) == 1


def test_the_log_has_no_users_and_no_account_of_a_straight_call(
    fake: FakeScans, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    scans(fake)
    scan_id = api.post(ONE_USER).json_body["scan_id"]
    api.get(f"/{scan_id}/findings?account_id={WEB}&user_name=alice")

    printed = capsys.readouterr().out

    assert scan_id in printed
    assert "alice" not in printed


def test_a_stage_that_scans_its_own_account_looks_for_no_request_of_the_api(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans(fake)
    scan_id = api.post(ONE_USER).json_body["scan_id"]
    monkeypatch.delenv("ORGANIZATION_STATE_MACHINE_ARN")

    assert executions.find_scan(scan_id) is None
    assert api.get(f"/{scan_id}").status_code == 404

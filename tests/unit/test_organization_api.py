"""Starting scans where the stage scans an organization, on an AWS in memory; tests/scan has it over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib.policy import ScanPolicy
from chalicelib.scan_ids import is_given_id, keyed_id
from tests.support.fake_scans import (
    DATA,
    MACHINE,
    ORGANIZATION_MACHINE,
    OWN,
    WEB,
    Api,
    FakeScans,
    installed,
)

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")
EXCLUDED = "999988887777"
ONE_USER = {"accounts": [WEB], "users": ["alice"], "wait_seconds": 20}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScans]:
    yield from installed(monkeypatch)


@pytest.fixture
def api(fake: FakeScans) -> Iterator["Api"]:  # noqa: ARG001  # it has to be there
    with Client(app.app) as client:
        yield Api(client)


# What starts which state machine.


@pytest.mark.parametrize(
    ("body", "machine", "begins"),
    [
        ({}, ORGANIZATION_MACHINE, "organization-"),
        ({"max_age_days": 30}, ORGANIZATION_MACHINE, "organization-"),
        ({"as_of": "2026-11-22T08:00:00Z"}, ORGANIZATION_MACHINE, "organization-"),
        ({"accounts": [WEB]}, ORGANIZATION_MACHINE, "organization-"),
        ({"accounts": [OWN], "users": ["alice"]}, ORGANIZATION_MACHINE, "organization-"),
        ({"accounts": [WEB, DATA], "users": ["alice"]}, ORGANIZATION_MACHINE, "organization-"),
        ({"users": ["alice"]}, MACHINE, "adhoc-"),
    ],
)
def test_which_state_machine_a_request_starts(
    fake: FakeScans, api: Api, body: dict[str, Any], machine: str, begins: str
) -> None:
    answer = api.post(body)

    assert answer.status_code == 202
    [execution] = fake.states.executions.values()
    assert (execution["machine"], execution["name"]) == (machine, answer.json_body["scan_id"])
    assert execution["name"].startswith(begins)
    assert is_given_id(execution["name"])
    assert answer.json_body["execution_arn"] == execution["executionArn"]
    assert json.loads(execution["input"]).get("accounts") == body.get("accounts")


def test_the_schedule_starts_the_organizations_state_machine_once(fake: FakeScans) -> None:
    with Client(app.app) as client:
        event = client.events.generate_cw_event("aws.events", "Scheduled Event", {}, [])
        event |= {"id": "e-1", "time": "2026-11-22T08:00:00Z"}
        started = [client.lambda_.invoke("scheduled_scan", event).payload["scan_id"] for _ in range(2)]

    assert started[0] == started[1]
    assert fake.states.of(ORGANIZATION_MACHINE) == [started[0]]
    assert json.loads(next(iter(fake.states.executions.values()))["input"]) == ScanPolicy().to_json()


def test_a_stage_that_scans_its_own_account_starts_that_and_takes_no_accounts(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCOUNTS", "EXCLUDED_ACCOUNTS", "ORGANIZATION_STATE_MACHINE_ARN", "SCAN_ACCOUNT_FUNCTION"):
        monkeypatch.delenv(name)

    started, refused = api.post(), api.post({"accounts": [WEB]})
    listed, other = api.get("?kind=account"), api.get("?kind=organization")

    assert started.json_body["scan_id"].startswith("adhoc-")
    assert fake.states.of(MACHINE) == [started.json_body["scan_id"]]
    assert (refused.status_code, other.status_code, listed.status_code) == (400, 400, 200)
    assert refused.json_body["Message"].startswith(f'accounts: ["{WEB}"] is not accepted; it takes nothing')
    assert other.json_body["Message"] == (
        'kind: "organization" is not accepted; it takes account: this stage scans its own account alone'
    )
    assert fake.bucket.objects == {}


@pytest.mark.parametrize(
    ("scanned", "accounts", "says"),
    [
        ("organization", [EXCLUDED], f'accounts[0]: "{EXCLUDED}" is not accepted'),
        ("organization", [WEB, EXCLUDED], f'accounts[1]: "{EXCLUDED}" is not accepted'),
        (f"{WEB},{OWN}", [WEB, DATA], f'accounts[1]: "{DATA}" is not accepted'),
        ("organization", [], "accounts (0 of them): [] is not accepted; it takes 1 to 100 account ids"),
        ("organization", [WEB, WEB], f'accounts[1] (a duplicate): "{WEB}" is not accepted'),
        ("organization", WEB, f'accounts: "{WEB}" is not accepted'),
        (
            "organization",
            [int(WEB)],
            f"accounts[0]: {WEB} is not accepted; it takes 1 to 100 account ids of 12 digits, as text",
        ),
        ("organization", ["11112222333"], 'accounts[0]: "11112222333" is not accepted'),
        ("organization", ["1111222233334"], 'accounts[0]: "1111222233334" is not accepted'),
        ("organization", ["../../latest"], 'accounts[0]: "../../latest" is not accepted'),
        ("organization", ["\u0661" * 12], "accounts[0]: "),
        ("organization", ["11112222333\n"], "accounts[0]: "),
        ("organization", [f"arn:aws:iam::{WEB}:role/x"], "accounts[0]: "),
        ("organization", [f"{number:012}" for number in range(101)], "accounts (101 of them): "),
        ("organization", None, "accounts: null is not accepted"),
    ],
)
def test_accounts_that_are_refused(
    fake: FakeScans, monkeypatch: pytest.MonkeyPatch, scanned: str, accounts: object, says: str
) -> None:
    monkeypatch.setenv("ACCOUNTS", scanned)
    for more in ({}, {"users": ["alice"]}, {"users": ["alice"], "wait_seconds": 5}):
        with Client(app.app) as client:
            answer = Api(client).post({"accounts": accounts, **more})

        assert answer.status_code == 400
        assert answer.json_body["Message"].startswith(says)
    assert (fake.states.executions, fake.functions.events, fake.bucket.objects) == ({}, [], {})


# One at a time.


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({}, {}, True),
        ({}, {"max_age_days": 90}, True),
        ({}, {"max_age_days": 30}, False),
        ({}, {"accounts": [WEB]}, False),
        ({"accounts": [WEB, DATA]}, {"accounts": [DATA, WEB]}, True),
        ({"accounts": [WEB, DATA]}, {"accounts": [WEB]}, False),
        ({"accounts": [WEB], "max_age_days": 30}, {"accounts": [WEB]}, False),
        ({"accounts": [WEB], "users": ["alice"]}, {"accounts": [WEB], "users": ["alice"]}, False),
        ({"users": ["alice"]}, {}, False),
    ],
)
def test_a_scan_of_the_same_policy_and_accounts_that_runs_is_the_answer(
    fake: FakeScans, api: Api, first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    started, answer = api.post(first).json_body, api.post(second)

    assert (answer.json_body["scan_id"] == started["scan_id"]) is same
    assert answer.status_code == (200 if same else 202)
    assert answer.json_body.get("already_running", False) is same
    fake.states.end(started["scan_id"])
    assert api.post(second).json_body["scan_id"] != started["scan_id"]


@pytest.mark.parametrize("given", ["{}", '{"max_age_days": 90}', "{}\n"])
def test_one_that_the_schedule_or_a_person_started_is_found(fake: FakeScans, api: Api, given: str) -> None:
    fake.states.start_execution(stateMachineArn=ORGANIZATION_MACHINE, name="by-hand", input=given)

    assert api.post().json_body["scan_id"] == "by-hand"


@pytest.mark.parametrize("given", ['{"accounts": []}', '{"max_age_days": 0}', "[]", '"x"', '{"accounts": "all"}'])
def test_one_that_runs_by_a_bad_input_is_passed_over(fake: FakeScans, api: Api, given: str) -> None:
    fake.states.start_execution(stateMachineArn=ORGANIZATION_MACHINE, name="by-hand", input=given)

    assert api.post().status_code == 202


def test_a_scan_of_the_own_account_by_the_same_policy_is_not_one_of_the_organization(fake: FakeScans, api: Api) -> None:
    fake.states.start_execution(stateMachineArn=MACHINE, name="by-hand", input="{}")

    assert api.post().json_body["scan_id"].startswith("organization-")


def test_scans_of_both_kinds_count_towards_how_many_may_run(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_SCANS_AT_ONCE", "2")
    assert [api.post(body).status_code for body in ({}, {"users": ["alice"]})] == [202, 202]

    for body in ({"accounts": [WEB]}, {"users": ["bob"]}, ONE_USER):
        answer = api.post(body)

        assert answer.status_code == 503
        assert "2 scans run already" in answer.json_body["Message"]
    assert api.post().status_code == 200
    assert fake.functions.events == []


# Idempotency-Keys.


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ({"accounts": [WEB, DATA]}, {"accounts": [DATA, WEB]}, 202),
        ({"accounts": [WEB, DATA]}, {"accounts": [WEB]}, 409),
        ({"accounts": [WEB]}, {}, 409),
        ({}, {"accounts": [WEB]}, 409),
        ({"accounts": [WEB]}, {"accounts": [WEB], "max_age_days": 30}, 409),
        ({"accounts": [WEB], "users": ["a", "b"]}, {"accounts": [WEB], "users": ["b", "a"]}, 202),
        ({"accounts": [WEB], "users": ["a"]}, {"users": ["a"]}, 409),
        ({"users": ["a"]}, {"accounts": [OWN], "users": ["a"]}, 409),
        ({"accounts": [WEB], "users": ["a"], "wait_seconds": 1}, {"accounts": [DATA], "users": ["a"]}, 409),
        ({"accounts": [WEB], "users": ["a"], "wait_seconds": 1}, {"accounts": [WEB], "users": ["b"]}, 409),
        ({"accounts": [WEB], "users": ["a"], "wait_seconds": 1}, {"users": ["a"]}, 409),
        ({"accounts": [WEB], "users": ["a"], "wait_seconds": 1}, {"accounts": [WEB], "users": ["a"]}, 202),
        ({"accounts": [WEB], "users": ["a"]}, {"accounts": [DATA], "users": ["a"], "wait_seconds": 1}, 409),
    ],
)
def test_an_idempotency_key_is_of_one_policy_and_the_same_accounts(
    fake: FakeScans, api: Api, first: dict[str, Any], second: dict[str, Any], status: int
) -> None:
    fake.know(WEB, DATA)
    before = api.post(first, key="build-1").json_body

    answer = api.post(second, key="build-1")

    assert answer.status_code == status
    if status == 409:
        assert answer.json_body["Message"].startswith("Idempotency-Key: this one started a scan by another scan policy")
        assert WEB not in answer.json_body["Message"]
    else:
        assert answer.json_body["scan_id"] == before["scan_id"] == keyed_id("build-1")


# Where a scan is looked for, and listed.


def test_a_scan_is_found_in_either_state_machine_first_where_its_id_says(fake: FakeScans, api: Api) -> None:
    for machine, name in (
        (MACHINE, "adhoc-1"),
        (ORGANIZATION_MACHINE, "organization-1"),
        (ORGANIZATION_MACHINE, "s-1"),
    ):
        fake.states.start_execution(stateMachineArn=machine, name=name, input="{}")

    asked = {}
    for name in ("adhoc-1", "organization-1", "s-1"):
        fake.states.asked.clear()
        assert api.get(f"/{name}").json_body["status"] == "RUNNING"
        asked[name] = ["organization" in arn.split(":")[6] for arn in fake.states.asked]

    assert asked == {"adhoc-1": [False], "organization-1": [True], "s-1": [False, True]}
    assert api.get("/none").status_code == 404


def test_the_list_is_of_what_the_stage_scans_unless_it_is_asked_for_the_other_kind(api: Api) -> None:
    of_all, of_own = api.post().json_body["scan_id"], api.post({"users": ["alice"]}).json_body["scan_id"]

    listed = {query: api.get(query).json_body["scans"] for query in ("", "?kind=organization", "?kind=account")}

    assert {query: [scan["scan_id"] for scan in scans] for query, scans in listed.items()} == {
        "": [of_all],
        "?kind=organization": [of_all],
        "?kind=account": [of_own],
    }
    assert api.get("?kind=both").status_code == 400

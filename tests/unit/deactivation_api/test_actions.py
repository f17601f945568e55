"""Actions, undos and what all routes of deactivations do alike, on an AWS in memory; tests/scan has them over HTTP."""

import hashlib
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.deactivation_documents import Action
from tests.support.fake_scans import OWN, FakeScans, refusal
from tests.support.planned_scans import (
    ACTION,
    ALICE,
    ANN,
    APPROVE,
    BEN,
    BOB,
    DEACTIVATION_MACHINE,
    PLAN,
    SCAN,
    VAULT,
    Api,
    action,
    keep_action,
    message,
    started,
    undone,
)

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")
UNDO = f"undo-{hashlib.sha256(ACTION.encode()).hexdigest()[:20]}-1"


# Actions.


def test_actions_are_listed_to_the_end_the_newest_first_whatever_became_of_them_since(
    fake: FakeScans, api: Api
) -> None:
    kept = [action(ALICE, 2), action(BOB, undo=undone("done")), action(ALICE, 1, state="failed")]
    for days, one in enumerate(kept):
        keep_action(fake, one)
        for name in ("00-intent.json", "00-outcome.json"):
            fake.bucket.written[key_of(one, name)] -= timedelta(days=days)

    first = api.get("/actions?limit=2").json_body
    rest = api.get(f"/actions?limit=2&next={first['next']}").json_body

    assert first["actions"] + rest["actions"] == kept
    assert rest["next"] is None
    assert [api.get(f"/actions/{one['action_id']}").json_body for one in kept] == kept


def key_of(one: Action, name: str) -> str:
    account_id, _, rest = one["action_id"].partition("-")
    return f"actions/{account_id}/{rest}/{name}"


def test_where_no_key_was_deactivated_the_list_is_empty(api: Api) -> None:
    assert api.get("/actions").json_body == {"actions": [], "next": None}


@pytest.mark.parametrize("query", ["next=nonsense", "next=Li4vLi4", "next=", "limit=0", "limit=101", "status=done"])
def test_a_query_of_actions_that_is_refused(api: Api, query: str) -> None:
    assert api.get(f"/actions?{query}").status_code == 400


@pytest.mark.parametrize(
    "action_id", ["none", "..", f"{OWN}-{BOB}-1", f"{OWN}-{ALICE}-2", f"{OWN}-{ALICE}", f"{ACTION}0000", "a" * 500]
)
def test_an_action_that_is_none_is_not_found_and_not_undone(fake: FakeScans, api: Api, action_id: str) -> None:
    keep_action(fake, action())

    for answer in (api.get(f"/actions/{action_id}"), api.undo(action_id)):
        assert answer.status_code == 404
        assert message(answer) == "action_id: there is no action of this id"
    assert started(fake) == {}


# Undo.


def test_an_undo_starts_one_execution_that_has_who_when_and_what(fake: FakeScans, api: Api) -> None:
    keep_action(fake, action())
    api.caller = BEN

    answer = api.undo(ACTION)

    [(name, given)] = started(fake).items()
    assert (name, given) == (UNDO, {"by": BEN, "at": given["at"], "undo": ACTION})
    assert answer.status_code == 202
    assert answer.json_body == {
        "action_id": ACTION,
        "execution_arn": f"{DEACTIVATION_MACHINE.replace(':stateMachine:', ':execution:')}:{name}",
        "by": BEN,
        "at": given["at"],
    }


def test_while_an_undo_runs_another_one_is_that_one(fake: FakeScans, api: Api) -> None:
    keep_action(fake, action())
    first = api.undo(ACTION)
    api.caller = BEN

    again = api.undo(ACTION)

    assert (again.status_code, again.json_body) == (202, first.json_body)
    assert len(started(fake)) == 1


@pytest.mark.parametrize("undo", [None, undone("failed"), undone("unknown"), undone("intended")])
def test_an_undo_that_ended_without_success_leaves_room_for_another(
    fake: FakeScans, api: Api, undo: dict[str, Any] | None
) -> None:
    keep_action(fake, action())
    api.undo(ACTION)
    fake.states.end(UNDO, "FAILED")
    keep_action(fake, action(undo=undo))

    answer = api.undo(ACTION)

    assert answer.json_body["execution_arn"].endswith(f":{UNDO[:-1]}2")
    assert list(started(fake)) == [UNDO, f"{UNDO[:-1]}2"]


def test_of_two_undos_the_one_that_comes_as_the_other_ends_starts_nothing(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_action(fake, action())
    start = fake.states.start_execution

    def start_after_another(**given: Any) -> Any:
        monkeypatch.setattr(fake.states, "start_execution", start)
        api.undo(ACTION)
        fake.states.end(UNDO)
        keep_action(fake, action(undo=undone("done")))
        return start(**given)

    monkeypatch.setattr(fake.states, "start_execution", start_after_another)

    answer = api.undo(ACTION)

    assert answer.status_code == 409
    assert message(answer).startswith(f"action_id: this action was undone, by {BEN} at ")
    assert len(started(fake)) == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"state": "intended", "ended_at": None}, "action_id: this action is intended; one that is done can be undone"),
        ({"state": "failed"}, "action_id: this action is failed"),
        ({"state": "unknown"}, "action_id: this action is unknown"),
        ({"undo": undone("done")}, f"action_id: this action was undone, by {BEN} at 2026-11-22T08:00:00Z"),
    ],
)
def test_only_what_is_on_record_as_done_and_stands_is_undone(
    fake: FakeScans, api: Api, more: dict[str, Any], says: str
) -> None:
    keep_action(fake, action(**more))

    answer = api.undo(ACTION)

    assert (answer.status_code, answer.json_body["Code"]) == (409, "ConflictError")
    assert message(answer).startswith(says)
    assert started(fake) == {}


def test_an_undo_takes_no_body(fake: FakeScans, api: Api) -> None:
    keep_action(fake, action())

    refused = [api.post(f"/actions/{ACTION}/undo", body) for body in ('{"reason": "x"}', "null", "[]")]

    assert [answer.status_code for answer in refused] == [400] * 3
    assert message(refused[1]) == 'body: "null" is not accepted; it takes nothing: the path says what to undo'
    assert started(fake) == {}
    assert api.post(f"/actions/{ACTION}/undo", "{}").status_code == 202


# A stage that does not deactivate, and an AWS that does not answer.


ROUTES = [
    ("GET", PLAN),
    ("POST", APPROVE),
    ("GET", "/actions"),
    ("GET", f"/actions/{ACTION}"),
    ("POST", f"/actions/{ACTION}/undo"),
]


def ask(api: Api, method: str, path: str) -> Any:
    return api.get(path) if method == "GET" else api.approve(ALICE) if path == APPROVE else api.post(path)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_with_deactivation_off_nothing_is_asked_of_aws(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.delenv("DEACTIVATION")
    monkeypatch.delenv("DEACTIVATION_STATE_MACHINE_ARN")
    for client in ("step_functions", "s3"):
        monkeypatch.setattr(f"chalicelib.aws.clients.{client}", lambda: pytest.fail("AWS was asked"))
    for api.caller in (ANN, None):
        answer = ask(api, method, path)

        assert answer.status_code == 409
        assert answer.json_body == {
            "Code": "ConflictError",
            "Message": "this stage plans no deactivations: its stack parameter Deactivation is off",
        }
    assert started(fake) == {}


@pytest.mark.parametrize(("method", "path"), ROUTES[1:])
def test_with_deactivation_plan_nothing_can_be_approved_and_nothing_undone(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setenv("DEACTIVATION", "plan")
    monkeypatch.delenv("DEACTIVATION_STATE_MACHINE_ARN")

    answer = ask(api, method, path)

    assert answer.status_code == 409
    assert "its stack parameter Deactivation is plan" in message(answer)
    assert started(fake) == {}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_while_s3_does_not_answer_there_is_503_and_nothing_is_started(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    def fail(**_: Any) -> Any:
        raise refusal("SlowDown", 503)

    monkeypatch.setattr(fake.bucket, "get_object", fail)
    if "actions" in path:
        monkeypatch.setattr(fake.bucket, "list_objects_v2", fail)

    answer = ask(api, method, path)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert started(fake) == {}


def test_what_aws_says_of_a_place_is_logged_without_the_key_in_it(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*, Prefix: str, **_: Any) -> Any:  # noqa: N803  # as boto3 has it
        places = f'"https://reports/{Prefix}" "https://reports/?prefix={quote(Prefix, "")}" {ALICE} {ACTION}'
        raise refusal("SlowDown", 503, f"Could not connect to the endpoint URL: {places}")

    monkeypatch.setattr(fake.bucket, "list_objects_v2", fail)

    api.get("/actions")
    api.undo(ACTION)
    api.get(f"/actions/{OWN}-alice-1")

    printed = capsys.readouterr().out
    assert printed.count("Could not connect") == 3
    assert "AKIA" not in printed
    assert "alice" not in printed.lower()


@pytest.mark.parametrize("operation", ["start_execution", "describe_execution"])
def test_while_step_functions_throttles_there_is_503(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    keep_action(fake, action())
    if operation == "describe_execution":  # of the one that runs already
        api.undo(ACTION)

    def fail(**_: Any) -> Any:
        raise refusal("ThrottlingException")

    with monkeypatch.context() as broken:
        broken.setattr(fake.states, operation, fail)
        answers = [api.approve(ALICE), api.undo(ACTION)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert f"deactivate-{SCAN}" not in started(fake)


def test_an_approval_whose_answer_was_lost_can_be_sent_again(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = fake.states.start_execution

    def start_without_answer(**given: Any) -> Any:
        start(**given)
        raise refusal("InternalFailure", 500)

    monkeypatch.setattr(fake.states, "start_execution", start_without_answer)

    lost, again = api.approve(ALICE), api.approve(ALICE)

    assert (lost.status_code, again.status_code) == (503, 202)
    assert [given["by"] for given in started(fake).values()] == [ANN]


def test_the_log_has_the_routes_and_no_user_names_and_no_key_ids(
    fake: FakeScans, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_action(fake, action())
    api.get(PLAN)
    api.approve(ALICE)
    api.approve(VAULT)
    api.post(APPROVE, json.dumps({"access_key_ids": [ALICE, ALICE]}))
    api.get("/actions")
    api.get(f"/actions/{ACTION}")
    api.get("/actions/alice")
    api.undo(ACTION)

    printed = capsys.readouterr().out

    logged = [json.loads(line) for line in printed.splitlines()]
    assert [(line["route"], line["status"], line["scan_id"]) for line in logged] == [
        ("GET /scan/{scan_id}/plan", 200, SCAN),
        ("POST /scan/{scan_id}/plan/approve", 202, SCAN),
        ("POST /scan/{scan_id}/plan/approve", 409, SCAN),
        ("POST /scan/{scan_id}/plan/approve", 400, SCAN),
        ("GET /actions", 200, None),
        ("GET /actions/{action_id}", 200, SCAN),
        ("GET /actions/{action_id}", 404, None),
        ("POST /actions/{action_id}/undo", 202, None),
    ]
    assert "AKIA" not in printed
    assert "alice" not in printed.lower()

"""Plans, approvals, actions and undos over HTTP, against `localaws serve` in a process of its own."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.api.openapi import openapi_document
from chalicelib.aws.deactivations import undo_name
from localaws.environment import PROJECT
from tests.localaws.test_serve import documented
from tests.scan.test_api import at_once
from tests.support.scanner import user
from tests.support.schemathesis_run import run_schemathesis
from tests.support.serving import Served, run, start

OLD, NEW = "2021-11-27T20:15:43Z", "2026-11-20T08:00:00Z"
CALLER = "arn:aws:iam::123456789012:user/local"
ACCOUNT = {
    "users": [
        *(user(name, OLD) for name in ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")),
        user("ivan", NEW),
        user("vault", OLD, tags={"iam-key-age:never-deactivate": ""}),
    ]
}
EVERY_DAY = "DeactivateAfterDays=0 DeactivationWeekdays=MON,TUE,WED,THU,FRI,SAT,SUN"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A stage that deactivates keys on any day without notice: the old ones are due, vault's is protected."""
    account = tmp_path_factory.mktemp("account") / "account.json"
    account.write_text(json.dumps(ACCOUNT))
    running = start("--account", str(account), "--parameters", f"Deactivation=apply {EVERY_DAY}")
    yield running
    running.stop()


class Plan:
    """The plan of a scan of everybody."""

    def __init__(self, served: Served) -> None:
        self.served = served
        scan = served.post({"wait_seconds": 25}).json()
        self.scan_id = scan["scan_id"]
        assert served.wait_for(self.scan_id)["status"] == "SUCCEEDED"
        assert scan["status"] == "RUNNING" or scan["links"]["plan"] == f"/scan/{self.scan_id}/plan"
        keys = self.read()["keys"]
        self.keys = {key["user_name"]: key["access_key_id"] for key in keys}
        self.due = [key["access_key_id"] for key in keys if key["plan"]["status"] == "due"]

    def read(self, **query: Any) -> dict[str, Any]:
        return dict(self.served.get(f"/{self.scan_id}/plan", **query).json())

    def approve(self, *key_ids: str, **more: Any) -> requests.Response:
        return post(self.served, f"scan/{self.scan_id}/plan/approve", {"access_key_ids": list(key_ids), **more})

    def approval(self) -> dict[str, Any]:
        """The approval once its execution has ended."""
        return until(lambda: self.read()["approval"], lambda approval: approval["status"] != "RUNNING")


def post(served: Served, path: str, body: object = None) -> requests.Response:
    url = f"{served.settings['ENDPOINT_URL']}{path}"
    return requests.post(url, json=body, auth=served.signed, timeout=60)


def get(served: Served, path: str) -> requests.Response:
    return requests.get(f"{served.settings['ENDPOINT_URL']}{path}", auth=served.signed, timeout=30)


def until(look: Callable[[], dict[str, Any]], seen: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    while not seen(found := look()):
        time.sleep(0.2)
    return found


def executions(served: Served) -> list[str]:
    arn = f"{served.settings['STATE_MACHINE_ARN']}-deactivation"
    pages = served.client("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=arn)
    return [execution["name"] for page in pages for execution in page["executions"]]


def status_of(served: Served, plan: Plan, name: str) -> str:
    listed = served.client("iam").list_access_keys(UserName=name)["AccessKeyMetadata"]
    return str({one["AccessKeyId"]: one["Status"] for one in listed}[plan.keys[name]])


@pytest.fixture(scope="module")
def plan(served: Served) -> Plan:
    """A plan of which no test approves anything."""
    return Plan(served)


# What is read, and what is refused.


def test_a_plan_has_what_is_due_and_what_is_held(plan: Plan) -> None:
    told = plan.read()

    assert {"frank", "grace", "vault"} <= set(plan.keys)
    assert (told["plan"]["due"], told["plan"]["held"]) == (len(plan.due), len(plan.keys) - len(plan.due))
    assert (told["approval"], told["next"]) == (None, None)
    held = {key["user_name"]: key["plan"]["holds"] for key in plan.read(status="held")["keys"]}
    assert [hold["by"] for hold in held["vault"]] == ["protected"]
    assert "ivan" not in json.dumps(told)


def test_the_keys_of_a_plan_go_on_to_the_end(plan: Plan) -> None:
    found: list[str] = []
    token: dict[str, str] = {}

    while True:
        page = plan.read(limit=2, **token)
        found += [key["access_key_id"] for key in page["keys"]]
        if page["next"] is None:
            break
        token = {"next": page["next"]}

    assert found == list(plan.keys.values())


def test_a_request_that_is_not_signed_is_refused(served: Served, plan: Plan) -> None:
    paths = [f"scan/{plan.scan_id}/plan", "actions", "actions/123456789012-AKIA-1"]
    posts = [f"scan/{plan.scan_id}/plan/approve", "actions/123456789012-AKIA-1/undo"]
    url, before = served.settings["ENDPOINT_URL"], executions(served)

    answers = [requests.get(f"{url}{path}", timeout=10) for path in paths]
    answers += [requests.post(f"{url}{path}", json={"access_key_ids": plan.due}, timeout=10) for path in posts]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert executions(served) == before


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "access_key_ids: null is not accepted; it takes 1 to 100 access key ids, each once"),
        ([], "body: [] is not accepted; it takes an object with any of access_key_ids, account_id"),
        ({"access_key_ids": []}, "access_key_ids (0 of them): "),
        ({"access_key_ids": ["A", "A"]}, 'access_key_ids[1] (a duplicate): "A"'),
        ({"access_key_ids": [f"AKIA{number}" for number in range(101)]}, "access_key_ids (101 of them): "),
        ({"access_key_ids": ["A"], "force": True}, 'unknown field: {"force": true} is not accepted'),
        ({"access_key_ids": ["A"], "account_id": "1"}, 'account_id: "1" is not accepted'),
    ],
)
def test_a_body_that_is_refused(served: Served, plan: Plan, body: object, says: str) -> None:
    before = executions(served)

    answer = post(served, f"scan/{plan.scan_id}/plan/approve", body)

    assert (answer.status_code, answer.json()["Code"]) == (400, "BadRequestError")
    assert answer.json()["Message"].startswith(says)
    assert executions(served) == before


@pytest.mark.parametrize("text", ["null", '{"access_key_ids": ["A"], "access_key_ids": ["B"]}', "{"])
def test_a_text_that_is_refused(served: Served, plan: Plan, text: str) -> None:
    url, sent = f"{served.api}/{plan.scan_id}/plan/approve", {"Content-Type": "application/json"}
    before = executions(served)

    answer = requests.post(url, data=text, headers=sent, auth=served.signed, timeout=30)

    assert answer.status_code == 400
    assert executions(served) == before


def test_all_keys_are_due_or_none_is_deactivated(served: Served) -> None:
    plan, before = Plan(served), executions(served)
    vault, frank = plan.keys["vault"], plan.keys["frank"]

    held, unknown = plan.approve(frank, vault), plan.approve(frank, "AKIANOBODY")

    assert (held.status_code, unknown.status_code) == (409, 409)
    assert held.json()["Message"].startswith(f"access_key_ids: {vault} is held: Its user has the tag ")
    assert unknown.json()["Message"] == "access_key_ids: AKIANOBODY is not in this plan"
    assert (status_of(served, plan, "frank"), executions(served)) == ("Active", before)


def test_scans_and_actions_that_are_none_are_not_found(served: Served) -> None:
    keys, before = {"access_key_ids": ["AKIANOBODY"]}, executions(served)

    answers = [get(served, f"scan/{scan_id}/plan") for scan_id in ("none", "%2e%2e%2f", "a" * 81)]
    answers += [post(served, f"scan/{scan_id}/plan/approve", keys) for scan_id in ("none", "..%2fx")]
    answers += [get(served, f"actions/{action_id}") for action_id in ("none", "..%2f", "123456789012-AKIA-1")]
    answers += [post(served, f"actions/{action_id}/undo") for action_id in ("none", "123456789012-AKIA-1")]

    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert executions(served) == before


def test_a_scan_of_some_users_has_no_plan(served: Served) -> None:
    scan_id = served.post({"users": ["alice"], "wait_seconds": 25}).json()["scan_id"]

    answer = get(served, f"scan/{scan_id}/plan")

    assert (answer.status_code, answer.json()["Code"]) == (404, "NotFoundError")
    assert answer.json()["Message"].startswith("scan_id: this scan has no plan")


# From an approval to an undo. Each test makes a plan of its own, which is then the last one.


def test_the_plan_of_an_older_scan_is_refused_once_there_is_a_newer_one(served: Served) -> None:
    older, newer = Plan(served), Plan(served)

    answer = older.approve(older.keys["alice"])

    assert answer.status_code == 409
    assert answer.json()["Message"].endswith(f"that of account 123456789012 is {newer.scan_id}")
    assert f"deactivate-{older.scan_id}" not in executions(served)


def test_a_key_is_approved_deactivated_on_record_and_activated_again(served: Served) -> None:
    plan = Plan(served)

    approved = plan.approve(plan.keys["alice"])
    approval = plan.approval()

    assert (approved.status_code, approved.json()["approved_by"]) == (202, CALLER)
    assert (approval["status"], approval["error"]) == ("SUCCEEDED", None)
    [result] = approval["results"]
    assert (result["access_key_id"], result["result"]) == (plan.keys["alice"], "done")
    assert status_of(served, plan, "alice") == "Inactive"
    action = get(served, f"actions/{result['action_id']}").json()
    assert (action["state"], action["approved_by"], action["scan_id"]) == ("done", CALLER, plan.scan_id)
    assert action in get(served, "actions").json()["actions"]

    undo = post(served, f"actions/{action['action_id']}/undo")
    ended = until(
        lambda: get(served, f"actions/{action['action_id']}").json(),
        lambda one: one["undo"] is not None and one["undo"]["state"] != "intended",
    )

    assert (undo.status_code, undo.json()["by"], undo.json()["action_id"]) == (202, CALLER, action["action_id"])
    assert (ended["undo"]["state"], ended["undo"]["by"]) == ("done", CALLER)
    assert status_of(served, plan, "alice") == "Active"
    again = post(served, f"actions/{action['action_id']}/undo")
    assert again.status_code == 409
    assert again.json()["Message"].startswith(f"action_id: this action was undone, by {CALLER} at ")


def test_twenty_approvals_of_the_same_keys_at_once_are_one_execution(served: Served) -> None:
    plan = Plan(served)
    keys = [plan.keys["bob"], plan.keys["carol"]]
    orders = iter([keys, keys[::-1]] * 10)

    answers = at_once(20, lambda: plan.approve(*next(orders)))
    other = plan.approve(keys[0])

    assert {answer.status_code for answer in answers} == {202}
    assert len({json.dumps({**answer.json(), "status": "any"}) for answer in answers}) == 1
    assert executions(served).count(f"deactivate-{plan.scan_id}") == 1
    assert other.status_code == 409
    assert f"this plan was approved by {CALLER} at {answers[0].json()['approved_at']}" in other.json()["Message"]
    assert plan.approval()["status"] == "SUCCEEDED"


def test_of_different_keys_at_once_one_approval_counts_and_the_others_are_told_so(served: Served) -> None:
    plan = Plan(served)
    names = iter(["dave", "erin"] * 10)

    answers = at_once(20, lambda: plan.approve(plan.keys[next(names)]))

    assert sorted(answer.status_code for answer in answers) == [202] * 10 + [409] * 10
    [key_id] = {key for answer in answers if answer.status_code == 202 for key in answer.json()["access_key_ids"]}
    assert all(key_id in answer.json()["Message"] for answer in answers if answer.status_code == 409)
    assert [result["access_key_id"] for result in plan.approval()["results"]] == [key_id]
    assert executions(served).count(f"deactivate-{plan.scan_id}") == 1
    assert {status_of(served, plan, name) for name in ("dave", "erin")} == {"Active", "Inactive"}


def test_ten_undos_at_once_are_one_execution(served: Served) -> None:
    [action_id] = [one["action_id"] for one in get(served, "actions").json()["actions"] if one["user_name"] == "bob"]

    answers = at_once(10, lambda: post(served, f"actions/{action_id}/undo"))

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.text for answer in answers if answer.status_code == 202}) == 1
    assert undo_name(action_id, 1) in executions(served)
    assert undo_name(action_id, 2) not in executions(served)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on every machine")
def test_the_documented_calls_take_a_key_from_the_plan_to_inactive_and_back(served: Served) -> None:
    plan = Plan(served)
    named = {"SCAN_ID": plan.scan_id, "ACCESS_KEY_ID": plan.keys["heidi"]}

    approved = run_documented(served, "# Approve some of them", **named)
    [result] = plan.approval()["results"]
    undone = run_documented(served, "# What was deactivated", ACTION_ID=result["action_id"])

    due, first, again = approved
    assert plan.keys["heidi"] in [key["access_key_id"] for key in due["keys"]]
    assert first["access_key_ids"] == [plan.keys["heidi"]]
    assert {**again, "status": first["status"]} == first  # which may have ended in between
    listed, action, undo = undone
    assert action in listed["actions"]
    assert (action["state"], action["user_name"]) == ("done", "heidi")
    until(
        lambda: get(served, f"actions/{undo['action_id']}").json(),
        lambda one: one["undo"] is not None and one["undo"]["state"] == "done",
    )
    assert status_of(served, plan, "heidi") == "Active"


def run_documented(served: Served, what: str, **named: str) -> list[dict[str, Any]]:
    """Run the commands of a block of docs/api.md; return the documents that they print."""
    done = run(served, "bash", "-euo", "pipefail", "-c", documented("sh", what), cwd=PROJECT, **named)
    assert done.returncode == 0, done.stderr
    return list(json.loads("[" + re.sub(r"}\s*{", "},{", done.stdout) + "]"))


def test_whatever_is_asked_of_it_the_server_answers_as_the_document_says(served: Served, tmp_path: Path) -> None:
    plan = Plan(served)
    plan.approve(plan.keys["frank"])
    [action_id] = [result["action_id"] for result in plan.approval()["results"]]
    only = ("--include-path-regex", "plan|actions", "--max-examples", "30")

    made = run_schemathesis(openapi_document(), served, tmp_path, plan.scan_id, *only, action_id=action_id)

    assert made > 100

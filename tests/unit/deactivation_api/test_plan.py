"""Plans in the API, on an AWS in memory; tests/scan has them over HTTP."""

import pytest

from chalicelib.deactivation_settings import DeactivationSettings
from tests.support.fake_scans import MACHINE, OWN, FakeScans
from tests.support.planned_scans import (
    ALICE,
    BOB,
    OUTCOMES,
    PLAN,
    SCAN,
    VAULT,
    Api,
    keep_scan,
    message,
    planned_report,
    started,
)
from tests.support.reports import report_of

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")


def test_a_plan_has_its_keys_with_what_holds_them_and_nobodys_approval(api: Api) -> None:
    answer = api.get(PLAN)

    told = answer.json_body
    assert answer.status_code == 200
    assert (told["scan_id"], told["account_id"], told["as_of"]) == (SCAN, OWN, "2026-11-22T08:00:00Z")
    assert (told["plan"]["due"], told["plan"]["held"], told["approval"], told["next"]) == (2, 1, None, None)
    keys = {key["access_key_id"]: key["plan"] for key in told["keys"]}
    assert {key_id: plan["status"] for key_id, plan in keys.items()} == {ALICE: "due", BOB: "due", VAULT: "held"}
    assert [hold["by"] for hold in keys[VAULT]["holds"]] == ["protected"]
    assert "findings_left_out" not in told


@pytest.mark.parametrize(("status", "keys"), [("due", {ALICE, BOB}), ("held", {VAULT})])
def test_the_keys_of_a_plan_can_be_of_one_status(api: Api, status: str, keys: set[str]) -> None:
    assert {key["access_key_id"] for key in api.get(f"{PLAN}?status={status}").json_body["keys"]} == keys


def test_the_keys_of_a_plan_go_on_to_the_end_and_a_place_among_them_is_of_its_filters(api: Api) -> None:
    first = api.get(f"{PLAN}?limit=2").json_body
    rest = api.get(f"{PLAN}?limit=2&next={first['next']}").json_body
    other = api.get(f"{PLAN}?status=due&next={first['next']}")

    found = [key["access_key_id"] for key in first["keys"] + rest["keys"]]
    assert (sorted(found), rest["next"]) == (sorted([ALICE, BOB, VAULT]), None)
    assert (other.status_code, message(other).startswith("next: ")) == (400, True)


def test_a_stage_that_only_plans_shows_its_plan_and_asks_no_state_machine_for_an_approval(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEACTIVATION", "plan")
    monkeypatch.delenv("DEACTIVATION_STATE_MACHINE_ARN")
    keep_scan(fake, planned_report("of-plan", DeactivationSettings("plan")))

    told = api.get("/scan/of-plan/plan").json_body

    assert (told["plan"]["mode"], told["approval"]) == ("plan", None)
    assert {key["plan"]["status"] for key in told["keys"]} == {"held"}


@pytest.mark.parametrize(
    ("scan_id", "says"),
    [
        ("of-some", "scan_id: this scan has no plan"),
        ("running", "scan_id: this scan is RUNNING and has no report yet"),
        ("none", "scan_id: there is no scan of this id"),
        ("..", "scan_id: there is no scan of this id"),
        ("a" * 81, "scan_id: there is no scan of this id"),
    ],
)
def test_a_scan_without_a_plan_is_not_found(fake: FakeScans, api: Api, scan_id: str, says: str) -> None:
    keep_scan(fake, report_of(*OUTCOMES, scan_id="of-some", users=("alice", "bob", "vault", "erin")), is_last=False)
    fake.states.start_execution(stateMachineArn=MACHINE, name="running", input="{}")

    for answer in (api.get(f"/scan/{scan_id}/plan"), api.approve(ALICE, scan_id=scan_id)):
        assert answer.status_code == 404
        assert message(answer).startswith(says)
    assert started(fake) == {}

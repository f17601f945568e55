"""Plans of a stage that scans an organization and their approval in the API, on an AWS in memory."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.instants import parse_instant
from tests.support.fake_scans import ORGANIZATION_MACHINE, FakeScans, installed
from tests.support.organization_reports import account_id, baselines, joined, listed
from tests.support.planned_scans import (
    ALICE,
    ANN,
    BOB,
    OUTCOMES,
    VAULT,
    Api,
    may_deactivate,
    planned_report,
    started,
    told_by_gateway,
)

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")
SCAN, LATER = "scan-1", "scan-2"  # the organization's reports of the tests are of the first
WEB, DATA = account_id(1), account_id(2)
OF_WEB, OF_DATA = (OUTCOMES[0], OUTCOMES[2]), (OUTCOMES[1],)  # alice and vault, bob


def keep_last(fake: FakeScans, hours: float = 1, **scan_ids: str) -> None:
    """Let these scans have the last report of each account, by name."""
    accounts = {"web": WEB, "data": DATA}
    last: Any = {**baselines(1, 2), "accounts": {accounts[name]: scan_id for name, scan_id in scan_ids.items()}}
    fake.bucket.keep("organization/latest.json", {"scan_id": last["scan_id"]})
    fake.bucket.written["organization/latest.json"] = parse_instant(last["as_of"]) + timedelta(hours=hours)
    fake.bucket.keep(f"scans/{last['scan_id']}/baselines.json", last)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScans]:
    for fake in installed(monkeypatch):
        may_deactivate(monkeypatch)
        web, data = (planned_report(SCAN, outcomes=of, account_id=one) for of, one in ((OF_WEB, WEB), (OF_DATA, DATA)))
        report = joined([(listed(1), web), (listed(2), data)])
        fake.states.start_execution(stateMachineArn=ORGANIZATION_MACHINE, name=SCAN, input="{}")
        fake.states.end(SCAN)
        fake.bucket.keep(f"scans/{SCAN}/report.json", report)
        for one in (web, data):
            fake.bucket.keep(f"scans/{SCAN}/accounts/{one['account_id']}/report.json", one)
        keep_last(fake, web=SCAN, data=SCAN)
        yield fake


@pytest.fixture
def api(fake: FakeScans, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:  # noqa: ARG001  # it has to be there
    yield from told_by_gateway(monkeypatch)


def leave_out(fake: FakeScans, key_id: str) -> None:
    """Let the organization's report leave a key out, as it does beyond a thousand findings."""
    place = f"scans/{SCAN}/report.json"
    report = json.loads(fake.bucket.objects[place])
    report["findings"] = [one for one in report["findings"] if one["access_key_id"] != key_id]
    fake.bucket.keep(place, {**report, "findings_left_out": 1})


def test_a_plan_is_of_all_accounts_or_of_one(api: Api) -> None:
    of_all = api.get(f"/scan/{SCAN}/plan").json_body
    of_web = api.get(f"/scan/{SCAN}/plan?account_id={WEB}").json_body

    assert (of_all["account_id"], of_all["plan"]["due"], of_all["plan"]["held"]) == (None, 2, 1)
    keys = {(key["account_id"], key["access_key_id"], key["plan"]["status"]) for key in of_all["keys"]}
    assert keys == {(WEB, ALICE, "due"), (WEB, VAULT, "held"), (DATA, BOB, "due")}
    assert of_all["findings_left_out"] == 0
    assert (of_web["account_id"], of_web["plan"]["due"], of_web["plan"]["held"]) == (WEB, 1, 1)
    assert {key["access_key_id"] for key in of_web["keys"]} == {ALICE, VAULT}
    assert "findings_left_out" not in of_web


def test_a_scan_of_an_organization_says_where_its_plan_is(api: Api) -> None:
    assert api.get(f"/scan/{SCAN}").json_body["links"]["plan"] == f"/scan/{SCAN}/plan"


def test_a_place_among_the_keys_is_of_the_account_that_was_asked_for(api: Api) -> None:
    token = api.get(f"/scan/{SCAN}/plan?account_id={WEB}&limit=1").json_body["next"]

    assert api.get(f"/scan/{SCAN}/plan?account_id={WEB}&next={token}").status_code == 200
    assert api.get(f"/scan/{SCAN}/plan?next={token}").status_code == 400


@pytest.mark.parametrize(("account", "status"), [(account_id(3), 404), ("../x", 400), ("", 400)])
def test_an_account_without_a_report_has_no_plan(fake: FakeScans, api: Api, account: str, status: int) -> None:
    assert api.get(f"/scan/{SCAN}/plan?account_id={account}").status_code == status
    assert api.approve(ALICE, scan_id=SCAN, account_id=account).status_code == status
    assert started(fake) == {}


def test_keys_of_several_accounts_are_approved_in_one(fake: FakeScans, api: Api) -> None:
    answer = api.approve(ALICE, BOB, scan_id=SCAN)

    [given] = started(fake).values()
    assert (answer.status_code, given["by"], given["access_key_ids"]) == (202, ANN, [ALICE, BOB])
    assert "account_id" not in given
    assert api.approve(BOB, ALICE, scan_id=SCAN).json_body == answer.json_body
    assert api.approve(BOB, scan_id=SCAN).status_code == 409


def test_a_key_that_the_report_leaves_out_is_approved_with_its_account(fake: FakeScans, api: Api) -> None:
    leave_out(fake, ALICE)

    refused, approved = api.approve(ALICE, scan_id=SCAN), api.approve(ALICE, scan_id=SCAN, account_id=WEB)

    assert refused.status_code == 409
    assert "account_id" in refused.json_body["Message"]
    [given] = started(fake).values()
    assert (approved.status_code, given["access_key_ids"], given["account_id"]) == (202, [ALICE], WEB)
    assert api.get(f"/scan/{SCAN}/plan").json_body["approval"]["account_id"] == WEB


def test_a_key_is_not_approved_as_one_of_another_account(fake: FakeScans, api: Api) -> None:
    answer = api.approve(ALICE, scan_id=SCAN, account_id=DATA)

    assert answer.status_code == 409
    assert answer.json_body["Message"] == f"access_key_ids: {ALICE} is not in this plan"
    assert started(fake) == {}


@pytest.mark.parametrize("more", [{}, {"account_id": WEB}])
def test_of_an_account_that_was_scanned_again_this_plan_is_not_the_last(
    fake: FakeScans, api: Api, more: dict[str, str]
) -> None:
    keep_last(fake, web=LATER, data=SCAN)

    answer = api.approve(ALICE, scan_id=SCAN, **more)

    assert answer.status_code == 409
    assert answer.json_body["Message"] == (
        f"scan_id: only the plan of the last full scan counts; that of account {WEB} is {LATER}"
    )
    assert api.approve(ALICE, BOB, scan_id=SCAN).status_code == 409
    assert started(fake) == {}
    assert api.approve(BOB, scan_id=SCAN).status_code == 202


@pytest.mark.parametrize(("hours", "status"), [(25, 202), (26, 409)])
def test_the_plan_of_a_scan_that_was_redriven_late_is_not_approved(
    fake: FakeScans, api: Api, hours: float, status: int
) -> None:
    keep_last(fake, hours, web=SCAN, data=SCAN)

    answer = api.approve(ALICE, scan_id=SCAN)

    assert answer.status_code == status
    if status == 409:
        assert answer.json_body["Message"] == (
            "scan_id: This plan was kept more than a day after its scan began: scan again."
        )


@pytest.mark.parametrize("damaged", ["none", "baselines", "latest"])
def test_without_a_last_scan_on_record_nothing_is_approved(fake: FakeScans, api: Api, damaged: str) -> None:
    if damaged == "none":
        del fake.bucket.objects["organization/latest.json"]
    elif damaged == "latest":
        fake.bucket.keep("organization/latest.json", [])
    else:
        fake.bucket.keep("scans/scan-0/baselines.json", {"accounts": {WEB: SCAN}})

    answer = api.approve(ALICE, scan_id=SCAN)

    assert answer.status_code == 409
    assert answer.json_body["Message"].endswith(f"that of account {WEB} is not on record yet")
    assert started(fake) == {}

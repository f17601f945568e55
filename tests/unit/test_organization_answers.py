"""What the API answers of scans of an organization, on an AWS in memory; tests/scan has it over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.test import Client

import app
from chalicelib.api.parameters import encode_next
from chalicelib.policy import ScanPolicy
from chalicelib.scan_ids import keyed_id
from tests.support.fake_scans import (
    DATA,
    ORGANIZATION_MACHINE,
    OWN,
    WEB,
    Api,
    FakeScans,
    account_report,
    ended_scan,
    installed,
    refusal,
    row,
)

pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScans]:
    yield from installed(monkeypatch)


@pytest.fixture
def api(fake: FakeScans) -> Iterator["Api"]:  # noqa: ARG001  # it has to be there
    with Client(app.app) as client:
        yield Api(client)


# What a scan of the organization answers.


def test_a_scan_that_runs_tells_with_how_many_accounts_it_has_begun(fake: FakeScans, api: Api) -> None:
    scan_id = api.post().json_body["scan_id"]
    seen = [api.get(f"/{scan_id}").json_body["progress"]]

    fake.bucket.keep(f"scans/{scan_id}/accounts-to-scan.json", [row(WEB), row(DATA), row(OWN)])
    seen.append(api.get(f"/{scan_id}").json_body["progress"])
    for number in (1, 2):
        fake.bucket.keep(f"scans/{scan_id}/accounts/{WEB}/pages/{number:04}.json", {})
    fake.bucket.keep(f"scans/{scan_id}/unchecked/{DATA}.json", {})
    fake.bucket.keep(f"scans/{scan_id}/accounts/{DATA}/account.json", {})
    seen.append(api.get(f"/{scan_id}").json_body["progress"])

    assert seen == [
        {"accounts": 0, "accounts_to_scan": None},
        {"accounts": 0, "accounts_to_scan": 3},
        {"accounts": 2, "accounts_to_scan": 3},
    ]
    for path in ("findings", "accounts", "report?format=csv", f"findings?account_id={WEB}"):
        answer = api.get(f"/{scan_id}/{path}")

        assert (answer.status_code, answer.json_body["Message"]) == (
            404,
            "scan_id: this scan is RUNNING and has no report yet",
        )


def test_a_scan_that_has_ended_has_a_summary_and_links(fake: FakeScans, api: Api) -> None:
    scan_id = ended_scan(fake)

    answer = api.get(f"/{scan_id}").json_body

    assert (answer["status"], answer["users"], answer["error"]) == ("SUCCEEDED", None, None)
    assert answer["summary"]["coverage"]["accounts_unchecked"] == 1
    assert answer["summary"]["complete"] is False
    assert answer["progress"] == {"accounts": 3, "accounts_to_scan": 3}
    assert answer["reports"]["csv"] == f"s3://reports/scans/{scan_id}/report.csv"
    assert answer["links"] == {
        "self": f"/scan/{scan_id}",
        "accounts": f"/scan/{scan_id}/accounts",
        "findings": f"/scan/{scan_id}/findings",
        **{kind: f"/scan/{scan_id}/report?format={kind}" for kind in ("json", "csv", "html")},
    }


def test_the_answer_to_a_post_that_waited_has_the_findings_and_how_many_are_left_out(fake: FakeScans, api: Api) -> None:
    scan_id = ended_scan(fake, keyed_id("k"))
    fake.states.executions[f"{ORGANIZATION_MACHINE.replace('stateMachine', 'execution')}:{scan_id}"]["input"] = (
        json.dumps(ScanPolicy().to_json())
    )

    answer = api.post({"wait_seconds": 5}, key="k").json_body

    assert [key["account_id"] for key in answer["findings"]] == [DATA, WEB]
    assert (answer["findings_left_out"], answer["next"], answer["links"]["accounts"]) == (
        7,
        None,
        f"/scan/{scan_id}/accounts",
    )


@pytest.mark.parametrize(
    ("query", "accounts"),
    [
        ("", ["555566667777", WEB, DATA, "777788889999"]),
        ("?outcome=scanned", [WEB, DATA]),
        ("?outcome=unchecked", ["555566667777"]),
        ("?outcome=not_active", ["777788889999"]),
    ],
)
def test_the_accounts_can_be_of_one_outcome_and_go_on_to_the_end(
    fake: FakeScans, api: Api, query: str, accounts: list[str]
) -> None:
    scan_id = ended_scan(fake)
    whole = api.get(f"/{scan_id}/accounts{query}").json_body
    found, token = [], ""

    while token is not None:
        page = api.get(f"/{scan_id}/accounts{query or '?'}&limit=1{token and f'&next={token}'}").json_body
        found += [one["account_id"] for one in page["accounts"]]
        token = page["next"]

    assert found == [one["account_id"] for one in whole["accounts"]] == accounts
    assert (whole["next"], whole["complete"], whole["coverage"]["accounts_listed"]) == (None, False, 4)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("outcome=ok", "outcome"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("verdict=expired", "unknown query parameter"),
        ("next=nonsense", "next"),
        (f"next={encode_next('9 ')}", "next"),
        (f"outcome=scanned&next={encode_next('1 unchecked')}", "next"),
        (f"next={encode_next('-1 ')}", "next"),
    ],
)
def test_a_query_for_accounts_that_is_refused(fake: FakeScans, api: Api, query: str, field: str) -> None:
    answer = api.get(f"/{ended_scan(fake)}/accounts?{query}")

    assert answer.status_code == 400
    assert answer.json_body["Message"].startswith(f"{field}: ")


def test_the_findings_are_of_all_accounts_or_of_one(fake: FakeScans, api: Api) -> None:
    path = f"/{ended_scan(fake)}/findings"

    of_all, of_web, of_data = (
        api.get(path + query).json_body for query in ("", f"?account_id={WEB}", f"?account_id={DATA}")
    )

    assert [key["account_id"] for key in of_all["findings"]] == [DATA, WEB]
    assert (of_all["account_id"], of_all["findings_left_out"], of_all["complete"]) == (None, 7, False)
    assert [key["user_name"] for key in of_web["findings"]] == ["alice"]
    assert [key["user_name"] for key in of_data["findings"]] == ["bob"]
    assert (of_web["account_id"], of_web["complete"]) == (WEB, True)
    assert "findings_left_out" not in of_web
    assert "bob" not in json.dumps(of_web)


def test_the_findings_of_all_accounts_go_on_and_their_place_is_of_them_alone(fake: FakeScans, api: Api) -> None:
    path = f"/{ended_scan(fake)}/findings"
    first = api.get(f"{path}?limit=1").json_body
    second = api.get(f"{path}?limit=1&next={first['next']}").json_body

    assert [key["user_name"] for key in [*first["findings"], *second["findings"]]] == ["bob", "alice"]
    assert second["next"] is None
    assert api.get(f"{path}?account_id={WEB}&next={first['next']}").status_code == 400
    assert api.get(f"{path}?severity=low").json_body["findings"] == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("user_name=carol", 'user_name: "carol" is not accepted; it takes a user of the account that account_id names'),
        ("verdict=exempt", 'verdict: "exempt" is not accepted; it takes exempt only with account_id'),
        ("account_id=1", 'account_id: "1" is not accepted; it takes an account id of 12 digits'),
        ("account_id=../../../..", "account_id: "),
        ("account_id=%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1", "account_id: "),
    ],
)
def test_a_query_for_findings_that_could_look_clean_is_refused(
    fake: FakeScans, api: Api, query: str, says: str
) -> None:
    answer = api.get(f"/{ended_scan(fake)}/findings?{query}")

    assert answer.status_code == 400
    assert answer.json_body["Message"].startswith(says)


def test_a_user_of_one_account_is_found_there_and_not_listed_in_another(fake: FakeScans, api: Api) -> None:
    scan_id = ended_scan(fake)
    for account_id, name in ((WEB, "alice"), (DATA, "bob")):
        fake.bucket.keep(f"scans/{scan_id}/accounts/{account_id}/pages/0001.json", {"users": [{"user_name": name}]})

    outcomes = {
        account_id: api.get(f"/{scan_id}/findings?account_id={account_id}&user_name=alice").json_body["user"]["outcome"]
        for account_id in (WEB, DATA)
    }

    assert outcomes == {WEB: "checked", DATA: "not_listed"}


@pytest.mark.parametrize("path", ["findings?", "report?format=json&"])
def test_an_account_without_a_report_says_why(fake: FakeScans, api: Api, path: str) -> None:
    scan_id = ended_scan(fake)

    unchecked = api.get(f"/{scan_id}/{path}account_id=555566667777")
    unknown = api.get(f"/{scan_id}/{path}account_id=121212121212")

    assert (unchecked.status_code, unknown.status_code) == (404, 404)
    assert unchecked.json_body["Message"] == "scan_id: account 555566667777 could not be scanned: STS refused"
    assert unknown.json_body["Message"] == "scan_id: account 121212121212 has no report in this scan"


def test_a_report_is_the_organizations_or_an_accounts(fake: FakeScans, api: Api) -> None:
    scan_id = ended_scan(fake)

    links = [
        api.get(f"/{scan_id}/report?format=json{query}").headers["Location"] for query in ("", f"&account_id={WEB}")
    ]

    assert links == [
        f"https://reports/scans/{scan_id}/report.json",
        f"https://reports/scans/{scan_id}/accounts/{WEB}/report.json",
    ]


def test_a_report_as_ocsf_is_the_organizations_or_an_accounts(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCSF_REPORT", "on")
    scan_id = ended_scan(fake)
    for folder in ("", f"accounts/{WEB}/"):
        fake.bucket.keep(f"scans/{scan_id}/{folder}report.ocsf.json", [])

    answers = [api.get(f"/{scan_id}/report?format=ocsf{query}") for query in ("", f"&account_id={WEB}")]

    assert [(one.status_code, one.headers["Location"]) for one in answers] == [
        (303, f"https://reports/scans/{scan_id}/report.ocsf.json"),
        (303, f"https://reports/scans/{scan_id}/accounts/{WEB}/report.ocsf.json"),
    ]


@pytest.mark.parametrize("query", ["", f"&account_id={WEB}"])
def test_a_stage_that_keeps_no_ocsf_says_so_without_asking_s3_which_would_refuse(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    def refuse(**_: Any) -> Any:
        raise refusal("403", 403)

    scan_id = ended_scan(fake)
    monkeypatch.setattr(fake.bucket, "head_object", refuse)

    answer = api.get(f"/{scan_id}/report?format=ocsf{query}")

    assert (answer.status_code, answer.json_body["Message"]) == (
        404,
        "scan_id: this stage keeps no report.ocsf.json (stack parameter OcsfReport)",
    )


@pytest.mark.parametrize("query", ["", f"&account_id={WEB}"])
def test_a_scan_that_kept_no_ocsf_names_the_parameter(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setenv("OCSF_REPORT", "on")
    scan_id = ended_scan(fake)

    answer = api.get(f"/{scan_id}/report?format=ocsf{query}")

    assert (answer.status_code, answer.json_body["Message"]) == (
        404,
        "scan_id: this scan kept no report.ocsf.json: it ran while the stack parameter OcsfReport was off",
    )


def test_a_scan_without_a_report_has_none_as_ocsf_either(
    fake: FakeScans, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCSF_REPORT", "on")
    scan_id = ended_scan(fake)
    unchecked = api.get(f"/{scan_id}/report?format=ocsf&account_id=555566667777")
    running = api.get(f"/{api.post().json_body['scan_id']}/report?format=ocsf")

    assert unchecked.json_body["Message"] == "scan_id: account 555566667777 could not be scanned: STS refused"
    assert running.json_body["Message"] == "scan_id: this scan is RUNNING and has no report yet"


def test_an_execution_that_step_functions_has_forgotten_leaves_its_reports(fake: FakeScans, api: Api) -> None:
    scan_id = ended_scan(fake)
    fake.states.executions.clear()

    assert api.get(f"/{scan_id}").status_code == 404
    assert len(api.get(f"/{scan_id}/accounts").json_body["accounts"]) == 4
    assert len(api.get(f"/{scan_id}/findings").json_body["findings"]) == 2
    assert api.get(f"/{scan_id}/findings?account_id={WEB}").json_body["account_id"] == WEB
    assert api.get(f"/{scan_id}/report?format=json&account_id={WEB}").status_code == 303


# A scan of a single account.


def test_a_scan_of_the_own_account_has_no_accounts_and_is_of_no_other(fake: FakeScans, api: Api) -> None:
    scan_id = api.post({"users": ["alice"]}).json_body["scan_id"]
    fake.states.end(scan_id)
    fake.bucket.keep(f"scans/{scan_id}/report.json", account_report(scan_id, OWN, users=("alice",)))

    accounts = api.get(f"/{scan_id}/accounts")
    own = api.get(f"/{scan_id}/findings?account_id={OWN}")
    others = [api.get(f"/{scan_id}/{path}account_id={WEB}") for path in ("findings?", "report?format=csv&")]

    assert accounts.status_code == 400
    assert accounts.json_body["Message"] == (
        f'scan_id: "{scan_id}" is not accepted; it takes a scan of an organization; this one is of a single account'
    )
    assert own.json_body == api.get(f"/{scan_id}/findings").json_body
    assert own.json_body["account_id"] == OWN
    assert [(other.status_code, other.json_body["Message"]) for other in others] == [
        (404, f"scan_id: this scan is of account {OWN} alone, and not of {WEB}")
    ] * 2
    fake.states.executions.clear()
    assert api.get(f"/{scan_id}/accounts").status_code == 400


def test_accounts_of_a_scan_that_is_none_or_failed(fake: FakeScans, api: Api) -> None:
    scan_id = api.post().json_body["scan_id"]
    fake.states.end(scan_id, "FAILED")

    assert api.get("/none/accounts").json_body["Message"] == "scan_id: there is no scan of this id"
    assert api.get(f"/{scan_id}/accounts").json_body["Message"] == (
        "scan_id: this scan is FAILED and has no report: failed without a word why"
    )

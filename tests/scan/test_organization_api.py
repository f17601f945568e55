"""The REST API of a stage that scans an organization, over HTTP, against `localaws serve` in a process of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.api.openapi import openapi_document
from tests.scan.test_api import at_once
from tests.support.organizations import OWN, account_id, member
from tests.support.scanner import user
from tests.support.schemathesis_run import run_schemathesis
from tests.support.serving import Served, start

OLD, OLDER, NEW = "2021-11-27T20:15:43Z", "2020-01-01T00:00:00Z", "2026-11-20T08:00:00Z"
WEB, DATA, REFUSED, SUSPENDED, EXCLUDED = (account_id(number) for number in range(1, 6))
ACCOUNTS = [OWN, WEB, DATA, REFUSED, SUSPENDED]
ORGANIZATION = {
    "name": "management",
    "users": [user("ops", NEW)],
    "accounts": [
        member(1, user("alice", OLD), user("bob", NEW), user("vault", OLD, tags={"owner": "web-team"})),
        member(2, user("alice", OLDER), user("carol", NEW)),
        member(3, user("dan", OLD), reader_role=False),
        member(4, user("erin", OLD), state="SUSPENDED"),
        member(5, user("frank", OLD)),
    ],
}
PARAMETERS = f"Accounts=organization ExcludedAccounts={EXCLUDED}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two accounts that are scanned beside the own one, one that refuses, one suspended, one excluded."""
    account = tmp_path_factory.mktemp("organization") / "account.json"
    account.write_text(json.dumps(ORGANIZATION))
    running = start("--account", str(account), "--parameters", PARAMETERS)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def scan(served: Served) -> dict[str, Any]:
    """A scan of the whole organization that has ended, as GET /scan/{scan_id} answers."""
    started = served.post()
    assert started.status_code == 202
    return served.wait_for(started.json()["scan_id"])


def executions(served: Served, kind: str = "organization") -> list[str]:
    return [one["scan_id"] for one in served.get(kind=kind).json()["scans"]]


# A scan of all accounts.


def test_a_scan_of_the_organization_says_what_became_of_it(served: Served, scan: dict[str, Any]) -> None:
    scan_id, summary = scan["scan_id"], scan["summary"]

    assert scan_id.startswith("organization-")
    assert (scan["status"], scan["error"], scan["users"]) == ("SUCCEEDED", None, None)
    assert summary["coverage"] == {
        "accounts_listed": 5,
        "accounts_scanned": 3,
        "accounts_unchecked": 1,
        "accounts_not_active": 1,
        "accounts_incomplete": 0,
        "accounts_excluded": 1,
    }
    assert (summary["complete"], summary["totals"]["expired"], summary["users"]["users_checked"]) == (False, 3, 6)
    assert scan["progress"] == {"accounts": 4, "accounts_to_scan": 4}
    assert set(scan["links"]) == {"self", "accounts", "findings", "json", "csv", "html"}
    assert scan_id in executions(served)
    assert scan_id not in executions(served, "account")


def test_the_accounts_are_listed_with_their_outcome_and_cause(served: Served, scan: dict[str, Any]) -> None:
    path = scan["links"]["accounts"].removeprefix("/scan")

    rows = {row["account_id"]: row for row in served.get(path).json()["accounts"]}
    by_outcome = {
        outcome: {row["account_id"] for row in served.get(path, outcome=outcome).json()["accounts"]}
        for outcome in ("scanned", "unchecked", "not_active")
    }

    assert set(rows) == set(ACCOUNTS)
    assert by_outcome == {"scanned": {OWN, WEB, DATA}, "unchecked": {REFUSED}, "not_active": {SUSPENDED}}
    assert "AccessDenied" in rows[REFUSED]["cause"]
    assert rows[WEB]["account_name"] == "member-1"
    assert rows[WEB]["totals"]["expired"] == 2


def test_the_list_of_accounts_goes_on_to_the_end(served: Served, scan: dict[str, Any]) -> None:
    found: list[str] = []
    token: dict[str, str] = {}

    while True:
        page = served.get(f"/{scan['scan_id']}/accounts", limit=2, **token).json()
        found += [row["account_id"] for row in page["accounts"]]
        if page["next"] is None:
            break
        token = {"next": page["next"]}

    assert found == [row["account_id"] for row in served.get(f"/{scan['scan_id']}/accounts").json()["accounts"]]


def test_findings_are_of_all_accounts_or_of_one_and_no_account_answers_for_another(
    served: Served, scan: dict[str, Any]
) -> None:
    path = f"/{scan['scan_id']}/findings"

    of_all = served.get(path).json()
    by_account = {one: served.get(path, account_id=one) for one in (OWN, WEB, DATA)}

    assert [(key["account_id"], key["user_name"]) for key in of_all["findings"]] == [
        (DATA, "alice"),
        (WEB, "alice"),
        (WEB, "vault"),
    ]
    assert (of_all["account_id"], of_all["findings_left_out"], of_all["complete"]) == (None, 0, False)
    assert {one: [key["user_name"] for key in answer.json()["findings"]] for one, answer in by_account.items()} == {
        OWN: [],
        WEB: ["alice", "vault"],
        DATA: ["alice"],
    }
    keys = {one: {key["access_key_id"] for key in answer.json()["findings"]} for one, answer in by_account.items()}
    assert not keys[WEB] & keys[DATA]
    assert "web-team" in by_account[WEB].text
    assert "web-team" not in by_account[DATA].text + by_account[OWN].text
    for one, answer in by_account.items():
        others = {OWN, WEB, DATA, REFUSED, SUSPENDED, EXCLUDED} - {one}
        assert not [other for other in others if other in answer.text]


@pytest.mark.parametrize(
    ("account", "name", "outcome"),
    [
        (WEB, "alice", "checked"),
        (WEB, "bob", "checked"),
        (WEB, "carol", "not_listed"),
        (DATA, "bob", "not_listed"),
        (DATA, "carol", "checked"),
        (OWN, "alice", "not_listed"),
    ],
)
def test_what_became_of_a_user_is_asked_of_an_account(
    served: Served, scan: dict[str, Any], account: str, name: str, outcome: str
) -> None:
    answer = served.get(f"/{scan['scan_id']}/findings", account_id=account, user_name=name).json()

    assert answer["user"] == {"user_name": name, "outcome": outcome, "cause": None}


def test_reports_are_the_organizations_and_the_accounts(served: Served, scan: dict[str, Any]) -> None:
    path, reports = f"/{scan['scan_id']}/report", {}
    for one in (None, WEB, DATA):
        answer = served.get(path, format="json", **({"account_id": one} if one else {}))
        assert answer.status_code == 303
        reports[one] = requests.get(answer.headers["Location"], timeout=10).json()

    assert reports[None]["scan_kind"] == "organization"
    assert [reports[one]["account_id"] for one in (WEB, DATA)] == [WEB, DATA]
    assert "carol" not in json.dumps(reports[WEB])
    for kind in ("csv", "html"):
        assert served.get(path, format=kind, account_id=WEB).status_code == 303


@pytest.mark.parametrize(
    ("account", "status", "says"),
    [
        (REFUSED, 404, f"account {REFUSED} could not be scanned: "),
        (SUSPENDED, 404, f"account {SUSPENDED} has no report in this scan"),
        (EXCLUDED, 404, f"account {EXCLUDED} has no report in this scan"),
        ("20000000000", 400, "account_id: "),
        (f"{WEB}/report.json", 400, "account_id: "),
        ("../../organization", 400, "account_id: "),
        ("", 400, "account_id: "),
        ("*", 400, "account_id: "),
    ],
)
def test_an_account_without_a_report(
    served: Served, scan: dict[str, Any], account: str, status: int, says: str
) -> None:
    for path, query in (("findings", {}), ("report", {"format": "csv"})):
        answer = served.get(f"/{scan['scan_id']}/{path}", account_id=account, **query)

        assert answer.status_code == status
        assert says in answer.json()["Message"]


def test_whatever_is_asked_of_it_the_server_answers_as_the_document_says(
    served: Served, scan: dict[str, Any], tmp_path: Path
) -> None:
    made = run_schemathesis(
        openapi_document(), served, tmp_path, scan["scan_id"], "--include-method", "GET", "--max-examples", "30"
    )

    assert made > 100


# Some accounts, and one at a time.


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"accounts": [EXCLUDED]}, f'accounts[0]: "{EXCLUDED}" is not accepted'),
        ({"accounts": [WEB, EXCLUDED], "users": ["alice"]}, f'accounts[1]: "{EXCLUDED}" is not accepted'),
        ({"accounts": [EXCLUDED], "users": ["a"], "wait_seconds": 9}, f'accounts[0]: "{EXCLUDED}" is not accepted'),
        ({"accounts": []}, "accounts (0 of them): [] is not accepted; it takes 1 to 100 account ids"),
        ({"accounts": [WEB, WEB]}, f'accounts[1] (a duplicate): "{WEB}" is not accepted'),
        ({"accounts": WEB}, f'accounts: "{WEB}" is not accepted'),
        ({"accounts": [f"arn:aws:iam::{WEB}:role/admin"]}, "accounts[0]: "),
        ({"account": [WEB]}, "unknown field: "),
    ],
)
def test_accounts_that_are_refused_start_nothing(served: Served, body: dict[str, Any], says: str) -> None:
    before = executions(served), executions(served, "account")

    answer = served.post(body)

    assert answer.status_code == 400
    assert answer.json()["Message"].startswith(says)
    assert (executions(served), executions(served, "account")) == before


def test_fifty_requests_at_once_are_one_execution_whatever_the_order_of_the_accounts(served: Served) -> None:
    before = executions(served)
    orders = iter([[WEB, DATA], [DATA, WEB]] * 25)

    answers = at_once(50, lambda: served.post({"accounts": next(orders)}))

    assert {answer.status_code for answer in answers} <= {200, 202}
    [scan_id] = {answer.json()["scan_id"] for answer in answers}
    assert len(executions(served)) == len(before) + 1
    ended = served.wait_for(scan_id)
    assert ended["summary"]["coverage"]["accounts_listed"] == 2
    rows = served.get(f"/{scan_id}/accounts").json()["accounts"]
    assert {row["account_id"] for row in rows} == {WEB, DATA}


def test_a_request_that_is_sent_again_with_its_key_is_the_same_scan_and_of_the_same_accounts(served: Served) -> None:
    first = served.post({"accounts": [WEB, DATA], "users": ["alice"]}, Idempotency_Key="build-1").json()

    again = served.post({"accounts": [DATA, WEB], "users": ["alice"], "wait_seconds": 25}, Idempotency_Key="build-1")
    other = served.post({"accounts": [DATA], "users": ["alice"]}, Idempotency_Key="build-1")

    assert (again.status_code, again.json()["scan_id"]) == (200, first["scan_id"])
    assert [(key["account_id"], key["user_name"]) for key in again.json()["findings"]] == [
        (DATA, "alice"),
        (WEB, "alice"),
    ]
    assert other.status_code == 409
    assert executions(served).count(first["scan_id"]) == 1


def test_users_without_accounts_are_those_of_the_own_account(served: Served) -> None:
    answer = served.post({"users": ["ops", "alice"], "wait_seconds": 25}).json()

    assert answer["scan_id"].startswith("adhoc-")
    assert {one["user_name"]: one["outcome"] for one in answer["users"]} == {"ops": "checked", "alice": "not_found"}
    assert answer["scan_id"] in executions(served, "account")
    accounts = served.get(f"/{answer['scan_id']}/accounts")
    assert accounts.status_code == 400
    assert "this one is of a single account" in accounts.json()["Message"]
    other = served.get(f"/{answer['scan_id']}/findings", account_id=WEB)
    assert (other.status_code, other.json()["Message"]) == (
        404,
        f"scan_id: this scan is of account {OWN} alone, and not of {WEB}",
    )


# Users of one account, while the client waits.


def test_users_of_one_account_are_scanned_without_an_execution(served: Served, scan: dict[str, Any]) -> None:
    before = executions(served), executions(served, "account")

    answer = served.post({"accounts": [WEB], "users": ["alice", "carol"], "wait_seconds": 25})

    told = answer.json()
    assert answer.status_code == 200
    assert (told["status"], told["error"], told["execution_arn"]) == ("SUCCEEDED", None, None)
    assert told["users"] == [
        {"user_name": "alice", "outcome": "checked", "cause": None},
        {"user_name": "carol", "outcome": "not_found", "cause": None},
    ]
    of_the_whole_scan = served.get(f"/{scan['scan_id']}/findings", account_id=WEB, user_name="alice").json()
    [key], [same] = told["findings"], of_the_whole_scan["findings"]
    assert key["access_key_id"] == same["access_key_id"]
    assert told["summary"]["account_id"] == WEB
    assert (executions(served), executions(served, "account")) == before
    assert served.get(f"/{told['scan_id']}").json().items() <= told.items()
    assert served.get(told["links"]["findings"].removeprefix("/scan")).json()["findings"] == told["findings"]
    report = requests.get(
        served.get(told["links"]["json"].removeprefix("/scan")).headers["Location"], timeout=10
    ).json()
    assert (report["scan_id"], report["account_id"]) == (told["scan_id"], WEB)
    assert served.get(f"/{told['scan_id']}/findings", account_id=DATA).status_code == 404


@pytest.mark.usefixtures("scan")
@pytest.mark.parametrize(("account", "cause"), [(REFUSED, "AccessDenied"), ("999999999998", "not in the organization")])
def test_an_account_that_was_never_scanned_is_asked_by_an_execution_and_never_looks_clean(
    served: Served, account: str, cause: str
) -> None:
    told = served.post({"accounts": [account], "users": ["dan"], "wait_seconds": 25}).json()
    ended = served.wait_for(told["scan_id"])

    assert told["execution_arn"]
    assert (ended["status"], ended["summary"]["complete"]) == ("SUCCEEDED", False)
    [row] = served.get(f"/{told['scan_id']}/accounts").json()["accounts"]
    assert (row["outcome"], cause in row["cause"]) == ("unchecked", True)
    assert served.get(f"/{told['scan_id']}/findings", account_id=account).status_code == 404


@pytest.mark.usefixtures("scan")
def test_the_same_key_again_is_the_same_report_and_another_account_a_conflict(served: Served) -> None:
    request = {"accounts": [DATA], "users": ["alice"], "wait_seconds": 25}

    first, again = (served.post(request, Idempotency_Key="direct") for _ in range(2))
    conflicts = [
        served.post({**request, **other}, Idempotency_Key="direct")
        for other in ({"accounts": [WEB]}, {"users": ["carol"]}, {"max_age_days": 30})
    ]

    assert first.json()["status"] == "SUCCEEDED"
    assert again.json() == first.json()
    assert [answer.status_code for answer in conflicts] == [409] * 3


@pytest.mark.usefixtures("scan")
def test_the_same_key_ten_times_at_once_is_one_scan(served: Served) -> None:
    request = {"accounts": [DATA], "users": ["alice"], "wait_seconds": 25}

    answers = at_once(10, lambda: served.post(request, Idempotency_Key="at-once"))

    assert {answer.status_code for answer in answers} == {200}
    [told] = {json.dumps(answer.json(), sort_keys=True) for answer in answers}
    assert json.loads(told)["status"] == "SUCCEEDED"

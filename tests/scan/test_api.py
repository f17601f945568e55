"""The REST API over HTTP, against `localaws serve` in a process of its own."""

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from botocore.awsrequest import AWSRequest

from chalicelib.api.parameters import encode_next
from chalicelib.instants import parse_instant
from localaws.sigv4 import SignedBy
from tests.support.scanner import user
from tests.support.serving import Served, start

OLD, DUE_SOON, NEW = "2021-11-27T20:15:43Z", "2026-09-01T08:00:00Z", "2026-11-20T08:00:00Z"
AS_OF = {"as_of": "2026-11-22T08:00:00Z"}
EXEMPT = {"iam-key-age:exempt-until": "{date:+30}", "iam-key-age:exempt-reason": "CHG-1"}
ACCOUNT = {
    "users": [
        user("alice", OLD, "2025-01-01T08:00:00Z"),
        user("bob", OLD),
        user("carol", OLD),
        user("dan", DUE_SOON),
        user("erin", NEW),
        user("vault", OLD, tags=EXEMPT),
    ]
}
NOT_FOUND = {"Code": "NotFoundError", "Message": "scan_id: there is no scan of this id"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A small account: IAM does not tell of bob, and carol is deleted when asked for."""
    account = tmp_path_factory.mktemp("account") / "account.json"
    account.write_text(json.dumps(ACCOUNT))
    running = start("--account", str(account), "--faults", '{"iam": {"deny": ["bob"], "delete": ["carol"]}}')
    yield running
    running.stop()


@pytest.fixture(scope="module")
def scan(served: Served) -> dict[str, Any]:
    """A scan of everybody that has ended."""
    answer = served.post({**AS_OF, "wait_seconds": 25})
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.fixture(scope="module")
def failed(served: Served) -> str:
    """The id of a scan that failed."""
    arn = served.settings["STATE_MACHINE_ARN"]
    served.client("stepfunctions").start_execution(stateMachineArn=arn, name="bad", input='{"max_age_days": 0}')
    assert served.wait_for("bad")["status"] == "FAILED"
    return "bad"


def executions(served: Served) -> list[str]:
    pages = served.client("stepfunctions").get_paginator("list_executions")
    listed = pages.paginate(stateMachineArn=served.settings["STATE_MACHINE_ARN"])
    return [execution["name"] for page in listed for execution in page["executions"]]


def at_once(times: int, call: Callable[[], requests.Response]) -> list[requests.Response]:
    together = threading.Barrier(times)

    def wait_and_call() -> requests.Response:
        together.wait(30)
        return call()

    with ThreadPoolExecutor(times) as threads:
        calls = [threads.submit(wait_and_call) for _ in range(times)]
        return [done.result() for done in calls]


# One user, at once.


def test_one_user_is_judged_while_the_client_waits(served: Served) -> None:
    response = served.post({**AS_OF, "users": ["alice"], "wait_seconds": 25})

    answer = response.json()
    assert response.status_code == 200
    assert (answer["status"], answer["error"]) == ("SUCCEEDED", None)
    assert answer["summary"]["totals"]["expired"] == 2
    assert answer["progress"] == {"pages": 1, "users": 1}
    assert [(key["user_name"], key["verdict"]) for key in answer["findings"]] == [("alice", "expired")] * 2
    assert answer["next"] is None
    assert answer["execution_arn"].endswith(f":{answer['scan_id']}")
    asked_for_again = served.get(f"/{answer['scan_id']}").json()
    assert asked_for_again.items() <= answer.items()


def test_a_name_that_iam_does_not_know_does_not_look_like_a_clean_user(served: Served) -> None:
    names = ["alice", "bob", "carol", "erin", "erni"]

    answer = served.post({"users": names, "wait_seconds": 25}).json()

    outcomes = {user["user_name"]: user["outcome"] for user in answer["users"]}
    assert outcomes == dict(zip(names, ["checked", "unchecked", "not_found", "checked", "not_found"], strict=True))
    assert [bool(user["cause"]) for user in answer["users"]] == [False, True, False, False, False]
    assert served.get(f"/{answer['scan_id']}").json()["users"] == answer["users"]


@pytest.mark.parametrize("value", [0, 26, True, 1.5, "5", None])
def test_a_wait_that_is_refused(served: Served, value: object) -> None:
    response = served.post(json.dumps({"wait_seconds": value}), Content_Type="application/json")

    assert response.status_code == 400
    message = f"wait_seconds: {json.dumps(value)} is not accepted; it takes an integer from 1 to 25"
    assert response.json() == {"Code": "BadRequestError", "Message": message}


# Idempotent.


def test_a_request_that_is_sent_again_with_its_key_is_the_same_scan(served: Served) -> None:
    first = served.post({"users": ["erin", "dan"]}, Idempotency_Key="build-1")
    scan_id = first.json()["scan_id"]
    served.wait_for(scan_id)
    again = served.post({"users": ["dan", "erin"], "wait_seconds": 5}, Idempotency_Key="build-1")

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["scan_id"] == scan_id
    assert again.json()["summary"]["complete"] is True
    assert executions(served).count(scan_id) == 1


def test_a_key_is_not_in_the_id_that_it_makes(served: Served) -> None:
    answer = served.post({"users": ["erin"]}, Idempotency_Key="AKIAIOSFODNN7EXAMPLE-alice@example.com").json()

    assert re.fullmatch("request-[0-9a-f]{32}", answer["scan_id"])


def test_a_key_with_another_policy_is_a_conflict(served: Served) -> None:
    served.post({"users": ["erin"]}, Idempotency_Key="build-2")

    response = served.post({"users": ["dan"]}, Idempotency_Key="build-2")

    assert response.status_code == 409
    assert response.json()["Code"] == "ConflictError"
    assert response.json()["Message"].startswith("Idempotency-Key: ")
    assert "erin" not in response.text


def test_the_same_key_twenty_times_at_once_is_one_execution(served: Served) -> None:
    answers = at_once(20, lambda: served.post({"users": ["erin"]}, Idempotency_Key="at-once"))

    assert {answer.status_code for answer in answers} <= {200, 202}
    [scan_id] = {answer.json()["scan_id"] for answer in answers}
    assert executions(served).count(scan_id) == 1


@pytest.mark.parametrize("key", ["", "a" * 65, "a b", "a/b", "../x", "%2e", "\xe9"])
def test_a_key_that_is_refused(served: Served, key: str) -> None:
    before = executions(served)

    response = served.post({"users": ["erin"]}, Idempotency_Key=key.encode("latin-1"))  # type: ignore[arg-type]

    assert response.status_code == 400
    assert response.json()["Message"].startswith("Idempotency-Key: ")
    assert "1 to 64 characters out of" in response.json()["Message"]
    assert executions(served) == before


def test_the_longest_key_makes_a_scan_id(served: Served) -> None:
    response = served.post({"users": ["erin"], "wait_seconds": 25}, Idempotency_Key="a" * 64)

    assert response.json()["status"] == "SUCCEEDED"


# The list.


def test_the_list_goes_on_to_the_end_over_sixty_scans_newest_first(served: Served) -> None:
    request = {"users": ["erin"], "wait_seconds": 25}  # so that four run at a time, which is less than MaxScansAtOnce
    with ThreadPoolExecutor(4) as threads:
        started = list(threads.map(lambda _: served.post(request).json()["scan_id"], range(60)))
    pages: list[Any] = []
    token: dict[str, str] = {}

    while True:
        page = served.get(limit=7, **token).json()
        pages.append(page["scans"])
        if page["next"] is None:
            break
        token = {"next": page["next"]}

    listed = [scan["scan_id"] for page in pages for scan in page]
    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1)
    assert listed == executions(served)
    assert set(started) <= set(listed)
    begun = [parse_instant(scan["started_at"]) for page in pages for scan in page]
    assert begun == sorted(begun, reverse=True)
    assert pages[0][0]["links"] == {"self": f"/scan/{pages[0][0]['scan_id']}"}
    for scan_id in started:
        served.wait_for(scan_id)


def test_the_list_can_be_of_one_status(served: Served, scan: dict[str, Any], failed: str) -> None:
    bad = served.get(status="FAILED").json()["scans"]
    good = served.get(status="SUCCEEDED", limit=1).json()

    assert failed in [listed["scan_id"] for listed in bad]
    assert {listed["status"] for listed in bad} == {"FAILED"}
    assert scan["scan_id"] not in [listed["scan_id"] for listed in bad]
    assert [listed["status"] for listed in good["scans"]] == ["SUCCEEDED"]


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("", "limit=0", "limit: 0 is not accepted; it takes an integer from 1 to 100"),
        ("", "limit=101", "limit: 101 is not accepted"),
        ("", "limit=ten", 'limit: "ten" is not accepted'),
        ("", "limit=1.0", 'limit: "1.0" is not accepted'),
        ("", "limit=", 'limit: "" is not accepted'),
        ("", "limit=1&limit=2", 'limit: ["1", "2"] is not accepted; it takes one value'),
        ("", "status=DONE", 'status: "DONE" is not accepted; it takes one of RUNNING, SUCCEEDED, FAILED'),
        ("", "state=RUNNING", 'unknown query parameter: {"state": "RUNNING"} is not accepted; it takes only status'),
        ("", "next=nonsense", 'next: "nonsense" is not accepted; it takes the `next` of an earlier answer'),
        ("", "next=", 'next: "" is not accepted'),
        ("", f"next={encode_next('made up')}", "is not accepted; it takes the `next` of an earlier answer"),
        ("", "next=%00", 'next: "\\u0000" is not accepted'),
        ("/bad", "limit=1", "it takes none"),
        ("/bad/findings", "verdict=ok", "verdict: "),
        ("/bad/findings", "severity=High", "severity: "),
        ("/bad/findings", "user_name=a%20b", 'user_name: "a b" is not accepted; it takes an IAM user name'),
        ("/bad/report", "", "format: null is not accepted; it takes one of json, csv, html"),
        ("/bad/report", "format=pdf", 'format: "pdf" is not accepted; it takes one of json, csv, html'),
    ],
)
def test_a_query_that_is_refused(served: Served, path: str, query: str, says: str) -> None:
    response = requests.get(f"{served.api}{path}?{query}", auth=served.signed, timeout=10)

    assert response.status_code == 400
    assert response.json()["Code"] == "BadRequestError"
    assert says in response.json()["Message"]


def test_a_query_of_post_is_refused_and_starts_nothing(served: Served) -> None:
    before = executions(served)

    response = requests.post(f"{served.api}?wait_seconds=5", auth=served.signed, timeout=10)

    assert response.status_code == 400
    assert "unknown query parameter" in response.json()["Message"]
    assert executions(served) == before


# What a scan found.


def test_the_findings_go_on_to_the_end_the_most_severe_first(served: Served, scan: dict[str, Any]) -> None:
    found: list[Any] = []
    token: dict[str, str] = {}

    while True:
        page = served.get(f"/{scan['scan_id']}/findings", limit=1, **token).json()
        assert len(page["findings"]) == 1
        found += page["findings"]
        if page["next"] is None:
            break
        token = {"next": page["next"]}

    assert found == scan["findings"]
    assert [key["user_name"] for key in found] == ["alice", "alice", "dan"]
    assert (page["complete"], page["user"]) == (False, None)  # bob is unchecked


@pytest.mark.parametrize(
    ("verdict", "users"),
    [("expired", ["alice", "alice"]), ("due_soon", ["dan"]), ("exempt", ["vault"]), ("unused", [])],
)
def test_the_findings_can_be_of_one_verdict(
    served: Served, scan: dict[str, Any], verdict: str, users: list[str]
) -> None:
    page = served.get(f"/{scan['scan_id']}/findings", verdict=verdict).json()

    assert [key["user_name"] for key in page["findings"]] == users


@pytest.mark.parametrize(
    ("filters", "users"),
    [
        ({"severity": "high"}, ["alice", "alice"]),
        ({"severity": "low"}, ["dan"]),
        ({"severity": "critical"}, []),
        ({"severity": "low", "verdict": "expired"}, []),
        ({"severity": "high", "verdict": "exempt"}, ["vault"]),
        ({"severity": "high", "user_name": "dan"}, []),
    ],
)
def test_the_findings_can_be_of_one_severity(
    served: Served, scan: dict[str, Any], filters: dict[str, str], users: list[str]
) -> None:
    page = served.get(f"/{scan['scan_id']}/findings", **filters).json()

    assert [key["user_name"] for key in page["findings"]] == users


@pytest.mark.parametrize(
    ("user_name", "outcome", "keys"),
    [
        ("alice", "checked", 2),
        ("erin", "checked", 0),
        ("bob", "unchecked", 0),
        ("carol", "not_found", 0),
        ("alcie", "not_listed", 0),
    ],
)
def test_the_findings_of_a_user_say_what_became_of_the_user(
    served: Served, scan: dict[str, Any], user_name: str, outcome: str, keys: int
) -> None:
    page = served.get(f"/{scan['scan_id']}/findings", user_name=user_name).json()

    assert len(page["findings"]) == keys
    assert (page["user"]["user_name"], page["user"]["outcome"]) == (user_name, outcome)
    assert bool(page["user"]["cause"]) == (outcome == "unchecked")


@pytest.mark.parametrize(
    "token",
    ["nonsense", *(encode_next(place) for place in ("-1   ", "1000   ", "1.0   ", "   ", "\u0661   ", "1 ok  "))],
)
def test_a_place_in_the_findings_that_is_none_is_refused(served: Served, scan: dict[str, Any], token: str) -> None:
    response = served.get(f"/{scan['scan_id']}/findings", next=token)

    assert response.status_code == 400
    assert response.json()["Message"].startswith(f'next: "{token}" is not accepted')


def test_a_place_in_the_findings_is_of_the_filters_that_it_was_given_for(served: Served, scan: dict[str, Any]) -> None:
    token = served.get(f"/{scan['scan_id']}/findings", limit=1, verdict="expired").json()["next"]

    same = served.get(f"/{scan['scan_id']}/findings", verdict="expired", next=token)
    other = served.get(f"/{scan['scan_id']}/findings", verdict="due_soon", next=token)

    of_a_severity = served.get(f"/{scan['scan_id']}/findings", verdict="expired", severity="high", next=token)

    assert [key["user_name"] for key in same.json()["findings"]] == ["alice"]
    for answer in (other, of_a_severity):
        assert (answer.status_code, answer.json()["Code"]) == (400, "BadRequestError")


@pytest.mark.parametrize(
    ("kind", "media_type", "begins"),
    [
        ("html", "text/html; charset=utf-8", "<!doctype html>"),
        ("csv", "text/csv; charset=utf-8", "\ufeffverdict,user_name,"),
        ("json", "application/json", "{"),
    ],
)
def test_a_report_is_a_link_that_lives_five_minutes(
    served: Served, scan: dict[str, Any], kind: str, media_type: str, begins: str
) -> None:
    response = served.get(scan["links"][kind].removeprefix("/scan"))

    link = response.headers["Location"]
    assert response.status_code == 303
    assert response.json() == {"location": link, "expires_in_seconds": 300}
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["300"]
    assert urlsplit(link).path.endswith(f"/scans/{scan['scan_id']}/report.{kind}")
    report = requests.get(link, timeout=10)
    assert report.status_code == 200
    assert report.headers["Content-Type"] == media_type
    assert f"iam-key-age-{scan['scan_id']}.{kind}" in report.headers["Content-Disposition"]
    assert report.content.decode().lower().startswith(begins)
    assert "alice" in report.content.decode()


def test_a_scan_that_failed_has_no_findings_and_no_report_and_says_why(served: Served, failed: str) -> None:
    why = "InvalidPolicyError: max_age_days: 0 is not accepted; it takes an integer from 1 to 3650"

    for path in ("findings", "report?format=html"):
        response = served.get(f"/{failed}/{path}")

        assert response.status_code == 404
        assert response.json() == {
            "Code": "NotFoundError",
            "Message": f"scan_id: this scan is FAILED and has no report: {why}",
        }


# Ids that are none.


@pytest.mark.parametrize("route", ["", "/findings", "/report?format=json"])
@pytest.mark.parametrize(
    "scan_id",
    [
        "none",
        "..",
        "%2e%2e%2f",
        "%2E%2E",
        "..%2fx",
        ".hidden",
        "a" * 81,
        "a" * 200,
        "%E2%98%83",
        "%00",
        "a%0ab",
        "a%20b",
        "*",
        "arn:aws:states:us-east-1:123456789012:execution:other:bad",
        "arn%3Aaws%3As3%3A%3A%3Aother",
        "latest.json%23",
    ],
)
def test_an_id_that_is_none_is_not_found(served: Served, scan_id: str, route: str) -> None:
    status, body = get_as_it_is(served, f"/scan/{scan_id}{route}")

    assert (status, json.loads(body)) == (404, NOT_FOUND)


@pytest.mark.parametrize("path", ["/scan/../x", "/scan/a/../../x", "/scan//x", "/scan/x/y", "/scans/bad/report.json"])
def test_a_path_that_is_no_route_is_refused_as_api_gateway_does(served: Served, path: str) -> None:
    status, _ = get_as_it_is(served, path)

    assert status == 403


def get_as_it_is(served: Served, path: str) -> tuple[int, str]:
    """GET a path that `requests` would tidy up, signed as it is."""
    host = urlsplit(served.api).netloc
    signed = AWSRequest("GET", f"http://{host}{path}")
    served.signed.signer.add_auth(signed)
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path, headers=dict(signed.headers.items()))
    response = connection.getresponse()
    return response.status, response.read().decode()


# Closed.


def test_a_request_that_is_not_signed_is_refused(served: Served) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/bad"), ("GET", "/bad/report?format=json")):
        response = requests.request(method, f"{served.api}{path}", timeout=10)

        assert response.status_code == 403
        assert response.json() == {"message": "Missing Authentication Token"}


@pytest.mark.parametrize(
    ("signed", "says"),
    [
        (SignedBy("local", "wrong", "us-east-1"), "The request signature we calculated does not match"),
        (
            SignedBy("AKIAIOSFODNN7EXAMPLE", "local", "us-east-1"),
            "The security token included in the request is invalid",
        ),
        (SignedBy("local", "local", "eu-west-1"), "Credential should be scoped to us-east-1"),
    ],
    ids=["secret", "key id", "Region"],
)
def test_a_request_signed_with_the_wrong_key_is_refused(served: Served, signed: SignedBy, says: str) -> None:
    before = executions(served)

    response = requests.post(served.api, json={"users": ["erin"]}, auth=signed, timeout=10)

    assert response.status_code == 403
    assert says in response.json()["message"]
    assert executions(served) == before


def test_a_body_or_a_query_that_was_changed_on_the_way_is_refused(served: Served) -> None:
    session = requests.Session()
    posted = session.prepare_request(requests.Request("POST", served.api, json={"users": ["erin"]}, auth=served.signed))
    posted.body = b'{"users": ["evan"]}'
    asked = session.prepare_request(requests.Request("GET", f"{served.api}?limit=1", auth=served.signed))
    asked.url = f"{served.api}?limit=2"

    assert session.send(posted, timeout=10).status_code == 403
    assert session.send(asked, timeout=10).status_code == 403


@pytest.mark.parametrize(
    "authorization", ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=local/20261122/us-east-1/execute-api/aws4_request"]
)
def test_an_authorization_of_another_kind_is_refused(served: Served, authorization: str) -> None:
    response = requests.get(served.api, headers={"Authorization": authorization}, timeout=10)

    assert response.status_code == 403
    assert "Signature Version 4" in response.json()["message"]

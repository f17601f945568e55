"""/openapi.json: a document that is one, of what there is, and that the running server keeps to."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from openapi_spec_validator import validate

import app
from chalicelib.api.openapi import openapi_document
from chalicelib.policy import InvalidPolicyError, ScanPolicy, parse_request
from tests.support.api_reference import PAGE, page_with
from tests.support.examples import HealthCheck, event, given, settings
from tests.support.examples import strategies as st
from tests.support.scanner import user
from tests.support.schemathesis_run import run_schemathesis
from tests.support.serving import Served, start

DOCUMENT = openapi_document()


def test_the_document_is_one_of_openapi_3_1() -> None:
    validate(DOCUMENT)

    assert DOCUMENT["openapi"].startswith("3.1")


def test_the_document_has_the_routes_that_there_are_and_each_wants_a_signature() -> None:
    routes = {(path, method.lower()) for path, methods in app.app.routes.items() for method in methods}

    assert routes == {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert DOCUMENT["security"] == [{"sigv4": []}]
    assert not any("security" in operation for item in DOCUMENT["paths"].values() for operation in item.values())


def test_every_reference_leads_to_a_schema_and_every_schema_is_referred_to() -> None:
    text = json.dumps(DOCUMENT)

    assert set(re.findall(r"#/components/schemas/(\w+)", text)) == set(DOCUMENT["components"]["schemas"])


def test_the_reference_in_the_docs_is_the_documents() -> None:
    assert PAGE.read_text() == page_with(DOCUMENT), "run: make reference"


REQUEST = DOCUMENT["components"]["schemas"]["ScanRequest"]
# Mostly what is taken, so that a document of several fields often is; an integral float is valid JSON Schema, as the
# schema's description says, and not taken here: none is drawn.
DAYS = st.one_of(st.integers(30, 3650), st.sampled_from([0, -1, 3651, True, None, "90", 90.5]))
NAMES = st.lists(st.text("ab+=@.", min_size=1, max_size=4), min_size=1, max_size=4, unique=True)
ACCOUNTS = st.lists(st.integers(0, 10**12 - 1).map("{:012}".format), min_size=1, max_size=4, unique=True)
FIELDS = {
    "max_age_days": DAYS,
    "warn_days": st.one_of(st.integers(0, 29), st.sampled_from([-1, 3650, "0", False])),
    "include_inactive": st.one_of(st.booleans(), st.sampled_from([0, None, "true"])),
    "max_unused_days": DAYS,
    "users": st.one_of(NAMES, st.sampled_from([[], ["a", "a"], ["a b"], [""], ["é"], [1], "a", None])),
    "as_of": st.one_of(
        st.integers(86_400, 32_503_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat()),
        st.sampled_from(["1969-12-30T08:00:00Z", "3000-01-02T08:00:00Z", "2026-11-22T08:00:00", "soon", 5]),
    ),
    "wait_seconds": st.one_of(st.integers(1, 25), st.sampled_from([0, 26, True, "5"])),
    "accounts": st.one_of(ACCOUNTS, st.sampled_from([[], ["1"], ["111122223333"] * 2, "111122223333", [1], None])),
    "unknown": st.none(),
}


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])  # of the first example alone
@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_a_body_is_taken_where_it_keeps_the_documents_schema_and_refused_where_it_does_not(
    body: dict[str, Any],
) -> None:
    keeps = jsonschema.Draft202012Validator(REQUEST).is_valid(body)

    try:
        parse_request(json.dumps(body), ScanPolicy())
        taken = True
    except InvalidPolicyError:
        taken = False

    assert taken == keeps
    event(f"taken: {taken}, fields: {len(body)}")


def test_what_the_schema_cannot_say_its_titles_do() -> None:
    assert "less than max_age_days" in REQUEST["properties"]["warn_days"]["title"]
    assert "without a fraction" in REQUEST["description"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    account = tmp_path_factory.mktemp("account") / "account.json"
    people = [user("alice", "2021-11-27T20:15:43Z"), user("dan", "2026-09-01T08:00:00Z"), user("erin")]
    account.write_text(json.dumps({"users": people}))
    running = start("--account", str(account))
    yield running
    running.stop()


def test_whatever_is_asked_the_server_answers_as_the_document_says(served: Served, tmp_path: Path) -> None:
    answer = requests.get(f"{served.settings['ENDPOINT_URL']}openapi.json", auth=served.signed, timeout=10)
    scan_id = served.post({"users": ["alice", "dan"], "wait_seconds": 25}).json()["scan_id"]

    # Plans and actions have their own run, in test_deactivation_api.py, on a stage that has some.
    rest = ("--exclude-path-regex", "plan|actions", "--max-examples", "60")
    made = run_schemathesis(answer.json(), served, tmp_path, scan_id, *rest)

    assert answer.json() == DOCUMENT
    assert made > 200

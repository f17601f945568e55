"""Actions on record in S3: each file once, the last one counts, and what cannot be read is unknown."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.s3.models import s3_backends

from chalicelib.aws import action_store, clients
from chalicelib.deactivation_documents import Action, Undo
from localaws.environment import LocalAws
from tests.support.organizations import OWN

OURS, ANOTHERS, UNDOES = (f"arn:aws:states:us-east-1:{OWN}:execution:deactivation:{name}" for name in ("a", "b", "c"))
PAST, FUTURE = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)


class Bucket:
    """The bucket of a test, in which others may write, too."""

    def __init__(self, s3: Any, name: str) -> None:
        self._s3, self._name = s3, name

    def put(self, key: str, body: object) -> None:
        self._s3.put_object(Bucket=self._name, Key=key, Body=body if isinstance(body, str) else json.dumps(body))

    def put_at_once(self, key: str, body: object) -> None:
        """Put an object without a request, for there may be many."""
        s3_backends[OWN]["aws"].put_object(self._name, key, json.dumps(body).encode())

    def names(self) -> list[str]:
        listed = self._s3.list_objects_v2(Bucket=self._name, Prefix="actions/").get("Contents", [])
        return [one["Key"].removeprefix(f"actions/{OWN}/") for one in listed]


@pytest.fixture
def bucket(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    s3, name = aws.client("s3"), f"actions-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    monkeypatch.setattr(clients, "s3", lambda: s3)
    monkeypatch.setenv("REPORTS_BUCKET", name)
    yield Bucket(s3, name)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for one in page.get("Contents", []):
            s3.delete_object(Bucket=name, Key=one["Key"])
    s3.delete_bucket(Bucket=name)


def action(key_id: str = "AKIA1", attempt: int = 1, **more: Any) -> Action:
    of: Any = {
        "schema_version": 1,
        "action_id": f"{OWN}-{key_id}-{attempt}",
        "account_id": OWN,
        "user_name": "alice",
        "access_key_id": key_id,
        "scan_id": "scan-1",
        "approved_by": "arn:aws:iam::123456789012:user/approver",
        "approved_at": "2026-11-23T08:00:00Z",
        "why": "Never used.",
        "state_before": {"status": "Active", "created_at": "2026-01-01T00:00:00Z", "last_used": None},
        "execution_arn": OURS,
        "intended_at": "2026-11-23T08:01:00Z",
        "state": "intended",
        "ended_at": None,
        "cause": None,
        "undo": None,
        **more,
    }
    return of  # type: ignore[no-any-return]  # as the store has it


def undo(arn: str) -> Undo:
    return {
        "by": "me",
        "at": "2026-11-24T08:00:00Z",
        "execution_arn": arn,
        "state": "intended",
        "ended_at": None,
        "cause": None,
    }


def test_the_first_intent_stands(bucket: Bucket) -> None:
    first = action_store.begin(action())
    second = action_store.begin(action(execution_arn=ANOTHERS))

    assert first["execution_arn"] == second["execution_arn"] == OURS
    assert bucket.names() == ["AKIA1-1/00-intent.json"]


def test_the_first_outcome_stands(bucket: Bucket) -> None:
    action_store.begin(action())

    first = action_store.end(action(state="done"), 0)
    second = action_store.end(action(state="failed"), 0)

    assert first["state"] == second["state"] == "done"
    assert bucket.names() == ["AKIA1-1/00-intent.json", "AKIA1-1/00-outcome.json"]
    assert action_store.load_action(f"{OWN}-AKIA1-1") == first


def test_each_undo_has_its_number_and_an_execution_begins_it_once(bucket: Bucket) -> None:
    action_store.begin(action())
    done = action_store.end(action(state="done"), 0)
    for arn in (ANOTHERS, UNDOES, UNDOES):
        action_store.begin_undo(done, undo(arn))

    begun = [action_store.load_begun(done["action_id"], arn) for arn in (OURS, ANOTHERS, UNDOES)]

    assert [one and one.number for one in begun] == [0, 1, 2]
    assert bucket.names()[2:] == ["AKIA1-1/01-intent.json", "AKIA1-1/02-intent.json"]


def test_what_an_execution_began_is_found_by_it_alone(bucket: Bucket) -> None:  # noqa: ARG001  # it is where they are
    action_store.begin(action())

    assert action_store.load_begun(f"{OWN}-AKIA1-1", ANOTHERS) is None
    assert action_store.load_begun(f"{OWN}-AKIA2-1", OURS) is None


def test_the_last_attempt_of_a_key_counts_and_another_keys_does_not(bucket: Bucket) -> None:  # noqa: ARG001
    for attempt in (1, 2, 9, 10):
        action_store.begin(action(attempt=attempt))
        action_store.end(action(attempt=attempt, state="failed"), 0)
    action_store.begin(action("AKIA10"))

    last = action_store.load_last_action(OWN, "AKIA1")
    by_key, _ = action_store.load_last_actions(OWN, {"AKIA1", "AKIA2"}, None)

    assert last is not None
    assert last["action_id"] == f"{OWN}-AKIA1-10"
    assert by_key == {"AKIA1": last}


def test_what_changed_since_a_scan_is_told_apart(bucket: Bucket) -> None:  # noqa: ARG001
    action_store.begin(action())

    assert action_store.load_last_actions(OWN, (), PAST)[1] == [action()]
    assert action_store.load_last_actions(OWN, (), datetime.now(UTC))[1] == [action()]  # in the same second
    assert action_store.load_last_actions(OWN, (), FUTURE)[1] == []
    assert action_store.load_last_actions(OWN, (), None)[1] == []


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[" * 100_000,
        None,
        [],
        {"action_id": f"{OWN}-AKIA1-1"},
        action("AKIA2"),
        {**action(), "state": "finished"},
        {**action(), "user_name": None},
        {**action(), "state_before": "Active"},
        {**action(), "undo": "done"},
        {**action(), "undo": {"state": "done"}},
    ],
    ids=lambda damaged: str(damaged)[-40:],
)
def test_an_action_that_cannot_be_read_is_one_whose_outcome_is_unknown(bucket: Bucket, damaged: object) -> None:
    bucket.put(f"actions/{OWN}/AKIA1-1/00-intent.json", damaged)

    by_key, changed = action_store.load_last_actions(OWN, ["AKIA1"], PAST)

    assert [one["state"] for one in (*by_key.values(), *changed)] == ["unknown", "unknown"]
    assert by_key["AKIA1"] == action_store.load_action(f"{OWN}-AKIA1-1") == action_store.load_last_action(OWN, "AKIA1")
    assert action_store.begin(action())["execution_arn"] != OURS


@pytest.mark.parametrize(
    "foreign",
    [
        f"actions/{OWN}/notes.txt",
        f"actions/{OWN}/AKIA1-1/notes.json",
        f"actions/{OWN}/AKIA1-1/1-intent.json",
        f"actions/{OWN}/AKIA1/00-intent.json",
        f"actions/{OWN}/AKIA1-1/",
        "actions/another/AKIA1-1/00-intent.json",
        f"actions/{OWN}/AKIA1-1/00-intent.json/copy",
    ],
)
def test_a_foreign_file_is_no_action(bucket: Bucket, foreign: str) -> None:
    bucket.put(foreign, action())

    assert action_store.load_last_actions(OWN, ["AKIA1"], PAST) == ({}, [])
    assert action_store.load_action(f"{OWN}-AKIA1-1") is None
    assert action_store.list_actions(10, None) == ([], None)


@pytest.mark.parametrize(
    "action_id", ["", "..", f"{OWN}-AKIA1", f"{OWN}-../latest-1", f"{OWN}-AKIA1-1/00", "1-AKIA1-1"]
)
def test_an_id_that_names_no_action_finds_none(bucket: Bucket, action_id: str) -> None:  # noqa: ARG001
    action_store.begin(action())

    assert action_store.load_action(action_id) is None


def test_more_actions_than_s3_lists_at_once_are_all_found(bucket: Bucket) -> None:
    for number in range(1001):
        bucket.put_at_once(f"actions/{OWN}/AKIA{number:04}-1/00-intent.json", action(f"AKIA{number:04}"))

    by_key, _ = action_store.load_last_actions(OWN, {"AKIA0000", "AKIA1000"}, None)

    assert sorted(by_key) == ["AKIA0000", "AKIA1000"]

"""Keys deactivated and activated again, whole: planned, approved, checked by what IAM says then, and on record."""

from collections.abc import Iterator

import pytest

from localaws.environment import LocalAws
from tests.support.deactivation import Deactivation, deactivating, key, key_id, user


@pytest.fixture(scope="module")
def deployed(aws: LocalAws) -> Iterator[Deactivation]:
    with deactivating(aws) as deactivation:
        yield deactivation


@pytest.fixture
def deactivation(deployed: Deactivation) -> Deactivation:
    deployed.forget()
    return deployed


def test_an_approved_key_is_deactivated_recorded_and_told_of(deactivation: Deactivation) -> None:
    plan = deactivation.plan(user("alice", key("alice", used=120)), user("bob"))
    deactivation.aws.mail()

    execution = deactivation.apply(plan, key_id("alice"))

    assert execution.status == "SUCCEEDED"
    assert execution.result == ("done", "")
    assert deactivation.statuses() == {key_id("alice"): "Inactive", key_id("bob"): "Active"}
    record = deactivation.record(key_id("alice"))
    assert record["state"] == "done"

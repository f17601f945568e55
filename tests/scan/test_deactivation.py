"""Keys deactivated and activated again, whole: planned, approved, checked by what IAM says then, and on record.

What others' users lost keys by has a test each. tests/unit/deactivation runs the same definition with every fault.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.iam.responses import IamResponse

from localaws.calls import Call
from localaws.environment import LocalAws
from localaws.faults import Faults, parse_faults
from tests.support.deactivation import (
    APPROVER,
    OWN,
    UNDOER,
    Deactivation,
    deactivating,
    key,
    key_id,
    meddle,
    skip_waits,
    user,
)
from tests.support.iam_errors import Denied, Throttled, run_before
from tests.support.scanner import changed_settings

EXEMPT = {"iam-key-age:exempt-until": "{date:+30}", "iam-key-age:exempt-reason": "moves to a role"}
PROTECTED = "iam-key-age:never-deactivate"
# A user a test, of one plan.
USERS = [
    *map(user, ("alice", "bob", "carol", "dave", "used-since", "renamed", "user-deleted", "key-deleted", "taken")),
    *map(user, ("tagged-since", "exempt-since", "inactive-since", "tagged-late", "activated", "monday", "logged")),
    *map(user, ("denied", "throttled", "first", "second", "third", "refused-role")),
    user("two-keys", key("two-keys-old", used=120), key("two-keys-new", age=30, used=0.01)),
    user("two-old", key("two-old-a", age=210), key("two-old-b", age=220)),
    user("used", key("used", used=1 / 24)),
    user("successor", key("successor-old", used=0.5), key("successor-young", age=1)),
    user("rotated", key("rotated-old", used=40), key("rotated-new", age=39, used=0.01)),
    user("unknown", denied={"GetAccessKeyLastUsed": "an explicit deny"}),
    user("protected", tags={PROTECTED: "no"}),
    user("exempt", tags=EXEMPT),
]


@pytest.fixture(scope="module")
def deployed(aws: LocalAws) -> Iterator[Deactivation]:
    with deactivating(aws) as deactivation:
        deactivation.plan(*USERS)
        yield deactivation


@pytest.fixture
def iam(deployed: Deactivation) -> Any:
    return deployed.aws.client("iam")


@pytest.fixture
def deactivation(deployed: Deactivation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deactivation]:
    """The plan; nothing waits, and the mail of earlier tests is read."""
    skip_waits(monkeypatch)
    deployed.aws.mail()
    yield deployed
    deployed.aws.inject(Faults())


def planned(deactivation: Deactivation, name: str) -> Any:
    """Return the plan of a key, None where it has none."""
    found = [*deactivation.report["findings"], *deactivation.report["exempt"]]
    return next((one.get("plan") for one in found if one["access_key_id"] == key_id(name)), None)


def assert_held(deactivation: Deactivation, name: str, why: str) -> None:
    """Assert that an approved key is not deactivated, and that people are told why."""
    execution = deactivation.apply(name)

    assert execution.status == "SUCCEEDED", execution.error
    assert execution.result == ("held", why)
    assert deactivation.files(name) == {}
    [mail] = deactivation.aws.mail()
    assert mail["Subject"].startswith("NOT deactivated: ")


# A key comes and goes.


def test_an_approved_key_is_deactivated_recorded_and_told_of(deactivation: Deactivation) -> None:
    execution = deactivation.apply("alice")

    assert (execution.status, execution.result[0]) == ("SUCCEEDED", "done")
    assert (deactivation.status("alice"), deactivation.status("bob")) == ("Inactive", "Active")
    assert list(deactivation.files("alice")) == [
        f"{key_id('alice')}-1/00-intent.json",
        f"{key_id('alice')}-1/00-outcome.json",
    ]
    record = deactivation.record("alice")
    assert (record["state"], record["approved_by"], record["scan_id"]) == ("done", APPROVER, deactivation.scan_id)
    assert record["state_before"]["status"] == "Active"
    [mail] = deactivation.aws.mail()
    assert mail["Subject"] == f"Deactivated {key_id('alice')} of alice in account {OWN}"
    assert "POST /actions/" in mail["Message"]


def test_a_key_is_active_again_by_one_call(deactivation: Deactivation) -> None:
    deactivation.apply("carol")
    deactivation.aws.mail()

    execution = deactivation.undo("carol")

    assert (execution.status, execution.result[0]) == ("SUCCEEDED", "done")
    assert deactivation.status("carol") == "Active"
    record = deactivation.record("carol")
    assert (record["state"], record["undo"]["state"], record["undo"]["by"]) == ("done", "done", UNDOER)
    [mail] = deactivation.aws.mail()
    assert mail["Subject"].startswith(f"Active again: {key_id('carol')} of carol")
    again = deactivation.undo("carol")
    assert (again.status, again.error.split(":")[0]) == ("FAILED", "CannotBeUndoneError")


def test_a_key_that_somebody_activated_is_not_undone(deactivation: Deactivation, iam: Any) -> None:
    deactivation.apply("activated")
    iam.update_access_key(UserName="activated", AccessKeyId=key_id("activated"), Status="Active")

    execution = deactivation.undo("activated")

    assert execution.result == ("failed", "It is Active already.")
    undo = deactivation.record("activated")["undo"]
    assert (undo["state"], undo["by"], undo["cause"]) == ("failed", UNDOER, "It is Active already.")
    assert deactivation.aws.mail()[-1]["Subject"].startswith(f"Nothing to undo: {key_id('activated')} of activated")


def test_no_more_keys_are_deactivated_than_the_plan_of_one_scan_may(deactivation: Deactivation) -> None:
    execution = deactivation.apply("first", "second", "third")

    assert [one["result"] for one in execution.results] == ["done", "done", "held"]
    assert [deactivation.status(name) for name in ("first", "second", "third")] == ["Inactive", "Inactive", "Active"]
    assert deactivation.aws.mail()[-1]["Subject"].startswith(f"NOT deactivated: {key_id('third')} of third in ")


# What others' users lost keys by.


def test_of_a_user_with_two_keys_the_one_that_is_in_use_stays(deactivation: Deactivation) -> None:
    execution = deactivation.apply("two-keys-old")

    assert execution.result[0] == "done"
    assert (deactivation.status("two-keys-old"), deactivation.status("two-keys-new")) == ("Inactive", "Active")
    assert planned(deactivation, "two-keys-new") is None


def test_of_a_user_with_two_idle_keys_only_the_approved_one_is_deactivated(deactivation: Deactivation) -> None:
    deactivation.apply("two-old-b")

    assert (deactivation.status("two-old-a"), deactivation.status("two-old-b")) == ("Active", "Inactive")


def test_a_key_whose_rotation_is_finished_is_deactivated_and_its_successor_stays(deactivation: Deactivation) -> None:
    deactivation.apply("rotated-old")

    assert (deactivation.status("rotated-old"), deactivation.status("rotated-new")) == ("Inactive", "Active")


@pytest.mark.parametrize(
    "name", ["used", "successor-old", "successor-young", "unknown", "protected", "exempt", "nobody"]
)
def test_a_key_that_is_not_due_cannot_be_approved(deactivation: Deactivation, name: str) -> None:
    execution = deactivation.apply("dave", name)

    assert (execution.status, execution.error) == (
        "FAILED",
        f"KeyNotDueError: Not due in the plan of scan {deactivation.scan_id}: 1 of 2 access keys.",
    )
    assert deactivation.files("dave") == deactivation.files(name) == {}


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("used", None),
        ("successor-old", None),
        ("successor-young", None),
        ("unknown", ["unknown_details"]),
        ("protected", ["protected"]),
        ("exempt", ["exempt"]),
    ],
)
def test_a_key_in_use_a_young_one_and_one_that_is_held_is_not_due(
    deactivation: Deactivation, name: str, holds: Any
) -> None:
    plan = planned(deactivation, name)

    assert (plan and [hold["by"] for hold in plan["holds"]]) == holds


def test_a_key_used_between_scan_and_deactivation_is_held(deactivation: Deactivation) -> None:
    deactivation.use("used-since")

    execution = deactivation.apply("used-since")

    assert execution.result[0] == "held"
    assert execution.result[1].startswith("In use, last on ")
    assert (deactivation.status("used-since"), deactivation.files("used-since")) == ("Active", {})


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [("denied", Denied, "not authorized"), ("throttled", Throttled, "Rate exceeded")],
)
def test_a_key_whose_last_use_iam_does_not_tell_is_held(
    deactivation: Deactivation, monkeypatch: pytest.MonkeyPatch, name: str, error: type[Exception], says: str
) -> None:
    def refuse(response: IamResponse) -> None:
        if response._get_param("AccessKeyId") == key_id(name):
            raise error

    run_before(monkeypatch, "get_access_key_last_used", refuse)

    execution = deactivation.apply(name)

    assert execution.result[0] == "held"
    assert "When it was last used is unknown. (GetAccessKeyLastUsed: Iam.IamException: " in execution.result[1]
    assert says in execution.result[1]
    assert deactivation.status(name) == "Active"


def test_a_key_of_a_user_who_was_renamed_is_held(deactivation: Deactivation, iam: Any) -> None:
    iam.update_user(UserName="renamed", NewUserName="somebody-else")

    execution = deactivation.apply("renamed")

    assert execution.result[0] == "held"
    assert "IAM did not list it (ListAccessKeys: Iam.NoSuchEntityException: " in execution.result[1]
    assert deactivation.status("renamed") == "Active"


def test_a_key_of_another_user_who_took_the_name_stays(deactivation: Deactivation, iam: Any) -> None:
    iam.update_user(UserName="taken", NewUserName="taken-before")
    iam.create_user(UserName="taken")
    new = iam.create_access_key(UserName="taken")["AccessKey"]["AccessKeyId"]

    assert_held(
        deactivation, "taken", "IAM lists no such key of this user now: it was deleted, or its user was renamed."
    )

    assert deactivation.status("taken") == deactivation.iam.access_keys[new].status == "Active"


def test_a_key_of_a_user_who_was_deleted_is_held(deactivation: Deactivation, iam: Any) -> None:
    iam.delete_access_key(UserName="user-deleted", AccessKeyId=key_id("user-deleted"))
    iam.delete_user(UserName="user-deleted")

    execution = deactivation.apply("user-deleted")

    assert execution.result[0] == "held"
    assert "Iam.NoSuchEntityException" in execution.result[1]


def test_a_key_that_was_deleted_is_held(deactivation: Deactivation, iam: Any) -> None:
    iam.delete_access_key(UserName="key-deleted", AccessKeyId=key_id("key-deleted"))

    assert_held(
        deactivation, "key-deleted", "IAM lists no such key of this user now: it was deleted, or its user was renamed."
    )


def test_a_key_that_somebody_deactivated_is_held(deactivation: Deactivation, iam: Any) -> None:
    iam.update_access_key(UserName="inactive-since", AccessKeyId=key_id("inactive-since"), Status="Inactive")

    assert_held(deactivation, "inactive-since", "It is Inactive already.")


def test_a_key_whose_user_was_protected_after_the_plan_is_held(deactivation: Deactivation, iam: Any) -> None:
    iam.tag_user(UserName="tagged-since", Tags=[{"Key": PROTECTED, "Value": ""}])

    assert_held(deactivation, "tagged-since", f"Its user has the tag {PROTECTED}.")


def test_iam_refuses_to_deactivate_a_key_whose_user_is_protected_after_the_check(
    deactivation: Deactivation, iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tag(call: Call) -> None:
        if call.operation == "UpdateAccessKey":
            iam.tag_user(UserName="tagged-late", Tags=[{"Key": PROTECTED, "Value": ""}])

    meddle(monkeypatch, tag)

    execution = deactivation.apply("tagged-late")

    assert execution.result[0] == "failed"
    assert "with an explicit deny in an identity-based policy" in execution.result[1]
    assert (deactivation.status("tagged-late"), deactivation.record("tagged-late")["state"]) == ("Active", "failed")


def test_a_key_whose_user_was_exempted_after_the_plan_is_held(deactivation: Deactivation, iam: Any) -> None:
    tags = {"iam-key-age:exempt-until": "2026-12-24", "iam-key-age:exempt-reason": "moves to a role"}
    iam.tag_user(UserName="exempt-since", Tags=[{"Key": name, "Value": value} for name, value in tags.items()])

    assert_held(deactivation, "exempt-since", "Its user is exempt until 2026-12-24.")


def test_a_key_is_held_on_a_day_that_is_not_approved(deactivation: Deactivation) -> None:
    other = f"{datetime.now(UTC) + timedelta(days=3):%a}".upper()
    with changed_settings(deactivation.scanner, "CheckDeactivation", DEACTIVATION_WEEKDAYS=other):
        assert_held(deactivation, "monday", f"Keys are deactivated on {other} alone (UTC).")


def test_a_key_is_held_where_the_role_cannot_be_assumed(deactivation: Deactivation) -> None:
    deactivation.aws.inject(parse_faults(json.dumps({"accounts": {OWN: {"sts": {"deny": True}}}})))

    execution = deactivation.apply("refused-role")

    assert execution.result[0] == "held"
    assert "is not authorized to assume the task state's role" in execution.result[1]
    assert deactivation.status("refused-role") == "Active"


def test_logs_have_no_user_names(deactivation: Deactivation) -> None:
    deactivation.apply("logged")
    deactivation.apply("nobody")

    assert not [line for line in deactivation.aws.log_tail(10_000).splitlines() if "logged" in line]

"""Deactivations on the local AWS while services refuse, answers are lost, executions are stopped and redriven."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from moto.awslambda.models import LambdaFunction
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField

from localaws.calls import Call
from localaws.environment import LocalAws
from localaws.error_answers import s3_error
from localaws.faults import Faults, parse_faults
from tests.support.deactivation import Deactivation, deactivating, key_id, meddle, skip_waits, user

STOPPED_AT = (
    "ChooseKeys",
    "ListAccessKeys",
    "GetUser",
    "CheckKey",
    "Deactivate",
    "RecordOutcome",
    "Notify",
    "Conclude",
)
USERS = [
    *map(user, ("refused", "throttled", "unanswered", "lost", "intent", "outcome-a", "outcome-b", "told-a", "told-b")),
    *map(user, ("crashed", "late", "guarded", "both", "racing")),
    *(user(f"at-{name.lower()}") for name in STOPPED_AT),
]
UNAVAILABLE = s3_error(409, "ConditionalRequestConflict", "At the moment, no.")  # which boto3 does not try again


@pytest.fixture(scope="module")
def deployed(aws: LocalAws) -> Iterator[Deactivation]:
    with deactivating(aws) as deactivation:
        deactivation.plan(*USERS)
        yield deactivation


@pytest.fixture
def deactivation(deployed: Deactivation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deactivation]:
    """The plan; nothing waits, and the mail of earlier tests is read."""
    skip_waits(monkeypatch)
    deployed.aws.mail()
    yield deployed
    deployed.aws.inject(Faults())


@pytest.mark.parametrize(
    ("name", "faults", "result", "says"),
    [
        ("refused", {"deny": True}, "failed", "with an explicit deny in a service control policy"),
        ("throttled", {"throttle": 1}, "failed", "Rate exceeded"),
        ("unanswered", {"time_out": 1}, "unknown", "(the key is Active now)"),
        ("lost", {"lose": 1}, "done", "(the key is Inactive now)"),
    ],
)
def test_what_became_of_a_key_is_on_record_and_told_or_is_unknown(
    deactivation: Deactivation, name: str, faults: Any, result: str, says: str
) -> None:
    deactivation.aws.inject(parse_faults(json.dumps({"iam": {"update_access_key": faults}})))

    execution = deactivation.apply(name)

    assert execution.result[0] == deactivation.record(name)["state"] == result
    assert says in execution.result[1]
    assert deactivation.status(name) == ("Inactive" if name == "lost" else "Active")
    assert len(deactivation.aws.mail()) == 1


def test_no_key_is_changed_where_s3_does_not_take_the_intent(
    deactivation: Deactivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faulty:
        meddle(faulty, lambda call: UNAVAILABLE if puts(call, "intent") else None)
        failed = deactivation.apply("intent")
    assert (failed.status, failed.error.split(":")[0]) == ("FAILED", "EvidenceUnavailableError")
    assert (deactivation.status("intent"), deactivation.files("intent")) == ("Active", {})

    assert deactivation.redrive(failed.arn).result[0] == "done"


def test_a_key_whose_outcome_s3_does_not_take_is_on_record_as_intended_until_a_redrive(
    deactivation: Deactivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faulty:
        meddle(faulty, lambda call: UNAVAILABLE if puts(call, "outcome") else None)
        failed = deactivation.apply("outcome-a", "outcome-b")
    assert (failed.status, failed.error.split(":")[0]) == ("FAILED", "EvidenceUnavailableError")
    assert (deactivation.status("outcome-a"), deactivation.record("outcome-a")["state"]) == ("Inactive", "intended")
    assert deactivation.status("outcome-b") == "Active"

    redriven = deactivation.redrive(failed.arn)

    assert [one["result"] for one in redriven.results] == ["done", "done"]
    assert deactivation.record("outcome-a")["state"] == "done"


def test_no_other_key_is_changed_until_people_were_told_of_the_one_before(deactivation: Deactivation) -> None:
    deactivation.aws.inject(Faults.model_validate({"sns": {"fail": -1}}))
    failed = deactivation.apply("told-a", "told-b")
    deactivation.aws.inject(Faults())
    assert (failed.status, failed.error.split(":")[0]) == ("FAILED", "Sns.InternalErrorException")
    assert deactivation.record("told-a")["state"] == "done"
    assert (deactivation.status("told-b"), told_of(deactivation)) == ("Active", [])

    deactivation.redrive(failed.arn)

    assert told_of(deactivation) == [key_id("told-a"), key_id("told-b")]


def test_a_function_that_crashed_after_the_intent_acts_once_after_a_redrive(
    deactivation: Deactivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as faulty:
        crash_after(faulty, "check")
        failed = deactivation.apply("crashed")
    assert (failed.status, failed.error.split(":")[0]) == ("FAILED", "Runtime.ExitError")
    assert (deactivation.status("crashed"), deactivation.record("crashed")["state"]) == ("Active", "intended")

    assert deactivation.redrive(failed.arn).result[0] == "done"
    assert len(deactivation.files("crashed")) == 2


def test_answers_that_are_too_old_deactivate_nothing(
    deactivation: Deactivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine asks by a clock that is three minutes behind the function's."""
    set_back(monkeypatch, lambda: 180)

    execution = deactivation.apply("late")

    why = "IAM was asked about it more than two minutes before it was to be checked."
    assert execution.result == ("held", why)
    assert (deactivation.status("late"), deactivation.files("late")) == ("Active", {})


def test_a_check_that_is_too_old_deactivates_nothing(
    deactivation: Deactivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the machine's clock, two minutes pass after the check."""
    checked: list[str] = []
    set_back(monkeypatch, lambda: -121 if checked else 0)
    meddle(monkeypatch, lambda call: checked.append(call.path) if puts(call, "intent") else None)

    execution = deactivation.apply("guarded")

    assert execution.result[0] == deactivation.record("guarded")["state"] == "failed"
    assert "the check of this key is more than two minutes old" in execution.result[1]
    assert deactivation.status("guarded") == "Active"


@pytest.mark.parametrize("state", STOPPED_AT)
def test_an_execution_that_was_stopped_at_a_state_goes_on_after_a_redrive(
    deactivation: Deactivation, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    name = f"at-{state.lower()}"
    with monkeypatch.context() as stopping:
        stop_at(stopping, deactivation, state)
        stopped = deactivation.apply(name)
    assert stopped.status == "ABORTED"

    redriven = deactivation.redrive(stopped.arn)

    assert redriven.result[0] == deactivation.record(name)["state"] == "done"
    assert deactivation.status(name) == "Inactive"
    assert len(deactivation.files(name)) == 2
    assert told_of(deactivation) == [key_id(name)]


def test_two_executions_at_once_deactivate_a_key_once(deactivation: Deactivation) -> None:
    arns: list[str] = []
    threads = [threading.Thread(target=lambda: arns.append(deactivation.approve("both"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ended = [deactivation.ended(arn) for arn in arns]

    assert sorted(one.result[0] for one in ended) == ["done", "held"]
    assert deactivation.status("both") == "Inactive"
    assert len(deactivation.files("both")) == 2


def test_an_undo_and_an_approval_of_the_same_key_leave_it_active(deactivation: Deactivation) -> None:
    deactivation.apply("racing")
    arn = deactivation.approve("racing")

    undone = deactivation.undo("racing")

    assert (undone.result[0], deactivation.ended(arn).result[0]) == ("done", "held")
    assert deactivation.status("racing") == "Active"


def told_of(deactivation: Deactivation) -> list[str]:
    """Return of which keys people were told that they were deactivated; that an execution failed they are told, too."""
    subjects = [mail["Subject"].split() for mail in deactivation.aws.mail()]
    return [subject[1] for subject in subjects if subject[0] == "Deactivated"]


def puts(call: Call, what: str) -> bool:
    """Return whether a call writes the intents or the outcomes of actions."""
    return call.service == "s3" and call.operation == "PutObject" and call.path.endswith(f"-{what}.json")


def crash_after(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Let the function do a step, and end without an answer."""
    invoke = LambdaFunction._invoke_lambda

    def invoke_and_crash(self: LambdaFunction, event: Any = None) -> tuple[str, bool, str]:
        payload, failed, log = invoke(self, event)
        if event["step"] != step:
            return payload, failed, log
        return json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "signal: killed"}), True, log

    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", invoke_and_crash)


def set_back(monkeypatch: pytest.MonkeyPatch, seconds: Any) -> None:
    """Let the clock of the machine's expressions be so many seconds behind."""
    monkeypatch.setattr(
        "jsonata.timebox.Timebox.current_milli_time", lambda: round(time.time() * 1000) - 1000 * seconds()
    )


def stop_at(monkeypatch: pytest.MonkeyPatch, deactivation: Deactivation, name: str) -> None:
    """Stop an execution as it enters a state."""
    enter = CommonStateField._eval_body

    def stop_or_enter(self: CommonStateField, env: Any) -> None:
        if self.name == name:
            arn = env.states.context_object.context_object_data["Execution"]["Id"]
            deactivation.aws.client("stepfunctions").stop_execution(executionArn=arn)
        enter(self, env)

    monkeypatch.setattr(CommonStateField, "_eval_body", stop_or_enter)

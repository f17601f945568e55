"""The ends of both scans' state machines: whom a scan notifies besides the topic, and what if that fails."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localaws.environment import PROJECT
from tests.support.organizations import OWN
from tests.support.state_machine import Clock, Definition, Execution, TaskFailedError

ALL_ON = {"SendEventsArn": "send_events", "ImportFindingsArn": "import_findings", "NotifyOwnersArn": "notify_owners"}
OFF = dict.fromkeys(ALL_ON, "off")
BUILT = {
    "notify": True,
    "subject": "the findings",
    "message": "{}",
    "attributes": {},
    "latest": {"Bucket": "reports", "Key": "latest.json", "Body": "{}"},
    "deactivation": {"Name": "deactivate-some-scan"},
    "summary": {"keys": 1},
}
REFUSED = {"notify": True, "notification": {"subject": "refused notices", "message": "{}", "attributes": {}}}
SCAN = {"scan_id": "some-scan", "execution_arn": "arn", "started_at": "now", "policy": {}}
ARN = f"arn:aws:states:eu-central-1:{OWN}:execution:machine:some-scan"
FIRST = "AnythingToSay?"
MACHINES = ("scan", "organization")


def raised(message: str) -> str:
    """How Lambda tells the error of a function in Python."""
    return json.dumps({"errorMessage": message, "errorType": "X", "requestId": "1", "stackTrace": ["app.py"]})


NOT_ENABLED = ("SecurityHubNotEnabledError", raised('Security Hub is not enabled in "eu-central-1"'))
NO_SETTING = ("InvalidSettingError", raised("OWNER_DOMAINS"))
SNS_IS_DOWN = ("Sns.InternalErrorException", "At the moment, no.")


@dataclass
class End:
    """The end of a scan; its calls fail as `failing` says, by the function's name or the message's subject."""

    machine: str
    failing: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    notices: Mapping[str, Any] = field(default_factory=lambda: {"counts": {}, "notify": False})
    form: str = "json"
    built: Mapping[str, Any] = field(default_factory=lambda: BUILT)
    functions: Mapping[str, str] = field(default_factory=lambda: ALL_ON)
    calls: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)

    def run(self, monkeypatch: pytest.MonkeyPatch) -> "End":
        others = {**dict.fromkeys(_SUBSTITUTIONS, "x"), "Partition": "aws", "HttpsFormat": self.form}
        path = PROJECT / "statemachine" / f"{self.machine}.asl.json"
        definition = Definition(path, {**others, **self.functions})
        definition.start_at, definition.variables = FIRST, {"scan": SCAN, "untold": [], "built": self.built}
        self.execution = Execution(definition, ARN, {}, self._call, Clock(0, monkeypatch)).finish()
        return self

    def _call(self, operation: str, given: Any, _role: str | None) -> Any:
        name = str(given.get("FunctionName") or given.get("Subject") or operation)
        self.calls.append(name)
        self.given[name] = given
        if name in self.failing:
            raise TaskFailedError(*self.failing[name])
        return {"Payload": self.notices if name == "notify_owners" else {}}

    def once_each(self) -> list[str]:
        """What was called, without the tries after the first."""
        return list(dict.fromkeys(self.calls))


_SUBSTITUTIONS = (
    *("IamConcurrency", "AccountConcurrency", "ReadPolicyArn", "ReadAccountArn", "ValidateKeysArn", "LookUpUsageArn"),
    *("BuildReportArn", "ListAccountsArn", "ScanAccountArn", "BuildOrganizationReportArn", "ReportsBucket"),
    "NotificationsTopicArn",
)
KEEP, START = "aws-sdk:s3:putObject", "states:startExecution"
UNTOLD = f"iam-key-age: not everybody was notified by the stack in AWS account {OWN}"


def test_both_scans_end_in_the_same_way() -> None:
    scan, organization = (
        json.loads((PROJECT / "statemachine" / f"{name}.asl.json").read_text())["States"] for name in MACHINES
    )
    ends = [list(states).index(FIRST) for states in (scan, organization)]

    assert list(scan)[ends[0] :] == list(organization)[ends[1] :]
    for name in list(scan)[ends[0] :]:
        same = [
            {**states[name], "Comment": "", "Output": states[name].get("Output", {})} for states in (scan, organization)
        ]
        assert same[0] == same[1], name


@pytest.mark.parametrize("machine", MACHINES)
def test_a_scan_tells_the_topic_then_other_systems_and_owners_and_starts_deactivations_last(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = End(machine).run(monkeypatch)

    assert end.calls == ["the findings", "send_events", KEEP, "import_findings", "notify_owners", START]
    assert (end.execution.status, end.execution.output) == ("SUCCEEDED", {"keys": 1})
    for function in ALL_ON.values():
        assert end.given[function]["Payload"]["scan"]["scan_id"] == "some-scan"


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("on", [(), *((name,) for name in ALL_ON)], ids=str)
def test_what_is_off_is_not_called(machine: str, on: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    end = End(machine, functions={**OFF, **{name: ALL_ON[name] for name in on}}).run(monkeypatch)

    assert {*end.calls} == {"the findings", KEEP, START, *(ALL_ON[name] for name in on)}
    assert end.execution.status == "SUCCEEDED"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_scan_that_notifies_nobody_else_passes_through_no_state_for_it(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = End(machine, built={**BUILT, "deactivation": {}}, functions=OFF).run(monkeypatch)

    # One question before the last write and one after it, as before there was anybody else to notify.
    assert end.execution.seen == [FIRST, "Notify", "AnyEvents?", "KeepAsLatest", "ForSecurityHub?", "ScanDone"]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_scan_that_is_no_baseline_sends_events_and_nothing_else(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = End(machine, built={"notify": False, "summary": {}}).run(monkeypatch)

    assert end.calls == ["send_events"]
    assert end.execution.status == "SUCCEEDED"


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("error", ["EventsUnavailableError", "EventsRefusedError", "States.Timeout"])
def test_a_scan_whose_events_are_not_sent_fails_before_it_is_what_the_next_is_compared_with(
    machine: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = End(machine, {"send_events": (error, raised("why"))}).run(monkeypatch)

    assert end.once_each() == ["the findings", "send_events"]
    assert end.execution.status == "FAILED"
    assert end.execution.error.startswith(f"{error}: ")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("failing", "why"),
    [
        (
            {"import_findings": NOT_ENABLED},
            'Security Hub (SecurityHubNotEnabledError: Security Hub is not enabled in "eu-central-1")',
        ),
        ({"notify_owners": NO_SETTING}, "the owners of keys (InvalidSettingError: OWNER_DOMAINS)"),
        ({"notify_owners": ("States.Timeout", None)}, "the owners of keys (States.Timeout: )"),
        ({"notify_owners": ("Lambda.Unknown", "no JSON")}, "the owners of keys (Lambda.Unknown: no JSON)"),
        (
            {"import_findings": ("States.Timeout", None), "notify_owners": NO_SETTING},
            "Security Hub (States.Timeout: ); the owners of keys (InvalidSettingError: OWNER_DOMAINS)",
        ),
        (
            {"notify_owners": ("X", raised("x" * 400))},
            f"the owners of keys (X: {'x' * 297})",
        ),
    ],
)
def test_whoever_is_not_notified_everything_else_happens_the_topic_is_told_and_the_scan_fails(
    machine: str, failing: dict[str, tuple[str, str | None]], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = End(machine, failing).run(monkeypatch)

    assert end.once_each() == ["the findings", "send_events", KEEP, "import_findings", "notify_owners", START, UNTOLD]
    missing = f"The report of scan some-scan is stored, and this topic was notified as usual. Not notified: {why}."
    assert (end.execution.status, end.execution.error) == ("FAILED", f"NotEverybodyNotifiedError: {missing}")
    message = json.loads(end.given[UNTOLD]["Message"])
    text = f"iam-key-age: {missing} What to do: fix the cause. The next full scan sends what is missing."
    assert message == {"default": text, "https": text}
    assert len(UNTOLD) <= 100  # as SNS takes a subject


BACKSLASH = chr(92)


@functools.cache
def last_question() -> Definition:
    path = PROJECT / "statemachine" / "scan.asl.json"
    definition = Definition(
        path, {**dict.fromkeys(_SUBSTITUTIONS, "x"), "Partition": "aws", "HttpsFormat": "json", **OFF}
    )
    definition.start_at = "EverybodyNotified?"
    return definition


def told_of(cause: str | None) -> str:
    """What the message says of an error that Lambda, or whoever raised it, described so."""
    error = {"Error": "X"} | ({} if cause is None else {"Cause": cause})
    definition = last_question()
    definition.variables = {"scan": SCAN, "untold": [{"whom": "them", "error": error}], "built": BUILT}
    with pytest.MonkeyPatch.context() as patch:
        end = Execution(definition, ARN, {}, lambda *_: {}, Clock(0, patch)).finish()
    assert end.error.startswith("NotEverybodyNotifiedError: "), end.error
    return end.error.rpartition("Not notified: them (X: ")[2].removesuffix(").")


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (None, ""),
        ("", ""),
        ("no JSON", "no JSON"),
        ('at "no" moment', 'at "no" moment'),
        (raised(""), ""),
        (raised('"eu" or ' + BACKSLASH), '"eu" or ' + BACKSLASH),
        (raised(f'the end is", "errorType": {BACKSLASH}'), f'the end is", "errorType": {BACKSLASH}'),
        (raised("zwölf 🔑 of\n12"), "zwölf 🔑 of\n12"),
        (json.dumps({"errorMessage": "zwölf 🔑"}, ensure_ascii=False), "zwölf 🔑"),
        ('{"errorType":"Sandbox.Timedout","errorMessage":"Error: Task timed out"}', "Error: Task timed out"),
        (raised("x" * 30_000), "x" * 297),
        (raised('"' * 30_000), '"' * 297),
        (raised("é" * 30_000), "é" * 297),
        # What is no JSON, though it looks like it: all of it is said.
        ('{"errorMessage": 5}', '{"errorMessage": 5}'),
        ('{"errorMessage":', '{"errorMessage":'),
        (f'{{"errorMessage": "cut {BACKSLASH}', f'{{"errorMessage": "cut {BACKSLASH}'),
        (f'{{"errorMessage": "cut {BACKSLASH}u00', f'{{"errorMessage": "cut {BACKSLASH}u00'),
        ('{"errorMessage": "a\tb"}', '{"errorMessage": "a\tb"}'),
        ('{"errorMessage": "cut', "cut"),
    ],
    ids=lambda text: str(text)[:30],
)
def test_why_somebody_was_not_notified_is_said_whatever_the_cause_is(cause: str | None, words: str) -> None:
    assert told_of(cause) == words


PIECES = ("errorMessage", ":", " ", "{", "}", "u00e9", "u", "é", "🔑", "n", "\n", '"', BACKSLASH)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@settings(max_examples=150, deadline=None)
def test_no_cause_keeps_the_message_from_being_sent(cause: str) -> None:
    told_of('"errorMessage": "' + cause)


@pytest.mark.parametrize("machine", MACHINES)
def test_where_the_topic_had_no_message_none_is_spoken_of(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    end = End(machine, {"notify_owners": NO_SETTING}, built={**BUILT, "notify": False}).run(monkeypatch)

    assert "is stored, and there was nothing to notify this topic of. Not notified: the owners" in end.execution.error
    assert "this topic was notified" not in end.given[UNTOLD]["Message"]


def test_chat_is_told_in_its_own_form_who_was_not_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    end = End("scan", {"import_findings": NOT_ENABLED}, form="chat").run(monkeypatch)

    message = json.loads(end.given[UNTOLD]["Message"])
    chat = json.loads(message["https"])

    assert (chat["version"], chat["source"], chat["content"]["textType"]) == ("1.0", "custom", "client-markdown")
    assert chat["content"]["title"] == f"IAM key scan: not everybody was notified, by the stack in AWS account {OWN}"
    assert "Not notified: Security Hub (SecurityHubNotEnabledError: " in chat["content"]["description"]
    assert message["default"].startswith("iam-key-age: The report of scan some-scan is stored")


@pytest.mark.parametrize("machine", MACHINES)
def test_refused_notices_are_told_and_fail_no_scan(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    end = End(machine, notices=REFUSED).run(monkeypatch)

    assert end.calls[-3:] == ["notify_owners", "refused notices", START]
    assert end.execution.status == "SUCCEEDED"


@pytest.mark.parametrize("machine", MACHINES)
def test_refused_notices_that_nobody_can_be_told_of_fail_the_scan_once_deactivations_are_started(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = End(machine, {"refused notices": SNS_IS_DOWN}, notices=REFUSED).run(monkeypatch)

    assert end.once_each()[-3:] == ["refused notices", START, UNTOLD]
    assert end.execution.error.startswith("NotEverybodyNotifiedError: ")
    assert "this topic, of notices that were refused (Sns.InternalErrorException: " in end.execution.error


@pytest.mark.parametrize("machine", MACHINES)
def test_a_scan_fails_also_where_the_topic_does_not_take_who_was_not_notified(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = End(machine, {"import_findings": NOT_ENABLED, UNTOLD: SNS_IS_DOWN}).run(monkeypatch)

    assert end.calls.count(UNTOLD) == 6
    assert end.execution.status == "FAILED"
    assert end.execution.error.startswith("Sns.InternalErrorException: ")


@pytest.mark.parametrize("machine", MACHINES)
def test_what_another_try_may_meet_no_more_is_tried_again_and_what_stays_is_not(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttled = ("Lambda.TooManyRequestsException", "Rate exceeded")
    tried = End(machine, {"import_findings": throttled, "notify_owners": throttled}).run(monkeypatch).calls
    refused = End(machine, {"import_findings": NOT_ENABLED, "notify_owners": NO_SETTING}).run(monkeypatch).calls

    out_of_time = dict.fromkeys(("import_findings", "notify_owners"), ("Sandbox.Timedout", "timed out"))
    slow = End(machine, out_of_time).run(monkeypatch).calls

    assert (tried.count("import_findings"), tried.count("notify_owners")) == (4, 3)
    assert (slow.count("import_findings"), slow.count("notify_owners")) == (2, 2)
    assert (refused.count("import_findings"), refused.count("notify_owners")) == (1, 1)

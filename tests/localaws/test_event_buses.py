"""The local AWS's EventBridge: what PutEvents refuses, and what reaches the queues and topics of rules."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.calls import Call
from localaws.clients import REGION
from localaws.environment import PROJECT, LocalAws
from localaws.error_answers import ErrorAnswer, json_error
from tests.localaws.test_strictness import one_task, run
from tests.support.deactivation import meddle, skip_waits

OWN, OTHER = "123456789012", "210987654321"
QUEUE, TOPIC = f"arn:aws:sqs:{REGION}:{OWN}:test-events", f"arn:aws:sns:{REGION}:{OWN}:test-events"
PATTERN = json.dumps({"source": ["test"]})
PUT_EVENTS = "arn:aws:states:::events:putEvents"


class Rules:
    """A queue, and a topic that publishes to it, as targets of rules of a bus."""

    def __init__(self, aws: LocalAws) -> None:
        self.events, self.sqs = aws.client("events"), aws.client("sqs")
        self.queue_url = self.sqs.create_queue(QueueName="test-events")["QueueUrl"]
        topic = aws.client("sns").create_topic(Name="test-events")["TopicArn"]
        aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)
        self._made: list[tuple[str, str]] = []

    def make(self, name: str, target: dict[str, Any], bus: str = "default", **rule: Any) -> None:
        given = {"EventPattern": PATTERN, **rule}
        self.events.put_rule(Name=name, EventBusName=bus, **{key: one for key, one in given.items() if one})
        self.events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "1", **target}])
        self._made.append((name, bus))

    def put(self, **entry: Any) -> dict[str, Any]:
        """Put an event that differs from a good one; return the answer about it."""
        good = {"Source": "test", "DetailType": "Test", "Detail": '{"number": 1}'}
        entries = [{name: value for name, value in {**good, **entry}.items() if value is not None}]
        answer = self.events.put_events(Entries=entries)
        [about] = answer["Entries"]
        assert answer["FailedEntryCount"] == ("ErrorCode" in about)
        return dict(about)

    def received(self) -> list[Any]:
        """What reached the queue since the last time."""
        messages = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def remove(self) -> None:
        for name, bus in self._made:
            self.events.remove_targets(Rule=name, EventBusName=bus, Ids=["1"])
            self.events.delete_rule(Name=name, EventBusName=bus)
        self._made.clear()
        self.received()


@pytest.fixture
def rules(aws: LocalAws) -> Iterator[Rules]:
    rules = Rules(aws)
    yield rules
    rules.remove()


def test_an_event_reaches_the_queues_and_topics_of_rules_that_match_and_no_others(rules: Rules) -> None:
    rules.make("queue", {"Arn": QUEUE})
    rules.make("topic", {"Arn": TOPIC, "InputPath": "$.detail"})
    rules.make("other", {"Arn": QUEUE}, EventPattern=json.dumps({"source": ["another"]}))
    rules.make("off", {"Arn": QUEUE}, State="DISABLED")
    rules.make("schedule", {"Arn": QUEUE}, EventPattern="", ScheduleExpression="rate(1 day)")

    event_id = rules.put(Time="2026-11-22T08:00:00Z", Resources=["arn:aws:iam::1:user/ann"])["EventId"]

    by_rule = sorted(rules.received(), key=lambda one: "Message" in one)
    assert [json.loads(one["Message"]) for one in by_rule[1:]] == [{"number": 1}]
    assert by_rule[0] == {
        "version": "0",
        "id": event_id,
        "detail-type": "Test",
        "source": "test",
        "account": OWN,
        "time": "2026-11-22T08:00:00Z",
        "region": REGION,
        "resources": ["arn:aws:iam::1:user/ann"],
        "detail": {"number": 1},
    }


@pytest.mark.parametrize("bus", ["own", f"arn:aws:events:{REGION}:{OWN}:event-bus/own"])
def test_a_bus_of_its_own_is_found_by_its_name_or_arn(rules: Rules, bus: str) -> None:
    rules.events.create_event_bus(Name="own")
    rules.make("queue", {"Arn": QUEUE}, bus="own")
    rules.make("default", {"Arn": QUEUE})

    rules.put(EventBusName=bus)

    assert len(rules.received()) == 1
    rules.remove()
    rules.events.delete_event_bus(Name="own")


@pytest.mark.parametrize("bus", ["unknown", f"arn:aws:events:{REGION}:{OWN}:event-bus/unknown"])
def test_what_is_put_on_a_bus_that_does_not_exist_is_taken_and_nobody_gets_it(rules: Rules, bus: str) -> None:
    rules.make("queue", {"Arn": QUEUE})

    assert "EventId" in rules.put(EventBusName=bus)

    assert rules.received() == []


def test_a_bus_of_another_account_takes_events_by_its_policy_alone(aws: LocalAws, rules: Rules) -> None:
    of_other = aws.client("events", OTHER)
    bus = of_other.create_event_bus(Name="theirs")["EventBusArn"]
    of_other.put_rule(Name="queue", EventBusName="theirs", EventPattern=PATTERN)
    of_other.put_targets(Rule="queue", EventBusName="theirs", Targets=[{"Id": "1", "Arn": QUEUE}])

    with pytest.raises(ClientError, match=r"AccessDeniedException.*because no resource-based policy allows the"):
        rules.put(EventBusName=bus)
    of_other.put_permission(EventBusName="theirs", StatementId="us", Principal=OWN, Action="events:PutEvents")
    rules.put(EventBusName=bus)

    assert [event["account"] for event in rules.received()] == [OWN]


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ({"Source": None}, "InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."),
        ({"DetailType": None}, "InvalidArgument", "Parameter DetailType is not valid."),
        ({"Detail": None}, "InvalidArgument", "Parameter Detail is not valid."),
        ({"Detail": "{"}, "MalformedDetail", "Detail is malformed."),
        ({"Detail": "[1]"}, "MalformedDetail", "Detail is malformed."),
        ({"Detail": '"text"'}, "MalformedDetail", "Detail is malformed."),
        ({"Source": "aws.iam"}, "NotAuthorizedForSourceException", "Not authorized for the source."),
    ],
)
def test_an_entry_that_eventbridge_refuses_is_refused(
    rules: Rules, entry: dict[str, Any], code: str, message: str
) -> None:
    answer = rules.put(**entry)

    assert answer["ErrorCode"] == code
    assert answer["ErrorMessage"].startswith(message)


@pytest.mark.parametrize(
    ("number", "filler", "words"),
    [(11, "", "less than or equal to 10"), (2, "x" * 600_000, "Total size of the entries in the request is over")],
)
def test_a_call_that_eventbridge_refuses_is_refused(rules: Rules, number: int, filler: str, words: str) -> None:
    entry = {"Source": "test", "DetailType": "Test", "Detail": json.dumps({"filler": filler})}

    with pytest.raises(ClientError, match=f"ValidationException.*{words}"):
        rules.events.put_events(Entries=[entry] * number)

    assert rules.events.put_events(Entries=[entry])["FailedEntryCount"] == 0


# The optimized integration of Step Functions.


def task(**entry: Any) -> dict[str, Any]:
    given = {"Source": "test", "DetailType": "Test", "Detail": {"number": 1}, **entry}
    machine = json.loads((PROJECT / "statemachine" / "deactivation.asl.json").read_text())
    [retry] = machine["States"]["SendEvent"]["Retry"]
    retry = {**retry, "MaxAttempts": 2}
    return one_task(PUT_EVENTS, {"Entries": [given]}, Retry=[retry])


def test_a_task_puts_an_object_as_detail_and_names_its_machine_and_execution(aws: LocalAws, rules: Rules) -> None:
    rules.make("queue", {"Arn": QUEUE})

    execution = run(aws, task())

    [event] = rules.received()
    assert event["detail"] == {"number": 1}
    assert event["resources"] == [execution["stateMachineArn"], execution["executionArn"]]
    assert json.loads(execution["output"])["FailedEntryCount"] == 0


def test_a_task_whose_entry_is_refused_fails_with_eventbridges_answer(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_waits(monkeypatch)

    execution = run(aws, task(Source="aws.iam"))

    assert execution["error"] == "EventBridge.FailedEntry"
    assert json.loads(execution["cause"])["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


@pytest.mark.parametrize(("times", "status"), [(2, "SUCCEEDED"), (3, "FAILED")])
def test_a_task_whose_call_fails_can_be_retried(
    aws: LocalAws, rules: Rules, monkeypatch: pytest.MonkeyPatch, times: int, status: str
) -> None:
    rules.make("queue", {"Arn": QUEUE})
    skip_waits(monkeypatch)
    calls: list[str] = []

    def throttle(call: Call) -> ErrorAnswer | None:
        if call.service != "events":
            return None
        calls.append(call.operation)
        return json_error(400, "ThrottlingException", "Rate exceeded") if len(calls) <= times else None

    meddle(monkeypatch, throttle)

    execution = run(aws, task())

    assert execution["status"] == status
    assert execution.get("error") == (None if status == "SUCCEEDED" else "EventBridge.AmazonEventBridgeException")
    assert len(calls) == 3
    assert len(rules.received()) == (status == "SUCCEEDED")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"Entries": [{"Detail": {}, "Subject": "x"}]}, "The field 'Subject' is not supported by Step Functions"),
        ({"Entries": [], "EndpointId": "x"}, "The field 'EndpointId' is not supported by Step Functions"),
        ({"Entries": {}}, "The value for the field 'Entries' must be an ARRAY"),
        ({"Entries": [{"Detail": 7}]}, "The value for the field 'Detail' must be a STRING"),
        ({}, "The field 'Entries' is required but was missing"),
    ],
)
def test_arguments_that_do_not_fit_end_the_execution(aws: LocalAws, arguments: Any, words: str) -> None:
    execution = run(aws, one_task(PUT_EVENTS, arguments))

    assert execution["error"] == "States.Runtime"
    assert words in execution["cause"]

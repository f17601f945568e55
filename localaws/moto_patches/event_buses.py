"""Patches of moto's EventBridge 5.2.5: what PutEvents refuses, and what reaches the queues and topics of rules."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError
from moto.events.exceptions import ValidationException
from moto.events.models import EventBus, EventsBackend, events_backends
from moto.events.utils import EventTemplateParser
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_events import (
    SfnFailedEntryCountException,
    StateTaskServiceEvents,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from localaws.moto_patches.wiring import replace_method

_MOST_ENTRIES, _MOST_BYTES = 10, 1024 * 1024  # of a call
_TIME_BYTES = 14
_UNMODELLED = "AmazonEventBridgeException"
_INTERNAL = "InternalException"  # the only error that the API's model has


def put_events_as_eventbridge_does() -> None:
    """Refuse what EventBridge refuses, and deliver to the queues and topics of the rules that match.

    moto takes a detail that is no object and sources of AWS, knows no topic as target, fails at an unknown bus and at
    rules that have only a schedule. What is put on a bus that does not exist, EventBridge takes, and nobody gets it:
    https://github.com/aws/aws-sdk/issues/186
    """

    def put(self: EventsBackend, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(entries) > _MOST_ENTRIES:
            at_most = f"Member must have length less than or equal to {_MOST_ENTRIES}"
            raise ValidationException(f"1 validation error detected: Value at 'entries' failed: {at_most}")
        if sum(map(_size, entries)) > _MOST_BYTES:
            raise ValidationException("Total size of the entries in the request is over the limit.")
        buses = [_bus_of(self, entry) for entry in entries]
        return [_put(self, bus, entry) for bus, entry in zip(buses, entries, strict=True)]

    replace_method(EventsBackend, "put_events", put)


def name_errors_of_put_events() -> None:
    """Fail a task that cannot put events with a name that can be caught: moto ends the execution with States.Runtime.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html has EventBridge.FailedEntry alone.
    """
    fail = StateTaskServiceEvents._from_error

    def from_error(self: StateTaskServiceEvents, env: Environment, ex: Exception) -> FailureEvent:
        if isinstance(ex, SfnFailedEntryCountException):
            event = fail(self, env, ex)
            details_of_entries: Any = event.event_details
            details_of_entries["taskFailedEventDetails"]["cause"] = json.dumps(ex.cause)  # moto leaves an object there
            return event
        if not isinstance(ex, ClientError):
            return fail(self, env, ex)
        code = str(ex.response["Error"]["Code"])
        name = CustomErrorName(f"EventBridge.{code if code == _INTERNAL else _UNMODELLED}")
        details = TaskFailedEventDetails(
            error=name.error_name,
            cause=str(ex),
            resource=self._get_sfn_resource(),
            resourceType=self._get_sfn_resource_type(),
        )
        described = cast("EventDetails", {"taskFailedEventDetails": details})
        return FailureEvent(env, name, HistoryEventType.TaskFailed, described)

    replace_method(StateTaskServiceEvents, "_from_error", from_error)


def deliver(bus: EventBus, event: Mapping[str, Any]) -> None:
    """Send an event to the queues and topics of the rules that match; no other kind of target is known here."""
    for rule in list(bus.rules.values()):
        whole: Any = event
        if rule.state == "ENABLED" and rule.event_pattern.dump() and rule.event_pattern.matches_event(whole):
            for target in rule.targets:
                _send(target, _input_of(target, event))


def transformed(target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """Make of an event what a target's input transformer makes of it; a string keeps its quotes, as on AWS."""
    transformer = target["InputTransformer"]
    whole: Any = {**event, "ingestion-time": event["time"]}
    made = EventTemplateParser.parse(transformer["InputTemplate"], transformer.get("InputPathsMap", {}), whole)
    return json.dumps(made, ensure_ascii=False)


def _size(entry: Mapping[str, Any]) -> int:
    """Return how many bytes an entry counts.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size
    """
    texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *entry.get("Resources", ())]
    return sum(len(text.encode()) for text in texts if text) + (_TIME_BYTES if "Time" in entry else 0)


def _bus_of(caller: EventsBackend, entry: Mapping[str, Any]) -> EventBus | None:
    """Return the bus of an entry, None where there is none; raise AccessDeniedException where its policy is missing."""
    name = entry.get("EventBusName") or "default"
    account_id, region = caller.account_id, caller.region_name
    if name.startswith("arn:"):
        region, account_id = name.split(":")[3:5]
    if account_id not in events_backends or region != caller.region_name:
        return None
    bus = events_backends[account_id][region].event_buses.get(name.partition(":event-bus/")[2] or name)
    if bus and account_id != caller.account_id and not _lets(bus, caller.account_id):
        why = "because no resource-based policy allows the events:PutEvents action"
        who = f"arn:aws:iam::{caller.account_id}:root"
        raise JsonRESTError(
            "AccessDeniedException",
            f"User: {who} is not authorized to perform: events:PutEvents on resource: {bus.arn} {why}",
        )
    return bus


def _lets(bus: EventBus, account_id: str) -> bool:
    statements = json.loads(bus.policy or '{"Statement": []}')["Statement"]
    return any("*" in str(one["Principal"]) or account_id in str(one["Principal"]) for one in statements)


def _put(caller: EventsBackend, bus: EventBus | None, entry: Mapping[str, Any]) -> dict[str, Any]:
    if refusal := _refusal(entry):
        return dict(zip(("ErrorCode", "ErrorMessage"), refusal, strict=True))
    at = datetime.fromtimestamp(entry["Time"], UTC) if "Time" in entry else datetime.now(UTC)
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": caller.account_id,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": caller.region_name,
        "resources": entry.get("Resources", []),
        "detail": json.loads(entry["Detail"]),
    }
    if bus:
        deliver(bus, event)
    return {"EventId": event["id"]}


def _refusal(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            return "InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument."
    if entry["Source"].startswith("aws."):
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    try:
        is_object = isinstance(json.loads(entry["Detail"]), dict)
    except ValueError:
        is_object = False
    return None if is_object else ("MalformedDetail", "Detail is malformed.")


def _send(target: Mapping[str, Any], text: str) -> None:
    _, _, service, region, account_id, name = target["Arn"].split(":", 5)
    if service == "sns":
        sns_backends[account_id][region].publish(message=text, arn=target["Arn"])
    elif service == "sqs":
        group_id = target.get("SqsParameters", {}).get("MessageGroupId")
        sqs_backends[account_id][region].send_message(queue_name=name, message_body=text, group_id=group_id)


def _input_of(target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """Return what a target gets of an event: a text of its own, what is made of the event, a part of it, or all."""
    if "Input" in target:
        return str(target["Input"])
    if "InputTransformer" in target:
        return transformed(target, event)
    part: Any = event
    for name in target.get("InputPath", "$").split(".")[1:]:
        part = part[name]
    return json.dumps(part, ensure_ascii=False)

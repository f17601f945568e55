"""Patches of moto 5.2.5: e-mail that arrives, and EventBridge hearing how executions end."""

import copy
import functools
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.events.models import events_backends
from moto.events.utils import EventTemplateParser
from moto.sns.models import Subscription, sns_backends
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution

# What e-mail subscribers got, as {"Subject", "Message"}; the process's, as moto's own state is.
mailbox: list[dict[str, str]] = []
_NO_SUBJECT = "AWS Notification Message"  # as SNS writes it


@functools.cache
def apply() -> None:
    """Put both in place."""
    deliver_mail()
    tell_events_how_executions_end()


def deliver_mail() -> None:
    """Put into the mailbox what is published to e-mail subscribers: moto lets it go."""
    publish = Subscription.publish

    def publish_and_deliver(self: Subscription, message: str, *arguments: Any, **more: Any) -> None:
        if self.protocol == "email":
            structured = more.get("message_structure") == "json"
            text = self._parse_message_structure(message, self.protocol) if structured else message
            mailbox.append({"Subject": more.get("subject") or _NO_SUBJECT, "Message": text})
        publish(self, message, *arguments, **more)

    setattr(Subscription, "publish", publish_and_deliver)  # noqa: B010  # a method of moto's


def tell_events_how_executions_end() -> None:
    """Send Execution Status Change events to the rules that match: moto sends none, and knows no topic as target."""
    terminated = BaseExecutionWorkerCommunication.terminated

    def terminated_and_told(self: BaseExecutionWorkerCommunication) -> None:
        ahead = copy.copy(self)  # published before it shows, so that who sees the end finds the message there
        ahead.execution = copy.copy(self.execution)
        terminated(ahead)
        _tell(ahead.execution)
        terminated(self)

    setattr(BaseExecutionWorkerCommunication, "terminated", terminated_and_told)  # noqa: B010  # a method of moto's


def status_change(execution: Execution) -> dict[str, Any]:
    """Describe an execution's end as Step Functions does.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    time = datetime.now(UTC)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": execution.account_id,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": execution.region_name,
        "resources": [execution.exec_arn],
        "detail": {
            "executionArn": execution.exec_arn,
            "stateMachineArn": execution.state_machine.arn,
            "name": execution.name,
            "status": ExecutionStatus(execution.exec_status).value,
            "startDate": int(execution.start_date.timestamp() * 1000),
            "stopDate": int(time.timestamp() * 1000),
            "input": json.dumps(execution.input_data),
            "output": None if execution.output is None else json.dumps(execution.output, default=str),
            "error": execution.error,
            "cause": execution.cause,
        },
    }


def transformed(target: dict[str, Any], event: dict[str, Any]) -> str:
    """Make of an event what a target's input transformer makes of it; a string keeps its quotes, as on AWS."""
    transformer = target["InputTransformer"]
    whole: Any = {**event, "ingestion-time": event["time"]}
    made = EventTemplateParser.parse(transformer["InputTemplate"], transformer["InputPathsMap"], whole)
    return json.dumps(made, ensure_ascii=False)


def _tell(execution: Execution) -> None:
    """Publish to the topics of the rules that match; no other kind of target is known here."""
    event: Any = status_change(execution)
    account_id, region = execution.account_id, execution.region_name
    for rule in events_backends[account_id][region].event_buses["default"].rules.values():
        is_on = rule.state == "ENABLED" and rule.scheduled_expression is None
        if is_on and rule.event_pattern.matches_event(event):
            for target in rule.targets:
                if ":sns:" in target["Arn"]:
                    sns_backends[account_id][region].publish(message=_input_of(target, event), arn=target["Arn"])


def _input_of(target: dict[str, Any], event: dict[str, Any]) -> str:
    """Return what a target gets of an event: a text of its own, what is made of the event, a part of it, or all."""
    if "Input" in target:
        return str(target["Input"])
    if "InputTransformer" in target:
        return transformed(target, event)
    part: Any = event
    for name in target.get("InputPath", "$").split(".")[1:]:
        part = part[name]
    return json.dumps(part, ensure_ascii=False)

"""Patches of moto 5.2.5: e-mail that arrives, and EventBridge hearing how executions end."""

import copy
import functools
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.events.models import events_backends
from moto.sns.models import Subscription
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution

from localaws.moto_patches.event_buses import deliver

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
    """Send Execution Status Change events to the rules that match: moto sends none."""
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


def _tell(execution: Execution) -> None:
    """Put the event on the default bus of the execution's account."""
    bus = events_backends[execution.account_id][execution.region_name].event_buses["default"]
    deliver(bus, status_change(execution))

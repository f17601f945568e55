"""Who gets what a deployed stack sends: queues, mailboxes and Security Hub, from which it is read again."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from localaws.clients import REGION
from localaws.moto_patches import notifications, ses, ses_account

DEMO_DOMAIN = "example.com"
_RULE = "local-events"


class Receivers:
    """Subscribes queues and an e-mail address to what a stack sends, and reads what they got, each thing once."""

    def __init__(self, client: Callable[[str], Any], account_id: str) -> None:
        self._client = client
        self._account_id = account_id
        self._queues: dict[str, str] = {}  # the URLs, by name
        self._topics: set[str] = set()
        self._has_hub = False

    def listen(self, topic_arn: str) -> str:
        """Subscribe a queue and an e-mail address to the stack's topic; return the queue's URL.

        What SES mails gets into a queue, too.
        """
        self._queue(ses.MAILBOX)
        self._client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=self._queue("messages"))
        self._client("sns").subscribe(TopicArn=topic_arn, Protocol="email", Endpoint="you@example.com")
        return self._queues["messages"]

    def follow(self, parameters: Mapping[str, str]) -> None:
        """Get ready for what the stack's parameters let it send: do what its owner does beside the deployment.

        Domains are verified in SES, Security Hub is enabled, and a queue gets the notices by SNS and the events.
        """
        addresses = [parameters.get(name, "") for name in ("NoticesFrom", "NoticesTestTo")]
        domains = [*parameters.get("OwnerDomains", "").split(","), *(one.rpartition("@")[2] for one in addresses)]
        ses_account.verify(self._account_id, REGION, DEMO_DOMAIN, *filter(None, map(str.lower, domains)))
        if parameters.get("OwnerNotices") == "sns":
            self._follow_topic(self._topic("OwnersTopic"))
        if bus := parameters.get("EventBus"):
            self._follow_bus(bus)
        if parameters.get("SecurityHub") == "on":
            self._enable_security_hub()

    def queue_urls(self) -> dict[str, str]:
        """Return the queues' URLs by name: messages, mails and, where the stack sends any, notices and events."""
        return self._queues.copy()

    def messages(self) -> list[dict[str, Any]]:
        """Return what reached the topic's queue, as `{"Subject", "Message", …}`."""
        return self._received("messages")

    def mail(self) -> list[dict[str, str]]:
        """Return the e-mails that the topic's subscriber got, as `{"Subject", "Message"}`."""
        received = notifications.mailbox.copy()
        notifications.mailbox.clear()
        return received

    def notices(self) -> list[dict[str, str]]:
        """Return what SES mailed, as `{"To", "From", "Subject", "text", "html"}`."""
        return self._received(ses.MAILBOX)

    def published_notices(self) -> list[dict[str, Any]]:
        """Return what reached the queue of the owners' topic, as `{"Subject", "Message", "MessageAttributes", …}`."""
        return self._received("notices")

    def events(self) -> list[dict[str, Any]]:
        """Return the events that reached the queue of the rule for the stack's own."""
        return self._received("events")

    def findings(self) -> list[dict[str, Any]]:
        """Return all findings that Security Hub has, those of earlier scans as well."""
        if not self._has_hub:
            return []
        hub = self._client("securityhub")
        try:
            pages = hub.get_paginator("get_findings").paginate()
            return [finding for page in pages for finding in page["Findings"]]
        except ClientError:  # it is not enabled
            return []

    def forget(self) -> None:
        """Throw away what nobody has read."""
        for read in (self.messages, self.mail, self.notices, self.published_notices, self.events):
            read()

    def _follow_topic(self, topic_arn: str) -> None:
        if topic_arn not in self._topics:
            self._client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=self._queue("notices"))
            self._topics.add(topic_arn)

    def _follow_bus(self, bus: str) -> None:
        """Let a rule send the stack's events on to a queue; a bus that is not there has none."""
        events = self._client("events")
        pattern, target = json.dumps({"source": ["iam-key-age"]}), {"Id": "queue", "Arn": self._queue("events")}
        try:
            events.put_rule(Name=_RULE, EventBusName=bus, EventPattern=pattern)
        except events.exceptions.ResourceNotFoundException:
            return
        events.put_targets(Rule=_RULE, EventBusName=bus, Targets=[target])

    def _enable_security_hub(self) -> None:
        hub, self._has_hub = self._client("securityhub"), True
        try:
            hub.enable_security_hub(EnableDefaultStandards=False)
        except hub.exceptions.ResourceConflictException:
            return

    def _topic(self, logical_id: str) -> str:
        topics: list[str] = [one["TopicArn"] for one in self._client("sns").list_topics()["Topics"]]
        return next(arn for arn in topics if f"-{logical_id}-" in arn)

    def _queue(self, name: str) -> str:
        """Create a queue, if it is not there; return its ARN."""
        self._queues[name] = self._client("sqs").create_queue(QueueName=name)["QueueUrl"]
        return f"arn:aws:sqs:{REGION}:{self._account_id}:{name}"

    def _received(self, name: str) -> list[dict[str, Any]]:
        sqs, received = self._client("sqs"), []
        url = self._queues.get(name)
        while url and (batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages")):
            for message in batch:
                received.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return received

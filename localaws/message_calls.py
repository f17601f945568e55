"""What policies are asked about calls that notify others: mails, events, findings, messages to a topic."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.ses.models import ses_backends

from localaws.calls import Call, account_of
from localaws.clients import REGION
from localaws.moto_patches.ses import identity_of

# The ARN of a resource and the condition keys of a call, of which some have several values.
Asked = tuple[str, Mapping[str, str | tuple[str, ...]]]


def _of_mail(call: Call, account_id: str) -> Iterator[Asked]:
    """Yield the sender's identity, the recipients' that are the account's own, and the configuration set.

    https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html; that recipients are asked about, too, is seen in
    the sandbox, and the configuration set in https://github.com/aws/aws-cdk/issues/34402.
    """
    sent, backend = call.content, ses_backends[account_id][REGION]
    sender = sent.get("FromEmailAddress", "")
    recipients = tuple(one for addresses in sent.get("Destination", {}).values() for one in addresses)
    keys: dict[str, Any] = {"ses:FromAddress": sender, "ses:ApiVersion": "2"}
    keys |= {"ses:Recipients": recipients} if recipients else {}
    identities = dict.fromkeys([identity_of(backend, sender) or sender, *filter(None, _own(backend, recipients))])
    place = f"arn:aws:ses:{REGION}:{account_id}"
    yield from ((f"{place}:identity/{name}", keys) for name in identities)
    if configuration_set := sent.get("ConfigurationSetName"):
        yield f"{place}:configuration-set/{configuration_set}", keys


def _own(backend: Any, recipients: tuple[str, ...]) -> Iterator[str | None]:
    return (identity_of(backend, one) for one in recipients)


def _of_events(call: Call, account_id: str) -> Iterator[Asked]:
    """Yield the bus of each event, with the sources of all events of the call, and this one's type.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html; that a call has several sources is
    seen in the operator of eb-event-bus-example-policy-cross-account-custom-bus-source.html there.
    """
    entries = call.content.get("Entries", [])
    sources = tuple(dict.fromkeys(entry["Source"] for entry in entries if entry.get("Source")))
    for entry in entries:
        bus = entry.get("EventBusName", "default")
        arn = bus if account_of(bus) else f"arn:aws:events:{REGION}:{account_id}:event-bus/{bus}"
        yield (
            arn,
            {"events:detail-type": entry.get("DetailType", ""), **({"events:source": sources} if sources else {})},
        )


def _of_findings(_call: Call, account_id: str) -> Iterator[Asked]:
    yield f"arn:aws:securityhub:{REGION}:{account_id}:product/{account_id}/default", {}


def _of_topic(call: Call, _account_id: str) -> Iterator[Asked]:
    yield call.parameters.get("TopicArn", "*"), {}


# By service, as policies name it.
ASKED: Mapping[str, Callable[[Call, str], Iterator[Asked]]] = {
    "ses": _of_mail,
    "events": _of_events,
    "securityhub": _of_findings,
    "sns": _of_topic,
}

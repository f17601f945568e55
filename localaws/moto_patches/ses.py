"""Patches of moto 5.2.5: SES as strict as AWS has it, in the sandbox, and a mailbox of what it sent."""

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.core.exceptions import JsonRESTError
from moto.events.models import events_backends
from moto.ses.models import SESBackend, ses_backends
from moto.sesv2.responses import SESV2Response
from moto.sqs.models import sqs_backends

from localaws.moto_patches.event_buses import deliver
from localaws.moto_patches.wiring import replace_method

MAILBOX = "mails"  # the queue that gets what is mailed, as {"To", "From", "Subject", "text", "html"}
MOST_A_DAY = 200.0  # in the sandbox
_MOST_RECIPIENTS = 50
_LONGEST_LOCAL_PART = 64
_SIMULATOR = "simulator.amazonses.com"  # which the sandbox lets everybody mail to
# The event's type and what is in it; an out-of-office reply is a bounce that is Transient:
# https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
_FAILURES: dict[str, tuple[str, dict[str, Any]]] = {
    f"bounce@{_SIMULATOR}": ("Email Bounced", {"bounce": {"bounceType": "Permanent", "bounceSubType": "General"}}),
    f"ooto@{_SIMULATOR}": ("Email Bounced", {"bounce": {"bounceType": "Transient", "bounceSubType": "General"}}),
    f"complaint@{_SIMULATOR}": ("Email Complaint Received", {"complaint": {"complaintFeedbackType": "abuse"}}),
}
_CONTROL_OR_BLANK = re.compile(r"[\x00-\x20\x7f]")


class SesError(JsonRESTError):
    """An error of SES, with the status that its model gives it."""

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        super().__init__(name, message)
        self.code = status


def send_mail_as_ses_does() -> None:
    """Refuse what SES refuses, and keep both texts of what it sends: moto looks at the sender, and keeps one text.

    The rate of the sandbox, a mail a second, is left to `--faults`.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
    """
    send_other = SESV2Response.send_email

    def send_email(self: SESV2Response) -> str:
        request, backend = json.loads(self.body), self.sesv2_backend.core_backend
        simple, sender = request.get("Content", {}).get("Simple"), request.get("FromEmailAddress", "")
        if simple is None:
            return send_other(self)
        recipients = [one for addresses in request.get("Destination", {}).values() for one in addresses]
        _check_request(request, simple, [sender, *recipients])
        _check_configuration_set(backend, request.get("ConfigurationSetName"))
        _check_identities(backend, sender, recipients)
        _check_quota(backend, len(recipients))
        message = backend.send_email(sender, simple["Subject"]["Data"], "", request["Destination"])
        body = {kind.lower(): part["Data"] for kind, part in simple["Body"].items()}
        sent = {"To": ", ".join(recipients), "From": sender, "Subject": simple["Subject"]["Data"]}
        queues = sqs_backends[backend.account_id][backend.region_name]
        if MAILBOX in queues.queues:
            queues.send_message(MAILBOX, json.dumps({**sent, "text": "", "html": "", **body}))
        if configuration_set := request.get("ConfigurationSetName"):
            _publish_failures(backend, message.id, configuration_set, sender, recipients)
        return json.dumps({"MessageId": message.id})

    replace_method(SESV2Response, "send_email", send_email)


def _publish_failures(
    backend: SESBackend, message_id: str, configuration_set: str, sender: str, recipients: list[str]
) -> None:
    """Put on the default event bus what becomes of mails to the mailbox simulator's addresses.

    https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html#send-email-simulator,
    https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html
    """
    account_id, region, at = backend.account_id, backend.region_name, datetime.now(UTC)
    bus = events_backends[account_id][region].event_buses["default"]
    for recipient in recipients:
        if (failure := _FAILURES.get(recipient.lower())) is None:
            continue
        mail = {
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "source": sender,
            "sendingAccountId": account_id,
            "messageId": message_id,
            "destination": recipients,
            "tags": {"ses:configuration-set": [configuration_set]},
        }
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": failure[0],
            "source": "aws.ses",
            "account": account_id,
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": region,
            "resources": [
                f"arn:aws:ses:{backend.region_name}:{backend.account_id}:configuration-set/{configuration_set}"
            ],
            "detail": {"eventType": next(iter(failure[1])).title(), **failure[1], "mail": mail},
        }
        deliver(bus, event)


def _check_request(request: dict[str, Any], simple: dict[str, Any], addresses: list[str]) -> None:
    """Raise BadRequestException for addresses and contents that SES does not take; some of the words are assumed."""
    if not 1 < len(addresses) <= _MOST_RECIPIENTS + 1:
        raise SesError("BadRequestException", f"Takes 1 to {_MOST_RECIPIENTS} recipients.")
    for address in [*addresses, *request.get("ReplyToAddresses", [])]:
        if why := _why_invalid(address):
            raise SesError("BadRequestException", why)
    subject, body = simple.get("Subject", {}).get("Data"), simple.get("Body", {})
    if not subject or not body or any(not part.get("Data") for part in body.values()):
        raise SesError("BadRequestException", "Takes a subject, and a body as Text, Html or both.")
    if re.search(r"[\r\n]", subject):
        raise SesError("BadRequestException", "Control characters in the subject are not allowed.")


def _why_invalid(address: str) -> str | None:
    """Return, as SES says it, what is wrong with an address; a display name may stand before `<address>`."""
    named = re.fullmatch(r"[^<>\r\n]*<([^<>]*)>", address)
    local, at, domain = (named[1] if named else address).rpartition("@")
    wrong = {
        "Missing final '@domain'": not at or not domain,
        "Missing local name": not local,
        "Local name is too long": len(local) > _LONGEST_LOCAL_PART,
        "Local address contains control or whitespace": _CONTROL_OR_BLANK.search(local),
        "Local address contains illegal character": re.search(r"[@,;:<>]|[^\x00-\x7f]", local),
        "Domain contains control or whitespace": _CONTROL_OR_BLANK.search(domain),
        "Domain starts with dot": domain.startswith("."),
        "Domain contains illegal character": not re.fullmatch(r"[A-Za-z0-9.-]+", domain),
    }
    return next((why for why, is_so in wrong.items() if is_so), None)


def _check_configuration_set(backend: SESBackend, name: str | None) -> None:
    if name and name not in backend.config_sets:
        raise SesError("NotFoundException", f"Configuration set <{name}> does not exist.", 404)


def _check_identities(backend: SESBackend, sender: str, recipients: list[str]) -> None:
    """Raise MessageRejected unless the sender is verified, and in the sandbox the recipients, too.

    https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html,
    https://repost.aws/knowledge-center/ses-554-400-message-rejected-error
    """
    asked = [one for one in recipients if not one.lower().endswith(f"@{_SIMULATOR}")]
    asked = [sender] if has_production_access(backend) else [sender, *asked]
    failed = [one for one in asked if not identity_of(backend, one)]
    if failed:
        where = backend.region_name.upper()
        why = f"The following identities failed the check in region {where}: {', '.join(dict.fromkeys(failed))}"
        raise SesError("MessageRejected", f"Email address is not verified. {why}")


def identity_of(backend: SESBackend, address: str) -> str | None:
    """Return the verified identity that an address is sent by: itself as it is written, or its domain or one above.

    https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
    """
    plain = address.rpartition("<")[2].rstrip(">")
    labels = plain.rpartition("@")[2].lower().split(".")
    domains = (".".join(labels[place:]) for place in range(len(labels)))
    known = (backend.email_identities.get(name) for name in (plain, *domains))
    return next((one.email_identity for one in known if one and one.verified_for_sending_status), None)


def _check_quota(backend: SESBackend, recipients: int) -> None:
    """Raise TooManyRequestsException above the sandbox's quota of a day; here, since the local AWS began.

    https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
    """
    if not has_production_access(backend) and backend.sent_message_count + recipients > MOST_A_DAY:
        raise SesError("TooManyRequestsException", "Daily message quota exceeded.", 429)


def has_production_access(backend: SESBackend) -> bool:
    """Return whether an account is out of the sandbox."""
    return bool(getattr(backend, "production_access", False))


class ConfigurationSetOfAStack(CloudFormationModel):
    """AWS::SES::ConfigurationSet, which moto's CloudFormation lacks."""

    def __init__(self, name: str) -> None:
        self.physical_resource_id = name

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return which property is the name."""
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        """Return which resource it is."""
        return "AWS::SES::ConfigurationSet"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Return whether it has an attribute: its Ref, the name, is all."""
        return False

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "ConfigurationSetOfAStack":
        """Create it."""
        ses_backends[account_id][region_name].create_configuration_set(resource_name)
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> Any:
        """Leave it: its name is all that it has here."""
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """Delete it."""
        ses_backends[account_id][region_name].delete_configuration_set(resource_name)

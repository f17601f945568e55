"""Notices to owners: by SES v2, or published to the owners' topic."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from chalicelib.aws import clients
from chalicelib.aws.errors import code_of, in_words, is_throttled, is_unanswered
from chalicelib.telling_settings import NoticeSettings

_WAITS = (1.0, 2.0, 4.0)  # seconds; in the sandbox, SES takes one mail a second
# What is about one notice, of SES and of SNS, and what is about every notice; whatever else AWS refuses may be either.
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_OF_ONE = ("MessageRejected", "BadRequestException", "InvalidParameter", "ParameterValueInvalid", "ValidationException")
_OF_ALL = (
    "AccountSuspendedException",
    "SendingPausedException",
    "MailFromDomainNotVerifiedException",
    "LimitExceededException",
)
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)


@dataclass(frozen=True)
class Outcome:
    """What became of a notice, and why, in AWS's words.

    `refused`: for what seems to be wrong with this one. `stopped`: as any other would be. `failed`: it was not sent,
    and another may be. `unknown`: it may have been sent. `names` are the addresses that AWS names in its words.
    """

    result: Literal["sent", "refused", "stopped", "failed", "unknown"]
    cause: str = ""
    names: frozenset[str] = frozenset()

    def words(self) -> str:
        """Return the cause without addresses: what AWS says of two notices may differ by these alone."""
        return _ADDRESS.sub("…", self.cause)


def send_mail(how: NoticeSettings, owner: str, subject: str, text: str, html: str) -> Outcome:
    """Mail an owner a notice or, for a test, mail it to NoticesTestTo."""
    mail = {
        "FromEmailAddress": how.from_address,
        "Destination": {"ToAddresses": [how.test_to or owner]},
        # SES does not ask for its verification: https://docs.aws.amazon.com/ses/latest/dg/verify-addresses-and-domains.html
        **({"ReplyToAddresses": [how.reply_to]} if how.reply_to else {}),
        "Content": {
            "Simple": {"Subject": _utf8(subject), "Body": {"Text": _utf8(text), "Html": _utf8(html)}},
        },
        **({"ConfigurationSetName": how.configuration_set} if how.configuration_set else {}),
    }
    outcome = _attempt(lambda: clients.ses().send_email(**mail))
    # In the sandbox SES names each address that is not verified; without the sender's, no mail goes.
    is_of_all = outcome.names & {how.from_address.lower(), how.test_to.lower()}
    return replace(outcome, result="stopped") if outcome.result == "refused" and is_of_all else outcome


def publish(how: NoticeSettings, owner: str, subject: str, text: str) -> Outcome:
    """Publish a notice to the owners' topic, with the attribute `owner` for filter policies."""
    attributes = {"owner": {"DataType": "String", "StringValue": owner}}
    message = {"TopicArn": how.topic_arn, "Subject": subject, "Message": text, "MessageAttributes": attributes}
    return _attempt(lambda: clients.sns().publish(**message))


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _attempt(call: Callable[[], Any]) -> Outcome:
    """Make a call, again while AWS says that they come too fast: that one was not taken, for sure."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    waits = iter(_WAITS)
    while True:
        try:
            call()
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            result = _result(error)
            wait = next(waits, None) if result == "too_fast" else None
            if wait is None:
                named = frozenset(address.lower() for address in _ADDRESS.findall(str(error)))
                return Outcome("stopped" if result == "too_fast" else result, in_words(error), named)
            time.sleep(wait)
        else:
            return Outcome("sent")


def _result(error: Exception) -> Literal["refused", "stopped", "failed", "unknown", "too_fast"]:
    from botocore import exceptions, parsers

    never_connected = (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.ProxyConnectionError,
    )
    if isinstance(error, never_connected):
        return "stopped"
    if is_unanswered(error) or isinstance(error, parsers.ResponseParserError):
        return "unknown"
    # "Daily message quota exceeded" is an error of throttling, too, and waiting does not help:
    # https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
    if is_throttled(error) or "Throttl" in code_of(error):
        return "stopped" if "quota" in str(error).lower() else "too_fast"
    if code_of(error) in _OF_ALL:
        return "stopped"
    return "refused" if code_of(error) in _OF_ONE else "failed"

"""Looks at what a stack will need of AWS to notify others: what is missing there, in words, with how to add it.

None of it stops a deployment: an address may be verified, a bus made, Security Hub enabled after it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

Client = Callable[[str], Any]  # of a service

_AWS = ".venv/bin/aws"
_REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
# What Security Hub answers where it is not enabled:
# https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_DescribeHub.html
_NOT_ENABLED = ("InvalidAccessException", "ResourceNotFoundException")
_NO_LIMIT = -1  # as SES says it
_SANDBOX = "SES is in its sandbox, where it mails verified addresses and domains alone"


def what_is_missing(client: Client, parameters: Mapping[str, str], region: str) -> Iterator[str]:
    """Yield, a paragraph each, what AWS lacks for the parameters of a stack, or that it could not be looked at."""
    if parameters["OwnerNotices"] == "ses":
        yield from _of_ses(client("sesv2"), parameters, region)
    if parameters["EventBus"].startswith("arn:"):
        yield from _of_event_bus(client("events"), parameters["EventBus"])
    if parameters["SecurityHub"] == "on":
        yield from _of_security_hub(client("securityhub"), region)


def _of_ses(ses: Any, parameters: Mapping[str, str], region: str) -> Iterator[str]:
    try:
        account = ses.get_account()
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, EndpointConnectionError) and not _has_ses(region):
            yield f"SES is not in {region}: use OwnerNotices=sns (docs/notices.md), or no notice will be sent."
        else:
            why = _why(error, "ses:GetAccount")
            yield f"SES in {region} was not looked at: {why}. docs/notices.md says what it needs."
        return
    yield from _of_account(account, parameters, region)
    yield from _of_identity(ses, parameters["NoticesFrom"], "Notices come from", region)
    if not account["ProductionAccessEnabled"]:
        test_to = parameters["NoticesTestTo"]
        for recipients in [test_to] if test_to else parameters["OwnerDomains"].split(","):
            yield from _of_identity(ses, recipients, f"{_SANDBOX}. Notices go to", region)


def _has_ses(region: str) -> bool:
    """Return whether botocore knows an endpoint of SES in a Region, in the partition that the Region is in."""
    session = botocore.session.get_session()
    partition = session.get_partition_for_region(region)
    return region in session.get_available_regions("sesv2", partition_name=partition)


def _of_account(account: Mapping[str, Any], parameters: Mapping[str, str], region: str) -> Iterator[str]:
    if not account["SendingEnabled"]:
        yield (
            f"SES sends no mail of this account in {region}: sending is turned off, or AWS stopped it. If it was turned"
            f" off:\n  {_AWS} sesv2 put-account-sending-attributes --sending-enabled"
        )
    most = account.get("SendQuota", {}).get("Max24HourSend", _NO_LIMIT)
    if _NO_LIMIT < most < int(parameters["MaxNoticesPerScan"]):
        yield (
            f"SES in {region} takes {most:.0f} mails a day, fewer than MaxNoticesPerScan,"
            f" {parameters['MaxNoticesPerScan']}. Notices beyond that wait for a later scan. To have all sent at once,"
            f" ask for production access or a larger quota in the SES console."
        )


def _of_identity(ses: Any, wanted: str, notices: str, region: str) -> Iterator[str]:
    """Yield what is missing of an address or a domain: itself, its domain or one above that has to be verified."""
    unfinished = None
    for identity in _covering(wanted):
        try:
            answer = ses.get_email_identity(EmailIdentity=identity)
        except (ClientError, BotoCoreError) as error:
            if _code(error) == "NotFoundException":
                continue
            yield f"{notices} {wanted}. Whether it is verified is not known: {_why(error, 'ses:GetEmailIdentity')}."
            return
        if answer["VerifiedForSendingStatus"]:
            return
        unfinished = unfinished or identity
    if unfinished:
        yield (
            f"{notices} {wanted}. {unfinished} is not verified in {region} yet: its records are not in its DNS,"
            f" or nobody followed the link in the mail of AWS. How it is:\n"
            f"  {_AWS} sesv2 get-email-identity --email-identity {unfinished}"
        )
        return
    domain = wanted.rpartition("@")[2].lower()
    yield (
        f"{notices} {wanted}, which is not verified in {region}. Verify the domain, and put the three tokens of the"
        f" answer into its DNS as CNAME records (docs/notices.md):\n"
        f"  {_AWS} sesv2 create-email-identity --email-identity {domain}"
    )


def _covering(wanted: str) -> Iterator[str]:
    """Yield an address, its domain and the ones above: a verified domain is so with those below it.

    https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
    """
    address, _, domain = wanted.rpartition("@")
    if address:
        yield wanted
    labels = domain.lower().split(".")  # as SES keeps domains; an address, it keeps as it was written
    for first in range(len(labels) - 1):
        yield ".".join(labels[first:])


def _of_event_bus(events: Any, arn: str) -> Iterator[str]:
    # https://github.com/aws/aws-sdk/issues/186
    dropped = "EventBridge takes events for a bus that does not exist, and nobody gets them"
    try:
        events.describe_event_bus(Name=arn)
    except (ClientError, BotoCoreError) as error:
        if _code(error) == "ResourceNotFoundException":
            name = arn.partition("event-bus/")[2]
            yield f"There is no event bus {arn}. {dropped}:\n  {_AWS} events create-event-bus --name {name}"
        else:
            yield f"The event bus {arn} was not looked at: {_why(error, 'events:DescribeEventBus')}. {dropped}."


def _of_security_hub(security_hub: Any, region: str) -> Iterator[str]:
    fails = "Where it is not enabled, each full scan sends its message and ends FAILED"
    try:
        security_hub.describe_hub()
    except (ClientError, BotoCoreError) as error:
        if _code(error) in _NOT_ENABLED:
            command = f"{_AWS} securityhub enable-security-hub --no-enable-default-standards"
            yield f"Security Hub is not enabled in {region}. {fails}:\n  {command}"
        else:
            yield f"Security Hub in {region} was not looked at: {_why(error, 'securityhub:DescribeHub')}. {fails}."


def _why(error: ClientError | BotoCoreError, action: str) -> str:
    if _code(error) in _REFUSED:
        return f"these credentials may not ({action})"
    return " ".join(str(error).rstrip(".").split())


def _code(error: ClientError | BotoCoreError) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))

"""CloudTrail's LookupEvents: who used an access key of late, in one Region."""

from collections.abc import Callable
from typing import Any

from chalicelib.evaluation.usage import WithoutEvents, summarize, without_events
from chalicelib.key_documents import SeenFrom

# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/CommonErrors.html
_STATUS: dict[str, WithoutEvents] = {
    "ThrottlingException": "throttled",
    "AccessDeniedException": "refused",
    "NotAuthorized": "refused",
    "OptInRequired": "refused",
    "OperationNotPermittedException": "refused",
}
_A_PAGE = 50  # the most that CloudTrail gives


def look_up(client: Callable[[str], Any], access_key_id: str, region: str) -> SeenFrom:
    """Ask a Region's CloudTrail once for the latest events of a key; an error is what the answer says.

    `client` makes a Region's client, which is to try a call once.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    wanted = [{"AttributeKey": "AccessKeyId", "AttributeValue": access_key_id}]
    try:
        answer = client(region).lookup_events(LookupAttributes=wanted, MaxResults=_A_PAGE)
    except ClientError as error:
        return without_events(_STATUS.get(error.response["Error"]["Code"], "unknown"), str(error), region)
    except BotoCoreError as error:
        return without_events("unknown", str(error), region)
    return summarize(answer.get("Events", []), region, more=bool(answer.get("NextToken")))

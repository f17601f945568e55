"""LookupEvents of CloudTrail, which moto lacks: it answers from the events of the account file."""

import base64
import json
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import JsonRESTError

from localaws.accounts.account_file import OneAccount
from localaws.accounts.key_events import KeyEvent
from localaws.clients import REGION
from localaws.moto_patches.wiring import replace_method
from localaws.token_bucket import TokenBucket

# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
_KEPT_FOR = timedelta(days=90)
_A_PAGE = 50
_CALLS_A_SECOND = 2  # and Region; that as many come through at once after a pause is assumed
_ATTRIBUTES = (
    *("EventId", "EventName", "ReadOnly", "Username"),
    *("ResourceType", "ResourceName", "EventSource", "AccessKeyId"),
)
# Calls that CloudTrail records as data events, which LookupEvents never has; of the services that keys are used for
# most: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
_DATA_EVENTS = {
    "s3": {"GetObject", "HeadObject", "PutObject", "DeleteObject", "CopyObject", "ListObjects", "ListObjectsV2"},
    "dynamodb": {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"},
    "lambda": {"Invoke"},
    "ses": {"SendEmail", "SendRawEmail", "SendTemplatedEmail", "SendBulkEmail", "SendBulkTemplatedEmail"},
    "sns": {"Publish", "PublishBatch"},
    "sqs": {"SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage"},
}


Place = tuple[str, str]  # an account, and a Region


class _Trail:
    """The management events by account and Region, the latest first, and how often each of these was asked."""

    def __init__(self) -> None:
        self.events: dict[Place, list[dict[str, Any]]] = {}
        self.clock = time.monotonic
        self._buckets: dict[Place, TokenBucket] = defaultdict(lambda: TokenBucket(_CALLS_A_SECOND, _CALLS_A_SECOND))
        self._lock = threading.Lock()

    def may_be_asked(self, place: Place) -> bool:
        with self._lock:
            return self._buckets[place].take(self.clock())


_trail = _Trail()


def forget_events() -> None:
    """Forget what CloudTrail has of all accounts."""
    _trail.events = {}


def record_events(account: OneAccount, now: datetime) -> None:
    """Add the events of an account's keys to what CloudTrail has."""
    events = defaultdict(list)
    for region, event in _events_of(account, now):
        events[region].append(event)
    for region, of_region in events.items():
        _trail.events[account.account_id, region] = sorted(of_region, key=lambda event: -event["EventTime"])


def answer_lookup_events() -> None:
    """Answer LookupEvents page by page, as often as AWS does: moto has no such operation."""

    def lookup_events(self: CloudTrailResponse) -> str:
        place = (self.current_account, self.region)
        if not _trail.may_be_asked(place):
            raise _refusal("ThrottlingException", "Rate exceeded")
        asked = json.loads(self.body)
        size, is_wanted = _size(asked), _filter(asked)
        given = json.dumps({name: asked[name] for name in sorted(asked) if name not in ("NextToken", "MaxResults")})
        start = _start(asked.get("NextToken"), given)
        found = [event for event in _trail.events.get(place, []) if is_wanted(event)]
        answer: dict[str, Any] = {"Events": found[start : start + size]}
        if start + size < len(found):
            answer["NextToken"] = base64.b64encode(json.dumps([start + size, given]).encode()).decode()
        return json.dumps(answer)

    replace_method(CloudTrailResponse, "lookup_events", lookup_events)


def _size(asked: Mapping[str, Any]) -> int:
    size = asked.get("MaxResults", _A_PAGE)
    if not 1 <= size <= _A_PAGE:
        raise _refusal("InvalidMaxResultsException", f"Max results must be between 1 and {_A_PAGE}")
    return int(size)


def _filter(asked: Mapping[str, Any]) -> Callable[[dict[str, Any]], bool]:
    attributes = asked.get("LookupAttributes", [])
    if len(attributes) > 1 or any(one.get("AttributeKey") not in _ATTRIBUTES for one in attributes):
        raise _refusal("InvalidLookupAttributesException", "A lookup takes one attribute, of those that are documented")
    now = datetime.now(UTC).timestamp()
    first, last = asked.get("StartTime", 0), asked.get("EndTime", now)
    if first > last:
        raise _refusal("InvalidTimeRangeException", "The start time is after the end time")
    first = max(first, now - _KEPT_FOR.total_seconds())
    insights = asked.get("EventCategory") is not None
    if insights and asked["EventCategory"] != "insight":
        raise _refusal("InvalidEventCategoryException", "The event category is not valid")
    wanted = {one["AttributeKey"]: one["AttributeValue"] for one in attributes}
    return lambda event: (
        not insights
        and first <= event["EventTime"] <= last
        and all(event.get(key) == value for key, value in wanted.items())
    )


def _start(token: str | None, given: str) -> int:
    if token is None:
        return 0
    try:
        start, of = json.loads(base64.b64decode(token))
    except ValueError:
        start, of = 0, None
    if of != given:
        raise _refusal("InvalidNextTokenException", "The token is not valid, or is of a request with other parameters")
    return int(start)


def _refusal(code: str, message: str) -> JsonRESTError:
    return JsonRESTError(code, message)


def _events_of(account: OneAccount, now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the management events of an account's keys, each with its Region."""
    for user in account.users:
        for index, key in enumerate(user.access_keys):
            caller = {
                "type": "IAMUser",
                "arn": f"arn:aws:iam::{account.account_id}:user{user.path}{user.user_name}",
                "accountId": account.account_id,
                "accessKeyId": account.access_key_id(user, index),
                "userName": user.user_name,
            }
            for event in key.events:
                if event.name not in _DATA_EVENTS.get(event.source.partition(".")[0], ()):
                    region = event.region or (key.last_used.region if key.last_used else REGION)
                    yield from ((region, _event(caller, region, event, at)) for at in event.happened(now))


def _event(caller: Mapping[str, str], region: str, event: KeyEvent, at: datetime) -> dict[str, Any]:
    event_id = str(uuid.uuid4())
    record = {
        "eventVersion": "1.11",
        "userIdentity": caller,
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": event.source,
        "eventName": event.name,
        "awsRegion": region,
        "sourceIPAddress": event.address,
        "userAgent": event.user_agent,
        **({"errorCode": event.error} if event.error else {}),
        "eventID": event_id,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": caller["accountId"],
        "eventCategory": "Management",
    }
    return {
        "EventId": event_id,
        "EventName": event.name,
        "AccessKeyId": caller["accessKeyId"],
        "EventTime": at.timestamp(),
        "EventSource": event.source,
        "Username": caller["userName"],
        "Resources": [],
        "CloudTrailEvent": json.dumps(record),
    }

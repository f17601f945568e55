"""LookupEvents of the local AWS: what it has of the account file's events, and what it refuses, as AWS does."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.clients import HARNESS, make_client
from localaws.environment import LocalAws
from localaws.moto_patches import cloudtrail
from tests.support.scanner import Scanner

KEY_ID = "AKIAALICE0000000"
CALL = {"days_ago": 1, "name": "ListBuckets", "source": "s3.amazonaws.com", "address": "203.0.113.7"}
CALL["user_agent"] = "aws-cli/2.15.0"
OF_ALICE = [{"AttributeKey": "AccessKeyId", "AttributeValue": KEY_ID}]

LookUp = Callable[..., dict[str, Any]]


def look_up_in(aws: LocalAws, region: str) -> LookUp:
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    client = make_client("cloudtrail", region, aws.endpoint_url, HARNESS, config)
    return lambda **asked: dict(client.lookup_events(**asked))


@pytest.fixture
def look_up(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LookUp:
    """Ask CloudTrail in eu-west-1, as often as one likes."""
    monkeypatch.setattr(cloudtrail._Trail, "may_be_asked", lambda *_: True)
    return look_up_in(aws, "eu-west-1")


def seed(scanner: Scanner, *events: dict[str, Any], region: str = "eu-west-1") -> None:
    key = {"access_key_id": KEY_ID, "age_days": 200, "last_used": {"days_ago": 1, "region": region}}
    scanner.seed([{"user_name": "alice", "path": "/a/", "access_keys": [{**key, "events": list(events)}]}])


def names(answer: dict[str, Any]) -> list[str]:
    return [event["EventName"] for event in answer["Events"]]


def test_an_event_has_the_fields_of_the_api_and_its_record_as_json(scanner: Scanner, look_up: LookUp) -> None:
    seed(scanner, {**CALL, "error": "AccessDenied"})

    [event] = look_up(LookupAttributes=OF_ALICE)["Events"]

    record = json.loads(event["CloudTrailEvent"])
    assert (event["AccessKeyId"], event["Username"], event["EventSource"]) == (KEY_ID, "alice", "s3.amazonaws.com")
    assert record["userIdentity"]["arn"] == "arn:aws:iam::123456789012:user/a/alice"
    assert (record["sourceIPAddress"], record["userAgent"], record["errorCode"], record["awsRegion"]) == (
        *("203.0.113.7", "aws-cli/2.15.0"),
        *("AccessDenied", "eu-west-1"),
    )
    assert datetime.fromisoformat(record["eventTime"]) == event["EventTime"]


def test_events_come_the_latest_first_and_50_at_a_time(scanner: Scanner, look_up: LookUp) -> None:
    first_of_all, last_of_all = {**CALL, "days_ago": 3, "name": "First"}, {**CALL, "days_ago": 0.5, "name": "Last"}
    seed(scanner, first_of_all, {**CALL, "times": 60}, last_of_all)

    first = look_up(LookupAttributes=OF_ALICE)
    second = look_up(LookupAttributes=OF_ALICE, NextToken=first["NextToken"])

    assert (len(first["Events"]), len(second["Events"]), "NextToken" in second) == (50, 12, False)
    assert (names(first)[0], names(second)[-1]) == ("Last", "First")
    times = [event["EventTime"] for event in first["Events"] + second["Events"]]
    assert times == sorted(times, reverse=True)
    assert len(look_up(MaxResults=1)["Events"]) == 1


@pytest.mark.parametrize(
    ("event", "there"),
    [
        ({}, True),
        ({"region": "us-east-1"}, False),
        ({"days_ago": 89.9}, True),
        ({"days_ago": 90.1}, False),
        ({"name": "GetObject"}, False),
        ({"name": "SendRawEmail", "source": "ses.amazonaws.com"}, False),
        ({"name": "GetSendQuota", "source": "ses.amazonaws.com"}, True),
    ],
)
def test_a_region_has_its_own_management_events_of_the_last_90_days(
    scanner: Scanner, look_up: LookUp, event: dict[str, Any], there: bool
) -> None:
    seed(scanner, {**CALL, **event})

    assert bool(look_up(LookupAttributes=OF_ALICE)["Events"]) is there


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, 2),
        ({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateUser"}]}, 1),
        ({"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": "alice"}]}, 2),
        ({"LookupAttributes": [{"AttributeKey": "AccessKeyId", "AttributeValue": "AKIAOTHER0000000"}]}, 0),
        ({"EventCategory": "insight"}, 0),
        ({"StartTime": datetime.now(UTC) - timedelta(days=2)}, 1),
        ({"EndTime": datetime.now(UTC) - timedelta(days=2)}, 1),
    ],
)
def test_what_is_asked_for_is_what_comes(scanner: Scanner, look_up: LookUp, asked: dict[str, Any], found: int) -> None:
    seed(scanner, CALL, {**CALL, "name": "CreateUser", "days_ago": 5})

    assert len(look_up(**asked)["Events"]) == found


BACKWARDS = {"StartTime": datetime(2026, 1, 2, tzinfo=UTC), "EndTime": datetime(2026, 1, 1, tzinfo=UTC)}
UNKNOWN = [{"AttributeKey": "SourceIp", "AttributeValue": "x"}]


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"LookupAttributes": OF_ALICE * 2}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": UNKNOWN}, "InvalidLookupAttributesException"),
        (BACKWARDS, "InvalidTimeRangeException"),
        ({"EventCategory": "data"}, "InvalidEventCategoryException"),
        ({"NextToken": "x"}, "InvalidNextTokenException"),
    ],
)
def test_what_aws_refuses_is_refused(look_up: LookUp, asked: dict[str, Any], refused: str) -> None:
    with pytest.raises(ClientError) as error:
        look_up(**asked)

    assert error.value.response["Error"]["Code"] == refused


def test_a_token_is_of_a_request_with_the_same_parameters(scanner: Scanner, look_up: LookUp) -> None:
    seed(scanner, {**CALL, "times": 51})
    token = look_up(LookupAttributes=OF_ALICE)["NextToken"]

    with pytest.raises(ClientError, match="InvalidNextTokenException"):
        look_up(NextToken=token)


def test_a_third_call_at_once_is_throttled_in_its_region_alone(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudtrail._trail, "clock", lambda: 1000.0)
    paris, london = look_up_in(aws, "eu-west-3"), look_up_in(aws, "eu-west-2")

    assert paris()
    assert paris()
    with pytest.raises(ClientError, match="ThrottlingException"):
        paris()

    assert london()

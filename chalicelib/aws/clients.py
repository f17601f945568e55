"""The clients of AWS with the functions' own credentials, each made on first use and kept."""

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_s3 import S3Client
    from types_boto3_stepfunctions import SFNClient


@functools.cache
def step_functions() -> "SFNClient":
    """Return the client of Step Functions; all tries of a call end before API Gateway's 29 seconds."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("stepfunctions", config=config)


@functools.cache
def s3() -> "S3Client":
    """Return the client of S3; all tries of a call end before API Gateway's 29 seconds."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=3,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 4},
        signature_version="s3v4",  # by which a link says for how long it works
        s3={"addressing_style": "virtual"},  # of the Region: elsewhere S3 redirects, which a link's signature forbids
    )
    return boto3.client("s3", config=config)


@functools.cache
def functions(seconds: int) -> Any:  # the stubs of Lambda are not installed
    """Return a client of Lambda that waits so long for an answer and calls once: another try would be another call."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("lambda", config=config)


@functools.cache
def iam() -> "IAMClient":
    """Return the client of IAM; all tries of a call end within 156 seconds: 7 times 15, and up to 51 between them."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=12, retries={"mode": "standard", "total_max_attempts": 7})
    return boto3.client("iam", config=config)


@functools.cache
def cloudtrail(region: str) -> Any:  # the stubs of CloudTrail are not installed
    """Return the client of a Region's CloudTrail; it tries a call once, because a retry would break the rate limit."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("cloudtrail", region_name=region, config=config)


@functools.cache
def security_hub() -> Any:  # the stubs of Security Hub are not installed
    """Return the client of Security Hub; it tries a throttled call again: the same finding twice is an update."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 6})
    return boto3.client("securityhub", config=config)


@functools.cache
def ses() -> Any:  # the stubs of SES v2 are not installed
    """Return the client of SES v2; it calls once, because a retry of a call without an answer may be a second mail."""
    return _once("sesv2")


@functools.cache
def sns() -> Any:
    """Return the client of SNS; it calls once, as that of SES does."""
    return _once("sns")


def _once(service: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client(service, config=config)  # type: ignore[call-overload]  # by a name that is a variable


@functools.cache
def events() -> Any:  # the stubs of EventBridge are not installed
    """Return the client of EventBridge; all tries of a call end within 40 seconds."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("events", config=config)

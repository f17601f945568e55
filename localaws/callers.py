"""Who calls the local AWS: known by its access key id, so that calls can be told apart and counted."""

import functools
import os
import threading
from typing import Any

import boto3
from botocore.config import Config

INTERPRETER = "LOCALAWSSTATEMACHINE"
FUNCTION = "LOCALAWSLAMBDA"
HARNESS = "LOCALAWSHARNESS"
GUEST = "LOCALAWSGUEST"  # another tool, to be measured as the scan is

REGION = "us-east-1"
CALLER_OF_THE_API = ("local", "local")  # an access key id and its secret

_lock = threading.Lock()  # a session makes one client at a time


def forget_the_users_aws() -> None:
    """Let no profile, Region or proxy of the user's reach the local AWS, nor a call of ours reach theirs."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = CALLER_OF_THE_API
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


@functools.cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()  # one for all: each reads botocore's list of endpoints anew


def make_client(service: str, region: str, endpoint_url: str, caller: str, config: Config | None = None) -> Any:
    """Make a boto3 client that calls as one of the callers."""
    with _lock:
        return _session().client(  # type: ignore[call-overload]  # any service
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=caller,
            aws_secret_access_key="unused",  # noqa: S106  # moto checks no signature
            config=config,
        )

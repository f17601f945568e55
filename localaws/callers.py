"""Who calls the local AWS: known by its access key id, so that calls can be told apart and counted."""

import threading
from typing import Any

import boto3
from botocore.config import Config

INTERPRETER = "LOCALAWSSTATEMACHINE"
FUNCTION = "LOCALAWSLAMBDA"
HARNESS = "LOCALAWSHARNESS"

_session = boto3.session.Session()  # one for all: each reads botocore's list of endpoints anew
_lock = threading.Lock()  # a session makes one client at a time


def make_client(service: str, region: str, endpoint_url: str, caller: str, config: Config | None = None) -> Any:
    """Make a boto3 client that calls as one of the callers."""
    with _lock:
        return _session.client(  # type: ignore[call-overload]  # any service
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=caller,
            aws_secret_access_key="unused",  # noqa: S106  # moto checks no signature
            config=config,
        )

"""Who calls the local AWS: known by its access key id, so that calls can be attributed and counted."""

import functools
import os
import shlex
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

_LOOPBACK = ("127.0.0.1", "localhost")
_lock = threading.Lock()  # a session makes one client at a time
_replaced: dict[str, tuple[str | None, str | None]] = {}  # in the environment, by name: the user's value, and ours


def forget_the_users_aws() -> None:
    """Keep profiles, Regions and proxies of the user's from the local AWS, and its calls from the user's AWS."""
    key_id, secret = CALLER_OF_THE_API
    upper, lower = os.environ.get("NO_PROXY", ""), os.environ.get("no_proxy", "")  # tools read the one or the other
    ours: dict[str, str | None] = {
        **{name: None for name in os.environ if name.startswith("AWS_")},
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": _with_loopback(upper or lower),
        "no_proxy": _with_loopback(lower or upper),
    }
    for name, value in ours.items():
        users, before = _replaced.get(name, (None, None))
        current = os.environ.pop(name, None)
        _replaced[name] = (users if name in _replaced and current == before else current, value)
        if value is not None:
            os.environ[name] = value


def users_environment() -> dict[str, str]:
    """Return the environment as the user has it, for programs that have to reach more than this machine."""
    environment = dict(os.environ)
    for name, (users, ours) in _replaced.items():
        if environment.get(name) != ours:
            continue
        environment.pop(name, None)
        if users is not None:
            environment[name] = users
    return environment


def no_proxy_to_export() -> str:
    """Return the line that lets a user's own clients reach this machine where they use a proxy, else nothing."""
    users = users_environment()
    has_proxy = any(users.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"))
    known = users.get("no_proxy") or users.get("NO_PROXY", "")
    wanted = _with_loopback(known)
    return (
        f"export NO_PROXY={shlex.quote(wanted)} no_proxy={shlex.quote(wanted)}\n"
        if has_proxy and wanted != known
        else ""
    )


def _with_loopback(hosts: str) -> str:
    """Return the hosts that no proxy is asked for, with this machine's own names among them."""
    known = [host.strip() for host in hosts.split(",") if host.strip()]
    return hosts if known == ["*"] else ",".join(dict.fromkeys([*known, *_LOOPBACK]))


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

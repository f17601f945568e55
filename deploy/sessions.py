"""Sessions with the user's own AWS credentials, shared with the AWS CLI: one MFA prompt serves both."""

import contextlib
import getpass
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore import exceptions
from botocore.config import Config
from botocore.credentials import create_credential_resolver
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import JSONFileCache

DEFAULT_REGION = "us-east-1"  # where no Region is set; IAM is global in each partition
_CACHED = ("assume-role", "assume-role-with-web-identity")  # by the AWS CLI, too, under the same names
_CACHE = Path(JSONFileCache.CACHE_DIR).parent.parent / "cli" / "cache"  # below ~/.aws
_FIELDS = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
_TERMINAL = "/dev/tty"
_NO_REGION = "No Region is set: export AWS_DEFAULT_REGION=…, or run: aws configure"
_NO_CREDENTIALS = (
    "There are no AWS credentials that work: log in (aws sso login, aws configure), or export AWS_PROFILE=… to choose a"
    " profile"
)


class NoTerminalError(BotoCoreError):
    """A profile needs an MFA code and there is no terminal to ask for it."""

    fmt = (
        "profile {profile} wants an MFA code, and there is no terminal to ask at: "
        "run aws sts get-caller-identity --profile {quoted} in a terminal first, whose session is then used here, too, "
        "or export a session's credentials (aws configure export-credentials --profile {quoted} --format env)"
    )


class MfaCodeError(BotoCoreError):
    """No MFA code was given, or text that cannot be one."""

    fmt = "profile {profile} wants an MFA code: {problem}"


class SignInError(Exception):
    """No Region is set, or no credentials work; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """The account and the Region that are deployed into, and who deploys."""

    client: Callable[..., Any]  # of a service
    region: str
    account_id: str
    caller_arn: str

    @property
    def partition(self) -> str:
        """Return aws, aws-cn or another one."""
        return self.caller_arn.split(":")[1]


def sign_in(profile: str | None = None) -> Target:
    """Return where the user's credentials and Region lead to, or those of a profile.

    Raise a SignInError if there are no credentials that work or no Region is set, and a BotoCoreError if AWS cannot be
    reached or an MFA code is missing.
    """
    try:
        session = user_session(profile)
        if not session.region_name:
            raise SignInError(_NO_REGION)
        caller = session.client("sts").get_caller_identity()
    except (exceptions.ConnectionError, exceptions.HTTPClientError, MfaCodeError, NoTerminalError):
        raise
    except exceptions.InvalidRegionError as error:
        raise SignInError(f"{str(error).rstrip('.')}. {_NO_REGION}") from error
    except (BotoCoreError, ClientError, OSError, ValueError) as error:  # of a credential process, too
        raise SignInError(f"{str(error).rstrip('.')}. {_NO_CREDENTIALS}") from error
    client: Callable[..., Any] = session.client
    return Target(client, session.region_name, caller["Account"], caller["Arn"])


def user_session(profile: str | None = None) -> boto3.session.Session:
    """Return a session with the user's credentials, in the Region of AWS_REGION, AWS_DEFAULT_REGION or the profile.

    The sessions of roles are shared with the AWS CLI through its cache. Raise a BotoCoreError if there is no such
    profile; the errors of the MFA prompt are BotoCoreErrors as well, raised when credentials are first needed.
    """
    core = botocore.session.Session()
    core.set_default_client_config(Config(connect_timeout=5))  # of the calls that get credentials, too
    if profile:
        core.set_config_variable("profile", profile)
    regions = os.environ.get("AWS_REGION"), os.environ.get("AWS_DEFAULT_REGION"), core.get_scoped_config().get("region")
    region = next(filter(None, regions), None)  # boto3 itself would take an empty variable for a Region
    session = boto3.session.Session(botocore_session=core, profile_name=profile, region_name=region)
    resolver: Any = create_credential_resolver(core, region_name=session.region_name or DEFAULT_REGION)
    cache = _CliCache(str(_CACHE), keeps=not _has_endpoints_of_its_own(core))
    for name in _CACHED:
        resolver.get_provider(name).cache = cache
    resolver.get_provider("assume-role")._prompter = _ask_at_the_terminal(session.profile_name)  # noqa: SLF001  # no other way
    core.register_component("credential_provider", resolver)
    return session


def _has_endpoints_of_its_own(core: botocore.session.Session) -> bool:
    """Return whether another STS than AWS's may answer: its sessions are no use to who calls AWS."""
    settings = {**core.get_scoped_config(), **{name: value for name, value in os.environ.items() if value}}
    return any(name.startswith("AWS_ENDPOINT_URL") or name in ("endpoint_url", "services") for name in settings)


class _CliCache(JSONFileCache):
    """The AWS CLI's cache; what is broken in it is not there, and where it cannot be written to nothing is kept."""

    def __init__(self, folder: str, *, keeps: bool) -> None:
        super().__init__(folder)
        self._keeps = keeps

    def __contains__(self, cache_key: str) -> bool:
        try:
            return _FIELDS.issubset(self[cache_key]["Credentials"])
        except (KeyError, TypeError):
            return False

    def __setitem__(self, cache_key: str, value: Any) -> None:
        if self._keeps:
            with contextlib.suppress(OSError):
                super().__setitem__(cache_key, value)


def _ask_at_the_terminal(profile: str) -> Callable[[str], str]:
    """Return a function that asks for an MFA code; it raises a BotoCoreError if no code can be had."""

    def ask(prompt: str) -> str:
        if not _has_terminal():
            raise NoTerminalError(profile=profile, quoted=shlex.quote(profile))
        try:
            answer = getpass.getpass(prompt)
        except EOFError as error:
            _end_the_line()
            raise MfaCodeError(profile=profile, problem="none was entered") from error
        except KeyboardInterrupt:
            _end_the_line()
            raise
        code = "".join(answer.split())  # some apps show 123 456
        if not re.fullmatch("[0-9]{6}", code):
            problem = "what was entered is not six digits" if code else "none was entered"
            raise MfaCodeError(profile=profile, problem=problem)
        return code

    return ask


def _has_terminal() -> bool:
    """Return whether getpass can ask without falling back to a file or a pipe."""
    if os.name == "nt":
        return True
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    return True


def _end_the_line() -> None:
    """End the line of a prompt that was left."""
    with contextlib.suppress(OSError), Path(_TERMINAL).open("w") as terminal:
        terminal.write("\n")

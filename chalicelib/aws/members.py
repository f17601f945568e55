"""The accounts of an organization, each reached by the reader role in it; its credentials are its clients' alone."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.aws.errors import failures, in_words
from chalicelib.organization_settings import ReaderSettings
from chalicelib.scan_ids import is_account_id
from chalicelib.schema import RefusedError

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

_SESSION_NAME = "iam-key-age"  # in the CloudTrail of the account
_SESSION_SECONDS = 3_600  # the most that a role always gives, and more than the function has
_FINAL = 500  # status from which on a server may answer otherwise the next time
_REFUSED = (
    "STS refused the reader role {role} ({words}): the role is missing, its trust policy does not allow this stack, "
    "its external id is another, or the account is suspended; STS gives one answer for all of these. "
    "See docs/organization.md, and try it with `make check-member`"
)


class UnreadableAccountError(Exception):
    """An account that cannot be read; the message says why, as a cause that a report has."""


@dataclass(frozen=True, repr=False)
class Member:
    """An account whose reader role was assumed."""

    account_id: str
    credentials: dict[str, str]  # the arguments of a client that has them

    def iam(self, time_is_up: Callable[[], bool]) -> "IAMClient":
        """Make a client of IAM that tries a call up to nine times, and not again once the time is up."""
        iam = self._client("iam", read_timeout=10, retries={"mode": "adaptive", "total_max_attempts": 9})
        iam.meta.events.register("needs-retry.iam", _stop_in_time(time_is_up))
        return iam  # type: ignore[no-any-return]  # the stubs of botocore do not know the services

    def cloudtrail(self, region: str) -> Any:
        """Make a client of a Region's CloudTrail; it tries a call once, because a retry would break the rate limit."""
        once = {"mode": "standard", "total_max_attempts": 1}
        return self._client("cloudtrail", region_name=region, read_timeout=10, retries=once)

    def _client(self, service: str, **settings: Any) -> Any:
        return _client(service, self.credentials, **settings)


def assume_reader(account_id: str, partition: str, reader: ReaderSettings) -> Member:
    """Assume the reader role in an account; raise UnreadableAccountError if that fails, or another account answers."""
    arn = _role_arn(account_id, partition, reader)
    asked = {"RoleArn": arn, "RoleSessionName": _SESSION_NAME, "ExternalId": reader.external_id}
    try:
        given = _sts().assume_role(**asked, DurationSeconds=_SESSION_SECONDS)["Credentials"]
        names = {
            "access_key_id": "AccessKeyId",
            "secret_access_key": "SecretAccessKey",
            "session_token": "SessionToken",
        }
        member = Member(account_id, {f"aws_{name}": given[field] for name, field in names.items()})
        answered = member._client("sts", **_OF_STS).get_caller_identity()["Account"]  # noqa: SLF001  # of this module
    except failures() as error:
        words = in_words(error)
        is_refused = words.startswith("AccessDenied")
        raise UnreadableAccountError(
            _REFUSED.format(role=reader.role_name, words=words) if is_refused else f"STS gave no session ({words})"
        ) from error
    if answered != account_id:
        shown = answered if is_account_id(str(answered)) else "no account id"
        raise UnreadableAccountError(f"another account answered than the one that was asked: {shown}")
    return member


def _role_arn(account_id: str, partition: str, reader: ReaderSettings) -> str:
    if not is_account_id(account_id):
        raise RefusedError("account_id", account_id, "an account id of 12 digits")
    return f"arn:{partition}:iam::{account_id}:role/{reader.role_name}"


@functools.cache
def _sts() -> Any:
    """Return the client of STS of this Region with the function's own credentials."""
    return _client("sts", {}, **_OF_STS)


_OF_STS: dict[str, Any] = {"read_timeout": 5, "retries": {"mode": "standard", "total_max_attempts": 5}}


@functools.cache
def _session() -> Any:
    """Return what makes clients: it keeps the models of services that it has read, and no credentials of members."""
    import botocore.session

    session = botocore.session.get_session()
    session.set_config_variable("sts_regional_endpoints", "regional")  # the default, but not of every botocore
    return session


def _client(service: str, credentials: dict[str, str], region_name: str | None = None, **settings: Any) -> Any:
    from botocore.config import Config

    config = Config(connect_timeout=3, **settings)
    return _session().create_client(service, region_name=region_name, config=config, **credentials)


def _stop_in_time(time_is_up: Callable[[], bool]) -> Callable[..., None]:
    def stop(response: Any, caught_exception: Exception | None, **_: object) -> None:
        """Raise TimeoutError where a call would be tried again after the time is up."""
        status, words = 0, ""
        if response is not None:
            status, error = response[0].status_code, response[1].get("Error", {})
            words = f"{error.get('Code')}: {error.get('Message')}"
        again = caught_exception is not None or status >= _FINAL or words.startswith(_THROTTLED)
        if again and time_is_up():
            raise TimeoutError(f"No time left to try again; before: {words or type(caught_exception).__name__}")

    return stop


_THROTTLED = ("Throttl", "RequestLimit", "TooManyRequests")

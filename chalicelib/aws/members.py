"""The accounts of an organization, each reached by the reader role in it; its credentials are its clients' alone."""

import functools
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from chalicelib.aws.errors import StsUnavailableError, failures, in_words, is_throttled, is_unanswered
from chalicelib.organization_settings import ReaderSettings
from chalicelib.scan_ids import is_account_id
from chalicelib.schema import RefusedError

if TYPE_CHECKING:
    from botocore.config import Config
    from types_boto3_iam import IAMClient

_SESSION_NAME = "iam-key-age"  # in the CloudTrail of the account
_SESSION_SECONDS = 3_600  # the most that any role gives to another role; the function has less
# Suspended, too: https://github.com/aws-samples/aws-security-reference-architecture-examples/issues/218
_REFUSED = (
    "STS refused the role {role} {why}. It says the same where the role is missing, its trust policy does not allow "
    "this stack, its external id is another, or the account is suspended or closed. See docs/organization.md, and try "
    "again with `make check-member`"
)
_TRIES_OF_STS = 5


class UnreadableAccountError(Exception):
    """An account that cannot be read; the message says why, as a cause that a report has."""


@dataclass(frozen=True)
class Member:
    """An account whose reader role was assumed."""

    account_id: str
    _credentials: dict[str, str] = field(repr=False)  # the arguments of a client that has them

    def iam(self) -> "IAMClient":
        """Make a client of IAM that tries a call as `clients.iam` does."""
        return self._client("iam", _config(12, 7))  # type: ignore[no-any-return]  # botocore does not know its type

    def iam_for_many_calls(self) -> "IAMClient":
        """Make a client of IAM that slows down once it was throttled; PatientAsking is to try a call again."""
        return self._client("iam", _config(10, 1, "adaptive"))  # type: ignore[no-any-return]  # as above

    def cloudtrail(self, region: str) -> Any:
        """Make a client of a Region's CloudTrail; it tries a call once, because a retry would break the rate limit."""
        return self._client("cloudtrail", _config(10, 1), region)

    def answering_account(self) -> str:
        """Return of which account these credentials are."""
        return str(self._client("sts", _config_of_sts()).get_caller_identity()["Account"])

    def _client(self, service: str, config: "Config", region: str | None = None) -> Any:
        return _client(service, self._credentials, config, region)


def assume_reader(account_id: str, partition: str, reader: ReaderSettings) -> Member:
    """Assume the reader role in an account; raise UnreadableAccountError if that fails, or another account answers.

    Raise StsUnavailableError if another try may get it.
    """
    if not is_account_id(account_id):  # it becomes a part of an ARN
        raise RefusedError("account_id", account_id, "an account id of 12 digits")
    try:
        given = _own_sts().assume_role(
            RoleArn=f"arn:{partition}:iam::{account_id}:role/{reader.role_name}",
            RoleSessionName=_SESSION_NAME,
            ExternalId=reader.external_id,
            DurationSeconds=_SESSION_SECONDS,
        )["Credentials"]
        credentials = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        member = Member(account_id, credentials)
        answered = member.answering_account()
    except failures() as error:
        _raise_in_words(error, reader)
    if answered != account_id:
        shown = answered if is_account_id(answered) else "one without an account id"
        raise UnreadableAccountError(f"Another account answered than the one that was asked: {shown}")
    return member


def _raise_in_words(error: Exception, reader: ReaderSettings) -> NoReturn:
    words = in_words(error)
    if words.startswith("AccessDenied"):
        why = re.search("(because|with an explicit deny) .*", words)
        words = _REFUSED.format(role=reader.role_name, why=why[0] if why else "(AccessDenied)")
    elif is_throttled(error):
        raise StsUnavailableError(f"STS throttled each of {_TRIES_OF_STS} calls ({words})") from error
    elif is_unanswered(error):
        raise StsUnavailableError(f"STS did not answer ({words})") from error
    else:
        words = f"STS gave no session for the role {reader.role_name} ({words})"
    raise UnreadableAccountError(words) from error


def own_region() -> str:
    """Return the Region that the function is in."""
    return os.environ["AWS_REGION"]


def own_partition() -> str:
    """Return the partition of ARNs, such as "aws", that the function is in."""
    return str(_session().get_partition_for_region(own_region()))


@functools.cache
def _own_sts() -> Any:
    return _client("sts", {}, _config_of_sts())


@functools.cache
def _session() -> Any:
    """Return what makes clients: it keeps the models of services that it has read, and no credentials of members."""
    import botocore.session

    session = botocore.session.get_session()
    session.set_config_variable("sts_regional_endpoints", "regional")  # the default, but not of every botocore
    return session


def _client(service: str, credentials: dict[str, str], config: "Config", region: str | None = None) -> Any:
    return _session().create_client(service, region_name=region, config=config, **credentials)


def _config(read_timeout: int, tries: int, mode: Any = "standard") -> "Config":
    from botocore.config import Config

    retries: Any = {"mode": mode, "total_max_attempts": tries}
    return Config(connect_timeout=3, read_timeout=read_timeout, retries=retries)


def _config_of_sts() -> "Config":
    return _config(5, _TRIES_OF_STS)

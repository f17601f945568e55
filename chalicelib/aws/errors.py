"""Errors of AWS that another try may not meet, as errors of the product's own."""

from collections.abc import Iterator
from contextlib import contextmanager

_SERVER_ERROR = 500
# Step Functions answers these with 400, as it does what another try would meet again.
_TRANSIENT_CODES = ("ThrottlingException", "ServiceUnavailable", "RequestTimeout", "InternalFailure")
# IAM's and STS's, and CloudTrail's.
_THROTTLED_CODES = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException")
_LASTING_OF_S3 = (400, 403, 404, 412)
_LONGEST_CAUSE = 300


class UnavailableError(Exception):
    """AWS did not answer, or would not just now; another try may get what this one did not."""

    message = "AWS did not answer just now; try again"  # to whoever asked
    retry_after = 2  # seconds


class NoStateMachineError(UnavailableError):
    """The functions are deployed and the state machine is not, as after `chalice deploy` alone."""

    message = "there is no state machine yet: run `make deploy-statemachine STAGE=…` beside `chalice deploy`"


class ScansUnavailableError(UnavailableError):
    """Step Functions did not answer, or would not just now."""


class TooManyScansError(UnavailableError):
    """As many scans run as this stage lets run at a time."""

    retry_after = 15

    def __init__(self, running: int, at_most: int) -> None:
        self.message = f"{running} scans run already, and this stage starts no other beyond {at_most} (MaxScansAtOnce)"
        super().__init__(self.message)


class EvidenceUnavailableError(UnavailableError):
    """S3 would not take or give a file just now; the state machine tries again."""


class OrganizationsUnavailableError(UnavailableError):
    """Organizations did not answer, or throttled; the state machine tries again."""


class StsUnavailableError(UnavailableError):
    """STS did not answer, or throttled; the state machine tries again."""


class SecurityHubUnavailableError(UnavailableError):
    """Security Hub did not answer, or throttled; the state machine tries again."""


class OrganizationUnreadableError(Exception):
    """Organizations did not list the accounts; the message says why and what to do."""


def failures() -> tuple[type[Exception], ...]:
    """Return what a call raises that is refused or not answered, that has no time, or whose answer cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    odd = (ResponseParserError, LookupError, TypeError, AttributeError, ValueError)
    return (ClientError, BotoCoreError, TimeoutError, *odd)


def is_throttled(error: Exception) -> bool:
    """Return whether AWS refused a call because there were too many."""
    return code_of(error) in _THROTTLED_CODES


def is_unanswered(error: Exception) -> bool:
    """Return whether a call had no answer, or one of a server that is in trouble."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return status_of(error) >= _SERVER_ERROR
    return isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError)


def in_words(error: Exception) -> str:
    """Return why a call failed, as a cause that a report has: AWS's code and words, or botocore's."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        words = f"{code_of(error)}: {error.response.get('Error', {}).get('Message', '')}"
    elif isinstance(error, TimeoutError):
        words = str(error)
    elif isinstance(error, BotoCoreError):
        words = f"{type(error).__name__}: {error}"
    else:
        words = f"The answer cannot be read ({type(error).__name__}: {error})"
    return words[:_LONGEST_CAUSE]


def code_of(error: Exception) -> str:
    """Return AWS's code of an error, Unknown for one that AWS did not answer with."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", "Unknown"))


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error that AWS answered with, 0 for another."""
    return int(getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def translate_step_functions_errors() -> Iterator[None]:
    """Translate transient errors of Step Functions to ScansUnavailableError."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if status < _SERVER_ERROR and code not in _TRANSIENT_CODES:
            raise
        raise ScansUnavailableError(str(error)) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise ScansUnavailableError(str(error)) from error


@contextmanager
def translate_s3_errors() -> Iterator[None]:
    """Translate transient errors of S3 to EvidenceUnavailableError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in _LASTING_OF_S3:
            raise
        raise EvidenceUnavailableError(str(error)) from error
    except BotoCoreError as error:
        raise EvidenceUnavailableError(str(error)) from error

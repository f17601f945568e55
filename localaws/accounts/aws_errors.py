"""What is in the way of reading an AWS account, in one line of plain words: what went wrong, and what to do."""

import os
import shlex
from dataclasses import dataclass

from botocore import exceptions
from botocore.exceptions import ClientError

from deploy.sessions import MfaCodeError, NoTerminalError

_NOT_KNOWN_THERE = (
    "Called in {region}. GovCloud and China want a Region of their own (AWS_REGION=us-gov-west-1, "
    "AWS_REGION=cn-north-1); in an opt-in Region try AWS_REGION=us-east-1. If the Region is right, the access key "
    "or the session is not valid any more: log in again."
)
_EXPIRED = "Called in {region}. Log in again, or export new credentials."
_WRONG_SIGNATURE = "Called in {region}. Check the secret access key, and this machine's clock."
_REGION_DISABLED = "Called in {region}. Name a Region that the account has enabled, such as AWS_REGION=us-east-1."
_THROTTLED = "AWS throttles these calls for now: try again later."
_BY_CODE = {
    **dict.fromkeys(("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"), _NOT_KNOWN_THERE),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired"), _EXPIRED),
    **dict.fromkeys(("SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"), _WRONG_SIGNATURE),
    **dict.fromkeys(("RegionDisabledException", "OptInRequired"), _REGION_DISABLED),
    **dict.fromkeys(("Throttling", "ThrottlingException", "RequestLimitExceeded"), _THROTTLED),
}
_BAD_MFA_CODE = "MultiFactorAuthentication failed"
_OF_IAM = "perform: iam:"
_LOG_IN = "Log in, or name a profile of your AWS configuration with --profile."
_SESSION_OVER = (
    "The session of profile {profile} ended while the account was read: run this again; "
    "duration_seconds in the profile makes a session longer."
)
_CHECK_PROFILE = "Check profile {profile} in your AWS configuration."
# The first of these that an error is one of.
_BY_TYPE: tuple[tuple[type[Exception], str], ...] = (
    (NoTerminalError, ""),
    (MfaCodeError, ""),
    (
        exceptions.RefreshWithMFAUnsupportedError,
        _SESSION_OVER,
    ),
    (exceptions.SSOError, "Log in again (aws sso login --profile {quoted})."),
    (exceptions.LoginError, "Log in again (aws login --profile {quoted})."),
    (exceptions.SSLError, "If a proxy inspects TLS here, set AWS_CA_BUNDLE to the file of its certificate authority."),
    (exceptions.ConnectionError, "Check the network, {proxy} and the Region ({region})."),
    (exceptions.HTTPClientError, "Check the network, {proxy} and the Region ({region})."),
    (exceptions.NoCredentialsError, _LOG_IN),
    (exceptions.ProfileNotFound, _LOG_IN),
    (exceptions.TokenRetrievalError, _LOG_IN),
    (exceptions.BotoCoreError, _CHECK_PROFILE),
)


@dataclass(frozen=True)
class Caller:
    """Whose credentials are used, and in which Region STS and IAM are called."""

    profile: str
    region: str


def is_refusal(error: ClientError) -> bool:
    """Return whether AWS refused the call for lack of a permission."""
    return code(error).startswith("AccessDenied")


def words(error: ClientError) -> str:
    """Return AWS's own words, with the error code, as one line."""
    return one_line(f"{code(error)}: {error.response.get('Error', {}).get('Message') or 'without a message'}")


def one_line(text: object) -> str:
    """Return text without line breaks and control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in str(text)).split())


def describe(error: Exception, caller: Caller) -> str:
    """Return sentences on one line that say what went wrong and what to do; they end in one full stop."""
    if isinstance(error, ClientError):
        what, advice = words(error), _advice_on(error)
    elif isinstance(error, exceptions.BotoCoreError):
        what, advice = one_line(error), next(advice for kind, advice in _BY_TYPE if isinstance(error, kind))
    else:  # such as a credential process that is not there, or a file that is not what it should be
        what, advice = (
            f"the AWS configuration does not work here: {type(error).__name__}: {one_line(error)}",
            _CHECK_PROFILE,
        )
    profile = {"profile": caller.profile, "quoted": shlex.quote(caller.profile)}
    return f"{what.rstrip(' .')}. {advice.format(**profile, region=caller.region, proxy=_proxy())}".rstrip()


def _advice_on(error: ClientError) -> str:
    if _BAD_MFA_CODE in words(error):
        return "AWS takes each code once: run this again with the next one."
    if is_refusal(error):
        return "--print-policy prints what allows it." if _OF_IAM in words(error) else _CHECK_PROFILE
    return _BY_CODE.get(code(error), "")


def _proxy() -> str:
    proxies = [name for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy") if os.environ.get(name)]
    return f"the proxy ({', '.join(proxies)})" if proxies else "whether a proxy is needed (HTTPS_PROXY)"


def code(error: ClientError) -> str:
    """Return AWS's error code."""
    return str(error.response.get("Error", {}).get("Code") or "Unknown")

"""Security Hub, which takes the findings of access keys."""

import re
from collections.abc import Sequence
from typing import Any

from chalicelib.aws import clients
from chalicelib.aws.errors import SecurityHubUnavailableError, failures, in_words, is_throttled, is_unanswered

_AT_ONCE = 100  # https://docs.aws.amazon.com/securityhub/latest/partnerguide/guidelines-batchimportfindings.html
_NOT_ENABLED = ("InvalidAccessException", "InvalidAccess")  # of a call, and of a finding
_DENIED = ("AccessDeniedException", "AccessDenied")
_LIMITED = "LimitExceededException"  # 10 calls a second, 30 in a burst
_LONGEST_REASON = 200


class SecurityHubNotEnabledError(Exception):
    """Security Hub is not enabled in this account and Region."""

    def __init__(self, region: str) -> None:
        super().__init__(
            f"Security Hub is not enabled in {region}: enable Security Hub CSPM there, or deploy with SecurityHub=off."
            " Once it is enabled, the next full scan sends all findings."
        )


class FindingsRefusedError(Exception):
    """Security Hub refused findings, or may not be given any."""


def import_findings(findings: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Put findings into Security Hub; return why some were refused, by their ids; of a call that is, all of its.

    Raise SecurityHubNotEnabledError, SecurityHubUnavailableError, or FindingsRefusedError where no call is allowed.
    """
    refused: dict[str, str] = {}
    for start in range(0, len(findings), _AT_ONCE):
        answer = _call(list(findings[start : start + _AT_ONCE]))
        for one in answer.get("FailedFindings", ()):
            if one["ErrorCode"] in _NOT_ENABLED:
                raise SecurityHubNotEnabledError(clients.security_hub().meta.region_name)
            refused[one["Id"]] = _reason(one)
    return refused


def _call(findings: list[dict[str, Any]]) -> dict[str, Any]:
    client = clients.security_hub()
    try:
        return client.batch_import_findings(Findings=findings)  # type: ignore[no-any-return]
    except failures() as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        if code in _NOT_ENABLED:
            raise SecurityHubNotEnabledError(client.meta.region_name) from None
        if code == _LIMITED or is_throttled(error) or is_unanswered(error):
            raise SecurityHubUnavailableError(_without_key_ids(in_words(error))) from None
        if code in _DENIED:
            raise FindingsRefusedError(f"Security Hub took none: {_without_key_ids(in_words(error))}") from None
        kind, _, words = in_words(error).partition(": ")
        return {"FailedFindings": [{"Id": one["Id"], "ErrorCode": kind, "ErrorMessage": words} for one in findings]}


def _reason(refused: dict[str, Any]) -> str:
    """Return why a finding was refused, as a log may have it."""
    return _without_key_ids(f"{refused['ErrorCode']}: {refused.get('ErrorMessage', '')}")[:_LONGEST_REASON]


def _without_key_ids(text: str) -> str:
    return re.sub(r"\bA[KS]IA\w+", "(not shown)", text)

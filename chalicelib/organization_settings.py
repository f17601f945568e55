"""Which accounts a stage scans, and by which role it reads them: environment variables, parsed in one place."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.organization_documents import ACCOUNT_ID_PATTERN, MOST_ACCOUNTS
from chalicelib.policy import InvalidPolicyError
from chalicelib.settings import InvalidSettingError

_WHOLE = "organization"
_IDS = f"1 to {MOST_ACCOUNTS} account ids of 12 digits, each once, with a comma and no space between"
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_ROLE_NAME, _ROLE_NAME_TAKES = r"[A-Za-z0-9_+=,.@-]{1,64}", "1 to 64 characters out of A-Z a-z 0-9 _ + = , . @ -"
_EXTERNAL_ID, _EXTERNAL_ID_TAKES = (
    r"[A-Za-z0-9=,.@:/_+-]{2,64}",
    "2 to 64 characters out of A-Z a-z 0-9 = , . @ : / _ + -",
)


@dataclass(frozen=True)
class OrganizationSettings:
    """Which accounts a stage scans: all of its organization, those named, or those of a list in S3; or its own alone.

    `excluded` are scanned in no case.
    """

    whole: bool = False
    named: tuple[str, ...] = ()
    list_key: str = ""  # in the reports bucket
    excluded: tuple[str, ...] = ()

    @property
    def scans_organization(self) -> bool:
        """Whether the stage scans others than its own account."""
        return self.whole or bool(self.named or self.list_key)


@dataclass(frozen=True)
class ReaderSettings:
    """The role that is assumed in each account, the external id for that, and whether CloudTrail is asked, too."""

    role_name: str
    external_id: str
    usage_evidence: bool = False


def parse_organization_settings(settings: Mapping[str, str]) -> OrganizationSettings:
    """Read ACCOUNTS and EXCLUDED_ACCOUNTS, both optional; raise InvalidSettingError for an invalid value."""
    text, excluded = settings.get("ACCOUNTS", ""), settings.get("EXCLUDED_ACCOUNTS", "")
    left_out = _ids("EXCLUDED_ACCOUNTS", excluded, f"nothing, or {_IDS}") if excluded else ()
    if text in ("", _WHOLE):
        return OrganizationSettings(whole=text == _WHOLE, excluded=left_out)
    listed = f"s3://{settings.get('REPORTS_BUCKET', 'BUCKET')}/organization/"
    takes = f"nothing, {_WHOLE}, {_IDS}, or {listed}NAME, a list of ids in the stack's own bucket"
    if text.startswith("s3:"):
        name = text.removeprefix(listed)
        if name == "latest.json" or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}", name, re.ASCII):
            raise InvalidSettingError("ACCOUNTS", text, takes)
        return OrganizationSettings(list_key=f"organization/{name}", excluded=left_out)
    return OrganizationSettings(named=_ids("ACCOUNTS", text, takes), excluded=left_out)


def _ids(name: str, text: str, takes: str) -> tuple[str, ...]:
    ids = tuple(text.split(","))
    valid = all(re.fullmatch(ACCOUNT_ID_PATTERN, one, re.ASCII) for one in ids)
    if not valid or len(set(ids)) < len(ids) or len(ids) > MOST_ACCOUNTS:
        raise InvalidSettingError(name, text, takes)
    return ids


def parse_reader_settings(settings: Mapping[str, str]) -> ReaderSettings:
    """Read READER_ROLE_NAME, EXTERNAL_ID and the optional USAGE_EVIDENCE; raise InvalidSettingError for one invalid."""
    return ReaderSettings(
        role_name=_matching(settings, "READER_ROLE_NAME", _ROLE_NAME, _ROLE_NAME_TAKES),
        external_id=_matching(settings, "EXTERNAL_ID", _EXTERNAL_ID, _EXTERNAL_ID_TAKES),
        usage_evidence=_matching({"USAGE_EVIDENCE": "off", **settings}, "USAGE_EVIDENCE", "on|off", "on or off")
        == "on",
    )


def _matching(settings: Mapping[str, str], name: str, pattern: str, takes: str) -> str:
    text = settings.get(name, "")
    if not re.fullmatch(pattern, text, re.ASCII):
        raise InvalidSettingError(name, text, takes)
    return text


def check_requested(settings: OrganizationSettings, requested: Sequence[str] | None) -> None:
    """Raise InvalidPolicyError, naming the account, if a request names one that the stage does not scan.

    Of a stage that scans its whole organization or a list in S3, only the scan itself knows all accounts.
    """
    if requested is None:
        return
    if not settings.scans_organization:
        takes = "nothing: this stage scans its own account alone (stack parameter Accounts)"
        raise InvalidPolicyError("accounts", list(requested), takes)
    for index, account_id in enumerate(requested):
        if account_id in settings.excluded:
            takes = "accounts that this stage scans, and this one is among ExcludedAccounts (stack parameter)"
            raise InvalidPolicyError(f"accounts[{index}]", account_id, takes)
        if settings.named and account_id not in settings.named:
            takes = "accounts that this stage scans: those of the stack parameter Accounts"
            raise InvalidPolicyError(f"accounts[{index}]", account_id, takes)


def organization_settings() -> OrganizationSettings:
    """Return the stage's ACCOUNTS and EXCLUDED_ACCOUNTS; raise InvalidSettingError if one is refused."""
    return parse_organization_settings(os.environ)


def reader_settings() -> ReaderSettings:
    """Return the stage's READER_ROLE_NAME, EXTERNAL_ID and USAGE_EVIDENCE; InvalidSettingError if one is refused."""
    return parse_reader_settings(os.environ)

"""Scans of made-up users on a local AWS, and account files made in few words. It loads no moto."""

import json
from typing import TYPE_CHECKING, Any

from localaws.accounts.account_file import Account

if TYPE_CHECKING:
    from localaws.environment import LocalAws
    from localaws.scan_run import ScanResult


class Scanner:
    """Scans made-up users on a local AWS that is up already."""

    def __init__(self, aws: "LocalAws") -> None:
        self.aws = aws

    def seed(self, account_users: list[dict[str, Any]], root_access_keys: int = 0) -> None:
        """Let IAM have these users."""
        account = {"root": {"access_keys": root_access_keys}, "users": account_users}
        self.aws.seed(Account.model_validate_json(json.dumps(account)))

    def scan(self, account_users: list[dict[str, Any]], /, **policy: Any) -> "ScanResult":
        """Scan as of an instant that the tests' dates are made for."""
        return self.full_scan(account_users, **{"as_of": "2026-11-22T08:00:00Z", **policy})

    def full_scan(
        self, account_users: list[dict[str, Any]], /, *, root_access_keys: int = 0, **policy: Any
    ) -> "ScanResult":
        """Scan as of now."""
        self.seed(account_users, root_access_keys)
        self.aws.messages()  # those of an earlier test
        self.aws.mail()
        return self.aws.scan(json.dumps(policy))

    def report(self, account_users: list[dict[str, Any]], /, **policy: Any) -> dict[str, Any]:
        result = self.scan(account_users, **policy)
        assert result.error is None
        return dict(result.report or {})


def user(name: str, *created: str, **more: Any) -> dict[str, Any]:
    """A user of an account file with a key for each instant of creation."""
    return {"user_name": name, "access_keys": [{"created_at": instant} for instant in created], **more}

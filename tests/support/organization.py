"""Scans of an organization's accounts in this process; the bucket is a dictionary, the clock as a test sets it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

import pytest

from chalicelib.aws import account_scan, bucket, members
from chalicelib.evaluation.usage import Clock
from chalicelib.outputs.reports import RENDERERS
from tests.support.fake_aws import FakeAws, detail, details, key, listing, user

OWN, A, B = "999999999999", "111111111111", "222222222222"
OLD = "2026-01-01T00:00:00Z"
SCAN: dict[str, Any] = {
    "scan_id": "scan-1",
    "execution_arn": f"arn:aws:states:eu-west-1:{OWN}:execution:iam-key-age-dev-organization:scan-1",
    "started_at": "2026-11-22T08:00:00Z",
    "policy": {"max_age_days": 90, "warn_days": 14, "include_inactive": False},
}
WRITTEN = datetime(2026, 11, 21, 8, 5, tzinfo=UTC)  # each file
SETTINGS = {
    "REPORTS_BUCKET": "reports",
    "READER_ROLE_NAME": "iam-key-age-reader",
    "EXTERNAL_ID": "iam-key-age",
    "USAGE_EVIDENCE": "off",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIAOWN",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


@dataclass
class Organization:
    """What a test needs of it: the AWS that answers, the files that are kept, and how many seconds are left."""

    aws: FakeAws
    files: dict[str, bytes]
    left: Callable[[], float] = lambda: 900.0
    waits: list[float] = field(default_factory=list)

    def scan(
        self, account_id: str, last_scan_id: str | None = None, told_at: str | None = None, **policy: Any
    ) -> dict[str, Any]:
        """Scan an account as the function does."""
        event: dict[str, Any] = {
            "scan": {**SCAN, "policy": {**SCAN["policy"], **policy}},
            "account": {"account_id": account_id, "name": "web", "last_scan_id": last_scan_id},
        }
        event["account"] |= {"told_at": told_at} if told_at else {}
        return self.scan_event(event)

    def scan_event(self, event: dict[str, Any]) -> dict[str, Any]:
        return account_scan.scan_account(event, RENDERERS, Clock(lambda: 0.0, self.waits.append, self.left))

    def file(self, name: str, scan_id: str = "scan-1") -> Any:
        return json.loads(self.files[f"scans/{scan_id}/{name}"])

    def report(self, account_id: str) -> Any:
        return self.file(f"accounts/{account_id}/report.json")


def use_fake_aws(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Organization:
    """Let the product call the fake AWS, and keep its files in a dictionary."""
    files: dict[str, bytes] = {}

    def put(key: str, body: bytes | IO[bytes], _media_type: str, **_conditions: Any) -> None:
        files[key] = body if isinstance(body, bytes) else body.read()

    monkeypatch.setattr(bucket, "put", put)
    monkeypatch.setattr(bucket, "get", lambda key, _began=None: files.get(key))
    monkeypatch.setattr(bucket, "written_at", lambda key, _began: WRITTEN if key in files else None)
    for name, value in {**SETTINGS, "AWS_ENDPOINT_URL": aws.url, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    for cached in (members._own_sts, members._session):
        cached.cache_clear()
    return Organization(aws, files)


def let_users_be(organization: Organization, *names: str, created: str = OLD, **more: str) -> None:
    """Let the account have users with a key each; its id is the user's name in capitals."""
    organization.aws.answers["ListUsers"] = listing("Users", *(user(UserName=name) for name in names))
    organization.aws.answers["GetAccountAuthorizationDetails"] = details(*(detail(UserName=name) for name in names))

    def keys(call: dict[str, str]) -> str:
        name = call["UserName"]
        return listing("AccessKeyMetadata", key(UserName=name, AccessKeyId=key_id(name), CreateDate=created, **more))

    organization.aws.answers["ListAccessKeys"] = keys


def key_id(name: str) -> str:
    return f"AKIA{name.upper().replace('-', ''):0>16}"

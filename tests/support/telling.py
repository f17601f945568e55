"""Stacks that tell others than the topic, on a running local AWS."""

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from moto.securityhub.models import securityhub_backends

from deploy.package import PROJECT
from deploy.template import RESOURCES, read_resources
from localaws.accounts.account_file import Account
from localaws.clients import REGION
from localaws.faults import Faults
from tests.support.scanner import Scanner

if TYPE_CHECKING:
    from localaws.environment import LocalAws
    from localaws.scan_run import ScanResult

BY_SES = {"OwnerNotices": "ses", "NoticesFrom": "keys@example.com", "OwnerDomains": "example.com"}


class Telling:
    """Scans made-up users on a local AWS whose stack tells others."""

    def __init__(self, aws: "LocalAws") -> None:
        self.aws = aws
        self.scanner = Scanner(aws)

    def scan(self, *users: dict[str, Any], **policy: Any) -> "ScanResult":
        """Scan an account of these users."""
        return self.scanner.full_scan([*users], **policy)

    def scan_again(self, **faults: Any) -> "ScanResult":
        """Scan the account as it is, while something goes wrong."""
        self.aws.inject(Faults.model_validate(faults))
        try:
            return self.aws.scan("{}")
        finally:
            self.aws.inject(Faults())

    def forget(self) -> None:
        """Forget what anybody was told, and the last scan."""
        s3, bucket = self.aws.client("s3"), self.aws.outputs()["ReportsBucket"]
        for prefix in ("notices/", "security-hub/", "latest.json", "organization/latest.json"):
            for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=item["Key"])
        self.aws.receivers.forget()

    def empty_security_hub(self) -> None:
        """Let Security Hub have no findings."""
        securityhub_backends[self.aws.account.account_id][REGION].findings.clear()

    def kept(self, prefix: str) -> list[dict[str, Any]]:
        """Return the documents that are kept under a prefix of the bucket."""
        s3, bucket = self.aws.client("s3"), self.aws.outputs()["ReportsBucket"]
        items = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return [json.loads(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()) for item in items]


@contextlib.contextmanager
def telling(aws: "LocalAws", **parameters: str) -> Iterator[Telling]:
    """Let the stack tell others for a while."""
    aws.deploy(parameters)
    told = Telling(aws)
    told.forget()
    try:
        yield told
    finally:
        aws.inject(Faults())
        told.forget()
        aws.seed(Account(users=[]))
        known = read_resources(PROJECT / RESOURCES)["Parameters"]
        aws.deploy({name: str(known[name]["Default"]) for name in parameters})


def owned(name: str, owner: str | None, *ages: float, **more: Any) -> dict[str, Any]:
    """Return a user of an account file with an owner tag, and keys of these ages in days."""
    keys = [{"access_key_id": f"AKIA{name.upper():X<12}{int(age):04}", "age_days": age, **more} for age in ages]
    return {"user_name": name, "tags": {"owner": owner} if owner else {}, "access_keys": keys}


def key_id(name: str, age: float) -> str:
    """Return the id of such a key."""
    return f"AKIA{name.upper():X<12}{int(age):04}"

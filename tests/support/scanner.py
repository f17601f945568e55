"""Scans of made-up users on a local AWS, and short ways to write account files. It does not import moto."""

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from localaws.accounts.account_file import Account

if TYPE_CHECKING:
    from localaws.environment import LocalAws
    from localaws.scan_run import ScanResult

OLD, IN_TIME, FRESH = "2026-08-24T07:59:59Z", "2026-08-24T08:00:00Z", "2026-11-01T00:00:00Z"


class Scanner:
    """Scans made-up users on a running local AWS."""

    def __init__(self, aws: "LocalAws") -> None:
        self.aws = aws

    def seed(self, account_users: list[dict[str, Any]], root_access_keys: int = 0, **more: Any) -> None:
        """Replace the users of IAM by these, and what else of the account file is given."""
        account = {"root": {"access_keys": root_access_keys}, "users": account_users, **more}
        self.aws.seed(Account.model_validate_json(json.dumps(account)))

    def scan(self, account_users: list[dict[str, Any]], /, **policy: Any) -> "ScanResult":
        """Scan as of the instant that the tests' dates are made for."""
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
    """Return a user of an account file with a key for each instant of creation."""
    return {"user_name": name, "access_keys": [{"created_at": instant} for instant in created], **more}


def users(count: int, *created: str) -> list[dict[str, Any]]:
    return [user(f"user-{number:04}", *created) for number in range(count)]


def aged(name: str, *ages: float, **more: Any) -> dict[str, Any]:
    """Return a user of an account file with keys of these ages in days; a key's id has the user's name and the age."""
    keys = [{"access_key_id": f"AKIA{name.upper():X<12}{int(age):04}", "age_days": age, **more} for age in ages]
    return {"user_name": name, "access_keys": keys}


def worst_tags(letter: str) -> dict[str, str]:
    tags = dict.fromkeys(("iam-key-age:exempt-until", "iam-key-age:exempt-reason", "owner", "email"), letter * 256)
    return tags | {f"{number:02}{letter * 126}": letter * 256 for number in range(46)}


def execute(scanner: Scanner, document: object) -> dict[str, Any]:
    """Start an execution by hand and return it when it has ended."""
    states = scanner.aws.client("stepfunctions")
    arn = scanner.aws.outputs()["StateMachineArn"]
    started = states.start_execution(stateMachineArn=arn, input=json.dumps(document))
    while (execution := states.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        threading.Event().wait(0.05)
    return dict(execution)


def invoke(scanner: Scanner, function: str, event: object) -> dict[str, Any]:
    name = scanner.aws.function(function).function_name
    answer = scanner.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return dict(payload)


def latest(scanner: Scanner) -> dict[str, Any]:
    bucket = scanner.aws.outputs()["ReportsBucket"]
    body = scanner.aws.client("s3").get_object(Bucket=bucket, Key="latest.json")["Body"].read()
    return dict(json.loads(body))


def keep_as_latest(scanner: Scanner, body: str | None) -> None:
    place = {"Bucket": scanner.aws.outputs()["ReportsBucket"], "Key": "latest.json"}
    s3 = scanner.aws.client("s3")
    s3.delete_object(**place) if body is None else s3.put_object(**place, Body=body.encode())


@contextlib.contextmanager
def changed_settings(scanner: Scanner, function_name: str = "BuildReport", /, **changed: str) -> Iterator[None]:
    """Change a function's settings, as a parameter of the stack does."""
    function = scanner.aws.function(function_name)
    before = dict(function.environment_vars)
    function.environment_vars.update(changed)
    try:
        yield
    finally:
        function.environment_vars.clear()
        function.environment_vars.update(before)


def iam_calls(result: "ScanResult") -> dict[str, int]:
    return {name: count for name, count in result.stats["calls"].items() if name.startswith("iam:")}

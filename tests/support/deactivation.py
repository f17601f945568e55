"""Plans, executions of the deactivation machine and what is on record of them, on a running local AWS."""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from moto.iam.models import AccessKeyLastUsed, IAMBackend, iam_backends
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from chalicelib.aws.executions import failure_in_words
from deploy.package import PROJECT
from deploy.template import RESOURCES, read_resources
from localaws.accounts.account_file import Account
from localaws.calls import Call
from localaws.error_answers import ErrorAnswer
from localaws.fault_injector import FaultInjector
from tests.support.executions import ended
from tests.support.scanner import Scanner

if TYPE_CHECKING:
    from localaws.environment import LocalAws

OWN = "123456789012"
APPROVER, UNDOER = f"arn:aws:iam::{OWN}:user/approver", f"arn:aws:iam::{OWN}:user/undoer"
AT = "2026-11-27T08:00:00Z"
SETTINGS = {
    "Deactivation": "apply",
    "DeactivateAfterDays": "0",
    "DeactivationWeekdays": "MON,TUE,WED,THU,FRI,SAT,SUN",
    "MaxDeactivationsPerScan": "2",
}


class Execution(NamedTuple):
    """How an execution ended."""

    arn: str
    status: str
    error: str
    results: list[dict[str, Any]]

    @property
    def result(self) -> tuple[str, str]:
        """What became of its one key, and why."""
        [result] = self.results
        return result["result"], result["why"]


class Deactivation:
    """Plans keys of made-up users, and deactivates them, on a local AWS that is set up for that."""

    def __init__(self, aws: "LocalAws") -> None:
        self.aws = aws
        self.scanner = Scanner(aws)

    def plan(self, *users: dict[str, Any]) -> str:
        """Make a plan for an account of these users, by a full scan; return the scan's id."""
        scan = self.scanner.full_scan([*users])
        assert scan.error is None
        self.scan_id, self.report = scan.scan_id, scan.report
        return scan.scan_id

    @property
    def machine(self) -> str:
        """The ARN of the deactivation machine."""
        return f"{self.aws.outputs()['StateMachineArn']}-deactivation"

    def start(self, name: str = "", /, **given: Any) -> str:
        """Start an execution with this input; return its ARN."""
        states, text = self.aws.client("stepfunctions"), json.dumps({"by": APPROVER, "at": AT, **given})
        started = states.start_execution(stateMachineArn=self.machine, name=name or str(uuid.uuid4()), input=text)
        return str(started["executionArn"])

    def ended(self, arn: str) -> Execution:
        """Wait for the end of an execution."""
        execution = ended(self.aws, arn)
        results = json.loads(execution["output"])["results"] if "output" in execution else []
        return Execution(arn, execution["status"], failure_in_words(execution) or "", results)

    def approve(self, *names: str) -> str:
        """Start an execution that deactivates these keys of the last plan; return its ARN."""
        return self.start(scan_id=self.scan_id, access_key_ids=[key_id(name) for name in names])

    def apply(self, *names: str) -> Execution:
        """Deactivate these keys of the last plan."""
        return self.ended(self.approve(*names))

    def undo(self, name: str) -> Execution:
        """Activate a key again."""
        return self.ended(self.start(undo=f"{OWN}-{key_id(name)}-1", by=UNDOER))

    def redrive(self, arn: str) -> Execution:
        """Let an execution go on where it ended."""
        self.aws.client("stepfunctions").redrive_execution(executionArn=arn)
        return self.ended(arn)

    def status(self, name: str) -> str:
        """Return what IAM has of a key."""
        return str(self.iam.access_keys[key_id(name)].status)

    def use(self, name: str) -> None:
        """Use a key now."""
        self.iam.access_keys[key_id(name)].last_used = AccessKeyLastUsed(datetime.now(UTC), "s3", "us-east-1")

    @property
    def iam(self) -> IAMBackend:
        """What IAM holds, to change it and not to be counted."""
        return iam_backends[OWN]["aws"]

    def files(self, name: str) -> dict[str, Any]:
        """Return the files of a key's actions, by their name under the account's."""
        s3, bucket = self.aws.client("s3"), self.aws.outputs()["ReportsBucket"]
        prefix = f"actions/{OWN}/"
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}{key_id(name)}-").get("Contents", [])
        bodies = {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}
        return {key.removeprefix(prefix): json.loads(body) for key, body in bodies.items()}

    def record(self, name: str) -> dict[str, Any]:
        """Return the last action of a key as it is on record."""
        files = self.files(name)
        return dict(files[max(files)])

    def forget(self) -> None:
        """Forget all plans and actions."""
        s3, bucket = self.aws.client("s3"), self.aws.outputs()["ReportsBucket"]
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="actions/").get("Contents", [])
        for key in ["latest.json", *(one["Key"] for one in listed)]:
            s3.delete_object(Bucket=bucket, Key=key)


@contextlib.contextmanager
def deactivating(aws: "LocalAws", **parameters: str) -> Iterator[Deactivation]:
    """Let the stack deactivate keys for a while."""
    settings = {**SETTINGS, **parameters}
    aws.deploy(settings)
    deactivation = Deactivation(aws)
    try:
        yield deactivation
    finally:
        deactivation.forget()
        aws.seed(Account(users=[]))
        known = read_resources(PROJECT / RESOURCES)["Parameters"]
        aws.deploy({name: str(known[name]["Default"]) for name in settings})


def meddle(monkeypatch: pytest.MonkeyPatch, step: Callable[[Call], ErrorAnswer | None]) -> None:
    """Run a step before each call of the machine and of its function; what it returns is the call's answer."""
    answer = FaultInjector.answer

    def step_and_answer(self: FaultInjector, call: Call) -> ErrorAnswer | None:
        return step(call) or answer(self, call)

    monkeypatch.setattr(FaultInjector, "answer", step_and_answer)


def skip_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Wait states, and retries, take no time."""
    monkeypatch.setattr(WaitFunction, "_wait_interval", lambda *_, **__: None)
    monkeypatch.setattr("random.uniform", lambda low, _high: low)


def key(name: str, age: float = 200, used: float | None = None, **more: Any) -> dict[str, Any]:
    """Return a key of an account file, by its age and its last use in days."""
    last_used = {} if used is None else {"last_used": {"days_ago": used}}
    return {"access_key_id": key_id(name), "age_days": age, **last_used, **more}


def key_id(name: str) -> str:
    """Return the id of a key that `key` makes."""
    return f"AKIA{name.upper().replace('-', ''):0>16}"


def user(name: str, *keys: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a user of an account file, with a key of their name unless keys are given."""
    return {"user_name": name, "access_keys": [*keys] or [key(name)], **more}

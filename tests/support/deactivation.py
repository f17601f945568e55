"""Plans, executions of the deactivation machine and what is on record of them, on a running local AWS."""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from deploy.package import PROJECT
from deploy.template import RESOURCES, read_resources
from localaws.accounts.account_file import Account
from localaws.faults import Faults
from localaws.scan_run import ScanResult
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
    "MaxDeactivationsPerScan": "3",
}


class Execution(NamedTuple):
    """How an execution ended."""

    arn: str
    status: str
    error: str | None
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

    def plan(self, *users: dict[str, Any]) -> ScanResult:
        """Make a plan for an account of these users, by a full scan."""
        return self.scanner.full_scan([*users])

    def start(self, name: str = "", /, **given: Any) -> str:
        """Start an execution with this input; return its ARN."""
        states, outputs = self.aws.client("stepfunctions"), self.aws.outputs()
        machine = outputs["StateMachineArn"].replace("iam-key-age-local", "iam-key-age-local-deactivation")
        text = json.dumps({"by": APPROVER, "at": AT, **given})
        started = states.start_execution(stateMachineArn=machine, name=name or str(uuid.uuid4()), input=text)
        return str(started["executionArn"])

    def ended(self, arn: str) -> Execution:
        """Wait for the end of an execution."""
        execution = ended(self.aws, arn)
        error = f"{execution['error']}: {execution.get('cause', '')}" if "error" in execution else None
        results = json.loads(execution["output"])["results"] if "output" in execution else []
        return Execution(arn, execution["status"], error, results)

    def apply(self, plan: ScanResult, *key_ids: str, **given: Any) -> Execution:
        """Deactivate these keys of a plan."""
        return self.ended(self.start(scan_id=plan.scan_id, access_key_ids=[*key_ids], **given))

    def undo(self, action_id: str) -> Execution:
        """Activate the key of an action again."""
        return self.ended(self.start(undo=action_id, by=UNDOER))

    def redrive(self, arn: str) -> Execution:
        """Let an execution go on where it ended."""
        self.aws.client("stepfunctions").redrive_execution(executionArn=arn)
        return self.ended(arn)

    def statuses(self) -> dict[str, str]:
        """Return what IAM says of each key."""
        iam = self.aws.client("iam")
        users = [user["UserName"] for user in iam.list_users()["Users"]]
        keys = [key for user in users for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]
        return {key["AccessKeyId"]: key["Status"] for key in keys}

    def record(self, key_id: str) -> dict[str, Any] | None:
        """Return the last action of a key as the bucket has it, None for none."""
        files = self.files(key_id)
        return files[max(files)] if files else None

    def files(self, key_id: str = "") -> dict[str, Any]:
        """Return the files of actions, of all keys or of one, by their name under the account's."""
        s3, bucket = self.aws.client("s3"), self.aws.outputs()["ReportsBucket"]
        prefix = f"actions/{OWN}/"
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}{key_id}").get("Contents", [])
        bodies = {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}
        return {key.removeprefix(prefix): json.loads(body) for key, body in bodies.items()}

    def forget(self) -> None:
        """Forget all plans, actions, messages and faults."""
        s3, bucket = self.aws.client("s3"), self.aws.outputs()["ReportsBucket"]
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="actions/").get("Contents", [])
        for key in ["latest.json", *(one["Key"] for one in listed)]:
            s3.delete_object(Bucket=bucket, Key=key)
        self.aws.inject(Faults())
        self.aws.mail()
        self.aws.messages()


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


Answer = Callable[[Any], Any]

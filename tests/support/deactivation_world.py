"""All that the deactivation machine calls, in this process, for executions of its real definition and function."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.aws import clients, report_store
from chalicelib.aws.planning import Planner
from chalicelib.evaluation.account import AccountReader, Wanted, no_facts
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.instants import format_instant
from chalicelib.report.changes import join_and_compare
from chalicelib.steps.deactivations import STEPS
from tests.support.fake_scans import Bucket, refusal
from tests.support.organizations import OWN
from tests.support.state_machine import Clock, Definition, Execution, TaskFailedError

APPROVER, UNDOER = f"arn:aws:iam::{OWN}:user/approver", f"arn:aws:iam::{OWN}:user/undoer"
MACHINE = f"arn:aws:states:us-east-1:{OWN}:execution:machine"
ROLE = f"arn:aws:iam::{OWN}:role/deactivator"
BEGAN = datetime(2026, 11, 23, 8, tzinfo=UTC)  # a Monday
FILE = Path(__file__).parents[2] / "statemachine" / "deactivation.asl.json"
DEFINITION = Definition(
    FILE,
    {
        "Partition": "aws",
        "CheckDeactivationArn": "check_deactivation",
        "DeactivatorRoleArn": ROLE,
        "NotificationsTopicArn": "topic",
    },
)
ENVIRONMENT = {
    "REPORTS_BUCKET": "reports",
    "DEACTIVATION": "apply",
    "DEACTIVATE_AFTER_DAYS": "0",
    "DEACTIVATION_WEEKDAYS": "MON,TUE,WED,THU,FRI,SAT,SUN",
    "MAX_DEACTIVATIONS_PER_SCAN": "3",
    "EVENT_BUS": f"arn:aws:events:us-east-1:{OWN}:event-bus/default",
}
A, B = "AKIAALICE", "AKIABOB"
BOTH = [(A, "Inactive"), (B, "Inactive")]
# What may go wrong with a call: nothing happens, or it happens and its answer is lost; a crash is not tried again. Or a
# function is invoked twice at once, and of the one that takes longer nobody sees the answer.
FAULTS = ("refused", "throttled", "time_out", "lose", "crash", "stop", "stop_after", "duplicate", "late_duplicate")
_DUPLICATES = {"duplicate": "record", "late_duplicate": "publish"}  # before which call the other one is done


class StoppedError(Exception):
    """The execution is stopped in the middle of a call."""


@dataclass
class Key:
    """An access key of IAM's."""

    created: datetime
    status: str = "Active"
    used: datetime | None = None


@dataclass
class User:
    """A user of IAM's, with the keys by their ids."""

    keys: dict[str, Key]
    path: str = "/"
    tags: dict[str, str] = field(default_factory=dict)


def idle(days: float = 120) -> Key:
    """Return an overdue key that was last used so many days ago."""
    return Key(BEGAN - timedelta(days=300), used=BEGAN - timedelta(days=days))


@dataclass(frozen=True)
class Asked:
    """What IAM said of a key when an execution asked last: when it began to ask, the key, and its user's tags."""

    at: datetime
    key: Key
    tags: dict[str, str] | None = None


@dataclass(frozen=True)
class Change:
    """A change of a key's status that the machine made; what its execution had asked, and whether it was on record."""

    execution_arn: str
    key_id: str
    status: str
    at: datetime
    asked: dict[str, Asked]  # by access key id
    intended: bool


class World:
    """An account of users, the plan of a scan of it, and executions that change its keys.

    `faults` says of each call what goes wrong, time by time.
    """

    def __init__(self, users: dict[str, User], monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
        self.users = users
        self.clock = Clock(round(BEGAN.timestamp() * 1000), monkeypatch)
        self.bucket = _Store(self)
        self.faults: dict[str, list[str]] = {}
        self.meanwhile: list[Execution] = []  # run right before an intent is put
        self._duplicates: dict[str, list[dict[str, Any]]] = {}  # payloads of invocations that go on until a call
        self.changes: list[Change] = []
        self.largest = 0  # bytes that a task was given or answered
        self._asked: dict[str, dict[str, Asked]] = {}  # by execution and key
        self.messages: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.log: list[tuple[str, str, str]] = []  # of changes and of events: which, whose execution, of which key
        self._numbers = itertools.count(1)
        monkeypatch.setattr(clients, "s3", lambda: self.bucket)
        for name, value in {**ENVIRONMENT, **environment}.items():
            monkeypatch.setenv(name, value)

    def plan(self, sent_after: float = 0) -> list[str]:
        """Scan the account, and make that the last scan so many seconds later; return the keys that are due."""
        now, scan_id = self.clock.now(), f"scan-{next(self._numbers)}"
        reader = AccountReader(settings.tag_settings().owner_tags)
        reader.add({"UserDetailList": [self._described(name) for name in self.users]})
        wanted = Wanted(scan_id, OWN, "aws", None, root=True)
        account = no_facts(wanted, format_instant(now)) | {"users": reader.users()}
        context = ScanContext(scan_id, OWN, now, settings.stage_defaults(), account, started_at=now)
        page = evaluate_page(context, 1, [*self.users], [self._outcome(name) for name in self.users])
        planner = Planner()
        report = join_and_compare(
            [page], planner.watch(report_store.load_last_report, report_store.last_kept_at), account, now
        )
        planner.plan(report)
        self.bucket.keep(f"scans/{scan_id}/report.json", report)
        self.clock.wait(sent_after)
        self.bucket.keep("latest.json", {"scan_id": scan_id, "account_id": OWN, "as_of": report["as_of"]})
        due = [one["access_key_id"] for one in report["findings"] if one.get("plan", {}).get("status") == "due"]
        self.scan_id, self.report = scan_id, report
        return due

    def execution(self, **given: Any) -> Execution:
        """Make an execution of the machine with this input."""
        name, at = f"execution-{next(self._numbers)}", format_instant(self.clock.now())
        task = partial(self.task, f"{MACHINE}:{name}")
        return Execution(DEFINITION, f"{MACHINE}:{name}", {"by": APPROVER, "at": at, **given}, task, self.clock)

    def approved(self, *key_ids: str) -> Execution:
        """Make an execution that deactivates these keys of the last plan."""
        return self.execution(scan_id=self.scan_id, access_key_ids=[*key_ids])

    def undo(self, action_id: str) -> Execution:
        """Make an execution that undoes an action."""
        return self.execution(undo=action_id, by=UNDOER)

    def find(self, key_id: str) -> tuple[str, Key] | None:
        """Return a key and the name of its user, None where it is gone."""
        return next(((name, user.keys[key_id]) for name, user in self.users.items() if key_id in user.keys), None)

    def actions(self, key_id: str = "") -> list[dict[str, Any]]:
        """Return all actions as they are on record, or those of a key."""
        ids = {key.rpartition("/")[0] for key in self.bucket.objects if key.startswith(f"actions/{OWN}/{key_id}")}
        last = (max(key for key in self.bucket.objects if key.startswith(f"{one}/")) for one in sorted(ids))
        return [json.loads(self.bucket.objects[key]) for key in last]

    def task(self, arn: str, operation: str, arguments: Any, role: str | None) -> Any:
        """Answer a task of an execution."""
        self.clock.wait(0.2)
        self._measure(arguments)
        service, _, name = operation.rpartition(":")
        if name == "invoke":
            name = arguments["Payload"]["step"]
        for payload in self._duplicates.pop(name, ()):
            with suppress(TaskFailedError):
                self._invoke(payload)
        if service == "lambda" and (until := _DUPLICATES.get("".join(self.faults.get(name, [])[:1]))):
            self._duplicates.setdefault(until, []).append(arguments["Payload"])
        with self.fault_at(name):
            if service == "lambda":
                return self._invoke(arguments["Payload"])
            if service == "aws-sdk:sns":
                self.messages.append(arguments)
                return {"MessageId": "1"}
            if service == "events":
                self.log += [("event", arn, entry["Detail"]["access_key_id"]) for entry in arguments["Entries"]]
                self.events += arguments["Entries"]
                return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}
            assert role == ROLE
            return getattr(self, f"_{name}")(arn, **arguments)

    @contextmanager
    def fault_at(self, call: str, error: Exception | None = None) -> Iterator[None]:
        """Let go wrong what is to, before the call or after it."""
        fault = self.faults[call].pop(0) if self.faults.get(call) else ""
        if fault == "stop":
            raise StoppedError
        if fault in ("refused", "throttled", "time_out"):
            raise error or TaskFailedError(*_error(fault, call))
        yield
        if fault == "stop_after":
            raise StoppedError
        if fault in ("lose", "crash"):
            raise error or TaskFailedError(*_error(fault, call))

    def _invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = STEPS[payload["step"]](json.loads(json.dumps(payload)), self.clock.now())
        except Exception as error:
            raise TaskFailedError(type(error).__name__, str(error)) from error
        self._measure(answer)
        return {"Payload": json.loads(json.dumps(answer))}

    def _measure(self, carried: Any) -> None:
        self.largest = max(self.largest, len(json.dumps(carried, ensure_ascii=False).encode()))

    def _listAccessKeys(self, arn: str, UserName: str, Marker: str = "0") -> dict[str, Any]:  # noqa: N802, N803  # as IAM has it
        keys = list(self._user(UserName).keys.items())
        start = int(Marker)
        if arn not in self._asked or not start:
            self._asked[arn] = {}
        for key_id, key in keys[start : start + 1]:
            self._asked[arn][key_id] = Asked(self.clock.now(), replace(key))
        page = [
            {"UserName": UserName, "AccessKeyId": key_id, "Status": key.status, "CreateDate": _seconds(key.created)}
            for key_id, key in keys[start : start + 1]  # one a page: IAM may
        ]
        more = {"Marker": str(start + 1)} if start + 1 < len(keys) else {}
        return {"AccessKeyMetadata": page, "IsTruncated": bool(more), **more}

    def _getAccessKeyLastUsed(self, arn: str, AccessKeyId: str) -> dict[str, Any]:  # noqa: N802, N803  # as IAM has it
        found = self.find(AccessKeyId)
        if found is None:
            raise _no_such("Access Key", AccessKeyId)
        name, key = found
        asked = self._asked[arn]
        asked[AccessKeyId] = replace(asked[AccessKeyId], key=replace(asked[AccessKeyId].key, used=key.used))
        used = {"LastUsedDate": _seconds(key.used), "ServiceName": "s3", "Region": "us-east-1"} if key.used else {}
        return {"UserName": name, "AccessKeyLastUsed": used or {"ServiceName": "N/A", "Region": "N/A"}}

    def _getUser(self, arn: str, UserName: str) -> dict[str, Any]:  # noqa: N802, N803  # as IAM has it
        tags = {**self._user(UserName).tags}
        self._asked[arn] = {key_id: replace(one, tags=tags) for key_id, one in self._asked[arn].items()}
        described = self._described(UserName)
        return {"User": {name: described[name] for name in ("UserName", "Path", "Tags") if described[name]}}

    def _updateAccessKey(self, arn: str, UserName: str, AccessKeyId: str, Status: str) -> dict[str, Any]:  # noqa: N802, N803  # as IAM has it
        key = self._user(UserName).keys.get(AccessKeyId)
        if key is None:
            raise _no_such("Access Key", AccessKeyId)
        intended = any((one["undo"] or one)["state"] == "intended" for one in self.actions(AccessKeyId))
        self.changes.append(Change(arn, AccessKeyId, Status, self.clock.now(), {**self._asked[arn]}, intended))
        self.log.append(("change", arn, AccessKeyId))
        key.status = Status
        return {}

    def _user(self, name: str) -> User:
        if name not in self.users:
            raise _no_such("user", name)
        return self.users[name]

    def _described(self, name: str) -> dict[str, Any]:
        user = self.users[name]
        return {
            "UserName": name,
            "Path": user.path,
            "Tags": [{"Key": tag, "Value": value} for tag, value in user.tags.items()],
        }

    def _outcome(self, name: str) -> dict[str, Any]:
        keys = self.users[name].keys
        listed = [
            {"access_key_id": key_id, "status": key.status, "created_at": _seconds(key.created)}
            for key_id, key in keys.items()
        ]
        used = [
            {"at": _seconds(key.used), "service": "s3", "region": "us-east-1"} if key.used else {}
            for key in keys.values()
        ]
        return {
            "user_name": name,
            "outcome": "checked",
            "keys": listed,
            "details": {"last_used": used, "cause": ""},
            "cause": "",
        }


class _Store(Bucket):
    """The bucket, in which what is put may go wrong."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def _write(self, key: str, body: bytes) -> None:
        super()._write(key, body)
        self.written[key] = self._world.clock.now().replace(microsecond=0)

    def put_object(self, *, Key: str, **given: Any) -> dict[str, str]:  # noqa: N803  # as boto3 has it
        call = "put" + Key.rpartition("-")[2].removesuffix(".json").title()
        while call == "putIntent" and self._world.meanwhile:
            self._world.meanwhile.pop().finish()
        with self._world.fault_at(call, refusal("SlowDown", 503)):
            return super().put_object(Key=Key, **given)


def _error(fault: str, call: str) -> tuple[str, str]:
    if call in STEPS:
        return ("Runtime.ExitError" if fault == "crash" else "Lambda.Unknown"), f"the function failed: {fault}"
    if fault in ("time_out", "lose", "crash"):
        return "States.Timeout", ""
    if call == "putEvents":
        # https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html has the first alone.
        names = {"refused": "FailedEntry", "throttled": "AmazonEventBridgeException", "unheard_of": "SomeException"}
        return f"EventBridge.{names[fault]}", "no"
    service = "Sns" if call == "publish" else "Iam"
    words = {"refused": f"User: x is not authorized to perform: {call}", "throttled": "Rate exceeded"}[fault]
    return f"{service}.{service}Exception", f"{words} (Service: {service}, Status Code: 400)"


def _no_such(kind: str, name: str) -> TaskFailedError:
    return TaskFailedError("Iam.NoSuchEntityException", f"The {kind} with name {name} cannot be found.")


def _seconds(instant: datetime) -> str:
    return format_instant(instant.replace(microsecond=0))


def results(execution: Execution) -> list[str]:
    """Return what became of each key of an execution that succeeded."""
    assert execution.status == "SUCCEEDED", execution.error
    return [one["result"] for one in execution.output["results"]]


def why(execution: Execution) -> str:
    """Return why the first key became what it is."""
    return str(execution.output["results"][0]["why"])


def changed(world: World) -> list[tuple[str, str]]:
    """Return which keys the machine changed to what."""
    return [(change.key_id, change.status) for change in world.changes]


def states(world: World, key_id: str = "") -> list[str]:
    """Return where the actions, or the undos of them, are."""
    return [(one["undo"] or one)["state"] for one in world.actions(key_id)]

"""The whole of it: packages the app, starts the local AWS, deploys, and scans."""

import base64
import contextlib
import hashlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from botocore.exceptions import ClientError
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.iam.models import AccessKey, AccessKeyLastUsed, iam_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from chalicelib.aws.executions import failure_in_words
from deploy import package as packaging
from localaws.accounts.account_file import AccessKey as AccountKey
from localaws.accounts.account_file import Account
from localaws.clients import CALLER_OF_THE_API, HARNESS, REGION, make_client
from localaws.faults import Faults
from localaws.lambda_workers import Workers
from localaws.middleware import Gate
from localaws.moto_patches import notifications, speedups
from localaws.moto_patches.apply import apply
from localaws.moto_patches.wiring import LargestPayload, Wiring
from localaws.sigv4 import SignedBy

PROJECT = packaging.PROJECT
STAGE = "local"
STACK = f"iam-key-age-{STAGE}"
MAX_PAYLOAD_BYTES = 256 * 1024  # of any state's input or output
MAX_HISTORY_EVENTS = 25_000  # of a STANDARD execution
_START_SECONDS = 60
_API_GATEWAY = Path(__file__).with_name("api_gateway.py")


class LocalAwsError(Exception):
    """Something of the local AWS would not start or work; the message says what."""


class PolicyRefusedError(Exception):
    """POST /scan refused the scan policy; the message is its own."""


@dataclass(frozen=True)
class ScanResult:
    """What came of a scan: its execution, the files it kept, what reached the topic's subscribers by SQS and e-mail."""

    scan_id: str
    status: str
    error: str | None
    files: dict[str, bytes]
    messages: list[dict[str, str]]
    mail: list[dict[str, str]]
    stats: dict[str, Any]

    @property
    def report(self) -> Any:
        """The report as JSON has it, None where there is none."""
        report = self.files.get("report.json")
        return json.loads(report) if report else None


class LocalAws:
    """A running local AWS with the app deployed in it; a context manager that leaves nothing behind."""

    def __init__(self, account: Account, port: int = 0, api_port: int = 0) -> None:
        self.account = account
        self._port = port
        self._api_port = api_port
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> "LocalAws":
        with contextlib.ExitStack() as started:
            self._folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="localaws-")))
            self._log = started.enter_context((self._folder / "log.txt").open("w+"))
            template = package(self._folder / "project")
            self._serve(started)
            self.seed(self.account)
            self._deploy(template)
            self._subscribe()
            self._serve_api(started)
            self._cleanup = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def client(self, service: str) -> Any:
        """Return a client of the harness's own, whose calls are not counted."""
        return make_client(service, REGION, self.endpoint_url, HARNESS)

    def seed(self, account: Account) -> None:
        """Let IAM have the users of an account and no others; dates in whole seconds, as IAM keeps them."""
        account_id, now = self.account.account_id, datetime.now(UTC)
        backend = iam_backends[account_id]["aws"]
        present = min(1, account.root.access_keys)
        backend.account_summary._account_access_keys_present = present  # noqa: SLF001  # moto has no other way
        self._gate.deny(account.denied_calls())
        backend.users.clear()
        backend.access_keys.clear()
        backend.tagger.tags = {arn: tags for arn, tags in backend.tagger.tags.items() if ":user/" not in arn}
        for user in account.users:
            moto_user = backend.create_user(REGION, user.user_name, user.path, user.tags_at(now))
            for index, key in enumerate(user.access_keys):
                moto_key = AccessKey(  # type: ignore[abstract]  # moto makes them so itself
                    user.user_name, prefix="AKIA", account_id=account_id, status=key.status
                )
                moto_key.access_key_id = key.access_key_id or _made_up_id(user.user_name, index, key)
                moto_key.create_date = key.created(now).replace(microsecond=0, tzinfo=None)
                if used := key.last_used:
                    moto_key.last_used = AccessKeyLastUsed(
                        used.used(now).replace(microsecond=0, tzinfo=None), used.service, used.region
                    )
                moto_user.access_keys.append(moto_key)
                backend.access_keys[moto_key.access_key_id] = moto_key

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        stack = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def function(self, logical_id: str) -> LambdaFunction:
        """Return the deployed Lambda function of a template's resource."""
        functions = lambda_backends[self.account.account_id][REGION].list_functions()
        return next(function for function in functions if function.function_name.startswith(f"{STACK}-{logical_id}-"))

    def post_scan(self, policy: str) -> requests.Response:
        """POST a scan policy, as JSON text, to the REST API."""
        headers = {"Content-Type": "application/json"}
        signed = SignedBy(*CALLER_OF_THE_API, REGION)
        try:
            return requests.post(f"{self.api_url}/scan", policy.encode(), headers=headers, auth=signed, timeout=30)
        except requests.RequestException as error:
            raise LocalAwsError(f"POST /scan did not answer: {error}\n{self.log_tail()}") from error

    def scan(self, policy: str, progress: Callable[[int], None] = lambda _: None) -> ScanResult:
        """Run one whole scan through POST /scan; `progress` is told how many users were asked for so far."""
        self.forget_calls()
        self._payloads.size = 0
        began = time.monotonic()
        response = self.post_scan(policy)
        if response.status_code == requests.codes.bad_request:
            raise PolicyRefusedError(response.json()["Message"])
        if response.status_code != requests.codes.accepted:
            raise LocalAwsError(f"POST /scan answered {response.status_code}: {response.text}\n{self.log_tail()}")
        arn = response.json()["execution_arn"]
        while self._is_running(arn):
            progress(self._gate.users_asked)
            time.sleep(0.1)
        execution = self.client("stepfunctions").describe_execution(executionArn=arn)
        stats = {**self._stats(arn), "seconds": round(time.monotonic() - began, 3)}
        return ScanResult(
            scan_id=execution["name"],
            status=execution["status"],
            error=failure_in_words(execution) or _over_quota(stats),
            files=self.files(execution["name"]),
            messages=self.messages(),
            mail=self.mail(),
            stats=stats,
        )

    def _is_running(self, execution_arn: str) -> bool:
        """Look at moto's own state: a request for it, ten times a second, takes time from the scan."""
        backend = stepfunctions_parser_backends[self.account.account_id][REGION]
        return bool(backend.describe_execution(execution_arn).status == "RUNNING")

    def calls(self) -> dict[str, int]:
        """Return how often the state machine and the functions called which operation."""
        return self._gate.calls()

    def forget_calls(self) -> None:
        """Count calls from nought again."""
        self._gate.reset()

    def inject(self, faults: Faults) -> None:
        """Let calls of the state machine and of the functions go wrong from now on."""
        self._gate.inject(faults)

    def files(self, scan_id: str) -> dict[str, bytes]:
        """Return all that is under scans/<scan_id>/, by its path there."""
        s3, bucket, prefix = self.client("s3"), self.outputs()["ReportsBucket"], f"scans/{scan_id}/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def messages(self) -> list[dict[str, str]]:
        """Return, once, the messages that reached the topic's subscriber, as `{"Subject", "Message", …}`."""
        sqs, received = self.client("sqs"), []
        while batch := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                received.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return received

    def mail(self) -> list[dict[str, str]]:
        """Return, once, the e-mails that reached the topic's subscriber, as `{"Subject", "Message"}`."""
        received = notifications.mailbox.copy()
        notifications.mailbox.clear()
        return received

    def log_tail(self, lines: int = 15) -> str:
        """Return the end of what the functions and the REST API logged."""
        self._log.flush()
        text = (self._folder / "log.txt").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _serve(self, started: contextlib.ExitStack) -> None:
        moto_api_backend.reset()
        self._gate = Gate(DomainDispatcherApplication(create_backend_app), self.account.account_id)
        port = _free_port(self._port, "--port") if self._port else 0
        server: BaseWSGIServer = make_server(
            "127.0.0.1", port, self._gate, threaded=True, request_handler=_QuietRequestHandler
        )
        self.endpoint_url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        started.callback(server.server_close)
        started.callback(server.shutdown)
        self._workers = Workers(self._folder, self.endpoint_url, self._log)
        started.callback(self._workers.stop)
        self._payloads = LargestPayload()
        apply(Wiring(REGION, self._workers.invoke, self._payloads))
        notifications.apply()
        speedups.apply(self._gate, self.endpoint_url)

    def _deploy(self, template: Path) -> None:
        """Deploy the packaged template, with what `aws cloudformation package` does before."""
        s3, cloudformation = self.client("s3"), self.client("cloudformation")
        s3.create_bucket(Bucket="localaws-artifacts")
        document = json.loads(template.read_text())
        for name, resource in document["Resources"].items():
            for field in ("CodeUri", "DefinitionUri"):
                if isinstance(path := resource["Properties"].get(field), str):
                    s3.upload_file(str(template.parent / path), "localaws-artifacts", f"{name}/{field}")
                    resource["Properties"][field] = f"s3://localaws-artifacts/{name}/{field}"
        try:
            cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(document))
        except ClientError as error:
            raise LocalAwsError(f"the stack could not be created: {error}") from error

    def _subscribe(self) -> None:
        sqs = self.client("sqs")
        self.queue_url: str = sqs.create_queue(QueueName="messages")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{self.account.account_id}:messages"
        topic = self.outputs()["NotificationsTopicArn"]
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="you@example.com")

    def _serve_api(self, started: contextlib.ExitStack) -> None:
        """Serve the REST API with `chalice local`, from the unpacked zip with the function's environment."""
        function = self.function("APIHandler")
        code = self._workers.code_of(function)
        shutil.copytree(PROJECT / ".chalice", code / ".chalice", ignore=shutil.ignore_patterns("deploy*"))
        port = _free_port(self._api_port, "--api-port")
        command = [sys.executable, "-P", str(_API_GATEWAY), "--project-dir", str(code)]
        command += ["local", "--stage", STAGE, "--host", "127.0.0.1", "--port", str(port), "--no-autoreload"]
        process = subprocess.Popen(  # noqa: S603  # our own command
            command,
            cwd=self._folder,
            env={**self._workers.environment_of(function), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        started.callback(_end, process)
        self.api_url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LocalAwsError(f"`chalice local` did not start\n{self.log_tail()}")
            time.sleep(0.05)

    def _stats(self, execution_arn: str) -> dict[str, Any]:
        states = self.client("stepfunctions")
        history = states.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
        events = [event["type"] for page in history for event in page["events"]]
        runs = states.list_map_runs(executionArn=execution_arn)["mapRuns"]
        counts = [states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]["total"] for run in runs]
        entered = sum(event.endswith("StateEntered") for event in events)
        again = max(0, events.count("TaskScheduled") - events.count("TaskStateEntered"))  # a retry is a transition, too
        return {
            "calls": self._gate.calls(),
            "throttled": self._gate.throttled,
            "history_events": len(events),
            "largest_payload_bytes": self._payloads.size,
            "child_executions": sum(counts),
            "state_transitions": entered + again + sum(counts),
            "iam_seconds": round(self._gate.iam_seconds, 3),
        }


class _QuietRequestHandler(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Leave requests unlogged: the gate counts them."""


def _made_up_id(user_name: str, index: int, key: AccountKey) -> str:
    """Make an access key id of what is known of a key: the same account has the same ids each time."""
    known = f"{user_name} {index} {key.created_at or key.age_days}"
    return f"AKIA{base64.b32encode(hashlib.sha256(known.encode()).digest())[:16].decode()}"


def package(folder: Path) -> Path:
    """Package the app for the local AWS in a new folder; return the template."""
    try:
        return packaging.package(folder, STAGE)
    except packaging.PackagingError as error:
        raise LocalAwsError(str(error)) from error


def _over_quota(stats: dict[str, Any]) -> str | None:
    """Say where AWS would have failed the scan and the local interpreter does not."""
    if stats["largest_payload_bytes"] > MAX_PAYLOAD_BYTES:
        return f"a state carried {stats['largest_payload_bytes']} bytes; AWS takes {MAX_PAYLOAD_BYTES}"
    if stats["history_events"] > MAX_HISTORY_EVENTS:
        return f"the execution has {stats['history_events']} events; AWS takes {MAX_HISTORY_EVENTS}"
    return None


def _free_port(wanted: int, option: str) -> int:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError as error:
            why = f"port {wanted} cannot be used: {error.strerror}"
            raise LocalAwsError(f"{why}; choose another with {option}") from error
        port: int = listener.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()

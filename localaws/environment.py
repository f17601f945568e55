"""The local AWS: packages the app, starts moto and the REST API, and deploys."""

import contextlib
import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests
from botocore.exceptions import ClientError
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from deploy import package as packaging
from deploy import stack
from deploy.readers import as_the_stage
from deploy.template import read_resources
from localaws.accounts.account_file import Account
from localaws.accounts.seed import seed_iam
from localaws.accounts.seed_organization import seed_organization
from localaws.authorization import why_refused
from localaws.clients import CALLER_OF_THE_API, HARNESS, REGION, make_client, users_environment
from localaws.faults import Faults
from localaws.lambda_workers import Workers
from localaws.middleware import Gate
from localaws.moto_patches import cloudtrail, notifications, speedups, task_clients
from localaws.moto_patches.apply import apply
from localaws.moto_patches.wiring import Measurements, Wiring
from localaws.receivers import Receivers
from localaws.rest_api import RestApi, free_port
from localaws.scan_run import LocalAwsError, ScanResult, run_scan
from localaws.sigv4 import SignedBy

PROJECT = packaging.PROJECT
STAGE = "local"
STACK = f"iam-key-age-{STAGE}"
_UPLOADS = "localaws-artifacts"


class LocalAws:
    """A running local AWS with the app deployed in it; a context manager that leaves nothing behind."""

    def __init__(
        self, account: Account, port: int = 0, api_port: int = 0, parameters: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.account = account
        self._parameters = dict(parameters)
        self._port = port
        self._api_port = api_port
        self._cleanup = contextlib.ExitStack()
        self._clients: dict[tuple[str, str], Any] = {}  # a client takes longer to make than most calls
        self.receivers = Receivers(self.client, account.account_id)
        self._api: RestApi | None = None

    def __enter__(self) -> "LocalAws":
        for port, option in ((self._port, "--port"), (self._api_port, "--api-port")):
            if port:
                free_port(port, option)  # what is taken is said before anything is packaged
        with contextlib.ExitStack() as started:
            self._folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="localaws-")))
            self._log = started.enter_context((self._folder / "log.txt").open("w+"))
            self._template = package(self._folder / "project")
            self._serve(started)
            self.seed(self.account)
            self.client("s3").create_bucket(Bucket=_UPLOADS)
            self.deploy(self._parameters)
            self.queue_url = self.receivers.listen(self.outputs()["NotificationsTopicArn"])
            self._serve_api(started)
            self._cleanup = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def client(self, service: str, account_id: str = HARNESS) -> Any:
        """Return a client whose calls are not counted, of an administrator of the deployment's account or another."""
        if (service, account_id) not in self._clients:
            self._clients[service, account_id] = make_client(service, REGION, self.endpoint_url, account_id)
        return self._clients[service, account_id]

    def seed(self, account: Account) -> None:
        """Replace the users of IAM, and the organization, by an account's; IAM keeps dates in whole seconds."""
        now = datetime.now(UTC)
        account = account.model_copy(update={"account_id": self.account.account_id})
        of_members = {member.account_id: member.denied_calls() for member in account.accounts}
        self.gate.deny(account.denied_calls(), of_members)
        self.gate.closed = seed_organization(account, self._parameters_of_members())
        cloudtrail.forget_events()
        for one in account.all_accounts():
            seed_iam(one.account_id, one, now)
            cloudtrail.record_events(one, now)

    def _parameters_of_members(self) -> dict[str, str]:
        """Return how the stack's parameters want the roles in each account of the organization."""
        known = read_resources()["Parameters"]
        default = {name: str(parameter["Default"]) for name, parameter in known.items()}
        return {"StackName": STACK, **as_the_stage({**default, **self._parameters, "Region": REGION})}

    def deploy(self, parameters: Mapping[str, str]) -> None:
        """Deploy the packaged template as `make deploy` does; a parameter that is not given stays as it is."""
        try:
            stack.deploy(self.client, stack.Deployment(STACK, self._template, _UPLOADS, parameters, {}))
        except (ClientError, stack.StackError) as error:
            raise LocalAwsError(f"the stack could not be deployed: {error}") from error
        self._parameters |= parameters
        self.receivers.follow(self._parameters)
        if self._api:
            self._start(self._api)

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        stack = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def function(self, logical_id: str) -> LambdaFunction:
        """Return the deployed Lambda function of a template's resource."""
        functions = lambda_backends[self.account.account_id][REGION].list_functions()
        return next(one for one in functions if f"{one.function_name}-".startswith(f"{STACK}-{logical_id}-"))

    def key_of_function(self, logical_id: str) -> str:
        """Return the access key id by which a function calls as its role."""
        function = self.function(logical_id)
        return self.gate.callers.key_of_function(function.function_name, function.role)

    def post_scan(self, policy: str) -> requests.Response:
        """POST a scan policy, as JSON text, to the REST API."""
        headers = {"Content-Type": "application/json"}
        signed = SignedBy(*CALLER_OF_THE_API, REGION)
        try:
            return requests.post(f"{self.api_url}/scan", policy.encode(), headers=headers, auth=signed, timeout=30)
        except requests.RequestException as error:
            raise LocalAwsError(f"POST /scan did not answer: {error}\n{self.log_tail()}") from error

    def scan(self, policy: str, progress: Callable[[int], None] = lambda _: None) -> ScanResult:
        """Run one whole scan through POST /scan; `progress` is called with how many users were asked for so far."""
        return run_scan(self, policy, progress)

    def is_running(self, execution_arn: str) -> bool:
        """Look at moto's own state: a request for it, ten times a second, takes time from the scan."""
        backend = stepfunctions_parser_backends[self.account.account_id][REGION]
        return bool(backend.describe_execution(execution_arn).status == "RUNNING")

    def calls(self) -> dict[str, int]:
        """Return how often the state machine and the functions called which operation."""
        return self.gate.calls()

    def forget_calls(self) -> None:
        """Count calls and payloads from zero again."""
        self.gate.reset()
        self.measurements.reset()

    def inject(self, faults: Faults) -> None:
        """Replace the active faults of calls of the state machine and of the functions."""
        self.gate.inject(faults)

    def files(self, scan_id: str) -> dict[str, bytes]:
        """Return all that is under scans/<scan_id>/, by its path there."""
        s3, bucket, prefix = self.client("s3"), self.outputs()["ReportsBucket"], f"scans/{scan_id}/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def messages(self) -> list[dict[str, str]]:
        """Return, once, the messages that reached the topic's subscriber, as `{"Subject", "Message", …}`."""
        return self.receivers.messages()

    def mail(self) -> list[dict[str, str]]:
        """Return, once, the e-mails that reached the topic's subscriber, as `{"Subject", "Message"}`."""
        return self.receivers.mail()

    def log_tail(self, lines: int = 15) -> str:
        """Return the end of what the functions and the REST API logged."""
        self._log.flush()
        text = (self._folder / "log.txt").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _serve(self, started: contextlib.ExitStack) -> None:
        moto_api_backend.reset()
        self.gate = Gate(DomainDispatcherApplication(create_backend_app), self.account.account_id, why_refused)
        port = free_port(self._port, "--port") if self._port else 0
        server: BaseWSGIServer = make_server(
            "127.0.0.1", port, self.gate, threaded=True, request_handler=_QuietRequestHandler
        )
        self.endpoint_url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        started.callback(server.server_close)
        started.callback(server.shutdown)
        self._workers = Workers(self._folder, self.endpoint_url, self._log, self.gate.callers)
        started.callback(self._workers.stop)
        self.measurements = Measurements()
        apply(Wiring(REGION, self._workers.invoke, self.measurements, self.gate))
        notifications.apply()
        task_clients.apply(self.gate, self.endpoint_url)
        speedups.apply(self.gate)

    def _serve_api(self, started: contextlib.ExitStack) -> None:
        """Serve the REST API, from the unpacked zip with the function's environment."""
        function = self.function("APIHandler")
        port = free_port(self._api_port, "--api-port")
        self._api = api = RestApi(self._workers.code_of(function), self._folder, STAGE, port, self._log)
        started.callback(api.stop)
        self.api_url = f"http://127.0.0.1:{port}"
        self._start(api)

    def _start(self, api: RestApi) -> None:
        """Let the REST API see the environment that its function has now, as Lambda does after a deployment."""
        if not api.start(self._workers.environment_of(self.function("APIHandler"))):
            raise LocalAwsError(f"`chalice local` did not start\n{self.log_tail()}")


class _QuietRequestHandler(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Leave requests unlogged: the middleware counts them."""

    def connection_dropped(self, *_: Any) -> None:
        """Close the connection where a call is not to be answered: the client would wait for long."""
        self.close_connection = True


def package(folder: Path) -> Path:
    """Package the app for the local AWS in a new folder; return the template."""
    try:
        return packaging.package(folder, STAGE, REGION, users_environment())
    except packaging.PackagingError as error:
        raise LocalAwsError(str(error)) from error

"""The clients by which tasks call services: one by service, Region and session; moto makes one for every task call."""

import functools
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.request import Request
from moto.iam.responses import IamResponse
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import resource_eval_s3
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.credentials import StateCredentials
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_events,
    state_task_service_sfn,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task import StateTask
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from urllib3 import HTTPResponse

from localaws.clients import INTERPRETER, make_client
from localaws.middleware import Gate
from localaws.moto_patches.wiring import replace_method

_TASK_FAILED = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
_REMEMBERED = 50  # clients
_LONGEST_NAME = 64  # of a session


@dataclass(frozen=True)
class _Session:
    """What a client calls with."""

    access_key_id: str
    token: str | None = None  # of a session of AssumeRole


@dataclass
class _RoleOfATask(StateCredentials):
    """The role that a task's `Credentials` name, and the execution that assumes it."""

    env: Environment


_INTERPRETER = _Session(INTERPRETER)
_gate: Gate


def apply(gate: Gate, endpoint_url: str) -> None:
    """Let tasks reach AWS through the middleware."""
    global _gate  # noqa: PLW0603  # moto's classes are the process's, and so is what they reach
    _gate = gate
    assume_roles_of_credentials()
    reuse_clients(endpoint_url)


@functools.cache
def assume_roles_of_credentials() -> None:
    """Let a task with `Credentials` call as their role, which the machine's own role assumes: moto ignores them.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-access-cross-acct-resources.html
    """
    evaluate = StateTask._eval_state_credentials

    def credentials_of(self: StateTask, env: Environment) -> StateCredentials:
        credentials = evaluate(self, env)
        return _RoleOfATask(credentials.role_arn, env) if self.credentials else credentials

    replace_method(StateTask, "_eval_state_credentials", credentials_of)


def reuse_clients(endpoint_url: str) -> None:
    """Make one client a service, Region and session. Nobody checks signatures, so it makes none.

    A session is an execution's, until it expires; the external id is the ARN of the machine.
    """
    sessions: dict[tuple[str, str], tuple[_Session, datetime]] = {}  # by execution and role, with their end

    @functools.lru_cache(maxsize=_REMEMBERED)
    def client_for(service: str, region: str, session: _Session = _INTERPRETER) -> Any:
        config = Config(
            retries={"total_max_attempts": 1},  # the state machine's Retry is to be seen at work
            signature_version=UNSIGNED,
            user_agent="moto",  # botocore's own is put together anew, of 18 parts and twice, at each request
        )
        client = make_client(service, region, endpoint_url, session.access_key_id, config)
        signing_name = client.meta.service_model.signing_name
        scope = f"{session.access_key_id}/20260101/{client.meta.region_name}/{signing_name}/aws4_request"
        signed = {"HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={scope}"}
        signed |= {"HTTP_X_AMZ_SECURITY_TOKEN": session.token} if session.token else {}
        client.meta.events.register("before-send", functools.partial(_answer_in_this_process, signed=signed))
        return client

    def session_of(role: _RoleOfATask, region: str) -> _Session:
        context = role.env.states.context_object.context_object_data
        name = context["Execution"]["Id"], role.role_arn
        session, end = sessions.get(name, (_INTERPRETER, datetime.min.replace(tzinfo=UTC)))
        if datetime.now(UTC) < end:
            return session
        machine = context["StateMachine"]
        own_key = _gate.callers.key_of_machine(machine["Name"], role.env.aws_execution_details.role_arn)
        try:
            given = client_for("sts", region, _Session(own_key)).assume_role(
                RoleArn=role.role_arn, RoleSessionName=machine["Name"][:_LONGEST_NAME], ExternalId=machine["Id"]
            )["Credentials"]
        except ClientError as error:
            raise _not_assumed(role, error) from error
        sessions[name] = _Session(given["AccessKeyId"], given["SessionToken"]), given["Expiration"]
        return sessions[name][0]

    def boto_client_for(region: str, service: str, state_credentials: StateCredentials | None = None) -> Any:
        if isinstance(state_credentials, _RoleOfATask):
            return client_for(service, region, session_of(state_credentials, region))
        return client_for(service, region)

    tasks = (state_task_service_aws_sdk, state_task_service_events, state_task_service_sfn)
    for module in (*tasks, lambda_eval_utils, resource_eval_s3):
        setattr(module, "boto_client_for", boto_client_for)  # noqa: B010  # a function of moto's


def _not_assumed(role: _RoleOfATask, error: ClientError) -> FailureEventException:
    """Return how a task fails whose role cannot be assumed: seen on AWS for a refusal, assumed for other errors."""
    own = role.env.aws_execution_details.role_arn
    cause = f"The role {own} is not authorized to assume the task state's role, {role.role_arn}."
    if error.response["Error"]["Code"] != "AccessDenied":
        cause = str(error)
    details = TaskFailedEventDetails(error=_TASK_FAILED.error_name, cause=cause)
    return FailureEventException(
        failure_event=FailureEvent(
            env=role.env,
            error_name=_TASK_FAILED,
            event_type=HistoryEventType.TaskFailed,
            event_details=cast("EventDetails", {"taskFailedEventDetails": details}),
        )
    )


def _answer_in_this_process(request: AWSPreparedRequest, signed: Mapping[str, str], **_: object) -> AWSResponse:
    """Call the local AWS as the function that it is here, not through a socket of our own."""
    url, body = urlsplit(request.url), request.body or b""
    sent = body.read() if hasattr(body, "read") else body
    content = sent.encode() if isinstance(sent, str) else bytes(sent)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(url.path) or "/",
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(content),
        "wsgi.errors": sys.stderr,
        "CONTENT_LENGTH": str(len(content)),
        "HTTP_HOST": url.netloc,
        **signed,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value if isinstance(value, str) else value.decode()
    answered: list[Any] = []
    serve = functools.partial(_gate.serve, application=_iam) if "/iam/" in signed["HTTP_AUTHORIZATION"] else _gate
    body = b"".join(serve(environ, lambda *answer: answered.extend(answer)))
    raw = HTTPResponse(io.BytesIO(body), preload_content=False)
    return AWSResponse(request.url, int(answered[0].split()[0]), dict(answered[1]), raw)  # type: ignore[arg-type]  # as moto does


def _iam(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer for IAM, of which a scan asks the most, without Flask's way to it."""
    request = Request(environ)
    url = f"http://{environ['HTTP_HOST']}/"
    status, headers, body = IamResponse.dispatch(request, url)
    start_response(f"{status} {HTTPStatus(status).phrase}", [(name, str(value)) for name, value in headers.items()])
    return [body.encode() if isinstance(body, str) else body]

"""What AWS refuses and moto 5.2.5 takes, refused here, too: one small function each, with AWS's own word for it.

`apply` puts all of them in place. docs/localaws.md has the table of them.
"""

import copy
import functools
import json
import uuid
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, cast

import regex
from botocore.exceptions import ClientError
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend
from moto.stepfunctions.exceptions import InvalidExecutionInput
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.distributed_item_processor_worker import (  # noqa: E501  # moto's own name
    DistributedItemProcessorWorker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_events import (
    StateTaskServiceEvents,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import (
    StateTaskServiceLambda,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task import StateTask
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from localaws.moto_patches import task_arguments
from localaws.moto_patches.wiring import replace_method

_RUNTIME = StatesErrorNameType.StatesRuntime.to_name()
_DATA_LIMIT = StatesErrorNameType.StatesStatesDataLimitExceeded.to_name()
_MOST_BYTES = 256 * 1024  # of an execution's input and of a message
_SUBJECT = r"[!-~][ -~]{0,98}"  # under 100 ASCII characters, no line breaks, not to begin with a blank


@functools.cache
def apply() -> None:
    """Put all of it in place, once a process."""
    check_task_arguments()
    break_constraints_as_services_do()
    catch_no_terminal_error()
    hide_variables_from_distributed_children()
    answer_lambda_invoke_with_metadata()
    refuse_executions_as_step_functions_does()
    refuse_messages_as_sns_does()


def check_task_arguments() -> None:
    """Give a Task without `Arguments` the state's input; end an execution whose task's arguments do not fit.

    moto gives such a task nothing, drops fields of lambda:invoke that it does not know, and checks nothing else.
    "If not provided, the state input is used": https://states-language.net/spec.html#using-jsonata.
    """

    def arguments_of(self: StateTask, env: Environment) -> Any:
        if self.parargs is None:
            arguments = copy.deepcopy(env.stack[-1])
        else:
            self.parargs.eval(env=env)
            arguments = env.stack.pop()
        if isinstance(self, StateTaskService) and (unfit := _unfit(self, arguments)):
            given = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
            raise _runtime_error(
                env, f"The Parameters '{given}' could not be used to start the Task: [{', '.join(unfit)}]"
            )
        return arguments

    replace_method(StateTask, "_eval_parameters", arguments_of)


def _unfit(task: StateTaskService, arguments: object) -> list[str]:
    try:
        shape = task_arguments.input_of(task._get_boto_service_name(), task.resource.api_action)
    except LookupError as error:
        return [str(error)]
    if isinstance(task, StateTaskServiceAwsSdk):
        return task_arguments.unfit_arguments(shape, arguments)
    if isinstance(task, StateTaskServiceLambda):
        return task_arguments.unfit_arguments(shape, arguments, task_arguments.LAMBDA_INVOKE_FIELDS)
    if isinstance(task, StateTaskServiceEvents):
        return task_arguments.unfit_arguments(shape, _with_text_details(arguments), frozenset({"Entries"}))
    supported = task._get_supported_parameters() or set()  # of the other optimized integrations, moto's own list
    return [
        f"The field '{name}' is not supported by Step Functions"
        for name in cast("Any", arguments)
        if name not in supported
    ]


def _with_text_details(arguments: Any) -> Any:
    """Return the arguments of events:putEvents as the API takes them: a Detail that is an object is written as JSON.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html
    """
    entries = arguments.get("Entries") if isinstance(arguments, dict) else None
    if not isinstance(entries, list):
        return arguments
    written = [
        {**one, "Detail": json.dumps(one["Detail"])}
        if isinstance(one, dict) and isinstance(one.get("Detail"), dict)
        else one
        for one in entries
    ]
    return {**arguments, "Entries": written}


def _runtime_error(env: Environment, cause: str) -> FailureEventException:
    details = TaskFailedEventDetails(error=_RUNTIME, cause=cause)
    return FailureEventException(
        failure_event=FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=StatesErrorNameType.StatesRuntime),
            event_type=HistoryEventType.TaskFailed,
            event_details=cast("EventDetails", {"taskFailedEventDetails": details}),
        )
    )


def break_constraints_as_services_do() -> None:
    """Answer a call that breaks a bound of the service's model as the service does; moto's services know few of them.

    What fits goes out under the service's own names: Step Functions takes PascalCase alone, boto3 what the service has.
    Blobs are JSON, a text with its quotes: moto writes a text without.
    """

    def normalise(self: StateTaskServiceAwsSdk, parameters: dict[str, Any], *_: Any) -> None:
        shape = task_arguments.input_of(self._get_boto_service_name(), self.resource.api_action)
        if broken := list(task_arguments.broken_constraints(shape, parameters)):
            counted = f"{len(broken)} validation error{'s' if len(broken) > 1 else ''} detected"
            answer: Any = {
                "Error": {"Code": "ValidationError", "Message": f"{counted}: {'; '.join(broken)}"},
                "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": str(uuid.uuid4())},
            }
            raise ClientError(answer, self.resource.api_action)
        request = task_arguments.as_request(shape, parameters)
        parameters.clear()
        parameters.update(request)

    replace_method(StateTaskServiceAwsSdk, "_normalise_parameters", normalise)


def catch_no_terminal_error() -> None:
    """Catch and retry States.Runtime never, and States.DataLimitExceeded not by States.ALL: moto does both.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-error-representation
    """
    evaluate = ErrorEqualsDecl._eval_body

    def equals(self: ErrorEqualsDecl, env: Environment) -> None:
        name = env.stack[-1].error_name
        evaluate(self, env)
        by_wildcard = ErrorEqualsDecl._STATE_ALL_ERROR in self.error_names
        if name == _RUNTIME or (name == _DATA_LIMIT and by_wildcard):
            env.stack[-1] = False

    def name_of(error_name: str) -> ErrorName:  # of an iteration that failed, for the Map's own catchers
        return (StatesErrorName.from_name if error_name.startswith("States.") else CustomErrorName)(error_name)

    replace_method(ErrorEqualsDecl, "_eval_body", equals)
    replace_method(iteration_worker, "CustomErrorName", name_of)


def hide_variables_from_distributed_children() -> None:
    """Hide outer variables from the children of a Distributed Map, which are executions of their own.

    https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
    """
    select = DistributedItemProcessorWorker._eval_input

    def select_and_hide(self: DistributedItemProcessorWorker, env_frame: Environment) -> None:
        select(self, env_frame)  # the ItemSelector is the parent's
        env_frame.variable_store._outer_scope.clear()

    replace_method(DistributedItemProcessorWorker, "_eval_input", select_and_hide)


def answer_lambda_invoke_with_metadata() -> None:
    """Add to the answer of lambda:invoke its metadata, which count against 256 KiB: moto leaves them out.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
    """
    invoke = StateTaskServiceLambda._eval_service_task

    def invoke_and_describe(self: StateTaskServiceLambda, env: Environment, *arguments: Any, **named: Any) -> None:
        invoke(self, env, *arguments, **named)
        env.stack[-1] = {**env.stack[-1], **_metadata(env.stack[-1])}

    replace_method(StateTaskServiceLambda, "_eval_service_task", invoke_and_describe)


def _metadata(answer: dict[str, Any]) -> dict[str, Any]:
    request_id = str(uuid.uuid4())
    headers = {
        "Connection": "keep-alive",
        "Content-Length": str(len(json.dumps(answer.get("Payload")))),
        "Content-Type": "application/json",
        "Date": format_datetime(datetime.now(UTC), usegmt=True),
        "X-Amz-Executed-Version": "$LATEST",
        "X-Amzn-Trace-Id": f"root=1-{request_id[:8]}-{uuid.uuid4().hex[:24]};parent={request_id[-16:]};sampled=1",
        "x-amzn-Remapped-Content-Length": "0",
        "x-amzn-RequestId": request_id,
    }
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }


def refuse_executions_as_step_functions_does() -> None:
    """Refuse a name that an execution may not have, and an input that is no JSON or too long, by AWS's codes.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    start = StepFunctionsParserBackend.start_execution

    def start_execution(self: Any, state_machine_arn: str, name: Any = None, given: Any = None, *more: Any) -> Any:
        if name is not None:
            self._validate_name(name)
        if given is not None and (len(given.encode()) > _MOST_BYTES or not _is_json(given)):
            raise InvalidExecutionInput(f"Invalid State Machine Execution Input: not JSON of up to {_MOST_BYTES} bytes")
        return start(self, state_machine_arn, name, given, *more)

    replace_method(StepFunctionsParserBackend, "start_execution", start_execution)


def refuse_messages_as_sns_does() -> None:
    """Refuse what SNS would not publish: moto counts characters, not bytes, and looks at neither text nor structure.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """
    publish = SNSBackend.publish

    def publish_or_refuse(self: SNSBackend, message: str, *arguments: Any, **more: Any) -> Any:
        subject, attributes = more.get("subject"), more.get("message_attributes") or {}
        if subject is not None and not regex.fullmatch(_SUBJECT, subject):
            raise SNSInvalidParameter("Invalid parameter: Subject")
        if len(message.encode()) + len(json.dumps(attributes, ensure_ascii=False, default=str).encode()) > _MOST_BYTES:
            raise SNSInvalidParameter("Invalid parameter: Message too long")
        if more.get("message_structure") == "json" and not _has_texts_and_a_default(message):
            raise SNSInvalidParameter("Invalid parameter: Message Structure - No default entry in JSON message body")
        return publish(self, message, *arguments, **more)

    replace_method(SNSBackend, "publish", publish_or_refuse)


def _has_texts_and_a_default(message: str) -> bool:
    by_protocol = json.loads(message) if _is_json(message) else None
    if not isinstance(by_protocol, dict):
        return False
    return "default" in by_protocol and all(isinstance(text, str) for text in by_protocol.values())


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True

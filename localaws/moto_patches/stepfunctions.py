"""Patches of moto's Step Functions 5.2.5: what it lacks, one small function a gap, each with the reason."""

import copy
import functools
import json
import re
import threading
import time
import uuid
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, cast

import jsonata.utils
from botocore.exceptions import ClientError
from jsonata import Jsonata
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_lambda
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
    StateTaskServiceSfn,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.parser.quotas import MAX_STATE_SIZE_UTF8_BYTES

from localaws.moto_patches import expressions, task_arguments
from localaws.moto_patches.wiring import (
    Wiring,
    replace_method,
    utf8_size,
)

_UNMODELLED = CustomErrorName("StepFunctions.AWSStepFunctionsException")


def evaluate_jsonata() -> None:
    """Evaluate JSONata: moto leaves the evaluator out, and its own way there is to paste all data into the text.

    Values are bound instead, which also keeps quotes in strings from breaking an expression.
    """

    def _eval_body(self: StringJSONata, env: Environment) -> None:
        parts, names = _references(self.expression)
        variables = env.variable_store._outer_scope | env.variable_store._inner_scope
        states = {part: value for part, value in env.states._states_data.items() if part in parts}
        bindings = {"states": states} | {name: variables[name] for name in names if name in variables}
        data = json.loads(to_json_str(bindings))
        try:
            Jsonata.CURRENT.jsonata = evaluator = copy.copy(_parsed(self.expression))  # one a thread, as it wants
            result = evaluator.evaluate(None, data)
        except Exception as error:
            raise _query_evaluation_error(env, f"{self.expression}: {error}") from error
        if result is None:
            raise _query_evaluation_error(env, f"The JSONata expression '{self.expression}' returned nothing")
        env.stack.append(json.loads(json.dumps(jsonata.utils.Utils.convert_nulls(result))))

    replace_method(StringJSONata, "_eval_body", _eval_body)


@functools.cache
def _parsed(expression: str) -> Jsonata:
    """Parse an expression, with the functions that AWS adds and the definition uses; ValueError if AWS refuses it."""
    parsed = Jsonata(expression)
    if problems := expressions.refused(parsed):
        raise ValueError("; ".join(problems))
    parsed.register_lambda("partition", _partition)
    parsed.register_lambda("parse", json.loads)
    parsed.set_output_convert_nulls(False)
    return parsed


@functools.cache
def _references(expression: str) -> tuple[set[str], set[str]]:
    """Return which parts of $states, and which variables, an expression may refer to: the rest need not be bound."""
    if re.search(r"\$states(?!\.\w)", expression):
        raise ValueError(f"{expression}: only parts of $states are bound here")
    return set(re.findall(r"\$states\.(\w+)", expression)), set(re.findall(r"\$(\w+)", expression))


def _partition(items: Sequence[Any], size: float) -> list[list[Any]]:
    return [list(items[start : start + int(size)]) for start in range(0, len(items), int(size))]


def _query_evaluation_error(env: Environment, cause: str) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details: Any = EvaluationFailedEventDetails(cause=cause, error=name.error_name)
    return FailureEventException(
        failure_event=FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=cast("EventDetails", {"evaluationFailedEventDetails": details}),
        )
    )


def accept_express_children() -> None:
    """Run EXPRESS children as STANDARD ones, and let their tolerated failures be whole: the grammar knows neither."""
    parse = AmazonStateLanguageParser.parse

    def parse_express(definition: str) -> Any:
        definition = re.sub(r'("ExecutionType"\s*:\s*)"EXPRESS"', r'\1"STANDARD"', definition)
        return parse(re.sub(r'("ToleratedFailurePercentage"\s*:\s*\d+)\b', r"\1.0", definition))

    replace_method(AmazonStateLanguageParser, "parse", staticmethod(parse_express))


class FailedChildren(StrEnum):
    """What a Distributed Map's results have of a failed child that it tolerates; AWS documents all three.

    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
    """

    RECORD = "its execution's record in its place"
    NOTHING = "nothing"
    ALL_RECORDS = "records in place of all results, Output a text"


failed_children = FailedChildren.RECORD  # what the local AWS leaves of them


def leave_failed_children_among_the_results() -> None:
    """Leave of a failed child among a Distributed Map's results what AWS may leave: moto leaves null."""
    run = DistributedIterationComponent._map_run

    def run_and_tell(self: Any, env: Environment, eval_input: Any) -> None:
        run(self, env, eval_input)
        results = env.stack[-1]
        if failed_children is FailedChildren.NOTHING:
            env.stack[-1] = [result for result in results if result is not None]
        elif failed_children is FailedChildren.RECORD or None not in results:
            env.stack[-1] = [_record_of(result) if result is None else result for result in results]
        else:
            env.stack[-1] = [_record_of(result) for result in results]

    replace_method(DistributedIterationComponent, "_map_run", run_and_tell)


def _record_of(result: object) -> dict[str, Any]:
    """Describe a child's execution as DescribeExecution and the ResultWriter do."""
    name = str(uuid.uuid4())
    ended = (
        {"Status": "FAILED", "Error": "States.Timeout", "Cause": "as the local AWS says it"}
        if result is None
        else {"Status": "SUCCEEDED", "Output": json.dumps(result), "OutputDetails": {"Included": True}}
    )
    return {
        "ExecutionArn": f"arn:aws:states:us-east-1:123456789012:express:iam-key-age-local/CheckUsers:{name}",
        "Input": '{"user_names": []}',
        "InputDetails": {"Included": True},
        "Name": name,
        "StartDate": "2026-01-01T00:00:00.000Z",
        "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:iam-key-age-local/CheckUsers",
        "StopDate": "2026-01-01T00:00:01.000Z",
        **ended,
    }


def name_service_errors_as_aws_does() -> None:
    """Name errors Iam.…, S3.… and Sns.…, as AWS does: moto keeps a service's lower-case name unless it knows better."""
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES |= {"iam": "Iam", "s3": "S3", "sns": "Sns"}


def start_executions_of_tasks() -> None:
    """Start an execution by the fields and fail by the names of the optimized integration: moto has other ones.

    An error that the API's model does not have is StepFunctions.AWSStepFunctionsException, as AWS's own solutions catch
    it: https://github.com/aws-solutions/data-transfer-from-amazon-s3-glacier-vaults-to-amazon-s3.
    """
    normalise, fail = StateTaskServiceSfn._normalise_parameters, StateTaskServiceSfn._from_error

    def normalise_and_name(self: StateTaskServiceSfn, parameters: dict[str, Any], *names: Any) -> None:
        normalise(self, parameters, *names)
        shape = task_arguments.input_of(self._get_boto_service_name(), self.resource.api_action)
        request = task_arguments.as_request(shape, parameters)
        parameters.clear()
        parameters.update(request)

    def name_answer(_self: StateTaskServiceSfn, answer: dict[str, Any], *_: Any) -> None:
        named = {f"{name[0].upper()}{name[1:]}": value for name, value in json.loads(to_json_str(answer)).items()}
        answer.clear()
        answer.update(named)

    def from_error(self: StateTaskServiceSfn, env: Environment, ex: Exception) -> FailureEvent:
        event = fail(self, env, ex)
        if type(ex) is ClientError:  # botocore makes a class of its own of each error of the model
            details: Any = event.event_details
            details["taskFailedEventDetails"]["error"] = _UNMODELLED.error_name
            return FailureEvent(env, _UNMODELLED, event.event_type, details)
        return event

    replace_method(StateTaskServiceSfn, "_normalise_parameters", normalise_and_name)
    replace_method(StateTaskServiceSfn, "_normalise_response", name_answer)
    replace_method(StateTaskServiceSfn, "_from_error", from_error)


def measure_payloads() -> None:
    """Measure every state's input, output and Assign, and count events: moto enforces no quota and has no bill."""
    publish = EventManager._publish_history_event

    def publish_and_measure(self: EventManager, **event: Any) -> None:
        Wiring.current.measurements.count(str(event["event_type"]))
        for details in (event["event_details"] or {}).values():
            for field in ("input", "output", "parameters"):
                Wiring.current.measurements.measure(details.get(field) or "")
            Wiring.current.measurements.measure(*details.get("assignedVariables", {}).values())
        publish(self, **event)

    replace_method(EventManager, "_publish_history_event", publish_and_measure)


def limit_payloads_in_utf8() -> None:
    """Hold tasks' results to 256 KiB of UTF-8: moto counts what is not ASCII as it escapes it, up to thrice."""

    def is_within_size_quota(value: object) -> bool:
        text = value if isinstance(value, str) else to_json_str(value)
        return utf8_size(text) < MAX_STATE_SIZE_UTF8_BYTES

    for module in (state, state_task_lambda, state_task_service):
        replace_method(module, "is_within_size_quota", is_within_size_quota)


def name_executions() -> None:
    """Name an execution that is started without a name: moto leaves it without, AWS takes a UUID."""
    start = StepFunctionsParserBackend.start_execution

    def start_execution(self: Any, state_machine_arn: str, name: str | None = None, *arguments: Any) -> Any:
        return start(self, state_machine_arn, name or str(uuid.uuid4()), *arguments)

    replace_method(StepFunctionsParserBackend, "start_execution", start_execution)


def start_executions_one_by_one() -> None:
    """Start executions one by one, so that a name is taken once and a running execution is seen: moto does neither."""
    lock = threading.RLock()

    def one_by_one(name: str) -> None:
        original = getattr(StepFunctionsParserBackend, name)

        @functools.wraps(original)
        def locked(self: Any, *arguments: Any, **named: Any) -> Any:
            with lock:
                return original(self, *arguments, **named)

        replace_method(StepFunctionsParserBackend, name, locked)

    for name in ("start_execution", "redrive_execution", "describe_execution", "list_executions"):
        one_by_one(name)


def keep_stopped_executions_stopped() -> None:
    """End a stopped execution ABORTED: moto may not have begun it, or stumble over what it cut short."""
    set_error, stop = Environment.set_error, ExecutionWorker.stop

    def set_error_unless_stopped(self: Environment, error: Any) -> None:
        if not isinstance(self.program_state(), ProgramStopped):
            set_error(self, error)

    def stop_what_has_begun(self: ExecutionWorker, **arguments: Any) -> None:
        while self.env is None:
            time.sleep(0.01)
        stop(self, **arguments)

    replace_method(Environment, "set_error", set_error_unless_stopped)
    replace_method(ExecutionWorker, "stop", stop_what_has_begun)

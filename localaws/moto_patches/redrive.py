"""RedriveExecution, which moto does not have."""

import copy
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from localaws.moto_patches.wiring import replace_method

_REDRIVABLE_FOR = timedelta(days=14)
_MOST_EVENTS = 24_998  # so that two more are within the quota
_STOOD = "stood_at"  # an attribute of an environment
_REDRIVES = "redrives"  # of an execution: the date of each, by the client's token


class ExecutionNotRedrivableError(AWSError):
    """An execution that succeeded, still runs, or ended too long ago."""

    TYPE = "ExecutionNotRedrivable"
    STATUS = 400


@dataclass(frozen=True)
class _Stood:
    """The state that an execution entered last, with its input and the variables of then."""

    name: str
    given: Any
    variables: dict[str, Any]


def redrive_executions() -> None:
    """Let an execution that did not succeed go on at the state in which it ended, with that state's input.

    https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html. Its variables are as they were then,
    which is assumed. A Map or a Parallel state begins anew as a whole.
    """
    enter = CommonStateField._eval_body
    describe = StepFunctionResponse.describe_execution

    def enter_and_note(self: CommonStateField, env: Environment) -> None:
        if not env.is_frame():
            setattr(env, _STOOD, _Stood(self.name, env.states.get_input(), dict(env.variable_store._inner_scope)))
        enter(self, env)

    def redrive_of_backend(self: StepFunctionsParserBackend, execution_arn: str, token: str) -> datetime:
        execution: Any = self.describe_execution(execution_arn)
        known = _redrives_of(execution)
        if token not in known:
            if why := _why_not(execution):
                raise ExecutionNotRedrivableError(why)
            known[token] = datetime.now(UTC)
            setattr(execution, _REDRIVES, known)
            _go_on(execution, known[token], len(known))
        return known[token]

    def redrive_execution(self: StepFunctionResponse) -> ActionResult:
        backend: Any = self.stepfunction_backend
        date = backend.redrive_execution(self._get_param("executionArn"), self._get_param("clientToken"))
        return ActionResult({"redriveDate": date})

    def describe_with_redrives(self: StepFunctionResponse) -> ActionResult:
        answer = describe(self)
        execution: Any = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        dates, why = list(_redrives_of(execution).values()), _why_not(execution)
        described: Any = answer.result
        described |= {"redriveCount": len(dates), "redriveStatus": "NOT_REDRIVABLE" if why else "REDRIVABLE"}
        described |= {"redriveStatusReason": why} if why else {}
        described |= {"redriveDate": dates[-1]} if dates else {}
        return answer

    replace_method(CommonStateField, "_eval_body", enter_and_note)
    replace_method(StepFunctionsParserBackend, "redrive_execution", redrive_of_backend)
    replace_method(StepFunctionResponse, "redrive_execution", redrive_execution)
    replace_method(StepFunctionResponse, "describe_execution", describe_with_redrives)


def _redrives_of(execution: Execution) -> dict[str, datetime]:
    return dict(getattr(execution, _REDRIVES, {}))


def _why_not(execution: Execution) -> str:
    """Return, in the words of DescribeExecution, why an execution cannot be redriven, nothing if it can."""
    status = execution.exec_status
    if status in (ExecutionStatus.RUNNING, ExecutionStatus.SUCCEEDED):
        return f"Execution is {status.value} and cannot be redriven"
    if datetime.now(UTC) - cast("datetime", execution.stop_date) >= _REDRIVABLE_FOR:
        return "Execution redrivable period exceeded"
    if len(execution.to_history_output()["events"]) > _MOST_EVENTS:
        return "Execution history event limit exceeded"
    return ""


def _go_on(execution: Execution, now: datetime, count: int) -> None:
    """Go on in an environment of its own: what was cut short may still look at the one of before."""
    worker = cast("Any", execution.exec_worker)
    before: Environment = worker.env
    stood: _Stood = getattr(before, _STOOD)
    env: Any = worker._get_evaluation_environment()
    env.event_manager = before.event_manager
    env.event_history_context = EventHistoryContext(before.event_history_context.last_published_event_id)
    env.states.reset(stood.given)
    env.variable_store._inner_scope.update(stood.variables)
    env.states.context_object.context_object_data["Execution"] |= {
        "RedriveCount": count,
        "RedriveTime": now.isoformat(),
    }
    env.event_manager.add_event(
        context=env.event_history_context,
        event_type=HistoryEventType.ExecutionRedriven,
        event_details=cast("EventDetails", {"executionRedrivenEventDetails": {"redriveCount": count}}),
    )
    program: Any = copy.copy(cast("Program", worker._get_evaluation_entrypoint()))
    program.start_at = StartAt(stood.name)
    worker.env = env
    execution.exec_status, execution.stop_date = ExecutionStatus.RUNNING, None
    execution.error = execution.cause = execution.output = None

    def run() -> None:
        program.eval(env)
        worker._execution_communication.terminated()

    threading.Thread(target=run, daemon=True).start()

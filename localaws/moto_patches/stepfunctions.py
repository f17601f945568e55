"""Where moto 5.2.5 falls short of AWS, mended: one small function a gap, each with the reason.

`apply` puts all of them in place; they change moto for the whole process, and only add what AWS has.
"""

import base64
import copy
import functools
import json
import re
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlparse

import boto3
import jsonata.utils
from jsonata import Jsonata
from moto.apigateway.models import APIGatewayBackend, RestAPI, apigateway_backends
from moto.awslambda.models import LambdaFunction
from moto.cloudformation import parsing
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.config import default_user_config
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse
from moto.s3.models import FakeBucket, s3_backends
from moto.stepfunctions.models import StateMachine
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
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
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.parser.quotas import MAX_STATE_SIZE_UTF8_BYTES
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from localaws.moto_patches import expressions, strictness

# A Lambda function and an event, to what Lambda would answer: the payload, and whether it is an error.
Invoke = Callable[[LambdaFunction, str], tuple[str, bool]]


def _replace_method(owner: object, name: str, replacement: object) -> None:
    setattr(owner, name, replacement)


class LargestPayload:
    """The size of the largest input, output or Assign that any state had, those of children among them."""

    def __init__(self) -> None:
        self.size = 0
        self._lock = threading.Lock()

    def measure(self, *payloads: str) -> None:
        """Take note of an input or output, or of all variables of an Assign."""
        size = sum(map(_utf8_size, payloads))
        with self._lock:
            self.size = max(self.size, size)


def _utf8_size(payload: str) -> int:
    """Return the size of JSON as AWS counts it: moto escapes what is not ASCII."""
    if "\\u" in payload:
        payload = json.dumps(json.loads(payload), ensure_ascii=False)
    return len(payload.encode())


@dataclass
class Wiring:
    """What the mends reach in the local AWS that runs just now."""

    region: str
    invoke: Invoke
    payloads: LargestPayload


_wiring: Wiring


def apply(wiring: Wiring) -> None:
    """Mend moto for the local AWS that begins to run."""
    global _wiring  # noqa: PLW0603  # moto's classes are the process's, and so is what they reach
    _wiring = wiring
    _patch_once()


@functools.cache
def _patch_once() -> None:
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    warnings.filterwarnings("ignore", message="Tried to parse AWS::", module="moto")
    evaluate_jsonata()
    accept_express_children()
    leave_failed_children_among_the_results()
    name_service_errors_as_aws_does()
    measure_payloads()
    limit_payloads_in_utf8()
    paginate_iam_lists()
    find_access_keys_by_id()
    run_lambda_functions()
    run_the_serverless_transform()
    make_change_sets_that_the_cli_can_use()
    update_by_conditions()
    take_requests_for_encrypted()
    find_templates_by_path()
    create_rest_apis_with_a_body()
    create_state_machines_that_execute()
    name_executions()
    start_executions_one_by_one()
    keep_stopped_executions_stopped()
    strictness.apply()


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

    _replace_method(StringJSONata, "_eval_body", _eval_body)


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

    _replace_method(AmazonStateLanguageParser, "parse", staticmethod(parse_express))


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

    _replace_method(DistributedIterationComponent, "_map_run", run_and_tell)


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


def measure_payloads() -> None:
    """Measure every state's input, output and Assign: moto enforces no quota, so the harness has to look."""
    publish = EventManager._publish_history_event

    def publish_and_measure(self: EventManager, **event: Any) -> None:
        for details in (event["event_details"] or {}).values():
            for field in ("input", "output", "parameters"):
                _wiring.payloads.measure(details.get(field) or "")
            _wiring.payloads.measure(*details.get("assignedVariables", {}).values())
        publish(self, **event)

    _replace_method(EventManager, "_publish_history_event", publish_and_measure)


def limit_payloads_in_utf8() -> None:
    """Hold tasks' results to 256 KiB of UTF-8: moto counts what is not ASCII as it escapes it, up to thrice."""

    def is_within_size_quota(value: object) -> bool:
        text = value if isinstance(value, str) else to_json_str(value)
        return _utf8_size(text) < MAX_STATE_SIZE_UTF8_BYTES

    for module in (state, state_task_lambda, state_task_service):
        _replace_method(module, "is_within_size_quota", is_within_size_quota)


def paginate_iam_lists() -> None:
    """Honour MaxItems and Marker in ListUsers and ListAccessKeys: moto always gives everything at once."""

    def page(response: IamResponse, field: str, items: list[Any], more: dict[str, Any]) -> ActionResult:
        start = int(base64.b64decode(response._get_param("Marker") or "") or 0)
        end = start + int(response._get_param("MaxItems") or 100)
        result = {**more, field: items[start:end], "IsTruncated": end < len(items)}
        if end < len(items):
            result["Marker"] = base64.b64encode(str(end).encode()).decode()
        return ActionResult(result)

    def list_users(self: IamResponse) -> ActionResult:
        users = list(self.backend.list_users(self._get_param("PathPrefix"), None, None))
        return page(self, "Users", sorted(users, key=lambda user: str(user.name)), {})

    def list_access_keys(self: IamResponse) -> ActionResult:
        user_name = self._get_param("UserName")
        return page(self, "AccessKeyMetadata", self.backend.list_access_keys(user_name), {"UserName": user_name})

    _replace_method(IamResponse, "list_users", list_users)
    _replace_method(IamResponse, "list_access_keys", list_access_keys)


def find_access_keys_by_id() -> None:
    """Find the key that GetAccessKeyLastUsed asks for by its id: moto looks through all keys of all users."""
    search = IAMBackend.get_access_key_last_used

    def get_access_key_last_used(self: IAMBackend, access_key_id: str) -> dict[str, Any]:
        key = self.access_keys.get(access_key_id)
        if key is None or key.user_name not in self.users:
            return search(self, access_key_id)
        return {"user_name": key.user_name, "last_used": key.last_used}

    _replace_method(IAMBackend, "get_access_key_last_used", get_access_key_last_used)


def run_lambda_functions() -> None:
    """Run Lambda functions in processes of this machine: moto wants Docker for that."""

    def _invoke_lambda(self: LambdaFunction, event: object = None) -> tuple[str, bool, str]:
        payload, failed = _wiring.invoke(self, event if isinstance(event, str) else json.dumps(event))
        return payload, failed, ""

    _replace_method(LambdaFunction, "_invoke_lambda", _invoke_lambda)


def run_the_serverless_transform() -> None:
    """Run the Serverless transform on templates that ask for it, as CloudFormation does and moto does not."""
    parse_template = Stack.parse_template

    def parse_and_transform(template: str) -> dict[str, Any]:
        return _transformed(parse_template(template))

    def parse_change_set(self: ChangeSet) -> None:
        self.template_dict = parse_and_transform(self.template)

    _replace_method(Stack, "parse_template", staticmethod(parse_and_transform))
    _replace_method(ChangeSet, "_parse_template", parse_change_set)


def _transformed(template: dict[str, Any]) -> dict[str, Any]:
    if template.get("Transform") != "AWS::Serverless-2016-10-31":
        return template
    session = boto3.session.Session(region_name=_wiring.region)
    plain = Translator({}, Parser(), boto_session=session).translate(template, {})
    return cast("dict[str, Any]", json.loads(json.dumps(plain)))


def make_change_sets_that_the_cli_can_use() -> None:
    """Give a stack made by a change set its outputs and tags, and let a change set without a change be an empty one.

    moto forgets the first, and refuses or overlooks the second; `aws cloudformation deploy` wants both. Other tags are
    a change.
    """
    apply_changes, create = ChangeSet.apply, CloudFormationBackend.create_change_set
    validate = CloudFormationResponse._validate_different_update

    def apply_and_output(self: ChangeSet) -> None:
        apply_changes(self)
        self.stack.template, self.stack.template_dict = self.template, self.template_dict
        self.stack.output_map = self.stack._create_output_map()
        self.stack.parameters = self.parameters
        self.stack.tags = self.tags or {}

    def create_also_for_tags(self: CloudFormationBackend, *arguments: Any, **named: Any) -> tuple[str, str]:
        change_set_id, stack_id = create(self, *arguments, **named)
        made = self.change_sets[change_set_id]
        if (made.tags or {}) != made.stack.tags:
            made.status, made.execution_status, made.status_reason = "CREATE_COMPLETE", "AVAILABLE", None
        return change_set_id, stack_id

    def validate_unless_change_set(self: CloudFormationResponse, *arguments: Any) -> None:
        if self._get_action() != "CreateChangeSet":
            validate(self, *arguments)

    def has_parameters(self: Stack, others: dict[str, Any]) -> bool:  # the CLI names also those that stay as they are
        known = self.stack_parameters
        return all(str(known.get(name)) == str(value) for name, value in others.items())

    _replace_method(ChangeSet, "apply", apply_and_output)
    _replace_method(CloudFormationBackend, "create_change_set", create_also_for_tags)
    _replace_method(Stack, "has_parameters", has_parameters)
    _replace_method(CloudFormationResponse, "_validate_different_update", validate_unless_change_set)


def update_by_conditions() -> None:
    """Let an update make and delete what a condition says, and keep what it cannot change.

    moto looks at conditions in a creation alone, forgets what it has no update for, log groups among it, and takes a
    parameter that was left to its default for changed, so that it made the topic anew.
    """
    update, build_diff = parsing.parse_and_update_resource, parsing.ResourceMap.build_resource_diff

    def update_by_condition(name: str, resource: dict[str, Any], there: parsing.ResourceMap, **where: str) -> Any:
        before = there._parsed_resources.pop(name, None)
        if "Condition" in resource and not there.lazy_condition_map[resource["Condition"]]:
            if before:
                there._delete_resource(before, resource)
            return None
        if before is None:
            return there[name]  # which makes it
        there._parsed_resources[name] = before
        return update(name, resource, there, **where) or before

    def diff_by_values(self: parsing.ResourceMap, *arguments: Any, **more: Any) -> dict[str, Any]:
        self.input_parameters = {name: str(value) for name, value in self.resolved_parameters.items()}
        return build_diff(self, *arguments, **more)

    _replace_method(parsing, "parse_and_update_resource", update_by_condition)
    _replace_method(parsing.ResourceMap, "build_resource_diff", diff_by_values)


def take_requests_for_encrypted() -> None:
    """Let a bucket policy that denies plain HTTP deny nothing: all is plain here, and moto ignores conditions."""
    permission = FakeBucket.get_permission
    plain = {"Bool": {"aws:SecureTransport": "false"}}

    def get_permission(self: FakeBucket, action: str, resource: str) -> Any:
        if self.policy is None:
            return permission(self, action, resource)
        document = json.loads(self.policy)
        document["Statement"] = [one for one in document["Statement"] if one.get("Condition") != plain]
        return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)

    _replace_method(FakeBucket, "get_permission", get_permission)


def find_templates_by_path() -> None:
    """Take a template from S3 by the path of its URL, as the AWS CLI writes it: moto takes the host for a bucket."""

    def get_stack(self: CloudFormationResponse, template_url: str) -> str:
        bucket, _, key = urlparse(template_url).path.lstrip("/").partition("/")
        value: bytes = s3_backends[self.current_account]["aws"].get_object(bucket, key).value  # type: ignore[union-attr]  # it is there
        return value.decode()

    _replace_method(CloudFormationResponse, "_get_stack_from_s3_url", get_stack)


def create_rest_apis_with_a_body() -> None:
    """Create AWS::ApiGateway::RestApi from its Body, and an API from Swagger 2.0: moto knows neither.

    Of the first it wants a Name, and of the second a description and version 3; it looks at the paths alone.
    """
    create = RestAPI.create_from_cloudformation_json

    def create_with_body(
        resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **rest: Any
    ) -> RestAPI:
        body = cloudformation_json["Properties"].get("Body")
        if body is None:
            return create(resource_name, cloudformation_json, account_id, region_name, **rest)
        backend = apigateway_backends[account_id][region_name]
        api = backend.create_rest_api(name=body["info"]["title"], description="")
        return backend.put_rest_api(api.id, {"paths": body["paths"]}, fail_on_warnings=False)

    put, load = APIGatewayBackend.put_rest_api, APIGatewayBackend.import_rest_api

    def put_paths(self: Any, function_id: str, api_doc: dict[str, Any], *_: Any, **more: Any) -> RestAPI:
        return put(
            self, function_id, {"paths": api_doc["paths"]}, fail_on_warnings=False, mode=more.get("mode", "merge")
        )

    def import_without_description(self: Any, api_doc: dict[str, Any], fail_on_warnings: bool) -> RestAPI:
        return load(self, {**api_doc, "info": {"description": "", **api_doc["info"]}}, fail_on_warnings)

    _replace_method(RestAPI, "create_from_cloudformation_json", staticmethod(create_with_body))
    _replace_method(APIGatewayBackend, "put_rest_api", put_paths)
    _replace_method(APIGatewayBackend, "import_rest_api", import_without_description)


def create_state_machines_that_execute() -> None:
    """Create, update and delete a stack's state machine where it can run: moto puts it where nothing executes.

    The definition comes from S3 and its ${…} substitutions are made, as CloudFormation does both.
    """

    def definition_of(properties: dict[str, Any], account_id: str) -> str:
        place = properties["DefinitionS3Location"]
        value: bytes = s3_backends[account_id]["aws"].get_object(place["Bucket"], place["Key"]).value  # type: ignore[union-attr]  # it is there
        substitutions = properties.get("DefinitionSubstitutions", {})
        return re.sub(r"\$\{(\w+)\}", lambda match: str(substitutions[match[1]]), value.decode())

    def create(name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any) -> StateMachine:
        properties = cloudformation_json["Properties"]
        backend = stepfunctions_parser_backends[account_id][region_name]
        return backend.create_state_machine(
            properties.get("StateMachineName", name), definition_of(properties, account_id), properties["RoleArn"]
        )

    def update(
        original_resource: StateMachine,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> StateMachine:
        properties = cloudformation_json["Properties"]
        backend = stepfunctions_parser_backends[account_id][region_name]
        definition = definition_of(properties, account_id)
        return backend.update_state_machine(original_resource.arn, definition, properties["RoleArn"])

    def delete(name: str, cloudformation_json: Any, account_id: str, region_name: str) -> None:
        stepfunctions_parser_backends[account_id][region_name].delete_state_machine(name)

    _replace_method(StateMachine, "create_from_cloudformation_json", staticmethod(create))
    _replace_method(StateMachine, "update_from_cloudformation_json", staticmethod(update))
    _replace_method(StateMachine, "delete_from_cloudformation_json", staticmethod(delete))


def name_executions() -> None:
    """Name an execution that is started without a name: moto leaves it without, AWS takes a UUID."""
    start = StepFunctionsParserBackend.start_execution

    def start_execution(self: Any, state_machine_arn: str, name: str | None = None, *arguments: Any) -> Any:
        return start(self, state_machine_arn, name or str(uuid.uuid4()), *arguments)

    _replace_method(StepFunctionsParserBackend, "start_execution", start_execution)


def start_executions_one_by_one() -> None:
    """Let a name be taken once, and an execution be seen when it runs: moto looks and then takes, while others look."""
    lock = threading.RLock()

    def one_by_one(name: str) -> None:
        original = getattr(StepFunctionsParserBackend, name)

        @functools.wraps(original)
        def locked(self: Any, *arguments: Any, **named: Any) -> Any:
            with lock:
                return original(self, *arguments, **named)

        _replace_method(StepFunctionsParserBackend, name, locked)

    for name in ("start_execution", "describe_execution", "list_executions"):
        one_by_one(name)


def keep_stopped_executions_stopped() -> None:
    """Let an execution that is stopped be ABORTED: moto may not have begun it, or stumble over what it cut short."""
    set_error, stop = Environment.set_error, ExecutionWorker.stop

    def set_error_unless_stopped(self: Environment, error: Any) -> None:
        if not isinstance(self.program_state(), ProgramStopped):
            set_error(self, error)

    def stop_what_has_begun(self: ExecutionWorker, **arguments: Any) -> None:
        while self.env is None:
            time.sleep(0.01)
        stop(self, **arguments)

    _replace_method(Environment, "set_error", set_error_unless_stopped)
    _replace_method(ExecutionWorker, "stop", stop_what_has_begun)

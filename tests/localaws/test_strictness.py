"""The local AWS refuses what AWS refuses: arguments of tasks, terminal errors, variables, payloads."""

import contextlib
import inspect
import io
import json
import re
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonata import Jsonata

from chalicelib.aws.deactivations import request_to_apply
from localaws.environment import PROJECT, LocalAws
from localaws.moto_patches import apply as patches_of_moto
from localaws.moto_patches import notifications, speedups, strictness, task_arguments, task_clients
from localaws.moto_patches.expressions import refused
from tests.support.scanner import Scanner, user

DEFINITIONS = sorted((PROJECT / "statemachine").glob("*.asl.json"))
ROLE = "arn:aws:iam::123456789012:role/test"
INVOKE = "arn:aws:states:::lambda:invoke"
LIST_USERS = "arn:aws:states:::aws-sdk:iam:listUsers"
CAUGHT = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}
RETRIED = {"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "IntervalSeconds": 1}]}


def run(aws: LocalAws, definition: dict[str, Any], given: object = None) -> dict[str, Any]:
    """Run a definition as a state machine of its own; return its execution when it has ended."""
    states = aws.client("stepfunctions")
    name = f"strict-{uuid.uuid4()}"
    machine = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    arn = states.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(given or {}))
    while (execution := states.describe_execution(executionArn=arn["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.05)
    states.delete_state_machine(stateMachineArn=machine["stateMachineArn"])
    return dict(execution)


def one_task(resource: str, arguments: object = None, **more: Any) -> dict[str, Any]:
    task = {"Type": "Task", "Resource": resource, "End": True, **more}
    if arguments is not None:
        task["Arguments"] = arguments
    states = {"Call": task, "Caught": {"Type": "Succeed", "Output": "caught"}}
    return {"QueryLanguage": "JSONata", "StartAt": "Call", "States": states}


def states_of(kind: str, states: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every state of a type, those inside of maps too."""
    for name, state in states.items():
        if state["Type"] == kind:
            yield name, state
        yield from states_of(kind, state.get("ItemProcessor", {}).get("States", {}))


def every_task() -> list[Any]:
    documents = [(path.name, json.loads(path.read_text())) for path in DEFINITIONS]
    return [
        pytest.param(document, state, id=f"{name}:{task}")
        for name, document in documents
        for task, state in states_of("Task", document["States"])
        if not str(state.get("Arguments")).startswith("{% $built.")  # made by build_report; the next tests check them
    ]


def requests(document: dict[str, Any], state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a task's Arguments may be: as they stand, or each value that is assigned to their variable."""
    arguments = state["Arguments"]
    if isinstance(arguments, dict):
        return [arguments]
    [variable] = re.findall(r"^\{% \$(\w+) %\}$", arguments)
    return [one for value in assigned(document, variable) for one in alternatives(value)]


def assigned(part: Any, variable: str) -> Iterator[Any]:
    """Yield every value that a definition assigns to a variable."""
    if isinstance(part, dict):
        if variable in part.get("Assign", {}):
            yield part["Assign"][variable]
        part = list(part.values())
    for each in part if isinstance(part, list) else []:
        yield from assigned(each, variable)


def alternatives(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects that an assigned value may be: itself, or those that its expression makes."""
    if isinstance(value, dict):
        yield value
    for fields in re.findall(r"\{('[^}]*)\}", value) if isinstance(value, str) else []:
        yield dict.fromkeys(re.findall(r"'(\w+)':", fields), "?")


@pytest.mark.parametrize(("document", "state"), every_task())
def test_every_task_has_arguments_that_its_api_knows(document: dict[str, Any], state: dict[str, Any]) -> None:
    assert "Arguments" in state, "without them it gets the state's input"
    service, action = state["Resource"].removeprefix("arn:${Partition}:states:::").removeprefix("aws-sdk:").split(":")
    shape = task_arguments.input_of(service, action)
    given = requests(document, state)
    assert given
    for arguments in given:
        unfit = task_arguments.unfit_arguments(shape, arguments)
        assert not [problem for problem in unfit if "not supported" in problem or "missing" in problem], unfit


def test_the_pointer_to_the_last_report_is_what_s3_takes(scanner: Scanner) -> None:
    result = scanner.full_scan([user("alice", "2021-11-27T20:15:43Z")])

    states = scanner.aws.client("stepfunctions")
    arn = scanner.aws.outputs()["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{result.scan_id}"
    events = states.get_execution_history(executionArn=arn, maxResults=1000)["events"]
    [sent] = [
        json.loads(event["taskScheduledEventDetails"]["parameters"])
        for event in events
        if event.get("taskScheduledEventDetails", {}).get("resource") == "putObject"
    ]
    assert task_arguments.unfit_arguments(task_arguments.input_of("s3", "putObject"), sent) == []


def test_the_request_to_apply_a_plan_is_what_step_functions_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEACTIVATION_STATE_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:d")

    request = request_to_apply("scan-1", "2026-11-22T08:00:00Z")

    shape = task_arguments.input_of("stepfunctions", "startExecution")
    assert task_arguments.unfit_arguments(shape, {**request, "Input": json.dumps(request["Input"])}) == []


def test_the_scan_without_the_arguments_of_a_task_fails_as_on_aws(scanner: Scanner) -> None:
    """The fault that would have failed every scheduled scan, and that no Catch catches."""
    scanner.seed([user("alice", "2021-11-27T20:15:43Z")])
    states = scanner.aws.client("stepfunctions")
    machine = states.describe_state_machine(stateMachineArn=scanner.aws.outputs()["StateMachineArn"])
    definition = json.loads(machine["definition"])
    del definition["States"]["ListUsers"]["Arguments"]
    definition["States"]["ReadAccount"]["Output"] = {"scan_kind": "full"}

    execution = run(scanner.aws, definition)

    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    assert "ListUsers" in execution["cause"]
    assert (
        'The Parameters \'{"scan_kind":"full"}\' could not be used to start the Task:'
        " [The field 'scan_kind' is not supported by Step Functions]"
    ) in execution["cause"]


@pytest.mark.parametrize(
    "handled", [{}, CAUGHT, RETRIED, {"Catch": [{"ErrorEquals": ["States.Runtime"], "Next": "Caught"}]}]
)
@pytest.mark.parametrize(
    ("resource", "arguments", "says"),
    [
        (LIST_USERS, None, "The field 'given' is not supported"),
        ("arn:aws:states:::aws-sdk:iam:getAccountSummary", None, "The field 'given' is not supported"),
        (LIST_USERS, {"MaxItem": 100}, "The field 'MaxItem' is not supported"),
        (LIST_USERS, {"maxItems": 100}, "The field 'maxItems' is not supported"),
        (LIST_USERS, {"MaxItems": "100"}, "The value for the field 'MaxItems' must be an INTEGER"),
        (LIST_USERS, {"MaxItems": 1.5}, "The value for the field 'MaxItems' must be an INTEGER"),
        (LIST_USERS, {"MaxItems": True}, "The value for the field 'MaxItems' must be an INTEGER"),
        (LIST_USERS, {"Marker": None}, "The value for the field 'Marker' must be a STRING"),
        (LIST_USERS, "{% ['a'] %}", "must be an OBJECT"),
        (
            "arn:aws:states:::aws-sdk:iam:getAccessKeyLastUsed",
            {},
            "The field 'AccessKeyId' is required but was missing",
        ),
        ("arn:aws:states:::aws-sdk:s3:putObject", {"Bucket": "b", "Key": "k", "Body": 1}, "'Body' must be a STRING"),
        (
            "arn:aws:states:::aws-sdk:sns:publish",
            {"Message": "m", "MessageAttributes": {"a": {"dataType": "String"}}},
            "The field 'dataType' is not supported",
        ),
        (
            INVOKE,
            {"FunctionName": "f", "LogType": "Tail"},
            "The field 'LogType' is not supported",
        ),
        (INVOKE, {"FunctionName": "f", "Payload": 1}, "'Payload' must be a STRING"),
        (INVOKE, {"Payload": {}}, "The field 'FunctionName' is required but was missing"),
    ],
)
def test_arguments_that_do_not_fit_end_the_execution_uncaught(
    aws: LocalAws, resource: str, arguments: object, says: str, handled: dict[str, Any]
) -> None:
    began = aws.calls()

    execution = run(aws, one_task(resource, arguments, **handled), {"given": 1})

    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    assert says in execution["cause"]
    assert aws.calls() == began  # the task was never started


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"MaxItems": 0}, "greater than or equal to 1"),
        ({"MaxItems": 1001}, "less than or equal to 1000"),
        ({"Marker": ""}, "length greater than or equal to 1"),
        ({"PathPrefix": "no-slash"}, "regular expression pattern"),
    ],
)
def test_a_bound_of_the_api_is_broken_as_iam_says_it(aws: LocalAws, arguments: dict[str, Any], says: str) -> None:
    execution = run(aws, one_task(LIST_USERS, arguments))

    assert (execution["status"], execution["error"]) == ("FAILED", "Iam.IamException")
    assert says in execution["cause"]


def test_a_task_without_arguments_gets_the_states_input(aws: LocalAws) -> None:
    execution = run(aws, one_task(LIST_USERS), {"MaxItems": 1001})

    assert execution["error"] == "Iam.IamException"


def answering(aws: LocalAws, characters: int) -> str:
    """Make a function that answers with this many characters; return its name."""
    name, code = f"answering-{characters}", io.BytesIO()
    with zipfile.ZipFile(code, "w") as zipped:
        zipped.writestr("made.py", f"def handler(event, context):\n    return 'x' * {characters}\n")
    given = {"Runtime": "python3.11", "Role": ROLE, "Handler": "made.handler", "Code": {"ZipFile": code.getvalue()}}
    with contextlib.suppress(aws.client("iam").exceptions.EntityAlreadyExistsException):
        aws.client("iam").create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument="{}")
    with contextlib.suppress(aws.client("lambda").exceptions.ResourceConflictException):
        aws.client("lambda").create_function(FunctionName=name, **given)
    return name


@pytest.mark.parametrize(("caught_by", "status"), [("States.ALL", "FAILED"), ("States.DataLimitExceeded", "SUCCEEDED")])
def test_an_answer_over_256_kib_is_caught_by_its_name_alone(aws: LocalAws, caught_by: str, status: str) -> None:
    catch = [{"ErrorEquals": [caught_by], "Next": "Caught"}]

    execution = run(aws, one_task(INVOKE, {"FunctionName": answering(aws, 270_000)}, Catch=catch))

    assert (execution["status"], execution.get("error")) == (
        status,
        "States.DataLimitExceeded" if status == "FAILED" else None,
    )


@pytest.mark.parametrize(("characters", "status"), [(260_000, "SUCCEEDED"), (261_800, "FAILED")])
def test_the_metadata_of_lambda_invoke_counts_against_256_kib(aws: LocalAws, characters: int, status: str) -> None:
    arguments = {"FunctionName": answering(aws, characters)}

    execution = run(aws, one_task(INVOKE, arguments, Output="{% $states.result.SdkHttpMetadata.HttpStatusCode %}"))

    assert execution["status"] == status, execution
    assert execution.get("output", "200") == "200"


def test_the_children_of_a_distributed_map_see_no_variable_of_outside(aws: LocalAws) -> None:
    inside = {"StartAt": "Read", "States": {"Read": {"Type": "Pass", "Output": "{% $outside %}", "End": True}}}
    states = {
        "Begin": {"Type": "Pass", "Assign": {"outside": 1}, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "Items": [1],
            "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}, **inside},
            "ToleratedFailurePercentage": 100,
            "Output": "{% $states.result.Status %}",
            "End": True,
        },
    }

    execution = run(aws, {"QueryLanguage": "JSONata", "StartAt": "Begin", "States": states})

    assert execution["output"].strip('"') == "FAILED"


@pytest.mark.parametrize("tags", [{"k" * 129: "v"}, {"k": "v" * 257}, {"k": "no;semicolon"}])
def test_bounds_hold_in_a_map_too(tags: dict[str, str]) -> None:
    shape = task_arguments.input_of("lambda", "tagResource")
    arguments = {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "Tags": tags}

    [broken] = task_arguments.broken_constraints(shape, arguments)

    assert broken.startswith("Value at 'Tags' failed to satisfy constraint")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": "a b"}, "InvalidName"),
        ({"name": "a:b"}, "InvalidName"),
        ({"name": "a" * 81}, "ValidationException"),
        ({"input": "{"}, "InvalidExecutionInput"),
        ({"input": json.dumps("é" * 131_100, ensure_ascii=False)}, "InvalidExecutionInput"),
    ],
)
def test_an_execution_that_step_functions_does_not_start_is_refused(
    aws: LocalAws, given: dict[str, str], code: str
) -> None:
    machine = aws.outputs()["StateMachineArn"]

    with pytest.raises(ClientError) as error:
        aws.client("stepfunctions").start_execution(stateMachineArn=machine, **given)

    assert error.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    "message",
    [
        {"Message": "m", "Subject": "s" * 100},
        {"Message": "m", "Subject": "two\nlines"},
        {"Message": "m", "Subject": "é"},
        {"Message": "m", "Subject": " blank first"},
        {"Message": "é" * 131_073},
        {"Message": "m" * 262_144, "MessageAttributes": {"a": {"DataType": "String", "StringValue": "v"}}},
        {"Message": "no JSON", "MessageStructure": "json"},
        {"Message": '{"email": "m"}', "MessageStructure": "json"},
        {"Message": '{"default": {"a": 1}}', "MessageStructure": "json"},
    ],
)
def test_a_message_that_sns_does_not_publish_is_refused(aws: LocalAws, message: dict[str, Any]) -> None:
    topic = aws.outputs()["NotificationsTopicArn"]

    with pytest.raises(ClientError, match="InvalidParameter"):
        aws.client("sns").publish(TopicArn=topic, **message)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("$", "means nothing at the top"),
        ("$$.users", "means nothing at the top"),
        ("users", "not qualified"),
        ("users.name", "not qualified"),
        ("$exists(users)", "not qualified"),
        ("*", "means nothing at the top"),
        ("**.name", "means nothing at the top"),
        ("$states.input ~> $map($string)", "passed as a value"),
        ("$reduce($states.input, $append, [])", "passed as a value"),
        ("$map($states.input, $uppercase)", "passed as a value"),
        ("$eval('1')", "not there"),
    ],
)
def test_an_expression_that_aws_refuses_is_refused(aws: LocalAws, expression: str, says: str) -> None:
    passes = {"Pass": {"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}}

    execution = run(aws, {"QueryLanguage": "JSONata", "StartAt": "Pass", "States": passes}, {"users": []})

    assert (execution["status"], execution["error"]) == ("FAILED", "States.QueryEvaluationError")
    assert says in execution["cause"]


@pytest.mark.parametrize(
    "expression",
    [
        "$states.input[$ > 1]",
        "$states.input.(name & $uppercase(name))",
        "$map($states.input, function($item) { $item.name })",
        "$states.input[outcome]",
        "$reduce($states.input, function($a, $b) { $append($a, $b) }, [])",
        "$states.input ~> $sum ~> $string",
        "$states.input.*.name",
        "$states.input.**",
    ],
)
def test_an_expression_within_a_path_is_taken(expression: str) -> None:
    assert refused(Jsonata(expression)) == []


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_no_expression_of_a_definition_is_refused(path: Path) -> None:
    expressions = re.findall(r'"\{% (.*?) %\}"', path.read_text())

    assert expressions
    for expression in expressions:
        assert refused(Jsonata(json.loads(f'"{expression}"'))) == []


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_no_choice_rule_goes_where_the_default_goes(path: Path) -> None:
    """On such a rule, moto applies the Output and the Assign that AWS applies only if no rule matches."""
    choices = [state for _, state in states_of("Choice", json.loads(path.read_text())["States"])]

    assert choices
    for state in choices:
        if "Output" in state or "Assign" in state:
            assert state["Default"] not in {rule["Next"] for rule in state["Choices"]}


def test_every_patch_of_moto_is_in_the_docs_with_its_source() -> None:
    applied: list[Any] = [
        patches_of_moto._patch_once,
        strictness.apply,
        notifications.apply,
        task_clients.apply,
        speedups.apply,
        speedups._apply_once,
    ]
    patches = {
        name for apply in applied for name in re.findall(r"^    ([a-z]\w+)\(", inspect.getsource(apply), re.MULTILINE)
    }
    table = (PROJECT / "docs" / "localaws.md").read_text().partition("## The patches of moto")[2]
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^\n]+) \|$", table, re.MULTILINE))

    named = {name: rest for names, rest in rows.items() for name in re.findall(r"`(\w+)`", names)}
    assert named.keys() == patches
    for name, rest in named.items():
        assert "https://" in rest or "the same as moto, quicker" in rest, name

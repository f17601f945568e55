"""What Step Functions and a service make of a task's arguments, by the service's own model in botocore. Pure.

Step Functions names every field in PascalCase, whatever the service's own spelling is, and refuses what does not fit
the operation before it starts the task:
https://docs.aws.amazon.com/step-functions/latest/dg/connect-parameters.html. Bounds are the service's to refuse.
"""

import copy
import functools
import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

import botocore.session
import regex
from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationNotFoundError, Shape, StructureShape

# The words for a type are those of Step Functions where they are known: "… must be a STRING".
_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "string": ("a STRING", (str,)),
    "character": ("a STRING", (str,)),
    "blob": ("a STRING", (str, dict, list)),  # an object is written as JSON
    "timestamp": ("a TIMESTAMP", (str,)),
    "boolean": ("a BOOLEAN", (bool,)),
    "integer": ("an INTEGER", (int,)),
    "long": ("a LONG", (int,)),
    "float": ("a FLOAT", (int, float)),
    "double": ("a DOUBLE", (int, float)),
    "structure": ("an OBJECT", (dict,)),
    "map": ("an OBJECT", (dict,)),
    "list": ("an ARRAY", (list,)),
}
# https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
LAMBDA_INVOKE_FIELDS = frozenset({"ClientContext", "FunctionName", "InvocationType", "Payload", "Qualifier"})


@functools.cache
def input_of(service: str, action: str) -> Shape | None:
    """Return the input of an action such as listUsers, None if it takes nothing; LookupError if it does not exist."""
    try:
        model = botocore.session.get_session().get_service_model(service)
        return model.operation_model(_pascal(action)).input_shape
    except (UnknownServiceError, OperationNotFoundError) as error:
        raise LookupError(f"there is no action {service}:{action}") from error


def unfit_arguments(shape: Shape | None, arguments: object, fields: Set[str] | None = None) -> list[str]:
    """Return, in the words of Step Functions, what keeps a task from being started with these arguments.

    `fields` are those that an optimized integration supports of its action; None for all.
    """
    if not isinstance(arguments, dict):
        return ["The value for the field 'Arguments' must be an OBJECT"]
    supported = {name for name in arguments if fields is None or name in fields}
    unsupported = [_unsupported(name) for name in arguments if name not in supported]
    if shape is None:  # an action that takes nothing
        return [_unsupported(name) for name in arguments]
    return [*unsupported, *_unfit(shape, {name: arguments[name] for name in supported}, "")]


def _unfit(shape: Shape, value: object, field: str) -> Iterator[str]:
    words, types = _TYPES[shape.type_name]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        yield f"The value for the field '{field}' must be {words}"
    elif isinstance(shape, StructureShape) and isinstance(value, dict):
        members = fields_of(shape)
        yield from (_unsupported(name) for name in value if name not in members)
        required = [_pascal(name) for name in shape.required_members]
        yield from (f"The field '{name}' is required but was missing" for name in required if name not in value)
        for name in value.keys() & members.keys():
            yield from _unfit(members[name][1], value[name], name)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in value:
            yield from _unfit(shape.member, item, field)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for item in value.values():
            yield from _unfit(shape.value, item, field)


def broken_constraints(shape: Shape | None, value: Any, field: str = "") -> Iterator[str]:
    """Yield, as a service says it, each bound of the model that fitting arguments break."""
    if isinstance(shape, StructureShape):
        members = fields_of(shape)
        for name, part in value.items():
            yield from broken_constraints(members[name][1], part, members[name][0])
    elif isinstance(shape, ListShape):
        for item in value:
            yield from broken_constraints(shape.member, item, field)
    elif isinstance(shape, MapShape):
        for name, item in value.items():
            yield from broken_constraints(shape.key, name, field)
            yield from broken_constraints(shape.value, item, field)
    if shape is not None and (constraint := _broken(shape, value)):
        yield f"Value at '{field}' failed to satisfy constraint: Member must {constraint}"


def _broken(shape: Shape, value: Any) -> str:
    bounds = shape.metadata
    least, most = bounds.get("min"), bounds.get("max")
    measured = len(value) if isinstance(value, str | list | dict) else value
    words = "have length" if isinstance(value, str | list | dict) else "have value"
    if least is not None and measured < least:
        return f"{words} greater than or equal to {least}"
    if most is not None and measured > most:
        return f"{words} less than or equal to {most}"
    if isinstance(value, str) and (enum := bounds.get("enum")) and value not in enum:
        return f"satisfy enum value set: [{', '.join(enum)}]"
    if isinstance(value, str) and (pattern := bounds.get("pattern")) and not regex.fullmatch(pattern, value):
        return f"satisfy regular expression pattern: {pattern}"
    return ""


def as_request(shape: Shape | None, value: Any) -> Any:
    """Return fitting arguments as botocore takes them: the service's own names, blobs in bytes.

    Step Functions writes a blob that is an object as JSON, and one that is a text with its quotes, as JSON, too.
    """
    if isinstance(shape, StructureShape):
        members = fields_of(shape)
        return {members[name][0]: as_request(members[name][1], part) for name, part in value.items()}
    if isinstance(shape, ListShape):
        return [as_request(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {name: as_request(shape.value, item) for name, item in value.items()}
    if shape is not None and shape.type_name == "blob":
        return json.dumps(value).encode()
    return copy.deepcopy(value)


def fields_of(shape: StructureShape) -> Mapping[str, tuple[str, Shape]]:
    """Return the fields that a state machine may give, each with the service's own name for it and its shape."""
    return {_pascal(name): (name, member) for name, member in shape.members.items()}


def _pascal(name: str) -> str:
    return name[0].upper() + name[1:]


def _unsupported(name: str) -> str:
    return f"The field '{name}' is not supported by Step Functions"

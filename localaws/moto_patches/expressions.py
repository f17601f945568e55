"""What Step Functions refuses in a JSONata expression and JSONata itself takes.

https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from collections.abc import Iterable, Iterator

from jsonata import Jsonata
from jsonata.parser import Parser

_NATIVE_FUNCTIONS = frozenset(Jsonata.static_frame.bindings)
_LEAVES = ("id", "type", "value", "token", "_outer_instance", "ancestor", "slot", "seeking_parent", "next_function")


def refused(expression: Jsonata) -> list[str]:
    """Return what Step Functions would refuse in a parsed expression, each in a few words."""
    return list(_refused(expression.ast, in_a_path=False))


def _refused(node: Parser.Symbol, in_a_path: bool) -> Iterator[str]:
    """`in_a_path` is true where $ and a bare name mean an item of what the path goes through."""
    value = node.value
    match node.type:
        case "name" if not in_a_path:
            yield f"'{value}' is not qualified: at the top, an expression has $states and variables alone"
        case "wildcard" | "descendant" if not in_a_path:
            yield f"'{value}' means nothing at the top of an expression"
        case "variable" if value in ("", "$") and not in_a_path:
            yield f"${value} means nothing at the top of an expression"
        case "variable" if value in _NATIVE_FUNCTIONS:
            yield f"${value} is passed as a value: write a function that calls it"
        case "function" | "partial" if node.procedure.value == "eval":
            yield "$eval is not there in Step Functions"
    if node.type == "path":
        for index, step in enumerate(node.steps):
            yield from _refused(step, in_a_path or index > 0)
        yield from _of_all(_symbols(node.group), in_a_path=True)
        return
    for name, part in vars(node).items():
        if name in _LEAVES or (_is_called(node, name) and part is not None and part.type == "variable"):
            continue
        yield from _of_all(_symbols(part), in_a_path or name in ("predicate", "stages", "group"))


def _is_called(node: Parser.Symbol, part: str) -> bool:
    return part == "procedure" or (node.type == "apply" and part == "rhs")  # `value ~> $function` calls it


def _of_all(nodes: Iterable[Parser.Symbol], in_a_path: bool) -> Iterator[str]:
    for node in nodes:
        yield from _refused(node, in_a_path)


def _symbols(part: object) -> Iterator[Parser.Symbol]:
    if isinstance(part, Parser.Symbol):
        yield part
    elif isinstance(part, list | tuple):
        for each in part:
            yield from _symbols(each)

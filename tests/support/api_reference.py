"""The reference in docs/api.md, made of the OpenAPI document: `python -m tests.support.api_reference` writes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chalicelib.api.openapi import openapi_document
from chalicelib.schema import describe

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BEGIN = "<!-- made of the OpenAPI document: make reference -->\n"
END = "<!-- end of what is made -->\n"


def reference(document: dict[str, Any]) -> str:
    """Every route with what it takes and answers, then every shape, as Markdown."""
    schemas = document["components"]["schemas"]
    routes = [(method, path, one) for path, item in document["paths"].items() for method, one in item.items()]
    of_every_route = [
        row for row in _answers(routes[0][2]) if all(row in _answers(operation) for _, _, operation in routes)
    ]
    parts = ["\n".join(["## Every route", "", "May answer:", "", *_table(("status", "", "answers"), of_every_route)])]
    parts += [
        _route(f"{method.upper()} {path}", operation, schemas, of_every_route) for method, path, operation in routes
    ]
    parts.append("## Shapes\n\nFields are added, never renamed or removed.\n")
    parts += [_shape(name, schema) for name, schema in schemas.items() if not name.endswith("Request")]
    return "\n".join(parts)


def page_with(document: dict[str, Any]) -> str:
    """The whole page, its reference part made anew."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + "\n" + reference(document) + "\n" + END + rest.partition(END)[2]


def _route(name: str, operation: dict[str, Any], schemas: dict[str, Any], known: list[tuple[str, ...]]) -> str:
    lines = [f"## {name}", "", operation["summary"], ""]
    rows = [
        (f"`{parameter['name']}`", parameter["in"], describe(parameter["schema"]), parameter["description"])
        for parameter in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        fields = schemas[_name(body)]["properties"].items()
        rows += [(f"`{name}`", "body", describe(rule), rule["title"] + ".") for name, rule in fields]
    if rows:
        lines += _table(("parameter", "in", "takes", ""), rows)
    answers = [row for row in _answers(operation) if row not in known]
    return "\n".join([*lines, *_table(("status", "", "answers"), answers)])


def _answers(operation: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (status, answer["description"], _type(answer["content"]["application/json"]["schema"]))
        for status, answer in operation["responses"].items()
    ]


def _shape(name: str, schema: dict[str, Any]) -> str:
    required = schema["required"]
    rows = [
        (f"`{field}`", _type(rule) + ("" if field in required else "; not always there"))
        for field, rule in schema["properties"].items()
    ]
    return "\n".join([f"### {name}", "", schema["description"], "", *_table(("field", "is"), rows)])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"[{_name(schema)}](#{_name(schema).lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_type(schema['items'])}"
    return str(schema.get("type", "anything"))


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [_row(head), _row(("---",) * len(head)).replace(" ", ""), *map(_row, rows), ""]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page_with(openapi_document()))

"""Rules for what users give, as JSON Schema: what is given is checked by them, and the API's document shows them.

Pure. The rules are those that occur here: integers within bounds, booleans, texts out of a list or of a pattern, and
arrays of these. A rule's `description` says what it takes where its type does not.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Self

Rule = Mapping[str, Any]


class RefusedError(Exception):
    """What a user gave is refused; the message names the field, its value and what it takes."""

    def __init__(self, field: str, value: object, takes: str) -> None:
        super().__init__(f"{field}: {_shown(value)} is not accepted; it takes {takes}")
        self.field, self.value, self.takes = field, value, takes

    def for_a_log(self) -> Self:
        """Return the error without the value, unless that is a number: a log is to have no user names."""
        value = self.value if isinstance(self.value, int | float) else "(not shown)"
        return type(self)(self.field, value, self.takes)


def check(field: str, value: object, rule: Rule, error_type: type[RefusedError]) -> Any:
    """Return the value if it is valid; otherwise raise `error_type`."""
    if rule["type"] == "array":
        return _check_items(field, value, rule, error_type)
    if not _keeps(value, rule):
        raise error_type(field, value, describe(rule))
    return value


def parse_json(what: str, text: str | bytes, error_type: type[RefusedError]) -> Any:
    """Read JSON in which no object has a field twice; otherwise raise `error_type`."""

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for name, value in pairs:
            if name in document:
                raise error_type("field given twice", {name: [document[name], value]}, "each field once")
            document[name] = value
        return document

    try:
        return json.loads(text, object_pairs_hook=object_of)
    except (ValueError, RecursionError) as error:  # RecursionError: nested thousands of levels deep
        shown = text.decode(errors="replace") if isinstance(text, bytes) else text
        raise error_type(what, shown, f"well-formed JSON ({error})") from error


def check_fields(
    what: str, document: object, rules: Mapping[str, Rule], error_type: type[RefusedError]
) -> dict[str, Any]:
    """Return a document that is an object and has no field without a rule; otherwise raise `error_type`."""
    names = ", ".join(rules)
    if not isinstance(document, dict):
        raise error_type(what, document, f"an object with any of {names}")
    for field, value in document.items():
        if field not in rules:
            raise error_type("unknown field", {field: value}, f"only {names}")
    return document


def describe(rule: Rule) -> str:
    """Return in words what a rule accepts."""
    if rule["type"] == "integer":
        return f"an integer from {rule['minimum']} to {rule['maximum']}"
    if rule["type"] == "boolean":
        return "true or false"
    return f"one of {', '.join(rule['enum'])}" if "enum" in rule else str(rule["description"])


def _keeps(value: object, rule: Rule) -> bool:
    if rule["type"] == "integer":  # true is an int to isinstance
        return type(value) is int and bool(rule["minimum"] <= value <= rule["maximum"])
    if rule["type"] == "boolean":
        return isinstance(value, bool)
    if "enum" in rule:
        return value in rule["enum"]
    return isinstance(value, str) and re.fullmatch(rule["pattern"], value, re.ASCII) is not None


def _check_items(field: str, value: object, rule: Rule, error_type: type[RefusedError]) -> list[Any]:
    if not isinstance(value, list) or not rule["minItems"] <= len(value) <= rule["maxItems"]:
        counted = f"{field} ({len(value)} of them)" if isinstance(value, list) else field
        raise error_type(counted, value, describe(rule))
    seen: set[object] = set()
    for index, item in enumerate(value):
        if not _keeps(item, rule["items"]):
            raise error_type(f"{field}[{index}]", item, describe(rule))
        if item in seen:
            raise error_type(f"{field}[{index}] (a duplicate)", item, describe(rule))
        seen.add(item)
    return value


def _shown(value: object, longest: int = 80) -> str:
    try:
        text = json.dumps(value, default=str)
    except RecursionError:
        return "a value nested too deeply"
    return text if len(text) <= longest else text[: longest - 3] + "..."

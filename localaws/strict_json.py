"""Documents that a person writes as JSON, checked against a model; what is refused is said in one clear line."""

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from chalicelib.documents import USER_NAME_PATTERN
from chalicelib.organization_documents import ACCOUNT_ID_PATTERN

_LONGEST_VALUE = 60
_NOT_IN_XML = "\ufffe\uffff"  # in which IAM answers
_TAKES = {
    "model_type": "takes an object",
    "dict_type": "takes an object",
    "list_type": "takes a list",
    "string_type": "takes text",
    "string_unicode": "takes text of whole characters, without lone surrogates",
    "bool_type": "takes true or false",
    "int_type": "takes a whole number",
    "float_type": "takes a number",
}


class DocumentError(Exception):
    """A document that is refused; the message names field, value and what is accepted."""


class Strict(BaseModel):
    """A part of a document: no unknown fields, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Place = tuple[int | str, ...]  # of a value in a document: names of fields, and places in lists from 0
Model = TypeVar("Model", bound=Strict)


def matching(pattern: str, takes: str) -> Any:
    """Return a validator that holds a text to a pattern."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"takes {takes}")
        return value

    return AfterValidator(check)


def is_plain(text: str) -> bool:
    """Return whether text has neither control characters nor what is no character, such as a lone surrogate."""
    return not any(unicodedata.category(one) in ("Cc", "Cs") or one in _NOT_IN_XML for one in text)


class PlacedError(ValueError):
    """A value that is refused by what is around it; `place` leads to it from where that is checked."""

    def __init__(self, place: Place, value: str, problem: str) -> None:
        super().__init__(problem)
        self.place, self.value = place, value


def refuse_duplicates(field: str, values: Iterable[tuple[Place, str]], *, ignore_case: bool = False) -> None:
    """Raise PlacedError for a value that is there twice, which names the field; each value comes with its place."""
    seen: dict[str, str] = {}
    for place, value in values:
        name = value.lower() if ignore_case else value
        if seen.get(name) == value:
            raise PlacedError(place, value, f'{field} "{value}" is there twice; each takes a value of its own')
        if name in seen:
            problem = f'{field} "{value}" differs from "{seen[name]}" in case alone; to IAM they are the same'
            raise PlacedError(place, value, problem)
        seen[name] = value


UserName = Annotated[str, matching(USER_NAME_PATTERN, "1 to 64 characters out of A-Z a-z 0-9 _ + = , . @ -")]
AccountId = Annotated[str, matching(ACCOUNT_ID_PATTERN, "12 digits, as text")]


def parse_document(model: type[Model], text: str, name: str) -> Model:
    """Read JSON as a model, which `name` is to be called by; DocumentError for what is not one."""
    try:
        document = json.loads(text, object_pairs_hook=_each_field_once)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"is not JSON: {error}") from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise DocumentError(first_mistake(error, name, model)) from error


def _each_field_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError(f"an object has a field twice; its fields are {', '.join(_shown(name) for name, _ in pairs)}")
    return document


def first_mistake(error: ValidationError, name: str, model: type[Strict]) -> str:
    """Return the first mistake as field, value and what is accepted."""
    mistake = error.errors(include_url=False)[0]
    place, value = mistake["loc"], mistake["input"]
    if isinstance(refusal := mistake.get("ctx", {}).get("error"), PlacedError):
        place, value = (*place, *refusal.place), refusal.value
    place = place[:-2] if place[-1:] == ("[key]",) else place  # the name of a field is the value then
    field = ".".join(_shown(str(part)) for part in place) or name
    match mistake["type"]:
        case "extra_forbidden":
            return f"{field}: unknown field; the fields here are {', '.join(_fields_beside(place, model))}"
        case "missing":
            return f"{field}: is missing"
    shown = _shortened(json.dumps(value, default=str))
    takes = _TAKES.get(mistake["type"]) or mistake["msg"].removeprefix("Value error, ")
    return f"{field}: {shown} is not accepted: {takes}"


def _shown(name: str) -> str:
    """Return the name of a field as one line can show it."""
    return _shortened(name if name.isprintable() else json.dumps(name)[1:-1])


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _fields_beside(place: Place, model: Any) -> list[str]:
    """Return the fields that a model has where a place in its document is."""
    for part in place[:-1]:
        if get_origin(model) is dict:  # of models by a key that the document chooses
            model = get_args(model)[1]
        elif isinstance(part, str):
            model = next(
                field for name, field in model.model_fields.items() if (field.alias or name) == part
            ).annotation
        while get_args(model) and get_origin(model) is not dict:  # a list of models, or one that may be left out
            model = get_args(model)[0]
    return [field.alias or name for name, field in model.model_fields.items()]

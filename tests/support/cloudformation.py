"""What CloudFormation makes of a part of a template, for the functions that this project's template uses."""

import re
from collections.abc import Callable, Iterator
from typing import Any


def resolve(template: dict[str, Any], part: Any, known: dict[str, str]) -> Any:
    """Resolve a part of a template; `known` are the values of parameters and what resources are referred to by."""
    if isinstance(part, list):
        return [resolve(template, item, known) for item in part if not _is_no_value(template, item, known)]
    if not isinstance(part, dict):
        return part
    function = next(iter(part), "")
    if len(part) == 1 and function in _FUNCTIONS:
        return _FUNCTIONS[function](template, part[function], known)
    kept = {name: item for name, item in part.items() if not _is_no_value(template, item, known)}
    return {name: resolve(template, item, known) for name, item in kept.items()}


def exists(template: dict[str, Any], resource: dict[str, Any], known: dict[str, str]) -> bool:
    """Whether CloudFormation makes a resource, by its condition."""
    condition = resource.get("Condition")
    return condition is None or _holds(template, template["Conditions"][condition], known)


def prerequisites(template: dict[str, Any], conditions: dict[str, bool]) -> dict[str, set[str]]:
    """The resources that CloudFormation creates before each resource, where the conditions hold like this."""
    parts = {
        name: part for name, part in template["Resources"].items() if conditions.get(part.get("Condition", ""), True)
    }
    return {
        name: (set(_referred(part.get("Properties"), conditions)) | set(_listed(part.get("DependsOn", []))))
        & parts.keys()
        for name, part in parts.items()
    }


def _referred(part: Any, conditions: dict[str, bool]) -> Iterator[str]:
    """The names that a part of a template refers to, with the half of each Fn::If that is taken."""
    if isinstance(part, list):
        for item in part:
            yield from _referred(item, conditions)
    if not isinstance(part, dict):
        return
    for name, value in part.items():
        if name == "Ref":
            yield value
        elif name == "Fn::GetAtt":
            yield value.split(".")[0] if isinstance(value, str) else value[0]
        elif name == "Fn::If":
            yield from _referred(value[1] if conditions[value[0]] else value[2], conditions)
        else:
            if name == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                yield from re.findall(r"\$\{([\w:]+)[.}]", text)
            yield from _referred(value, conditions)


def _listed(one_or_more: str | list[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


def _if(template: dict[str, Any], argument: Any, known: dict[str, str]) -> Any:
    condition, if_so, if_not = argument
    return resolve(template, if_so if _holds(template, template["Conditions"][condition], known) else if_not, known)


def _is_no_value(template: dict[str, Any], item: Any, known: dict[str, str]) -> bool:
    """Whether an item of a list, or a value, is AWS::NoValue, which removes it."""
    if isinstance(item, dict) and "Fn::If" in item:
        condition, if_so, if_not = item["Fn::If"]
        item = if_so if _holds(template, template["Conditions"][condition], known) else if_not
    return bool(item == {"Ref": "AWS::NoValue"})


def _holds(template: dict[str, Any], condition: dict[str, Any], known: dict[str, str]) -> bool:
    if "Fn::Not" in condition:
        return not _holds(template, condition["Fn::Not"][0], known)
    for function, enough in (("Fn::And", all), ("Fn::Or", any)):
        if function in condition:
            return enough(_holds(template, one, known) for one in condition[function])
    one, other = resolve(template, condition["Fn::Equals"], known)
    return bool(one == other)


def _sub(template: dict[str, Any], argument: Any, known: dict[str, str]) -> str:
    text, more = (argument, {}) if isinstance(argument, str) else argument
    names = {**known, **resolve(template, more, known)}
    return re.sub(r"\$\{([^}]+)\}", lambda match: names[match[1]], text)


def _split(template: dict[str, Any], argument: Any, known: dict[str, str]) -> list[str]:
    separator, text = resolve(template, argument, known)
    return list(text.split(separator))


def _join(template: dict[str, Any], argument: Any, known: dict[str, str]) -> str:
    separator, texts = resolve(template, argument, known)
    return str(separator.join(texts))


_FUNCTIONS: dict[str, Callable[[dict[str, Any], Any, dict[str, str]], Any]] = {
    "Ref": lambda _, name, known: known[name],
    "Fn::GetAtt": lambda _, name, known: known[".".join(name)],
    "Fn::If": _if,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
}

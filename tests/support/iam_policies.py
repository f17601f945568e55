"""Whether a policy document allows a call, its conditions among what is looked at, as IAM evaluates them."""

import fnmatch
import re
from collections.abc import Callable, Mapping
from typing import Any


def allows(
    document: Mapping[str, Any], action: str, resource: str = "*", *, principal: str = "", **context: str
) -> bool:
    """Return whether a document allows a call, and no statement of it denies it.

    `principal` is the service, or the ARN of a role, of a document that names principals. `context` are the condition
    keys of the call, with __ for a colon: `aws__SourceAccount`; IAM tells no upper from lower case in them. A condition
    on a key that the call does not have is not met, but for Null and ForAllValues. Each key has one value here.
    """
    given = {name.replace("__", ":").lower(): value for name, value in context.items()}
    effects = {
        statement["Effect"]
        for statement in document["Statement"]
        if _of_principal(statement.get("Principal", {}), principal)
        and _any(fnmatch.fnmatchcase, action.lower(), [one.lower() for one in _listed(statement["Action"])])
        and _any(fnmatch.fnmatchcase, resource, _listed(statement.get("Resource", "*")))
        and _holds(statement.get("Condition", {}), given)
    }
    return effects == {"Allow"}


def _of_principal(wanted: Any, principal: str) -> bool:
    if wanted == "*" or not principal:
        return bool(wanted == "*") or not wanted
    accounts = [arn.removesuffix(":root") for arn in _listed(wanted.get("AWS", [])) if arn.endswith(":root")]
    return principal in (*_listed(wanted.get("Service", [])), *_listed(wanted.get("AWS", []))) or any(
        principal.startswith(f"{account}:") for account in accounts
    )


def _holds(condition: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> bool:
    return all(
        (values == "true") is (key.lower() not in given)
        if operator == "Null"
        else _any(_OPERATORS[operator.removeprefix(_OF_ALL)], given[key.lower()], _listed(values))
        if key.lower() in given
        else operator.startswith(_OF_ALL)
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def _arn_like(value: str, pattern: str) -> bool:
    """Compare each of the six parts of an ARN by itself: * does not reach over the colon that ends a part."""
    parts, patterns = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) == 6 and all(map(fnmatch.fnmatchcase, parts, patterns))


def _any(compare: Callable[[str, str], bool], value: str, patterns: list[str]) -> bool:
    return any(compare(value, re.sub(r"\[", "[[]", pattern)) for pattern in patterns)


def _listed(one_or_more: Any) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)


_OF_ALL = "ForAllValues:"
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "Bool": str.__eq__,
    "ArnEquals": _arn_like,  # with its wildcards, as IAM takes it
    "ArnLike": _arn_like,
    "ArnNotLike": lambda value, pattern: not _arn_like(value, pattern),  # of one pattern
}

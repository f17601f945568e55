"""Whether policy documents allow a call, as IAM decides it, for the parts of the language that are used here. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

_PARTS_OF_AN_ARN = 6


class UnsupportedPolicyError(Exception):
    """A document has a part of the language that is not known here; the message names it."""


class Decision(Enum):
    """What documents say of a call."""

    ALLOWED = auto()
    DENIED = auto()  # by a statement
    NOT_ALLOWED = auto()  # by none


class Trusted(Enum):
    """How a document names a principal."""

    BY_NAME = auto()
    BY_ACCOUNT = auto()  # which leaves it to the principal's own policies


@dataclass(frozen=True)
class Attempt:
    """A call to decide on; `context` has its condition keys, of those with several values a tuple."""

    action: str
    resource: str = "*"
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


def decide(documents: Iterable[Mapping[str, Any]], attempt: Attempt) -> Decision:
    """Return what policies of an identity say of a call."""
    effects = {one["Effect"] for document in documents for one in statements(document) if _is_met(one, attempt)}
    if "Deny" in effects:
        return Decision.DENIED
    return Decision.ALLOWED if effects else Decision.NOT_ALLOWED


def trust(document: Mapping[str, Any], attempt: Attempt, arn: str, account_id: str) -> Trusted | None:
    """Return how a role's trust policy allows a principal to assume it, None if it does not."""
    ways: set[tuple[str, Trusted]] = set()
    for statement in statements(document):
        if "NotPrincipal" in statement:
            raise UnsupportedPolicyError("NotPrincipal")
        way = _named(statement.get("Principal"), arn, account_id)
        if way and _is_met({**statement, "Resource": "*"}, attempt):
            ways.add((statement["Effect"], way))
    if not ways or any(effect == "Deny" for effect, _ in ways):
        return None
    return Trusted.BY_NAME if ("Allow", Trusted.BY_NAME) in ways else Trusted.BY_ACCOUNT


def statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of a policy document."""
    listed = document["Statement"]
    return [listed] if isinstance(listed, dict) else listed


def _named(principal: Any, arn: str, account_id: str) -> Trusted | None:
    if principal == "*":
        return Trusted.BY_ACCOUNT
    names = _listed(principal.get("AWS", [])) if isinstance(principal, dict) else []
    if arn in names:
        return Trusted.BY_NAME
    whole_account = {"*", account_id, f"arn:aws:iam::{account_id}:root"}
    return Trusted.BY_ACCOUNT if whole_account.intersection(names) else None


def _is_met(statement: Mapping[str, Any], attempt: Attempt) -> bool:
    return (
        _applies(statement, "Action", attempt.action, ignore_case=True)
        and _applies(statement, "Resource", attempt.resource)
        and all(
            _condition_holds(operator, key, _listed(values), attempt.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _applies(statement: Mapping[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    wanted, patterns = element in statement, _listed(statement.get(element) or statement[f"Not{element}"])
    if ignore_case:
        value, patterns = value.lower(), [pattern.lower() for pattern in patterns]
    return any(is_like(value, pattern) for pattern in patterns) == wanted


def _condition_holds(operator: str, key: str, values: list[str], context: Mapping[str, str | tuple[str, ...]]) -> bool:
    given = next((value for known, value in context.items() if known.lower() == key.lower()), None)
    if operator == "Null":
        return any((given is None) == (value.lower() == "true") for value in values)
    quantity, _, of_one = operator.rpartition(":")
    name = of_one.removesuffix("IfExists")
    opposite = name.replace("Not", "", 1)
    if opposite not in _OPERATORS or quantity not in ("", *_QUANTITIES):
        raise UnsupportedPolicyError(f"the condition operator {operator}")

    def is_met(one: str) -> bool:
        return any(_OPERATORS[opposite](one, value) for value in values) == (opposite == name)

    if quantity:  # without a value, all of them do, and not any
        return _QUANTITIES[quantity](map(is_met, (given,) if isinstance(given, str) else given or ()))
    if given is None:
        return of_one != name or opposite != name
    if isinstance(given, tuple):
        raise UnsupportedPolicyError(f"{operator} of {key}, which has several values")
    return is_met(given)


def is_like(value: str, pattern: str) -> bool:
    """Return whether a value matches a pattern of IAM's, in which * and ? are wildcards."""
    return _compiled(pattern).fullmatch(value) is not None


@functools.lru_cache(maxsize=10_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _is_arn_like(value: str, pattern: str) -> bool:
    """Compare each of the six parts of an ARN by itself: * does not reach over the colon that ends a part."""
    parts, patterns = value.split(":", _PARTS_OF_AN_ARN - 1), pattern.split(":", _PARTS_OF_AN_ARN - 1)
    return len(parts) == len(patterns) == _PARTS_OF_AN_ARN and all(map(is_like, parts, patterns))


def _listed(one_or_more: Any) -> list[str]:
    return [str(one) for one in one_or_more] if isinstance(one_or_more, list) else [str(one_or_more)]


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
_QUANTITIES: dict[str, Callable[[Iterable[bool]], bool]] = {"ForAllValues": all, "ForAnyValue": any}

_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": is_like,
    "ArnEquals": _is_arn_like,  # with its wildcards, as IAM takes it
    "ArnLike": _is_arn_like,
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
}

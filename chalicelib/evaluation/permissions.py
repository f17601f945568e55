"""What a user's policies allow, as far as it makes a leaked key worse: administration, and AWS's quarantine. Pure.

Deny statements, permissions boundaries, service control policies and conditions are not looked at.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

_MANAGED = "arn:aws[a-z-]*:iam::aws:policy/"  # by AWS, in any partition; a customer's policy may have the same name
_ADMINISTRATOR_POLICY = re.compile(f"{_MANAGED}(?:AdministratorAccess|IAMFullAccess|PowerUserAccess)")
# AWS attaches it to the user of a leaked key, so far in three versions:
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html
_QUARANTINE_POLICY = re.compile(f"{_MANAGED}(AWSCompromisedKeyQuarantine(?:V[0-9]+)?)")

# Stands in for any name: no policy can spell it out, so only wildcards match it. Twice, a short name and a long one,
# so that a pattern matches both only if it matches every length. "GetUser" is as short as IAM's actions get.
_SHORT, _LONG = "\0", "\0" * 64
_ANY_ACTION = (f"{_SHORT * 2}:{_SHORT * 3}", f"{_LONG}:{_LONG}")
_IAM_ACTIONS = (f"iam:{_SHORT * 7}", f"iam:{_LONG}")
_ANY_RESOURCE = (f"{_SHORT * 2}::{{account}}:{_SHORT}", f"{_LONG}:{_LONG}:{{account}}:{_LONG}")
_USERS = (f"iam::{{account}}:user/{_SHORT}", f"iam::{{account}}:user/{_LONG}")
_IAM_RESOURCES = (f"iam::{{account}}:{_SHORT * 3}/{_SHORT}", f"iam::{{account}}:{_LONG}/{_LONG}")


def is_administrator_policy(arn: str) -> bool:
    """Return whether this is one of AWS's managed policies that let a user administer the account or its users."""
    return _ADMINISTRATOR_POLICY.fullmatch(arn) is not None


def quarantine_policy(arns: Iterable[str]) -> str | None:
    """Return the name of the policy with which AWS quarantines the user of a leaked key, if it is among the ARNs."""
    return next((match[1] for match in map(_QUARANTINE_POLICY.fullmatch, arns) if match), None)


def allows_administration(document: object) -> bool:
    """Return whether an IAM policy document allows everything, or everything in IAM, or everything with exceptions.

    Raise ValueError for a document that cannot be read.
    """
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        raise ValueError("a policy document without statements")  # noqa: TRY004 - all that cannot be read is one error
    return True in [_allows_administration(statement) for statement in statements]


def _allows_administration(statement: object) -> bool:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise ValueError("a policy statement without an effect")
    if statement["Effect"] == "Deny":
        return False
    actions, not_actions = _patterns(statement, "Action")
    resources, not_resources = _patterns(statement, "Resource")
    return any(
        any(_matches_action(pattern, action) for pattern in actions) is not not_actions
        and any(_matches_resource(pattern, resource) for pattern in resources) is not not_resources
        for action, resource in ((_ANY_ACTION, _ANY_RESOURCE), (_IAM_ACTIONS, _IAM_RESOURCES), (_IAM_ACTIONS, _USERS))
    )


def _patterns(statement: dict[Any, Any], name: str) -> tuple[list[str], bool]:
    """Return the patterns of an element such as Action, and whether they are those of NotAction."""
    negated = f"Not{name}" in statement
    given = statement.get(f"Not{name}" if negated else name)
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError(f"a policy statement whose {name} is no text")
    return patterns, negated


def _matches_action(pattern: str, actions: tuple[str, ...]) -> bool:
    return all(_matches(pattern.lower(), action) for action in actions)


def _matches_resource(pattern: str, resources: tuple[str, ...]) -> bool:
    """Return whether the pattern of an ARN matches all of these; its partition and account count as the user's own."""
    partition = re.match(r"arn:(aws[a-z-]*):", pattern)
    account = re.search(r":([0-9]{12}):", pattern)
    prefix = f"arn:{partition[1] if partition else 'aws'}:"
    own = account[1] if account else "\0" * 12
    return all(_matches(pattern, prefix + resource.format(account=own)) for resource in resources)


def _matches(pattern: str, text: str) -> bool:
    # As IAM matches: `*` and `?` are wildcards, brackets are not. However many `*` there are, fnmatch takes no longer.
    return fnmatchcase(text, pattern.replace("[", "[[]"))

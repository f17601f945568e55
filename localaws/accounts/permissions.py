"""What an account file has of permissions: groups, names of policies and policy documents, as IAM holds them."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from localaws.strict_json import Strict, matching

_NAME = r"[\w+=,.@-]{1,128}"  # of a group and of a policy, as in the model of IAM's API
_NAME_TAKES = "1 to 128 out of A-Z a-z 0-9 _ + = , . @ -"
_EITHER = (("Action", "NotAction"), ("Resource", "NotResource"))
STATEMENT_FIELDS = ("Effect", *(name for names in _EITHER for name in names), "Condition")


def statements_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of a policy document of a user or a group; ValueError for what is not one.

    The grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """
    statements = document.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        raise ValueError('takes an IAM policy document, whose "Statement" is an object or a list of objects')
    for number, statement in enumerate(statements, start=1):
        if takes := _what_it_takes(statement):
            raise ValueError(f"takes an IAM policy document; its statement {number} takes {takes}")
    return statements


def _what_it_takes(statement: Mapping[str, Any]) -> str | None:
    if statement.get("Effect") not in ("Allow", "Deny"):
        return 'Effect "Allow" or "Deny"'
    for names in _EITHER:
        given = [statement[name] for name in names if name in statement]
        if len(given) != 1 or not _is_text_or_list(given[0]):
            return f"{' or '.join(names)}, as text or a list of texts"
    if not isinstance(statement.get("Condition", {}), dict):
        return "an object as Condition"
    return "no Principal, for whoever has the policy is the principal" if "Principal" in statement else None


def _is_text_or_list(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _document(document: dict[str, Any]) -> dict[str, Any]:
    statements_of(document)
    return document


def _each_once(names: list[str]) -> list[str]:
    if len({name.lower() for name in names}) < len(names):
        raise ValueError("takes each name once")
    return names


PolicyName = Annotated[str, matching(_NAME, _NAME_TAKES)]
GroupName = Annotated[str, matching(_NAME, _NAME_TAKES)]
PolicyDocument = Annotated[dict[str, Any], AfterValidator(_document)]
PolicyNames = Annotated[list[PolicyName], AfterValidator(_each_once)]
GroupNames = Annotated[list[GroupName], AfterValidator(_each_once)]
InlinePolicies = dict[PolicyName, PolicyDocument]


class Group(Strict):
    """An IAM group: the policies that are attached to it, and those of its own."""

    group_name: GroupName
    policies: PolicyNames = Field(default=[])
    inline_policies: InlinePolicies = Field(default={})

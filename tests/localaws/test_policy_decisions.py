"""How policies decide on a call on the local AWS, as IAM documents it."""

from typing import Any

import pytest

from localaws.policy_decisions import Attempt, Decision, Trusted, UnsupportedPolicyError, decide, trust

ALLOWED, DENIED, NOT_ALLOWED = Decision.ALLOWED, Decision.DENIED, Decision.NOT_ALLOWED
ALICE = "arn:aws:iam::111122223333:user/ops/alice"
SCANNER = "arn:aws:iam::111122223333:role/path/iam-key-age-prod-ScanAccountRole-1A2B"


def policy(effect: str = "Allow", **statement: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": effect, "Action": "iam:ListAccessKeys", "Resource": "*", **statement}]}


@pytest.mark.parametrize(
    ("documents", "decision"),
    [
        ([], NOT_ALLOWED),
        ([policy()], ALLOWED),
        ([{"Statement": policy()["Statement"][0]}], ALLOWED),
        ([policy(Action=["s3:*", "IAM:list*"])], ALLOWED),
        ([policy(Action="iam:ListUsers")], NOT_ALLOWED),
        ([policy(Action="iam:ListAccessKey?")], ALLOWED),
        ([policy(Action="iam:List[A]ccessKeys")], NOT_ALLOWED),
        ([policy(Resource="arn:aws:iam::111122223333:user/*")], ALLOWED),
        ([policy(Resource="arn:aws:iam::444455556666:user/*")], NOT_ALLOWED),
        ([policy(Resource=["arn:aws:s3:::*", ALICE])], ALLOWED),
        ([policy(), policy("Deny")], DENIED),
        ([policy("Deny")], DENIED),
        ([policy(), policy("Deny", Resource="arn:aws:s3:::*")], ALLOWED),
        ([{"Statement": {"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::*"}}], ALLOWED),
        ([{"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}], NOT_ALLOWED),
    ],
)
def test_a_call_is_allowed_by_a_statement_and_denied_by_one(documents: list[Any], decision: Decision) -> None:
    assert decide(documents, Attempt("iam:ListAccessKeys", ALICE)) is decision


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"sts:ExternalId": "ours"}}, True),
        ({"StringEquals": {"STS:externalid": ["theirs", "ours"]}}, True),
        ({"StringEquals": {"sts:ExternalId": "OURS"}}, False),
        ({"StringEqualsIgnoreCase": {"sts:ExternalId": "OURS"}}, True),
        ({"StringLike": {"sts:ExternalId": "o*s"}}, True),
        ({"StringNotEquals": {"sts:ExternalId": "ours"}}, False),
        ({"StringNotLike": {"sts:ExternalId": "t*"}}, True),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, False),
        ({"StringEqualsIfExists": {"aws:SourceAccount": "111122223333"}}, True),
        ({"StringNotEquals": {"aws:SourceAccount": "111122223333"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"Bool": {"aws:SecureTransport": True}}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        (
            {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*/iam-key-age-prod-ScanAccountRole-*"}},
            True,
        ),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/iam-key-age-prod-*"}}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*"}}, False),  # which does not reach over a colon
        ({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/*"}}, True),
        ({"Null": {"aws:ResourceTag/Team": "false"}}, True),
        ({"Null": {"AWS:resourcetag/team": "false"}}, True),
        ({"Null": {"aws:ResourceTag/Team": "true"}}, False),
        ({"Null": {"aws:ResourceTag/Owner": "true"}}, True),
        ({"Null": {"aws:ResourceTag/Owner": False}}, False),
        ({"StringEquals": {"aws:ResourceTag/Team": "web"}}, True),
        ({"StringEquals": {"aws:ResourceTag/team": "Web"}}, False),
        ({"StringEquals": {"sts:ExternalId": "ours"}, "Bool": {"aws:SecureTransport": "false"}}, False),
    ],
)
def test_all_conditions_have_to_hold(condition: Any, holds: bool) -> None:
    context = {"sts:ExternalId": "ours", "aws:SecureTransport": "true", "aws:PrincipalArn": SCANNER}
    context |= {"aws:ResourceTag/Team": "web"}

    decision = decide([policy(Condition=condition)], Attempt("iam:ListAccessKeys", ALICE, context))

    assert (decision is ALLOWED) == holds


@pytest.mark.parametrize(
    ("condition", "recipients", "holds"),
    [
        ({"ForAllValues:StringLike": ["*@example.com"]}, ("a@example.com", "b@example.com"), True),
        ({"ForAllValues:StringLike": ["*@example.com"]}, ("a@example.com", "b@example.org"), False),
        ({"ForAllValues:StringLike": ["*@example.com", "*@example.org"]}, ("a@example.com", "b@example.org"), True),
        ({"ForAllValues:StringLike": ["*@example.com"]}, None, True),  # which is why Null is asked, too
        ({"ForAllValues:StringLike": ["*@example.com"], "Null": "false"}, None, False),
        ({"ForAllValues:StringLike": ["*@example.com"], "Null": "false"}, ("a@example.com",), True),
        ({"ForAllValues:StringNotLike": ["*@example.org"]}, ("a@example.com", "b@example.org"), False),
        ({"ForAnyValue:StringLike": ["*@example.com"]}, ("a@example.com", "b@example.org"), True),
        ({"ForAnyValue:StringLike": ["*@example.com"]}, ("b@example.org",), False),
        ({"ForAnyValue:StringLike": ["*@example.com"]}, None, False),
    ],
)
def test_a_key_of_several_values_is_asked_for_all_or_for_any(
    condition: dict[str, Any], recipients: tuple[str, ...] | None, holds: bool
) -> None:
    document = policy(Condition={operator: {"ses:Recipients": values} for operator, values in condition.items()})
    context = {} if recipients is None else {"ses:Recipients": recipients}

    decision = decide([document], Attempt("iam:ListAccessKeys", ALICE, context))

    assert (decision is ALLOWED) == holds


@pytest.mark.parametrize(
    ("principal", "trusted"),
    [
        ({"AWS": SCANNER}, Trusted.BY_NAME),
        ({"AWS": ["arn:aws:iam::444455556666:root", SCANNER]}, Trusted.BY_NAME),
        ({"AWS": "arn:aws:iam::111122223333:root"}, Trusted.BY_ACCOUNT),
        ({"AWS": "111122223333"}, Trusted.BY_ACCOUNT),
        ({"AWS": "*"}, Trusted.BY_ACCOUNT),
        ("*", Trusted.BY_ACCOUNT),
        ({"AWS": "arn:aws:iam::444455556666:root"}, None),
        ({"Service": "lambda.amazonaws.com"}, None),
        ({"Federated": "cognito-identity.amazonaws.com"}, None),
    ],
)
def test_a_role_trusts_whom_it_names(principal: Any, trusted: Trusted | None) -> None:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    attempt = Attempt("sts:AssumeRole", "arn:aws:iam::444455556666:role/reader")

    assert trust({"Statement": [statement]}, attempt, SCANNER, "111122223333") is trusted
    denied = {"Statement": [statement, {**statement, "Effect": "Deny"}]}
    assert trust(denied, attempt, SCANNER, "111122223333") is None


@pytest.mark.parametrize(
    "statement",
    [
        {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
        {"Condition": {"ForAllValues:IpAddress": {"a": "b"}}},
        {"Condition": {"ForSomeValues:StringLike": {"a": "b"}}},
        {"Condition": {"StringLike": {"ses:Recipients": "*"}}},
    ],
)
def test_what_is_not_known_of_the_language_is_an_error_and_no_guess(statement: Any) -> None:
    with pytest.raises(UnsupportedPolicyError):
        decide([policy(**statement)], Attempt("iam:ListAccessKeys", ALICE, {"ses:Recipients": ("a@example.com",)}))

"""Which policies make a key one of an administrator, and which one says that it leaked."""

from typing import Any

import pytest

from chalicelib.evaluation.permissions import allows_administration, is_administrator_policy, quarantine_policy

IAM_RESOURCES = ["arn:aws:iam::123456789012:*", "arn:*:iam::*:*"]


def allow(action: Any, resource: Any = "*", **others: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **others}


def allow_not(not_action: Any, resource: Any = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "NotAction": not_action, "Resource": resource}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.mark.parametrize("action", ["*", "**", "*:*", "iam:*", "IAM:*", "Iam:**", "iam:?*", "iam*:*", "i*", "*m:*"])
def test_each_pattern_that_matches_all_of_iam_is_administration(action: str) -> None:
    assert allows_administration(document(allow(action)))
    assert allows_administration(document(allow(["s3:GetObject", action])))


@pytest.mark.parametrize(
    "action",
    [
        "s3:*",
        "iam:Get*",
        "iam:*User",
        "iam:*e*",
        "iam:???????",
        "iam:?????????*",
        "iam:[A-Z]*",
        "iam:[!q]*",
        "iam",
        "iam:",
        "ia:*",
        "",
        [],
    ],
)
def test_a_pattern_that_leaves_some_of_iam_out_is_none(action: Any) -> None:
    assert not allows_administration(document(allow(action)))


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:iam::123456789012:user/*",
        ["arn:aws:iam::*:user/*", "arn:aws:iam::*:group/*"],
        "*",
        "**",
        "arn:*",
        "arn:aws:*",
        "arn:aws:iam::*:*",
        "arn:aws-cn:iam::*:*",
        "arn:aws-us-gov:iam::123456789012:*",
        "arn:*:iam::123456789012:*",
        "arn:aws*:iam::????????????:*",
        "arn:aws:iam::123456789012:*/*",
        ["arn:aws:s3:::bucket", "arn:aws:iam::*:*"],
    ],
)
def test_all_of_iam_as_the_resource_is_administration(resource: Any) -> None:
    assert allows_administration(document(allow("iam:*", resource)))


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:iam::*:role/*",
        "arn:aws:iam::*:role/deploy-*",
        "arn:aws:iam::123456789012:user/${aws:username}",
        "arn:aws:s3:::*",
        "arn:aws:iam::123456789012:user/dev/*",
        ["arn:aws:iam::*:role/*", "arn:aws:iam::*:group/*"],
        [],
    ],
)
def test_part_of_iam_as_the_resource_is_none(resource: Any) -> None:
    assert not allows_administration(document(allow(["iam:*", "*"], resource)))


@pytest.mark.parametrize(
    ("statement", "administers"),
    [
        (allow_not(["iam:*", "organizations:*", "account:*"]), True),
        (allow_not("s3:DeleteBucket"), True),
        (allow_not("s3:*", "arn:aws:iam::*:*"), True),
        (allow_not("*"), False),
        (allow_not(["s3:*", "*:*"]), False),
        (allow_not("iam:*", "arn:aws:iam::*:*"), False),
        (allow_not("iam:*", "arn:aws:s3:::bucket/*"), False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::secret/*"}, True),
        ({"Effect": "Allow", "Action": "iam:*", "NotResource": ["arn:aws:iam::*:user/root-like"]}, True),
        ({"Effect": "Allow", "Action": "iam:*", "NotResource": "arn:aws:iam::*:*"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "*"}, False),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::secret/*"}, False),
    ],
)
def test_everything_with_exceptions_is_administration_unless_nothing_is_left(
    statement: dict[str, Any], administers: bool
) -> None:
    assert allows_administration(document(statement)) is administers


def test_a_condition_does_not_make_it_harmless() -> None:
    needs_mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}

    assert allows_administration(document(allow("*", Condition=needs_mfa)))


@pytest.mark.parametrize("deny", [{"Effect": "Deny", "Action": "*", "Resource": "*"}, {"Effect": "Deny"}])
def test_a_deny_is_not_looked_at(deny: dict[str, Any]) -> None:
    assert allows_administration(document(deny, allow("*")))
    assert not allows_administration(document(deny))


def test_a_policy_may_have_one_statement_without_a_list() -> None:
    assert allows_administration({"Statement": allow("*")})
    assert not allows_administration({"Statement": []})


def test_brackets_and_many_wildcards_are_matched_as_iam_does() -> None:
    assert not allows_administration(document(allow("iam:" + "*q" * 1000)))
    assert allows_administration(document(allow("iam:" + "*" * 1000)))


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        "%7B%22Statement%22%3A%5B%5D%7D",
        {},
        {"Statement": None},
        {"Statement": "Allow"},
        {"Statement": [None]},
        {"Statement": [{}]},
        {"Statement": [{"Effect": "allow", "Action": "*", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": ["*", 1], "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": {"Ref": "Bucket"}}]},
        {"Statement": [allow("*"), {"Effect": "Allow"}]},
    ],
)
def test_a_document_that_cannot_be_read_raises(odd: object) -> None:
    with pytest.raises(ValueError, match="a policy"):
        allows_administration(odd)


@pytest.mark.parametrize(
    ("arn", "administers"),
    [
        ("arn:aws:iam::aws:policy/AdministratorAccess", True),
        ("arn:aws-cn:iam::aws:policy/IAMFullAccess", True),
        ("arn:aws-us-gov:iam::aws:policy/PowerUserAccess", True),
        ("arn:aws:iam::123456789012:policy/AdministratorAccess", False),
        ("arn:aws:iam::aws:policy/AdministratorAccess-Amplify", False),
        ("arn:aws:iam::aws:policy/job-function/SystemAdministrator", False),
        ("arn:aws:iam::aws:policy/job-function/AdministratorAccess", False),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", False),
        ("AdministratorAccess", False),
    ],
)
def test_administrator_policies_are_told_by_their_arn(arn: str, administers: bool) -> None:
    assert is_administrator_policy(arn) is administers


@pytest.mark.parametrize(
    ("arns", "name"),
    [
        (["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine"], "AWSCompromisedKeyQuarantine"),
        (["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2"], "AWSCompromisedKeyQuarantineV2"),
        (
            ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws-us-gov:iam::aws:policy/AWSCompromisedKeyQuarantineV3"],
            "AWSCompromisedKeyQuarantineV3",
        ),
        (["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV10"], "AWSCompromisedKeyQuarantineV10"),
        (["arn:aws:iam::123456789012:policy/AWSCompromisedKeyQuarantineV3"], None),
        (["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineVx"], None),
        (["AWSCompromisedKeyQuarantineV3"], None),
        ([], None),
    ],
)
def test_a_quarantine_is_told_by_the_arn_of_awss_own_policy(arns: list[str], name: str | None) -> None:
    assert quarantine_policy(arns) == name

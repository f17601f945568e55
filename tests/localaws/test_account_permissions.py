"""What the account file has of permissions is what IAM would hold; the rest is refused by field and value."""

import json
from pathlib import Path
from typing import Any

import pytest

from localaws.accounts.account_file import Account, AccountError, load_account

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
NAME = "is not accepted: takes 1 to 128 out of A-Z a-z 0-9 _ + = , . @ -"
ALIAS = "is not accepted: takes 3 to 63 lowercase letters, digits and dashes"
STATEMENT = 'is not accepted: takes an IAM policy document, whose "Statement" is an object or a list of objects'


def account(**fields: Any) -> dict[str, Any]:
    return {"users": [], **fields}


def alice(**fields: Any) -> dict[str, Any]:
    return account(users=[{"user_name": "alice", **fields}])


def with_statement(statement: Any) -> dict[str, Any]:
    return account(policies={"p": {"Statement": [ALLOW, statement]}})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (account(alias="ab"), f'alias: "ab" {ALIAS}'),
        (account(alias="a" * 64), f"... {ALIAS}"),
        (account(alias="Acme"), f'alias: "Acme" {ALIAS}'),
        (account(alias="-acme"), f'alias: "-acme" {ALIAS}'),
        (account(alias="acme-"), f'alias: "acme-" {ALIAS}'),
        (account(alias="acme--web"), f'alias: "acme--web" {ALIAS}'),
        (account(alias="acme\n"), f'alias: "acme\\n" {ALIAS}'),
        (account(alias=1), "alias: 1 is not accepted: takes text"),
        (account(denied={"ListUsers": "no"}), 'denied: "ListUsers" is not accepted: Input should be \'GetAccountAuth'),
        (account(denied={"ListAccountAliases": " "}), 'denied.ListAccountAliases: " " is not accepted: takes IAM\'s'),
        (account(groups=[{}]), "groups.0.group_name: is missing"),
        (account(groups=[{"group_name": "a b"}]), f'groups.0.group_name: "a b" {NAME}'),
        (account(groups=[{"group_name": "x" * 129}]), NAME),
        (
            account(groups=[{"group_name": "a", "users": []}]),
            "groups.0.users: unknown field; the fields here are group",
        ),
        (account(groups=[{"group_name": "a"}, {"group_name": "A"}]), 'group_name "A" differs from "a" in case alone'),
        (account(policies={"": {}}), f'policies: "" {NAME}'),
        (
            account(policies={"p": None, "P": None}),
            'policy "P" differs from "p" in case alone; to IAM they are the same',
        ),
        (account(policies={"p": []}), "policies.p: [] is not accepted: takes an object"),
        (account(policies={"p": {}}), f"policies.p: {{}} {STATEMENT}"),
        (account(policies={"p": {"Statement": "*"}}), STATEMENT),
        (account(policies={"p": {"Statement": [1]}}), STATEMENT),
        (with_statement({}), 'its statement 2 takes Effect "Allow" or "Deny"'),
        (with_statement({**ALLOW, "Effect": "allow"}), 'its statement 2 takes Effect "Allow" or "Deny"'),
        (with_statement({"Effect": "Deny", "Resource": "*"}), "takes Action or NotAction, as text or a list of texts"),
        (with_statement({**ALLOW, "NotAction": "s3:*"}), "takes Action or NotAction, as text or a list of texts"),
        (with_statement({**ALLOW, "Action": 1}), "takes Action or NotAction, as text or a list of texts"),
        (
            with_statement({"Effect": "Deny", "Action": "*"}),
            "takes Resource or NotResource, as text or a list of texts",
        ),
        (with_statement({**ALLOW, "Resource": ["*", None]}), "takes Resource or NotResource, as text or a list"),
        (with_statement({**ALLOW, "Condition": "x"}), "its statement 2 takes an object as Condition"),
        (with_statement({**ALLOW, "Principal": "*"}), "its statement 2 takes no Principal, for whoever has the policy"),
        (
            alice(policies="AdministratorAccess"),
            'users.0.policies: "AdministratorAccess" is not accepted: takes a list',
        ),
        (alice(policies=["a/b"]), f'users.0.policies.0: "a/b" {NAME}'),
        (alice(policies=["a", "A"]), 'users.0.policies: ["a", "A"] is not accepted: takes each name once'),
        (alice(inline_policies={"p": None}), "users.0.inline_policies.p: null is not accepted: takes an object"),
        (alice(inline_policies={"a b": {}}), f'users.0.inline_policies: "a b" {NAME}'),
        (alice(groups=["a", "a"]), 'users.0.groups: ["a", "a"] is not accepted: takes each name once'),
        (alice(groups=["staff"]), 'user "alice" is in "staff"; takes one of the groups of the file: none'),
    ],
)
def test_what_iam_would_not_hold_is_refused_in_one_line(tmp_path: Path, document: object, says: str) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(document))

    with pytest.raises(AccountError) as refused:
        load_account(path)

    assert says in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "document",
    [
        account(alias="abc"),
        account(alias=f"a-{'0' * 61}"),
        account(policies={"p_+=,.@-9": {"Version": "2012-10-17", "Id": "x", "Statement": {**ALLOW, "Sid": "x"}}}),
        account(
            policies={"p": {"Statement": [{"Effect": "Deny", "NotAction": [], "NotResource": ["a", "b"]}]}, "q": None}
        ),
        account(policies={"p": {"Statement": {**ALLOW, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}}}),
        account(denied={"GetAccountAuthorizationDetails": "no", "ListAccountAliases": "no"}),
        account(groups=[{"group_name": "x" * 128, "policies": ["p"], "inline_policies": {"p": {"Statement": ALLOW}}}]),
        alice(policies=["AdministratorAccess", "OneThatAwsWillMake"], inline_policies={"p": {"Statement": []}}),
        account(groups=[{"group_name": "a"}], users=[{"user_name": "alice", "groups": ["a"]}]),
    ],
)
def test_what_iam_would_hold_is_accepted(document: object) -> None:
    assert Account.model_validate_json(json.dumps(document))

"""A snapshot has what IAM tells of permissions at once; what it does not tell is unknown, and said."""

import json
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from localaws.accounts.account_file import Account, load_account
from localaws.accounts.anonymize import anonymize
from localaws.accounts.aws_errors import Caller
from localaws.accounts.snapshot import Access, read_account, take_snapshot
from localaws.commands.snapshot import snapshot
from tests.support.fake_aws import FakeAws, detail, details, error, listing, member, user
from tests.support.scanner import Scanner
from tests.support.snapshots import only_user, readable

DETAILS = "GetAccountAuthorizationDetails"
OWN = "arn:aws:iam::111122223333:policy/teams/deployers"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
PUT = {"Effect": "Allow", "Action": ["s3:Put*"], "Resource": "arn:aws:s3:::acme-files/*"}
ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
TRUNCATED = "<IsTruncated>true</IsTruncated>"


def document(*statements: dict[str, Any]) -> str:
    """A policy document as IAM writes it."""
    return urllib.parse.quote(json.dumps({"Version": "2012-10-17", "Statement": statements}))


def attached(*arns: str) -> str:
    return "".join(member(PolicyArn=arn, PolicyName=arn.rpartition("/")[2]) for arn in arns)


def inline(name: str | None, text: str) -> str:
    return member(PolicyName=name, PolicyDocument=text)


def policy(arn: str, text: str, default: str = "true") -> str:
    old = member(VersionId="v1", IsDefaultVersion="false", Document=document(ANYTHING))
    version = member(VersionId="v2", IsDefaultVersion=default, Document=text)
    return member(PolicyName=arn.rpartition("/")[2], Arn=arn, PolicyVersionList=old + version)


def group(name: str | None, **lists: str) -> str:
    return member(**{"GroupName": name, "GroupPolicyList": "", "AttachedManagedPolicies": ""} | lists)


def test_what_iam_tells_of_permissions_is_in_the_file(fake: FakeAws, tmp_path: Path) -> None:
    alice = detail(
        GroupList="<member>admins</member><member>staff</member>",
        AttachedManagedPolicies=attached(OWN, "arn:aws:iam::aws:policy/job-function/Billing"),
        UserPolicyList=inline("files", document(PUT)),
    )
    groups = group("admins", AttachedManagedPolicies=attached(ADMINISTRATOR)) + group("unused")
    groups += group("staff", GroupPolicyList=inline("files", document(PUT, {**ANYTHING, "Sid": "x"})))
    unused = policy("arn:aws:iam::111122223333:policy/unused", document(PUT))
    policies = policy(OWN, document(PUT)) + unused + policy(ADMINISTRATOR, document(ANYTHING))
    fake.answers[DETAILS] = details(alice, groups=groups, policies=policies)
    fake.answers["ListAccountAliases"] = listing("AccountAliases", "<member>acme-web</member>")

    taken = take_snapshot(None)

    files = {"files": {"Statement": [PUT]}}
    assert {name: taken.document[name] for name in ("alias", "policies", "groups", "denied")} == {
        "alias": "acme-web",
        "policies": {"deployers": {"Statement": [PUT]}},
        "groups": [
            {"group_name": "admins", "policies": ["AdministratorAccess"], "inline_policies": {}},
            {"group_name": "staff", "policies": [], "inline_policies": {"files": {"Statement": [PUT, ANYTHING]}}},
        ],
        "denied": {},
    }
    alice_read = {name: only_user(taken)[name] for name in ("groups", "policies", "inline_policies", "denied")}
    assert alice_read == {
        "groups": ["admins", "staff"],
        "policies": ["deployers", "Billing"],
        "inline_policies": files,
        "denied": {},
    }
    assert list(taken.notes.lines()) == []
    readable(taken, tmp_path)


def test_it_asks_for_all_pages_of_users_groups_and_policies_once(fake: FakeAws) -> None:
    fake.answers["ListUsers"] = listing("Users", user(), user(UserName="bob"))
    fake.answers["ListAccessKeys"] = listing("AccessKeyMetadata")
    fake.answers[DETAILS] = [
        details(detail(GroupList="<member>admins</member>"), more=f"{TRUNCATED}<Marker>1</Marker>"),
        f"{TRUNCATED}<Marker>2</Marker><UserDetailList/>",
        details(detail(UserName="bob"), groups=group("admins", AttachedManagedPolicies=attached(ADMINISTRATOR))),
    ]

    taken = take_snapshot(None)

    asked = [call for call in fake.calls if call["Action"] == DETAILS]
    assert [call.get("Marker") for call in asked] == [None, "1", "2"]
    kinds = {"User", "Group", "LocalManagedPolicy", "AWSManagedPolicy"}
    assert all({call[f"Filter.member.{place}"] for place in (1, 2, 3, 4)} == kinds for call in asked)
    assert [one["tags"] for one in taken.document["users"]] == [{"owner": "web"}] * 2
    assert [one["group_name"] for one in taken.document["groups"]] == ["admins"]
    assert "ListUserTags" not in {call["Action"] for call in fake.calls}


def test_what_iam_leaves_out_of_a_user_is_none(fake: FakeAws) -> None:
    fake.answers[DETAILS] = details(user())

    taken = take_snapshot(None)

    assert {name: only_user(taken)[name] for name in ("tags", "groups", "policies", "inline_policies", "denied")} == {
        "tags": {},
        "groups": [],
        "policies": [],
        "inline_policies": {},
        "denied": {},
    }


@pytest.mark.parametrize(
    "answer",
    [
        details(detail(UserName="bob", Arn=None)),
        details(detail(UserName=None, Arn=None)),
        details(),
    ],
)
def test_a_user_of_whom_the_details_do_not_tell_has_unknown_tags(fake: FakeAws, tmp_path: Path, answer: str) -> None:
    fake.answers[DETAILS] = answer

    taken = take_snapshot(None)

    assert f"the answer to {DETAILS} does not have the user" in only_user(taken)["denied"]["ListUserTags"]
    assert [line.rpartition(": ")[2] for line in taken.notes.lines()] == ["alice"]
    assert len(only_user(taken)["access_keys"]) == 1
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    ("has", "policies", "name"),
    [
        ({"AttachedManagedPolicies": attached(OWN)}, "", "deployers"),
        ({"AttachedManagedPolicies": attached(OWN)}, policy(OWN, "no%20JSON"), "deployers"),
        ({"AttachedManagedPolicies": attached(OWN)}, policy(OWN, urllib.parse.quote("[1]")), "deployers"),
        ({"AttachedManagedPolicies": attached(OWN)}, policy(OWN, document({"Effect": "Allow"})), "deployers"),
        ({"AttachedManagedPolicies": attached(OWN)}, policy(OWN, document(ANYTHING), default="false"), "deployers"),
        ({"AttachedManagedPolicies": member(PolicyName="deployers", PolicyArn=None)}, "", "deployers"),
        ({"AttachedManagedPolicies": member(PolicyName=None, PolicyArn=OWN)}, "", "unnamed"),
        ({"UserPolicyList": inline("files", "no JSON")}, "", "files"),
        ({"UserPolicyList": inline(None, "")}, "", "unnamed"),
        ({"UserPolicyList": member(PolicyName="files")}, "", "files"),
        ({"GroupList": "<member>staff</member>"}, "", "staff"),
        ({"GroupList": "<member/>"}, "", "unnamed"),
    ],
)
def test_a_policy_or_group_that_iam_does_not_tell_of_is_an_attached_policy_without_a_document(
    fake: FakeAws, tmp_path: Path, has: dict[str, str], policies: str, name: str
) -> None:
    fake.answers[DETAILS] = details(detail(**has), policies=policies)

    taken = take_snapshot(None)

    assert taken.document["policies"] == {name: None}
    assert (only_user(taken)["policies"], only_user(taken)["groups"]) == ([name], [])
    assert only_user(taken)["tags"] == {"owner": "web"}
    assert any(line.startswith("Policies that IAM does not tell of") for line in taken.notes.lines())
    readable(taken, tmp_path)


def test_names_that_iam_does_not_allow_or_that_are_taken_are_replaced(fake: FakeAws, tmp_path: Path) -> None:
    lookalike = "arn:aws:iam::111122223333:policy/administratoraccess"
    alice = detail(
        GroupList="<member>the staff</member><member>the_staff</member>",
        AttachedManagedPolicies=attached(ADMINISTRATOR, lookalike),
        UserPolicyList=inline("a b", document(PUT)) + inline("a_b", document(ANYTHING)) + inline("p" * 200, document()),
    )
    fake.answers[DETAILS] = details(
        alice, groups=group("the staff") + group("the_staff"), policies=policy(lookalike, document(PUT))
    )

    taken = take_snapshot(None)

    assert only_user(taken)["groups"] == ["the_staff", "the_staff-2"]
    assert only_user(taken)["policies"] == ["AdministratorAccess", "administratoraccess-2"]
    assert taken.document["policies"] == {"administratoraccess-2": {"Statement": [PUT]}}
    assert list(only_user(taken)["inline_policies"]) == ["a_b", "a_b-2", "p" * 100]
    [line] = taken.notes.lines(at_most=9)
    assert line.startswith("Names of groups or policies that an account file cannot have, replaced: ")
    assert set(line.rpartition(": ")[2].split(", ")) == {
        "the_staff",
        "the_staff-2",
        "administratoraccess-2",
        "a_b",
        "a_b-2",
        "p" * 100,
    }
    readable(taken, tmp_path)


def test_a_user_who_is_there_twice_is_the_later_one(fake: FakeAws, tmp_path: Path) -> None:
    later = detail(tags=member(Key="owner", Value="data"), AttachedManagedPolicies=attached(ADMINISTRATOR) * 2)
    fake.answers[DETAILS] = details(detail(), later)

    taken = take_snapshot(None)

    assert (only_user(taken)["tags"], only_user(taken)["policies"]) == ({"owner": "data"}, ["AdministratorAccess"])
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "<IsTruncated>false</IsTruncated>",
        details(detail(), more=TRUNCATED),
        details(detail(), more=f"{TRUNCATED}<Marker>1</Marker>"),
        (200, "<html>"),
    ],
)
def test_details_that_cannot_all_be_read_are_unknown_of_the_whole_account(
    fake: FakeAws, tmp_path: Path, answer: Any
) -> None:
    fake.answers[DETAILS] = answer

    taken = take_snapshot(None)

    assert f"the answer to {DETAILS}" in taken.document["denied"][DETAILS]
    assert (only_user(taken)["tags"], only_user(taken)["denied"]) == ({}, {})
    assert [line.rpartition(": ")[2] for line in taken.notes.lines()] == ["(the account)"]
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        listing("AccountAliases", "<member>Acme Web</member>"),
        listing("AccountAliases", "<member/>"),
        listing("AccountAliases", more=TRUNCATED),
        (200, "<html>"),
    ],
)
def test_an_alias_that_iam_would_not_give_is_unknown(fake: FakeAws, tmp_path: Path, answer: Any) -> None:
    fake.answers["ListAccountAliases"] = answer

    taken = take_snapshot(None)

    assert taken.document["alias"] is None
    assert "the answer to ListAccountAliases" in taken.document["denied"]["ListAccountAliases"]
    assert only_user(taken)["tags"] == {"owner": "web"}
    readable(taken, tmp_path)


def test_what_is_refused_of_the_account_is_named(
    fake: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for operation in (DETAILS, "ListAccountAliases"):
        fake.answers[operation] = error("AccessDenied", f"User: x is not authorized to perform: iam:{operation}")

    status = snapshot(None, tmp_path / "account.json", anonymous=True)

    assert status == 0
    assert f"Refused: {DETAILS}, ListAccountAliases of (the account)\n" in capsys.readouterr().err
    denied: dict[Any, Any] = dict(load_account(tmp_path / "account.json").denied)
    assert denied == {one: f"is not authorized to perform: iam:{one}" for one in (DETAILS, "ListAccountAliases")}


def test_a_snapshot_of_the_local_aws_is_what_it_was_made_of(scanner: Scanner, tmp_path: Path) -> None:
    files = {"files": {"Statement": [PUT]}}
    names = {"groups": ["admins", "staff"], "policies": ["deployers", "AWSCompromisedKeyQuarantineV3"]}
    nothing: dict[str, Any] = {"tags": {}, "groups": [], "policies": [], "inline_policies": {}, "access_keys": []}
    account: dict[str, Any] = {
        "account_id": scanner.aws.account.account_id,
        "alias": "acme-web",
        "root": {"access_keys": 1},
        "policies": {"deployers": {"Statement": [PUT, ANYTHING]}, "untold": None},
        "groups": [
            {"group_name": "admins", "policies": ["AdministratorAccess", "untold"], "inline_policies": {}},
            {"group_name": "staff", "policies": [], "inline_policies": files},
        ],
        "users": [
            {"user_name": "alice", "path": "/ops/", **nothing, "tags": {"a": "b"}, **names, "denied": {}},
            {"user_name": "bob", "path": "/", **nothing, "inline_policies": files, "denied": {}},
        ],
        "denied": {},
    }
    scanner.aws.seed(Account.model_validate_json(json.dumps(account)))
    access = Access(Caller("default", "us-east-1"), account["account_id"], scanner.aws.client("iam"))

    taken = read_account(access)

    assert taken.document == account
    readable(taken, tmp_path)
    anonymous = json.dumps(anonymize(taken.document))
    assert not [
        told for told in ("acme", "deployers", "untold", "admins", "staff", "files", "/ops/") if told in anonymous
    ]
    scanner.aws.seed(Account.model_validate_json(anonymous))
    again = scanner.aws.client("iam").get_account_authorization_details(Filter=["User", "Group", "LocalManagedPolicy"])
    assert len(again["UserDetailList"][0]["GroupList"]) == 2
    scanner.aws.seed(Account(users=[]))


@pytest.mark.parametrize(
    ("resource", "anonymous"),
    [
        ("*", "*"),
        ("**?", "**?"),
        ("arn:aws:iam::*:*", "arn:aws:iam::*:*"),
        ("arn:*:iam::111122223333:*", "arn:*:iam::123456789012:*"),
        ("arn:aws:iam::111122223333:user/alice", "arn:aws:iam::123456789012:something"),
        ("arn:aws:s3:::acme-files/*", "arn:aws:s3:::something"),
        ("arn:aws:sns:eu-west-1:111122223333:acme:x", "arn:aws:sns:eu-west-1:123456789012:something"),
        ("acme*", "something"),
        ("arn:aws:acme", "something"),
        ("", ""),
    ],
)
def test_a_resource_is_told_without_what_names_it(resource: str, anonymous: str) -> None:
    statement = {**ANYTHING, "Sid": "acme", "Condition": {"StringEquals": {"aws:username": "acme"}}}
    policies = {"acme": {"Id": "acme", "Statement": {**statement, "Resource": resource}}}

    replaced = anonymize({"account_id": "111122223333", "root": {}, "policies": policies, "users": []})

    [kept] = replaced["policies"]["policy-0001"]["Statement"]
    assert kept["Resource"] == [anonymous]
    assert (kept["Effect"], kept["Action"], bool(kept["Condition"])) == ("Allow", "*", True)
    assert "acme" not in json.dumps(replaced)

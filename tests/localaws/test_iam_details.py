"""The local IAM tells of permissions as IAM does: all of them page by page, or those of one user or group."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from botocore import xform_name
from botocore.exceptions import ClientError

from localaws.accounts.account_file import Account
from localaws.clients import GUEST, REGION, make_client
from localaws.faults import Faults, parse_faults
from tests.support.scanner import Scanner

KINDS = ["User", "Group", "LocalManagedPolicy", "AWSManagedPolicy"]
DETAILS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
OWN = "arn:aws:iam::123456789012:policy/deployers"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
PUT = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": ["s3:Put*"], "Resource": "arn:aws:s3:::é+%/*"},
}
ACCOUNT: dict[str, Any] = {
    "alias": "acme-web",
    "policies": {"deployers": PUT, "unused": PUT, "untold": None},
    "groups": [
        {"group_name": "admins", "policies": ["AdministratorAccess", "untold"]},
        {"group_name": "staff", "policies": ["deployers"], "inline_policies": {"list": PUT, "put": PUT}},
    ],
    "users": [
        {
            "user_name": "alice",
            "path": "/ops&<a>/",
            "tags": {"owner": "web\u2028é", "AKIAIOSFODNN7EXAMPLE": "nightly backup"},
            "groups": ["staff", "admins"],
            "policies": ["deployers", "AWSCompromisedKeyQuarantineV3"],
            "inline_policies": {"anything": ANYTHING},
        },
        {"user_name": "bob", "policies": ["AWSCompromisedKeyQuarantineV9", "Billing"]},
        {"user_name": "carol", "denied": {"ListUserTags": "no"}, "tags": {"owner": "web"}},
    ],
}


@pytest.fixture(scope="module")
def iam(scanner: Scanner) -> Iterator[Any]:
    seed(scanner, ACCOUNT)
    yield scanner.aws.client("iam")
    seed(scanner, {"users": []})


def seed(scanner: Scanner, account: dict[str, Any]) -> None:
    scanner.aws.seed(Account.model_validate_json(json.dumps(account)))


def details(iam: Any, kinds: list[str] | None = None, size: int = 1000) -> dict[str, list[dict[str, Any]]]:
    """All pages' items, by field."""
    items: dict[str, list[dict[str, Any]]] = {field: [] for field in DETAILS}
    more: dict[str, Any] = {"Filter": kinds} if kinds else {}
    while True:
        page = iam.get_account_authorization_details(MaxItems=size, **more)
        assert sum(len(page[field]) for field in DETAILS) <= size
        for field in DETAILS:
            items[field] += page[field]
        if not page["IsTruncated"]:
            assert "Marker" not in page
            return items
        more["Marker"] = page["Marker"]


def test_a_user_has_tags_groups_and_policies(iam: Any) -> None:
    alice, bob = details(iam, KINDS)["UserDetailList"]

    assert {name: alice[name] for name in ("UserName", "Path", "Arn", "GroupList", "Tags", "UserPolicyList")} == {
        "UserName": "alice",
        "Path": "/ops&<a>/",
        "Arn": "arn:aws:iam::123456789012:user/ops&<a>/alice",
        "GroupList": ["admins", "staff"],
        "Tags": [{"Key": "owner", "Value": "web\u2028é"}, {"Key": "AKIAIOSFODNN7EXAMPLE", "Value": "nightly backup"}],
        "UserPolicyList": [{"PolicyName": "anything", "PolicyDocument": ANYTHING}],
    }
    assert alice["AttachedManagedPolicies"] == [
        {"PolicyName": "deployers", "PolicyArn": OWN},
        {
            "PolicyName": "AWSCompromisedKeyQuarantineV3",
            "PolicyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3",
        },
    ]
    assert alice["UserId"]
    assert alice["CreateDate"].tzinfo
    assert (bob["Tags"], bob["GroupList"], "UserPolicyList" in bob) == ([], [], False)
    assert bob["AttachedManagedPolicies"][1]["PolicyArn"] == "arn:aws:iam::aws:policy/job-function/Billing"


def test_a_group_has_its_policies(iam: Any) -> None:
    admins, staff = details(iam, KINDS)["GroupDetailList"]

    assert [policy["PolicyName"] for policy in admins["AttachedManagedPolicies"]] == ["AdministratorAccess", "untold"]
    assert admins["GroupPolicyList"] == []
    assert staff["AttachedManagedPolicies"] == [{"PolicyName": "deployers", "PolicyArn": OWN}]
    assert staff["GroupPolicyList"] == [{"PolicyName": name, "PolicyDocument": PUT} for name in ("list", "put")]


def test_of_aws_policies_only_those_that_are_attached_are_there_and_of_the_accounts_own_all(iam: Any) -> None:
    policies = {policy["Arn"]: policy for policy in details(iam, KINDS)["Policies"]}

    attached = ("AWSCompromisedKeyQuarantineV3", "AWSCompromisedKeyQuarantineV9", "job-function/Billing")
    assert {arn for arn in policies if ":aws:policy/" in arn} == {
        ADMINISTRATOR,
        *(f"arn:aws:iam::aws:policy/{name}" for name in attached),
    }
    own = "arn:aws:iam::123456789012:policy"
    assert {OWN, f"{own}/unused"} <= set(policies)
    assert f"{own}/untold" not in policies
    assert policies[OWN]["DefaultVersionId"] == "v1"
    assert policies[OWN]["AttachmentCount"] == 2
    [version] = policies[ADMINISTRATOR]["PolicyVersionList"]
    assert (version["Document"]["Statement"], version["IsDefaultVersion"]) == (ANYTHING["Statement"], True)


def test_all_versions_of_a_policy_are_there_and_one_is_the_default(iam: Any) -> None:
    iam.create_policy_version(PolicyArn=OWN, PolicyDocument=json.dumps(ANYTHING), SetAsDefault=True)

    [policy] = [one for one in details(iam, ["LocalManagedPolicy"])["Policies"] if one["Arn"] == OWN]

    by_default = {version["IsDefaultVersion"]: version for version in policy["PolicyVersionList"]}
    assert by_default[True]["VersionId"] == policy["DefaultVersionId"] == "v2"
    assert (by_default[True]["Document"], by_default[False]["Document"]) == (ANYTHING, PUT)
    iam.set_default_policy_version(PolicyArn=OWN, VersionId="v1")


@pytest.mark.parametrize(
    ("kind", "field", "of_aws"),
    [
        ("User", "UserDetailList", False),
        ("Group", "GroupDetailList", False),
        ("Role", "RoleDetailList", False),
        ("LocalManagedPolicy", "Policies", False),
        ("AWSManagedPolicy", "Policies", True),
    ],
)
def test_a_filter_gives_one_kind_alone_and_none_gives_all(iam: Any, kind: str, field: str, of_aws: bool) -> None:
    every, filtered = details(iam), details(iam, [kind])

    assert [name for name in DETAILS if filtered[name]] == [field]
    assert filtered[field] == [item for item in every[field] if (":iam::aws:" in item["Arn"]) == of_aws]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_go_over_users_groups_and_policies_together(iam: Any, size: int) -> None:
    assert details(iam, KINDS, size) == details(iam, KINDS)


def test_pages_are_of_a_hundred_unless_more_are_asked_for(scanner: Scanner) -> None:
    seed(scanner, {"users": [{"user_name": f"user-{number:04}"} for number in range(1_001)]})
    iam = scanner.aws.client("iam")

    by_default = iam.get_account_authorization_details(Filter=["User"])
    names = [user["UserName"] for user in details(iam, ["User"])["UserDetailList"]]

    assert (len(by_default["UserDetailList"]), by_default["IsTruncated"]) == (100, True)
    assert names == [f"user-{number:04}" for number in range(1_001)]
    seed(scanner, ACCOUNT)


@pytest.mark.parametrize(
    ("operation", "parameter", "value", "says"),
    [
        (operation, *refused)
        for operation in ("GetAccountAuthorizationDetails", "ListUsers", "ListAccountAliases")
        for refused in (
            ("MaxItems", "0", "Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater"),
            ("MaxItems", "1001", "at 'maxItems' failed to satisfy constraint: Member must have value less than or"),
            ("Marker", "elsewhere", "Invalid Marker."),
            ("Marker", "LTE=", "Invalid Marker."),  # -1
        )
    ]
    + [("GetAccountAuthorizationDetails", "Filter.member.1", "Users", "Value '[Users]' at 'filter' failed to satisfy")],
)
def test_what_iam_refuses_is_refused(scanner: Scanner, operation: str, parameter: str, value: str, says: str) -> None:
    signed = f"AWS4-HMAC-SHA256 Credential={GUEST}/20260101/us-east-1/iam/aws4_request"

    answer = requests.post(  # without botocore, which checks some of it before
        scanner.aws.endpoint_url,
        {"Action": operation, "Version": "2010-05-08", parameter: value},
        headers={"Authorization": signed},
        timeout=30,
    )

    assert answer.status_code == 400
    assert "<Code>ValidationError</Code>" in answer.text
    assert says in answer.text.replace("&#x27;", "'").replace("&apos;", "'")


@pytest.mark.parametrize(
    ("operation", "asked", "field", "items"),
    [
        ("list_account_aliases", {}, "AccountAliases", ["acme-web"]),
        ("list_user_tags", {"UserName": "alice"}, "Tags", ["owner", "AKIAIOSFODNN7EXAMPLE"]),
        ("list_user_policies", {"UserName": "alice"}, "PolicyNames", ["anything"]),
        ("list_groups_for_user", {"UserName": "alice"}, "Groups", ["admins", "staff"]),
        (
            "list_attached_user_policies",
            {"UserName": "alice"},
            "AttachedPolicies",
            ["AWSCompromisedKeyQuarantineV3", "deployers"],
        ),
        (
            "list_attached_user_policies",
            {"UserName": "bob", "PathPrefix": "/job-function/"},
            "AttachedPolicies",
            ["Billing"],
        ),
        ("list_attached_group_policies", {"GroupName": "staff"}, "AttachedPolicies", ["deployers"]),
        ("list_group_policies", {"GroupName": "staff"}, "PolicyNames", ["list", "put"]),
        ("list_users", {}, "Users", ["alice", "bob", "carol"]),
    ],
)
def test_lists_of_one_user_or_group_come_page_by_page(
    iam: Any, operation: str, asked: dict[str, str], field: str, items: list[str]
) -> None:
    answers: list[Any] = []
    marker: dict[str, Any] = {}
    for _ in items:
        answers.append(getattr(iam, operation)(**asked, **marker, MaxItems=1))
        marker = {"Marker": answers[-1].get("Marker")}

    assert [answer["IsTruncated"] for answer in answers] == [True] * (len(items) - 1) + [False]
    names = ("Key", "GroupName", "PolicyName", "UserName")
    read = [
        item if isinstance(item, str) else next(item[name] for name in names if name in item)
        for answer in answers
        for item in answer[field]
    ]
    assert read == items
    assert getattr(iam, operation)(**asked)[field] == [item for answer in answers for item in answer[field]]


def test_documents_and_tags_are_those_of_the_account(iam: Any) -> None:
    assert iam.get_user_policy(UserName="alice", PolicyName="anything")["PolicyDocument"] == ANYTHING
    assert iam.get_group_policy(GroupName="staff", PolicyName="put")["PolicyDocument"] == PUT
    assert iam.get_policy(PolicyArn=OWN)["Policy"]["DefaultVersionId"] == "v1"
    assert iam.get_policy_version(PolicyArn=OWN, VersionId="v1")["PolicyVersion"]["Document"] == PUT
    of_aws = iam.get_policy(PolicyArn=ADMINISTRATOR)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=ADMINISTRATOR, VersionId=of_aws)["PolicyVersion"]["Document"]
    assert document["Statement"] == ANYTHING["Statement"]
    assert iam.get_user(UserName="alice")["User"]["Tags"] == iam.list_user_tags(UserName="alice")["Tags"]
    assert "Tags" not in iam.get_user(UserName="bob")["User"]


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("get_user", {"UserName": "zoe"}),
        ("list_user_tags", {"UserName": "zoe"}),
        ("list_user_policies", {"UserName": "zoe"}),
        ("list_groups_for_user", {"UserName": "zoe"}),
        ("list_attached_user_policies", {"UserName": "zoe"}),
        ("list_group_policies", {"GroupName": "none"}),
        ("list_attached_group_policies", {"GroupName": "none"}),
        ("get_user_policy", {"UserName": "alice", "PolicyName": "none"}),
        ("get_group_policy", {"GroupName": "staff", "PolicyName": "none"}),
        ("get_policy", {"PolicyArn": "arn:aws:iam::123456789012:policy/untold"}),
        ("get_policy_version", {"PolicyArn": OWN, "VersionId": "v9"}),
    ],
)
def test_who_and_what_is_not_there_is_no_such_entity(iam: Any, operation: str, asked: dict[str, str]) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(iam, operation)(**asked)

    assert refused.value.response["Error"]["Code"] == "NoSuchEntity"


def test_a_user_whose_tags_are_refused_is_left_out_of_the_details_and_not_of_the_list(iam: Any) -> None:
    assert [user["UserName"] for user in details(iam)["UserDetailList"]] == ["alice", "bob"]
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["alice", "bob", "carol"]


def test_the_next_account_has_nothing_of_the_one_before(scanner: Scanner, iam: Any) -> None:
    seed(scanner, {"users": [{"user_name": "alice"}]})

    left, aliases = details(iam, KINDS), iam.list_account_aliases()["AccountAliases"]
    seed(scanner, ACCOUNT)

    assert [user["AttachedManagedPolicies"] for user in left["UserDetailList"]] == [[]]
    assert (left["GroupDetailList"], left["Policies"], aliases) == ([], [], [])


@pytest.mark.parametrize(
    ("faults", "operation", "user", "code"),
    [
        ({"iam": {"throttle_ratio": 1}}, "get_account_authorization_details", "", "Throttling"),
        ({"iam": {"throttle_ratio": 1}}, "list_account_aliases", "", "Throttling"),
        ({"iam": {"delete": ["alice"]}}, "list_attached_user_policies", "alice", "NoSuchEntity"),
        ({"iam": {"delete": ["alice"]}}, "get_user", "alice", "NoSuchEntity"),
    ],
)
def test_calls_that_tell_of_permissions_fail_by_faults(
    scanner: Scanner, faults: Any, operation: str, user: str, code: str
) -> None:
    call = getattr(make_client("iam", REGION, scanner.aws.endpoint_url, GUEST), operation)
    seed(scanner, ACCOUNT)
    scanner.aws.inject(parse_faults(json.dumps(faults)))
    try:
        with pytest.raises(ClientError) as refused:
            call(**({"UserName": user} if user else {}))
    finally:
        scanner.aws.inject(Faults())

    assert refused.value.response["Error"]["Code"] == code
    assert call(**({"UserName": user} if user else {}))["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_deleted_user_is_in_the_details_still_as_in_the_list(scanner: Scanner, iam: Any) -> None:
    guest = make_client("iam", REGION, scanner.aws.endpoint_url, GUEST)
    scanner.aws.inject(parse_faults('{"iam": {"delete": ["alice"]}}'))
    try:
        listed = details(guest, ["User"])["UserDetailList"]
    finally:
        scanner.aws.inject(Faults())

    assert listed == details(iam, ["User"])["UserDetailList"]


@pytest.mark.parametrize("operation", ["GetAccountAuthorizationDetails", "ListAccountAliases"])
def test_what_the_account_file_denies_of_the_account_is_refused_in_its_words(scanner: Scanner, operation: str) -> None:
    words = "User: x is not authorized to perform that"
    seed(scanner, {**ACCOUNT, "denied": {operation: words}})
    guest = make_client("iam", REGION, scanner.aws.endpoint_url, GUEST)
    call = getattr(guest, xform_name(operation))
    try:
        with pytest.raises(ClientError, match=f"AccessDenied.*{words}"):
            call()
    finally:
        seed(scanner, ACCOUNT)

"""The reader role of an account: whom it trusts, what it may, and the StackSet that deploys it."""

from typing import Any

import pytest

from deploy.template import read_resources
from tests.stack.role_tables import OF_ALL_USERS, OF_GROUPS, OF_NO_USE, OF_POLICIES, OF_USERS, allowed, unused
from tests.stack.test_template import actions
from tests.stack.test_template_parameters import PATTERNS, takes
from tests.support.cloudformation import resolve
from tests.support.iam_policies import allows
from tests.support.member_stackset import ROLE, STACKSET, template_with_the_role

MEMBER, SCANNER, STRANGER = "111122223333", "123456789012", "210987654321"
TEMPLATE, OF_SET = read_resources(ROLE), read_resources(STACKSET)
KNOWN = {
    "AWS::Partition": "aws",
    "AWS::AccountId": MEMBER,
    "ScanningAccountId": SCANNER,
    "StackName": "iam-key-age-prod",
    "ScannerRolePath": "/",
    "ExternalId": "iam-key-age",
    "RoleName": "iam-key-age-reader",
    "UsageEvidence": "on",
    "PermissionsBoundaryArn": "",
}
OF_THE_SCAN = f"arn:aws:iam::{SCANNER}:role/iam-key-age-prod-ScanAccountRole-1A2B3C4D5E6F"
IAM, OF_AWS = f"arn:aws:iam::{MEMBER}", "arn:aws:iam::aws"
MAY = {
    ("iam:ListUsers", "*"),
    ("cloudtrail:LookupEvents", "*"),
    *((action, "*") for action in OF_ALL_USERS),
    *((action, f"{IAM}:user/{user}") for action in OF_USERS for user in ("alice", "a/path/bob")),
    *((f"iam:{action}", f"{IAM}:user/a/path/bob") for action in ("ListAccessKeys", "GetAccessKeyLastUsed")),
    *((action, f"{IAM}:group/{group}") for action in OF_GROUPS for group in ("admins", "a/path/admins")),
    *((action, policy) for action in OF_POLICIES for policy in (f"{IAM}:policy/own", f"{OF_AWS}:policy/aws")),
}
OF_ANOTHER = {
    ("iam:ListAccessKeys", f"arn:aws:iam::{SCANNER}:user/alice"),
    ("iam:GetGroupPolicy", f"arn:aws:iam::{STRANGER}:group/admins"),
    ("iam:GetPolicy", f"arn:aws:iam::{STRANGER}:policy/own"),
    ("iam:GetRole", f"{IAM}:role/x"),
    ("iam:GenerateCredentialReport", "*"),
    ("sts:AssumeRole", f"{IAM}:role/iam-key-age-reader"),
    ("organizations:ListAccounts", "*"),
    ("s3:GetObject", "arn:aws:s3:::reports/scans/some-scan/report.json"),
}


def role(**parameters: str) -> dict[str, Any]:
    return dict(resolve(TEMPLATE, TEMPLATE["Resources"]["ReaderRole"]["Properties"], {**KNOWN, **parameters}))


def documents(**parameters: str) -> list[dict[str, Any]]:
    return [policy["PolicyDocument"] for policy in role(**parameters)["Policies"]]


# Whom it trusts.


def trusts(principal: str, external_id: str | None = "iam-key-age", **parameters: str) -> bool:
    context = {"aws__PrincipalArn": principal} | ({} if external_id is None else {"sts__ExternalId": external_id})
    return allows(role(**parameters)["AssumeRolePolicyDocument"], "sts:AssumeRole", principal=principal, **context)


@pytest.mark.parametrize("path", ["", "security/", "a/b/"])
def test_the_role_trusts_the_scan_of_the_stack_by_the_path_of_its_roles_alone(path: str) -> None:
    of_the_scan = OF_THE_SCAN.replace("role/", f"role/{path}")

    assert trusts(of_the_scan, ScannerRolePath=f"/{path}")
    assert not trusts(of_the_scan, ScannerRolePath="/other/")
    assert not trusts(of_the_scan.replace("role/", "role/team/"), ScannerRolePath=f"/{path}")
    assert not trusts(f"{of_the_scan}/admin", ScannerRolePath=f"/{path}")


@pytest.mark.parametrize("external_id", [None, "", "iam-key-age-other", "IAM-KEY-AGE"])
def test_the_role_refuses_any_other_external_id(external_id: str | None) -> None:
    assert not trusts(OF_THE_SCAN, external_id)
    assert trusts(OF_THE_SCAN, "other", ExternalId="other")


@pytest.mark.parametrize(
    "principal",
    [
        OF_THE_SCAN.replace(SCANNER, STRANGER),
        OF_THE_SCAN.replace(SCANNER, MEMBER),
        OF_THE_SCAN.replace("ScanAccountRole", "ApiHandlerRole"),
        OF_THE_SCAN.replace("prod", "dev"),
        OF_THE_SCAN.replace("prod", "prod-other"),
        OF_THE_SCAN.replace("iam-key-age", "other-iam-key-age"),
        OF_THE_SCAN.replace("role/", "user/"),
        f"arn:aws:iam::{SCANNER}:role/admin",
        f"arn:aws:iam::{SCANNER}:user/iam-key-age-prod-ScanAccountRole-",
        f"arn:aws:iam::{SCANNER}:root",
    ],
)
def test_the_role_refuses_every_other_principal(principal: str) -> None:
    assert not trusts(principal)


def test_the_role_is_for_assuming_it_and_for_no_tags_and_no_other_identity() -> None:
    [statement] = role()["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{SCANNER}:root"}


# What it may.


def test_the_role_may_read_what_a_scan_reads_and_nothing_else() -> None:
    calls = sorted(MAY | OF_ANOTHER | OF_NO_USE)

    assert allowed(documents(), calls) == MAY
    assert unused(documents(), MAY) == []


def test_the_role_looks_up_no_event_without_usage_evidence() -> None:
    assert allowed(documents(UsageEvidence="off"), sorted(MAY)) == MAY - {("cloudtrail:LookupEvents", "*")}


def test_the_role_changes_nothing() -> None:
    [document] = documents()
    granted = set().union(*map(actions, document["Statement"])) - {"cloudtrail:LookupEvents"}

    assert all(action.partition(":")[2].startswith(("Get", "List")) for action in granted)
    assert "*" not in "".join(granted)


def test_the_role_has_a_boundary_where_the_account_asks_for_one() -> None:
    boundary = f"arn:aws:iam::{MEMBER}:policy/boundary"

    assert "PermissionsBoundary" not in role()
    assert role(PermissionsBoundaryArn=boundary)["PermissionsBoundary"] == boundary
    assert "Path" not in role()  # the scan assumes role/NAME


# Its parameters, and the StackSet.


def test_the_parameters_of_role_and_stackset_are_those_of_the_stack(whole: dict[str, Any]) -> None:
    stack = whole["Parameters"]
    for template in (TEMPLATE, OF_SET):
        parameters = template["Parameters"]
        for name, of_stack in {
            "ExternalId": "ExternalId",
            "RoleName": "ReaderRoleName",
            "UsageEvidence": "UsageEvidence",
            "PermissionsBoundaryArn": "PermissionsBoundaryArn",
        }.items():
            for field in ("Default", "AllowedPattern", "AllowedValues"):
                assert parameters[name].get(field) == stack[of_stack].get(field), name
        assert parameters["ScannerRolePath"]["Default"] == stack["RolePath"]["Default"]
        assert all(takes(parameters["ScannerRolePath"], path) for path in ("/", "/a/", "/a-b/c_d/"))
        assert not any(takes(parameters["ScannerRolePath"], path) for path in ("", "a/", "/*/", "/a?/", "/${x}/"))
        assert not takes(parameters["ScanningAccountId"], "12345678901")
        assert takes(parameters["StackName"], f"iam-key-age-{'x' * 23}")
        assert not takes(parameters["StackName"], f"iam-key-age-{'x' * 24}")
        assert not takes(parameters["StackName"], "other")
    assert PATTERNS["ExternalId"][0]


def test_the_role_that_the_stackset_deploys_is_the_role() -> None:
    assert STACKSET.read_text(encoding="utf-8") == template_with_the_role(), "run make reference"
    assert OF_SET["Resources"]["Readers"]["Properties"]["TemplateBody"] == ROLE.read_text(encoding="utf-8")
    assert len(ROLE.read_bytes()) < len(STACKSET.read_bytes()) < 51_200  # which CloudFormation takes with a call


def test_the_stackset_gives_every_parameter_on() -> None:
    given = OF_SET["Resources"]["Readers"]["Properties"]["Parameters"]

    assert {one["ParameterKey"]: one["ParameterValue"]["Ref"] for one in given} == {
        name: name for name in TEMPLATE["Parameters"]
    }


def test_the_stackset_reaches_accounts_that_come_later_and_leaves_none_that_goes() -> None:
    readers = OF_SET["Resources"]["Readers"]["Properties"]

    assert readers["PermissionModel"] == "SERVICE_MANAGED"
    assert readers["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    assert readers["CallAs"] == {"Ref": "CallAs"}
    assert readers["Capabilities"] == ["CAPABILITY_NAMED_IAM"]
    assert readers["OperationPreferences"]["FailureTolerancePercentage"] == 100
    [group] = readers["StackInstancesGroup"]
    assert group["DeploymentTargets"] == {"OrganizationalUnitIds": {"Ref": "OrganizationalUnitIds"}}


@pytest.mark.parametrize(
    ("units", "taken"),
    [
        *(("r-ab12", True), ("ou-ab12-11111111", True), ("ou-ab12-11111111x", True)),
        *(("111122223333", False), ("ou-ab12", False), ("r-AB12", False), ("o-abcdefghij", False), ("", False)),
    ],
)
def test_the_stackset_takes_ids_of_units_and_of_the_root(units: str, taken: bool) -> None:
    assert takes(OF_SET["Parameters"]["OrganizationalUnitIds"], units) is taken


def test_the_role_that_is_trusted_is_the_one_that_the_stack_makes(whole: dict[str, Any]) -> None:
    made = whole["Resources"]["ScanAccountRole"]

    assert made["Type"] == "AWS::IAM::Role"
    assert "RoleName" not in made["Properties"]  # so that CloudFormation begins it with the stack's name and this one's
    assert made["Properties"]["Path"] == {"Ref": "RolePath"}

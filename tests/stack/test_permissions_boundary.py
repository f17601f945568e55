"""The example of a permissions boundary: it allows what the stack's roles may call, and nothing of others."""

import json
from typing import Any

import pytest

from localaws.environment import PROJECT
from tests.stack import telling_tables as telling
from tests.stack.deactivation_tables import DEACTIVATOR, NEW_ROLES, OWN_DEACTIVATOR, may
from tests.stack.role_tables import (
    BUCKET,
    DELIVERY,
    FUNCTION,
    LOG_STREAM,
    LOGS,
    MAY,
    MAY_FOR_ORGANIZATION,
    OF_ANOTHER_ORGANIZATION,
    OF_NO_USE,
    READER,
    SCAN_LOG_STREAM,
    TOPIC,
)
from tests.stack.test_template import actions
from tests.support.iam_policies import allows

# Of AmazonAPIGatewayPushToCloudWatchLogs, which one role has.
OF_AWS_FOR_THE_LOGS_OF_APIS = LOGS | {
    "logs:CreateLogGroup",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:GetLogEvents",
    "logs:FilterLogEvents",
}
ALL_ROLES = [
    *(*MAY, *(role for role in MAY_FOR_ORGANIZATION if role not in MAY)),
    *sorted(NEW_ROLES | telling.NEW_ROLES),
]
# A boundary holds in every Region, on each bus and each set of a stack of this name.
OF_ANY_STACK = {
    ("events:PutEvents", telling.BUS.replace("security", "other")),
    ("events:PutEvents", telling.BUS.replace("eu-central-1", "us-east-1")),
    ("securityhub:BatchImportFindings", telling.PRODUCT.replace("eu-central-1", "us-east-1")),
    ("ses:SendEmail", telling.IDENTITY.replace("eu-central-1", "us-east-1")),
    ("sns:Publish", f"{telling.OWNERS_TOPIC}-other"),
}
CHANGE = ("iam:UpdateAccessKey", "arn:aws:iam::123456789012:user/alice")

BOUNDARY: dict[str, Any] = json.loads((PROJECT / "docs" / "permissions-boundary.json").read_text())
IN_THE_STACK = {
    BUCKET: "arn:aws:s3:::iam-key-age-prod-reportsbucket-x",
    TOPIC: TOPIC.replace("topic", "iam-key-age-prod-NotificationsTopic-X"),
    f"{FUNCTION}:": f"{FUNCTION}:iam-key-age-prod-",
}


def bounded(role: str, action: str, resource: str, path: str = "/", account: str = "123456789012") -> bool:
    """Whether the example of a permissions boundary lets a role of the stack make a call, by its resources' names."""
    for stands_for, name in IN_THE_STACK.items():
        resource = resource.replace(stands_for, name)
    arn = f"arn:aws:iam::123456789012:role{path}iam-key-age-prod-{role}-X"
    context = {"aws__PrincipalArn": arn, "s3__ResourceAccount": account, "events__source": "iam-key-age"}
    return allows(BOUNDARY, action, resource, **context)


def calls_of(role: str) -> set[tuple[str, str]]:
    """What a role may, whatever the parameters of the stack are."""
    if role == "DeactivatorRole":
        read = {(f"iam:{action}", CHANGE[1]) for action in ("ListAccessKeys", "GetAccessKeyLastUsed", "GetUser")}
        return {CHANGE, *read}
    besides = (
        telling.may(role, accounts, "apply", on) for on in telling.STACKS.values() for accounts in ("", "organization")
    )
    return may(role, "", "apply", "none") | may(role, "organization", "apply", "none").union(*besides)


@pytest.mark.parametrize("path", ["/", "/security/", "/a/b/"])
@pytest.mark.parametrize("role", ALL_ROLES)
def test_the_example_of_a_permissions_boundary_allows_what_a_role_may(role: str, path: str) -> None:
    assert [call for call in calls_of(role) if not bounded(role, *call, path)] == []


def test_the_example_of_a_permissions_boundary_has_no_action_that_no_role_uses() -> None:
    called = {action for role in ALL_ROLES for action, _ in calls_of(role)}
    assert set().union(*map(actions, BOUNDARY["Statement"])) == called | OF_AWS_FOR_THE_LOGS_OF_APIS
    for action in OF_AWS_FOR_THE_LOGS_OF_APIS:
        assert bounded("ApiGatewayRole", action, "arn:aws:logs:eu-central-1:123456789012:log-group:of-another-api:x")


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", "arn:aws:s3:::iam-key-age-artifacts-123456789012-eu-central-1/a"),
        ("s3:PutObject", "arn:aws:s3:::iam-key-age-artifacts-123456789012-eu-central-1/a"),
        ("s3:ListBucket", "arn:aws:s3:::iam-key-age-artifacts-123456789012-eu-central-1"),
        ("s3:ListBucket", "arn:aws:s3:::other-reportsbucket-x"),
        ("logs:PutLogEvents", LOG_STREAM.format("x").replace("iam-key-age-prod", "other")),
        ("logs:PutLogEvents", SCAN_LOG_STREAM.replace("iam-key-age-prod", "other")),
        ("logs:PutLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/cloudtrail:log-stream:x"),
        ("logs:GetLogEvents", LOG_STREAM.format("APIHandler")),
        ("logs:FilterLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/apigateway/iam-key-age-prod:x"),
        ("logs:CreateLogGroup", "arn:aws:logs:eu-central-1:123456789012:log-group:other"),
        *sorted(call for call in OF_NO_USE if not call[0].startswith("states:Redrive") and call != CHANGE),
        *sorted(call for call in OF_ANOTHER_ORGANIZATION if call[0].startswith(("organizations:", "sts:"))),
    ],
)
@pytest.mark.parametrize("role", ALL_ROLES)
def test_the_example_of_a_permissions_boundary_refuses_every_role_what_is_not_the_stacks(
    role: str, action: str, resource: str
) -> None:
    assert not bounded(role, action, resource)


def test_the_example_of_a_permissions_boundary_lets_the_state_machines_alone_arrange_the_delivery_of_logs() -> None:
    for action in DELIVERY:
        machines = ["ScanStateMachineRole", "OrganizationScanRole", "ApplyPlansRole"]
        assert [role for role in ALL_ROLES if bounded(role, action, "*")] == machines


def test_the_example_of_a_permissions_boundary_lets_one_role_alone_into_other_accounts_and_one_list_them() -> None:
    assert [role for role in ALL_ROLES if bounded(role, "sts:AssumeRole", READER)] == ["ScanAccountRole"]
    assert [role for role in ALL_ROLES if bounded(role, "organizations:ListAccounts", "*")] == ["ListAccountsRole"]


def test_the_example_of_a_permissions_boundary_lets_one_role_alone_change_keys_and_one_assume_it() -> None:
    assert [role for role in ALL_ROLES if bounded(role, *CHANGE)] == ["DeactivatorRole"]
    for deactivator in (OWN_DEACTIVATOR, DEACTIVATOR):
        assert [role for role in ALL_ROLES if bounded(role, "sts:AssumeRole", deactivator)] == ["ApplyPlansRole"]


def test_the_example_of_a_permissions_boundary_lets_each_role_alone_tell_whom_it_is_for() -> None:
    for call, able in {
        ("events:PutEvents", telling.BUS): ["ApplyPlansRole", "SendEventsRole"],
        ("securityhub:BatchImportFindings", telling.PRODUCT): ["ImportFindingsRole"],
        ("ses:SendEmail", telling.IDENTITY): ["NotifyOwnersRole"],
        ("ses:SendEmail", telling.CONFIGURATION_SET): ["NotifyOwnersRole"],
    }.items():
        assert [role for role in ALL_ROLES if bounded(role, *call)] == able
    arn = "arn:aws:iam::123456789012:role/iam-key-age-prod-SendEventsRole-X"
    for source in ({"events__source": "aws.health"}, {"events__source": "other"}, {}):
        assert not allows(BOUNDARY, "events:PutEvents", telling.BUS, aws__PrincipalArn=arn, **source)


@pytest.mark.parametrize("role", ALL_ROLES)
def test_the_example_of_a_permissions_boundary_lets_no_role_send_in_anothers_name_or_change_how_it_is_sent(
    role: str,
) -> None:
    of_no_use = {call for call in telling.OF_NO_USE - OF_ANY_STACK if not call[0].startswith("s3:")}

    assert len(of_no_use) > 15
    assert [call for call in of_no_use if bounded(role, *call)] == []


def test_the_example_of_a_permissions_boundary_is_no_longer_than_iam_takes() -> None:
    # "The size of each managed policy cannot exceed 6,144 characters", white space apart:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert len("".join(json.dumps(BOUNDARY, separators=(",", ":")).split())) <= 6_144


def test_the_example_of_a_permissions_boundary_serves_the_deactivator_of_an_account_of_an_organization() -> None:
    arn = "arn:aws:iam::123456789012:role/iam-key-age-deactivator"

    assert [call for call in calls_of("DeactivatorRole") if not allows(BOUNDARY, *call, aws__PrincipalArn=arn)] == []
    assert not allows(BOUNDARY, *CHANGE, aws__PrincipalArn=f"{arn}-other")
    assert not allows(BOUNDARY, *CHANGE, aws__PrincipalArn=arn.replace("deactivator", "reader"))


def test_the_example_of_a_permissions_boundary_knows_no_bucket_of_another_account() -> None:
    """A bucket's ARN has no account; one of the name of a stack that is gone may be anybody's."""
    for action in ("s3:GetObject", "s3:PutObject", "s3:ListBucket"):
        assert bounded("BuildReportRole", action, f"{BUCKET}/latest.json")
        assert not bounded("BuildReportRole", action, f"{BUCKET}/latest.json", account="210987654321")

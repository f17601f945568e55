"""What the roles of a stack may by what it tells others than the topic: an event bus, Security Hub, owners."""

import json
import re
from typing import Any

import pytest

from localaws.policy_decisions import Attempt, Decision, decide
from tests.stack.role_tables import allowed, unused
from tests.stack.telling_tables import (
    BUS,
    BY_SES,
    CONFIGURATION_SET,
    DEFAULT_BUS,
    EVERYTHING,
    FOR_A_TEST,
    IDENTITY,
    NEW_ROLES,
    NOTICE,
    OCSF,
    OWNERS_TOPIC,
    PRODUCT,
    SENT,
    STACKS,
    calls,
    may,
)
from tests.stack.test_deactivation_roles import documents as documents_as_of_deactivations
from tests.stack.test_deactivation_roles import known as known_of_deactivations
from tests.stack.test_deactivation_roles import roles
from tests.stack.test_template import actions
from tests.support.cloudformation import exists, resolve

# Of AWS's own policy; with conditions that test_deactivation_roles.py looks at.
NOT_IN_TABLES = {"ApiGatewayRole", "DeactivatorRole"}
OF_TELLING = ("events:", "securityhub:", "ses:")


def known(parameters: dict[str, str], accounts: str = "", deactivation: str = "off") -> dict[str, str]:
    names = {"OwnersTopic": OWNERS_TOPIC, "NoticesConfigurationSet": CONFIGURATION_SET.rpartition("/")[2]}
    return {**known_of_deactivations(accounts, deactivation), **names, **parameters}


def documents(whole: dict[str, Any], role: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
    return documents_as_of_deactivations(whole, role, parameters)


@pytest.mark.parametrize("deactivation", ["off", "apply"])
@pytest.mark.parametrize("accounts", ["", "organization"])
@pytest.mark.parametrize("on", STACKS)
def test_each_role_may_call_what_it_is_for_and_nothing_else(
    whole: dict[str, Any], on: str, accounts: str, deactivation: str
) -> None:
    parameters = known(STACKS[on], accounts, deactivation)
    there = roles(whole, parameters) - NOT_IN_TABLES

    for role in there:
        of_role, tried = documents(whole, role, parameters), calls(role, accounts)
        wanted = may(role, accounts, deactivation, STACKS[on]) & {*tried}
        assert allowed(of_role, tried) == wanted, role
        assert unused(of_role, wanted) == [], role


@pytest.mark.parametrize(
    ("on", "new"),
    [
        ("events", {"SendEventsRole"}),
        ("security hub", {"ImportFindingsRole"}),
        *((on, {"NotifyOwnersRole"}) for on in ("ses", "ses test", "sns")),
        ("ocsf", set()),
        ("everything", NEW_ROLES),
    ],
)
@pytest.mark.parametrize("accounts", ["", "organization"])
def test_only_what_is_on_has_a_role_and_a_permission(
    whole: dict[str, Any], on: str, new: set[str], accounts: str
) -> None:
    parameters, off = known(STACKS[on], accounts, "apply"), known({}, accounts, "apply")
    words = {"SendEvents", "ImportFindings", "NotifyOwners"} - {role.removesuffix("Role") for role in new}

    assert roles(whole, parameters) - roles(whole, off) == new
    for role in roles(whole, parameters) - {"ApiGatewayRole"}:
        text = json.dumps(documents(whole, role, parameters))
        assert not [word for word in words if word in text], role
        if on == "ocsf":
            assert not any(action in text for action in OF_TELLING), role
    for role in roles(whole, off) - {"ApiGatewayRole"}:
        text = json.dumps(documents(whole, role, off))
        assert not re.search(r"ocsf|notices|security-hub|SendEvents|ImportFindings|NotifyOwners", text), role
        assert not any(action in text for action in OF_TELLING), role


@pytest.mark.parametrize("accounts", ["", "organization"])
def test_each_thing_is_sent_by_one_function_and_events_of_deactivations_by_their_machine(
    whole: dict[str, Any], accounts: str
) -> None:
    parameters = known(EVERYTHING, accounts, "apply")

    able = {
        call: {
            role
            for role in roles(whole, parameters) - {"ApiGatewayRole"}
            if allowed(documents(whole, role, parameters), [call])
        }
        for call in (
            ("events:PutEvents", BUS),
            ("securityhub:BatchImportFindings", PRODUCT),
            ("ses:SendEmail", IDENTITY),
            ("s3:GetObject", NOTICE),
            ("s3:PutObject", SENT),
        )
    }

    assert list(able.values()) == [
        {"SendEventsRole", "ApplyPlansRole"},
        {"ImportFindingsRole"},
        {"NotifyOwnersRole"},
        {"NotifyOwnersRole"},
        {"ImportFindingsRole"},
    ]


def test_a_star_for_the_resource_is_only_where_aws_has_no_resource(whole: dict[str, Any]) -> None:
    for on in STACKS.values():
        parameters = known(on)
        for role in roles(whole, parameters) & NEW_ROLES:
            for document in documents(whole, role, parameters):
                stars = [one["Sid"] for one in document["Statement"] if one["Resource"] == "*"]
                assert set(stars) <= {"WriteTraces"}
                assert not {action for one in document["Statement"] for action in actions(one) if "*" in action}


# The conditions.


def decided(whole: dict[str, Any], role: str, parameters: dict[str, str], attempt: Attempt) -> bool:
    of_role = documents(whole, role, known(parameters, "", "apply"))
    return decide(of_role, attempt) is Decision.ALLOWED


def mail(sender: str = "key-age@example.com", *recipients: str, resource: str = IDENTITY) -> Attempt:
    context: dict[str, str | tuple[str, ...]] = {"ses:FromAddress": sender, "ses:Recipients": recipients}
    return Attempt("ses:SendEmail", resource, context)


@pytest.mark.parametrize("resource", [IDENTITY, CONFIGURATION_SET])
@pytest.mark.parametrize(
    ("sender", "recipients", "may_be_sent"),
    [
        ("key-age@example.com", ["alice@example.com"], True),
        ("key-age@example.com", ["alice@example.org"], True),
        ("key-age@example.com", ["alice@example.com", "bob@example.org"], True),
        ("key-age@example.com", ["alice@example.net"], False),
        ("key-age@example.com", ["alice@example.com", "mallory@example.net"], False),
        ("key-age@example.com", ["alice@mail.example.com"], False),
        ("key-age@example.com", ["alice@badexample.com"], False),
        ("key-age@example.com", ["alice@example.com.example.net"], False),
        ("key-age@example.com", ["Tester@example.net"], False),
        ("ceo@example.com", ["alice@example.com"], False),
        ("key-age@example.org", ["alice@example.com"], False),
    ],
)
def test_owners_in_the_domains_alone_can_be_mailed_and_from_one_address(
    whole: dict[str, Any], sender: str, recipients: list[str], may_be_sent: bool, resource: str
) -> None:
    assert decided(whole, "NotifyOwnersRole", BY_SES, mail(sender, *recipients, resource=resource)) is may_be_sent


@pytest.mark.parametrize("missing", ["ses:FromAddress", "ses:Recipients"])
def test_a_mail_of_which_ses_does_not_say_from_whom_or_to_whom_it_is_cannot_be_sent(
    whole: dict[str, Any], missing: str
) -> None:
    whole_mail = mail("key-age@example.com", "alice@example.com")
    context = {name: value for name, value in whole_mail.context.items() if name != missing}

    assert decided(whole, "NotifyOwnersRole", BY_SES, whole_mail)
    assert not decided(whole, "NotifyOwnersRole", BY_SES, Attempt("ses:SendEmail", IDENTITY, context))


@pytest.mark.parametrize(
    ("recipient", "may_be_sent"),
    [("Tester@example.net", True), ("alice@example.com", False), ("tester@example.org", False)],
)
def test_for_a_test_the_one_address_alone_can_be_mailed(
    whole: dict[str, Any], recipient: str, may_be_sent: bool
) -> None:
    assert decided(whole, "NotifyOwnersRole", FOR_A_TEST, mail("key-age@example.com", recipient)) is may_be_sent


def test_one_domain_and_ten_make_a_policy_of_as_many_patterns(whole: dict[str, Any]) -> None:
    for domains in (["example.com"], [f"{letter}.example" for letter in "abcdefghij"]):
        parameters = known({**BY_SES, "OwnerDomains": ",".join(domains)})
        own, *_ = documents(whole, "NotifyOwnersRole", parameters)
        [statement] = [one for one in own["Statement"] if one["Sid"] == "MailOwners"]
        assert statement["Condition"]["ForAllValues:StringLike"] == {
            "ses:Recipients": [f"*@{domain}" for domain in domains]
        }


@pytest.mark.parametrize("role", ["SendEventsRole", "ApplyPlansRole"])
@pytest.mark.parametrize(
    ("sources", "bus", "may_be_put"),
    [
        (("iam-key-age",), BUS, True),
        (("iam-key-age", "iam-key-age"), BUS, True),
        (("iam-key-age", "aws.health"), BUS, False),
        (("aws.health",), BUS, False),
        (("iam-key-age-other",), BUS, False),
        ((), BUS, False),
        (("iam-key-age",), DEFAULT_BUS, False),
        (("iam-key-age",), BUS.replace("123456789012", "210987654321"), False),
    ],
)
def test_events_can_be_put_on_one_bus_and_under_the_products_name(
    whole: dict[str, Any], role: str, sources: tuple[str, ...], bus: str, may_be_put: bool
) -> None:
    context = {"events:source": sources} if sources else {}

    assert decided(whole, role, STACKS["events"], Attempt("events:PutEvents", bus, context)) is may_be_put


def test_the_bus_of_another_account_can_be_the_one(whole: dict[str, Any]) -> None:
    other = BUS.replace("123456789012", "210987654321")
    attempt = Attempt("events:PutEvents", other, {"events:source": ("iam-key-age",)})

    assert decided(whole, "SendEventsRole", {"EventBus": other}, attempt)


def test_the_report_for_a_data_lake_is_written_and_downloaded_only_where_it_is_kept(whole: dict[str, Any]) -> None:
    for parameters, is_kept in (({"OcsfReport": "on"}, True), ({}, False)):
        for role, action in (("BuildReportRole", "s3:PutObject"), ("ApiHandlerRole", "s3:GetObject")):
            of_role = documents(whole, role, known(parameters))
            assert bool(allowed(of_role, [(action, OCSF)])) is is_kept


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_every_arn_in_a_policy_is_of_the_partition(whole: dict[str, Any], partition: str) -> None:
    arns = {f"{name}.Arn": f"arn:{partition}:x:::{name}" for name in whole["Resources"]}
    of_it = {"AWS::Partition": partition, "KmsKeyArn": f"arn:{partition}:kms:::key/x"}
    of_it |= {"NotificationsTopic": f"arn:{partition}:x", "OwnersTopic": f"arn:{partition}:y", "EventBus": "default"}

    for on in (EVERYTHING, STACKS["sns"]):
        parameters = {**known(on), **arns, **of_it}
        for role in roles(whole, parameters) & NEW_ROLES:
            text = json.dumps(documents(whole, role, parameters))
            assert set(re.findall(r"arn:([\w-]+):", text)) == {partition}, role


@pytest.mark.parametrize("stage", ["prod", "x" * 25])
def test_no_name_that_a_policy_names_is_cut_by_cloudformation(whole: dict[str, Any], stage: str) -> None:
    """It ends a name that it makes up with 12 characters, and cuts one of more than 64."""
    parameters = {**known(EVERYTHING), "AWS::StackName": f"iam-key-age-{stage}"}

    for role in NEW_ROLES:
        part = whole["Resources"][role.removesuffix("Role")]["Properties"]
        made_up = f"iam-key-age-{stage}-{role.removesuffix('Role')}-1A2B3C4D5E6F"
        function = resolve(whole, part["FunctionName"], parameters) if "FunctionName" in part else made_up
        group = f"arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/{function}:log-stream:x"
        assert len(function) <= 64
        assert exists(whole, whole["Resources"][role], parameters)
        assert allowed(documents(whole, role, parameters), [("logs:PutLogEvents", group)])

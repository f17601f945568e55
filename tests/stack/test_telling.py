"""What a stack has by OwnerNotices, EventBus, SecurityHub, OcsfReport and RemindDays, and has not by default."""

import itertools
import json
import re
from graphlib import TopologicalSorter
from typing import Any

import pytest
from moto.events.models import EventPattern

from chalicelib import telling_settings
from chalicelib.settings import InvalidSettingError
from deploy.template import without_conditions
from localaws.moto_patches.event_buses import transformed
from tests.stack.conftest import OFF
from tests.stack.telling_tables import BUS, BY_SES, BY_SNS, DEFAULT_BUS, EVERYTHING, FOR_A_TEST, STACKS
from tests.stack.test_deactivation import OF_TELLING
from tests.stack.test_template import (
    DEFINITION,
    OF_ORGANIZATION_SCAN,
    ORGANIZATION_TASKS,
    STACK,
    TASKS,
    transformed_by_sam,
)
from tests.stack.test_template_parameters import KEY, PATTERNS
from tests.stack.test_template_security import encrypts
from tests.support.cloudformation import exists, prerequisites, resolve

FUNCTIONS = {"SendEvents": "SendsEvents", "ImportFindings": "ImportsFindings", "NotifyOwners": "NotifiesOwners"}
RULES = ("BouncedNoticeRule", "UnwantedNoticeRule", "RejectedNoticeRule")
# What nothing of a stack names where all of it is off, but for the keys of the definitions' substitutions.
WORDS = (
    *("SendEvents", "ImportFindings", "NotifyOwners", "OwnersTopic", "NoticeRule", "NoticesConfiguration"),
    *("events:PutEvents", "securityhub", "ses:", "aws.ses", "notices", "security-hub", "ocsf"),
    *("OWNER_NOTICES", "OWNER_DOMAINS", "NOTICES_", "MAX_NOTICES", "EVENT_BUS", "OCSF", "REMIND_DAYS"),
)


def known(template: dict[str, Any], parameters: dict[str, str]) -> dict[str, str]:
    """The parameters with their defaults, and for each resource a name and an ARN."""
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    names = {name: name for name in template["Resources"]}
    arns = {f"{name}.Arn": f"arn:of:{name}" for name in template["Resources"]} | {"AWS::NoValue": ""}
    return {**names, **arns, "AWS::URLSuffix": "amazonaws.com", **defaults, **STACK, **parameters}


def made(template: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """What CloudFormation makes of the template's resources, and its outputs, by parameters."""
    values = known(template, parameters)
    return {
        section: {
            name: resolve(template, part.get("Properties", part.get("Value", {})), values)
            for name, part in template[section].items()
            if exists(template, part, values)
        }
        for section in ("Resources", "Outputs")
    }


# Where all is off.


@pytest.mark.parametrize("accounts", ["", "organization"])
@pytest.mark.parametrize("deactivation", ["off", "apply"])
def test_a_stack_with_the_defaults_has_nothing_of_it(whole: dict[str, Any], accounts: str, deactivation: str) -> None:
    stack = made(whole, {"Accounts": accounts, "Deactivation": deactivation})
    for name in ("ScanStateMachine", "OrganizationStateMachine"):
        if machine := stack["Resources"].get(name):
            off = {f"{function}Arn": machine["DefinitionSubstitutions"].pop(f"{function}Arn") for function in FUNCTIONS}
            assert set(off.values()) == {"off"}
    stack["Resources"]["RestAPI"].pop("DefinitionBody")  # the same for all: it says what there may be

    assert [word for word in WORDS if word in json.dumps(stack)] == []
    assert "ScanStateMachine" in stack["Resources"]  # it does look
    assert all(word in json.dumps(made(whole, {**EVERYTHING, **FOR_A_TEST})) for word in WORDS if word != "OwnersTopic")
    assert "OwnersTopic" in made(whole, BY_SNS)["Resources"]


def test_the_view_that_most_tests_look_at_is_what_the_defaults_make_of_the_template(
    whole: dict[str, Any], template: dict[str, Any]
) -> None:
    assert [name for name in OFF if exists(whole, {"Condition": name}, STACK)] == []
    assert made(template, {}) == made(whole, {})


@pytest.mark.parametrize("on", STACKS)
def test_the_rest_of_a_stack_is_the_same_whatever_is_on(whole: dict[str, Any], on: str) -> None:
    """But for the roles and the settings of functions, which other tests look at, and what takes more for it."""
    more = {"ReadingWithTheKey", "WritingWithTheKey", "ReportsBucket", "ScanStateMachine"}
    if {"EventBus", "SecurityHub", "OwnerNotices"} & STACKS[on].keys():
        more |= {"FailedScanRule", "NoScanAlarm"}  # what they say: below
    functions = {name for name, part in whole["Resources"].items() if part["Type"] == "AWS::Serverless::Function"}
    roles = {name for name, part in whole["Resources"].items() if part["Type"] == "AWS::IAM::Role"}

    off, there = made(whole, {})["Resources"], made(whole, STACKS[on])["Resources"]

    for name in off.keys() - more - functions - roles:
        assert there[name] == off[name], name
    for name in off.keys() & functions:
        variables = [of[name].pop("Environment")["Variables"] for of in (off, there)]
        assert there[name] == off[name], name
        assert variables[0].items() <= variables[1].items()


@pytest.mark.parametrize("accounts", ["", "organization"])
def test_a_failed_scan_may_have_its_report_only_where_others_are_notified_after_the_topic(
    whole: dict[str, Any], accounts: str
) -> None:
    for form, words in UNLESS_IT_SAID_SO.items():
        rules, alarms = (
            {
                on: made(whole, {**STACKS.get(on, {}), "HttpsFormat": form, "Accounts": accounts})["Resources"][name]
                for on in ("", "ocsf", "events", "security hub", "ses", "sns")
            }
            for name in ("FailedScanRule", "NoScanAlarm")
        )
        says = {on: rule["Targets"][0]["InputTransformer"]["InputTemplate"] for on, rule in rules.items()}
        assert says["ocsf"] == says[""]
        assert says["events"] == says["security hub"] == says["ses"] == says["sns"] != says[""]
        assert [word for word in words if word in says[""]] == []
        assert [word for word in words if word not in says["ses"]] == []
        assert json.loads(says["ses"])
        described = {on: alarm["AlarmDescription"] for on, alarm in alarms.items()}
        assert described["ocsf"] == described[""]
        assert described["events"] == described["security hub"] == described["ses"] == described["sns"]
        assert described["ses"].replace(ONLY_OTHERS, "") == described[""] != described["ses"]
        assert len(described["ses"]) <= 1024


ONLY_OTHERS = ", or the reports are there, and only the event bus, Security Hub or owners of keys were not notified"
_UNLESS = "ended <status>. Unless a message about this scan came before this one, its results are unknown."
UNLESS_IT_SAID_SO = {
    "json": [
        _UNLESS,
        "If a message about this scan came before, the next full scan sends what is missing. If none did",
    ],
    "chat": [_UNLESS, '"If a message about this scan came before: the next full scan sends what is missing","If none'],
}


def test_what_is_there_by_which_parameter(whole: dict[str, Any]) -> None:
    resources = transformed_by_sam(whole)["Resources"]

    by_condition = {
        condition: {name for name, part in resources.items() if part.get("Condition") == condition}
        for condition in OF_TELLING
    }

    assert by_condition == {
        **{condition: {name, f"{name}Role", f"{name}Logs"} for name, condition in FUNCTIONS.items()},
        "NotifiesBySes": {"NoticesConfigurationSet", "NoticesEvents", *RULES},
        "NotifiesBySns": {"OwnersTopic", "OwnersTopicPolicy"},
        **{name: set() for name in ("TestsNotices", "SendsToDefaultBus", "SendsDeactivationEvents", "NotifiesOthers")},
    }


@pytest.mark.parametrize(
    ("parameters", "holding"),
    [
        ({"OwnerNotices": "ses"}, {"NotifiesOthers", "NotifiesOwners", "NotifiesBySes"}),
        (
            {"OwnerNotices": "ses", "NoticesTestTo": "a@b.co"},
            {"NotifiesOthers", "NotifiesOwners", "NotifiesBySes", "TestsNotices"},
        ),
        (
            {"OwnerNotices": "sns", "NoticesTestTo": "a@b.co"},
            {"NotifiesOthers", "NotifiesOwners", "NotifiesBySns"},
        ),
        ({"NoticesTestTo": "a@b.co"}, set()),
        ({"EventBus": "default"}, {"NotifiesOthers", "SendsEvents", "SendsToDefaultBus"}),
        ({"EventBus": BUS}, {"NotifiesOthers", "SendsEvents"}),
        (
            {"EventBus": BUS, "Deactivation": "plan"},
            {"NotifiesOthers", "SendsEvents", "PlansDeactivations", "PlansDeactivationsHere"},
        ),
        ({"SecurityHub": "on"}, {"NotifiesOthers", "ImportsFindings"}),
        ({"OcsfReport": "on"}, {"WritesOcsf"}),
        ({"RemindDays": "1"}, {"Reminds"}),
    ],
)
def test_each_parameter_turns_on_what_it_is_for(
    whole: dict[str, Any], parameters: dict[str, str], holding: set[str]
) -> None:
    values = {**STACK, **parameters}

    assert {name for name in OFF if exists(whole, {"Condition": name}, values)} == holding


def test_events_of_deactivations_are_sent_where_both_are_on(whole: dict[str, Any]) -> None:
    for bus, deactivation, sends in ((BUS, "apply", True), ("", "apply", False), (BUS, "off", False)):
        values = {**STACK, "EventBus": bus, "Deactivation": deactivation}
        assert exists(whole, {"Condition": "SendsDeactivationEvents"}, values) is sends


# The parameters, and what the functions get of them.


def variables(whole: dict[str, Any], function: str, parameters: dict[str, str]) -> dict[str, str]:
    of_it = whole["Resources"][function]["Properties"]["Environment"]["Variables"]
    resolved: dict[str, str] = resolve(whole, of_it, known(whole, parameters))
    return resolved


THRESHOLDS = {"MAX_AGE_DAYS", "WARN_DAYS", "MAX_UNUSED_DAYS", "INCLUDE_INACTIVE"}


@pytest.mark.parametrize(
    ("on", "function", "names"),
    [
        ("events", "SendEvents", {"EVENT_BUS"}),
        ("security hub", "ImportFindings", {*THRESHOLDS}),
        (
            "ses",
            "NotifyOwners",
            {
                *(*THRESHOLDS, "HTTPS_FORMAT", "OWNER_NOTICES", "OWNER_DOMAINS", "MAX_NOTICES_PER_SCAN"),
                *("NOTICES_FROM", "NOTICES_CONFIGURATION_SET"),
            },
        ),
        (
            "ses test",
            "NotifyOwners",
            {
                *(*THRESHOLDS, "HTTPS_FORMAT", "OWNER_NOTICES", "OWNER_DOMAINS", "MAX_NOTICES_PER_SCAN"),
                *("NOTICES_FROM", "NOTICES_CONFIGURATION_SET", "NOTICES_TEST_TO"),
            },
        ),
        (
            "sns",
            "NotifyOwners",
            {*THRESHOLDS, "HTTPS_FORMAT", "OWNER_NOTICES", "MAX_NOTICES_PER_SCAN", "NOTICES_TOPIC_ARN"},
        ),
    ],
)
def test_each_function_gets_what_it_reads(whole: dict[str, Any], on: str, function: str, names: set[str]) -> None:
    assert variables(whole, function, STACKS[on]).keys() == {"REPORTS_BUCKET", *names}


@pytest.mark.parametrize("on", STACKS)
@pytest.mark.parametrize("function", ["BuildReport", "BuildOrganizationReport"])
def test_whoever_builds_reports_knows_who_is_notified_besides(whole: dict[str, Any], function: str, on: str) -> None:
    parameters = {**STACKS[on], "Accounts": "organization"}
    got, off = variables(whole, function, parameters), variables(whole, function, {"Accounts": "organization"})

    told = {name: value for name, value in got.items() if name not in off}
    given = STACKS[on]
    assert told == {
        **({"OWNER_NOTICES": given["OwnerNotices"]} if "OwnerNotices" in given else {}),
        **({"OWNER_DOMAINS": given["OwnerDomains"]} if given.get("OwnerNotices") == "ses" else {}),
        **({"OCSF_REPORT": "on"} if "OcsfReport" in given else {}),
        **({"REMIND_DAYS": given["RemindDays"]} if "RemindDays" in given else {}),
    }


def test_owners_who_reply_write_to_the_address_of_the_stack(whole: dict[str, Any]) -> None:
    given = variables(whole, "NotifyOwners", {**BY_SES, "NotificationEmail": "security@example.com"})

    assert given["NOTICES_REPLY_TO"] == "security@example.com"


def test_the_functions_take_what_the_template_gives_them(whole: dict[str, Any]) -> None:
    for parameters in (BY_SES, FOR_A_TEST, BY_SNS):
        arn = {"OwnersTopic": "arn:aws:sns:eu-central-1:123456789012:owners"}
        given = variables(whole, "NotifyOwners", {**parameters, **arn, "MaxNoticesPerScan": "7"})
        settings = telling_settings.parse_notice_settings(given)
        assert settings is not None
        assert (settings.by, settings.max_per_scan) == (parameters["OwnerNotices"], 7)
        assert settings.test_to == parameters.get("NoticesTestTo", "")
    for bus, arn_of_bus in ((BUS, BUS), ("default", DEFAULT_BUS)):
        given = variables(whole, "SendEvents", {"EventBus": bus})
        assert telling_settings.parse_event_bus(given) == arn_of_bus
        of_check = variables(whole, "CheckDeactivation", {"EventBus": bus, "Deactivation": "apply"})
        assert telling_settings.parse_event_bus(of_check) == arn_of_bus
    assert telling_settings.parse_remind_days(variables(whole, "BuildReport", {"RemindDays": "7"})) == 7
    assert telling_settings.parse_remind_days(variables(whole, "BuildReport", {})) is None


_ALL_OF_SES = {
    "OWNER_NOTICES": "ses",
    "OWNER_DOMAINS": "example.com",
    "NOTICES_FROM": "a@example.com",
    "NOTICES_CONFIGURATION_SET": "x",
}


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("NoticesFrom", "NOTICES_FROM"),
        ("NoticesTestTo", "NOTICES_TEST_TO"),
        ("OwnerDomains", "OWNER_DOMAINS"),
        ("RemindDays", "REMIND_DAYS"),
        ("EventBus", "EVENT_BUS"),
    ],
)
def test_the_functions_take_what_the_parameter_takes(whole: dict[str, Any], name: str, variable: str) -> None:
    def parse(text: str) -> None:
        telling_settings.parse_notice_settings({**_ALL_OF_SES, variable: text})
        telling_settings.parse_remind_days({variable: text})
        telling_settings.parse_event_bus({variable: text})

    good, bad = PATTERNS[name]
    longest = whole["Parameters"][name].get("MaxLength", 1000)

    for text in good:
        if text not in ("", "default"):  # the template gives the function no variable, and the ARN
            parse(text)
        assert len(text) <= longest
    for text in bad:
        if text != "01":  # which is 1 to the function
            with pytest.raises(InvalidSettingError):
                parse(text)
    if longest < 1000:
        with pytest.raises(InvalidSettingError):
            parse(f"{'a' * 60}." * (longest // 60) + "example.com")


def test_the_defaults_of_the_parameters_are_those_of_the_settings(whole: dict[str, Any]) -> None:
    parameters = whole["Parameters"]
    off = ("OwnerNotices", "SecurityHub", "OcsfReport")
    empty = ("NoticesFrom", "OwnerDomains", "NoticesTestTo", "EventBus", "RemindDays")

    assert [parameters[name]["Default"] for name in off] == ["off"] * 3
    assert [parameters[name]["Default"] for name in empty] == [""] * 5
    most = parameters["MaxNoticesPerScan"]
    settings = [
        telling_settings.parse_notice_settings({**_ALL_OF_SES, "MAX_NOTICES_PER_SCAN": str(most[end])})
        for end in ("MinValue", "Default", "MaxValue")
    ]
    assert [of.max_per_scan for of in settings if of] == [1, 200, 10_000]
    default = telling_settings.parse_notice_settings(_ALL_OF_SES)
    assert default is not None
    assert default.max_per_scan == most["Default"]


# The state machines.


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_task_waits_a_little_longer_than_its_function_runs(whole: dict[str, Any], function: str) -> None:
    runs = whole["Resources"][function]["Properties"]["Timeout"]

    for tasks in (TASKS, ORGANIZATION_TASKS):
        assert tasks[function]["TimeoutSeconds"] == runs + 10
        assert tasks[function]["Arguments"]["Payload"] == {"scan": "{% $scan %}"}


def test_however_often_each_of_them_runs_out_of_time_a_scan_has_time_for_it() -> None:
    longest = 0
    for function in FUNCTIONS:
        [of_time_outs] = [retry for retry in TASKS[function]["Retry"] if "States.Timeout" in retry["ErrorEquals"]]
        assert set(of_time_outs["ErrorEquals"]) == {"States.Timeout", "Sandbox.Timedout"}
        longest += TASKS[function]["TimeoutSeconds"] * (1 + of_time_outs["MaxAttempts"])

    # The slowest IAM that a scan is designed for takes 5,000 seconds before that, as docs/reliability.md says.
    assert longest + 5_000 < DEFINITION["TimeoutSeconds"]


def test_however_often_each_of_them_is_tried_a_scan_of_an_organization_has_time_for_it() -> None:
    tries = [1 + sum(retry["MaxAttempts"] for retry in ORGANIZATION_TASKS[function]["Retry"]) for function in FUNCTIONS]

    assert sum(tries) * ORGANIZATION_TASKS["SendEvents"]["TimeoutSeconds"] < OF_ORGANIZATION_SCAN["TimeoutSeconds"] / 6


@pytest.mark.parametrize("machine", ["ScanStateMachine", "OrganizationStateMachine"])
def test_the_machines_call_what_is_on(whole: dict[str, Any], machine: str) -> None:
    properties = whole["Resources"][machine]["Properties"]

    given = resolve(whole, properties["DefinitionSubstitutions"], known(whole, {**EVERYTHING, "HttpsFormat": "chat"}))

    assert {name: given[f"{name}Arn"] for name in FUNCTIONS} == {name: f"arn:of:{name}" for name in FUNCTIONS}
    assert given["HttpsFormat"] == "chat"


def test_no_function_that_a_machine_calls_refers_to_it(whole: dict[str, Any]) -> None:
    for function in FUNCTIONS:
        assert "StateMachine" not in json.dumps(whole["Resources"][function])


def test_no_resource_has_to_be_there_before_itself(whole: dict[str, Any]) -> None:
    document = transformed_by_sam(whole)
    for on, accounts in itertools.product(STACKS.values(), ("", "organization")):
        parameters = {**on, "Accounts": accounts, "Deactivation": "apply", "KmsKeyArn": KEY}
        values = {**known(whole, parameters), "ApiGatewayLogsRole": "create", "UsageEvidence": "on"}
        holding = {name: exists(document, {"Condition": name}, values) for name in document["Conditions"]}

        before = prerequisites(document, holding)

        assert {*TopologicalSorter(before).static_order()} == before.keys()  # it raises CycleError for a cycle


# Logs, the key, and how long data lives.


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_traced_bounded_and_logs_as_the_others_do(whole: dict[str, Any], function: str) -> None:
    values = {**known(whole, {"KmsKeyArn": KEY, "LogRetentionDays": "365"}), function: f"iam-key-age-prod-{function}-X"}
    group = resolve(whole, whole["Resources"][f"{function}Logs"]["Properties"], values)
    role = whole["Resources"][f"{function}Role"]["Properties"]

    assert whole["Resources"][function]["Properties"]["Tracing"] == "Active"
    assert group == {
        "LogGroupName": f"/aws/lambda/iam-key-age-prod-{function}-X",
        "RetentionInDays": "365",
        "KmsKeyId": KEY,
    }
    assert encrypts(f"123456789012:log-group:{group['LogGroupName']}") == {True}
    assert role["Path"] == {"Ref": "RolePath"}
    assert role["PermissionsBoundary"]["Fn::If"][0] == "HasPermissionsBoundary"


@pytest.mark.parametrize("key", ["", KEY])
def test_the_owners_topic_is_encrypted_as_the_other_and_takes_nothing_by_plain_http(
    whole: dict[str, Any], key: str
) -> None:
    stack = made(whole, {**BY_SNS, "KmsKeyArn": key})["Resources"]
    policy = stack["OwnersTopicPolicy"]

    assert stack["OwnersTopic"] == stack["NotificationsTopic"]
    assert stack["OwnersTopic"].get("KmsMasterKeyId", "") == key
    assert policy["Topics"] == ["OwnersTopic"]
    assert [
        (one["Effect"], one["Principal"], one["Action"], one["Resource"], one["Condition"])
        for one in policy["PolicyDocument"]["Statement"]
    ] == [
        ("Deny", "*", "sns:Publish", "OwnersTopic", {"Bool": {"aws:SecureTransport": "false"}}),
        ("Deny", "*", "sns:Subscribe", "OwnersTopic", {"StringEquals": {"sns:Protocol": "http"}}),
    ]


@pytest.mark.parametrize("on", STACKS)
@pytest.mark.parametrize("retention", ["1", "3650"])
def test_what_was_sent_is_kept_for_as_long_as_it_can_matter_whatever_the_reports_retention(
    whole: dict[str, Any], on: str, retention: str
) -> None:
    bucket = made(whole, {**STACKS[on], "ReportRetentionDays": retention})["Resources"]["ReportsBucket"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}

    assert expiring == {
        **dict.fromkeys(("scans/", "latest.json"), retention),
        **({"notices/": 90} if "OwnerNotices" in STACKS[on] else {}),
        **({"security-hub/": 90} if "SecurityHub" in STACKS[on] else {}),
    }
    [of_all] = [rule for rule in rules if "Prefix" not in rule]
    assert of_all["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


# What becomes of a mail.


EVENTS_OF_FAILURES = ("Email Bounced", "Email Complaint Received", "Email Rejected")


# In the form of the events that SES publishes: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html
def event(what: str, bounce: str = "Permanent", **mail: Any) -> dict[str, Any]:
    tags = {"ses:configuration-set": ["iam-key-age-prod-notices"], "ses:from-domain": ["example.com"]}
    detail: dict[str, Any] = {
        "eventType": what.split()[1],
        "mail": {
            "timestamp": "2026-11-22T08:01:00.123Z",
            "source": "key-age@example.com",
            "messageId": "x",
            "destination": ["alice@example.com"],
            "tags": tags,
            **mail,
        },
    }
    if what == "Email Bounced":
        detail["bounce"] = {"bounceType": bounce, "bounceSubType": "General"}
    return {
        "version": "0",
        "id": "1",
        "source": "aws.ses",
        "account": "123456789012",
        "region": "eu-central-1",
        "detail-type": what,
        "time": "2026-11-22T08:01:02Z",
        "resources": [],
        "detail": detail,
    }


def told(whole: dict[str, Any], of: Any, form: str = "json", **parameters: str) -> Any:
    """What the topic gets of an event, of the one rule that matches; None where none does."""
    stack = {**BY_SES, "HttpsFormat": form, **parameters}
    values = {**known(whole, stack), "NoticesConfigurationSet": "iam-key-age-prod-notices"}
    rules = [resolve(whole, whole["Resources"][name]["Properties"], values) for name in RULES]
    matching = [rule for rule in rules if EventPattern(None, rule["EventPattern"]).matches_event(of)]
    if not matching:
        return None
    [rule] = matching
    [target] = rule["Targets"]
    assert target["Arn"] == STACK["NotificationsTopic"]
    return json.loads(transformed(target, of))


SUPPRESSED = "aws sesv2 delete-suppressed-destination --email-address alice@example.com"
OWNER_TAG = "correct the owner tag of the users that names this address"
TEST_TO = "correct the stack parameter NoticesTestTo, which has this address"


@pytest.mark.parametrize(
    ("parameters", "where"), [({}, OWNER_TAG), ({"NoticesTestTo": "alice@example.com"}, TEST_TO)], ids=["all", "test"]
)
def test_a_notice_that_bounces_is_told_with_where_its_address_is(
    whole: dict[str, Any], parameters: dict[str, str], where: str
) -> None:
    assert told(whole, event("Email Bounced"), **parameters) == (
        "iam-key-age: a notice of access keys bounced. In AWS account 123456789012, the mail to alice@example.com did"
        f" not arrive. What to do: {where}. If the address is right and works again, take it off SES's list of"
        f" suppressed addresses: {SUPPRESSED}"
    )
    assert told(whole, event("Email Complaint Received"), **parameters) == (
        "iam-key-age: a notice of access keys was called spam. In AWS account 123456789012, this is what the reader of"
        " the mail to alice@example.com did, and SES sends no more to this address. What to do: ask them who owns the"
        f" access keys, and {where}. If they want the notices: {SUPPRESSED}"
    )


def test_a_notice_that_ses_rejects_suppresses_nothing(whole: dict[str, Any]) -> None:
    assert told(whole, event("Email Rejected")) == (
        "iam-key-age: SES rejected a notice of access keys. In AWS account 123456789012, it did not send the mail to"
        " alice@example.com, which it took for malware. What to do: tell its reader of the keys, which the report has."
        " Nothing is suppressed: the next notice is sent when there is news, or in a week."
    )


@pytest.mark.parametrize(
    ("what", "title", "advice"),
    [
        ("Email Bounced", "A notice of IAM access keys bounced", [OWNER_TAG, f"`{SUPPRESSED}`"]),
        ("Email Complaint Received", "A notice of IAM access keys was called spam", [OWNER_TAG, f"`{SUPPRESSED}`"]),
        (
            "Email Rejected",
            "SES rejected a notice of IAM access keys",
            ["the report has them", "Nothing is suppressed"],
        ),
    ],
)
def test_a_chat_line_of_a_failed_notice_says_the_same(
    whole: dict[str, Any], what: str, title: str, advice: list[str]
) -> None:
    chat = told(whole, event(what), "chat")

    assert (chat["version"], chat["source"], chat["content"]["textType"]) == ("1.0", "custom", "client-markdown")
    assert chat["content"]["title"] == f"{title}, in AWS account 123456789012"
    assert "`alice@example.com`" in chat["content"]["description"]
    for words, step in zip(advice, chat["content"]["nextSteps"], strict=True):
        assert words.lower() in step.lower()


@pytest.mark.parametrize(("bounce", "is_told"), [("Permanent", True), ("Undetermined", True), ("Transient", False)])
def test_a_full_mailbox_or_an_out_of_office_reply_is_not_told(
    whole: dict[str, Any], bounce: str, is_told: bool
) -> None:
    assert bool(told(whole, event("Email Bounced", bounce))) is is_told


@pytest.mark.parametrize(
    "other",
    [
        *(event(what) for what in ("Email Delivered", "Email Sent", "Email Opened")),
        *(event(what, tags={"ses:configuration-set": ["of-another-team"]}) for what in EVENTS_OF_FAILURES),
        *(event(what, tags={}) for what in EVENTS_OF_FAILURES),
        {**event("Email Bounced"), "source": "other"},
    ],
    ids=lambda of: f"{of['source']} {of['detail-type']} {of['detail']['mail']['tags']}",
)
def test_nothing_else_that_ses_says_and_no_other_mail_of_the_account_is_told(
    whole: dict[str, Any], other: dict[str, Any]
) -> None:
    assert told(whole, other) is None


def test_ses_says_of_each_notice_what_the_rule_waits_for(whole: dict[str, Any]) -> None:
    stack = made(whole, {**BY_SES, "NoticesConfigurationSet": "iam-key-age-prod-notices"})["Resources"]
    destination = stack["NoticesEvents"]["EventDestination"]

    assert stack["NoticesConfigurationSet"] == {
        "Name": "iam-key-age-prod-notices",
        "SuppressionOptions": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
    }
    assert stack["NoticesEvents"]["ConfigurationSetName"] == "iam-key-age-prod-notices"
    assert destination["Enabled"] is True
    assert destination["EventBridgeDestination"] == {"EventBusArn": DEFAULT_BUS}  # the only one that SES takes
    assert destination["MatchingEventTypes"] == ["BOUNCE", "COMPLAINT", "REJECT"]
    assert [stack[name]["EventPattern"]["detail-type"] for name in RULES] == [[one] for one in EVENTS_OF_FAILURES]
    assert (
        variables(whole, "NotifyOwners", {**BY_SES, "NoticesConfigurationSet": "x"})["NOTICES_CONFIGURATION_SET"] == "x"
    )
    assert len(f"iam-key-age-{'x' * 25}-notices") <= 64  # as SES takes a name


def test_the_companion_of_chalice_deploy_keeps_what_needs_no_function(whole: dict[str, Any]) -> None:
    without = without_conditions(whole, *OF_TELLING)

    assert {"Reminds", "WritesOcsf"} <= without["Conditions"].keys()
    assert not re.search("|".join(OF_TELLING), json.dumps([without["Resources"], without["Outputs"]]))

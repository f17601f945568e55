"""The parameters of the stack: what they take, and where their values go."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import regex

from chalicelib.policy import MAX_AGE_DAYS_LIMIT, POLICY_RULES, ScanPolicy
from chalicelib.settings import (
    DEFAULT_SCHEDULE,
    MAX_EXEMPT_DAYS_LIMIT,
    HttpsFormat,
    InvalidSettingError,
    NotifyOn,
    TagSettings,
    parse_stage_defaults,
    parse_tag_settings,
)
from deploy.parameters import read_parameters
from tests.stack.test_template import STACK, transformed_by_sam
from tests.support.cloudformation import resolve
from tests.support.parameter_reference import PAGE, page_with


def test_every_parameter_is_in_a_group_of_the_console_with_a_default_and_a_description(
    template: dict[str, Any],
) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]

    assert sorted(grouped) == sorted(template["Parameters"])
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert "Default" in parameter, name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & parameter.keys(), name


def test_the_table_in_the_docs_is_made_of_the_template(template: dict[str, Any]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with(template), "run make reference"


def test_the_parameters_that_the_docs_say_can_be_given_empty_are_taken_empty_and_no_others(
    template: dict[str, Any],
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    [named] = re.findall(r"^- (`MaxAgeDays`.+?) can be given empty", page, re.MULTILINE)
    take_nothing = set(re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\bor nothing \|", page, re.MULTILINE))
    empty = {*re.findall(r"`(\w+)`", named)} | take_nothing

    for name in template["Parameters"]:
        if name in empty:
            read_parameters(template["Parameters"], [f"{name}="])
        else:
            with pytest.raises(InvalidSettingError, match=f"^{name}: "):
                read_parameters(template["Parameters"], [f"{name}="])
    assert len(empty) > 10
    assert {template["Parameters"][name]["Default"] for name in take_nothing} == {""}


KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


BUS = "arn:aws:events:eu-central-1:123456789012:event-bus/security"
TEN_DOMAINS = [f"{letter * 55}.example" for letter in "abcdefghij"]
ADDRESSES = ["", "a@b.co", "Key.Age+no-reply_1@Security.Example.com", f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.co"]
NO_ADDRESSES = [
    *(
        "a",
        "a b@c.de",
        "a@b",
        "Alice <a@b.co>",
        "a@b.co,c@d.co",
        "a@b.co\n",
        "*@b.co",
        "a@*.co",
        "é@b.co",
        "a@é.co",
        "@b.co",
    ),
    *("a@b..co", "a@@b.co", f"{'a' * 65}@b.co", '"a"@b.co', "a?@b.co", "${aws:username}@b.co"),
]


# Of parameters with a pattern: what they take, the ends among them, and what is just outside.
PATTERNS = {
    "KmsKeyArn": (["", KEY, KEY.replace("aws", "aws-us-gov")], ["alias/aws/sns", KEY.replace("key/", "alias/"), "x"]),
    "NotificationEmail": (["", "a@b.co", f"{'a' * 64}@{'b' * 100}.co"], ["a", "a b@c.de", "a@b"]),
    "PermissionsBoundaryArn": (
        ["", "arn:aws-cn:iam::123456789012:policy/a/b", "arn:aws:iam::aws:policy/x"],
        ["x", "arn:aws:iam::123456789012:role/x", "arn:aws:iam::123:policy/x"],
    ),
    "RolePath": (["/", "/security/", f"/{'a' * 510}/"], ["", "security", "/security", f"/{'a' * 511}/"]),
    "OwnerTags": (
        [
            *("a", "owner,Owner,email", "a:b/c=d+e@f.g-h_i", ",".join(letter * 40 for letter in "abcdefghij")),
            *("Owner Email,team", "Équipe,部門", "المالك", "Власник", "२", "x" * 128, "a  b", "a\u00a0b", "a\u3000b"),
            *("a\u2028b", "𠮷", f"{'x' * 128},{'y' * 128},{'z' * 128},{'部' * 128},{'é' * 124}"),
        ],
        [
            *("", "it's", "a,", ",a", "a,,b", "a\nb", "a\tb", "a%}", "x" * 129, ",".join("abcdefghijk"), " a", "a "),
            *("a, b", "a ,b", " ", "\u3000a", "a\u2028", 'a"b', "a`b", "a\\b", "a${b}", "E\u0301quipe", "a\u200bb"),
            *("a\x00b", "a\x85b", "☺", "a;b", "\ud800", "<a>"),
        ],
    ),
    "Accounts": (
        [
            *("", "organization", "123456789012", ",".join(["123456789012"] * 100)),
            *("s3://reports/organization/accounts.txt", f"s3://{'b' * 63}/organization/{'a' * 80}"),
        ],
        [
            *("Organization", "12345678901", "1234567890123", "123456789012,", "123456789012, 210987654321", "all"),
            *(",".join(["123456789012"] * 101), "s3://reports/accounts.txt", "s3://reports/organization/"),
            *(
                "s3://reports/organization/latest.json",
                "s3://reports/organization/../x",
                "s3://reports/organization/a/b",
            ),
            *(
                "s3:///organization/a",
                "https://reports/organization/a",
                "s3://REPORTS/organization/a",
                "１２３４５６７８９０１２",
            ),
        ],
    ),
    "ExcludedAccounts": (
        ["", "123456789012", ",".join(["123456789012"] * 100)],
        ["organization", ",".join(["123456789012"] * 101), "123456789012;210987654321", "s3://reports/organization/a"],
    ),
    "ReaderRoleName": (
        ["iam-key-age-reader", "a", "A_+=,.@-9", "x" * 64],
        ["", "x" * 65, "path/role", "a b", "arn:aws:iam::123456789012:role/x", "a*", "é"],
    ),
    "DeactivatorRoleName": (["iam-key-age-deactivator", "x" * 64], ["", "x" * 65, "path/role", "a*"]),
    "ExternalId": (
        ["iam-key-age", "ab", "A=,.@:/_+-9", "x" * 64],
        ["", "a", "x" * 65, "a b", "a*b", "é" * 3],
    ),
    "DeactivationWeekdays": (
        ["MON", "MON,TUE,WED,THU", "SUN,SAT,FRI,THU,WED,TUE,MON"],
        ["", "mon", "MON-THU", "MON, TUE", "MON,", ",MON", "MONDAY", "MON,TUE,WED,THU,FRI,SAT,SUN,MON"],
    ),
    "DeactivationUserPath": (
        ["/", "/people/", "/a/b-c_d/", f"/{'a' * 510}/"],
        ["", "people", "/people", "people/", "/*/", "/a?/", "/${aws:username}/", "/a b/", f"/{'a' * 511}/"],
    ),
    "RemindDays": (["", "1", "90"], ["0", "01", "91", "100", "-1", "1.5", "x"]),
    "NoticesFrom": (ADDRESSES, NO_ADDRESSES),
    "NoticesTestTo": (ADDRESSES, NO_ADDRESSES),
    "OwnerDomains": (
        ["", "example.com", "a.b", "xn--bcher-kva.example", "a-b.example.co.uk,example.com", ",".join(TEN_DOMAINS)],
        [
            *("example", "Example.com", "example.com,", ",example.com", "example.com, example.org", "*.example.com"),
            *("example.com;example.org", "@example.com", "alice@example.com", "example..com", ".com", "éxample.com"),
            *(
                ",".join([*TEN_DOMAINS, "k.example"]),
                f"{'a' * 64}.com",
                "a.b.c.d.e.f.g",
                "example.com\n",
                "*",
                "a?.com",
            ),
        ],
    ),
    "EventBus": (
        ["", "default", BUS, BUS.replace("aws", "aws-cn"), f"{BUS.removesuffix('security')}aws.partner/a.b_c-d/e"],
        ["Default", "security", BUS.replace("event-bus", "rule"), BUS.replace("1234", ""), f"{BUS} ", f"{BUS}*", "*"],
    ),
    "WarnDays": (["", "0", str(MAX_AGE_DAYS_LIMIT - 1)], ["-1", "00", "1.5", "x"]),
    "MaxUnusedDays": (["", "1", str(MAX_AGE_DAYS_LIMIT)], ["-1", "01", "1.5", "x"]),
    "ScanSchedule": (
        [
            "cron(0 8 * * ? *)",
            "cron(0/30 6-8 ? * MON,FRI#1 2026)",
            "cron(0 8 L * ? *)",
            "rate(1 minute)",
            "rate(12 hours)",
        ],
        [
            "",
            "x",
            "rate(1 days)",
            "rate(2 day)",
            "cron(0 8 * * * *)",
            "cron(0 8 ? * ? *)",
            "cron()",
            "cron(0 8 * * ?)",
            "0 8 * * ? *",
            "rate(0 days)",
            "rate(1)",
            "rate(1 weeks)",
            "at(2026-11-22T08:00)",
        ],
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_parameter_takes_what_it_says(template: dict[str, Any], name: str) -> None:
    pattern = template["Parameters"][name]["AllowedPattern"]
    good, bad = PATTERNS[name]

    assert [text for text in good if not regex.fullmatch(pattern, text)] == []  # which knows \\p{L}, as Java does
    assert [text for text in bad if regex.fullmatch(pattern, text)] == []


@pytest.mark.parametrize("name", ["MaxAgeDays", "WarnDays", "MaxUnusedDays"])
def test_a_parameter_takes_the_days_that_the_scan_policy_takes(template: dict[str, Any], name: str) -> None:
    rule = POLICY_RULES[re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()]

    taken = [days for days in range(11_000) if takes(template["Parameters"][name], str(days))]

    assert taken == list(range(rule["minimum"], rule["maximum"] + 1))


def takes(parameter: dict[str, Any], value: str) -> bool:
    """Whether CloudFormation takes a value for a parameter, by its pattern or its ends."""
    if "AllowedPattern" in parameter:
        return bool(re.fullmatch(parameter["AllowedPattern"], value))
    return bool(parameter["MinValue"] <= float(value) <= parameter["MaxValue"])


def ends(name: str, parameter: dict[str, Any]) -> list[str]:
    """The values at a parameter's ends: the first and the last, and of few to choose from, all."""
    if "AllowedPattern" in parameter:
        return PATTERNS[name][0]
    if "AllowedValues" in parameter:
        return [str(value) for value in parameter["AllowedValues"]]
    return [str(parameter["MinValue"]), str(parameter["MaxValue"])]


def linted(template: dict[str, Any], folder: Path, given: list[dict[str, str]], *regions: str) -> str:
    """What cfn-lint says of the stack with each of these sets of values, in these Regions.

    It resolves no parameter in a template of SAM's: so this is what CloudFormation gets, after the transform.
    """
    path = folder / "plain.json"
    path.write_text(json.dumps(transformed_by_sam(template)))
    command = [f"{Path(sys.executable).parent}/cfn-lint", "--regions", *regions]
    command.append("--deployment-files")
    for number, parameters in enumerate(given):
        document = {"template-file-path": str(path), "parameters": parameters, "tags": {}}
        command.append(f"{number}.json")
        (folder / command[-1]).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stdout == ""), done.stderr
    return done.stdout


def test_the_stack_keeps_to_cfn_lint_with_every_parameter_at_each_of_its_ends(
    whole: dict[str, Any], tmp_path: Path
) -> None:
    template = whole
    values = {name: ends(name, parameter) for name, parameter in template["Parameters"].items()}
    sets = max(map(len, values.values()))

    given = [{name: of_it[number % len(of_it)] for name, of_it in values.items()} for number in range(sets)]

    assert linted(template, tmp_path, given, "eu-central-1", "us-gov-west-1") == ""
    # China has no SES. There, CloudFormation takes a type that it does not know where the condition does not hold, and
    # cfn-lint does not: https://github.com/aws-cloudformation/cfn-lint/issues/3495
    in_china = linted(template, tmp_path, given, "cn-north-1")
    assert set(re.findall(r"^[A-Z]\d{4} .*", in_china, re.MULTILINE)) == {
        f"E3006 Resource type 'AWS::SES::{name}' does not exist in 'cn-north-1'"
        for name in ("ConfigurationSet", "ConfigurationSetEventDestination")
    }
    wrong = {"RolePath": "x", "ScanSchedule": "x", "LogRetentionDays": "2"}
    outside = linted(template, tmp_path, [wrong], "eu-central-1")
    for says in ("'RolePath'} does not match", "'ScanSchedule'} has to be either", "'2' is not one of"):
        assert says in outside  # it does look


@pytest.mark.parametrize("schedule", [DEFAULT_SCHEDULE, "cron(15 6 ? * MON *)"])
def test_one_rule_starts_scans_when_the_parameter_says(template: dict[str, Any], schedule: str) -> None:
    document = transformed_by_sam(template)
    known = {**STACK, "ScanSchedule": schedule, "ScheduledScan.Arn": "ARN"}
    [rule] = [
        part
        for part in document["Resources"].values()
        if part["Type"] == "AWS::Events::Rule" and "ScheduleExpression" in part["Properties"]
    ]
    properties = resolve(document, rule["Properties"], known)

    assert "Condition" not in rule
    assert properties["ScheduleExpression"] == schedule
    assert properties.get("State", "ENABLED") == "ENABLED"
    assert [target["Arn"] for target in properties["Targets"]] == ["ARN"]
    permissions = [part for part in document["Resources"].values() if part["Type"] == "AWS::Lambda::Permission"]
    assert [part["Properties"]["Principal"] for part in permissions].count("events.amazonaws.com") == 1


def test_the_schedule_is_daily_at_eight_in_both_ways_to_deploy(template: dict[str, Any]) -> None:
    assert template["Parameters"]["ScanSchedule"]["Default"] == DEFAULT_SCHEDULE == "cron(0 8 * * ? *)"


def test_the_thresholds_are_parameters_of_each_function_that_reads_them(template: dict[str, Any]) -> None:
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    given = {"MaxAgeDays": "120", "WarnDays": "60", "IncludeInactive": "true", "MaxUnusedDays": "45"}

    for name in ("ScheduledScan", "APIHandler", "ReadPolicy", "ValidateKeys", "BuildReport"):
        variables = template["Resources"][name]["Properties"]["Environment"]["Variables"]
        known = {**STACK, **defaults, "ReportsBucket": "reports"}
        assert not {variable for variable in variables if variable.startswith("STACK_")}  # a setting is there once

        assert parse_stage_defaults(resolve(template, variables, known)) == ScanPolicy()
        assert parse_stage_defaults(resolve(template, variables, {**known, **given})) == ScanPolicy(120, 60, True, 45)
        lower = parse_stage_defaults(resolve(template, variables, {**known, "MaxAgeDays": "10"}))
        assert lower == ScanPolicy(10, 9)  # a default that does not fit is lowered


def test_the_choices_of_the_parameters_are_those_that_the_code_knows(template: dict[str, Any]) -> None:
    parameters = template["Parameters"]

    assert parameters["NotifyOn"]["AllowedValues"] == list(NotifyOn)
    assert parameters["NotifyOn"]["Default"] == "findings"
    assert parameters["HttpsFormat"]["AllowedValues"] == list(HttpsFormat)
    assert parameters["HttpsFormat"]["Default"] == "json"


def test_the_tags_of_the_owner_are_by_default_those_of_the_code_and_stay_out_of_the_definition(
    template: dict[str, Any],
) -> None:
    substitutions = template["Resources"]["ScanStateMachine"]["Properties"]["DefinitionSubstitutions"]

    assert template["Parameters"]["OwnerTags"]["Default"] == ",".join(TagSettings().owner_tags)
    assert "OwnerTags" not in json.dumps(substitutions)  # whose text could end an expression


@pytest.mark.parametrize("names", [*PATTERNS["OwnerTags"][0], ",".join(["x" * 127] * 5), ",".join(["x" * 128] * 5)])
def test_the_functions_take_the_tags_of_the_owner_that_the_parameter_takes(
    template: dict[str, Any], names: str
) -> None:
    parameter = template["Parameters"]["OwnerTags"]

    if regex.fullmatch(parameter["AllowedPattern"], names) and len(names) <= parameter["MaxLength"]:
        assert parse_tag_settings({"OWNER_TAGS": names}).owner_tags == tuple(names.split(","))
    else:
        with pytest.raises(InvalidSettingError) as refusal:
            parse_tag_settings({"OWNER_TAGS": names})
        assert str(refusal.value).endswith(f"is not accepted; it takes {parameter['ConstraintDescription']}")


def test_the_variables_of_a_function_fit_into_the_4_kilobytes_that_lambda_gives_them(whole: dict[str, Any]) -> None:
    template = whole
    longest = {name: max(map(str, ends(name, of)), key=len) for name, of in template["Parameters"].items()}
    longest["OwnerTags"] = ("部" * 128 + ",") * 4 + "部" * 124
    assert len(longest["OwnerTags"]) == template["Parameters"]["OwnerTags"]["MaxLength"]
    known = {**STACK, **longest, "AWS::StackName": "iam-key-age-" + "x" * 116, "ReportsBucket": "x" * 63}
    known["ScanAccount.Arn"] = f"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:{'x' * 64}"
    functions = [part for part in template["Resources"].values() if part["Type"] == "AWS::Serverless::Function"]

    for function in functions:
        variables = resolve(template, function["Properties"]["Environment"]["Variables"], known)
        assert len("".join(name + value for name, value in variables.items()).encode()) < 4096 - 500


def test_the_functions_get_the_tags_and_the_days_of_the_parameters(template: dict[str, Any]) -> None:
    def variables(function: str) -> dict[str, Any]:
        of_it: dict[str, Any] = template["Resources"][function]["Properties"]["Environment"]["Variables"]
        return of_it

    days = template["Parameters"]["MaxExemptDays"]

    assert variables("ReadAccount")["OWNER_TAGS"] == {"Ref": "OwnerTags"}
    assert variables("ValidateKeys")["MAX_EXEMPT_DAYS"] == {"Ref": "MaxExemptDays"}
    assert (days["Default"], days["MinValue"], days["MaxValue"]) == (366, 1, MAX_EXEMPT_DAYS_LIMIT)

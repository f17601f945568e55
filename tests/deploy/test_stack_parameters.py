"""The parameters that a person deploys with, read and checked before anything is made."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.policy import ScanPolicy
from deploy.parameters import passed_over, read_parameters, read_thresholds, split_assignments
from deploy.settings import InvalidSettingError
from localaws.environment import PROJECT
from tests.stack.test_template_parameters import PATTERNS


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", {}),
        ("NotifyOn=changes", {"NotifyOn": "changes"}),
        (" NotifyOn=changes   MaxAgeDays=60 ", {"NotifyOn": "changes", "MaxAgeDays": "60"}),
        ("NotificationEmail= MaxAgeDays=", {"NotificationEmail": "", "MaxAgeDays": ""}),
        ("OwnerTags=a=b,c", {"OwnerTags": "a=b,c"}),
        ("ScanSchedule=cron(0 6 * * ? *) WarnDays=7", {"ScanSchedule": "cron(0 6 * * ? *)", "WarnDays": "7"}),
        ('WarnDays=7 ScanSchedule="cron(0 6 * * ? *)"', {"ScanSchedule": "cron(0 6 * * ? *)", "WarnDays": "7"}),
        ("ScanSchedule='rate(2 days)'", {"ScanSchedule": "rate(2 days)"}),
        ('OwnerTags="Owner Email",team', {"OwnerTags": "Owner Email,team"}),
        ("OwnerTags=team,'Owner Email' NotifyOn=changes", {"OwnerTags": "team,Owner Email", "NotifyOn": "changes"}),
        ("OwnerTags=Owner Email,team NotifyOn=changes", {"OwnerTags": "Owner Email,team", "NotifyOn": "changes"}),
        ("""NotifyOn="chan"'ges' OwnerTags='a'"b" """, {"NotifyOn": "changes", "OwnerTags": "ab"}),
        ('OwnerTags="a b=c",d WarnDays=7', {"OwnerTags": "a b=c,d", "WarnDays": "7"}),
        ('OwnerTags="a  NotifyOn=changes"', {"OwnerTags": "a  NotifyOn=changes"}),
        ('"OwnerTags=Owner Email,team" WarnDays=7', {"OwnerTags": "Owner Email,team", "WarnDays": "7"}),
        ('OwnerTags="Équipe",部門', {"OwnerTags": "Équipe,部門"}),
        ('MaxAgeDays="" NotifyOn=changes', {"MaxAgeDays": "", "NotifyOn": "changes"}),
        ("""NotificationEmail="o'neil@example.com" """, {"NotificationEmail": "o'neil@example.com"}),
        (f"OwnerTags={'x' * 128}", {"OwnerTags": "x" * 128}),
    ],
)
def test_parameters_are_read_with_quotes_and_without(template: dict[str, Any], text: str, read: dict[str, str]) -> None:
    assert read_parameters(template["Parameters"], split_assignments(text)) == read


def test_an_address_is_one_value_whatever_is_in_it(template: dict[str, Any]) -> None:
    assert read_parameters(template["Parameters"], ["NotificationEmail= a@b.co "]) == {"NotificationEmail": "a@b.co"}
    with pytest.raises(InvalidSettingError, match=r'NotificationEmail: "a@b\.co MaxAgeDays=3" is not accepted'):
        read_parameters(template["Parameters"], ["NotificationEmail=a@b.co MaxAgeDays=3"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('OwnerTags="Owner Email,team', 'OwnerTags: "\\"Owner Email,team" is not accepted; it takes a second "'),
        ('NotifyOn=changes OwnerTags=Owner" WarnDays=7', 'OwnerTags: "\\" WarnDays=7" is not accepted'),
        ("""OwnerTags='Owner Email" """, """OwnerTags: "'Owner Email\\"" is not accepted; it takes a second '"""),
        ("NotificationEmail=o'neil@example.com", """if the value has a ' in it, " around it"""),
        ('"', 'PARAMETERS: "\\"" is not accepted'),
        ('NotifyOn=a "b\nc', 'NotifyOn: "\\"b\\nc" is not accepted'),
    ],
)
def test_a_quote_that_is_not_closed_gets_one_line_that_names_its_parameter(text: str, names: str) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        split_assignments(text)

    assert names in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_make_gets_each_name_as_it_was_written_whatever_the_terminal_can_show(packaged: Path, encoding: str) -> None:
    names = "Owner Email,Équipe,部門,a\u2028b"
    command = [sys.executable, "-m", "deploy.parameters", "dev", str(packaged), "[]"]

    done = subprocess.run(
        [*command, f"OwnerTags='{names}' NotifyOn=changes", "ApiGatewayLogsRole=create"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )

    assert done.stdout.decode() == f"ApiGatewayLogsRole=create\nOwnerTags={names}\nNotifyOn=changes\n"


@pytest.mark.parametrize("assignment", ["NotifyOm=changes", "NotifyOn", "=changes", "$(id)", "ScanSchedule", ""])
def test_a_parameter_that_the_stack_does_not_have_is_refused(template: dict[str, Any], assignment: str) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        read_parameters(template["Parameters"], ["NotifyOn=changes", assignment])

    assert str(refusal.value).startswith(f'PARAMETERS: "{assignment}" is not accepted; it takes NAME=value with ')
    assert "NotifyOn" in str(refusal.value)


def test_the_schedule_of_chalices_own_way_is_said_to_be_a_setting() -> None:
    with pytest.raises(InvalidSettingError, match=r"it is the setting SCAN_SCHEDULE in \.chalice/config\.json"):
        read_parameters({}, ["ScanSchedule=rate(1 day)"])


@pytest.mark.parametrize(
    ("assignment", "takes"),
    [
        (
            "MaxAgeDays=0",
            'MaxAgeDays: "0" is not accepted; it takes a whole number from 1 to 3650, or nothing',
        ),
        ("MaxAgeDays=60,", 'MaxAgeDays: "60," is not accepted'),
        ("MaxAgeDays=60 NotifyOn", 'MaxAgeDays: "60 NotifyOn" is not accepted'),
        ("IncludeInactive=yes", 'IncludeInactive: "yes" is not accepted; it takes one of nothing, true, false'),
        ("NotifyOn=", 'NotifyOn: "" is not accepted; it takes one of findings, changes, due_soon, always'),
        ("AlarmAfterHours=0", 'AlarmAfterHours: "0" is not accepted; it takes a whole number from 1 to 168'),
        ("AlarmAfterHours=", "it takes a whole number from 1 to 168"),
        ("AlarmAfterHours=２６", "it takes a whole number from 1 to 168"),
        ("IamConcurrency=1.5", "it takes a whole number from 1 to 5"),
        ("LogRetentionDays=2", 'LogRetentionDays: "2" is not accepted; it takes one of 1, 3, 5,'),
        (
            "ScanSchedule=cron(30 6 * * MON *)",
            "it takes an expression of EventBridge such as cron(0 8 * * ? *), in UTC",
        ),
        ("NotificationEmail=a b@c.de", "it takes an e-mail address, or nothing"),
        (
            "OwnerTags=Owner Email, team",
            'OwnerTags: "Owner Email, team" is not accepted; it takes 1 to 10 names of tags',
        ),
        (f"OwnerTags={'x' * 129}", "a name is 1 to 128 letters, digits and spaces of any script and _ . : / = + - @"),
        (f"OwnerTags={','.join(['x' * 128] * 5)}", "up to 640 characters in all"),
        ("OwnerTags=☺", "with a comma and no space between"),
    ],
)
def test_a_value_that_cloudformation_would_refuse_is_refused_before(
    template: dict[str, Any], assignment: str, takes: str
) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        read_parameters(template["Parameters"], split_assignments(assignment))

    assert takes in str(refusal.value)


def test_every_value_that_a_parameter_takes_is_taken(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        some = [*parameter.get("AllowedValues", []), *PATTERNS.get(name, [[]])[0], parameter["Default"]]
        for value in map(str, some):
            assert read_parameters(template["Parameters"], [f"{name}={value}"]) == {name: value}


@pytest.mark.parametrize(
    ("parameters", "policy"),
    [
        ({}, ScanPolicy(60)),
        ({"MaxAgeDays": "10"}, ScanPolicy(10, 9)),
        ({"MaxAgeDays": "90", "WarnDays": "60"}, ScanPolicy(90, 60)),
        ({"NotifyOn": "changes", "IncludeInactive": "true", "MaxUnusedDays": "45"}, ScanPolicy(60, 14, True, 45)),
    ],
)
def test_the_thresholds_are_the_stages_and_over_them_the_stacks(
    tmp_path: Path, parameters: dict[str, str], policy: ScanPolicy
) -> None:
    assert read_thresholds(config_file(tmp_path, {"MAX_AGE_DAYS": "60"}), "dev", parameters) == policy


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        (
            {"WarnDays": "60"},
            "warn_days: 60 is not accepted; it takes an integer from 0 to 59 (WarnDays=60 of the stack",
        ),
        (
            {"MaxAgeDays": "7"},
            "warn_days: 7 is not accepted; it takes an integer from 0 to 6 (MaxAgeDays=7 of the stack",
        ),
    ],
)
def test_thresholds_that_would_fail_each_scan_are_refused(
    tmp_path: Path, parameters: dict[str, str], says: str
) -> None:
    config = config_file(tmp_path, {"MAX_AGE_DAYS": "60", "WARN_DAYS": "7"})

    with pytest.raises(InvalidSettingError) as refusal:
        read_thresholds(config, "dev", parameters)

    assert str(refusal.value).startswith(f"PARAMETERS: {says}")
    assert "NAME= takes one of the stack's back" in str(refusal.value)


def test_settings_that_parameters_of_the_stack_keep_from_being_taken_are_told(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"MAX_AGE_DAYS": "20", "WARN_DAYS": "7", "SCAN_SCHEDULE": "cron(0 8 * * ? *)"})
    parameters = {"MaxAgeDays": "365", "WarnDays": "7", "IncludeInactive": "true", "ScanSchedule": ""}

    told = list(passed_over(config, "dev", parameters))

    assert told == [f"MaxAgeDays=365 is taken, not MAX_AGE_DAYS (20) of {config}; MaxAgeDays= would end that"]
    assert list(passed_over(config, "dev", {})) == []


def config_file(folder: Path, settings: dict[str, str]) -> Path:
    config = folder / "config.json"
    config.write_text(json.dumps({"stages": {"dev": {"environment_variables": settings}}}))
    return config

"""The parameters that a person deploys with, read and checked before anything is made."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings import InvalidSettingError
from deploy import parameters
from deploy.parameters import read_parameters, split_assignments
from deploy.settings import SETTINGS
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
def test_another_tool_gets_each_name_as_it_was_written_whatever_the_terminal_can_show(
    packaged: Path, encoding: str
) -> None:
    names = "Owner Email,Équipe,部門,a\u2028b"
    command = [sys.executable, "-m", "deploy", "parameters", "--template", str(packaged)]

    done = subprocess.run(
        [*command, "--parameters", f"ApiGatewayLogsRole=create OwnerTags='{names}' NotifyOn=changes"],
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


@pytest.mark.parametrize(
    ("assignment", "meant"),
    [
        ("OwnerNotice=ses", "OwnerNotices"),
        ("ownernotices=ses", "OwnerNotices"),
        ("MAX_AGE_DAYS=60", "MaxAgeDays"),
        ("NotifyOn", "NotifyOn"),
    ],
)
def test_the_nearest_parameter_is_named_for_one_that_is_misspelled(
    template: dict[str, Any], assignment: str, meant: str
) -> None:
    with pytest.raises(InvalidSettingError, match=rf"; did you mean {meant}=…\?$"):
        read_parameters(template["Parameters"], [assignment])


def test_no_parameter_is_named_for_what_resembles_none(template: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        read_parameters(template["Parameters"], ["$(id)=1"])

    assert "did you mean" not in str(refusal.value)


@pytest.mark.parametrize(("name", "setting"), SETTINGS.items())
def test_the_schedule_and_the_thresholds_of_chalices_own_way_are_said_to_be_settings(name: str, setting: str) -> None:
    with pytest.raises(InvalidSettingError, match=rf"it is the setting {setting} in \.chalice/config\.json"):
        read_parameters({}, [f"{name}=rate(1 day)"])


@pytest.mark.parametrize(
    ("assignment", "takes"),
    [
        (
            "MaxAgeDays=0",
            'MaxAgeDays: "0" is not accepted; it takes a whole number from 1 to 3650, or nothing',
        ),
        ("MaxAgeDays=60,", 'MaxAgeDays: "60," is not accepted'),
        ("MaxAgeDays=60 NotifyOn", 'MaxAgeDays: "60 NotifyOn" is not accepted'),
        ("IncludeInactive=yes", 'IncludeInactive: "yes" is not accepted; it takes one of true, false, or nothing'),
        ("NotifyOn=", 'NotifyOn: "" is not accepted; it takes one of findings, changes, due_soon, always'),
        ("AlarmAfterHours=0", 'AlarmAfterHours: "0" is not accepted; it takes a whole number from 1 to 168'),
        ("AlarmAfterHours=", "it takes a whole number from 1 to 168"),
        ("AlarmAfterHours=２６", "it takes a whole number from 1 to 168"),
        ("IamConcurrency=1.5", "it takes a whole number from 1 to 5"),
        ("LogRetentionDays=2", 'LogRetentionDays: "2" is not accepted; it takes one of 1, 3, 5,'),
        (
            "ScanSchedule=cron(30 6 * * MON *)",
            "it takes an EventBridge expression such as cron(0 8 * * ? *), in UTC",
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


def test_settings_of_deactivations_that_contradict_each_other_are_refused_with_both_names(
    template: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "path_of", lambda _stage: tmp_path / "parameters.json")
    given = ["Deactivation=apply", "DeactivateAfterDays=0", "DeactivationApproval=none"]

    with pytest.raises(InvalidSettingError) as refusal:
        parameters.choose_parameters("prod", template["Parameters"], {}, given)

    assert str(refusal.value).startswith("DeactivateAfterDays: 0 is not accepted")
    assert "DeactivationApproval=none" in str(refusal.value)
    assert parameters.choose_parameters("prod", template["Parameters"], {}, given[:2])["DeactivateAfterDays"] == "0"

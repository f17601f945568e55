"""A stage's file of parameters, what is given over it, and what the stack keeps."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.policy import ScanPolicy
from chalicelib.settings import InvalidSettingError
from deploy.parameters import choose_parameters, read_thresholds
from deploy.settings import SETTINGS
from deploy.stage_file import read_assignments

FILE = "parameters-dev.json"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, in which a deployment runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".chalice").mkdir()
    write(tmp_path, "config.json", {"stages": {"dev": {}}})
    return tmp_path


def write(project: Path, name: str, document: object) -> None:
    (project / ".chalice" / name).write_text(json.dumps(document))


def test_each_deployment_applies_the_stages_file(
    project: Path, template: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"MaxAgeDays": 60, "IncludeInactive": True, "ScanSchedule": "rate(12 hours)", "MaxUnusedDays": ""}
    write(project, FILE, document)
    write(project, "parameters-prod.json", {"MaxAgeDays": 30})

    chosen = choose_parameters("dev", template["Parameters"], {"MaxAgeDays": "45", "WarnDays": "7"}, [])

    assert chosen == {
        "MaxAgeDays": "60",
        "IncludeInactive": "true",
        "ScanSchedule": "rate(12 hours)",
        "MaxUnusedDays": "",
    }
    assert capsys.readouterr().err.splitlines() == [
        "WarnDays=7 is not in .chalice/parameters-dev.json; the stack keeps it until WarnDays= or that file changes it",
        'Keys will be judged by {"max_age_days": 60, "warn_days": 7, "include_inactive": true}',
    ]


def test_what_is_given_is_for_this_deployment_and_the_next_one_takes_the_file_again(
    project: Path, template: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, FILE, {"MaxAgeDays": 60, "NotifyOn": "changes"})

    chosen = choose_parameters("dev", template["Parameters"], {}, ["MaxAgeDays=30", "NotifyOn=changes"])

    assert chosen == {"MaxAgeDays": "30", "NotifyOn": "changes"}
    assert capsys.readouterr().err.startswith(
        "MaxAgeDays=30 is for this deployment; the next one goes back to 60 of .chalice/parameters-dev.json\nKeys"
    )
    assert choose_parameters("dev", template["Parameters"], chosen, [])["MaxAgeDays"] == "60"


def test_what_the_file_does_not_say_the_stack_keeps_and_each_deployment_names_such_settings(
    project: Path, template: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, FILE, {"WarnDays": 7})
    kept = {"MaxAgeDays": "365", "ScanSchedule": "rate(1 day)", "IncludeInactive": "false", "NotifyOn": "always"}

    assert choose_parameters("dev", template["Parameters"], kept, []) == {"WarnDays": "7"}

    told = capsys.readouterr().err
    for one in ("MaxAgeDays=365", "ScanSchedule=rate(1 day)", "NotifyOn=always"):
        assert f"{one} is not in .chalice/parameters-dev.json; the stack keeps it until" in told
    assert told.count("the stack keeps it") == 3
    assert "the stack keeps it until NotifyOn=findings or that file changes it" in told
    assert '{"max_age_days": 365, "warn_days": 7, "include_inactive": false}' in told


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_is_given_empty_is_the_files_again_or_the_default(
    project: Path, template: dict[str, Any], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    known = template["Parameters"]
    kept = {"MaxAgeDays": "60", "WarnDays": "7", "IncludeInactive": "true", "MaxUnusedDays": "45"}

    assert choose_parameters("dev", known, kept, [f"{name}="]) == {name: str(known[name]["Default"])}
    assert f"{name}=" not in capsys.readouterr().err
    write(project, FILE, {name: kept.get(name, "rate(2 days)")})
    assert choose_parameters("dev", known, kept, [f"{name}="]) == {name: kept.get(name, "rate(2 days)")}


def test_another_parameter_is_empty_if_it_is_given_empty(project: Path, template: dict[str, Any]) -> None:
    write(project, FILE, {"NotificationEmail": "a@b.co"})

    assert choose_parameters("dev", template["Parameters"], {}, ["NotificationEmail="]) == {"NotificationEmail": ""}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "[] is not accepted; it takes an object"),
        ({"MaxAgeDays": 60.5}, "MaxAgeDays: 60.5 is not accepted; it takes text, a whole number, true or false"),
        ({"MaxAgeDays": None}, "MaxAgeDays: null is not accepted; it takes text, a whole number, true or false"),
        ({"MaxAgeDays": 0}, 'MaxAgeDays: "0" is not accepted; it takes a whole number from 1 to 3650, or nothing'),
        ({"NotifyOn": True}, 'NotifyOn: "true" is not accepted; it takes one of findings, changes, due_soon, always'),
        ({"MAX_AGE_DAYS": 60}, '"MAX_AGE_DAYS=60" is not accepted; it takes NAME=value with '),
    ],
)
def test_a_stages_file_that_is_not_accepted_is_named(
    project: Path, template: dict[str, Any], document: object, says: str
) -> None:
    write(project, FILE, document)

    with pytest.raises(InvalidSettingError) as refusal:
        choose_parameters("dev", template["Parameters"], {}, [])

    assert str(refusal.value).startswith(f".chalice/parameters-dev.json: {says}")


def test_a_stages_file_that_cannot_be_read_is_named(project: Path, template: dict[str, Any]) -> None:
    path = project / ".chalice" / FILE
    path.write_text("{")
    with pytest.raises(InvalidSettingError, match=r"^\.chalice/parameters-dev\.json: is not JSON: "):
        choose_parameters("dev", template["Parameters"], {}, [])

    path.unlink()
    path.mkdir()
    with pytest.raises(InvalidSettingError, match=r"^\.chalice/parameters-dev\.json: cannot be read: Is a directory"):
        choose_parameters("dev", template["Parameters"], {}, [])


# The thresholds.


@pytest.mark.parametrize(
    ("parameters", "policy"),
    [
        ({}, ScanPolicy()),
        ({"MaxAgeDays": "10"}, ScanPolicy(10, 9)),
        ({"MaxAgeDays": "90", "WarnDays": "60"}, ScanPolicy(90, 60)),
        ({"NotifyOn": "changes", "IncludeInactive": "true", "MaxUnusedDays": "45"}, ScanPolicy(90, 14, True, 45)),
    ],
)
def test_the_thresholds_are_the_stacks(
    template: dict[str, Any], parameters: dict[str, str], policy: ScanPolicy
) -> None:
    default = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}

    assert read_thresholds({**default, **parameters}, Path(FILE)) == policy


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("WarnDays=60", "warn_days: 60 is not accepted; it takes an integer from 0 to 59 (MaxAgeDays=60, WarnDays=60"),
        ("MaxAgeDays=7", "warn_days: 7 is not accepted; it takes an integer from 0 to 6 (MaxAgeDays=7, WarnDays=7"),
    ],
)
def test_thresholds_that_would_fail_each_scan_are_refused(
    project: Path, template: dict[str, Any], given: str, says: str
) -> None:
    write(project, FILE, {"MaxAgeDays": 60, "WarnDays": 7})

    with pytest.raises(InvalidSettingError) as refusal:
        choose_parameters("dev", template["Parameters"], {}, [given])

    assert str(refusal.value).startswith(f"PARAMETERS: {says}")
    assert "NAME= takes one back to what .chalice/parameters-dev.json says, or to its default" in str(refusal.value)


def test_thresholds_of_the_file_that_would_fail_each_scan_are_refused_as_the_files(
    project: Path, template: dict[str, Any]
) -> None:
    write(project, FILE, {"MaxAgeDays": 60, "WarnDays": 60})

    with pytest.raises(InvalidSettingError, match=r"^\.chalice/parameters-dev\.json: warn_days: 60 is not accepted"):
        choose_parameters("dev", template["Parameters"], {"MaxAgeDays": "90"}, [])


# Where Chalice deploys the functions, the same are settings of its configuration.


@pytest.mark.parametrize(("name", "setting"), SETTINGS.items())
def test_a_setting_of_chalice_is_refused_where_it_would_not_be_used(
    project: Path, template: dict[str, Any], name: str, setting: str
) -> None:
    write(project, "config.json", {"stages": {"dev": {"environment_variables": {setting: "60"}}, "prod": {}}})

    with pytest.raises(InvalidSettingError) as refusal:
        choose_parameters("dev", template["Parameters"], {}, [])

    assert str(refusal.value) == (
        f'.chalice/config.json: {setting}: "60" is not accepted; it takes nothing: `make deploy` takes it as {name} in '
        ".chalice/parameters-dev.json, and here it is for `chalice deploy` alone"
    )
    choose_parameters("prod", template["Parameters"], {}, [])  # is another stage


def test_a_setting_of_one_function_is_refused_too(project: Path, template: dict[str, Any]) -> None:
    function = {"validate_keys": {"environment_variables": {"WARN_DAYS": "7"}}}
    write(project, "config.json", {"stages": {"dev": {"lambda_functions": function}}})

    with pytest.raises(InvalidSettingError, match="WARN_DAYS"):
        choose_parameters("dev", template["Parameters"], {}, [])


def test_the_thresholds_of_chalice_are_those_of_its_configuration(
    project: Path, template: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    known = {name: of for name, of in template["Parameters"].items() if name not in SETTINGS}
    write(project, "config.json", {"environment_variables": {"MAX_AGE_DAYS": "60"}})
    write(project, FILE, {"NotifyOn": "changes"})

    assert choose_parameters("dev", known, {}, ["OwnerTags=team"]) == {"NotifyOn": "changes", "OwnerTags": "team"}

    assert '{"max_age_days": 60, "warn_days": 14, "include_inactive": false}' in capsys.readouterr().err
    write(project, FILE, {"MaxAgeDays": 60})
    with pytest.raises(InvalidSettingError, match="where Chalice deploys the functions, it is the setting"):
        choose_parameters("dev", known, {}, [])


@pytest.mark.parametrize(
    ("text", "says"),
    [('{"WarnDays": 7, "WarnDays": 8}', "a name twice"), ("[" * 100_000, "is not JSON")],
    ids=["twice", "nested deeply"],
)
def test_a_file_that_is_read_in_two_ways_or_in_none_is_refused(project: Path, text: str, says: str) -> None:
    path = project / ".chalice" / FILE
    path.write_text(text)

    with pytest.raises(InvalidSettingError, match=says):
        read_assignments(path)

"""A stage's settings, checked before anything is packaged: `python -m localaws.settings STAGE`."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.policy import STACK_PREFIX, InvalidPolicyError, parse_stage_defaults

# The stack is named after it, and CloudFormation cuts longer names off where the log groups' policies name them.
_STAGE = re.compile(r"[A-Za-z0-9-]{1,25}", re.ASCII)
# By the parameters of the stack that say the same.
_THRESHOLDS = {
    "MaxAgeDays": "MAX_AGE_DAYS",
    "WarnDays": "WARN_DAYS",
    "IncludeInactive": "INCLUDE_INACTIVE",
    "MaxUnusedDays": "MAX_UNUSED_DAYS",
}


class InvalidSettingError(Exception):
    """A stage or a setting in .chalice/config.json that is refused; the message is one clear line."""


def check_settings(config: Path, stage: str) -> None:
    """Refuse what would deploy well and then fail each scan; InvalidSettingError for the first such setting."""
    if not _STAGE.fullmatch(stage):
        raise InvalidSettingError(f"STAGE: {json.dumps(stage)} is not accepted; it takes 1 to 25 letters, digits and -")
    for settings in _settings_of_each_function(config, stage):
        for name, value in settings.items():
            if not isinstance(value, str):
                takes = f"text, as every environment variable: {json.dumps(str(value))}"
                raise InvalidSettingError(f"{config}: {name}: {json.dumps(value)} is not accepted; it takes {takes}")
        try:
            parse_stage_defaults(settings)
        except InvalidPolicyError as error:
            raise InvalidSettingError(f"{config}: {error} ({', '.join(_THRESHOLDS.values())})") from error


def check_deployable(config: Path, stage: str) -> None:
    """Refuse a stage that is not set up, which a slip of the finger makes; InvalidSettingError."""
    check_settings(config, stage)
    stages = json.loads(config.read_text()).get("stages", {})
    if stage not in stages:
        takes = f"{' or '.join(stages)}, or another one that is set up there"
        raise InvalidSettingError(f"STAGE: {json.dumps(stage)} is not in {config}; it takes {takes}")


def read_parameters(template: Path, assignments: Iterable[str]) -> dict[str, str]:
    """Read `NAME=value`s; InvalidSettingError for a parameter that a template lacks: the AWS CLI passes it over."""
    known = json.loads(template.read_text())["Parameters"]
    values = {}
    for assignment in assignments:
        name, assigned, values[name] = assignment.partition("=")
        if name not in known or not assigned:
            takes = f"NAME=value with {', '.join(known)}"
            raise InvalidSettingError(f"PARAMETERS: {json.dumps(assignment)} is not accepted; it takes {takes}")
    return values


def check_thresholds(config: Path, stage: str, parameters: Mapping[str, str]) -> None:
    """Refuse parameters that make up no scan policy over the stage's settings; InvalidSettingError."""
    of_stack = {STACK_PREFIX + setting: parameters.get(name, "") for name, setting in _THRESHOLDS.items()}
    for settings in _settings_of_each_function(config, stage):
        try:
            parse_stage_defaults({**settings, **of_stack})
        except InvalidPolicyError as error:
            given = [f"{name}={parameters[name]}" for name in _THRESHOLDS if parameters.get(name)]
            whose = f"{', '.join(given)} of the stack, over {config}; NAME= takes one of the stack's back"
            raise InvalidSettingError(f"PARAMETERS: {error} ({whose})") from error


def passed_over(config: Path, stage: str, parameters: Mapping[str, str]) -> Iterator[str]:
    """Say, a line each, which settings of the stage are not taken, for a parameter of the stack says something else."""
    settings = next(_settings_of_each_function(config, stage))
    for name, setting in {**_THRESHOLDS, "ScanSchedule": "SCAN_SCHEDULE"}.items():
        if (value := parameters.get(name)) and value != settings.get(setting, value):
            yield f"{name}={value} is taken, not {setting} ({settings[setting]}) of {config}; {name}= would end that"


def _settings_of_each_function(config: Path, stage: str) -> Iterator[dict[str, Any]]:
    """Merge what Chalice merges: the settings of all, of the stage, of a function in the stage."""
    try:
        document = json.loads(config.read_text())
    except ValueError as error:
        raise InvalidSettingError(f"{config}: is not JSON: {error}") from error
    of_stage = document.get("stages", {}).get(stage, {})
    shared = {**document.get("environment_variables", {}), **of_stage.get("environment_variables", {})}
    yield shared
    for function in of_stage.get("lambda_functions", {}).values():
        yield {**shared, **function.get("environment_variables", {})}


def main(asked: str = "", *rest: str) -> None:
    """Do what the command line asks for: `STAGE`, `--deployable STAGE`, or `--parameters` with what they are for.

    That is `STAGE TEMPLATE KEPT NAME=value…`, KEPT being what a stack that is there has, as DescribeStacks lists it.
    """
    config = Path(".chalice/config.json")
    if asked == "--parameters":
        stage, template, kept, *assignments = rest
        values = {one["ParameterKey"]: one["ParameterValue"] for one in json.loads(kept) or []}
        values |= read_parameters(Path(template), assignments)
        check_thresholds(config, stage, values)
        print(*passed_over(config, stage, values), sep="\n", end="")  # noqa: T201  # to the person
    elif asked == "--deployable":
        check_deployable(config, " ".join(rest))
    else:
        check_settings(config, " ".join([asked, *rest]))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except InvalidSettingError as refused:
        sys.exit(str(refused))

"""A stage's settings, checked before anything is packaged: `python -m deploy.settings STAGE`."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.policy import InvalidPolicyError
from chalicelib.settings import parse_stage_defaults
from deploy import terminal

# The stack is named after it, and CloudFormation cuts longer names off where the log groups' policies name them.
_STAGE = re.compile(r"[A-Za-z0-9-]{1,25}", re.ASCII)
CONFIG = Path(".chalice/config.json")
# Parameters of the one stack, and what `chalice deploy` has instead: environment variables in .chalice/config.json.
THRESHOLDS = {
    "MaxAgeDays": "MAX_AGE_DAYS",
    "WarnDays": "WARN_DAYS",
    "IncludeInactive": "INCLUDE_INACTIVE",
    "MaxUnusedDays": "MAX_UNUSED_DAYS",
}
SETTINGS = {**THRESHOLDS, "ScanSchedule": "SCAN_SCHEDULE"}


class InvalidSettingError(Exception):
    """A stage, a setting in .chalice/config.json or a parameter that is refused; the message is one clear line."""


def check_stage(stage: str) -> None:
    """Raise an InvalidSettingError if a stage cannot have this name."""
    if not _STAGE.fullmatch(stage):
        raise InvalidSettingError(f"STAGE: {json.dumps(stage)} is not accepted; it takes 1 to 25 letters, digits and -")


def check_settings(config: Path, stage: str) -> None:
    """Refuse what would deploy well and then fail each scan; InvalidSettingError for the first such setting."""
    check_stage(stage)
    _check_api_stage(config, stage)
    for settings in settings_of_each_function(config, stage):
        for name, value in settings.items():
            if not isinstance(value, str):
                takes = f"text, as every environment variable: {json.dumps(str(value))}"
                raise InvalidSettingError(f"{config}: {name}: {json.dumps(value)} is not accepted; it takes {takes}")
        try:
            parse_stage_defaults(settings)
        except InvalidPolicyError as error:
            raise InvalidSettingError(f"{config}: {error} ({', '.join(THRESHOLDS.values())})") from error


def _check_api_stage(config: Path, stage: str) -> None:
    """Refuse any other stage of the API than the one that the template names API Gateway's log group after."""
    document = _read(config)
    of_stage = _object(config, _object(config, document, "stages"), stage)
    name = of_stage.get("api_gateway_stage", document.get("api_gateway_stage", "api"))
    if name != "api":
        shown = json.dumps(name)[:60]
        raise InvalidSettingError(f'{config}: api_gateway_stage: {shown} is not accepted; it takes "api"')


def check_deployable(config: Path, stage: str) -> None:
    """Refuse a stage that is not set up, which a slip of the finger makes; InvalidSettingError."""
    check_settings(config, stage)
    stages = _object(config, _read(config), "stages")
    if stage not in stages:
        takes = f"{' or '.join(stages)}, or another one that is set up there"
        raise InvalidSettingError(f"STAGE: {json.dumps(stage)} is not in {config}; it takes {takes}")


def settings_of_each_function(config: Path, stage: str) -> Iterator[dict[str, Any]]:
    """Merge what Chalice merges: the settings of all, of the stage, of a function in the stage."""
    document = _read(config)
    of_stage = _object(config, _object(config, document, "stages"), stage)
    shared = {**_variables(config, document), **_variables(config, of_stage)}
    yield shared
    functions = _object(config, of_stage, "lambda_functions")
    for function in functions:
        yield {**shared, **_variables(config, _object(config, functions, function))}


def _read(config: Path) -> dict[str, Any]:
    try:
        document = json.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettingError(f"{config}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidSettingError(f"{config}: is not JSON: {error}") from error
    return _object(config, {"": document}, "")


def _variables(config: Path, part: Mapping[str, Any]) -> dict[str, Any]:
    return _object(config, part, "environment_variables")


def _object(config: Path, part: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object of the configuration, an empty one if it is missing."""
    value = part.get(name, {})
    if not isinstance(value, dict):
        where = f"{config}: {name}" if name else str(config)
        raise InvalidSettingError(f"{where}: {json.dumps(value)[:60]} is not accepted; it takes an object")
    return value


def main(*asked: str) -> None:
    """Do what the command line asks for: `STAGE`, `--deployable STAGE`, or `--name STAGE` for its name alone."""
    option, stage = asked if len(asked) > 1 else ("", "".join(asked))
    if option == "--deployable":
        check_deployable(CONFIG, stage)
    elif option == "--name":
        check_stage(stage)
    else:
        check_settings(CONFIG, stage)


if __name__ == "__main__":
    terminal.run(main, InvalidSettingError)

"""A stage's settings, checked before anything is packaged."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.policy import InvalidPolicyError
from chalicelib.settings import InvalidSettingError, parse_stage_defaults

# The stack is named after it, and CloudFormation cuts longer names off where the log groups' policies name them.
_STAGE = re.compile(r"[A-Za-z0-9-]{1,25}", re.ASCII)
# The reader roles trust a role whose name begins with the stack's; of a longer one, CloudFormation cuts that off.
_LONGEST_OF_ORGANIZATION = 23
CONFIG = Path(".chalice/config.json")
# Parameters of the one stack, and what `chalice deploy` has instead: environment variables in .chalice/config.json.
THRESHOLDS = {
    "MaxAgeDays": "MAX_AGE_DAYS",
    "WarnDays": "WARN_DAYS",
    "IncludeInactive": "INCLUDE_INACTIVE",
    "MaxUnusedDays": "MAX_UNUSED_DAYS",
}
SETTINGS = {**THRESHOLDS, "ScanSchedule": "SCAN_SCHEDULE"}


class SettingsFileError(InvalidSettingError):
    """The file of the settings cannot be read, or does not have the stage; the message says so in its own words."""

    def __init__(self, field: str, value: object, takes: str, message: str = "") -> None:
        super().__init__(field, value, takes)
        if message:
            self.args = (message,)


def check_stage(stage: str) -> None:
    """Raise an InvalidSettingError if a stage cannot have this name."""
    if not _STAGE.fullmatch(stage):
        raise InvalidSettingError("STAGE", stage, "1 to 25 letters, digits and -")


def check_organization_stage(stage: str) -> None:
    """Raise an InvalidSettingError if a stage of this name cannot scan an organization."""
    if not _STAGE.fullmatch(stage) or len(stage) > _LONGEST_OF_ORGANIZATION:
        takes = f"1 to {_LONGEST_OF_ORGANIZATION} letters, digits and -, where Accounts is set"
        raise InvalidSettingError("STAGE", stage, takes)


def check_settings(config: Path, stage: str) -> None:
    """Refuse what would deploy well and then fail each scan; InvalidSettingError for the first such setting."""
    check_stage(stage)
    _check_api_stage(config, stage)
    for settings in settings_of_each_function(config, stage):
        for name, value in settings.items():
            if not isinstance(value, str):
                takes = f"text, as every environment variable: {json.dumps(str(value))}"
                raise InvalidSettingError(f"{config}: {name}", value, takes)
        try:
            parse_stage_defaults(settings)
        except InvalidPolicyError as error:
            takes = f"{error.takes} ({', '.join(THRESHOLDS.values())})"
            raise InvalidSettingError(f"{config}: {error.field}", error.value, takes) from error


def _check_api_stage(config: Path, stage: str) -> None:
    """Refuse any other stage of the API than the one that the template names API Gateway's log group after."""
    document = _read(config)
    of_stage = _object(config, _object(config, document, "stages"), stage)
    name = of_stage.get("api_gateway_stage", document.get("api_gateway_stage", "api"))
    if name != "api":
        raise InvalidSettingError(f"{config}: api_gateway_stage", name, '"api"')


def check_deployable(config: Path, stage: str) -> None:
    """Refuse a stage that is not set up, which a slip of the finger makes; InvalidSettingError."""
    check_settings(config, stage)
    stages = _object(config, _read(config), "stages")
    if stage not in stages:
        takes = f"{' or '.join(stages)}, or another one that is set up there"
        message = f"STAGE: {json.dumps(stage)} is not in {config}; it takes {takes}"
        raise SettingsFileError("STAGE", stage, takes, message)


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
        raise unreadable(config, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise unreadable(config, f"is not JSON: {error}") from error
    return _object(config, {"": document}, "")


def unreadable(config: Path, problem: str) -> SettingsFileError:
    """Return the error of a file that cannot be read."""
    return SettingsFileError(str(config), problem, "an object in JSON", f"{config}: {problem}")


def _variables(config: Path, part: Mapping[str, Any]) -> dict[str, Any]:
    return _object(config, part, "environment_variables")


def _object(config: Path, part: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object of the configuration, an empty one if it is missing."""
    value = part.get(name, {})
    if not isinstance(value, dict):
        raise InvalidSettingError(f"{config}: {name}" if name else str(config), value, "an object")
    return value

"""A stage's settings, checked before anything is packaged: `python -m localaws.settings STAGE`."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.policy import InvalidPolicyError, parse_stage_defaults

# The stack is named after it, and CloudFormation cuts longer names off where the log groups' policies name them.
_STAGE = re.compile(r"[A-Za-z0-9-]{1,25}", re.ASCII)
CONFIG = Path(".chalice/config.json")
# By the parameters of the stack that are taken instead.
THRESHOLDS = {
    "MaxAgeDays": "MAX_AGE_DAYS",
    "WarnDays": "WARN_DAYS",
    "IncludeInactive": "INCLUDE_INACTIVE",
    "MaxUnusedDays": "MAX_UNUSED_DAYS",
}


class InvalidSettingError(Exception):
    """A stage, a setting in .chalice/config.json or a parameter that is refused; the message is one clear line."""


def check_settings(config: Path, stage: str) -> None:
    """Refuse what would deploy well and then fail each scan; InvalidSettingError for the first such setting."""
    if not _STAGE.fullmatch(stage):
        raise InvalidSettingError(f"STAGE: {json.dumps(stage)} is not accepted; it takes 1 to 25 letters, digits and -")
    for settings in settings_of_each_function(config, stage):
        for name, value in settings.items():
            if not isinstance(value, str):
                takes = f"text, as every environment variable: {json.dumps(str(value))}"
                raise InvalidSettingError(f"{config}: {name}: {json.dumps(value)} is not accepted; it takes {takes}")
        try:
            parse_stage_defaults(settings)
        except InvalidPolicyError as error:
            raise InvalidSettingError(f"{config}: {error} ({', '.join(THRESHOLDS.values())})") from error


def check_deployable(config: Path, stage: str) -> None:
    """Refuse a stage that is not set up, which a slip of the finger makes; InvalidSettingError."""
    check_settings(config, stage)
    stages = json.loads(config.read_text()).get("stages", {})
    if stage not in stages:
        takes = f"{' or '.join(stages)}, or another one that is set up there"
        raise InvalidSettingError(f"STAGE: {json.dumps(stage)} is not in {config}; it takes {takes}")


def settings_of_each_function(config: Path, stage: str) -> Iterator[dict[str, Any]]:
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


if __name__ == "__main__":
    asked = sys.argv[1:] or [""]
    try:
        if asked[0] == "--deployable":
            check_deployable(CONFIG, " ".join(asked[1:]))
        else:
            check_settings(CONFIG, " ".join(asked))
    except InvalidSettingError as refused:
        sys.exit(str(refused))

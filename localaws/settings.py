"""A stage's settings, checked before anything is packaged: `python -m localaws.settings STAGE`."""

import json
import sys
from pathlib import Path

from chalicelib.policy import InvalidPolicyError, parse_stage_defaults


class InvalidSettingError(Exception):
    """A setting in .chalice/config.json that is refused; the message is one clear line."""


def check_settings(config: Path, stage: str) -> None:
    """Refuse what would deploy well and then fail each scan; InvalidSettingError for the first such setting."""
    document = json.loads(config.read_text())
    settings = {
        **document.get("environment_variables", {}),
        **document.get("stages", {}).get(stage, {}).get("environment_variables", {}),
    }
    for name, value in settings.items():
        if not isinstance(value, str):
            takes = f"text, as every environment variable: {json.dumps(str(value))}"
            raise InvalidSettingError(f"{config}: {name}: {json.dumps(value)} is not accepted; it takes {takes}")
    try:
        parse_stage_defaults(settings)
    except InvalidPolicyError as error:
        raise InvalidSettingError(f"{config}: {error} (MAX_AGE_DAYS, WARN_DAYS, INCLUDE_INACTIVE)") from error


if __name__ == "__main__":
    try:
        check_settings(Path(".chalice/config.json"), sys.argv[1])
    except InvalidSettingError as refused:
        sys.exit(str(refused))

"""A stage's parameters in version control: .chalice/parameters-STAGE.json, which each deployment applies."""

import json
from collections.abc import Iterator
from pathlib import Path

from deploy.settings import InvalidSettingError


def path_of(stage: str) -> Path:
    """Return where a stage's file is, if it has one."""
    return Path(f".chalice/parameters-{stage}.json")


def read_assignments(path: Path) -> list[str]:
    """Return what a stage's file assigns, `NAME=value` each, and nothing if there is no file.

    Raise InvalidSettingError if it is not a JSON object of texts, whole numbers, true and false.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidSettingError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidSettingError(f"{path}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidSettingError(f"{path}: {json.dumps(document)[:60]} is not accepted; it takes an object")
    return list(_assignments(path, document))


def _assignments(path: Path, document: dict[str, object]) -> Iterator[str]:
    for name, value in document.items():
        if not isinstance(value, str | int):
            takes = "text, a whole number, true or false"
            raise InvalidSettingError(f"{path}: {name}: {json.dumps(value)[:60]} is not accepted; it takes {takes}")
        yield f"{name}={value if isinstance(value, str) else json.dumps(value)}"

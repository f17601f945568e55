"""A stage's parameters in version control: .chalice/parameters-STAGE.json, which each deployment applies."""

import json
from collections.abc import Iterator
from pathlib import Path

from chalicelib.settings import InvalidSettingError
from deploy.settings import unreadable


def path_of(stage: str) -> Path:
    """Return where a stage's file is, whether or not it exists."""
    return Path(f".chalice/parameters-{stage}.json")


def read_assignments(path: Path) -> list[str]:
    """Return what a stage's file assigns, `NAME=value` each, and nothing if there is no file.

    Raise InvalidSettingError if it is not a JSON object of texts, whole numbers, true and false.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_name_once)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidSettingError(str(path), document, "an object")
    return list(_assignments(path, document))


def _each_name_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError(f"an object has a name twice; its names are {', '.join(name for name, _ in pairs)}")
    return document


def _assignments(path: Path, document: dict[str, object]) -> Iterator[str]:
    for name, value in document.items():
        if not isinstance(value, str | int):
            raise InvalidSettingError(f"{path}: {name}", value, "text, a whole number, true or false")
        yield f"{name}={value if isinstance(value, str) else json.dumps(value)}"

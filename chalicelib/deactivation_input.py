"""The input of an execution of the deactivation machine, which somebody may have started without the API. Pure."""

import re
from typing import Any, cast

from chalicelib.deactivation_documents import ACTION_ID_PATTERN, DeactivationInput
from chalicelib.documents import SCAN_ID_PATTERN
from chalicelib.organization_documents import ACCOUNT_ID_PATTERN

MOST_KEYS = 100  # of an execution
_KEY_ID = "[A-Za-z0-9_]{1,128}"
_TEXTS = {
    "by": "[ -~]{1,2048}",
    "at": "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z",
    "scan_id": SCAN_ID_PATTERN,
    "account_id": ACCOUNT_ID_PATTERN,
    "undo": ACTION_ID_PATTERN,
}


class InvalidDeactivationInputError(Exception):
    """The execution's input is not one that the API gives."""


def read_input(given: Any) -> DeactivationInput:
    """Return an execution's input; raise InvalidDeactivationInputError for one that the API does not give."""
    fields = given if isinstance(given, dict) else {}
    needed = {"by", "at", "undo" if "undo" in fields else "scan_id"}
    if not needed <= fields.keys() or not all(_is_fine(name, value) for name, value in fields.items()):
        raise InvalidDeactivationInputError("The input is not one that the API gives.")
    return cast(DeactivationInput, given)


def _is_fine(name: str, value: object) -> bool:
    if name == "access_key_ids":
        texts = value if isinstance(value, list) else []
        strange = [one for one in texts if not isinstance(one, str) or not re.fullmatch(_KEY_ID, one, re.ASCII)]
        return not strange and 1 <= len(texts) <= MOST_KEYS and len(set(texts)) == len(texts)
    return isinstance(value, str) and bool(re.fullmatch(_TEXTS.get(name, ""), value, re.ASCII))

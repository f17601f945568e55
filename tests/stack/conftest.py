"""The template without Accounts and with all else off that can be, which most tests are about, and the whole of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.companion import OF_ONE_STACK
from deploy.template import without_conditions


@pytest.fixture(scope="session")
def whole(packaged: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(packaged.read_text())
    return document


OFF = (*OF_ONE_STACK, "Reminds", "WritesOcsf")


@pytest.fixture(scope="session")
def template(whole: dict[str, Any]) -> dict[str, Any]:
    return without_conditions(whole, *OFF)

"""One local AWS a test process, and one package for all, made where a test wants them: pure tests load neither."""

import gc
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localaws.accounts.account_file import Account
from localaws.clients import forget_the_users_aws
from tests.support import packaged as packages
from tests.support.scanner import Scanner

if TYPE_CHECKING:
    from localaws.environment import LocalAws

forget_the_users_aws()  # before moto is imported, which reads them

# The files that take longest, longest first, so that none is left for the end, when other workers have nothing to do.
LONGEST_FIRST = (
    "test_quota.py",
    "test_organization_commands.py",
    "test_organization.py",
    "test_command_line.py",
    "test_serve.py",
    "test_snapshot_credentials.py",
    "test_make.py",
    "test_reliability.py",
    "test_snapshot.py",
    "test_terminal.py",
    "test_on_demand.py",
    "test_organization_api.py",
    "test_deactivation_api.py",
    "test_openapi.py",
    "test_api.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are cores: half of the time tests wait, for processes and for retries."""
    return 2 * (os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # not started by another
        config.add_cleanup(packages.make_place())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """Look for garbage less often, and not in what is loaded, which stays: it takes a tenth of the time and more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def aws() -> "Iterator[LocalAws]":
    from localaws.environment import LocalAws

    packages.share()
    with LocalAws(Account(users=[])) as running:
        yield running


@pytest.fixture(scope="session")
def scanner(aws: "LocalAws") -> Scanner:
    return Scanner(aws)


@pytest.fixture(scope="session")
def packaged() -> Path:
    """The template that `chalice package` makes, with the deployment zip beside it."""
    from localaws import environment

    packages.share()
    return environment.package(Path())


@pytest.fixture(scope="session")
def template(packaged: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(packaged.read_text())
    return document


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with its virtual environment, for commands that leave something in it."""
    from deploy.package import PROJECT

    folder = tmp_path_factory.mktemp("copy") / "project"
    ignored = shutil.ignore_patterns(".git", ".venv*", "out", "build", "deployed", ".*_cache")
    shutil.copytree(PROJECT, folder, ignore=ignored)
    for name in {".venv", Path(sys.prefix).name}:  # `make test-pythons` has its own, and tells make in here of it
        (folder / name).symlink_to(sys.prefix)
    return folder

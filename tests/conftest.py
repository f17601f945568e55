"""One local AWS a test process, and account files made in few words."""

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localaws.account import Account
from localaws.callers import forget_the_users_aws

forget_the_users_aws()  # before moto is imported, which reads them

from localaws.harness import PROJECT, LocalAws, ScanResult, package  # noqa: E402  # imports moto

AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


class Scanner:
    """Scans made-up users on a local AWS that is up already."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws

    def seed(self, account_users: list[dict[str, Any]], root_access_keys: int = 0) -> None:
        """Let IAM have these users."""
        account = {"root": {"access_keys": root_access_keys}, "users": account_users}
        self.aws.seed(Account.model_validate_json(json.dumps(account)))

    def scan(self, account_users: list[dict[str, Any]], /, **policy: Any) -> ScanResult:
        """Scan as of an instant that the tests' dates are made for."""
        return self.full_scan(account_users, **{"as_of": "2026-11-22T08:00:00Z", **policy})

    def full_scan(
        self, account_users: list[dict[str, Any]], /, *, root_access_keys: int = 0, **policy: Any
    ) -> ScanResult:
        """Scan as of now."""
        self.seed(account_users, root_access_keys)
        self.aws.messages()  # those of an earlier test
        self.aws.mail()
        return self.aws.scan(json.dumps(policy))

    def report(self, account_users: list[dict[str, Any]], /, **policy: Any) -> dict[str, Any]:
        result = self.scan(account_users, **policy)
        assert result.error is None
        return dict(result.report or {})


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with LocalAws(Account(users=[])) as running:
        yield running


@pytest.fixture(scope="session")
def scanner(aws: LocalAws) -> Scanner:
    return Scanner(aws)


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template that `chalice package` makes, with the deployment zip beside it."""
    return package(tmp_path_factory.mktemp("packaged") / "project")


@pytest.fixture(scope="session")
def template(packaged: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(packaged.read_text())
    return document


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with its virtual environment, for commands that leave something in it."""
    folder = tmp_path_factory.mktemp("copy") / "project"
    ignored = shutil.ignore_patterns(".git", ".venv*", "out", "build", "deployed", ".*_cache", "__pycache__")
    shutil.copytree(PROJECT, folder, ignore=ignored)
    for name in {".venv", Path(sys.prefix).name}:  # `make test-pythons` has its own, and tells make in here of it
        (folder / name).symlink_to(sys.prefix)
    return folder


def user(name: str, *created: str, **more: Any) -> dict[str, Any]:
    """A user of an account file with a key for each instant of creation."""
    return {"user_name": name, "access_keys": [{"created_at": instant} for instant in created], **more}

"""What is installed and what ships: pinned by hash, the same wherever and however it is built."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from chalice.deploy.packager import PipRunner, SubprocessPip

from deploy.chalice_package import download_wheels_by_hash
from localaws.environment import PROJECT

INSTALLS = re.compile(r"\b(pip3?|pipx|uvx?|npm|npx|apt(-get)?)\b|\|\s*(sudo\s+)?(ba|z)?sh\b")
LOCKED = ("requirements.txt", "requirements-dev.txt", "requirements-checkov.txt")


def package(project: Path, umask: int = 0o022) -> "subprocess.CompletedProcess[str]":
    """Package a copy of the project, whose files have the modes that a checkout under this umask has."""
    for path in project.rglob("*"):
        if not path.is_symlink():
            path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
    return subprocess.run(
        [sys.executable, "-m", "deploy", "package"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
        timeout=170,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("chalicelib", "deploy", "statemachine", ".chalice"):
        ignored = shutil.ignore_patterns("__pycache__", "deploy*")
        shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
    for name in ("app.py", "requirements.txt"):
        shutil.copy(PROJECT / name, folder)
    return folder


def test_the_zip_is_the_same_whatever_the_umask_and_lambda_may_read_it(project: Path) -> None:
    zips = []
    for umask in (0o022, 0o077):
        done = package(project, umask)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(project / "build" / "packages")
        zips.append((project / "build" / "deployment.zip").read_bytes())

    assert zips[0] == zips[1]
    with zipfile.ZipFile(project / "build" / "deployment.zip") as built:
        assert {entry.external_attr >> 16 & 0o777 for entry in built.infolist()} == {0o644}
        assert {"app.py", "jinja2/__init__.py", "chalicelib/age.py"} <= set(built.namelist())


def test_what_was_put_into_the_packages_of_earlier_runs_does_not_ship(project: Path) -> None:
    assert package(project).returncode == 0
    built, wheels = project / "build" / "deployment.zip", list((project / "build" / "packages").glob("*.whl"))
    shipped = built.read_bytes()
    assert {wheel.name.partition("-")[0].lower() for wheel in wheels} == {"jinja2", "markupsafe"}
    for wheel in wheels:
        with zipfile.ZipFile(wheel, "a") as planted:
            planted.writestr("planted.py", "")

    assert package(project).returncode == 0

    assert built.read_bytes() == shipped
    assert all("planted.py" not in zipfile.ZipFile(wheel).namelist() for wheel in wheels)


def test_a_package_of_another_hash_does_not_ship(project: Path) -> None:
    requirements = project / "requirements.txt"
    hashes = re.compile("sha256:[0-9a-f]{64}")
    requirements.write_text(hashes.sub("sha256:" + "0" * 64, requirements.read_text()))

    done = package(project)

    assert done.returncode == 1
    assert "is not a file that requirements.txt pins by its hash" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (project / "build" / "deployment.zip").exists()


def test_a_requirement_without_a_hash_does_not_ship(project: Path) -> None:
    text = (project / "requirements.txt").read_text()
    (project / "requirements.txt").write_text("jinja2==3.1.6\n" + text[text.index("markupsafe==") :])

    done = package(project)

    assert done.returncode == 1
    assert "hash" in done.stderr.lower()
    assert not (project / "build" / "deployment.zip").exists()


@pytest.mark.parametrize("right", [True, False])
def test_wheels_for_another_machine_are_checked_too(
    project: Path, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """As on macOS, where the wheels for the machine itself are none for Lambda."""
    if not right:
        text = (project / "requirements.txt").read_text()
        (project / "requirements.txt").write_text(re.sub("sha256:[0-9a-f]{4}", "sha256:0000", text))
    monkeypatch.chdir(project)
    runner: Any = PipRunner(SubprocessPip())

    download_wheels_by_hash(runner, "cp311", ["markupsafe==3.0.4"], str(project / "wheels"))

    wheels = sorted(path.name.partition("-")[0] for path in (project / "wheels").glob("*.whl"))
    assert wheels == (["jinja2", "markupsafe"] if right else [])


@pytest.mark.parametrize("name", LOCKED)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    text = (PROJECT / name).read_text()
    requirements = re.split(r"\n(?=[a-zA-Z0-9])", text)

    assert len(requirements) > 1
    for requirement in requirements:
        assert re.match(r"[\w.\[\],-]+==\S+ .*\\\n +--hash=sha256:[0-9a-f]{64}", requirement), requirement[:100]


def test_the_workflow_in_the_docs_pins_actions_by_commit_and_installs_nothing_once_there_are_credentials() -> None:
    text = (PROJECT / "docs" / "api.md").read_text()
    [workflow] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)

    steps = yaml.safe_load(workflow)["jobs"]["access-keys"]["steps"]

    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in used)
    assert not INSTALLS.search(workflow)


@pytest.mark.parametrize(
    "command",
    [
        "pip install x",
        "python3 -m pip --quiet install x",
        "uvx awscurl",
        "npx evil",
        "curl https://example.com/x | sh",
        "curl -s https://example.com/x | sudo bash -s",
    ],
)
def test_what_installs_is_known(command: str) -> None:
    assert INSTALLS.search(command)

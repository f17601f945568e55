"""The Makefile: what a person writes on its command line, an environment that works no longer, one MFA prompt."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.settings import InvalidSettingError
from deploy.settings import check_deployable, check_settings
from localaws.environment import PROJECT
from tests.deploy.test_companion import record_of
from tests.support.prompting import Shown, in_a_terminal
from tests.support.serving import Served, start

PROMPT = "Enter MFA code for"
ODD = ["au$dit", "$(shell echo x)", "$$HOME", "it's", 'say "hi"', "a b", "`id`", "a;id", "a\\b", "é"]


def make(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = ["make", *arguments]
    of_outer_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")  # `make test` is no part of what is tested
    environment = {name: value for name, value in os.environ.items() if name not in of_outer_make} | environment
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=170, check=False
    )


# What a person writes is what Python gets, whatever make and the shell would make of it.


@pytest.mark.parametrize("stage", [*ODD, "", "my_stage", "x" * 26])
@pytest.mark.parametrize("target", ["package", "deploy", "destroy"])
def test_a_stage_of_odd_characters_is_refused_in_one_line_and_never_run(target: str, stage: str) -> None:
    done = make(PROJECT, target, f"STAGE={stage}")

    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert line.startswith(f"STAGE: {json.dumps(stage)} is not ")
    assert done.stdout == ""


def test_a_stage_of_the_environment_is_taken_as_it_is_written() -> None:
    done = make(PROJECT, "package", STAGE="de$v")

    assert 'STAGE: "de$v" is not accepted; it takes 1 to 25 letters, digits and -\n' in done.stderr


@pytest.mark.parametrize("profile", ODD)
def test_a_profile_is_looked_for_by_the_name_that_is_written(tmp_path: Path, profile: str) -> None:
    done = make(PROJECT, "scan-account", f"PROFILE={profile}", AWS_CONFIG_FILE=str(tmp_path / "none"))

    assert done.returncode != 0
    assert f"The config profile ({profile}) could not be found" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (None, "config.json: cannot be read: No such file or directory"),
        ("{", "config.json: is not JSON"),
        ("[]", "config.json: [] is not accepted; it takes an object"),
        ('{"stages": []}', "config.json: stages: [] is not accepted; it takes an object"),
        ('{"stages": {"dev": null}}', "config.json: dev: null is not accepted; it takes an object"),
        ('{"environment_variables": "MAX_AGE_DAYS=1"}', 'environment_variables: "MAX_AGE_DAYS=1" is not accepted'),
        ('{"stages": {"dev": {"lambda_functions": {"a": 1}}}}', "config.json: a: 1 is not accepted"),
    ],
)
def test_settings_of_another_shape_are_refused_in_one_line(tmp_path: Path, document: str | None, says: str) -> None:
    config = tmp_path / "config.json"
    if document is not None:
        config.write_text(document)

    for check in (check_settings, check_deployable):
        with pytest.raises(InvalidSettingError) as refusal:
            check(config, "dev")
        assert says in str(refusal.value)
        assert "\n" not in str(refusal.value)


# The virtual environment.


def test_make_starts_every_tool_by_the_environments_python() -> None:
    """The commands in .venv/bin hold the path that they were installed at, and a checkout may be moved."""
    recipes = (PROJECT / "Makefile").read_text()

    assert re.findall(r"\$\(BIN\)/(?!python\b)\S+", recipes) == []
    assert "$(BIN)/python -m ruff" in recipes


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that needs nothing but pip, with the environment that `make setup` makes, in a path with a space."""
    folder = tmp_path_factory.mktemp("make") / "a checkout"
    (folder / "deploy").mkdir(parents=True)
    shutil.copy(PROJECT / "Makefile", folder)
    for name in ("__init__.py", "installation.py"):
        shutil.copy(PROJECT / "deploy" / name, folder / "deploy")
    (folder / "requirements-dev.txt").write_text("")
    assert setup(folder) == "Installing the pinned requirements into .venv, once; it takes about a minute\n"
    return folder


def setup(folder: Path) -> str:
    """Run `make setup`; return what it says."""
    done = make(folder, "setup", f"PYTHON={sys.executable}", "VENV=.venv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def starts(folder: Path) -> str:
    """Start a command of the environment as the docs do; return where it finds its packages."""
    command = [str(folder / ".venv" / "bin" / "pip"), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_environment_that_is_ready_is_left_alone(checkout: Path) -> None:
    assert setup(checkout) == ""


def test_a_checkout_that_was_moved_is_noticed_and_its_commands_start(checkout: Path) -> None:
    before = checkout / ".venv"
    moved = checkout.rename(checkout.with_name("moved to here"))
    try:
        assert setup(moved) == f".venv was moved here from {before}: adapted its commands\n"
        assert f" from {moved}/.venv/" in starts(moved)
        assert f"{moved}/.venv" in (moved / ".venv" / "bin" / "activate").read_text()
        assert setup(moved) == ""
    finally:
        moved.rename(checkout)
    setup(checkout)
    assert f" from {checkout}/.venv/" in starts(checkout)


@pytest.mark.parametrize("kind", ["dangling", "another Python", "unfinished", "empty"])
def test_an_environment_that_works_no_longer_is_made_anew(checkout: Path, kind: str) -> None:
    venv = checkout / ".venv"
    python = venv / "bin" / "python"
    if kind == "dangling":
        python.unlink()
        python.symlink_to("/nowhere/python3.11")
    elif kind == "another Python":  # as after an upgrade, whose packages are elsewhere
        [library] = (venv / "lib").glob("python3.*")
        library.rename(venv / "lib" / "python3.9")
    elif kind == "unfinished":
        (venv / "ready").unlink()
        (venv / "unfinished").touch()
        (venv / "half-made").touch()
    else:
        shutil.rmtree(venv)
        venv.mkdir()

    first, second = setup(checkout).splitlines()

    assert first == ".venv is unfinished, or its Python is gone: making it anew"
    assert second.startswith("Installing the pinned requirements into .venv")
    assert f" from {checkout}/.venv/" in starts(checkout)
    assert not (venv / "half-made").exists()
    assert not (venv / "unfinished").exists()
    assert setup(checkout) == ""


def test_requirements_that_cannot_be_installed_leave_the_environment_as_it_was(checkout: Path) -> None:
    requirements = checkout / "requirements-dev.txt"
    requirements.write_text("./nowhere\n")
    try:
        done = make(checkout, "setup", f"PYTHON={sys.executable}", "VENV=.venv")
    finally:
        requirements.write_text("")

    assert done.returncode != 0
    assert "The virtual environment could not be made: .venv/bin/python -m pip install" in done.stderr
    assert "Traceback" not in done.stderr
    assert "anew" not in setup(checkout)


@pytest.mark.parametrize("python", ["python3.999", "false"])
def test_a_python_that_does_not_do_is_said(tmp_path: Path, checkout: Path, python: str) -> None:
    done = make(checkout, "setup", f"PYTHON={python}", f"VENV={tmp_path}/other")

    assert done.returncode != 0
    assert f"Python 3.11 or later is needed; {python} is " in done.stdout
    assert "Name another: make PYTHON=python3.12" in done.stdout


# Multi-factor authentication.


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    running = start()
    iam = running.client("iam")
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=_policy(Principal={"AWS": "123456789012"}))
    iam.put_role_policy(RoleName="deployer", PolicyName="all", PolicyDocument=_policy(Resource="*"))
    yield running
    running.stop()


def _policy(**of: object) -> str:
    allowed = {"Effect": "Allow", "Action": "*" if "Resource" in of else "sts:AssumeRole", **of}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def in_mfa_terminal(served: Served, project: Path, home: Path, target: str) -> Shown:
    """Run a target of make with a profile that asks for an MFA code, and give one code."""
    config = home / "config"
    config.write_text(
        "[profile deployer]\nrole_arn = arn:aws:iam::123456789012:role/deployer\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/me\nregion = us-east-1\n"
        "[profile base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = unused\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"HOME": str(home), "AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "deployer"}
    environment |= {"AWS_ENDPOINT_URL": served.settings["AWS_ENDPOINT_URL"], "TERM": "dumb"}
    command = [shutil.which("make") or "make", target, "STAGE=dev"]
    shown = in_a_terminal(command, project, environment, PROMPT, [b"123456\n"])
    assert "".join(shown.before).count(f"{PROMPT} arn:aws:iam::123456789012:mfa/me:") == 1
    assert PROMPT not in shown.after
    return shown


def test_make_deploy_and_make_destroy_ask_for_an_mfa_code_once_each(
    served: Served, project_copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "another day").mkdir()

    deployed = in_mfa_terminal(served, project_copy, tmp_path, "deploy")
    destroyed = in_mfa_terminal(served, project_copy, tmp_path / "another day", "destroy")

    assert (deployed.status, destroyed.status) == (0, 0), deployed.after + destroyed.after
    assert "StateMachineArn\tarn:aws:states:us-east-1:123456789012:stateMachine:iam-key-age-dev" in deployed.after
    assert "Deleted iam-key-age-dev." in destroyed.after


def test_make_deploy_statemachine_asks_for_an_mfa_code_once(served: Served, project_copy: Path, tmp_path: Path) -> None:
    record = record_of(project_copy, "dev")  # of another Region, which is found out with the code
    try:
        shown = in_mfa_terminal(served, project_copy, tmp_path, "deploy-statemachine")
    finally:
        record.unlink()

    assert "Chalice deployed dev into eu-central-1 of account 123456789012: use the same" in shown.after
    assert "Traceback" not in shown.after

"""Who deploys, and where: the Region, the credentials, and what ends a command of `python -m deploy`."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.sessions import user_session
from localaws.environment import PROJECT

CONFIG = "[profile team]\nregion = eu-west-3\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n"


def command(home: Path, *arguments: str, **more: str) -> "subprocess.Popen[str]":
    (home / "config").write_text(CONFIG)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "HOME": str(home),
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_PROFILE": "team",
        "AWS_MAX_ATTEMPTS": "1",
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "deploy", *arguments],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-north-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "eu-west-3"),
        ({}, "eu-west-3"),
        ({"AWS_PROFILE": "default"}, None),
    ],
)
def test_the_region_is_of_the_environment_else_of_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], region: str | None
) -> None:
    (tmp_path / "config").write_text(f"{CONFIG}[default]\n")
    for name, value in {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "team", **variables}.items():
        monkeypatch.setenv(name, value)

    assert user_session().region_name == region


def test_the_region_is_of_the_profile_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    assert user_session("team").region_name == "eu-west-3"


@pytest.mark.parametrize("name", ["deploy", "companion", "destroy"])
def test_an_aws_that_cannot_be_reached_is_said_in_one_line(tmp_path: Path, name: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

        _, error = (done := command(tmp_path, name, "--stage=dev", AWS_ENDPOINT_URL=url)).communicate(timeout=60)

    assert done.returncode == 1
    assert error == f'Could not connect to the endpoint URL: "{url}/"\n'


def test_a_credential_process_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "process").write_text("[profile team]\nregion = eu-west-3\ncredential_process = /nowhere/x\n")

    done = command(tmp_path, "destroy", "--stage=dev", AWS_CONFIG_FILE=str(tmp_path / "process"))

    _, error = done.communicate(timeout=60)
    assert done.returncode == 1
    assert error.count("\n") == 1
    assert "/nowhere/x" in error
    assert ". There are no AWS credentials that work: log in" in error


def test_ctrl_c_ends_a_command_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = command(tmp_path, "deploy", "--stage=dev", AWS_ENDPOINT_URL=url)
        connection, _ = silent.accept()  # STS is asked, and answers nothing
        with connection:
            done.send_signal(signal.SIGINT)
            output, error = done.communicate(timeout=60)

    assert (done.returncode, output, error) == (130, "", "stopped\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["deploy", "--parameters=OwnerTags='a"], "OwnerTags: \"'a\" is not accepted; it takes a second '"),
        (["deploy", "--tags=team"], 'TAGS: "team" is not accepted; it takes key=value'),
        (["companion", "--stage=-x"], 'STAGE: "-x" is not in .chalice/config.json; it takes dev or prod'),
        (
            ["parameters", "--stage=prod", "--template=nowhere.json"],
            "nowhere.json: there is no such file; run make package STAGE=prod first",
        ),
        (["destroy"], "Which one? make destroy STAGE=…"),
    ],
)
def test_what_a_person_wrote_is_checked_before_aws_is_asked(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = command(tmp_path, *arguments, AWS_ENDPOINT_URL="http://127.0.0.1:9")

    output, error = done.communicate(timeout=60)
    assert done.returncode == 1
    assert output == ""
    assert says in error
    assert error.count("\n") == 1

"""Workers that are forked and workers that are started anew: a function cannot tell which it is in."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws.lambda_processes import MACHINE, Process, Starter, _Anew, _Forking, _lambda_libraries

HANDLER = """
import importlib.util, os, sys

def handler(event, context):
    print("in the log")
    import boto3
    return {
        "environment": dict(os.environ),
        "path": sys.path,
        "process": os.getpid(),
        "theirs": sorted(name for name in ("localaws", "moto", "pytest", "chalice") if importlib.util.find_spec(name)),
        "loaded": sorted(name for name in sys.modules if name.startswith(("chalicelib", "localaws"))),
        "session": boto3.DEFAULT_SESSION is not None,
        "six": __import__("six").__file__,
        "interrupts": str(__import__("signal").getsignal(2)),
    }
"""
ENVIRONMENT = {**MACHINE, "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
ENVIRONMENT |= {"AWS_LAMBDA_LOG_GROUP_NAME": "g", "LOCALAWS_FUNCTION_ARN": "arn"}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _lambda_libraries(tmp_path_factory.mktemp("lambda") / "libraries")


@pytest.fixture(scope="module", params=[_Anew, _Forking])
def starter(request: pytest.FixtureRequest, libraries: Path) -> Iterator[Starter]:
    if request.param is _Forking and not hasattr(os, "pidfd_open"):
        pytest.skip("this system forks no workers")
    runtime = Path(sys.modules["localaws.lambda_processes"].__file__ or "").with_name("lambda_runtime.py")
    made = request.param([sys.executable, "-I", "-S", str(runtime), str(libraries)])
    yield made
    made.stop()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(HANDLER)
    return tmp_path / "code"


def start(starter: Starter, code: Path, environment: dict[str, str] = ENVIRONMENT) -> tuple[Process, socket.socket]:
    with (code.parent / "log.txt").open("a") as log:
        return starter.start(code, "app.handler", environment, log)


def ask(streams: socket.socket) -> dict[str, Any]:
    streams.sendall(b'{"event": {}, "request_id": "1", "deadline_ms": 0}\n')
    with streams.makefile() as answers:
        answer = json.loads(answers.readline())
    assert not answer["error"], answer
    return dict(json.loads(answer["payload"]))


def end(process: Process, streams: socket.socket) -> None:
    process.kill()
    process.wait()
    streams.close()


def test_a_worker_has_its_own_environment_the_zip_boto3_and_nothing_else(
    starter: Starter, code: Path, libraries: Path
) -> None:
    process, streams = start(starter, code, {**ENVIRONMENT, "MAX_AGE_DAYS": "90"})

    seen = ask(streams)
    end(process, streams)

    assert seen["environment"].pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # of Python itself, where the locale is missing
    assert seen["environment"] == {**ENVIRONMENT, "MAX_AGE_DAYS": "90"}
    assert (seen["path"][0], seen["path"][-1]) == (str(code), str(libraries))
    assert not [place for place in seen["path"] if "site-packages" in place]
    assert (seen["theirs"], seen["loaded"], seen["session"]) == ([], [], False)
    assert seen["six"] == str(libraries / "six.py")
    assert "default_int_handler" in seen["interrupts"]
    assert (code.parent / "log.txt").read_text() == "in the log\n"


def test_what_one_worker_has_is_not_in_the_next(starter: Starter, code: Path) -> None:
    first = start(starter, code, {**ENVIRONMENT, "OF_THE_FIRST": "1"})
    second = start(starter, code)

    seen = ask(first[1]), ask(second[1])
    end(*first)
    end(*second)

    assert "OF_THE_FIRST" in seen[0]["environment"]
    assert "OF_THE_FIRST" not in seen[1]["environment"]
    assert seen[0]["process"] != seen[1]["process"]


def test_a_zip_that_has_its_own_of_a_library_gets_its_own(starter: Starter, code: Path, libraries: Path) -> None:
    shutil.copy(libraries / "six.py", code)
    process, streams = start(starter, code)

    seen = ask(streams)
    end(process, streams)

    assert seen["six"] == str(code / "six.py")


def test_a_worker_that_is_killed_is_gone(starter: Starter, code: Path) -> None:
    process, streams = start(starter, code)
    number = ask(streams)["process"]

    process.kill()
    process.wait()
    process.kill()  # which does nothing

    assert streams.recv(1) == b""
    streams.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_worker_ends_when_nobody_asks_it_any_more(starter: Starter, code: Path) -> None:
    process, streams = start(starter, code)

    streams.close()

    process.wait()


STARTS_AND_IS_KILLED = """
import json, os, signal, sys
from pathlib import Path
from localaws.lambda_processes import make_starter
folder = Path(sys.argv[1])
starter = make_starter(folder / "libraries")
process, streams = starter.start(folder / "code", "app.handler", json.loads(sys.argv[2]), sys.stdout)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_and_what_they_are_forked_from_end_with_who_started_them_however_it_ends(code: Path) -> None:
    reading, writing = os.pipe()  # whose other end all of them have, as their log or as their standard error
    command = [sys.executable, "-c", STARTS_AND_IS_KILLED, str(code.parent), json.dumps(ENVIRONMENT)]

    subprocess.run(command, stdout=writing, stderr=writing, timeout=60, check=False)
    os.close(writing)
    with os.fdopen(reading) as log:
        assert log.read() == ""  # which ends when the last of them has

"""Packaging with other people's networks: an index of their own, a proxy, credentials, no network at all."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy import package, pip_log
from localaws.clients import _with_loopback
from localaws.environment import PROJECT
from tests.support.prompting import in_a_terminal

REQUIREMENTS = ["Jinja2==3.1.6", "MarkupSafe==3.0.4"]


class Index(BaseHTTPRequestHandler):
    """An index that answers everything with the status that its port is for."""

    def do_GET(self) -> None:
        if self.server.status is None:  # type: ignore[attr-defined]
            time.sleep(20)
        self.send_response(self.server.status or 200)  # type: ignore[attr-defined]
        self.send_header("WWW-Authenticate", 'Basic realm="corp"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def serve(handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1") -> ThreadingHTTPServer:
    server = ThreadingHTTPServer((host, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def answering(status: int | None) -> ThreadingHTTPServer:
    server = serve(Index)
    server.status = status  # type: ignore[attr-defined]
    return server


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Pip as it comes, without this machine's settings, and nothing packaged before."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in {"CONFIG_FILE": os.devnull, "NO_CACHE_DIR": "1", "RETRIES": "1", "TIMEOUT": "1"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setattr(package, "_PACKAGES", tmp_path / "packages")
    project = tmp_path / "checkout"  # without hashes of the packages, which are made here
    for name in ("app.py", "chalicelib", ".chalice", "statemachine"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).symlink_to(PROJECT / name)
    (project / "requirements.txt").write_text("\n".join(REQUIREMENTS))
    monkeypatch.setattr(package, "PROJECT", project)
    return monkeypatch


def refusal(tmp_path: Path) -> str:
    with pytest.raises(package.PackagingError) as refused:
        package.package(tmp_path / "project", "dev")
    line = str(refused.value)
    assert "\n" not in line
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "401 Client Error: Unauthorized"),
        (403, "403 Client Error: Forbidden"),
        (404, "404 Client Error: Not Found"),
        (407, "407 Client Error: Proxy Authentication Required"),
        (500, "too many 500 error responses"),
        (200, "it has no Jinja2"),
        (None, "127.0.0.1 didn't respond within 1.0 seconds"),
    ],
)
def test_an_index_that_gives_nothing_is_named_with_the_package_and_the_reason_and_without_the_password(
    pip: pytest.MonkeyPatch, tmp_path: Path, status: int | None, reason: str
) -> None:
    port = answering(status).server_port
    pip.setenv("PIP_INDEX_URL", f"http://ann:s3cret@127.0.0.1:{port}/simple")

    line = refusal(tmp_path)

    assert line.startswith(f"Jinja2==3.1.6 could not be fetched from http://127.0.0.1:{port}/simple ({reason}). Check ")
    assert "PIP_INDEX_URL" in line
    assert "s3cret" not in line
    assert not list((tmp_path / "packages").glob("*"))


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (
            {"PIP_INDEX_URL": "https://index.invalid/simple"},
            "https://index.invalid/simple (connection error: Failed to",
        ),
        ({"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}, "http://127.0.0.1:9/simple (connection error: "),
        (
            {"PIP_INDEX_URL": "https://index.invalid/simple", "HTTPS_PROXY": "http://ann:s3cret@127.0.0.1:9"},
            "https://index.invalid/simple (HTTPSConnection(host='127.0.0.1', port=9): Failed to establish",
        ),
        ({"PIP_INDEX_URL": "http://index.invalid/simple"}, "/simple (neither https nor in PIP_TRUSTED_HOST)"),
        ({"PIP_NO_INDEX": "1"}, "any index: pip knows none"),
        ({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nowhere"}, "fetched from /nowhere"),
        ({"PIP_CONSTRAINT": "/nowhere"}, "pip: Could not open constraint file"),
        ({"PIP_INDEX_URL": "http://[::1/simple"}, "pip: Invalid IPv6 URL"),
    ],
    ids=["no such host", "nobody listens", "a dead proxy", "http", "no index", "no folder", "no constraints", "no URL"],
)
def test_what_keeps_pip_from_an_index_is_one_line(
    pip: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    for name, value in environment.items():
        pip.setenv(name, value)

    line = refusal(tmp_path)

    assert says in line
    assert "s3cret" not in line


def test_a_pip_configuration_that_is_broken_is_one_line(pip: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "pip.conf"
    broken.write_text("[global\n")
    pip.setenv("PIP_CONFIG_FILE", str(broken))

    assert f"Configuration file could not be loaded. File contains no section headers. file: '{broken}'" in refusal(
        tmp_path
    )


def test_each_of_several_indexes_is_named_with_its_own_reason(pip: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = answering(401).server_port, answering(404).server_port
    pip.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{first}/simple")
    pip.setenv("PIP_EXTRA_INDEX_URL", f"http://token@127.0.0.1:{second}/more/simple/")

    line = refusal(tmp_path)

    assert f"http://127.0.0.1:{first}/simple (401 Client Error: Unauthorized); " in line
    assert f"http://127.0.0.1:{second}/more/simple (404 Client Error: Not Found)" in line
    assert "token" not in line


def test_the_versions_that_an_index_has_instead_are_said() -> None:
    log = (
        "2026-11-26T20:38:53,123 1 location(s) to search for versions of jinja2:\n"
        "2026-11-26T20:38:53,123 * https://ann:****@index.example.com/simple/jinja2/\n"
        "2026-11-26T20:38:53,123 ERROR: Could not find a version that satisfies the requirement Jinja2==3.1.6 "
        "(from versions: 2.0, 2.1, 2.2, 3.0.1, 3.0.2, 3.1.4)\n"
    )

    says = pip_log.failure(log)

    assert says is not None
    assert "from https://index.example.com/simple (it has …, 2.1, 2.2, 3.0.1, 3.0.2, 3.1.4). Check " in says


def test_a_file_that_is_not_the_pinned_one_is_named() -> None:
    log = (
        "2026-11-26T20:38:53,123 ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you …\n"
        "2026-11-26T20:38:53,123     jinja2==3.1.6 from https://ann:s3cret@mirror/Jinja2.whl (from -r r (line 1)):\n"
        "2026-11-26T20:38:53,123         Expected sha256 0137\n"
    )

    says = pip_log.failure(log)

    assert says is not None
    assert says.startswith(
        "jinja2==3.1.6: https://mirror/Jinja2.whl is not a file that requirements.txt pins by its hash."
    )


def test_a_log_without_an_error_explains_nothing() -> None:
    assert pip_log.failure("2026-11-26T20:38:53,123 Saved ./jinja2-3.1.6-py3-none-any.whl\n") is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://ann:s3cret@host:8080/simple", "http://host:8080/simple"),
        ("https://token@host/", "https://host/"),
        ("https://ann:s3@cret@host/", "https://host/"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_credentials_in_a_url_are_not_shown(url: str, shown: str) -> None:
    assert pip_log.without_credentials(f"at {url} there") == f"at {shown} there"


def test_a_package_without_a_wheel_for_lambda_is_refused_and_not_kept() -> None:
    output = (
        "Creating deployment package.\n\nCould not install dependencies:\nmarkupsafe==3.0.4\nYou will have to build "
        "these yourself and vendor them in\nthe chalice vendor folder.\n"
    )

    assert package._why(output, "").startswith("markupsafe==3.0.4: the index has no wheel for Lambda of it. Check ")
    assert package._NOT_INSTALLED.search(output)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A package index in a company's network: on an address of its own, not the one that is always left alone."""
    for requirement in REQUIREMENTS:
        name, _, version = requirement.partition("==")
        folder = tmp_path / "simple" / name.lower()
        folder.mkdir(parents=True)
        wheel = f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(folder / wheel, "w") as zipped:
            info = f"{name}-{version}.dist-info"
            zipped.writestr(f"{name.lower()}/__init__.py", "FROM_THE_MIRROR = True\n")
            zipped.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            zipped.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            zipped.writestr(f"{info}/RECORD", "")
        (folder / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>')

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    try:
        server = serve(Files, "127.0.0.2")
    except OSError:
        pytest.skip("this system has one loopback address")
    yield f"http://127.0.0.2:{server.server_port}/simple"
    server.shutdown()


def test_an_index_that_the_users_no_proxy_names_is_asked_without_the_proxy(
    pip: pytest.MonkeyPatch, tmp_path: Path, mirror: str
) -> None:
    pip.setenv("PIP_INDEX_URL", mirror)
    pip.setenv("PIP_TRUSTED_HOST", "127.0.0.2")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        pip.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        pip.setenv(name, "127.0.0.2")
    pip.setenv("AWS_PROFILE", "none.of.this.name")  # which packaging does not need

    template = package.package(tmp_path / "project", "dev")

    with zipfile.ZipFile(template.with_name("deployment.zip")) as zipped:
        assert zipped.read("jinja2/__init__.py") == b"FROM_THE_MIRROR = True\n"
    pip.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # without a network now
    again = package.package(tmp_path / "again", "dev")
    assert again.read_text() == template.read_text()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "127.0.0.1,localhost"),
        ("index.example.com,10.0.0.0/8", "index.example.com,10.0.0.0/8,127.0.0.1,localhost"),
        ("localhost, .example.com,", "localhost,.example.com,127.0.0.1"),
        ("127.0.0.1,localhost", "127.0.0.1,localhost"),
        ("*", "*"),
        (" * ", " * "),
    ],
)
def test_this_machine_is_added_to_the_hosts_without_a_proxy(before: str, after: str) -> None:
    assert _with_loopback(before) == after


ENVIRONMENTS = """
import json, os
from localaws.clients import forget_the_users_aws, no_proxy_to_export, users_environment
before = dict(os.environ)
forget_the_users_aws()
forget_the_users_aws()
print(json.dumps([before == users_environment(), dict(os.environ), no_proxy_to_export()]))
"""


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"NO_PROXY": "a.example.com"}, ["a.example.com,127.0.0.1,localhost"] * 2),
        ({"no_proxy": "b.example.com"}, ["b.example.com,127.0.0.1,localhost"] * 2),
        (
            {"NO_PROXY": "a.example.com", "no_proxy": "b.example.com"},
            ["a.example.com,127.0.0.1,localhost", "b.example.com,127.0.0.1,localhost"],
        ),
        ({"NO_PROXY": "*"}, ["*", "*"]),
        ({}, ["127.0.0.1,localhost"] * 2),
    ],
)
def test_the_users_no_proxy_stays_in_both_spellings_and_aws_settings_go(
    theirs: dict[str, str], ours: list[str]
) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, **theirs, "AWS_PROFILE": "mine", "http_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", ENVIRONMENTS]

    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)

    is_restored, environment, export = json.loads(done.stdout)
    assert is_restored
    assert [environment["NO_PROXY"], environment["no_proxy"]] == ours
    assert "AWS_PROFILE" not in environment
    assert environment["AWS_ACCESS_KEY_ID"] == "local"
    assert bool(export) == (theirs != {"NO_PROXY": "*"})  # for the user's own clients, where they need it


@pytest.mark.parametrize("command", [["-m", "deploy", "package"], ["-m", "localaws", "scan"]])
def test_packaging_asks_for_no_password_in_a_terminal(project_copy: Path, tmp_path: Path, command: list[str]) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"http://127.0.0.1:{answering(401).server_port}/simple",
        "TERM": "dumb",
        "COLUMNS": "500",
        "TMPDIR": str(tmp_path),
    }
    packages = project_copy / "build" / "packages"
    if packages.exists():
        packages.rename(tmp_path / "packages")

    shown = in_a_terminal([sys.executable, *command], project_copy, environment, "User for", [])

    assert shown.status == 1
    assert "jinja2==3.1.6 could not be fetched from http://127.0.0.1:" in shown.after.lower()
    assert "User for" not in shown.after
    assert "Traceback" not in shown.after
    assert not re.search("\x1bP|\x1b\\[6n|\x1b\\[>", shown.after)  # nor is the terminal probed
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("localaws-", "iam-key-age-"))] == []


def test_make_package_says_what_could_not_be_fetched(project_copy: Path, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple",
        "PIP_RETRIES": "0",
    }
    if (packages := project_copy / "build" / "packages").exists():
        packages.rename(tmp_path / "packages")

    done = subprocess.run(
        ["make", "package", "STAGE=dev"], cwd=project_copy, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert line.lower().startswith(
        f"jinja2==3.1.6 could not be fetched from http://127.0.0.1:{port}/simple (connection"
    )

"""The local AWS answers its own user's programs, and nobody else on the machine."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from localaws.clients import CALLER_OF_THE_API, REGION
from localaws.peers import _kernel_answers, is_of_this_user, why_refused
from localaws.sigv4 import SignedBy

if TYPE_CHECKING:
    from localaws.environment import LocalAws

NOBODY = 65_534
ASK = """
import encodings.idna, http.client, os, sys  # all of it before the other user, who may not be able to read it
os.setuid(int(sys.argv[3]))
try:
    connection = http.client.HTTPConnection(sys.argv[1], timeout=10)
    connection.request("GET", sys.argv[2])
    print(connection.getresponse().status)
except (OSError, http.client.HTTPException):
    print("no answer")
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:4566", "localhost:1", "bucket.localhost:1", "LOCALHOST"])
def test_a_request_to_this_machine_is_served(host: str) -> None:
    assert why_refused(host, origin="") is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("rebound.example:4566", ""),
        ("", ""),
        ("[", ""),
        ("127.0.0.1.example", ""),
        ("localhost.example", ""),
        ("127.0.0.1:4566", "https://evil.example"),
        ("127.0.0.1:4566", "http://127.0.0.1:8000"),
        ("127.0.0.1:4566", "null"),
    ],
)
def test_a_request_of_a_web_page_or_by_another_name_is_refused(host: str, origin: str) -> None:
    assert why_refused(host, origin)


def test_web_pages_and_other_names_are_refused_by_what_is_served(aws: "LocalAws") -> None:
    endpoint, api = aws.endpoint_url, aws.api_url

    signed = SignedBy(*CALLER_OF_THE_API, REGION)
    assert requests.get(f"{api}/scan", auth=signed, timeout=10).status_code == 200
    for headers in ({"Origin": "https://evil.example"}, {"Host": "rebound.example"}):
        assert requests.options(endpoint, headers=headers, timeout=10).status_code == 403
        answer = requests.get(f"{api}/scan", headers=headers, auth=signed, timeout=10)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.skipif(not _kernel_answers() or os.getuid() != 0, reason="takes a kernel that answers, and another user")
def test_another_user_of_the_machine_is_refused(aws: "LocalAws") -> None:
    endpoint, api = aws.endpoint_url, aws.api_url

    def ask(url: str, user: int) -> str:
        parts = urlsplit(url)
        command = [sys.executable, "-c", ASK, parts.netloc, parts.path, str(user)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()

    assert ask(f"{endpoint}/moto-api/", os.getuid()) == "200"
    assert ask(f"{endpoint}/moto-api/", NOBODY) == "403"
    assert ask(f"{api}/scan", os.getuid()) == "403"  # unsigned
    assert ask(f"{api}/scan", NOBODY) == "no answer"


@pytest.mark.skipif(not _kernel_answers(), reason="takes a kernel that answers")
def test_a_connection_that_is_gone_is_nobodys() -> None:
    assert not is_of_this_user(("127.0.0.1", 1), ("127.0.0.1", 1))


@contextlib.contextmanager
def listening() -> "Iterator[socket.socket]":
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.skipif(not _kernel_answers(), reason="takes a kernel that answers")
def test_a_client_that_has_closed_is_nobody() -> None:
    with listening() as server:
        client = socket.create_connection(server.getsockname())
        connection, address = server.accept()
        with connection:
            assert is_of_this_user(address, server.getsockname())
            client.close()
            assert not is_of_this_user(address, server.getsockname())


@pytest.mark.skipif(not _kernel_answers(), reason="takes a kernel that answers")
def test_a_client_at_the_same_port_of_another_address_is_another_one() -> None:
    with listening() as server, socket.create_connection(server.getsockname()) as client:
        assert not is_of_this_user(("127.0.0.2", client.getsockname()[1]), server.getsockname())


@pytest.mark.skipif(not _kernel_answers() or not socket.has_ipv6, reason="takes a kernel that answers with IPv6")
def test_a_client_of_ipv6_is_known_by_its_mapped_address() -> None:
    with listening() as server, socket.socket(socket.AF_INET6) as client:
        client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        connection, address = server.accept()
        with connection:
            assert is_of_this_user(address, server.getsockname())

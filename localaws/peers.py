"""Who is at the other end of a connection: the local AWS answers nobody but the user who started it.

It has a real account's users where `--account` names one, and runs functions for whoever may deploy to it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

# https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt; other systems than Linux do not have it.
_TABLE = Path("/proc/net/tcp")
_TIME_WAIT = "06"  # whose owner is not known any more
_LOCAL_NAMES = ("127.0.0.1", "localhost")
_ROOT = 0


def why_refused(host: str, origin: str) -> str | None:
    """Return why a request is refused by its headers Host and Origin, None where it is not.

    A web page that is open on this machine could send requests, and read answers by a name of its own for 127.0.0.1.
    """
    if origin:
        return "requests of web pages are refused"
    name = urlsplit(f"//{host}").hostname or ""
    if name not in _LOCAL_NAMES and not name.endswith(".localhost"):
        return "the local AWS is at 127.0.0.1 and at localhost"
    return None


def is_of_this_user(client_port: int, server_port: int) -> bool:
    """Return whether a connection on this machine is this user's or root's; on other systems than Linux, true."""
    if not _TABLE.exists():
        return True
    return any(user in (os.getuid(), _ROOT) for user in _owners(client_port, server_port))


def _owners(client_port: int, server_port: int) -> Iterator[int]:
    """Yield the user id of a connection's client; nothing where it has gone already."""
    ends = f":{client_port:04X} ", f":{server_port:04X} "
    for row in _TABLE.read_text().splitlines():
        if ends[0] in row and ends[1] in row:
            _, local, remote, state, *_, user = row.split()[:8]
            if f"{local} ".endswith(ends[0]) and f"{remote} ".endswith(ends[1]) and state != _TIME_WAIT:
                yield int(user)

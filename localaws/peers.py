"""Who is at the other end of a connection: the local AWS answers nobody but the user who started it.

It has a real account's users where `--account` names one, and runs functions for whoever may deploy to it.
"""

import ipaddress
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

# https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt; other systems than Linux do not have them.
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"  # in any other state the client may have gone, and then its user is not known any more
_LOCAL_NAMES = ("127.0.0.1", "localhost")
_ROOT = 0
Address = tuple[str, int]


def why_refused(host: str, origin: str) -> str | None:
    """Return why a request is refused by its headers Host and Origin, None where it is not.

    A web page that is open on this machine could send requests, and read answers by a name of its own for 127.0.0.1.
    """
    if origin:
        return "requests of web pages are refused"
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if name not in _LOCAL_NAMES and not name.endswith(".localhost"):
        return "the local AWS is at 127.0.0.1 and at localhost"
    return None


def is_of_this_user(client: Address, server: Address) -> bool:
    """Return whether a connection on this machine is this user's or root's; on other systems than Linux, true."""
    if not _TABLES[0].exists():
        return True
    owners = list(_owners(client, server))
    if not owners:  # the table is not read at one instant
        time.sleep(0.01)
        owners = list(_owners(client, server))
    return bool(owners) and all(owner in (os.getuid(), _ROOT) for owner in owners)


def _owners(client: Address, server: Address) -> Iterator[int]:
    """Yield the user id of an established connection's client; nothing if it has gone."""
    wanted = {(_hex(client, v6), _hex(server, v6)) for v6 in (False, True)}
    port = f":{client[1]:04X} "
    for table in _TABLES:
        try:
            rows = table.read_text().splitlines()
        except OSError:  # without IPv6
            continue
        for row in rows:
            if port in row:
                _, local, remote, state, *_, user = row.split()[:8]
                if (local, remote) in wanted and state == _ESTABLISHED:
                    yield int(user)


def _hex(address: Address, v6: bool) -> str:
    """Return an IPv4 address and port as the kernel writes them, in its table of IPv6 as a mapped one."""
    packed = ipaddress.IPv4Address(address[0]).packed[::-1].hex().upper()
    return f"{'0000000000000000FFFF0000' if v6 else ''}{packed}:{address[1]:04X}"

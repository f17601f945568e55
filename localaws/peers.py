"""Who is at the other end of a connection: the local AWS answers nobody but the user who started it.

It has a real account's users where `--account` names one, and runs functions for whoever may deploy to it.
"""

import functools
import os
import socket
import struct
from urllib.parse import urlsplit

_LOCAL_NAMES = ("127.0.0.1", "localhost")
_ROOT = 0
# https://man7.org/linux/man-pages/man7/sock_diag.7.html
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST = 4, 20, 1
_HEADER, _REQUEST, _SOCKET_ID, _COOKIE = "=IHHII", "=BBBBI", "!HH4s12x4s12x", "=III"
_ANY = 0xFFFFFFFF
_ESTABLISHED = 1  # in any other state the client may have gone, and then its user is not known any more
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
    """Return whether a connection on this machine is this user's or root's; true where the kernel tells nobody."""
    if not _kernel_answers():
        return True
    try:
        state, user = _ask_kernel(client, server)
    except OSError:  # nobody knows
        return False
    return state == _ESTABLISHED and user in (os.getuid(), _ROOT)


@functools.cache
def _kernel_answers() -> bool:
    """Return whether this is a Linux whose kernel may be asked; asked once, so that nobody can make it fail later."""
    if not hasattr(socket, "AF_NETLINK"):
        return False
    try:
        _ask_kernel(("127.0.0.1", 1), ("127.0.0.1", 1))
    except OSError:
        return False
    return True


def _ask_kernel(client: Address, server: Address) -> tuple[int, int]:
    """Return the state and the user id of a client, also of one by IPv6 with a mapped address; (0, 0) if none."""
    ends = socket.inet_aton(client[0]), socket.inet_aton(server[0])
    wanted = struct.pack(_SOCKET_ID, client[1], server[1], *ends) + struct.pack(_COOKIE, 0, _ANY, _ANY)
    request = struct.pack(_REQUEST, socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY) + wanted
    size = struct.calcsize(_HEADER) + len(request)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(struct.pack(_HEADER, size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + request)
        answer = kernel.recv(4096)
    if struct.unpack_from(_HEADER, answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return 0, 0
    # struct inet_diag_msg: family, state, timer, retransmissions, the socket's id, three numbers, user id, inode
    _, state = struct.unpack_from("=BB", answer, 16)
    return state, struct.unpack_from("=I", answer, 16 + 4 + 48 + 12)[0]

"""`python -I -S forked_client.py SOCKET ARGUMENTS…`: stands for a process that is forked as tests.support.forked says.

It gives it the arguments, the environment, the folder and the standard streams, passes signals on, and ends as it does.
"""

import json
import os
import signal
import socket
import sys


def main(path: str, *arguments: str) -> int:
    """Return the exit status of the command."""
    request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109  # pathlib takes long to load
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("r") as answers:
        connection.connect(path)
        message = json.dumps(request).encode() + b"\n"
        socket.send_fds(connection, [message[:1]], [0, 1, 2])
        connection.sendall(message[1:])
        pid = int(answers.readline())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: os.kill(pid, number))
        status = int(answers.readline())
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The command line: `python -m localaws` with `scan`, `serve` or `snapshot`."""

import argparse
import json
import logging
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from deploy import terminal

SUCCEEDED, FAILED, BAD_INPUT = 0, 1, 2
_MAX_PORT = 65_535


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 it succeeded, 1 it failed, 2 bad arguments or input."""
    terminal.prepare()
    arguments = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that everything started is stopped
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return terminal.finish(_run(arguments), "localaws: ")
    except KeyboardInterrupt:
        print("localaws: stopped", file=sys.stderr)  # noqa: T201
        return 128 + signal.SIGINT


def _run(arguments: argparse.Namespace) -> int:
    try:
        if arguments.command == "snapshot":
            return _snapshot(arguments)
        from localaws.clients import forget_the_users_aws

        forget_the_users_aws()  # before moto is imported, which reads them
        from localaws.commands.arguments import BadInputError, ScanAccounts
        from localaws.commands.scan import scan
        from localaws.commands.scan_output import ScanOutput
        from localaws.commands.serve import serve
    except ModuleNotFoundError as error:
        return _refused(f"{error.name} is not installed here; run `make setup`, then .venv/bin/python -m localaws")
    for chatty in ("moto", "samtranslator"):  # of what is left out, of each failure, of metrics
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    try:
        if arguments.command == "serve":
            return serve(arguments.account, arguments.port, arguments.api_port, arguments.faults, arguments.parameters)
        output = ScanOutput(arguments.out, arguments.stats, arguments.json)
        accounts = ScanAccounts(arguments.account, arguments.previous)
        return scan(accounts, arguments.policy, output, arguments.faults, arguments.parameters)
    except BadInputError as error:
        return _refused(str(error))


def _snapshot(arguments: argparse.Namespace) -> int:
    from localaws.accounts.snapshot import READ_POLICY
    from localaws.accounts.snapshot_organization import read_policy
    from localaws.commands.snapshot import snapshot
    from localaws.reader_role import Reader

    named = {"role_name": arguments.role_name, "external_id": arguments.external_id}
    given = {field: value for field, value in named.items() if value is not None}
    if given and not arguments.organization:
        return _refused("--role-name and --external-id are of the role in each account; they take --organization")
    reader = Reader(**given) if arguments.organization else None
    if arguments.print_policy:
        print(json.dumps(read_policy(reader) if reader else READ_POLICY, indent=2))  # noqa: T201  # what was asked for
        return SUCCEEDED
    return snapshot(arguments.profile, arguments.out, arguments.anonymize, reader)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="localaws", description="iam-key-age on a local AWS: no account, no network.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="scan | serve | snapshot")
    scan = commands.add_parser("scan", help="run one whole scan through POST /scan", allow_abbrev=False)
    scan.add_argument("--policy", default="", metavar="JSON", help="the scan policy, such as '{\"max_age_days\": 60}'")
    scan.add_argument("--out", type=_path, metavar="DIR", help="keep every file of the scan there")
    scan.add_argument(
        "--previous",
        type=_path,
        metavar="FILE",
        help="an account file to scan before, so that the report tells changes",
    )
    scan.add_argument("--json", action="store_true", help="print report.json alone; all else on standard error")
    scan.add_argument("--stats", type=_path, metavar="FILE", help="write there what the scan did, as JSON")
    serve = commands.add_parser("serve", help="stay up until Ctrl-C", allow_abbrev=False)
    serve.add_argument("--port", type=_port, default=0, help="of the AWS endpoint; a free one by default")
    serve.add_argument("--api-port", type=_port, default=0, help="of the REST API; a free one by default")
    snapshot = commands.add_parser(
        "snapshot", help="read your own AWS account into an account file, to scan it here", allow_abbrev=False
    )
    snapshot.add_argument("--profile", metavar="NAME", help="of your AWS configuration; as the AWS CLI by default")
    snapshot.add_argument(
        "--out", type=_path, default=Path("account.json"), metavar="FILE", help="the account file; account.json"
    )
    snapshot.add_argument(
        "--organization", action="store_true", help="read all accounts of the organization, each by a role in it"
    )
    snapshot.add_argument("--role-name", type=_role_name, metavar="NAME", help="of that role; iam-key-age-reader")
    snapshot.add_argument("--external-id", type=_external_id, metavar="ID", help="for that role; iam-key-age")
    snapshot.add_argument("--anonymize", action="store_true", help="replace names, ids, paths and tags, to share it")
    snapshot.add_argument("--print-policy", action="store_true", help="print the IAM policy that it needs, and end")
    for command in (scan, serve):
        command.add_argument(
            "--parameters",
            default="",
            metavar="NAME=VALUE",
            help="of the stack, such as 'UsageEvidence=on'; as make deploy takes PARAMETERS",
        )
        command.add_argument(
            "--account", type=_path, metavar="FILE", help="the account file; a demo account by default"
        )
        command.add_argument(
            "--faults",
            default="{}",
            metavar="JSON",
            help='let calls fail, such as \'{"iam": {"throttle_ratio": 0.3}}\'',
        )
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_PORT):
        raise argparse.ArgumentTypeError(f"{json.dumps(text)} is not accepted; it takes a port from 1 to {_MAX_PORT}")
    return int(text)


def _matching(pattern: str, takes: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise argparse.ArgumentTypeError(f"{json.dumps(text)} is not accepted; it takes {takes}")
        return text

    return check


# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_role_name = _matching(r"[\w+=,.@-]{1,64}", "1 to 64 characters out of A-Z a-z 0-9 _ + = , . @ -")
_external_id = _matching(r"[\w+=,.@:/-]{2,1224}", "2 to 1,224 characters out of A-Z a-z 0-9 _ + = , . @ : / -")


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError('"" is not accepted; it takes a path')
    return Path(text)


def _refused(message: str) -> int:
    print(f"localaws: {message}", file=sys.stderr)  # noqa: T201
    return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())

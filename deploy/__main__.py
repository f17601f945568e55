"""Package the app and deploy it: `python -m deploy COMMAND`. `make` runs these commands."""

import argparse

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.schema import RefusedError
from deploy import commands, readers, terminal
from deploy.companion import CompanionError
from deploy.package import PackagingError
from deploy.sessions import SignInError
from deploy.stack import StackError
from deploy.uploads_bucket import UploadsBucketError

_REFUSALS = (
    *(commands.CommandError, CompanionError, PackagingError, RefusedError, SignInError, StackError),
    *(UploadsBucketError, readers.ReaderError, BotoCoreError, ClientError, OSError),
)


def main(*arguments: str) -> None:
    """Run the command that the arguments name."""
    asked = _parser().parse_args(arguments)
    match asked.command:
        case "package":
            commands.package(asked.stage)
        case "deploy":
            commands.deploy(asked.stage, commands.Given(asked.email, asked.parameters, asked.tags))
        case "companion":
            commands.deploy_companion(asked.stage, commands.Given(asked.email, asked.parameters, asked.tags))
        case "destroy":
            commands.destroy(asked.stage)
        case "reader":
            readers.deploy_reader(asked.stage, _given_for_readers(asked))
        case "readers":
            readers.deploy_readers(asked.stage, _given_for_readers(asked))
        case "check-member":
            readers.check_member(asked.stage, asked.account)
        case "parameters":
            commands.show_parameters(asked.stage, asked.template, asked.parameters)
        case "tags":
            commands.show_tags(asked.tags)


def _given_for_readers(asked: argparse.Namespace) -> readers.Given:
    return readers.Given(asked.profile, asked.scanner, getattr(asked, "units", None), asked.parameters, asked.tags)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m deploy", description="Package iam-key-age and deploy it.")
    found = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stage, named, given = _stage("dev"), _stage(""), _given()
    found.add_parser("package", parents=[stage], help="make build/sam.json and build/deployment.zip")
    found.add_parser("deploy", parents=[stage, given], help="package the app and deploy it as the stage's stack")
    found.add_parser("companion", parents=[stage, given], help="deploy all but the functions of `chalice deploy`")
    destroy = found.add_parser("destroy", help="delete the stage's stack; the bucket with its reports stays")
    destroy.add_argument("--stage")
    of_readers = _of_readers()
    found.add_parser("reader", parents=[named, of_readers], help="deploy the reader role into an account")
    all_readers = found.add_parser("readers", parents=[named, of_readers], help="deploy the reader role's StackSet")
    all_readers.add_argument("--units", metavar="'ID …'", help="organizational units, or the root; others are kept")
    check = found.add_parser("check-member", parents=[named], help="tell whether an account's reader role answers")
    check.add_argument("--account", metavar="ID", help="which is checked")
    shown = found.add_parser("parameters", parents=[stage], help="check parameters, and print them a line each")
    shown.add_argument("--template", default="build/sam.json", help="which has the parameters; build/sam.json")
    shown.add_argument("--parameters", default="", metavar="'NAME=value …'")
    tags = found.add_parser("tags", help="check tags, and print them a line each")
    tags.add_argument("--tags", default="", metavar="'key=value …'")
    return parser


def _stage(default: str) -> argparse.ArgumentParser:
    stage = argparse.ArgumentParser(add_help=False)
    stage.add_argument("--stage", default=default, help=f"of .chalice/config.json; {default}".rstrip("; "))
    return stage


def _given() -> argparse.ArgumentParser:
    given = argparse.ArgumentParser(add_help=False)
    given.add_argument("--email", metavar="ADDRESS", help="which gets the messages")
    given.add_argument("--parameters", default="", metavar="'NAME=value …'", help="of the stack; others are kept")
    given.add_argument("--tags", default="", metavar="'key=value …'", help="of the stack; others are kept")
    return given


def _of_readers() -> argparse.ArgumentParser:
    given = argparse.ArgumentParser(add_help=False)
    given.add_argument("--profile", metavar="NAME", help="whose account the role or the StackSet is deployed into")
    given.add_argument("--scanner", metavar="ID", help="account that scans, if these credentials are not its own")
    given.add_argument("--parameters", default="", metavar="'NAME=value …'", help="of the role; others are kept")
    given.add_argument("--tags", default="", metavar="'key=value …'", help="of the stack; others are kept")
    return given


if __name__ == "__main__":
    terminal.run(main, *_REFUSALS)

"""What the two commands do, and what a person sees of it."""

import json
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from chalicelib.message import counted, coverage_line
from chalicelib.policy import InvalidPolicyError, ScanPolicy, parse_policy_text
from localaws.account import DEMO_ACCOUNT, Account, AccountError, load_account
from localaws.harness import REGION, LocalAws, LocalAwsError, PolicyRefusedError, ScanResult

_TABLE_ROWS = 25
_STYLES = {"expired": "bold red", "due_soon": "yellow"}


class BadInputError(Exception):
    """An argument or a file that is refused; the message is one clear line."""


@dataclass(frozen=True)
class ScanOutput:
    """Where a scan's results go, besides the screen."""

    folder: Path | None
    stats: Path | None
    report_alone: bool

    def prepare(self) -> None:
        """Refuse, before any work, a place that cannot be written to; clear away what an earlier scan left there."""
        try:
            if self.folder:
                (self.folder / "pages").mkdir(parents=True, exist_ok=True)
                for old in (self.folder / "report.json", *self.folder.glob("pages/[0-9][0-9][0-9][0-9].json")):
                    if old.exists() and '"scan_id"' not in old.read_text(errors="replace")[:1000]:
                        raise BadInputError(f"--out: {old} is not of a scan; choose another folder")
                    old.unlink(missing_ok=True)
            if self.stats:
                self.stats.write_text("")
        except OSError as error:
            raise BadInputError(f"{error.filename}: cannot be written: {error.strerror}") from error

    def write(self, result: ScanResult) -> None:
        """Write the scan's files and its stats."""
        try:
            if self.folder:
                for name, content in result.files.items():
                    path = self.folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            if self.stats:
                self.stats.write_text(json.dumps(result.stats, indent=2) + "\n")
            if self.report_alone and "report.json" in result.files:
                sys.stdout.write(result.files["report.json"].decode() + "\n")
                sys.stdout.flush()
        except OSError as error:
            raise LocalAwsError(
                f"{error.filename or 'standard output'}: cannot be written: {error.strerror}"
            ) from error


def scan(account_file: Path | None, policy: str, output: ScanOutput) -> int:
    """Run one whole scan and show it; return the exit status."""
    console = Console(stderr=output.report_alone, highlight=False)
    account = _load(account_file)
    users = _users_to_check(policy, account)
    output.prepare()
    try:
        with _progress(console) as progress:
            task = progress.add_task("Starting a local AWS and deploying the app", total=None)
            with LocalAws(account) as aws:
                progress.update(task, description="Asking IAM for each user's keys", total=users, completed=0)
                result = aws.scan(policy, lambda asked: progress.update(task, completed=min(asked, users)))
                progress.update(task, completed=users)
        output.write(result)
    except PolicyRefusedError as error:
        raise BadInputError(f"--policy: {error}") from error
    except LocalAwsError as error:
        return _failed(error)
    _show(console, result, output.folder)
    return 1 if result.error else 0


def serve(account_file: Path | None, port: int, api_port: int) -> int:
    """Stay up until Ctrl-C; return the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    account = _load(account_file)
    try:
        with LocalAws(account, port, api_port) as aws:
            _show_serving(console, aws)
            while not threading.Event().wait(0.5):  # signal.pause() sleeps on where another thread takes the signal
                pass
    except LocalAwsError as error:
        return _failed(error)
    except KeyboardInterrupt:
        console.print("\nStopped.")
    return 0


def _failed(error: LocalAwsError) -> int:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"localaws: {error}", markup=False, style="red")
    return 1


def _load(account_file: Path | None) -> Account:
    try:
        return load_account(account_file or DEMO_ACCOUNT)
    except AccountError as error:
        raise BadInputError(str(error)) from error


def _users_to_check(policy: str, account: Account) -> int:
    try:
        users = parse_policy_text(policy, ScanPolicy()).users
    except InvalidPolicyError as error:
        raise BadInputError(f"--policy: {error}") from error
    return len(users if users is not None else account.users)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _show(console: Console, result: ScanResult, folder: Path | None) -> None:
    console.print()
    for message in result.messages:
        console.print(Rule("The message, as a subscriber received it", align="left", style="dim"))
        console.print(Text(f"Subject: {message['Subject']}", style="bold"), soft_wrap=True)
        console.print(Text(f"\n{message['Message']}"), soft_wrap=True)
    if report := result.report:
        if not result.messages and not result.error:
            console.print("No message was sent: no key is expired and no user is unchecked.\n")
        _show_findings(console, report)
        if "users" in report["policy"] and report["not_found"]:
            console.print(f"IAM knows no user named {', '.join(report['not_found'])}.", markup=False, style="yellow")
        console.print(f"{coverage_line(report['coverage'])}\n{_verdict(report)}")
    if result.error:
        console.print(f"The scan {result.status}: {result.error}", markup=False, style="bold red")
    if folder and result.files:
        console.print(f"Kept in {folder}/: {', '.join(_top_level(result.files))}", markup=False)
    if not result.error:
        console.print(
            "\nWhat next:\n"
            "  make serve                          keep it running, for curl and the AWS CLI\n"
            "  make deploy STAGE=dev EMAIL=you@... put it into your own AWS account",
            markup=False,
        )


def _show_findings(console: Console, report: dict[str, Any]) -> None:
    findings = report["findings"]
    if not findings:
        console.print("No key is expired or due soon.")
        return
    console.print(Rule(f"The findings, as of {report['as_of']}", align="left", style="dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Days", justify="right", no_wrap=True)
    table.add_column("Overdue at", no_wrap=True)
    table.add_column("Access key id", no_wrap=True)
    table.add_column("User", overflow="fold")
    for finding in findings[:_TABLE_ROWS]:
        table.add_row(
            Text(finding["verdict"], style=_STYLES[finding["verdict"]]),
            str(finding["age_days"]),
            finding["overdue_at"][:10],
            finding["access_key_id"],
            Text(finding["user_name"]),
        )
    console.print(table)
    if len(findings) > _TABLE_ROWS:
        console.print(f"and {len(findings) - _TABLE_ROWS} more in the report.\n")


def _verdict(report: dict[str, Any]) -> str:
    totals = report["totals"]
    return f"Keys:  {totals['expired']} expired, {totals['due_soon']} due soon, {totals['ok']} ok."


def _top_level(files: dict[str, bytes]) -> list[str]:
    return sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in files})


def _show_serving(console: Console, aws: LocalAws) -> None:
    outputs = aws.outputs()
    console.print(
        f"iam-key-age is up with {counted(len(aws.account.users), 'user')}; Ctrl-C ends it. In another terminal:\n\n"
        f"export AWS_ENDPOINT_URL={aws.endpoint_url}\n"
        f"export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION={REGION}\n"
        f"export REPORTS_BUCKET={outputs['ReportsBucket']}\n"
        f"export STATE_MACHINE_ARN={outputs['StateMachineArn']}\n"
        f"export NOTIFICATIONS_TOPIC_ARN={outputs['NotificationsTopicArn']}\n"
        f"export MESSAGES_QUEUE_URL={aws.queue_url}\n\n"
        f"curl -X POST {aws.api_url}/scan -H 'Content-Type: application/json' -d '{{\"max_age_days\": 90}}'\n"
        f"curl {aws.api_url}/scan/SCAN_ID\n"
        f"aws sqs receive-message --endpoint-url {aws.endpoint_url} --queue-url {aws.queue_url}\n",
        markup=False,
    )

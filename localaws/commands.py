"""What the two commands do, and what a person sees of it."""

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from chalicelib.policy import InvalidPolicyError, ScanPolicy, parse_policy_text
from chalicelib.report import scan_kind
from chalicelib.shapes import Report
from chalicelib.wording import (
    advice_label,
    changes_lines,
    counted,
    coverage_line,
    keys_line,
    to_the_second,
)
from localaws.account import DEMO_ACCOUNT, Account, AccountError, load_account
from localaws.callers import CALLER_OF_THE_API, REGION
from localaws.documents import DocumentError
from localaws.faults import Faults, parse_faults
from localaws.harness import LocalAws, LocalAwsError, PolicyRefusedError, ScanResult

API_PORT = 8180  # of `make serve`
_TABLE_ROWS = 25
# What a scan keeps, and by which words within its first 1,000 characters it is known to be a scan's.
_KEPT = {
    "report.json": '"scan_id"',
    "report.csv": "scan_id",
    "report.html": "<title>IAM access keys",
    "pages/[0-9][0-9][0-9][0-9].json": '"scan_id"',
}
_STYLES = {"expired": "bold red", "unused": "red", "due_soon": "yellow"}


class BadInputError(Exception):
    """An argument or a file that is refused; the message is one clear line."""


@dataclass(frozen=True)
class ScanAccounts:
    """Account files: of the account to scan, None for the demo account, and of what it was before, None for nothing."""

    now: Path | None
    before: Path | None

    def load(self) -> tuple[Account, Account | None]:
        """Read both; BadInputError for a file that is refused, or two that are not of one account."""
        now, before = _load(self.now), _load(self.before) if self.before else None
        if before and before.account_id != now.account_id:
            raise BadInputError(f"--previous: is of account {before.account_id}; it takes one of {now.account_id}")
        return now, before


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
                for pattern, mark in _KEPT.items():
                    for old in self.folder.glob(pattern):
                        with old.open(errors="replace") as file:
                            if mark not in file.read(1000):
                                raise BadInputError(f"--out: {old} is not of a scan; choose another folder")
                        old.unlink()
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


def scan(accounts: ScanAccounts, policy: str, output: ScanOutput, faults: str) -> int:
    """Run one whole scan, and one of the account as it was before, and show it; return the exit status."""
    console = Console(stderr=output.report_alone, highlight=False)
    account, before = accounts.load()
    parsed, going_wrong = _parse(policy), _parse_faults(faults)
    if before and scan_kind(parsed.to_json()) != "full":
        raise BadInputError("--previous: full scans alone are compared; it takes a --policy without users and as_of")
    _warn_of_strangers(console, going_wrong, account)
    output.prepare()
    try:
        with _progress(console) as progress:
            task = progress.add_task("Starting a local AWS and deploying the app", total=None)
            with LocalAws(before or account) as aws:
                if before:
                    _require_success(aws.scan(policy, _bar(progress, task, len(before.users))))
                    aws.seed(account)
                aws.inject(going_wrong)
                users = len(account.users if parsed.users is None else parsed.users)
                result = aws.scan(policy, _bar(progress, task, users))
                progress.update(task, completed=None if result.error else users)
        output.write(result)
    except PolicyRefusedError as error:
        raise BadInputError(f"--policy: {error}") from error
    except LocalAwsError as error:
        return _failed(error)
    _show(console, result, output.folder)
    if not result.error:
        _show_next(console, of_the_demo=accounts.now is None)
    return exit_status(result)


def exit_status(result: ScanResult) -> int:
    """Say a scan's end as a process does: 0 it succeeded, whatever it found, 1 it failed."""
    return 1 if result.error else 0


def _require_success(result: ScanResult) -> None:
    if result.error:
        raise LocalAwsError(f"The scan of --previous {result.status}: {result.error}")


def _bar(progress: Progress, task: TaskID, users: int) -> Callable[[int], None]:
    """Begin a scan's progress; return what to tell how many users were asked for."""
    progress.reset(task, description="Asking IAM for each user's keys", total=users)
    return lambda asked: progress.update(task, completed=min(asked, users))


def serve(account_file: Path | None, port: int, api_port: int, faults: str) -> int:
    """Stay up until Ctrl-C; return the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    account, going_wrong = _load(account_file), _parse_faults(faults)
    _warn_of_strangers(console, going_wrong, account)
    try:
        with LocalAws(account, port, api_port) as aws:
            aws.inject(going_wrong)
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


def _parse(policy: str) -> ScanPolicy:
    try:
        return parse_policy_text(policy, ScanPolicy())
    except InvalidPolicyError as error:
        raise BadInputError(f"--policy: {error}") from error


def _parse_faults(faults: str) -> Faults:
    try:
        return parse_faults(faults)
    except DocumentError as error:
        raise BadInputError(f"--faults: {error}") from error


def _warn_of_strangers(console: Console, faults: Faults, account: Account) -> None:
    """Say which users the faults name for nothing: a typo would look as if a scan had survived them."""
    known = {user.user_name for user in account.users}
    for field, named in (("deny", faults.iam.deny), ("delete", faults.iam.delete)):
        if strangers := [name for name in named if name not in known]:
            console.print(f"--faults: iam.{field}: the account has no user {', '.join(strangers)}", style="yellow")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _show(console: Console, result: ScanResult, folder: Path | None) -> None:
    console.print()
    for message in result.mail:
        console.print(Rule("The message, as a subscriber received it by e-mail", align="left", style="dim"))
        console.print(Text(f"Subject: {message['Subject']}", style="bold"), soft_wrap=True)
        console.print(Text(f"\n{message['Message']}"), soft_wrap=True)
    if report := result.report:
        if not result.mail and not result.error:
            console.print("No message was sent: there is nothing to act on, and the report is complete.\n")
        _show_findings(console, report)
        if "users" in report["policy"] and report["not_found"]:
            console.print(f"IAM knows no user named {', '.join(report['not_found'])}.", markup=False, style="yellow")
        console.print(f"{coverage_line(report['coverage'])}\n{keys_line(report)}")
        for line in changes_lines(report):
            console.print(line, markup=False)
    if result.error:
        console.print(f"The scan {result.status}: {result.error}", markup=False, style="bold red")
    if folder and result.files:
        console.print(f"Kept in {folder}/: {', '.join(_top_level(result.files))}", markup=False)
        if "report.html" in result.files:
            console.print(f"Open {folder / 'report.html'} in a browser: the report for people.", markup=False)


def _show_next(console: Console, of_the_demo: bool) -> None:
    """Say what to do after a scan; what is served by default is the demo account."""
    console.print("\nWhat next:\n  make deploy STAGE=dev EMAIL=you@... put it into your own AWS account", markup=False)
    if of_the_demo:
        serve = "  make serve                          keep it running; in another terminal:\n\n"
        console.print(serve + example_calls(f"http://127.0.0.1:{API_PORT}"), markup=False, soft_wrap=True)


def _show_findings(console: Console, report: Report) -> None:
    findings = report["findings"]
    if not findings:
        console.print("No key is expired or due soon.")
        return
    console.print(Rule(f"The findings, as of {to_the_second(report['as_of'])}", align="left", style="dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Days", justify="right", no_wrap=True)
    table.add_column("What to do", no_wrap=True)
    table.add_column("Access key id", no_wrap=True)
    table.add_column("User", overflow="fold")
    for finding in findings[:_TABLE_ROWS]:
        table.add_row(
            Text(finding["verdict"], style=_STYLES[finding["verdict"]]),
            str(finding["age_days"]),
            advice_label(finding),
            finding["access_key_id"],
            Text(finding["user_name"]),
        )
    console.print(table)
    if len(findings) > _TABLE_ROWS:
        console.print(f"and {len(findings) - _TABLE_ROWS} more in the report.\n")


def _top_level(files: dict[str, bytes]) -> list[str]:
    return sorted({name.partition("/")[0] + ("/" if "/" in name else "") for name in files})


def example_calls(api_url: str) -> str:
    """Return two commands that call a REST API of the local AWS: a scan of one user, and the list of scans."""
    key_id, secret = CALLER_OF_THE_API
    return (
        f"curl -X POST {api_url}/scan \\\n"
        f"  --aws-sigv4 aws:amz:{REGION}:execute-api --user {key_id}:{secret} \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        '  -d \'{"users": ["pubudu"], "wait_seconds": 25}\'\n'
        f".venv/bin/awscurl --region {REGION} \\\n"
        f"  --access_key {key_id} --secret_key {secret} {api_url}/scan"
    )


def _show_serving(console: Console, aws: LocalAws) -> None:
    outputs, (key_id, secret) = aws.outputs(), CALLER_OF_THE_API
    console.print(
        f"iam-key-age is up with {counted(len(aws.account.users), 'user')}; Ctrl-C ends it. In another terminal:\n\n"
        f"export AWS_ENDPOINT_URL={aws.endpoint_url}\n"
        f"export AWS_ACCESS_KEY_ID={key_id} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION={REGION}\n"
        f"export REPORTS_BUCKET={outputs['ReportsBucket']}\n"
        f"export STATE_MACHINE_ARN={outputs['StateMachineArn']}\n"
        f"export NOTIFICATIONS_TOPIC_ARN={outputs['NotificationsTopicArn']}\n"
        f"export MESSAGES_QUEUE_URL={aws.queue_url}\n"
        f"export ENDPOINT_URL={aws.api_url}/\n\n"
        f"{example_calls(aws.api_url)}\n"
        f"aws sqs receive-message --endpoint-url {aws.endpoint_url} --queue-url {aws.queue_url}\n",
        markup=False,
    )

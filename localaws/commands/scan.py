"""What the commands `scan` and `serve` do."""

import errno
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.text import Text

from chalicelib.outputs.sentences import counted
from chalicelib.policy import InvalidPolicyError, ScanPolicy, parse_policy_text
from chalicelib.report.summary import scan_kind
from deploy.terminal import cannot_be_written, output_failure
from localaws.accounts.account_file import DEMO_ACCOUNT, Account, AccountError, load_account
from localaws.clients import CALLER_OF_THE_API, REGION, no_proxy_to_export
from localaws.commands.console import print_wrapped, show_kept, show_result
from localaws.commands.progress import progress_bar
from localaws.commands.scan_output import OutputError, ScanOutput
from localaws.environment import LocalAws, LocalAwsError, PolicyRefusedError, ScanResult
from localaws.faults import Faults, parse_faults
from localaws.strict_json import DocumentError

API_PORT = 8180  # of `make serve`
_MOST_TEMPORARY_BYTES = 4_000_000  # that the local AWS writes, for a small account
_CANNOT_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


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


def scan(accounts: ScanAccounts, policy: str, output: ScanOutput, faults: str) -> int:
    """Run one whole scan, and one of the account as it was before, and show it; return the exit status."""
    console = Console(stderr=output.report_alone, highlight=False)
    account, before = accounts.load()
    parsed, going_wrong = _parse(policy), _parse_faults(faults)
    if before and scan_kind(parsed.to_json()) != "full":
        raise BadInputError("--previous: full scans alone are compared; it takes a --policy without users and as_of")
    _warn_of_strangers(console, going_wrong, account)
    _prepare(output)
    try:
        _require_room()
        with progress_bar(console) as progress:
            task = progress.add_task("Starting a local AWS and deploying the app", total=None)
            with LocalAws(before or account) as aws:
                if before:
                    _require_success(aws.scan(policy, _bar(progress, task, len(before.users))))
                    aws.seed(account)
                aws.inject(going_wrong)
                users = len(account.users if parsed.users is None else parsed.users)
                result = aws.scan(policy, _bar(progress, task, users))
                progress.update(task, completed=None if result.error else users)
    except PolicyRefusedError as error:
        raise BadInputError(f"--policy: {error}") from error
    except (LocalAwsError, OSError) as error:
        return _failed(_in_a_line(error))
    return _finish(console, result, output, of_the_demo=accounts.now is None)


def _finish(console: Console, result: ScanResult, output: ScanOutput, of_the_demo: bool) -> int:
    """Keep and show what came of a scan; return the exit status."""
    not_written = list(output.write(result))
    show_result(console, result)
    if output.folder and result.files and not not_written:
        show_kept(console, output.folder, result)
    if output.report_alone and "report.json" in result.files:
        print(result.files["report.json"].decode())  # noqa: T201  # it is what was asked for
    if not result.error and not not_written:
        _show_next(console, of_the_demo)
    for line in not_written:
        _failed(line)
    return 1 if not_written else exit_status(result)


def exit_status(result: ScanResult) -> int:
    """Say a scan's end as a process does: 0 it succeeded, whatever it found, 1 it failed."""
    return 1 if result.error else 0


def _require_room() -> None:
    """Raise a LocalAwsError if the disk is so full that the functions would fail, each in its own way."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < _MOST_TEMPORARY_BYTES:
        wanted = f"{free // 1000} kB are free, and the local AWS takes up to {_MOST_TEMPORARY_BYTES // 1_000_000} MB"
        raise LocalAwsError(f"{folder}: No space left on device: {wanted}. Free some, or set TMPDIR to another folder")


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
        _require_room()
        with LocalAws(account, port, api_port) as aws:
            aws.inject(going_wrong)
            _show_serving(console, aws)
            while not output_failure():
                time.sleep(0.5)  # signal.pause() sleeps on where another thread takes the signal
    except (LocalAwsError, OSError) as error:
        return _failed(_in_a_line(error))
    except KeyboardInterrupt:
        console.print("\nStopped.")
    return 0


def _failed(line: str) -> int:
    Console(stderr=True, highlight=False).print(Text(f"localaws: {line}", style="red"), soft_wrap=True)
    return 1


def _in_a_line(error: LocalAwsError | OSError) -> str:
    """Return what to say of an error; a full disk names no place where a file that is open is written to."""
    if isinstance(error, shutil.Error) or (isinstance(error, OSError) and error.errno in _CANNOT_BE_WRITTEN):
        return cannot_be_written(error, tempfile.gettempdir())
    return str(error)


def _prepare(output: ScanOutput) -> None:
    try:
        output.prepare()
    except OutputError as error:
        raise BadInputError(str(error)) from error


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
            print_wrapped(console, f"--faults: iam.{field}: the account has no user {', '.join(strangers)}", "yellow")


def _show_next(console: Console, of_the_demo: bool) -> None:
    """Say what to do after a scan; what is served by default is the demo account."""
    print_wrapped(console, "\nWhat next:\n  make deploy STAGE=dev EMAIL=you@... put it into your own AWS account")
    if of_the_demo:
        print_wrapped(console, "  make serve                          keep it running; in another terminal:\n")
        console.print(example_calls(f"http://127.0.0.1:{API_PORT}"), markup=False, soft_wrap=True)


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
        f"export ENDPOINT_URL={aws.api_url}/\n"
        f"{no_proxy_to_export()}\n"
        f"{example_calls(aws.api_url)}\n"
        f"aws sqs receive-message --endpoint-url {aws.endpoint_url} --queue-url {aws.queue_url}\n",
        markup=False,
    )

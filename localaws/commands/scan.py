"""What the commands `scan` and `serve` do."""

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.progress import Progress, TaskID

from chalicelib.policy import ScanRequest
from chalicelib.report.summary import scan_kind
from localaws.accounts.account_file import Account
from localaws.commands.arguments import (
    BadInputError,
    ScanAccounts,
    read_faults,
    read_policy,
    read_stack_parameters,
    warn_of_strangers,
    with_organization,
)
from localaws.commands.console import show_kept, show_result
from localaws.commands.failures import (
    in_a_line,
    require_room,
    show_failure,
)
from localaws.commands.printing import print_wrapped
from localaws.commands.progress import progress_bar
from localaws.commands.scan_output import OutputError, ScanOutput
from localaws.commands.serve import API_PORT, example_calls
from localaws.environment import LocalAws
from localaws.scan_run import LocalAwsError, PolicyRefusedError, ScanResult

_OF_ACCOUNT = "  make deploy STAGE=dev EMAIL=you@... put it into your own AWS account"
_OF_ORGANIZATION = (
    "  make deploy STAGE=dev EMAIL=you@... PARAMETERS='Accounts=organization'\n"
    "put it into your own organization; docs/organization.md has the steps after it"
)


def scan(accounts: ScanAccounts, policy: str, output: ScanOutput, faults: str, parameters: str = "") -> int:
    """Run one whole scan, and one of the account as it was before, and show it; return the exit status."""
    console = Console(stderr=output.report_alone, highlight=False)
    account, before = accounts.load()
    request, going_wrong = read_policy(policy, account), read_faults(faults)
    given = with_organization(account, read_stack_parameters(parameters))
    if before and (scan_kind(request.policy.to_json()) != "full" or request.accounts is not None):
        raise BadInputError("--previous: full scans alone are compared; it takes a --policy without users and as_of")
    warn_of_strangers(console, going_wrong, account)
    _prepare(output)
    try:
        require_room()
        with progress_bar(console) as progress:
            task = progress.add_task("Starting a local AWS and deploying the app", total=None)
            with LocalAws(before or account, parameters=given) as aws:
                if before:
                    _require_success(aws.scan(policy, _bar(progress, task, _asked_for(before, request, given))))
                    aws.seed(account)
                aws.inject(going_wrong)
                asked_for = _asked_for(account, request, given)
                result = aws.scan(policy, _bar(progress, task, asked_for))
                progress.update(task, completed=None if result.error else asked_for[1])
    except PolicyRefusedError as error:
        raise BadInputError(f"--policy: {error}") from error
    except (LocalAwsError, OSError) as error:
        return show_failure(in_a_line(error))
    next_steps = _OF_ORGANIZATION if given.get("Accounts") else _OF_ACCOUNT
    return _finish(console, result, output, next_steps, of_the_demo=accounts.now is None)


def _finish(console: Console, result: ScanResult, output: ScanOutput, next_steps: str, of_the_demo: bool) -> int:
    """Keep and show what came of a scan; return the exit status."""
    not_written = list(output.write(result))
    show_result(console, result)
    if output.folder and result.files and not not_written:
        show_kept(console, output.folder, result)
    if output.report_alone and "report.json" in result.files:
        print(result.files["report.json"].decode())  # noqa: T201  # it is what was asked for
    if not result.error and not not_written:
        _show_next(console, next_steps, of_the_demo)
    for line in not_written:
        show_failure(line)
    return 1 if not_written else exit_status(result)


def exit_status(result: ScanResult) -> int:
    """Return a scan's exit status: 0 if it succeeded, whatever it found, 1 if it failed."""
    return 1 if result.error else 0


def _require_success(result: ScanResult) -> None:
    if result.error:
        raise LocalAwsError(f"The scan of --previous {result.status}: {result.error}")


def _asked_for(account: Account, request: ScanRequest, parameters: Mapping[str, str]) -> tuple[str, int]:
    """Return what a scan does, and for how many accounts or users."""
    users = request.policy.users
    if parameters.get("Accounts") and (users is None or request.accounts is not None):
        accounts = [one for one in account.all_accounts() if getattr(one, "state", "ACTIVE") == "ACTIVE"]
        return "Scanning each account", len(accounts if request.accounts is None else request.accounts)
    return "Asking IAM for each user's keys", len(account.users if users is None else users)


def _bar(progress: Progress, task: TaskID, asked_for: tuple[str, int]) -> Callable[[int], None]:
    """Begin a scan's progress; return what to tell how much of it is done."""
    description, total = asked_for
    progress.reset(task, description=description, total=total)
    return lambda done: progress.update(task, completed=min(done, total))


def _prepare(output: ScanOutput) -> None:
    try:
        output.prepare()
    except OutputError as error:
        raise BadInputError(str(error)) from error


def _show_next(console: Console, next_steps: str, of_the_demo: bool) -> None:
    """Print what to do after a scan; what is served by default is the demo account."""
    print_wrapped(console, f"\nWhat next:\n{next_steps}")
    if of_the_demo:
        print_wrapped(console, "  make serve                          keep it running; in another terminal:\n")
        console.print(example_calls(f"http://127.0.0.1:{API_PORT}"), markup=False, soft_wrap=True)

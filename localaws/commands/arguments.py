"""What the commands are given, read or refused."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from chalicelib.policy import InvalidPolicyError, ScanPolicy, ScanRequest, parse_policy_text, parse_request
from chalicelib.settings import InvalidSettingError
from deploy.package import PROJECT
from deploy.parameters import check_deactivation, split_assignments
from deploy.parameters import read_parameters as check_parameters
from deploy.telling import OF_NOTICES, check_notices
from deploy.template import RESOURCES, read_resources
from localaws.accounts.account_file import DEMO_ACCOUNT, Account, AccountError, load_account
from localaws.commands.printing import print_wrapped
from localaws.faults import Faults, parse_faults
from localaws.strict_json import DocumentError


class BadInputError(Exception):
    """An argument or a file that is refused; the message is one clear line."""


@dataclass(frozen=True)
class ScanAccounts:
    """Account files: of the account to scan, None for the demo account, and of what it was before, None for nothing."""

    now: Path | None
    before: Path | None

    def load(self) -> tuple[Account, Account | None]:
        """Read both; BadInputError for a file that is refused, or two that are not of one account."""
        now, before = read_account(self.now), read_account(self.before) if self.before else None
        if before and before.account_id != now.account_id:
            raise BadInputError(f"--previous: is of account {before.account_id}; it takes one of {now.account_id}")
        if before and bool(before.accounts) != bool(now.accounts):
            one = "one of an organization" if now.accounts else "one without accounts"
            raise BadInputError(f"--previous: takes {one}, as the account to scan is")
        return now, before


def read_account(account_file: Path | None) -> Account:
    """Return the account of a file, the demo account for None; raise BadInputError if it is refused."""
    try:
        return load_account(account_file or DEMO_ACCOUNT)
    except AccountError as error:
        raise BadInputError(str(error)) from error


def read_policy(policy: str, account: Account) -> ScanRequest:
    """Return the scan policy of --policy, for an organization with `accounts`; BadInputError if it is refused."""
    try:
        if not account.accounts:
            return ScanRequest(parse_policy_text(policy, ScanPolicy()))
        request = parse_request(policy, ScanPolicy())
    except InvalidPolicyError as error:
        raise BadInputError(f"--policy: {error}") from error
    if request.wait_seconds:
        raise BadInputError("--policy: takes no wait_seconds: the command waits for the scan's end")
    return request


def read_faults(faults: str) -> Faults:
    """Return the faults of --faults; raise BadInputError if they are refused."""
    try:
        return parse_faults(faults)
    except DocumentError as error:
        raise BadInputError(f"--faults: {error}") from error


def read_stack_parameters(parameters: str) -> dict[str, str]:
    """Return the stack parameters of --parameters; raise BadInputError if the template does not take one."""
    known = read_resources(PROJECT / RESOURCES)["Parameters"]
    try:
        given = check_parameters(known, split_assignments(parameters, "--parameters"), "--parameters")
        check_deactivation(given, "--parameters: ")
        check_notices({name: str(known[name]["Default"]) for name in OF_NOTICES} | given, "--parameters: ")
    except InvalidSettingError as error:
        raise BadInputError(str(error)) from error
    return given


def warn_of_strangers(console: Console, faults: Faults, account: Account) -> None:
    """Print which users and accounts the faults name in vain: a typo would look as if a scan had survived them."""
    known = {user.user_name for one in account.all_accounts() for user in one.users}
    of_iam = [("", faults.iam), *((f"accounts.{one}.", of.iam) for one, of in faults.accounts.items() if of.iam)]
    for where, iam in of_iam:
        for field, named in (("deny", iam.deny), ("delete", iam.delete)):
            if strangers := [name for name in named if name not in known]:
                said = f"--faults: {where}iam.{field}: the account has no user {', '.join(strangers)}"
                print_wrapped(console, said, "yellow")
    ids = {one.account_id for one in account.all_accounts()}
    if strangers := [one for one in faults.accounts if one not in ids]:
        print_wrapped(console, f"--faults: accounts: the account file has no account {', '.join(strangers)}", "yellow")


def with_organization(account: Account, parameters: dict[str, str]) -> dict[str, str]:
    """Return the stack parameters, by which an account file of an organization is scanned as one."""
    return {"Accounts": "organization", **parameters} if account.accounts else parameters

"""A snapshot of an AWS account as an account file, with the caller's own credentials: it only reads, and only IAM."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from chalicelib.aws.iam import USERS_AT_A_TIME, ask_last_use, describe_users, list_keys, list_users
from deploy.sessions import DEFAULT_REGION, user_session
from localaws.accounts.account_details import OPERATION as DETAILS
from localaws.accounts.account_details import AccountDetails
from localaws.accounts.account_fit import Fitting, alias_that_fits, unknown
from localaws.accounts.aws_errors import Caller, describe, is_refusal, one_line, words
from localaws.accounts.iam_answers import (
    Notes,
    OddAnswerError,
    StrictAsking,
    is_odd,
    name_of,
    odd_answer,
    read_key,
    read_last_use,
    read_root,
    what_is_odd,
)

READ_POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "ListUsersAndReadTheAccount",  # which IAM allows on no single resource
            "Effect": "Allow",
            "Action": [
                "iam:ListUsers",
                "iam:GetAccountAuthorizationDetails",
                "iam:GetAccountSummary",
                "iam:ListAccountAliases",
            ],
            "Resource": "*",
        },
        {
            "Sid": "ReadKeysOfUsers",
            "Effect": "Allow",
            "Action": ["iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"],
            "Resource": "arn:*:iam::*:user/*",
        },
    ],
}
Service = Literal["sts", "iam", "organizations"]
TRIES = {"sts": 3, "iam": 10, "organizations": 10}  # the first call, of STS, tells soon whether there is a way at all
_ASKING = StrictAsking(lambda: False)
_NAMELESS = "the answer to ListUsers has a user without UserName"
_NO_ACCOUNT = "000000000000"


class SnapshotError(Exception):
    """No snapshot could be taken; the message says why and what to do."""


@dataclass(frozen=True)
class Snapshot:
    """An account file's document, the calls that were refused, by user, what else was odd, and who was deleted."""

    document: dict[str, Any]
    refused: Mapping[str, list[str]]
    gone: list[str]
    notes: Notes


@dataclass(frozen=True)
class Access:
    """A client of IAM with credentials that AWS takes, and whose and of which account those are."""

    caller: Caller
    account_id: str
    iam: Any
    session: boto3.session.Session = field(default_factory=boto3.session.Session)


def take_snapshot(profile: str | None, progress: Callable[[int, int], None] = lambda *_: None) -> Snapshot:
    """Read all users with their keys, last uses and tags, with a profile's credentials; see `read_account`."""
    return read_account(log_in(profile), progress)


def log_in(profile: str | None) -> Access:
    """Get the credentials, asking for an MFA code where the profile wants one; SnapshotError if AWS takes none."""
    region = os.environ.get("AWS_REGION") or DEFAULT_REGION
    caller = Caller(profile or os.environ.get("AWS_PROFILE") or "default", region)
    try:
        session = user_session(profile)
        caller = Caller(session.profile_name, session.region_name or DEFAULT_REGION)
        _get_credentials(session)
        sts, iam = make_client(session, "sts", caller.region), make_client(session, "iam", caller.region)
        return Access(caller, str(_ASKING.ask(sts.get_caller_identity).get("Account")), iam, session)
    except OddAnswerError as error:
        raise SnapshotError(_not_of_aws(error)) from error
    except Exception as error:  # of a credential process, a file, an endpoint: botocore translates only some
        raise SnapshotError(describe(error, caller)) from error


def _get_credentials(session: boto3.session.Session) -> None:
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    credentials.get_frozen_credentials()


def make_client(session: boto3.session.Session, service: Service, region: str) -> Any:
    """Return a client of a session that tries a call again for a while."""
    retries: Any = {"mode": "adaptive", "total_max_attempts": TRIES[service]}
    return session.client(
        service, region_name=region, config=Config(connect_timeout=5, read_timeout=20, retries=retries)
    )


def read_account(access: Access, progress: Callable[[int, int], None] = lambda *_: None) -> Snapshot:
    """Read the account and all users; `progress` gets how many of how many users are read.

    A call that is refused, and an answer that cannot be used, is kept as that. Raise SnapshotError for anything else
    that is in the way: the session is over, IAM throttles for good, no network.
    """
    iam, notes = access.iam, Notes()
    try:
        listed = list_users(iam, _ASKING)
        account, details = _read_account(iam, notes)
        users = []
        with ThreadPoolExecutor(USERS_AT_A_TIME) as threads:
            for user in threads.map(lambda user: _read_user(iam, user, notes), listed):
                users.append(user)
                progress(len(users), len(listed))
    except (ClientError, BotoCoreError, OSError, RuntimeError) as error:  # the last two of getting credentials anew
        raise SnapshotError(describe(error, access.caller)) from error
    except OddAnswerError as error:
        raise SnapshotError(_not_of_aws(error)) from error
    pairs = [(of, user) for of, user in zip(listed, users, strict=True) if user is not None]
    if details:
        pairs = [(of, _with_details(user, details)) for of, user in pairs]
        account |= {"policies": details.policies, "groups": list(details.groups.values())}
    fitted = Fitting(notes).fit(pairs)
    root = account["root"]
    denied = {"(the root user)": {"GetAccountSummary": root["denied"]}} if "denied" in root else {}
    denied |= {"(the account)": account["denied"]} | {user["user_name"]: user["denied"] for user in fitted}
    return Snapshot(
        document={"account_id": _account_id(access, notes), **account, "users": fitted},
        refused=_refused(denied, notes),
        gone=[str(name_of(of)) for of, user in zip(listed, users, strict=True) if user is None],
        notes=notes,
    )


def _read_account(iam: Any, notes: Notes) -> tuple[dict[str, Any], AccountDetails | None]:
    """Return what the file has of the account itself, and what IAM tells of all users at once, if it does."""
    denied: dict[str, str] = {}
    alias = _unless_refused(denied, "ListAccountAliases", lambda: _alias(iam))
    details = _unless_refused(denied, DETAILS, lambda: AccountDetails(describe_users(iam, _ASKING), notes))
    return {"alias": alias, "root": _read_root(iam), "policies": {}, "groups": [], "denied": denied}, details


def _alias(iam: Any) -> str | None:
    aliases = _ASKING.items("AccountAliases", iam.list_account_aliases)
    return alias_that_fits(aliases[0] if aliases else None)  # an account has one at most


def _with_details(user: dict[str, Any], details: AccountDetails) -> dict[str, Any]:
    if "ListUserTags" in user["denied"]:  # a user whose name is not known
        return user
    try:
        return {**user, **details.of_user(user["user_name"])}
    except OddAnswerError as error:
        return unknown(user, "ListUserTags", str(error))


def _not_of_aws(error: OddAnswerError) -> str:
    return (
        f"This is not how AWS answers: {error}. Check what may answer instead: AWS_ENDPOINT_URL, a proxy, the network."
    )


def _account_id(access: Access, notes: Notes) -> str:
    if re.fullmatch("[0-9]{12}", access.account_id):
        return access.account_id
    said = one_line(access.account_id)
    notes.add(f"The account id is not 12 digits and is {_NO_ACCOUNT} in the file", f'"{said}"')
    return _NO_ACCOUNT


def _refused(denied: Mapping[str, Mapping[str, str]], notes: Notes) -> dict[str, list[str]]:
    """Return the operations that were refused, by user; the other answers that could not be read become notes."""
    refused: dict[str, list[str]] = {}
    for name, operations in denied.items():
        for operation, said in sorted(operations.items()):
            if is_odd(said):
                notes.add(f"Unknown ({what_is_odd(said)})", name)
            else:
                refused.setdefault(name, []).append(operation)
    return refused


def write_privately(document: Mapping[str, Any], path: Path) -> None:
    """Write an account file that its owner alone can read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(document, indent=1) + "\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read_user(iam: Any, listed: Mapping[str, Any], notes: Notes | None = None) -> dict[str, Any] | None:
    """Read one user's keys; None for one who was deleted meanwhile."""
    notes, name = notes or Notes(), name_of(listed)
    nothing: dict[str, Any] = {"tags": {}, "groups": [], "policies": [], "inline_policies": {}, "access_keys": []}
    user: dict[str, Any] = {"user_name": name or "", "path": listed.get("Path") or "/", **nothing}
    if name is None:
        return {**user, "denied": {one: odd_answer(one, _NAMELESS) for one in ("ListAccessKeys", "ListUserTags")}}
    denied: dict[str, str] = {}
    try:
        keys = _unless_refused(denied, "ListAccessKeys", lambda: _keys(iam, name, notes)) or {}
        used = {key_id: _last_used(iam, denied, key_id) for key_id in keys}
    except iam.exceptions.NoSuchEntityException:
        return None
    access_keys = [{**key, **last} for key_id, key in keys.items() if (last := used[key_id]) is not None]
    return {**user, "access_keys": access_keys, "denied": denied}


def _keys(iam: Any, user_name: str, notes: Notes) -> dict[str, dict[str, Any]]:
    """Return a user's keys by their ids: none is there twice, though it may be listed twice."""
    listed = (read_key(one, notes) for one in list_keys(iam, _ASKING, user_name))
    return {key["access_key_id"]: key for key in listed}


def _last_used(iam: Any, denied: dict[str, str], access_key_id: str) -> dict[str, Any] | None:
    """Return a key's last use, {} if it was never used or is unknown; None for a key that was deleted meanwhile."""
    operation = "GetAccessKeyLastUsed"
    try:
        used = _unless_refused(
            denied,
            operation,
            lambda: read_last_use(ask_last_use(iam, _ASKING, access_key_id)),
        )
    except iam.exceptions.NoSuchEntityException:
        return None
    return {"last_used": used} if used else {}


def _read_root(iam: Any) -> dict[str, Any]:
    denied: dict[str, str] = {}
    operation = "GetAccountSummary"
    root = _unless_refused(denied, operation, lambda: read_root(_ASKING.ask(iam.get_account_summary)))
    return root or {"denied": denied[operation]}


def _unless_refused(denied: dict[str, str], operation: str, call: Callable[[], Any]) -> Any:
    """Call IAM; None where that is refused, or the answer cannot be used, with the words kept. Raise other errors."""
    try:
        return call()
    except OddAnswerError as error:
        denied[operation] = odd_answer(operation, str(error))
    except ClientError as error:
        if not is_refusal(error):
            raise
        denied[operation] = words(error)
    return None

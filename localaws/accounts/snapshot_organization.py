"""A snapshot of all accounts of an organization as one account file, by the same role in each."""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from localaws.accounts.account_file import LONGEST_ACCOUNT_NAME, STATES
from localaws.accounts.aws_errors import code, describe, is_refusal, one_line, words
from localaws.accounts.snapshot import READ_POLICY, Access, Snapshot, SnapshotError, make_client, read_account
from localaws.reader_role import Reader

_ACCOUNTS_AT_A_TIME = 4
_WHERE = "Organizations lists accounts for the management account and for delegated administrators alone"
_NO_ORGANIZATION = "Leave out --organization to read this account alone"
_REFUSALS = {"AccessDeniedException": _WHERE, "AWSOrganizationsNotInUseException": _NO_ORGANIZATION}


@dataclass(frozen=True)
class OrganizationSnapshot:
    """An account file's document, what was read of each account, and why others were not; by name and id."""

    document: dict[str, Any]
    read: Mapping[str, Snapshot]
    unread: Mapping[str, str]


@dataclass(frozen=True)
class _Listed:
    account_id: str
    name: str
    state: str

    @property
    def label(self) -> str:
        return f"{self.name} ({self.account_id})"


def read_policy(reader: Reader) -> dict[str, Any]:
    """Return the IAM policy that a snapshot of an organization needs."""
    assume = {
        "Sid": "AssumeTheReaderRole",
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Resource": f"arn:*:iam::*:role/{reader.role_name}",
    }
    listing = {  # which IAM allows on no single resource
        "Sid": "ListTheAccounts",
        "Effect": "Allow",
        "Action": "organizations:ListAccounts",
        "Resource": "*",
    }
    return {**READ_POLICY, "Statement": [*READ_POLICY["Statement"], listing, assume]}


def read_organization(
    access: Access, reader: Reader, progress: Callable[[int, int], None] = lambda *_: None
) -> OrganizationSnapshot:
    """Read this account with its own credentials, and the others of the organization by a role.

    `progress` gets how many of how many accounts are read. An account whose role STS refuses, or that cannot be read,
    is kept without users. Raise SnapshotError if the accounts cannot be listed, or this one cannot be read.
    """
    listed = _list_accounts(access)
    own = next((one for one in listed if one.account_id == access.account_id), None)
    others = [one for one in listed if one != own]
    progress(0, len(listed))
    taken = read_account(access)
    own_name = {"name": own.name} if own else {}
    document, accounts = {**taken.document, **own_name}, []
    read, unread = {own.label if own else access.account_id: taken}, {}
    with ThreadPoolExecutor(_ACCOUNTS_AT_A_TIME) as threads:
        for one, outcome in zip(others, threads.map(partial(_read, access, reader), others), strict=True):
            identity = {"account_id": one.account_id, "name": one.name, "state": one.state}
            if isinstance(outcome, Snapshot):
                read[one.label] = outcome
                accounts.append({**outcome.document, **identity})
            else:
                unread[one.label] = outcome
                accounts.append({**identity, "reader_role": False, "users": []})
            progress(len(accounts) + 1, len(listed))
    return OrganizationSnapshot({**document, "accounts": accounts}, read, unread)


def _list_accounts(access: Access) -> list[_Listed]:
    client = make_client(access.session, "organizations", access.caller.region)
    try:
        pages = list(client.get_paginator("list_accounts").paginate())  # which goes on after an empty page
        return [_listed(account) for page in pages for account in page["Accounts"]]
    except ClientError as error:
        advice = _REFUSALS.get(code(error))
        raise SnapshotError(f"{words(error)} {advice}." if advice else describe(error, access.caller)) from error
    except (BotoCoreError, OSError, RuntimeError, LookupError, TypeError) as error:
        raise SnapshotError(describe(error, access.caller)) from error


def _listed(account: Mapping[str, Any]) -> _Listed:
    """Return an account as an account file takes it; a state that is not known here counts as closed."""
    account_id, state = str(account["Id"]), str(account.get("State") or account.get("Status"))
    name = re.sub(r"[^ -~]", "_", one_line(account.get("Name") or account_id))[:LONGEST_ACCOUNT_NAME]
    return _Listed(account_id, name, state if state in STATES else "CLOSED")


def _read(access: Access, reader: Reader, account: _Listed) -> Snapshot | str:
    """Return what was read of an account, or why it could not be read."""
    if account.state != "ACTIVE":
        return f"its state is {account.state}"
    member = _assume(access, reader, account.account_id)
    if not isinstance(member, Access):
        return member
    try:
        return read_account(member)
    except SnapshotError as error:
        return str(error)


def _assume(access: Access, reader: Reader, account_id: str) -> Access | str:
    """Return how an account is reached, or why STS refuses it; raise SnapshotError if STS does not work at all."""
    region = access.caller.region
    role_arn = f"arn:{access.session.get_partition_for_region(region)}:iam::{account_id}:role/{reader.role_name}"
    asked = {"RoleArn": role_arn, "RoleSessionName": "iam-key-age", "ExternalId": reader.external_id}
    try:
        given = make_client(access.session, "sts", region).assume_role(**asked)["Credentials"]
        keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        session = boto3.session.Session(*keys, region_name=region)
        answered = make_client(session, "sts", region).get_caller_identity()["Account"]
    except ClientError as error:
        if is_refusal(error):
            return words(error)
        raise SnapshotError(describe(error, access.caller)) from error
    except (BotoCoreError, OSError, RuntimeError, LookupError, TypeError) as error:
        raise SnapshotError(describe(error, access.caller)) from error
    if answered != account_id:
        return f"another account answered: {one_line(answered)}"
    return replace(access, account_id=account_id, iam=make_client(session, "iam", region), session=session)

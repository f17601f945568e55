"""A snapshot of an AWS account as an account file, with the caller's own credentials: it only reads, and only IAM."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chalicelib.age import format_instant
from chalicelib.details import REASON_TAG, UNTIL_TAG, TagSettings
from chalicelib.wording import counted

READ_POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "ListingUsersAndTheAccountTakesNoResource",
            "Effect": "Allow",
            "Action": ["iam:ListUsers", "iam:GetAccountSummary"],
            "Resource": "*",
        },
        {
            "Sid": "ReadEveryUsersKeysAndTags",
            "Effect": "Allow",
            "Action": ["iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:ListUserTags"],
            "Resource": "arn:*:iam::*:user/*",
        },
    ],
}
_AT_A_TIME = 4
_EXEMPTION_TAGS = {UNTIL_TAG.lower(), REASON_TAG.lower()}
_REFUSED = "is not authorized to perform: iam:"


class SnapshotError(Exception):
    """No snapshot could be taken; the message says why and what to do."""


@dataclass(frozen=True)
class Snapshot:
    """An account file's document, the calls that were refused, by user, and the users who were deleted meanwhile."""

    document: dict[str, Any]
    refused: Mapping[str, list[str]]
    gone: list[str]


def take_snapshot(profile: str | None, progress: Callable[[int, int], None] = lambda *_: None) -> Snapshot:
    """Read all users with their keys, last uses and tags; `progress` is told how many of how many users are read.

    A call that is refused is kept as that; SnapshotError for anything else that is in the way: nobody is logged in any
    more, IAM throttles for good, no network.
    """
    config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "adaptive", "total_max_attempts": 10})
    try:
        session = boto3.session.Session(profile_name=profile, region_name=os.environ.get("AWS_REGION"))
        region = session.region_name or "us-east-1"  # IAM is global, and its endpoint the partition's
        account_id = session.client("sts", region_name=region, config=config).get_caller_identity()["Account"]
        iam = session.client("iam", region_name=region, config=config)
        listed = [user for page in iam.get_paginator("list_users").paginate() for user in page["Users"]]
        users = []
        with ThreadPoolExecutor(_AT_A_TIME) as threads:
            for user in threads.map(lambda user: _read_user(iam, user), listed):
                users.append(user)
                progress(len(users), len(listed))
        root = _read_root(iam)
    except ClientError as error:
        allows = " --print-policy prints what allows it." if _is_refusal(error) else ""
        raise SnapshotError(f"{_words(error)}.{allows}") from error
    except BotoCoreError as error:
        raise SnapshotError(f"{error}. Log in, or name a profile of your AWS configuration with --profile.") from error
    found = [user for user in users if user is not None]
    return Snapshot(
        document={"account_id": account_id, "root": root, "users": found},
        refused={
            **({"(the root user)": ["GetAccountSummary"]} if "denied" in root else {}),
            **{user["user_name"]: sorted(user["denied"]) for user in found if user["denied"]},
        },
        gone=[user["UserName"] for user, read in zip(listed, users, strict=True) if read is None],
    )


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


def anonymize(document: Mapping[str, Any]) -> dict[str, Any]:
    """Replace names, ids, paths and tags, each by the same one wherever it stands; dates and services stay."""
    owner_tags = set(TagSettings().owner_tags)
    tag_names, values, paths = _Replaced("tag"), _Replaced("value"), _Replaced("path")

    def tags(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for name, value in user["tags"].items():
            kept = name in owner_tags or name.lower() in _EXEMPTION_TAGS
            is_date = name.lower() == UNTIL_TAG and _is_date(value)
            yield name if kept else tag_names[name], value if is_date or not value else values[value]

    keys = _Replaced("AKIA", digits=16, mark="")
    root = document["root"]
    return {
        "account_id": "123456789012",
        "root": {"denied": f"{_REFUSED}GetAccountSummary"} if "denied" in root else root,
        "users": [
            {
                "user_name": f"user-{number:04d}",
                "path": user["path"] if user["path"] == "/" else f"/{paths[user['path']]}/",
                "tags": dict(tags(user)),
                "access_keys": [{**key, "access_key_id": keys[key["access_key_id"]]} for key in user["access_keys"]],
                "denied": {operation: f"{_REFUSED}{operation}" for operation in user["denied"]},
            }
            for number, user in enumerate(document["users"], start=1)
        ],
    }


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class _Replaced(dict[str, str]):
    """Gives each text that is asked for another one, numbered as they come."""

    def __init__(self, prefix: str, digits: int = 4, mark: str = "-") -> None:
        super().__init__()
        self._prefix, self._digits, self._mark = prefix, digits, mark

    def __missing__(self, text: str) -> str:
        self[text] = replaced = f"{self._prefix}{self._mark}{len(self) + 1:0{self._digits}d}"
        return replaced


def snapshot(profile: str | None, out: Path, anonymous: bool) -> int:
    """Take a snapshot and tell a person of it; return the exit status."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()  # before the account is read for a place that cannot be
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("Reading the account's IAM users", total=None)
            taken = take_snapshot(profile, lambda read, of: bar.update(task, completed=read, total=of))
        write_privately(anonymize(taken.document) if anonymous else taken.document, out)
    except SnapshotError as error:
        console.print(f"localaws: {error}", markup=False, style="red")
        return 1
    except OSError as error:
        console.print(f"localaws: {out}: cannot be written: {error.strerror}", markup=False, style="red")
        return 2
    for name, operations in taken.refused.items():
        console.print(f"Refused: {', '.join(operations)} of {name}", markup=False, style="yellow")
    if taken.refused:
        console.print("What was refused is unchecked or unknown in a scan; --print-policy prints what allows it.")
    if taken.gone:
        console.print(f"Deleted meanwhile: {', '.join(taken.gone)}", markup=False)
    users = len(taken.document["users"])
    console.print(f"Kept {counted(users, 'user')} in {out}, which you alone can read.", markup=False)
    return 0


def _read_user(iam: Any, listed: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read one user; None for one who was deleted meanwhile."""
    name, denied = listed["UserName"], dict[str, str]()
    try:
        keys = _unless_refused(denied, "ListAccessKeys", lambda: _pages(iam, "list_access_keys", name)) or []
        used = {key["AccessKeyId"]: _last_used(iam, denied, key["AccessKeyId"]) for key in keys}
        tags = _unless_refused(denied, "ListUserTags", lambda: _pages(iam, "list_user_tags", name)) or []
    except iam.exceptions.NoSuchEntityException:
        return None
    return {
        "user_name": name,
        "path": listed["Path"],
        "tags": {tag["Key"]: tag["Value"] for tag in tags},
        "access_keys": [_key(key, last) for key in keys if (last := used[key["AccessKeyId"]]) is not None],
        "denied": denied,
    }


def _last_used(iam: Any, denied: dict[str, str], access_key_id: str) -> dict[str, Any] | None:
    """Ask for a key's last use; None for a key that was deleted meanwhile."""
    try:
        answer = _unless_refused(
            denied, "GetAccessKeyLastUsed", lambda: iam.get_access_key_last_used(AccessKeyId=access_key_id)
        )
    except iam.exceptions.NoSuchEntityException:
        return None
    return dict(answer["AccessKeyLastUsed"]) if answer else {}


def _key(key: Mapping[str, Any], used: Mapping[str, Any]) -> dict[str, Any]:
    read = {
        "access_key_id": key["AccessKeyId"],
        "created_at": format_instant(key["CreateDate"]),
        "status": key["Status"],
    }
    if "LastUsedDate" not in used:  # never, or refused
        return read
    at = format_instant(used["LastUsedDate"])
    return {**read, "last_used": {"at": at, "service": used["ServiceName"], "region": used["Region"]}}


def _read_root(iam: Any) -> dict[str, Any]:
    denied: dict[str, str] = {}
    summary = _unless_refused(denied, "GetAccountSummary", iam.get_account_summary)
    if summary is None:
        return {"denied": denied["GetAccountSummary"]}
    return {"access_keys": summary["SummaryMap"]["AccountAccessKeysPresent"]}


def _pages(iam: Any, operation: str, user_name: str) -> list[dict[str, Any]]:
    field = {"list_access_keys": "AccessKeyMetadata", "list_user_tags": "Tags"}[operation]
    return [item for page in iam.get_paginator(operation).paginate(UserName=user_name) for item in page[field]]


def _unless_refused(denied: dict[str, str], operation: str, call: Callable[[], Any]) -> Any:
    """Call IAM; None where that is refused, with its words kept. Every other error is raised."""
    try:
        return call()
    except ClientError as error:
        if not _is_refusal(error):
            raise
        denied[operation] = _words(error)
    return None


def _is_refusal(error: ClientError) -> bool:
    return str(error.response["Error"]["Code"]).startswith("AccessDenied")


def _words(error: ClientError) -> str:
    return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"

"""Organizations of account files, and sessions in their accounts on a running local AWS."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from boto3.session import Session

from deploy.package import PROJECT
from deploy.template import RESOURCES, read_resources
from localaws.accounts.account_file import Account
from localaws.clients import REGION, make_client
from localaws.faults import Faults

if TYPE_CHECKING:
    from localaws.environment import LocalAws

OWN = "123456789012"
READER = "iam-key-age-reader"


def account_id(number: int) -> str:
    """Return the id of a member account of the tests."""
    return f"{200_000_000_000 + number}"


def member(number: int, *users: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"account_id": account_id(number), "name": f"member-{number}", "users": list(users), **more}


def organization(*members: Mapping[str, Any], **more: Any) -> Account:
    """Return the account file of a management account with these members."""
    return Account.model_validate_json(json.dumps({"users": [], "accounts": list(members), **more}))


@contextlib.contextmanager
def deployed(aws: "LocalAws", account: Account, **parameters: str) -> Iterator["LocalAws"]:
    """Let the stack scan an organization, which the account file has, for a while; its next one has no last scan."""
    aws.deploy({"Accounts": "organization", **parameters})
    aws.seed(account)
    try:
        yield aws
    finally:
        aws.inject(Faults())
        aws.client("s3").delete_object(Bucket=aws.outputs()["ReportsBucket"], Key="organization/latest.json")
        aws.seed(Account(users=[]))
        known = read_resources(PROJECT / RESOURCES)["Parameters"]
        aws.deploy({name: str(known[name]["Default"]) for name in ("Accounts", *parameters)})


def function_client(aws: "LocalAws", service: str, function: str = "ScanAccount", config: Any = None) -> Any:
    """Return a client that calls as a function does, with its role."""
    return make_client(service, REGION, aws.endpoint_url, aws.key_of_function(function), config)


def assume(sts: Any, in_account: str, role: str = READER, **more: Any) -> dict[str, str]:
    """Return the credentials of a role, by which a client of boto3 is made."""
    given = sts.assume_role(
        RoleArn=f"arn:aws:iam::{in_account}:role/{role}",
        **{"RoleSessionName": "iam-key-age", "ExternalId": "iam-key-age", **more},
    )["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def client_of(aws: "LocalAws", service: str, credentials: Mapping[str, Any], config: Any = None) -> Any:
    """Return a client of a session."""
    return Session(**credentials).client(  # type: ignore[call-overload]  # any service
        service, region_name=REGION, endpoint_url=aws.endpoint_url, config=config
    )


def make_role(
    aws: "LocalAws", of: str, name: str, principal: dict[str, str], *may: dict[str, Any], **condition: Any
) -> None:
    """Make a role; `may` are the statements of its policy."""
    trusts = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, "Condition": condition}
    iam = aws.client("iam", of)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trusts))
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy(*may))


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})

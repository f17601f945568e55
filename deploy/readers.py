"""The roles in the accounts that a stage scans: `make deploy-reader`, `deploy-readers` and `check-member`."""

import contextlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.organization_documents import ACCOUNT_ID_PATTERN
from chalicelib.settings import InvalidSettingError
from deploy import stack, terminal
from deploy.parameters import read_parameters, split_assignments
from deploy.sessions import Target, sign_in
from deploy.settings import check_organization_stage
from deploy.stage_file import path_of, read_assignments
from deploy.tags import kept_tags, merge_tags, read_tags
from deploy.template import RESOURCES, read_resources

_ROLE, _STACKSET = RESOURCES.with_name("member-role.yaml"), RESOURCES.with_name("member-stackset.yaml")
# What the roles have to have as the stage's stack has it, by the name that it has there.
_AS_THE_STAGE = {
    "ExternalId": "ExternalId",
    "ReaderRoleName": "RoleName",
    "UsageEvidence": "UsageEvidence",
    "RolePath": "ScannerRolePath",
    "Deactivation": "Deactivation",
    "DeactivatorRoleName": "DeactivatorRoleName",
    "DeactivationScope": "DeactivationScope",
    "DeactivationUserPath": "DeactivationUserPath",
    "Region": "ScannerRegion",
}
_UNITS = r"ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32}"
_UNITS_TAKES = (
    "ids of organizational units, or of the root for all accounts, such as 'ou-ab12-11111111 ou-ab12-22222222'"
)
_CHECK_SECONDS = 120


class ReaderError(Exception):
    """The reader role cannot be deployed or checked; the message is one line that says what to do."""


@dataclass(frozen=True)
class Given:
    """What a person gives for a reader role, as it was written: None is what was not given."""

    profile: str | None = None
    scanner: str | None = None
    units: str | None = None
    parameters: str = ""
    tags: str = ""


def deploy_reader(stage: str, given: Given) -> None:
    """Deploy the reader role into the account of a profile, or else into that of the user's own credentials."""
    wanted = _parameters(stage, given, _ROLE)
    target = sign_in(given.profile)
    deployed = _deploy(target, f"reader-of-iam-key-age-{stage}", _ROLE, wanted, given)
    terminal.tell(
        f"{_output(deployed, 'RoleArn')}\nSee whether it answers, with credentials of account "
        f"{wanted['ScanningAccountId']}: make check-member ACCOUNT={target.account_id} STAGE={stage}"
    )


def deploy_readers(stage: str, given: Given) -> None:
    """Deploy the StackSet by which every account of organizational units gets the reader role, now and later."""
    units = None if given.units is None else _units(given.units)
    wanted = _parameters(stage, given, _STACKSET)
    target = sign_in(given.profile)
    name = f"readers-of-iam-key-age-{stage}"
    if units is None and stack.find_stack(target.client, name) is None:
        raise InvalidSettingError("UNITS", "", _UNITS_TAKES)
    management = _management_account(target)
    wanted["CallAs"] = "SELF" if management == target.account_id else "DELEGATED_ADMIN"
    _deploy(target, name, _STACKSET, wanted | ({"OrganizationalUnitIds": units} if units else {}), given)
    named = "" if wanted["ScanningAccountId"] == management else f" SCANNER={wanted['ScanningAccountId']}"
    terminal.tell(
        f"A StackSet never reaches the management account, {management}: with its credentials, "
        f"make deploy-reader STAGE={stage}{named}"
    )


def check_member(stage: str, account_id: str | None) -> None:
    """Let the stage's function try the reader role of an account, and tell what it may; ReaderError if not all."""
    if not account_id:
        raise ReaderError("ACCOUNT is missing: name the account to check, such as ACCOUNT=444455556666")
    if not re.fullmatch(ACCOUNT_ID_PATTERN, account_id, re.ASCII):
        raise InvalidSettingError("ACCOUNT", account_id, "the id of the account to check, 12 digits")
    check_organization_stage(stage)
    target = sign_in()
    function = stack.resources(target.client, f"iam-key-age-{stage}").get("ScanAccount")
    if not function:
        raise ReaderError(f"{_no_stack(stage, target)}, or it has no Accounts to scan: make deploy STAGE={stage} first")
    answer = _invoke(target, function, {"check": {"account_id": account_id}})
    for call, said in answer["calls"].items():
        terminal.tell(f"{call:<{max(map(len, answer['calls']))}}  {said}")
    if answer["answers"]:
        terminal.tell(f"Account {account_id} answers, and lets a scan read all that it needs.")
    elif answer["calls"]:
        raise ReaderError(
            f"Account {account_id} answers, but not to all. {answer['cause']}. Its role may be of an earlier version "
            f"(make deploy-reader PROFILE=… STAGE={stage}), or a service control policy or a permissions boundary "
            "denies it (docs/organization.md)"
        )
    elif said := _said_by_organizations(target, stage, account_id):
        raise ReaderError(f"Account {account_id} does not answer: {said}")
    else:
        raise ReaderError(
            f"Account {account_id} does not answer: {answer['cause'].rstrip('.')}. If the role is missing, or trusts "
            f"another stack or external id: make deploy-reader PROFILE=… STAGE={stage}"
        )


def _said_by_organizations(target: Target, stage: str, account_id: str) -> str | None:
    """Return why the role of an account cannot be assumed whoever deploys it; None if Organizations does not say so.

    The person who asks may not have the permission. Accounts outside of the organization can be scanned by their ids.
    """
    with contextlib.suppress(BotoCoreError, ClientError):
        try:
            account = target.client("organizations").describe_account(AccountId=account_id)["Account"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccountNotFoundException":
                raise
            of_stack = stack.parameters_of(stack.find_stack(target.client, f"iam-key-age-{stage}"))
            if of_stack.get("Accounts") == "organization":
                return "it is not in the organization, and this stage scans no other accounts (Accounts=organization)"
        else:
            state = account.get("State") or account["Status"]
            if state != "ACTIVE":
                return f"Organizations says that it is {state}; a scan of the organization counts it as not active"
    return None


def _parameters(stage: str, given: Given, template: Path) -> dict[str, str]:
    """Return the template's parameters: as the stage has them, and what is given besides."""
    check_organization_stage(stage)
    read_tags(given.tags)
    known = {
        name: parameter
        for name, parameter in read_resources(template)["Parameters"].items()
        if name not in {"ScanningAccountId", "StackName", "OrganizationalUnitIds", "CallAs"}
    }
    assigned = read_parameters(known, split_assignments(given.parameters))
    scanner, of_stage = _of_stack(stage) if given.scanner is None else (_account(given.scanner), _of_file(stage))
    return {"ScanningAccountId": scanner, "StackName": f"iam-key-age-{stage}", **as_the_stage(of_stage), **assigned}


def as_the_stage(of_stage: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the roles that are those of the stage's stack."""
    parameters = {name: of_stage[of_it] for of_it, name in _AS_THE_STAGE.items() if of_it in of_stage}
    # What only plans changes nothing.
    return parameters | {"Deactivation": "apply" if of_stage["Deactivation"] == "apply" else "off"}


def _of_stack(stage: str) -> tuple[str, dict[str, str]]:
    """Return the account that scans, and the parameters and the Region of its stack, by the user's own credentials."""
    target = sign_in()
    found = {"Region": target.region, **stack.parameters_of(stack.find_stack(target.client, f"iam-key-age-{stage}"))}
    if not _AS_THE_STAGE.keys() <= found.keys():
        raise ReaderError(
            f"{_no_stack(stage, target)}: make deploy STAGE={stage} first, with credentials of the account that scans, "
            "or name that account: SCANNER=…"
        )
    return target.account_id, found


def _of_file(stage: str) -> dict[str, str]:
    """Return the parameters that a stage has by its file, where its stack cannot be asked; they have no Region."""
    known, path = read_resources()["Parameters"], path_of(stage)
    default = {name: str(parameter["Default"]) for name, parameter in known.items()}
    return default | read_parameters(known, read_assignments(path), str(path))


def _no_stack(stage: str, target: Target) -> str:
    where = f"{target.region} of account {target.account_id}"
    return f"There is no stack iam-key-age-{stage} in {where} that these credentials can see"


def _account(text: str) -> str:
    if not re.fullmatch(ACCOUNT_ID_PATTERN, text, re.ASCII):
        raise InvalidSettingError("SCANNER", text, "the id of the account that scans, 12 digits")
    return text


def _units(text: str) -> str:
    units = text.replace(",", " ").split()
    for unit in units or [""]:
        if not re.fullmatch(_UNITS, unit, re.ASCII):
            raise InvalidSettingError("UNITS", unit, _UNITS_TAKES)
    return ",".join(dict.fromkeys(units))


def _management_account(target: Target) -> str:
    try:
        organization = target.client("organizations").describe_organization()["Organization"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "AWSOrganizationsNotInUseException":
            raise
        raise ReaderError(
            f"Account {target.account_id} is in no organization: deploy the role into each account, by "
            "make deploy-reader PROFILE=… STAGE=…"
        ) from error
    return str(organization["MasterAccountId"])


def _deploy(target: Target, name: str, source: Path, parameters: Mapping[str, str], given: Given) -> dict[str, Any]:
    terminal.tell(f"Deploying {name} in {target.region} as {target.caller_arn}")
    before = stack.find_stack(target.client, name)
    tags = merge_tags(kept_tags((before or {}).get("Tags")), read_tags(given.tags))
    with tempfile.TemporaryDirectory(prefix="iam-key-age-") as folder:
        template = Path(folder) / "template.json"
        template.write_text(json.dumps(read_resources(source)), encoding="utf-8")
        removed_by = f"aws cloudformation delete-stack --stack-name {name}"
        named = ("CAPABILITY_NAMED_IAM",)  # the role has a name, by which it is found in each account
        wanted = stack.Deployment(name, template, "", parameters, tags, capabilities=named, removed_by=removed_by)
        try:
            return stack.deploy(target.client, wanted, terminal.tell)
        except (stack.StackError, ClientError) as error:
            setting, role = "ReaderRoleName", parameters["RoleName"]
            if f"{parameters['DeactivatorRoleName']} already exists" in str(error):
                setting, role = "DeactivatorRoleName", parameters["DeactivatorRoleName"]
            # The second is CloudFormation's, before it makes anything; it does not say which resource.
            if not re.search(f"{re.escape(role)} already exists|EarlyValidation::ResourceExistenceCheck", str(error)):
                raise
            raise ReaderError(
                f"{str(error).rstrip('.')}. There seems to be a role {role} that this stack did not make. If "
                "`make deploy-readers` made it for this stage, nothing is missing; if it is another stage's, this one "
                f"needs a name of its own: make deploy STAGE=… PARAMETERS='{setting}=…', then this command again "
                "(docs/organization.md)"
            ) from error


def _output(deployed: Mapping[str, Any], name: str) -> str:
    return f"{name}\t{stack.outputs_of(deployed)[name]}"


def _invoke(target: Target, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    client = target.client("lambda", config=Config(read_timeout=_CHECK_SECONDS, retries={"total_max_attempts": 1}))
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event))
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise ReaderError(f"The function {function} failed: {said.get('errorMessage', said)}")
    return said

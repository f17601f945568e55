"""A CloudFormation stack, deployed as `aws cloudformation package` and `aws cloudformation deploy` do it."""

import contextlib
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from deploy import terminal

Client = Callable[[str], Any]  # of a service
Tell = Callable[[str], None]

_ARTIFACTS = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::StateMachine": "DefinitionUri"}
_POLLING = {"Delay": 5, "MaxAttempts": 720}  # an hour
_EMPTY = ("The submitted information didn't contain changes", "No updates are to be performed")
_CANNOT_BE_UPDATED = {"CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
_BEGINS = {"CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}
_MOST_FAILURES = 3  # in one line; more of them have the same cause as a rule


class StackError(Exception):
    """A stack could not be deployed or deleted; the message is one line with the resources that failed, and why."""


@dataclass(frozen=True)
class Deployment:
    """A stack as it is to be: its template, whose artifacts are uploaded to a bucket, its parameters and tags.

    Without a bucket, the template goes along with the call, which takes 51,200 bytes.
    """

    stack: str
    template: Path
    bucket: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    capabilities: Sequence[str] = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
    removed_by: str = "make destroy STAGE=…"


def find_stack(client: Client, name: str) -> dict[str, Any] | None:
    """Return a stack as DescribeStacks lists it; None if it was never deployed, and only a change set may be there."""
    stack = describe_stack(client, name)
    return None if stack and stack["StackStatus"] == "REVIEW_IN_PROGRESS" else stack


def describe_stack(client: Client, name: str) -> dict[str, Any] | None:
    """Return whatever is there of a stack as DescribeStacks lists it, None if there is nothing."""
    try:
        [stack] = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    return dict(stack)


def resources(client: Client, name: str) -> dict[str, str]:
    """Return the ids of a stack's resources by their names in the template; nothing if there is no such stack."""
    pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    try:
        listed = [one for page in pages for one in page["StackResourceSummaries"]]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return {}
        raise
    return {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in listed}


def deploy(client: Client, wanted: Deployment, tell: Tell = lambda _: None) -> dict[str, Any]:
    """Create a stack or update it, and return it as DescribeStacks lists it; raise a StackError if that fails."""
    before = find_stack(client, wanted.stack)
    if before and before["StackStatus"] in _CANNOT_BE_UPDATED:
        raise StackError(
            f"The stack {wanted.stack} is {before['StackStatus']} and cannot be updated: {wanted.removed_by} first"
        )
    if wanted.bucket:
        tell(f"Uploading to s3://{wanted.bucket}")
        template = {"TemplateURL": _upload_template(client("s3"), wanted)}
    else:
        template = {"TemplateBody": wanted.template.read_text(encoding="utf-8")}
    if change_set := _create_change_set(client, wanted, template, before):
        _execute(client, wanted.stack, change_set, before, tell)
    else:
        tell(f"No changes to deploy. Stack {wanted.stack} is up to date")
    return find_stack(client, wanted.stack) or {}


def _upload_template(s3: Any, wanted: Deployment) -> str:
    """Upload a template and the files that it refers to; return its URL."""
    document = json.loads(wanted.template.read_text(encoding="utf-8"))
    for resource in document["Resources"].values():
        field = _ARTIFACTS.get(resource["Type"], "")
        if isinstance(path := resource.get("Properties", {}).get(field), str):
            key, version = _upload(s3, wanted.bucket, (wanted.template.parent / path).read_bytes())
            place = {"Bucket": wanted.bucket, "Key": key}
            resource["Properties"][field] = {**place, "Version": version} if version else place
    key, version = _upload(s3, wanted.bucket, json.dumps(document).encode(), ".template")
    url = f"{s3.meta.endpoint_url}/{wanted.bucket}/{key}"  # as the AWS CLI writes it
    return f"{url}?versionId={version}" if version else url


def _upload(s3: Any, bucket: str, content: bytes, suffix: str = "") -> tuple[str, str | None]:
    """Upload a file under its hash, unless it is there; return its key and, in a bucket with versions, its version.

    Whoever else may write to the bucket can put anything under a key that they work out: so what is there is compared
    by what is in it, and what is deployed is that version, whatever is written after it.
    """
    key = hashlib.sha256(content).hexdigest() + suffix
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
        if found["Body"].read() == content:
            return key, _version(found)
    except ClientError:  # not there, or whoever deploys may not know
        pass
    return key, _version(s3.put_object(Bucket=bucket, Key=key, Body=content))


def _version(answer: Mapping[str, Any]) -> str | None:
    """Return the version of an object; a bucket without versions, or with suspended ones, has none that stays."""
    version = answer.get("VersionId")
    return None if version in (None, "null") else str(version)


def _create_change_set(
    client: Client, wanted: Deployment, template: Mapping[str, str], before: Mapping[str, Any] | None
) -> str:
    """Create a change set; return its id, or nothing if there is nothing to change."""
    cloudformation = client("cloudformation")
    created = cloudformation.create_change_set(
        StackName=wanted.stack,
        ChangeSetName=f"deploy-{time.time_ns()}",
        ChangeSetType="UPDATE" if before else "CREATE",
        **template,
        Parameters=_parameters(wanted, before),
        Capabilities=list(wanted.capabilities),
        Tags=[{"Key": key, "Value": value} for key, value in wanted.tags.items()],
    )
    change_set = str(created["Id"])
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(ChangeSetName=change_set, WaiterConfig=_POLLING)
    except WaiterError as error:
        reason = str(error.last_response.get("StatusReason") or error)
        if not any(text in reason for text in _EMPTY):
            raise StackError(f"The stack {wanted.stack} cannot be deployed: {_one_line(reason)}") from error
        with contextlib.suppress(ClientError):  # an empty change set changes nothing if it stays
            cloudformation.delete_change_set(ChangeSetName=change_set)
        return ""
    return change_set


def _parameters(wanted: Deployment, before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the parameters that are given, and those that the stack has, which it keeps."""
    known = json.loads(wanted.template.read_text(encoding="utf-8")).get("Parameters", {})
    kept = known.keys() & parameters_of(before).keys() - wanted.parameters.keys()
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in wanted.parameters.items()]
    return given + [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept)]


def parameters_of(stack: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the parameters of a stack as DescribeStacks lists it; nothing if there is no stack."""
    return {one["ParameterKey"]: one["ParameterValue"] for one in (stack or {}).get("Parameters", [])}


def outputs_of(stack: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the outputs of a stack as DescribeStacks lists it; nothing if there is no stack."""
    return {one["OutputKey"]: one["OutputValue"] for one in (stack or {}).get("Outputs", [])}


def _execute(client: Client, stack: str, change_set: str, before: Mapping[str, Any] | None, tell: Tell) -> None:
    tell(f"{'Updating' if before else 'Creating'} the stack {stack}; that takes some minutes")
    client("cloudformation").execute_change_set(ChangeSetName=change_set)
    _wait(client, "stack_update_complete" if before else "stack_create_complete", stack, "deployed")
    tell(f"The stack {stack} is deployed")


def delete(client: Client, stack: str) -> None:
    """Delete a stack, and return when it is gone; raise a StackError if something of it cannot be deleted."""
    found = describe_stack(client, stack)
    client("cloudformation").delete_stack(StackName=stack)
    _wait(client, "stack_delete_complete", found["StackId"] if found else stack, "deleted")


def _wait(client: Client, waiter: str, stack: str, done: str) -> None:
    """Wait for CloudFormation; raise a StackError if it does not succeed."""
    try:
        client("cloudformation").get_waiter(waiter).wait(StackName=stack, WaiterConfig=_POLLING)
    except WaiterError as error:
        response: Any = error.last_response
        last = (response.get("Stacks") or [{}])[0]
        if not last or last["StackStatus"].endswith("_IN_PROGRESS"):  # AWS stopped answering, or the hour is over
            raise StackError(
                f"It is not known whether the stack {stack} was {done}: {_one_line(error)}. CloudFormation continues by"
                " itself: the console shows the stack's events"
            ) from error
        status = f", and is {last['StackStatus']}"
        reasons = _failures_if_shown(client, stack) or last.get("StackStatusReason") or error
        name = last.get("StackName", stack)
        raise StackError(f"The stack {name} was not {done}{status}: {_one_line(reasons)}") from error
    except KeyboardInterrupt:
        terminal.say("CloudFormation continues by itself: the console shows the stack's events")
        raise


def _failures_if_shown(client: Client, stack: str) -> str:
    try:
        return "; ".join(failures(client, stack))
    except ClientError:  # whoever deploys may not see the events
        return ""


def failures(client: Client, stack: str) -> list[str]:
    """Return what failed in the latest operation on a stack, the first ones, each with the reason."""
    pages = client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
    events = (event for page in pages for event in page["StackEvents"])  # the latest first
    failed = [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', 'for no reason')}"
        for event in itertools.takewhile(lambda event: not (_is_stack(event) and _begins(event)), events)
        if event["ResourceStatus"].endswith("_FAILED") and not _is_stack(event) and not _is_cancelled(event)
    ]
    return failed[::-1][:_MOST_FAILURES]


def _is_stack(event: Mapping[str, Any]) -> bool:
    return bool(event.get("PhysicalResourceId") == event["StackId"])


def _begins(event: Mapping[str, Any]) -> bool:
    return event["ResourceStatus"] in _BEGINS


def _is_cancelled(event: Mapping[str, Any]) -> bool:
    """Return whether a resource failed only because another one did."""
    return "cancelled" in event.get("ResourceStatusReason", "")


def _one_line(text: object) -> str:
    return " ".join(str(text).split())

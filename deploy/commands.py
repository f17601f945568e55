"""The commands of `python -m deploy`: each checks what a person wrote before it makes anything."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy import companion, stack, terminal
from deploy.looks import what_is_missing
from deploy.next_steps import schedule_of, what_next
from deploy.package import build
from deploy.parameters import (
    check_list_of_accounts,
    check_stage_for_accounts,
    choose_parameters,
    split_assignments,
)
from deploy.sessions import DEFAULT_REGION, Target, sign_in
from deploy.settings import CONFIG, check_deployable, check_settings, check_stage
from deploy.tags import kept_tags, merge_tags, read_tags
from deploy.telling import check_event_bus
from deploy.uploads_bucket import uploads_bucket

_PROJECT = Path()  # where make runs


class CommandError(Exception):
    """A command lacks something; the message is one line."""


@dataclass(frozen=True)
class Given:
    """What a person gives for a deployment, as it was written."""

    email: str | None = None
    parameters: str = ""
    tags: str = ""

    def assignments(self) -> list[str]:
        """Return the parameters, `NAME=value` each; raise InvalidSettingError if a quote is not closed."""
        of_email = [] if self.email is None else [f"NotificationEmail={self.email}"]
        return of_email + split_assignments(self.parameters)


def package(stage: str) -> None:
    """Make build/sam.json and build/deployment.zip."""
    check_settings(CONFIG, stage)
    _package(stage, os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION)


def deploy(stage: str, given: Given) -> None:
    """Package the app and deploy all of it as one stack; tell what to do with it."""
    target = _begin(stage, given)
    companion.check_way(target, _PROJECT, stage, "one-stack")
    template = _package(stage, target.region)
    # API Gateway writes logs with one role for the account and Region; if there is none yet, the stack makes it.
    has_role = target.client("apigateway").get_account().get("cloudwatchRoleArn")
    deployed = _deploy(target, stage, template, given, {} if has_role else {"ApiGatewayLogsRole": "create"})
    terminal.tell(what_next(deployed, schedule_of(deployed), datetime.now(UTC)))


def deploy_companion(stage: str, given: Given) -> None:
    """Deploy, beside the functions that `chalice deploy` made, a stack of all the rest; tell the functions of it."""
    target = _begin(stage, given)
    companion.check_way(target, _PROJECT, stage, "companion")
    functions = companion.read_deployed(_PROJECT, stage)
    template = _PROJECT / "build" / "companion.json"
    companion.write_template(_PROJECT, template, functions)
    deployed = _deploy(target, stage, template, given, {})
    terminal.tell(companion.wire(target, deployed, functions))


def destroy(stage: str | None) -> None:
    """Delete the stack of a stage; say what becomes of its reports."""
    if stage is None:
        raise CommandError("Which one? make destroy STAGE=…")
    check_stage(stage)
    name, target = _stack_of(stage), sign_in()
    if stack.describe_stack(target.client, name) is None:
        raise CommandError(f"There is no stack {name} in {target.region} that these credentials can see")
    bucket = stack.resources(target.client, name).get("ReportsBucket")
    terminal.tell(f"Deleting {name} in {target.region} …")
    stack.delete(target.client, name)
    terminal.tell(f"Deleted {name}.")
    if bucket:
        terminal.tell(
            f"Its reports stay in s3://{bucket}, with all their versions. When no audit needs them:\n"
            f"empty the bucket in the S3 console (Empty takes the versions, too), then: aws s3 rb s3://{bucket}"
        )


def show_parameters(stage: str, template: str, parameters: str) -> None:
    """Check parameters as `deploy` does; print them, a `NAME=value` each line, for another tool."""
    try:
        known = json.loads(Path(template).read_text(encoding="utf-8"))["Parameters"]
    except FileNotFoundError as error:
        made_by = f"run make package STAGE={stage} first, which makes build/sam.json"
        raise CommandError(f"{template}: there is no such file; {made_by}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CommandError(
            f"{template}: is no packaged template; `make package STAGE=…` makes build/sam.json"
        ) from error
    _show(choose_parameters(stage, known, {}, Given(parameters=parameters).assignments()))


def show_tags(tags: str) -> None:
    """Check tags as `deploy` does; print them, a `key=value` each line, for another tool."""
    _show(merge_tags({}, read_tags(tags)))


def _begin(stage: str, given: Given) -> Target:
    """Check what a deployment needs, as far as that is known without the template; return where it deploys to."""
    check_stage_for_accounts(stage, given.assignments())
    check_deployable(CONFIG, stage)
    read_tags(given.tags)
    target = sign_in()
    terminal.tell(f"Deploying {_stack_of(stage)} in {target.region} as {target.caller_arn}")
    return target


def _package(stage: str, region: str) -> Path:
    terminal.tell("Creating deployment package.")
    return build(stage, region)


def _deploy(target: Target, stage: str, template: Path, given: Given, more: dict[str, str]) -> dict[str, Any]:
    """Deploy a template with what is given; what is not given, the stack keeps."""
    name = _stack_of(stage)
    before = stack.find_stack(target.client, name)
    known = json.loads(template.read_text(encoding="utf-8"))["Parameters"]
    parameters = choose_parameters(stage, known, stack.parameters_of(before), given.assignments(), more)
    check_list_of_accounts(parameters.get("Accounts", ""), stack.outputs_of(before).get("ReportsBucket"))
    if "OwnerNotices" in known:  # which the companion does not have, nor the others that are looked at
        default = {parameter: str(of["Default"]) for parameter, of in known.items()}
        _look({**default, **stack.parameters_of(before), **parameters}, target)
    tags = merge_tags(kept_tags((before or {}).get("Tags")), read_tags(given.tags))
    wanted = stack.Deployment(name, template, uploads_bucket(target), parameters, tags)
    return stack.deploy(target.client, wanted, terminal.tell)


def _look(parameters: Mapping[str, str], target: Target) -> None:
    """Refuse an event bus that no event would reach; say what AWS lacks yet to notify others than the topic."""
    check_event_bus(parameters["EventBus"], target.region)
    for paragraph in what_is_missing(target.client, parameters, target.region):
        terminal.say(paragraph)


def _stack_of(stage: str) -> str:
    return f"iam-key-age-{stage}"


def _show(values: dict[str, str]) -> None:
    for name, value in values.items():
        sys.stdout.buffer.write(os.fsencode(f"{name}={value}\n"))  # as it was read from the command line

"""The companion stack of `chalice deploy`: what a stage has besides the functions, which Chalice deployed.

Its template is made of statemachine/resources.yaml and of what Chalice recorded in .chalice/deployed. Once it is there,
the functions get to know where it is.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy import stack, terminal
from deploy.next_steps import what_next
from deploy.sessions import Target
from deploy.settings import THRESHOLDS
from deploy.template import RESOURCES, read_resources, without_conditions

# What Chalice calls a function in .chalice/deployed, by its name in the packaged template.
FUNCTIONS = {
    "ScheduledScan": "scheduled_scan",
    "APIHandler": "api_handler",
    "ReadPolicy": "read_policy",
    "ReadAccount": "read_account",
    "ValidateKeys": "validate_keys",
    "LookUpUsage": "look_up_usage",
    "BuildReport": "build_report",
}
_ROLES = {f"{name}Role".replace("APIHandler", "ApiHandler"): f"{chalice}_role" for name, chalice in FUNCTIONS.items()}
# What takes `make deploy`: conditions that never hold in the companion.
OF_ONE_STACK = (
    "ScansOrganization",
    *("PlansDeactivations", "Deactivates", "DeactivatesByItself"),
    *("PlansDeactivationsHere", "DeactivatesHere", "DeactivatesHereByItself"),
    *("NotifiesOwners", "NotifiesBySes", "NotifiesBySns", "TestsNotices"),
    *("SendsEvents", "SendsToDefaultBus", "SendsDeactivationEvents", "ImportsFindings", "NotifiesOthers"),
)
# Of the REST API, which Chalice deploys without throttling and logs.
_OF_CHALICE = ("RestAPI", "ApiAccessLogs", "ApiExecutionLogs", "ApiGatewayRole", "ApiGatewayAccount")
_REST_API, _SCHEDULE = "rest_api", "scheduled_scan-event"  # what Chalice calls them in .chalice/deployed
_OF_CHALICES_ROLES = {"logs:PutLogEvents", "xray:PutTraceSegments"}  # of .chalice/logs-and-traces-*.json
_OF_THE_COMPANION = "ApiHandlerRolePolicy"  # and of no other stack, also of none that failed half-way
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_BETWEEN_VARIABLES = "|"  # which none of them can have
_OTHER_WAY = "The stage {} was deployed by {}, and a stage keeps to one way:"
_REMOVE = "make destroy STAGE=… and then chalice delete --stage … first"


class CompanionError(Exception):
    """There is nothing to accompany; the message says what to run."""


def companion_template(resources: Mapping[str, Any], deployed: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Make the template: `deployed` is what Chalice recorded, by its names."""
    template = without_conditions(resources, *OF_ONE_STACK)
    parts = template["Resources"]
    environments = {name: _environment(parts[name]) for name in FUNCTIONS if name in parts}
    for name in (*FUNCTIONS, *(f"{name}Logs" for name in FUNCTIONS), *_OF_CHALICE):
        parts.pop(name, None)
    for role, chalice in _ROLES.items():
        part = parts.pop(role)
        names = deployed[chalice]["role_name"], deployed[_REST_API]["rest_api_id"]
        if policy := _policy(part["Properties"]["Policies"], *names):
            parts[f"{role}Policy"] = {**policy, "Condition": part["Condition"]} if "Condition" in part else policy
    for name, variables in environments.items():
        assigned = [{"Fn::Join": ["=", [variable, value]]} for variable, value in variables.items()]
        # In Base64, for CloudFormation gives back ? for what is not ASCII in an output:
        # https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/814
        value = {"Fn::Base64": {"Fn::Join": [_BETWEEN_VARIABLES, assigned]}}
        if assigned:
            template["Outputs"][_output_of(name)] = {"Value": value}
    referred = _referred(deployed)
    whole: dict[str, Any] = _replaced(template, referred)
    _leave_out_unused(whole)
    return {"AWSTemplateFormatVersion": "2010-09-09", "Transform": "AWS::Serverless-2016-10-31", **whole}


def _environment(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function's variables but the thresholds, which are settings in .chalice/config.json here."""
    variables = function["Properties"]["Environment"]["Variables"]
    return {name: _or_empty(value) for name, value in variables.items() if name not in THRESHOLDS.values()}


def _or_empty(value: Any) -> Any:
    """Return a variable's value, empty for none: of one that is missing, a function would keep the last value."""
    match value:
        case {"Fn::If": [condition, if_so, {"Ref": "AWS::NoValue"}]}:
            return {"Fn::If": [condition, if_so, ""]}
    return value


def environment_of(name: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """Read a function's variables out of the companion's outputs."""
    assigned = outputs.get(_output_of(name), "")
    if _BASE64.fullmatch(assigned):  # as the companion's template has it; what is assigned has a = in its middle
        assigned = base64.b64decode(assigned).decode()
    return dict(pair.split("=", 1) for pair in assigned.split(_BETWEEN_VARIABLES)) if assigned else {}


def read_deployed(project: Path, stage: str) -> dict[str, dict[str, Any]]:
    """Read what Chalice deployed, by its names; CompanionError where it deployed nothing, or deleted it."""
    deployed = _recorded(project, stage)
    if not {*FUNCTIONS.values(), *_ROLES.values(), _REST_API, _SCHEDULE} <= deployed.keys():
        raise CompanionError(
            f".chalice/deployed/{stage}.json does not have all functions: run chalice deploy --stage {stage} first"
        )
    return deployed


def _recorded(project: Path, stage: str) -> dict[str, dict[str, Any]]:
    path = project / ".chalice" / "deployed" / f"{stage}.json"
    try:
        recorded = json.loads(path.read_text())["resources"] if path.exists() else []
        return {resource["name"]: resource for resource in recorded}
    except (ValueError, KeyError, TypeError) as error:
        raise CompanionError(f"{path}: is not what Chalice records; run chalice deploy --stage {stage}") from error


def check_way(target: Target, project: Path, stage: str, way: str) -> None:
    """Refuse, by CompanionError, to deploy a stage in another way than it was, or beside functions of elsewhere.

    The way is `one-stack` or `companion`.
    """
    resources = stack.resources(target.client, f"iam-key-age-{stage}")
    if "APIHandler" in resources and _recorded(project, stage):
        ends = f"make destroy STAGE={stage}, or chalice delete --stage {stage}"
        raise CompanionError(f"The stage {stage} is deployed in both ways, and a stage keeps to one: {ends} first")
    if way == "one-stack":
        if _recorded(project, stage) or _OF_THE_COMPANION in resources:
            raise CompanionError(f"{_OTHER_WAY.format(stage, 'chalice deploy')} make deploy-statemachine, or {_REMOVE}")
        return
    if "APIHandler" in resources:
        raise CompanionError(f"{_OTHER_WAY.format(stage, 'make deploy')} make deploy, or make destroy STAGE=… first")
    *_, region, account_id = read_deployed(project, stage)["api_handler"]["lambda_arn"].split(":")[:5]
    if (region, account_id) != (target.region, target.account_id):
        raise CompanionError(f"Chalice deployed {stage} into {region} of account {account_id}: use the same for this")


def wire(target: Target, described: Mapping[str, Any], deployed: Mapping[str, Mapping[str, Any]]) -> str:
    """Add to each function the variables that the companion has for it; return what to print."""
    functions = target.client("lambda")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    for name, chalice in FUNCTIONS.items():
        if variables := environment_of(name, outputs):
            arn = deployed[chalice]["lambda_arn"]
            before = functions.get_function_configuration(FunctionName=arn).get("Environment", {}).get("Variables", {})
            functions.update_function_configuration(
                FunctionName=arn, Environment={"Variables": {**before, **variables}}
            )
            functions.get_waiter("function_updated_v2").wait(FunctionName=arn)
    rule = target.client("events").describe_rule(Name=deployed[_SCHEDULE]["rule_name"])
    kept = [one for one in described["Outputs"] if not one["OutputKey"].startswith(_output_of(""))]
    endpoint = {"OutputKey": "EndpointURL", "OutputValue": deployed[_REST_API]["rest_api_url"]}
    return what_next({**described, "Outputs": [*kept, endpoint]}, rule["ScheduleExpression"], datetime.now(UTC))


def _policy(policies: Iterable[Mapping[str, Any]], role_name: str, deployment: str) -> dict[str, Any] | None:
    """Make a policy of what a role may besides writing its logs and traces, which Chalice's role may already.

    Its name tells one deployment of Chalice's from another: `chalice delete` takes the policies of a role along, and
    one of the same name would be no change to CloudFormation.
    """
    [policy] = policies
    document = policy["PolicyDocument"]
    statements = [one for one in document["Statement"] if not _OF_CHALICES_ROLES.intersection(one["Action"])]
    if not statements:
        return None
    properties = {
        "PolicyName": f"{policy['PolicyName']}-{deployment}",
        "Roles": [role_name],
        "PolicyDocument": {**document, "Statement": statements},
    }
    return {"Type": "AWS::IAM::Policy", "Properties": properties}


def _referred(deployed: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return what stands, as JSON, for a reference to what Chalice deployed."""
    functions = FUNCTIONS.items()
    arns = {_json({"Fn::GetAtt": [name, "Arn"]}): deployed[chalice]["lambda_arn"] for name, chalice in functions}
    return arns | {_json({"Ref": role}): deployed[chalice]["role_name"] for role, chalice in _ROLES.items()}


def _replaced(part: Any, referred: Mapping[str, str]) -> Any:
    if isinstance(part, list):
        return [_replaced(item, referred) for item in part]
    if not isinstance(part, dict):
        return part
    return referred.get(_json(part)) or {name: _replaced(item, referred) for name, item in part.items()}


def _leave_out_unused(template: dict[str, Any]) -> None:
    """Leave out the parameters and conditions that nothing refers to any more, and outputs of such a condition."""
    resources = _json(template["Resources"])
    asked = resources + _json([output["Value"] for output in template["Outputs"].values()])
    conditions = {name: of for name, of in template["Conditions"].items() if f'"{name}"' in asked}
    outputs = {name: of for name, of in template["Outputs"].items() if of.get("Condition", "") in {"", *conditions}}
    used = resources + _json(conditions) + _json(outputs)
    parameters = {name: of for name, of in template["Parameters"].items() if _json({"Ref": name}) in used}
    template.update(Conditions=conditions, Outputs=outputs, Parameters=parameters)
    for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        group["Parameters"] = [name for name in group["Parameters"] if name in parameters]


def _output_of(name: str) -> str:
    return f"EnvironmentOf{name}"


def _json(part: Any) -> str:
    return json.dumps(part, sort_keys=True)


def write_template(project: Path, path: Path, deployed: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the companion's template; CompanionError if the file cannot be written."""
    resources = read_resources(project / RESOURCES)
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(companion_template(resources, deployed), indent=2), encoding="utf-8")
    except OSError as error:
        raise CompanionError(terminal.cannot_be_written(error, path)) from error

"""Patches of moto's CloudFormation, and of the resources that it makes."""

import copy
import functools
import json
import re
from typing import Any, cast
from urllib.parse import parse_qs, urlparse

import boto3
from moto.apigateway.models import APIGatewayBackend, RestAPI, apigateway_backends
from moto.cloudformation import parsing
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.iam.access_control import IAMPolicy
from moto.iam.models import Role
from moto.s3.models import FakeBucket, s3_backends
from moto.stepfunctions.models import StateMachine
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from localaws.moto_patches.wiring import (
    Wiring,
    replace_method,
)

_REMEMBERED = 20  # templates


def run_the_serverless_transform() -> None:
    """Run the Serverless transform on templates that ask for it, as CloudFormation does and moto does not.

    A template is parsed once, and JSON not as YAML: moto parses it thrice for a change set.
    """
    parse_template = Stack.parse_template

    @functools.lru_cache(maxsize=_REMEMBERED)
    def parse_once(template: str) -> dict[str, Any]:
        try:
            parsed = json.loads(template)
        except ValueError:
            parsed = parse_template(template)  # as YAML, which takes a second
        return _transformed(parsed)

    def parse_and_transform(template: str) -> dict[str, Any]:
        return copy.deepcopy(parse_once(template))

    def parse_change_set(self: ChangeSet) -> None:
        self.template_dict = parse_and_transform(self.template)

    replace_method(Stack, "parse_template", staticmethod(parse_and_transform))
    replace_method(ChangeSet, "_parse_template", parse_change_set)


def _transformed(template: dict[str, Any]) -> dict[str, Any]:
    if template.get("Transform") != "AWS::Serverless-2016-10-31":
        return template
    session = boto3.session.Session(region_name=Wiring.current.region)
    plain = Translator({}, Parser(), boto_session=session).translate(template, {})
    return cast("dict[str, Any]", json.loads(json.dumps(plain)))


def make_change_sets_that_the_cli_can_use() -> None:
    """Give a stack that a change set made its outputs and tags, and make a change set without a change an empty one.

    moto forgets the first, and refuses or overlooks the second; `aws cloudformation deploy` wants both. Other tags are
    a change.
    """
    apply_changes, create = ChangeSet.apply, CloudFormationBackend.create_change_set
    validate = CloudFormationResponse._validate_different_update

    def apply_and_output(self: ChangeSet) -> None:
        apply_changes(self)
        self.stack.template, self.stack.template_dict = self.template, self.template_dict
        self.stack.output_map = self.stack._create_output_map()
        self.stack.parameters = self.parameters
        self.stack.tags = self.tags or {}

    def create_also_for_tags(self: CloudFormationBackend, *arguments: Any, **named: Any) -> tuple[str, str]:
        change_set_id, stack_id = create(self, *arguments, **named)
        made = self.change_sets[change_set_id]
        if (made.tags or {}) != made.stack.tags:
            made.status, made.execution_status, made.status_reason = "CREATE_COMPLETE", "AVAILABLE", None
        return change_set_id, stack_id

    def validate_unless_change_set(self: CloudFormationResponse, *arguments: Any) -> None:
        if self._get_action() != "CreateChangeSet":
            validate(self, *arguments)

    def has_parameters(self: Stack, others: dict[str, Any]) -> bool:  # the CLI names also those that stay as they are
        known = self.stack_parameters
        return all(str(known.get(name)) == str(value) for name, value in others.items())

    replace_method(ChangeSet, "apply", apply_and_output)
    replace_method(CloudFormationBackend, "create_change_set", create_also_for_tags)
    replace_method(Stack, "has_parameters", has_parameters)
    replace_method(CloudFormationResponse, "_validate_different_update", validate_unless_change_set)


def update_by_conditions() -> None:
    """Make, change and delete in an update what a condition says, and keep what it cannot change.

    moto looks at conditions in a creation alone, and sees no change inside of a resource that comes by one. It forgets
    what it has no update for, log groups among it, and takes a parameter that was left to its default for changed, so
    that it made the topic anew. What an update makes comes first here: others refer to it.
    """
    update, build_diff = parsing.parse_and_update_resource, parsing.ResourceMap.build_resource_diff

    def update_by_condition(name: str, resource: dict[str, Any], there: parsing.ResourceMap, **where: str) -> Any:
        before = there._parsed_resources.pop(name, None)
        if "Condition" in resource and not there.lazy_condition_map[resource["Condition"]]:
            if before:
                there._delete_resource(before, resource)
            return None
        if before is None:
            return there[name]  # which makes it
        there._parsed_resources[name] = before
        return update(name, resource, there, **where) or before

    def diff_by_values(
        self: parsing.ResourceMap, template: dict[str, Any], parameters: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        conditional = [name for name, resource in template["Resources"].items() if "Condition" in resource]
        for name in conditional:
            if self._parsed_resources.get(name, self) is None:
                del self._parsed_resources[name]  # of an earlier update: what refers to it now makes it, if it is to be
        self.input_parameters = {name: str(value) for name, value in self.resolved_parameters.items()}
        different: dict[str, Any] = build_diff(self, template, parameters)
        given = (parameters or {}).items()
        changed = {name for name, value in given if self.input_parameters.get(name) != value}
        conditions = {
            name
            for name, condition in template.get("Conditions", {}).items()
            if any(f'{{"Ref": "{parameter}"}}' in json.dumps(condition) for parameter in changed)
        }
        different["Modify"] += [
            name
            for name, resource in template["Resources"].items()
            if name in self._resource_json_map
            and name not in different["Modify"]
            and (
                resource.get("Condition") in conditions
                or any(f'{{"Fn::If": ["{condition}"' in json.dumps(resource) for condition in conditions)
            )
        ]
        different["Modify"].sort(
            key=lambda name: self._parsed_resources.get(name) is not None
        )  # what is to be made first
        return different

    replace_method(parsing, "parse_and_update_resource", update_by_condition)
    replace_method(parsing.ResourceMap, "build_resource_diff", diff_by_values)


def update_the_policies_of_roles() -> None:
    """Replace a role's inline policies, and whom it trusts, in an update: moto leaves both as they were."""
    update = Role.update_from_cloudformation_json

    def update_with_policies(original_resource: Role, cloudformation_json: Any, **where: Any) -> Role:
        role = update(original_resource=original_resource, cloudformation_json=cloudformation_json, **where)
        properties = cloudformation_json["Properties"]
        trusts = properties["AssumeRolePolicyDocument"]
        role.assume_role_policy_document = trusts if isinstance(trusts, str) else json.dumps(trusts)
        for name in [*role.policies]:
            role.delete_policy(name)
        for policy in properties.get("Policies", []):
            role.put_policy(policy["PolicyName"], policy["PolicyDocument"])
        return role

    replace_method(Role, "update_from_cloudformation_json", staticmethod(update_with_policies))


def leave_no_value_out_of_lists() -> None:
    """Remove from a list what is AWS::NoValue: moto leaves null in its place, in a policy's statements among others."""
    clean = parsing.clean_json

    def clean_json(part: Any, resources: parsing.ResourceMap) -> Any:
        cleaned = clean(part, resources)
        return [one for one in cleaned if one is not None] if isinstance(part, list) else cleaned

    replace_method(parsing, "clean_json", clean_json)


def take_requests_for_encrypted() -> None:
    """Ignore a bucket policy's denial of plain HTTP: all is plain here, and moto ignores conditions."""
    permission = FakeBucket.get_permission
    plain = {"Bool": {"aws:SecureTransport": "false"}}

    def get_permission(self: FakeBucket, action: str, resource: str) -> Any:
        if self.policy is None:
            return permission(self, action, resource)
        document = json.loads(self.policy)
        document["Statement"] = [one for one in document["Statement"] if one.get("Condition") != plain]
        return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)

    replace_method(FakeBucket, "get_permission", get_permission)


def find_templates_by_path() -> None:
    """Take a template from S3 by the path of its URL, as the AWS CLI writes it: moto takes the host for a bucket."""

    def get_stack(self: CloudFormationResponse, template_url: str) -> str:
        url = urlparse(template_url)
        bucket, _, key = url.path.lstrip("/").partition("/")
        [version, *_] = [*parse_qs(url.query).get("versionId", []), None]
        found: Any = s3_backends[self.current_account]["aws"].get_object(bucket, key, version_id=version)
        return bytes(found.value).decode()

    replace_method(CloudFormationResponse, "_get_stack_from_s3_url", get_stack)


def create_rest_apis_with_a_body() -> None:
    """Create AWS::ApiGateway::RestApi from its Body, and an API from Swagger 2.0: moto knows neither.

    Of the first it wants a Name, and of the second a description and version 3; it looks at the paths alone.
    """
    create = RestAPI.create_from_cloudformation_json

    def create_with_body(
        resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **rest: Any
    ) -> RestAPI:
        body = cloudformation_json["Properties"].get("Body")
        if body is None:
            return create(resource_name, cloudformation_json, account_id, region_name, **rest)
        backend = apigateway_backends[account_id][region_name]
        api = backend.create_rest_api(name=body["info"]["title"], description="")
        return backend.put_rest_api(api.id, {"paths": body["paths"]}, fail_on_warnings=False)

    put, load = APIGatewayBackend.put_rest_api, APIGatewayBackend.import_rest_api

    def put_paths(self: Any, function_id: str, api_doc: dict[str, Any], *_: Any, **more: Any) -> RestAPI:
        return put(
            self, function_id, {"paths": api_doc["paths"]}, fail_on_warnings=False, mode=more.get("mode", "merge")
        )

    def import_without_description(self: Any, api_doc: dict[str, Any], fail_on_warnings: bool) -> RestAPI:
        return load(self, {**api_doc, "info": {"description": "", **api_doc["info"]}}, fail_on_warnings)

    replace_method(RestAPI, "create_from_cloudformation_json", staticmethod(create_with_body))
    replace_method(APIGatewayBackend, "put_rest_api", put_paths)
    replace_method(APIGatewayBackend, "import_rest_api", import_without_description)


def create_state_machines_that_execute() -> None:
    """Create, update and delete a stack's state machine where it can run: moto puts it where nothing executes.

    The definition comes from S3 and its ${…} substitutions are made, as CloudFormation does both.
    """

    def definition_of(properties: dict[str, Any], account_id: str) -> str:
        place = properties["DefinitionS3Location"]
        value: bytes = s3_backends[account_id]["aws"].get_object(place["Bucket"], place["Key"]).value  # type: ignore[union-attr]  # it is there
        substitutions = properties.get("DefinitionSubstitutions", {})
        return re.sub(r"\$\{(\w+)\}", lambda match: str(substitutions[match[1]]), value.decode())

    def create(name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any) -> StateMachine:
        properties = cloudformation_json["Properties"]
        backend = stepfunctions_parser_backends[account_id][region_name]
        return backend.create_state_machine(
            properties.get("StateMachineName", name), definition_of(properties, account_id), properties["RoleArn"]
        )

    def update(
        original_resource: StateMachine,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> StateMachine:
        properties = cloudformation_json["Properties"]
        backend = stepfunctions_parser_backends[account_id][region_name]
        definition = definition_of(properties, account_id)
        return backend.update_state_machine(original_resource.arn, definition, properties["RoleArn"])

    def delete(name: str, cloudformation_json: Any, account_id: str, region_name: str) -> None:
        stepfunctions_parser_backends[account_id][region_name].delete_state_machine(name)

    replace_method(StateMachine, "create_from_cloudformation_json", staticmethod(create))
    replace_method(StateMachine, "update_from_cloudformation_json", staticmethod(update))
    replace_method(StateMachine, "delete_from_cloudformation_json", staticmethod(delete))

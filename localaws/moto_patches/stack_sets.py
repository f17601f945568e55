"""StackSets as resources of templates, which moto does not know: service-managed ones, which reach members by unit."""

import logging
from collections.abc import Iterator
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.core.common_models import CloudFormationModel
from moto.organizations.models import organizations_backends

_log = logging.getLogger(__name__)


def make_stack_sets_of_templates() -> None:
    """Make AWS::CloudFormation::StackSet of a template: moto takes each subclass of its model for what it can make.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-stackset.html
    """
    _known.append(type("StackSet", (_StackSet, CloudFormationModel), {}))


_known: list[type] = []  # moto keeps none itself


class _StackSet:
    """A StackSet whose stacks are in every active account of its units, but for the management account."""

    def __init__(self, name: str) -> None:
        self.physical_resource_id = name

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return the property that names it."""
        return "StackSetName"

    @staticmethod
    def cloudformation_type() -> str:
        """Return the type that templates have."""
        return "AWS::CloudFormation::StackSet"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
    ) -> "_StackSet":
        """Create the stacks; one that cannot be made, as where its role is there already, fails no other."""
        properties = cloudformation_json["Properties"]
        given = {one["ParameterKey"]: one["ParameterValue"] for one in properties.get("Parameters", [])}
        for group in properties["StackInstancesGroup"]:
            units = set(group["DeploymentTargets"]["OrganizationalUnitIds"])
            for member in _members(account_id, units):
                try:
                    stacks = cloudformation_backends[member][region_name]
                    stacks.create_stack(_stack_of(resource_name), properties["TemplateBody"], given)
                except Exception as error:  # whatever moto has against it
                    _log.warning("the stack of %s in %s: %s", resource_name, member, error)
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "_StackSet",
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> "_StackSet":
        """Make the stacks anew."""
        cls.delete_from_cloudformation_json(
            original_resource.physical_resource_id, cloudformation_json, account_id, region_name
        )
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],  # as moto calls it
        account_id: str,
        region_name: str,
    ) -> None:
        """Delete the stacks."""
        for member in _members(account_id, None):
            cloudformation_backends[member][region_name].delete_stack(_stack_of(resource_name))


def _stack_of(name: str) -> str:
    return f"StackSet-{name}"


def _members(account_id: str, units: set[str] | None) -> Iterator[str]:
    """Yield the active members of an account's organization that are below some units, or all of them."""
    management, partition = organizations_backends.master_accounts.get(account_id, (account_id, "aws"))
    organization = organizations_backends[management][partition]
    parents: dict[str | None, Any] = {unit.id: unit.parent_id for unit in organization.ou}
    for account in organization.accounts:
        above: set[str] = set()
        unit: str | None = account.parent_id
        while unit:
            above.add(unit)
            unit = parents.get(unit)
        if account.id != management and account.state == "ACTIVE" and (units is None or above & units):
            yield account.id

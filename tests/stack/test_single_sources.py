"""What stands in two languages says the same in both."""

import json
import re
from typing import Any

from deploy.package import PROJECT
from deploy.template import read_resources
from localaws.accounts.snapshot import READ_POLICY

DESCRIBE = "iam:GetAccountAuthorizationDetails"  # which is in the module of the calls that scans of many accounts make
_SETTINGS = ("settings.py", "organization_settings.py", "deactivation_settings.py", "telling_settings.py")
MEMBER_ROLE = PROJECT / "statemachine" / "member-role.yaml"
DEFINITION, OF_DEACTIVATIONS = (
    (PROJECT / "statemachine" / f"{name}.asl.json").read_text() for name in ("scan", "deactivation")
)


def iam_actions(policy: dict[str, Any]) -> set[str]:
    allowed = [statement for statement in policy["Statement"] if statement.get("Effect") == "Allow"]
    actions = [[one] if isinstance(one := statement.get("Action", []), str) else one for statement in allowed]
    return {action for some in actions for action in some if action.startswith("iam:")}


def calls_in(path: str) -> set[str]:
    """The operations of IAM that a module calls by its client."""
    names = re.findall(r"\biam\.([a-z_]+)", (PROJECT / "chalicelib" / "aws" / path).read_text())
    return {f"iam:{name.title().replace('_', '')}" for name in names if name != "exceptions"}


def test_the_reader_role_the_roles_the_boundary_and_the_snapshot_read_of_iam_what_is_called(
    whole: dict[str, Any],
) -> None:
    def granted(role: str) -> set[str]:
        [policy] = whole["Resources"][role]["Properties"]["Policies"]
        return iam_actions(policy["PolicyDocument"])

    boundary = json.loads((PROJECT / "docs" / "permissions-boundary.json").read_text())
    by_states, by_deactivations = (
        {f"iam:{name[0].upper()}{name[1:]}" for name in re.findall(r"aws-sdk:iam:(\w+)", definition)}
        for definition in (DEFINITION, OF_DEACTIVATIONS)
    )
    of_keys = calls_in("iam.py") - {DESCRIBE}
    of_all_users, of_named_users = calls_in("account.py") | {DESCRIBE}, calls_in("named_users.py")
    [reader] = read_resources(MEMBER_ROLE)["Resources"]["ReaderRole"]["Properties"]["Policies"]

    assert of_keys == by_states
    assert iam_actions(reader["PolicyDocument"]) == of_keys | of_all_users | of_named_users
    assert granted("ScanStateMachineRole") == by_states
    assert granted("ReadAccountRole") == of_all_users | of_named_users
    assert granted("DeactivatorRole") == by_deactivations
    assert by_deactivations - of_keys - of_named_users == {"iam:UpdateAccessKey"}
    assert iam_actions(boundary) == by_states | of_all_users | of_named_users | by_deactivations
    assert iam_actions(READ_POLICY) == by_states | of_all_users


def test_each_variable_that_a_function_has_is_read(whole: dict[str, Any]) -> None:
    functions = [each for each in whole["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    set_by_template = {name for each in functions for name in each["Properties"]["Environment"]["Variables"]}
    settings = (PROJECT / "chalicelib" / name for name in _SETTINGS)
    readers = [*settings, *(PROJECT / "chalicelib" / "aws").glob("*.py")]
    read = set(re.findall(r'"([A-Z_]+)"', "".join(path.read_text() for path in readers)))

    assert set_by_template - read == set()

"""What stands in two languages says the same in both."""

import json
import re
from typing import Any

from deploy.package import PROJECT
from localaws.accounts.snapshot import READ_POLICY

DEFINITION = (PROJECT / "statemachine" / "scan.asl.json").read_text()


def iam_actions(policy: dict[str, Any]) -> set[str]:
    allowed = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    actions = [[one] if isinstance(one := statement.get("Action", []), str) else one for statement in allowed]
    return {action for some in actions for action in some if action.startswith("iam:")}


def calls_in(path: str) -> set[str]:
    """The operations of IAM that a module calls by its client."""
    names = re.findall(r"\biam\.([a-z_]+)", (PROJECT / "chalicelib" / "aws" / path).read_text())
    return {f"iam:{name.title().replace('_', '')}" for name in names if name != "exceptions"}


def test_the_roles_the_boundary_and_the_snapshot_read_of_iam_what_is_called(template: dict[str, Any]) -> None:
    def granted(role: str) -> set[str]:
        [policy] = template["Resources"][role]["Properties"]["Policies"]
        return iam_actions(policy["PolicyDocument"])

    boundary = json.loads((PROJECT / "docs" / "permissions-boundary.json").read_text())
    by_states = {f"iam:{name[0].upper()}{name[1:]}" for name in re.findall(r"aws-sdk:iam:(\w+)", DEFINITION)}
    of_all_users, of_named_users = calls_in("account.py"), calls_in("named_users.py")

    assert granted("ScanStateMachineRole") == by_states
    assert granted("ReadAccountRole") == of_all_users | of_named_users
    assert iam_actions(boundary) == by_states | of_all_users | of_named_users
    assert iam_actions(READ_POLICY) == by_states | of_all_users


def test_each_variable_that_a_function_has_is_read(template: dict[str, Any]) -> None:
    functions = [each for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    set_by_template = {name for each in functions for name in each["Properties"]["Environment"]["Variables"]}
    readers = [PROJECT / "chalicelib" / "settings.py", *(PROJECT / "chalicelib" / "aws").glob("*.py")]
    read = set(re.findall(r'"([A-Z_]+)"', "".join(path.read_text() for path in readers)))

    assert set_by_template - read == set()

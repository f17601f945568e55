"""What stands in two languages says the same in both."""

import json
import re
from typing import Any

from chalicelib.evaluation.tags import REASON_TAG, UNTIL_TAG
from deploy.package import PROJECT
from localaws.accounts.snapshot import READ_POLICY

DEFINITION = (PROJECT / "statemachine" / "scan.asl.json").read_text()


def iam_actions(policy: dict[str, Any]) -> set[str]:
    allowed = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    actions = [[one] if isinstance(one := statement.get("Action", []), str) else one for statement in allowed]
    return {action for some in actions for action in some if action.startswith("iam:")}


def test_the_state_machine_keeps_the_tags_by_which_keys_are_exempted() -> None:
    [kept] = re.findall(r"\$lowercase\(Key\) in \[(.*?)\]", DEFINITION)

    assert re.findall("'(.*?)'", kept) == [UNTIL_TAG, REASON_TAG]


def test_the_role_the_boundary_and_the_snapshot_read_the_same_of_iam(template: dict[str, Any]) -> None:
    [role] = template["Resources"]["ScanStateMachineRole"]["Properties"]["Policies"]
    boundary = json.loads((PROJECT / "docs" / "permissions-boundary.json").read_text())
    called = {f"iam:{name[0].upper()}{name[1:]}" for name in re.findall(r"aws-sdk:iam:(\w+)", DEFINITION)}

    assert called == iam_actions(role["PolicyDocument"]) == iam_actions(boundary) == iam_actions(READ_POLICY)


def test_each_variable_that_a_function_has_is_read(template: dict[str, Any]) -> None:
    functions = [each for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    set_by_template = {name for each in functions for name in each["Properties"]["Environment"]["Variables"]}
    readers = [PROJECT / "chalicelib" / "settings.py", *(PROJECT / "chalicelib" / "aws").glob("*.py")]
    read = set(re.findall(r'"([A-Z_]+)"', "".join(path.read_text() for path in readers)))

    assert set_by_template - read == set()

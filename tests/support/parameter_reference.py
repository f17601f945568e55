"""The table of parameters in docs/deploy.md, made of the template: `python -m tests.support.parameter_reference`."""

from pathlib import Path
from typing import Any

from deploy.template import RESOURCES, read_resources

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "deploy.md"
BEGIN = "<!-- made of the template: make reference -->\n"
END = "<!-- end of what is made -->\n"


def reference(template: dict[str, Any]) -> str:
    """Every parameter with its default, what it takes and what it is, in the groups of CloudFormation's console."""
    lines = ["| parameter | default | takes | |", "|---|---|---|---|"]
    for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        lines.append(f"| **{group['Label']['default']}** | | | |")
        lines += [_row(name, template["Parameters"][name]) for name in group["Parameters"]]
    return "\n".join(lines) + "\n"


def page_with(template: dict[str, Any]) -> str:
    """The whole page, its table made anew."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + "\n" + reference(template) + "\n" + END + rest.partition(END)[2]


def _row(name: str, parameter: dict[str, Any]) -> str:
    default = f"`{parameter['Default']}`" if parameter["Default"] != "" else "empty"
    return f"| `{name}` | {default} | {_takes(parameter)} | {parameter['Description']} |"


def _takes(parameter: dict[str, Any]) -> str:
    if "AllowedValues" in parameter:
        return ", ".join(f"`{value}`" for value in parameter["AllowedValues"])
    if parameter["Type"] == "Number":
        return f"{parameter['MinValue']} to {parameter['MaxValue']}"
    return str(parameter["ConstraintDescription"])


if __name__ == "__main__":
    PAGE.write_text(page_with(read_resources(PROJECT / RESOURCES)), encoding="utf-8")

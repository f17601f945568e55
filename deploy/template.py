"""Reading the templates: statemachine/resources.yaml, and what Chalice packages it to."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from chalice.package import YAMLTemplateSerializer

RESOURCES = Path("statemachine/resources.yaml")


def read_resources(path: Path = RESOURCES) -> dict[str, Any]:
    """Return a template written with CloudFormation's short forms (`!Ref`, `!Sub` …), as Chalice merges it."""
    template: dict[str, Any] = YAMLTemplateSerializer().load_template(path.read_text(encoding="utf-8"), str(path))
    return template


def convert_to_json(packaged: Path) -> Path:
    """Replace a packaged template, which is YAML like the one that Chalice merged, by the same in JSON; return it."""
    path = packaged.with_suffix(".json")
    path.write_text(json.dumps(yaml.safe_load(packaged.read_text(encoding="utf-8")), indent=2), encoding="utf-8")
    packaged.unlink()
    return path


def without_conditions(template: Mapping[str, Any], *conditions: str) -> dict[str, Any]:
    """Return what CloudFormation makes of a template where conditions do not hold, its parameters apart.

    Conditions that nothing needs then are left out, too.
    """
    whole: dict[str, Any] = _where_not(template, conditions)
    for section in ("Resources", "Outputs"):
        parts = whole[section].items()
        whole[section] = {name: part for name, part in parts if part.get("Condition") not in conditions}
    rest = json.dumps([whole["Resources"], whole["Outputs"]])
    whole["Conditions"] = {name: rule for name, rule in whole["Conditions"].items() if f'"{name}"' in rest}
    return whole


def _where_not(part: Any, conditions: Sequence[str]) -> Any:
    if isinstance(part, list):
        return [_where_not(item, conditions) for item in part if not _is_left_out(item, conditions)]
    if not isinstance(part, Mapping):
        return part
    if _is_if(part, conditions):
        return _where_not(part["Fn::If"][2], conditions)
    return {name: _where_not(item, conditions) for name, item in part.items() if not _is_left_out(item, conditions)}


def _is_if(part: Any, conditions: Sequence[str]) -> bool:
    return isinstance(part, Mapping) and part.keys() == {"Fn::If"} and part["Fn::If"][0] in conditions


def _is_left_out(part: Any, conditions: Sequence[str]) -> bool:
    return _is_if(part, conditions) and part["Fn::If"][2] == {"Ref": "AWS::NoValue"}

"""Reading the templates: statemachine/resources.yaml, and what Chalice packages it to."""

import json
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

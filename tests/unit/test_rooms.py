"""The rooms of the product: who may import whom, and what each may know."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PRODUCT = [PROJECT / "app.py", *sorted((PROJECT / "chalicelib").rglob("*.py"))]
ALL = [*PRODUCT, *(path for room in ("deploy", "localaws", "bench") for path in sorted((PROJECT / room).rglob("*.py")))]
# From the ground floor up; a room imports from its own floor and from those below.
FLOORS = (
    {"age", "console", "instants", "schema", "severity", "documents", "scan_ids"}
    | {"key_documents", "organization_documents", "deactivation_documents", "telling_documents"},
    {"policy", "settings", "organization_settings", "deactivation_settings", "telling_settings"}
    | {"deactivation_input"},
    {"report"},
    {"evaluation"},
    {"telling"},
    {"aws"},
    {"outputs"},
    {"api", "steps"},
    {"app"},
)
# What reads no clock: time is an argument.
PURE = (
    *("age", "console", "instants", "severity", "policy", "schema", "documents", "evaluation", "report", "outputs"),
    *("key_documents", "organization_documents", "deactivation_documents", "deactivation_input", "telling"),
    "telling_documents",
)
SETTINGS = (
    *("chalicelib/settings.py", "chalicelib/organization_settings.py", "chalicelib/deactivation_settings.py"),
    "chalicelib/telling_settings.py",
    "chalicelib/aws/",
)
CLOCK = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "sleep"}


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "chalicelib" and len(parts) > 1 else parts[0]


def imports_of(path: Path) -> Iterator[str]:
    """The modules that a file imports, at its top or within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from (f"{module}.{alias.name}" if module == "chalicelib" else module for alias in node.names)


def floor_of(path: Path) -> int:
    module = name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    return next((floor for floor, rooms in enumerate(FLOORS) if room_of(module) in rooms), -1)


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_a_room_imports_from_its_own_floor_and_from_below(path: Path) -> None:
    below = set().union(*FLOORS[: floor_of(path) + 1])

    for module in imports_of(path):
        if module.startswith("chalicelib"):
            assert room_of(module) in below, module


def test_each_room_has_a_floor() -> None:
    assert [name_of(path) for path in PRODUCT if floor_of(path) < 0] == ["chalicelib/__init__.py"]


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_a_library_is_known_to_its_own_room_alone(path: Path) -> None:
    name, libraries = name_of(path), {module.partition(".")[0] for module in imports_of(path)}

    if not name.startswith("chalicelib/aws/"):
        assert not libraries & {"boto3", "botocore"}
    if not name.startswith(("app.py", "chalicelib/api/")):
        assert "chalice" not in libraries


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_the_environment_is_read_by_the_settings_and_for_aws_alone(path: Path) -> None:
    if not name_of(path).startswith(SETTINGS):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        names |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
        assert not names & {"environ", "getenv"}


@pytest.mark.parametrize("path", [path for path in PRODUCT if path.parts[-1] != "app.py"], ids=name_of)
def test_what_is_pure_reads_no_clock(path: Path) -> None:
    if name_of(path).removeprefix("chalicelib/").removesuffix(".py").split("/")[0] in PURE:
        tree = ast.parse(path.read_text())
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not {call.attr for call in calls if isinstance(call, ast.Attribute)} & CLOCK
        assert "time" not in {module.partition(".")[0] for module in imports_of(path)}


@pytest.mark.parametrize("path", [path for path in ALL if path.stem != "__init__"], ids=name_of)
def test_no_module_is_named_as_one_of_the_standard_librarys(path: Path) -> None:
    assert path.stem == "__main__" or path.stem not in sys.stdlib_module_names


@pytest.mark.parametrize("path", [path for path in ALL if name_of(path).startswith("deploy/")], ids=name_of)
def test_the_deployment_tool_knows_nothing_of_the_local_aws(path: Path) -> None:
    assert not {module.partition(".")[0] for module in imports_of(path)} & {"localaws", "moto", "tests"}

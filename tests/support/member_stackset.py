"""The StackSet's template, which has that of the reader role in it: `python -m tests.support.member_stackset`."""

import textwrap
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "statemachine"
ROLE, STACKSET = _FOLDER / "member-role.yaml", _FOLDER / "member-stackset.yaml"
_BEGIN = "      TemplateBody: | # made of member-role.yaml: make reference\n"


def template_with_the_role() -> str:
    """Return the whole template, with the role's text in its last lines made anew."""
    before, found, _ = STACKSET.read_text(encoding="utf-8").partition(_BEGIN)
    assert found, f"{STACKSET}: has no line {_BEGIN}"
    return before + found + textwrap.indent(ROLE.read_text(encoding="utf-8"), " " * 8)


if __name__ == "__main__":
    STACKSET.write_text(template_with_the_role(), encoding="utf-8")

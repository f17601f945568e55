"""statelint on the definition: `python -m tests.support.lint_definition`; what it refuses and AWS takes is listed."""

import sys
from pathlib import Path

from statelint.linter import Linter

# The end of a problem's path, to why it is none. https://states-language.net/#wait-state
EXTENSIONS = {
    ".WaitForIam.Seconds": "a JSONata state takes an expression here; statelint 3.1.0 only a number",
    ".WaitForRoot.Seconds": "the same",
    ".CheckUsers.MaxConcurrency": "the same; and a substitution is no number in valid JSON",
}


def problems() -> list[str]:
    """Return what statelint finds, less the listed extensions."""
    found = Linter.validate(str(Path(__file__).parents[2] / "statemachine" / "scan.asl.json"))
    return [problem for problem in found if not any(f"{place} is " in problem for place in EXTENSIONS)]


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or 0)

"""statelint on the definitions: `python -m tests.support.lint_definition`; what it refuses and AWS takes is listed."""

import sys
from pathlib import Path

from statelint.linter import Linter

# A part of a problem, to why it is none. https://states-language.net/#wait-state
EXTENSIONS = {
    ".WaitForIam.Seconds is ": "a JSONata state takes an expression here; statelint 3.1.0 only a number",
    ".CheckUsers.MaxConcurrency is ": "the same; and a substitution is no number in valid JSON",
    ".ScanAccounts.MaxConcurrency is ": "the same",
    # https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
    'Field "InputType" not allowed in State Machine.States.ScanAccounts.': "the kind of file is AWS's own field",
}
DEFINITIONS = sorted((Path(__file__).parents[2] / "statemachine").glob("*.asl.json"))


def problems(definition: Path) -> list[str]:
    """Return what statelint finds in a definition, less the listed extensions."""
    found = Linter.validate(str(definition))
    return [problem for problem in found if not any(part in problem for part in EXTENSIONS)]


if __name__ == "__main__":
    found = [f"{definition.name}: {problem}" for definition in DEFINITIONS for problem in problems(definition)]
    sys.exit("\n".join(found) or 0)

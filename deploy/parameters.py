"""The parameters that a stack is deployed with, checked before anything is made.

`python -m deploy.parameters STAGE TEMPLATE KEPT TEXT [NAME=value …]` prints, a line each, the `NAME=value`s of
TEXT and the others, for the AWS CLI; KEPT is what a stack that is there has, as DescribeStacks lists it. What a person
wants to know of it goes to standard error.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import regex

from chalicelib.policy import InvalidPolicyError, ScanPolicy
from chalicelib.settings import STACK_PREFIX, parse_stage_defaults
from deploy.settings import CONFIG, THRESHOLDS, InvalidSettingError, settings_of_each_function

_SCHEDULE = {"ScanSchedule": "SCAN_SCHEDULE"}
_QUOTES = {'"': "'", "'": '"'}  # each with the other one
_PIECE = r"""(?P<between>\s+(?={name}=))|(["'])(?P<quoted>.*?)\2|(?P<plain>.)"""


def split_assignments(text: str, variable: str = "PARAMETERS", name: str = r"\w+") -> list[str]:
    """Split the `NAME=value`s of a variable of make at the spaces between them.

    A value may have spaces. What is in quotes, the whole value or a part of it, is taken as it is. `name` is the
    pattern of a name without quotes. Raise InvalidSettingError if a quote is not closed.
    """
    assignments = [""]
    for piece in re.finditer(_PIECE.format(name=name), text.strip(), re.DOTALL):
        if piece["between"]:
            assignments.append("")
        elif piece["plain"] in _QUOTES:
            quote, assigned = piece["plain"], re.match(rf"{name}(?==)", assignments[-1])
            raise InvalidSettingError(
                f"{assigned[0] if assigned else variable}: {json.dumps(piece.string[piece.start() :][:80])} is not "
                f"accepted; it takes a second {quote} that ends the quoted text, or, if the value has a {quote} in it, "
                f"{_QUOTES[quote]} around it"
            )
        else:
            assignments[-1] += piece["quoted"] or piece["plain"] or ""
    return [assignment for assignment in assignments if assignment]


def read_parameters(known: Mapping[str, Mapping[str, Any]], assignments: Iterable[str]) -> dict[str, str]:
    """Read `NAME=value`s by the parameters of a template, `known`.

    InvalidSettingError for what they do not take, which the AWS CLI passes over, or CloudFormation refuses later.
    """
    values = {}
    for assignment in assignments:
        name, assigned, value = assignment.partition("=")
        if name not in known or not assigned:
            raise InvalidSettingError(f"PARAMETERS: {json.dumps(assignment)} is not accepted; {_names(name, known)}")
        values[name] = value.strip()
        if takes := _refusal(values[name], known[name]):
            raise InvalidSettingError(f"{name}: {json.dumps(value)} is not accepted; it takes {takes}")
    return values


def _names(name: str, known: Mapping[str, Any]) -> str:
    if name in _SCHEDULE.keys() - known.keys():
        return f"where Chalice deploys the schedule, it is the setting {_SCHEDULE[name]} in {CONFIG}"
    return f"it takes NAME=value with {', '.join(known)}"


def _refusal(value: str, parameter: Mapping[str, Any]) -> str:
    """Say what a parameter takes, if that is not this value, else nothing."""
    if allowed := [str(one) for one in parameter.get("AllowedValues", [])]:
        return "" if value in allowed else f"one of {', '.join(one or 'nothing' for one in allowed)}"
    if parameter["Type"] == "Number":
        least, most = parameter["MinValue"], parameter["MaxValue"]
        fits = re.fullmatch("[0-9]{1,9}", value) and least <= int(value) <= most
        return "" if fits else f"a whole number from {least} to {most}"
    # CloudFormation's regular expressions are Java's, which know Unicode's categories.
    fits = len(value) <= parameter.get("MaxLength", len(value)) and regex.fullmatch(parameter["AllowedPattern"], value)
    return "" if fits else str(parameter["ConstraintDescription"])


def read_thresholds(config: Path, stage: str, parameters: Mapping[str, str]) -> ScanPolicy:
    """Return the scan policy that parameters make up over the stage's settings; InvalidSettingError for none."""
    of_stack = {STACK_PREFIX + setting: parameters.get(name, "") for name, setting in THRESHOLDS.items()}
    try:
        policies = [
            parse_stage_defaults({**settings, **of_stack}) for settings in settings_of_each_function(config, stage)
        ]
    except InvalidPolicyError as error:
        given = [f"{name}={parameters[name]}" for name in THRESHOLDS if parameters.get(name)]
        whose = f"{', '.join(given)} of the stack, over {config}; NAME= takes one of the stack's back"
        raise InvalidSettingError(f"PARAMETERS: {error} ({whose})") from error
    return policies[0]


def passed_over(config: Path, stage: str, parameters: Mapping[str, str]) -> Iterator[str]:
    """Say, a line each, which settings of the stage are not taken, for a parameter of the stack says something else."""
    settings = next(settings_of_each_function(config, stage))
    for name, setting in {**THRESHOLDS, **_SCHEDULE}.items():
        if (value := parameters.get(name)) and value != settings.get(setting, value):
            yield f"{name}={value} is taken, not {setting} ({settings[setting]}) of {config}; {name}= would end that"


def main(stage: str, template: str, kept: str, text: str, *assignments: str) -> None:
    """Do what the command line asks for."""
    known = json.loads(Path(template).read_text())["Parameters"]
    assigned = read_parameters(known, [*assignments, *split_assignments(text)])
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in json.loads(kept) or []} | assigned
    policy = read_thresholds(CONFIG, stage, parameters)
    for line in passed_over(CONFIG, stage, parameters):
        print(line, file=sys.stderr)  # noqa: T201  # to the person
    print(f"Keys will be judged by {json.dumps(policy.to_json())}", file=sys.stderr)  # noqa: T201  # to the person
    for name, value in assigned.items():
        sys.stdout.buffer.write(os.fsencode(f"{name}={value}\n"))  # as it was read from the command line


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except InvalidSettingError as refused:
        sys.exit(str(refused))

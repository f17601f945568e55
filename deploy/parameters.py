"""The parameters that a stack is deployed with, checked before anything is made."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import regex

from chalicelib.deactivation_settings import DeactivationSettings, parse_deactivation_settings
from chalicelib.organization_settings import parse_organization_settings
from chalicelib.policy import InvalidPolicyError, ScanPolicy
from chalicelib.settings import InvalidSettingError, parse_stage_defaults
from deploy import terminal
from deploy.settings import (
    CONFIG,
    SETTINGS,
    THRESHOLDS,
    check_organization_stage,
    check_stage,
    settings_of_each_function,
)
from deploy.stage_file import path_of, read_assignments
from deploy.telling import OF_NOTICES, check_notices, what_has_no_effect

_QUOTES = {'"': "'", "'": '"'}  # each with the other one
_OF_EACH_DEPLOYMENT = ("NotificationEmail", "ApiGatewayLogsRole")  # which say by themselves what they are for
_OF_DEACTIVATION = (
    *("Deactivation", "DeactivationApproval", "DeactivateAfterDays", "DeactivationWeekdays"),
    *("MaxDeactivationsPerScan", "DeactivationScope", "DeactivationUserPath"),
)
# Parameters that the companion stack does not have, each with what takes `make deploy`.
OF_ONE_STACK = {
    **dict.fromkeys(
        ("Accounts", "ExcludedAccounts", "AccountConcurrency", "ReaderRoleName", "ExternalId"), "scans an organization"
    ),
    **dict.fromkeys((*_OF_DEACTIVATION, "DeactivatorRoleName"), "plans deactivations"),
    **dict.fromkeys((*OF_NOTICES, "MaxNoticesPerScan"), "sends owners notices"),
    "EventBus": "sends events",
    "SecurityHub": "puts findings into Security Hub",
}
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
            takes = (
                f"a second {quote} that ends the quoted text, or, if the value has a {quote} in it, {_QUOTES[quote]}"
            )
            raise InvalidSettingError(
                assigned[0] if assigned else variable, piece.string[piece.start() :], f"{takes} around it"
            )
        else:
            assignments[-1] += piece["quoted"] or piece["plain"] or ""
    return [assignment for assignment in assignments if assignment]


def read_parameters(
    known: Mapping[str, Mapping[str, Any]], assignments: Iterable[str], source: str = "PARAMETERS"
) -> dict[str, str]:
    """Return the values of `NAME=value`s, checked by the parameters of a template, `known`; a setting may be empty.

    Raise InvalidSettingError, which names the `source`, if a name is unknown or a value would be refused by
    CloudFormation later.
    """
    values = {}
    where = "" if source == "PARAMETERS" else f"{source}: "
    for assignment in assignments:
        name, assigned, value = assignment.partition("=")
        if name not in known or not assigned:
            raise InvalidSettingError(source, assignment, _names(name, known))
        values[name] = value.strip()
        if takes := _refusal(values[name], known[name]):
            if name in SETTINGS:
                if not values[name]:
                    continue
                takes = f"{takes.removesuffix(', or nothing')}, or nothing"
            raise InvalidSettingError(f"{where}{name}", value, takes)
    return values


def _names(name: str, known: Mapping[str, Any]) -> str:
    if name in OF_ONE_STACK and name not in known:
        return f"parameters of the companion stack: a stage that {OF_ONE_STACK[name]} takes `make deploy`"
    if name in SETTINGS.keys() - known.keys():
        setting = f"it is the setting {SETTINGS[name]} in {CONFIG}"
        return f"parameters of the companion stack: where Chalice deploys the functions, {setting}"
    alike = {one.lower(): one for one in known}
    nearest = difflib.get_close_matches(name.lower(), alike, n=1)
    meant = f"; did you mean {alike[nearest[0]]}=…?" if nearest else ""
    return f"NAME=value with {', '.join(known)}{meant}"


def _refusal(value: str, parameter: Mapping[str, Any]) -> str:
    """Return what a parameter takes if it does not take this value, else nothing."""
    if allowed := [str(one) for one in parameter.get("AllowedValues", [])]:
        return "" if value in allowed else f"one of {', '.join(one or 'nothing' for one in allowed)}"
    if parameter["Type"] == "Number":
        least, most = parameter["MinValue"], parameter["MaxValue"]
        fits = re.fullmatch("[0-9]{1,9}", value) and least <= int(value) <= most
        return "" if fits else f"a whole number from {least} to {most}"
    # CloudFormation's regular expressions are Java's, which know Unicode's categories.
    fits = len(value) <= parameter.get("MaxLength", len(value)) and regex.fullmatch(parameter["AllowedPattern"], value)
    return "" if fits else str(parameter["ConstraintDescription"])


def choose_parameters(
    stage: str,
    known: Mapping[str, Mapping[str, Any]],
    kept: Mapping[str, str],
    assignments: Iterable[str],
    found: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the parameters that a deployment assigns: those of the stage's file, overridden by `assignments`.

    `known` are the template's parameters, `kept` the values of the stack, if there is one, and `found` what the account
    asks for unless the file or `assignments` say otherwise. Print which settings the deployment uses. Raise
    InvalidSettingError if a value is refused.
    """
    path = path_of(stage)
    default = {name: str(parameter["Default"]) for name, parameter in known.items()}
    of_file = _fill_empty_settings(read_parameters(known, read_assignments(path), str(path)), default)
    given = _fill_empty_settings(read_parameters(known, assignments), {**default, **of_file})
    assigned = {**(found or {}), **of_file, **given}
    if known.keys() >= SETTINGS.keys():
        refuse_settings_of_chalice(CONFIG, stage)
        parameters = {**default, **kept, **assigned}
        from_file = all(parameters[name] == {**default, **of_file}[name] for name in THRESHOLDS)
        policy = read_thresholds(parameters, path, str(path) if from_file else "PARAMETERS")
        check_accounts(stage, parameters)
        check_deactivation(parameters)
        check_notices(parameters)
        lines = [*_overriding(path, of_file, given), *_kept_settings(path, of_file, default, parameters)]
        lines += what_has_no_effect(parameters)
    else:  # where Chalice deploys the functions
        policy = parse_stage_defaults(next(settings_of_each_function(CONFIG, stage)))
        lines = [*_overriding(path, of_file, given)]
    for line in [*lines, f"Keys will be judged by {json.dumps(policy.to_json())}"]:
        terminal.say(line)
    return assigned


def check_stage_for_accounts(stage: str, assignments: Iterable[str]) -> None:
    """Refuse, by InvalidSettingError, a stage's name that is too long for its Accounts, given or in its file."""
    given = dict(assignment.split("=", 1) for assignment in assignments if "=" in assignment)
    (check_organization_stage if given.get("Accounts") else check_stage)(stage)
    of_file = dict(assignment.split("=", 1) for assignment in read_assignments(path_of(stage)))
    if {**of_file, **given}.get("Accounts"):
        check_organization_stage(stage)


def check_accounts(stage: str, parameters: Mapping[str, str]) -> None:
    """Refuse, by InvalidSettingError, what no scan of an organization would take."""
    accounts = parameters.get("Accounts", "")
    settings = {"ACCOUNTS": accounts, "EXCLUDED_ACCOUNTS": parameters.get("ExcludedAccounts", "")}
    if accounts.startswith("s3://"):  # in the stack's own bucket, as its functions see to
        settings["REPORTS_BUCKET"] = accounts.removeprefix("s3://").partition("/")[0]
    try:
        parse_organization_settings(settings)
    except InvalidSettingError as error:
        name = {"ACCOUNTS": "Accounts", "EXCLUDED_ACCOUNTS": "ExcludedAccounts"}[error.field]
        ids = str(error.value).split(",")
        twice = next((one for one in ids if ids.count(one) > 1), None)
        takes = f"each account id once, and {twice} is there twice" if twice else error.takes
        raise InvalidSettingError(name, error.value, takes) from error
    if accounts:
        check_organization_stage(stage)


def check_deactivation(parameters: Mapping[str, str], where: str = "") -> DeactivationSettings | None:
    """Return the settings of deactivations, None for off; raise InvalidSettingError if no function would take them."""
    variables = {name: re.sub("(?<=[a-z])(?=[A-Z])", "_", name).upper() for name in _OF_DEACTIVATION}
    settings = {variable: parameters[name] for name, variable in variables.items() if name in parameters}
    try:
        return parse_deactivation_settings(settings)
    except InvalidSettingError as error:
        [name] = [name for name, variable in variables.items() if variable == error.field]
        takes = error.takes.replace("DEACTIVATION_APPROVAL", "DeactivationApproval=none")
        raise InvalidSettingError(f"{where}{name}", error.value, takes) from error


def check_list_of_accounts(accounts: str, bucket: str | None) -> None:
    """Refuse, by InvalidSettingError, a list of accounts in S3 that is not in the stack's own bucket, if it has one."""
    if not accounts.startswith("s3://"):
        return
    if bucket is None:
        takes = (
            "a list in the stack's own bucket, which is made first: deploy without Accounts, upload the list, then this"
        )
        raise InvalidSettingError("Accounts", accounts, takes)
    if not accounts.startswith(f"s3://{bucket}/organization/"):
        takes = f"a list in the stack's own bucket, s3://{bucket}/organization/NAME"
        raise InvalidSettingError("Accounts", accounts, takes)


def _fill_empty_settings(values: Mapping[str, str], instead: Mapping[str, str]) -> dict[str, str]:
    """Replace the empty values of settings; any other parameter may be empty."""
    return {name: value or (instead[name] if name in SETTINGS else "") for name, value in values.items()}


def read_thresholds(parameters: Mapping[str, str], path: Path, source: str = "PARAMETERS") -> ScanPolicy:
    """Return the scan policy that parameters make up; raise InvalidSettingError, which names the `source`, if none."""
    settings = {setting: parameters[name] for name, setting in THRESHOLDS.items()}
    try:
        return parse_stage_defaults(settings)
    except InvalidPolicyError as error:
        whose = ", ".join(f"{name}={parameters[name]}" for name in THRESHOLDS if parameters[name])
        back = f"NAME= takes one back to what {path} says, or to its default"
        takes = f"{error.takes} ({whose}; {back})"
        raise InvalidSettingError(f"{source}: {error.field}", error.value, takes) from error


def refuse_settings_of_chalice(config: Path, stage: str) -> None:
    """Raise InvalidSettingError if Chalice's configuration has a setting that this stack would ignore."""
    for settings in settings_of_each_function(config, stage):
        for name, setting in SETTINGS.items():
            if value := settings.get(setting):
                instead = f"`make deploy` takes it as {name} in {path_of(stage)}"
                takes = f"nothing: {instead}, and here it is for `chalice deploy` alone"
                raise InvalidSettingError(f"{config}: {setting}", value, takes)


def _overriding(path: Path, of_file: Mapping[str, str], given: Mapping[str, str]) -> Iterator[str]:
    """Yield, a line each, the values that override the stage's file for this deployment."""
    for name, value in given.items():
        if value != of_file.get(name, value):
            yield f"{name}={value} is for this deployment; the next one goes back to {of_file[name]} of {path}"


def _kept_settings(
    path: Path, of_file: Mapping[str, str], default: Mapping[str, str], parameters: Mapping[str, str]
) -> Iterator[str]:
    """Yield, a line each, the settings that only a command line gave, for this deployment or an earlier one."""
    for name in default:
        if name not in of_file and parameters[name] != default[name] and name not in _OF_EACH_DEPLOYMENT:
            value, back = parameters[name], f"{name}={'' if name in SETTINGS else default[name]}"
            yield f"{name}={value} is not in {path}; the stack keeps it until {back} or that file changes it"

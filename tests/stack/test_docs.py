"""The docs: the runbook has what a stack says when something is wrong, links lead somewhere, commands are run."""

import re
from typing import Any

import pytest

from chalicelib import policy
from chalicelib.aws import report_store
from chalicelib.evaluation import page as evaluation
from localaws.environment import PROJECT
from tests.stack.test_template import DEFINITION, STACK
from tests.support.cloudformation import resolve

RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text()


@pytest.mark.parametrize("name", ["NoScanAlarm", "NoFullScanAlarm"])
def test_each_alarm_has_its_cause_and_cure(template: dict[str, Any], name: str) -> None:
    alarm = resolve(template, template["Resources"][name]["Properties"]["AlarmName"], STACK)

    assert f"| *ALARM: {alarm.replace('prod', 'STAGE')}*" in RUNBOOK


def test_there_is_no_other_alarm(template: dict[str, Any]) -> None:
    alarms = [name for name, part in template["Resources"].items() if part["Type"] == "AWS::CloudWatch::Alarm"]

    assert sorted(alarms) == ["NoFullScanAlarm", "NoScanAlarm"]


def test_each_error_that_ends_a_scan_has_its_cause_and_cure() -> None:
    ours = [
        error.__name__
        for module in (policy, evaluation, report_store)
        for error in vars(module).values()
        if isinstance(error, type) and issubclass(error, Exception) and error.__module__ == module.__name__
    ]

    for name in ours:
        assert f"`{name}`" in RUNBOOK, name
    for service in ("Iam", "S3", "Sns", "Lambda"):
        assert f"`{service}." in RUNBOOK
    assert f"longer than {['nought', 'one', 'two'][DEFINITION['TimeoutSeconds'] // 3600]} hours" in RUNBOOK


WANTS_AWS = "wants AWS"  # which has what the local one has not
# Which test runs a command of the docs, by how it begins.
RUN_BY = {
    "make demo": "test_make_demo_ends_in_a_finished_scan_and_the_message",
    "make test": "what you are looking at",
    "make serve": "test_the_calls_that_make_demo_ends_with_are_for_make_serve",
    "make scan-account": "test_make_scan_account_ends_in_the_report_of_the_account",
    "make deploy-statemachine": "test_chalice_deploy_and_the_companion_scan_and_are_removed",
    "chalice deploy": "test_chalice_deploy_and_the_companion_scan_and_are_removed",
    "make deploy": "test_make_deploy_deploys_what_then_scans_and_make_destroy_removes_it",
    "curl ": "test_the_calls_that_are_printed_work_as_they_are",
    ".venv/bin/awscurl": "test_the_calls_that_are_printed_work_as_they_are",
    "awscurl": "test_the_documented_awscurl_commands_work",
    ".venv/bin/python -m localaws scan": "test_faults_happen_to_the_scan_and_a_seed_makes_them_the_same_each_time",
    ".venv/bin/python -m localaws serve": "test_faults_happen_to_what_is_served",
    ".venv/bin/python -m localaws snapshot": "test_a_scan_of_the_snapshot_finds_what_a_scan_of_the_account_finds",
    "aws stepfunctions redrive-execution": WANTS_AWS,
    "aws logs tail": WANTS_AWS,  # and version 2 of its CLI
    "aws ": "test_the_aws_commands_of_the_docs_are_taken",
}


def commands() -> list[str]:
    """The commands in the blocks of README and docs, without what a command prints."""
    command = re.compile(r"^\s*(?:\$ )?((?:make|aws|awscurl|curl|chalice|\.venv/bin/\S+) .+)$")
    found: list[str] = []
    for page in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))):
        fenced = False
        for line in page.read_text().splitlines():
            fenced ^= line.startswith("```")
            if (fenced or line.startswith("    ")) and (match := command.match(line)):
                found.append(match[1])
    return found


def test_every_command_in_the_docs_is_run_by_a_test_or_wants_aws() -> None:
    tests = "".join(path.read_text() for path in (PROJECT / "tests").rglob("test_*.py"))

    for command in commands():
        runs = [test for begin, test in RUN_BY.items() if command.startswith(begin)]
        assert runs, command
        assert any(test == WANTS_AWS or f"def {test}(" in tests or test == RUN_BY["make test"] for test in runs), (
            command
        )


def test_every_link_within_the_docs_leads_somewhere() -> None:
    pages = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md"))]

    for page in pages:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
            linked = (page.parent / target).resolve() if target else page
            assert linked.exists(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(linked.read_text()), f"{page.name}: {target}#{anchor}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

"""The runbook has what a stack of this app says when something is wrong."""

import re
from typing import Any

import pytest

from chalicelib import evidence, judging, policy
from localaws.harness import PROJECT
from tests.cloudformation import resolve
from tests.test_template import DEFINITION, STACK

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
        for module in (policy, judging, evidence)
        for error in vars(module).values()
        if isinstance(error, type) and issubclass(error, Exception) and error.__module__ == module.__name__
    ]

    for name in ours:
        assert f"`{name}`" in RUNBOOK, name
    for service in ("Iam", "S3", "Sns", "Lambda"):
        assert f"`{service}." in RUNBOOK
    assert f"longer than {['nought', 'one', 'two'][DEFINITION['TimeoutSeconds'] // 3600]} hours" in RUNBOOK


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

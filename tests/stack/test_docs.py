"""The docs: the runbook has what a stack says when something is wrong, what is named exists, commands are run."""

import json
import re
from collections import defaultdict
from typing import Any

import pytest

from chalicelib import deactivation_input, policy
from chalicelib.api.operations import OPERATIONS
from chalicelib.aws import deactivations, event_bus, report_store
from chalicelib.aws.errors import OrganizationUnreadableError
from chalicelib.evaluation import page as evaluation
from chalicelib.outputs.notice_refusals import compose_refusals
from chalicelib.report import account_list
from chalicelib.settings import HttpsFormat
from chalicelib.steps import deactivations as deactivation_steps
from localaws.environment import PROJECT
from tests.stack.test_deactivation import DEFINITION as OF_DEACTIVATIONS
from tests.stack.test_template import DEFINITION, OF_ORGANIZATION_SCAN, STACK
from tests.support.cloudformation import resolve
from tests.support.iam_policies import allows

DOCS = sorted((PROJECT / "docs").glob("*.md"))
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", PROJECT / "CHANGELOG.md", *DOCS]
RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text()


@pytest.mark.parametrize("name", ["NoScanAlarm", "NoFullScanAlarm"])
def test_each_alarm_has_its_cause_and_cure(template: dict[str, Any], name: str) -> None:
    alarm = resolve(template, template["Resources"][name]["Properties"]["AlarmName"], STACK)

    assert f"| *ALARM: {alarm.replace('prod', 'STAGE')}*" in RUNBOOK


def test_there_is_no_other_alarm(template: dict[str, Any]) -> None:
    alarms = [name for name, part in template["Resources"].items() if part["Type"] == "AWS::CloudWatch::Alarm"]

    assert sorted(alarms) == ["NoFullScanAlarm", "NoScanAlarm"]


def test_each_error_that_ends_a_scan_or_a_deactivation_has_its_cause_and_cure() -> None:
    ours = [
        error.__name__
        for module in (
            policy,
            evaluation,
            report_store,
            account_list,
            deactivation_input,
            deactivation_steps,
            deactivations,
            event_bus,
        )
        for error in vars(module).values()
        if isinstance(error, type) and issubclass(error, Exception) and error.__module__ == module.__name__
    ]

    for name in ours:
        assert f"`{name}`" in RUNBOOK, name
    for service in ("Iam", "S3", "Sns", "Lambda"):
        assert f"`{service}." in RUNBOOK
    assert f"longer than {['nought', 'one', 'two', 'three'][DEFINITION['TimeoutSeconds'] // 3600]} hours" in RUNBOOK
    assert f"`{OrganizationUnreadableError.__name__}`" in RUNBOOK
    assert OF_ORGANIZATION_SCAN["TimeoutSeconds"] == 86_400
    assert "or that of an organization longer than a day" in RUNBOOK
    assert OF_DEACTIVATIONS["TimeoutSeconds"] == 6 * 3600
    assert "it took longer than six hours" in RUNBOOK


def test_nothing_is_in_the_runbook_twice() -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    of_scans = RUNBOOK.partition("\n## Why a scan failed\n")[2].partition("\n## ")[0]
    errors = [error for row in re.findall(r"^\| (`.+?) \|", of_scans, re.MULTILINE) for error in row.split(", ")]

    assert len(headings) == len({*headings})
    assert len(errors) == len({*errors}) > 15


def test_the_runbook_quotes_what_the_messages_about_notices_say(whole: dict[str, Any]) -> None:
    rules = json.dumps([whole["Resources"][f"{name}NoticeRule"] for name in ("Bounced", "Unwanted", "Rejected")])
    counts: Any = defaultdict(int, owners=9, left=7)
    subjects = [
        compose_refusals(
            "1", "1", counts=counts, refused=refused, stopped=stopped, late=late, https_format=HttpsFormat.JSON
        )["subject"]
        for refused, stopped, late in (([("a@b.co", "no")] * 2, None, 0), ([], "no", 0), ([], None, 7))
    ]

    for words in ("a notice of access keys bounced", "was called spam", "SES rejected a notice"):
        assert words in RUNBOOK.partition("## Why a scan failed")[0]
        assert words in rules
    said = ("owners could not be notified", "Notices to owners stopped", "Notices to owners are late")
    for words, subject in zip(said, subjects, strict=True):
        assert words in RUNBOOK.partition("## Why a scan failed")[0]
        assert words in subject


@pytest.mark.parametrize("folder", ["notices/", "security-hub/"])
def test_a_folder_that_expires_only_while_its_parameter_is_on_is_deleted_by_a_command(
    whole: dict[str, Any], folder: str
) -> None:
    rules = whole["Resources"]["ReportsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    command = f"aws s3 rm --recursive s3://BUCKET/{folder}"

    assert [rule for rule in rules if "Fn::If" in rule and rule["Fn::If"][1].get("Prefix") == folder]
    for page in (RUNBOOK, (PROJECT / "docs" / f"{folder.rstrip('/')}.md").read_text()):
        assert command in page


WANTS_AWS = "wants AWS"  # which has what the local one has not
IN_CI = "is run by CI"
# Which test runs a command of the docs, by how it begins.
RUN_BY = {
    "make demo-organization": "test_make_demo_organization_ends_in_a_page_for_a_head_of_security",
    "make demo": "test_make_demo_ends_in_a_finished_scan_and_the_message",
    "make test": IN_CI,
    "make check": IN_CI,
    "make format": IN_CI,  # it does what `make check` asks for
    "make unit": IN_CI,  # its tests are some of `make test`
    ".venv/bin/python -m pytest": IN_CI,
    "make serve": "test_the_calls_that_make_demo_ends_with_are_for_make_serve",
    "make scan-account": "test_make_scan_account_ends_in_the_report_of_the_account",
    "make deploy-statemachine": "test_chalice_deploy_and_the_companion_scan_and_are_removed",
    "chalice deploy": "test_chalice_deploy_and_the_companion_scan_and_are_removed",
    "make deploy-reader": "test_the_commands_of_the_docs_set_an_account_up_on_the_local_aws",
    "make check-member": "test_the_commands_of_the_docs_set_an_account_up_on_the_local_aws",
    "aws organizations": WANTS_AWS,
    ".venv/bin/aws s3 cp": "test_the_commands_of_the_docs_fetch_the_report_of_an_organization",
    "make deploy": "test_make_deploy_deploys_what_then_scans_and_make_destroy_removes_it",
    "curl ": "test_the_calls_that_are_printed_work_as_they_are",
    ".venv/bin/awscurl": "test_the_calls_that_are_printed_work_as_they_are",
    "awscurl": "test_the_documented_awscurl_commands_work",
    ".venv/bin/python -m localaws scan": "test_faults_happen_to_the_scan_and_a_seed_makes_them_the_same_each_time",
    ".venv/bin/python -m localaws serve": "test_faults_happen_to_what_is_served",
    ".venv/bin/python -m localaws snapshot": "test_a_scan_of_the_snapshot_finds_what_a_scan_of_the_account_finds",
    "aws cloudformation deploy": WANTS_AWS,  # and Jira, PagerDuty and Slack
    "aws securityhub": "test_the_security_hub_commands_of_the_docs_are_what_its_api_takes",
    "aws logs tail": WANTS_AWS,  # and version 2 of its CLI
    "aws ": "test_the_aws_commands_of_the_docs_are_taken",
}


def commands() -> list[str]:
    """The commands in the blocks of README and docs, without what a command prints."""
    command = re.compile(r"^\s*(?:\$ )?((?:make|aws|awscurl|curl|chalice|\.venv/bin/\S+) .+)$")
    found: list[str] = []
    for page in PAGES:
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
        assert any(test in {WANTS_AWS, IN_CI} or f"def {test}(" in tests for test in runs), command


def test_every_test_that_the_page_on_reliability_names_is_there() -> None:
    tests = "".join(path.read_text() for path in (PROJECT / "tests").rglob("test_*.py"))

    named = re.findall(r"`(test_\w+)`", (PROJECT / "docs" / "reliability.md").read_text())

    assert len(named) > 30
    assert [test for test in named if f"def {test}(" not in tests] == []


def test_every_make_command_in_the_docs_is_a_target() -> None:
    targets = re.findall(r"^([a-z-]+):.* ## ", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    named = {command.split()[1] for command in commands() if command.startswith("make ")}

    for page in PAGES:
        named |= set(re.findall(r"`make ([a-z-]+)", page.read_text()))

    assert {"demo", "test", "unit", "check", "deploy"} <= named <= set(targets)


def test_ci_runs_what_the_docs_leave_to_it() -> None:
    run = (PROJECT / ".ci" / "run").read_text().splitlines()

    assert {"make check", "make test"} <= {re.split(r" (?:>|\|\|) ?", line)[0] for line in run}


def test_every_link_within_the_docs_leads_somewhere() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
            linked = (page.parent / target).resolve() if target else page
            assert linked.exists(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(linked.read_text()), f"{page.name}: {target}#{anchor}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_and_room_that_a_page_for_engineers_names_exists(page: str) -> None:
    text = re.sub(r"```.*?```", "", (PROJECT / page).read_text(), flags=re.DOTALL)
    rooms = [PROJECT, *(PROJECT / name for name in ("chalicelib", "localaws", "statemachine", ".chalice", "docs"))]

    named = {name for name in re.findall(r"`([\w./-]+)`", text) if re.search(r"/$|\.(py|md|json|yaml)$", name)}

    assert len(named) > 5
    for name in named - OF_A_SCAN:
        assert any((room / name).exists() for room in rooms), name


OF_A_SCAN = {
    "latest.json",
    "account.json",
    "usage.json",
    "report.json",
    "report.html",
    "out/account/account.json",
    "pages/0001.json",
}


API = "arn:aws:execute-api:REGION:ACCOUNT:API_ID/api"
APPROVE, UNDO = f"{API}/POST/scan/adhoc-1/plan/approve", f"{API}/POST/actions/123456789012-AKIA-1/undo"
# Each route, with ids in its path.
EVERY_ROUTE = {
    f"{API}/{one.method}{one.path}".replace("{scan_id}", "adhoc-1").replace("{action_id}", "123456789012-AKIA-1")
    for one in OPERATIONS
}
READ = {route for route in EVERY_ROUTE if "/GET/" in route}


@pytest.mark.parametrize(
    ("sids", "routes"),
    [
        ({"ScanAndRead", "ChangeNoKey"}, READ | {f"{API}/POST/scan"}),
        ({"ReadAndApprove", "Undo"}, READ | {APPROVE, UNDO}),
        ({"Undo"}, {route for route in READ if "actions" in route} | {UNDO}),
    ],
    ids=["who scans and reads", "who approves", "who undoes"],
)
def test_the_policies_of_the_docs_allow_each_the_routes_that_they_are_for(sids: set[str], routes: set[str]) -> None:
    blocks = re.findall(r"```json\n(.*?)```", (PROJECT / "docs" / "api.md").read_text(), re.DOTALL)
    statements = [one for block in blocks if '"Sid"' in block for one in json.loads(block)["Statement"]]
    document = {"Statement": [one for one in statements if one["Sid"] in sids]}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}

    assert {APPROVE, UNDO} < EVERY_ROUTE
    assert {one for one in EVERY_ROUTE if allows(document, "execute-api:Invoke", one)} == routes
    if "ChangeNoKey" in sids:
        document["Statement"].append(everything)
        assert {one for one in EVERY_ROUTE if allows(document, "execute-api:Invoke", one)} == routes


def test_each_row_of_where_to_change_what_names_a_test_and_its_files() -> None:
    table = (PROJECT / "CONTRIBUTING.md").read_text().partition("## Where to change what")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]

    assert len(rows) > 10
    for row in rows:
        assert len(row) == 4, row
        assert re.search(r"`tests/\w+/(test_\w+\.py)?`", row[3]), row[0]


def test_every_room_is_in_the_readme_and_in_the_architecture() -> None:
    packages = {path.parent for path in PROJECT.glob("*/__init__.py")} | set((PROJECT / "chalicelib").glob("*/"))
    rooms = {path.name for path in packages if list(path.glob("*.py"))}

    assert {"chalicelib", "evaluation", "report", "outputs", "api", "aws", "localaws", "deploy", "tests"} <= rooms
    for page in ("README.md", "docs/architecture.md"):
        text = (PROJECT / page).read_text()
        assert not {room for room in rooms if not re.search(rf"\b{room}/", text)}, page


def test_the_readme_is_two_screens() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 150

"""The reader role of accounts: `make deploy-reader`, `make deploy-readers` and `make check-member`."""

import io
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.settings import InvalidSettingError
from deploy import parameters as parameters_module
from deploy import readers, stack, terminal
from deploy.parameters import check_accounts, check_deactivation, check_list_of_accounts, check_stage_for_accounts
from deploy.readers import Given, ReaderError, check_member, deploy_reader, deploy_readers
from deploy.sessions import Target
from localaws.environment import PROJECT
from tests.deploy.test_make import ODD, make
from tests.support.organizations import OWN, account_id, member
from tests.support.scanner import OLD, user
from tests.support.serving import Served, start

WITHOUT_ROLE, OF_ANOTHER, OF_THE_DOCS, SUSPENDED, OF_THE_STACK_SET = (account_id(number) for number in range(1, 6))
UNITS = "r-ab12,ou-ab12-11111111"
OF_STACK = {
    "ExternalId": "of-the-stack",
    "ReaderRoleName": "of-the-stack",
    "UsageEvidence": "on",
    "RolePath": "/security/",
    "NotifyOn": "always",
    "Deactivation": "apply",
    "DeactivatorRoleName": "of-the-stack-too",
    "DeactivationScope": "tagged",
    "DeactivationUserPath": "/people/",
}


# The commands, on the local AWS.


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A stage that scans an organization: an account without the reader role, and one that trusts another stack."""
    accounts = [member(1, user("alice", OLD), reader_role=False), member(2, trust="principal")]
    accounts.append(member(3, user("bob", OLD), reader_role=False))
    accounts += [member(4, reader_role=False, state="SUSPENDED"), member(5, reader_role=False)]
    file = tmp_path_factory.mktemp("accounts") / "account.json"
    file.write_text(json.dumps({"users": [], "reader_role": False, "accounts": accounts}))
    running = start("--account", str(file))
    yield running
    running.stop()


def run(served: Served, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of `python -m deploy` in the scanning account; its profiles `member` and `other` are of others."""
    config = home / "config"
    role, other = (f"arn:aws:iam::{one}:role/OrganizationAccountAccessRole" for one in (WITHOUT_ROLE, OF_ANOTHER))
    key = {name: served.settings[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    config.write_text(
        f"[profile member]\nrole_arn = {role}\nsource_profile = base\nregion = us-east-1\n[profile other]\n"
        f"role_arn = {other}\nsource_profile = base\nregion = us-east-1\n[profile base]\n"
        + "".join(f"{name.lower()} = {value}\n" for name, value in key.items())
    )
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**mine, **served.settings, "HOME": str(home), "AWS_CONFIG_FILE": str(config)}
    command = [sys.executable, "-m", "deploy", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_an_account_answers_once_the_role_is_deployed_into_it_and_not_before(served: Served, tmp_path: Path) -> None:
    before = run(served, tmp_path, "check-member", "--stage=local", f"--account={WITHOUT_ROLE}")
    deployed = run(served, tmp_path, "reader", "--stage=local", "--profile=member")
    again = run(served, tmp_path, "reader", "--stage=local", "--profile=member")
    after = run(served, tmp_path, "check-member", "--stage=local", f"--account={WITHOUT_ROLE}")

    assert before.returncode == 1
    assert f"Account {WITHOUT_ROLE} does not answer: STS refused the role iam-key-age-reader" in before.stderr
    assert "make deploy-reader PROFILE=… STAGE=local" in before.stderr
    assert (deployed.returncode, deployed.stderr) == (0, "")
    assert f"RoleArn\tarn:aws:iam::{WITHOUT_ROLE}:role/iam-key-age-reader" in deployed.stdout
    assert f"make check-member ACCOUNT={WITHOUT_ROLE} STAGE=local" in deployed.stdout
    assert "No changes to deploy. Stack reader-of-iam-key-age-local is up to date" in again.stdout
    assert (after.returncode, after.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in after.stdout.splitlines()[:-1])
    assert {"iam:ListUsers", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:GetPolicyVersion"} <= lines.keys()
    assert set(lines.values()) == {"allowed"}
    assert after.stdout.splitlines()[-1] == f"Account {WITHOUT_ROLE} answers, and lets a scan read all that it needs."


def test_the_scanning_accounts_own_role_is_deployed_without_a_profile(served: Served, tmp_path: Path) -> None:
    deployed = run(served, tmp_path, "reader", "--stage=local")
    after = run(served, tmp_path, "check-member", "--stage=local", f"--account={OWN}")

    assert f"RoleArn\tarn:aws:iam::{OWN}:role/iam-key-age-reader" in deployed.stdout
    assert after.returncode == 0, after.stderr
    assert "iam:GetAccessKeyLastUsed" in after.stdout


def test_an_account_that_trusts_another_stack_does_not_answer(served: Served, tmp_path: Path) -> None:
    done = run(served, tmp_path, "check-member", "--stage=local", f"--account={OF_ANOTHER}")

    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Account {OF_ANOTHER} does not answer: STS refused the role iam-key-age-reader")


@pytest.mark.parametrize(
    ("account", "says"),
    [
        (SUSPENDED, "Organizations says that it is SUSPENDED; a scan of the organization counts it as not active"),
        (
            "999999999999",
            "it is not in the organization, and this stage scans no other accounts (Accounts=organization)",
        ),
    ],
    ids=["suspended", "not a member"],
)
def test_no_role_is_advised_for_an_account_that_no_role_opens(
    served: Served, tmp_path: Path, account: str, says: str
) -> None:
    done = run(served, tmp_path, "check-member", "--stage=local", f"--account={account}")

    assert (done.returncode, done.stderr) == (1, f"Account {account} does not answer: {says}\n")


def test_two_stages_in_one_account_are_told_to_have_two_names_of_the_role(served: Served, tmp_path: Path) -> None:
    done = run(served, tmp_path, "reader", "--stage=second", "--profile=other", f"--scanner={OWN}")

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "Role with name iam-key-age-reader already exists" in line
    assert "make deploy STAGE=… PARAMETERS='ReaderRoleName=…', then this command again (docs/organization.md)" in line


def test_a_member_whose_credentials_see_no_stack_names_the_account_that_scans(served: Served, tmp_path: Path) -> None:
    refused = run(served, tmp_path, "reader", "--stage=other", "--profile=member")
    named = run(served, tmp_path, "reader", "--stage=other", "--profile=member", f"--scanner={OWN}")

    assert refused.returncode == 1
    assert refused.stderr == (
        f"There is no stack iam-key-age-other in us-east-1 of account {OWN} that these credentials can see: make "
        "deploy STAGE=other first, with credentials of the account that scans, or name that account: SCANNER=…\n"
    )
    assert "Deploying reader-of-iam-key-age-other in us-east-1" in named.stdout


def test_the_members_below_the_root_answer_once_the_stack_set_is_deployed(served: Served, tmp_path: Path) -> None:
    [root] = served.client("organizations").list_roots()["Roots"]
    try:
        deployed = run(served, tmp_path, "readers", "--stage=local", f"--units={root['Id']}")
        after = run(served, tmp_path, "check-member", "--stage=local", f"--account={OF_THE_STACK_SET}")
    finally:
        served.client("cloudformation").delete_stack(StackName="readers-of-iam-key-age-local")

    assert deployed.returncode == 0, deployed.stderr
    assert "make deploy-reader STAGE=local" in deployed.stdout.splitlines()[-1]
    assert f"Account {OF_THE_STACK_SET} answers" in after.stdout


def test_the_commands_of_the_docs_fetch_the_report_of_an_organization(served: Served, project_copy: Path) -> None:
    page = (PROJECT / "docs" / "organization.md").read_text()
    [(start_scan, look_and_fetch)] = re.findall(
        r"^(    \S.*\n)    export SCAN_ID=…\n((?:    .*\n)+)", page, re.MULTILINE
    )
    (project_copy / "out").mkdir(exist_ok=True)

    started = bash(served, project_copy, start_scan)
    scan_id = json.loads(started.stdout)["scan_id"]
    served.wait_for(scan_id)
    done = bash(served, project_copy, f"export SCAN_ID={scan_id}\n{look_and_fetch}")

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"SUCCEEDED"' in done.stdout
    assert scan_id in (project_copy / "out" / "report.html").read_text()


def bash(served: Served, folder: Path, commands: str) -> "subprocess.CompletedProcess[str]":
    """Run commands of the docs in a copy of the project, with what `serve` printed."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", textwrap.dedent(commands)],
        cwd=folder,
        env={**mine, **served.settings, "PATH": path, "HOME": str(folder / "out")},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_commands_of_the_docs_set_an_account_up_on_the_local_aws(served: Served, project_copy: Path) -> None:
    page = (PROJECT / "docs" / "organization.md").read_text()
    [block] = re.findall(r"^    export AWS_CONFIG_FILE.*?(?=^\S)", page, re.MULTILINE | re.DOTALL)
    [named] = set(re.findall(r"ACCOUNT=(\d{12})", block))

    done = bash(served, project_copy, textwrap.dedent(block).replace(named, OF_THE_DOCS))

    demo = json.loads((PROJECT / "localaws" / "accounts" / "demo-organization.json").read_text())
    [without_role] = [account["account_id"] for account in demo["accounts"] if account.get("reader_role") is False]
    assert named == without_role
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Account {OF_THE_DOCS} does not answer" in done.stderr
    assert f"Account {OF_THE_DOCS} answers, and lets a scan read all that it needs." in done.stdout
    ended = served.wait_for(re.findall(r'"scan_id": ?"([^"]+)"', done.stdout)[-1])
    assert ended["summary"]["coverage"]["accounts_scanned"] == 1


# What is deployed, and what a person wrote.


class Fake:
    """A stage's stack and the accounts that a person signs in to; it keeps what is deployed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, of_stack: dict[str, str] | None = None) -> None:
        self.of_stack, self.deployed, self.told = of_stack, list[stack.Deployment](), list[str]()
        self.management = OWN
        self.of_organizations = ""
        self.resources = {"ScanAccount": "function"}
        self.answer: dict[str, Any] = {}
        self.payload: Any = None
        monkeypatch.setattr(readers, "sign_in", self.sign_in)
        monkeypatch.setattr(stack, "find_stack", self.find_stack)
        monkeypatch.setattr(stack, "deploy", self.deploy)
        monkeypatch.setattr(stack, "resources", lambda _client, _name: self.resources)
        monkeypatch.setattr(terminal, "tell", self.told.append)

    def sign_in(self, profile: str | None = None) -> Target:
        account = WITHOUT_ROLE if profile == "member" else OWN
        return Target(self.client, "eu-central-1", account, f"arn:aws:iam::{account}:user/me")

    def client(self, _service: str, **_: Any) -> Any:
        return self

    def find_stack(self, _client: Any, name: str) -> dict[str, Any] | None:
        if name.startswith("iam-key-age-") and self.of_stack is not None:
            pairs = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.of_stack.items()]
            return {"Parameters": pairs}
        return None

    def deploy(self, _client: Any, wanted: stack.Deployment, _tell: Any) -> dict[str, Any]:
        self.template = json.loads(wanted.template.read_text())
        self.deployed.append(wanted)
        return {"Outputs": [{"OutputKey": "RoleArn", "OutputValue": "ARN"}]}

    def describe_organization(self) -> dict[str, Any]:
        if not self.management:
            code = "AWSOrganizationsNotInUseException"
            raise ClientError({"Error": {"Code": code, "Message": "none"}}, "DescribeOrganization")
        return {"Organization": {"MasterAccountId": self.management}}

    def describe_account(self, **_: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": self.of_organizations, "Message": ""}}, "DescribeAccount")

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.payload = json.loads(asked["Payload"])
        said = {name: value for name, value in self.answer.items() if name != "FunctionError"}
        body = {"Payload": io.BytesIO(json.dumps(said).encode())}
        return body | ({"FunctionError": "Unhandled"} if "FunctionError" in self.answer else {})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(monkeypatch, OF_STACK)


def test_the_role_is_what_the_stages_stack_asks_for(fake: Fake) -> None:
    deploy_reader("prod", Given(profile="member", parameters="PermissionsBoundaryArn=arn:aws:iam::aws:policy/x"))

    [wanted] = fake.deployed
    assert wanted.stack == "reader-of-iam-key-age-prod"
    assert wanted.parameters == {
        "ScanningAccountId": OWN,
        "StackName": "iam-key-age-prod",
        "ExternalId": "of-the-stack",
        "RoleName": "of-the-stack",
        "UsageEvidence": "on",
        "ScannerRolePath": "/security/",
        "Deactivation": "apply",
        "ScannerRegion": "eu-central-1",
        "DeactivatorRoleName": "of-the-stack-too",
        "DeactivationScope": "tagged",
        "DeactivationUserPath": "/people/",
        "PermissionsBoundaryArn": "arn:aws:iam::aws:policy/x",
    }
    assert wanted.capabilities == ("CAPABILITY_NAMED_IAM",)
    assert wanted.bucket == ""  # an account that is only read gets no bucket
    assert fake.template["Resources"]["ReaderRole"]["Type"] == "AWS::IAM::Role"


@pytest.mark.parametrize(("of_stage", "of_role"), [("off", "off"), ("plan", "off"), ("apply", "apply")])
def test_a_member_has_a_deactivator_role_only_where_the_stage_deactivates(
    monkeypatch: pytest.MonkeyPatch, of_stage: str, of_role: str
) -> None:
    fake = Fake(monkeypatch, {**OF_STACK, "Deactivation": of_stage})

    deploy_reader("prod", Given(profile="member"))
    deploy_readers("prod", Given(units="r-ab12"))

    assert [one.parameters["Deactivation"] for one in fake.deployed] == [of_role, of_role]


def test_with_a_scanner_named_the_role_is_what_the_stages_file_asks_for(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "parameters.json"
    file.write_text('{"ExternalId": "of-the-file", "NotifyOn": "changes", "Deactivation": "apply"}')
    monkeypatch.setattr(readers, "path_of", lambda _stage: file)

    deploy_reader("prod", Given(profile="member", scanner="210987654321", parameters="UsageEvidence=on"))

    parameters = fake.deployed[0].parameters
    assert (parameters["ScanningAccountId"], parameters["ExternalId"]) == ("210987654321", "of-the-file")
    assert (parameters["RoleName"], parameters["UsageEvidence"]) == ("iam-key-age-reader", "on")
    assert (parameters["Deactivation"], parameters["DeactivatorRoleName"]) == ("apply", "iam-key-age-deactivator")
    assert "ScannerRegion" not in parameters  # which is the Region of the role's stack then, or what that has


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("role", "setting"), [("of-the-stack", "ReaderRoleName"), ("of-the-stack-too", "DeactivatorRoleName")]
)
def test_a_role_that_another_stage_made_is_said_with_the_parameter_that_names_it(
    monkeypatch: pytest.MonkeyPatch, role: str, setting: str
) -> None:
    def refuse(*_: Any) -> None:
        raise stack.StackError(f"The stack was not deployed: Role (AWS::IAM::Role): {role} already exists")

    monkeypatch.setattr(stack, "deploy", refuse)

    with pytest.raises(ReaderError, match=f"a role {role} that this stack did not make.* PARAMETERS='{setting}=…'"):
        deploy_reader("prod", Given(profile="member"))


@pytest.mark.parametrize(("profile", "call_as"), [(None, "SELF"), ("member", "DELEGATED_ADMIN")])
def test_the_stackset_is_for_units_as_the_account_that_it_is_deployed_from(
    fake: Fake, profile: str | None, call_as: str
) -> None:
    deploy_readers("prod", Given(profile=profile, units="r-ab12 ou-ab12-11111111,r-ab12"))

    [wanted] = fake.deployed
    assert wanted.stack == "readers-of-iam-key-age-prod"
    assert wanted.parameters["OrganizationalUnitIds"] == UNITS
    assert wanted.parameters["CallAs"] == call_as
    assert wanted.parameters["ScanningAccountId"] == OWN
    assert fake.template["Resources"]["Readers"]["Type"] == "AWS::CloudFormation::StackSet"
    assert fake.told[-1] == (
        f"A StackSet never reaches the management account, {OWN}: with its credentials, make deploy-reader STAGE=prod"
    )


def test_an_account_in_no_organization_deploys_the_role_account_by_account(fake: Fake) -> None:
    fake.management = ""

    with pytest.raises(ReaderError, match=f"Account {OWN} is in no organization: deploy the role into each account"):
        deploy_readers("prod", Given(units="r-ab12"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Given(units=""), 'UNITS: "" is not accepted; it takes ids of organizational units, or of the root'),
        (Given(units="r-ab12 111122223333"), 'UNITS: "111122223333" is not accepted'),
        (Given(units="ou-ab12-1111"), 'UNITS: "ou-ab12-1111" is not accepted'),
        (Given(), 'UNITS: "" is not accepted'),  # of a StackSet that is not there
        (
            Given(units="r-ab12", scanner="12"),
            'SCANNER: "12" is not accepted; it takes the id of the account that scans',
        ),
        (
            Given(units="r-ab12", parameters="ExternalId=a"),
            'ExternalId: "a" is not accepted; it takes 2 to 64 characters',
        ),
        (Given(units="r-ab12", parameters="RoleName=a/b"), 'RoleName: "a/b" is not accepted; it takes 1 to 64'),
        (
            Given(units="r-ab12", parameters="StackName=x"),
            'PARAMETERS: "StackName=x" is not accepted; it takes NAME=value',
        ),
        (Given(units="r-ab12", parameters="CallAs=SELF"), 'PARAMETERS: "CallAs=SELF" is not accepted'),
        (Given(units="r-ab12", tags="x"), 'TAGS: "x" is not accepted'),
    ],
)
def test_what_is_written_wrong_is_refused_before_anything_is_made(fake: Fake, given: Given, says: str) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        deploy_readers("prod", given)

    assert str(refusal.value).startswith(says)
    assert fake.deployed == []


@pytest.mark.parametrize("stage", ["x" * 24, "a_b", ""])
def test_a_stage_whose_roles_name_would_be_cut_has_no_readers(fake: Fake, stage: str) -> None:
    with pytest.raises(InvalidSettingError, match="STAGE: "):
        deploy_reader(stage, Given())
    assert fake.deployed == []
    deploy_reader("x" * 23, Given())


def test_a_stack_of_before_accounts_is_to_be_deployed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for of_stack in (None, {"NotifyOn": "always"}):
        Fake(monkeypatch, of_stack)
        with pytest.raises(ReaderError, match="make deploy STAGE=prod first"):
            deploy_reader("prod", Given())


# Checking.


@pytest.mark.parametrize("account", [None, ""])
def test_an_account_that_is_missing_is_said_with_an_example(fake: Fake, account: str | None) -> None:
    with pytest.raises(ReaderError, match="ACCOUNT is missing: name the account to check, such as ACCOUNT=4444"):
        check_member("prod", account)
    assert fake.payload is None


@pytest.mark.parametrize("account", ["12345678901", "1234567890123", "１２３４５６７８９０１２", "a"])
def test_an_account_id_that_is_none_is_refused(fake: Fake, account: str) -> None:
    with pytest.raises(
        InvalidSettingError, match=r"ACCOUNT: .* is not accepted; it takes the id of the account to check"
    ):
        check_member("prod", account)
    assert fake.payload is None


def test_a_stage_that_scans_its_own_account_alone_checks_none(fake: Fake) -> None:
    fake.resources = {"ReadAccount": "function"}

    with pytest.raises(ReaderError, match="or it has no Accounts to scan: make deploy STAGE=prod"):
        check_member("prod", WITHOUT_ROLE)


def test_a_call_that_is_refused_is_named_with_what_to_do(fake: Fake) -> None:
    calls = {"iam:ListUsers": "allowed", "iam:GetUser": "AccessDenied: by a service control policy"}
    fake.answer = {
        "answers": False,
        "cause": "A scan of this account is incomplete without iam:GetUser",
        "calls": calls,
    }

    with pytest.raises(ReaderError) as refusal:
        check_member("prod", WITHOUT_ROLE)

    assert fake.payload == {"check": {"account_id": WITHOUT_ROLE}}
    assert fake.told == ["iam:ListUsers  allowed", "iam:GetUser    AccessDenied: by a service control policy"]
    assert str(refusal.value) == (
        f"Account {WITHOUT_ROLE} answers, but not to all. A scan of this account is incomplete without iam:GetUser. "
        "Its role may be of an earlier version (make deploy-reader PROFILE=… STAGE=prod), or a service control policy "
        "or a permissions boundary denies it (docs/organization.md)"
    )


@pytest.mark.parametrize(
    ("code", "accounts"),
    [
        ("AccessDeniedException", "organization"),
        ("AWSOrganizationsNotInUseException", WITHOUT_ROLE),
        ("AccountNotFoundException", WITHOUT_ROLE),  # of no organization, or of another one: it is scanned by its id
    ],
)
def test_where_organizations_does_not_say_why_an_account_refuses_the_role_is_advised(
    monkeypatch: pytest.MonkeyPatch, code: str, accounts: str
) -> None:
    fake = Fake(monkeypatch, {**OF_STACK, "Accounts": accounts})
    fake.answer = {"answers": False, "cause": "STS refused the role", "calls": {}}
    fake.of_organizations = code

    with pytest.raises(ReaderError) as refusal:
        check_member("prod", WITHOUT_ROLE)

    assert str(refusal.value) == (
        f"Account {WITHOUT_ROLE} does not answer: STS refused the role. If the role is missing, or trusts another "
        "stack or external id: make deploy-reader PROFILE=… STAGE=prod"
    )


def test_a_function_that_fails_says_why(fake: Fake) -> None:
    fake.answer = {"FunctionError": "Unhandled", "errorMessage": "READER_ROLE_NAME is not accepted"}

    with pytest.raises(ReaderError, match="The function function failed: READER_ROLE_NAME is not accepted"):
        check_member("prod", WITHOUT_ROLE)


# The Makefile, and the parameters of the stack.


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    ("target", "variable"),
    [
        ("check-member", "ACCOUNT"),
        ("deploy-reader", "SCANNER"),
        ("deploy-readers", "UNITS"),
        ("deploy-reader", "STAGE"),
    ],
)
def test_what_is_written_on_the_command_line_is_refused_as_it_is_written(
    target: str, variable: str, value: str
) -> None:
    stage = [] if variable == "STAGE" else ["STAGE=prod"]
    done = make(PROJECT, target, f"{variable}={value}", *stage)

    [line] = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    named = value.split(maxsplit=1)[0] if variable == "UNITS" else value
    assert line.startswith(f"{variable}: {json.dumps(named)} is not accepted"), line
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("stage", "parameters", "says"),
    [
        (
            "prod",
            {"Accounts": "111122223333,111122223333"},
            'Accounts: "111122223333,111122223333" is not accepted; it takes each account id once, and 111122223333 is',
        ),
        ("prod", {"Accounts": "111"}, "or s3://BUCKET/organization/NAME, a list of ids in the stack's own bucket"),
        ("prod", {"Accounts": "", "ExcludedAccounts": "1,1"}, 'ExcludedAccounts: "1,1" is not accepted'),
        ("x" * 24, {"Accounts": "organization"}, "it takes 1 to 23 letters, digits and -, where Accounts is set"),
    ],
)
def test_what_no_scan_of_an_organization_would_take_is_refused_before_it_is_deployed(
    stage: str, parameters: dict[str, str], says: str
) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        check_accounts(stage, parameters)

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        (
            {"DeactivateAfterDays": "0", "DeactivationApproval": "none"},
            "DeactivateAfterDays: 0 is not accepted; it takes an integer from 1 to 365, where nobody has to approve (D",
        ),
        ({"DeactivationWeekdays": "MON,MON"}, 'DeactivationWeekdays: "MON,MON" is not accepted; it takes days out of'),
    ],
)
@pytest.mark.parametrize("deactivation", ["plan", "apply"])
def test_settings_of_deactivations_that_no_function_would_take_are_refused_before_they_are_deployed(
    parameters: dict[str, str], deactivation: str, says: str
) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        check_deactivation({"Deactivation": deactivation, **parameters})

    assert str(refusal.value).startswith(says)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"Deactivation": "off", "DeactivateAfterDays": "0", "DeactivationApproval": "none"},
        {"Deactivation": "apply", "DeactivateAfterDays": "0", "DeactivationApproval": "required"},
        {"Deactivation": "apply", "DeactivateAfterDays": "1", "DeactivationApproval": "none"},
    ],
)
def test_settings_of_deactivations_that_make_sense_are_deployed(parameters: dict[str, str]) -> None:
    check_deactivation(parameters)


@pytest.mark.parametrize("length", [24, 26])
@pytest.mark.parametrize("of_file", [True, False])
def test_a_stage_too_long_for_its_accounts_is_told_one_number_before_anything_is_packaged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, length: int, of_file: bool
) -> None:
    file, stage = tmp_path / "parameters.json", "x" * length
    if of_file:
        file.write_text('{"Accounts": "organization"}')
    monkeypatch.setattr(parameters_module, "path_of", lambda _stage: file)
    given = [] if of_file else ["Accounts=organization"]
    most = 25 if of_file and length == 26 else 23  # a stage that cannot be has no file

    with pytest.raises(InvalidSettingError, match=f"it takes 1 to {most} letters, digits and -"):
        check_stage_for_accounts(stage, given)


@pytest.mark.parametrize("given", [[], ["Accounts="], ["Accounts=", "MaxAgeDays=30"]])
def test_a_stage_without_accounts_may_have_a_longer_name(given: list[str]) -> None:
    check_stage_for_accounts("x" * 25, given)


@pytest.mark.parametrize(
    ("bucket", "says"),
    [
        (None, "it takes a list in the stack's own bucket, which is made first: deploy without Accounts, upload the"),
        ("other", "it takes a list in the stack's own bucket, s3://other/organization/NAME"),
        ("report", "it takes a list in the stack's own bucket, s3://report/organization/NAME"),
    ],
)
def test_a_list_of_accounts_elsewhere_than_in_the_stacks_own_bucket_is_refused(bucket: str | None, says: str) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        check_list_of_accounts("s3://reports/organization/accounts.txt", bucket)

    assert says in str(refusal.value)


def test_a_list_of_accounts_in_the_stacks_own_bucket_is_taken() -> None:
    check_list_of_accounts("s3://reports/organization/accounts.txt", "reports")
    check_list_of_accounts("organization", None)


@pytest.mark.parametrize("target", ["check-member", "deploy-reader", "deploy-readers"])
def test_a_stage_is_named_where_a_role_would_trust_it(target: str) -> None:
    done = make(PROJECT, target, f"ACCOUNT={OWN}", "UNITS=r-ab12", STAGE="dev")

    [line] = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert line == 'STAGE: "" is not accepted; it takes 1 to 23 letters, digits and -, where Accounts is set'


@pytest.mark.parametrize("accounts", ["", "organization", "111122223333", "s3://any-bucket/organization/accounts.txt"])
def test_what_a_scan_takes_is_deployed(accounts: str) -> None:
    check_accounts("x" * 23, {"Accounts": accounts, "ExcludedAccounts": "444455556666"})


def test_a_stack_of_a_role_that_cannot_be_updated_says_what_removes_it() -> None:
    wanted = stack.Deployment("reader", Path(), "", {}, {}, removed_by="aws cloudformation delete-stack")
    cloudformation = boto3.client("cloudformation", region_name="eu-central-1")
    from botocore.stub import Stubber

    with Stubber(cloudformation) as stubber:
        described = {"StackName": "reader", "CreationTime": "2026-11-27", "StackStatus": "ROLLBACK_COMPLETE"}
        stubber.add_response("describe_stacks", {"Stacks": [described]})
        with pytest.raises(stack.StackError, match="cannot be updated: aws cloudformation delete-stack first"):
            stack.deploy(lambda _service: cloudformation, wanted)

"""A stack that is deployed or deleted: what CloudFormation is asked, and what is said if it fails."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from deploy import commands, stack
from deploy.sessions import Target
from localaws.environment import LocalAws

NAME = "iam-key-age-dev"
STACK_ID = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{NAME}/1"
CHANGE_SET = f"arn:aws:cloudformation:eu-central-1:123456789012:changeSet/{NAME}/1"
TEMPLATE = {
    "Parameters": {"MaxAgeDays": {"Default": "90"}, "NotifyOn": {"Default": "findings"}, "New": {"Default": "x"}},
    "Resources": {
        "One": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "./code.zip"}},
        "Two": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "./code.zip"}},
        "Machine": {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "../scan.json"}},
        "Topic": {"Type": "AWS::SNS::Topic"},
    },
}
UPLOADED = 3  # the code, the definition and the template


@dataclass
class FakeS3:
    """What is uploaded, by its key."""

    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    puts: int = 0
    meta: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(endpoint_url="https://s3.amazonaws.com"))

    def get_object(self, **named: str) -> dict[str, Any]:
        if named["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[named["Key"]]), "VersionId": self.versions[named["Key"]]}

    def put_object(self, **named: Any) -> dict[str, Any]:
        self.puts += 1
        self.objects[named["Key"]] = named["Body"]
        self.versions[named["Key"]] = f"version-{self.puts}"
        return {"VersionId": self.versions[named["Key"]]}


@dataclass
class Aws:
    """A CloudFormation that answers what a test wants, in this order, and an S3."""

    cloudformation: Any
    stubber: Stubber
    s3: FakeS3

    def client(self, service: str) -> Any:
        return {"cloudformation": self.cloudformation, "s3": self.s3}[service]

    def answers(self, operation: str, response: dict[str, Any], asked: dict[str, Any] | None = None) -> None:
        self.stubber.add_response(operation, response, asked)

    def has(self, status: str | None, parameters: dict[str, str] | None = None, **more: str) -> None:
        """Answer DescribeStacks with one stack of this status, or with an error if there is none."""
        if status is None:
            message = f"Stack with id {NAME} does not exist"
            self.stubber.add_client_error("describe_stacks", "ValidationError", message, 400)
            return
        of_stack = [{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()]
        described = {"StackName": NAME, "StackId": STACK_ID, "CreationTime": "2026-11-27", "StackStatus": status}
        self.answers("describe_stacks", {"Stacks": [{**described, "Parameters": of_stack, **more}]})

    def makes_a_change_set(self, status: str = "CREATE_COMPLETE", reason: str = "", **asked: Any) -> None:
        expected = {
            **dict.fromkeys(("StackName", "ChangeSetName", "ChangeSetType", "TemplateURL"), ANY),
            **dict.fromkeys(("Parameters", "Capabilities", "Tags"), ANY),
            **asked,
        }
        self.answers("create_change_set", {"Id": CHANGE_SET, "StackId": STACK_ID}, expected)
        self.answers("describe_change_set", {"Status": status, "StatusReason": reason}, {"ChangeSetName": CHANGE_SET})

    def tells_of(self, *events: tuple[str, str, str]) -> None:
        """Answer with events of resources, the latest first, as (name, status, reason)."""
        of_stack = {"StackId": STACK_ID, "StackName": NAME, "EventId": "1", "Timestamp": "2026-11-27"}
        listed = [
            {
                **of_stack,
                "LogicalResourceId": name,
                "PhysicalResourceId": STACK_ID if name == NAME else name,
                "ResourceType": "AWS::SNS::Topic",
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }
            for name, status, reason in events
        ]
        self.answers("describe_stack_events", {"StackEvents": listed})


@pytest.fixture
def aws_of_a_test() -> Aws:
    cloudformation = boto3.session.Session().client("cloudformation", region_name="eu-central-1")
    stubber = Stubber(cloudformation)
    stubber.activate()
    return Aws(cloudformation, stubber, FakeS3())


@pytest.fixture
def wanted(tmp_path: Path) -> Callable[..., stack.Deployment]:
    (tmp_path / "build").mkdir()
    template = tmp_path / "build" / "sam.json"
    template.write_text(json.dumps(TEMPLATE))
    (tmp_path / "build" / "code.zip").write_bytes(b"code")
    (tmp_path / "scan.json").write_bytes(b"{}")
    return lambda **parameters: stack.Deployment(NAME, template, "uploads", parameters, {"team": "security"})


Wanted = Callable[..., stack.Deployment]


def test_a_stack_that_is_not_there_is_created_with_what_is_given(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has(None)
    asked: dict[str, Any] = {
        "ChangeSetType": "CREATE",
        "Parameters": [{"ParameterKey": "MaxAgeDays", "ParameterValue": "60"}],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Tags": [{"Key": "team", "Value": "security"}],
    }
    aws_of_a_test.makes_a_change_set(**asked)
    aws_of_a_test.answers("execute_change_set", {}, {"ChangeSetName": CHANGE_SET})
    aws_of_a_test.has("CREATE_COMPLETE")
    aws_of_a_test.has("CREATE_COMPLETE")
    told: list[str] = []

    deployed = stack.deploy(aws_of_a_test.client, wanted(MaxAgeDays="60"), told.append)

    assert deployed["StackStatus"] == "CREATE_COMPLETE"
    assert told == [
        "Uploading to s3://uploads",
        "Creating the stack iam-key-age-dev; that takes some minutes",
        "The stack iam-key-age-dev is deployed",
    ]
    aws_of_a_test.stubber.assert_no_pending_responses()


def test_a_stack_keeps_the_parameters_that_are_not_given(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has("UPDATE_COMPLETE", {"MaxAgeDays": "90", "NotifyOn": "changes", "OfAnEarlierTemplate": "x"})
    parameters = [
        {"ParameterKey": "MaxAgeDays", "ParameterValue": "60"},
        {"ParameterKey": "NotifyOn", "UsePreviousValue": True},
    ]
    aws_of_a_test.makes_a_change_set(ChangeSetType="UPDATE", Parameters=parameters)
    aws_of_a_test.answers("execute_change_set", {})
    aws_of_a_test.has("UPDATE_COMPLETE")
    aws_of_a_test.has("UPDATE_COMPLETE")

    stack.deploy(aws_of_a_test.client, wanted(MaxAgeDays="60"))

    aws_of_a_test.stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information to create a change set.",
        "No updates are to be performed.",
    ],
)
def test_no_changes_are_a_success_and_leave_no_change_set(aws_of_a_test: Aws, wanted: Wanted, reason: str) -> None:
    aws_of_a_test.has("CREATE_COMPLETE")
    aws_of_a_test.makes_a_change_set("FAILED", reason)
    aws_of_a_test.answers("delete_change_set", {}, {"ChangeSetName": CHANGE_SET})
    aws_of_a_test.has("CREATE_COMPLETE")
    told: list[str] = []

    stack.deploy(aws_of_a_test.client, wanted(), told.append)

    assert told[-1] == "No changes to deploy. Stack iam-key-age-dev is up to date"
    aws_of_a_test.stubber.assert_no_pending_responses()


def test_a_template_that_cloudformation_refuses_is_said_with_its_reason(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has(None)
    aws_of_a_test.makes_a_change_set("FAILED", "Transform AWS::Serverless-2016-10-31 failed with: no\n good")

    with pytest.raises(stack.StackError) as failure:
        stack.deploy(aws_of_a_test.client, wanted())

    assert str(failure.value) == (
        "The stack iam-key-age-dev cannot be deployed: Transform AWS::Serverless-2016-10-31 failed with: no good"
    )


def test_a_failed_deployment_names_the_resources_that_failed_first_and_why(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has("UPDATE_COMPLETE")
    aws_of_a_test.makes_a_change_set()
    aws_of_a_test.answers("execute_change_set", {})
    aws_of_a_test.has("UPDATE_ROLLBACK_COMPLETE")
    aws_of_a_test.tells_of(
        (NAME, "UPDATE_ROLLBACK_COMPLETE", ""),
        ("Topic", "UPDATE_COMPLETE", ""),
        (NAME, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed"),
        ("Alarm", "CREATE_FAILED", "Resource creation cancelled"),
        ("Machine", "UPDATE_FAILED", "The role\nmay not log"),
        ("Topic", "CREATE_FAILED", "No such key"),
        ("Topic", "UPDATE_IN_PROGRESS", ""),
        (NAME, "UPDATE_IN_PROGRESS", "User Initiated"),
        ("Queue", "CREATE_FAILED", "of the deployment before"),
    )

    with pytest.raises(stack.StackError) as failure:
        stack.deploy(aws_of_a_test.client, wanted())

    assert str(failure.value) == (
        "The stack iam-key-age-dev was not deployed, and is UPDATE_ROLLBACK_COMPLETE: Topic (AWS::SNS::Topic): No such "
        "key; Machine (AWS::SNS::Topic): The role may not log"
    )


def test_a_failure_of_no_resource_is_said_with_the_stacks_reason(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has(None)
    aws_of_a_test.makes_a_change_set()
    aws_of_a_test.answers("execute_change_set", {})
    aws_of_a_test.has("ROLLBACK_FAILED", StackStatusReason="Internal error")
    aws_of_a_test.tells_of((NAME, "CREATE_IN_PROGRESS", "User Initiated"))

    with pytest.raises(stack.StackError, match="was not deployed, and is ROLLBACK_FAILED: Internal error"):
        stack.deploy(aws_of_a_test.client, wanted())


def test_who_may_not_delete_an_empty_change_set_succeeds_all_the_same(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has("CREATE_COMPLETE")
    aws_of_a_test.makes_a_change_set("FAILED", "No updates are to be performed")
    aws_of_a_test.stubber.add_client_error("delete_change_set", "AccessDenied", "not authorized", 403)
    aws_of_a_test.has("CREATE_COMPLETE")

    assert stack.deploy(aws_of_a_test.client, wanted())["StackId"] == STACK_ID


def test_who_may_not_see_the_events_hears_the_stacks_status(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has(None)
    aws_of_a_test.makes_a_change_set()
    aws_of_a_test.answers("execute_change_set", {})
    aws_of_a_test.has("ROLLBACK_COMPLETE", StackStatusReason="The role may not log")
    aws_of_a_test.stubber.add_client_error("describe_stack_events", "AccessDenied", "not authorized", 403)

    with pytest.raises(stack.StackError, match="was not deployed, and is ROLLBACK_COMPLETE: The role may not log"):
        stack.deploy(aws_of_a_test.client, wanted())


def test_a_deployment_that_aws_stops_telling_of_is_not_said_to_have_failed(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has("UPDATE_COMPLETE")
    aws_of_a_test.makes_a_change_set()
    aws_of_a_test.answers("execute_change_set", {})
    aws_of_a_test.stubber.add_client_error("describe_stacks", "ExpiredToken", "The token is expired", 403)

    with pytest.raises(stack.StackError, match=r"not known whether the stack iam-key-age-dev was deployed: .*expired"):
        stack.deploy(aws_of_a_test.client, wanted())


@pytest.mark.parametrize("answer", [{"VersionId": "null"}, {}])
def test_a_bucket_whose_versions_do_not_stay_gets_no_version_named(
    aws_of_a_test: Aws, wanted: Wanted, monkeypatch: pytest.MonkeyPatch, answer: dict[str, str]
) -> None:
    monkeypatch.setattr(aws_of_a_test.s3, "put_object", lambda **_: answer)

    assert "versionId" not in stack._upload_template(aws_of_a_test.s3, wanted())


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"])
def test_a_stack_whose_first_deployment_failed_has_to_be_destroyed_first(
    aws_of_a_test: Aws, wanted: Wanted, status: str
) -> None:
    aws_of_a_test.has(status)

    with pytest.raises(stack.StackError, match=f"is {status} and cannot be updated: make destroy STAGE=… first"):
        stack.deploy(aws_of_a_test.client, wanted())

    assert aws_of_a_test.s3.puts == 0


def test_a_stack_of_which_there_is_only_a_change_set_is_created(aws_of_a_test: Aws, wanted: Wanted) -> None:
    aws_of_a_test.has("REVIEW_IN_PROGRESS")
    aws_of_a_test.makes_a_change_set(ChangeSetType="CREATE")
    aws_of_a_test.answers("execute_change_set", {})
    aws_of_a_test.has("CREATE_COMPLETE")
    aws_of_a_test.has("CREATE_COMPLETE")

    assert stack.deploy(aws_of_a_test.client, wanted())["StackId"] == STACK_ID


def test_who_stops_to_wait_hears_that_cloudformation_continues(
    aws_of_a_test: Aws, wanted: Wanted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    aws_of_a_test.has(None)
    aws_of_a_test.makes_a_change_set()
    aws_of_a_test.answers("execute_change_set", {})
    aws_of_a_test.has("CREATE_IN_PROGRESS")
    monkeypatch.setattr("botocore.waiter.time.sleep", stop)

    with pytest.raises(KeyboardInterrupt):
        stack.deploy(aws_of_a_test.client, wanted())

    assert capsys.readouterr().err == "CloudFormation continues by itself: the console shows the stack's events\n"


def test_a_stack_that_cannot_be_deleted_is_said_with_what_is_in_the_way(aws_of_a_test: Aws) -> None:
    aws_of_a_test.has("CREATE_COMPLETE")
    aws_of_a_test.answers("delete_stack", {}, {"StackName": NAME})
    aws_of_a_test.has("DELETE_FAILED")
    aws_of_a_test.tells_of(
        (NAME, "DELETE_FAILED", "The following resource(s) failed to delete"),
        ("Topic", "DELETE_FAILED", "is in use"),
        (NAME, "DELETE_IN_PROGRESS", "User Initiated"),
    )

    with pytest.raises(stack.StackError) as failure:
        stack.delete(aws_of_a_test.client, NAME)

    assert str(failure.value) == (
        "The stack iam-key-age-dev was not deleted, and is DELETE_FAILED: Topic (AWS::SNS::Topic): is in use"
    )


def test_what_a_refused_change_set_left_of_a_stack_can_be_destroyed(
    aws_of_a_test: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(aws_of_a_test.client, "eu-central-1", "123456789012", "arn:aws:iam::123456789012:user/me")
    monkeypatch.setattr(commands, "sign_in", lambda: target)
    aws_of_a_test.has("REVIEW_IN_PROGRESS")
    aws_of_a_test.answers("list_stack_resources", {"StackResourceSummaries": []})
    aws_of_a_test.has("REVIEW_IN_PROGRESS")
    aws_of_a_test.answers("delete_stack", {}, {"StackName": NAME})
    aws_of_a_test.has("DELETE_COMPLETE")

    commands.destroy("dev")

    aws_of_a_test.stubber.assert_no_pending_responses()


def test_what_a_template_refers_to_is_uploaded_once_under_its_hash(aws_of_a_test: Aws, wanted: Wanted) -> None:
    for _ in range(2):
        url = stack._upload_template(aws_of_a_test.s3, wanted())

    assert aws_of_a_test.s3.puts == UPLOADED
    bucket, key = url.removeprefix("https://s3.amazonaws.com/").partition("?")[0].split("/")
    assert bucket == "uploads"
    assert url.endswith(f"?versionId={aws_of_a_test.s3.versions[key]}")
    resources = json.loads(aws_of_a_test.s3.objects[key])["Resources"]
    code = resources["One"]["Properties"]["CodeUri"]
    assert code == resources["Two"]["Properties"]["CodeUri"]
    assert code == {"Bucket": "uploads", "Key": code["Key"], "Version": aws_of_a_test.s3.versions[code["Key"]]}
    assert aws_of_a_test.s3.objects[code["Key"]] == b"code"
    definition = resources["Machine"]["Properties"]["DefinitionUri"]
    assert aws_of_a_test.s3.objects[definition["Key"]] == b"{}"


def test_what_somebody_else_put_under_the_hash_is_not_deployed(aws_of_a_test: Aws, wanted: Wanted) -> None:
    s3 = aws_of_a_test.s3
    stack._upload_template(s3, wanted())
    for key in s3.objects:
        s3.objects[key], s3.versions[key] = b"of somebody else", "version-of-somebody-else"

    url = stack._upload_template(s3, wanted())

    template = s3.objects[url.rpartition("/")[2].partition("?")[0]].decode()
    assert "of-somebody-else" not in f"{url}{template}"
    resources = json.loads(template)["Resources"]
    assert s3.objects[resources["One"]["Properties"]["CodeUri"]["Key"]] == b"code"
    assert s3.objects[resources["Machine"]["Properties"]["DefinitionUri"]["Key"]] == b"{}"


def test_the_local_aws_is_deployed_by_the_same_code(aws: LocalAws) -> None:
    change_sets = aws.client("cloudformation").list_change_sets(StackName="iam-key-age-local")["Summaries"]

    assert change_sets  # the first one's, and those of other tests that give the stack other parameters
    assert all(change_set["ChangeSetName"].startswith("deploy-") for change_set in change_sets)
    assert {change_set["ExecutionStatus"] for change_set in change_sets} == {"EXECUTE_COMPLETE"}

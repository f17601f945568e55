"""The tags of a stack, as make's TAGS gives them, and the bucket that deployments upload to."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # it has no types

from chalicelib.settings import InvalidSettingError
from deploy import uploads_bucket
from deploy.sessions import sign_in
from deploy.tags import MOST_TAGS, kept_tags, merge_tags, read_tags
from localaws.clients import REGION
from localaws.environment import LocalAws
from tests.stack.test_template import transformed_by_sam


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", {}),
        ("team=security cost-center=42", {"team": "security", "cost-center": "42"}),
        ("team=", {"team": ""}),
        ('"Cost Center"="42 a" team=web', {"Cost Center": "42 a", "team": "web"}),
        ("équipe=sécurité", {"équipe": "sécurité"}),
        ('team=web "Cost Center"=42 équipe=部門', {"team": "web", "Cost Center": "42", "équipe": "部門"}),
        ("team=web 'Cost Center=42' a=b", {"team": "web", "Cost Center": "42", "a": "b"}),
        ("team=web security a:b/c.d-e=1", {"team": "web security", "a:b/c.d-e": "1"}),
        ('team="web a=b"', {"team": "web a=b"}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test_tags_are_read_as_they_are_written(text: str, tags: dict[str, str]) -> None:
    assert read_tags(text) == tags


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("security", "TAGS: "),
        ("=x", "TAGS: "),
        ("aws:x=1", "does not begin with aws:"),
        ("file://x=1", "file://"),
        ("a" * 129 + "=x", "1 to 128"),
        ("team=a,b", "TAGS: team: "),
        ("team=" + "a" * 257, "up to 256"),
        ('team="a', "team: "),
        ('team=a "b=c', "TAGS: "),
        ("-x=1", "aws:, file:// or -"),
        ("AWS:x=1", "does not begin with aws:"),
    ],
)
def test_a_tag_that_a_resource_would_refuse_is_refused_before_anything_is_made(text: str, says: str) -> None:
    with pytest.raises(InvalidSettingError) as refused:
        read_tags(text)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_stack_keeps_its_tags_and_an_empty_one_is_taken_away() -> None:
    listed = [
        {"Key": "team", "Value": "web"},
        {"Key": "old", "Value": "x"},
        {"Key": "aws:cloudformation:x", "Value": "y"},
    ]

    assert merge_tags(kept_tags(listed), read_tags("team=security old=")) == {"team": "security"}
    assert kept_tags(None) == {}


def test_keys_that_differ_in_case_alone_and_too_many_tags_are_refused() -> None:
    with pytest.raises(InvalidSettingError, match="Team= takes the other one away"):
        merge_tags({"Team": "a"}, {"team": "b"})
    with pytest.raises(InvalidSettingError, match="49 tags"):
        merge_tags({}, {f"k{number}": "v" for number in range(MOST_TAGS + 1)})


TAKE_TAGS = {
    *("AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Events::Rule", "AWS::S3::Bucket", "AWS::SNS::Topic"),
    *(
        "AWS::StepFunctions::StateMachine",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Logs::LogGroup",
    ),
    *("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage", "AWS::SES::ConfigurationSet"),
}
TAKE_NONE = {
    *("AWS::SNS::Subscription", "AWS::Lambda::Permission", "AWS::IAM::Policy", "AWS::S3::BucketPolicy"),
    *("AWS::SNS::TopicPolicy", "AWS::ApiGateway::Deployment", "AWS::ApiGateway::Account"),
    "AWS::SES::ConfigurationSetEventDestination",
}


def test_the_docs_say_which_resources_take_tags_as_cloudformations_schemas_do(template: dict[str, Any]) -> None:
    types = {part["Type"] for part in transformed_by_sam(template)["Resources"].values()}

    assert types == TAKE_TAGS | TAKE_NONE  # in the words of docs/deploy.md
    schemas = {name: PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", name).schema for name in types}
    assert {name for name, schema in schemas.items() if "Tags" in schema["properties"]} == TAKE_TAGS


@pytest.fixture
def _as_a_user(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "ENDPOINT_URL": aws.endpoint_url,
        "DEFAULT_REGION": REGION,
        "ACCESS_KEY_ID": "a",
        "SECRET_ACCESS_KEY": "b",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.mark.usefixtures("_as_a_user")
def test_the_bucket_of_uploads_is_made_private_encrypted_versioned_and_for_tls_alone(aws: LocalAws) -> None:
    s3 = aws.client("s3")

    name = uploads_bucket.uploads_bucket(sign_in())

    assert name == f"iam-key-age-artifacts-123456789012-{REGION}"
    assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=name)
    [statement] = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    s3.delete_bucket_policy(Bucket=name)
    assert uploads_bucket.uploads_bucket(sign_in()) == name  # one that is there stays as it is
    with pytest.raises(ClientError):
        s3.get_bucket_policy(Bucket=name)
    s3.delete_bucket(Bucket=name)


@pytest.mark.usefixtures("_as_a_user")
def test_a_bucket_of_uploads_that_cannot_be_secured_is_not_left_half_made(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutBucketPolicy")

    monkeypatch.setattr(uploads_bucket, "_secure", refuse)

    with pytest.raises(uploads_bucket.UploadsBucketError, match="could not be secured"):
        uploads_bucket.uploads_bucket(sign_in())

    assert not [one for one in aws.client("s3").list_buckets()["Buckets"] if "artifacts-123" in one["Name"]]

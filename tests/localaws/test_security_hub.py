"""Security Hub of the local AWS: what it refuses, as AWS does, and what it keeps of a finding."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.securityhub.models import securityhub_backends

from localaws.clients import HARNESS, make_client
from localaws.environment import LocalAws
from tests.support.security_hub import LocalHub

OWN, REGION = "123456789012", "eu-north-1"
FINDING: dict[str, Any] = {
    "SchemaVersion": "2018-10-08",
    "Id": "iam-key-age/123456789012/AKIAALICE",
    "ProductArn": f"arn:aws:securityhub:{REGION}:{OWN}:product/{OWN}/default",
    "GeneratorId": "iam-key-age/access-key",
    "AwsAccountId": OWN,
    "CreatedAt": "2026-11-22T08:00:00Z",
    "UpdatedAt": "2026-11-22T08:00:00Z",
    "Title": "An access key is overdue",
    "Description": "Rotate it.",
    "FindingProviderFields": {
        "Severity": {"Label": "MEDIUM", "Original": "medium"},
        "Types": ["Software and Configuration Checks/AWS Security Best Practices"],
    },
    "Compliance": {"Status": "FAILED", "RelatedRequirements": ["CIS 5.0.0 1.13"]},
    "Resources": [
        {
            "Type": "AwsIamAccessKey",
            "Id": "AWS::IAM::AccessKey:AKIAALICE",
            "Partition": "aws",
            "Details": {"AwsIamAccessKey": {"Status": "Active"}},
        }
    ],
    "ProductFields": {"iam-key-age/verdict": "expired"},
    "RecordState": "ACTIVE",
}


@pytest.fixture
def hub(aws: LocalAws) -> Iterator[Any]:
    """A client of Security Hub, which is enabled, that leaves it to Security Hub to refuse a finding."""
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    client = make_client("securityhub", REGION, aws.endpoint_url, HARNESS, config)
    client.enable_security_hub()
    yield client
    securityhub_backends[OWN][REGION].reset()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The finding with another value in this place, or without one."""
    finding: Any = copy.deepcopy(FINDING)
    *above, name = path.split(".")
    part = finding
    for step in above:
        part = part[int(step)] if step.isdigit() else part[step]
    if value is None:
        del part[name]
    else:
        part[name] = value
    return finding  # type: ignore[no-any-return]  # a dict


def kept(hub: Any) -> dict[str, Any]:
    [finding] = hub.get_findings()["Findings"]
    return finding  # type: ignore[no-any-return]  # a dict


def test_a_hub_that_is_not_enabled_refuses_all(hub: Any) -> None:
    hub.disable_security_hub()

    with pytest.raises(ClientError) as raised:
        hub.batch_import_findings(Findings=[FINDING])

    error = raised.value.response["Error"]
    assert (error["Code"], error["Message"]) == (
        "InvalidAccessException",
        f"Account {OWN} is not subscribed to AWS Security Hub",
    )


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([FINDING] * 101, "InvalidInputException"),
        ([], "InvalidInputException"),
        ([changed("Description", "x" * 70_000)] * 100, "InvalidInputException"),
        ([FINDING, changed("AwsAccountId", "111122223333")], "AccessDeniedException"),
        ([changed("ProductArn", FINDING["ProductArn"].replace(REGION, "eu-west-1"))], "AccessDeniedException"),
        ([changed("ProductArn", f"arn:aws:securityhub:{REGION}::product/aws/macie")], "AccessDeniedException"),
    ],
    ids=["101", "none", "over 6 MB", "of another account", "of another Region", "of another product"],
)
def test_a_call_that_aws_refuses_is_refused_as_a_whole(hub: Any, findings: list[Any], code: str) -> None:
    with pytest.raises(ClientError) as raised:
        hub.batch_import_findings(Findings=findings)

    assert raised.value.response["Error"]["Code"] == code
    assert hub.get_findings()["Findings"] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Title", None),
        ("Resources", []),
        ("Resources.0.Type", None),
        ("FindingProviderFields.Severity", None),
        ("FindingProviderFields.Types", None),
        ("FindingProviderFields.Types", ["Policy/IAM"]),
        ("SchemaVersion", "2018"),
        ("Title", "x" * 257),
        ("Description", "x" * 1025),
        ("Id", "x" * 513),
        ("Remediation", {"Recommendation": {"Text": "x" * 513}}),
        ("FindingProviderFields.Severity.Label", "SEVERE"),
        ("FindingProviderFields.Severity.Original", "x" * 65),
        ("Compliance.Status", "SUPPRESSED"),
        ("Compliance.RelatedRequirements", ["x"] * 33),
        ("Compliance.RelatedRequirements", ["x" * 65]),
        ("RecordState", "CLOSED"),
        ("UpdatedAt", "22 November 2026"),
        ("CreatedAt", "2026-11-22"),
        ("Resources.0.Partition", "aws-eusc"),
        ("Resources.0.Details.AwsIamAccessKey.Status", "Expired"),
        ("ProductFields", {"iam-key-age/owner": ""}),
        ("ProductFields", {"iam-key-age/owner": "x" * 2049}),
        ("ProductFields", {"aws/securityhub/owner": "x"}),
        ("ProductFields", {f"iam-key-age/{number}": "x" for number in range(51)}),
        ("ProductFields", {"iam-key-age/owner": 7}),
        ("Description", "x" * 250_000),
    ],
)
def test_a_finding_that_does_not_keep_to_the_format_fails_alone(hub: Any, path: str, value: Any) -> None:
    odd = changed(path, value)

    answer = hub.batch_import_findings(Findings=[{**FINDING, "Id": "good"}, odd])

    [failed] = answer["FailedFindings"]
    assert (answer["FailedCount"], answer["SuccessCount"]) == (1, 1)
    assert (failed["Id"], failed["ErrorCode"]) == (odd["Id"], "InvalidInput")
    assert failed["ErrorMessage"].startswith("Finding does not adhere to Amazon Finding Format. data")
    assert kept(hub)["Id"] == "good"


def test_the_fields_of_the_customer_are_filled_from_those_of_the_provider(hub: Any) -> None:
    hub.batch_import_findings(Findings=[FINDING])

    finding = kept(hub)

    assert finding["Severity"] == FINDING["FindingProviderFields"]["Severity"]
    assert finding["Types"] == FINDING["FindingProviderFields"]["Types"]
    assert finding["Workflow"] == {"Status": "NEW"}


@pytest.mark.parametrize(
    ("updated_at", "title"),
    [("2026-11-22T07:59:59Z", "first"), ("2026-11-22T08:00:00Z", "first"), ("2026-11-22T08:00:00.1Z", "second")],
    ids=["earlier", "the same", "later"],
)
def test_an_update_that_is_not_later_is_ignored(hub: Any, updated_at: str, title: str) -> None:
    hub.batch_import_findings(Findings=[{**FINDING, "Title": "first"}])

    answer = hub.batch_import_findings(Findings=[{**FINDING, "Title": "second", "UpdatedAt": updated_at}])

    assert (answer["FailedCount"], kept(hub)["Title"]) == (0, title)


PASSED: dict[str, Any] = {"Compliance": {"Status": "PASSED"}}


@pytest.mark.parametrize(
    ("first", "workflow", "second", "after"),
    [
        ({}, "NOTIFIED", {}, "NOTIFIED"),
        (PASSED, "RESOLVED", {}, "NEW"),
        (PASSED, "SUPPRESSED", {}, "SUPPRESSED"),
        ({"RecordState": "ARCHIVED"}, "RESOLVED", {}, "NEW"),
        ({}, "RESOLVED", PASSED, "RESOLVED"),
    ],
    ids=["no change", "fails again", "suppressed", "back", "passes"],
)
def test_an_update_leaves_the_workflow_to_the_customer_unless_it_fails_again(
    first: dict[str, Any], workflow: str, second: dict[str, Any], after: str
) -> None:
    hub = LocalHub()
    arn = FINDING["ProductArn"].replace(REGION, hub.backend.region_name)
    finding = {**FINDING, "ProductArn": arn, **first}
    hub.batch_import_findings(Findings=[finding])
    hub.findings["AKIAALICE"]["Workflow"] = {"Status": workflow}

    later = {**FINDING, "ProductArn": arn, "UpdatedAt": "2026-11-23T08:00:00Z", "Workflow": {"Status": "NOTIFIED"}}
    hub.batch_import_findings(Findings=[{**later, **second}])

    assert hub.findings["AKIAALICE"]["Workflow"] == {"Status": after}

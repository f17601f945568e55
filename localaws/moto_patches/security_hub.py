"""A patch of moto 5.2.5: Security Hub that refuses the findings that AWS refuses, and keeps the others as AWS does."""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from moto.securityhub.exceptions import SecurityHubClientError
from moto.securityhub.models import Finding, SecurityHubBackend

from localaws.moto_patches.wiring import replace_method

# https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html
_AT_ONCE, _BATCH_BYTES, _FINDING_BYTES, _RESOURCES = 100, 6_000_000, 240_000, 32
_OF_THE_CUSTOMER = ("Note", "UserDefinedFields", "VerificationState", "Workflow")
_LATER_THE_CUSTOMERS = ("Confidence", "Criticality", "RelatedFindings", "Severity", "Types")
# https://docs.aws.amazon.com/securityhub/latest/userguide/asff-required-attributes.html, which are in botocore's model,
# but for these two: a provider's are those of FindingProviderFields.
_ALSO_REQUIRED = ("Severity", "Types")
_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)"
_NAMESPACES = (
    *("Software and Configuration Checks", "TTPs", "Effects"),
    *("Unusual Behaviors", "Sensitive Data Identifications"),
)
# The fewest and the most characters of texts, by path:
# https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html and the pages of its types
_LENGTHS = {
    "AwsAccountId": (12, 12),
    "CompanyName": (1, 128),
    "Description": (1, 1024),
    "FindingProviderFields.Severity.Original": (1, 64),
    "GeneratorId": (1, 512),
    "Id": (1, 512),
    "ProductArn": (12, 2048),
    "ProductName": (1, 128),
    "Remediation.Recommendation.Text": (1, 512),
    "Title": (1, 256),
}
_INSTANTS = ("CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt")
_MOST_FIELDS, _LONGEST_FIELD_NAME, _LONGEST_FIELD = 50, 128, 2048
_MOST_REQUIREMENTS, _LONGEST_REQUIREMENT, _MOST_TYPES = 32, 64, 50


def take_findings_as_security_hub_does() -> None:
    """Refuse findings as AWS does; ignore an update that is not later, and leave the customer's fields alone."""

    def batch_import_findings(
        self: SecurityHubBackend, findings: list[dict[str, Any]]
    ) -> tuple[int, int, list[dict[str, Any]]]:
        _check_call(self, findings)
        failed = []
        for finding in findings:
            if wrong := next(_mistakes(finding), None):
                says = f"Finding does not adhere to Amazon Finding Format. {wrong}"
                failed.append({"Id": str(finding.get("Id", "")), "ErrorCode": "InvalidInput", "ErrorMessage": says})
            else:
                _keep(self, finding)
        return len(failed), len(findings) - len(failed), failed

    replace_method(SecurityHubBackend, "batch_import_findings", batch_import_findings)


def _check_call(hub: SecurityHubBackend, findings: list[dict[str, Any]]) -> None:
    """Raise what AWS refuses a whole call with."""
    if not hub.enabled:
        says = f"Account {hub.account_id} is not subscribed to AWS Security Hub"
        raise SecurityHubClientError("InvalidAccessException", says)
    if not 1 <= len(findings) <= _AT_ONCE:
        says = f"Invalid parameter 'Findings'. data should have from 1 to {_AT_ONCE} items"
        raise SecurityHubClientError("InvalidInputException", says)
    if _size(findings) > _BATCH_BYTES:
        raise SecurityHubClientError("InvalidInputException", f"The batch is larger than {_BATCH_BYTES} bytes")
    for finding in findings:
        # AWS says it so of another account, too: https://github.com/prowler-cloud/prowler/issues/867
        product = f":securityhub:{hub.region_name}:{hub.account_id}:product/{hub.account_id}/default"
        arn = str(finding.get("ProductArn"))
        if finding.get("AwsAccountId") != hub.account_id or not arn.endswith(product):
            says = f"User: (caller) is not authorized to perform: securityhub:BatchImportFindings on resource: {arn}"
            raise SecurityHubClientError("AccessDeniedException", says)


@functools.cache
def _format() -> Any:
    model = botocore.session.get_session().get_service_model("securityhub")
    return model.shape_for("AwsSecurityFinding")


def _mistakes(finding: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a finding."""
    if _size(finding) > _FINDING_BYTES:
        yield f"data should NOT be larger than {_FINDING_BYTES} bytes"
    report = ParamValidator().validate(finding, _format())
    if report.has_errors():
        yield f"data: {report.generate_report()}"
        return
    if finding["SchemaVersion"] != "2018-10-08":
        yield "data.SchemaVersion should be equal to constant"
    provided = finding.get("FindingProviderFields", {})
    for name in _ALSO_REQUIRED:
        if not (finding.get(name) or provided.get(name)):
            yield f"data should have required property '{name}'"
    for path, (fewest, most) in _LENGTHS.items():
        text = _at(finding, path)
        if text is not None and not fewest <= len(text) <= most:
            yield f"data.{path} should NOT be longer than {most} characters, or shorter than {fewest}"
    for name in _INSTANTS:
        if name in finding and not re.fullmatch(_INSTANT, finding[name], re.ASCII):
            yield f"data.{name} should match format date-time"
    yield from _mistakes_in_enums(finding)
    yield from _mistakes_in_lists(finding)


def _mistakes_in_enums(finding: Mapping[str, Any]) -> Iterator[str]:
    shape = _format()
    of_resource = shape.members["Resources"].member.members
    of_key = of_resource["Details"].members["AwsIamAccessKey"].members
    values = [
        ("RecordState", finding.get("RecordState"), shape.members["RecordState"]),
        ("Compliance.Status", _at(finding, "Compliance.Status"), shape.members["Compliance"].members["Status"]),
    ]
    label = shape.members["FindingProviderFields"].members["Severity"].members["Label"]
    values.append(("Severity.Label", _at(finding, "FindingProviderFields.Severity.Label"), label))
    for resource in finding["Resources"]:
        values.append(("Resources.Partition", resource.get("Partition"), of_resource["Partition"]))
        values.append(("Details.Status", _at(resource, "Details.AwsIamAccessKey.Status"), of_key["Status"]))
    for name, value, allowed in values:
        if value is not None and value not in allowed.enum:
            yield f"data.{name} should be equal to one of the allowed values"


def _mistakes_in_lists(finding: Mapping[str, Any]) -> Iterator[str]:
    if not 1 <= len(finding["Resources"]) <= _RESOURCES:
        yield "data.Resources should NOT have fewer than 1 items"
    types = [*finding.get("Types", ()), *finding.get("FindingProviderFields", {}).get("Types", ())]
    if len(types) > _MOST_TYPES or any(one.split("/")[0] not in _NAMESPACES for one in types):
        yield "data.Types should match namespace/category/classifier"
    fields = finding.get("ProductFields", {})
    if len(fields) > _MOST_FIELDS:
        yield f"data.ProductFields should NOT have more than {_MOST_FIELDS} properties"
    for name, text in fields.items():
        if len(name) > _LONGEST_FIELD_NAME or not 1 <= len(text) <= _LONGEST_FIELD or name.startswith("aws/"):
            yield "data.ProductFields: a name or a value is empty, too long, or reserved"
    requirements = finding.get("Compliance", {}).get("RelatedRequirements", [])
    if len(requirements) > _MOST_REQUIREMENTS or any(len(one) > _LONGEST_REQUIREMENT for one in requirements):
        yield "data.Compliance.RelatedRequirements: too many, or one is too long"


def _keep(hub: SecurityHubBackend, finding: dict[str, Any]) -> None:
    """Create or update a finding."""
    provided = finding.get("FindingProviderFields", {})
    filled = {name: provided[name] for name in _LATER_THE_CUSTOMERS if name in provided} | finding
    earlier = next((one for one in hub.findings if one.id == finding["Id"]), None)
    if earlier is None:
        hub.findings.append(Finding(finding["Id"], {"Workflow": {"Status": "NEW"}, **filled}))
        return
    before = earlier.data
    if datetime.fromisoformat(finding["UpdatedAt"]) <= datetime.fromisoformat(before["UpdatedAt"]):
        return
    kept = {name: before[name] for name in _OF_THE_CUSTOMER if name in before}
    earlier.data = {**filled, **kept}
    # https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Workflow.html
    is_back = before.get("RecordState") == "ARCHIVED" and finding.get("RecordState") == "ACTIVE"
    fails = _at(before, "Compliance.Status") == "PASSED" and _at(finding, "Compliance.Status") != "PASSED"
    if (is_back or fails) and kept["Workflow"]["Status"] in ("NOTIFIED", "RESOLVED"):
        earlier.data["Workflow"] = {"Status": "NEW"}


def _at(part: Any, path: str) -> Any:
    for name in path.split("."):
        part = part.get(name) if isinstance(part, Mapping) else None
    return part


def _size(part: object) -> int:
    return len(json.dumps(part, ensure_ascii=False).encode())

"""The findings that Security Hub gets of an account's access keys: new, changed, resolved, and all weekly. Pure."""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from chalicelib.documents import SCHEMA_VERSION, Report
from chalicelib.instants import parse_instant
from chalicelib.key_documents import ACTIVE
from chalicelib.telling.key_states import PRODUCT, Evidence, KeyState, finding_id, states_of
from chalicelib.telling_documents import SentFinding, SentFindings

_DAYS_OF_A_WEEK = 7
_TYPE = "Software and Configuration Checks/AWS Security Best Practices"
_HOW_TO_ROTATE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html"
# https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html
_LONGEST = {"Title": 256, "Description": 1024, "Text": 512, "field": 2048}
_MOST_REQUIREMENTS = 32
# https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Resource.html
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-us-iso", "aws-us-iso-b")
_KEY_STATUSES = (ACTIVE, "Inactive")  # IAM has another, Expired


class Hub(NamedTuple):
    """The Security Hub of an account in a Region; findings about other accounts are this account's, too."""

    partition: str
    region: str
    account_id: str

    @property
    def product_arn(self) -> str:
        """Return the ARN of the product that an account's own findings are of."""
        return f"arn:{self.partition}:securityhub:{self.region}:{self.account_id}:product/{self.account_id}/default"


def hub_of(execution_arn: str) -> Hub:
    """Return the Security Hub beside a state machine's execution."""
    _, partition, _, region, account_id, *_ = execution_arn.split(":")
    return Hub(partition, region, account_id)


class Sending(NamedTuple):
    """The findings to send, and what Security Hub has once it took them.

    `ahead` is what to keep before: keys that are sent for the first time, so that none is forgotten if the function is
    stopped in between; None without one.
    """

    findings: list[dict[str, Any]]
    sent: SentFindings
    ahead: SentFindings | None


def choose_findings(
    hub: Hub, report: Report, evidence: Evidence, before: SentFindings | None, account_name: str | None = None
) -> Sending:
    """Return what to send of a report, given what Security Hub has."""
    had = before["keys"] if before else {}
    now, ahead, findings = {**had}, {**had}, []
    for state in states_of(report, evidence, had):
        earlier = had.get(state.access_key_id)
        finding = _finding(hub, report, state, earlier, account_name)
        sent = _sent(state, finding)
        if earlier and sent["digest"] == earlier["digest"] and not _is_old(earlier, report):
            continue
        findings.append(finding)
        now[state.access_key_id] = sent
        ahead.setdefault(state.access_key_id, {**sent, "digest": ""})
        if state.is_gone:
            del now[state.access_key_id]
    return Sending(
        findings, _sent_findings(report, now), _sent_findings(report, ahead) if ahead.keys() > had.keys() else None
    )


def without_refused(sending: Sending, before: SentFindings | None, refused: Collection[str]) -> SentFindings:
    """Return what Security Hub has where it refused findings with these ids: of their keys, what it had before."""
    had, keys = before["keys"] if before else {}, dict(sending.sent["keys"])
    for access_key_id in (of_finding.rpartition("/")[2] for of_finding in refused):
        keys.pop(access_key_id, None)
        if access_key_id in had:
            keys[access_key_id] = had[access_key_id]
    return {**sending.sent, "keys": keys}


def _finding(
    hub: Hub, report: Report, state: KeyState, earlier: SentFinding | None, account_name: str | None
) -> dict[str, Any]:
    """Return a key's finding in the AWS Security Finding Format, without what is the customer's: Workflow, Note.

    Severity and Types are those of FindingProviderFields: people may change the others.
    https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html
    """
    first_sent_at = earlier["first_sent_at"] if earlier else report["as_of"]
    severity = {"Label": state.severity, "Original": state.fields.get("severity") or state.severity}
    compliance: dict[str, Any] = {"Status": state.status}
    if state.requirements:
        compliance["RelatedRequirements"] = list(state.requirements[:_MOST_REQUIREMENTS])
    return {
        "SchemaVersion": "2018-10-08",
        "Id": finding_id(state.account_id, state.access_key_id),
        "ProductArn": hub.product_arn,
        "ProductName": PRODUCT,
        "GeneratorId": f"{PRODUCT}/access-key",
        "AwsAccountId": hub.account_id,
        "CreatedAt": first_sent_at,
        "FirstObservedAt": first_sent_at,
        "UpdatedAt": report["as_of"],  # an update that is not later than the last one is ignored
        "Title": _cut(state.title, "Title"),
        "Description": _cut(state.description, "Description"),
        "FindingProviderFields": {"Severity": severity, "Types": [_TYPE]},
        "Remediation": {"Recommendation": {"Text": _cut(state.to_do, "Text"), "Url": _HOW_TO_ROTATE}},
        "Compliance": compliance,
        "Resources": [_resource(hub, state)],
        "ProductFields": _product_fields(report, state, account_name),
        "RecordState": "ARCHIVED" if state.is_gone else "ACTIVE",
        **({"SourceUrl": state.source_url} if state.source_url else {}),
    }


def _resource(hub: Hub, state: KeyState) -> dict[str, Any]:
    details = {
        "AccessKeyId": state.access_key_id,
        "AccountId": state.account_id,
        "PrincipalName": state.user_name,
        "PrincipalType": "IAMUser",
        "CreatedAt": state.created_at,
    }
    if state.key_status in _KEY_STATUSES:
        details["Status"] = str(state.key_status)
    return {
        "Type": "AwsIamAccessKey",
        "Id": f"AWS::IAM::AccessKey:{state.access_key_id}",
        **({"Partition": hub.partition} if hub.partition in _PARTITIONS else {}),
        "Region": hub.region,
        "Details": {"AwsIamAccessKey": details},
    }


def _product_fields(report: Report, state: KeyState, account_name: str | None) -> dict[str, str]:
    fields = {
        "account-id": state.account_id,
        "account-name": account_name,
        "user-name": state.user_name,
        "verdict": state.verdict,
        "scan-id": report["scan_id"],
        **state.fields,
    }
    return {f"{PRODUCT}/{name}": _cut(text, "field") for name, text in fields.items() if text and text.strip()}


def _sent(state: KeyState, finding: Mapping[str, Any]) -> SentFinding:
    return {
        "user_name": state.user_name,
        "key_created_at": state.created_at,
        "first_sent_at": finding["CreatedAt"],
        "sent_at": finding["UpdatedAt"],
        "digest": _digest(finding),
        "status": state.status,
        "severity": state.severity,
    }


def _digest(finding: Mapping[str, Any]) -> str:
    """Digest what makes a finding another one: not when it was sent, nor sentences, which name a last use."""
    anew = ("CreatedAt", "FirstObservedAt", "UpdatedAt", "Description", "Remediation")
    kept = {name: value for name, value in finding.items() if name not in anew}
    fields = {name: text for name, text in finding["ProductFields"].items() if name != f"{PRODUCT}/scan-id"}
    return hashlib.sha256(json.dumps({**kept, "ProductFields": fields}, sort_keys=True).encode()).hexdigest()[:32]


def _is_old(sent: SentFinding, report: Report) -> bool:
    """Return whether to send a finding again: a week after it was sent, on the account's day of the week or later.

    Security Hub deletes what is not updated for 90 days. Each account has a day of its own: otherwise all findings of a
    thousand accounts would be sent on one day.
    """
    last, now = (parse_instant(at).toordinal() + int(report["account_id"]) for at in (sent["sent_at"], report["as_of"]))
    return now // _DAYS_OF_A_WEEK > (last + _DAYS_OF_A_WEEK - 1) // _DAYS_OF_A_WEEK


def _sent_findings(report: Report, keys: dict[str, SentFinding]) -> SentFindings:
    return {
        "schema_version": SCHEMA_VERSION,
        "account_id": report["account_id"],
        "scan_id": report["scan_id"],
        "as_of": report["as_of"],
        "keys": keys,
    }


def _cut(text: str, what: str) -> str:
    return text if len(text) <= _LONGEST[what] else f"{text[: _LONGEST[what] - 3]}..."

"""report.ocsf.json, checked by the published schema: OCSF 1.5.0, Compliance Finding with the profile cloud."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from chalicelib.documents import OCSF, REPORT_FORMATS, Report
from chalicelib.outputs.organization_ocsf import OrganizationOcsf
from chalicelib.outputs.organization_reports import OrganizationRenderings
from chalicelib.outputs.report_ocsf import findings_of, render_ocsf
from chalicelib.outputs.reports import RENDERERS, renderers
from tests.support.organization_reports import REFUSED, account_id, account_report, joined, listed, suspended
from tests.support.reports import before, key, report_of, unchecked, user

EXEMPT = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1: the vault"}
LEAKED: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"}
ALICE = user("alice", key("AKIAALICE", 200, used=3), tags={"owner": "web@example.com"})
LAST = before(
    ALICE,
    user("gone", key("AKIAGONE", 300), key("AKIASOON", 82)),
    user("bob", key("AKIABOB", 300)),
    user("denied", key("AKIADENIED", 200)),
    user("vault", key("AKIAVAULT", 200)),
)
OF_ALL = report_of(
    ALICE,
    user("carol", key("AKIACAROL", 100, used=1), key("AKIADUE", 80, used=1)),
    user("dan", key("AKIADAN", 60, used=50)),
    user("bob", key("AKIABOB", 300, "Inactive")),
    user("vault", key("AKIAVAULT", 200, used=2), tags=EXEMPT),
    user("erin", key("AKIAERIN", 3), **LEAKED),
    unchecked("denied", 'AccessDenied: "no", said IAM'),
    root={"access_keys": 1},
    last=LAST,
    max_unused_days=45,
)
ROOT_UNKNOWN = report_of(user("ünïcode@x", key("AKIAOLD", 200)), root={"cause": "AccessDenied"})
OF_NAMED_USERS = report_of(ALICE, users=("alice",))
CALM = report_of(user("fresh", key("AKIAFRESH", 1)))

Check = Callable[[dict[str, Any]], list[str]]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    published: dict[str, Any] = get_ocsf_schema("1.5.0")
    return published


@pytest.fixture(scope="module")
def mistakes(schema: dict[str, Any]) -> Check:
    """What the published schema says against a finding."""
    of_class = OcsfJsonSchemaEmbedded(schema).get_class_schema("compliance_finding", ["cloud"])
    validator = Draft202012Validator(of_class, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return lambda finding: [error.message for error in validator.iter_errors(finding)]


def by_uid(report: Report) -> dict[str, dict[str, Any]]:
    return {one["finding_info"]["uid"].split("/", 2)[2]: one for one in json.loads("".join(render_ocsf(report)))}


@pytest.mark.parametrize("report", [OF_ALL, ROOT_UNKNOWN, OF_NAMED_USERS, CALM])
def test_each_finding_keeps_to_the_published_schema(report: Report, mistakes: Check) -> None:
    findings = json.loads("".join(render_ocsf(report)))

    assert [(one["message"], mistakes(one)) for one in findings if mistakes(one)] == []


def test_what_is_wrong_is_found(mistakes: Check) -> None:
    finding = next(findings_of(OF_ALL))

    assert mistakes({**finding, "invented": 1})
    assert mistakes({**finding, "time": "2026-11-22T08:00:00Z"})
    assert mistakes({name: value for name, value in finding.items() if name != "cloud"})
    assert mistakes({**finding, "severity_id": 7})


@pytest.mark.parametrize(
    ("uid", "activity", "severity", "status", "compliance"),
    [
        ("root", "Create", "Critical", "New", "Fail"),
        ("user/erin/quarantined", "Update", "Critical", "New", "Fail"),
        ("AKIAALICE", "Update", "Medium", "New", "Fail"),
        ("AKIACAROL", "Create", "Medium", "New", "Fail"),
        ("AKIADAN", "Create", "Medium", "New", "Fail"),
        ("AKIADUE", "Create", "Low", "New", "Warning"),
        ("AKIAVAULT", "Update", "Medium", "Suppressed", "Fail"),
        ("AKIABOB", "Close", "Informational", "Resolved", "Pass"),
        ("AKIADENIED", "Unknown", "Unknown", "New", "Unknown"),
        ("AKIAGONE", "Unknown", "Unknown", "New", "Unknown"),
        ("AKIASOON", "Unknown", "Unknown", "New", "Unknown"),
        ("user/denied", "Unknown", "Unknown", "New", "Unknown"),
    ],
)
def test_what_became_of_each(uid: str, activity: str, severity: str, status: str, compliance: str) -> None:
    finding = by_uid(OF_ALL)[uid]

    assert (finding["activity_name"], finding["severity"], finding["status"]) == (activity, severity, status)
    assert finding["compliance"]["status"] == compliance


def test_there_is_one_of_each_and_no_other() -> None:
    uids = [one["finding_info"]["uid"] for one in findings_of(OF_ALL)]

    assert len(uids) == len(set(uids)) == 12
    assert by_uid(CALM) == {}
    assert by_uid(ROOT_UNKNOWN)["root"]["compliance"]["status"] == "Unknown"
    assert by_uid(OF_NAMED_USERS)["AKIAALICE"]["activity_name"] == "Unknown"


def test_a_key_of_which_it_is_unknown_whether_it_is_still_unused_says_so(mistakes: Check) -> None:
    policy: Any = {"max_unused_days": 45}
    last = before(user("dan", key("AKIADAN", 60, used=50)), **policy)

    [finding] = findings_of(report_of(user("dan", key("AKIADAN", 60, used="unknown")), last=last, **policy))

    unused = by_uid(OF_ALL)["AKIADAN"]["compliance"]["control"]
    assert (finding["compliance"]["status"], finding["compliance"]["control"]) == ("Unknown", unused)
    assert "its last use could not be read" in finding["status_detail"]
    assert mistakes(finding) == []


def test_captions_are_those_of_the_ids(schema: dict[str, Any]) -> None:
    of_class = schema["classes"]["compliance_finding"]["attributes"]
    pairs = {"activity_id": "activity_name", "severity_id": "severity", "status_id": "status", "type_uid": "type_name"}
    of_compliance = schema["objects"]["compliance"]["attributes"]["status_id"]["enum"]

    for finding in findings_of(OF_ALL):
        for name, caption in pairs.items():
            assert of_class[name]["enum"][str(finding[name])]["caption"] == finding[caption]
        compliance = finding["compliance"]
        assert of_compliance[str(compliance["status_id"])]["caption"] == compliance["status"]
    of_account = schema["objects"]["account"]["attributes"]["type_id"]["enum"]
    assert of_account["10"]["caption"] == next(findings_of(OF_ALL))["cloud"]["account"]["type"]


def test_a_finding_says_whose_key_it_is_why_and_what_to_do() -> None:
    finding = by_uid(OF_ALL)["AKIAALICE"]

    assert finding["time"] == 1_795_334_400_000
    assert finding["finding_info"] == {
        "uid": "iam-key-age/123456789012/AKIAALICE",
        "title": "An access key of IAM user alice is overdue",
        "desc": (
            "The access key AKIAALICE of IAM user alice in account 123456789012 was created on 2026-05-06. It has"
            " been overdue since 2026-08-04: keys have to be replaced after 90 days. In use, last on 2026-11-19 for"
            " s3 in us-east-1: create a successor, move what uses this key to it, then deactivate this one."
        ),
        "created_time": 1_795_248_000_000,
        "first_seen_time": 1_795_248_000_000,
        "last_seen_time": 1_795_334_400_000,
        "src_url": "https://console.aws.amazon.com/iam/home#/users/details/alice?section=security_credentials",
    }
    assert finding["resources"] == [
        {
            "type": "AwsIamAccessKey",
            "uid": "AKIAALICE",
            "name": "AKIAALICE",
            "region": "global",
            "owner": {"name": "alice"},
            "created_time": 1_778_054_400_000,
            "tags": [{"name": "owner", "value": "web@example.com"}],
        }
    ]
    assert finding["cloud"] == {
        "provider": "AWS",
        "account": {"uid": "123456789012", "type_id": 10, "type": "AWS Account"},
        "region": "global",
    }
    assert "CIS 5.0.0 1.13" in finding["compliance"]["requirements"]
    assert {"CIS 5.0.0", "PCI DSS 4.0.1", "AWS FSBP"} <= set(finding["compliance"]["standards"])
    assert {"name": "max_age_days", "value": "90"} in finding["compliance"]["control_parameters"]


def test_an_exempt_key_is_suppressed_with_the_reason_and_fails_what_it_fails() -> None:
    finding = by_uid(OF_ALL)["AKIAVAULT"]

    assert finding["status_detail"] == "CHG-1: the vault"
    assert "CIS 5.0.0 1.13" in finding["compliance"]["requirements"]


def test_a_quarantined_user_fails_a_control_of_its_own() -> None:
    findings = by_uid(OF_ALL)
    controls = {uid: findings[uid]["compliance"]["control"] for uid in ("user/erin/quarantined", "user/denied")}

    assert controls == {
        "user/erin/quarantined": "No access key of an IAM user has leaked",
        "user/denied": "The access keys of each IAM user are checked",
    }


def test_what_could_not_be_checked_has_its_cause() -> None:
    finding = by_uid(OF_ALL)["user/denied"]

    assert finding["compliance"]["status_details"] == ['AccessDenied: "no", said IAM']
    assert finding["resources"][0]["name"] == "denied"


def of_organization(*outcomes: Any, not_scanned: Any = ()) -> list[dict[str, Any]]:
    with OrganizationOcsf() as file:
        report = joined(outcomes, not_scanned, None, file)  # type: ignore[arg-type]  # which watches as the table does
        return json.loads("".join(file.render(report)))  # type: ignore[no-any-return]  # a list


def test_an_organization_has_the_findings_of_its_accounts_and_each_account_that_could_not_be_scanned(
    mistakes: Check,
) -> None:
    findings = of_organization(
        (listed(1, "web"), account_report(1, ALICE)),
        (listed(2, "data"), account_report(2, user("a\nb", key("AKIADATA", 80, used=1)))),
        (listed(3, "refused"), REFUSED),
        not_scanned=[suspended(4, "closed")],
    )

    assert [(one["cloud"]["account"]["name"], one["compliance"]["status"]) for one in findings] == [
        *[("refused", "Unknown"), ("web", "Fail"), ("data", "Warning")]
    ]
    assert findings[0]["finding_info"]["uid"] == f"iam-key-age/{account_id(3)}"
    assert findings[0]["status_detail"] == REFUSED
    assert [mistakes(one) for one in findings] == [[], [], []]


def test_an_account_whose_report_is_damaged_has_no_findings_but_that_it_is_unknown() -> None:
    damaged: Any = account_report(1, ALICE)
    del damaged["exempt"]

    findings = of_organization((listed(1, "web"), damaged))

    assert [one["compliance"]["status"] for one in findings] == ["Unknown"]


def test_an_organization_without_findings_has_an_empty_list() -> None:
    assert of_organization((listed(1), account_report(1))) == []


def test_the_file_is_kept_only_where_it_is_wanted_and_before_report_json() -> None:
    assert renderers(ocsf=False) is RENDERERS
    assert list(renderers(ocsf=True)) == [OCSF, "csv", "html", "json"]
    for ocsf, formats in ((False, set(REPORT_FORMATS)), (True, {*REPORT_FORMATS, OCSF})):
        with OrganizationRenderings(ocsf=ocsf) as files:
            report = joined([(listed(1), account_report(1, ALICE))], (), None, files)  # type: ignore[arg-type]  # watches
            texts = {kind: "".join(text) for kind, text in files.render(report)}
        assert texts.keys() == formats
        assert "AKIAALICE" in texts["csv"]
        assert list(texts)[-1] == "json"

"""What Security Hub is to get of a report, key by key."""

from datetime import timedelta
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.documents import Report
from chalicelib.instants import format_instant, parse_instant
from chalicelib.telling.key_states import read_evidence
from chalicelib.telling.security_hub import Hub, Sending, choose_findings, hub_of
from chalicelib.telling_documents import SentFindings
from localaws.moto_patches.security_hub import _mistakes
from tests.support.reports import AS_OF, key, unchecked, user
from tests.support.security_hub import OWN, scanned

HUB = Hub("aws", "eu-central-1", OWN)
EXEMPT = {"iam-key-age:exempt-until": "2027-03-01", "iam-key-age:exempt-reason": "CHG-1: the vault"}
OLD = key("AKIAOLD", 200, used=3)
OVERDUE = user("alice", OLD, tags={"owner": "web@example.com"})


def sending(*outcomes: Any, had: SentFindings | None = None, days: float = 1, hub: Hub = HUB, **more: Any) -> Sending:
    """What to send of a scan, `days` after the first one."""
    report, pages = scanned(*outcomes, at=AS_OF + timedelta(days=days), **more)
    return choose_findings(hub, report, read_evidence(pages), had)


def had(*outcomes: Any, **more: Any) -> SentFindings:
    """What Security Hub has after the first scan."""
    return sending(*outcomes, days=0, scan_id="scan-0", **more).sent


def first(*outcomes: Any, **more: Any) -> dict[str, Any]:
    return sending(*outcomes or [OVERDUE], **more).findings[0]


NEVER_FOUND = user("bob", key("AKIAYOUNG", 1))
UNUSED: dict[str, Any] = {"max_unused_days": 45}


@pytest.mark.parametrize(
    ("outcome", "policy", "status", "severity", "verdict"),
    [
        (OVERDUE, {}, "FAILED", "MEDIUM", "expired"),
        (user("a", key("AKIA1", 200, used="never")), {}, "FAILED", "HIGH", "expired"),
        (user("a", OLD, quarantined_by="AWSCompromisedKeyQuarantineV3"), {}, "FAILED", "CRITICAL", "expired"),
        (user("a", key("AKIA1", 60, used=50)), UNUSED, "FAILED", "MEDIUM", "unused"),
        (user("a", key("AKIA1", 80, used=1)), {}, "WARNING", "LOW", "due_soon"),
        (user("a", OLD, tags=EXEMPT), {}, "PASSED", "INFORMATIONAL", "exempt"),
        (user("a", key("AKIA1", 200, "Inactive")), {"include_inactive": True}, "FAILED", "MEDIUM", "expired"),
    ],
    ids=["overdue", "dormant", "leaked", "unused", "due soon", "exempt", "inactive, and judged by the policy"],
)
def test_a_key_that_the_report_has_is_sent(
    outcome: Any, policy: dict[str, Any], status: str, severity: str, verdict: str
) -> None:
    [finding] = sending(outcome, **policy).findings

    assert (finding["Compliance"]["Status"], finding["RecordState"]) == (status, "ACTIVE")
    assert finding["FindingProviderFields"]["Severity"]["Label"] == severity
    assert finding["ProductFields"]["iam-key-age/verdict"] == verdict


@pytest.mark.parametrize("outcome", [NEVER_FOUND, user("a"), user("a", key("AKIA1", 400, "Inactive"))])
def test_a_key_that_was_never_a_finding_is_not_sent(outcome: Any) -> None:
    assert sending(outcome).findings == []


@pytest.mark.parametrize(
    ("now", "status", "state", "verdict"),
    [
        (user("alice", key("AKIAOLD", 10)), "PASSED", "ACTIVE", "ok"),
        (user("alice", key("AKIAOLD", 200, "Inactive")), "PASSED", "ACTIVE", "inactive"),
        (user("alice", key("AKIAOLD", 200, "Expired")), "PASSED", "ACTIVE", "inactive"),
        (user("alice", OLD, tags=EXEMPT), "PASSED", "ACTIVE", "exempt"),
        (user("alice", key("AKIANEW", 1)), "FAILED", "ARCHIVED", "deleted"),
        (NEVER_FOUND, "FAILED", "ARCHIVED", "deleted"),
        (user("alice.renamed", OLD, tags={"owner": "web@example.com"}), "FAILED", "ACTIVE", "expired"),
    ],
    ids=["in time", "inactive", "of another status", "exempt", "key deleted", "user deleted", "user renamed"],
)
def test_a_key_that_changed_is_sent_again_under_its_id(now: Any, status: str, state: str, verdict: str) -> None:
    [finding] = sending(now, had=had(OVERDUE)).findings

    assert finding["Id"] == f"iam-key-age/{OWN}/AKIAOLD"
    assert (finding["Compliance"]["Status"], finding["RecordState"]) == (status, state)
    assert finding["ProductFields"]["iam-key-age/verdict"] == verdict
    assert finding["CreatedAt"] == format_instant(AS_OF) < finding["UpdatedAt"]


@pytest.mark.parametrize(
    "now",
    [
        [unchecked("alice")],
        [{"user_name": "alice", "outcome": "not_found"}],
        [unchecked("alice.renamed")],
        [NEVER_FOUND, {"user_name": "alice.renamed", "outcome": "not_found"}],
        [user("alice", key("AKIAOLD", -40))],
    ],
    ids=["unchecked", "not found", "gone, and another is unchecked", "gone, another is not found", "not judged"],
)
def test_of_a_key_that_the_scan_did_not_see_security_hub_keeps_what_it_has(now: list[Any]) -> None:
    before = had(OVERDUE)

    later = sending(*now, had=before, days=2)
    much_later = sending(*now, had=before, days=30)

    assert later.findings == much_later.findings == []
    assert later.sent["keys"] == much_later.sent["keys"] == before["keys"]


def test_a_key_of_which_the_comparison_does_not_know_what_became_is_left_as_it_is() -> None:
    last, _ = scanned(OVERDUE, scan_id="scan-0")
    renamed_meanwhile = {"users": {"alice": OVERDUE["facts"]}}

    assert sending(NEVER_FOUND, had=had(OVERDUE), last=last, account=renamed_meanwhile).findings == []


BAD = unchecked("bad")


def in_a_row(*scans: list[dict[str, Any]], **policy: Any) -> list[tuple[str, str]]:
    """What Security Hub gets of AKIAOLD from scans on days in a row."""
    got, kept, last = [], None, None
    for day, outcomes in enumerate(scans):
        report, pages = scanned(*outcomes, last=last, scan_id=f"scan-{day}", at=AS_OF + timedelta(days=day), **policy)
        sent = choose_findings(HUB, report, read_evidence(pages), kept)
        got += [(one["Compliance"]["Status"], one["RecordState"]) for one in sent.findings]
        kept, last = sent.sent, report
    return got


@pytest.mark.parametrize(
    ("scans", "archived"),
    [
        ([[OVERDUE, BAD], [BAD], [BAD]], True),
        ([[user("alice", key("AKIAOLD", 80)), BAD], [BAD], [BAD]], True),
        ([[OVERDUE], [BAD], [BAD]], False),
        ([[OVERDUE], [BAD], [user("bad")]], True),
    ],
    ids=["unchecked all along", "a key due soon", "unchecked since", "unchecked, then checked"],
)
def test_a_key_whose_user_was_deleted_is_archived_although_another_is_never_checked(scans: Any, archived: bool) -> None:
    states = [state for _, state in in_a_row(*scans)]

    assert states == ["ACTIVE", *["ARCHIVED"] * archived]


@pytest.mark.parametrize(
    ("policy", "then"),
    [
        ({"max_unused_days": 45}, []),
        ({"max_unused_days": 61}, [("PASSED", "ACTIVE")]),
        ({}, [("PASSED", "ACTIVE")]),
    ],
    ids=["may be unused", "too young", "unused is no finding"],
)
def test_an_unused_key_whose_last_use_cannot_be_read_is_left_as_it_is(policy: Any, then: Any) -> None:
    before = had(user("a", key("AKIAOLD", 60, used="never")), max_unused_days=45)
    unread = user("a", key("AKIAOLD", 60, used="unknown"))

    findings = sending(unread, had=before, days=0.5, **policy).findings

    assert [(one["Compliance"]["Status"], one["RecordState"]) for one in findings] == then


def test_a_key_that_is_back_after_it_was_gone_is_a_finding_again() -> None:
    gone = sending(had=had(OVERDUE))
    back = sending(OVERDUE, had=gone.sent, days=2)

    assert gone.sent["keys"] == {}
    assert [(one["Compliance"]["Status"], one["RecordState"]) for one in back.findings] == [("FAILED", "ACTIVE")]


def test_what_did_not_change_is_sent_a_week_later_from_the_accounts_day_of_the_week_on() -> None:
    before = had(OVERDUE)
    sent = [day for day in range(1, 30) if sending(OVERDUE, had=before, days=day).findings]

    assert sent == [*range(sent[0], 30)]
    assert 7 <= sent[0] <= 13
    assert sending(OVERDUE, had=before, days=sent[0] - 2 / 24).findings  # a scan begins earlier or later that day


def test_a_later_use_alone_is_not_sent_before_the_week_is_over() -> None:
    used_again = user("alice", key("AKIAOLD", 200, used=0.5), tags={"owner": "web@example.com"})
    of_another = user("alice", OLD, tags={"owner": "shop@example.com"})

    assert sending(used_again, had=had(OVERDUE)).findings == []
    assert len(sending(of_another, had=had(OVERDUE)).findings) == 1


def test_a_finding_says_whose_key_it_is_why_and_what_to_do() -> None:
    assert first() == {
        "SchemaVersion": "2018-10-08",
        "Id": "iam-key-age/123456789012/AKIAOLD",
        "ProductArn": "arn:aws:securityhub:eu-central-1:123456789012:product/123456789012/default",
        "ProductName": "iam-key-age",
        "GeneratorId": "iam-key-age/access-key",
        "AwsAccountId": "123456789012",
        "CreatedAt": "2026-11-23T08:00:00Z",
        "FirstObservedAt": "2026-11-23T08:00:00Z",
        "UpdatedAt": "2026-11-23T08:00:00Z",
        "Title": "An access key of IAM user alice is overdue",
        "Description": (
            "The access key AKIAOLD of IAM user alice in account 123456789012 was created on 2026-05-06. It has been"
            " overdue since 2026-08-04: keys have to be replaced after 90 days. In use, last on 2026-11-19 for s3 in"
            " us-east-1: create a successor, move what uses this key to it, then deactivate this one."
        ),
        "FindingProviderFields": {
            "Severity": {"Label": "MEDIUM", "Original": "medium"},
            "Types": ["Software and Configuration Checks/AWS Security Best Practices"],
        },
        "Remediation": {
            "Recommendation": {
                "Text": (
                    "In use, last on 2026-11-19 for s3 in us-east-1: create a successor, move what uses this key to it,"
                    " then deactivate this one."
                ),
                "Url": "https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html",
            }
        },
        "Compliance": {
            "Status": "FAILED",
            "RelatedRequirements": [
                *("AWS FSBP IAM.3", "CIS 1.4.0 1.14", "CIS 1.5.0 1.14", "CIS 2.0.0 1.14", "CIS 3.0.0 1.14"),
                *("CIS 4.0.1 1.14", "CIS 5.0.0 1.13", "CIS 6.0.0 2.13", "CIS 7.0.0 2.12"),
                *("PCI DSS 4.0.1 8.3.9", "PCI DSS 4.0.1 8.6.3"),
            ],
        },
        "Resources": [
            {
                "Type": "AwsIamAccessKey",
                "Id": "AWS::IAM::AccessKey:AKIAOLD",
                "Partition": "aws",
                "Region": "eu-central-1",
                "Details": {
                    "AwsIamAccessKey": {
                        "AccessKeyId": "AKIAOLD",
                        "AccountId": "123456789012",
                        "PrincipalName": "alice",
                        "PrincipalType": "IAMUser",
                        "CreatedAt": "2026-05-06T08:00:00Z",
                        "Status": "Active",
                    }
                },
            }
        ],
        "ProductFields": {
            "iam-key-age/account-id": "123456789012",
            "iam-key-age/user-name": "alice",
            "iam-key-age/verdict": "expired",
            "iam-key-age/scan-id": "scan-1",
            "iam-key-age/severity": "medium",
            "iam-key-age/owner": "web@example.com",
            "iam-key-age/overdue-at": "2026-08-04T08:00:00Z",
            "iam-key-age/advice": "rotate",
            "iam-key-age/safe-to-deactivate": "false",
            "iam-key-age/can-administer": "false",
        },
        "RecordState": "ACTIVE",
        "SourceUrl": ("https://console.aws.amazon.com/iam/home#/users/details/alice?section=security_credentials"),
    }


def test_an_exempt_key_says_until_when_and_why_and_claims_no_clause() -> None:
    finding = first(user("vault", OLD, tags=EXEMPT))

    assert "It would be overdue, and is exempt until 2027-03-01: CHG-1: the vault." in finding["Description"]
    assert finding["ProductFields"]["iam-key-age/exempt-reason"] == "CHG-1: the vault"
    assert finding["Compliance"] == {"Status": "PASSED"}


def test_a_member_is_named_in_the_resource_and_the_finding_is_of_the_account_of_the_stack() -> None:
    finding = first(account_id="111122223333")

    assert (finding["AwsAccountId"], finding["Id"]) == (OWN, "iam-key-age/111122223333/AKIAOLD")
    assert finding["Resources"][0]["Details"]["AwsIamAccessKey"]["AccountId"] == "111122223333"


@pytest.mark.parametrize(
    ("partition", "region", "named"), [("aws-us-gov", "us-gov-west-1", True), ("aws-eusc", "eusc-de-east-1", False)]
)
def test_the_hub_is_that_of_the_execution(partition: str, region: str, named: bool) -> None:
    hub = hub_of(f"arn:{partition}:states:{region}:{OWN}:execution:iam-key-age-prod:scan-1")

    finding = first(hub=hub)

    assert finding["ProductArn"] == f"arn:{partition}:securityhub:{region}:{OWN}:product/{OWN}/default"
    assert ("Partition" in finding["Resources"][0]) is named  # ASFF knows not all of them


LONG_NAME = "n" * 64
UNTIL = "iam-key-age:exempt-until"
LONG = {"owner": "ö" * 256, UNTIL: "2027-03-01", "iam-key-age:exempt-reason": "R" * 256}
LONGEST = [
    user(LONG_NAME, key(f"AKIA{'L' * 124}", 200, used=100), key("AKIA2", 300, used=1), tags=LONG),
    user(
        "b",
        key("AKIA3", 400, used=100),
        key("AKIA4", 500, used="never"),
        tags={**LONG, "iam-key-age:exempt-until": "x" * 256},
    ),
    user("c", key("AKIA5", 80, used=2), tags={"owner": "   "}),
    user("d", key("AKIA6", 200, used=1), tags="unknown"),
    user("e", key("AKIA7", 50, used=1)),
]


def test_each_finding_keeps_to_the_format_however_long_its_texts_are() -> None:
    before = had(*LONGEST, user("f", key("AKIA8", 300)), user("g", key("AKIA9", 300)))
    found = sending(*LONGEST, max_unused_days=45).findings
    resolved = sending(*LONGEST, user("f", key("AKIA8", 300, "Inactive")), had=before).findings
    shape = botocore.session.get_session().get_service_model("securityhub").shape_for("AwsSecurityFinding")

    assert len(found) == 6
    assert {one["RecordState"] for one in resolved} == {"ACTIVE", "ARCHIVED"}
    for finding in found + resolved:
        assert not ParamValidator().validate(finding, shape).has_errors()
        assert list(_mistakes(finding)) == []
        assert not {"Workflow", "Note", "UserDefinedFields", "VerificationState", "Severity"} & finding.keys()


USERS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "cy"]),
        st.sampled_from(["checked", "unchecked", "not_found"]),
        st.lists(
            st.tuples(
                st.sampled_from(["AKIA1", "AKIA2", "AKIA3"]),
                st.sampled_from([-5.0, 1.0, 60.0, 80.0, 95.0, 400.0]),
                st.sampled_from(["Active", "Inactive"]),
                st.sampled_from([1, "never", "unknown"]),
            ),
            max_size=2,
            unique_by=lambda of_key: of_key[0],
        ),
        st.booleans(),
    ),
    max_size=3,
    unique_by=lambda of_user: of_user[0],
)


def outcomes_of(users: Any) -> list[dict[str, Any]]:
    """Outcomes of these users; a key is of the first who has it."""
    seen: set[str] = set()
    outcomes = []
    for name, outcome, keys, exempt in users:
        own = [key(key_id, age, status, used=used) for key_id, age, status, used in keys if key_id not in seen]
        seen |= {one["access_key_id"] for one in own} if outcome == "checked" else set()
        checked = user(name, *own, tags=EXEMPT if exempt else {})
        outcomes.append(checked if outcome == "checked" else {"user_name": name, "outcome": outcome, "cause": "no"})
    return outcomes


@given(st.lists(USERS, min_size=1, max_size=5))
def test_nothing_is_passed_that_this_scan_did_not_see(scans: list[Any]) -> None:
    before: SentFindings | None = None
    last: Report | None = None
    for day, users in enumerate(scans):
        outcomes = outcomes_of(users)
        report, pages = scanned(
            *outcomes, last=last, scan_id=f"scan-{day}", at=AS_OF + timedelta(days=4 * day), **UNUSED
        )
        sent = choose_findings(HUB, report, read_evidence(pages), before)

        keys = {one["access_key_id"]: one for page in pages for of in page["users"] for one in of.get("keys", ())}
        for finding in sent.findings:
            key_id = finding["Id"].rpartition("/")[2]
            if finding["RecordState"] == "ARCHIVED":
                assert key_id not in keys
            else:
                assert keys[key_id]["verdict"] is not None or keys[key_id]["status"] != "Active"
                passes = keys[key_id]["verdict"] in ("ok", "exempt", None)
                assert (finding["Compliance"]["Status"] == "PASSED") is passes
                young = parse_instant(report["as_of"]) - parse_instant(keys[key_id]["created_at"]) <= timedelta(days=45)
                assert keys[key_id]["verdict"] != "ok" or keys[key_id]["last_used"] != "unknown" or young
        before, last = sent.sent, report

"""A stack that tells everybody: the topic, owners, an event bus and Security Hub, in one account and in several."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.environment import LocalAws
from localaws.scan_run import ScanResult
from tests.support.deactivation import skip_waits
from tests.support.events import problems
from tests.support.organizations import OWN, account_id, function_client, member, organization
from tests.support.telling import BY_SES, Telling, key_id, owned, telling

DOMAINS = "example.com,simulator.amazonses.com"
EVERYBODY = {**BY_SES, "OwnerDomains": DOMAINS, "EventBus": "default", "SecurityHub": "on", "OcsfReport": "on"}
ALICE, BOB = "alice@example.com", "bob@example.com"
BEFORE = (owned("alice", ALICE, 200), owned("bob", BOB, 60), owned("carol", None, 150))
AFTER = (owned("alice", ALICE, 200), owned("bob", BOB, 95))
EVENT = {"Source": "iam-key-age", "DetailType": "x", "Detail": "{}"}
ONCE = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


@pytest.fixture(scope="module")
def deployed(aws: LocalAws) -> Iterator[Telling]:
    with telling(aws, **EVERYBODY) as told:
        yield told
        told.empty_security_hub()


@pytest.fixture
def told(deployed: Telling) -> Telling:
    deployed.forget()
    deployed.empty_security_hub()
    return deployed


def kinds(scan: ScanResult) -> list[str]:
    return sorted(event["detail-type"].removeprefix("IAM Access Key ") for event in scan.events)


def states(scan: ScanResult) -> dict[str, tuple[str, str]]:
    """What Security Hub has, by the id of the key."""
    return {
        finding["Id"].rpartition("/")[2]: (finding["RecordState"], finding["Compliance"]["Status"])
        for finding in scan.findings
    }


def test_everybody_is_told_of_a_scan_nobody_twice_and_all_of_what_changes(told: Telling) -> None:
    first = told.scan(*BEFORE)

    assert first.error is None
    assert len(first.mail) == 1
    assert [notice["To"] for notice in first.notices] == [ALICE]
    assert kinds(first) == ["Overdue", "Overdue", "Scan Completed"]
    failed, active = "FAILED", "ACTIVE"
    overdue = {key_id("alice", 200): (active, failed), key_id("carol", 150): (active, failed)}
    assert states(first) == overdue
    ocsf = json.loads(first.files["report.ocsf.json"])
    assert {one["class_uid"] for one in ocsf} == {2003}
    assert len(told.kept("notices/")) == 1
    [sent] = told.kept("security-hub/")
    assert set(sent["keys"]) == set(overdue)

    again = told.scan_again()

    assert again.error is None
    assert (again.notices, kinds(again), states(again)) == ([], ["Scan Completed"], overdue)
    assert again.stats["calls"].get("securityhub:BatchImportFindings", 0) == 0

    changed = told.scan(*AFTER)

    assert [notice["To"] for notice in changed.notices] == [BOB]
    assert kinds(changed) == ["Overdue", "Resolved", "Scan Completed"]
    assert states(changed)[key_id("carol", 150)][0] == "ARCHIVED"
    assert states(changed)[key_id("bob", 95)] == (active, failed)
    assert [problem for event in (*first.events, *again.events, *changed.events) for problem in problems(event)] == []


def test_the_others_are_told_where_security_hub_is_not_enabled_and_the_scan_fails(
    told: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_waits(monkeypatch)
    told.scanner.seed([*BEFORE])

    failed = told.scan_again(securityhub={"batch_import_findings": {"not_enabled": True}})

    assert failed.status == "FAILED"
    assert failed.error is not None
    assert "NotEverybodyNotifiedError" in failed.error
    assert [notice["To"] for notice in failed.notices] == [ALICE]
    assert "Scan Completed" in kinds(failed)
    assert failed.report["totals"]["expired"] == 2
    assert any("Security Hub is not enabled in us-east-1" in " ".join(mail["Message"].split()) for mail in failed.mail)

    after = told.scan_again()
    assert (after.error, after.notices, kinds(after)) == (None, [], ["Scan Completed"])
    assert len(states(after)) == 2


def test_a_notice_that_bounces_is_told_to_the_topic(told: Telling) -> None:
    gone, away, spam = (f"{name}@simulator.amazonses.com" for name in ("bounce", "ooto", "complaint"))
    scan = told.scan(owned("gone", gone, 100), owned("away", away, 100), owned("mallory", spam, 100))

    of_notices = [mail["Message"] for mail in scan.mail if "iam-key-age: a notice of access keys" in mail["Message"]]
    assert {notice["To"] for notice in scan.notices} == {gone, away, spam}
    assert [[word for word in ("bounced", "spam", gone, away, spam) if word in one] for one in sorted(of_notices)] == [
        ["bounced", gone],
        ["spam", spam],
    ]


@pytest.mark.parametrize(
    ("function", "service", "call", "refused"),
    [
        (
            "SendEvents",
            "events",
            "put_events",
            {"Entries": [EVENT, {**EVENT, "Source": "other"}]},
        ),
        (
            "SendEvents",
            "events",
            "put_events",
            {"Entries": [{**EVENT, "EventBusName": "another"}]},
        ),
        (
            "NotifyOwners",
            "events",
            "put_events",
            {"Entries": [{"Source": "iam-key-age", "DetailType": "x", "Detail": "{}"}]},
        ),
        ("SendEvents", "securityhub", "batch_import_findings", {"Findings": []}),
        ("ImportFindings", "securityhub", "get_findings", {}),
        ("ImportFindings", "sns", "publish", {"TopicArn": f"arn:aws:sns:us-east-1:{OWN}:any", "Message": "x"}),
    ],
)
def test_each_function_may_tell_its_own_alone(
    deployed: Telling, function: str, service: str, call: str, refused: dict[str, Any]
) -> None:
    client = function_client(deployed.aws, service, function, ONCE)

    with pytest.raises(ClientError, match="is not authorized to perform"):
        getattr(client, call)(**refused)


def test_the_bus_takes_the_stacks_own_events_of_its_function(deployed: Telling) -> None:
    client = function_client(deployed.aws, "events", "SendEvents", ONCE)
    deployed.aws.receivers.events()

    client.put_events(Entries=[EVENT])

    assert [event["detail-type"] for event in deployed.aws.receivers.events()] == ["x"]


def test_everybody_is_told_once_of_an_organization(told: Telling) -> None:
    told.aws.deploy({"Accounts": "organization"})
    told.aws.seed(
        organization(
            member(1, owned("alice", ALICE, 200)),
            member(2, owned("alicetoo", "Alice@example.com", 120), owned("bob", BOB, 30)),
            member(3, owned("dave", BOB, 140), reader_role=False),
        )
    )
    try:
        first, again = told.scan_again(), told.scan_again()
    finally:
        told.aws.deploy({"Accounts": ""})

    assert (first.error, again.error) == (None, None)
    [notice] = first.notices
    assert notice["To"] == ALICE
    for account, key in ((account_id(1), key_id("alice", 200)), (account_id(2), key_id("alicetoo", 120))):
        assert account in notice["text"]
        assert key in notice["text"]
    assert kinds(first).count("Scan Completed") == 1
    by_id = {finding["Id"]: finding for finding in first.findings}
    assert set(by_id) == {
        f"iam-key-age/{account_id(1)}/{key_id('alice', 200)}",
        f"iam-key-age/{account_id(2)}/{key_id('alicetoo', 120)}",
    }
    assert {finding["AwsAccountId"] for finding in by_id.values()} == {OWN}
    assert account_id(1) in json.dumps(by_id[f"iam-key-age/{account_id(1)}/{key_id('alice', 200)}"]["Resources"])
    assert (again.notices, kinds(again)) == ([], ["Scan Completed"])
    ocsf = json.loads(first.files["report.ocsf.json"])
    assert account_id(3) in json.dumps(ocsf)  # which could not be checked
    assert f"accounts/{account_id(1)}/report.ocsf.json" in first.files

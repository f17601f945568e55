"""Notices to owners, from a scan to SES's mailbox and to the second topic."""

import json
from collections.abc import Iterator

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.environment import LocalAws
from localaws.scan_run import ScanResult
from tests.support.organizations import function_client
from tests.support.scanner import changed_settings
from tests.support.telling import BY_SES, Telling, key_id, owned, telling

ALICE, BOB = "alice@example.com", "bob@example.com"
USERS = (
    owned("alice", ALICE, 200),
    owned("deploy", "Alice@Example.com", 100),
    owned("bob", BOB, 120),
    owned("eve", "eve@example.org", 130),
    owned("nobody", None, 140),
    owned("fresh", "fresh@example.com", 1),
)


@pytest.fixture(scope="module")
def deployed(aws: LocalAws) -> Iterator[Telling]:
    with telling(aws, **BY_SES) as told:
        yield told


@pytest.fixture
def told(deployed: Telling) -> Telling:
    deployed.forget()
    return deployed


def to(scan: ScanResult) -> list[str]:
    assert scan.error is None
    return sorted(notice["To"] for notice in scan.notices)


def counts(told: Telling) -> dict[str, int]:
    """The counts that the last scan's function logged."""
    lines = [line for line in told.aws.log_tail(100).splitlines() if '"notices"' in line]
    return dict(json.loads(lines[-1])["notices"])


def test_each_owner_is_mailed_their_own_keys_once_and_again_for_news(told: Telling) -> None:
    first = told.scan(*USERS)

    assert to(first) == [ALICE, BOB]
    by_owner = {notice["To"]: notice for notice in first.notices}
    for text in ("text", "html"):
        assert key_id("alice", 200) in by_owner[ALICE][text]
        assert key_id("deploy", 100) in by_owner[ALICE][text]
        assert key_id("bob", 120) not in by_owner[ALICE][text]
    assert by_owner[BOB]["From"] == "keys@example.com"
    [mail] = first.mail
    assert "2 keys" in " ".join(mail["Message"].split())  # eve's and nobody's have no owner who can be mailed
    assert {file["owner"] for file in told.kept("notices/")} == {ALICE, BOB}
    assert {name: count for name, count in first.stats["calls"].items() if name.startswith("ses:")} == {
        "ses:SendEmail": 2
    }

    assert to(told.scan_again()) == []
    assert counts(told)["nothing_new"] == 2

    changed = told.scan(*(one for one in USERS if one["user_name"] != "bob"), owned("bob", BOB, 120, 91))
    assert to(changed) == [BOB]  # alice's keys are as they were


def test_an_address_that_ses_refuses_fails_no_scan_and_the_topic_is_told(told: Telling) -> None:
    told.scanner.seed([*USERS])

    refused = told.scan_again(sesv2={"send_email": {"throttle": 1, "refuse": [BOB]}})

    assert to(refused) == [ALICE]  # at the second try
    [about] = [mail for mail in refused.mail if "overdue" not in mail["Subject"]]
    assert "not verified" in " ".join(about["Message"].split())
    assert ALICE not in about["Message"]
    assert {file["owner"]: bool(file["refused"]) for file in told.kept("notices/")} == {ALICE: False, BOB: True}


def test_what_ses_does_not_take_at_all_is_left_for_the_next_scan(told: Telling) -> None:
    told.scanner.seed([*USERS])

    stopped = told.scan_again(sesv2={"send_email": {"quota": 1}})

    assert to(stopped) == [ALICE]  # whose key is the more severe
    assert counts(told)["left"] == 1
    assert len(stopped.mail) == 2
    assert to(told.scan_again()) == [BOB]


def test_a_mail_of_which_nobody_knows_whether_it_went_is_not_sent_again(told: Telling) -> None:
    told.scanner.seed([*USERS])

    unknown = told.scan_again(sesv2={"send_email": {"lose": 1}})

    assert to(unknown) == [ALICE, BOB]
    assert (counts(told)["unknown"], counts(told)["sent"]) == (1, 1)
    assert to(told.scan_again()) == []


def test_scans_by_other_policies_mail_nobody(told: Telling) -> None:
    told.scanner.seed([*USERS])

    assert to(told.aws.scan('{"max_age_days": 30}')) == []


def test_in_test_mode_all_notices_go_to_one_address_and_count_for_nobody(told: Telling) -> None:
    told.scanner.seed([*USERS])

    with changed_settings(told.scanner, "NotifyOwners", NOTICES_TEST_TO="me@example.com"):
        test = told.scan_again()

    assert to(test) == ["me@example.com", "me@example.com"]
    assert sorted(notice["Subject"].partition("]")[0] for notice in test.notices) == [
        f"[Test, for {ALICE}",
        f"[Test, for {BOB}",
    ]
    assert to(told.scan_again()) == [ALICE, BOB]


@pytest.mark.parametrize(
    ("sender", "recipients", "more"),
    [
        ("keys@example.com", ["eve@example.org"], {}),
        ("keys@example.com", [ALICE, "eve@example.org"], {}),
        ("ceo@example.com", [ALICE], {}),
        ("keys@example.com", [], {}),
        ("keys@example.com", [ALICE], {"ConfigurationSetName": "another"}),
    ],
)
def test_the_role_mails_from_its_own_address_to_the_owners_domains_alone(
    deployed: Telling, sender: str, recipients: list[str], more: dict[str, str]
) -> None:
    client = function_client(deployed.aws, "sesv2", "NotifyOwners", Config(retries={"total_max_attempts": 1}))

    def send(sender: str, recipients: list[str], **more: str) -> None:
        content = {"Simple": {"Subject": {"Data": "Keys"}, "Body": {"Text": {"Data": "Rotate."}}}}
        client.send_email(FromEmailAddress=sender, Destination={"ToAddresses": recipients}, Content=content, **more)

    with pytest.raises(ClientError, match="is not authorized to perform: ses:SendEmail"):
        send(sender, recipients, **more)
    own = deployed.aws.function("NotifyOwners").environment_vars["NOTICES_CONFIGURATION_SET"]
    send("keys@example.com", [ALICE], ConfigurationSetName=own)


def test_without_ses_notices_go_to_a_second_topic_with_the_owner_to_filter_by(told: Telling) -> None:
    told.aws.deploy({"OwnerNotices": "sns"})
    try:
        scan = told.scan(owned("alice", " team web ", 200), owned("bob", BOB, 120))
        again = told.scan_again()
        topic = function_client(told.aws, "sns", "NotifyOwners")
        with pytest.raises(ClientError, match="is not authorized to perform: sns:Publish"):
            topic.publish(TopicArn=told.aws.outputs()["NotificationsTopicArn"], Message="x")
    finally:
        told.aws.deploy({"OwnerNotices": "ses"})

    assert scan.error is None
    published = {sent["MessageAttributes"]["owner"]["Value"]: sent["Message"] for sent in scan.published_notices}
    assert set(published) == {"team web", BOB}
    assert key_id("alice", 200) in published["team web"]
    assert key_id("bob", 120) not in published["team web"]
    assert (scan.notices, again.published_notices) == ([], [])

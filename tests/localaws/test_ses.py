"""SES on the local AWS: what it refuses, in the sandbox and out of it, and what of a mail it keeps."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.ses.models import ses_backends

from localaws.environment import LocalAws
from localaws.moto_patches import ses_account

ME, ALICE = "keys@example.com", "alice@example.com"
BOTH = {"Text": {"Data": "Rotate it."}, "Html": {"Data": "<p>Rotate it.</p>"}}
NOT_VERIFIED = "Email address is not verified. The following identities failed the check in region US-EAST-1: "


class Mailer:
    def __init__(self, aws: LocalAws) -> None:
        self.client = aws.client("sesv2")
        self.backend = ses_backends[aws.account.account_id]["us-east-1"]

    def send(self, *to: str, sender: str = ME, subject: str = "Your keys", body: Any = BOTH, **more: Any) -> None:
        content = {"Simple": {"Subject": {"Data": subject}, "Body": body}}
        self.client.send_email(FromEmailAddress=sender, Destination={"ToAddresses": list(to)}, Content=content, **more)

    def refusal(self, *to: str, **more: Any) -> tuple[str, str, int]:
        with pytest.raises(ClientError) as refused:
            self.send(*to, **more)
        answer: Any = refused.value.response
        return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]

    def has_production_access(self, is_out: bool) -> None:
        self.client.put_account_details(
            MailType="TRANSACTIONAL", WebsiteURL="https://example.com", ProductionAccessEnabled=is_out
        )


@pytest.fixture
def mailer(aws: LocalAws) -> Iterator[Mailer]:
    aws.receivers.notices()
    mailer = Mailer(aws)
    mailer.backend.sent_message_count = 0
    yield mailer
    mailer.has_production_access(False)


def test_a_mail_is_kept_with_both_of_its_texts(mailer: Mailer, aws: LocalAws) -> None:
    mailer.send(ALICE)
    mailer.send(ALICE, "bob@example.com", subject="Plain", body={"Text": {"Data": "Rotate it."}})

    both, plain = aws.receivers.notices()
    assert both == {
        "To": ALICE,
        "From": ME,
        "Subject": "Your keys",
        "text": "Rotate it.",
        "html": "<p>Rotate it.</p>",
    }
    assert (plain["To"], plain["text"], plain["html"]) == (f"{ALICE}, bob@example.com", "Rotate it.", "")
    assert aws.receivers.notices() == []


@pytest.mark.parametrize(
    ("sender", "to", "failed"),
    [
        (ME, "alice@example.org", "alice@example.org"),
        ("keys@example.org", ALICE, "keys@example.org"),
        ("keys@example.org", "alice@example.net", "keys@example.org, alice@example.net"),
        ("keys@example.org", "keys@example.org", "keys@example.org"),
        (ME, "alice@notexample.com", "alice@notexample.com"),
        ("keys@simulator.amazonses.com", ALICE, "keys@simulator.amazonses.com"),
    ],
)
def test_the_sandbox_refuses_identities_that_are_not_verified(
    mailer: Mailer, aws: LocalAws, sender: str, to: str, failed: str
) -> None:
    assert mailer.refusal(to, sender=sender) == ("MessageRejected", NOT_VERIFIED + failed, 400)
    assert aws.receivers.notices() == []


@pytest.mark.parametrize("to", ["alice@Example.COM", "alice@mail.example.com", "success@simulator.amazonses.com"])
def test_a_verified_domain_verifies_its_addresses_and_subdomains(mailer: Mailer, aws: LocalAws, to: str) -> None:
    mailer.send(to)

    assert [mail["To"] for mail in aws.receivers.notices()] == [to]


def test_a_verified_address_is_verified_as_it_is_written(mailer: Mailer, aws: LocalAws) -> None:
    ses_account.verify(aws.account.account_id, "us-east-1", "Dana@example.org")

    mailer.send("Dana@example.org")

    assert mailer.refusal("dana@example.org")[0] == "MessageRejected"
    mailer.client.delete_email_identity(EmailIdentity="Dana@example.org")
    assert mailer.refusal("Dana@example.org")[0] == "MessageRejected"


def test_out_of_the_sandbox_the_sender_alone_has_to_be_verified(mailer: Mailer) -> None:
    mailer.has_production_access(True)

    mailer.send("alice@example.org")

    assert mailer.refusal(ALICE, sender="keys@example.org")[:2] == (
        "MessageRejected",
        f"{NOT_VERIFIED}keys@example.org",
    )
    account = mailer.client.get_account()
    assert (account["ProductionAccessEnabled"], account["SendQuota"]["Max24HourSend"]) == (True, 50_000)


def test_the_sandbox_takes_200_recipients_a_day(mailer: Mailer, aws: LocalAws) -> None:
    mailer.backend.sent_message_count = 199
    assert mailer.refusal(ALICE, "bob@example.com") == (
        "TooManyRequestsException",
        "Daily message quota exceeded.",
        429,
    )

    mailer.send(ALICE)

    account = mailer.client.get_account()
    assert account["SendQuota"] == {"Max24HourSend": 200, "MaxSendRate": 1, "SentLast24Hours": 200}
    assert not account["ProductionAccessEnabled"]
    assert len(aws.receivers.notices()) == 1


@pytest.mark.parametrize(
    ("to", "more"),
    [
        ((), {}),
        (("alice",), {}),
        (("@example.com",), {}),
        (("a lice@example.com",), {}),
        (("alice@example.com,bob@example.com",), {}),
        (("alice@example.com\r\nBcc: eve@example.org",), {}),
        (("alice@exam_ple.com",), {}),
        (("älice@example.com",), {}),
        ((f"{'a' * 65}@example.com",), {}),
        (tuple(f"u{number}@example.com" for number in range(51)), {}),
        ((ALICE,), {"subject": "Your\nkeys"}),
        ((ALICE,), {"body": {}}),
        ((ALICE,), {"ReplyToAddresses": ["nobody"]}),
    ],
)
def test_what_is_no_mail_is_a_bad_request(mailer: Mailer, to: tuple[str, ...], more: dict[str, Any]) -> None:
    assert mailer.refusal(*to, **more)[::2] == ("BadRequestException", 400)


def test_an_unknown_configuration_set_is_not_found(mailer: Mailer) -> None:
    assert mailer.refusal(ALICE, ConfigurationSetName="none")[::2] == ("NotFoundException", 404)

    mailer.client.create_configuration_set(ConfigurationSetName="some")
    mailer.send(ALICE, ConfigurationSetName="some")


def test_a_new_identity_is_pending_until_its_owner_verifies_it(mailer: Mailer, aws: LocalAws) -> None:
    mailer.client.create_email_identity(EmailIdentity="Example.NET")
    pending = mailer.client.get_email_identity(EmailIdentity="example.net")
    assert (pending["VerificationStatus"], pending["VerifiedForSendingStatus"]) == ("PENDING", False)
    assert mailer.refusal("alice@example.net")[0] == "MessageRejected"

    ses_account.verify(aws.account.account_id, "us-east-1", "example.net")

    mailer.send("alice@example.net")
    verified = mailer.client.get_email_identity(EmailIdentity="example.net")
    assert (verified["VerificationStatus"], verified["VerifiedForSendingStatus"]) == ("SUCCESS", True)
    with pytest.raises(mailer.client.exceptions.AlreadyExistsException):
        mailer.client.create_email_identity(EmailIdentity="example.net")
    mailer.client.delete_email_identity(EmailIdentity="example.net")
    with pytest.raises(mailer.client.exceptions.NotFoundException):
        mailer.client.get_email_identity(EmailIdentity="example.net")


def test_an_address_is_taken_off_the_list_of_suppressed_ones_once(mailer: Mailer) -> None:
    mailer.client.put_suppressed_destination(EmailAddress=ALICE, Reason="BOUNCE")

    found = mailer.client.get_suppressed_destination(EmailAddress=ALICE)["SuppressedDestination"]
    mailer.client.delete_suppressed_destination(EmailAddress=ALICE)

    assert (found["EmailAddress"], found["Reason"]) == (ALICE, "BOUNCE")
    for call in (mailer.client.get_suppressed_destination, mailer.client.delete_suppressed_destination):
        with pytest.raises(mailer.client.exceptions.NotFoundException):
            call(EmailAddress=ALICE)

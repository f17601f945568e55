"""The session in an account: by which role, whose it is, and why there is none."""

import pytest

from chalicelib.aws.errors import StsUnavailableError
from chalicelib.aws.members import UnreadableAccountError, assume_reader
from chalicelib.organization_settings import ReaderSettings
from chalicelib.schema import RefusedError
from tests.support.fake_aws import account_of, error, listing
from tests.support.organization import A, B, Organization

READER = ReaderSettings("iam-key-age-reader", "iam-key-age")
NOT_AUTHORIZED = (
    f"User: arn:aws:sts::999999999999:assumed-role/x/y is not authorized to perform: sts:AssumeRole on resource: "
    f"arn:aws:iam::{A}:role/iam-key-age-reader"
)


def cause(account_id: str = A) -> str:
    with pytest.raises(UnreadableAccountError) as raised:
        assume_reader(account_id, "aws", READER)
    return str(raised.value)


def test_the_role_is_made_of_partition_account_and_settings_and_the_session_says_what_it_is(
    organization: Organization,
) -> None:
    member = assume_reader(A, "aws-us-gov", ReaderSettings("reader-2", "other-id"))

    assert member.account_id == A
    [asked, identity] = organization.aws.calls
    assert {name: asked[name] for name in ("RoleArn", "ExternalId", "RoleSessionName", "DurationSeconds")} == {
        "RoleArn": f"arn:aws-us-gov:iam::{A}:role/reader-2",
        "ExternalId": "other-id",
        "RoleSessionName": "iam-key-age",
        "DurationSeconds": "3600",
    }
    assert "/eu-west-1/sts/" in asked["credential"]
    assert (asked["credential"].split("/")[0], account_of(identity)) == ("AKIAOWN", A)


@pytest.mark.parametrize(
    "account_id",
    ["", "12345678901", "1234567890123", "12345678901a", f"{A}:role/x", "１" * 12, f"{A}\n", "../../../.."],
)
def test_an_id_that_is_none_never_becomes_a_part_of_an_arn(organization: Organization, account_id: str) -> None:
    with pytest.raises(RefusedError, match=r"^account_id: .* is not accepted; it takes an account id of 12 digits$"):
        assume_reader(account_id, "aws", READER)

    assert organization.aws.calls == []


def test_a_refusal_says_all_that_it_may_mean_and_what_helps(organization: Organization) -> None:
    organization.aws.answers["AssumeRole"] = error("AccessDenied", NOT_AUTHORIZED)

    assert cause() == (
        "STS refused the role iam-key-age-reader (AccessDenied). It says the same where the role is missing, its trust "
        "policy does not allow this stack, its external id is another, or the account is suspended or closed. See "
        "docs/organization.md, and try again with `make check-member`"
    )
    assert organization.aws.called("AssumeRole") == 1


@pytest.mark.parametrize(
    "why",
    ["with an explicit deny in a service control policy", "because no identity-based policy allows the action"],
)
def test_what_sts_adds_to_a_refusal_is_told(organization: Organization, why: str) -> None:
    organization.aws.answers["AssumeRole"] = error("AccessDenied", f"{NOT_AUTHORIZED} {why}")

    assert cause().startswith(f"STS refused the role iam-key-age-reader {why}. It says the same where the role is")


@pytest.mark.parametrize(
    ("answer", "begins"),
    [
        (error("ExpiredToken", "over"), "STS gave no session for the role iam-key-age-reader (ExpiredToken: over)"),
        (
            error("RegionDisabledException", "STS is not activated in this region"),
            "STS gave no session for the role iam-key-age-reader (RegionDisabledException: STS is not activated",
        ),
        (
            "",
            "STS gave no session for the role iam-key-age-reader (The answer cannot be read (KeyError: 'Credentials'))",
        ),
        ((200, "<html>"), "STS gave no session for the role iam-key-age-reader (The answer cannot be read"),
    ],
)
def test_another_failure_is_told_in_plain_words(organization: Organization, answer: object, begins: str) -> None:
    organization.aws.answers["AssumeRole"] = answer

    assert cause().startswith(begins)


@pytest.mark.parametrize("operation", ["AssumeRole", "GetCallerIdentity"])
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error("Throttling", "Rate exceeded", 400), "STS throttled each of 5 calls (Throttling: Rate exceeded)"),
        (error("ServiceFailure", "no", 500), "STS did not answer (ServiceFailure: no)"),
    ],
)
def test_sts_that_is_throttled_or_in_trouble_is_no_fault_of_the_account_and_tried_again(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, operation: str, answer: object, says: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    organization.aws.answers[operation] = answer

    with pytest.raises(StsUnavailableError) as raised:
        assume_reader(A, "aws", READER)

    assert str(raised.value) == says
    assert organization.aws.called(operation) == 5


def test_sts_that_is_not_there_does_not_answer(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(StsUnavailableError, match=r"^STS did not answer \(EndpointConnectionError: Could not connect"):
        assume_reader(A, "aws", READER)
    assert organization.aws.calls == []


@pytest.mark.parametrize(("answered", "shown"), [(B, B), ("", "one without an account id"), ("x", "one without an")])
def test_an_account_for_which_another_answers_is_not_read(
    organization: Organization, answered: str, shown: str
) -> None:
    organization.aws.answers["GetCallerIdentity"] = f"<Account>{answered}</Account>"

    assert cause().startswith(f"Another account answered than the one that was asked: {shown}")


def test_the_credentials_of_an_account_are_its_own_clients_alone(organization: Organization) -> None:
    organization.aws.answers["ListUsers"] = listing("Users")
    first, second = assume_reader(A, "aws", READER), assume_reader(B, "aws", READER)

    for member in (first, second, first):
        member.iam().list_users()
        member.iam_for_many_calls().list_users()

    accounts = [account_of(call) for call in organization.aws.calls if call["Action"] == "ListUsers"]
    assert accounts == [A, A, B, B, A, A]


def test_what_is_printed_of_a_member_has_no_credentials(organization: Organization) -> None:
    del organization
    assert repr(assume_reader(A, "aws", READER)) == f"Member(account_id='{A}')"

"""Whether a scan could read an account: what `make check-member` is told."""

from typing import Any

import pytest

from chalicelib.aws.member_check import check_member
from tests.support.fake_aws import account_of, error, json_error, listing
from tests.support.organization import A, Organization

NO_SUCH = error("NoSuchEntity", "cannot be found", 404)
DENIED = error("AccessDenied", "User: x is not authorized to perform: iam:Something")
OF_NOBODY = (
    *("ListUserTags", "GetUser", "ListGroupsForUser", "ListAttachedUserPolicies", "ListUserPolicies", "GetUserPolicy"),
    *("ListAttachedGroupPolicies", "ListGroupPolicies", "GetGroupPolicy", "GetPolicy", "GetPolicyVersion"),
)


@pytest.fixture(autouse=True)
def nobody(organization: Organization) -> None:
    organization.aws.answers.update(dict.fromkeys(OF_NOBODY, NO_SUCH))


def test_an_account_that_allows_all_calls_answers(organization: Organization) -> None:
    said = check_member(A)

    assert (said["account_id"], said["answers"], said["cause"]) == (A, True, None)
    assert set(said["calls"].values()) == {"allowed"}
    assert set(said["calls"]) == {
        f"iam:{operation}"
        for operation in (
            *OF_NOBODY,
            *("ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed"),
            *("GetAccountAuthorizationDetails", "GetAccountSummary", "ListAccountAliases"),
        )
    }
    calls = [call for call in organization.aws.calls if call["Action"] != "AssumeRole"]
    assert {account_of(call) for call in calls} == {A}
    assert organization.files == {}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error("AccessDenied", "no"), "STS refused the role iam-key-age-reader (AccessDenied)"),
        (error("ServiceFailure", "no", 500), "STS did not answer (ServiceFailure: no)"),
    ],
)
def test_a_role_that_is_not_to_be_had_has_its_cause(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, answer: Any, says: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    organization.aws.answers["AssumeRole"] = answer

    said = check_member(A)

    assert (said["answers"], said["calls"]) == (False, {})
    assert said["cause"].startswith(says)


@pytest.mark.parametrize("account_id", ["", "12345", f"{A}:role/admin"])
def test_an_id_that_is_none_is_refused(organization: Organization, account_id: str) -> None:
    said = check_member(account_id)

    assert said["answers"] is False
    assert said["cause"].endswith("is not accepted; it takes an account id of 12 digits")
    assert organization.aws.calls == []


@pytest.mark.parametrize(
    "operation",
    ["ListUsers", "ListAccessKeys", "GetAccessKeyLastUsed", "GetAccountAuthorizationDetails", "GetUser", "GetPolicy"],
)
def test_a_call_that_the_role_may_not_make_is_named(organization: Organization, operation: str) -> None:
    organization.aws.answers[operation] = DENIED

    said = check_member(A)

    assert said["answers"] is False
    assert said["cause"] == f"A scan of this account is incomplete without iam:{operation}"
    assert said["calls"][f"iam:{operation}"] == "AccessDenied: User: x is not authorized to perform: iam:Something"


def test_without_any_key_its_last_use_is_not_tried_and_the_account_answers(organization: Organization) -> None:
    organization.aws.answers["ListAccessKeys"] = listing("AccessKeyMetadata")

    said = check_member(A)

    assert said["answers"] is True
    assert said["calls"]["iam:GetAccessKeyLastUsed"] == "not tried: none of the first ten users has an access key"


@pytest.mark.parametrize(
    ("answer", "says"),
    [({"Events": []}, "allowed"), (json_error("AccessDeniedException", "no"), "AccessDeniedException: no")],
)
def test_cloudtrail_is_tried_where_usage_evidence_is_on(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, answer: Any, says: str
) -> None:
    monkeypatch.setenv("USAGE_EVIDENCE", "on")
    organization.aws.answers["LookupEvents"] = answer

    said = check_member(A)

    assert said["calls"]["cloudtrail:LookupEvents"] == says
    assert said["answers"] is (says == "allowed")

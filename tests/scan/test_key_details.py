"""Last use, tags and owner: for which keys a scan asks IAM, and what it does if IAM does not answer."""

from typing import Any

import pytest
from moto.iam.responses import IamResponse

from tests.support.iam_errors import deny, run_before, throttle
from tests.support.scanner import FRESH, OLD, Scanner, aged, execute, iam_calls, user, users, worst_tags

USED = {"last_used": {"at": "2026-11-21T08:00:00Z", "service": "dynamodb", "region": "eu-west-1"}}
# Of the account once a scan, and never a user's tags.
OF_THE_ACCOUNT = {"iam:GetAccountAuthorizationDetails": 1, "iam:ListAccountAliases": 1}
OWNED = {"tags": {"team": "web", "owner": "web@example.com"}}


@pytest.mark.parametrize(
    ("made_up", "calls"),
    [
        pytest.param(
            [*users(150, FRESH), user("none")], {"iam:ListUsers": 2, "iam:ListAccessKeys": 151}, id="no old key"
        ),
        pytest.param(
            [*users(150, FRESH), user("old", OLD, FRESH)],
            {"iam:ListUsers": 2, "iam:ListAccessKeys": 151, "iam:GetAccessKeyLastUsed": 2},
            id="one old key",
        ),
        pytest.param(
            users(40, OLD),
            {"iam:ListUsers": 1, "iam:ListAccessKeys": 40, "iam:GetAccessKeyLastUsed": 40},
            id="old keys only",
        ),
        pytest.param(
            [user("due", "2026-09-07T07:59:59Z"), user("not-yet", "2026-09-07T08:00:00Z")],
            {"iam:ListUsers": 1, "iam:ListAccessKeys": 2, "iam:GetAccessKeyLastUsed": 1},
            id="due soon, and a second short of it",
        ),
        pytest.param(
            [{"user_name": "off", "access_keys": [{"created_at": OLD, "status": "Inactive"}]}],
            {"iam:ListUsers": 1, "iam:ListAccessKeys": 1},
            id="an old key that is inactive",
        ),
    ],
)
def test_only_users_with_a_key_overdue_or_due_soon_cost_more_calls(
    scanner: Scanner, made_up: list[dict[str, Any]], calls: dict[str, int]
) -> None:
    result = scanner.scan(made_up)

    assert iam_calls(result) == {**OF_THE_ACCOUNT, **calls}
    assert result.report["coverage"]["detail_calls"] == calls.get("iam:GetAccessKeyLastUsed", 0)


@pytest.mark.parametrize("policy", [{}, {"max_age_days": 90}])
def test_an_execution_by_hand_costs_no_more_calls(scanner: Scanner, policy: dict[str, Any]) -> None:
    scanner.seed([aged("fresh", 10), aged("old", 200)])
    scanner.aws.forget_calls()

    execution = execute(scanner, policy)

    assert execution["status"] == "SUCCEEDED"
    assert {name: count for name, count in scanner.aws.calls().items() if name.startswith("iam:")} == {
        **OF_THE_ACCOUNT,
        "iam:GetAccessKeyLastUsed": 1,
        "iam:GetAccountSummary": 1,
        "iam:ListAccessKeys": 2,
        "iam:ListUsers": 1,
    }


def test_inactive_keys_have_details_if_the_policy_includes_them(scanner: Scanner) -> None:
    bob = {"user_name": "bob", "access_keys": [{"created_at": OLD, "status": "Inactive", **USED}]}

    report = scanner.report([bob], include_inactive=True)

    [finding] = report["findings"]
    assert finding["last_used"] == USED["last_used"]
    assert finding["advice"] == "delete"


def test_a_finding_has_last_use_owner_tags_other_keys_and_advice(scanner: Scanner) -> None:
    keys = [
        {"access_key_id": "AKIAOLDOLDOLDOLDOLD1", "created_at": OLD, **USED},
        {"access_key_id": "AKIANEWNEWNEWNEWNEW1", "created_at": FRESH},
    ]

    report = scanner.report([{"user_name": "alice", "access_keys": keys, **OWNED}])

    [finding] = report["findings"]
    assert {name: finding[name] for name in ("last_used", "owner", "tags", "other_keys", "advice")} == {
        "last_used": USED["last_used"],
        "owner": "web@example.com",
        "tags": {"owner": "web@example.com"},
        "other_keys": [
            {
                "access_key_id": "AKIANEWNEWNEWNEWNEW1",
                "age_days": 21,
                "status": "Active",
                "last_used": None,
                "description": None,
            }
        ],
        "advice": "rotate",
    }
    assert "on 2026-11-21 for dynamodb in eu-west-1" in finding["advice_in_words"]
    assert "AKIANEWNEWNEWNEWNEW1 is not in use" in finding["advice_in_words"]


def test_keys_whose_last_use_is_denied_are_evaluated_and_their_use_is_unknown(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_before(monkeypatch, "get_access_key_last_used", deny)

    result = scanner.scan([{**user("alice", OLD, FRESH), **OWNED}, user("bob", FRESH)])

    [finding] = result.report["findings"]
    assert (finding["last_used"], finding["advice"], finding["owner"]) == ("unknown", None, "web@example.com")
    assert result.report["coverage"]["users_checked"] == 2
    assert result.report["totals"]["expired"] == 1
    [unknown] = result.report["details_unknown"]
    assert unknown["user_name"] == "alice"
    assert "not authorized" in unknown["cause"]
    assert iam_calls(result)["iam:GetAccessKeyLastUsed"] == 2
    assert "LAST USE, TAGS OR PERMISSIONS UNKNOWN" in result.mail[0]["Message"]


def test_keys_of_users_whose_tags_are_denied_are_evaluated_and_the_owner_is_unknown(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_before(monkeypatch, "get_account_authorization_details", deny)

    result = scanner.scan([{**user("alice", OLD), **OWNED}])

    [finding] = result.report["findings"]
    assert (finding["last_used"], finding["advice"]) == (None, None)  # the user may be exempt
    assert (finding["owner"], finding["tags"], finding["exemption"]) == ("unknown", "unknown", None)
    assert result.report["coverage"]["users_checked"] == 1
    assert "not authorized" in result.report["details_unknown"][0]["cause"]
    assert iam_calls(result)["iam:GetAccountAuthorizationDetails"] == 1


@pytest.mark.parametrize("operation", ["get_access_key_last_used", "get_account_authorization_details"])
def test_throttled_details_are_asked_for_again(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    asked = throttle(monkeypatch, operation, times=2)

    report = scanner.report([{**user("alice", OLD), **OWNED}])

    assert report["findings"][0]["owner"] == "web@example.com"
    assert report["findings"][0]["advice"] == "deactivate"
    assert report["details_unknown"] == []
    assert asked["calls"] == 3


def test_details_throttled_nine_times_are_unknown_and_the_user_stays_checked(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttle(monkeypatch, "get_access_key_last_used", times=100)

    result = scanner.scan([{**user("alice", OLD, OLD), **OWNED}])

    assert result.report["coverage"]["users_checked"] == 1
    assert [finding["last_used"] for finding in result.report["findings"]] == ["unknown", "unknown"]
    assert result.report["findings"][0]["owner"] == "web@example.com"
    assert (
        iam_calls(result)["iam:GetAccessKeyLastUsed"] == 9 + 1
    )  # nine tries for all of a user's calls, one at least each
    assert "Rate exceeded" in result.report["details_unknown"][0]["cause"]


def test_a_user_deleted_between_the_keys_and_the_details_is_evaluated_by_the_keys(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete_carol(response: IamResponse) -> None:
        response.backend.users.pop("carol", None)

    run_before(monkeypatch, "get_access_key_last_used", delete_carol)

    report = scanner.report([{**user("carol", OLD), **OWNED}])

    [finding] = report["findings"]
    assert (finding["user_name"], finding["owner"]) == ("carol", "web@example.com")
    assert report["coverage"]["users_checked"] == 1
    assert "NoSuchEntity" in report["details_unknown"][0]["cause"]


def test_with_max_unused_days_each_key_is_asked_about_and_the_report_counts_the_calls(
    scanner: Scanner,
) -> None:
    used = {"last_used": {"at": "2026-11-20T00:00:00Z"}}
    made_up = [
        user("never", "2026-10-01T00:00:00Z"),
        {"user_name": "used", "access_keys": [{"created_at": "2026-10-01T00:00:00Z", **used}]},
        user("fresh", FRESH, FRESH),
        user("none"),
        {"user_name": "off", "access_keys": [{"created_at": "2026-10-01T00:00:00Z", "status": "Inactive"}]},
    ]

    result = scanner.scan(made_up, max_unused_days=45)

    assert [(finding["user_name"], finding["verdict"]) for finding in result.report["findings"]] == [
        ("never", "unused")
    ]
    assert iam_calls(result) == {
        **OF_THE_ACCOUNT,
        "iam:GetAccessKeyLastUsed": 4,
        "iam:ListAccessKeys": 5,
        "iam:ListUsers": 1,
    }
    assert result.report["coverage"]["detail_calls"] == 4
    assert b"4 calls of IAM" in result.files["report.html"]
    assert result.mail[0]["Subject"].startswith("0 overdue access keys, 1 unused in AWS account")


@pytest.mark.parametrize("letter", ["x", "ü", "日", "𠮷"], ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
def test_the_largest_page_stays_well_below_what_a_state_takes(scanner: Scanner, letter: str) -> None:
    used = {"last_used": {"at": "2026-11-21T08:00:00Z", "service": "s" * 30, "region": "ap-southeast-2"}}
    made_up = [
        {
            "user_name": f"{'n' * 61}{number:03}",
            "path": f"/{'p' * 510}/",
            "tags": worst_tags(letter),
            "access_keys": [{"created_at": OLD, **used}, {"created_at": OLD, **used}],
        }
        for number in range(100)
    ]

    result = scanner.scan(made_up)

    assert result.error is None
    assert result.report["totals"]["expired"] == 200
    assert set(result.report["findings"][0]["tags"]) == {
        *("iam-key-age:exempt-until", "iam-key-age:exempt-reason", "owner", "email")
    }
    assert result.stats["largest_payload_bytes"] < 0.5 * 256 * 1024  # tags are in no state


def test_a_blank_owner_tag_is_skipped(scanner: Scanner) -> None:
    tags = {"owner": "", "email": "web@example.com"}

    report = scanner.report([{**user("alice", OLD), "tags": tags}])

    assert report["findings"][0]["owner"] == "web@example.com"
    assert report["findings"][0]["tags"] == {"email": "web@example.com"}


def test_the_longest_tags_are_kept_whole(scanner: Scanner) -> None:
    tags = {"owner": "日" * 256, "email": "x" * 256}

    report = scanner.report([{**user("alice", OLD), "tags": tags}])

    assert report["findings"][0]["tags"] == tags

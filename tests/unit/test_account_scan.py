"""The scan of one account of an organization: what it asks, what it keeps, and what becomes of what fails."""

import json
import threading
from collections import Counter
from typing import Any

import pytest

from chalicelib.aws import bucket
from chalicelib.aws.errors import EvidenceUnavailableError, StsUnavailableError
from chalicelib.policy import InvalidPolicyError
from chalicelib.schema import RefusedError
from chalicelib.settings import InvalidSettingError
from tests.support.fake_aws import account_of, error, key, listing, session_of, user
from tests.support.organization import SCAN, A, B, Organization, let_users_be

FRESH = "2026-11-01T00:00:00Z"
DENIED = error("AccessDenied", "User: x is not authorized to perform: iam:ListAccessKeys")
THROTTLED = error("Throttling", "Rate exceeded", 400)
EXPIRED = error("ExpiredToken", "The security token included in the request is expired")
GONE = error("NoSuchEntity", "The user cannot be found", 404)
TRUNCATED = "<IsTruncated>true</IsTruncated>"


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore's own retries not wait, nor its limit of calls after it was throttled."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)


def fail(organization: Organization, operation: str, about: dict[str, Any], parameter: str = "UserName") -> None:
    """Let an operation answer otherwise about some users, or keys: by name, a list with one answer after the other."""
    otherwise, asked = organization.aws.answers[operation], Counter[str]()

    def answer(call: dict[str, str]) -> Any:
        name = call[parameter]
        if name not in about:
            return otherwise(call) if callable(otherwise) else otherwise
        asked[name] += 1
        given = about[name]
        given = given[min(asked[name], len(given)) - 1] if isinstance(given, list) else given
        return otherwise(call) if given is None else given

    organization.aws.answers[operation] = answer


def test_an_account_is_read_and_its_report_kept_last(
    organization: Organization, capsys: pytest.CaptureFixture[str]
) -> None:
    let_users_be(organization, "alice", "bob")
    organization.aws.answers["ListAccountAliases"] = listing("AccountAliases", "<member>web-prod</member>")

    answer = organization.scan(A)

    assert answer == {"account_id": A, "outcome": "scanned"}
    assert [name.removeprefix(f"scans/scan-1/accounts/{A}/") for name in organization.files] == [
        "account.json",
        "pages/0001.json",
        "report.csv",
        "report.html",
        "report.json",
    ]
    report = organization.report(A)
    assert (report["scan_id"], report["account_id"], report["account_alias"]) == ("scan-1", A, "web-prod")
    assert (report["as_of"], report["started_at"], report["policy"]) == (
        SCAN["started_at"],
        SCAN["started_at"],
        SCAN["policy"],
    )
    assert [(one["user_name"], one["owner"]) for one in report["findings"]] == [("alice", "web"), ("bob", "web")]
    assert report["findings"][0]["last_used"] == {"at": "2026-11-20T00:00:00Z", "service": "s3", "region": "eu-west-1"}
    assert report["root"] == {"access_keys": 0, "verdict": "ok", "cause": None}
    assert report["scan_kind"] == "full"
    assert Counter(call["Action"] for call in organization.aws.calls) == {
        "AssumeRole": 1,
        "GetCallerIdentity": 1,
        "GetAccountAuthorizationDetails": 1,
        "GetAccountSummary": 1,
        "ListAccountAliases": 1,
        "ListUsers": 1,
        "ListAccessKeys": 2,
        "GetAccessKeyLastUsed": 2,
    }
    printed = capsys.readouterr().out
    logged = json.loads(printed)
    assert (logged["scan_id"], logged["account_id"], logged["outcome"]) == ("scan-1", A, "scanned")
    assert (logged["users_listed"], logged["users_checked"]) == (2, 2)
    assert "alice" not in printed


def test_an_account_without_users_has_a_report(organization: Organization) -> None:
    let_users_be(organization)

    assert organization.scan(A)["outcome"] == "scanned"
    assert organization.report(A)["coverage"]["users_listed"] == 0


def test_the_users_of_forty_pages_one_of_them_empty_are_all_checked_four_at_a_time(organization: Organization) -> None:
    pages: list[list[str]] = [[f"user-{page:02}-{place:02}" for place in range(10)] for page in range(40)]
    pages[20] = []
    names = [name for page in pages for name in page]
    let_users_be(organization, *names, created=FRESH)
    organization.aws.answers["ListUsers"] = [
        listing(
            "Users",
            *(user(UserName=name) for name in page),
            more=f"{TRUNCATED}<Marker>m{number}</Marker>" if number < 39 else "<IsTruncated>false</IsTruncated>",
        )
        for number, page in enumerate(pages)
    ]
    at_once = count_at_once(organization, "ListAccessKeys")

    organization.scan(A)

    report = organization.report(A)
    assert report["coverage"]["users_checked"] == len(names) == 390
    assert organization.aws.called("ListUsers") == 40
    kept = [organization.file(f"accounts/{A}/pages/{number:04}.json") for number in range(1, 5)]
    assert [len(page["users"]) for page in kept] == [100, 100, 100, 90]
    assert [page["users_so_far"] for page in kept] == [100, 200, 300, 390]
    assert [one["user_name"] for page in kept for one in page["users"]] == names
    assert 1 < max(at_once) <= 4


def count_at_once(organization: Organization, operation: str) -> list[int]:
    """Note how many calls of an operation are under way at each."""
    answer, lock, under_way, seen = organization.aws.answers[operation], threading.Lock(), Counter[str](), [0]

    def counting(call: dict[str, str]) -> Any:
        with lock:
            under_way["calls"] += 1
            seen.append(under_way["calls"])
        threading.Event().wait(0.005)  # so that the others come meanwhile
        with lock:
            under_way["calls"] -= 1
        return answer(call)

    organization.aws.answers[operation] = counting
    return seen


@pytest.mark.parametrize(
    ("operation", "answer", "cause"),
    [
        ("AssumeRole", error("AccessDenied", "no"), "STS refused the role iam-key-age-reader (AccessDenied). It says"),
        ("GetCallerIdentity", f"<Account>{B}</Account>", f"Another account answered than the one that was asked: {B}"),
        ("ListUsers", error("AccessDenied", "no"), "IAM did not list the users (AccessDenied: no)"),
        ("ListUsers", THROTTLED, "IAM did not list the users (Throttling: Rate exceeded)"),
        ("ListUsers", EXPIRED, "IAM did not list the users (ExpiredToken: The security token included in"),
        ("ListUsers", (200, "<html>"), "IAM did not list the users (The answer cannot be read (ResponseParserError: "),
        ("ListUsers", "", "IAM did not list the users (The answer cannot be read (KeyError: 'Users'))"),
        ("ListUsers", listing("Users", more=TRUNCATED), "IAM did not list the users (The answer cannot be read (Key"),
        ("ListUsers", listing("Users", user(UserName=None)), "IAM did not list the users (The answer cannot be read"),
        (
            "ListUsers",
            listing("Users", more=f"{TRUNCATED}<Marker>m</Marker>"),
            "IAM did not list the users (The answer cannot be read (LookupError: IAM gave the same Marker twice))",
        ),
        ("ListUsers", listing("Users", user(), user()), "a user was listed twice on one page"),
    ],
)
def test_an_account_that_cannot_be_read_is_unchecked_with_its_cause_and_has_no_report(
    organization: Organization, operation: str, answer: Any, cause: str
) -> None:
    organization.aws.answers[operation] = answer

    said = organization.scan(A)

    assert (said["account_id"], said["outcome"]) == (A, "unchecked")
    assert said["cause"].startswith(cause)
    assert organization.file(f"unchecked/{A}.json") == {"account_id": A, "cause": said["cause"]}
    assert not [name for name in organization.files if "report." in name]


def test_users_who_are_listed_twice_on_different_pages_make_an_account_unchecked(organization: Organization) -> None:
    names = [f"user-{number}" for number in range(100)]
    let_users_be(organization, *names, "user-7", created=FRESH)

    assert organization.scan(A)["cause"] == "page 2 lists a user who is on an earlier page"


@pytest.mark.parametrize(
    ("answer", "outcome", "cause"),
    [
        (DENIED, "users_unchecked", "AccessDenied: User: x is not authorized to perform: iam:ListAccessKeys"),
        (EXPIRED, "users_unchecked", "ExpiredToken: The security token included in the request is expired"),
        (error("OptInRequired", "not subscribed"), "users_unchecked", "OptInRequired: not subscribed"),
        (THROTTLED, "users_unchecked", "Throttling: Rate exceeded"),
        (error("ServiceFailure", "no", 500), "users_unchecked", "ServiceFailure: no"),
        ((200, "<html>"), "users_unchecked", "The answer cannot be read (ResponseParserError"),
        (listing("AccessKeyMetadata", more=TRUNCATED), "users_unchecked", "The answer cannot be read (KeyError"),
        ("", "users_unchecked", "The answer cannot be read (KeyError: 'AccessKeyMetadata')"),
        (
            listing("AccessKeyMetadata", key(), more=f"{TRUNCATED}<Marker>m</Marker>"),
            "users_unchecked",
            "The answer cannot be read (LookupError: IAM gave the same Marker twice)",
        ),
        (GONE, "users_not_found", None),
        ([THROTTLED] * 8 + [None], "users_checked", None),
        ([error("ServiceFailure", "no", 500), None], "users_checked", None),
    ],
)
def test_a_user_who_cannot_be_read_is_unchecked_with_the_cause_and_the_others_are_checked(
    organization: Organization, answer: Any, outcome: str, cause: str | None
) -> None:
    let_users_be(organization, "alice", "bob", "carol")
    fail(organization, "ListAccessKeys", {"bob": answer})

    assert organization.scan(A) == {"account_id": A, "outcome": "scanned"}

    report = organization.report(A)
    expected = Counter({"users_checked": 2})
    expected[outcome] += 1
    outcomes = ("users_checked", "users_not_found", "users_unchecked")
    assert {name: report["coverage"][name] for name in outcomes} == {name: expected[name] for name in outcomes}
    assert [one["user_name"] for one in report["unchecked"]] == (["bob"] if cause else [])
    if cause:
        assert report["unchecked"][0]["cause"].startswith(cause)


def test_a_throttled_call_is_tried_nine_times_with_waits_that_grow(organization: Organization) -> None:
    let_users_be(organization, "alice", "bob")
    fail(organization, "ListAccessKeys", {"bob": THROTTLED})

    organization.scan(A)

    assert sum(call.get("UserName") == "bob" for call in organization.aws.calls) == 9
    assert len(organization.waits) == 8
    assert all(
        0 <= wait <= longest for wait, longest in zip(organization.waits, (2, 4, 8, 15, 15, 15, 15, 15), strict=True)
    )


def test_calls_are_held_back_once_iam_has_throttled_one(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_back: list[object] = []
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: held_back.append(1))
    let_users_be(organization, *(f"user-{number}" for number in range(9)))
    organization.scan(A)
    assert held_back == []

    fail(organization, "ListAccessKeys", {"user-0": [THROTTLED, None]})
    organization.scan(A)

    assert held_back
    assert organization.report(A)["coverage"]["users_checked"] == 9


def test_a_session_that_expires_meanwhile_leaves_the_other_users_unchecked_and_a_report(
    organization: Organization,
) -> None:
    names = [f"user-{number:03}" for number in range(150)]
    let_users_be(organization, *names)
    fail(organization, "ListAccessKeys", dict.fromkeys(names[100:], EXPIRED))

    assert organization.scan(A)["outcome"] == "scanned"

    report = organization.report(A)
    assert (report["coverage"]["users_checked"], report["coverage"]["users_unchecked"]) == (100, 50)
    assert {one["cause"] for one in report["unchecked"]} == {
        "ExpiredToken: The security token included in the request is expired"
    }


def test_no_call_is_begun_once_the_time_left_is_what_the_rest_needs_and_the_report_is_written(
    organization: Organization,
) -> None:
    names = [f"user-{number:03}" for number in range(250)]
    let_users_be(organization, *names, created=FRESH)
    organization.left = lambda: 119.0 if organization.aws.called("ListAccessKeys") >= 120 else 120.0

    assert organization.scan(A) == {"account_id": A, "outcome": "scanned"}

    asked = organization.aws.called("ListAccessKeys")
    assert 120 <= asked < 124  # those under way
    report = organization.report(A)
    assert report["coverage"]["users_listed"] == 250
    assert (report["coverage"]["users_checked"], report["coverage"]["users_unchecked"]) == (asked, 250 - asked)
    assert {one["cause"] for one in report["unchecked"]} == {
        "Not asked for: the function that reads the account had no time left"
    }


def test_details_for_which_there_is_no_time_are_unknown_and_the_keys_are_judged(organization: Organization) -> None:
    let_users_be(organization, "alice")
    organization.left = lambda: 119.0 if organization.aws.called("ListAccessKeys") else 900.0

    organization.scan(A)

    [finding] = organization.report(A)["findings"]
    assert (finding["last_used"], finding["advice"]) == ("unknown", None)
    assert organization.aws.called("GetAccessKeyLastUsed") == 0


def test_a_call_is_not_tried_again_once_the_time_is_up(organization: Organization) -> None:
    let_users_be(organization, "alice")
    fail(organization, "ListAccessKeys", {"alice": THROTTLED})
    organization.left = lambda: 119.0 if organization.aws.called("ListAccessKeys") >= 2 else 900.0

    organization.scan(A)

    assert organization.aws.called("ListAccessKeys") == 2
    assert organization.report(A)["unchecked"] == [{"user_name": "alice", "cause": "Throttling: Rate exceeded"}]


def test_named_users_alone_are_read(organization: Organization) -> None:
    let_users_be(organization, "alice")
    empty = {
        "ListGroupsForUser": "Groups",
        "ListAttachedUserPolicies": "AttachedPolicies",
        "ListUserPolicies": "PolicyNames",
    }
    for operation, field in {"ListUserTags": "Tags", **empty}.items():
        organization.aws.answers[operation] = listing(field)
    organization.aws.answers["GetUser"] = f"<User>{user()}</User>".replace("<member>", "").replace("</member>", "")
    fail(organization, "ListUserTags", {"ghost": GONE})
    fail(organization, "ListAccessKeys", {"ghost": GONE})

    assert organization.scan(A, users=["alice", "ghost"])["outcome"] == "scanned"

    report = organization.report(A)
    assert (report["scan_kind"], report["not_found"], report["root"]) == ("users", ["ghost"], None)
    assert [one["user_name"] for one in report["findings"]] == ["alice"]
    assert report["changes"] is None
    for operation in ("ListUsers", "GetAccountAuthorizationDetails", "GetAccountSummary"):
        assert organization.aws.called(operation) == 0


def test_keys_are_judged_at_the_policys_instant(organization: Organization) -> None:
    let_users_be(organization, "alice", created=FRESH)

    organization.scan(A, as_of="2027-11-22T08:00:00Z")

    report = organization.report(A)
    assert (report["as_of"], report["scan_kind"], report["totals"]["expired"]) == ("2027-11-22T08:00:00Z", "as_of", 1)


def test_what_is_unknown_of_the_account_has_its_cause_and_the_keys_are_judged(organization: Organization) -> None:
    let_users_be(organization, "alice")
    for operation in ("GetAccountAuthorizationDetails", "GetAccountSummary", "ListAccountAliases"):
        organization.aws.answers[operation] = DENIED

    assert organization.scan(A)["outcome"] == "scanned"

    report = organization.report(A)
    assert [one["part"] for one in report["account_unknown"]] == ["users", "alias"]
    assert report["root"]["verdict"] == "unknown"
    assert [one["owner"] for one in report["findings"]] == ["unknown"]


def test_a_report_is_compared_with_the_accounts_last_one(organization: Organization) -> None:
    let_users_be(organization, "alice", "bob")
    organization.scan(A)
    move(organization, "scan-0", as_of="2026-11-21T08:00:00Z")
    fail(organization, "ListAccessKeys", {"bob": listing("AccessKeyMetadata")})

    organization.scan(A, last_scan_id="scan-0")

    changes = organization.report(A)["changes"]
    assert changes["since"] == {"scan_id": "scan-0", "as_of": "2026-11-21T08:00:00Z"}
    assert [one["user_name"] for one in changes["still_expired"]] == ["alice"]
    assert [(one["user_name"], one["how"]) for one in changes["resolved"]] == [("bob", "deleted")]
    assert changes["last_message_at"] is None, "messages are the organization's"


def move(organization: Organization, scan_id: str, **changed: str) -> None:
    """Let the files of the scan be those of one before."""
    before = organization.report(A) | {"scan_id": scan_id, **changed}
    organization.files.clear()
    organization.files[f"scans/{scan_id}/accounts/{A}/report.json"] = json.dumps(before).encode()


@pytest.mark.parametrize(
    ("last_scan_id", "kept", "note"),
    [
        (None, None, "No earlier full scan is on record, so every overdue key counts as new."),
        ("scan-0", None, "The last full scan cannot be compared with: the account's last report is not there."),
        ("scan-0", b"{", "The last full scan cannot be compared with: the account's last report is damaged."),
        ("../x", None, "The last full scan cannot be compared with: the account's last report is damaged."),
        ("scan-0", b"{}", "The last full scan cannot be compared with: its report is damaged."),
        (
            "scan-0",
            json.dumps({"account_id": B, "policy": {}}).encode(),
            "The last full scan cannot be compared with: its report is not a full scan's of this account.",
        ),
    ],
)
def test_a_last_report_that_is_missing_damaged_or_anothers_is_noted_and_everything_is_new(
    organization: Organization, last_scan_id: str | None, kept: bytes | None, note: str
) -> None:
    let_users_be(organization, "alice")
    if kept is not None:
        organization.files[f"scans/scan-0/accounts/{A}/report.json"] = kept

    organization.scan(A, last_scan_id=last_scan_id)

    changes = organization.report(A)["changes"]
    assert (changes["since"], changes["notes"], len(changes["new"])) == (None, [note], 1)


def test_a_warm_function_asks_each_account_with_its_own_credentials_alone(organization: Organization) -> None:
    organization.aws.answers["LookupEvents"] = {"Events": []}
    let_users_be(organization, "alice", "bob")

    for account_id in (A, B, A):
        before = len(organization.aws.calls)
        assert organization.scan(account_id)["outcome"] == "scanned"
        [assume, *calls] = organization.aws.calls[before:]
        assert (assume["Action"], account_of(assume)) == ("AssumeRole", "")
        assert {account_of(call) for call in calls} == {account_id}
    assert organization.report(A)["account_id"] == A
    assert organization.report(B)["account_id"] == B


def test_what_an_event_says_of_roles_is_of_no_effect(organization: Organization) -> None:
    let_users_be(organization)
    named = {"role_name": "admin", "role_arn": f"arn:aws:iam::{B}:role/admin", "external_id": "evil", "partition": "x"}

    organization.scan_event({"scan": {**SCAN, **named}, "account": {"account_id": A, "last_scan_id": None, **named}})

    [asked] = [call for call in organization.aws.calls if call["Action"] == "AssumeRole"]
    assert (asked["RoleArn"], asked["ExternalId"]) == (f"arn:aws:iam::{A}:role/iam-key-age-reader", "iam-key-age")


@pytest.mark.parametrize("account_id", ["", "1", f"{A}/../{B}", "../../latest", f"{A}0"])
def test_an_account_id_that_is_none_reaches_neither_aws_nor_a_file(organization: Organization, account_id: str) -> None:
    with pytest.raises(RefusedError, match=r"^account_id: "):
        organization.scan(account_id)

    assert (organization.aws.calls, organization.files) == ([], {})


def test_a_bucket_that_does_not_answer_is_not_the_accounts_fault(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_users_be(organization, "alice")

    def fail_to_put(*_: Any) -> None:
        raise EvidenceUnavailableError("not now")

    monkeypatch.setattr(bucket, "put", fail_to_put)

    with pytest.raises(EvidenceUnavailableError):
        organization.scan(A)


def test_sts_that_does_not_answer_is_not_the_accounts_fault_and_nothing_is_kept(organization: Organization) -> None:
    organization.aws.answers["AssumeRole"] = error("ServiceFailure", "no", 500)

    with pytest.raises(StsUnavailableError):
        organization.scan(A)
    assert organization.files == {}


@pytest.mark.parametrize(
    ("name", "value"), [("READER_ROLE_NAME", "a/b"), ("EXTERNAL_ID", ""), ("OWNER_TAGS", ""), ("USAGE_EVIDENCE", "yes")]
)
def test_a_bad_setting_fails_before_any_account_is_asked(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(InvalidSettingError, match=f"^{name}: "):
        organization.scan(A)
    assert organization.aws.calls == []


def test_a_bad_policy_is_refused(organization: Organization) -> None:
    with pytest.raises(InvalidPolicyError, match=r"^max_age_days: "):
        organization.scan(A, max_age_days=0)
    assert organization.aws.calls == []


def test_a_session_is_not_asked_for_twice(organization: Organization) -> None:
    organization.aws.answers["AssumeRole"] = [session_of(A), error("AccessDenied", "no")]
    let_users_be(organization, "alice")

    assert organization.scan(A)["outcome"] == "scanned"

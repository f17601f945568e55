"""A snapshot of an account whose IAM answers otherwise than AWS documents: unknown is said, and a report is made."""

import json
from pathlib import Path
from typing import Any

import pytest

from localaws.accounts.account_file import load_account
from localaws.accounts.snapshot import SnapshotError, take_snapshot
from localaws.commands.snapshot import snapshot
from tests.support.fake_aws import KEY_ID, FakeAws, detail, details, error, key, listing, member, user
from tests.support.scanner import Scanner
from tests.support.snapshots import only_user, readable

USED_AT = "<LastUsedDate>2026-11-20T00:00:00Z</LastUsedDate>"
LAST_USED = "<UserName>alice</UserName><AccessKeyLastUsed>{}</AccessKeyLastUsed>"
TRUNCATED = "<IsTruncated>true</IsTruncated>"


@pytest.mark.usefixtures("fake")
def test_an_account_that_answers_as_aws_does_has_nothing_odd(tmp_path: Path) -> None:
    taken = take_snapshot(None)

    assert list(taken.notes.lines()) == []
    assert {name: taken.document[name] for name in taken.document if name != "users"} == {
        "account_id": "111122223333",
        "alias": None,
        "root": {"access_keys": 0},
        "policies": {},
        "groups": [],
        "denied": {},
    }
    assert only_user(taken) == {
        "user_name": "alice",
        "path": "/",
        "tags": {"owner": "web"},
        "groups": [],
        "policies": [],
        "inline_policies": {},
        "access_keys": [
            {
                "access_key_id": KEY_ID,
                "created_at": "2021-01-01T00:00:00Z",
                "status": "Active",
                "last_used": {"at": "2026-11-20T00:00:00Z", "service": "s3", "region": "eu-west-1"},
            }
        ],
        "denied": {},
    }
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    "summary",
    [
        "<SummaryMap><entry><key>Users</key><value>2</value></entry></SummaryMap>",
        "<SummaryMap/>",
        "",
        "<SummaryMap><entry><key>AccountAccessKeysPresent</key><value>-1</value></entry></SummaryMap>",
        "<SummaryMap><entry><key>AccountAccessKeysPresent</key><value>none</value></entry></SummaryMap>",
    ],
)
def test_without_a_count_of_its_keys_the_root_user_is_unknown(fake: FakeAws, tmp_path: Path, summary: str) -> None:
    fake.answers["GetAccountSummary"] = summary

    taken = take_snapshot(None)

    assert list(taken.document["root"]) == ["denied"]
    [line] = taken.notes.lines()
    assert line.startswith("Unknown (the answer to GetAccountSummary ")
    assert line.endswith("): (the root user)")
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    ("said", "service", "region"),
    [
        (USED_AT, "N/A", "N/A"),
        (f"{USED_AT}<ServiceName>s3</ServiceName>", "s3", "N/A"),
        (f"{USED_AT}<Region>us-east-1</Region>", "N/A", "us-east-1"),
        (f"{USED_AT}<ServiceName/><Region></Region>", "N/A", "N/A"),
    ],
)
def test_a_last_use_without_a_service_or_region_has_none(
    fake: FakeAws, tmp_path: Path, said: str, service: str, region: str
) -> None:
    fake.answers["GetAccessKeyLastUsed"] = LAST_USED.format(said)

    taken = take_snapshot(None)

    [read] = only_user(taken)["access_keys"]
    assert read["last_used"] == {"at": "2026-11-20T00:00:00Z", "service": service, "region": region}
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        "<UserName>alice</UserName>",
        "",
        LAST_USED.format(""),
        LAST_USED.format("<ServiceName>s3</ServiceName><Region>us-east-1</Region>"),
        LAST_USED.format("<LastUsedDate>lately</LastUsedDate>"),
        (200, "<html>"),
        (200, "<GetAccessKeyLastUsedResponse/>"),
    ],
)
def test_a_last_use_that_the_answer_does_not_tell_is_unknown_not_never(
    fake: FakeAws, tmp_path: Path, answer: Any
) -> None:
    fake.answers["GetAccessKeyLastUsed"] = answer

    taken = take_snapshot(None)

    assert "answer to GetAccessKeyLastUsed" in only_user(taken)["denied"]["GetAccessKeyLastUsed"]
    assert "last_used" not in only_user(taken)["access_keys"][0]
    assert [line.rpartition(": ")[2] for line in taken.notes.lines()] == ["alice"]
    readable(taken, tmp_path)


def test_a_key_that_was_never_used_stays_one_that_was_never_used(fake: FakeAws) -> None:
    fake.answers["GetAccessKeyLastUsed"] = LAST_USED.format("<ServiceName>N/A</ServiceName><Region>N/A</Region>")

    taken = take_snapshot(None)

    assert only_user(taken)["denied"] == {}
    assert "last_used" not in only_user(taken)["access_keys"][0]
    assert list(taken.notes.lines()) == []


@pytest.mark.parametrize(
    ("status", "kept", "notes"),
    [
        ("Expired", "Expired", []),
        ("Inactive", "Inactive", []),
        ("active", "Active", []),
        ("Quarantined", "Inactive", [f'Status "Quarantined" is unknown and counts as not active: {KEY_ID}']),
    ],
)
def test_a_status_is_kept_or_counts_as_not_active_and_is_said(
    fake: FakeAws, tmp_path: Path, status: str, kept: str, notes: list[str]
) -> None:
    fake.answers["ListAccessKeys"] = listing("AccessKeyMetadata", key(Status=status))

    taken = take_snapshot(None)

    assert [one["status"] for one in only_user(taken)["access_keys"]] == [kept]
    assert list(taken.notes.lines()) == notes
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        listing("AccessKeyMetadata", key(CreateDate=None)),
        listing("AccessKeyMetadata", key(CreateDate="soon")),
        listing("AccessKeyMetadata", key(AccessKeyId=None)),
        listing("AccessKeyMetadata", key(AccessKeyId="minioadmin")),
        listing("AccessKeyMetadata", key(Status=None)),
        listing("AccessKeyMetadata", key(), key(AccessKeyId="AKIAOTHEREXAMPLE0000", CreateDate=None)),
        listing("AccessKeyMetadata", key(), more=TRUNCATED),
        listing("AccessKeyMetadata", key(), more=f"{TRUNCATED}<Marker>1</Marker>"),  # each time the same
        "<IsTruncated>false</IsTruncated>",
        "",
        (200, "not XML"),
        (200, "<ListAccessKeysResponse/>"),
    ],
)
def test_keys_that_cannot_all_be_read_leave_their_user_unchecked(fake: FakeAws, tmp_path: Path, answer: Any) -> None:
    fake.answers["ListAccessKeys"] = answer

    taken = take_snapshot(None)

    assert only_user(taken)["access_keys"] == []
    assert "the answer to ListAccessKeys" in only_user(taken)["denied"]["ListAccessKeys"]
    assert {line.rpartition(": ")[2] for line in taken.notes.lines()} == {"alice"}
    readable(taken, tmp_path)


@pytest.mark.parametrize("more", ["", "<IsTruncated>false</IsTruncated>"])
def test_pages_are_read_to_the_end_also_where_an_answer_does_not_say_that_it_is_one(fake: FakeAws, more: str) -> None:
    other = "AKIAOTHEREXAMPLE0000"
    fake.answers["ListAccessKeys"] = [
        listing("AccessKeyMetadata", key(), more="<Marker>1</Marker>"),
        listing("AccessKeyMetadata", key(AccessKeyId=other), more=more),
    ]
    fake.answers["ListUsers"] = [
        listing("Users", more=f"{TRUNCATED}<Marker>1</Marker>"),
        listing("Users", user(), more=more),
    ]

    taken = take_snapshot(None)

    assert [one["access_key_id"] for one in only_user(taken)["access_keys"]] == [KEY_ID, other]


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        ([member(Key="owner", Value=None)], {"owner": ""}),
        ([member(Key="Équipe 部門", Value="Größe 日本")], {"Équipe 部門": "Größe 日本"}),
        ([member(Key="a{b}!", Value="x &lt; y – z")], {"a_b__": "x _ y _ z"}),
        ([member(Key="aws:cloudformation:stack-name", Value="x"), member(Key="team", Value="y")], {"team": "y"}),
    ],
)
def test_tags_are_kept_as_far_as_iam_allows_them(
    fake: FakeAws, tmp_path: Path, tags: list[str], kept: dict[str, str]
) -> None:
    fake.answers["GetAccountAuthorizationDetails"] = details(detail("".join(tags)))

    taken = take_snapshot(None)

    assert only_user(taken)["tags"] == kept
    assert bool(list(taken.notes.lines())) == ("a_b__" in kept)
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    "tags",
    [
        [member(Key=None, Value="x")],
        [member(Key="Owner", Value="x"), member(Key="owner", Value="y")],
        [member(Key="a" * 129, Value="x")],
        [member(Key="a", Value="x" * 257)],
        [member(Key=str(number), Value="x") for number in range(51)],
    ],
)
def test_tags_that_cannot_all_be_read_are_unknown(fake: FakeAws, tmp_path: Path, tags: list[str]) -> None:
    fake.answers["GetAccountAuthorizationDetails"] = details(detail("".join(tags)))

    taken = take_snapshot(None)

    assert only_user(taken)["tags"] == {}
    assert "the answer to GetAccountAuthorizationDetails has" in only_user(taken)["denied"]["ListUserTags"]
    assert [line.rpartition(": ")[2] for line in taken.notes.lines()] == ["alice"]
    readable(taken, tmp_path)


@pytest.mark.parametrize(
    ("listed", "name", "path", "asked"),
    [
        (user(Path=None), "alice", "/", "alice"),
        (user(Path="/a b/"), "alice", "/", "alice"),
        (user(CreateDate=None, UserId=None, Arn=None), "alice", "/", "alice"),
        (user(UserName=None), "alice", "/", "alice"),  # which the ARN ends in
        (user(UserName=None, Arn=None), "AIDAALICE", "/", None),
        (user(UserName=None, Arn=None, UserId=None), "unnamed-user-1", "/", None),
        (user(UserName="alice smith"), "AIDAALICE", "/", "alice smith"),
    ],
)
def test_a_user_of_whom_something_is_left_out_is_in_the_file(  # noqa: PLR0913, PLR0917  # what is listed, and what comes of it
    fake: FakeAws, tmp_path: Path, listed: str, name: str, path: str, asked: str | None
) -> None:
    fake.answers["ListUsers"] = listing("Users", listed)

    taken = take_snapshot(None)

    assert (only_user(taken)["user_name"], only_user(taken)["path"]) == (name, path)
    assert [call["UserName"] for call in fake.calls if call["Action"] == "ListAccessKeys"] == ([asked] if asked else [])
    assert ("ListAccessKeys" in only_user(taken)["denied"]) == (asked is None)
    readable(taken, tmp_path)


def test_names_and_keys_that_two_users_share_are_told_apart(fake: FakeAws, tmp_path: Path) -> None:
    others = [user(), user(UserName="ALICE", UserId="AIDAOTHER"), user(UserName="bob", UserId="AIDABOB")]
    fake.answers["ListUsers"] = listing("Users", user(), *others)

    taken = take_snapshot(None)

    users = taken.document["users"]
    assert [one["user_name"] for one in users] == ["alice", "AIDAOTHER", "bob"]
    assert [len(one["access_keys"]) for one in users] == [1, 0, 0]
    assert f"has {KEY_ID}, a key of alice" in users[2]["denied"]["ListAccessKeys"]
    readable(taken, tmp_path)


@pytest.mark.parametrize("account", ["", "<Account/>", "<Account>minio</Account>"])
def test_an_account_without_a_number_gets_one_and_that_is_said(fake: FakeAws, tmp_path: Path, account: str) -> None:
    fake.answers["GetCallerIdentity"] = account

    taken = take_snapshot(None)

    assert taken.document["account_id"] == "000000000000"
    assert any("is 000000000000 in the file" in line for line in taken.notes.lines())
    readable(taken, tmp_path)


@pytest.mark.parametrize("answer", ["", "<IsTruncated>false</IsTruncated>", listing("Users", user(), more=TRUNCATED)])
def test_users_that_cannot_all_be_listed_are_no_snapshot(fake: FakeAws, answer: str) -> None:
    fake.answers["ListUsers"] = answer

    with pytest.raises(SnapshotError, match=r"^This is not how AWS answers: the answer to ListUsers .*network\.$"):
        take_snapshot(None)


def test_words_of_a_refusal_become_one_line_that_an_account_file_takes(fake: FakeAws, tmp_path: Path) -> None:
    fake.answers["ListAccessKeys"] = error("AccessDenied", "is not\n authorized&#x9;to &#x85; ask")
    fake.answers["GetAccountAuthorizationDetails"] = error("AccessDeniedException", "")

    taken = take_snapshot(None)

    assert only_user(taken)["denied"] == {"ListAccessKeys": "AccessDenied: is not authorized to ask"}
    assert taken.document["denied"] == {"GetAccountAuthorizationDetails": "AccessDeniedException: without a message"}
    assert taken.refused == {"(the account)": ["GetAccountAuthorizationDetails"], "alice": ["ListAccessKeys"]}
    readable(taken, tmp_path)


def test_many_users_with_the_same_oddity_take_one_line(
    fake: FakeAws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.answers["ListUsers"] = listing("Users", *(user(UserName=f"user-{number}") for number in range(7)))
    fake.answers["ListAccessKeys"] = "<IsTruncated>false</IsTruncated>"
    fake.answers["GetAccountAuthorizationDetails"] = details(*(detail(UserName=f"user-{one}") for one in range(7)))

    status = snapshot(None, tmp_path / "account.json", anonymous=False)

    assert status == 0
    said = capsys.readouterr().err
    unknown = "the answer to ListAccessKeys has no AccessKeyMetadata"
    assert f"Unknown ({unknown}): user-0, user-1, user-2, user-3, user-4 and 2 more\n" in said
    assert "Kept 7 users" in said


def test_a_scan_of_a_snapshot_with_odd_answers_says_what_is_unknown(
    fake: FakeAws, tmp_path: Path, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["GetAccountSummary"] = ""
    fake.answers["ListUsers"] = listing("Users", user(), user(UserName="bob"), user(UserName="carol"))
    keys = {
        "alice": listing("AccessKeyMetadata", key()),
        "bob": listing("AccessKeyMetadata", key(AccessKeyId="AKIABOBEXAMPLE000000", Status="Expired")),
        "carol": "",
    }
    fake.answers["ListAccessKeys"] = lambda call: keys[call["UserName"]]
    fake.answers["GetAccessKeyLastUsed"] = ""
    path = tmp_path / "account.json"
    path.write_text(json.dumps({**take_snapshot(None).document, "account_id": scanner.aws.account.account_id}))
    monkeypatch.undo()  # the local AWS is another
    scanner.aws.seed(load_account(path))

    result = scanner.aws.scan("{}")

    assert result.error is None
    report = result.report
    assert report["root"]["verdict"] == "unknown"
    assert "the answer to GetAccountSummary has no AccountAccessKeysPresent" in report["root"]["cause"]
    [finding] = report["findings"]
    assert (finding["user_name"], finding["last_used"], finding["advice"]) == ("alice", "unknown", None)
    assert report["coverage"]["keys_inactive_skipped"] == 1
    [unchecked] = report["unchecked"]
    assert unchecked["user_name"] == "carol"
    assert "the answer to ListAccessKeys has no AccessKeyMetadata" in unchecked["cause"]
    unknown = {user["user_name"]: user["cause"] for user in report["details_unknown"]}
    assert unknown.keys() == {"alice", "bob", "carol"}  # of the other two, the account's details had nothing
    assert "the answer to GetAccessKeyLastUsed has no AccessKeyLastUsed" in unknown["alice"]

"""The account file takes what IAM would hold, and refuses the rest by field, value and what is accepted."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from localaws.__main__ import main
from localaws.accounts.account_file import Account, AccountError, load_account
from localaws.strict_json import is_plain
from tests.support.examples import given
from tests.support.examples import strategies as st
from tests.support.scanner import Scanner, user

KEY = {"created_at": "2026-01-01T00:00:00Z"}
OLD = "2021-11-27T20:15:43Z"
USED = {"days_ago": 1}
IN_TAGS = "each one of letters, digits, spaces and _ . : / = + - @"
NOT_BLANK = "not blank, without control characters"
CONTROLS = ("\u0000", "\u0007", "\t", "\n", "\u001b", "\u007f", "\u0085")
NO_CHARACTERS = ("\ud800", "\udfff", "\ufffe", "\uffff")


EVENT = {
    "days_ago": 1,
    "name": "ListBuckets",
    "source": "s3.amazonaws.com",
    "address": "203.0.113.7",
    "user_agent": "x",
}


def with_event(**fields: Any) -> dict[str, Any]:
    return alice(access_keys=[{**KEY, "events": [{**EVENT, **fields}]}])


def alice(**fields: Any) -> dict[str, Any]:
    return {"users": [{"user_name": "alice", **fields}]}


def written(folder: Path, document: object) -> Path:
    path = folder / "account.json"
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return path


def refusal(folder: Path, document: object) -> str:
    path = written(folder, document)
    with pytest.raises(AccountError) as refused:
        load_account(path)
    said = str(refused.value)
    assert said.isprintable()  # one line, and none that a terminal takes for commands
    assert said.encode()
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize("odd", [*CONTROLS, *NO_CHARACTERS], ids=ascii)
@pytest.mark.parametrize(
    ("document", "field"),
    [
        (lambda text: alice(tags={"owner": text}), "users.0.tags.owner"),
        (lambda text: alice(tags={text: "web"}), "users.0.tags"),
        (lambda text: alice(path=text), "users.0.path"),
        (lambda text: alice(denied={"ListAccessKeys": text}), "users.0.denied.ListAccessKeys"),
        (lambda text: alice(access_keys=[{**KEY, "status": text}]), "users.0.access_keys.0.status"),
        (lambda text: alice(access_keys=[{**KEY, "access_key_id": text}]), "users.0.access_keys.0.access_key_id"),
        (
            lambda text: alice(access_keys=[{**KEY, "last_used": {**USED, "service": text}}]),
            "users.0.access_keys.0.last_used.service",
        ),
        (
            lambda text: alice(access_keys=[{**KEY, "last_used": {**USED, "region": text}}]),
            "users.0.access_keys.0.last_used.region",
        ),
        (lambda text: {"users": [{"user_name": text}]}, "users.0.user_name"),
        (lambda text: {"users": [], "root": {"denied": text}}, "root.denied"),
        (lambda text: {"users": [], "account_id": text}, "account_id"),
    ],
)
def test_what_iam_has_in_no_text_is_refused_in_each_field(tmp_path: Path, document: Any, field: str, odd: str) -> None:
    text = f"/AKIAIOSFODNN{odd}7EXAMPLE/"

    said = refusal(tmp_path, document(text))

    assert said.startswith(f"{field}: {json.dumps(text)} is not accepted: takes ")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (alice(tags={"owner": "a;b"}), f'tags.owner: "a;b" is not accepted: takes up to 256 characters, {IN_TAGS}'),
        (alice(tags={"owner": "<web>"}), 'users.0.tags.owner: "<web>"'),
        (alice(tags={"owner": "web 😀"}), "users.0.tags.owner: "),
        (alice(tags={"a!": "web"}), f'users.0.tags: "a!" is not accepted: takes 1 to 128 characters, {IN_TAGS}'),
        (alice(tags={"": "web"}), 'users.0.tags: "" is not accepted: takes 1 to 128 characters'),
        (alice(tags={"{date:+30}": "web"}), 'users.0.tags: "{date:+30}"'),
        (alice(tags={"a": "{date:+99999}"}), "a date such as {date:+30}"),
        (alice(tags={"a": "until {date:+30}"}), 'users.0.tags.a: "until {date:+30}"'),
        (alice(tags={"aws:team": "web"}), 'users.0.tags: "aws:team" is not accepted: takes a tag that does not begin'),
        (alice(tags={"AWS:team": "web"}), 'users.0.tags: "AWS:team" is not accepted: takes a tag that does not begin'),
        (alice(tags={"a": "aws:x"}), 'users.0.tags.a: "aws:x" is not accepted: takes a value that does not begin with'),
        (alice(tags={"Owner": "a", "owner": "b"}), 'tag "owner" differs from "Owner" in case alone; to IAM they are'),
        (alice(tags={"ÉQUIPE": "a", "équipe": "b"}), 'tag "équipe" differs from "ÉQUIPE" in case alone'),
        ({"users": [{"user_name": "Bob"}, {"user_name": "bob"}]}, 'user_name "bob" differs from "Bob" in case alone'),
        ({"users": [{"user_name": "bob"}, {"user_name": "bob"}]}, 'user_name "bob" is there twice; each takes a value'),
        (alice(denied={"ListAccessKeys": ""}), 'users.0.denied.ListAccessKeys: "" is not accepted: takes IAM\'s words'),
        (alice(denied={"ListUserTags": " \u00a0"}), "users.0.denied.ListUserTags: "),
        ({"users": [], "root": {"denied": ""}}, 'root.denied: "" is not accepted: takes IAM\'s words for the refusal'),
        (alice(access_keys=[{**KEY, "last_used": {**USED, "service": ""}}]), f"takes 1 to 128 characters, {NOT_BLANK}"),
        (alice(access_keys=[{**KEY, "last_used": {**USED, "region": " "}}]), f"takes 1 to 128 characters, {NOT_BLANK}"),
        (alice(access_keys=[{**KEY, "status": "expired"}]), 'takes "Active" or "Inactive" or "Expired"'),
        (alice(access_keys=[{**KEY, "status": "Quarantined"}]), 'status: "Quarantined" is not accepted: takes'),
        (with_event(at=OLD), "users.0.access_keys.0.events.0: "),
        (with_event(name=" "), 'events.0.name: " " is not accepted: takes 1 to 512 characters, not blank'),
        (with_event(user_agent="x" * 513), "events.0.user_agent: "),
        (with_event(address="a\nb"), "events.0.address: "),
        (with_event(source="s3"), 'events.0.source: "s3" is not accepted: takes a service such as s3.amazonaws.com'),
        (with_event(region="EU"), 'events.0.region: "EU" is not accepted: takes a Region such as eu-west-1'),
        (with_event(times=0), "events.0.times: 0 is not accepted: takes a whole number from 1 to 1000"),
        (with_event(times=1001), "events.0.times: 1001 is not accepted: takes a whole number from 1 to 1000"),
        (alice(path="/a b/"), 'users.0.path: "/a b/" is not accepted: takes / or up to 510 characters out of ! to ~'),
        (alice(path="/é/"), "users.0.path: "),
        (alice(path="//"), "users.0.path: "),
        ({"users": [], "a\u0007": 1}, "a\\u0007: unknown field; the fields here are account_id, alias, root, policies"),
        (b'{"users": [], "a\\u0007": 1, "a\\u0007": 2}', "an object has a field twice; its fields are users, a\\u0007"),
    ],
)
def test_what_iam_would_not_hold_is_refused_by_field_value_and_what_is_taken(
    tmp_path: Path, document: object, says: str
) -> None:
    assert says in refusal(tmp_path, document)


@pytest.mark.parametrize(
    "document",
    [
        alice(tags={"Équipe": "Größe 日本", "部門": "", "x" * 128: "y" * 256, "a_.:/=+-@ 9": "_.:/=+-@ ٣"}),
        alice(tags={"a\u00a0b": "x\u3000y\u2028z", "until": "{date:-1}", "myaws:x": "an aws:x"}),
        alice(tags={str(number): "" for number in range(50)}),
        alice(path=f"/{''.join(map(chr, range(0x21, 0x7F)))}/"),
        alice(path=f"/{'p' * 510}/"),
        alice(denied={"ListAccessKeys": "Refusé: <&> 'no' 😀"}),
        with_event(error="AccessDenied", region="cn-north-1", source="ec2.amazonaws.com.cn", times=1000),
        alice(access_keys=[{**KEY, "status": "Expired", "last_used": {**USED, "service": "N/A", "region": "N/A"}}]),
    ],
)
def test_what_iam_would_hold_is_accepted(tmp_path: Path, document: object) -> None:
    assert load_account(written(tmp_path, document)).users[0].user_name == "alice"


@given(st.text(min_size=1, max_size=8))
def test_a_tag_is_accepted_if_and_only_if_it_is_of_iams_alphabet(text: str) -> None:
    allowed = all(unicodedata.category(one)[0] in "LNZ" or one in "_.:/=+-@" for one in text)

    for tags in ({text: "x"}, {"x": text}):
        try:
            Account.model_validate(alice(tags=tags))
            accepted = True
        except ValidationError:
            accepted = False
        assert accepted == (allowed and not text.lower().startswith("aws:"))


@given(st.text(min_size=1))
def test_words_that_are_accepted_come_whole_through_iams_xml(text: str) -> None:
    from xml.etree import ElementTree as ET
    from xml.sax.saxutils import escape

    if is_plain(text):
        assert ET.fromstring(f"<a>{escape(text)}</a>").text == text


@pytest.mark.parametrize("option", ["--account", "--previous"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"users": [}'.encode("utf-8-sig"), "is not JSON: Expecting value: line 1 column 12"),
        ('{"users": []}'.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ('{"users": []}'.encode("utf-16-le"), "is UTF-16 text; save it as UTF-8"),
        ("\ufeff{}".encode("utf-16-be"), "is UTF-16 text; save it as UTF-8"),
        ('{"users": []}'.encode("utf-32"), "is UTF-32 text; save it as UTF-8"),
        ('{"users": [{"user_name": "Jürgen"}]}'.encode("latin-1"), "is not UTF-8 text; save it as UTF-8"),
        (b"\x1f\x8b\x08\x00", "is not UTF-8 text; save it as UTF-8"),
        (b"", "is not JSON: Expecting value"),
    ],
)
def test_a_file_in_another_encoding_is_refused_in_one_line_that_says_which(
    tmp_path: Path, content: bytes, says: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, content)

    status = main(["scan", option, str(path)])

    assert status == 2
    error = capsys.readouterr().err
    assert error.startswith(f"localaws: {path}: {says}")
    assert error.count("\n") == 1


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(alice(tags={"Équipe": "Größe"}), ensure_ascii=False).encode("utf-8-sig"))

    assert load_account(path).users[0].tags == {"Équipe": "Größe"}


def test_a_key_of_status_expired_is_not_active_in_a_scan(scanner: Scanner) -> None:
    people = [{"user_name": "alice", "access_keys": [{"created_at": OLD, "status": "Expired"}, {"created_at": OLD}]}]

    report = scanner.report(people)
    with_inactive = scanner.report(people, include_inactive=True)

    assert [finding["status"] for finding in report["findings"]] == ["Active"]
    assert report["coverage"]["keys_inactive_skipped"] == 1
    assert sorted(finding["status"] for finding in with_inactive["findings"]) == ["Active", "Expired"]
    [expired] = [finding for finding in with_inactive["findings"] if finding["status"] == "Expired"]
    assert expired["advice"] == "delete"


def test_odd_text_that_iam_holds_comes_whole_through_a_scan(scanner: Scanner) -> None:
    value, words = "Größe 日本\u2028\u00a0= x", "Refusé: <&> 'no'"
    people = [
        {**user("alice", OLD), "tags": {"owner": value}, "path": "/a&<b>'\"/"},
        {"user_name": "bob", "denied": {"ListAccessKeys": words}},
    ]
    people[0]["access_keys"][0]["last_used"] = {"at": "2026-11-19T09:00:00Z", "service": "a&<b>", "region": "N/A"}

    report = scanner.report(people)

    [finding] = report["findings"]
    assert (finding["owner"], finding["last_used"]["service"], finding["last_used"]["region"]) == (
        value,
        "a&<b>",
        "N/A",
    )
    assert words in report["unchecked"][0]["cause"]


def test_a_refusal_holds_for_a_key_that_has_no_id_in_the_file(scanner: Scanner) -> None:
    denied = {"GetAccessKeyLastUsed": "not authorized"}

    report = scanner.report([user("alice", "2020-01-01T00:00:00Z", denied=denied)])

    [finding] = report["findings"]
    assert (finding["last_used"], finding["safe_to_deactivate"]) == ("unknown", None)

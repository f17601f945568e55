"""Whose a key is: which owner tags are an address that notices go to, and which are nobody's."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.evaluation.tags import REASON_TAG, UNTIL_TAG
from chalicelib.telling.cadence import reasons_of
from chalicelib.telling.owners import group_by_owner, owner_address, owner_of
from chalicelib.telling_settings import OwnerRule
from tests.support.owners import finding, owned_by
from tests.support.reports import AS_OF, key, report_of, unchecked, user

DOMAINS = ("example.com", "example.org")
RULE = OwnerRule("ses", DOMAINS)


@pytest.mark.parametrize(
    ("owner", "address"),
    [
        ("alice@example.com", "alice@example.com"),
        ("alice@example.org", "alice@example.org"),
        ("Alice@Example.COM", "alice@example.com"),
        ("a.b-c_d+aws@example.com", "a.b-c_d+aws@example.com"),
        ("1@example.com", "1@example.com"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    ],
)
def test_an_owner_is_one_address_in_the_domains_in_lower_case(owner: str, address: str) -> None:
    assert owner_address(finding(owner=owner), DOMAINS) == address


@pytest.mark.parametrize(
    "owner",
    [
        None,
        "",
        " ",
        "alice",
        "example.com",
        "@example.com",
        "alice@",
        "alice@example.net",
        "alice@example.com.evil.net",
        "alice@notexample.com",
        "alice@eu.example.com",
        "alice@example.com.",
        "alice@.example.com",
        "alice@example",
        "Alice <alice@example.com>",
        "<alice@example.com>",
        '"alice"@example.com',
        '"alice@evil.net,"@example.com',
        "mailto:alice@example.com",
        "alice@example.com,bob@example.com",
        "alice@example.com, bob@example.com",
        "alice@example.com;bob@example.com",
        "alice@example.com bob@example.com",
        "alice@evil.net@example.com",
        "alice@@example.com",
        "alice%evil.net@example.com",
        "evil.net!alice@example.com",
        "alice@example.com\r\nBcc: eve@evil.net",
        "alice@example.com\n",
        "\nalice@example.com",
        "alice\r\nBcc:eve@example.com",
        "alice%0d%0aBcc:eve@example.com",
        "alice@example.com%0d%0aBcc:eve@evil.net",
        "=?utf-8?q?eve=40evil.net?=@example.com",
        "alice\0@example.com",
        "alice @example.com",
        " alice@example.com",
        "alice@example.com ",
        "alice\t@example.com",
        "alice\u2028@example.com",
        "alice\u00a0@example.com",
        "аlice@example.com",  # Cyrillic a
        "alice@exаmple.com",  # Cyrillic a
        "alice@example。com",  # an ideographic full stop
        "alice＠example.com",  # a full-width @
        "alice@example.com\u200b",
        "jos\u00e9@example.com",
        "\u212aate@example.com",  # the sign of Kelvin, which is k in lower case
        ".alice@example.com",
        "alice.@example.com",
        "al..ice@example.com",
        "al(comment)ice@example.com",
        "alice/department=x@example.com",
        "alice*@example.com",
        f"{'a' * 65}@example.com",
        f"{'a' * 320}@example.com",
        f"alice@{'a' * 320}.example.com",
        f"{'a.' * 50_000}!@example.com",
    ],
)
def test_what_is_not_one_address_in_the_domains_is_nobodys(owner: str | None) -> None:
    assert owner_address(finding(owner=owner), DOMAINS) is None


def test_an_owner_that_is_unknown_is_nobodys() -> None:
    unknown = finding(owner="alice@example.com", owner_known=False)

    assert owner_address(unknown, DOMAINS) is None
    assert owner_of(unknown, OwnerRule("sns")) is None


@pytest.mark.parametrize(
    ("tag", "owner"),
    [("Platform team", "Platform team"), (" web ", "web"), ("A@x.y", "A@x.y"), (" ", None), (None, None)],
)
def test_by_sns_an_owner_is_whatever_the_tag_says(tag: str | None, owner: str | None) -> None:
    assert owner_of(finding(owner=tag), OwnerRule("sns")) == owner


def test_the_keys_of_all_accounts_are_grouped_by_owner_the_most_severe_first() -> None:
    web = report_of(
        owned_by("alice@example.com", "alice", key("AKIAYOUNG", 80)),
        owned_by("ALICE@example.com", "deploy", key("AKIAOLD", 100)),
        owned_by("bob@example.com", "bob", key("AKIABOB", 100)),
        owned_by("eve@evil.net", "eve", key("AKIAEVE", 100)),
        user("nobody", key("AKIANOBODY", 100)),
    )
    data = report_of(owned_by("alice@example.com", "etl", key("AKIAOLDEST", 300)))
    data["account_id"], data["account_alias"] = "444455556666", "data"

    keys = group_by_owner([web, data], RULE, {"444455556666": "team-data"})

    ids = {owner: [one.finding["access_key_id"] for one in of] for owner, of in keys.by_owner.items()}
    assert ids == {"alice@example.com": ["AKIAOLDEST", "AKIAOLD", "AKIAYOUNG"], "bob@example.com": ["AKIABOB"]}
    assert keys.without_address == 2
    first, second, _ = keys.by_owner["alice@example.com"]
    assert (first.account_id, first.account_name, first.account_alias) == ("444455556666", "team-data", "data")
    assert (second.account_name, second.account_alias, second.max_age_days) == (None, None, 90)
    assert not first.deactivates


@pytest.mark.parametrize(("mode", "deactivates"), [("apply", True), ("plan", False)])
def test_a_key_is_about_to_be_deactivated_only_where_the_stage_applies_its_plan(mode: str, deactivates: bool) -> None:
    report = report_of(owned_by("alice@example.com", "alice", key("AKIA1", 100)))
    report["plan"] = {"mode": mode}  # type: ignore[typeddict-item]  # the rest is not read

    (owned,) = group_by_owner([report], RULE, {}).by_owner["alice@example.com"]

    assert owned.deactivates is deactivates


def test_a_scan_speaks_for_the_keys_of_users_and_accounts_that_it_read() -> None:
    report = report_of(
        user("alice"),
        unchecked("denied"),
        user("tagless", key("AKIA1", 100), tags="unknown"),
        user("bob"),
        user("perhaps-leaked", quarantined_by="unknown"),
        {"user_name": "renamed", "outcome": "not_found"},
    )
    superseded = report_of(user("carol"))
    superseded["account_id"] = "444455556666"
    superseded["changes"]["superseded"] = True  # type: ignore[index]  # a full scan has them

    keys = group_by_owner([report, superseded], RULE, {})

    def speaks_for(user_name: str, account_id: str = "123456789012") -> bool:
        return keys.speaks_for("AKIA9", {"account_id": account_id, "user_name": user_name, "reasons": []})

    names = ("alice", "denied", "tagless", "bob", "perhaps-leaked", "renamed", "gone")
    assert [name for name in names if speaks_for(name)] == ["alice", "bob", "gone"]
    assert not speaks_for("carol", "444455556666")
    assert not speaks_for("alice", "777788889999")


def test_a_scan_does_not_speak_for_keys_that_it_lost_sight_of_because_their_user_may_have_another_name() -> None:
    last = report_of(
        user("old", key("AKIAOLD", 100)), user("soon", key("AKIASOON", 80)), as_of_scan=AS_OF - timedelta(days=1)
    )
    report = report_of(unchecked("new"), last=last)

    keys = group_by_owner([report], RULE, {})

    told = {"AKIAOLD": "old", "AKIASOON": "soon", "AKIAGONE": "gone"}
    assert [
        key_id
        for key_id, name in told.items()
        if keys.speaks_for(key_id, {"account_id": "123456789012", "user_name": name, "reasons": []})
    ] == ["AKIAGONE"]


def test_what_did_not_hold_at_the_last_scan_is_known_of_each_key() -> None:
    owner, day = "alice@example.com", timedelta(days=1)
    last = report_of(
        owned_by(owner, "exempt", key("AKIA1", 100), tags={UNTIL_TAG: "2026-12-31", REASON_TAG: "CHG-1"}),
        owned_by(owner, "same", key("AKIA2", 100)),
        as_of_scan=AS_OF - day,
        max_unused_days=45,
    )
    now = [
        owned_by(owner, "exempt", key("AKIA1", 100)),
        owned_by(owner, "same", key("AKIA2", 100)),
        owned_by(owner, "soon", key("AKIA3", 80, used=1)),
        owned_by(owner, "idle", key("AKIA4", 60, used=50)),
    ]

    compared = group_by_owner([report_of(*now, last=last, max_unused_days=45)], RULE, {}).by_owner[owner]
    alone = group_by_owner([report_of(*now, max_unused_days=45)], RULE, {}).by_owner[owner]

    assert {one.finding["access_key_id"]: set(one.again) for one in compared} == {
        "AKIA1": {"expired"},
        "AKIA2": set(),
        "AKIA3": {"due_in_1_day", "due_in_7_days"},
        "AKIA4": {"became_safe"},
    }
    assert {one.since for one in compared} == {AS_OF - day}
    assert {one.since for one in alone} == {None}


def test_active_keys_of_a_quarantined_user_are_the_owners_although_they_are_young_or_exempt() -> None:
    leaked: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"}
    exempt = {UNTIL_TAG: "2026-12-31", REASON_TAG: "CHG-1"}
    report = report_of(
        owned_by("alice@example.com", "alice", key("AKIAOLD", 100), key("AKIAYOUNG", 5), **leaked),
        owned_by("alice@example.com", "robot", key("AKIAEXEMPT", 100), tags=exempt, **leaked),
        owned_by("bob@example.com", "bob", key("AKIAOFF", 5, "Inactive"), **leaked),
        user("nobody", key("AKIANOBODY", 5), **leaked),
    )

    keys = group_by_owner([report], RULE, {})

    assert {owner: [one.finding["access_key_id"] for one in of] for owner, of in keys.by_owner.items()} == {
        "alice@example.com": ["AKIAOLD", "AKIAYOUNG", "AKIAEXEMPT"]
    }
    assert [set(reasons_of(one, AS_OF)) for one in keys.by_owner["alice@example.com"]] == [
        {"leaked", "expired"},
        {"leaked"},
        {"leaked"},
    ]
    assert keys.without_address == 0

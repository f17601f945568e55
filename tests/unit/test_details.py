"""Last use, owner and exemptions, as IAM and the tags say them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.evaluation.details import read_last_uses
from chalicelib.evaluation.tags import find_owner, keep_tags, read_exemption
from chalicelib.settings import InvalidSettingError, TagSettings, parse_tag_settings

AS_OF = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


def tags(until: str | None, reason: str | None = "CHG-1") -> dict[str, str]:
    asked = {"iam-key-age:exempt-until": until, "iam-key-age:exempt-reason": reason}
    return {name: value for name, value in asked.items() if value is not None}


@pytest.mark.parametrize(
    ("until", "as_of"),
    [
        ("2026-11-22", datetime(2026, 11, 22, 0, 0, 0, tzinfo=UTC)),
        ("2026-11-22", datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2026-11-22", datetime.fromisoformat("2026-11-23T01:59:59+02:00")),
        ("2026-11-23", AS_OF),
        ("2027-11-23", AS_OF),
    ],
    ids=["today's first instant", "today's last", "today in UTC", "tomorrow", "366 days ahead"],
)
def test_an_exemption_is_in_force_to_the_end_of_its_day_in_utc(until: str, as_of: datetime) -> None:
    assert read_exemption(tags(until), as_of, as_of, 366) == {
        "in_force": True,
        "until": until,
        "reason": "CHG-1",
        "why_not": None,
    }


MALFORMED = 'the exemption\'s end, "{}", is not a date such as 2027-06-30'


@pytest.mark.parametrize(
    ("asked", "as_of", "why_not"),
    [
        (tags("2026-11-22"), datetime(2026, 11, 23, tzinfo=UTC), "the exemption ended on 2026-11-22"),
        (tags("2026-11-21"), AS_OF, "the exemption ended on 2026-11-21"),
        (
            tags("2027-11-24"),
            AS_OF,
            "the exemption's end, 2027-11-24, is too far ahead: 2027-11-23 is the last day allowed",
        ),
        (
            tags("9999-12-31"),
            AS_OF,
            "the exemption's end, 9999-12-31, is too far ahead: 2027-11-23 is the last day allowed",
        ),
        *(
            (tags(text), AS_OF, MALFORMED.format(text))
            for text in ("", "soon", "2026-02-30", "20261201", "2026-W49-1", "2026-12-01T00:00:00Z", " 2026-12-01")
        ),
        (tags("٢٠٢٦-١٢-٠١"), AS_OF, MALFORMED.format("٢٠٢٦-١٢-٠١")),
        (tags("2026-12-01", None), AS_OF, "the exemption has no reason, tag iam-key-age:exempt-reason"),
        (tags("2026-12-01", ""), AS_OF, "the exemption has no reason, tag iam-key-age:exempt-reason"),
        *(
            (tags("2026-12-01", blank), AS_OF, "the exemption has no reason, tag iam-key-age:exempt-reason")
            for blank in ("  ", "\t", "\u00a0", "\u2003", "\u3000", "\u2028")
        ),
        (tags(None), AS_OF, "the exemption has no end, tag iam-key-age:exempt-until"),
    ],
)
def test_an_exemption_that_is_over_malformed_too_long_or_without_a_reason_does_not_exempt(
    asked: dict[str, str], as_of: datetime, why_not: str
) -> None:
    exemption = read_exemption(asked, as_of, as_of, 366)

    assert exemption is not None
    assert (exemption["in_force"], exemption["why_not"]) == (False, why_not)


def test_how_long_an_exemption_may_be_is_a_setting() -> None:
    settings = parse_tag_settings({"MAX_EXEMPT_DAYS": "30"})

    read = [
        read_exemption(tags(until), AS_OF, AS_OF, settings.max_exempt_days) for until in ("2026-12-22", "2026-12-23")
    ]

    assert [exemption and exemption["in_force"] for exemption in read] == [True, False]


def test_how_far_ahead_an_exemption_may_end_counts_from_when_it_is_read_not_from_a_later_instant() -> None:
    at_the_audit = datetime(2027, 11, 1, tzinfo=UTC)

    read = [read_exemption(tags(until), at_the_audit, AS_OF, 366) for until in ("2027-11-23", "2027-11-24")]

    assert [exemption and exemption["in_force"] for exemption in read] == [True, False]


def test_tags_that_ask_for_no_exemption_are_none() -> None:
    assert read_exemption({"owner": "web", "exempt-until": "2026-12-01"}, AS_OF, AS_OF, 366) is None


@pytest.mark.parametrize(
    "asked",
    [
        {"IAM-Key-Age:Exempt-Until": "2026-12-01", "IAM-Key-Age:Exempt-Reason": "CHG-1"},
        {"IAM-Key-Age:Exempt-Until": "2026-12-01", "iam-key-age:exempt-reason": "CHG-1"},
        {"IAM-Key-Age:Exempt-Until": "2026-12-01", **tags("2026-12-01")},
    ],
)
def test_an_exemption_whose_tag_is_in_another_case_does_not_exempt_and_says_so(asked: dict[str, str]) -> None:
    exemption = read_exemption(asked, AS_OF, AS_OF, 366)

    assert exemption is not None
    assert not exemption["in_force"]
    assert exemption["why_not"] == "the exemption's tag IAM-Key-Age:Exempt-Until has to be all in lower case"


# What IAM takes in a tag and people do not see; and what it does not take.
BLANKS = [
    " ",
    "   ",
    "\t",
    "\u00a0",
    "\u1680",
    "\u2003\u2009",
    "\u2028",
    "\u2029",
    "\u202f",
    "\u205f",
    "\u3000",
    " \u00a0\n",
]


@pytest.mark.parametrize(
    ("of_user", "owner"),
    [
        ({"email": "e", "Owner": "O", "owner": "o"}, "o"),
        ({"email": "e", "Owner": "O"}, "O"),
        ({"email": "e", "owner": ""}, "e"),
        *(({"email": "e", "owner": blank}, "e") for blank in BLANKS),
        *(({"owner": blank}, None) for blank in BLANKS),
        ({"owner": "unknown", "email": "e"}, "unknown"),
        ({"owner": "\u00a0web "}, "\u00a0web "),
        ({"team": "t"}, None),
        ("unknown", "unknown"),
    ],
)
def test_the_owner_is_the_first_of_the_tags_that_is_there(of_user: Any, owner: str | None) -> None:
    assert find_owner(of_user, TagSettings().owner_tags) == owner


def test_the_tags_of_the_owner_are_a_setting() -> None:
    assert parse_tag_settings({"OWNER_TAGS": "team,mail:to"}) == TagSettings(("team", "mail:to"), 366)
    assert parse_tag_settings({"OWNER_TAGS": "Owner  Email,部門"}) == TagSettings(("Owner  Email", "部門"), 366)
    assert parse_tag_settings({}) == TagSettings()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"OWNER_TAGS": ""}, 'OWNER_TAGS: "" is not accepted; it takes 1 to 10 names of tags'),
        ({"OWNER_TAGS": "a,,b"}, 'OWNER_TAGS: "a,,b" is not accepted'),
        ({"OWNER_TAGS": "it's"}, 'OWNER_TAGS: "it\'s" is not accepted'),
        ({"OWNER_TAGS": ",".join("abcdefghijk")}, "OWNER_TAGS: "),
        ({"OWNER_TAGS": "team, owner"}, "with a comma and no space between"),
        ({"OWNER_TAGS": "x" * 129}, "a name is 1 to 128 letters"),
        ({"OWNER_TAGS": ",".join(["x" * 128] * 5)}, "up to 640 characters in all"),
        ({"MAX_EXEMPT_DAYS": "0"}, 'MAX_EXEMPT_DAYS: "0" is not accepted; it takes an integer from 1 to 3650'),
        ({"MAX_EXEMPT_DAYS": "3651"}, "MAX_EXEMPT_DAYS: "),
        ({"MAX_EXEMPT_DAYS": "a year"}, "MAX_EXEMPT_DAYS: "),
    ],
)
def test_a_setting_that_is_none_is_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        parse_tag_settings(settings)

    assert says in str(refusal.value)


USED = {"at": "2026-11-20T00:00:00.5+02:00", "service": "s3", "region": "us-east-1"}
ODD = "IAM described the last use in a way that cannot be read"


@pytest.mark.parametrize(
    ("answer", "last_uses", "cause"),
    [
        ({"last_used": [USED], "cause": ""}, [{**USED, "at": "2026-11-19T22:00:00.5Z"}], None),
        ({"last_used": [{}], "cause": ""}, [None], None),
        ({"last_used": ["unknown"], "cause": "denied"}, ["unknown"], "denied"),
        ({"last_used": [{}], "cause": "gone"}, [None], "gone"),
        ({"last_used": [{**USED, "at": "lately"}]}, ["unknown"], ODD),
        ({"last_used": [{**USED, "at": None}]}, ["unknown"], ODD),
        ({"last_used": [{"at": USED["at"]}]}, ["unknown"], ODD),
        ({"last_used": [7]}, ["unknown"], ODD),
        ({"last_used": [{}, {}]}, ["unknown"], ODD),
        ({"last_used": None}, ["unknown"], ODD),
        ({}, ["unknown"], "the scan did not ask for the last use"),
        (None, ["unknown"], "the scan did not ask for the last use"),
    ],
)
def test_a_last_use_that_is_missing_or_odd_is_unknown_and_has_a_cause(
    answer: Any, last_uses: list[Any], cause: str | None
) -> None:
    assert read_last_uses(answer, 1) == (last_uses, cause)


def test_of_the_tags_those_of_the_owner_and_of_this_product_are_kept_and_the_descriptions_of_keys() -> None:
    of_user = {
        "team": "x",
        "owner": "web",
        "email": " ",
        "Owner": "ops",
        "RESPONSIBLEPERSON": "ann",
        "Iam-Key-Age:Exempt-Until": "2027-01-01",
        "iam-key-age:never-deactivate": "",
        "IAM-Key-Age:May-Deactivate": "true",
        "iam-key-age:else": "x",
        "AKIA000000000001": "nightly backup",
        "AKIA000000000002": "\u00a0",
        "akia000000000001": "in another case",
    }
    owner_tags = ("email", "RESPONSIBLEPERSON", "Owner", "owner")

    tags, descriptions = keep_tags(pairs(of_user), owner_tags)

    assert tags == {
        "RESPONSIBLEPERSON": "ann",
        "Owner": "ops",
        "Iam-Key-Age:Exempt-Until": "2027-01-01",
        "iam-key-age:never-deactivate": "",
        "IAM-Key-Age:May-Deactivate": "true",
    }
    assert descriptions == {"AKIA000000000001": "nightly backup", "RESPONSIBLEPERSON": "ann"}


@pytest.mark.parametrize(
    ("description", "kept"),
    [
        ("x" * 128, "x" * 128),
        ("x" * 129, "x" * 128 + "..."),
        ("ü" * 40, "ü" * 40),
        ("ü" * 41, "ü" * 40 + "..."),
        ("x" * 40 + "ü" * 100, "x" * 40 + "..."),
        ("𠮷" * 41, "𠮷" * 40 + "..."),
    ],
    ids=["ASCII", "ASCII, one more", "not ASCII", "not ASCII, one more", "both", "4 bytes each"],
)
def test_a_description_that_is_too_long_is_cut_and_shows_it(description: str, kept: str) -> None:
    _, descriptions = keep_tags(pairs({"AKIA000000000001": description}), ())

    assert descriptions == {"AKIA000000000001": kept}


def test_of_many_descriptions_twenty_are_kept() -> None:
    _, descriptions = keep_tags(pairs({f"AKIA{number:016}": "x" for number in range(50)}), ())

    assert len(descriptions) == 20


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]

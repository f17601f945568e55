"""When a notice is due: the reasons to tell of a key at once, the week, and what an owner's file says."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest

from chalicelib.instants import format_instant
from chalicelib.telling.cadence import decide, drop_ended, most_urgent_first, never_told, read_owner_file, reasons_of
from chalicelib.telling.notice import Notice, OwnedKey, Scan
from chalicelib.telling_documents import OwnerFile, Reason
from tests.support.owners import owned, with_id
from tests.support.reports import AS_OF

ALICE = "alice@example.com"
KEY = {"account_id": "123456789012", "user_name": "alice"}
SECOND, HOUR, DAY, WEEK = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1), timedelta(days=7)
USED = {"at": format_instant(AS_OF), "service": "s3", "region": "us-east-1"}
EARLY = owned(verdict="due_soon", overdue_at="2027-01-01T00:00:00Z", safe_to_deactivate=None)
UNUSED = owned(verdict="unused", safe_to_deactivate=False)


def reasons(**fields: Any) -> list[Reason]:
    return list(reasons_of(owned(**{"safe_to_deactivate": False, **fields}), AS_OF))


def planned(due_on: str | None, status: str = "held") -> dict[str, Any]:
    return {"status": status, "told_since": None, "due_since": None, "due_on": due_on, "holds": []}


def file(told: dict[str, list[str]], mailed_at: Any = AS_OF, **more: Any) -> Any:
    """An OwnerFile, or what is none by the fields of it that are given."""
    return {
        "schema_version": 1,
        "owner": ALICE,
        "scan_id": "scan-0",
        "mailed_at": format_instant(mailed_at) if isinstance(mailed_at, datetime) else mailed_at,
        "keys": {key_id: {**KEY, "reasons": reasons} for key_id, reasons in told.items()},
        "refused": None,
        **more,
    }


def due(*keys: OwnedKey, of: OwnerFile | None = None, speaks_for: bool = True, as_of: Any = AS_OF) -> Notice | None:
    return decide(ALICE, keys, of, Scan("scan-1", as_of), lambda *_: speaks_for)


@pytest.mark.parametrize(
    ("before_overdue", "expected"),
    [
        (WEEK + SECOND, []),
        (WEEK, ["due_in_7_days"]),
        (WEEK - SECOND, ["due_in_7_days"]),
        (DAY + SECOND, ["due_in_7_days"]),
        (DAY, ["due_in_1_day"]),
        (DAY - SECOND, ["due_in_1_day"]),
        (timedelta(), ["due_in_1_day"]),
    ],
)
def test_a_key_is_news_7_days_and_1_day_before_it_is_overdue(before_overdue: timedelta, expected: list[str]) -> None:
    overdue_at = format_instant(AS_OF + before_overdue)

    assert reasons(verdict="due_soon", overdue_at=overdue_at, safe_to_deactivate=None) == expected


@pytest.mark.parametrize(
    ("days_ahead", "expected"),
    [(4, []), (3, ["deactivation"]), (2, ["deactivation"]), (0, ["deactivation"]), (-9, ["deactivation"])],
)
def test_a_key_is_news_3_days_before_it_is_deactivated(days_ahead: int, expected: list[str]) -> None:
    due_on = (AS_OF + days_ahead * DAY).date().isoformat()

    assert reasons(verdict="unused", plan=planned(due_on)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"verdict": "expired"}, ["expired"]),
        ({"verdict": "unused"}, []),
        ({"verdict": "expired", "safe_to_deactivate": True}, ["became_safe", "expired"]),
        ({"verdict": "unused", "safe_to_deactivate": True}, ["became_safe"]),
        ({"verdict": "unused", "safe_to_deactivate": None}, []),
        ({"verdict": "due_soon", "safe_to_deactivate": True, "overdue_at": "2027-01-01T00:00:00Z"}, []),
        ({"verdict": "unused", "quarantined_by": "AWSCompromisedKeyQuarantineV3"}, ["leaked"]),
        ({"verdict": "unused", "quarantined_by": "unknown"}, []),
        ({"verdict": "unused", "quarantined_by": None}, []),
        ({"verdict": "unused", "plan": planned(None)}, []),
        ({"verdict": "unused", "plan": planned("2026-11-22", "due")}, ["deactivation"]),
        ({"verdict": "unused", "plan": planned("2026-11-22", "due"), "deactivates": False}, []),
    ],
)
def test_what_is_news_of_a_key(fields: dict[str, Any], expected: list[str]) -> None:
    assert sorted(reasons(**fields)) == expected


def test_the_first_notice_is_one_of_all_keys_although_none_is_urgent() -> None:
    notice = due(UNUSED, EARLY)

    assert notice is not None
    assert notice.kind == "first"
    assert [key.owned for key in notice.keys] == [UNUSED, EARLY]
    assert notice.claim == file({"AKIA1": []}, scan_id="scan-1")


def test_a_notice_has_the_reasons_that_are_news_most_urgent_first() -> None:
    leaked = owned(
        quarantined_by="AWSCompromisedKeyQuarantineV3", safe_to_deactivate=True, plan=planned("2026-11-22", "due")
    )

    notice = due(leaked, of=file({"AKIA1": ["became_safe"]}))

    assert notice is not None
    assert notice.keys[0].news == ("leaked", "deactivation", "expired")
    assert notice.claim["keys"]["AKIA1"]["reasons"] == ["leaked", "deactivation", "expired", "became_safe"]
    assert set(notice.claim["keys"]["AKIA1"]["reasons"]) < set(get_args(Reason))


@pytest.mark.parametrize(
    ("ago", "kind"),
    [(WEEK - HOUR - SECOND, None), (WEEK - HOUR, "digest"), (WEEK - HOUR + SECOND, "digest"), (9 * WEEK, "digest")],
)
def test_a_digest_is_due_a_week_after_the_last_notice_less_an_hour(ago: timedelta, kind: str | None) -> None:
    notice = due(UNUSED, of=file({"AKIA1": []}, AS_OF - ago))

    assert (notice and notice.kind) == kind
    assert not notice or not notice.keys[0].news


def test_a_key_that_is_new_and_not_urgent_waits_for_the_digest_and_is_new_there() -> None:
    keys = (UNUSED, with_id(UNUSED, "AKIA2"))

    digest = due(*keys, of=file({"AKIA1": []}, AS_OF - WEEK))

    assert due(*keys, of=file({"AKIA1": []}, AS_OF - WEEK + 2 * HOUR)) is None
    assert digest is not None
    assert digest.kind == "digest"
    assert [key.is_new for key in digest.keys] == [False, True]


def test_no_key_of_a_first_notice_is_new_and_each_of_a_later_one_that_was_in_none_is() -> None:
    keys = (owned(safe_to_deactivate=False), with_id(UNUSED, "AKIA2"))

    first, news = due(*keys), due(*keys, of=file({}))

    assert first is not None
    assert [key.is_new for key in first.keys] == [False, False]
    assert news is not None
    assert [(key.news, key.is_new) for key in news.keys] == [(("expired",), True), ((), True)]


@pytest.mark.parametrize("ago", [timedelta(), HOUR, 8 * WEEK])
def test_news_is_sent_at_once_with_all_other_keys(ago: timedelta) -> None:
    notice = due(owned(safe_to_deactivate=False), with_id(UNUSED, "AKIA2"), of=file({"AKIA2": []}, AS_OF - ago))

    assert notice is not None
    assert notice.kind == "news"
    assert [key.news for key in notice.keys] == [("expired",), ()]


def test_what_an_owner_was_told_once_is_no_news_again() -> None:
    assert due(owned(safe_to_deactivate=False), of=file({"AKIA1": ["expired"]}, AS_OF - DAY)) is None


def test_a_reason_that_no_longer_holds_is_news_when_it_holds_again() -> None:
    unsafe, safe = owned(safe_to_deactivate=False), owned(safe_to_deactivate=True)

    between = due(unsafe, of=file({"AKIA1": ["expired", "became_safe"]}, AS_OF - WEEK))
    assert between is not None
    again = due(safe, of=between.claim, as_of=AS_OF + DAY)

    assert between.claim["keys"]["AKIA1"]["reasons"] == ["expired"]
    assert again is not None
    assert again.keys[0].news == ("became_safe",)


LAST_SCAN = AS_OF - DAY


@pytest.mark.parametrize(
    ("again", "told", "mailed_at", "news"),
    [
        (["expired"], ["expired"], LAST_SCAN, ("expired",)),
        (["expired"], ["expired"], LAST_SCAN - WEEK, ("expired",)),
        (["expired"], ["expired"], LAST_SCAN + SECOND, None),  # by another scan of today
        (["became_safe"], ["expired"], LAST_SCAN, None),
        ([], ["expired"], LAST_SCAN - 2 * DAY, None),
    ],
)
def test_a_reason_that_did_not_hold_at_the_last_scan_is_news_to_who_was_told_before(
    again: list[Reason], told: list[str], mailed_at: datetime, news: Any
) -> None:
    key = replace(owned(safe_to_deactivate=False), again=frozenset(again), since=LAST_SCAN)

    notice = due(key, of=file({"AKIA1": told}, mailed_at))

    assert (notice.keys[0].news if notice else None) == news


def kept(*keys: OwnedKey, of: OwnerFile, speaks_for: bool = True, as_of: datetime = AS_OF) -> dict[str, Any] | None:
    """What stays on file of which keys, None where the file stays as it is."""
    left = drop_ended(keys, of, Scan("scan-1", as_of), lambda *_: speaks_for)
    assert left is None or {**of, "keys": left["keys"]} == left
    return left and {key_id: key["reasons"] for key_id, key in left["keys"].items()}


def test_what_ended_leaves_the_file_although_nothing_is_sent() -> None:
    unsafe = owned(safe_to_deactivate=False)
    yesterday = AS_OF - DAY

    assert kept(unsafe, of=file({"AKIA1": ["expired"], "AKIAGONE": ["expired"]}, yesterday)) == {"AKIA1": ["expired"]}
    assert kept(unsafe, of=file({"AKIA1": ["expired", "became_safe"]}, yesterday)) == {"AKIA1": ["expired"]}
    assert kept(UNUSED, of=file({"AKIAGONE": ["expired"]}, yesterday)) == {}


@pytest.mark.parametrize(
    ("of", "more"),
    [
        (file({"AKIA1": ["expired"]}, AS_OF - DAY), {}),
        (file({"AKIA1": ["expired"], "AKIAGONE": ["expired"]}, AS_OF - DAY), {"speaks_for": False}),
        (file({"AKIAGONE": ["expired"]}, AS_OF + SECOND), {}),  # of a later scan
    ],
)
def test_what_may_still_hold_stays_on_file(of: Any, more: dict[str, Any]) -> None:
    assert kept(owned(safe_to_deactivate=False), of=of, **more) is None


def test_an_owner_all_of_whose_keys_ended_has_been_told_and_waits_for_the_digest() -> None:
    assert due(UNUSED, of=file({}, AS_OF - DAY)) is None

    digest = due(UNUSED, of=file({}, AS_OF - WEEK))

    assert digest is not None
    assert digest.kind == "digest"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"quarantined_by": "unknown"}, ["leaked", "expired"]),
        ({"last_used": "unknown"}, ["deactivation", "expired", "became_safe"]),
    ],
)
def test_a_reason_stays_told_while_it_is_unknown_whether_it_holds(fields: dict[str, Any], told: list[str]) -> None:
    unknown = owned(safe_to_deactivate=None, **fields)

    digest = due(unknown, of=file({"AKIA1": told}, AS_OF - WEEK))

    assert due(unknown, of=file({"AKIA1": told}, AS_OF - DAY)) is None
    assert digest is not None
    assert digest.claim["keys"]["AKIA1"]["reasons"] == told


def test_a_reason_that_is_unknown_is_none_that_an_owner_was_told() -> None:
    notice = due(owned(safe_to_deactivate=None, quarantined_by="unknown", last_used="unknown"))

    assert notice is not None
    assert notice.keys[0].news == ("expired",)
    assert notice.claim["keys"]["AKIA1"]["reasons"] == ["expired"]


@pytest.mark.parametrize(("speaks_for", "kept"), [(True, ["AKIA1"]), (False, ["AKIA1", "AKIAGONE"])])
def test_a_key_that_is_not_found_stays_on_file_where_the_scan_cannot_speak_for_it(
    speaks_for: bool, kept: list[str]
) -> None:
    of = file({"AKIAGONE": ["expired"], "AKIA1": []}, AS_OF - WEEK)

    notice = due(UNUSED, of=of, speaks_for=speaks_for)

    assert notice is not None
    assert sorted(notice.claim["keys"]) == kept
    assert [key.owned.finding["access_key_id"] for key in notice.keys] == ["AKIA1"]


def test_a_scan_sends_nothing_once_a_later_one_has() -> None:
    assert due(owned(), of=file({"AKIA1": []}, AS_OF + SECOND)) is None
    assert due(owned(), of=file({"AKIA1": []}, AS_OF)) is not None


def test_a_first_notice_that_was_given_back_is_due_again_at_once() -> None:
    notice = due(UNUSED, of=never_told(ALICE))

    assert notice is not None
    assert notice.kind == "first"


def test_news_goes_before_digests_the_most_severe_first_and_then_the_digest_that_waits_longest() -> None:
    critical, low = owned(severity="critical"), owned(severity="low")
    files = [file({"AKIA1": ["expired", "became_safe"]}, AS_OF - weeks * WEEK) for weeks in (1, 2)]
    digest, waits = due(critical, of=files[0]), due(low, of=files[1])
    news, first = due(low, of=file({"AKIA1": []})), due(owned(severity="high"))
    assert digest and waits and news and first  # noqa: PT018  # all are due

    listed = [
        (digest, files[0]),
        (replace(waits, owner="waits"), files[1]),
        (replace(news, owner="b"), files[1]),
        (news, files[0]),
        (first, None),
    ]
    order = sorted(listed, key=lambda one: most_urgent_first(*one))

    assert [(one.kind, one.owner) for one, _ in order] == [
        ("first", ALICE),
        ("news", ALICE),
        ("news", "b"),
        ("digest", "waits"),
        ("digest", ALICE),
    ]


def test_a_file_is_read_as_it_was_written() -> None:
    written = file({"AKIA1": ["leaked"], "AKIA2": []}, refused="MessageRejected: no", scan_id="scan-9")

    assert read_owner_file(json.loads(json.dumps(written)), ALICE, AS_OF) == written


DAMAGED = [
    None,
    [],
    "",
    5,
    {},
    [file({})],
    file({}, owner="bob@example.com"),
    file({}, schema_version=2),
    file({}, mailed_at="yesterday"),
    file({}, mailed_at="2026-11-22T08:00:00"),
    file({}, mailed_at=None),
    file({}, mailed_at=AS_OF + 2 * HOUR),  # after it was written
    file({}, mailed_at="2999-01-01T00:00:00Z"),
    file({}, scan_id=None),
    file({}, refused=5),
    file({}, refused="x" * 301),
    file({}, keys=None),
    file({}, keys=["AKIA1"]),
    file({}, keys={"AKIA1": None}),
    file({}, keys={"AKIA1": "leaked"}),
    file({}, keys={"AKIA1": {"account_id": 1, "user_name": "alice", "reasons": []}}),
    file({}, keys={"AKIA1": {"account_id": "1", "user_name": None, "reasons": []}}),
    file({}, keys={"AKIA1": {**KEY, "reasons": None}}),
    file({}, keys={"AKIA1": {**KEY, "reasons": "leaked"}}),
    file({}, keys={"AKIA1": {**KEY, "reasons": {"leaked": 1}}}),
    file({}, keys={"AKIA1": {**KEY, "reasons": [[]]}}),
    file({"AKIA1": ["stolen"]}),
    {name: value for name, value in file({}).items() if name != "refused"},
]


@pytest.mark.parametrize("document", DAMAGED)
@pytest.mark.parametrize(
    ("ago", "is_due"),
    [(DAY - HOUR, True), (DAY - HOUR - SECOND, False), (timedelta(), False), (-HOUR, False), (9 * WEEK, True)],
)
def test_a_damaged_file_says_nothing_and_is_replaced_a_day_after_it_was_written(
    document: object, ago: timedelta, is_due: bool
) -> None:
    read = read_owner_file(document, ALICE, AS_OF - ago)

    notice = due(owned(), of=read)

    assert read["keys"] == {}
    assert (notice.kind if notice else None) == ("first" if is_due else None)


@pytest.mark.parametrize(("ahead", "is_whole"), [(299, True), (300, True), (301, False)])
def test_clocks_may_differ_by_five_minutes(ahead: int, is_whole: bool) -> None:
    read = read_owner_file(file({"AKIA1": []}, AS_OF + ahead * SECOND), ALICE, AS_OF)

    assert bool(read["keys"]) is is_whole

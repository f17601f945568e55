"""Who uses a key: which keys CloudTrail is asked about, how often, and what its events say."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.documents import InvalidEvidenceError, Report
from chalicelib.evaluation.usage import (
    KEPT_FOR,
    MOST_KEYS,
    Clock,
    choose_keys,
    count_by_status,
    join_usage,
    look_up_keys,
    summarize,
    without_events,
)
from chalicelib.instants import format_instant
from chalicelib.key_documents import SeenFrom, Usage
from chalicelib.outputs.usage_sentences import seen_from_in_words
from tests.support.reports import AS_OF, key, report_of, user

SECOND = timedelta(seconds=1)
EXEMPT = {"iam-key-age:exempt-until": "2026-12-24", "iam-key-age:exempt-reason": "x"}


def finding(
    key_id: str = "AKIA1", used: timedelta | str | None = SECOND, region: str = "eu-west-1", **more: Any
) -> Any:
    """A finding as far as it is looked at, used so long before the scan."""
    last_used: Any = used
    if isinstance(used, timedelta):
        last_used = {"at": format_instant(AS_OF - used), "service": "s3", "region": region}
    created_at = format_instant(AS_OF - timedelta(days=more.pop("age", 200)))
    known: dict[str, Any] = {
        "user_name": "alice",
        "access_key_id": key_id,
        "created_at": created_at,
        "verdict": "expired",
    }
    known |= {"severity": "medium", "tags": {}, "description": None, "leave_keys": None, "seen_from": None}
    return {**known, "last_used": last_used, **more}


def report(*findings: Any, exempt: tuple[Any, ...] = ()) -> Report:
    made: Any = {"started_at": format_instant(AS_OF), "findings": list(findings), "exempt": list(exempt)}
    return made  # type: ignore[no-any-return]  # as far as it is looked at


def ids(findings: list[Any]) -> list[str]:
    return [one["access_key_id"] for one in findings]


# Which keys.


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (finding(used=KEPT_FOR - SECOND), None),
        (finding(used=KEPT_FOR), None),
        (finding(used=KEPT_FOR + SECOND), "the key was not used in the 90 days that CloudTrail keeps"),
        (finding(used=-SECOND), None),  # while the scan ran
        (finding(used=None), "IAM has no use of the key on record"),
        (finding(used="unknown"), "the key's last use is unknown"),
        (finding(verdict="exempt"), "the key is exempt"),
        (finding(verdict="due_soon"), None),
        *((finding(region=region), None) for region in ("us-gov-west-1", "ap-southeast-7", "eusc-de-east-1")),
        *(
            (finding(region=region), "IAM does not say in which Region the key was used last")
            for region in ("N/A", "", "eu-west", "EU-WEST-1", "eu-west-1.evil.example", "eu-west-1\n", "aws-global")
        ),
    ],
)
def test_keys_in_use_in_a_known_region_are_asked_about(of: Any, why: str | None) -> None:
    made = report(of)

    join_usage(made, {"kept": True}, lambda: usage({}))

    assert ids(choose_keys([of], AS_OF)) == ([] if why else ["AKIA1"])
    seen = of["seen_from"]
    assert (seen["status"], seen["cause"]) == (
        "not_asked",
        why or "a scan asks about 200 keys at most, the most severe first",
    )


def test_the_most_severe_keys_are_asked_about_first_and_then_the_oldest() -> None:
    findings = [
        finding("LOW", severity="low", age=500),
        finding("YOUNG", severity="high", age=100),
        finding("OLD", severity="high", age=300),
        finding("CRITICAL", severity="critical", age=91),
    ]

    assert ids(choose_keys(findings, AS_OF)) == ["CRITICAL", "OLD", "YOUNG", "LOW"]


@pytest.mark.parametrize(("in_use", "asked"), [(MOST_KEYS - 1, 199), (MOST_KEYS, 200), (MOST_KEYS + 1, 200)])
def test_200_keys_are_asked_about_at_most(in_use: int, asked: int) -> None:
    findings = [finding(f"AKIA{number:04}", age=100 + number) for number in range(in_use)]

    chosen = ids(choose_keys(findings, AS_OF))

    assert len(chosen) == asked
    assert chosen[0] == f"AKIA{in_use - 1:04}"  # the oldest


# How often.


class Fake:
    """A CloudTrail that says what it is told to, and the time, which passes only by waiting and by its calls."""

    def __init__(
        self, says: Callable[[str, int], SeenFrom] | None = None, takes: float = 0.0, left: float = 1e9
    ) -> None:
        self.now, self._takes, self._ends = 0.0, takes, left
        self._says = says or (lambda _key, _time: summarize([{}], "eu-west-1", more=False))
        self.calls: list[tuple[str, str, float]] = []
        self.clock = Clock(lambda: self.now, self._wait, lambda: self._ends - self.now)

    def _wait(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def look_up(self, key_id: str, region: str) -> SeenFrom:
        self.calls.append((key_id, region, self.now))
        self.now += self._takes
        return self._says(key_id, [called for called, _, _ in self.calls].count(key_id))


@pytest.mark.parametrize(
    ("takes", "at"), [(0.0, [0, 0.5, 1, 1.5]), (0.2, [0, 0.5, 1, 1.5]), (0.5, [0, 0.5, 1, 1.5]), (2.0, [0, 2, 4, 6])]
)
def test_two_calls_a_second_are_made_at_most_whatever_the_region(takes: float, at: list[float]) -> None:
    cloudtrail = Fake(takes=takes)
    keys = [finding(f"AKIA{number}", region=f"eu-west-{number}") for number in range(1, 5)]

    kept = look_up_keys("scan-1", keys, cloudtrail.look_up, cloudtrail.clock)

    assert [(key_id, region) for key_id, region, _ in cloudtrail.calls] == [
        (f"AKIA{number}", f"eu-west-{number}") for number in range(1, 5)
    ]
    assert [when for _, _, when in cloudtrail.calls] == pytest.approx(at)
    assert (kept["scan_id"], kept["asked"], count_by_status(kept)) == ("scan-1", 4, {"seen": 4})


@pytest.mark.parametrize(
    ("times", "calls", "status"), [(1, ["A", "B", "C", "B"], "seen"), (2, ["A", "B", "C", "B"], "throttled")]
)
def test_a_throttled_key_is_asked_about_once_more_at_the_end(times: int, calls: list[str], status: str) -> None:
    def says(key_id: str, time: int) -> SeenFrom:
        if key_id == "B" and time <= times:
            return without_events("throttled", "Rate exceeded", "eu-west-1")
        return summarize([{}], "eu-west-1", more=False)

    cloudtrail = Fake(says)

    kept = look_up_keys("scan-1", [finding(one) for one in "ABC"], cloudtrail.look_up, cloudtrail.clock)

    assert [key_id for key_id, _, _ in cloudtrail.calls] == calls
    assert kept["keys"]["B"]["status"] == status
    assert kept["asked"] == 3


@pytest.mark.parametrize(("left", "asked"), [(19.9, 0), (20.0, 1), (21.4, 3), (21.5, 4)])
def test_nobody_is_asked_when_the_time_is_over_and_the_rest_says_so(left: float, asked: int) -> None:
    cloudtrail = Fake(left=left)
    keys = [finding(f"AKIA{number}") for number in range(6)]

    kept = look_up_keys("scan-1", keys, cloudtrail.look_up, cloudtrail.clock)

    assert len(cloudtrail.calls) == kept["asked"] == asked
    assert list(kept["keys"]) == ids(keys)
    assert {one["cause"] for one in kept["keys"].values() if one["status"] == "not_asked"} == {
        "the time for asking was over"
    }


def test_a_key_that_was_throttled_stays_throttled_when_the_time_is_over() -> None:
    cloudtrail = Fake(lambda _key, _time: without_events("throttled", "Rate exceeded", "eu-west-1"), left=20.5)

    kept = look_up_keys("scan-1", [finding("A"), finding("B")], cloudtrail.look_up, cloudtrail.clock)

    assert count_by_status(kept) == {"throttled": 2}
    assert len(cloudtrail.calls) == 2


# What the events say.


def event(at: datetime | None = AS_OF, **record: Any) -> dict[str, Any]:
    known = {"eventSource": "s3.amazonaws.com", "eventName": "ListBuckets", "sourceIPAddress": "203.0.113.7"}
    return {"EventTime": at, "CloudTrailEvent": json.dumps({**known, "userAgent": "aws-cli/2.1", **record})}


def test_a_summary_has_the_three_most_frequent_of_each_and_the_first_and_the_last_instant() -> None:
    addresses = ["203.0.113.7"] * 4 + ["203.0.113.9", "203.0.113.8"] * 2 + ["203.0.113.1"]
    events = [event(AS_OF - number * SECOND, sourceIPAddress=address) for number, address in enumerate(addresses)]
    events[0] = event(AS_OF, sourceIPAddress="203.0.113.7", errorCode="AccessDenied", eventName="DeleteBucket")

    seen = summarize(events, "eu-west-1", more=True)

    assert (seen["status"], seen["cause"], seen["region"], seen["events"], seen["more"]) == (
        *("seen", None, "eu-west-1"),
        *(9, True),
    )
    assert (seen["first_at"], seen["last_at"]) == (format_instant(AS_OF - 8 * SECOND), format_instant(AS_OF))
    assert [(one["value"], one["events"]) for one in seen["addresses"]] == [
        ("203.0.113.7", 4),
        ("203.0.113.8", 2),
        ("203.0.113.9", 2),
    ]
    assert seen["actions"] == [{"value": "s3:ListBuckets", "events": 8}, {"value": "s3:DeleteBucket", "events": 1}]
    assert seen["errors"] == [{"value": "AccessDenied", "events": 1}]
    assert [one["events"] for one in seen["user_agents"]] == [9]


ODD_EVENTS = [
    pytest.param({}, id="empty"),
    pytest.param({"CloudTrailEvent": None}, id="null"),
    pytest.param({"CloudTrailEvent": 7}, id="a number"),
    pytest.param({"CloudTrailEvent": ""}, id="blank"),
    pytest.param({"CloudTrailEvent": "{"}, id="no JSON"),
    pytest.param({"CloudTrailEvent": "[1]"}, id="a list"),
    pytest.param({"CloudTrailEvent": "[" * 100_000}, id="nested deeply"),
    pytest.param(
        {"CloudTrailEvent": json.dumps({"sourceIPAddress": {"a": 1}, "userAgent": 3, "eventName": []})}, id="types"
    ),
    pytest.param({"CloudTrailEvent": json.dumps({"sourceIPAddress": " \n", "userAgent": ""})}, id="blank fields"),
]


@pytest.mark.parametrize("odd", ODD_EVENTS)
def test_an_odd_event_counts_and_says_nothing(odd: dict[str, Any]) -> None:
    seen = summarize([odd, event()], "eu-west-1", more=False)

    assert (seen["status"], seen["events"]) == ("seen", 2)
    assert [one["events"] for name in ("addresses", "user_agents", "actions") for one in seen[name]] == [1, 1, 1]
    assert seen["first_at"] == seen["last_at"] == format_instant(AS_OF)


def test_an_event_without_a_record_still_says_its_name_and_service() -> None:
    seen = summarize([{"EventName": "ListBuckets", "EventSource": "s3.amazonaws.com"}], "eu-west-1", more=False)

    assert seen["actions"] == [{"value": "s3:ListBuckets", "events": 1}]
    assert (seen["first_at"], seen["last_at"]) == (None, None)


@pytest.mark.parametrize("field", ["sourceIPAddress", "userAgent", "eventName", "eventSource", "errorCode"])
@pytest.mark.parametrize(
    "text", ["x" * 10_000, "a\x00b\x1b[31m\r\nc", "\u202egnp.exe", "a\u2028b", "\ud800", "é" * 200], ids=ascii
)
def test_every_text_of_an_event_is_a_short_line_of_what_can_be_shown(field: str, text: str) -> None:
    seen = summarize([event(AS_OF, **{field: text})], "eu-west-1", more=False)

    shown = [one["value"] for value in seen.values() if isinstance(value, list) for one in value]
    assert all(value.isprintable() and len(value) <= 161 for value in shown)
    assert json.dumps(seen, ensure_ascii=False).encode()


def test_an_empty_page_is_nothing_only_if_it_is_the_last_one() -> None:
    assert summarize([], "eu-west-1", more=False)["status"] == "nothing"
    assert summarize([], "eu-west-1", more=True)["status"] == "unknown"


def test_a_cause_is_a_short_line() -> None:
    cause = without_events("unknown", "a\nb\x00" + "x" * 1000)["cause"]

    assert cause is not None
    assert cause.startswith("a b x")
    assert len(cause) == 300


# In the report.


def usage(keys: dict[str, SeenFrom]) -> Usage:
    return {"schema_version": 1, "scan_id": "scan-1", "asked": len(keys), "keys": keys}


@pytest.mark.parametrize("answer", [None, {}])
def test_while_it_is_off_nothing_is_set_and_nothing_read(answer: dict[str, Any] | None) -> None:
    made = report(finding())

    join_usage(made, answer, lambda: pytest.fail("read"))

    assert made["findings"][0]["seen_from"] is None


def test_each_finding_gets_its_own_answer_and_an_exempt_key_says_that_it_was_not_asked_about() -> None:
    made = report(finding("A"), finding("B"), finding("C", used=None), exempt=(finding("D", verdict="exempt"),))
    seen = summarize([event()], "eu-west-1", more=False)
    refused = without_events("refused", "no", "eu-west-1")

    join_usage(made, {"kept": True}, lambda: usage({"A": seen, "B": refused}))

    assert [one["seen_from"] and one["seen_from"]["status"] for one in (*made["findings"], *made["exempt"])] == [
        *("seen", "refused", "not_asked"),
        "not_asked",
    ]


def test_the_program_that_uses_a_key_most_tells_what_to_use_instead() -> None:
    by_name = {"use": "a name", "instead": "x", "url": "https://x"}
    made = report(finding("A"), finding("B", leave_keys=by_name), finding("C"))
    agent = "aws-sdk-nodejs/2.1 linux/v16 configure-aws-credentials-for-github-actions"
    answers = {"A": summarize([event(userAgent=agent)], "eu-west-1", more=False)}

    answers["B"] = summarize([event()], "eu-west-1", more=False)
    answers["C"] = summarize([event(), event(), event(userAgent=agent)], "eu-west-1", more=False)

    join_usage(made, {"kept": True}, lambda: usage(answers))

    [by_agent, unchanged, by_another] = [one["leave_keys"] for one in made["findings"]]
    assert by_agent
    assert (by_agent["use"], unchanged, by_another) == ("GitHub Actions", by_name, None)


def damaged() -> Usage:
    raise InvalidEvidenceError("usage.json is damaged")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ({"cause": "look_up_usage failed: Sandbox.Timedout"}, "look_up_usage failed: Sandbox.Timedout"),
        ({"cause": ""}, "the answers of CloudTrail were not kept"),
        ({"kept": True}, "usage.json is damaged"),
    ],
)
def test_where_asking_failed_each_key_to_ask_about_is_unknown_with_the_cause(
    answer: dict[str, Any], cause: str
) -> None:
    made = report(finding("A"), finding("B", used=None))

    join_usage(made, answer, damaged)

    [asked, unused] = [one["seen_from"] for one in made["findings"]]
    assert asked
    assert unused
    assert (asked["status"], asked["cause"]) == ("unknown", cause)
    assert unused["status"] == "not_asked"


def test_a_report_of_a_scan_joins_with_what_was_kept() -> None:
    made = report_of(user("alice", key("AKIAOLD", 200, used=1)), user("bob", key("AKIAEX", 200, used=1), tags=EXEMPT))
    [chosen] = choose_keys(made["findings"], AS_OF)

    join_usage(made, {"kept": True}, lambda: usage({chosen["access_key_id"]: summarize([], "us-east-1", more=False)}))

    assert made["findings"][0]["seen_from"] == without_events("nothing", None, "us-east-1")
    assert made["exempt"][0]["seen_from"] == without_events("not_asked", "the key is exempt")


# In words.


NOTHING = (
    "CloudTrail has no management event of this key in eu-west-1 in the last 90 days: what only reads or writes data,"
    " such as objects in S3, leaves none."
)
MANY = (
    "Seen in eu-west-1 from 203.0.113.7 (41 of the latest 50 events) and 198.51.100.4 (9), by aws-cli/2, doing"
    " s3:ListBuckets,"
    " until 2026-11-22."
)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (None, []),
        (
            summarize([event()] * 41 + [event(sourceIPAddress="198.51.100.4")] * 9, "eu-west-1", more=True),
            [MANY],
        ),
        (
            summarize([event(errorCode="AccessDenied")], "eu-west-1", more=False),
            [
                (
                    "Seen in eu-west-1 from 203.0.113.7 (1 of 1 event), by aws-cli/2, doing s3:ListBuckets,"
                    " until 2026-11-22."
                ),
                "Errors: AccessDenied (1).",
            ],
        ),
        (summarize([{}, {}], "eu-west-1", more=False), ["Seen in eu-west-1 in 2 events."]),
        (
            summarize([], "eu-west-1", more=False),
            [NOTHING],
        ),
        (
            without_events("not_asked", "the key is exempt"),
            ["CloudTrail was not asked who uses this key: the key is exempt."],
        ),
        (
            without_events("throttled", "Rate exceeded.", "eu-west-1"),
            ["CloudTrail in eu-west-1 was asked too often to say who uses this key: Rate exceeded."],
        ),
        (
            without_events("refused", "not authorized", "eu-west-1"),
            ["CloudTrail in eu-west-1 refused to say who uses this key: not authorized."],
        ),
        (without_events("unknown", "it failed"), ["Who uses this key is unknown: it failed."]),
    ],
)
def test_who_uses_a_key_in_words(seen: SeenFrom | None, words: list[str]) -> None:
    assert seen_from_in_words(seen) == words

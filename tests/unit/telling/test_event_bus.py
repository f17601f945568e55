"""Events on their way to EventBridge: what it did not take is sent again, what it refuses is an error that says so."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, NoCredentialsError

from chalicelib.aws import clients, event_bus
from chalicelib.aws.event_bus import EventsRefusedError, EventsUnavailableError
from chalicelib.instants import format_instant, parse_instant
from chalicelib.settings import InvalidSettingError
from chalicelib.steps.events import send_events
from chalicelib.telling import events
from chalicelib.telling_documents import EventEntry
from tests.support.events import BUS
from tests.support.fake_scans import Bucket, refusal
from tests.support.organization_reports import account_id, account_report, joined, listed
from tests.support.reports import before, crowd, key, report_of, user


class Bus:
    """EventBridge: it takes all, but for what the answers to come say."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.meanwhile: Callable[[], object] = lambda: None  # happens during each call
        self.calls: list[list[dict[str, Any]]] = []
        self.taken: list[dict[str, Any]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        self.calls.append(Entries)
        self.meanwhile()
        answer = self.answers.pop(0) if self.answers else {}
        if callable(answer):
            answer = answer(Entries)
        if isinstance(answer, Exception):
            raise answer
        codes = [answer.get(number) for number in range(len(Entries))]
        self.taken += [entry for entry, code in zip(Entries, codes, strict=True) if code is None]
        answers = [{"ErrorCode": code, "ErrorMessage": "no"} if code else {"EventId": "1"} for code in codes]
        return {"FailedEntryCount": sum(code is not None for code in codes), "Entries": answers}


@pytest.fixture
def waits() -> list[float]:
    return []


def put(monkeypatch: pytest.MonkeyPatch, bus: Bus, waits: list[float], number: int = 3) -> None:
    monkeypatch.setattr(clients, "events", lambda: bus)
    event_bus.put_events([entry(str(one)) for one in range(number)], waits.append)


def entry(text: str) -> EventEntry:
    return {"EventBusName": BUS, "Source": "iam-key-age", "DetailType": "A", "Detail": {"number": text}}


def numbers(entries: list[dict[str, Any]]) -> list[str]:
    return [json.loads(one["Detail"])["number"] for one in entries]


def test_a_batch_is_put_at_once_with_details_as_json(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    bus = Bus()

    put(monkeypatch, bus, waits, 1)

    assert bus.taken == [
        {"EventBusName": BUS, "Source": "iam-key-age", "DetailType": "A", "Detail": '{"number":"0"}'},
    ]
    assert waits == [0]


def test_events_that_were_not_taken_are_put_again_and_no_others(
    monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    bus = Bus({1: "ThrottlingException", 2: "InternalFailure"}, {0: "SomethingNew"})

    put(monkeypatch, bus, waits)

    assert [numbers(call) for call in bus.calls] == [["0", "1", "2"], ["1", "2"], ["1"]]
    assert numbers(bus.taken) == ["0", "2", "1"]
    assert [wait <= longest for wait, longest in zip(waits, (0, 1, 2), strict=True)] == [True, True, True]


@pytest.mark.parametrize(
    "error",
    [
        refusal("ThrottlingException", message="Rate exceeded"),
        refusal("InternalException", 500),
        refusal("ServiceUnavailable", 503),
        ConnectTimeoutError(endpoint_url="https://events"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_a_call_that_another_try_may_get_through_is_made_again(
    monkeypatch: pytest.MonkeyPatch, waits: list[float], error: Exception
) -> None:
    bus = Bus(error, error)

    put(monkeypatch, bus, waits)

    assert [len(call) for call in bus.calls] == [3, 3, 3]
    assert numbers(bus.taken) == ["0", "1", "2"]


@pytest.mark.parametrize("answer", [{1: "ThrottlingException", 0: "InternalFailure"}, refusal("ThrottlingException")])
def test_events_that_are_never_taken_end_in_an_error_that_the_state_machine_tries_again(
    monkeypatch: pytest.MonkeyPatch, waits: list[float], answer: Any
) -> None:
    bus = Bus(*[answer] * 9)

    with pytest.raises(
        EventsUnavailableError, match=r"EventBridge did not take \d of 3 events: ThrottlingException: no"
    ):
        put(monkeypatch, bus, waits)

    assert len(bus.calls) == len(waits) == 5


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refusal("AccessDeniedException", message="User: x is not authorized"), "AccessDeniedException: User: x is"),
        (refusal("ValidationException"), "ValidationException: no"),
        (NoCredentialsError(), "NoCredentialsError"),
        ({1: "NotAuthorizedForSourceException"}, "NotAuthorizedForSourceException: no"),
        ({0: "ThrottlingException", 2: "AccessDeniedException"}, "AccessDeniedException: no"),
        ({0: "MalformedDetail"}, "MalformedDetail: no"),
    ],
)
def test_what_is_refused_for_good_is_not_tried_again_and_says_on_which_bus_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, waits: list[float], answer: Any, why: str
) -> None:
    bus = Bus(answer)

    with pytest.raises(EventsRefusedError) as caught:
        put(monkeypatch, bus, waits)

    assert str(caught.value).startswith(f"EventBridge refuses events on the bus {BUS}. {why}")
    assert str(caught.value).endswith("its policy has to allow events:PutEvents; see docs/events.md.")
    assert len(bus.calls) == 1


@pytest.mark.parametrize(("number", "sizes"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_a_call_has_ten_events_at_most(number: int, sizes: list[int]) -> None:
    batches = list(event_bus.batches(entry(str(one)) for one in range(number)))

    assert [len(batch) for batch in batches] == sizes
    assert [one["Detail"]["number"] for batch in batches for one in batch] == [str(one) for one in range(number)]


# The step of the state machines.


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket()
    monkeypatch.setattr(clients, "s3", lambda: bucket)
    monkeypatch.setenv("REPORTS_BUCKET", "reports")
    monkeypatch.setenv("EVENT_BUS", BUS)
    return bucket


def keep(bucket: Bucket, report: Any, folder: str = "") -> None:
    bucket.put_object(Key=f"scans/scan-1/{folder}report.json", Body=json.dumps(report).encode())


def send(monkeypatch: pytest.MonkeyPatch, bus: Bus) -> dict[str, int]:
    monkeypatch.setattr(clients, "events", lambda: bus)
    return send_events({"scan_id": "scan-1"}, wait=lambda _: None)


def test_a_scan_sends_its_changes_and_last_that_it_is_done(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = Bus()
    keep(bucket, report_of(*crowd(12, first_age=100), last=before(user("bob", key("AKIABOB", 120)))))

    assert send(monkeypatch, bus) == {"events": 14}

    kinds = [one["DetailType"] for one in bus.taken]
    assert kinds == ["IAM Access Key Overdue"] * 12 + ["IAM Access Key Resolved", "IAM Access Key Scan Completed"]
    assert [len(call) for call in bus.calls] == [10, 3, 1]
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "scan_id": "scan-1",
        "events": 14,
        "by_type": {
            "IAM Access Key Overdue": 12,
            "IAM Access Key Resolved": 1,
            "IAM Access Key Scan Completed": 1,
        },
    }


def test_a_scan_of_an_organization_sends_the_changes_of_each_account_and_is_done_once(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, data = (account_report(number, user("ann", key("AKIAOLD", 200)), last=[]) for number in (1, 2))
    late = account_report(3, user("ann", key("AKIAOLD", 200)))
    late["changes"]["superseded"] = True  # type: ignore[index]  # a full scan's
    reports = {1: web, 2: data, 3: late}
    keep(bucket, joined([(listed(number), {**report}) for number, report in reports.items()]))
    for number, report in reports.items():
        keep(bucket, report, f"accounts/{account_id(number)}/")
    bus = Bus()

    assert send(monkeypatch, bus) == {"events": 3}

    sent = [(one["DetailType"], json.loads(one["Detail"])["account_id"]) for one in bus.taken]
    assert sent == [
        ("IAM Access Key Overdue", account_id(1)),
        ("IAM Access Key Overdue", account_id(2)),
        ("IAM Access Key Scan Completed", "123456789012"),
    ]


def test_a_scan_that_fails_half_way_sends_the_same_events_when_it_is_tried_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bucket, report_of(*crowd(12, first_age=100), last=before()))
    bus = Bus(*[lambda entries: {0: "InternalFailure"} if len(entries) < 10 else {}] * 6)

    with pytest.raises(EventsUnavailableError):
        send(monkeypatch, bus)
    first = [json.loads(one["Detail"])["event_key"] for one in bus.taken]
    send(monkeypatch, bus)

    again = [json.loads(one["Detail"])["event_key"] for one in bus.taken[len(first) :]]
    assert len(first) == 11
    assert set(first) < set(again)
    assert len(again) == len(set(again)) == 13


def test_four_calls_are_under_way_at_a_time_and_the_last_event_waits_for_them(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bucket, report_of(*crowd(40, first_age=100), last=before()))
    bus, together = Bus(), threading.Barrier(4, timeout=20)
    bus.meanwhile = lambda: together.wait() if len(bus.calls[-1]) == 10 else None  # which fails unless four are there

    assert send(monkeypatch, bus) == {"events": 41}

    assert bus.taken[-1]["DetailType"] == "IAM Access Key Scan Completed"


def test_each_event_that_was_not_taken_is_put_again_also_where_calls_are_under_way_at_a_time(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bucket, report_of(*crowd(95, first_age=100), last=before()))
    before_now = set[str]()

    def refuse_once(entries: list[dict[str, Any]]) -> dict[int, str]:
        new = [number for number, one in enumerate(entries) if number % 3 == 0 and one["Detail"] not in before_now]
        before_now.update(entries[number]["Detail"] for number in new)
        return dict.fromkeys(new, "ThrottlingException")

    bus = Bus(*[refuse_once] * 99)

    assert send(monkeypatch, bus) == {"events": 96}

    keys = [json.loads(one["Detail"])["event_key"] for one in bus.taken]
    assert len(keys) == len(set(keys)) == 96


@pytest.mark.parametrize(("days", "number"), [(-1, 2), (0, 2), (1, 1)], ids=["earlier", "itself", "later"])
@pytest.mark.parametrize("of", ["account", "organization"])
def test_of_a_scan_that_is_redriven_after_a_later_one_it_is_sent_that_it_is_done_alone(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, of: str, days: int, number: int
) -> None:
    report = account_report(1, user("ann", key("AKIAOLD", 200)), last=[])
    keep(bucket, joined([(listed(1), {**report})]) if of == "organization" else report)
    keep(bucket, report, f"accounts/{account_id(1)}/")
    pointer = {"scan_id": "another", "as_of": format_instant(parse_instant(report["as_of"]) + timedelta(days))}
    folder = "organization/" if of == "organization" else ""
    bucket.put_object(Key=f"{folder}latest.json", Body=json.dumps(pointer).encode())
    bus = Bus()

    assert send(monkeypatch, bus) == {"events": number}
    assert bus.taken[-1]["DetailType"] == "IAM Access Key Scan Completed"


def test_without_an_event_bus_there_is_nothing_to_send_to(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENT_BUS")

    with pytest.raises(InvalidSettingError, match="EVENT_BUS: "):
        send(monkeypatch, Bus())

    assert bucket.objects == {}


def test_ten_of_the_longest_events_are_far_below_what_a_call_may_have() -> None:
    longest = report_of(user("=,+@" * 16, key("AKIA" + "X" * 16, 9_999), tags={"owner": "𝒪" * 256}), last=None)

    [one] = events.changes_of(longest, BUS)

    assert len(json.dumps([one] * 10).encode()) < 256 * 1024

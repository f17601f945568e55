"""Scans in a row, whose findings go into a Security Hub: moto's, with what AWS refuses refused."""

import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectTimeoutError

from chalicelib.aws import clients, sent_findings
from chalicelib.aws.account_reports import ScannedAccount
from chalicelib.aws.errors import EvidenceUnavailableError, SecurityHubUnavailableError
from chalicelib.aws.security_hub import FindingsRefusedError, SecurityHubNotEnabledError
from chalicelib.documents import InvalidEvidenceError
from chalicelib.steps import findings as step
from chalicelib.steps.findings import accounts_at_a_time
from tests.support.fake_scans import refusal
from tests.support.reports import key, unchecked, user
from tests.support.security_hub import OWN, REGION, LocalHub, Stage

_make_client: Any = clients.security_hub.__wrapped__
FAILED, WARNING, PASSED = (("FAILED", "ACTIVE"), ("WARNING", "ACTIVE"), ("PASSED", "ACTIVE"))
ARCHIVED = ("FAILED", "ARCHIVED")
WEB, DATA = "111122223333", "444455556666"
EXEMPT = {"iam-key-age:exempt-until": "2027-03-01", "iam-key-age:exempt-reason": "CHG-1"}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def alice(*keys: Any, name: str = "alice", **more: Any) -> dict[str, Any]:
    return user(name, *keys or [key("AKIAALICE", 200, used=30)], **more)


def with_keys(number: int, age: float = 200) -> list[dict[str, Any]]:
    return [user(f"user{one}", key(f"AKIA{one:04}", age, used=1)) for one in range(number)]


def test_ten_scans_in_a_row_over_an_account_that_changes(stage: Stage) -> None:
    vault, due = user("vault", key("AKIAVAULT", 300), tags=EXEMPT), user("dan", key("AKIADAN", 84, used=1))
    bob, bob_inactive = user("bob", key("AKIABOB", 150)), user("bob", key("AKIABOB", 150, "Inactive"))
    fresh = user("eve", key("AKIAEVE", 1))
    scans: list[tuple[list[Any], int, dict[str, tuple[str, str]]]] = [  # outcomes, how many are sent, what changes
        (
            [alice(), bob, vault, due, fresh],
            4,
            {"AKIAALICE": FAILED, "AKIABOB": FAILED, "AKIAVAULT": PASSED, "AKIADAN": WARNING},
        ),
        ([alice(), bob, vault, due, fresh], 0, {}),
        ([alice(name="alice.b"), unchecked("bob"), vault, due, fresh], 1, {}),
        ([alice(name="alice.b"), unchecked("bob"), unchecked("vault"), due, fresh], 0, {}),
        ([alice(name="alice.b"), bob_inactive, vault, due, fresh], 1, {"AKIABOB": PASSED}),
        ([bob_inactive, vault, unchecked("dan"), fresh], 0, {}),
        ([bob_inactive, vault, due, fresh], 2, {"AKIAALICE": ARCHIVED, "AKIADAN": FAILED}),
        ([user("bob"), vault, due, fresh], 1, {"AKIABOB": ("PASSED", "ARCHIVED")}),
        ([bob, vault, user("dan", key("AKIADAN2", 1)), fresh], 2, {"AKIABOB": FAILED, "AKIADAN": ARCHIVED}),
        ([bob, alice(), vault, fresh], 2, {"AKIAALICE": FAILED}),  # the vault's weekly one is sent, too
    ]
    expected: dict[str, tuple[str, str]] = {}
    for outcomes, number, changes in scans:
        counts = stage.scan(*outcomes)

        expected |= changes
        assert counts == {"accounts": 1, "sent": number}
        assert stage.hub.states() == expected
    assert "AKIAEVE" not in stage.sent()
    assert stage.sent().keys() == {key_id for key_id, (_, state) in expected.items() if state == "ACTIVE"}
    assert {one["Id"] for one in stage.hub.findings.values()} == {f"iam-key-age/{OWN}/{key_id}" for key_id in expected}


def test_all_is_sent_again_weekly_and_nothing_in_between(stage: Stage) -> None:
    sent = [stage.scan(*with_keys(3))["sent"] for _ in range(40)]

    first, *again = [day for day, number in enumerate(sent) if number]
    assert {*sent} == {0, 3}
    assert 7 <= again[0] - first <= 13  # the account's day of the week
    assert [later - earlier for earlier, later in itertools.pairwise(again)] == [7] * (len(again) - 1)
    assert {one["CreatedAt"] for one in stage.hub.findings.values()} == {"2026-11-23T08:00:00Z"}


def test_no_call_has_more_than_100_findings(stage: Stage) -> None:
    stage.scan(*with_keys(205))

    assert [len(ids) for ids in stage.hub.calls] == [100, 100, 5]


def test_each_account_is_sent_again_on_a_day_of_its_own(stage: Stage) -> None:
    accounts = [f"11112222{number:04}" for number in range(14)]
    days = []
    for _ in range(15):
        stage.keep_organization({one: [alice()] for one in accounts})
        days.append(stage.send()["sent"])

    assert days == [14, *[0] * 6, *[2] * 7, days[7]]


def test_what_the_customer_says_of_a_finding_stays(stage: Stage) -> None:
    stage.scan(alice())
    stage.hub.findings["AKIAALICE"]["Workflow"] = {"Status": "SUPPRESSED"}
    stage.hub.findings["AKIAALICE"]["Note"] = {"Text": "known"}
    stage.scan(alice(key("AKIAALICE", 200, "Inactive")))

    finding = stage.hub.findings["AKIAALICE"]

    assert (finding["Workflow"], finding["Note"]) == ({"Status": "SUPPRESSED"}, {"Text": "known"})
    assert finding["Compliance"]["Status"] == "PASSED"


def refuses(*key_ids: str, code: str = "InvalidInput") -> Any:
    def fails(ids: Iterable[str]) -> Iterator[dict[str, str]]:
        for one in ids:
            if one.rpartition("/")[2] in key_ids:
                yield {"Id": one, "ErrorCode": code, "ErrorMessage": f"Finding of {key_ids[0]} is odd"}

    return fails


def test_findings_that_are_refused_are_counted_and_sent_by_the_next_scan(stage: Stage) -> None:
    stage.scan(alice(), *with_keys(2))
    stage.hub.fails = refuses("AKIAALICE", "AKIA0001", "AKIA0002")

    with pytest.raises(FindingsRefusedError) as raised:
        stage.scan(alice(key("AKIAALICE", 200, "Inactive")), *with_keys(3))
    stage.hub.fails = lambda _: ()
    counts = stage.scan(alice(key("AKIAALICE", 200, "Inactive")), *with_keys(3))

    assert str(raised.value) == (
        "Security Hub refused 2 findings, the first for InvalidInput: Finding of (not shown) is odd"
    )
    assert counts["sent"] == 2
    assert stage.hub.states() == {"AKIAALICE": PASSED, "AKIA0000": FAILED, "AKIA0001": FAILED, "AKIA0002": FAILED}


def test_a_deleted_key_whose_finding_is_refused_is_archived_by_the_next_scan(stage: Stage) -> None:
    stage.scan(alice())
    stage.hub.fails = refuses("AKIAALICE")
    with pytest.raises(FindingsRefusedError):
        stage.scan()
    stage.hub.fails = lambda _: ()

    assert stage.scan()["sent"] == 1
    assert stage.hub.states() == {"AKIAALICE": ARCHIVED}


def test_security_hub_that_is_not_enabled_is_named_with_its_region_and_gets_all_once_it_is(stage: Stage) -> None:
    stage.hub.backend.enabled = False
    with pytest.raises(SecurityHubNotEnabledError, match=f"Security Hub is not enabled in {REGION}: enable"):
        stage.scan(alice())
    stage.hub.backend.enabled = True

    assert stage.scan(alice())["sent"] == 1


def test_security_hub_that_says_so_of_each_finding_is_not_enabled_either(stage: Stage) -> None:
    stage.hub.fails = refuses("AKIAALICE", code="InvalidAccess")

    with pytest.raises(SecurityHubNotEnabledError):
        stage.scan(alice())


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (refusal("TooManyRequestsException", 429), SecurityHubUnavailableError),
        (refusal("LimitExceededException", 429), SecurityHubUnavailableError),
        (refusal("InternalException", 500), SecurityHubUnavailableError),
        (ConnectTimeoutError(endpoint_url="https://securityhub"), SecurityHubUnavailableError),
        (refusal("AccessDeniedException", 403), FindingsRefusedError),
        (refusal("InvalidInputException", 400), FindingsRefusedError),
    ],
    ids=["too many", "limit", "internal", "no answer", "denied", "invalid"],
)
def test_what_another_try_may_not_meet_is_tried_again_by_the_state_machine(
    stage: Stage, error: Exception, raised: type[Exception]
) -> None:
    def fail(_: Any) -> Any:
        raise error

    stage.hub.fails = fail

    with pytest.raises(raised):
        stage.scan(alice())
    stage.hub.fails = lambda _: ()
    assert stage.send() == {"accounts": 1, "sent": 1}


def test_a_throttled_call_is_made_again_after_waits(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, waits = _real_client(monkeypatch), list[float]()
    answers = iter([429, 429, 200])

    def answer(request: Any, **_: Any) -> AWSResponse:
        status = next(answers)
        body = {"FailedCount": 0, "SuccessCount": 1, "FailedFindings": []} if status == 200 else {}
        headers = HTTPHeaders()
        headers["x-amzn-errortype"] = "" if status == 200 else "TooManyRequestsException"
        raw = SimpleNamespace(stream=lambda: iter([json.dumps(body).encode()]))
        return AWSResponse(request.url, status, headers, raw)

    hub.meta.events.register("before-send.securityhub.BatchImportFindings", answer)
    monkeypatch.setattr(botocore.endpoint.time, "sleep", waits.append)  # type: ignore[attr-defined]  # what it imports

    assert stage.scan(alice()) == {"accounts": 1, "sent": 1}
    assert len(waits) == 2


def _real_client(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {"ACCESS_KEY_ID": "AKIAX", "SECRET_ACCESS_KEY": "y", "DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    client = _make_client()
    monkeypatch.setattr(clients, "security_hub", lambda: client)
    return client


def crash(monkeypatch: pytest.MonkeyPatch, in_write: int) -> Any:
    """Let S3 fail from this write of what Security Hub has on."""
    save, writes = sent_findings.save, []

    def fail(*what: Any) -> str | None:
        writes.append(what)
        if len(writes) >= in_write:
            raise EvidenceUnavailableError("S3 is slow")
        return save(*what)

    monkeypatch.setattr(sent_findings, "save", fail)


def test_a_crash_after_the_findings_were_sent_sends_them_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        crash(patch, in_write=2)
        with pytest.raises(EvidenceUnavailableError):
            stage.scan(alice())

    assert stage.hub.states() == {"AKIAALICE": FAILED}
    assert stage.send() == {"accounts": 1, "sent": 1}
    assert stage.send() == {"accounts": 1, "sent": 0}


def test_a_crash_before_the_findings_were_sent_sends_none(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    crash(monkeypatch, in_write=1)

    with pytest.raises(EvidenceUnavailableError):
        stage.scan(alice())
    assert stage.hub.calls == []


def test_a_key_that_was_sent_before_a_crash_is_not_forgotten_if_it_is_gone_by_then(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        crash(patch, in_write=2)
        with pytest.raises(EvidenceUnavailableError):
            stage.scan(alice())

    stage.scan(user("alice"))

    assert stage.hub.states() == {"AKIAALICE": ARCHIVED}


@pytest.mark.parametrize("found_before", [True, False])
def test_two_scans_at_once_leave_what_the_later_one_saw(stage: Stage, found_before: bool) -> None:
    if found_before:
        stage.scan(alice())
    stage.keep(alice(key("AKIAALICE", 200, used=1), key("AKIAOTHER", 200, used=1)))
    earlier = stage.scan_id
    stage.keep(alice(key("AKIAALICE", 200, "Inactive")))

    def send_the_later_first(_: Any) -> Iterator[dict[str, str]]:
        stage.hub.fails = lambda _: ()
        stage.send()
        return iter(())

    stage.hub.fails = send_the_later_first
    stage.send(earlier)
    stage.scan(alice(key("AKIAALICE", 200, "Inactive")))

    assert stage.hub.states() == {"AKIAALICE": PASSED, "AKIAOTHER": ARCHIVED}
    assert stage.sent().keys() == {"AKIAALICE"}


def test_a_scan_that_loses_the_file_to_others_time_and_again_is_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_findings, "save", lambda *_: None)

    with pytest.raises(EvidenceUnavailableError):
        stage.scan(alice())


def test_a_scan_that_is_redriven_after_a_later_one_sends_nothing(stage: Stage) -> None:
    stage.scan(alice())
    first = stage.scan_id
    stage.scan(alice(key("AKIAALICE", 200, "Inactive")))

    assert stage.send(first)["sent"] == 0
    assert stage.hub.states() == {"AKIAALICE": PASSED}


@pytest.mark.parametrize(
    "damage",
    [b"", b"[]", b"{", b'{"schema_version": 1, "account_id": "123456789012", "keys": {"AKIAALICE": {}}}', b"[" * 9999],
)
def test_of_a_damaged_file_all_is_sent_again(stage: Stage, damage: bytes) -> None:
    stage.scan(alice())
    stage.bucket._write(f"security-hub/{OWN}.json", damage)

    assert stage.scan(alice())["sent"] == 1
    assert stage.sent().keys() == {"AKIAALICE"}


@pytest.mark.parametrize("policy", [{"max_age_days": 30}, {"users": ("alice",)}])
def test_a_scan_by_another_policy_than_the_stages_sends_nothing(stage: Stage, policy: dict[str, Any]) -> None:
    assert stage.scan(alice(), **policy) == {"accounts": 0, "sent": 0}
    assert stage.hub.calls == []


def test_a_page_that_is_missing_makes_no_key_gone(stage: Stage) -> None:
    stage.scan(*with_keys(5))
    stage.keep(*with_keys(5))
    del stage.bucket.objects[f"scans/{stage.scan_id}/pages/0003.json"]

    with pytest.raises(InvalidEvidenceError, match="1 accounts"):
        stage.send()
    assert set(stage.hub.states().values()) == {FAILED}


def test_an_organization_is_sent_account_by_account_and_what_was_not_checked_stays(stage: Stage) -> None:
    stage.keep_organization({WEB: [alice()], DATA: [user("bob", key("AKIABOB", 200))]})
    first = stage.send()
    stage.keep_organization({WEB: "AccessDenied", DATA: [user("bob")]})
    second = stage.send()
    stage.keep_organization({DATA: []})
    third = stage.send()

    assert [one["sent"] for one in (first, second, third)] == [2, 1, 0]
    assert stage.hub.states() == {"AKIAALICE": FAILED, "AKIABOB": ARCHIVED}
    assert stage.hub.findings["AKIAALICE"]["AwsAccountId"] == OWN
    assert stage.hub.findings["AKIAALICE"]["ProductFields"]["iam-key-age/account-id"] == WEB
    assert stage.hub.findings["AKIAALICE"]["ProductFields"]["iam-key-age/account-name"] == "team-1"
    assert stage.sent(WEB).keys() == {"AKIAALICE"}


@pytest.mark.parametrize("name", ["report.json", "pages/0001.json"])
def test_an_account_whose_files_are_damaged_does_not_keep_the_others_from_it(stage: Stage, name: str) -> None:
    stage.keep_organization({WEB: [alice()], DATA: [user("bob", key("AKIABOB", 200))]})
    stage.bucket._write(f"scans/{stage.scan_id}/accounts/{WEB}/{name}", b"{}")

    with pytest.raises(InvalidEvidenceError, match="1 accounts"):
        stage.send()
    assert stage.hub.states() == {"AKIABOB": FAILED}


def test_a_call_that_is_refused_does_not_keep_other_accounts_from_it(stage: Stage) -> None:
    def refuse_alices(ids: Iterable[str]) -> Iterator[dict[str, str]]:
        if any("ALICE" in one for one in ids):
            raise refusal("InvalidInputException", message="AKIAALICE is odd")
        return iter(())

    stage.keep_organization({WEB: [alice()], DATA: [user("bob", key("AKIABOB", 200))]})
    stage.hub.fails = refuse_alices

    with pytest.raises(
        FindingsRefusedError, match=r"1 findings, the first for InvalidInputException: \(not shown\) is"
    ):
        stage.send()
    assert stage.hub.states() == {"AKIABOB": FAILED}
    stage.hub.fails = lambda _: ()
    assert stage.send()["sent"] == 1


def test_where_no_call_is_allowed_no_other_account_is_tried(stage: Stage) -> None:
    def deny(_: Any) -> Any:
        raise refusal("AccessDeniedException", 403)

    stage.keep_organization({f"1111222233{number:02}": [alice()] for number in range(20)})
    stage.hub.fails = deny

    with pytest.raises(FindingsRefusedError, match="Security Hub took none: AccessDeniedException"):
        stage.send()
    assert len(stage.hub.calls) <= 8


def test_accounts_are_sent_several_at_a_time(stage: Stage) -> None:
    together = threading.Barrier(8, timeout=20)
    stage.keep_organization({f"1111222233{number:02}": [alice()] for number in range(8)})

    def meet(_: Any) -> Iterator[dict[str, str]]:
        together.wait()  # which fails unless all eight are there
        return iter(())

    stage.hub.fails = meet

    assert stage.send() == {"accounts": 8, "sent": 8}


def account(users: int) -> ScannedAccount:
    return ScannedAccount(None, None, users)


@pytest.mark.parametrize(
    ("users", "at_a_time"),
    [
        ([], []),
        ([9000], [[9000]]),
        ([1] * 9, [[1] * 8, [1]]),
        ([2500, 2500, 1], [[2500, 2500], [1]]),
        ([1, 5000, 1], [[1], [5000], [1]]),
    ],
)
def test_no_more_accounts_are_sent_at_a_time_than_fit_into_memory(users: list[int], at_a_time: list[list[int]]) -> None:
    found = [[one.users for one in some] for some in accounts_at_a_time(account(number) for number in users)]

    assert found == at_a_time


def test_what_there_was_no_time_for_is_sent_when_the_function_is_called_again(stage: Stage) -> None:
    stage.keep_organization({f"1111222233{number:02}": [alice()] for number in range(20)})
    left = iter([900, 60, 59])

    with pytest.raises(SecurityHubUnavailableError, match="after 16 of 20 accounts; another try goes on"):
        stage.send(seconds_left=lambda: next(left))

    assert stage.send() == {"accounts": 20, "sent": 4}
    assert len(stage.hub.findings) == 1  # by the id of the key, which is the same in each account


def test_a_mistake_of_our_own_is_no_damaged_file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: dict[str, int] = {}
    monkeypatch.setattr(step, "choose_findings", lambda *_: nothing["mistake"])

    with pytest.raises(KeyError, match="mistake"):
        stage.scan(alice())


@pytest.mark.parametrize(
    ("hours", "counts"), [(25, {"accounts": 1, "sent": 1}), (26, {"accounts": 0, "sent": 0, "late": 1})]
)
def test_a_scan_that_is_redriven_late_is_passed_over_and_says_so(
    stage: Stage, hours: int, counts: dict[str, int]
) -> None:
    stage.keep(alice())

    assert stage.send(after=timedelta(hours=hours)) == counts
    assert bool(stage.hub.calls) is bool(counts["sent"])


def test_an_account_of_which_a_later_report_is_on_record_is_passed_over(stage: Stage) -> None:
    stage.keep_organization({WEB: [alice()]}, days=1)
    stage.keep_organization({WEB: [user("alice")]}, days=-0.5)

    assert stage.send() == {"accounts": 1, "sent": 0}


def test_findings_of_another_account_would_be_denied(stage: Stage) -> None:
    stage.hub = LocalHub(account_id=WEB)

    with pytest.raises(FindingsRefusedError, match="AccessDeniedException"):
        stage.scan(alice())

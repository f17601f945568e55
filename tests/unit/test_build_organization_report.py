"""The function build_organization_report, with S3 in memory: what it reads, keeps, writes and returns."""

import csv
import io
import json
from typing import Any

import pytest

import app
from chalicelib.aws import clients, organization_outcomes
from chalicelib.aws.errors import EvidenceUnavailableError
from chalicelib.documents import InvalidEvidenceError, TooManyChildrenFailedError
from chalicelib.organization_documents import OrganizationReport
from chalicelib.report.organization import NO_ACCOUNT_OUTCOME
from chalicelib.settings import InvalidSettingError
from tests.support.fake_scans import Bucket, refusal
from tests.support.organization_reports import (
    OWN,
    REFUSED,
    account_id,
    account_report,
    baselines,
    list_of,
    listed,
    scan_of,
    suspended,
)
from tests.support.reports import key, unchecked, user

SCAN: dict[str, Any] = {
    "scan_id": "scan-1",
    "execution_arn": f"arn:aws:states:eu-central-1:{OWN}:execution:iam-key-age-prod-organization:scan-1",
    "started_at": "2026-11-22T08:00:00.000Z",
    "policy": scan_of().policy,
}
OLD = user("alice", key("AKIAOLD", 200, used=1))


class Reports(Bucket):
    """The bucket of a scan whose accounts have ended."""

    def keep_scan(self, *accounts: Any, **more: Any) -> None:
        self.keep("scans/scan-1/accounts.json", list_of(*accounts, **more))

    def keep_report(self, number: int, *outcomes: Any, **more: Any) -> None:
        self.keep(f"scans/scan-1/accounts/{account_id(number)}/report.json", account_report(number, *outcomes, **more))

    def keep_cause(self, number: int, cause: str) -> None:
        self.keep(
            f"scans/scan-1/unchecked/{account_id(number)}.json", {"account_id": account_id(number), "cause": cause}
        )

    def keep_baselines(self, *numbers: int, scan_id: str = "scan-0", as_of: str = "2026-11-21T08:00:00Z") -> None:
        self.keep("organization/latest.json", {"scan_id": scan_id})
        self.keep(f"scans/{scan_id}/baselines.json", baselines(*numbers, scan_id=scan_id, as_of=as_of))

    def kept(self, name: str) -> Any:
        return json.loads(self.objects[f"scans/scan-1/{name}"])


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Reports:
    bucket = Reports()
    monkeypatch.setattr(clients, "s3", lambda: bucket)
    monkeypatch.setenv("REPORTS_BUCKET", "reports")
    monkeypatch.setenv("STAGE", "prod")
    return bucket


def built(**policy: Any) -> dict[str, Any]:
    return app.build_organization_report({"scan": {**SCAN, "policy": {**SCAN["policy"], **policy}}}, None)  # type: ignore[no-any-return]


def causes(report: OrganizationReport) -> dict[str, str | None]:
    return {row["account_id"]: row["cause"] for row in report["accounts"] if row["outcome"] == "unchecked"}


def test_the_accounts_are_joined_and_the_report_is_kept_in_all_formats_the_json_last(bucket: Reports) -> None:
    bucket.keep_scan(listed(1), listed(2), suspended(3))
    bucket.keep_report(1, OLD)
    bucket.keep_cause(2, REFUSED)
    before = len(bucket.objects)

    answer = built()

    assert list(bucket.objects)[before:] == [
        *(f"scans/scan-1/report.{kind}" for kind in ("csv", "html", "json")),
        "scans/scan-1/baselines.json",
    ]
    report = bucket.kept("report.json")
    assert report["coverage"] | {"accounts_excluded": 0} == {
        "accounts_listed": 3,
        "accounts_scanned": 1,
        "accounts_unchecked": 1,
        "accounts_not_active": 1,
        "accounts_incomplete": 0,
        "accounts_excluded": 0,
    }
    assert (report["account_id"], report["as_of"]) == (OWN, "2026-11-22T08:00:00Z")
    assert answer["summary"]["reports"]["html"] == "s3://reports/scans/scan-1/report.html"
    assert report["accounts"][1]["reports"]["html"] == (
        f"s3://reports/scans/scan-1/accounts/{account_id(1)}/report.html"
    )
    assert answer["notify"] is True
    assert answer["subject"] == "1 overdue access key in 1 account - INCOMPLETE: 1 account unchecked"
    assert b"member-1" in bucket.objects["scans/scan-1/report.html"]
    rows = list(csv.DictReader(io.StringIO(bucket.objects["scans/scan-1/report.csv"].decode("utf-8-sig"))))
    assert [row["verdict"] for row in rows] == ["expired", "account_unchecked", "account_not_active"]


def test_the_function_prints_its_metrics_on_a_line_alone_without_any_account(
    bucket: Reports, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.keep_scan(listed(1, "payments"))
    bucket.keep_report(1, OLD)

    built()

    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["AccountsScanned"] == 1
    assert account_id(1) not in line
    assert "payments" not in line


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (b"{", "its report is damaged"),
        (b"[]", "its report is damaged"),
        (b'"text"', "its report is damaged"),
        (b"\xff\xfe", "its report is damaged"),
        (b"[" * 200_000, "its report is damaged"),
        (b"{}", "its report is of another schema_version"),
        (json.dumps(account_report(2, OLD)).encode(), "its report is of another account_id"),
        (json.dumps(account_report(1, OLD, scan_id="scan-0")).encode(), "its report is of another scan_id"),
        (None, NO_ACCOUNT_OUTCOME),
    ],
)
def test_an_account_whose_report_is_no_report_of_it_is_unchecked(
    bucket: Reports, damage: bytes | None, cause: str
) -> None:
    numbers = range(1, 6)
    bucket.keep_scan(*(listed(number) for number in numbers))
    for number in numbers[1:]:
        bucket.keep_report(number)
    if damage is not None:
        bucket.put_object(Key=f"scans/scan-1/accounts/{account_id(1)}/report.json", Body=damage)

    answer = built()

    assert causes(bucket.kept("report.json")) == {account_id(1): cause}
    assert answer["summary"]["complete"] is False


@pytest.mark.parametrize("kept", [{}, [], {"cause": None}, {"cause": ""}, "no", 0])
def test_an_account_whose_cause_is_damaged_is_unchecked(bucket: Reports, kept: Any) -> None:
    bucket.keep_scan(listed(1), listed(2))
    bucket.keep_report(1, OLD)
    bucket.keep(f"scans/scan-1/unchecked/{account_id(2)}.json", kept)

    built()

    cause = "it could not be scanned, and the record of why is damaged"
    assert causes(bucket.kept("report.json")) == {account_id(2): cause}


def test_an_account_that_has_a_report_is_scanned_though_an_attempt_failed(bucket: Reports) -> None:
    bucket.keep_scan(listed(1))
    bucket.keep_report(1, OLD)
    bucket.keep_cause(1, "the function timed out")

    built()

    assert causes(bucket.kept("report.json")) == {}


@pytest.mark.parametrize("report", [{**account_report(1, OLD), "started_at": "2026-08-20T08:00:00Z"}, [], {"a": 1}])
def test_why_an_account_has_no_report_is_worth_more_than_one_of_an_earlier_scan_of_this_id(
    bucket: Reports, report: Any
) -> None:
    bucket.keep_scan(listed(1), listed(2))
    bucket.keep(f"scans/scan-1/accounts/{account_id(1)}/report.json", report)
    bucket.keep_cause(1, REFUSED)
    bucket.keep_report(2, OLD)

    built()

    assert causes(bucket.kept("report.json")) == {account_id(1): REFUSED}


_WHOLE: Any = account_report(1, OLD, user("web", key("AKIAWEB", 95)), unchecked("bob"))


@pytest.mark.parametrize("field", list(_WHOLE))
def test_a_report_that_lacks_a_field_is_unchecked_and_leaves_nothing_of_itself(bucket: Reports, field: str) -> None:
    bucket.keep_scan(listed(1), listed(2))
    without = {name: part for name, part in _WHOLE.items() if name != field}
    bucket.keep(f"scans/scan-1/accounts/{account_id(1)}/report.json", without)
    bucket.keep_report(2)

    built()

    report = bucket.kept("report.json")
    assert causes(report).keys() == {account_id(1)}
    assert (report["totals"]["expired"], report["findings"]) == (0, [])
    assert b"AKIAOLD" not in bucket.objects["scans/scan-1/report.csv"]


@pytest.mark.parametrize(
    "damage",
    [
        {"findings": []},
        {"findings": _WHOLE["findings"] * 2},
        {"findings": [{**_WHOLE["findings"][0], "created_at": "once"}, _WHOLE["findings"][1]]},
        {"findings": [{**_WHOLE["findings"][0], "severity": "dire"}, _WHOLE["findings"][1]]},
        {"findings": [{"access_key_id": "AKIAOLD"}, _WHOLE["findings"][1]]},
        {"totals": {**_WHOLE["totals"], "expired": "2"}},
        {"totals": {}},
        {"coverage": {}},
        {"root": {}},
        {"quarantined": [None]},
        {"changes": {"new": []}},
        {"unchecked": None},
        {"two_active_keys": 3},
    ],
)
def test_a_report_whose_findings_or_counts_are_damaged_is_unchecked(bucket: Reports, damage: dict[str, Any]) -> None:
    bucket.keep_scan(listed(1), listed(2))
    bucket.keep(f"scans/scan-1/accounts/{account_id(1)}/report.json", {**_WHOLE, **damage})
    bucket.keep_report(2)

    built()

    report = bucket.kept("report.json")
    assert causes(report) == {account_id(1): "its report is damaged"}
    assert (report["totals"]["expired"], report["findings"]) == (0, [])
    assert b"AKIAOLD" not in bucket.objects["scans/scan-1/report.csv"]


def test_too_many_accounts_without_an_outcome_fail_the_scan_and_leave_no_report(bucket: Reports) -> None:
    bucket.keep_scan(listed(1), listed(2))
    bucket.keep_report(1, OLD)

    with pytest.raises(TooManyChildrenFailedError):
        built()

    assert "scans/scan-1/report.json" not in bucket.objects


def test_without_the_list_of_accounts_the_scan_fails(bucket: Reports) -> None:  # noqa: ARG001  # it has to be there
    with pytest.raises(InvalidEvidenceError, match=r"accounts\.json of scan scan-1 is not there"):
        built()


def test_s3_that_does_not_answer_is_asked_again_by_the_state_machine(
    bucket: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.keep_scan(*(listed(number) for number in range(1, 30)))
    answer = bucket.get_object

    def refuse(*, Key: str, **more: Any) -> Any:  # noqa: N803  # as boto3 has it
        if account_id(7) in Key:
            raise refusal("SlowDown", 503)
        return answer(Key=Key, **more)

    monkeypatch.setattr(bucket, "get_object", refuse)

    with pytest.raises(EvidenceUnavailableError):
        built()


def test_a_bad_setting_fails_before_any_report(bucket: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.keep_scan(listed(1))
    monkeypatch.setenv("NOTIFY_ON", "never")

    with pytest.raises(InvalidSettingError, match="NOTIFY_ON"):
        built()

    assert list(bucket.objects) == ["scans/scan-1/accounts.json"]


def test_the_next_scan_compares_each_account_with_its_last_report(bucket: Reports) -> None:
    last = {"scan_id": "scan-0", "as_of": "2026-11-21T08:00:00Z"}
    bucket.keep_scan(listed(1), listed(2), last_scan=last)
    bucket.keep_baselines(1, 2)
    bucket.keep_report(1, OLD, last=[user("alice")])
    bucket.keep_cause(2, REFUSED)

    answer = built()

    assert bucket.kept("baselines.json")["accounts"] == {account_id(1): "scan-1", account_id(2): "scan-0"}
    assert answer["latest"] == {
        "Bucket": "reports",
        "Key": "organization/latest.json",
        "Body": {
            "schema_version": 1,
            "scan_id": "scan-1",
            "as_of": "2026-11-22T08:00:00Z",
            "reports": answer["summary"]["reports"],
        },
        "ContentType": "application/json",
    }
    assert answer["summary"]["changes"]["since"] == last


def test_a_later_scan_on_record_stays_the_one_that_is_compared_with(bucket: Reports) -> None:
    bucket.keep_scan(listed(1))
    bucket.keep_baselines(1, scan_id="scan-2", as_of="2026-11-22T09:00:00Z")
    bucket.keep_report(1, OLD)

    answer = built()

    assert answer["latest"] == {}
    assert bucket.kept("report.json")["changes"]["superseded"] is True


@pytest.mark.parametrize("latest", [b"{", b'{"scan_id": "../x"}', b'{"scan_id": "scan-9"}', b"[]"])
def test_damaged_baselines_are_replaced(bucket: Reports, latest: bytes) -> None:
    bucket.keep_scan(listed(1))
    bucket.put_object(Key="organization/latest.json", Body=latest)
    bucket.keep_report(1, OLD)

    answer = built()

    assert answer["latest"]["Body"]["scan_id"] == "scan-1"
    assert bucket.kept("baselines.json")["accounts"] == {account_id(1): "scan-1"}


@pytest.mark.parametrize("policy", [{"users": ["alice"]}, {"as_of": "2026-11-22T08:00:00Z"}])
def test_a_scan_of_named_users_or_of_another_instant_becomes_no_baseline(
    bucket: Reports, policy: dict[str, Any]
) -> None:
    bucket.keep_scan(listed(1))
    bucket.keep_report(1, OLD)
    path = f"scans/scan-1/accounts/{account_id(1)}/report.json"
    bucket.keep(path, {**json.loads(bucket.objects[path]), "policy": {**SCAN["policy"], **policy}, "changes": None})

    answer = built(**policy)

    assert answer["latest"] == {}
    assert bucket.kept("report.json")["scan_kind"] == "accounts"


def test_reports_are_read_a_few_ahead_and_no_more(bucket: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = range(1, 21)
    accounts = list_of(*(listed(number) for number in numbers), suspended(30))
    read: list[str] = []
    monkeypatch.setattr(organization_outcomes, "_load", lambda _, account: read.append(account))

    ahead = [len(read) - passed for passed, _ in enumerate(organization_outcomes.load_outcomes(scan_of(), accounts))]

    assert len(read) == 20
    assert max(ahead) <= 4
    assert not bucket.objects


@pytest.mark.parametrize(
    "setting", [("REMIND_DAYS", "0"), ("REMIND_DAYS", "91"), ("OWNER_NOTICES", "on"), ("NOTIFY_ON", "never")]
)
def test_a_bad_setting_fails_before_there_is_a_report(
    bucket: Reports,
    monkeypatch: pytest.MonkeyPatch,
    setting: tuple[str, str],
) -> None:
    bucket.keep_scan(listed(1))
    bucket.keep_report(1)
    monkeypatch.setenv(*setting)
    kept = len(bucket.objects)

    with pytest.raises(InvalidSettingError, match=setting[0]):
        built()
    assert len(bucket.objects) == kept


def test_the_function_keeps_that_the_message_is_a_reminder_and_when_it_was_sent(
    bucket: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"NOTIFY_ON": "changes", "REMIND_DAYS": "7", "OWNER_NOTICES": "ses", "OWNER_DOMAINS": "example.com"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    last: Any = {**baselines(1), "last_message_at": "2026-11-15T08:00:00Z"}
    bucket.keep_scan(listed(1), last_scan={"scan_id": "scan-0", "as_of": last["as_of"]})
    bucket.keep("organization/latest.json", {"scan_id": "scan-0"})
    bucket.keep("scans/scan-0/baselines.json", last)
    bucket.keep_report(1, OLD, last=[OLD])

    answer = built()

    report = bucket.kept("report.json")
    assert answer["notify"] is True
    assert answer["subject"].startswith("Reminder: 1 overdue access key in")
    assert (report["changes"]["reminder"], report["changes"]["reminds_of"]) == (True, "2026-11-15T08:00:00Z")
    assert report["notices"]["keys_without_address"] == 1
    assert bucket.kept("baselines.json")["last_message_at"] == "2026-11-22T08:00:00Z"


def test_without_remind_days_no_message_is_sent_and_the_last_one_stays_on_record(
    bucket: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_ON", "changes")
    bucket.keep_scan(listed(1), last_scan={"scan_id": "scan-0", "as_of": "2026-11-21T08:00:00Z"})
    bucket.keep_baselines(1)
    bucket.keep_report(1, OLD, last=[OLD])

    answer = built()

    assert answer["notify"] is False
    assert bucket.kept("baselines.json")["last_message_at"] == "2026-11-21T08:00:00Z"
    assert "notices" not in bucket.kept("report.json")

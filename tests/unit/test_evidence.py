"""What a report says that it is evidence for: never that a control is met where that is not known."""

from typing import Any

import pytest

from chalicelib.outputs.evidence import controls, controls_in_short, not_evidence_for, results
from chalicelib.outputs.report_html import render_html
from tests.support.reports import AS_OF, key, report_of, unchecked, user

EXEMPT = {"iam-key-age:exempt-until": "2026-12-22", "iam-key-age:exempt-reason": "ticket 1"}
STRICT: Any = {"max_age_days": 30, "warn_days": 5}
UNUSED: Any = {"max_unused_days": 45}
MET = "met by this scan"
UNKNOWN = "unknown: the scan is incomplete"


def result(kind: str, *outcomes: dict[str, Any], **more: Any) -> str:
    return results(report_of(*outcomes, **more))[kind].words


@pytest.mark.parametrize(
    ("outcomes", "policy", "words"),
    [
        ([user("fine", key("A", 10))], {}, MET),
        ([user("old", key("A", 91))], {}, "violated by 1 key"),
        ([user("old", key("A", 91), key("B", 92))], {}, "violated by 2 keys"),
        ([user("due", key("A", 89, used=1))], {}, MET),
        ([user("exempt", key("A", 91, used=1), tags=EXEMPT)], {}, "violated by 1 exempt key"),
        (
            [user("old", key("A", 91)), user("exempt", key("B", 91, used=1), tags=EXEMPT)],
            {},
            "violated by 1 key and 1 exempt key",
        ),
        ([user("overdue by a stricter policy", key("A", 31))], STRICT, MET),
        ([user("overdue by a stricter policy", key("A", 90))], STRICT, MET),
        ([user("overdue by both", key("A", 90 + 1e-4))], STRICT, "violated by 1 key"),
        ([user("fine", key("A", 10)), unchecked("hidden")], {}, UNKNOWN),
        ([user("old", key("A", 91)), unchecked("hidden")], {}, "violated by 1 key"),
    ],
)
def test_rotation_is_met_only_if_no_key_is_older_than_90_days(outcomes: Any, policy: Any, words: str) -> None:
    assert result("expired", *outcomes, **policy) == words


@pytest.mark.parametrize(
    ("outcomes", "policy", "words"),
    [
        ([user("used", key("A", 80, used=45))], UNUSED, MET),
        ([user("idle", key("A", 80, used=46))], UNUSED, "violated by 1 key"),
        ([user("idle and old", key("A", 100, used=46))], UNUSED, "violated by 1 key"),
        ([user("never used", key("A", 46, used="never"))], UNUSED, "violated by 1 key"),
        ([user("new", key("A", 44, used="never"))], UNUSED, MET),
        ([user("unused by a stricter policy", key("A", 80, used=31))], {"max_unused_days": 30}, MET),
        ([user("exempt", key("A", 80, used=46), tags=EXEMPT)], UNUSED, "violated by 1 exempt key"),
        ([user("dark", key("A", 80, used="unknown"))], UNUSED, UNKNOWN),
        (
            [user("disabled", key("A", 100, "Inactive", used=99))],
            UNUSED | {"include_inactive": True},
            MET,
        ),
    ],
)
def test_unused_keys_are_counted_whatever_else_is_wrong_with_them(outcomes: Any, policy: Any, words: str) -> None:
    assert result("unused", *outcomes, **policy) == words


@pytest.mark.parametrize(
    ("root", "words"),
    [({"access_keys": 0}, MET), ({"access_keys": 1}, "violated by the root user"), ({"cause": "denied"}, UNKNOWN)],
)
def test_the_root_users_control_is_met_only_if_iam_said_so(root: Any, words: str) -> None:
    assert result("root_access_keys", user("fine"), root=root) == words


def test_two_active_keys_are_counted_by_user() -> None:
    two, inactive = user("two", key("A", 1), key("B", 1)), user("one", key("C", 1), key("D", 1, "Inactive"))

    assert result("two_active_keys", two, inactive) == "violated by 1 user"
    assert result("two_active_keys", inactive) == MET


def test_no_control_is_met_while_the_users_of_the_account_are_unknown() -> None:
    account = {"unknown": [{"part": "users", "cause": "denied"}]}

    found = results(report_of(user("fine", key("A", 10)), account=account))

    assert {one.words for one in found.values()} == {UNKNOWN}


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"users": ("alice",)}, "It is evidence for no control: the scan is of the users that it names alone."),
        ({"as_of": AS_OF}, "It is evidence for no control: the scan is of another instant than now."),
    ],
)
def test_a_scan_of_some_users_or_of_another_instant_is_evidence_for_nothing(policy: Any, says: str) -> None:
    report = report_of(user("alice", key("A", 10)), **policy)

    assert results(report) == {}
    assert list(not_evidence_for(report)) == [says]
    assert says in "".join(render_html(report))


def test_a_longer_limit_than_the_controls_have_is_said() -> None:
    report = report_of(user("alice", key("A", 10)), max_age_days=120)

    assert set(results(report)) == {"root_access_keys", "two_active_keys"}
    said = " ".join(not_evidence_for(report))
    assert "not evidence for the rotation of keys: the limit is 120 days, and the controls ask for 90" in said
    assert "not evidence for unused keys: for that, max_unused_days" in said
    assert "PCI DSS" not in said


def test_exemptions_are_said_where_there_are_any() -> None:
    exempt = report_of(user("exempt", key("A", 91, used=1), tags=EXEMPT))

    assert any("know no exemptions" in line for line in not_evidence_for(exempt))
    assert not any("know no exemptions" in line for line in not_evidence_for(report_of()))


def test_controls_are_listed_by_benchmark_with_the_newest_version_first() -> None:
    listed = [(control.benchmark, control.version) for control in controls(report_of(**UNUSED))]

    assert listed == sorted(listed, key=lambda one: ["CIS", "AWS FSBP", "AWS Security Hub", "PCI DSS"].index(one[0]))
    versions = [version for benchmark, version in listed if benchmark == "CIS"]
    assert (versions[0], versions[-1]) == ("7.0.0", "1.4.0")
    assert versions == sorted(versions, reverse=True)


ROTATION = (
    "CIS 2.12 (7.0.0), 2.13 (6.0.0), 1.13 (5.0.0), 1.14 (1.4.0 to 4.0.1); AWS FSBP IAM.3;"
    " PCI DSS 8.3.9 (4.0.1), 8.6.3 (4.0.1)"
)
USE = "CIS 2.11 (6.0.0 to 7.0.0), 1.11 (5.0.0), 1.12 (1.4.0 to 4.0.1); AWS Security Hub IAM.22"


@pytest.mark.parametrize(
    ("outcome", "policy", "short"),
    [
        pytest.param(user("old", key("A", 91, used=1)), {}, ROTATION, id="overdue"),
        pytest.param(user("both", key("A", 91, used=46)), {}, f"{ROTATION}; {USE}", id="overdue and unused"),
        pytest.param(user("unused", key("A", 60, used="never")), {"max_unused_days": 45}, USE, id="unused"),
        pytest.param(user("due", key("A", 89, used=1)), {}, "", id="due soon"),
        pytest.param(user("strict", key("A", 40, used=1)), {"max_age_days": 30}, "", id="by a stricter policy"),
        pytest.param(user("dark", key("A", 91)), {}, ROTATION, id="use unknown"),
        pytest.param(
            user("off", key("A", 140, "Inactive", used=100)), {"include_inactive": True}, "", id="an inactive key"
        ),
    ],
)
def test_a_finding_names_the_controls_that_its_key_violates_and_the_page_has_them_in_a_line(
    outcome: Any, policy: Any, short: str
) -> None:
    report = report_of(outcome, **policy)

    [finding] = report["findings"]
    assert controls_in_short(finding, report["as_of"]) == short
    assert bool(finding["controls"]) is bool(short)
    assert ("AWS FSBP IAM.3" in finding["controls"]) is ("IAM.3" in short)
    assert ("AWS Security Hub IAM.22" in finding["controls"]) is ("IAM.22" in short)

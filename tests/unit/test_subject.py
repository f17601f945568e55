"""The subject: short in every account, the most severe first, and never without its counts."""

from itertools import product
from typing import Any

import pytest

from chalicelib.outputs.subject import subject
from tests.support.reports import before, key, report_of, user

ADMIN: Any = {"can_administer": True, "administers_by": "AdministratorAccess"}
BASE: Any = report_of(
    user("admin", key("AKIAADMIN", 200, used=1), **ADMIN),
    user("leaked", quarantined_by="AWSCompromisedKeyQuarantineV2"),
    last=before(user("nobody")),
)
ROOT = {"ok": 0, "root_access_keys": 1, "unknown": "unknown"}
OF_ALL: dict[str, Any] = {}
OF_NAMED, OF_THE_PAST = {"users": ["a"]}, {"as_of": "2020-11-22T08:00:00Z"}
GAPS: dict[str, dict[str, int]] = {
    "": {},
    "unchecked": {"users_unchecked": 4_999},
    "account": {"users_facts_unknown": 5_000},
    "last use": {"keys_last_use_unknown": 10_000},
}


def largest(found: tuple[int, int, int], root: str, gap: str, kind: dict[str, Any], alias: str | None) -> Any:
    """A report of as many users and keys as IAM lets an account have, or a scan policy name."""
    quarantined, admins, expired = found
    listed = 100 if "users" in kind else 5_000
    coverage = {**BASE["coverage"], "users_listed": listed, **GAPS[gap]}
    coverage["users_not_found"] = min(99, listed - quarantined)
    policy = {**BASE["policy"], **kind, "max_unused_days": 45}
    return {
        **BASE,
        "coverage": coverage,
        "policy": policy,
        "totals": {**BASE["totals"], "expired": expired, "unused": 10_000, "due_soon": 10_000},
        "quarantined": BASE["quarantined"] * quarantined,
        "findings": BASE["findings"] * admins,
        "root": None if kind else {"access_keys": ROOT[root], "verdict": root, "cause": None},
        "changes": None if kind else {**BASE["changes"], "new": BASE["changes"]["new"] * (expired // 2)},
        "account_alias": alias,
        "account_unknown": [{"part": "users", "cause": "denied"}] if gap == "account" else [],
        **({"as_of": kind["as_of"]} if "as_of" in kind else {}),
    }


def lead(quarantined: int, has_root_keys: bool, admins: int) -> str:
    """What a subject has to begin with."""
    leads = [(quarantined, f"{quarantined} "), (has_root_keys, "Root "), (admins, f"{admins} admin")]
    return next((lead for holds, lead in leads if holds), "")


@pytest.mark.parametrize("kind", [OF_ALL, OF_NAMED, OF_THE_PAST, {**OF_NAMED, **OF_THE_PAST}])
@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("quarantined", [0, 1, 5_000])
def test_the_subject_is_short_names_the_most_severe_first_and_keeps_its_counts(
    quarantined: int, gap: str, kind: dict[str, Any]
) -> None:
    many = 200 if "users" in kind else 10_000
    quarantined = min(quarantined, many // 2)
    for admins, expired, root, alias in product((0, 1, many), (0, 1, many), ROOT, (None, "acme-prod", "a" * 63)):
        line = subject(largest((quarantined, admins, expired), root, gap, kind, alias))

        assert len(line) < 100, line
        assert line.isascii(), line
        assert f"{expired} overdue" in line
        assert "123456789012" in line
        assert "as_of" not in kind or " at 2020-11-22" in line
        incomplete = gap or (root == "unknown" and not kind)
        assert ("INCOMPLETE: " in line) is bool(incomplete), line
        assert line.startswith(lead(quarantined, root == "root_access_keys" and not kind, admins)), line


def planned(report: Any, due: int, approval: str = "required") -> Any:
    return {**report, "plan": {"mode": "apply", "approval": approval, "due": due, "max_per_scan": 100}}


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("quarantined", [0, 1, 5_000])
@pytest.mark.parametrize("approval", ["required", "none"])
def test_the_subject_says_what_is_to_be_approved_or_goes_whatever_else_leads(
    quarantined: int, gap: str, approval: str
) -> None:
    found = product((0, 10_000), (0, 10_000), ROOT, (None, "a" * 63), (1, 10_000))
    for admins, expired, root, alias, due in found:
        report = largest((quarantined, admins, expired), root, gap, OF_ALL, alias)
        line, without = subject(planned(report, due, approval)), subject(report)

        assert len(line) < 100, line
        assert f"{expired} overdue" in line
        assert "123456789012" in line
        assert ("INCOMPLETE" in line) is ("INCOMPLETE" in without), line
        assert line.startswith(lead(quarantined, root == "root_access_keys", admins)), line
        if approval == "required":
            assert f", {due} to approve in " in line or f", {due} deactivation{'s' * (due > 1)} to approve in " in line
        else:
            assert f", {min(due, 100)} to be deactivated in " in line


@pytest.mark.parametrize(
    ("found", "root", "gap", "says"),
    [
        (
            (1, 0, 20),
            "ok",
            "",
            "1 quarantined, 10 new of 20 overdue keys, 8 to approve in 123456789012 (complete: 5000 users)",
        ),
        (
            (1, 0, 20),
            "root_access_keys",
            "unchecked",
            "1 quarantined, 20 overdue, 8 to approve in 123456789012 - INCOMPLETE: 4999 of 5000 unchecked",
        ),
    ],
)
def test_with_a_plan_the_subject_says(found: tuple[int, int, int], root: str, gap: str, says: str) -> None:
    assert subject(planned(largest(found, root, gap, OF_ALL, None), 8)) == says


@pytest.mark.parametrize(
    ("users", "more", "says"),
    [
        (
            [user("a", quarantined_by="AWSCompromisedKeyQuarantineV2")],
            {"root": {"access_keys": 1}},
            "1 user quarantined, root access key, 0 overdue keys in account 123456789012 (complete: 1 user)",
        ),
        (
            [user("a", quarantined_by="AWSCompromisedKeyQuarantineV2")],
            {"account": {"alias": "acme-prod"}},
            "1 user quarantined, 0 overdue keys in account acme-prod (123456789012) (complete: 1 user)",
        ),
        (
            [user("a", key("AKIAA", 200, used=1), **ADMIN), user("b", key("AKIAB", 200, used=1))],
            {},
            "1 administrator key, 2 overdue access keys in AWS account 123456789012 (complete: 2 users)",
        ),
        (
            [user("a", key("AKIAA", 80, used=1), **ADMIN)],
            {},
            "0 overdue access keys in AWS account 123456789012, 1 due soon",
        ),
        (
            [user("a")],
            {"account": {"users": {}, "unknown": [{"part": "users", "cause": "denied"}]}},
            "0 overdue keys in account 123456789012 - INCOMPLETE: tags or permissions of 1 user unknown",
        ),
    ],
)
def test_the_subject_says(users: list[dict[str, Any]], more: dict[str, Any], says: str) -> None:
    assert subject(report_of(*users, **more)) == says

"""The clauses that a finding is about, and whether a scan is evidence for them."""

from typing import Any

import pytest

from chalicelib.report.controls import CONTROLS, controls_of, is_evidence

FULL = {"max_age_days": 90, "warn_days": 14, "include_inactive": False, "max_unused_days": 45}


@pytest.mark.parametrize(
    ("kind", "clauses"),
    [
        (
            "expired",
            (
                "AWS FSBP IAM.3, CIS 1.4.0 1.14, CIS 1.5.0 1.14, CIS 2.0.0 1.14, CIS 3.0.0 1.14, CIS 4.0.1 1.14, "
                "CIS 5.0.0 1.13, CIS 6.0.0 2.13, CIS 7.0.0 2.12, PCI DSS 4.0.1 8.3.9, PCI DSS 4.0.1 8.6.3"
            ),
        ),
        (
            "unused",
            (
                "AWS Security Hub IAM.22, CIS 1.4.0 1.12, CIS 1.5.0 1.12, CIS 2.0.0 1.12, CIS 3.0.0 1.12, "
                "CIS 4.0.1 1.12, CIS 5.0.0 1.11, CIS 6.0.0 2.11, CIS 7.0.0 2.11"
            ),
        ),
        (
            "root_access_keys",
            (
                "AWS FSBP IAM.4, CIS 1.4.0 1.4, CIS 1.5.0 1.4, CIS 2.0.0 1.4, CIS 3.0.0 1.4, CIS 4.0.1 1.4, "
                "CIS 5.0.0 1.3, CIS 6.0.0 2.3, CIS 7.0.0 2.4"
            ),
        ),
        (
            "two_active_keys",
            (
                "CIS 1.4.0 1.13, CIS 1.5.0 1.13, CIS 2.0.0 1.13, CIS 3.0.0 1.13, CIS 4.0.1 1.13, CIS 5.0.0 1.12, "
                "CIS 6.0.0 2.12"
            ),
        ),
    ],
)
def test_each_kind_of_finding_has_its_clauses_by_version(kind: str, clauses: str) -> None:
    assert ", ".join(controls_of(kind)) == clauses


@pytest.mark.parametrize("kind", ["due_soon", "ok", "exempt", ""])
def test_what_breaks_no_rule_has_no_clause(kind: str) -> None:
    assert controls_of(kind) == []
    assert not is_evidence(kind, FULL)


def test_the_table_has_a_row_a_clause_and_version() -> None:
    rows = [control[:4] for control in CONTROLS]

    assert len(set(rows)) == len(rows) == sum(len(controls_of(kind)) for kind in {control.kind for control in CONTROLS})
    assert all(control.title for control in CONTROLS)


@pytest.mark.parametrize(
    ("kind", "changes", "evidence"),
    [
        ("expired", {}, True),
        ("expired", {"max_age_days": 30}, True),
        ("expired", {"max_age_days": 91}, False),
        ("unused", {}, True),
        ("unused", {"max_unused_days": 46}, False),
        ("unused", {"max_unused_days": None}, False),
        ("root_access_keys", {"max_age_days": 365}, True),
        ("two_active_keys", {"max_age_days": 365}, True),
        *((kind, {"users": ["alice"]}, False) for kind in ("expired", "unused", "root_access_keys", "two_active_keys")),
        *((kind, {"as_of": "2026-01-01T00:00:00Z"}, False) for kind in ("expired", "root_access_keys")),
    ],
)
def test_a_scan_is_evidence_where_its_policy_is_no_laxer_than_the_clauses(
    kind: str, changes: dict[str, Any], evidence: bool
) -> None:
    assert is_evidence(kind, {**FULL, **changes}) is evidence


def test_a_policy_without_a_time_for_unused_keys_is_no_evidence_of_them() -> None:
    assert not is_evidence("unused", {"max_age_days": 90})

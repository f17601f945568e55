"""How severe a finding is, and where its user is found in the console."""

import pytest

from chalicelib.console import security_credentials_url
from chalicelib.severity import Severity, rate_severity


@pytest.mark.parametrize(
    ("verdict", "quarantined", "can_administer", "dormant", "severity"),
    [
        ("expired", True, True, False, "critical"),
        ("expired", True, False, False, "critical"),
        ("unused", True, False, False, "critical"),
        ("due_soon", True, False, False, "critical"),
        ("expired", False, True, False, "high"),
        ("unused", False, True, False, "high"),
        ("expired", False, False, False, "medium"),
        ("unused", False, False, False, "medium"),
        ("due_soon", False, True, False, "low"),
        ("due_soon", False, False, False, "low"),
        ("expired", True, False, True, "critical"),
        ("expired", False, False, True, "high"),
        ("unused", False, False, True, "high"),
        ("due_soon", False, False, True, "low"),
    ],
)
def test_severity_is_by_the_verdict_the_users_permissions_and_the_last_use(
    verdict: str, quarantined: bool, can_administer: bool, dormant: bool, severity: str
) -> None:
    rated = rate_severity(verdict, quarantined=quarantined, can_administer=can_administer, dormant=dormant)

    assert rated == severity


def test_the_most_severe_has_the_first_rank() -> None:
    ordered = sorted(["low", "critical", "medium", "high"], key=lambda severity: Severity(severity).rank)

    assert ordered == ["critical", "high", "medium", "low"]
    assert Severity.CRITICAL.rank == 0


@pytest.mark.parametrize(
    ("user_name", "partition", "url"),
    [
        ("alice", "aws", "https://console.aws.amazon.com/iam/home#/users/details/alice?section=security_credentials"),
        ("alice", "aws-cn", "https://console.amazonaws.cn/iam/home#/users/details/alice?section=security_credentials"),
        (
            "alice",
            "aws-us-gov",
            "https://console.amazonaws-us-gov.com/iam/home#/users/details/alice?section=security_credentials",
        ),
        (
            "alice",
            "aws-eusc",
            "https://console.amazonaws-eusc.eu/iam/home#/users/details/alice?section=security_credentials",
        ),
        (
            "=a+b,c.d@e-f_g",
            "aws",
            "https://console.aws.amazon.com/iam/home#/users/details/%3Da%2Bb%2Cc.d%40e-f_g?section=security_credentials",
        ),
        ("alice", "aws-iso", ""),
        ("alice", "", ""),
    ],
)
def test_the_console_is_the_partitions_own_and_the_name_is_encoded(user_name: str, partition: str, url: str) -> None:
    assert security_credentials_url(user_name, partition) == url

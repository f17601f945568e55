"""How severe a finding is, and where its user is found in the console."""

import pytest

from chalicelib.console import security_credentials_url
from chalicelib.severity import Severity, rate_severity


@pytest.mark.parametrize(
    ("verdict", "quarantined", "can_administer", "severity"),
    [
        ("expired", True, True, "critical"),
        ("expired", True, False, "critical"),
        ("unused", True, False, "critical"),
        ("due_soon", True, False, "critical"),
        ("expired", False, True, "high"),
        ("unused", False, True, "high"),
        ("expired", False, False, "medium"),
        ("unused", False, False, "medium"),
        ("due_soon", False, True, "low"),
        ("due_soon", False, False, "low"),
    ],
)
def test_severity_is_by_the_verdict_and_by_what_the_user_can_do(
    verdict: str, quarantined: bool, can_administer: bool, severity: str
) -> None:
    assert rate_severity(verdict, quarantined, can_administer) == severity


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

"""What `make deploy` tells at its end."""

from datetime import UTC, datetime
from typing import Any

import pytest

from localaws.deployed import next_scan, schedule_of

NOW = datetime(2026, 11, 25, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("cron(0 8 * * ? *)", "2026-11-26 08:00 UTC, by cron(0 8 * * ? *)"),
        ("cron(0/30 * * * ? *)", "2026-11-25 22:30 UTC, by cron(0/30 * * * ? *)"),
        ("cron(15 6 ? * MON *)", "2026-11-30 06:15 UTC, by cron(15 6 ? * MON *)"),
        ("cron(0 8 LW * ? *)", "by cron(0 8 LW * ? *), in UTC"),
        ("cron(0 8 31 * ? *)", "by cron(0 8 31 * ? *), in UTC"),
        ("cron(0 8 ? * SAT-MON *)", "by cron(0 8 ? * SAT-MON *), in UTC"),
        ("rate(12 hours)", "within 12 hours, by rate(12 hours)"),
    ],
)
def test_the_next_scan_is_told_by_the_schedule(schedule: str, says: str) -> None:
    assert next_scan(schedule, NOW) == says


def test_the_schedule_is_read_from_the_packaged_template(template: dict[str, Any]) -> None:
    assert schedule_of(template) == "cron(0 8 * * ? *)"

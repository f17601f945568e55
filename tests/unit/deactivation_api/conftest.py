from collections.abc import Iterator

import pytest

from tests.support.fake_scans import FakeScans
from tests.support.planned_scans import Api, keep_scan, planned_report, stage_that_deactivates, told_by_gateway


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScans]:
    for fake in stage_that_deactivates(monkeypatch):
        keep_scan(fake, planned_report())
        yield fake


@pytest.fixture
def api(fake: FakeScans, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:  # noqa: ARG001  # it has to be there
    yield from told_by_gateway(monkeypatch)

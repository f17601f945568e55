"""An AWS whose answers a test writes itself, asked in the place of the user's own."""

from collections.abc import Iterator

import pytest

from tests.support.fake_aws import FakeAws


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    with FakeAws() as aws:
        settings = {"ENDPOINT_URL": aws.url, "ACCESS_KEY_ID": "AKIAX", "SECRET_ACCESS_KEY": "y"}
        for name, value in settings.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield aws

"""What unit tests share: an organization whose AWS a test writes the answers of."""

from collections.abc import Iterator

import pytest

from tests.support.fake_aws import FakeAws, let_roles_be_assumed
from tests.support.organization import Organization, use_fake_aws


@pytest.fixture
def organization(monkeypatch: pytest.MonkeyPatch) -> Iterator[Organization]:
    with FakeAws() as aws:
        let_roles_be_assumed(aws)
        yield use_fake_aws(aws, monkeypatch)

import pytest

from tests.support.deactivation_world import A, B, User, World, idle
from tests.support.state_machine import Execution


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World({"alice": User({A: idle()}), "bob": User({B: idle()})}, monkeypatch)


@pytest.fixture
def approved(world: World) -> Execution:
    assert world.plan() == [A, B]
    return world.approved(A, B)


@pytest.fixture
def done(world: World, approved: Execution) -> str:
    """The id of an action that deactivated a key."""
    approved.finish()
    return str(world.actions(A)[0]["action_id"])

"""The files under `actions/`, as `deactivation_documents` has them: keys that were, or were to be, deactivated."""

from collections.abc import Collection
from datetime import datetime

from chalicelib.deactivation_documents import Action


def load_last_actions(
    account_id: str, access_key_ids: Collection[str], since: datetime | None
) -> tuple[dict[str, Action], list[Action]]:
    """Return the last action of each of these keys, by access key id, and those that changed after `since`."""
    raise NotImplementedError


def load_action(action_id: str) -> Action | None:
    """Return an action as it is now, None if there is none of this id."""
    raise NotImplementedError


def list_actions(limit: int, after: str | None) -> tuple[list[Action], str | None]:
    """Return actions in the order of their ids, after one, and the id after which there are more; None for no more."""
    raise NotImplementedError

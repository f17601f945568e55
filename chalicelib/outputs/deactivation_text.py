"""The messages about keys that were deactivated or activated again, and about those that were not. Pure."""

from collections.abc import Sequence

from chalicelib.deactivation_documents import Action, DeactivationInput, KeyResult
from chalicelib.outputs.sns import Notification
from chalicelib.settings import HttpsFormat


def compose_action_notification(action: Action, https_format: HttpsFormat) -> Notification:
    """Return the message about an action, or about its undo where there is one: who, when, why, how to undo it."""
    raise NotImplementedError


def compose_rest_notification(
    given: DeactivationInput, results: Sequence[KeyResult], https_format: HttpsFormat
) -> Notification:
    """Return the message about keys that were approved and not deactivated, each with why."""
    raise NotImplementedError

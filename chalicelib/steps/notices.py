"""The step that sends each owner a notice of their own keys."""

from collections.abc import Callable, Mapping
from typing import Any


def notify_owners(scan: Mapping[str, Any], seconds_left: Callable[[], float]) -> dict[str, Any]:
    """Send each owner what there is to tell; return the counts, and the message about what was refused, if any was.

    `{"counts": NoticeCounts, "notify": bool}`, with a `notification` where `notify` is true.
    """
    raise NotImplementedError(scan, seconds_left)

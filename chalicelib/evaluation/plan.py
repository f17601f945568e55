"""Which keys of a full scan are to be deactivated, when, and what keeps the others from it. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.deactivation_documents import Action, Hold
from chalicelib.deactivation_settings import DeactivationSettings, Mode
from chalicelib.documents import Report
from chalicelib.key_documents import Finding


def read_told(last: Mapping[str, Any] | None, mode: Mode) -> dict[str, str]:
    """Return since when people were told that keys will be deactivated, by access key id, by the last report.

    What a plan alone told, that keys would be deactivated, does not count where they now will be.
    """
    raise NotImplementedError


def add_plan(
    report: Report,
    settings: DeactivationSettings,
    stage_policy: Mapping[str, Any],
    told: Mapping[str, str],
    actions: Mapping[str, Action],
) -> None:
    """Add to a full scan's report its plan, and to each finding that could be deactivated when, or why not.

    `told` is what `read_told` returns; `actions` are the last actions of the account's keys, by access key id.
    """
    raise NotImplementedError


def holds_of(
    finding: Finding, settings: DeactivationSettings, now: datetime, earlier: Action | None
) -> list[Hold] | None:
    """Return what keeps a finding from being deactivated now besides time, None where nothing speaks for it.

    The check right before a deactivation asks the same.
    """
    raise NotImplementedError

"""Executions of the deactivation machine: plans that are applied, and actions that are undone."""

from typing import Any


def request_to_apply(scan_id: str, at: str) -> dict[str, Any]:
    """Make the states:startExecution request by which a scan's machine applies its plan, where nobody has to approve.

    The execution is named after the scan, so that a plan is applied once.
    """
    raise NotImplementedError

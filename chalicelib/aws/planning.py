"""The plan of a scan's report and its account's actions since the last full scan, where the stage has Deactivation."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.aws import action_store, deactivations
from chalicelib.deactivation_documents import Action, Told
from chalicelib.deactivation_settings import DeactivationSettings, deactivation_settings
from chalicelib.documents import Report
from chalicelib.evaluation.plan import add_actions, add_plan, find_candidates, read_told
from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport
from chalicelib.settings import stage_defaults


class Planner:
    """Plans what one scan found; what people were told is read from the last report while that is compared with."""

    def __init__(self) -> None:
        self._settings = deactivation_settings()
        self._stage_policy = stage_defaults().to_json()
        self._told: dict[str, Told] = {}

    def watch(
        self, load_last_report: Callable[[], Report | None], kept_at: Callable[[], datetime | None]
    ) -> Callable[[], Report | None]:
        """Return the same, keeping of the last report what its plan told; it was made the last after its message."""

        def load() -> Report | None:
            last = load_last_report()
            if self._settings and last is not None and (told_at := kept_at()):
                self._told = read_told(last, self._settings, told_at)
            return last

        return load

    def plan(self, report: Report) -> None:
        """Add its plan, and what was done since the last full scan, to the report of a full scan."""
        changes = report["changes"]
        if self._settings is None or changes is None:
            return
        actions = self._add_actions(report, self._settings) if self._settings.mode == "apply" else {}
        add_plan(report, self._settings, self._stage_policy, self._told if changes["since"] else {}, actions)

    def _add_actions(self, report: Report, settings: DeactivationSettings) -> Mapping[str, Action]:
        """Add the actions since the last full scan; return the last ones of the keys that are to be planned."""
        since = report["changes"] and report["changes"]["since"]
        key_ids = {finding["access_key_id"] for finding in find_candidates(report, settings, self._stage_policy)}
        actions, changed = action_store.load_last_actions(
            report["account_id"], key_ids, parse_instant(since["as_of"]) if since else None
        )
        add_actions(report, changed)
        return actions


def request_deactivation(report: AnyReport, at: str) -> dict[str, Any]:
    """Make the request by which the machine of a new baseline applies its plan; {} where nothing is to be done yet.

    The plans of an organization's accounts may be older than the settings of now.
    """
    plan, of_stage = report.get("plan"), deactivation_settings()
    if not of_stage or of_stage.mode != "apply" or of_stage.needs_approval:
        return {}
    if plan and plan["mode"] == "apply" and plan["approval"] == "none" and plan["due"]:
        return deactivations.request_to_apply(report["scan_id"], at)
    return {}

"""What steps of the scans' state machines share: the account's facts, and what a report is published with."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from chalicelib import scan_ids, settings
from chalicelib.aws import report_store
from chalicelib.documents import AccountFacts, Report
from chalicelib.evaluation.account import unknown_account, wanted_facts
from chalicelib.instants import format_instant
from chalicelib.organization_documents import AnyReport, ListedAccount
from chalicelib.telling_settings import OwnerRule, owner_rule, remind_days


def account_facts(event: dict[str, Any]) -> AccountFacts:
    """Return what a scan read of its account; where that failed as a whole, all of it is unknown."""
    scan = event["scan"]
    read = event.get("account") or {"cause": "this scan began before an upgrade, which read no account"}
    if "cause" in read:
        return unknown_account(wanted_facts(scan), scan["started_at"], read["cause"])
    return report_store.load_account(scan["scan_id"], scan_ids.account_of(scan["execution_arn"]), read["read_at"])


class HowToNotify(NamedTuple):
    """Whom a scan's message is for, and when it is sent."""

    notify_on: settings.NotifyOn
    https_format: settings.HttpsFormat
    remind_days: int | None
    owners: OwnerRule | None  # where the stage notifies them, too


def how_to_notify() -> HowToNotify:
    """Return the settings of a scan's message; InvalidSettingError if one is refused."""
    return HowToNotify(settings.notify_on(), settings.https_format(), remind_days(), owner_rule())


class KeysWithoutOwner:
    """The number of findings in accounts' reports of which no owner can be notified."""

    def __init__(self, rule: OwnerRule | None) -> None:
        self._rule = rule
        self._number = 0

    def watch(
        self, outcomes: Iterable[tuple[ListedAccount, Report | str]]
    ) -> Iterator[tuple[ListedAccount, Report | str]]:
        """Pass on what became of each account, and count."""
        for account, outcome in outcomes:
            if not isinstance(outcome, str):
                self.add(outcome)
            yield account, outcome

    def add(self, report: Report) -> None:
        """Count those of an account's report."""
        from chalicelib.telling.owners import owner_of

        if self._rule:
            self._number += sum(owner_of(finding, self._rule) is None for finding in report["findings"])

    def note(self, report: AnyReport) -> None:
        """Add the number to a full scan's report, where the stage notifies owners."""
        if (rule := self._rule) and report["changes"] is not None:
            report["notices"] = {"by": rule.by, "domains": [*rule.domains], "keys_without_address": self._number}


def complete(report: AnyReport, how: HowToNotify, without_owner: KeysWithoutOwner | None = None) -> None:
    """Add to a report what else its message says: of how many keys no owner can be notified, if it is a reminder."""
    from chalicelib.outputs.sns import note_message

    if "accounts" not in report:
        without_owner = KeysWithoutOwner(how.owners)
        without_owner.add(report)
    if without_owner:
        without_owner.note(report)
    note_message(report, how.notify_on, how.remind_days)


def publish(report: AnyReport, summary: Any, latest: dict[str, Any], how: HowToNotify) -> dict[str, Any]:
    """Print a report's metrics, and return its message and what else its state machine goes on with."""
    from chalicelib.aws.planning import request_deactivation
    from chalicelib.outputs.metrics import metrics_line
    from chalicelib.outputs.sns import compose_notification, should_notify
    from chalicelib.report.summary import report_locations

    folder = report_store.scan_folder(report["scan_id"])
    now = datetime.now(UTC)
    metrics = metrics_line(report, settings.stage_name(), now, settings.stage_defaults().to_json())
    print(metrics)  # noqa: T201  # on a line alone, as CloudWatch wants it
    return {
        "summary": {**summary, "reports": report_locations(folder)},
        **compose_notification(report, folder, how.notify_on, how.https_format),
        "notify": should_notify(report, how.notify_on),
        "latest": latest,
        "deactivation": request_deactivation(report, format_instant(now)) if latest else {},
    }

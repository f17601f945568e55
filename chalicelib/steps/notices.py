"""The step that sends each owner a notice of their own keys."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chalicelib.aws import account_reports, mail, notice_store
from chalicelib.aws.mail import Outcome
from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.notice_mail import compose_notice
from chalicelib.outputs.notice_refusals import compose_refusals
from chalicelib.report.counts import zeros
from chalicelib.settings import https_format, stage_defaults
from chalicelib.telling.cadence import decide, most_urgent_first
from chalicelib.telling.notice import Notice
from chalicelib.telling.owners import OwnedKeys, group_by_owner
from chalicelib.telling_documents import NoticeCounts
from chalicelib.telling_settings import NoticeSettings, notice_settings

_SECONDS_TO_END = 30  # with so much left, no other notice is begun
_READ_AT_A_TIME = 8  # owners' files
_MOST_UNANSWERED = 3  # notices that may have been sent or not, before no other is tried
_OF_ALL = ("full", "organization")  # scans, which find all of an owner's keys


def notify_owners(scan: Mapping[str, Any], seconds_left: Callable[[], float]) -> dict[str, Any]:
    """Send each owner what there is to tell; return the counts, and the message about what was refused, if any was.

    `{"counts": NoticeCounts, "notify": bool}`, with a `notification` where `notify` is true. Called again for the same
    scan, it goes on: what was claimed before is not sent again, and counts as what became of it.
    """
    how, report = notice_settings(), account_reports.load_any_report(scan["scan_id"])
    is_by_stage = account_reports.is_by_policy(report, stage_defaults().to_json())
    if how is None or report["scan_kind"] not in _OF_ALL or not is_by_stage:
        return {"counts": zeros(NoticeCounts), "notify": False}
    names = {row["account_id"]: row["account_name"] for row in report["accounts"]} if "accounts" in report else {}
    keys = group_by_owner(account_reports.account_reports(report), how, names)
    sending = _Sending(report, how)
    sending.send(sending.find_due(keys), seconds_left)
    return sending.answer()


@dataclass
class _Sending:
    """The notices of a scan, and what became of them."""

    report: AnyReport
    how: NoticeSettings
    counts: NoticeCounts = field(default_factory=partial(zeros, NoticeCounts))
    refused: list[tuple[str, str]] = field(default_factory=list)
    stopped: str | None = None
    tried: int = 0

    def find_due(self, keys: OwnedKeys) -> list[tuple[Notice, notice_store.OwnersFile]]:
        """Return the notices that are due, the most urgent first; count what there is nothing to send for."""
        scan_id, owners = self.report["scan_id"], list(keys.by_owner)
        scan = scan_id, parse_instant(self.report["as_of"])
        self.counts["owners"], self.counts["keys_without_address"] = len(owners), keys.without_address
        due = []
        with ThreadPoolExecutor(_READ_AT_A_TIME) as threads:
            files = threads.map(partial(notice_store.load, is_test=bool(self.how.test_to)), owners)
            for owner, file in zip(owners, files, strict=True):
                before = file.before
                notice = decide(owner, keys.by_owner[owner], before, scan, keys.speaks_for)
                if before and before["scan_id"] == scan_id:  # this function was called before for this scan
                    cause = before["refused"]
                    self._count(owner, Outcome("sent") if cause is None else Outcome("refused", cause))
                elif notice:
                    due.append((notice, file))
                else:
                    self.counts["nothing_new"] += 1
        return sorted(due, key=lambda one: most_urgent_first(one[0]))

    def send(self, due: list[tuple[Notice, notice_store.OwnersFile]], seconds_left: Callable[[], float]) -> None:
        """Send as many notices as the settings and the time allow; leave the others for the next scan."""
        for notice, file in due:
            if self.stopped or self.tried == self.how.max_per_scan or seconds_left() < _SECONDS_TO_END:
                self.counts["left"] += 1
            else:
                self._send(notice, file)

    def _send(self, notice: Notice, file: notice_store.OwnersFile) -> None:
        composed = compose_notice(notice, self.how.test_to)
        if not file.claim(notice.claim):
            self.counts["claimed"] += 1
            return
        if self.how.by == "ses":
            outcome = mail.send_mail(self.how, notice.owner, composed.subject, composed.text, composed.html)
        else:
            outcome = mail.publish(self.how, notice.owner, composed.subject, composed.text)
        if outcome.result == "stopped":
            file.give_back()
        elif outcome.result == "refused":
            file.claim({**notice.claim, "refused": outcome.cause})
        self._count(notice.owner, outcome)

    def _count(self, owner: str, outcome: Outcome) -> None:
        self.tried += outcome.result != "stopped"
        self.counts["left" if outcome.result == "stopped" else outcome.result] += 1
        if outcome.result == "refused":
            self.refused.append((owner, outcome.cause))
        elif outcome.result == "stopped" or self.counts["unknown"] == _MOST_UNANSWERED:
            self.stopped = outcome.cause

    def answer(self) -> dict[str, Any]:
        """Return what the state machine goes on with, and print the counts; they name nobody."""
        code = (self.stopped or "").partition(":")[0]
        print(json.dumps({"scan_id": self.report["scan_id"], "notices": self.counts, "stopped": code}))  # noqa: T201  # to the log
        answer: dict[str, Any] = {"counts": self.counts, "notify": bool(self.refused or self.stopped)}
        if answer["notify"]:
            answer["notification"] = compose_refusals(
                self.report["scan_id"],
                self.report["account_id"],
                counts=self.counts,
                refused=self.refused,
                stopped=self.stopped,
                https_format=https_format(),
            )
        return answer

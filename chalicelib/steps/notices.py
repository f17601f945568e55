"""The step that sends each owner a notice of their own keys."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.aws import account_reports, mail, notice_store
from chalicelib.aws.mail import Outcome
from chalicelib.aws.notice_store import OwnersFile
from chalicelib.instants import parse_instant
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.notice_mail import compose_notice
from chalicelib.outputs.notice_refusals import compose_refusals
from chalicelib.report.counts import zeros
from chalicelib.settings import https_format, stage_defaults
from chalicelib.telling.cadence import decide, drop_ended, is_late, most_urgent_first
from chalicelib.telling.notice import Notice, Scan
from chalicelib.telling.owners import OwnedKeys, group_by_owner
from chalicelib.telling_documents import NoticeCounts
from chalicelib.telling_settings import NoticeSettings, notice_settings

_SECONDS_TO_END = 30  # with so much left, no other notice is begun
_READ_AT_A_TIME = 8  # owners' files
_MOST_UNANSWERED = 3  # notices that may have been sent or not, before no other is tried
_ALIKE = 3  # notices that are refused in the same words and none is sent, before it counts as refused of every notice
_OF_ALL = ("full", "organization")  # scans, which find all of an owner's keys
_Due = tuple[Notice, OwnersFile]


def notify_owners(scan: Mapping[str, Any], now: datetime, seconds_left: Callable[[], float]) -> dict[str, Any]:
    """Send each owner what there is to tell; return the counts, and the message about what was refused, if any was.

    `{"counts": NoticeCounts, "notify": bool}`, with a `notification` where `notify` is true. Called again for the same
    scan, it goes on: what was claimed before is not sent again, and counts as `unknown` unless its refusal is on file.
    Of a scan that is redriven a day later nobody is told: the next one knows which keys were replaced since.
    """
    how, report = notice_settings(), account_reports.load_any_report(scan["scan_id"])
    is_by_stage = account_reports.is_by_policy(report, stage_defaults().to_json())
    nobody = {"counts": zeros(NoticeCounts), "notify": False}
    if how is None or report["scan_kind"] not in _OF_ALL or not is_by_stage:
        return nobody
    if account_reports.is_late(report, now):
        _log(report, zeros(NoticeCounts), "the scan is late")
        return nobody
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
    refused: dict[str, str] = field(default_factory=dict)  # why, by owner
    stopped: str | None = None
    late: int = 0  # owners whose weekly digest was left for the next scan once more
    unanswered: int = 0
    alike: list[tuple[OwnersFile, Outcome]] = field(default_factory=list)  # refused in a row, in the same words

    def find_due(self, keys: OwnedKeys) -> list[_Due]:
        """Return the notices that are due, in the order of sending; count what there is nothing to send for."""
        self.counts["owners"], self.counts["keys_without_address"] = len(keys.by_owner), keys.without_address
        with ThreadPoolExecutor(_READ_AT_A_TIME) as threads:
            looks = list(threads.map(partial(self._look, keys), keys.by_owner))
        due = []
        for notice, file in looks:
            if notice:
                due.append((notice, file))
            elif not file.before or file.before["scan_id"] != self.report["scan_id"]:
                self.counts["nothing_new"] += 1
            elif cause := file.before["refused"]:
                self.refused[file.owner] = cause
            else:  # this function was called before for this scan, and may have ended before it sent the notice
                self.counts["unknown"] += 1
        return _in_order(due)

    def _look(self, keys: OwnedKeys, owner: str) -> tuple[Notice | None, OwnersFile]:
        """Return the notice that is due to an owner, if one is, and their file, from which what ended is dropped."""
        scan = Scan(self.report["scan_id"], parse_instant(self.report["as_of"]))
        file, owned = notice_store.load(owner, self.how), keys.by_owner[owner]
        if file.before and file.before["scan_id"] == scan.scan_id:
            return None, file
        notice = decide(owner, owned, file.before, scan, keys.speaks_for)
        if notice is None and file.before:
            kept = drop_ended(owned, file.before, scan, keys.speaks_for)
            if kept:
                file.amend(kept)
        return notice, file

    def send(self, due: list[_Due], seconds_left: Callable[[], float]) -> None:
        """Send as many notices as the settings and the time allow; leave the others for the next scan."""
        for notice, file in due:
            if self.stopped or self._tried() >= self.how.max_per_scan or seconds_left() < _SECONDS_TO_END:
                self.counts["left"] += 1
                self.late += is_late(notice, file.before)
            else:
                self._send(notice, file)
        if self.alike and self.alike[-1][1].result == "failed":  # and nobody was sent a notice
            self._leave_alike()

    def _tried(self) -> int:
        return self.counts["sent"] + self.counts["unknown"] + len(self.refused)

    def _send(self, notice: Notice, file: OwnersFile) -> None:
        composed = compose_notice(notice, self.how.test_to, can_reply=bool(self.how.reply_to))
        if not file.claim(notice.claim):
            self.counts["claimed"] += 1
            return
        if self.how.by == "ses":
            outcome = mail.send_mail(self.how, notice.owner, composed.subject, composed.text, composed.html)
        else:
            outcome = mail.publish(self.how, notice.owner, composed.subject, composed.text)
        if outcome.result == "stopped":
            self.stopped = outcome.cause
            self._give_back(file)
        elif outcome.result in ("refused", "failed"):
            file.amend({**notice.claim, "refused": outcome.cause})
            self._refuse(file, outcome)
        elif outcome.result == "sent":
            self.counts["sent"] += 1
            self.alike = []
        else:
            self.counts["unknown"] += 1
            self.unanswered += 1
            if self.unanswered == _MOST_UNANSWERED:
                self.stopped = outcome.cause

    def _refuse(self, file: OwnersFile, outcome: Outcome) -> None:
        """Count a notice as refused; stop once so many are in the same words that it seems to be so of all."""
        self.refused[file.owner] = outcome.cause
        if self.counts["sent"] or file.owner in outcome.names:  # then it is about this owner
            return
        if self.alike and self.alike[-1][1].words() != outcome.words():
            self.alike = []
        self.alike.append((file, outcome))
        if len(self.alike) == _ALIKE:
            self._leave_alike()

    def _leave_alike(self) -> None:
        """Stop, and leave those who were refused in the same words for the next scan."""
        for file, outcome in self.alike:
            self.stopped = self.refused.pop(file.owner)
            self._give_back(file, outcome.cause)
        self.alike = []

    def _give_back(self, file: OwnersFile, refused: str | None = None) -> None:
        self.counts["left" if file.give_back(refused) else "lost"] += 1

    def answer(self) -> dict[str, Any]:
        """Return what the state machine goes on with, and print the counts; they name nobody."""
        self.counts["refused"] = len(self.refused)
        _log(self.report, self.counts, (self.stopped or "").partition(":")[0])
        answer: dict[str, Any] = {"counts": self.counts, "notify": bool(self.refused or self.stopped or self.late)}
        if answer["notify"]:
            answer["notification"] = compose_refusals(
                self.report["scan_id"],
                self.report["account_id"],
                counts=self.counts,
                refused=[*self.refused.items()],
                stopped=self.stopped,
                late=self.late,
                https_format=https_format(),
            )
        return answer


def _in_order(due: list[_Due]) -> list[_Due]:
    """Return notices the most urgent first, after some to owners who were not refused the last time.

    With these, it shows whether notices are sent at all: owners who are refused each time keep nobody else from theirs.
    """
    due = sorted(due, key=lambda one: most_urgent_first(one[0], one[1].before))
    begin = [(notice, file) for notice, file in due if not (file.before and file.before["refused"])][:_ALIKE]
    owners = {file.owner for _, file in begin}
    return [*begin, *((notice, file) for notice, file in due if file.owner not in owners)]


def _log(report: AnyReport, counts: NoticeCounts, stopped: str) -> None:
    print(json.dumps({"scan_id": report["scan_id"], "notices": counts, "stopped": stopped}))  # noqa: T201  # to the log

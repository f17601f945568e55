"""A scan of one account of an organization, from the session in it to its report."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib import scan_ids, settings
from chalicelib.aws import account, cloudtrail, organization_store, report_store
from chalicelib.aws.asking import Asking, PatientAsking
from chalicelib.aws.errors import failures, in_words
from chalicelib.aws.iam import USERS_AT_A_TIME, list_users, read_user
from chalicelib.aws.members import Member, UnreadableAccountError, assume_reader
from chalicelib.aws.planning import Planner
from chalicelib.documents import AccountFacts, InvalidEvidenceError, Page, Report
from chalicelib.evaluation.account import wanted_facts
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.evaluation.usage import Clock, choose_keys, join_usage, look_up_keys
from chalicelib.instants import format_instant, parse_instant
from chalicelib.organization_settings import ReaderSettings, reader_settings
from chalicelib.policy import ScanPolicy, describe_details_cutoff, parse_policy
from chalicelib.report.changes import join_and_compare
from chalicelib.settings import TagSettings

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

Renderers = Mapping[str, Callable[[Report], Iterator[str]]]
_A_PAGE = 100  # users
# With so much left, no call of IAM is begun. The one under way takes 15 at most; joining and rendering 5,000 users with
# two overdue keys each, and keeping that, takes less than 45 (bench/scan_account.py); a minute is spare.
_SECONDS_TO_END = 120


def scan_account(event: Mapping[str, Any], renderers: Renderers, clock: Clock) -> dict[str, Any]:
    """Scan an account and keep its files, the report last; or keep why it cannot be scanned. Return which it was."""
    scan, account_id = event["scan"], event["account"]["account_id"]
    policy = parse_policy(scan["policy"], settings.stage_defaults())
    run = _Run(
        scan={**scan, "policy": policy.to_json()},
        policy=policy,
        last_scan_id=event["account"].get("last_scan_id"),
        told_at=parse_instant(event["account"]["told_at"]) if "told_at" in event["account"] else None,
        tags=settings.tag_settings(),
        clock=clock,
        planner=Planner(),
    )
    reader = reader_settings()
    answer = {"account_id": account_id, "outcome": "scanned"}
    counts: Mapping[str, Any] = {}
    try:
        report = run.scan_account(
            assume_reader(account_id, scan_ids.partition_of(scan["execution_arn"]), reader), reader
        )
        for kind, render in renderers.items():
            report_store.save_report(scan["scan_id"], kind, render(report), account_id)
        counts = report["coverage"]
    except (UnreadableAccountError, InvalidEvidenceError) as error:
        answer |= {"outcome": "unchecked", "cause": str(error)}
        organization_store.save_unchecked(scan["scan_id"], {"account_id": account_id, "cause": str(error)})
    print(json.dumps({"scan_id": scan["scan_id"], **answer, **counts}))  # noqa: T201  # to the log
    return answer


@dataclass(frozen=True)
class _Run:
    scan: Mapping[str, Any]
    policy: ScanPolicy
    last_scan_id: str | None
    told_at: datetime | None
    tags: TagSettings
    clock: Clock
    planner: Planner

    def scan_account(self, member: Member, reader: ReaderSettings) -> Report:
        """Read an account, user by user, and join what was read; UnreadableAccountError if IAM does not list users."""
        facts = self._read_facts(member)
        pages = list(self._read_pages(member.iam_for_many_calls(), facts))
        load_last = partial(report_store.load_last_report_of, member.account_id, self.last_scan_id)
        report = join_and_compare(pages, self.planner.watch(load_last, lambda: self.told_at), facts, datetime.now(UTC))
        if report["changes"]:
            report["changes"]["last_message_at"] = None  # a message is of all accounts
        self.planner.plan(report)
        if reader.usage_evidence:
            self._join_usage(member, report)
        return report

    def _time_is_up(self) -> bool:
        return self.clock.left() < _SECONDS_TO_END

    def _read_facts(self, member: Member) -> AccountFacts:
        wanted, read_at = wanted_facts(self.scan, member.account_id), format_instant(datetime.now(UTC))
        until = self.clock.read() + account.GIVE_UP_SECONDS
        facts = account.read_account(
            member.iam(), wanted, self.tags.owner_tags, read_at, lambda: self.clock.read() > until
        )
        report_store.save_account(facts, member.account_id)
        return facts

    def _read_pages(self, iam: "IAMClient", facts: AccountFacts) -> Iterator[Page]:
        started_at = parse_instant(self.scan["started_at"])
        as_of = self.policy.as_of or started_at
        context = ScanContext(
            scan_id=self.scan["scan_id"],
            account_id=facts["account_id"],
            as_of=as_of,
            policy=self.policy,
            account=facts,
            max_exempt_days=self.tags.max_exempt_days,
            started_at=started_at,
        )
        asking = PatientAsking(self._time_is_up, wait=self.clock.wait)
        names = self._list_names(iam, asking)
        read = partial(read_user, iam, asking, cutoff=describe_details_cutoff(self.policy, as_of))
        with ThreadPoolExecutor(USERS_AT_A_TIME) as threads:
            for number, start in enumerate(range(0, len(names) or 1, _A_PAGE), start=1):
                listed = names[start : start + _A_PAGE]
                page = evaluate_page(context, number, listed, threads.map(read, listed), start)
                report_store.save_page(page, facts["account_id"])
                yield page

    def _list_names(self, iam: "IAMClient", asking: Asking) -> list[str]:
        if self.policy.users is not None:
            return list(self.policy.users)
        try:
            return [user["UserName"] for user in list_users(iam, asking)]
        except failures() as error:
            raise UnreadableAccountError(f"IAM did not list the users ({in_words(error)})") from error

    def _join_usage(self, member: Member, report: Report) -> None:
        """Ask CloudTrail in the time that is left; why a key was not asked about is in the report."""
        keys = choose_keys(report["findings"], parse_instant(self.scan["started_at"]))
        look_up = partial(cloudtrail.look_up, functools.cache(member.cloudtrail))
        clock = replace(self.clock, left=lambda: self.clock.left() - _SECONDS_TO_END)
        usage = look_up_keys(self.scan["scan_id"], keys, look_up, clock)
        report_store.save_usage(usage, member.account_id)
        join_usage(report, {"kept": True}, lambda: usage)

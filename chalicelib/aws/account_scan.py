"""A scan of one account of an organization, from the session in it to its report."""

import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from chalicelib import scan_ids, settings
from chalicelib.aws import account, cloudtrail, organization_store, report_store
from chalicelib.aws.asking import Asking
from chalicelib.aws.errors import failures, in_words
from chalicelib.aws.iam import USERS_AT_A_TIME, list_users, read_user
from chalicelib.aws.members import Member, UnreadableAccountError, assume_reader
from chalicelib.documents import AccountFacts, InvalidEvidenceError, Page, Report
from chalicelib.evaluation.account import Wanted
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.evaluation.usage import Clock, choose_keys, join_usage, look_up_keys
from chalicelib.instants import format_instant, parse_instant
from chalicelib.key_documents import Usage
from chalicelib.organization_documents import UncheckedAccount
from chalicelib.organization_settings import ReaderSettings, reader_settings
from chalicelib.policy import ScanPolicy, describe_details_cutoff, parse_policy
from chalicelib.report.changes import join_and_compare
from chalicelib.report.summary import scan_kind
from chalicelib.settings import TagSettings

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

Renderers = Mapping[str, Callable[[Report], Iterator[str]]]
_A_PAGE = 100  # users
# What is left when no call of IAM is made any more: the one under way may take 40 seconds, joining and rendering 5,000
# users with two old keys each takes 30 (bench/scan_account.py), and the function is to end a minute before its time.
_SECONDS_TO_END = 120


def scan_account(event: Mapping[str, Any], renderers: Renderers, clock: Clock) -> dict[str, Any]:
    """Scan an account and keep its files, the report last; or keep why it cannot be scanned. Return which it was."""
    scan, account_id = event["scan"], event["account"]["account_id"]
    run = _Run(
        scan=scan,
        account_id=account_id,
        last_scan_id=event["account"]["last_scan_id"],
        policy=parse_policy(scan["policy"], settings.stage_defaults()),
        tags=settings.tag_settings(),
        reader=reader_settings(),
        clock=clock,
    )
    try:
        member = assume_reader(account_id, run.partition, run.reader)
        report = run.report(member)
    except (UnreadableAccountError, InvalidEvidenceError) as error:
        unchecked: UncheckedAccount = {"account_id": account_id, "cause": str(error)}
        organization_store.save_unchecked(scan["scan_id"], unchecked)
        return {**unchecked, "outcome": "unchecked"}
    for kind, render in renderers.items():
        report_store.save_report(scan["scan_id"], kind, render(report), account_id)
    return {"account_id": account_id, "outcome": "scanned"}


@dataclass(frozen=True)
class _Run:
    scan: Mapping[str, Any]
    account_id: str
    last_scan_id: str | None
    policy: ScanPolicy
    tags: TagSettings
    reader: ReaderSettings
    clock: Clock

    @property
    def partition(self) -> str:
        return scan_ids.partition_of(self.scan["execution_arn"])

    def time_is_up(self) -> bool:
        return self.clock.left() < _SECONDS_TO_END

    def report(self, member: Member) -> Report:
        """Read the account page by page and join the pages; raise UnreadableAccountError if its users cannot be had."""
        iam = member.iam(self.time_is_up)
        facts = self._facts(iam)
        pages = list(self._pages(iam, facts))
        usage = self._usage(member, pages) if self.reader.usage_evidence else None
        load_last = partial(report_store.load_last_report_of, self.account_id, self.last_scan_id)
        report = join_and_compare(pages, load_last, facts, datetime.now(UTC))
        join_usage(report, usage and {"kept": True}, lambda: cast(Usage, usage))
        return report

    def _facts(self, iam: "IAMClient") -> AccountFacts:
        users, root = self.scan["policy"].get("users"), scan_kind(self.scan["policy"]) == "full"
        wanted = Wanted(self.scan["scan_id"], self.account_id, self.partition, users, root)
        until = self.clock.read() + account.GIVE_UP_SECONDS
        read_at = format_instant(datetime.now(UTC))
        facts = account.read_account(
            iam, wanted, self.tags.owner_tags, read_at, lambda: self.time_is_up() or self.clock.read() > until
        )
        report_store.save_account(facts, self.account_id)
        return facts

    def _pages(self, iam: "IAMClient", facts: AccountFacts) -> Iterator[Page]:
        started_at = parse_instant(self.scan["started_at"])
        as_of = self.policy.as_of or started_at
        context = ScanContext(
            scan_id=self.scan["scan_id"],
            account_id=self.account_id,
            as_of=as_of,
            policy=self.policy,
            account=facts,
            max_exempt_days=self.tags.max_exempt_days,
            started_at=started_at,
        )
        asking, names = Asking(self.time_is_up), self._names(iam)
        read = partial(read_user, iam, asking, cutoff=describe_details_cutoff(self.policy, as_of))
        with ThreadPoolExecutor(USERS_AT_A_TIME) as threads:
            for number, start in enumerate(range(0, len(names) or 1, _A_PAGE), start=1):
                listed = names[start : start + _A_PAGE]
                page = evaluate_page(context, number, listed, threads.map(read, listed), start)
                report_store.save_page(page, self.account_id)
                yield page

    def _names(self, iam: "IAMClient") -> list[str]:
        if self.policy.users is not None:
            return list(self.policy.users)
        try:
            return [user["UserName"] for user in list_users(iam, Asking(self.time_is_up))]
        except failures() as error:
            raise UnreadableAccountError(f"IAM did not list the users ({in_words(error)})") from error

    def _usage(self, member: Member, pages: list[Page]) -> Usage:
        keys = choose_keys((one for page in pages for one in page["findings"]), parse_instant(self.scan["started_at"]))
        look_up = partial(cloudtrail.look_up, functools.cache(member.cloudtrail))
        clock = replace(self.clock, left=lambda: self.clock.left() - _SECONDS_TO_END)
        usage = look_up_keys(self.scan["scan_id"], keys, look_up, clock)
        report_store.save_usage(usage, self.account_id)
        return usage

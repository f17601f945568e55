"""From judged pages to the report, and the counts of it. Pure, in the shapes of `chalicelib.documents`."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

from chalicelib.documents import (
    NO_OUTCOME,
    SCHEMA_VERSION,
    AccountFacts,
    AdviceCounts,
    AgeBin,
    Coverage,
    InvalidEvidenceError,
    Page,
    Report,
    SeverityCounts,
    TooManyChildrenFailedError,
    Totals,
)
from chalicelib.instants import parse_instant
from chalicelib.key_documents import ACTIVE, JudgedKey
from chalicelib.report.account import find_gone, find_quarantined, find_unknown
from chalicelib.report.controls import evidence_rows
from chalicelib.report.counts import add_counts, count_advice, count_severities, zeros
from chalicelib.report.summary import is_of_the_past, most_severe_first, scan_kind

_ROOT_USER = "the root user: IAM does not list it, and only scans of all users as of now ask whether it has access keys"
_GONE_SINCE = (
    "keys and users deleted since {}: IAM does not know them any more; keys deactivated since then count as inactive"
)
_USED_SINCE = "whether a key that was used since {} was unused then: IAM keeps the last use alone"
_USED_UNTIL = "uses after {}: last uses, and the advice that follows from them, are of that instant"
_OF_TODAY = "tags, permissions and quarantines of then: those in the report are of when the scan started"
_ONE_IN = 5  # users at most may be without an outcome
_BINS_TO_THE_LIMIT = 6  # of the histogram, and as many after it


def join_pages(pages: Iterable[Page], account: AccountFacts) -> Report:
    """Join all pages of a scan, in order, into its report; InvalidEvidenceError if they do not fit together.

    TooManyChildrenFailedError where more than one user in five has no outcome at all.
    """
    report: Report | None = None
    seen: set[str] = set()
    ages: Counter[int] = Counter()
    for number, page in enumerate(pages, start=1):
        if report is None:
            report = _empty_report(page, account)
        _check_page(report, page, number)
        _add_page(report, page, seen)
        _add_facts(report, page, account)
        _count_ages(ages, page)
    if report is None:
        raise InvalidEvidenceError("the scan has no page")
    _check_outcomes(report)
    quarantined, in_words = find_gone(account, seen)
    report["quarantined"].extend(quarantined)
    report["not_covered"].extend(in_words)
    report["findings"].sort(key=most_severe_first)
    report["exempt"].sort(key=most_severe_first)
    report["severities"] = count_severities(report["findings"])
    report["advice"] = count_advice(report["findings"])
    report["age_histogram"] = _histogram(ages, report["policy"]["max_age_days"])
    return report


def _check_outcomes(report: Report) -> None:
    without = sum(user["cause"] == NO_OUTCOME for user in report["unchecked"])
    listed = report["coverage"]["users_listed"]
    if without * _ONE_IN > listed:
        raise TooManyChildrenFailedError(
            f"{without} of {listed} users have no outcome, for child executions failed or ran out of time;"
            f" a report is made where it is at most one in {_ONE_IN}"
        )


def _empty_report(page: Page, account: AccountFacts) -> Report:
    root = account["root"]
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": page["scan_id"],
        "account_id": page["account_id"],
        "as_of": page["as_of"],
        "started_at": page["started_at"],
        "policy": page["policy"],
        "coverage": zeros(Coverage),
        "totals": zeros(Totals),
        "root": root,
        "advice": zeros(AdviceCounts),
        "findings": [],
        "exempt": [],
        "unchecked": [],
        "details_unknown": [],
        "not_found": [],
        "not_covered": [*([] if root else [_ROOT_USER]), *_users_left_out(page["policy"]), *_gone_since(page)],
        "inactive_overdue": [],
        "scan_kind": scan_kind(page["policy"]),
        "age_histogram": [],
        "changes": None,
        "account_alias": account["alias"],
        "account_unknown": account["unknown"],
        "quarantined": [],
        "two_active_keys": [],
        "severities": zeros(SeverityCounts),
        "controls": evidence_rows(page["policy"]),
    }


def _users_left_out(policy: Mapping[str, Any]) -> list[str]:
    return ["all users but those that the scan policy names"] if "users" in policy else []


def _gone_since(page: Page) -> list[str]:
    if parse_instant(page["as_of"]) > parse_instant(page["started_at"]):
        return [_USED_UNTIL.format(page["started_at"])]
    if not is_of_the_past(page):
        return []
    used_since = [_USED_SINCE.format(page["as_of"])] if "max_unused_days" in page["policy"] else []
    return [_GONE_SINCE.format(page["as_of"]), *used_since, _OF_TODAY]


def _check_page(report: Report, page: Page, number: int) -> None:
    if page["page"] != number:
        raise InvalidEvidenceError(f"page {page['page']} stands in the place of page {number}")
    for field in ("schema_version", "scan_id", "account_id", "as_of", "started_at", "policy"):
        if page.get(field) != report.get(field):
            raise InvalidEvidenceError(f"page {number} has another {field} than page 1")


def _add_page(report: Report, page: Page, seen: set[str]) -> None:
    for user in page["users"]:
        if user["user_name"] in seen:
            raise InvalidEvidenceError(f"page {page['page']} lists a user who is on an earlier page")
        seen.add(user["user_name"])
        if user["outcome"] == "unchecked":
            report["unchecked"].append({"user_name": user["user_name"], "cause": user["cause"]})
        elif user["outcome"] == "not_found":
            report["not_found"].append(user["user_name"])
        elif "details" in user and user["details"]["cause"] is not None:
            report["details_unknown"].append({"user_name": user["user_name"], "cause": user["details"]["cause"]})
        if sum(_is_active(key, page) for key in user.get("keys", ())) > 1:
            report["two_active_keys"].append(user["user_name"])
    report["inactive_overdue"].extend(_inactive_overdue(page))
    add_counts(report["coverage"], page["coverage"])
    add_counts(report["totals"], page["totals"])
    report["findings"].extend(page["findings"])
    report["exempt"].extend(page["exempt"])


def _is_active(key: JudgedKey, page: Page) -> bool:
    return key["status"] == ACTIVE and parse_instant(key["created_at"]) <= parse_instant(page["as_of"])


def _add_facts(report: Report, page: Page, account: AccountFacts) -> None:
    report["quarantined"].extend(find_quarantined(account, page))
    of_all = [unknown["cause"] for unknown in account["unknown"] if unknown["part"] == "users"]
    named = {user["user_name"] for user in report["details_unknown"]}
    for user in find_unknown(account, page):
        report["coverage"]["users_facts_unknown"] += 1
        if user["user_name"] not in named and user["cause"] not in of_all:
            report["details_unknown"].append(user)


def _inactive_overdue(page: Page) -> Iterator[str]:
    """Yield the inactive keys that are skipped and too old: one of them may be activated again."""
    limit = parse_instant(page["as_of"]) - timedelta(days=page["policy"]["max_age_days"])
    for user in page["users"]:
        for key in user.get("keys", ()):
            if key["verdict"] is None and key["status"] != ACTIVE and parse_instant(key["created_at"]) < limit:
                yield key["access_key_id"]


def _count_ages(ages: Counter[int], page: Page) -> None:
    """Count judged keys by age in days, rounded up: a key of exactly 90 days is not older than 90."""
    as_of = parse_instant(page["as_of"])
    for user in page["users"]:
        for key in user.get("keys", ()):
            if key["verdict"] is not None:
                ages[-((parse_instant(key["created_at"]) - as_of) // timedelta(days=1))] += 1


def _histogram(ages: Counter[int], max_age_days: int) -> list[AgeBin]:
    """Sort ages into bins of equal width, but for the first and the endless last; the limit is between two."""
    width = -(-max_age_days // _BINS_TO_THE_LIMIT)
    limits = [max_age_days + step * width for step in range(-_BINS_TO_THE_LIMIT, _BINS_TO_THE_LIMIT + 1)]
    limits = [0, *(limit for limit in limits if limit > 0)]
    bins: list[AgeBin] = [{"from_days": low, "to_days": high, "keys": 0} for low, high in pairwise(limits)]
    bins.append({"from_days": limits[-1], "to_days": None, "keys": 0})
    for age, keys in ages.items():
        bins[max(0, bisect_left(limits, age) - 1)]["keys"] += keys
    return bins

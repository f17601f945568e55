"""From the reports of its accounts to an organization's: one account at a time, so that memory is bounded. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from chalicelib.deactivation_documents import Action, Plan, PlannedKey
from chalicelib.documents import (
    SCHEMA_VERSION,
    InvalidEvidenceError,
    Report,
    TooManyChildrenFailedError,
)
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import (
    AccountList,
    AccountRow,
    Baselines,
    ListedAccount,
    OrganizationFinding,
    OrganizationReport,
)
from chalicelib.report.account_rows import first_to_look_at, name_account, outcome_unscanned, row_without_report
from chalicelib.report.changes import NO_LAST_SCAN
from chalicelib.report.counts import Counts, add_counts, count, count_violations
from chalicelib.report.organization_scan import (
    OrganizationScan,
    accounts_left_out,
    add_plan,
    compare_with_baselines,
    empty_report,
    notes_of_accounts,
)
from chalicelib.report.summary import (
    changes_by_key,
    is_complete,
    most_severe_first,
    report_locations,
    report_verdict,
)

MOST_FINDINGS, MOST_QUARANTINED, MOST_ACTIONS = 1_000, 100, 100  # in the report
NO_ACCOUNT_OUTCOME = "the child execution left no outcome: its Map Run says why"
DAMAGED = "its report is damaged"
_ONE_IN = 5  # accounts at most may be without an outcome
_COMMON = ("scan_id", "as_of", "started_at", "policy")  # to the reports of all accounts
_SUMS = ("exempt_overdue", "safe_to_finish", "administrator_keys", "root_unknown", "quarantined", "two_active_keys")

Outcome = Report | str  # of an account: its report, or the cause why there is none


def check_outcomes(
    scan: OrganizationScan, outcomes: Iterable[tuple[ListedAccount, Outcome | None]]
) -> Iterator[tuple[ListedAccount, Outcome]]:
    """Pass on what became of each account; a report that is damaged, or of another account or scan, counts as none."""
    for account, outcome in outcomes:
        if isinstance(outcome, dict):
            yield (
                account,
                why_not_of(scan, account["account_id"], outcome) or _why_damaged(scan, account, outcome) or outcome,
            )
        else:
            yield account, outcome or NO_ACCOUNT_OUTCOME


def why_not_of(scan: OrganizationScan, account_id: str, report: Mapping[str, Any]) -> str | None:
    """Return in which field a report shows that it is not of this account and this scan, None if it is."""
    common = {field: getattr(scan, field) for field in _COMMON}
    expected = {"schema_version": SCHEMA_VERSION, **common, "account_id": account_id}
    others = (field for field, value in expected.items() if report.get(field) != value)
    return next((f"its report is of another {field}" for field in others), None)


def _why_damaged(scan: OrganizationScan, account: ListedAccount, report: Report) -> str | None:
    """Return the cause if a report cannot be joined: found out apart, because none may be joined in part."""
    alone = _Join(scan, _list_of(scan, account), None)
    try:
        totals: Any = report["totals"]
        found = sum(totals[verdict] for verdict in ("expired", "unused", "due_soon"))
        lacks = any(shape.__required_keys__ - part.keys() for shape, part in _parts(report))
        if lacks or found != len(report["findings"]):
            return DAMAGED
        alone.add(account, report)
    except (KeyError, TypeError, ValueError, AttributeError):
        return DAMAGED
    return None


def _parts(report: Report) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yield the parts of a report whose fields are gone by further on, each with its shape."""
    yield Report, report
    if "plan" in report:
        yield Plan, report["plan"]
    for finding in report["findings"]:
        yield Finding, finding
        if "plan" in finding:
            yield PlannedKey, finding["plan"]
    for action in report.get("actions", ()):
        yield Action, action


def join_accounts(
    scan: OrganizationScan,
    accounts: AccountList,
    outcomes: Iterable[tuple[ListedAccount, Outcome]],
    last: Baselines | None,
) -> OrganizationReport:
    """Join what became of each account that was to be scanned into one report; `last` are the baselines on record.

    InvalidEvidenceError if an account is missing or the counts do not add up, TooManyChildrenFailedError where more
    than one account in five has no outcome at all.
    """
    join = _Join(scan, accounts, last)
    for account, outcome in outcomes:
        join.add(account, outcome)
    return join.end()


class _Join:
    """An organization's report while it is made."""

    def __init__(self, scan: OrganizationScan, accounts: AccountList, last: Baselines | None) -> None:
        self._scan = scan
        self._list = accounts
        self._last = last
        self._report = empty_report(scan, accounts)
        self._findings: list[tuple[tuple[Any, ...], OrganizationFinding]] = []
        self._not_covered: list[str] | None = None
        self._notes: Counter[str] = Counter()  # accounts by what their reports note
        for account in accounts["accounts"]:
            if account["cause"] is not None:
                self._add_row(row_without_report(account, outcome_unscanned(account), account["cause"]))

    def add(self, account: ListedAccount, outcome: Outcome) -> None:
        """Add what became of an account."""
        if isinstance(outcome, str):
            self._add_row(row_without_report(account, "unchecked", outcome))
            return
        counts, report = count(outcome), self._report
        row = self._row(account, outcome, counts)
        self._add_row(row)
        report["coverage"]["accounts_incomplete"] += not row["complete"]
        self._add_counts(outcome, counts)
        self._add_findings(account, outcome)
        self._add_quarantined(account, outcome)
        self._add_changes(outcome, counts)
        self._add_plan(outcome)
        said = outcome["not_covered"]
        in_all = said if self._not_covered is None else self._not_covered
        self._not_covered = [what for what in in_all if what in said]
        if counts.root_access_keys:
            report["root_access_keys"].append(account["account_id"])

    def end(self) -> OrganizationReport:
        """Return the report once all accounts are added."""
        report = self._report
        self._check()
        report["accounts"].sort(key=first_to_look_at)
        report["findings"] = [finding for _, finding in self._findings]
        report["findings_left_out"] -= len(report["findings"])
        compare_with_baselines(report, self._last)
        if report["changes"]:
            report["changes"]["notes"] += notes_of_accounts(self._notes)
        report["not_covered"] = [*accounts_left_out(report), *(self._not_covered or ())]
        return report

    def _add_row(self, row: AccountRow) -> None:
        coverage: Any = self._report["coverage"]
        coverage[f"accounts_{row['outcome']}"] += 1
        self._report["accounts"].append(row)

    def _row(self, account: ListedAccount, report: Report, counts: Counts) -> AccountRow:
        return {
            **row_without_report(account, "scanned", None),
            "account_alias": report["account_alias"],
            "verdict": report_verdict(report),
            "complete": is_complete(report),
            "coverage": report["coverage"],
            "totals": report["totals"],
            "severities": report["severities"],
            "advice": report["advice"],
            "changes": counts.changes,
            "root_access_keys": None if report["root"] is None or counts.root_unknown else counts.root_access_keys > 0,
            "quarantined": counts.quarantined,
            "two_active_keys": counts.two_active_keys,
            "reports": report_locations(f"{self._scan.folder}accounts/{account['account_id']}/"),
        }

    def _add_counts(self, outcome: Report, counts: Counts) -> None:
        report: Any = self._report
        add_counts(report["users"], counts.users)
        add_counts(report["totals"], counts.totals)
        add_counts(report["severities"], counts.severities)
        add_counts(report["to_do"], counts.to_do)
        add_counts(report["advice"], outcome["advice"])
        for name in _SUMS:
            report[name] += getattr(counts, name)
        violations = count_violations(outcome)
        for kind, sums in report["violations"].items():
            add_counts(sums, violations[kind])

    def _add_findings(self, account: ListedAccount, report: Report) -> None:
        self._report["findings_left_out"] += len(report["findings"])
        changes, by_key = report["changes"], changes_by_key(report)
        reactivated, safe = (set(changes["reactivated"]), set(changes["became_safe"])) if changes else (set(), set())
        for finding in report["findings"][:MOST_FINDINGS]:
            key_id = finding["access_key_id"]
            more: OrganizationFinding = {
                **finding,
                **name_account(account, report),
                "change": by_key.get(key_id, {}).get("change"),
                "reported_since": by_key.get(key_id, {}).get("reported_since"),
                "reactivated": key_id in reactivated,
                "became_safe": key_id in safe,
            }
            self._findings.append((most_severe_first(finding), more))
        self._findings.sort(key=itemgetter(0))
        del self._findings[MOST_FINDINGS:]

    def _add_quarantined(self, account: ListedAccount, report: Report) -> None:
        users = self._report["quarantined_users"]
        users += [{**user, **name_account(account, report)} for user in report["quarantined"]]
        del users[MOST_QUARANTINED:]

    def _add_changes(self, outcome: Report, counts: Counts) -> None:
        changes: Any = self._report["changes"]
        if changes is None or outcome["changes"] is None or counts.changes is None:
            return
        account_id = outcome["account_id"]
        for name, number in counts.changes.items():
            if name != "since":
                changes[name] += number
        changes["exempted"] += counts.exempted
        changes["new_root_access_keys"] += [account_id] * counts.new_root_access_keys
        is_new = self._last is None or account_id not in self._last["accounts"]
        changes["accounts_new"] += [account_id] if is_new else []
        # That an account is new, accounts_new says.
        self._notes.update(note for note in outcome["changes"]["notes"] if not (is_new and note == NO_LAST_SCAN))

    def _add_plan(self, outcome: Report) -> None:
        if "plan" in outcome:
            add_plan(self._report, outcome["plan"])
        if "actions" in outcome:
            report, actions = self._report, [*self._report.get("actions", []), *outcome["actions"]]
            left_out = report.get("actions_left_out", 0) + len(actions[MOST_ACTIONS:])
            report["actions"], report["actions_left_out"] = actions[:MOST_ACTIONS], left_out

    def _check(self) -> None:
        coverage, users = self._report["coverage"], self._report["users"]
        ended = coverage["accounts_scanned"] + coverage["accounts_unchecked"] + coverage["accounts_not_active"]
        listed = {account["account_id"] for account in self._list["accounts"]}
        if coverage["accounts_listed"] != ended or listed != {row["account_id"] for row in self._report["accounts"]}:
            raise InvalidEvidenceError(f"{len(listed)} accounts are listed, and {ended} have an outcome")
        of_users = users["users_checked"] + users["users_not_found"] + users["users_unchecked"]
        if users["users_listed"] != of_users:
            raise InvalidEvidenceError(f"{users['users_listed']} users are listed, and {of_users} have an outcome")
        to_scan = sum(account["cause"] is None for account in self._list["accounts"])
        without = sum(row["cause"] == NO_ACCOUNT_OUTCOME for row in self._report["accounts"])
        if without * _ONE_IN > to_scan:
            raise TooManyChildrenFailedError(
                f"{without} of {to_scan} accounts have no outcome, for child executions failed or ran out of time;"
                f" a report is made where it is at most one in {_ONE_IN}"
            )


def _list_of(scan: OrganizationScan, account: ListedAccount) -> AccountList:
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": scan.scan_id,
        "requested": None,
        "accounts": [account],
        "excluded": [],
        "last_scan": None,
        "gone": [],
        "notes": [],
    }

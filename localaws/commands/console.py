"""What a person sees of a scan: wrapped between words alone, so that no name and no access key id is cut."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport, OrganizationReport
from chalicelib.outputs.description import describe_report
from chalicelib.outputs.organization_sentences import account_in_words, account_label, to_look_at
from chalicelib.outputs.plan_sentences import planned_in_short
from chalicelib.outputs.sentences import (
    advice_label,
    no_finding_line,
    to_the_second,
    verdict_label,
)
from chalicelib.report.summary import is_of_the_past, judges_no_key
from localaws.commands.printing import print_heading, print_wrapped
from localaws.commands.sent import sent_files, show_counts, show_notices_kept, show_sent
from localaws.scan_run import ScanResult

_MOST_FINDINGS = 25
_UNBOUNDED = 10_000  # columns
_STYLES = {"expired": "bold red", "unused": "red", "due_soon": "yellow", "unchecked": "yellow"}


def show_result(console: Console, result: ScanResult) -> None:
    """Show the message that a scan sent, its findings, and what became of all users and keys."""
    console.print()
    for message in result.mail:
        print_heading(console, "The message, as a subscriber received it by e-mail")
        console.print(Text(f"Subject: {message['Subject']}", style="bold"), soft_wrap=True)
        console.print(Text(f"\n{message['Message'].rstrip()}\n"), soft_wrap=True)
    show_sent(console, result)
    if report := result.report:
        of_accounts = "accounts" in report
        if not result.mail and not result.error:
            whole = not (is_of_the_past(report) or judges_no_key(report) or describe_report(report).not_found)
            why = "no key is overdue" + (", and the report is complete" if whole else "")
            print_wrapped(console, f"No message was sent: {why}.\n")
        _show_findings(console, report)
        if of_accounts:
            _show_accounts(console, report)
        described = describe_report(report)
        if described.not_found:
            print_wrapped(console, f"IAM knows no user named {', '.join(described.not_found)}.", "yellow")
        checked = (*described.accounts, described.coverage, described.keys)
        counts = (*checked, *described.severity, *(described.root if of_accounts else described.account))
        for line in (*counts, *described.changes, *described.plan, *described.owners, *described.not_covered):
            print_wrapped(console, line)
        show_counts(console, result)
    if result.error:
        print_wrapped(console, f"The scan {result.status}: {result.error}", "bold red")


def show_kept(console: Console, folder: Path, result: ScanResult) -> None:
    """Print where the files of a scan are."""
    kept = sorted(
        {name.partition("/")[0] + ("/" if "/" in name else "") for name in {**result.files, **sent_files(result)}}
    )
    print_wrapped(console, f"Kept in {folder}/: {', '.join(kept)}")
    if "report.html" in result.files:
        print_wrapped(console, f"Open {folder / 'report.html'} in a browser: the report for people.")
    show_notices_kept(console, folder, result)


def _show_accounts(console: Console, report: OrganizationReport) -> None:
    """Show the accounts that are unchecked, and those with something to look at."""
    unchecked = [row for row in report["accounts"] if row["outcome"] == "unchecked"]
    found = to_look_at(report)
    rows = [(row, row["cause"] or "") for row in unchecked] + [(row, account_in_words(row)) for row in found]
    if rows:
        print_heading(console, "The accounts, first those that are unchecked")
    for row, what in rows[:_MOST_FINDINGS]:
        label = "unchecked" if row["outcome"] == "unchecked" else verdict_label(row["verdict"] or "")
        print_wrapped(console, f"{account_label(row)}: {what}", _STYLES.get(row["verdict"] or label, ""))
    if len(rows) > _MOST_FINDINGS:
        print_wrapped(console, f"and {len(rows) - _MOST_FINDINGS} more in the report.")
    if rows:
        console.print()


def _show_findings(console: Console, report: AnyReport) -> None:
    findings: Sequence[Finding] = report["findings"]
    if not findings:
        print_wrapped(console, no_finding_line(report))
        return
    print_heading(console, f"The findings, as of {to_the_second(report['as_of'])}")
    shown = findings[:_MOST_FINDINGS]
    plans = (True, False) if "plan" in report else (False,)
    tables = (_table(shown, report, severity=severity, plan=plan) for plan in plans for severity in (True, False))
    fitting = next((table for table in tables if _width(console, table) <= console.width), None)
    if fitting:
        console.print(fitting)
    else:
        for line in _in_lines(shown, report):
            console.print(line, soft_wrap=True)
    left_out = len(findings) - len(shown) + (report["findings_left_out"] if "accounts" in report else 0)
    if left_out:
        print_wrapped(console, f"and {left_out:,} more in the report.\n")


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=_UNBOUNDED)).maximum


def _table(findings: Sequence[Finding], report: AnyReport, *, severity: bool, plan: bool) -> Table:
    of_accounts = any("account_id" in finding for finding in findings)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Verdict", no_wrap=True)
    if severity:
        table.add_column("Severity", no_wrap=True)
    table.add_column("Days", justify="right", no_wrap=True)
    table.add_column("What to do", no_wrap=True)
    if plan:
        table.add_column("Plan", no_wrap=True)
    table.add_column("Access key id", no_wrap=True)
    table.add_column("User", no_wrap=True)
    if of_accounts:
        table.add_column("Account", no_wrap=True)
    for finding in findings:
        table.add_row(
            Text(verdict_label(finding["verdict"]), style=_STYLES.get(finding["verdict"], "")),
            *([finding["severity"]] if severity else []),
            str(finding["age_days"]),
            advice_label(finding),
            *([planned_in_short(finding, report["as_of"])] if plan else []),
            finding["access_key_id"],
            Text(finding["user_name"]),
            *([Text(_account_of(finding))] if of_accounts else []),
        )
    return table


def _account_of(finding: Any) -> str:
    """Return the name of a finding's account, in an organization, or else its id."""
    return str(finding.get("account_name") or finding.get("account_id", ""))


def _in_lines(findings: Sequence[Finding], report: AnyReport) -> Iterator[Text]:
    """Yield the findings in a few short lines each, for a terminal that is too narrow for the table."""
    for finding in findings:
        yield Text(f"{finding['access_key_id']}", style="bold")
        yield Text(finding["user_name"])
        if account := _account_of(finding):
            yield Text(account)
        yield Text(
            f"{verdict_label(finding['verdict'])}, {finding['age_days']} days, {finding['severity']}",
            style=_STYLES.get(finding["verdict"], ""),
        )
        plan = planned_in_short(finding, report["as_of"])
        yield Text(f"{advice_label(finding)}{f', plan: {plan}' if plan else ''}\n")

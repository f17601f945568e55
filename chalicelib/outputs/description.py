"""One description of a report, of which the mail, chat, report.html and the console show their parts. Pure."""

from dataclasses import dataclass
from typing import Literal

from chalicelib.documents import Report
from chalicelib.outputs import sentences
from chalicelib.outputs.headline import headline
from chalicelib.report.summary import find_gaps, has_root_access_keys, is_of_the_past, judges_no_key

Tone = Literal["bad", "warn", "good"]


@dataclass(frozen=True)
class Description:
    """A report in sentences, in the order of reading; a tuple is empty where there is nothing to say."""

    headline: tuple[str, ...]
    to_do: tuple[str, ...]
    coverage: str
    keys: str
    severity: tuple[str, ...]
    two_active_keys: tuple[str, ...]
    root: tuple[str, ...]
    account: tuple[str, ...]
    details: tuple[str, ...]
    changes: tuple[str, ...]
    not_covered: tuple[str, ...]
    not_found: tuple[str, ...]  # user names that the scan policy names and IAM does not know
    next_steps: tuple[str, ...]  # what to fix if the report is incomplete
    tone: Tone

    @property
    def verdict_lines(self) -> tuple[str, ...]:
        """What was found, and what to do."""
        return (*self.headline, *self.to_do)

    @property
    def count_lines(self) -> tuple[str, ...]:
        """What was checked, and what changed."""
        about_account = (*self.two_active_keys, *self.root, *self.account, *self.details)
        return (self.coverage, self.keys, *self.severity, *about_account, *self.changes)


def describe_report(report: Report) -> Description:
    """Return the description of a report."""
    gaps = find_gaps(report)
    return Description(
        headline=tuple(headline(report, gaps)),
        to_do=tuple(sentences.to_do_line(report)),
        coverage=sentences.coverage_line(report["coverage"]),
        keys=sentences.keys_line(report),
        severity=tuple(sentences.severity_line(report)),
        two_active_keys=tuple(sentences.two_active_keys_line(report)),
        root=tuple(sentences.root_lines(report)),
        account=tuple(sentences.account_lines(report)),
        details=tuple(sentences.details_lines(report)),
        changes=tuple(sentences.changes_lines(report)),
        not_covered=tuple(f"Not covered: {what}." for what in report["not_covered"]),
        not_found=tuple(report["not_found"]) if sentences.names_users(report) else (),
        next_steps=tuple(sentences.next_steps(report, gaps)),
        tone=_tone(report, complete=not gaps),
    )


def _tone(report: Report, *, complete: bool) -> Tone:
    totals = report["totals"]
    if totals["expired"] or has_root_access_keys(report) or report["quarantined"]:
        return "bad"
    if totals["unused"] or not complete or is_of_the_past(report) or judges_no_key(report):
        return "warn"
    return "good"

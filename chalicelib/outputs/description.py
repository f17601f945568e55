"""One description of a report, of which the mail, chat, report.html and the console show their parts. Pure."""

from dataclasses import dataclass
from typing import Literal

from chalicelib.organization_documents import AnyReport
from chalicelib.outputs import organization_sentences, sentences
from chalicelib.outputs.headline import headline
from chalicelib.outputs.organization_sentences import Label, account_label
from chalicelib.outputs.plan_sentences import plan_lines
from chalicelib.report.counts import Counts, count
from chalicelib.report.summary import find_gaps, is_of_the_past, judges_no_key

Tone = Literal["bad", "warn", "good"]


@dataclass(frozen=True)
class Description:
    """A report in sentences, in the order of reading; a tuple is empty where there is nothing to say."""

    headline: tuple[str, ...]
    to_do: tuple[str, ...]
    plan: tuple[str, ...]  # of deactivations
    accounts: tuple[str, ...]
    coverage: str
    keys: str
    severity: tuple[str, ...]
    two_active_keys: tuple[str, ...]
    root: tuple[str, ...]
    account: tuple[str, ...]
    details: tuple[str, ...]
    changes: tuple[str, ...]
    owners: tuple[str, ...]  # who cannot be notified
    not_covered: tuple[str, ...]
    not_found: tuple[str, ...]  # user names that the scan policy names and IAM does not know
    next_steps: tuple[str, ...]  # what to fix if the report is incomplete
    tone: Tone

    @property
    def verdict_lines(self) -> tuple[str, ...]:
        """What was found, and what to do."""
        return (*self.headline, *self.to_do, *self.plan)

    @property
    def count_lines(self) -> tuple[str, ...]:
        """What was checked, and what changed."""
        about_account = (*self.two_active_keys, *self.root, *self.account, *self.details)
        return (*self.accounts, self.coverage, self.keys, *self.severity, *about_account, *self.changes, *self.owners)


def describe_report(report: AnyReport, label: Label = account_label) -> Description:
    """Return the description of a report; `label` is how an output names an account of an organization."""
    gaps, counts = find_gaps(report), count(report)
    about_one: dict[str, tuple[str, ...]] = {"account": (), "details": (), "not_found": ()}
    changes = tuple(sentences.changes_lines(report))
    if "accounts" in report:
        accounts: tuple[str, ...] = (organization_sentences.accounts_line(report["coverage"]),)
        root = tuple(organization_sentences.root_lines(report))
        changes = (*changes, *organization_sentences.accounts_changed(report, label))
    else:
        accounts, root = (), tuple(sentences.root_lines(report))
        about_one = {
            "account": tuple(sentences.account_lines(report)),
            "details": tuple(sentences.details_lines(report)),
            "not_found": tuple(report["not_found"]) if sentences.names_users(report) else (),
        }
    return Description(
        headline=tuple(headline(report, gaps, label=label)),
        to_do=tuple(sentences.to_do_line(report)),
        plan=tuple(plan_lines(report)),
        accounts=accounts,
        coverage=sentences.coverage_line(counts.users),
        keys=sentences.keys_line(report),
        severity=tuple(sentences.severity_line(report)),
        two_active_keys=tuple(sentences.two_active_keys_line(report)),
        root=root,
        changes=changes,
        owners=tuple(sentences.owners_line(report)),
        not_covered=tuple(f"Not covered: {what}." for what in report["not_covered"]),
        next_steps=tuple(sentences.next_steps(gaps)),
        tone=_tone(report, counts, complete=not gaps),
        **about_one,
    )


def _tone(report: AnyReport, counts: Counts, *, complete: bool) -> Tone:
    if counts.totals["expired"] or counts.root_access_keys or counts.quarantined:
        return "bad"
    if counts.totals["unused"] or not complete or is_of_the_past(report) or judges_no_key(report):
        return "warn"
    return "good"

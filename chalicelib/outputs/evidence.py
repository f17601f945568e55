"""What a report is evidence for: the controls of benchmarks, each with what the scan found. Pure."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Literal, NamedTuple

from chalicelib.documents import Violations
from chalicelib.instants import parse_instant
from chalicelib.key_documents import Finding
from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.sentences import counted
from chalicelib.report.controls import CONTROLS, Control, kinds_broken
from chalicelib.report.counts import count_violations
from chalicelib.report.summary import is_complete

_ASKS_FOR = {
    "expired": "Access keys are rotated every 90 days",
    "unused": "Access keys that were not used for 45 days are disabled",
    "root_access_keys": "The root user has no access keys",
    "two_active_keys": "No IAM user has more than one active access key",
}
_NO_EVIDENCE = {
    "users": "the users that it names alone",
    "as_of": "another instant than now",
    "accounts": "some accounts, of named users or of another instant: the report of each account says what it shows",
}


class Result(NamedTuple):
    """What a scan found about the controls of a kind."""

    asks_for: str
    words: str
    tone: Literal["bad", "warn", "good"]


def results(report: AnyReport) -> dict[str, Result]:
    """Return what the scan found, by the kinds of controls that it is evidence for."""
    kinds = dict.fromkeys(row["kind"] for row in report["controls"])
    violations, complete = count_violations(report), is_complete(report)
    return {kind: Result(_ASKS_FOR[kind], *_judge(violations[kind], complete=complete)) for kind in kinds}


def not_evidence_for(report: AnyReport) -> Iterator[str]:
    """Yield in sentences what nobody should take the report as evidence for."""
    policy, kinds = report["policy"], {row["kind"] for row in report["controls"]}
    if of := _NO_EVIDENCE.get(report["scan_kind"]):
        yield f"It is evidence for no control: the scan is of {of}."
        return
    if "expired" not in kinds:
        limit = counted(policy["max_age_days"], "day")
        yield f"It is not evidence for the rotation of keys: the limit is {limit}, and the controls ask for 90."
    if "unused" not in kinds:
        yield "It is not evidence for unused keys: for that, max_unused_days of the scan policy is at most 45."
    yield (
        "It is evidence for access keys of IAM users and of the root user at the instant of the scan: not for"
        " passwords, which the controls about unused credentials are also about, and not for the time between scans."
    )
    if report["totals"]["exempt"]:
        yield "The controls know no exemptions: an exempt key violates them like any other."
    if "expired" in kinds:
        yield (
            "PCI DSS 8.3.9 and 8.6.3 are about passwords first, and 8.6.3 asks for the period that your own risk"
            " analysis sets."
        )


def controls(report: AnyReport) -> list[Control]:
    """Return the controls that a report is evidence for, in the order of `_newest_first`."""
    return _newest_first(Control(**row) for row in report["controls"])


def controls_in_short(finding: Finding, as_of: str) -> str:
    """Return the controls that a key violates in a line."""
    return "; ".join(map(_in_short, kinds_broken(finding, parse_instant(as_of))))


@cache
def _in_short(kind: str) -> str:
    """Return the controls of a kind in a line, as in "CIS 2.12 (7.0.0), 2.13 (6.0.0); AWS FSBP IAM.3"."""
    versions: dict[str, dict[str, list[str]]] = {}
    for row in _newest_first(row for row in CONTROLS if row.kind == kind):
        versions.setdefault(row.benchmark, {}).setdefault(row.control, []).append(row.version)
    return "; ".join(
        f"{benchmark} {', '.join(control + _span(of_it) for control, of_it in of_benchmark.items())}"
        for benchmark, of_benchmark in versions.items()
    )


def _newest_first(rows: Iterable[Control]) -> list[Control]:
    """Return controls by benchmark, the CIS benchmark first, and of each the newest version first."""

    def version(row: Control) -> list[int]:
        return [int(part) for part in row.version.split(".") if part]

    by_version = sorted(rows, key=version, reverse=True)
    return sorted(by_version, key=lambda row: (row.benchmark != "CIS", row.benchmark))


def _span(versions: list[str]) -> str:
    """Return the versions of a control, given with the newest first."""
    newest, oldest = versions[0], versions[-1]
    return (f" ({newest})" if newest == oldest else f" ({oldest} to {newest})") if newest else ""


def _judge(violations: Violations, *, complete: bool) -> tuple[str, Literal["bad", "warn", "good"]]:
    if violated_by := " and ".join(_violated_by(violations)):
        return f"violated by {violated_by}", "bad"
    if not complete:
        return "unknown: the scan is incomplete", "warn"
    return "met by this scan", "good"


def _violated_by(violations: Violations) -> Iterator[str]:
    if root_users := violations["root_users"]:
        yield "the root user" if root_users == 1 else f"{root_users} root users"
    for number, noun in (
        (violations["users"], "user"),
        (violations["keys"], "key"),
        (violations["exempt_keys"], "exempt key"),
    ):
        if number:
            yield counted(number, noun)

"""The clauses of benchmarks and standards that a finding is about, by version. Pure.

Sources: AWS's mapping of IAM.3, IAM.4 and IAM.22 to the CIS benchmark 1.4.0, 3.0.0 and 5.0.0 and to PCI DSS 4.0.1,
https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html; for the CIS benchmark's other versions
https://hub.steampipe.io/mods/turbot/aws_compliance and https://www.tenable.com/audits/CIS_Amazon_Web_Services_Foundations_v7.0.0_L1
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from chalicelib.documents import ControlRow
from chalicelib.instants import parse_instant
from chalicelib.key_documents import ACTIVE, Finding, JudgedKey


class Control(NamedTuple):
    """A clause about one kind of finding; AWS's own controls have no version."""

    kind: str  # expired, unused, root_access_keys, two_active_keys
    benchmark: str
    version: str
    control: str
    title: str


_CIS_VERSIONS = ("1.4.0", "1.5.0", "2.0.0", "3.0.0", "4.0.1", "5.0.0", "6.0.0", "7.0.0")
_TO_4, _FROM_5 = _CIS_VERSIONS[:5], _CIS_VERSIONS[5:]
# Of each kind: the title, the clause up to version 4, and those of version 5 and later.
_CIS = {
    "expired": ("Access keys are rotated every 90 days or less", "1.14", ("1.13", "2.13", "2.12")),
    "unused": ("Credentials unused for 45 days or more are disabled", "1.12", ("1.11", "2.11", "2.11")),
    "root_access_keys": ("No root user access key exists", "1.4", ("1.3", "2.3", "2.4")),
    "two_active_keys": ("Each IAM user has only one active access key", "1.13", ("1.12", "2.12")),  # gone in 7.0.0
}
# IAM.22 is in no standard of AWS's own, so it is not one of the Foundational Security Best Practices (FSBP).
_AWS = (
    Control("expired", "AWS FSBP", "", "IAM.3", "IAM users' access keys are rotated every 90 days or less"),
    Control("unused", "AWS Security Hub", "", "IAM.22", "IAM user credentials unused for 45 days are removed"),
    Control("root_access_keys", "AWS FSBP", "", "IAM.4", "The root user has no access key"),
)
_PCI = (
    Control("expired", "PCI DSS", "4.0.1", "8.3.9", "A password that is the only factor changes every 90 days"),
    Control("expired", "PCI DSS", "4.0.1", "8.6.3", "Passwords of application and system accounts change periodically"),
)


def _cis() -> Iterator[Control]:
    for kind, (title, to_4, from_5) in _CIS.items():
        clauses = ((version, to_4) for version in _TO_4), zip(_FROM_5, from_5, strict=False)
        yield from (Control(kind, "CIS", version, control, title) for part in clauses for version, control in part)


CONTROLS: tuple[Control, ...] = (*_AWS, *_cis(), *_PCI)
# What the clauses ask for, in days.
LIMITS = {"expired": ("max_age_days", 90), "unused": ("max_unused_days", 45)}


def controls_of(kind: str) -> list[str]:
    """Return the clauses about a kind of finding, as in "CIS 5.0.0 1.13"; none for a key that is due soon."""
    return [" ".join(filter(None, control[1:4])) for control in CONTROLS if control.kind == kind]


def is_evidence(kind: str, policy: Mapping[str, Any]) -> bool:
    """Return whether a complete scan by this policy without such findings shows that the clauses of this kind are met.

    A scan of named users speaks for them alone, one of another instant not of today, and a policy with a longer time
    than the clauses have passes over keys that they do not.
    """
    if policy.get("users") is not None or policy.get("as_of") is not None:
        return False
    if kind not in LIMITS:
        return any(control.kind == kind for control in CONTROLS)
    field, days = LIMITS[kind]
    return policy.get(field) is not None and policy[field] <= days


def evidence_rows(policy: Mapping[str, Any]) -> list[ControlRow]:
    """Return the controls that a complete scan by this policy is evidence for."""
    rows = (control._asdict() for control in CONTROLS if is_evidence(control.kind, policy))
    return [cast(ControlRow, row) for row in rows]


def kinds_broken(key: JudgedKey | Finding, as_of: datetime) -> list[str]:
    """Return the kinds of clauses that an active key violates: a policy may be stricter than they are.

    An overdue key that was not used for long violates both, though its verdict is of one.
    """
    last_used = key.get("last_used", "unknown")
    since = {"expired": key["created_at"]}
    if last_used != "unknown":
        since["unused"] = last_used["at"] if last_used else key["created_at"]
    return [
        kind
        for kind, instant in since.items()
        if key["status"] == ACTIVE and as_of - parse_instant(instant) > timedelta(days=LIMITS[kind][1])
    ]

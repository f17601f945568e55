"""How severe a finding is: what is to be looked at first. Pure."""

from enum import StrEnum

from chalicelib.age import Verdict


class Severity(StrEnum):
    """How severe a finding is, the most severe first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Return the place in the order, 0 for the most severe."""
        return list(Severity).index(self)


def rate_severity(verdict: str, *, quarantined: bool, can_administer: bool, dormant: bool) -> Severity:
    """Return how severe a finding is, given its verdict: of an exempt key, the one that it is exempt from.

    What is not known of a user or a key is False here: it makes no finding more severe.
    """
    if quarantined:
        return Severity.CRITICAL
    if verdict == Verdict.DUE_SOON:
        return Severity.LOW
    return Severity.HIGH if can_administer or dormant else Severity.MEDIUM

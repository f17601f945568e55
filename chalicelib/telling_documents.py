"""The shapes of what is kept of notices, events and Security Hub's findings; fields only grow.

notices/<id>.json                OwnerFile: what an owner was told; the id is made of the owner, never of a key
notices/sns/<id>.json            OwnerFile, of notices that went to the owners' topic
notices/test/<id>.json           OwnerFile, of notices that went to NoticesTestTo instead; each address has its own
security-hub/<account_id>.json   SentFindings: what Security Hub has of an account's keys
"""

from typing import Any, Literal, NotRequired, TypedDict

# Why an owner is told of a key at once; everything else waits for the weekly digest.
Reason = Literal[
    "leaked",  # AWS quarantined its user
    "deactivation",  # it is about to be deactivated
    "expired",
    "became_safe",  # to deactivate
    "due_in_1_day",
    "due_in_7_days",
]


class ToldKey(TypedDict):
    """A key that an owner was told of, and for which reasons so far, of those that still hold."""

    account_id: str
    user_name: str
    reasons: list[Reason]


class OwnerFile(TypedDict):
    """What an owner was told last, written before it is sent: a claim, which one scan alone can make."""

    schema_version: int
    owner: str  # an address in lower case, or the text of the owner tag
    scan_id: str
    mailed_at: str  # the as_of of the scan whose notice was the last
    keys: dict[str, ToldKey]  # by access key id
    refused: str | None  # why the last notice was not taken


class NoticeCounts(TypedDict):
    """What became of a scan's notices; `owners` is all of those who have a key in the report."""

    owners: int
    nothing_new: int  # owners who were told of all before
    sent: int
    refused: int
    unknown: int  # owners whose notice had no answer: it may have been sent, and is not sent again
    claimed: int  # owners whom another scan notified at the same time
    left: int  # owners who will be notified by the next scan
    lost: int  # owners whose notice was not sent and who count as notified, because S3 did not take that back
    keys_without_address: int


class OwnersOfReport(TypedDict):
    """`notices` of a report: of how many findings no owner can be notified, and by which rule."""

    by: Literal["ses", "sns"]
    domains: list[str]  # of owners' addresses, with ses
    keys_without_address: int


class SentFinding(TypedDict):
    """What Security Hub has of a key, as far as it takes to say later that the key is gone."""

    user_name: str
    key_created_at: str
    first_sent_at: str  # the as_of of the scan that sent it first
    sent_at: str  # the as_of of the scan that sent it last
    # Of what was sent, but for what each scan says anew: instants, and the sentences with a last use. Empty until
    # Security Hub is known to have taken the first one.
    digest: str
    status: Literal["FAILED", "WARNING", "PASSED"]
    severity: str  # a label of Security Hub's


class SentFindings(TypedDict):
    """What Security Hub has of an account's keys; a finding that was archived is no longer here."""

    schema_version: int
    account_id: str
    scan_id: str
    as_of: str
    keys: dict[str, SentFinding]  # by access key id


class EventEntry(TypedDict):
    """An entry of events:PutEvents as Step Functions takes it, whose `Detail` may be an object."""

    EventBusName: str
    Source: str
    DetailType: str
    Time: NotRequired[str]
    Detail: dict[str, Any]

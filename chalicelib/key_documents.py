"""The shapes of what a scan's files say of a key; fields are added, never renamed or removed.

Instants are texts as `chalicelib.instants.format_instant` writes them.
"""

from typing import Literal, NotRequired, TypedDict

from chalicelib.deactivation_documents import PlannedKey

ACTIVE = "Active"  # status of a key that can be used
Unknown = Literal["unknown"]  # what could not be had


class LastUsed(TypedDict):
    """When, for which service and in which Region a key was used last, as IAM has it."""

    at: str
    service: str
    region: str


LastUse = LastUsed | Unknown | None  # None: never used


class OtherKey(TypedDict):
    """Another key of the same user."""

    access_key_id: str
    age_days: int
    status: str
    last_used: LastUse
    description: str | None


class Exemption(TypedDict):
    """What a user's exemption tags say, and why they do not exempt, where they do not; texts as they are."""

    in_force: bool
    until: str | None
    reason: str | None
    why_not: str | None


class LeaveKeys(TypedDict):
    """What to have instead of an access key: for which use, what to do, and AWS's page for it."""

    use: str
    instead: str
    url: str


class Seen(TypedDict):
    """A value in CloudTrail's events of a key, and in how many of them it is."""

    value: str
    events: int


class SeenFrom(TypedDict):
    """What CloudTrail's management events say of who uses a key; each list has the three most frequent values."""

    status: Literal["seen", "nothing", "not_asked", "throttled", "refused", "unknown"]
    cause: str | None
    region: str | None  # in which CloudTrail was asked
    events: int  # that were read
    more: bool  # there are more than those
    first_at: str | None
    last_at: str | None
    addresses: list[Seen]
    user_agents: list[Seen]
    actions: list[Seen]
    errors: list[Seen]


class Usage(TypedDict):
    """`usage.json`: what CloudTrail said of the keys that it was to be asked about, by access key id."""

    schema_version: int
    scan_id: str
    asked: int  # keys
    keys: dict[str, SeenFrom]


class Finding(TypedDict):
    """An expired, unused, due-soon or exempt key, and what to do with it."""

    user_name: str
    access_key_id: str
    status: str
    created_at: str
    age_days: int
    overdue_at: str
    verdict: str
    last_used: LastUse
    owner: str | None  # "unknown", too, where the tags could not be had: then `owner_known` is false
    owner_known: bool
    tags: dict[str, str] | Unknown
    description: str | None  # the key's in the IAM console; null without one and where the tags could not be had
    other_keys: list[OtherKey]
    advice: str | None  # deactivate, finish_rotation, rotate, delete; none without knowing its use
    advice_in_words: str | None
    safe_to_deactivate: bool | None  # null without advice and for an inactive key
    exemption: Exemption | None
    severity: Literal["critical", "high", "medium", "low"]  # of an exempt key: that of `exempt_from`
    can_administer: bool | Unknown
    administers_by: str | None  # the policy that makes the user an administrator
    quarantined_by: str | None  # AWS's policy that says that a key of this user leaked; "unknown", too
    user_path: str | None
    console_url: str
    controls: list[str]  # that the key violates
    leave_keys: LeaveKeys | None
    seen_from: SeenFrom | None  # null unless the stage asks CloudTrail
    exempt_from: NotRequired[str]  # of an exempt key: the verdict that it would have
    plan: NotRequired[PlannedKey]  # of a key that a stage with Deactivation could deactivate


class JudgedKey(TypedDict):
    """A key as IAM described it, with its verdict: null if it is not judged.

    That is an inactive key that was skipped, or one created after the instant that keys are judged at.
    """

    access_key_id: str
    status: str
    created_at: str
    verdict: str | None
    last_used: NotRequired[LastUse]  # where it was asked
    description: NotRequired[str]  # where there is one
    exempt_from: NotRequired[str]


class ExpiredKey(TypedDict):
    """An expired key in a comparison, with the `as_of` of the full scan that reported it first."""

    user_name: str
    access_key_id: str
    created_at: str
    status: str
    overdue_at: str
    reported_since: str


class EarlyKey(ExpiredKey):
    """A key that was due soon or unused at the last full scan."""

    was: Literal["due_soon", "unused"]


class ResolvedKey(TypedDict):
    """A key that was found at the last full scan, is not any more, and why."""

    user_name: str
    access_key_id: str
    how: Literal["rotated", "deactivated", "deleted", "exempted", "no_longer_matching"]
    action_id: NotRequired[str]  # of a key that this product deactivated
    by: NotRequired[str]  # who approved that
    was: NotRequired[Literal["due_soon", "unused"]]  # of a key that was not expired


class KeyStatus(TypedDict):
    """A key and whether it can be used."""

    access_key_id: str
    status: str

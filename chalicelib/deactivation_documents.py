"""The shapes of planned deactivations and of what became of them; fields are added, never renamed or removed.

Each finding of a full scan that could be deactivated has a PlannedKey, and the report has the Plan. An action is one
key that was deactivated, or was to be. Its files, each of which is a whole Action, are written one after the other, and
each one once; the last says where the action is:

actions/<account_id>/<access_key_id>-<attempt>/00-intent.json   before IAM is called
actions/<account_id>/<access_key_id>-<attempt>/00-outcome.json  after it
actions/<account_id>/<access_key_id>-<attempt>/01-intent.json   before the first undo, and so on
"""

from typing import Any, Literal, NotRequired, TypedDict

# Tags of IAM users; IAM tells no upper from lower case in a tag's name.
PROTECTED_TAG = "iam-key-age:never-deactivate"  # whatever its value is
ALLOWED_TAG = "iam-key-age:may-deactivate"  # "true", where DeactivationScope is tagged
ACTION_ID_PATTERN = "[0-9]{12}-[A-Za-z0-9_]{1,128}-[0-9]{1,3}"  # account, access key, attempt
BY_ITSELF = "DeactivationApproval=none"  # as whoever approved, where nobody has to
# How `why` of a KeyResult begins where nothing is left to be undone.
ACTIVE_ALREADY, ACTIVE_BEFORE = "It is Active already", "It was activated again before"
BY_ANOTHER = "Another execution changes it, or did so"

# Why a planned key is not due.
HeldBy = Literal[
    "told_recently",  # too short ago
    "weekday",  # today is not an approved one
    "used_recently",  # in less than DeactivateAfterDays
    "protected",  # by a tag of its user
    "not_in_scope",  # DeactivationScope or DeactivationUserPath leave its user out
    "exempt",
    "acted_before",  # it was deactivated before, or that may be so
    "unknown_details",  # its last use or its user's tags
]


class Hold(TypedDict):
    """What keeps a planned key from being due, as a word that programs know and as a sentence."""

    by: HeldBy
    in_words: str


class PlannedKey(TypedDict):
    """When a key is to be deactivated, and what keeps it from being due; a due key has no `holds`."""

    status: Literal["due", "held"]
    # as_of of the first scan whose message said so or, from the next scan on, when that message had been sent; null
    # until one did, and by a lasting hold
    told_since: str | None
    due_since: str | None  # as_of of the first scan in which it was due; null where told_since is
    due_on: str | None  # the day in UTC, YYYY-MM-DD; null by a lasting hold, and where a detail is unknown
    holds: list[Hold]


class Told(TypedDict):
    """Of a key that people were told of: the fields of PlannedKey with these names."""

    told_since: str
    due_since: str | None


class Plan(TypedDict):
    """`plan` of a report: the settings that it was made by, and how many keys are due and held."""

    mode: Literal["plan", "apply"]
    approval: Literal["required", "none"]
    after_days: int
    weekdays: list[str]  # MON to SUN, in UTC
    scope: Literal["all", "tagged"]
    user_path: str
    max_per_scan: int
    due: int
    held: int
    waiting: int  # of those held: only their day (`due_on`) has to come
    newly_told: int  # keys that are told of for the first time
    newly_due: int
    note: str | None  # why no key is planned
    told: dict[str, Told]  # where none is planned: what people were told, by access key id, for the next plan


class PlanCounts(TypedDict):
    """How many keys are due and held, and how many of those that are held merely wait for their day."""

    mode: Literal["plan", "apply"]
    due: int
    held: int
    waiting: int


class PlanSummary(TypedDict):
    """`plan` of a summary, where its report has one."""

    plan: NotRequired[PlanCounts]


class StateBefore(TypedDict):
    """A key as IAM had it right before it was to be deactivated."""

    status: str
    created_at: str
    last_used: dict[str, Any] | None  # a LastUsed; null for never


class Undo(TypedDict):
    """That a key was to be activated again, by whom, and what became of it."""

    by: str  # ARN
    at: str
    execution_arn: str
    state: Literal["intended", "done", "failed", "unknown"]
    ended_at: str | None
    cause: str | None


class Action(TypedDict):
    """A key that was to be deactivated: who approved that, when, why, the state before, and what became of it.

    `intended`: IAM is being called, or the execution was stopped in the middle. `done`: the key is inactive. `failed`:
    IAM refused, and nothing changed. `unknown`: IAM did not say.
    """

    schema_version: int
    action_id: str
    account_id: str
    user_name: str
    access_key_id: str
    scan_id: str  # whose plan it is of
    approved_by: str  # ARN, or DeactivationApproval=none
    approved_at: str
    why: str
    state_before: StateBefore
    execution_arn: str
    intended_at: str
    state: Literal["intended", "done", "failed", "unknown"]
    ended_at: str | None
    cause: str | None  # of what failed or is unknown
    undo: Undo | None


class DeactivationInput(TypedDict):
    """The input of an execution of the deactivation machine: a plan to apply, or an action to undo."""

    by: str  # ARN
    at: str
    scan_id: NotRequired[str]  # of the plan
    access_key_ids: NotRequired[list[str]]  # without it, all that are due
    account_id: NotRequired[str]  # of a scan of an organization, where its report leaves the keys out
    undo: NotRequired[str]  # an action's id


class ChosenKey(TypedDict):
    """A key that the machine is to ask IAM about."""

    account_id: str
    user_name: str
    access_key_id: str


class KeyResult(TypedDict):
    """What became of a key in an execution; `held` where the check right before found that it must not be.

    Of an undo that cannot be, `failed`, which is on record, unless another undo is done or may be yet.
    """

    account_id: str
    user_name: str
    access_key_id: str
    result: Literal["done", "failed", "unknown", "held"]
    action_id: str | None
    why: str  # in words

"""What IAM's answers of this moment say of a key that is to be deactivated, or activated again. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from chalicelib.deactivation_documents import ACTIVE_ALREADY, ACTIVE_BEFORE, Action, ChosenKey
from chalicelib.deactivation_settings import DeactivationSettings
from chalicelib.documents import AccountFacts, UserFacts
from chalicelib.evaluation.account import AccountReader, Wanted, no_facts
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.evaluation.plan import holds_of, holds_of_user, waits_of
from chalicelib.instants import format_instant, parse_instant
from chalicelib.key_documents import ACTIVE, Finding
from chalicelib.policy import ScanPolicy
from chalicelib.settings import TagSettings

INACTIVE = "Inactive"
NOT_CALLED = "NotCalled"  # the state machine's error where it began what it may no more do
_NOT_THERE = "IAM lists no such key of this user now: it was deleted, or its user was renamed."
# What IAM and STS say when they did nothing, and the error of a call that was not made.
_NOT_DONE = re.compile(
    r"not authorized|AccessDenied|Throttling|Rate exceeded|NoSuchEntity|States\.QueryEvaluationError"
)
_LONGEST_ERROR = 300
_TO_CHANGE = {"protected": "remove it", "not_in_scope": "change that"}
Outcome = Literal["done", "failed", "unknown"]
_FINE = "By what IAM says of it now, nothing speaks for deactivating it."


@dataclass(frozen=True)
class Terms:
    """What a key is judged by: the stage's settings, and the instant."""

    scan_id: str
    partition: str  # of ARNs, such as "aws"
    now: datetime
    policy: ScanPolicy
    settings: DeactivationSettings
    tags: TagSettings


class Recheck(NamedTuple):
    """A key as it is now, None where it is no finding, and why it must not be deactivated, None where it may."""

    finding: Finding | None
    why_not: str | None


def recheck(
    key: ChosenKey, answers: Mapping[str, Any], told_since: str | None, earlier: Action | None, terms: Terms
) -> Recheck:
    """Judge a planned key by the answers that the state machine got, as a scan of its user would.

    `answers` is `{"keys": [{"access_key_id", "status", "created_at"}], "last_used", "user": {"path", "tags"},
    "cause"}`, `last_used` as `read_last_uses` takes it; what is missing or odd in it is unknown. `told_since` is of the
    key's plan, `earlier` its last action.
    """
    status = _status_of(key, answers)
    if status != ACTIVE:
        return Recheck(None, _not_there(answers) if status is None else f"It is {status} already.")
    account = _facts_of_user(key, answers, terms)
    context = ScanContext(
        terms.scan_id, key["account_id"], terms.now, terms.policy, account, terms.tags.max_exempt_days, terms.now
    )
    details = {"last_used": answers.get("last_used"), "cause": answers.get("cause")}
    outcome = {"user_name": key["user_name"], "outcome": "checked", "keys": answers["keys"], "details": details}
    page = evaluate_page(context, 1, [key["user_name"]], [outcome])
    for finding in (*page["findings"], *page["exempt"]):
        if finding["access_key_id"] == key["access_key_id"]:
            return Recheck(finding, " ".join(_why_not(finding, answers, told_since, earlier, terms)) or None)
    return Recheck(None, " ".join(user.get("cause", _FINE) for user in page["users"]))


def why_not_undone(
    key: ChosenKey, answers: Mapping[str, Any], action: Action, settings: DeactivationSettings | None
) -> str | None:
    """Return why a key must not be activated again, None where it may: it was deactivated, and is inactive yet.

    IAM would refuse it for a user who is protected or out of scope by now. What is unknown of the user holds no undo.
    """
    undo, status = action["undo"], _status_of(key, answers)
    if action["state"] != "done":
        return "It is not on record that it was deactivated."
    if undo and undo["state"] == "done":
        return f"{ACTIVE_BEFORE}, on {undo['at'][:10]}."
    if status is None:
        return _not_there(answers)
    if status != INACTIVE:
        return f"{ACTIVE_ALREADY}."
    user = _read_user(key, answers, ())[key["user_name"]]
    for hold in holds_of_user({"user_path": user["path"], "tags": user["tags"]}, settings) if settings else ():
        if first := _TO_CHANGE.get(hold["by"]):
            return f"{hold['in_words'].removesuffix('.')}: {first} first, or activate the key by hand."
    return None


def outcome_of(
    caught: Mapping[str, str], status_after: str, wanted: str, *, redriven: bool
) -> tuple[Outcome, str | None]:
    """Return what became of a call that was to give a key the wanted status, and why where that is not plain.

    `caught` is the call's error, {} for none; `status_after` is what IAM said of the key then, empty for nothing. Where
    the execution was redriven, the call may have been made before the one that had the error.
    """
    if not caught:
        return "done", None
    if caught.get("Error") == NOT_CALLED:
        return "failed", caught.get("Cause", "")
    error = f"{caught.get('Error', '')}: {caught.get('Cause', '')}"[:_LONGEST_ERROR]
    refused = not redriven and _NOT_DONE.search(error)
    if refused and status_after != wanted:
        return "failed", error
    seen = f"the key is {status_after} now" if status_after else "IAM did not say what the key is now"
    return "done" if status_after == wanted and not refused else "unknown", f"{error} ({seen})"


def _status_of(key: ChosenKey, answers: Mapping[str, Any]) -> str | None:
    """Return the status of a key, None where IAM did not list it, or not once."""
    listed = answers.get("keys")
    keys = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    found = [one.get("status") for one in keys if one.get("access_key_id") == key["access_key_id"]]
    return str(found[0]) if len(found) == 1 else None


def _not_there(answers: Mapping[str, Any]) -> str:
    return f"IAM did not list it ({answers['cause']})." if answers.get("cause") else _NOT_THERE


def _read_user(key: ChosenKey, answers: Mapping[str, Any], owner_tags: Sequence[str]) -> dict[str, UserFacts]:
    """Return the path and the tags of the key's user; policies, which play no part, are none."""
    user = answers.get("user")
    path, tags = (user.get("path"), user.get("tags")) if isinstance(user, Mapping) else (None, None)
    described = {
        "UserName": key["user_name"],
        "Path": path if isinstance(path, str) else None,
        "Tags": tags if isinstance(tags, list) else None,
    }
    reader = AccountReader(owner_tags)
    reader.add({"UserDetailList": [described]})
    return reader.users()


def _facts_of_user(key: ChosenKey, answers: Mapping[str, Any], terms: Terms) -> AccountFacts:
    users = _read_user(key, answers, terms.tags.owner_tags)
    wanted = Wanted(terms.scan_id, key["account_id"], terms.partition, [key["user_name"]], root=False)
    return no_facts(wanted, format_instant(terms.now)) | {"users": users}


def _why_not(
    finding: Finding, answers: Mapping[str, Any], told_since: str | None, earlier: Action | None, terms: Terms
) -> Iterator[str]:
    """Yield what speaks against deactivating a finding now."""
    holds = holds_of(finding, terms.settings, terms.now, earlier)
    if holds is None:
        yield finding["advice_in_words"] or _FINE
        return
    last_used = finding["last_used"]
    if told_since is None:
        yield "It was not announced."
    elif isinstance(last_used, dict) and parse_instant(last_used["at"]) > parse_instant(told_since):
        yield f"It was used on {last_used['at'][:10]}, after it was announced."
    else:
        holds = [*holds, *waits_of(parse_instant(told_since), terms.settings, terms.now)]
    yield from (hold["in_words"] for hold in holds)
    if answers.get("cause") and any(hold["by"] == "unknown_details" for hold in holds):
        yield f"({answers['cause']})"

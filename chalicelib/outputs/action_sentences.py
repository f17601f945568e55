"""The sentences about keys that were deactivated or activated again, or were to be. Pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from chalicelib.deactivation_documents import BY_ITSELF, Action
from chalicelib.outputs.sentences import to_the_second


class _Ending(NamedTuple):
    """How a deactivation or an undo ended: for programs, in a subject, and in a sentence about a key."""

    verdict: str
    in_short: str
    sentence: str


_ENDINGS = {
    "done": _Ending("deactivated", "Deactivated", "{key} was deactivated at {at}."),
    "failed": _Ending("deactivation_failed", "NOT deactivated:", "{key} was NOT deactivated, and nothing changed."),
    "unknown": _Ending(
        "deactivation_unknown",
        "UNKNOWN if deactivated:",
        "{key} may have been deactivated, or not: that is UNKNOWN.",
    ),
}
_UNDO_ENDINGS = {
    "done": _Ending("undone", "Active again:", "{key} was activated again at {at}."),
    "failed": _Ending("undo_failed", "NOT active again:", "{key} was NOT activated again, and nothing changed."),
    "unknown": _Ending(
        "undo_unknown",
        "UNKNOWN if active again:",
        "{key} may have been activated again, or not: that is UNKNOWN.",
    ),
}


def _ending(action: Action) -> _Ending:
    """Return how an action or its undo ended; what has an intent alone is as unknown as what IAM did not say."""
    if undo := action["undo"]:
        return _UNDO_ENDINGS.get(undo["state"], _UNDO_ENDINGS["unknown"])
    return _ENDINGS.get(action["state"], _ENDINGS["unknown"])


def action_verdict(action: Action) -> str:
    """Return what became of an action, or of its undo where there is one, in a word for programs."""
    return _ending(action).verdict


def action_in_short(action: Action) -> str:
    """Return what became of an action in the words that a subject begins with."""
    return _ending(action).in_short


def action_sentence(action: Action, key: str = "It") -> str:
    """Return what happened to a key, and when."""
    at = to_the_second((action["undo"] or action)["ended_at"] or action["intended_at"])
    return _ending(action).sentence.format(key=key, at=at)


def who_lines(action: Action, around: str = "") -> Iterator[str]:
    """Yield who approved a deactivation and when, or that nobody had to; and who asked for its undo, if somebody did.

    `around` is what stands around what others wrote.
    """
    if undo := action["undo"]:
        yield asked_sentence(undo["by"], undo["at"], around)
        yield f"The key had been deactivated at {to_the_second(action['ended_at'] or action['intended_at'])}."
    yield approved_sentence(action["approved_by"], action["approved_at"], action["scan_id"], around)


def asked_sentence(by: str, at: str, around: str = "") -> str:
    """Return who asked for an undo, and when."""
    return f"Asked for by {around}{by}{around} at {to_the_second(at)}."


def approved_sentence(by: str, at: str, scan_id: str, around: str = "") -> str:
    """Return who approved a scan's plan, or keys of it, and when."""
    if by == BY_ITSELF:
        return f"No approval was needed ({BY_ITSELF}): due in the plan of scan {scan_id}."
    return f"Approved by {around}{by}{around} at {to_the_second(at)}, in the plan of scan {scan_id}."


def cause_lines(action: Action, quoted: Callable[[str], str] = str) -> Iterator[str]:
    """Yield why an action or its undo failed or is unknown; of one that is done, by what else that is known."""
    last = action["undo"] or action
    if cause := last["cause"]:
        yield f"{'Note' if last['state'] == 'done' else 'Cause'}: {quoted(cause)}"


def action_lines(action: Action) -> list[str]:
    """Return what became of an action, who approved it, and why it failed or is unknown."""
    return [action_sentence(action), *who_lines(action), *cause_lines(action)]


def why_lines(action: Action) -> Iterator[str]:
    """Yield why a key was to be deactivated, and its state right before."""
    before = action["state_before"]
    last_used = before["last_used"]
    used = "never used"
    if last_used:
        used = f"last used on {last_used['at'][:10]} for {last_used['service']} in {last_used['region']}"
    yield f"Why: {action['why']}"
    yield f"State before: {before['status']}, created on {before['created_at'][:10]}, {used}."


def undo_request(action: Action) -> str | None:
    """Return the request that activates a key again; None for what is not on record as deactivated, or is undone."""
    undone = action["undo"] is not None and action["undo"]["state"] == "done"
    return f"POST /actions/{action['action_id']}/undo" if action["state"] == "done" and not undone else None

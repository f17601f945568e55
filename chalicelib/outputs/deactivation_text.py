"""The messages about keys that were deactivated or activated again, and about those that were not. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.deactivation_documents import (
    ACTIVE_ALREADY,
    ACTIVE_BEFORE,
    BY_ANOTHER,
    Action,
    DeactivationInput,
    KeyResult,
)
from chalicelib.documents import SCHEMA_VERSION
from chalicelib.outputs.action_sentences import (
    action_in_short,
    action_sentence,
    action_verdict,
    approved_sentence,
    asked_sentence,
    cause_lines,
    undo_request,
    who_lines,
    why_lines,
)
from chalicelib.outputs.links import defuse_addresses, in_backticks
from chalicelib.outputs.mail import INDENT, awscurl_lines, with_user, wrapped
from chalicelib.outputs.message_chat import custom_notification
from chalicelib.outputs.message_json import compact_json
from chalicelib.outputs.sentences import counted
from chalicelib.outputs.sns import Notification, as_notification
from chalicelib.outputs.subject import first_fitting
from chalicelib.settings import HttpsFormat

_MAX_RESULTS_BYTES = 4_700  # of which each protocol of programs gets a copy
_IN_CHAT = 10
_WHEN = {  # by whether it is known what the key is, and whether it was to be activated again already
    (True, False): "If something misses it, make it active again:",
    (True, True): "To try again:",
    (False, False): "If it is inactive, and something misses it, make it active again:",
    (False, True): "If it is inactive, try again:",
}
_PLANNED_AGAIN = "The next full scan plans the key again, if it is still to be deactivated."
_ALL_PLANNED_AGAIN = "The next full scan plans each key again, or says what keeps it from being deactivated."
_LEFT_ALONE = "iam-key-age leaves the key alone from now on: it deactivates no key twice."


def compose_action_notification(action: Action, https_format: HttpsFormat) -> Notification:
    """Return the message about an action, or about its undo where there is one: who, when, why, how to undo it."""
    verdict, account_id = action_verdict(action), action["account_id"]
    subject = _subject(action_in_short(action), action)
    told = [*who_lines(action), *why_lines(action), *cause_lines(action)]
    text = [
        *_defused([action_sentence(action, _key(action))]),
        "",
        *_defused(told),
        "",
        *_what_to_do(action),
        "",
        f"Action: {action['action_id']}",
    ]
    in_chat = [
        action_sentence(action, _key(action, "`")),
        *who_lines(action, "`"),
        *why_lines(action),
        *cause_lines(action, in_backticks),
    ]
    steps = list(_steps_in_chat(action))
    chat = custom_notification((action["action_id"], verdict, account_id), subject, in_chat, steps)
    return as_notification(
        subject,
        _joined(text),
        {"schema_version": SCHEMA_VERSION, "kind": "action", "verdict": verdict, "action": action},
        chat if https_format is HttpsFormat.CHAT else None,
        {"kind": "action", "verdict": verdict, "account_id": account_id},
    )


def compose_rest_notification(
    given: DeactivationInput, results: Sequence[KeyResult], https_format: HttpsFormat
) -> Notification:
    """Return the message about keys that were approved and not deactivated, each with why."""
    verdict, in_short, became = _left_alone(given, results)
    accounts = sorted({one["account_id"] for one in results})
    of_many = len(accounts) > 1
    if len(results) == 1:
        subject, keys = _subject(f"{in_short}:", results[0]), _key(results[0])
    else:
        where = counted(len(accounts), "AWS account") if of_many else f"AWS account {accounts[0]}"
        keys = f"{len(results)} access keys in {where}"
        subject = f"{in_short}: {keys}"
    sentence = f"{keys} {'was' if len(results) == 1 else 'were'} {became}."
    listed = _result_lines(results, of_many=of_many)
    text = [*_defused([sentence]), "", *_defused([_asked(given)]), "", "Why:", *listed, "", *_next(given, results)]
    first: list[KeyResult] = list(results)
    while len(compact_json(first).encode()) > _MAX_RESULTS_BYTES:
        first.pop()
    for_programs = {
        "schema_version": SCHEMA_VERSION,
        "kind": "not_changed",
        "verdict": verdict,
        "input": {name: value for name, value in given.items() if name != "access_key_ids"},
        "results": first,
        "results_left_out": len(results) - len(first),
    }
    more = [f"and {len(results) - _IN_CHAT} more."] if len(results) > _IN_CHAT else []
    in_chat = [f"{in_short}:", *_results_in_chat(results[:_IN_CHAT], of_many=of_many), *more, _asked(given, "`")]
    about = given.get("scan_id", given.get("undo", "")), verdict, accounts[0]
    chat = custom_notification(about, subject, in_chat, list(_next_in_chat(given, results)))
    return as_notification(
        subject,
        _joined(text),
        for_programs,
        chat if https_format is HttpsFormat.CHAT else None,
        {"kind": "not_changed", "verdict": verdict, "account_id": accounts[0]},
    )


def _left_alone(given: DeactivationInput, results: Sequence[KeyResult]) -> tuple[str, str, str]:
    """Return what did not become of keys: in a word for programs, in a subject, and in a sentence."""
    if "undo" not in given:
        return "not_deactivated", "NOT deactivated", "NOT deactivated"
    if _nothing_to_undo(results):
        return "not_undone", "Nothing to undo", "left as it is"
    return "not_undone", "NOT activated again", "NOT activated again"


def _nothing_to_undo(results: Sequence[KeyResult]) -> bool:
    """Return whether the key of an undo is active, or another execution sees to it."""
    return results[0]["why"].startswith((ACTIVE_ALREADY, ACTIVE_BEFORE, BY_ANOTHER))


def _next(given: DeactivationInput, results: Sequence[KeyResult]) -> Iterator[str]:
    if "undo" not in given:
        yield from wrapped([_ALL_PLANNED_AGAIN])
    elif _nothing_to_undo(results):
        yield "What is on record of it:"
        yield f"{INDENT}GET /actions/{given['undo']}"
    else:
        yield "To try again:"
        yield from _request(f"POST /actions/{given['undo']}/undo")


def _next_in_chat(given: DeactivationInput, results: Sequence[KeyResult]) -> Iterator[str]:
    if "undo" not in given:
        yield _ALL_PLANNED_AGAIN
        yield f"See the plan: `GET /scan/{given.get('scan_id', '')}/plan`"
        return
    if not _nothing_to_undo(results):
        yield f"To try again: `POST /actions/{given['undo']}/undo`"
    yield f"See what is on record: `GET /actions/{given['undo']}`"


def _results_in_chat(results: Sequence[KeyResult], *, of_many: bool) -> Iterator[str]:
    for one in results:
        account = f" in account {one['account_id']}" if of_many else ""
        yield f"`{one['access_key_id']}` `{one['user_name']}`{account}: {in_backticks(one['why'])}"


def _asked(given: DeactivationInput, around: str = "") -> str:
    if "undo" in given:
        return asked_sentence(given["by"], given["at"], around)
    return approved_sentence(given["by"], given["at"], given.get("scan_id", ""), around)


def _result_lines(results: Sequence[KeyResult], *, of_many: bool) -> Iterator[str]:
    for one in results:
        account = [f"Account {one['account_id']}"] if of_many else []
        key = with_user(f"{INDENT}{one['access_key_id']:<20}", one["user_name"])
        yield "\n".join([key, *_defused([*account, one["why"]], INDENT * 3)])


def _key(of: Mapping[str, Any], around: str = "") -> str:
    key_id, user, account = (f"{around}{of[name]}{around}" for name in ("access_key_id", "user_name", "account_id"))
    return f"Access key {key_id} of {user} in AWS account {account}"


def _subject(what: str, of: Mapping[str, Any]) -> str:
    """Return what happened to which key, with as much of whose it is as fits."""
    key_id, account_id = of["access_key_id"], of["account_id"]
    return first_fitting(
        f"{what} {key_id} of {of['user_name']} in account {account_id}",
        f"{what} {key_id} of {of['user_name']} in {account_id}",
        f"{what} {key_id} in account {account_id}",
        f"{what} an access key in account {account_id}",
    )


def _what_to_do(action: Action) -> Iterator[str]:
    """Yield how to undo a deactivation, to see what became of it, or to try again, with the commands for it."""
    undo = action["undo"]
    state = (undo or action)["state"]
    known, is_inactive = state in ("done", "failed"), state == ("failed" if undo else "done")
    if not known:
        yield "To see whether the key is active, with credentials of that account:"
        yield from _command("list-access-keys", action)
    if is_inactive or not known:
        yield _WHEN[known, undo is not None]
        if request := undo_request(action):
            yield from _request(request)
            yield "or, without the API, with credentials of that account:"
        yield from _command("update-access-key --status Active", action, of_key=True)
    if state == "failed" and not undo:
        yield _PLANNED_AGAIN
    else:
        yield _LEFT_ALONE


def _steps_in_chat(action: Action) -> Iterator[str]:
    """Yield how to see what became of a key that IAM did not say it of, to undo or to try again, and the record."""
    undo = action["undo"]
    state = (undo or action)["state"]
    if state not in ("done", "failed"):
        look = f"aws iam list-access-keys --user-name {action['user_name']}"
        yield f"See whether the key is active, with credentials of that account: `{look}`"
    if request := undo_request(action):
        yield f"To make the key active again: `{request}`"
    if state == "failed" and not undo:
        yield _PLANNED_AGAIN
    yield f"See what is on record: `GET /actions/{action['action_id']}`"


def _request(request: str) -> Iterator[str]:
    """Yield a request to the API, and how to send it with awscurl."""
    yield f"{INDENT}{request}"
    yield "or with awscurl:"
    yield from awscurl_lines(request.partition(" ")[2])


def _command(command: str, action: Action, *, of_key: bool = False) -> Iterator[str]:
    """Yield a command of the AWS CLI, in lines that a user's name fits into."""
    options = [command, *([f"--access-key-id {action['access_key_id']}"] if of_key else [])]
    options.append(f"--user-name {action['user_name']}")
    yield f"{INDENT}aws iam " + f" \\\n{INDENT}".join(options)


def _defused(sentences: Iterable[str], indent: str = "") -> Iterator[str]:
    """Yield sentences in lines, no name or cause in which makes a link."""
    return wrapped(map(defuse_addresses, sentences), indent)


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
